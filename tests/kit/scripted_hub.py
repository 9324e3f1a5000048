"""A hub over real mutual TLS that says what a story wants: any bundle to any node, signed well or badly."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
from govcode.common.v1 import evidence_pb2
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import hub_service_pb2_grpc as hubv1_grpc
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode_node.config import Config
from govcode_node.config_values import Endpoint, PublicPoint
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import NodeState, NodeTrust
from govcode_node.domain.routes import RouteEntry, TrustBundle
from govcode_node.wire.evidence import evidence_to_bytes
from govcode_node.wire.trust import trust_bundle_to_proto
from grpc import aio
from kit.federation import ShiftedClock, run_node
from kit.hub_fakes import NodeSigner, sm2_key
from kit.nodes import RunningNode
from kit.pki import kit_pki

KEY: Final = "scripted hub"
_BUNDLE: Final = trustv1.TrustBundle.DESCRIPTOR.full_name


class ScriptedHub(hubv1_grpc.HubServiceServicer):
    """It offers bundles; who asks gets what is offered to it, whatever it holds.

    Attributes:
        heard: Names of the methods that were called, with the node that called.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self._offers: dict[str, bytes] = {}
        self._changed = asyncio.Event()
        self._server: aio.Server | None = None
        self._port = 0

    async def __aenter__(self) -> "ScriptedHub":
        pki = kit_pki()
        leaf = pki.hub()
        self._server = aio.server(options=[("grpc.so_reuseport", 0)])
        hubv1_grpc.add_HubServiceServicer_to_server(self, self._server)
        credentials = grpc.ssl_server_credentials([(leaf.key_pem, leaf.certificate_pem)], pki.roots_pem, True)
        self._port = self._server.add_secure_port("127.0.0.1:0", credentials)
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(0)

    def pinned(self, config: Config) -> Config:
        """A node's configuration that believes this hub."""
        endpoint = Endpoint("127.0.0.1", self._port)
        point = PublicPoint(sm2_key(KEY).public_key.to_point().hex())
        return replace(config, trust=replace(config.trust, hub_endpoints=(endpoint,), hub_public_keys=(point,)))

    async def run_node(self, folder: Path, node_id: str, **options: Any) -> RunningNode:
        """Start a node that believes this hub."""
        return await run_node(folder / node_id, node_id, changes=self.pinned, clock=ShiftedClock(), **options)

    def offer(self, evidence: bytes, *, to: str = "") -> None:
        """Offer a bundle to a node, or to all that have none of their own."""
        self._offers[to] = evidence
        self._changed.set()
        self._changed = asyncio.Event()

    async def RegisterNode(  # noqa: N802 - the contract's name
        self, request: hubv1.RegisterNodeRequest, context: aio.ServicerContext
    ) -> hubv1.RegisterNodeResponse:
        self._hear("RegisterNode", context)
        trust = trustv1.NodeTrust(state=trustv1.NODE_STATE_ACTIVE)
        return hubv1.RegisterNodeResponse(node=nodev1.Node(trust=trust))

    async def GetTrustBundle(  # noqa: N802 - the contract's name
        self, request: hubv1.GetTrustBundleRequest, context: aio.ServicerContext
    ) -> hubv1.GetTrustBundleResponse:
        offered = self._offered_to(self._hear("GetTrustBundle", context))
        return hubv1.GetTrustBundleResponse(bundle=offered)

    async def WatchTrustBundle(  # noqa: N802 - the contract's name
        self, request: hubv1.WatchTrustBundleRequest, context: aio.ServicerContext
    ) -> AsyncIterator[hubv1.WatchTrustBundleResponse]:
        node_id = self._hear("WatchTrustBundle", context)
        while True:
            changed = self._changed
            yield hubv1.WatchTrustBundleResponse(bundle=self._offered_to(node_id))
            await changed.wait()

    async def ReportNodeStatus(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[hubv1.ReportNodeStatusRequest], context: aio.ServicerContext
    ) -> AsyncIterator[hubv1.ReportNodeStatusResponse]:
        self._hear("ReportNodeStatus", context)
        async for request in request_iterator:
            yield hubv1.ReportNodeStatusResponse(acknowledged_seq=request.seq)

    def _hear(self, method: str, context: aio.ServicerContext) -> str:
        identity = next(iter(context.auth_context()["peer_spiffe_id"])).decode()
        node_id = identity.rpartition("/")[2]
        self.heard.append((method, node_id))
        return node_id

    def _offered_to(self, node_id: str) -> evidence_pb2.Evidence | None:
        offered = self._offers.get(node_id) or self._offers.get("")
        return evidence_pb2.Evidence.FromString(offered) if offered is not None else None


def trust_in(node: RunningNode, **changes: Any) -> NodeTrust:
    """What a bundle says of a node; any of it may be another."""
    profile = node.app.node
    trust = NodeTrust(
        node_id=profile.node_id,
        region_code=profile.region_code,
        name_zh=profile.name_zh,
        name_en=profile.name_en,
        state=NodeState.ACTIVE,
        endpoints=profile.endpoints,
        certificate_name=profile.certificate_name,
        keys=profile.keys,
    )
    return replace(trust, **changes)


def bundle_with(*nodes: NodeTrust, version: int, routes: dict[str, str], age: timedelta = timedelta()) -> TrustBundle:
    """A bundle of these nodes with these routes."""
    return TrustBundle(
        version=version,
        issued_at=_now() - age,
        routes=tuple(RouteEntry(prefix, node_id) for prefix, node_id in routes.items()),
        nodes=nodes,
    )


async def signed(bundle: TrustBundle | trustv1.TrustBundle, *, key: str = KEY) -> bytes:
    """A bundle as the hub signs it; with another key, as an impostor does."""
    message = trust_bundle_to_proto(bundle) if isinstance(bundle, TrustBundle) else bundle
    signer = NodeSigner("000000", key, _now)
    return evidence_to_bytes(
        await signer.attest(EvidencePurpose.TRUST_BUNDLE, _BUNDLE, message.SerializeToString(deterministic=True))
    )


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
