"""How this node finds itself: what it tells its operators, its health check and the hub (7.6).

A part counts as sound only after it has been tried: the store by a durable write, the signing key by a signature. A
health check that only asks whether the process runs stays green while every answer fails.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.nodes import Impairment, NodeCondition, NodeStatus, PeerCondition, StatusSummary
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import BUNDLE_WARN_AGE
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import TrustHolder
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.traffic import Traffic

log = logging.getLogger(__name__)

HUB_SILENCE: Final = 45.0
"""Seconds without a word of the hub after which it counts as away; it gives a sign of life at least every 20 s."""

_PROBE_TIMEOUT: Final = 5.0
_PROBE_MEMORY: Final = 30.0
_MINUTE: Final = timedelta(minutes=1)
_NOT_COUNTED: Final = "/grpc."
_FATAL: Final = frozenset({Impairment.STORE, Impairment.SIGNING_KEY})

Probe = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What does not change while the node runs.

    Attributes:
        node_id: Its id.
        region_code: Region that it serves.
        software_version: Version of the program.
        keystore: Kind of its keystore; `SOFTWARE` is for development only.
    """

    node_id: str
    region_code: RegionCode
    software_version: str
    keystore: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the node sees around itself, asked for each time.

    Attributes:
        peers: Its peers, those called in the last hour.
        hub_silence: Seconds since the hub was heard; None if it never was.
        oldest_loop: Age in seconds of the background loop that fell behind most.
        overdue_loops: Names of the loops that are overdue.
    """

    peers: Callable[[], Sequence[PeerCondition]] = tuple
    hub_silence: Callable[[], float | None] = lambda: None
    oldest_loop: Callable[[], float] = lambda: 0.0
    overdue_loops: Callable[[], Sequence[str]] = tuple


class NodeStatusKeeper:
    """It gathers the node's condition. `check` is the step of a loop of about ten seconds; `observe` sees each call."""

    def __init__(
        self,
        *,
        facts: NodeFacts,
        clock: Clock,
        database: Database,
        trust: TrustHolder,
        surroundings: Surroundings,
        sign: Probe,
        identify: Probe | None = None,
        bundle_warn_age: timedelta = BUNDLE_WARN_AGE,
    ) -> None:
        """It takes what it asks.

        Args:
            facts: The node.
            clock: The clock.
            database: The store; its check is a durable write.
            trust: The trust bundle.
            surroundings: Peers, hub and loops.
            sign: Tries the signing key; raises where it does not sign.
            identify: Tries the identity provider; None where there is nothing to try.
            bundle_warn_age: From this age on the bundle counts as impaired.
        """
        self._facts = facts
        self._clock = clock
        self._database = database
        self._trust = trust
        self._surroundings = surroundings
        self._bundle_warn_age = bundle_warn_age
        self._probes: dict[Impairment, Probe] = {Impairment.STORE: database.check, Impairment.SIGNING_KEY: sign}
        if identify is not None:
            self._probes[Impairment.IDENTITY_PROVIDER] = identify
        self._sound_at: dict[Impairment, float] = {}
        self._reported: set[Impairment] = set()
        self._traffic = Traffic(clock.monotonic)
        self._started_at = clock.now()
        self._draining = False

    def observe(self, method: str, seconds: float, fault: bool, *, streaming: bool = False) -> None:
        """It counts a call that ended.

        Args:
            method: Full method name; health checks and reflection are not counted.
            seconds: How long it took.
            fault: Whether the server was at fault.
            streaming: Whether it was a stream, whose length is left out of the percentile.
        """
        if not method.startswith(_NOT_COUNTED):
            self._traffic.note(None if streaming else seconds, fault=fault)

    def drain(self) -> None:
        """It notes that the node is about to stop."""
        self._draining = True

    async def check(self) -> None:
        """It tries the parts of the node. What fails is noted, not raised: that a part is broken is a finding."""
        await asyncio.gather(*(self._try(part, probe) for part, probe in self._probes.items()))

    def condition(self) -> tuple[NodeCondition, tuple[Impairment, ...]]:
        """It judges the node now: its condition, and what is impaired."""
        impairments = tuple(part for part in Impairment if self._impaired(part))
        if self._draining:
            return NodeCondition.DRAINING, impairments
        if _FATAL & set(impairments):
            return NodeCondition.DOWN, impairments
        if impairments or self._surroundings.overdue_loops():
            return NodeCondition.DEGRADED, impairments
        return NodeCondition.UP, impairments

    def status(self) -> NodeStatus:
        """It takes the condition now."""
        condition, impairments = self.condition()
        figures = self._traffic.figures()
        bundle = self._trust.bundle()
        return NodeStatus(
            node_id=self._facts.node_id,
            region_code=self._facts.region_code,
            condition=condition,
            impairments=impairments,
            software_version=self._facts.software_version,
            started_at=self._started_at,
            taken_at=self._clock.now(),
            keystore=self._facts.keystore,
            bundle_version=0 if bundle is None else bundle.version,
            bundle_age=self._trust.age() or timedelta(),
            calls_per_second=figures.calls_per_second,
            p99_ms=figures.p99_ms,
            fault_ratio=figures.fault_ratio,
            store_queue=self._database.queue_length(),
            slowest_loop_age=timedelta(seconds=self._surroundings.oldest_loop()),
            peers=tuple(self._surroundings.peers()),
        )

    async def summary(self, minute: datetime) -> StatusSummary:
        """It counts what the node did in one minute, from the store.

        Args:
            minute: Begin of the minute.

        Raises:
            StoreUnavailableError: The store does not work.
        """
        end = minute + _MINUTE

        def query(tx: Transaction) -> StatusSummary:
            return StatusSummary(
                node_id=self._facts.node_id,
                minute=minute,
                codes_issued=tx.codes.count_issued(start=minute, end=end),
                outcomes=tuple(tx.scans.count_outcomes(start=minute, end=end)),
            )

        return await self._database.read(query)

    async def _try(self, part: Impairment, probe: Probe) -> None:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                await probe()
        except Exception as error:  # whatever it is, the part does not work
            self._sound_at.pop(part, None)
            if part not in self._reported:
                self._reported.add(part)
                log.exception("part impaired", extra={"part": part.value, "why": type(error).__name__})
        else:
            self._sound_at[part] = self._clock.monotonic()
            if part in self._reported:
                self._reported.discard(part)
                log.info("part sound again", extra={"part": part.value})

    def _impaired(self, part: Impairment) -> bool:
        match part:
            case Impairment.HUB:
                silence = self._surroundings.hub_silence()
                return silence is None or silence > HUB_SILENCE
            case Impairment.TRUST_BUNDLE:
                age = self._trust.age()
                return age is None or age > self._bundle_warn_age
            case Impairment.PEER:
                return not all(peer.available for peer in self._surroundings.peers())
            case _:
                return part in self._probes and not self._is_sound(part)

    def _is_sound(self, part: Impairment) -> bool:
        """Whether it was tried with success lately; a check that hangs must not leave the old finding standing."""
        tried_at = self._sound_at.get(part)
        return tried_at is not None and self._clock.monotonic() - tried_at <= _PROBE_MEMORY
