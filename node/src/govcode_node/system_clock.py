"""The machine's clock, behind the port."""

import time
from datetime import UTC, datetime


class SystemClock:
    """It tells the time of this machine, which the operating system keeps right."""

    def now(self) -> datetime:
        """It gives the present moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """It gives seconds that only grow."""
        return time.monotonic()
