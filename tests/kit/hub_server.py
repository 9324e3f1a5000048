"""The hub's use cases behind a bare server over real mutual TLS: for tests of the nodes' side alone."""

from collections.abc import AsyncIterator

import grpc
from govcode.common.v1 import evidence_pb2
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import hub_service_pb2_grpc as hubv1_grpc
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.domain.callers import Call
from govcode_node.domain.errors import GovcodeError
from govcode_node.wire.status import node_status_from_proto
from govcode_node.wire.trust import registered_node_to_proto
from grpc import aio
from kit.hub_fakes import HubKit, node_call
from kit.pki import KitPki


class HubServer(hubv1_grpc.HubServiceServicer):
    """It serves a `HubKit`; the caller is whoever the certificate names."""

    def __init__(self, hub: HubKit, *, pki: KitPki, certificate: IssuedCertificate | None = None) -> None:
        self.hub = hub
        self.pki = pki
        self.certificate = certificate or pki.hub()
        self.calls: list[str] = []
        self.port = 0
        self._server: aio.Server | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> "HubServer":
        self._server = aio.server(options=[("grpc.so_reuseport", 0)])
        hubv1_grpc.add_HubServiceServicer_to_server(self, self._server)
        credentials = grpc.ssl_server_credentials(
            [(self.certificate.key_pem, self.certificate.certificate_pem)], self.pki.roots_pem, True
        )
        self.port = self._server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self._server.start()
        return self

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def _caller(self, context: aio.ServicerContext) -> Call:
        identity = next(iter(context.auth_context()["peer_spiffe_id"])).decode()
        return node_call(identity.split("/")[-1])

    async def RegisterNode(  # noqa: N802 - the contract's name
        self, request: hubv1.RegisterNodeRequest, context: aio.ServicerContext
    ) -> hubv1.RegisterNodeResponse:
        self.calls.append("RegisterNode")
        try:
            node = await self.hub.registry.register(self._caller(context), request.registration.SerializeToString())
        except GovcodeError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            raise
        return hubv1.RegisterNodeResponse(node=registered_node_to_proto(node))

    async def GetTrustBundle(  # noqa: N802 - the contract's name
        self, request: hubv1.GetTrustBundleRequest, context: aio.ServicerContext
    ) -> hubv1.GetTrustBundleResponse:
        self.calls.append("GetTrustBundle")
        bundle = await self.hub.registry.newest_bundle(request.base_version)
        return hubv1.GetTrustBundleResponse(bundle=_evidence(bundle))

    async def WatchTrustBundle(  # noqa: N802 - the contract's name
        self, request: hubv1.WatchTrustBundleRequest, context: aio.ServicerContext
    ) -> AsyncIterator[hubv1.WatchTrustBundleResponse]:
        self.calls.append("WatchTrustBundle")
        async for bundle in self.hub.registry.watch_bundles(request.base_version):
            yield hubv1.WatchTrustBundleResponse(bundle=_evidence(bundle))

    async def ReportNodeStatus(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[hubv1.ReportNodeStatusRequest], context: aio.ServicerContext
    ) -> AsyncIterator[hubv1.ReportNodeStatusResponse]:
        self.calls.append("ReportNodeStatus")
        call = self._caller(context)
        async for request in request_iterator:
            if request.HasField("status"):
                await self.hub.board.take_report(call, node_status_from_proto(request.status))
            else:
                await self.hub.board.take_report(call, request.summary.SerializeToString())
            yield hubv1.ReportNodeStatusResponse(
                acknowledged_seq=request.seq, bundle_version=self.hub.registry.bundle_version
            )


def _evidence(bundle: bytes | None) -> evidence_pb2.Evidence | None:
    return None if bundle is None else evidence_pb2.Evidence.FromString(bundle)
