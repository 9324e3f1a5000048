"""The hub's board: which node is up, and what all of them have counted (7.6-04, 7.6-05). Counts only, never a person.

Reports come 640 times a second from 3,200 nodes, so the board lives in memory and is rebuilt from the reports within
seconds after a start; what must last, the minute summaries, is in the store before it is acknowledged.
"""

import asyncio
import math
import re
from bisect import bisect_right, insort
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.callers import Call, IdentityMismatchError
from govcode_node.domain.errors import InvalidFieldError, StreamLimitError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import (
    SILENCE_LIMIT,
    NodeCondition,
    NodeStatus,
    NodeUnknownError,
    NodeView,
    OutcomeCount,
    RegisteredNode,
    StatusSummary,
)
from govcode_node.domain.recognition import CLOCK_TOLERANCE
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import EvidenceReader
from govcode_node.ports.stores import Database, NodeTotals
from govcode_node.usecases.pages import Page, page_limit, read_token

DEFAULT_PAGE: Final = 500
MAX_PAGE: Final = 5_000

_SIGN_OF_LIFE: Final = 15.0
_MAX_WATCHERS: Final = 256
_MINUTE: Final = timedelta(minutes=1)
_MOST_IN_A_MINUTE: Final = 1_000_000_000
"""More than any node does. One that lies cannot make its totals outgrow what the store and the messages can hold."""

_OLDEST_MINUTE: Final = timedelta(days=100)
"""Nodes tell at most 70 days late; one that tells minutes of former years fills the store with them."""

_OUTCOME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,39}", re.ASCII)
_NODE_ID: Final = re.compile(r"[0-9]{6}(?:-[a-z0-9]{1,16})?", re.ASCII)


@dataclass(slots=True)
class _Entry:
    """What the board knows of one node; `view` is made when it is asked for and kept until something changes."""

    node: RegisteredNode
    status: NodeStatus | None = None
    last_report_at: datetime | None = None
    heard_at: float = -math.inf
    down: bool = True
    codes_issued: int = 0
    scans: int = 0
    cross_region_scans: int = 0
    view: NodeView | None = None

    def current_view(self) -> NodeView:
        if self.view is None:
            status = self.status
            self.view = NodeView(
                node=self.node,
                condition=NodeCondition.DOWN if self.down or status is None else status.condition,
                last_report_at=self.last_report_at,
                status=status,
                codes_issued=self.codes_issued,
                scans=self.scans,
                cross_region_scans=self.cross_region_scans,
            )
        return self.view


