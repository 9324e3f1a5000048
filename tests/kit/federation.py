"""A federation in the test's own process: a hub and the nodes of some regions, over real gRPC and mutual TLS.

    async with open_federation(folder, "310000", "420100") as federation:
        holder = await federation["420100"].holders.open_account(person)

Every node has a clock of its own that flows like the real one and may be moved ahead, so that a story about hours
takes milliseconds. A node may be stopped and started again at its old address with its old files.
"""

import asyncio
import dataclasses
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import hub_service_pb2_grpc as hubv1_grpc
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.operations.v1 import node_status_pb2 as statusv1
from govcode.operations.v1 import operations_service_pb2 as operationsv1
from govcode.operations.v1 import operations_service_pb2_grpc as operationsv1_grpc
from govcode.routing.v1 import code_routing_service_pb2 as routingv1
from govcode.routing.v1 import code_routing_service_pb2_grpc as routingv1_grpc
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode_client.evidence import EvidenceMessage, check_evidence
from govcode_node.app import App
from govcode_node.config import Config
from govcode_node.config_values import ListenAddress, parse_rate
from govcode_node.domain.audit import AuditAction, AuditRecord
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.routes import TrustBundle
from govcode_node.domain.scans import ScanAct, ScanRow
from govcode_node.domain.scenes import SceneClass
from govcode_node.loops import BackgroundLoop
from grpc import aio
from kit.nodes import RunningNode, until, write_node
from kit.pki import KitPki, kit_pki
from kit.players import Holder, synthetic_people

HUB: Final = "000000"
BEIJING: Final = "110000"
SHANGHAI: Final = "310000"
WUHAN: Final = "420100"

TWO_OF_FIVE: Final[Mapping[SceneClass, tuple[FieldRule, ...]]] = {
    SceneClass.COUNTER: (FieldRule(FieldName.NAME), FieldRule(FieldName.PHONE))
}
"""A person has three fields and a company two; of these five, counters of other regions see two, masked."""


class ShiftedClock:
    """The real clock, a movable span ahead of it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The real moment and the span."""
        return datetime.now(UTC) + self._ahead

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic() + self._ahead.total_seconds()

    def advance(self, span: timedelta) -> None:
        """Move on."""
        self._ahead += span


Changes = Callable[[Config], Config]
"""What is changed in a node's configuration before it starts."""


def unchanged(config: Config) -> Config:
    """Leave the configuration as it is."""
    return config


def _for_busy_holders(config: Config) -> Config:
    """Let one holder present as often as all stories together like."""
    limits = dataclasses.replace(config.limits, per_subject=parse_rate("10000/1s"), per_operator=parse_rate("1000/1s"))
    return dataclasses.replace(config, limits=limits)


async def run_node(
    folder: Path,
    node_id: str,
    *,
    clock: ShiftedClock | None = None,
    changes: Changes = unchanged,
    pki: KitPki | None = None,
    **options: Any,
) -> RunningNode:
    """Write a node's files, change its configuration, and start it."""
    clock = clock or ShiftedClock()
    config = await asyncio.to_thread(write_node, folder, node_id, clock=clock, pki=pki, **options)
    config = changes(_for_busy_holders(config))
    return RunningNode(await App.start(config, clock=clock), config, folder, pki or kit_pki(), clock)


