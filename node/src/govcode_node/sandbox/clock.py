"""The sandbox's clock: the machine's, a span ahead of it, and standing still where somebody wants it to."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from govcode_node.domain.errors import GovcodeError

FARTHEST: Final = timedelta(days=300)
"""The certificates of a sandbox hold for a year; beyond them it would refuse its own callers."""


class ClockRangeError(GovcodeError):
    """The clock goes forward only, and not beyond the certificates' end."""

    def __init__(self) -> None:
        super().__init__(f"the clock moves forward, by {FARTHEST.days} days at the most")


class SandboxClock:
    """One time for all nodes of a sandbox; may be moved from any thread.

    It never goes back: nodes refuse what comes from their future, and rightly.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = timedelta()
        self._frozen_at: datetime | None = None

    def now(self) -> datetime:
        """It gives the sandbox's moment, aware, in UTC."""
        frozen_at = self._frozen_at
        base = datetime.now(UTC) if frozen_at is None else frozen_at
        return base + self._ahead

    def monotonic(self) -> float:
        """It gives seconds that only grow, and that grow on while the clock is frozen: connections live on them."""
        return time.monotonic() + self._ahead.total_seconds()

    @property
    def ahead(self) -> timedelta:
        """How far the clock was advanced."""
        return self._ahead

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen_at is not None

    def advance(self, span: timedelta) -> None:
        """It moves on, also where it stands still.

        Raises:
            ClockRangeError: Backwards, or too far.
        """
        with self._lock:
            if span < timedelta() or self._ahead + span > FARTHEST:
                raise ClockRangeError
            self._ahead += span

    def freeze(self) -> None:
        """It stands still from now on."""
        with self._lock:
            if self._frozen_at is None:
                self._frozen_at = datetime.now(UTC)

    def thaw(self) -> None:
        """It goes on, and jumps to where it would be had it never stood still."""
        with self._lock:
            self._frozen_at = None


class HomeClock:
    """The clock of the home node: the sandbox's, and another time for a moment, while codes of that time are made.

    That happens before the node knows any other, since what it tells others of itself must be of the present.
    """

    def __init__(self, clock: SandboxClock) -> None:
        """It shows the sandbox's time."""
        self._clock = clock
        self._aside = timedelta()

    def now(self) -> datetime:
        """It gives the moment that it shows."""
        return self._clock.now() + self._aside

    def monotonic(self) -> float:
        """It gives seconds that only grow."""
        return self._clock.monotonic()

    @contextmanager
    def aside(self, span: timedelta) -> Iterator[None]:
        """It shows a time before or after the present one for the length of the block."""
        self._aside = span
        try:
            yield
        finally:
            self._aside = timedelta()
