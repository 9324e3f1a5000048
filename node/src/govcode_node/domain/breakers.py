"""The circuit breaker in front of one peer or service: after some failures in a row it lets nobody through for a while.

It is a state machine over an injected clock and touches nothing else. Each admitted call gets a pass and hands it back
with its result. A pass belongs to the period in which it was given: results of an earlier period change nothing, so a
call that was already under way when the breaker opened cannot close it or open it again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether calls go through."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave for one call; handed back with its result."""

    period: int


class CircuitBreaker:
    """It counts failures in a row, opens, and after a while lets one call try.

    Args:
        failures: How many in a row open it.
        open_for: Seconds for which it stays open the first time; doubled with each try that fails.
        max_open_for: The longest of these times.
        monotonic: The clock, in seconds.
    """

    def __init__(self, *, failures: int, open_for: float, max_open_for: float, monotonic: Callable[[], float]) -> None:
        self._limit = failures
        self._first_open_for = open_for
        self._max_open_for = max(open_for, max_open_for)
        self._monotonic = monotonic
        self._failures = 0
        self._period = 0
        self._open_until: float | None = None
        self._open_for = open_for
        self._trying = False

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._open_until is None:
            return BreakerState.CLOSED
        if self._trying or self._monotonic() >= self._open_until:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    def admit(self) -> Pass | None:
        """It gives leave for a call; None where the call must not be made."""
        if self._open_until is None:
            return Pass(self._period)
        if self._trying or self._monotonic() < self._open_until:
            return None
        # Half open: this one call decides.
        self._trying = True
        self._period += 1
        return Pass(self._period)

    def succeeded(self, leave: Pass) -> None:
        """It notes that the peer answered, be it with a refusal."""
        if leave.period != self._period:
            return
        self._failures = 0
        if self._trying:
            self._trying = False
            self._open_until = None
            self._open_for = self._first_open_for
            self._period += 1

    def failed(self, leave: Pass) -> None:
        """It notes that the peer did not answer."""
        if leave.period != self._period:
            return
        if self._trying:
            self._trying = False
            self._open_for = min(self._open_for * 2, self._max_open_for)
            self._open()
            return
        self._failures += 1
        if self._failures >= self._limit:
            self._open()

    def abandoned(self, leave: Pass) -> None:
        """It notes that the call ended without telling anything of the peer, for instance because its caller left."""
        if leave.period == self._period and self._trying:
            self._trying = False
            self._period += 1

    def _open(self) -> None:
        self._failures = 0
        self._period += 1
        self._open_until = self._monotonic() + self._open_for
