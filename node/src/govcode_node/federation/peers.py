"""Calls to other nodes over mutually authenticated channels; whom to call where comes from the trust bundle."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1 import federation_service_pb2_grpc as federationv1_grpc
from grpc import aio

from govcode_node.domain.callers import Call
from govcode_node.domain.licenses import Delivery, DeliveryEnd, DeliveryPiece
from govcode_node.domain.nodes import PROTOCOL_VERSION, NodeState, NodeSuspendedError, PeerCondition
from govcode_node.domain.recognition import HomeNodeUnreachableError, PeerAnswerRefusedError
from govcode_node.federation.channels import ChannelIdentity, Dialer
from govcode_node.federation.peer import Peer, PeerSettings
from govcode_node.federation.streams import PeerStream
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import TrustHolder
from govcode_node.wire.licenses import forwarded_piece_from_proto

_LIST_TIMEOUT: Final = 5.0
_DELIVERY_TIMEOUT: Final = 60.0
"""Seconds for a whole delivery where the caller has no limit."""

_HOP_MARGIN: Final = 0.02
"""Seconds kept back of the caller's time, to sign and send our own answer after the peer's."""

_MAX_ANSWER_BYTES: Final = 256 * 1024
_MAX_PIECE_BYTES: Final = 320 * 1024
"""A chunk of a document with its seal and its number, and a little."""

_SHOWN_FOR: Final = 3600.0
_VERSION: Final = (("govcode-protocol", str(PROTOCOL_VERSION)),)


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
        return _bounded(response.answer, node_id)

    async def forward_consent_request(self, node_id: str, *, request: bytes, call: Call) -> bytes:
        """It hands a consent request to the holder's home node and returns the answer's evidence, unchecked.

        Raises:
            HomeNodeUnreachableError: The node is not in the bundle, does not answer, or its circuit breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            NodeSuspendedError: The hub has suspended it.
            PeerAnswerRefusedError: The answer has no evidence, or is too large.
            PeerRefusedError: A refusal of the node, with its reason.
        """
        message = federationv1.ForwardAuthorizationRequest(consent_request=evidence_pb2.Evidence.FromString(request))
        response = await self._forward_authorization(node_id, message, call)
        if not response.HasField("answer"):
            raise PeerAnswerRefusedError(node_id=node_id, why="it is no answer to a request")
        return _bounded(response.answer, node_id)

    async def ask_authorization(self, node_id: str, *, question: bytes, call: Call) -> bytes:
        """It asks a node about an authorization and returns what it answers, unchecked.

        The answer to a question about a scene code is a consent request, to every other question an answer.

        Raises:
            HomeNodeUnreachableError: The node is not in the bundle, does not answer, or its circuit breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            NodeSuspendedError: The hub has suspended it.
            PeerAnswerRefusedError: The answer has no evidence, or is too large.
            PeerRefusedError: A refusal of the node, with its reason.
        """
        message = federationv1.ForwardAuthorizationRequest(question=evidence_pb2.Evidence.FromString(question))
        response = await self._forward_authorization(node_id, message, call)
        match response.WhichOneof("content"):
            case "answer":
                return _bounded(response.answer, node_id)
            case "consent_request":
                return _bounded(response.consent_request, node_id)
            case _:
                raise PeerAnswerRefusedError(node_id=node_id, why="it has no evidence")

    @asynccontextmanager
    async def forward_license_fetch(
        self, node_id: str, *, request: bytes, grant: bytes, call: Call
    ) -> AsyncIterator[Delivery]:
        """It asks a node for a delivery; entering waits for the first piece, leaving ends the stream.

        Args:
            node_id: The node.
            request: Evidence of a LicenseUseRequest.
            grant: Evidence of the grant; empty in the visited node's request.
            call: The call in whose course it is asked.

        Raises:
            HomeNodeUnreachableError: The node is not in the bundle, does not answer, or its circuit breaker is open;
                from the iterator, it breaks off.
            HomeNodeTimeoutError: The time is over.
            NodeSuspendedError: The hub has suspended it.
            PeerAnswerRefusedError: A piece cannot be read, or the stream ends before its last piece.
            PeerRefusedError: A refusal of the node, with its reason.
        """
        message = federationv1.ForwardLicenseFetchRequest(request=evidence_pb2.Evidence.FromString(request))
        if grant:
            message.grant.ParseFromString(grant)
        metadata = onward_metadata(call)

        def begin(
            channel: aio.Channel, limit: float
        ) -> aio.UnaryStreamCall[Any, federationv1.ForwardLicenseFetchResponse]:
            stub = federationv1_grpc.FederationServiceStub(channel)
            return stub.ForwardLicenseFetch(message, timeout=limit, metadata=metadata)

        opening = self._peer(node_id).stream(begin, left=self._left(call), limit=_DELIVERY_TIMEOUT)
        async with opening as stream, aclosing(_pieces(stream, node_id)) as pieces:
            yield pieces

    async def notify_withdrawal(self, node_id: str, *, withdrawal: bytes) -> None:
        """It tells a node of a withdrawal; returns once that node has it for good.

        Raises:
            HomeNodeUnreachableError: The node is not in the bundle, does not answer, or its circuit breaker is open.
            HomeNodeTimeoutError: It did not answer in time.
            NodeSuspendedError: The hub has suspended it.
            PeerRefusedError: A refusal of the node, with its reason.
        """
        message = federationv1.NotifyWithdrawalRequest(withdrawal=evidence_pb2.Evidence.FromString(withdrawal))

        async def attempt(channel: aio.Channel, limit: float) -> federationv1.NotifyWithdrawalResponse:
            stub = federationv1_grpc.FederationServiceStub(channel)
            return await stub.NotifyWithdrawal(message, timeout=limit, metadata=_VERSION)

        await self._peer(node_id).call(attempt, left=lambda: None)

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

    async def _forward_authorization(
        self, node_id: str, message: federationv1.ForwardAuthorizationRequest, call: Call
    ) -> federationv1.ForwardAuthorizationResponse:
        metadata = onward_metadata(call)

        async def attempt(channel: aio.Channel, limit: float) -> federationv1.ForwardAuthorizationResponse:
            stub = federationv1_grpc.FederationServiceStub(channel)
            return await stub.ForwardAuthorization(message, timeout=limit, metadata=metadata)

        return await self._peer(node_id).call(attempt, left=self._left(call))

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


async def _pieces(
    stream: PeerStream[federationv1.ForwardLicenseFetchResponse], node_id: str
) -> AsyncGenerator[DeliveryPiece, None]:
    """It reads the pieces of a delivery, then the end of the stream: who leaves earlier disturbs a peer that writes."""
    whole = False
    async for message in stream:
        if whole:
            raise PeerAnswerRefusedError(node_id=node_id, why="its delivery goes on after the last piece")
        if message.ByteSize() > _MAX_PIECE_BYTES:
            raise PeerAnswerRefusedError(node_id=node_id, why="a piece of its delivery is too large")
        piece = forwarded_piece_from_proto(message, node_id=node_id)
        whole = isinstance(piece, DeliveryEnd)
        yield piece
    if not whole:
        raise PeerAnswerRefusedError(node_id=node_id, why="its delivery ends before the last piece")


def _bounded(evidence: evidence_pb2.Evidence, node_id: str) -> bytes:
    if evidence.ByteSize() > _MAX_ANSWER_BYTES:
        raise PeerAnswerRefusedError(node_id=node_id, why="it is too large")
    return evidence.SerializeToString()
