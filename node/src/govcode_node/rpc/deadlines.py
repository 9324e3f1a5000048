"""The end of many calls by few timers.

A timer of its own for every call (`asyncio.timeout`) goes into the loop's heap and stays there, cancelled, for most of
the call's ten seconds; with some ten thousand of them each new one was measured at 10 µs. Calls that end within the
same hundredth of a second share one timer here. It rings early by that at the most, never late: whoever waits for the
answer must get it before giving up.
"""

import asyncio
import math
from typing import Final, Self

TICK_SECONDS: Final = 0.01
"""By how much a deadline may ring early."""


class Deadline:
    """The time that one piece of work has: a context manager around it, which does what `asyncio.timeout` does.

    It cancels the task when the time is over, and leaves by `TimeoutError` then; a cancellation that came from
    elsewhere passes through.

    Attributes:
        expired: Whether the time was over before the work ended.
    """

    __slots__ = ("_earlier", "_group", "_task", "expired")

    def __init__(self, group: "set[Deadline]") -> None:
        """It is made by `Deadlines.after`."""
        self._group = group
        self._task: asyncio.Task[object] | None = None
        self._earlier = 0
        self.expired = False

    def __enter__(self) -> Self:
        """It begins."""
        self._task = task = asyncio.current_task()
        assert task is not None  # noqa: S101 - an edge runs every call in a task of its own
        self._earlier = task.cancelling()
        self._group.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """It ends.

        Raises:
            TimeoutError: The work was cancelled because its time was over.
        """
        self._group.discard(self)
        task, self._task = self._task, None
        if not self.expired or task is None:
            return
        # Where somebody else has cancelled the task as well, that is not ours to take back.
        if task.uncancel() <= self._earlier and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def ring(self) -> None:
        """It says that the time is over."""
        if self._task is not None:
            self.expired = True
            self._task.cancel()


class Deadlines:
    """The deadlines of one event loop."""

    def __init__(self) -> None:
        """It begins without any."""
        self._groups: dict[int, set[Deadline]] = {}

    def after(self, seconds: float) -> Deadline:
        """It gives the end of work that may take so many seconds from now."""
        loop = asyncio.get_running_loop()
        tick = math.floor((loop.time() + seconds) / TICK_SECONDS)
        group = self._groups.get(tick)
        if group is None:
            group = self._groups[tick] = set()
            loop.call_at(tick * TICK_SECONDS, self._ring, tick)
        return Deadline(group)

    def _ring(self, tick: int) -> None:
        for deadline in tuple(self._groups.pop(tick, ())):
            deadline.ring()
