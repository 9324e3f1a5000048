"""Work ends when its time is over, and by nothing else that looks like it."""

import asyncio

import pytest
from govcode_node.rpc.deadlines import TICK_SECONDS, Deadlines


async def test_work_whose_time_is_over_is_ended() -> None:
    deadlines = Deadlines()
    with pytest.raises(TimeoutError), deadlines.after(0) as deadline:
        await asyncio.Event().wait()
    assert deadline.expired
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_work_that_ends_in_time_is_left_alone() -> None:
    deadlines = Deadlines()
    with deadlines.after(0) as deadline:
        pass
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not deadline.expired


async def test_a_deadline_rings_early_by_no_more_than_a_tick() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(TimeoutError), Deadlines().after(3 * TICK_SECONDS):
        await asyncio.Event().wait()
    # The loop itself rings early by the resolution of its clock.
    assert loop.time() - begun >= 2 * TICK_SECONDS - 0.001


async def test_a_cancellation_from_elsewhere_passes_through() -> None:
    deadlines = Deadlines()

    async def work() -> None:
        with deadlines.after(1000):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_elsewhere_at_the_same_moment_wins() -> None:
    deadlines = Deadlines()
    seen: list[bool] = []

    async def work() -> None:
        with deadlines.after(1000) as deadline:
            try:
                await asyncio.Event().wait()
            finally:
                seen.append(deadline.expired)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    for tick in list(deadlines._groups):
        deadlines._ring(tick)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [True]


async def test_a_timeout_of_the_work_itself_is_not_the_deadline() -> None:
    with pytest.raises(TimeoutError, match="its own"), Deadlines().after(1000) as deadline:
        raise TimeoutError("its own")
    assert not deadline.expired


async def test_calls_of_one_moment_share_a_timer_and_leave_nothing_behind() -> None:
    deadlines = Deadlines()
    for _ in range(1000):
        with deadlines.after(1000):
            pass
    # A slow machine may need more than a tick for them.
    assert len(deadlines._groups) < 100
    assert not any(deadlines._groups.values())
