"""The circuit breaker as a state machine: a peer that fails gets rest, a peer that is back gets calls."""

from govcode_node.domain.breakers import BreakerState, CircuitBreaker, Pass
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

FAILURES, OPEN_FOR, MAX_OPEN = 3, 10.0, 40.0


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def breaker_at(time: Time) -> CircuitBreaker:
    return CircuitBreaker(failures=FAILURES, open_for=OPEN_FOR, max_open_for=MAX_OPEN, monotonic=time)


def admitted(breaker: CircuitBreaker) -> Pass:
    leave = breaker.admit()
    assert leave is not None
    return leave


def opened(time: Time) -> CircuitBreaker:
    breaker = breaker_at(time)
    for _ in range(FAILURES):
        breaker.failed(admitted(breaker))
    return breaker


def test_opens_after_failures_in_a_row_only() -> None:
    breaker = breaker_at(Time())
    for _ in range(10):
        for _ in range(FAILURES - 1):
            breaker.failed(admitted(breaker))
        breaker.succeeded(admitted(breaker))
    assert breaker.state is BreakerState.CLOSED


def test_lets_one_call_try_after_the_pause_and_closes_on_its_success() -> None:
    time = Time()
    breaker = opened(time)
    time.seconds += OPEN_FOR - 0.001
    assert breaker.admit() is None
    time.seconds += 0.001
    trial = admitted(breaker)
    assert breaker.admit() is None
    breaker.succeeded(trial)
    assert breaker.state is BreakerState.CLOSED


def test_pause_doubles_with_each_failed_try_up_to_its_limit() -> None:
    time = Time()
    breaker = opened(time)
    for pause in (OPEN_FOR, 2 * OPEN_FOR, 4 * OPEN_FOR, MAX_OPEN, MAX_OPEN):
        time.seconds += pause - 0.5
        assert breaker.admit() is None
        time.seconds += 0.5
        breaker.failed(admitted(breaker))


def test_abandoned_try_leaves_the_next_caller_the_try() -> None:
    time = Time()
    breaker = opened(time)
    time.seconds += OPEN_FOR
    breaker.abandoned(admitted(breaker))
    breaker.succeeded(admitted(breaker))
    assert breaker.state is BreakerState.CLOSED


def test_late_results_of_calls_from_before_the_opening_change_nothing() -> None:
    time = Time()
    breaker = breaker_at(time)
    late = [admitted(breaker) for _ in range(5)]
    for _ in range(FAILURES):
        breaker.failed(admitted(breaker))
    breaker.succeeded(late[0])
    for leave in late[1:]:
        breaker.failed(leave)
    assert breaker.state is BreakerState.OPEN
    time.seconds += OPEN_FOR
    assert breaker.admit() is not None


class BreakerMachine(RuleBasedStateMachine):
    """Calls come, answer, fail and vanish in any order while time passes."""

    passes = Bundle("passes")

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.breaker = breaker_at(self.time)
        self.out: set[int] = set()
        self.trial: Pass | None = None
        self.failed_in_a_row = 0
        self.closed_at = self.time.seconds

    @rule(target=passes)
    def call(self) -> Pass | None:
        before = self.breaker.state
        leave = self.breaker.admit()
        assert (leave is None) == (before is BreakerState.OPEN or self.trial is not None)
        if before is BreakerState.HALF_OPEN and leave is not None:
            self.trial = leave
        return leave

    @rule(leave=consumes(passes))
    def succeed(self, leave: Pass | None) -> None:
        if leave is None:
            return
        trial = leave is self.trial
        self.breaker.succeeded(leave)
        if trial:
            self.trial = None
            assert self.breaker.state is BreakerState.CLOSED

    @rule(leave=consumes(passes))
    def fail(self, leave: Pass | None) -> None:
        if leave is None:
            return
        trial = leave is self.trial
        self.breaker.failed(leave)
        if trial:
            self.trial = None
            assert self.breaker.state is BreakerState.OPEN

    @rule(leave=consumes(passes))
    def abandon(self, leave: Pass | None) -> None:
        if leave is None:
            return
        before = self.breaker.state
        trial = leave is self.trial
        self.breaker.abandoned(leave)
        if trial:
            self.trial = None
        assert self.breaker.state is before

    @rule(seconds=st.floats(0.1, 60))
    def wait(self, seconds: float) -> None:
        self.time.seconds += seconds

    @precondition(lambda self: self.trial is None)
    @rule()
    def recovers_in_the_end(self) -> None:
        """However it stands, after the longest pause one good call closes it."""
        if self.breaker.state is BreakerState.CLOSED:
            return
        self.time.seconds += MAX_OPEN
        self.breaker.succeeded(admitted(self.breaker))
        assert self.breaker.state is BreakerState.CLOSED

    @invariant()
    def one_try_at_a_time(self) -> None:
        if self.trial is not None:
            assert self.breaker.state is BreakerState.HALF_OPEN


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
