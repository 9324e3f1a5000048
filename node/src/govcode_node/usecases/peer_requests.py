"""What is checked of every signed request of another node before it is acted on: who signed, for whom, and when."""

from datetime import datetime
from typing import Protocol

from govcode_node.domain.callers import Call, IdentityMismatchError
from govcode_node.domain.recognition import CLOCK_TOLERANCE, REQUEST_WINDOW, EvidenceStaleError


class Dated(Protocol):
    """Evidence that was read: who signed it and when."""

    @property
    def node_id(self) -> str:
        """Who signed."""
        ...

    @property
    def signed_at(self) -> datetime:
        """When."""
        ...


def check_peer_request(call: Call, read: Dated, *, from_node: str, to_node: str, own_node: str, now: datetime) -> None:
    """It raises unless the caller signed this request itself, now, for this node.

    Args:
        call: The call; the caller is the node whose channel it came over.
        read: The evidence.
        from_node: Who asks, by the request.
        to_node: Who is asked, by the request.
        own_node: This node.
        now: The clock here.

    Raises:
        IdentityMismatchError: Certificate, signature and request name different nodes, or another node is asked.
        EvidenceStaleError: It is too old, or from the future.
    """
    if call.caller.name != from_node or read.node_id != from_node:
        raise IdentityMismatchError(certificate=call.caller.name, message=from_node)
    if to_node != own_node:
        raise IdentityMismatchError(certificate=own_node, message=to_node)
    age = now - read.signed_at
    if age > REQUEST_WINDOW or -age > CLOCK_TOLERANCE:
        raise EvidenceStaleError(int(age.total_seconds()))