@dataclass
class Federation:
    """A hub and its nodes.

    Attributes:
        folder: Where the nodes' files are.
        hub: The hub.
        nodes: The nodes that have joined, running or not, by id.
        clocks: The clock of each node and of the hub.
    """

    folder: Path
    hub: RunningNode
    nodes: dict[str, RunningNode] = field(default_factory=dict)
    clocks: dict[str, ShiftedClock] = field(default_factory=dict)
    _running: set[str] = field(default_factory=set)
    _holders: dict[tuple[str, str, str], Holder] = field(default_factory=dict)

    def __getitem__(self, node_id: str) -> RunningNode:
        return self.nodes[node_id]

    @property
    def beijing(self) -> RunningNode:
        return self.nodes[BEIJING]

    @property
    def shanghai(self) -> RunningNode:
        return self.nodes[SHANGHAI]

    @property
    def wuhan(self) -> RunningNode:
        return self.nodes[WUHAN]

    @property
    def security(self) -> "hubv1_grpc.HubServiceAsyncStub":
        """The hub as its security operator calls it."""
        return hub_of(self.hub.as_operator("security-1"))

    async def holder(self, node_id: str, name: str = "张样例", *, uscc: str = "") -> Holder:
        """A synthetic person with an account at a node, or with that of a company; opened at the first wish."""
        key = (node_id, name, uscc)
        if key not in self._holders:
            person = synthetic_people()[name]
            self._holders[key] = await self.nodes[node_id].holders.open_account(person, uscc=uscc or None)
        return self._holders[key]

    async def start(self, node_id: str, **options: Any) -> RunningNode:
        """Start a node that the hub has not approved yet."""
        clock = self.clocks[node_id] = ShiftedClock()
        node = await run_node(self.folder / node_id, node_id, hub=self.hub, clock=clock, **options)
        self.nodes[node_id] = node
        self._running.add(node_id)
        return node

    async def approve(self, node_id: str, *, key_id: str | None = None) -> int:
        """Approve a node once it has registered; the version of the bundle that has it."""
        node = self.nodes[node_id]
        request = hubv1.ApproveNodeRequest(
            node_id=node_id, signing_key_id=key_id or signing_key(node), prefixes=node.app.node.prefixes
        )
        await self.registered(node_id)
        return int((await self.security.ApproveNode(request)).bundle_version)

    async def registered(self, node_id: str) -> None:
        """Wait until the hub knows a node."""
        request = hubv1.GetNodeStatusRequest(node_id=node_id)
        async with asyncio.timeout(10):
            while True:
                try:
                    await self.security.GetNodeStatus(request)
                except aio.AioRpcError:
                    await asyncio.sleep(0.02)
                else:
                    return

    async def view(self, node_id: str) -> nodev1.NodeView:
        """A node as the hub's board shows it."""
        view: nodev1.NodeView = (await self.security.GetNodeStatus(hubv1.GetNodeStatusRequest(node_id=node_id))).node
        return view

    async def seen(self, node_id: str, condition: Callable[[nodev1.NodeView], bool]) -> nodev1.NodeView:
        """Wait until the board shows a node in some way."""
        async with asyncio.timeout(10):
            while True:
                view = await self.view(node_id)
                if condition(view):
                    return view
                await asyncio.sleep(0.05)

    async def suspend(self, node_id: str) -> int:
        """Suspend a node; the version of the bundle that says so."""
        request = hubv1.SuspendNodeRequest(node_id=node_id, reason="test")
        return int((await self.security.SuspendNode(request)).bundle_version)

    async def everywhere(self, version: int) -> None:
        """Wait until all running nodes hold that bundle, or a newer one."""
        running = [self.nodes[node_id] for node_id in self._running]
        await until(lambda: all(held_version(node) >= version for node in (*running, self.hub)))

    async def stop(self, node_id: str) -> None:
        """Stop a node, or the hub; its address and its files remain."""
        self._running.discard(node_id)
        await (self.hub if node_id == HUB else self.nodes[node_id]).close()

    async def start_again(self, node_id: str) -> RunningNode:
        """Start a stopped node, or the hub, at its old address with its old files."""
        before = self.hub if node_id == HUB else self.nodes[node_id]
        host, _, port = before.app.address.rpartition(":")
        listen = ListenAddress(host, int(port))
        config = dataclasses.replace(before.config, server=dataclasses.replace(before.config.server, listen=listen))
        app = await App.start(config, clock=before.clock)
        node = RunningNode(app, config, before.folder, before.pki, before.clock)
        if node_id == HUB:
            self.hub = node
        else:
            self.nodes[node_id] = node
            self._running.add(node_id)
        for (at, *_), holder in self._holders.items():
            if at == node_id:
                holder.backend = node.holders
        return node

    async def close(self) -> None:
        """Stop whatever runs."""
        await asyncio.gather(*(self.nodes[node_id].close() for node_id in tuple(self._running)))
        self._running.clear()
        await self.hub.close()


@asynccontextmanager
async def open_federation(
    folder: Path,
    *node_ids: str,
    disclosure: Mapping[SceneClass, tuple[FieldRule, ...]] = TWO_OF_FIVE,
    changes: Changes = unchanged,
    hub_changes: Changes = unchanged,
    approved: bool = True,
    parties: bool = True,
) -> AsyncIterator[Federation]:
    """A federation for the length of a block: registered, approved, with relying parties at every node.

    Args:
        folder: For the nodes' files.
        node_ids: The nodes besides the hub.
        disclosure: What each node tells other regions.
        changes: Changes of the nodes' configuration.
        hub_changes: Changes of the hub's.
        approved: Whether the nodes are let in.
        parties: Whether relying parties, applications and scenes are registered.
    """
    clock = ShiftedClock()
    hub = await run_node(folder / HUB, HUB, clock=clock, changes=hub_changes)
    federation = Federation(folder, hub, clocks={HUB: clock})
    try:
        # One after the other: the library that makes the tables works in one thread of a process at a time.
        for node_id in node_ids:
            await federation.start(node_id, disclosure=disclosure, changes=changes)
        if approved:
            versions = [await federation.approve(node_id) for node_id in node_ids]
            await federation.everywhere(max(versions, default=0))
        if parties:
            await asyncio.gather(*(node.register_parties() for node in federation.nodes.values()))
        yield federation
    finally:
        await federation.close()


