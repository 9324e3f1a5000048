"""Other nodes' revocation lists (撤销清单): fetched from each node itself, checked, kept on disk (7.3-10, N-48).

Codes may be accepted while their home is away only with a list of at most four hours, so the list must be here before
the home is away.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import NodeState, NodeSuspendedError, NodeTrust, RevocationListDigest
from govcode_node.domain.recognition import CLOCK_TOLERANCE, PeerAnswerRefusedError, RevocationList
from govcode_node.federation.files import read_file, replace_file_aside
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.incidents import Incidents
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers
from govcode_node.ports.security import EvidenceReader, ReadEvidence

log = logging.getLogger(__name__)

LIST_MAX_AGE: Final = timedelta(minutes=30)
"""A list older than this is fetched anew; the limit for relying on it is four hours."""

_CONCURRENCY: Final = 8
_AT_ONCE: Final = 256
_ROUND: Final = 40.0
_RETRY_AFTER: Final = 60.0
_SPREAD: Final = 300
_SUFFIX: Final = ".revocations"
_NODE_ID: Final = re.compile(r"[0-9]{6}(?:-[a-z0-9]{1,16})?", re.ASCII)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RevocationShelf:
    """It holds lists, in memory and on disk; each was signed by the node whose codes it names."""

    def __init__(self, *, directory: Path, reader: EvidenceReader, incidents: Incidents, clock: Clock) -> None:
        """It takes what it works with.

        Args:
            directory: Where lists are kept.
            reader: Checks lists.
            incidents: Where refusals are noted.
            clock: The clock.
        """
        self._directory = directory
        self._reader = reader
        self._incidents = incidents
        self._clock = clock
        self._lists: dict[str, RevocationList] = {}
        self._digests: dict[str, RevocationListDigest] = {}

    def get(self, node_id: str) -> RevocationList | None:
        """It returns the newest list of a node."""
        return self._lists.get(node_id)

    def digests(self) -> Mapping[str, RevocationListDigest]:
        """It gives time and digest of each list; the hub publishes those that it holds."""
        return dict(self._digests)

    async def load(self) -> None:
        """It takes up the lists on disk, checked like fresh ones. After the bundle, which has the keys."""
        paths = await asyncio.to_thread(lambda: sorted(self._directory.glob(f"*{_SUFFIX}")))
        for path in paths:
            node_id = path.name.removesuffix(_SUFFIX)
            try:
                evidence = await asyncio.to_thread(read_file, path)
                if evidence is not None and _NODE_ID.fullmatch(node_id):
                    await self._check_and_hold(node_id, evidence, published=None)
            except (OSError, GovcodeError) as error:
                log.warning("revocation list on disk refused", extra={"node": node_id, "why": str(error)})

    async def take(self, node_id: str, evidence: bytes, *, published: RevocationListDigest | None = None) -> bool:
        """It checks a fresh list and keeps it; whether it did. A refusal is noted and changes nothing.

        Args:
            node_id: The node that must have signed it.
            evidence: As received.
            published: What the bundle says of the node's newest list.
        """
        try:
            await self._check_and_hold(node_id, evidence, published=published)
        except NodeSuspendedError:
            return False
        except GovcodeError as error:
            why = str(error)
            await self._incidents.refused(AuditAction.PEER_ANSWER_REFUSED, about=node_id, why=why)
            return False
        self._incidents.accepted(AuditAction.PEER_ANSWER_REFUSED, about=node_id)
        try:
            await replace_file_aside(self._directory / f"{node_id}{_SUFFIX}", evidence)
        except OSError as error:
            log.warning("revocation list not kept on disk", extra={"node": node_id, "why": str(error)})
        return True

    def forget_others(self, node_ids: frozenset[str]) -> None:
        """It forgets the lists of nodes that are not among these; their files stay until they are replaced."""
        for node_id in self._lists.keys() - node_ids:
            del self._lists[node_id]
            self._digests.pop(node_id, None)

    async def _check_and_hold(self, node_id: str, evidence: bytes, *, published: RevocationListDigest | None) -> None:
        if _NODE_ID.fullmatch(node_id) is None:
            raise PeerAnswerRefusedError(node_id=node_id, why="that is no node id")
        read = await self._reader.read(
            evidence, purpose=EvidencePurpose.REVOCATION_LIST, kind=RevocationList, signer=node_id
        )
        digest = RevocationListDigest(list_time=read.statement.list_time, digest=sm3(read.payload))
        self._check(node_id, read, digest, published=published)
        self._lists[node_id] = read.statement
        self._digests[node_id] = digest

    def _check(
        self,
        node_id: str,
        read: ReadEvidence[RevocationList],
        digest: RevocationListDigest,
        *,
        published: RevocationListDigest | None,
    ) -> None:
        held = self._lists.get(node_id)
        if read.statement.node_id != node_id:
            raise PeerAnswerRefusedError(node_id=node_id, why="the list is another node's")
        if held is not None and digest.list_time < held.list_time:
            raise PeerAnswerRefusedError(node_id=node_id, why="the list is older than the one held")
        if digest.list_time > self._clock.now() + CLOCK_TOLERANCE:
            raise PeerAnswerRefusedError(node_id=node_id, why="the list is from the future")
        if published is not None and digest.list_time == published.list_time and digest.digest != published.digest:
            raise PeerAnswerRefusedError(node_id=node_id, why="the hub has seen another list of that time")


class ListFetcher:
    """It fetches the lists that are due. `fetch_due` is the step of a loop of about 20 s with a limit of a minute."""

    def __init__(
        self,
        *,
        own_id: str,
        held: HeldTrust,
        shelf: RevocationShelf,
        peers: Peers,
        clock: Clock,
        max_age: timedelta = LIST_MAX_AGE,
        concurrency: int = _CONCURRENCY,
    ) -> None:
        """It takes what it works with.

        Args:
            own_id: This node, which needs no list of itself.
            held: The bundle, which names the nodes.
            shelf: Where lists go.
            peers: The nodes.
            clock: The clock.
            max_age: Age at which a list is fetched anew; five minutes on the hub, whose digests tell others.
            concurrency: Fetches at once.
        """
        self._own_id = own_id
        self._held = held
        self._shelf = shelf
        self._peers = peers
        self._clock = clock
        self._max_age = max_age
        self._permits = asyncio.Semaphore(concurrency)
        self._tried_at: dict[str, float] = {}
        held.connect(lists=shelf.get)

    async def fetch_due(self) -> None:
        """It fetches lists that are missing, old, or older than the bundle says there is."""
        bundle = self._held.bundle()
        if bundle is None:
            return
        present = frozenset(node.node_id for node in bundle.nodes)
        self._shelf.forget_others(present)
        for gone in self._tried_at.keys() - present:
            del self._tried_at[gone]
        # A node that is home to no region, as the hub usually is, has no codes to revoke.
        homes = {route.node_id for route in bundle.routes}
        due = [node for node in bundle.nodes if node.node_id in homes and self._is_due(node)]
        # By the last try and not by age alone: some hundred dead nodes must not keep the others from their turn.
        due.sort(key=lambda node: (self._tried_at.get(node.node_id, 0.0), self._time_held(node), node.node_id))
        end = self._clock.monotonic() + _ROUND
        await asyncio.gather(*(self._fetch(node, end=end) for node in due[:_AT_ONCE]))

    def _is_due(self, node: NodeTrust) -> bool:
        if node.node_id == self._own_id or node.state is not NodeState.ACTIVE:
            return False
        tried_at = self._tried_at.get(node.node_id)
        if tried_at is not None and self._clock.monotonic() - tried_at < _RETRY_AFTER:
            return False
        time_held = self._time_held(node)
        age = self._clock.now() - time_held
        # Nodes make a list whenever they are asked, so there is nearly always a newer one; some patience is due.
        if node.revocation_list is not None and node.revocation_list.list_time > time_held and age > self._max_age / 3:
            return True
        # The hour strikes a little earlier for each node, differently, so that 3,200 are not due at once.
        early = self._max_age / 2 * (int.from_bytes(sm3(node.node_id.encode())[:4], "big") % _SPREAD / _SPREAD)
        return age > self._max_age - early

    def _time_held(self, node: NodeTrust) -> datetime:
        present = self._shelf.get(node.node_id)
        return _NEVER if present is None else present.list_time

    async def _fetch(self, node: NodeTrust, *, end: float) -> None:
        async with self._permits:
            if self._clock.monotonic() >= end:
                return
            self._tried_at[node.node_id] = self._clock.monotonic()
            try:
                evidence = await self._peers.revocation_list(node.node_id)
            except GovcodeError as error:
                log.info("revocation list not fetched", extra={"node": node.node_id, "why": str(error)})
                return
            await self._shelf.take(node.node_id, evidence, published=node.revocation_list)
