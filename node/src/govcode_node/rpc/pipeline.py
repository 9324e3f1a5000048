"""The way in: what every call passes before and after its servicer method, composed once into one coroutine per method.

From the outside in: telemetry, errors, identity, deadline, policy, limits; refused access goes into the audit trail.
The handlers that come out take and give bytes, so a message is parsed only after its sender is known, and parsing,
serializing and size limits end in the same errors as everything else.

Every answer names the request, the node and its time (N-50). A unary answer carries them as trailing metadata: grpcio
sends initial metadata that a handler sets in a batch of its own, which was measured to cost a fifth of a bare call.
A stream carries them as initial metadata, since its end may be hours away; an error always carries them at its end.
"""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.message import DecodeError

from govcode_node.domain.callers import Call, Caller, DeadlineTooShortError
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import DrainingError, GovcodeError, InvalidFieldError, MessageTooLargeError
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.nodes import HubNotHereError
from govcode_node.domain.recognition import PeerRefusedError
from govcode_node.ports.clock import Clock
from govcode_node.rpc.call import (
    NODE_ID,
    REQUEST_ID,
    SERVER_TIME,
    Metadata,
    RequestMetadata,
    RpcContext,
    read_metadata,
    set_current_call,
)
from govcode_node.rpc.deadlines import Deadline, Deadlines
from govcode_node.rpc.identity import Identification
from govcode_node.rpc.limits import CallerLimits, StreamSlots
from govcode_node.rpc.methods import Handler
from govcode_node.rpc.observing import CallTelemetry, EndCall, NoTelemetry
from govcode_node.rpc.policy import Policy
from govcode_node.rpc.refusals import ACCESS_REASONS, RefusalLog
from govcode_node.rpc.rules import DeadlineRules, MessageSizes
from govcode_node.rpc.status import INTERNAL_FAULT, status_of

STATUS_DETAILS: Final = "grpc-status-details-bin"

_NOT_BY_THE_CHANNEL: Final = (("grpc-retry-pushback-ms", "-1"),)
"""Keeps a caller's channel from trying an unavailable node again by itself, sooner than `RetryInfo` says."""

RECHECK_SECONDS: Final = 5.0
"""How often the caller of a long stream is looked at again: one that is suspended today must not listen on tomorrow."""

_ENDLESS_SECONDS: Final = 366 * 86_400.0
"""A stream that may go on for longer counts as one without an end."""

_HUB_SERVICE: Final = "/govcode.hub.v1.HubService/"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Arrival:
    """One call on its way in."""

    method: str
    metadata: RequestMetadata
    answer: Metadata
    end: EndCall
    caller: Caller | None = None

    @property
    def label(self) -> str:
        return self.caller.label if self.caller else ""


