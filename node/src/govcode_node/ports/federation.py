"""Other nodes, the hub and the trust bundle, as ports."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from govcode_node.domain.callers import Call
from govcode_node.domain.licenses import Delivery
from govcode_node.domain.nodes import NodeStatus
from govcode_node.domain.recognition import RevocationList
from govcode_node.domain.routes import TrustBundle


class Peers(Protocol):
    """Calls to other nodes."""

    async def recognize(self, node_id: str, *, request: bytes, hops: tuple[str, ...], call: Call) -> bytes:
        """It asks a node about a code and returns the answer's evidence as received, unchecked.

        Raises:
            HomeNodeUnreachableError: The node does not answer, or its circuit breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            LoopDetectedError: The request went in a circle.
            HopLimitError: It passed too many nodes.
            GovcodeError: Another refusal of the node.
        """
        ...

    async def forward_consent_request(self, node_id: str, *, request: bytes, call: Call) -> bytes:
        """It hands a consent request to the holder's home node and returns the answer's evidence, unchecked.

        Raises:
            HomeNodeUnreachableError: The node does not answer, or its circuit breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            GovcodeError: A refusal of the node.
        """
        ...

    async def ask_authorization(self, node_id: str, *, question: bytes, call: Call) -> bytes:
        """It asks a node about an authorization and returns the evidence that it answers, unchecked.

        Raises:
            HomeNodeUnreachableError: The node does not answer, or its circuit breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            GovcodeError: A refusal of the node.
        """
        ...

    def forward_license_fetch(
        self, node_id: str, *, request: bytes, grant: bytes, call: Call
    ) -> AbstractAsyncContextManager[Delivery]:
        """It asks a node for a delivery; leaving the context ends the stream.

        Args:
            node_id: The node.
            request: Evidence of a LicenseUseRequest.
            grant: Evidence of the grant; empty in the visited node's request.
            call: The call in whose course it is asked.

        Raises:
            HomeNodeUnreachableError: The node does not answer, or breaks off.
            HomeNodeTimeoutError: It did not answer in time.
            GovcodeError: A refusal of the node.
        """
        ...

    async def notify_withdrawal(self, node_id: str, *, withdrawal: bytes) -> None:
        """It tells a node of a withdrawal; returns once that node has it for good.

        Raises:
            HomeNodeUnreachableError: The node does not answer.
            GovcodeError: A refusal of the node.
        """
        ...

    async def revocation_list(self, node_id: str) -> bytes:
        """It fetches a node's newest revocation list as evidence, unchecked.

        Raises:
            HomeNodeUnreachableError: The node does not answer.
        """
        ...


class TrustHolder(Protocol):
    """The node's own copy of the trust bundle."""

    def bundle(self) -> TrustBundle | None:
        """It returns the bundle that is held."""
        ...

    def evidence(self) -> bytes | None:
        """It returns the bundle as the hub signed it."""
        ...

    def age(self) -> timedelta | None:
        """It returns the time since the hub issued it."""
        ...

    async def refresh(self, *, why: str) -> None:
        """It asks the hub for a newer bundle, unless it has just been asked; failure is silent, the old copy stays."""
        ...

    def revocation_list(self, node_id: str) -> RevocationList | None:
        """It returns the newest revocation list held of a node."""
        ...


class StatusSource(Protocol):
    """The node's own condition."""

    def status(self) -> NodeStatus:
        """It takes the condition now."""
        ...
