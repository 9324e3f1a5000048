"""Calls to other nodes over mutually authenticated channels; whom to call where comes from the trust bundle."""

from collections.abc import Callable, Mapping
from typing import Final

from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1 import federation_service_pb2_grpc as federationv1_grpc
from grpc import aio

from govcode_node.domain.callers import Call
from govcode_node.domain.nodes import PROTOCOL_VERSION, NodeState, NodeSuspendedError, PeerCondition
from govcode_node.domain.recognition import HomeNodeUnreachableError, PeerAnswerRefusedError
from govcode_node.federation.channels import ChannelIdentity, Dialer
from govcode_node.federation.peer import Peer, PeerSettings
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import TrustHolder

_LIST_TIMEOUT: Final = 5.0
_HOP_MARGIN: Final = 0.02
"""Seconds kept back of the caller's time, to sign and send our own answer after the peer's."""

_MAX_RECOGNITION_BYTES: Final = 256 * 1024
_SHOWN_FOR: Final = 3600.0


class GrpcPeers:
    """The port `Peers`. `tend` is the step of a loop of about a minute."""

    def __init__(
        self, *, own_id: str, trust: TrustHolder, identity: ChannelIdentity, settings: PeerSettings, clock: Clock
    ) -> None:
        """It makes no connection yet.

        Args:
            own_id: This node.
            trust: The bundle, which names endpoints.
            identity: What this node shows.
            settings: Limits, each for one peer.
            clock: The clock.
        """
        self._own_id = own_id
        self._trust = trust
        self._settings = settings
        self._clock = clock
        self._dialer = Dialer(identity, clock=clock, max_age=settings.connection_max_age)
        self._peers: dict[str, Peer] = {}

    def replace_identity(self, identity: ChannelIdentity) -> None:
        """It follows a new certificate of this node: calls from now on use new connections, the old ones drain."""
        self._dialer.replace_identity(identity)

    async def recognize(self, node_id: str, *, request: bytes, hops: tuple[str, ...], call: Call) -> bytes:
        """It asks a node about a code and returns the answer's evidence, unchecked.

        Raises:
            HomeNodeUnreachableError: The node is not in the bundle, does not answer, or its circuit breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            NodeSuspendedError: The hub has suspended it.
            LoopDetectedError: The request went in a circle.
            HopLimitError: It passed too many nodes.
            NoRouteError: No node is home to the code's region.
            PeerAnswerRefusedError: The answer has no evidence, or is too large.
            PeerRefusedError: Another refusal of the node.
        """
        message = federationv1.RecognizeCodeRequest(request=evidence_pb2.Evidence.FromString(request), hops=hops)
        metadata = onward_metadata(call)

        async def attempt(channel: aio.Channel, limit: float) -> federationv1.RecognizeCodeResponse:
            stub = federationv1_grpc.FederationServiceStub(channel)
            return await stub.RecognizeCode(message, timeout=limit, metadata=metadata)

        response = await self._peer(node_id).call(attempt, left=self._left(call))
        if not response.HasField("answer"):
            raise PeerAnswerRefusedError(node_id=node_id, why="it has no evidence")
        if response.ByteSize() > _MAX_RECOGNITION_BYTES:
            raise PeerAnswerRefusedError(node_id=node_id, why="it is too large")
        return response.answer.SerializeToString()

    async def revocation_list(self, node_id: str) -> bytes:
        """It fetches a node's newest revocation list as evidence, unchecked.

        Raises:
            HomeNodeUnreachableError: The node does not answer.
            HomeNodeTimeoutError: It did not answer in time.
            PeerAnswerRefusedError: The answer has no evidence.
            PeerRefusedError: Another refusal of the node.
        """

        async def attempt(channel: aio.Channel, limit: float) -> federationv1.GetRevocationListResponse:
            stub = federationv1_grpc.FederationServiceStub(channel)
            return await stub.GetRevocationList(federationv1.GetRevocationListRequest(), timeout=limit)

        response = await self._peer(node_id).call(attempt, left=lambda: None, limit=_LIST_TIMEOUT)
        if not response.HasField("revocation_list"):
            raise PeerAnswerRefusedError(node_id=node_id, why="it has no evidence")
        return response.revocation_list.SerializeToString()

    def conditions(self) -> tuple[PeerCondition, ...]:
        """It tells how each peer did that was called in the last hour."""
        return tuple(peer.condition() for peer in self._peers.values() if peer.idle_for() < _SHOWN_FOR)

    async def tend(self) -> None:
        """It closes connections that nobody uses, and forgets peers that the bundle no longer has."""
        bundle = self._trust.bundle()
        for node_id, peer in tuple(self._peers.items()):
            peer.tend()
            if bundle is not None and bundle.node(node_id) is None and not peer.in_flight:
                self._peers.pop(node_id).close()

    async def close(self) -> None:
        """It lets all connections drain and waits for that."""
        for peer in self._peers.values():
            peer.close()
        await self._dialer.close()

    def _peer(self, node_id: str) -> Peer:
        bundle = self._trust.bundle()
        node = None if bundle is None else bundle.node(node_id)
        if node is None or node_id == self._own_id:
            raise HomeNodeUnreachableError(node_id)
        if node.state is not NodeState.ACTIVE:
            raise NodeSuspendedError(node_id)
        peer = self._peers.get(node_id)
        if peer is None:
            peer = Peer(node_id, dialer=self._dialer, settings=self._settings, clock=self._clock)
            self._peers[node_id] = peer
        peer.use_endpoints(node.endpoints)
        return peer

    def _left(self, call: Call) -> Callable[[], float | None]:
        deadline = call.deadline
        if deadline is None:
            return lambda: None
        return lambda: (deadline - self._clock.now()).total_seconds() - _HOP_MARGIN


def onward_metadata(call: Call) -> tuple[tuple[str, str], ...]:
    """It gives the metadata for the next node: what must travel on, and the version that we speak (7.3-09)."""
    carried: Mapping[str, str] = {
        **call.metadata,
        "govcode-request-id": call.request_id,
        "govcode-protocol": str(PROTOCOL_VERSION),
    }
    return tuple(carried.items())
