"""The committer alone, over a runner that fails and hangs on command: nothing stops it, and nobody waits for ever."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.domain.gathering import Gathering
from govcode_node.storage.committer import Committer
from govcode_node.storage.runner import BrokenLinkError


class Seconds:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.value = 100.0

    def __call__(self) -> float:
        return self.value


class ScriptedRunner:
    """It runs units on nothing. `faults` are raised one by one by the next batches; a closed `gate` holds a batch."""

    def __init__(self, faults: list[Exception]) -> None:
        self.faults = faults
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = False
        self.batches: list[int] = []

    def run(self, units: Sequence[Callable[[Any], Any]]) -> list[tuple[Exception | None, Any]]:
        self.entered.set()
        self.gate.wait()
        self.batches.append(len(units))
        if self.faults:
            raise self.faults.pop(0)
        return [(None, unit(None)) for unit in units]

    def close(self) -> None:
        self.closed = True


class Store:
    """A store that can be down: then it opens no runner."""

    def __init__(self) -> None:
        self.down = False
        self.attempts = 0
        self.faults: list[Exception] = []
        self.runners: list[ScriptedRunner] = []

    def open(self) -> ScriptedRunner:
        self.attempts += 1
        if self.down:
            raise OSError("connection refused to a host that nobody shall see")
        self.runners.append(ScriptedRunner(self.faults))
        return self.runners[-1]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def committer(store: Store, seconds: Seconds) -> AsyncIterator[Committer]:
    committer = Committer(store.open, queue_limit=100, batch_limit=10, monotonic=seconds)  # type: ignore[arg-type]
    await committer.start()
    yield committer
    await committer.aclose()


async def test_nobody_is_answered_before_the_batch_has_returned(committer: Committer, store: Store) -> None:
    runner = store.runners[0]
    runner.gate.clear()
    task = asyncio.create_task(committer.run(lambda tx: "durable"))
    await asyncio.to_thread(runner.entered.wait)
    done, _ = await asyncio.wait([task], timeout=0)
    assert not done
    runner.gate.set()
    assert await task == "durable"


async def test_what_arrives_during_a_commit_shares_the_next_one(committer: Committer, store: Store) -> None:
    runner = store.runners[0]
    runner.gate.clear()
    first = asyncio.create_task(committer.run(lambda tx: 0))
    await asyncio.to_thread(runner.entered.wait)
    others = [asyncio.create_task(committer.run(lambda tx, n=n: n)) for n in range(1, 8)]
    await asyncio.sleep(0)
    runner.gate.set()
    assert await asyncio.gather(first, *others) == list(range(8))
    assert runner.batches == [1, 7]


class Nap:
    """Sleep whose end a test decides."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.begun.set()
        await self.over.wait()


@pytest.fixture
def nap() -> Nap:
    return Nap()


@pytest.fixture
async def gathering_committer(store: Store, seconds: Seconds, nap: Nap) -> AsyncIterator[Committer]:
    """A committer that has just run a batch of two, and so waits for more before the next."""
    gathering = Gathering(most_seconds=0.001, enough=10, sleep=nap, monotonic=seconds)
    committer = Committer(
        store.open,  # type: ignore[arg-type]
        queue_limit=100,
        batch_limit=10,
        monotonic=seconds,
        gathering=gathering,
    )
    await committer.start()
    await asyncio.gather(committer.run(str), committer.run(str))
    yield committer
    nap.over.set()
    if not committer._closing:
        await committer.aclose()


async def test_after_a_batch_of_several_the_next_waits_for_more(
    gathering_committer: Committer, store: Store, nap: Nap
) -> None:
    first = asyncio.create_task(gathering_committer.run(lambda tx: 1))
    await nap.begun.wait()
    second = asyncio.create_task(gathering_committer.run(lambda tx: 2))
    await asyncio.sleep(0)
    nap.over.set()
    assert (await first, await second) == (1, 2)
    assert store.runners[0].batches == [2, 2]


