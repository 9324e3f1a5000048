"""The hub over the wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from govcode.common.v1 import evidence_pb2
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import hub_service_pb2_grpc as hubv1_grpc
from grpc import aio

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.nodes import NodeState, NodeStatus
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.domain.regions import HUB_REGION
from govcode_node.federation.channels import ChannelIdentity, Dialer
from govcode_node.federation.hub_link import Acknowledgement, ReportStream
from govcode_node.federation.peer import Peer, PeerSettings
from govcode_node.ports.clock import Clock
from govcode_node.wire.status import node_status_to_proto
from govcode_node.wire.trust import NODE_STATES

HUB_ID: Final = str(HUB_REGION)

_ANSWER_TIMEOUT: Final = 10.0


class HubClient:
    """It asks the hub whose endpoints the configuration names; `BundleSource`, `Registrar` and `ReportSink` in one."""

    def __init__(
        self, *, endpoints: tuple[str, ...], identity: ChannelIdentity, settings: PeerSettings, clock: Clock
    ) -> None:
        """It makes no connection yet.

        Args:
            endpoints: Addresses `host:port` of the hub.
            identity: What this node shows.
            settings: Limits.
            clock: The clock.
        """
        self._dialer = Dialer(identity, clock=clock, max_age=settings.connection_max_age)
        self._hub = Peer(HUB_ID, dialer=self._dialer, settings=settings, clock=clock)
        self._hub.use_endpoints(endpoints)

    def replace_identity(self, identity: ChannelIdentity) -> None:
        """It follows a new certificate of this node."""
        self._dialer.replace_identity(identity)

    async def register(self, evidence: bytes) -> NodeState:
        """It hands in a signed registration and returns where the node stands.

        Raises:
            GovcodeError: The hub refuses, or does not answer.
        """
        request = hubv1.RegisterNodeRequest(registration=evidence_pb2.Evidence.FromString(evidence))

        async def attempt(channel: aio.Channel, limit: float) -> hubv1.RegisterNodeResponse:
            return await hubv1_grpc.HubServiceStub(channel).RegisterNode(request, timeout=limit)

        response = await self._hub.call(attempt, left=lambda: None, limit=_ANSWER_TIMEOUT)
        # A state of a newer release is none in which we take part.
        return NODE_STATES.from_proto(response.node.trust.state) or NodeState.JOINING

    async def newest_bundle(self, base_version: int) -> bytes | None:
        """It returns the newest bundle as signed; None where this node has it.

        Raises:
            GovcodeError: The hub refuses, or does not answer.
        """
        request = hubv1.GetTrustBundleRequest(base_version=base_version)

        async def attempt(channel: aio.Channel, limit: float) -> hubv1.GetTrustBundleResponse:
            return await hubv1_grpc.HubServiceStub(channel).GetTrustBundle(request, timeout=limit)

        response = await self._hub.call(attempt, left=lambda: None, limit=_ANSWER_TIMEOUT)
        return response.bundle.SerializeToString() if response.HasField("bundle") else None

    async def watch_bundles(self, base_version: int) -> AsyncIterator[bytes | None]:
        """It yields bundles as the hub sends them; None is a sign of life.

        Raises:
            GovcodeError: The hub refuses, does not answer, or ends the stream.
        """
        address, channel = self._hub.line()
        request = hubv1.WatchTrustBundleRequest(base_version=base_version)
        call = hubv1_grpc.HubServiceStub(channel).WatchTrustBundle(request)
        try:
            async for response in call:
                yield response.bundle.SerializeToString() if response.HasField("bundle") else None
        except aio.AioRpcError as error:
            raise self._hub.explain(error, address) from error
        finally:
            call.cancel()
        raise HomeNodeUnreachableError(HUB_ID)

    def open_reports(self) -> ReportStream:
        """It begins a stream of reports.

        Raises:
            HomeNodeUnreachableError: The configuration names no hub.
        """
        address, channel = self._hub.line()
        call = hubv1_grpc.HubServiceStub(channel).ReportNodeStatus()
        return _GrpcReportStream(call, explain=lambda error: self._hub.explain(error, address))

    async def close(self) -> None:
        """It lets all connections drain and waits for that."""
        self._hub.close()
        await self._dialer.close()


class _GrpcReportStream:
    def __init__(
        self,
        call: aio.StreamStreamCall[hubv1.ReportNodeStatusRequest, hubv1.ReportNodeStatusResponse],
        *,
        explain: Callable[[aio.AioRpcError], GovcodeError],
    ) -> None:
        self._call = call
        self._explain = explain
        self._seq = 0

    async def send(self, report: NodeStatus | bytes) -> int:
        self._seq += 1
        request = hubv1.ReportNodeStatusRequest(seq=self._seq)
        if isinstance(report, NodeStatus):
            request.status.CopyFrom(node_status_to_proto(report))
        else:
            request.summary.MergeFromString(report)
        try:
            await self._call.write(request)
        except aio.AioRpcError as error:
            raise self._explain(error) from error
        except asyncio.InvalidStateError:
            # grpcio's word for a call that has ended; its reason is told to whoever reads.
            raise HomeNodeUnreachableError(HUB_ID) from None
        return self._seq

    async def acknowledgement(self) -> Acknowledgement:
        try:
            response = await self._call.read()
        except aio.AioRpcError as error:
            raise self._explain(error) from error
        if not isinstance(response, hubv1.ReportNodeStatusResponse):
            raise HomeNodeUnreachableError(HUB_ID)
        return Acknowledgement(response.acknowledged_seq, response.bundle_version)

    async def close(self) -> None:
        with contextlib.suppress(aio.AioRpcError):
            self._call.cancel()