def hub_of(channel: aio.Channel) -> "hubv1_grpc.HubServiceAsyncStub":
    """The hub's service over a channel."""
    stub: hubv1_grpc.HubServiceAsyncStub = hubv1_grpc.HubServiceStub(channel)
    return stub


def signing_key(node: RunningNode) -> str:
    """The id of the key with which a node signs, as its operators tell it by another way."""
    return next(key.key_id for key in node.app.node.keys if key.purpose.value == "SIGN")


def bundle_of(node: RunningNode) -> TrustBundle:
    """The bundle that a node holds."""
    bundle = node.app.trust.bundle()
    assert bundle is not None
    return bundle


def held_version(node: RunningNode) -> int:
    """Version of the bundle that a node holds; 0 without one."""
    bundle = node.app.trust.bundle()
    return bundle.version if bundle is not None else 0


async def status_of(node: RunningNode) -> statusv1.NodeStatus:
    """How a node finds itself, as it tells its operators."""
    stub: Any = operationsv1_grpc.OperationsServiceStub(node.as_operator("audit-1"))
    status: statusv1.NodeStatus = (await stub.GetNodeStatus(operationsv1.GetNodeStatusRequest())).status
    return status


def loop_of(node: RunningNode, name: str) -> BackgroundLoop:
    """One of a node's background loops."""
    return next(loop for loop in node.app.loops._loops if loop.name == name)


async def scan_row(node: RunningNode, caller: str, biz_serial: str, *, act: ScanAct = ScanAct.SCAN) -> ScanRow | None:
    """A scan as the node keeps it, by the name of its caller in the store."""
    return await node.app.database.read(lambda tx: tx.scans.find(caller=caller, act=act, biz_serial=biz_serial))


def rows_of(node: RunningNode, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a query finds in a node's database file, past all the node's own code."""
    with closing(sqlite3.connect(f"file:{node.folder / 'store.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


async def audit_of(node: RunningNode, *, action: AuditAction | None = None, biz_serial: str = "") -> list[AuditRecord]:
    """What stands in a node's audit trail."""
    return list(
        await node.app.database.read(
            lambda tx: tx.audit.list_records(
                start=None,
                end=None,
                action=action.value if action else "",
                biz_serial=biz_serial,
                after=None,
                limit=500,
            )
        )
    )


@dataclass(frozen=True)
class Auditor:
    """One who checks evidence with nothing but a trust bundle, as an application would.

    Attributes:
        bundle: The bundle.
    """

    bundle: trustv1.TrustBundle

    @classmethod
    async def at(cls, channel: aio.Channel, *, hub_key: bytes) -> "Auditor":
        """Fetch the bundle from a node and check that the hub has signed it."""
        stub: Any = routingv1_grpc.CodeRoutingServiceStub(channel)
        answer = await stub.GetTrustBundle(routingv1.GetTrustBundleRequest())
        payload = check_evidence(
            answer.bundle,
            purpose="TRUST_BUNDLE",
            payload_type=trustv1.TrustBundle.DESCRIPTOR.full_name,
            public_key_of=lambda node_id, _: hub_key if node_id == HUB else None,
        )
        return cls(trustv1.TrustBundle.FromString(payload))

    def check(self, evidence: EvidenceMessage, message: Any, *, purpose: str) -> Any:
        """Check evidence and return its payload as a message of that class."""
        payload = check_evidence(
            evidence, purpose=purpose, payload_type=message.DESCRIPTOR.full_name, public_key_of=self._key
        )
        return message.FromString(payload)

    def _key(self, node_id: str, key_id: str) -> bytes | None:
        for node in self.bundle.nodes:
            for key in node.keys:
                if (node.node_id, key.key_id, key.purpose) == (node_id, key_id, trustv1.NODE_KEY_PURPOSE_SIGN):
                    return key.public_key
        return None


def hub_key_of(federation: Federation) -> bytes:
    """The hub's public key, which is pinned wherever bundles are checked."""
    return next(key.public_key for key in federation.hub.app.node.keys if key.purpose.value == "SIGN")
