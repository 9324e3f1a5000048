"""A small federation for tests of the hub and of what nodes have of it: real keys, real evidence, real stores.

What is faked is what is outside: time stands still until it is moved, and nodes are objects instead of processes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from govcode_client import evidence_rules as rules
from govcode_client.sm2 import Sm2PrivateKey, Sm2PublicKey, Sm2VerificationError, key_id_of
from govcode_node.crypto.evidence import proved_bytes
from govcode_node.domain.audit import AuditAction, AuditRecord
from govcode_node.domain.callers import Call, Caller, OperatorRole
from govcode_node.domain.evidence import Evidence, EvidencePurpose, Sm2Proof
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.keys import InvalidSignatureError, KeyPurpose, KeyUnavailableError
from govcode_node.domain.nodes import (
    NodeCondition,
    NodeKey,
    NodeKeyPurpose,
    NodeRegistration,
    NodeState,
    NodeStatus,
    NodeTrust,
    OutcomeCount,
    RegisteredNode,
    StatusSummary,
)
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import TrustBundle
from govcode_node.federation.holding import HeldTrust
from govcode_node.usecases.hub_board import HubBoard
from govcode_node.usecases.hub_registry import HubRegistry
from govcode_node.wire.attestation import WireAttestor, WireEvidenceReader
from kit.clocks import MovableClock
from kit.memory_database import InMemoryDatabase

START = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
HUB = "000000"


@cache
def sm2_key(name: str) -> Sm2PrivateKey:
    """The key of that name; the same for the whole session, since making one takes time."""
    del name
    return Sm2PrivateKey.generate()


def public_key(name: str, purpose: NodeKeyPurpose, *, starts_at: datetime | None = None) -> NodeKey:
    """A public key as it stands in a registration."""
    key = sm2_key(name).public_key
    return NodeKey(
        key_id=key_id_of(key),
        purpose=purpose,
        public_key=key.to_point(),
        starts_at=starts_at or START - timedelta(days=30),
    )


async def verify(point: bytes, signature: bytes, data: bytes) -> None:
    """Check an SM2 signature."""
    try:
        Sm2PublicKey.from_point(point).verify(signature, data)
    except (Sm2VerificationError, ValueError) as fault:
        raise InvalidSignatureError from fault


@dataclass
class NodeSigner:
    """It signs for one node, unless its key is out of order."""

    node_id: str
    key_name: str
    now: Callable[[], datetime]
    broken: bool = False

    async def attest(self, purpose: EvidencePurpose, payload_type: str, payload: bytes) -> Evidence:
        if self.broken:
            raise KeyUnavailableError(KeyPurpose.NODE_SIGN, "the device is gone")
        # A signature takes its time on another thread; meanwhile others go on.
        await asyncio.sleep(0)
        moment = self.now()
        signed_at = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        key = sm2_key(self.key_name)
        key_id = key_id_of(key.public_key)
        signed = rules.signed_bytes(
            purpose=purpose.value,
            payload_type=payload_type,
            node_id=self.node_id,
            key_id=key_id,
            signed_time_ms=rules.milliseconds_of(signed_at),
            payload=payload,
        )
        return Evidence(
            payload=payload,
            payload_type=payload_type,
            node_id=self.node_id,
            key_id=key_id,
            signed_time=signed_at,
            proof=Sm2Proof(key.sign(signed)),
        )


@dataclass
class NodeKit:
    """A node as others see it."""

    node_id: str
    clock: MovableClock
    prefixes: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    sign_key: str = ""
    software_version: str = "0.1.0"
    signer: NodeSigner = field(init=False)
    attestor: WireAttestor = field(init=False)

    def __post_init__(self) -> None:
        self.prefixes = self.prefixes or (self.node_id[:4],)
        self.endpoints = self.endpoints or (f"node-{self.node_id}:7443",)
        self.sign_key = self.sign_key or f"{self.node_id} sign"
        self.signer = NodeSigner(self.node_id, self.sign_key, self.clock.now)
        self.attestor = WireAttestor(self.signer)

    @property
    def sign_key_id(self) -> str:
        return public_key(self.sign_key, NodeKeyPurpose.SIGN).key_id

    @property
    def keys(self) -> tuple[NodeKey, ...]:
        return (
            public_key(self.sign_key, NodeKeyPurpose.SIGN),
            public_key(f"{self.node_id} encrypt", NodeKeyPurpose.ENCRYPT),
        )

    @property
    def call(self) -> Call:
        """A call with the node's own certificate."""
        return node_call(self.node_id)

    def registration(self) -> NodeRegistration:
        return NodeRegistration(
            node_id=self.node_id,
            region_code=RegionCode(self.node_id[:6]),
            name_zh=f"节点 {self.node_id}",
            name_en=f"Node {self.node_id}",
            prefixes=self.prefixes,
            endpoints=self.endpoints,
            keys=self.keys,
            software_version=self.software_version,
            protocol_versions=(1,),
        )

    async def signed_registration(self, registration: NodeRegistration | None = None) -> bytes:
        return await self.attestor.attest(EvidencePurpose.NODE_REGISTRATION, registration or self.registration())

    def registered(self, state: NodeState = NodeState.ACTIVE) -> RegisteredNode:
        """The node as the hub's registry has it."""
        kind = "hub" if self.node_id == HUB else "node"
        return RegisteredNode(
            trust=NodeTrust(
                node_id=self.node_id,
                region_code=RegionCode(self.node_id[:6]),
                name_zh=f"节点 {self.node_id}",
                name_en=f"Node {self.node_id}",
                state=state,
                endpoints=self.endpoints,
                certificate_name=f"spiffe://federation.govcode/{kind}/{self.node_id}",
                keys=self.keys,
            ),
            prefixes=() if self.node_id == HUB else self.prefixes,
            software_version=self.software_version,
            registered_at=START,
            state_at=START,
        )

    def status(self, condition: NodeCondition = NodeCondition.UP, **changes: object) -> NodeStatus:
        """A report of its condition."""
        fields: dict[str, object] = {
            "node_id": self.node_id,
            "region_code": RegionCode(self.node_id[:6]),
            "condition": condition,
            "impairments": (),
            "software_version": self.software_version,
            "started_at": START,
            "taken_at": self.clock.now(),
            "keystore": "SOFTWARE",
            "bundle_version": 1,
            "bundle_age": timedelta(),
            "calls_per_second": 1.5,
            "p99_ms": 4.0,
            "fault_ratio": 0.0,
            "store_queue": 0,
            "slowest_loop_age": timedelta(),
        }
        return NodeStatus(**(fields | changes))  # type: ignore[arg-type]

    async def signed_summary(
        self, minute: datetime, *outcomes: OutcomeCount, codes_issued: int = 0, node_id: str | None = None
    ) -> bytes:
        """A signed account of one minute."""
        summary = StatusSummary(
            node_id=node_id or self.node_id, minute=minute, codes_issued=codes_issued, outcomes=outcomes
        )
        return await self.attestor.attest(EvidencePurpose.STATUS_SUMMARY, summary)


