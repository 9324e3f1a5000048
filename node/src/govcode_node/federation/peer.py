"""One peer: its endpoints, its permits, its circuit breaker, and the way in which a call to it may fail (6.2-10)."""

import logging
import statistics
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from grpc import aio

from govcode_node.domain.breakers import BreakerState, CircuitBreaker, Pass
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.nodes import PeerCondition
from govcode_node.domain.recognition import HomeNodeTimeoutError, HomeNodeUnreachableError
from govcode_node.federation.channels import ChannelPool, Dialer, Endpoints, server_name_of
from govcode_node.federation.refusals import Fault, Refusal, understand
from govcode_node.federation.streams import Begin, PeerStream, reached
from govcode_node.ports.clock import Clock

log = logging.getLogger(__name__)

R = TypeVar("R")

LEAST_BUDGET: Final = 0.02
"""Seconds below which a call is not worth making."""

_ATTEMPTS: Final = 2
_ANSWERS_REMEMBERED: Final = 256
_MINUTE: Final = 60.0

Attempt = Callable[[aio.Channel, float], Awaitable[R]]
"""Makes the call on a channel with a time limit in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """How peers are called; each limit holds for one peer. Times in seconds.

    Attributes:
        concurrency: Calls at once; more are refused at once. Streams may take half of it, so that readers of long
            deliveries leave room for questions.
        connections: Connections to each endpoint.
        connection_max_age: After this a connection is replaced.
        endpoint_timeout: The longest that one endpoint may take.
        breaker_failures: Failures in a row that open the breaker.
        breaker_open: For how long it stays open the first time.
        breaker_max_open: The longest that it stays open.
        idle_after: After this without calls the connections are closed.
    """

    concurrency: int = 64
    connections: int = 2
    connection_max_age: float = 3600.0
    endpoint_timeout: float = 2.0
    breaker_failures: int = 5
    breaker_open: float = 10.0
    breaker_max_open: float = 60.0
    idle_after: float = 600.0

    @property
    def streams(self) -> int:
        """Streams at once."""
        return max(1, self.concurrency // 2)


class Peer:
    """One other node, or the hub."""

    def __init__(self, node_id: str, *, dialer: Dialer, settings: PeerSettings, clock: Clock) -> None:
        """It makes no connection yet.

        Args:
            node_id: The node; it must be the one that answers.
            dialer: Makes channels.
            settings: Limits.
            clock: The clock.
        """
        self.node_id = node_id
        self._settings = settings
        self._clock = clock
        server_name = server_name_of(node_id)
        self._endpoints = Endpoints(
            pool_of=lambda address: ChannelPool(dialer, address, server_name=server_name, size=settings.connections),
            clock=clock,
            unsound_for=settings.breaker_open,
        )
        self._breaker = CircuitBreaker(
            failures=settings.breaker_failures,
            open_for=settings.breaker_open,
            max_open_for=settings.breaker_max_open,
            monotonic=clock.monotonic,
        )
        self._in_flight = 0
        self._streams = 0
        self._called_at = clock.monotonic()
        self._answers: deque[tuple[float, float]] = deque(maxlen=_ANSWERS_REMEMBERED)

    @property
    def in_flight(self) -> int:
        """Calls that have not ended."""
        return self._in_flight

    def idle_for(self) -> float:
        """It gives the seconds since the last call."""
        return 0.0 if self._in_flight else self._clock.monotonic() - self._called_at

    def use_endpoints(self, addresses: tuple[str, ...]) -> None:
        """It follows the addresses of the bundle."""
        self._endpoints.replace(addresses)

    def line(self) -> tuple[str, aio.Channel]:
        """It gives address and channel of the best endpoint, for a long stream, which has no breaker.

        Raises:
            HomeNodeUnreachableError: The peer has no endpoint.
        """
        self._called_at = self._clock.monotonic()
        for address in self._endpoints.ordered():
            return address, self._endpoints.channel(address)
        raise HomeNodeUnreachableError(self.node_id)

    def explain(self, failure: aio.AioRpcError, address: str) -> GovcodeError:
        """It says what the end of a long stream means, and remembers how the endpoint did."""
        refusal = understand(failure, self.node_id)
        self._note_refusal(refusal, address)
        return refusal.error

    async def call(self, attempt: Attempt[R], *, left: Callable[[], float | None], limit: float | None = None) -> R:
        """It makes a call, on a second endpoint too where the first does not work.

        A caller that is cancelled gives its permit back and leaves no mark on the peer.

        Args:
            attempt: Makes the call; it may be made twice, so it must be idempotent.
            left: Gives the seconds that the caller still has; None without limit.
            limit: The longest that one endpoint may take; by the settings where None.

        Raises:
            HomeNodeUnreachableError: The peer does not answer, has too many calls, or its breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            GovcodeError: What the peer refused with.
        """
        leave = self._admit()
        verdict: Callable[[Pass], None] = self._breaker.abandoned
        try:
            answer, verdict, error = await self._attempts(attempt, left, limit or self._settings.endpoint_timeout)
        finally:
            self._in_flight -= 1
            self._settle(leave, verdict)
        if error is not None:
            raise error
        assert answer is not None  # noqa: S101 - either there is an answer or an error
        return answer

    async def _attempts(
        self, attempt: Attempt[R], left: Callable[[], float | None], limit: float
    ) -> tuple[R | None, Callable[[Pass], None], GovcodeError | None]:
        """It tries the endpoints and returns the answer or the error, with what the breaker shall be told."""
        error: GovcodeError = HomeNodeUnreachableError(self.node_id)
        verdict: Callable[[Pass], None] = self._breaker.abandoned
        for address in self._endpoints.ordered()[:_ATTEMPTS]:
            remaining = left()
            budget = limit if remaining is None else min(limit, remaining)
            if budget < LEAST_BUDGET:
                return None, verdict, HomeNodeTimeoutError(self.node_id)
            begun = self._clock.monotonic()
            try:
                answer = await attempt(self._endpoints.channel(address), budget)
            except aio.AioRpcError as failure:
                refusal = understand(failure, self.node_id)
            else:
                self._note_answer(begun)
                self._endpoints.note(address, sound=True)
                return answer, self._breaker.succeeded, None
            error = refusal.error
            self._note_refusal(refusal, address)
            if refusal.fault is Fault.REFUSED:
                self._note_answer(begun)
                return None, self._breaker.succeeded, error
            # A caller in a great hurry says nothing about the peer's health.
            if refusal.fault is Fault.ABSENT or budget >= limit / 2:
                verdict = self._breaker.failed
        return None, verdict, error

    @asynccontextmanager
    async def stream(
        self, begin: Begin[R], *, left: Callable[[], float | None], limit: float
    ) -> AsyncIterator[PeerStream[R]]:
        """It opens a stream and waits for its first message, at a second endpoint too where the first does not work.

        It counts as a call until the context is left, which ends the stream. Whether the peer works is known with the
        first message; a stream that breaks off later counts as a failure, one that its reader leaves does not.

        Args:
            begin: Begins the call; it may be begun twice, so it must be idempotent.
            left: Gives the seconds that the caller still has; None without limit.
            limit: Seconds that the whole stream may take where the caller has no limit.

        Raises:
            HomeNodeUnreachableError: The peer does not answer, has too many calls, or its breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            GovcodeError: What the peer refused with.
        """
        if self._streams >= self._settings.streams:
            log.warning("peer at its limit of streams", extra={"peer": self.node_id, "limit": self._streams})
            raise HomeNodeUnreachableError(self.node_id)
        leave = self._admit()
        self._streams += 1
        stream: PeerStream[R] | None = None
        try:
            stream = await self._open(begin, left, limit, leave)
            yield stream
        finally:
            self._in_flight -= 1
            self._streams -= 1
            if stream is not None:
                stream.cancel()
            # Says nothing where success or failure has been said.
            self._settle(leave, self._breaker.abandoned)

    async def _open(
        self, begin: Begin[R], left: Callable[[], float | None], limit: float, leave: Pass
    ) -> PeerStream[R]:
        """It tries the endpoints until one gives a first message, and tells the breaker what came of it."""
        error: GovcodeError = HomeNodeUnreachableError(self.node_id)
        verdict: Callable[[Pass], None] = self._breaker.abandoned
        for address in self._endpoints.ordered()[:_ATTEMPTS]:
            remaining = left()
            budget = limit if remaining is None else remaining
            if budget < LEAST_BUDGET:
                self._settle(leave, verdict)
                raise HomeNodeTimeoutError(self.node_id)
            opened = await self._open_at(address, begin, budget, leave)
            if isinstance(opened, PeerStream):
                self._endpoints.note(address, sound=True)
                self._settle(leave, self._breaker.succeeded)
                return opened
            error = opened.error
            self._note_refusal(opened, address)
            if opened.fault is Fault.REFUSED:
                verdict = self._breaker.succeeded
                break
            if opened.fault is Fault.ABSENT or budget >= limit / 2:
                verdict = self._breaker.failed
        self._settle(leave, verdict)
        raise error

    async def _open_at(self, address: str, begin: Begin[R], budget: float, leave: Pass) -> PeerStream[R] | Refusal:
        def explain(failure: aio.AioRpcError) -> GovcodeError:
            refusal = understand(failure, self.node_id)
            # When the time is over, nobody knows who was too slow: the peer, or its reader.
            if refusal.fault is not Fault.LATE:
                self._note_refusal(refusal, address)
            if refusal.fault is Fault.ABSENT:
                self._settle(leave, self._breaker.failed)
            return refusal.error

        channel = self._endpoints.channel(address)
        begun = self._clock.monotonic()
        if not await reached(channel, within=min(budget, self._settings.endpoint_timeout)):
            absent = HomeNodeUnreachableError(self.node_id)
            return Refusal(fault=Fault.ABSENT, error=absent, detail="no connection in time")
        stream = PeerStream(
            begin(channel, budget - (self._clock.monotonic() - begun)), node_id=self.node_id, explain=explain
        )
        try:
            await stream.open()
        except aio.AioRpcError as failure:
            return understand(failure, self.node_id)
        except BaseException:
            stream.cancel()
            raise
        return stream

    def condition(self) -> PeerCondition:
        """It tells how the peer did of late."""
        since = self._clock.monotonic() - _MINUTE
        recent = [seconds for ended_at, seconds in self._answers if ended_at >= since]
        return PeerCondition(
            node_id=self.node_id,
            available=self._breaker.state is not BreakerState.OPEN,
            answer_ms=round(statistics.median(recent) * 1000) if recent else 0,
        )

    def tend(self) -> None:
        """It closes connections that nobody uses."""
        if not self._in_flight:
            self._endpoints.close_idle(self._settings.idle_after)

    def close(self) -> None:
        """It lets its connections drain."""
        self._endpoints.close()

    def _admit(self) -> Pass:
        if self._in_flight >= self._settings.concurrency:
            log.warning("peer at its limit of calls", extra={"peer": self.node_id, "limit": self._in_flight})
            raise HomeNodeUnreachableError(self.node_id)
        leave = self._breaker.admit()
        if leave is None:
            raise HomeNodeUnreachableError(self.node_id)
        self._in_flight += 1
        self._called_at = self._clock.monotonic()
        return leave

    def _note_answer(self, begun: float) -> None:
        now = self._clock.monotonic()
        self._answers.append((now, now - begun))

    def _note_refusal(self, refusal: Refusal, address: str) -> None:
        sound = refusal.fault is Fault.REFUSED
        self._endpoints.note(address, sound=sound)
        log.log(
            logging.INFO if sound else logging.WARNING,
            "peer call failed",
            extra={
                "peer": self.node_id,
                "endpoint": address,
                "fault": refusal.fault.value,
                "detail": refusal.detail,
            },
        )

    def _settle(self, leave: Pass, verdict: Callable[[Pass], None]) -> None:
        before = self._breaker.state
        verdict(leave)
        after = self._breaker.state
        if before is not after:
            log.warning("peer breaker moved", extra={"peer": self.node_id, "from": before.value, "to": after.value})
