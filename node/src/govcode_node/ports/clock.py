"""Time, as a port, so that tests move it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The node's clock."""

    def now(self) -> datetime:
        """It gives the present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """It gives seconds that only grow, for measuring spans."""
        ...