@dataclass(slots=True, eq=False)
class _Watcher:
    """What a watcher has not seen yet; bounded by the number of nodes, however slow it is."""

    pending: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class HubBoard:
    """It takes reports and shows the nodes. `load` fills it at the start, `tick` is the step of a loop of one second.

    The reports of one node must reach one process, since views are not shared between processes.
    """

    def __init__(
        self,
        *,
        own: RegisteredNode,
        database: Database,
        reader: EvidenceReader,
        clock: Clock,
        silence_limit: timedelta = SILENCE_LIMIT,
        sign_of_life: float = _SIGN_OF_LIFE,
        max_watchers: int = _MAX_WATCHERS,
    ) -> None:
        """It takes what it works with.

        Args:
            own: The hub itself, which has its place on the board.
            database: The store.
            reader: Checks summaries.
            clock: The clock.
            silence_limit: After this silence a node is down.
            sign_of_life: Seconds between signs of life to watchers.
            max_watchers: How many may watch at once.
        """
        self._own = own
        self._database = database
        self._reader = reader
        self._clock = clock
        self._silence_limit = silence_limit.total_seconds()
        self._sign_of_life = sign_of_life
        self._max_watchers = max_watchers
        self._entries: dict[str, _Entry] = {}
        self._order: list[str] = []
        self._changed: set[str] = set()
        self._watchers: set[_Watcher] = set()
        self.take_node(own)

    async def load(self) -> None:
        """It fills the board from the registry and the summaries. At the start, then now and then: other workers write.

        Raises:
            StoreUnavailableError: The store does not work.
        """
        nodes, totals = await self._database.read(lambda tx: (tuple(tx.hub.nodes()), tuple(tx.hub.totals())))
        for node in nodes:
            self.take_node(node)
        for total in totals:
            self._raise_totals(total)

    def take_node(self, node: RegisteredNode) -> None:
        """It takes in a node, or what changed of it."""
        node_id = node.trust.node_id
        entry = self._entries.get(node_id)
        if entry is None:
            self._entries[node_id] = _Entry(node)
            insort(self._order, node_id)
        elif entry.node == node:
            return
        else:
            entry.node = node
        self._touch(node_id)

    async def take_report(self, call: Call, report: NodeStatus | bytes) -> None:
        """It takes a node's condition, or a minute summary as signed by the node; on return a summary is kept.

        Raises:
            IdentityMismatchError: The report is another node's.
            EvidenceRefusedError: The summary is not signed by the node.
            InvalidFieldError: A field is not of its form.
            NodeUnknownError: The node is not registered.
            StoreUnavailableError: The summary could not be kept; the node sends it again.
        """
        entry = self._entry(call.caller.name)
        if isinstance(report, NodeStatus):
            _check_status(report, entry.node, caller=call.caller.name)
            self._hear(entry, report)
        else:
            await self._take_summary(entry, report, caller=call.caller.name)

    def view(self, node_id: str) -> NodeView:
        """It shows one node.

        Raises:
            NodeUnknownError: There is no such node.
        """
        entry = self._entry(node_id)
        self._judge(entry)
        return entry.current_view()

    def views(self, *, page_size: int = 0, page_token: str = "") -> Page[NodeView]:
        """It shows the nodes by id, page by page.

        Raises:
            InvalidFieldError: The page size is not possible.
            CursorInvalidError: The token was not made here.
        """
        limit = page_limit(page_size, default=DEFAULT_PAGE, most=MAX_PAGE)
        first = bisect_right(self._order, read_token(page_token, _NODE_ID)) if page_token else 0
        chosen = self._order[first : first + limit]
        return Page(
            items=self._views_of(chosen), next_page_token=chosen[-1] if first + limit < len(self._order) else ""
        )

    async def watch(self) -> AsyncGenerator[Sequence[NodeView], None]:
        """It yields all views, then those that changed, each at most once a tick; nothing in it is a sign of life.

        Raises:
            StreamLimitError: Too many watch.
        """
        if len(self._watchers) >= self._max_watchers:
            raise StreamLimitError(self._max_watchers)
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield self._views_of(self._order)
            while True:
                try:
                    async with asyncio.timeout(self._sign_of_life):
                        await watcher.woken.wait()
                except TimeoutError:
                    yield ()
                    continue
                changed, watcher.pending = watcher.pending, set()
                watcher.woken.clear()
                yield self._views_of(sorted(changed))
        finally:
            self._watchers.discard(watcher)

    async def tick(self) -> None:
        """It finds the nodes that fell silent and tells watchers what changed. The step of a loop of one second."""
        for entry in self._entries.values():
            self._judge(entry)
        changed, self._changed = self._changed, set()
        if changed:
            for watcher in self._watchers:
                watcher.pending |= changed
                watcher.woken.set()

    def _entry(self, node_id: str) -> _Entry:
        entry = self._entries.get(node_id)
        if entry is None:
            raise NodeUnknownError(node_id)
        return entry

    def _views_of(self, node_ids: Iterable[str]) -> tuple[NodeView, ...]:
        entries = [self._entries[node_id] for node_id in node_ids]
        for entry in entries:
            self._judge(entry)
        return tuple(entry.current_view() for entry in entries)

    def _judge(self, entry: _Entry) -> None:
        down = self._clock.monotonic() - entry.heard_at >= self._silence_limit
        if down != entry.down:
            entry.down = down
            self._touch(entry.node.trust.node_id)

    def _hear(self, entry: _Entry, status: NodeStatus) -> None:
        entry.status = status
        entry.last_report_at = self._clock.now()
        entry.heard_at = self._clock.monotonic()
        entry.down = False
        self._touch(entry.node.trust.node_id)

    def _touch(self, node_id: str) -> None:
        self._entries[node_id].view = None
        self._changed.add(node_id)

    async def _take_summary(self, entry: _Entry, evidence: bytes, *, caller: str) -> None:
        read = await self._reader.read(
            evidence, purpose=EvidencePurpose.STATUS_SUMMARY, kind=StatusSummary, signer=caller
        )
        summary = read.statement
        _check_summary(summary, caller=caller, now=self._clock.now())
        if await self._database.run(lambda tx: tx.hub.add_summary(summary)):
            scans, cross_region = count_scans(summary)
            entry.codes_issued += summary.codes_issued
            entry.scans += scans
            entry.cross_region_scans += cross_region
            self._touch(caller)

    def _raise_totals(self, total: NodeTotals) -> None:
        """It takes the store's totals where they are greater: a summary may have come while they were added up."""
        entry = self._entries.get(total.node_id)
        if entry is None:
            return
        entry.codes_issued = max(entry.codes_issued, total.codes_issued)
        entry.scans = max(entry.scans, total.scans)
        entry.cross_region_scans = max(entry.cross_region_scans, total.cross_region_scans)
        self._touch(total.node_id)


