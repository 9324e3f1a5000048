"""A clock that tests move."""

from datetime import UTC, datetime, timedelta


class MovableClock:
    """It stands still until it is moved; both of its times move together.

    Args:
        start: Where it begins; the present moment where None, so that certificates of the kit hold.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)
        self._seconds = 1000.0

    def now(self) -> datetime:
        """The moment at which it stands."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return self._seconds

    def advance(self, span: timedelta | float) -> None:
        """Move on by a span, or by seconds."""
        span = span if isinstance(span, timedelta) else timedelta(seconds=span)
        self._now += span
        self._seconds += span.total_seconds()
