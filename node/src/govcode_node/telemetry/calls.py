"""What the pipeline of the servicers plugs in as its outermost layer: each call timed, traced and told of.

The pipeline reads the metadata itself and begins a trace where the caller brought none, so a call has its trace id with
or without this layer. Where spans are recorded, `traceparent` of what `begin` returned names the span of this call; a
pipeline that hands that on makes the next node's span its child.
"""

import time
from collections.abc import Collection
from typing import Protocol

from govcode_node.ports.telemetry import RpcObserver, RpcTrace
from govcode_node.telemetry.tracing import FAULTS


class TracedMetadata(Protocol):
    """What is needed of a request's metadata."""

    @property
    def traceparent(self) -> str:
        """The W3C header of the caller."""
        ...


class CallListener(Protocol):
    """It is told of every call that ended; the node's status keeps its figures so."""

    def __call__(self, method: str, seconds: float, fault: bool, *, streaming: bool) -> None:
        """It takes the method, the time, whether the node was at fault, and whether it was a stream."""
        ...


class RunningCall:
    """One call between its begin and its end; call it once when it ends.

    Attributes:
        traceparent: The header for the next node.
    """

    __slots__ = ("_listeners", "_method", "_observer", "_started", "_streaming", "_trace", "traceparent")

    def __init__(
        self,
        *,
        observer: RpcObserver,
        trace: RpcTrace,
        method: str,
        streaming: bool,
        listeners: tuple[CallListener, ...],
        started: float,
    ) -> None:
        """It takes what the end needs."""
        self._observer = observer
        self._trace = trace
        self._method = method
        self._streaming = streaming
        self._listeners = listeners
        self._started = started
        self.traceparent = trace.traceparent

    def __call__(self, *, code: str, reason: str, caller: str) -> None:
        """It notes the end; neither the reason nor the caller becomes a label, since both have many values."""
        seconds = time.perf_counter() - self._started
        self._observer.end(self._trace, self._method, code, seconds)
        for listener in self._listeners:
            listener(self._method, seconds, code in FAULTS, streaming=self._streaming)


class CallWatch:
    """Begins the watch over each call."""

    def __init__(
        self,
        observer: RpcObserver,
        *,
        listeners: Collection[CallListener] = (),
        streaming_methods: Collection[str] = (),
    ) -> None:
        """It takes who watches.

        Args:
            observer: Spans and latencies.
            listeners: Who else is told of the end.
            streaming_methods: Full names of the methods whose length says nothing.
        """
        self._observer = observer
        self._listeners = tuple(listeners)
        self._streaming = frozenset(streaming_methods)

    def begin(self, method: str, metadata: TracedMetadata) -> RunningCall:
        """It sees a call begin and returns what is to be called once when it ends."""
        return RunningCall(
            observer=self._observer,
            trace=self._observer.begin(method, {"traceparent": metadata.traceparent}),
            method=method,
            streaming=method in self._streaming,
            listeners=self._listeners,
            started=time.perf_counter(),
        )
