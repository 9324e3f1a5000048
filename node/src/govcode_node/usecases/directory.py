"""Which node is home to a region's codes (码路由), from the node's own copy of the trust bundle."""

from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.regions import RegionCode
from govcode_node.ports.federation import TrustHolder


class HomeDirectory:
    """It answers from the bundle, and without one from the node's own configuration."""

    def __init__(self, *, node: NodeProfile, trust: TrustHolder) -> None:
        """It works over the trust bundle that the node holds."""
        self._node = node
        self._trust = trust

    def home_of(self, region: RegionCode) -> str | None:
        """It returns the node that is home to a region; None where none is known."""
        bundle = self._trust.bundle()
        home = bundle.home_of(region) if bundle is not None else None
        if home is None and self._node.serves(region):
            return self._node.node_id
        return home

    def is_mine(self, region: RegionCode) -> bool:
        """Whether this node is home to a region: codes that it issues under its own region are always its own."""
        return region == self._node.region_code or self.home_of(region) == self._node.node_id

    def name_of(self, node_id: str) -> str:
        """It returns a node's Chinese name; empty where unknown."""
        if node_id == self._node.node_id:
            return self._node.name_zh
        bundle = self._trust.bundle()
        node = bundle.node(node_id) if bundle is not None else None
        return node.name_zh if node is not None else ""
