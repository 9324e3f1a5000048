"""Work that repeats in the background, watched: a loop that hangs or fails shows by its age and never ends in silence.

    board = LoopBoard(clock)
    board.add(BackgroundLoop("poll", poll, interval=60, timeout=10, clock=clock))
    board.start()
    ...
    await board.stop()

The trap behind this room: a node whose configuration client had hung once worked on for days and then died of stale
trust. So every repeated piece of work has a limit for one round, goes on after any fault, and tells how long ago it
last succeeded; a watchdog says so aloud.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from govcode_node.domain.errors import GovcodeError
from govcode_node.ports.clock import Clock

log = logging.getLogger(__name__)

_OVERDUE_FACTOR: Final = 5
_WATCHDOG_INTERVAL: Final = 5.0
_MAX_BACKOFF: Final = 60.0
_FIRST_BACKOFF: Final = 0.5

Step = Callable[[], Awaitable[object]]
Sleep = Callable[[float], Awaitable[object]]


class BackgroundLoop:
    """It runs a step again and again until it is stopped.

    A step that fails or takes too long is logged, and the next one comes after a growing pause. Times are in seconds.

    Attributes:
        name: What the loop does, for logs.
        interval: From the end of a step that succeeded to the next one.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        *,
        interval: float,
        timeout: float,
        clock: Clock,
        jitter: float = 0.0,
        max_backoff: float = _MAX_BACKOFF,
        overdue_after: float | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """It takes the work.

        Args:
            name: What the loop does.
            step: One round.
            interval: Pause after a round that succeeded.
            timeout: The longest that one round may take; it is cancelled then.
            clock: Measures ages.
            jitter: Share of the interval by which pauses vary, so that many nodes do not act in step.
            max_backoff: The longest pause after failures.
            overdue_after: Age from which the loop counts as overdue; by default five rounds.
            sleep: How it pauses.
        """
        self.name = name
        self.interval = interval
        self._step = step
        self._timeout = timeout
        self._clock = clock
        self._jitter = jitter
        self._max_backoff = max(max_backoff, interval)
        self._overdue_after = overdue_after or _OVERDUE_FACTOR * (interval + timeout)
        self._sleep = sleep
        self._failures = 0
        self._succeeded_at: float | None = None
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def failures(self) -> int:
        """How many rounds have failed since the last success."""
        return self._failures

    def age(self) -> float:
        """It gives the seconds since the last success, or since the start where there was none; 0 before the start."""
        return 0.0 if self._succeeded_at is None else max(0.0, self._clock.monotonic() - self._succeeded_at)

    def overdue(self) -> bool:
        """Whether the last success is too long ago."""
        return self.age() > self._overdue_after

    def start(self) -> None:
        """It begins; to begin twice is once."""
        if self._task is None:
            self._succeeded_at = self._clock.monotonic()
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"loop {self.name}")

    async def stop(self) -> None:
        """It ends, in the midst of a round if need be, and returns once it has ended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # A step that does not let itself be cancelled must not hold up the end of the program.
            await asyncio.wait({task}, timeout=self._timeout)

    def wake(self) -> None:
        """It ends the present pause."""
        self._woken.set()

    async def run_once(self) -> bool:
        """It runs one round; whether that succeeded."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._step()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Something inside the step was cancelled, not this loop.
            self._note_failure("the step was cancelled from inside", exception=None)
        except TimeoutError as error:
            self._note_failure(f"no end after {self._timeout:g} s", exception=error)
        except Exception as error:  # a loop outlives every fault of its step
            self._note_failure(f"{type(error).__name__}: {error}", exception=error)
        else:
            if self._failures:
                log.info("loop recovered", extra={"loop": self.name, "failures": self._failures})
            self._failures = 0
            self._succeeded_at = self._clock.monotonic()
            return True
        return False

    def pause(self) -> float:
        """It gives the length of the next pause in seconds."""
        if self._failures:
            grown = math.ldexp(_FIRST_BACKOFF, min(self._failures - 1, 16))
            length = min(max(grown, min(self.interval, 1.0)), self._max_backoff)
            # Peers that lost the same hub must not all come back in the same moment.
            return length * random.uniform(0.5, 1.0)  # noqa: S311 - spread, not secrecy
        return self.interval * random.uniform(1 - self._jitter, 1 + self._jitter)  # noqa: S311 - spread, not secrecy

    async def _run(self) -> None:
        while True:
            await self.run_once()
            await self._rest(self.pause())

    async def _rest(self, length: float) -> None:
        rest = asyncio.ensure_future(self._sleep(length))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait({rest, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()
            woken.cancel()
        self._woken.clear()

    def _note_failure(self, why: str, *, exception: BaseException | None) -> None:
        self._failures += 1
        log.warning(
            "loop step failed",
            extra={"loop": self.name, "why": why, "failures": self._failures, "age_seconds": round(self.age(), 1)},
            # A refusal says all there is to say. The trace of a fault stands once per incident; its hundredth
            # repetition tells nothing new.
            exc_info=exception if self._failures == 1 and not isinstance(exception, GovcodeError) else None,
        )


class LoopBoard:
    """It holds the loops of a process, starts and stops them together, and reports the one that fell behind most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loops: list[BackgroundLoop] = []
        self._reported: set[str] = set()
        self._started = False
        self.watchdog = BackgroundLoop("watchdog", self.check, interval=_WATCHDOG_INTERVAL, timeout=5.0, clock=clock)

    def add(self, loop: BackgroundLoop) -> BackgroundLoop:
        """It takes in a loop, starts it where the others run, and returns it.

        Raises:
            ValueError: There is a loop of that name.
        """
        if any(loop.name == other.name for other in self._loops):
            raise ValueError(f"there is a loop {loop.name} already")
        self._loops.append(loop)
        if self._started:
            loop.start()
        return loop

    def start(self) -> None:
        """It starts all loops and the watchdog."""
        self._started = True
        for loop in (*self._loops, self.watchdog):
            loop.start()

    async def stop(self) -> None:
        """It stops all loops, the last one first, since later ones lean on earlier ones."""
        self._started = False
        for loop in (self.watchdog, *reversed(self._loops)):
            await loop.stop()

    def wake(self) -> None:
        """It lets every loop take its next step now."""
        for loop in self._loops:
            loop.wake()

    def ages(self) -> Mapping[str, float]:
        """It gives the age of each loop by name."""
        return {loop.name: loop.age() for loop in self._loops}

    def oldest_age(self) -> float:
        """It gives the greatest age; 0 without loops."""
        return max((loop.age() for loop in self._loops), default=0.0)

    def overdue(self) -> tuple[str, ...]:
        """It names the loops whose last success is too long ago."""
        return tuple(loop.name for loop in self._loops if loop.overdue())

    async def check(self) -> None:
        """It logs each loop that has become overdue, once, and each that came back."""
        for loop in self._loops:
            extra = {"loop": loop.name, "age_seconds": round(loop.age(), 1), "failures": loop.failures}
            if loop.overdue() and loop.name not in self._reported:
                self._reported.add(loop.name)
                log.error("loop overdue", extra=extra)
            elif loop.name in self._reported and not loop.overdue():
                self._reported.discard(loop.name)
                log.info("loop no longer overdue", extra=extra)
