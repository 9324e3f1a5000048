"""Rates and slots of callers."""

from collections import Counter
from datetime import timedelta

import pytest
from govcode_node.domain.callers import Call, Caller
from govcode_node.domain.errors import OverloadedError, RateLimitedError, StreamLimitError
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.rate_limits import GcraLimiter, NamedLimit
from govcode_node.rpc.limits import DELIVERIES, CallerLimits, CallRate, CallRates, StreamSlots
from govcode_node.rpc.policy import Policy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kit.clocks import MovableClock

SECOND = timedelta(seconds=1)


def limiter(clock: MovableClock, **options: object) -> GcraLimiter:
    return GcraLimiter(**{"count": 3, "per": SECOND, "monotonic": clock.monotonic, **options})


@pytest.mark.req("7.1-04")
def test_a_burst_is_granted_and_the_next_is_told_to_wait() -> None:
    clock = MovableClock()
    limit = limiter(clock)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 0]
    wait = limit.take("a")
    assert wait == pytest.approx(1 / 3)
    clock.advance(wait)
    assert limit.take("a") == 0
    assert limit.take("a") > 0


@pytest.mark.req("7.1-04")
def test_one_key_does_not_spend_for_another() -> None:
    limit = limiter(MovableClock())
    for _ in range(3):
        limit.take("a")
    assert limit.take("a") > 0
    assert limit.take("b") == 0


def test_a_refusal_costs_nothing() -> None:
    clock = MovableClock()
    limit = limiter(clock, count=1)
    assert limit.take("a") == 0
    for _ in range(100):
        assert limit.take("a") > 0
    clock.advance(1)
    assert limit.take("a") == 0


def test_a_dear_act_waits_longer() -> None:
    clock = MovableClock()
    limit = limiter(clock)
    assert limit.take("a", cost=3) == 0
    assert limit.take("a", cost=2) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="costs 1 to 3"):
        limit.take("a", cost=4)


def test_memory_is_bounded_and_the_longest_idle_key_is_forgotten() -> None:
    clock = MovableClock()
    limit = limiter(clock, count=1, max_keys=2)
    limit.take("a")
    limit.take("b")
    limit.take("c")
    assert limit.remembered == 2
    assert limit.take("c") > 0
    assert limit.take("b") > 0
    assert limit.take("a") == 0


@pytest.mark.parametrize("options", [{"count": 0}, {"burst": 0}, {"max_keys": 0}, {"per": timedelta(0)}])
def test_a_limit_of_nothing_is_no_limit(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="positive"):
        limiter(MovableClock(), **options)


def test_a_named_limit_raises_with_its_name() -> None:
    limit = NamedLimit(limiter(MovableClock(), count=1), limit="subject")
    limit.take(b"account")
    with pytest.raises(RateLimitedError) as refused:
        limit.take(b"account")
    assert refused.value.limit == "subject"
    assert refused.value.retry_after_seconds == pytest.approx(1)


