"""Nodes of the federation as the hub and their peers know them: registration, approval, keys, condition (7.3, 7.6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from govcode_node.domain.errors import FactsError
from govcode_node.domain.regions import RegionCode

SILENCE_LIMIT: Final = timedelta(seconds=20)
"""After this silence the hub takes a node for down (7.6-05)."""

PROTOCOL_VERSION: Final = 1
"""Version of the federation protocol that this program speaks."""


class NodeState(StrEnum):
    """Where a node stands in the federation (路由接入)."""

    JOINING = "JOINING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RETIRED = "RETIRED"


_PUBLISHED: Final = frozenset({NodeState.ACTIVE, NodeState.SUSPENDED})


class NodeKeyPurpose(StrEnum):
    """What a node's public key is for."""

    SIGN = "SIGN"
    ENCRYPT = "ENCRYPT"
    CODE_SEAL = "CODE_SEAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKey:
    """One SM2 public key of a node.

    Attributes:
        key_id: First 16 hexadecimal digits of the SM3 of the point.
        purpose: What it is for.
        public_key: Public point, 65 bytes.
        key_no: Number in the codes, for CODE_SEAL; 0 otherwise.
        starts_at: From when on it may be trusted.
        ends_at: Until when; None without end.
    """

    key_id: str
    purpose: NodeKeyPurpose
    public_key: bytes
    key_no: int = 0
    starts_at: datetime
    ends_at: datetime | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Whether it may be trusted for something done at that moment."""
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationListDigest:
    """The newest revocation list of a node that the hub knows of."""

    list_time: datetime
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTrust:
    """What peers need to know of a node.

    Attributes:
        node_id: Its id.
        region_code: Region that it serves.
        name_zh: Name in Chinese.
        name_en: Name in English.
        state: Where it stands.
        endpoints: Addresses `host:port`, the best first.
        certificate_name: Identity in its certificate.
        keys: Its public keys.
        revocation_list: Its newest revocation list.
    """

    node_id: str
    region_code: RegionCode
    name_zh: str
    name_en: str
    state: NodeState
    endpoints: tuple[str, ...]
    certificate_name: str
    keys: tuple[NodeKey, ...]
    revocation_list: RevocationListDigest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRegistration:
    """What a node says of itself; the payload of NODE_REGISTRATION evidence."""

    node_id: str
    region_code: RegionCode
    name_zh: str
    name_en: str
    prefixes: tuple[str, ...]
    endpoints: tuple[str, ...]
    keys: tuple[NodeKey, ...]
    software_version: str
    protocol_versions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStanding:
    """What the federation is told of a node: whom to trust, and the regions that it is home to."""

    trust: NodeTrust
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredNode:
    """A node in the hub's registry.

    Attributes:
        trust: What it said of itself last, and where it stands.
        prefixes: The regions of which it says that it is home to them.
        software_version: Its program's version.
        registered_at: When it registered first.
        state_at: Since when it stands there.
        state_operator: Who moved it there; empty where it came there by registering.
        in_force: For a node that waits: what was approved of it before and holds until the approval; else None.
    """

    trust: NodeTrust
    prefixes: tuple[str, ...]
    software_version: str
    registered_at: datetime
    state_at: datetime
    state_operator: str = ""
    in_force: NodeStanding | None = None

    @property
    def published(self) -> NodeStanding | None:
        """What the trust bundle says of it; None where it is not in there.

        A suspended node keeps its routes, so that its codes are refused, not sent astray.
        """
        if self.trust.state in _PUBLISHED:
            return NodeStanding(trust=self.trust, prefixes=self.prefixes)
        return self.in_force


class NodeCondition(StrEnum):
    """How a node is."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    DRAINING = "DRAINING"


class Impairment(StrEnum):
    """A part that is impaired."""

    STORE = "STORE"
    SIGNING_KEY = "SIGNING_KEY"
    HUB = "HUB"
    TRUST_BUNDLE = "TRUST_BUNDLE"
    IDENTITY_PROVIDER = "IDENTITY_PROVIDER"
    PEER = "PEER"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCondition:
    """How a node sees one of its peers."""

    node_id: str
    available: bool
    answer_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """The condition of a node at one time, counts and ages only; fields as in the contract."""

    node_id: str
    region_code: RegionCode
    condition: NodeCondition
    impairments: tuple[Impairment, ...]
    software_version: str
    started_at: datetime
    taken_at: datetime
    keystore: str
    bundle_version: int
    bundle_age: timedelta
    calls_per_second: float
    p99_ms: float
    fault_ratio: float
    store_queue: int
    slowest_loop_age: timedelta
    peers: tuple[PeerCondition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount:
    """How many scans had one outcome, by visited and home node."""

    visited_node: str
    home_node: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSummary:
    """A node's account of one minute; the payload of STATUS_SUMMARY evidence."""

    node_id: str
    minute: datetime
    codes_issued: int
    outcomes: tuple[OutcomeCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node as the hub sees it.

    Attributes:
        node: Its registration.
        condition: DOWN after 20 s of silence, else as it reports.
        last_report_at: When the hub heard from it last.
        status: Its newest report.
        codes_issued: From its summaries.
        scans: From its summaries.
        cross_region_scans: Scans of other regions' codes among them.
    """

    node: RegisteredNode
    condition: NodeCondition
    last_report_at: datetime | None
    status: NodeStatus | None
    codes_issued: int
    scans: int
    cross_region_scans: int


@dataclass(eq=False)
class NodeUnknownError(FactsError):
    """The hub knows no such node."""

    node_id: str
    says = "the hub knows no node {node_id}"


@dataclass(eq=False)
class NodeNotApprovedError(FactsError):
    """The node is registered but not approved."""

    node_id: str
    says = "node {node_id} is not approved; the hub's security operator approves it"


@dataclass(eq=False)
class NodeSuspendedError(FactsError):
    """The hub has suspended the node."""

    node_id: str
    says = "the hub has suspended node {node_id}"


@dataclass(eq=False)
class NodeStateConflictError(FactsError):
    """The node's state does not allow that move, or the key named is not the registered one."""

    state: str
    says = "the node is {state}, or key or prefixes are not the registered ones; that move is not possible"


@dataclass(eq=False)
class PrefixConflictError(FactsError):
    """Another node is home to that prefix (7.3-05)."""

    prefix: str
    node_id: str
    says = "node {node_id} is home to prefix {prefix}"


@dataclass(eq=False)
class HubNotHereError(FactsError):
    """This node is not the hub."""

    says = "this node is not the hub"
