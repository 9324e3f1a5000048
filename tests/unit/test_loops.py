"""Background loops: they outlive every fault, and their age tells the truth (trap: the loop that hung once)."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from govcode_node.domain.nodes import NodeNotApprovedError
from govcode_node.loops import BackgroundLoop, LoopBoard
from kit.clocks import MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


class Work:
    """A step that does as it is told: `ok`, `fault`, `hang`, `cancelled`."""

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.rounds = 0
        self.begun = asyncio.Event()
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        self.rounds += 1
        self.begun.set()
        act = self.script.pop(0) if self.script else "ok"
        if not self.script:
            self.done.set()
        if act == "fault":
            raise ZeroDivisionError
        if act == "cancelled":
            raise asyncio.CancelledError
        if act == "hang":
            await asyncio.Event().wait()


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


def loop_of(work: Work, clock: MovableClock, *, interval: float = 5.0, timeout: float = 0.01) -> BackgroundLoop:
    return BackgroundLoop("work", work, interval=interval, timeout=timeout, clock=clock, sleep=no_pause)


async def test_age_counts_from_the_last_success_and_not_from_the_last_try(clock: MovableClock) -> None:
    loop = loop_of(Work("ok", "fault", "hang", "ok"), clock)
    assert loop.age() == 0
    assert await loop.run_once()
    for expected in (30, 60):
        clock.advance(30)
        assert not await loop.run_once()
        assert loop.age() == expected
    assert await loop.run_once()
    assert loop.age() == 0


async def test_loop_goes_on_after_faults_hangs_and_inner_cancellation(clock: MovableClock) -> None:
    work = Work("fault", "hang", "cancelled", "fault", "ok")
    loop = loop_of(work, clock)
    loop.start()
    await asyncio.wait_for(work.done.wait(), 5)
    await loop.stop()
    assert work.rounds >= 5
    assert loop.failures == 0


async def test_pauses_grow_while_steps_fail_and_shrink_after_a_success(clock: MovableClock) -> None:
    loop = BackgroundLoop("work", Work(*["fault"] * 12), interval=5, timeout=1, clock=clock, max_backoff=60)
    longest = []
    for _ in range(12):
        await loop.run_once()
        longest.append(max(loop.pause() for _ in range(200)))
    assert longest[0] <= 1
    assert longest[3] > longest[1]
    assert 55 < longest[-1] <= 60
    await loop.run_once()
    assert loop.pause() == 5


async def test_jitter_spreads_pauses_around_the_interval(clock: MovableClock) -> None:
    loop = BackgroundLoop("work", Work(), interval=10, timeout=1, clock=clock, jitter=0.2)
    await loop.run_once()
    pauses = [loop.pause() for _ in range(300)]
    assert 8 <= min(pauses) < 9
    assert 11 < max(pauses) <= 12


async def test_stop_ends_a_loop_in_the_midst_of_a_step(clock: MovableClock) -> None:
    work = Work("hang")
    loop = loop_of(work, clock, timeout=60)
    loop.start()
    await asyncio.wait_for(work.done.wait(), 5)
    await asyncio.wait_for(loop.stop(), 5)
    rounds = work.rounds
    await asyncio.sleep(0)
    assert work.rounds == rounds


async def test_wake_ends_a_pause(clock: MovableClock) -> None:
    work = Work("ok", "ok")
    loop = BackgroundLoop("work", work, interval=3600, timeout=1, clock=clock)
    loop.start()
    await asyncio.wait_for(work.begun.wait(), 5)
    loop.wake()
    await asyncio.wait_for(work.done.wait(), 5)
    await loop.stop()
    assert work.rounds == 2


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="govcode_node.loops"):
        yield caplog


async def test_watchdog_names_an_overdue_loop_once_and_its_return(
    clock: MovableClock, errors: pytest.LogCaptureFixture
) -> None:
    board = LoopBoard(clock)
    loop = board.add(BackgroundLoop("bundle", Work(), interval=10, timeout=2, clock=clock))
    await loop.run_once()
    clock.advance(60)
    await board.check()
    assert board.overdue() == ()
    clock.advance(0.5)
    for _ in range(3):
        await board.check()
    await loop.run_once()
    await board.check()
    messages = [record.message for record in errors.records]
    assert messages == ["loop overdue", "loop no longer overdue"]
    assert errors.records[0].__dict__["loop"] == "bundle"
    assert errors.records[0].levelno == logging.ERROR


async def test_board_tells_the_greatest_age_and_refuses_a_name_twice(clock: MovableClock) -> None:
    board = LoopBoard(clock)
    assert board.oldest_age() == 0
    old = board.add(BackgroundLoop("old", Work(), interval=1, timeout=1, clock=clock))
    young = board.add(BackgroundLoop("young", Work(), interval=1, timeout=1, clock=clock))
    await old.run_once()
    clock.advance(7)
    await young.run_once()
    clock.advance(1)
    assert board.oldest_age() == 8
    assert board.ages() == {"old": 8, "young": 1}
    with pytest.raises(ValueError, match="young"):
        board.add(BackgroundLoop("young", Work(), interval=1, timeout=1, clock=clock))


async def test_board_starts_and_stops_its_loops_and_those_that_come_later(clock: MovableClock) -> None:
    board = LoopBoard(clock)
    first, second = Work("ok"), Work("ok")
    board.add(loop_of(first, clock))
    board.start()
    board.add(BackgroundLoop("late", second, interval=5, timeout=1, clock=clock, sleep=no_pause))
    await asyncio.wait_for(asyncio.gather(first.done.wait(), second.done.wait()), 5)
    await board.stop()
    rounds = first.rounds, second.rounds
    await asyncio.sleep(0)
    assert (first.rounds, second.rounds) == rounds


async def test_a_refusal_is_told_in_a_line_and_a_fault_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse() -> None:
        raise NodeNotApprovedError("420100")

    async def fail() -> None:
        raise ZeroDivisionError

    for step in (refuse, fail):
        await BackgroundLoop("work", step, interval=1, timeout=1, clock=MovableClock()).run_once()
    refusal, fault = (record for record in caplog.records if record.message == "loop step failed")
    assert refusal.exc_info is None
    assert "node 420100 is not approved" in refusal.__dict__["why"]
    assert fault.exc_info is not None