def count_scans(summary: StatusSummary) -> tuple[int, int]:
    """It counts the scans made at the node, and those of other regions' codes among them.

    A scan that the node decided for another one stands in both nodes' summaries; it is counted where it was made.
    """
    made_here = [entry for entry in summary.outcomes if entry.visited_node == summary.node_id]
    cross_region = (entry.count for entry in made_here if entry.home_node not in {"", summary.node_id})
    return sum(entry.count for entry in made_here), sum(cross_region)


def _check_status(status: NodeStatus, node: RegisteredNode, *, caller: str) -> None:
    if status.node_id != caller:
        raise IdentityMismatchError(certificate=caller, message=status.node_id)
    if status.region_code != node.trust.region_code:
        raise InvalidFieldError("status.region_code", "is not the region of the registration")
    for name in ("calls_per_second", "p99_ms", "fault_ratio"):
        value = getattr(status, name)
        if not math.isfinite(value) or value < 0:
            raise InvalidFieldError(f"status.{name}", "is not a number from 0 on")


def _check_summary(summary: StatusSummary, *, caller: str, now: datetime) -> None:
    if summary.node_id != caller:
        raise IdentityMismatchError(certificate=caller, message=summary.node_id)
    if summary.minute.second or summary.minute.microsecond:
        raise InvalidFieldError("summary.minute", "is not the begin of a minute")
    # Not by adding to the minute: the last one of the year 9999 has no next.
    if summary.minute > now + CLOCK_TOLERANCE - _MINUTE:
        raise InvalidFieldError("summary.minute", "is not over yet")
    if summary.minute < now - _OLDEST_MINUTE:
        raise InvalidFieldError("summary.minute", f"is more than {_OLDEST_MINUTE.days} days ago")
    if max(summary.codes_issued, sum(entry.count for entry in summary.outcomes)) > _MOST_IN_A_MINUTE:
        raise InvalidFieldError("summary", "counts more than a minute can have")
    for entry in summary.outcomes:
        _check_outcome(entry)
    if len({(entry.visited_node, entry.home_node, entry.outcome) for entry in summary.outcomes}) != len(
        summary.outcomes
    ):
        raise InvalidFieldError("summary.outcomes", "counts the same thing twice")


def _check_outcome(entry: OutcomeCount) -> None:
    """It lets words of the contract and node ids through and nothing else, so that no text can carry a person here."""
    if _OUTCOME.fullmatch(entry.outcome) is None:
        raise InvalidFieldError("summary.outcomes.outcome", "is not the name of an outcome")
    if _NODE_ID.fullmatch(entry.visited_node) is None or (entry.home_node and not _NODE_ID.fullmatch(entry.home_node)):
        raise InvalidFieldError("summary.outcomes", "names something that is no node")