class NeverMoreThanTheRate(RuleBasedStateMachine):
    """In no span of time are more acts granted than the burst and what the rate brings in that span."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = MovableClock()
        self.start = self.clock.monotonic()
        self.limit = limiter(self.clock, count=5, burst=3)
        self.granted: list[float] = []

    @rule(seconds=st.floats(0, 1.5))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def act(self) -> None:
        wait = self.limit.take("a")
        if not wait:
            self.granted.append(self.clock.monotonic())
            return
        self.clock.advance(wait + 1e-6)
        assert self.limit.take("a") == 0
        self.granted.append(self.clock.monotonic())

    @invariant()
    def rate_holds(self) -> None:
        for first in range(len(self.granted)):
            span = self.granted[-1] - self.granted[first]
            assert len(self.granted) - first <= 3 + span * 5 + 1e-3


TestNeverMoreThanTheRate = NeverMoreThanTheRate.TestCase


def call(caller_class: CallerClass, name: str, device_id: str = "") -> Call:
    caller = Caller(caller_class=caller_class, name=name)
    return Call(caller=caller, method="/s/m", request_id="r", device_id=device_id)


RATES = CallRates(
    app=CallRate(4, SECOND), device=CallRate(2, SECOND), operator=CallRate(1, SECOND), peer=CallRate(3, SECOND)
)


def test_an_application_spends_for_no_scanner_whatever_it_is_called() -> None:
    limits = CallerLimits(RATES, monotonic=MovableClock().monotonic)
    for _ in range(2):
        limits.check(call(CallerClass.APP, "scanner", device_id="gate-1"))
    limits.check(call(CallerClass.SCANNER, "gate-1"))


@pytest.mark.req("7.1-04")
@pytest.mark.parametrize(
    ("caller_class", "count", "limit"),
    [
        (CallerClass.APP, 4, "app"),
        (CallerClass.SCANNER, 2, "device"),
        (CallerClass.OPERATOR, 1, "operator"),
        (CallerClass.NODE, 3, "peer"),
        (CallerClass.HUB, 3, "peer"),
    ],
)
def test_each_class_has_its_rate(caller_class: CallerClass, count: int, limit: str) -> None:
    limits = CallerLimits(RATES, monotonic=MovableClock().monotonic)
    for _ in range(count):
        limits.check(call(caller_class, "x"))
    with pytest.raises(RateLimitedError) as refused:
        limits.check(call(caller_class, "x"))
    assert refused.value.limit == limit
    limits.check(call(caller_class, "y"))


@pytest.mark.req("7.1-04")
def test_a_device_is_limited_within_its_application_and_cannot_spend_for_anothers() -> None:
    limits = CallerLimits(RATES, monotonic=MovableClock().monotonic)
    limits.check(call(CallerClass.APP, "a", "gate-1"))
    limits.check(call(CallerClass.APP, "a", "gate-1"))
    with pytest.raises(RateLimitedError) as refused:
        limits.check(call(CallerClass.APP, "a", "gate-1"))
    assert refused.value.limit == "device"
    limits.check(call(CallerClass.APP, "a", "gate-2"))
    limits.check(call(CallerClass.APP, "b", "gate-1"))


@given(st.lists(st.sampled_from(["open a", "open b", "close a", "close b"])))
def test_slots_never_exceed_the_limit_and_come_back(steps: list[str]) -> None:
    slots = StreamSlots(2)
    held: dict[str, list[object]] = {"a": [], "b": []}
    for step in steps:
        verb, name = step.split()
        caller = Caller(caller_class=CallerClass.APP, name=name)
        if verb == "close":
            if held[name]:
                held[name].pop().__exit__(None, None, None)
            continue
        slot = slots.hold(caller)
        if len(held[name]) == 2:
            with pytest.raises(StreamLimitError):
                slot.__enter__()
        else:
            slot.__enter__()
            held[name].append(slot)
        counted = Counter({name: len(those) for name, those in held.items()})
        assert slots.open == counted.total()
    for slot in (*held["a"], *held["b"]):
        slot.__exit__(None, None, None)
    assert slots.open == 0


def test_deliveries_take_no_slot_of_those_who_watch_and_too_many_are_told_to_come_again() -> None:
    slots = StreamSlots(1, most_deliveries=2)
    caller = Caller(caller_class=CallerClass.APP, name="a")
    delivery, forwarded = sorted(DELIVERIES)
    with slots.hold(caller, "watch"), slots.hold(caller, delivery), slots.hold(caller, forwarded):
        with pytest.raises(StreamLimitError), slots.hold(caller, "watch"):
            pass
        with pytest.raises(OverloadedError) as refused, slots.hold(caller, delivery):
            pass
        assert refused.value.retry_after_seconds > 0
    assert slots.open == 0


def test_what_is_counted_as_a_delivery_is_a_method_of_the_contract() -> None:
    assert Policy.load().methods.keys() >= DELIVERIES
