"""The code routing service (码路由服务, 7.3) from the node's own copy of the trust bundle."""

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from govcode_node.domain.nodes import NodeTrust
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import NoRouteError, RouteEntry, TrustBundle, TrustBundleMissingError
from govcode_node.ports.federation import TrustHolder
from govcode_node.usecases.pages import Page, page_limit, read_token

DEFAULT_PAGE: Final = 200
MAX_PAGE: Final = 1_000

_PREFIX: Final = re.compile(r"(?:[0-9]{2}){1,3}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRoute:
    """Where the codes of a region are decided.

    Attributes:
        route: The route that fits best.
        node: The node, without its keys.
        bundle_age: Age of the bundle that says so.
    """

    route: RouteEntry
    node: NodeTrust
    bundle_age: timedelta


class RouteBook:
    """It answers questions about routes."""

    def __init__(self, trust: TrustHolder) -> None:
        """It looks things up in the bundle held at the moment of the question."""
        self._trust = trust
        self._sorted: tuple[TrustBundle, tuple[RouteEntry, ...]] | None = None

    def resolve(self, region: RegionCode) -> ResolvedRoute:
        """It finds the node of a region by the longest prefix.

        Raises:
            TrustBundleMissingError: There is no bundle.
            NoRouteError: No node is home to the region.
        """
        bundle = self._bundle()
        route = bundle.route_of(region)
        node = None if route is None else bundle.node(route.node_id)
        if route is None or node is None:
            raise NoRouteError(str(region))
        return ResolvedRoute(route=route, node=replace(node, keys=()), bundle_age=self._trust.age() or timedelta())

    def routes(self, *, page_size: int = 0, page_token: str = "") -> tuple[Page[RouteEntry], int]:
        """It lists routes by prefix, page by page, with the version of the bundle.

        Raises:
            TrustBundleMissingError: There is no bundle.
            InvalidFieldError: The page size is not possible.
            CursorInvalidError: The token was not made here.
        """
        limit = page_limit(page_size, default=DEFAULT_PAGE, most=MAX_PAGE)
        bundle = self._bundle()
        routes = self._in_order(bundle)
        after = read_token(page_token, _PREFIX) if page_token else ""
        first = bisect_right(routes, after, key=lambda route: route.prefix)
        chosen = routes[first : first + limit]
        token = chosen[-1].prefix if first + limit < len(routes) else ""
        return Page(items=chosen, next_page_token=token), bundle.version

    def trust_bundle(self, base_version: int = 0) -> bytes | None:
        """It returns the bundle as the hub signed it; None where the caller has it.

        Raises:
            TrustBundleMissingError: There is no bundle.
        """
        bundle, evidence = self._bundle(), self._trust.evidence()
        return evidence if bundle.version > base_version else None

    def _bundle(self) -> TrustBundle:
        bundle = self._trust.bundle()
        if bundle is None:
            raise TrustBundleMissingError
        return bundle

    def _in_order(self, bundle: TrustBundle) -> tuple[RouteEntry, ...]:
        if self._sorted is None or self._sorted[0] is not bundle:
            self._sorted = bundle, tuple(sorted(bundle.routes, key=lambda route: route.prefix))
        return self._sorted[1]