async def test_units_that_come_one_by_one_never_wait_for_others(store: Store, seconds: Seconds) -> None:
    napped = False

    async def nap(_: float) -> None:
        nonlocal napped
        napped = True

    alone = Committer(
        store.open,  # type: ignore[arg-type]
        queue_limit=9,
        batch_limit=9,
        gathering=Gathering(most_seconds=1, enough=9, sleep=nap, monotonic=seconds),
    )
    await alone.start()
    for _ in range(5):
        assert await alone.run(str) == "None"
    assert not napped
    await alone.aclose()


async def test_one_who_goes_away_while_a_batch_gathers_is_not_in_it(
    gathering_committer: Committer, store: Store, nap: Nap
) -> None:
    gone = asyncio.create_task(gathering_committer.run(lambda tx: 1))
    await nap.begun.wait()
    stays = asyncio.create_task(gathering_committer.run(lambda tx: 2))
    gone.cancel()
    await asyncio.sleep(0)
    nap.over.set()
    assert await stays == 2
    assert store.runners[0].batches == [2, 1]


async def test_closing_while_a_batch_gathers_loses_nobody(gathering_committer: Committer, nap: Nap) -> None:
    waiting = asyncio.create_task(gathering_committer.run(lambda tx: 1))
    await nap.begun.wait()
    closing = asyncio.create_task(gathering_committer.aclose())
    await asyncio.sleep(0)
    nap.over.set()
    await closing
    assert await waiting == 1
    with pytest.raises(StoreUnavailableError):
        await gathering_committer.run(lambda tx: 2)


async def test_nobody_waits_for_ever_where_the_work_is_torn_down_while_a_batch_gathers(
    gathering_committer: Committer, nap: Nap
) -> None:
    waiting = asyncio.create_task(gathering_committer.run(lambda tx: 1))
    await nap.begun.wait()
    work = gathering_committer._task
    assert work is not None
    work.cancel()
    with pytest.raises(StoreUnavailableError):
        await waiting
    gathering_committer._task = None


async def test_an_unexpected_fault_fails_its_batch_and_not_the_committer(committer: Committer, store: Store) -> None:
    store.faults.append(MemoryError())
    with pytest.raises(MemoryError):
        await committer.run(lambda tx: 1)
    assert store.runners[0].closed
    assert await committer.run(lambda tx: 2) == 2


async def test_a_broken_link_is_replaced(committer: Committer, store: Store) -> None:
    store.faults.append(BrokenLinkError(OSError("lost in the middle of a commit")))
    with pytest.raises(StoreUnavailableError) as refused:
        await committer.run(lambda tx: 1)
    assert "middle" not in str(refused.value)
    assert await committer.run(lambda tx: 2) == 2
    assert store.runners[0].closed
    assert len(store.runners) == 2


async def test_a_store_that_is_down_is_asked_ever_more_rarely_and_serves_when_it_is_back(
    committer: Committer, store: Store, seconds: Seconds
) -> None:
    store.faults.append(BrokenLinkError(OSError()))
    store.down = True
    for _ in range(20):
        with pytest.raises(StoreUnavailableError):
            await committer.run(lambda tx: 1)
    assert store.attempts == 2
    attempts = []
    for _ in range(200):
        seconds.value += 0.1
        with pytest.raises(StoreUnavailableError):
            await committer.run(lambda tx: 1)
        attempts.append(store.attempts)
    # Twenty seconds: pauses of 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, then 2 s each.
    assert 12 <= attempts[-1] <= 18
    store.down = False
    seconds.value += 2.1
    assert await committer.run(lambda tx: 2) == 2


async def test_age_tells_a_hanging_commit_from_an_idle_store(
    committer: Committer, store: Store, seconds: Seconds
) -> None:
    assert await committer.run(lambda tx: 1) == 1
    seconds.value += 60
    assert committer.age() == 0
    runner = store.runners[0]
    runner.gate.clear()
    runner.entered.clear()
    task = asyncio.create_task(committer.run(lambda tx: 1))
    await asyncio.to_thread(runner.entered.wait)
    seconds.value += 7
    assert committer.age() == 7
    runner.gate.set()
    await task
    assert committer.age() == 0


async def test_a_store_that_is_down_at_the_start_is_said_so(store: Store) -> None:
    store.down = True
    committer = Committer(store.open, queue_limit=1, batch_limit=1)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailableError):
        await committer.start()