@dataclass(frozen=True, slots=True)
class _Codec:
    """Bytes to message and back for one method, within its size."""

    most: int
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]

    def request(self, raw: bytes) -> Any:
        if len(raw) > self.most:
            raise MessageTooLargeError(limit_bytes=self.most)
        try:
            return self.read(raw)
        except DecodeError:
            raise InvalidFieldError("request", "cannot be read as the message that this method takes") from None

    async def requests(self, raws: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for raw in raws:
            yield self.request(raw)


class Pipeline:
    """It composes the handlers of one node.

    Args:
        node_id: This node, named in every answer.
        identification: Finds the caller.
        policy: Who may call what.
        limits: Calls in a time.
        slots: Streams at a time.
        refusals: Where refused access is recorded.
        clock: Time.
        telemetry: The outermost layer.
        deadlines: How much time calls have.
        sizes: How large requests may be.
    """

    def __init__(
        self,
        *,
        node_id: str,
        identification: Identification,
        policy: Policy,
        limits: CallerLimits,
        slots: StreamSlots,
        refusals: RefusalLog,
        clock: Clock,
        telemetry: CallTelemetry | None = None,
        deadlines: DeadlineRules | None = None,
        sizes: MessageSizes | None = None,
    ) -> None:
        self._node_id = node_id
        self._identification = identification
        self._policy = policy
        self._limits = limits
        self._slots = slots
        self._refusals = refusals
        self._clock = clock
        self._telemetry = telemetry or NoTelemetry()
        deadlines = deadlines or DeadlineRules()
        self._default_left = deadlines.default.total_seconds()
        self._margin = deadlines.margin.total_seconds()
        self._least = deadlines.least.total_seconds()
        self._most = deadlines.most.total_seconds()
        self.sizes = sizes or MessageSizes()
        self._deadlines = Deadlines()
        self._streams: set[asyncio.Task[Any]] = set()
        self._drained: set[asyncio.Task[Any]] = set()
        self._draining = False

    def compose(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """It puts the way in before each handler; the new ones take and give bytes."""
        return {method: self._composed(method, handler) for method, handler in handlers.items()}

    def absent(self, method: str) -> Handler:
        """It gives the handler of a method that is not served here: known callers learn that, others nothing."""

        async def serve(raws: AsyncIterator[bytes], context: RpcContext) -> None:
            arrival = self._arrive(method, context)
            try:
                arrival.caller = await self._identification.caller_of(context)
            except Exception as error:
                await self._refuse(error, arrival, context)
            if method.startswith(_HUB_SERVICE) and method in self._policy.methods:
                await self._refuse(HubNotHereError(), arrival, context)
            arrival.end(code="UNIMPLEMENTED", reason="", caller=arrival.label)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this node does not serve the method", arrival.answer)

        return grpc.stream_stream_rpc_method_handler(serve)

    def drain(self) -> None:
        """It ends all streams with DRAINING and admits no new ones; unary calls go on until the server stops."""
        self._draining = True
        for task in self._streams:
            self._drained.add(task)
            task.cancel()

    @property
    def open_streams(self) -> int:
        """How many streams are being served."""
        return len(self._streams)

    def _composed(self, method: str, handler: Handler) -> Handler:
        # The generated code always gives both functions; the types of grpcio allow for neither.
        read, write = handler.request_deserializer, handler.response_serializer
        if read is None or write is None:
            raise ValueError(f"{method} has no codec")
        codec = _Codec(self.sizes.of(method), read, write)
        # Any: the arity is known by the two flags, which the types do not follow.
        inner: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        if handler.response_streaming:
            serve = self._streamed(method, codec, inner, requests_stream=handler.request_streaming)
            if handler.request_streaming:
                return grpc.stream_stream_rpc_method_handler(serve)
            return grpc.unary_stream_rpc_method_handler(serve)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._gathered(method, codec, inner))
        return grpc.unary_unary_rpc_method_handler(self._unary(method, codec, inner))

    def _unary(self, method: str, codec: _Codec, inner: Callable[..., Any]) -> Callable[..., Any]:
        """It composes a method with one request and one answer: the hot path."""

        async def serve(raw: bytes, context: RpcContext) -> bytes:
            arrival = self._arrive(method, context)
            watch: Deadline | None = None
            try:
                left = await self._admit(arrival, context, digest=sm3(raw))
                request = codec.request(raw)
                context.set_trailing_metadata(arrival.answer)
                with self._deadlines.after(self._default_left if left is None else left) as watch:
                    answer = await inner(request, context)
                body = codec.write(answer)
            except asyncio.CancelledError:
                arrival.end(code="CANCELLED", reason="", caller=arrival.label)
                raise
            except TimeoutError as error:
                late = DeadlineTooShortError(left_ms=0) if watch and watch.expired else error
                await self._refuse(late, arrival, context)
            except Exception as error:
                await self._refuse(error, arrival, context)
            arrival.end(code="OK", reason="", caller=arrival.label)
            return body

        return serve

    def _gathered(self, method: str, codec: _Codec, inner: Callable[..., Any]) -> Callable[..., Any]:
        """It composes a method with many requests and one answer."""

        async def serve(raws: AsyncIterator[bytes], context: RpcContext) -> bytes:
            async def work(arrival: _Arrival) -> bytes:
                context.set_trailing_metadata(arrival.answer)
                return codec.write(await inner(codec.requests(raws), context))

            body: bytes = await self._serve_stream(method, context, b"", work)
            return body

        return serve

    def _streamed(
        self, method: str, codec: _Codec, inner: Callable[..., Any], *, requests_stream: bool
    ) -> Callable[..., Any]:
        """It composes a method with a streamed answer; the servicer method is an asynchronous generator."""

        async def serve(raw: Any, context: RpcContext) -> None:
            async def work(arrival: _Arrival) -> None:
                request = codec.requests(raw) if requests_stream else codec.request(raw)
                await context.send_initial_metadata(arrival.answer)
                checked_at = self._clock.monotonic()
                async with aclosing(inner(request, context)) as answers:
                    async for answer in answers:
                        if self._clock.monotonic() - checked_at >= RECHECK_SECONDS:
                            await self._recheck(arrival, context)
                            checked_at = self._clock.monotonic()
                        await context.write(codec.write(answer))

            await self._serve_stream(method, context, b"" if requests_stream else raw, work)

        return serve

    async def _serve_stream(self, method: str, context: RpcContext, raw: bytes, work: Callable[[_Arrival], Any]) -> Any:
        arrival = self._arrive(method, context)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - an edge runs every call in a task of its own
        try:
            await self._admit(arrival, context, digest=sm3(raw) if raw else b"", streams=True)
            if self._draining:
                raise DrainingError  # noqa: TRY301 - refused like everything else
            with self._slots.hold(arrival.caller, method):  # type: ignore[arg-type]  # admitted, so there is one
                self._streams.add(task)
                try:
                    result = await work(arrival)
                finally:
                    self._streams.discard(task)
        except asyncio.CancelledError:
            if task not in self._drained:
                arrival.end(code="CANCELLED", reason="", caller=arrival.label)
                raise
            # It was us who cancelled it, so the caller is still there to be told.
            self._drained.discard(task)
            task.uncancel()
            await self._refuse(DrainingError(), arrival, context)
        except Exception as error:
            await self._refuse(error, arrival, context)
        arrival.end(code="OK", reason="", caller=arrival.label)
        return result

    def _arrive(self, method: str, context: RpcContext) -> _Arrival:
        metadata = read_metadata(context.invocation_metadata())
        answer = (
            (REQUEST_ID, metadata.request_id),
            (NODE_ID, self._node_id),
            (SERVER_TIME, self._clock.now().isoformat(timespec="milliseconds")),
        )
        end = self._telemetry.begin(method, metadata)
        return _Arrival(method, metadata.continued_at(end.traceparent), answer, end)

    async def _admit(
        self, arrival: _Arrival, context: RpcContext, *, digest: bytes, streams: bool = False
    ) -> float | None:
        """It lets a call in and returns the seconds that its work may take; None without an end.

        Raises:
            GovcodeError: The call is refused.
        """
        metadata = arrival.metadata
        caller = arrival.caller = await self._identification.caller_of(context)
        left = self._time_left(context.time_remaining(), streams=streams)
        self._policy.check(caller, arrival.method)
        metadata.check()
        call = Call(
            caller=caller,
            method=arrival.method,
            request_id=metadata.request_id,
            # A scanner that calls for itself is the device, whatever it says.
            device_id=caller.name if caller.caller_class is CallerClass.SCANNER else metadata.device_id,
            trace_id=metadata.trace_id,
            request_digest=digest,
            deadline=None if left is None else self._clock.now() + timedelta(seconds=left),
            metadata=metadata.onward(),
        )
        self._limits.check(call)
        set_current_call(call)
        return left

    def _time_left(self, remaining: float | None, *, streams: bool) -> float | None:
        if remaining is None:
            return None if streams else self._default_left
        left = remaining - self._margin
        if left < self._least and not streams:
            raise DeadlineTooShortError(left_ms=max(0, int(remaining * 1000)))
        if streams:
            # A timeout of HTTP/2 may be ten thousand years, which no date can hold.
            return left if left < _ENDLESS_SECONDS else None
        return min(left, self._most)

    async def _recheck(self, arrival: _Arrival, context: RpcContext) -> None:
        arrival.caller = await self._identification.caller_of(context)
        self._policy.check(arrival.caller, arrival.method)

    async def _refuse(self, error: Exception, arrival: _Arrival, context: RpcContext) -> NoReturn:
        """It answers a call with an error."""
        if isinstance(error, grpc.aio.AbortError):
            # The servicer has answered by itself, as the health protocol wants it.
            arrival.end(code="ABORTED_BY_SERVICER", reason="", caller=arrival.label)
            raise error
        metadata = arrival.metadata
        status = status_of(error, request_id=metadata.request_id, accept_language=metadata.accept_language)
        # Before anything is waited for: a caller that goes away now has still been refused.
        arrival.end(code=status.code.name, reason=status.reason, caller=arrival.label)
        if status.reason == INTERNAL_FAULT:
            _log_fault(error, arrival)
        elif status.reason in ACCESS_REASONS and not isinstance(error, PeerRefusedError):
            await self._refusals.note(
                caller=arrival.caller,
                peer=context.peer(),
                method=arrival.method,
                reason=status.reason,
                why=status.message,
                trace_id=metadata.trace_id,
            )
        pushback = _NOT_BY_THE_CHANNEL if status.code is grpc.StatusCode.UNAVAILABLE else ()
        trailing = (*arrival.answer, (STATUS_DETAILS, status.details), *pushback)
        await context.abort(status.code, status.message, trailing)


def _log_fault(error: BaseException, arrival: _Arrival) -> None:
    """It logs where a fault arose. The texts of foreign exceptions are left out: they quote values, and so people."""
    lines: list[str] = []
    link: BaseException | None = error
    while link is not None:
        lines += traceback.format_tb(link.__traceback__)
        lines.append(f"{type(link).__qualname__}{f': {link}' if isinstance(link, GovcodeError) else ''}\n")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    _log.error(
        "a call failed by a fault of this node",
        extra={
            "method": arrival.method,
            "request_id": arrival.metadata.request_id,
            "caller": arrival.label,
            "fault": "".join(lines),
        },
    )
