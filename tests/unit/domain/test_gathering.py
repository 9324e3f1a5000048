"""A batch waits for a crowd, never for nobody, and never for long."""

from govcode_node.domain.gathering import Gathering
from kit.clocks import MovableClock


class Street:
    """Somebody may come in each step of waiting; time passes by nothing else."""

    def __init__(self, arrivals: list[int], *, enough: int = 100) -> None:
        self.clock = MovableClock()
        self.arrivals = arrivals
        self.waiting = 1
        self.slept = 0.0
        self.gathering = Gathering(most_seconds=0.005, enough=enough, sleep=self.sleep, monotonic=self.clock.monotonic)

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.clock.advance(seconds)
        self.waiting += self.arrivals.pop(0) if self.arrivals else 0

    async def wait(self) -> int:
        await self.gathering.wait(lambda: self.waiting)
        return round(self.slept * 1000)


async def test_the_first_caller_of_all_does_not_wait() -> None:
    assert await Street([5, 5, 5]).wait() == 0


async def test_one_who_follows_a_lone_caller_does_not_wait() -> None:
    street = Street([5, 5, 5])
    street.gathering.note(1)
    assert await street.wait() == 0


async def test_after_a_crowd_it_waits_as_long_as_every_step_brings_somebody() -> None:
    street = Street([1, 3, 0, 9])
    street.gathering.note(2)
    assert await street.wait() == 3
    assert street.waiting == 5


async def test_a_crowd_that_has_gone_costs_one_step() -> None:
    street = Street([])
    street.gathering.note(50)
    assert await street.wait() == 1


async def test_a_crowd_that_never_ends_is_not_waited_for_beyond_the_limit() -> None:
    street = Street([1] * 100)
    street.gathering.note(50)
    assert await street.wait() == 5


async def test_a_full_batch_begins_at_once() -> None:
    street = Street([4] * 100, enough=8)
    street.gathering.note(50)
    assert await street.wait() == 2
    assert street.waiting == 9


async def test_a_crowd_of_some_time_ago_is_forgotten() -> None:
    street = Street([5, 5, 5])
    street.gathering.note(50)
    street.clock.advance(0.2)
    assert await street.wait() == 0
