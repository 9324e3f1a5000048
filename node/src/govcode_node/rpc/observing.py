"""The outermost layer of the way in, as a seam: who measures and traces calls plugs in here."""

from dataclasses import dataclass
from typing import Protocol

from govcode_node.rpc.call import RequestMetadata


class EndCall(Protocol):
    """It is told how a call ended."""

    @property
    def traceparent(self) -> str:
        """Place of this call in its trace, by which the next node goes on."""
        ...

    def __call__(self, *, code: str, reason: str, caller: str) -> None:
        """It takes the name of the status code, the reason of a refusal, and the caller's label."""


class CallTelemetry(Protocol):
    """The outermost layer: it sees each call begin and end."""

    def begin(self, method: str, metadata: RequestMetadata) -> EndCall:
        """It sees a call begin and returns what is to be called once when it ends."""
        ...


class NoTelemetry:
    """It measures nothing."""

    def begin(self, method: str, metadata: RequestMetadata) -> EndCall:
        """It returns an end that does nothing; the caller's place in the trace goes on unchanged."""
        return _SilentEnd(metadata.traceparent)


@dataclass(frozen=True, slots=True)
class _SilentEnd:
    traceparent: str

    def __call__(self, *, code: str, reason: str, caller: str) -> None:
        pass
