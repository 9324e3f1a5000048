"""Group commit: units that arrive while a transaction is being written share the next one.

One task takes everything that waits, up to a limit, and has one thread run it as one batch; then all waiters of the
batch are told at once. The cost of a durable commit is spread over whatever arrived meanwhile, and nobody is answered
before the commit that holds their rows has returned. While many come, a batch waits a few milliseconds for more of them
(`Gathering`); a unit that comes alone is run at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from govcode_node.domain.errors import OverloadedError, StoreUnavailableError
from govcode_node.domain.gathering import Gathering
from govcode_node.storage.errors import translate
from govcode_node.storage.runner import BatchRunner, BrokenLinkError, Result, Unit, unavailable

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_GATHERING_SECONDS: Final = 0.01
"""The longest that a batch waits for more units, and that only while each millisecond brings one."""

OpenRunner = Callable[[], BatchRunner]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    unit: Unit
    future: "asyncio.Future[Any]"


class Committer:
    """It runs units in batches.

    Args:
        open_runner: Opens a link; called on the commit thread, at first and whenever a link broke.
        queue_limit: Units that may wait; more are refused at once.
        batch_limit: Units of one transaction, so that nobody waits for an endless one.
        monotonic: Seconds that only grow.
        gathering: When a batch waits for more units.
    """

    def __init__(
        self,
        open_runner: OpenRunner,
        *,
        queue_limit: int,
        batch_limit: int,
        monotonic: Callable[[], float] = time.monotonic,
        gathering: Gathering | None = None,
    ) -> None:
        self._open_runner = open_runner
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._monotonic = monotonic
        self._gathering = gathering or Gathering(
            most_seconds=_GATHERING_SECONDS, enough=batch_limit, monotonic=monotonic
        )
        self._queue: deque[_Waiter] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._progress_at = monotonic()
        # Below: of the commit thread alone.
        self._runner: BatchRunner | None = None
        self._pause = 0.0
        self._not_before = monotonic()

    async def start(self) -> None:
        """It opens the link and begins to work.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._task = asyncio.create_task(self._work(), name="committer")

    async def aclose(self) -> None:
        """It takes no more units, finishes those that wait, and closes the link."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=True)

    def length(self) -> int:
        """It returns the number of units that wait."""
        return len(self._queue)

    def age(self) -> float:
        """It returns the seconds since the last progress while there is work; 0 while there is none."""
        return self._monotonic() - self._progress_at if self._busy or self._queue else 0.0

    async def run(self, unit: Unit, *, beyond_limit: bool = False) -> Any:
        """It has a unit run in a batch and returns its value once the batch is durable.

        Args:
            unit: The unit.
            beyond_limit: Whether it may wait even where the queue is full.

        Raises:
            OverloadedError: Too many units wait; nothing was done.
            StoreUnavailableError: The store does not work, or closes.
        """
        if self._closing:
            raise StoreUnavailableError(why="the store is being closed")
        if len(self._queue) >= self._queue_limit and not beyond_limit:
            raise OverloadedError("store")
        future = asyncio.get_running_loop().create_future()
        if not self._queue and not self._busy:
            self._progress_at = self._monotonic()
        self._queue.append(_Waiter(unit, future))
        self._arrived.set()
        return await future

    async def _work(self) -> None:
        """It runs batches until the queue is empty and no more are taken. No fault of a batch ends it."""
        try:
            while True:
                if self._queue:
                    if not self._closing:
                        await self._gathering.wait(self.length)
                    await self._run_next()
                elif self._closing:
                    return
                else:
                    self._arrived.clear()
                    await self._arrived.wait()
        finally:
            # Reached with units in the queue only when the loop is being torn down: nobody may be left waiting.
            _tell(self._queue, [(StoreUnavailableError(why="the store was stopped"), None)] * len(self._queue))
            self._queue.clear()

    async def _run_next(self) -> None:
        """It runs the next batch and tells its waiters."""
        batch = self._take()
        self._busy = True
        try:
            units = [waiter.unit for waiter in batch]
            results = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, units)
        except Exception as error:
            # Whatever it was, the waiters are told and the next batch gets its chance: a committer that stopped
            # would leave every later caller waiting for ever.
            results = [(translate(error), None)] * len(batch)
        except BaseException:
            _tell(batch, [(StoreUnavailableError(why="the store was stopped"), None)] * len(batch))
            raise
        finally:
            self._busy = False
            self._progress_at = self._monotonic()
            self._gathering.note(len(batch))
        _tell(batch, results)

    def _take(self) -> list[_Waiter]:
        """It takes the next units, those left out whose callers are gone already."""
        queue = self._queue
        taken: list[_Waiter] = []
        while queue and len(taken) < self._batch_limit:
            waiter = queue.popleft()
            if not waiter.future.done():
                taken.append(waiter)
        return taken

    # On the commit thread

    def _run(self, units: Sequence[Unit]) -> list[Result]:
        """It runs a batch; where the link is broken it opens another, not more often than the pauses allow."""
        if not units:
            return []
        try:
            runner = self._runner or self._open()
            results = runner.run(units)
        except BrokenLinkError as error:
            self._drop()
            return [(unavailable(error), None)] * len(units)
        except StoreUnavailableError as error:
            return [(error, None)] * len(units)
        except BaseException:
            # A transaction may be open on the link; nobody knows what is in it.
            self._drop()
            raise
        self._pause = 0.0
        return results

    def _open(self) -> BatchRunner:
        if self._monotonic() < self._not_before:
            raise StoreUnavailableError(why="the database did not answer just now; the next attempt is soon")
        try:
            self._runner = self._open_runner()
        except Exception as error:
            self._wait_longer()
            raise translate(error) from error
        return self._runner

    def _drop(self) -> None:
        self._close()
        self._wait_longer()

    def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()

    def _wait_longer(self) -> None:
        """It puts the next attempt off: not at all after a batch that went well, then each time twice as long."""
        self._not_before = self._monotonic() + self._pause
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)


def _tell(batch: Collection[_Waiter], results: Sequence[Result]) -> None:
    """It completes the waiters; those whose callers have gone away are left alone."""
    for waiter, (error, value) in zip(batch, results, strict=True):
        future = waiter.future
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
