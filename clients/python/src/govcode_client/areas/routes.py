"""`client.routes`: which node is home to a region, and whose signatures may be trusted (码路由服务, 7.3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from govcode.routing.v1 import code_routing_service_pb2 as routingv1
from govcode.routing.v1 import trust_bundle_pb2

from govcode_client._core import AsyncArea, BlockingArea, blocking, blocking_iterator, pages
from govcode_client.areas.names import ROUTING


class AsyncRoutes(AsyncArea):
    """Routes and trust, from the node's own copy; no other node is asked."""

    service = ROUTING

    async def resolve(self, *, region_code: str, timeout: float | None = None) -> routingv1.ResolveRouteResponse:
        """It finds the node of a region by the longest prefix.

        Args:
            region_code: Six digits. Example: `420106`.
            timeout: Seconds; the client's where None.

        Returns:
            Route and node, with the age of the trust bundle in whole seconds.

        Raises:
            NodeError: NO_ROUTE.
            NodeBusyError: TRUST_BUNDLE_MISSING.
            ClientError: The call failed otherwise.
        """
        request = routingv1.ResolveRouteRequest(region_code=region_code)
        return await self._ask("ResolveRoute", request, routingv1.ResolveRouteResponse, timeout=timeout)

    async def list(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[trust_bundle_pb2.RouteEntry, None]:
        """It goes through all routes, by prefix.

        Args:
            page_size: Routes a call, 1 to 1,000; 200 where 0.
            timeout: Seconds for each call; the client's where None.

        Raises:
            NodeBusyError: TRUST_BUNDLE_MISSING.
            ClientError: A call failed otherwise.
        """

        async def turn(token: str) -> tuple[object, str]:
            request = routingv1.ListRoutesRequest(page_size=page_size, page_token=token)
            page = await self._ask("ListRoutes", request, routingv1.ListRoutesResponse, timeout=timeout)
            return page.routes, page.next_page_token

        async for route in pages(turn):
            yield route

    async def trust_bundle(
        self, *, base_version: int = 0, timeout: float | None = None
    ) -> routingv1.GetTrustBundleResponse:
        """It returns the trust bundle (信任包) as the hub signed it.

        Check it by `check_evidence`, purpose `TRUST_BUNDLE`, under the hub's pinned key, before anything in it is used.

        Args:
            base_version: Version that the caller has; the answer is empty where that is the newest.
            timeout: Seconds; the client's where None.

        Raises:
            NodeBusyError: TRUST_BUNDLE_MISSING.
            ClientError: The call failed otherwise.
        """
        request = routingv1.GetTrustBundleRequest(base_version=base_version)
        return await self._ask("GetTrustBundle", request, routingv1.GetTrustBundleResponse, timeout=timeout)


class Routes(BlockingArea[AsyncRoutes]):
    """Routes and trust, from the node's own copy; no other node is asked."""

    resolve = blocking(AsyncRoutes.resolve)
    list = blocking_iterator(AsyncRoutes.list)
    trust_bundle = blocking(AsyncRoutes.trust_bundle)
