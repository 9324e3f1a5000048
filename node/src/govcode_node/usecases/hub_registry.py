"""The hub's registry: nodes register, operators approve and suspend them, and the trust bundle goes out (7.3)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.errors import InvalidFieldError, StreamLimitError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.moments import stated
from govcode_node.domain.nodes import (
    NodeState,
    NodeStateConflictError,
    NodeUnknownError,
    RegisteredNode,
    RevocationListDigest,
)
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import NoRouteError, RouteEntry, TrustBundle, TrustBundleMissingError
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import Attestor, EvidenceReader
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.hub_admission import admit, check_prefixes_free, check_registration, signing_key_id
from govcode_node.usecases.trail import record

log = logging.getLogger(__name__)

REISSUE_AFTER: Final = timedelta(minutes=10)
"""A bundle is made anew after this time even if nothing changed, so that its age tells whether the hub is there."""

_SIGN_OF_LIFE: Final = 15.0
_MAX_WATCHERS: Final = 10_000
_MAX_REASON: Final = 200

NodeListener = Callable[[RegisteredNode], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    bundle: TrustBundle
    evidence: bytes


class HubRegistry:
    """The steps of the hub that concern who belongs to the federation.

    Besides the methods of the contract it has two steps for background loops: `reissue_if_due` and `catch_up`.
    """

    def __init__(
        self,
        *,
        own: RegisteredNode,
        own_call: Call,
        database: Database,
        attestor: Attestor,
        reader: EvidenceReader,
        clock: Clock,
        list_digests: Callable[[], Mapping[str, RevocationListDigest]] = dict,
        reissue_after: timedelta = REISSUE_AFTER,
        sign_of_life: float = _SIGN_OF_LIFE,
        max_watchers: int = _MAX_WATCHERS,
    ) -> None:
        """It takes what it works with.

        Args:
            own: The hub itself as a node, ACTIVE; its prefixes are empty unless it is home to codes.
            own_call: Stands in the audit trail for what the hub does on its own.
            database: The store.
            attestor: Signs bundles.
            reader: Checks registrations, and bundles that another worker of the hub has made.
            clock: The clock.
            list_digests: Gives the newest revocation list of each node that the hub has fetched.
            reissue_after: Age at which a bundle is made anew.
            sign_of_life: Seconds between signs of life to watchers.
            max_watchers: How many may watch at once.
        """
        self._own = own
        self._own_call = own_call
        self._database = database
        self._attestor = attestor
        self._reader = reader
        self._clock = clock
        self._list_digests = list_digests
        self._reissue_after = reissue_after
        self._sign_of_life = sign_of_life
        self._max_watchers = max_watchers
        self._newest: _Newest | None = None
        self._outdated = False
        self._issuing = asyncio.Lock()
        self._rounds_begun = 0
        self._round_done = 0
        self._watchers: set[asyncio.Event] = set()
        self._listeners: list[NodeListener] = []

    def on_node(self, listener: NodeListener) -> None:
        """It calls the listener with each node whose registration changes here."""
        self._listeners.append(listener)

    @property
    def bundle_version(self) -> int:
        """Version of the newest bundle; 0 without one."""
        return 0 if self._newest is None else self._newest.bundle.version

    async def register(self, call: Call, evidence: bytes) -> RegisteredNode:
        """It takes a node's registration; the node waits for approval unless it has it for SIGN key and prefixes.

        While a renewal waits, what was approved before stays in force.

        Raises:
            EvidenceRefusedError: The node does not have the key that it shows, or it has ended.
            IdentityMismatchError: The certificate names another node.
            InvalidFieldError: A field is not of its form.
            PrefixConflictError: Another node is home to a prefix.
            NodeSuspendedError: The node is suspended.
        """
        read = await self._reader.read_registration(evidence)
        now = self._clock.now()
        check_registration(read.statement, signer=read.node_id, key_id=read.key_id, caller=call.caller, now=now)

        def unit(tx: Transaction) -> tuple[RegisteredNode | None, RegisteredNode]:
            present = tx.hub.node(read.statement.node_id)
            node = admit(read.statement, present=present, now=now)
            if node == present:
                # A node that waits for approval says the same thing twice a minute.
                return present, node
            if present is None or present.prefixes != node.prefixes or present.trust.state is NodeState.RETIRED:
                others = (self._own, *tx.hub.nodes())
                check_prefixes_free(node.trust.node_id, node.prefixes, others=others)
            tx.hub.put_node(node)
            record(
                tx,
                call,
                AuditAction.NODE_REGISTERED,
                at=now,
                object_id=node.trust.node_id,
                result=node.trust.state.value,
                signing_key_id=signing_key_id(node.trust, now=now),
                prefixes=",".join(node.prefixes),
            )
            return present, node

        present, node = await self._database.run(unit)
        self._tell(node)
        if present is not None and present.published != node.published:
            await self.issue_bundle()
        return node

    async def approve(
        self, call: Call, *, node_id: str, key_id: str, prefixes: Collection[str]
    ) -> tuple[RegisteredNode, int]:
        """It lets a node in, or in again, and returns it with the version of the bundle that has it.

        Args:
            call: The operator's call.
            node_id: The node.
            key_id: SIGN key that the operator compared with what the node's operators told by another way.
            prefixes: Prefixes that the operator agreed to; the node may have named others since.

        Raises:
            NodeUnknownError: There is no such node.
            NodeStateConflictError: It does not wait, or its key or its prefixes are others.
            PrefixConflictError: Another node is home to a prefix.
        """
        now = self._clock.now()

        def unit(tx: Transaction) -> RegisteredNode:
            node = _known(tx, node_id)
            if key_id != signing_key_id(node.trust, now=now) or set(prefixes) != set(node.prefixes):
                raise NodeStateConflictError(node.trust.state.value)
            check_prefixes_free(node_id, node.prefixes, others=(self._own, *tx.hub.nodes()))
            waiting = (NodeState.JOINING, NodeState.SUSPENDED)
            moved = _move(tx, call, node, present=waiting, target=NodeState.ACTIVE, at=now)
            record(tx, call, AuditAction.NODE_APPROVED, at=now, object_id=node_id, signing_key_id=key_id)
            return moved

        return await self._after_move(await self._database.run(unit))

    async def suspend(self, call: Call, *, node_id: str, reason: str) -> tuple[RegisteredNode, int]:
        """It stops a node and returns it with the version of the bundle that says so; peers refuse it from then on.

        Of a node whose renewal waits, it stops what is in force, and the renewal is dropped.

        Raises:
            InvalidFieldError: There is no reason, or it is too long.
            NodeUnknownError: There is no such node.
            NodeStateConflictError: It is not active.
        """
        if not 0 < len(reason) <= _MAX_REASON:
            raise InvalidFieldError("reason", f"must have 1 to {_MAX_REASON} characters")
        now = self._clock.now()

        def unit(tx: Transaction) -> RegisteredNode:
            node = _known(tx, node_id)
            if node.in_force is not None:
                node = replace(node, trust=node.in_force.trust, prefixes=node.in_force.prefixes, in_force=None)
                tx.hub.put_node(node)
            moved = _move(tx, call, node, present=(NodeState.ACTIVE,), target=NodeState.SUSPENDED, at=now)
            record(tx, call, AuditAction.NODE_SUSPENDED, at=now, object_id=node_id, reason=reason)
            return moved

        return await self._after_move(await self._database.run(unit))

    async def issue_bundle(self) -> int:
        """It makes a trust bundle of what the registry holds now, keeps it, sends it out, and returns its version.

        Raises:
            KeyUnavailableError: The hub's key does not sign; `reissue_if_due` tries again.
            StoreUnavailableError: The store does not work; likewise.
        """
        self._outdated = True
        wanted = self._rounds_begun + 1
        async with self._issuing:
            if self._round_done >= wanted:
                # Somebody else's bundle was begun after this call, so it holds what the caller wants to see in it.
                return self.bundle_version
            self._rounds_begun += 1
            self._outdated = False
            try:
                newest = await self._make_bundle()
            except BaseException:
                self._outdated = True
                raise
            self._round_done = self._rounds_begun
            self._take(newest)
            return newest.bundle.version

    async def reissue_if_due(self) -> None:
        """It makes a bundle where there is none, where making one failed, or where the newest is old. A loop's step."""
        if self._newest is None:
            await self.catch_up()
        newest = self._newest
        due = newest is None or self._clock.now() - newest.bundle.issued_at >= self._reissue_after
        if self._outdated or due:
            await self.issue_bundle()

    async def catch_up(self) -> None:
        """It takes the newest bundle from the store, where another worker may have put it. A loop's step."""
        kept = await self._database.read(lambda tx: tx.hub.newest_bundle())
        if kept is None or (self._newest is not None and kept == self._newest.evidence):
            return
        read = await self._reader.read_bundle(kept)
        self._take(_Newest(bundle=read.statement, evidence=kept))

    async def newest_bundle(self, base_version: int = 0) -> bytes | None:
        """It returns the newest bundle as signed; None where the caller has it.

        Raises:
            TrustBundleMissingError: There is none yet.
        """
        if self._newest is None:
            await self.catch_up()
        if self._newest is None:
            raise TrustBundleMissingError
        return self._newest.evidence if self._newest.bundle.version > base_version else None

    async def watch_bundles(self, base_version: int = 0) -> AsyncGenerator[bytes | None, None]:
        """It yields the newest bundle unless the caller has it, then each new one; None is a sign of life.

        A slow watcher gets the newest bundle and never a queue of old ones.

        Raises:
            TrustBundleMissingError: There is none yet.
            StreamLimitError: Too many watch.
        """
        if len(self._watchers) >= self._max_watchers:
            raise StreamLimitError(self._max_watchers)
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            await self.newest_bundle(base_version)
            seen = base_version
            while True:
                changed.clear()
                newest = self._newest
                if newest is not None and newest.bundle.version > seen:
                    seen = newest.bundle.version
                    yield newest.evidence
                    continue
                try:
                    async with asyncio.timeout(self._sign_of_life):
                        await changed.wait()
                except TimeoutError:
                    yield None
        finally:
            self._watchers.discard(changed)

    def resolve_route(self, region: RegionCode) -> tuple[RouteEntry, int]:
        """It finds the route of a region and the version of the bundle that has it.

        Raises:
            NoRouteError: No node is home to the region.
        """
        route = None if self._newest is None else self._newest.bundle.route_of(region)
        if route is None:
            raise NoRouteError(str(region))
        return route, self.bundle_version

    async def _after_move(self, node: RegisteredNode) -> tuple[RegisteredNode, int]:
        self._tell(node)
        log.info("node moved", extra={"node": node.trust.node_id, "state": node.trust.state.value})
        return node, await self.issue_bundle()

    async def _make_bundle(self) -> _Newest:
        version, nodes = await self._database.run(lambda tx: (tx.hub.next_bundle_version(), tuple(tx.hub.nodes())))
        now = self._clock.now()
        issued_at = stated(now)
        # On a thread, as thousands of nodes take longer than the event loop may be held up.
        bundle = await asyncio.to_thread(
            _bundle_of, (self._own, *nodes), version=version, issued_at=issued_at, digests=self._list_digests()
        )
        evidence = await self._attestor.attest(EvidencePurpose.TRUST_BUNDLE, bundle)

        def keep(tx: Transaction) -> None:
            tx.hub.put_bundle(version, evidence)
            record(
                tx,
                self._own_call,
                AuditAction.BUNDLE_ISSUED,
                at=now,
                object_id=str(version),
                nodes=str(len(bundle.nodes)),
                routes=str(len(bundle.routes)),
            )

        await self._database.run(keep)
        return _Newest(bundle=bundle, evidence=evidence)

    def _take(self, newest: _Newest) -> None:
        if newest.bundle.version <= self.bundle_version:
            return
        self._newest = newest
        for watcher in self._watchers:
            watcher.set()

    def _tell(self, node: RegisteredNode) -> None:
        for listener in self._listeners:
            listener(node)


