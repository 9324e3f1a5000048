"""What watches the calls of a node, as a port: the pipeline of the edge tells it when a call begins and ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from govcode_node.domain.codes import SubjectKind


@dataclass(frozen=True, slots=True)
class RpcTrace:
    """One call inside a trace; the token between `begin` and `end`.

    Attributes:
        trace_id: The trace, 32 hexadecimal digits; never empty.
        traceparent: The W3C header that the next node gets.
        tracestate: The W3C header that travels beside it; empty where there is none.
        handle: The watcher's own, nobody else's.
    """

    trace_id: str
    traceparent: str
    tracestate: str = ""
    handle: object = None

    def outgoing_metadata(self) -> dict[str, str]:
        """It gives the metadata by which the trace goes on at the next node."""
        if self.tracestate:
            return {"traceparent": self.traceparent, "tracestate": self.tracestate}
        return {"traceparent": self.traceparent}


class RpcObserver(Protocol):
    """It watches calls. It never raises and never blocks: a fault of telemetry is no fault of the call."""

    def begin(self, method: str, metadata: Mapping[str, str]) -> RpcTrace:
        """It notes that a call began.

        Args:
            method: Full method name. Example: `/govcode.code.v1.CodeApplicationService/ScanCode`.
            metadata: As received; keys in lower case.
        """
        ...

    def end(self, trace: RpcTrace, method: str, status_code: str, seconds: float) -> None:
        """It notes that the call is over.

        Args:
            trace: What `begin` returned.
            method: As at the begin.
            status_code: Name of the gRPC status. Example: `OK`.
            seconds: How long it took.
        """
        ...


class DecisionCounters(Protocol):
    """It counts what the node decides; labels are of small, fixed sets."""

    def code_presented(self, *, kind: SubjectKind, reused: bool) -> None:
        """It counts a presentation, and whether it showed an earlier code again."""
        ...

    def code_verified(self, *, outcome: str, cross_region: bool) -> None:
        """It counts a scan or verification by what came of it."""
        ...

    def authorization_decided(self, *, decision: str) -> None:
        """It counts what became of an authorization: a decision, a time-out, a withdrawal, a statutory duty."""
        ...

    def license_used(self, *, state: str) -> None:
        """It counts a use of a licence by what came of it."""
        ...


class NoCounters:
    """It counts nothing."""

    def authorization_decided(self, *, decision: str) -> None:
        """It does nothing."""

    def license_used(self, *, state: str) -> None:
        """It does nothing."""

    def code_presented(self, *, kind: SubjectKind, reused: bool) -> None:
        """It does nothing."""

    def code_verified(self, *, outcome: str, cross_region: bool) -> None:
        """It does nothing."""
