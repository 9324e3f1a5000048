"""When what waits for a batch is worth a little more waiting: while a crowd keeps coming, and never for a lone caller.

A batch has a price of its own: a commit, a signature, a thread that is woken. Where the program is busy, batches begin
as soon as the one before has ended, find one or two that wait, and the price is paid by nearly everybody alone. That
state keeps itself up, since paying it is what keeps the program busy. A few milliseconds of patience end it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

DEFAULT_STEP_SECONDS: Final = 0.001

_CROWD: Final = 2
_REMEMBERED_SECONDS: Final = 0.1
"""How long a batch says something of the next one; after a pause the first caller is alone again."""


class Gathering:
    """It decides how long the begin of a batch is put off.

    It waits only where the batch before held more than one, and only as long as every step brings somebody.

    Args:
        most_seconds: The longest that anybody waits for others.
        enough: A batch of this size begins at once.
        step_seconds: How often it looks whether somebody has come.
        sleep: Lets so many seconds pass.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        most_seconds: float,
        enough: int,
        step_seconds: float = DEFAULT_STEP_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps = round(most_seconds / step_seconds)
        self._enough = enough
        self._step_seconds = step_seconds
        self._sleep = sleep
        self._monotonic = monotonic
        self._crowd_until = monotonic()

    def note(self, size: int) -> None:
        """It is told how many the batch held that has just ended."""
        self._crowd_until = self._monotonic() + (_REMEMBERED_SECONDS if size >= _CROWD else 0.0)

    async def wait(self, waiting: Callable[[], int]) -> None:
        """It returns when the batch shall begin.

        Args:
            waiting: Tells how many wait now.
        """
        if self._monotonic() >= self._crowd_until:
            return
        for _ in range(self._steps):
            before = waiting()
            if before >= self._enough:
                return
            await self._sleep(self._step_seconds)
            if waiting() <= before:
                return
