"""What went through a node in the last minute: rate, 99th percentile, share of faults; in memory of a fixed size."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 60
"""Seconds that are looked back on."""

_LEAST: Final = 1e-4
_GROWTH: Final = math.log(1.1)
_BUCKETS: Final = 145  # up to about 90 s; each bound is a tenth above the one before, and so is the error


@dataclass(slots=True)
class _Second:
    """The calls that ended within one second; durations as counts in buckets."""

    number: int = -1
    calls: int = 0
    faults: int = 0
    durations: list[int] = field(default_factory=lambda: [0] * _BUCKETS)

    def begin(self, number: int) -> None:
        self.number = number
        self.calls = self.faults = 0
        self.durations = [0] * _BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFigures:
    """The last minute.

    Attributes:
        calls_per_second: All calls.
        p99_ms: 99th percentile of unary calls in milliseconds, at most a tenth too high; 0 without calls.
        fault_ratio: Share of calls that ended with a fault of the server.
    """

    calls_per_second: float
    p99_ms: float
    fault_ratio: float


class Traffic:
    """It counts calls as they end."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """It begins to count.

        Args:
            monotonic: The clock, in seconds.
        """
        self._monotonic = monotonic
        self._started_at = monotonic()
        self._seconds = [_Second() for _ in range(WINDOW)]

    def note(self, duration: float | None, *, fault: bool) -> None:
        """It counts a call.

        Args:
            duration: Its seconds; None for a stream, whose length says nothing of the server's speed.
            fault: Whether the server was at fault.
        """
        number = int(self._monotonic())
        second = self._seconds[number % WINDOW]
        if second.number != number:
            second.begin(number)
        second.calls += 1
        second.faults += fault
        if duration is not None:
            second.durations[_bucket_of(duration)] += 1

    def figures(self) -> TrafficFigures:
        """It adds up the last minute."""
        now = self._monotonic()
        recent = [second for second in self._seconds if now - WINDOW < second.number]
        calls = sum(second.calls for second in recent)
        faults = sum(second.faults for second in recent)
        span = min(WINDOW, max(1.0, now - self._started_at))
        return TrafficFigures(
            calls_per_second=calls / span,
            p99_ms=_percentile([sum(column) for column in zip(*(s.durations for s in recent), strict=True)], 0.99),
            fault_ratio=faults / calls if calls else 0.0,
        )


def _bucket_of(duration: float) -> int:
    if duration <= _LEAST:
        return 0
    return min(_BUCKETS - 1, math.ceil(math.log(duration / _LEAST) / _GROWTH))


def _percentile(counts: list[int], share: float) -> float:
    """It gives the upper bound of the bucket in which the percentile lies, in milliseconds."""
    rank = math.ceil(sum(counts) * share)
    passed = 0
    for bucket, count in enumerate(counts):
        passed += count
        if rank and passed >= rank:
            return round(_LEAST * math.exp(bucket * _GROWTH) * 1000, 3)
    return 0.0
