"""Traces across nodes by the W3C headers `traceparent` and `tracestate` (7.3-09).

    >>> parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").trace_id
    '4bf92f3577b34da6a3ce929d0e0e4736'
    >>> parse_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
    True

Every call has a trace id, whether spans are recorded or not: records of both nodes are joined by it (6.2-13). Without a
tracer the header is read, or made, and handed on unchanged, which costs two or three microseconds.
"""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from govcode_node.ports.telemetry import RpcTrace
from govcode_node.telemetry.metrics import NodeMetrics

log = logging.getLogger(__name__)

_SAMPLED: Final = 1
_HEADER: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_TRACESTATE: Final = re.compile(r"[\x20-\x7e]{1,512}", re.ASCII)
# What nearly every caller sends; it goes on as it is where no span is made, so it is not taken apart.
_PLAIN: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]", re.ASCII)
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16

# Answers that are the node's own fault; a refusal that a caller earned does not paint a span red.
FAULTS: Final = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A `traceparent` header.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits, not all zero.
        span_id: 16 lower-case hexadecimal digits, not all zero.
        flags: 0 to 255; bit 0 says that the caller records the trace.
    """

    trace_id: str
    span_id: str
    flags: int

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse_traceparent(text: str) -> TraceParent | None:
    """It reads the header; None where it is no valid one, in which case the call begins a trace of its own.

    A header of a later version is read as far as version 00 goes, as the W3C rule says.
    """
    match = _HEADER.fullmatch(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    # Later versions may give the other flag bits a meaning; only bit 0 has one here.
    return TraceParent(trace_id, span_id, int(flags, 16) & _SAMPLED)


def new_trace() -> TraceParent:
    """It begins a trace that nobody records."""
    drawn = os.urandom(24).hex()
    return TraceParent(drawn[:32], drawn[32:], 0)


def begin_rpc(method: str, metadata: Mapping[str, str], tracer: Tracer | None = None) -> RpcTrace:
    """It takes part in the caller's trace, or begins one.

    Args:
        method: Full method name; it names the span.
        metadata: As received; keys in lower case.
        tracer: Makes the server span; without it the caller's header goes on unchanged.
    """
    header = metadata.get("traceparent", "")
    if tracer is None and "tracestate" not in metadata and _PLAIN.fullmatch(header):
        return RpcTrace(header[3:35], header)
    incoming = parse_traceparent(header)
    tracestate = metadata.get("tracestate", "") if incoming is not None else ""
    if tracestate and _TRACESTATE.fullmatch(tracestate) is None:
        tracestate = ""
    if tracer is None:
        incoming = incoming or new_trace()
        return RpcTrace(incoming.trace_id, str(incoming), tracestate)
    span = tracer.start_span(
        method.removeprefix("/"),
        context=_remote_context(incoming),
        kind=SpanKind.SERVER,
        attributes={"rpc.system": "grpc", "rpc.method": method.removeprefix("/")},
    )
    context = span.get_span_context()
    own = TraceParent(f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags) & _SAMPLED)
    return RpcTrace(own.trace_id, str(own), tracestate, span)


def end_rpc(trace: RpcTrace, status_code: str) -> None:
    """It ends the span, where there is one."""
    span = trace.handle
    if span is not None and isinstance(span, Span):
        span.set_attribute("rpc.grpc.status", status_code)
        if status_code in FAULTS:
            span.set_status(Status(StatusCode.ERROR))
        span.end()


class RpcTelemetry:
    """Watches calls by spans and by the latency histogram; an `RpcObserver`."""

    def __init__(self, *, tracer: Tracer | None, metrics: NodeMetrics) -> None:
        """It works with the node's tracer, None for none, and its metrics."""
        self._tracer = tracer
        self._metrics = metrics

    def begin(self, method: str, metadata: Mapping[str, str]) -> RpcTrace:
        """It notes that a call began."""
        try:
            return begin_rpc(method, metadata, self._tracer)
        except Exception:
            log.exception("telemetry failed at the begin of a call")
            return begin_rpc(method, {})

    def end(self, trace: RpcTrace, method: str, status_code: str, seconds: float) -> None:
        """It notes that the call is over."""
        try:
            self._metrics.rpc_ended(method=method, status_code=status_code, seconds=seconds)
            end_rpc(trace, status_code)
        except Exception:
            log.exception("telemetry failed at the end of a call")


def _remote_context(incoming: TraceParent | None) -> Context | None:
    if incoming is None:
        return None
    remote = SpanContext(
        trace_id=int(incoming.trace_id, 16),
        span_id=int(incoming.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(incoming.flags),
    )
    return set_span_in_context(NonRecordingSpan(remote))
