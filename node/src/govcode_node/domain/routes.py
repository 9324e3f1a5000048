"""Routes and trust as the hub publishes them, and what a node may conclude from its copy (7.3-02 to -05, N-48)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.errors import FactsError
from govcode_node.domain.nodes import NodeKey, NodeKeyPurpose, NodeTrust
from govcode_node.domain.regions import RegionCode

BUNDLE_WARN_AGE: Final = timedelta(hours=1)
BUNDLE_STOP_AGE: Final = timedelta(hours=72)
REVOCATION_LIST_MAX_AGE: Final = timedelta(hours=4)
MAX_HOPS: Final = 5


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """It sends the codes of one region prefix (2, 4 or 6 digits) to a node."""

    prefix: str
    node_id: str


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """A key to which nothing may be trusted any more."""

    node_id: str
    key_id: str
    revoked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """Routes and trust of one version; look-ups are by tables made once at birth.

    Attributes:
        version: Grows with each change.
        issued_at: When the hub made it.
        routes: Routes, each prefix once.
        nodes: Nodes, suspended ones included.
        revoked_keys: Revoked keys.

    Raises:
        BundleConflictError: Two routes have the same prefix, or a route names no node of the bundle.
    """

    version: int
    issued_at: datetime
    routes: tuple[RouteEntry, ...]
    nodes: tuple[NodeTrust, ...]
    revoked_keys: tuple[RevokedKey, ...] = ()
    _by_prefix: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _by_node: Mapping[str, NodeTrust] = field(init=False, repr=False, compare=False)
    _revoked: frozenset[tuple[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_node = {node.node_id: node for node in self.nodes}
        object.__setattr__(self, "_by_node", by_node)
        object.__setattr__(self, "_by_prefix", _by_prefix(self.routes, by_node))
        object.__setattr__(self, "_revoked", frozenset((key.node_id, key.key_id) for key in self.revoked_keys))

    def home_of(self, region: RegionCode) -> str | None:
        """It finds the node that is home to a region by the longest prefix; None where there is none (6.2-02)."""
        digits = str(region)
        for length in (6, 4, 2):
            node_id = self._by_prefix.get(digits[:length])
            if node_id is not None:
                return node_id
        return None

    def route_of(self, region: RegionCode) -> RouteEntry | None:
        """It finds the route of a region by the longest prefix; None where there is none."""
        digits = str(region)
        for prefix in (digits, digits[:4], digits[:2]):
            node_id = self._by_prefix.get(prefix)
            if node_id is not None:
                return RouteEntry(prefix, node_id)
        return None

    def node(self, node_id: str) -> NodeTrust | None:
        """It returns what is known of a node; None where nothing is."""
        return self._by_node.get(node_id)

    def key(self, node_id: str, purpose: NodeKeyPurpose, *, key_id: str, at: datetime) -> NodeKey | None:
        """It finds a key of a node that may be trusted for something done at that moment; None where there is none."""
        node = self._by_node.get(node_id)
        if node is None or (node_id, key_id) in self._revoked:
            return None
        for key in node.keys:
            if key.key_id == key_id and key.purpose is purpose and key.holds_at(at):
                return key
        return None

    def seal_key(self, node_id: str, key_no: int) -> NodeKey | None:
        """It finds the key that checks a node's signed codes with that number; None where unknown."""
        node = self._by_node.get(node_id)
        for key in node.keys if node else ():
            if key.purpose is NodeKeyPurpose.CODE_SEAL and key.key_no == key_no:
                return key
        return None

    def encryption_key(self, node_id: str, *, at: datetime) -> NodeKey | None:
        """It finds the key to which fields for a node are sealed; None where unknown."""
        node = self._by_node.get(node_id)
        for key in node.keys if node else ():
            if key.purpose is NodeKeyPurpose.ENCRYPT and key.holds_at(at) and not self.is_revoked(key, node_id):
                return key
        return None

    def is_revoked(self, key: NodeKey, node_id: str) -> bool:
        """Whether a key of a node is revoked."""
        return (node_id, key.key_id) in self._revoked

    def check_successor_of(self, held: "TrustBundle | None") -> None:
        """It raises unless this bundle may replace the one that is held (7.3-03).

        Raises:
            BundleRollbackError: Its version is lower, or the same with an earlier time.
        """
        if held is None:
            return
        if (self.version, self.issued_at) < (held.version, held.issued_at):
            raise BundleRollbackError(offered=self.version, held=held.version)


def _by_prefix(routes: Iterable[RouteEntry], by_node: Mapping[str, NodeTrust]) -> Mapping[str, str]:
    table: dict[str, str] = {}
    for route in routes:
        if route.prefix in table:
            raise BundleConflictError(f"prefix {route.prefix} stands twice")
        if route.node_id not in by_node:
            raise BundleConflictError(f"prefix {route.prefix} leads to no node")
        table[route.prefix] = route.node_id
    return table


@dataclass(eq=False)
class BundleConflictError(FactsError):
    """The bundle contradicts itself, so it is refused whole."""

    why: str
    says = "the bundle contradicts itself: {why}"


@dataclass(eq=False)
class BundleRollbackError(FactsError):
    """The bundle is older than the one held."""

    offered: int
    held: int
    says = "bundle version {offered} would replace the newer {held}"


@dataclass(eq=False)
class NoRouteError(FactsError):
    """No node is home to that region."""

    region_code: str
    says = "no node is home to region {region_code}"


@dataclass(eq=False)
class TrustBundleMissingError(FactsError):
    """There is no trust bundle yet."""

    says = "this node has no trust bundle yet; the hub publishes it after the node's approval"


@dataclass(eq=False)
class TrustBundleStaleError(FactsError):
    """The bundle is too old to ask other regions."""

    age_seconds: int
    says = "the trust bundle is {age_seconds} s old; other regions are not asked after 72 h"
