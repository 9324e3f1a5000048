"""The hub's service (国家枢纽): served by the one node whose configuration turns it on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.hub.v1.hub_service_pb2_grpc import HubServiceServicer
from typing_extensions import override

from govcode_node.domain.nodes import NodeView
from govcode_node.rpc.call import current_call
from govcode_node.usecases.hub_board import HubBoard
from govcode_node.usecases.hub_registry import HubRegistry
from govcode_node.wire import checks
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.status import node_view_to_proto, report_from_proto
from govcode_node.wire.trust import (
    approved_prefixes_from_proto,
    registered_node_to_proto,
    registration_evidence_from_proto,
    route_to_proto,
)

_PIECE: Final = 50
"""Views that are written at a time: some milliseconds where each node tells of a hundred peers."""


class HubServicer(HubServiceServicer):
    """It registers nodes, hands out the trust bundle, and shows the condition of the nodes."""

    def __init__(self, *, registry: HubRegistry, board: HubBoard) -> None:
        """It serves these steps."""
        self._registry = registry
        self._board = board

    @override
    async def RegisterNode(self, request: hubv1.RegisterNodeRequest, context: object) -> hubv1.RegisterNodeResponse:
        evidence = registration_evidence_from_proto(request)
        node = await self._registry.register(current_call(), evidence)
        return hubv1.RegisterNodeResponse(node=registered_node_to_proto(node))

    @override
    async def ApproveNode(self, request: hubv1.ApproveNodeRequest, context: object) -> hubv1.ApproveNodeResponse:
        node, version = await self._registry.approve(
            current_call(),
            node_id=checks.node_id(request.node_id, "node_id"),
            key_id=checks.key_id(request.signing_key_id, "signing_key_id"),
            prefixes=approved_prefixes_from_proto(request),
        )
        return hubv1.ApproveNodeResponse(node=registered_node_to_proto(node), bundle_version=version)

    @override
    async def SuspendNode(self, request: hubv1.SuspendNodeRequest, context: object) -> hubv1.SuspendNodeResponse:
        node, version = await self._registry.suspend(
            current_call(),
            node_id=checks.node_id(request.node_id, "node_id"),
            reason=checks.text(request.reason, "reason", longest=200),
        )
        return hubv1.SuspendNodeResponse(node=registered_node_to_proto(node), bundle_version=version)

    @override
    async def ResolveRoute(self, request: hubv1.ResolveRouteRequest, context: object) -> hubv1.ResolveRouteResponse:
        route, version = self._registry.resolve_route(checks.region_code(request.region_code))
        return hubv1.ResolveRouteResponse(route=route_to_proto(route), bundle_version=version)

    @override
    async def GetTrustBundle(
        self, request: hubv1.GetTrustBundleRequest, context: object
    ) -> hubv1.GetTrustBundleResponse:
        bundle = await self._registry.newest_bundle(request.base_version)
        return hubv1.GetTrustBundleResponse(bundle=kept_evidence_to_proto(bundle or b""))

    @override
    async def WatchTrustBundle(
        self, request: hubv1.WatchTrustBundleRequest, context: object
    ) -> AsyncIterator[hubv1.WatchTrustBundleResponse]:
        async with aclosing(self._registry.watch_bundles(request.base_version)) as bundles:
            async for bundle in bundles:
                yield hubv1.WatchTrustBundleResponse(bundle=kept_evidence_to_proto(bundle or b""))

    @override
    async def ReportNodeStatus(
        self, request_iterator: AsyncIterator[hubv1.ReportNodeStatusRequest], context: object
    ) -> AsyncIterator[hubv1.ReportNodeStatusResponse]:
        call = current_call()
        acknowledged = 0
        async for request in request_iterator:
            report = report_from_proto(request, after=acknowledged)
            await self._board.take_report(call, report)
            acknowledged = request.seq
            yield hubv1.ReportNodeStatusResponse(
                acknowledged_seq=acknowledged, bundle_version=self._registry.bundle_version
            )

    @override
    async def GetNodeStatus(self, request: hubv1.GetNodeStatusRequest, context: object) -> hubv1.GetNodeStatusResponse:
        view = self._board.view(checks.node_id(request.node_id, "node_id"))
        return hubv1.GetNodeStatusResponse(node=node_view_to_proto(view))

    @override
    async def ListNodeStatuses(
        self, request: hubv1.ListNodeStatusesRequest, context: object
    ) -> hubv1.ListNodeStatusesResponse:
        page = self._board.views(page_size=request.page_size, page_token=checks.page_token(request.page_token))
        return hubv1.ListNodeStatusesResponse(nodes=await _in_pieces(page.items), next_page_token=page.next_page_token)

    @override
    async def WatchNodeStatuses(
        self, request: hubv1.WatchNodeStatusesRequest, context: object
    ) -> AsyncIterator[hubv1.WatchNodeStatusesResponse]:
        async with aclosing(self._board.watch()) as changes:
            async for views in changes:
                yield hubv1.WatchNodeStatusesResponse(nodes=await _in_pieces(views))


async def _in_pieces(views: Sequence[NodeView]) -> list[nodev1.NodeView]:
    """It writes views, letting others have their turn in between: a whole fleet takes far longer than they may wait."""
    written: list[nodev1.NodeView] = []
    for first in range(0, len(views), _PIECE):
        written += [node_view_to_proto(view) for view in views[first : first + _PIECE]]
        await asyncio.sleep(0)
    return written