def node_call(node_id: str) -> Call:
    caller_class = CallerClass.HUB if node_id == HUB else CallerClass.NODE
    return Call(caller=Caller(caller_class=caller_class, name=node_id), method="/test", request_id="r-1")


def operator_call(name: str = "security") -> Call:
    caller = Caller(caller_class=CallerClass.OPERATOR, name=name, roles=frozenset({OperatorRole.SECURITY}))
    return Call(caller=caller, method="/test", request_id="r-1", trace_id="0" * 31 + "1")


class HubKit:
    """A hub: registry and board over real stores and real evidence."""

    def __init__(self, clock: MovableClock | None = None, **settings: float) -> None:
        self.clock = clock or MovableClock(START)
        self.database = InMemoryDatabase(writer_id="000000/0/1700000000000")
        self.node = NodeKit(HUB, self.clock)
        self.held = HeldTrust(self.clock)
        self.reader = reader_over(self.held)
        self.settings = settings
        self.registry = self.make_registry()
        self.board = HubBoard(own=self.node.registered(), database=self.database, reader=self.reader, clock=self.clock)
        self.registry.on_node(self.board.take_node)

    def make_registry(self) -> HubRegistry:
        """One more worker of the hub over the same store."""
        return HubRegistry(
            own=self.node.registered(),
            own_call=node_call(HUB),
            database=self.database,
            attestor=self.node.attestor,
            reader=self.reader,
            clock=self.clock,
            **self.settings,  # type: ignore[arg-type]
        )

    async def join(self, node: NodeKit) -> RegisteredNode:
        """Register a node and approve it."""
        await self.registry.register(node.call, await node.signed_registration())
        approved, _ = await self.registry.approve(
            operator_call(), node_id=node.node_id, key_id=node.sign_key_id, prefixes=node.prefixes
        )
        await self.follow()
        return approved

    async def follow(self) -> TrustBundle:
        """Let the hub's own node hold the newest bundle, as its exchange would."""
        evidence = await self.registry.newest_bundle()
        assert evidence is not None
        read = await self.reader.read_bundle(evidence)
        self.held.swap(read.statement, evidence)
        return read.statement

    async def bundle(self) -> TrustBundle:
        """The newest bundle as anybody reads it."""
        evidence = await self.registry.newest_bundle()
        assert evidence is not None
        return (await self.reader.read_bundle(evidence)).statement

    async def audit(self, action: AuditAction | None = None) -> list[AuditRecord]:
        return await audit_of(self.database, action)

    def close(self) -> None:
        self.database.close()


async def audit_of(database: InMemoryDatabase, action: AuditAction | None = None) -> list[AuditRecord]:
    """What stands in the audit trail."""
    return list(
        await database.read(
            lambda tx: tx.audit.list_records(
                start=None, end=None, action=action.value if action else "", biz_serial="", after=None, limit=1000
            )
        )
    )


def reader_over(held: HeldTrust, *hub_keys: str) -> WireEvidenceReader:
    """A reader that pins the hub's key."""
    points = [sm2_key(name).public_key.to_point() for name in hub_keys or ("000000 sign",)]
    return WireEvidenceReader(trust=held, hub_keys=points, verify=verify, proved_bytes=proved_bytes)