def _bundle_of(
    nodes: tuple[RegisteredNode, ...], *, version: int, issued_at: datetime, digests: Mapping[str, RevocationListDigest]
) -> TrustBundle:
    present = [node.published for node in nodes if node.published is not None]
    return TrustBundle(
        version=version,
        issued_at=issued_at,
        routes=tuple(
            sorted(
                (RouteEntry(prefix, node.trust.node_id) for node in present for prefix in node.prefixes),
                key=lambda route: route.prefix,
            )
        ),
        nodes=tuple(replace(node.trust, revocation_list=digests.get(node.trust.node_id)) for node in present),
    )


def _known(tx: Transaction, node_id: str) -> RegisteredNode:
    node = tx.hub.node(node_id)
    if node is None:
        raise NodeUnknownError(node_id)
    return node


def _move(
    tx: Transaction,
    call: Call,
    node: RegisteredNode,
    *,
    present: tuple[NodeState, ...],
    target: NodeState,
    at: datetime,
) -> RegisteredNode:
    operator = call.caller.name
    if not tx.hub.move_node(node.trust.node_id, present=present, target=target, at=at, operator=operator):
        raise NodeStateConflictError(node.trust.state.value)
    moved = replace(node, trust=replace(node.trust, state=target), state_at=at, state_operator=operator, in_force=None)
    if node.in_force is not None:
        tx.hub.put_node(moved)
    return moved
