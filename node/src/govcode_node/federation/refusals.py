"""What a failed call to another node means here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import aio

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.nodes import NodeSuspendedError
from govcode_node.domain.recognition import (
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    HopLimitError,
    LoopDetectedError,
    PeerRefusedError,
)
from govcode_node.domain.routes import NoRouteError

_DOMAIN: Final = "govcode"
_STATUS_KEY: Final = "grpc-status-details-bin"
_MAX_FACTS: Final = 16
_MAX_FACT: Final = 256


class Fault(StrEnum):
    """Whose trouble a failed call shows."""

    REFUSED = "REFUSED"
    """The node answers, with an error; it is sound."""
    ABSENT = "ABSENT"
    """The node, or this endpoint of it, does not work now; another endpoint may."""
    LATE = "LATE"
    """It did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A failed call, understood.

    Attributes:
        fault: Whose trouble it shows.
        error: What the caller here shall see.
        detail: For the log.
    """

    fault: Fault
    error: GovcodeError
    detail: str


_ABOUT_THE_WAY: Final[Mapping[str, Callable[[str, Mapping[str, str]], GovcodeError]]] = {
    "LOOP_DETECTED": lambda _, facts: LoopDetectedError(facts.get("hops", "")),
    "HOP_LIMIT": lambda _, facts: HopLimitError(facts.get("hops", "")),
    "NO_ROUTE": lambda _, facts: NoRouteError(facts.get("region_code", "")),
    "NODE_SUSPENDED": lambda node_id, facts: NodeSuspendedError(facts.get("node_id", node_id)),
}

_BEHIND: Final = frozenset({"LICENSE_SERVICE_UNAVAILABLE", "LICENSE_SERVICE_QUOTA", "IDENTITY_PROVIDER_UNAVAILABLE"})
"""What a sound node says of a system behind it: another endpoint of it would say the same."""

# CANCELLED comes from a server that stopped in the midst of the call; a caller of ours that leaves looks otherwise.
_ABSENT: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)


def understand(error: aio.AioRpcError, node_id: str) -> Refusal:
    """It says what a failed call means.

    Args:
        error: As grpcio raised it.
        node_id: The node that was called.
    """
    reason, facts = _reason_of(error)
    detail = f"{error.code().name} {reason} {error.details() or ''}".strip()[:_MAX_FACT]

    def refusal(fault: Fault, meant: GovcodeError) -> Refusal:
        return Refusal(fault=fault, error=meant, detail=detail)

    if reason == "HOME_NODE_UNREACHABLE":
        # A relay says that of the node behind it; the relay itself is sound.
        behind = facts.get("node_id", node_id)
        late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        return refusal(Fault.REFUSED, HomeNodeTimeoutError(behind) if late else HomeNodeUnreachableError(behind))
    if reason in _ABOUT_THE_WAY:
        return refusal(Fault.REFUSED, _ABOUT_THE_WAY[reason](node_id, facts))
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and reason not in _BEHIND:
        return refusal(Fault.LATE, HomeNodeTimeoutError(node_id))
    if error.code() in _ABSENT and reason not in _BEHIND:
        return refusal(Fault.ABSENT, HomeNodeUnreachableError(node_id))
    refused = PeerRefusedError(node_id=node_id, status_code=error.code().value[0], reason=reason, facts=facts)
    return refusal(Fault.REFUSED, refused)


def _reason_of(error: aio.AioRpcError) -> tuple[str, dict[str, str]]:
    """It finds reason and facts; empty where the other side gave none, or something unreadable."""
    for key, value in error.trailing_metadata() or ():
        if key != _STATUS_KEY:
            continue
        try:
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == _DOMAIN:
                    facts = [(key[:_MAX_FACT], fact[:_MAX_FACT]) for key, fact in info.metadata.items()]
                    return info.reason[:_MAX_FACT], dict(facts[:_MAX_FACTS])
        except DecodeError:
            break
    return "", {}
