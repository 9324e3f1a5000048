"""The code routing service (码路由服务, 7.3)."""

from govcode.routing.v1 import code_routing_service_pb2 as routingv1
from govcode.routing.v1.code_routing_service_pb2_grpc import CodeRoutingServiceServicer
from typing_extensions import override

from govcode_node.domain.scans import Freshness
from govcode_node.usecases.routing import RouteBook
from govcode_node.wire import checks
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.trust import node_trust_to_proto, route_to_proto
from govcode_node.wire.verdicts import freshness_to_proto


class CodeRoutingServicer(CodeRoutingServiceServicer):
    """It answers from the node's own copy of the trust bundle."""

    def __init__(self, *, routes: RouteBook) -> None:
        """It serves these steps."""
        self._routes = routes

    @override
    async def ResolveRoute(
        self, request: routingv1.ResolveRouteRequest, context: object
    ) -> routingv1.ResolveRouteResponse:
        found = self._routes.resolve(checks.region_code(request.region_code))
        return routingv1.ResolveRouteResponse(
            route=route_to_proto(found.route),
            node=node_trust_to_proto(found.node, with_keys=False),
            freshness=freshness_to_proto(Freshness(bundle_age=found.bundle_age)),
        )

    @override
    async def ListRoutes(self, request: routingv1.ListRoutesRequest, context: object) -> routingv1.ListRoutesResponse:
        page, version = self._routes.routes(
            page_size=request.page_size, page_token=checks.page_token(request.page_token)
        )
        return routingv1.ListRoutesResponse(
            routes=[route_to_proto(route) for route in page.items],
            next_page_token=page.next_page_token,
            bundle_version=version,
        )

    @override
    async def GetTrustBundle(
        self, request: routingv1.GetTrustBundleRequest, context: object
    ) -> routingv1.GetTrustBundleResponse:
        bundle = self._routes.trust_bundle(request.base_version)
        return routingv1.GetTrustBundleResponse(bundle=kept_evidence_to_proto(bundle or b""))
