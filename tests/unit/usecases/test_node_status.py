"""How a node finds itself: parts are tried, not assumed, and what is old counts as gone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.domain.nodes import Impairment, NodeCondition, PeerCondition
from govcode_node.domain.regions import RegionCode
from govcode_node.usecases import node_status
from govcode_node.usecases.node_status import HUB_SILENCE, NodeFacts, NodeStatusKeeper, Surroundings
from govcode_node.usecases.traffic import Traffic
from kit.clocks import MovableClock
from kit.hub_fakes import START, HubKit, NodeKit


class Around:
    """What the node sees around itself, as a test sets it."""

    def __init__(self) -> None:
        self.peers: tuple[PeerCondition, ...] = ()
        self.hub_silence: float | None = 1.0
        self.oldest_loop = 3.0
        self.overdue: tuple[str, ...] = ()
        self.key_works = True

    async def sign(self) -> None:
        if not self.key_works:
            raise OSError("the device is gone")


class Node:
    def __init__(self) -> None:
        self.hub = HubKit()
        self.clock: MovableClock = self.hub.clock
        self.around = Around()
        self.keeper = NodeStatusKeeper(
            facts=NodeFacts(
                node_id="420100", region_code=RegionCode("420100"), software_version="0.1.0", keystore="SOFTWARE"
            ),
            clock=self.clock,
            database=self.hub.database,
            trust=self.hub.held,
            surroundings=Surroundings(
                peers=lambda: self.around.peers,
                hub_silence=lambda: self.around.hub_silence,
                oldest_loop=lambda: self.around.oldest_loop,
                overdue_loops=lambda: self.around.overdue,
            ),
            sign=self._sign,
        )

    async def _sign(self) -> None:
        await self.around.sign()

    async def make_sound(self) -> None:
        await self.hub.join(NodeKit("420100", self.clock))
        await self.keeper.check()


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node()
    await node.make_sound()
    yield node
    node.hub.close()


def condition(node: Node) -> tuple[NodeCondition, tuple[Impairment, ...]]:
    return node.keeper.condition()


async def test_node_is_up_when_everything_was_tried_and_works(node: Node) -> None:
    assert condition(node) == (NodeCondition.UP, ())


async def test_node_that_has_tried_nothing_yet_is_not_up() -> None:
    fresh = Node()
    assert condition(fresh)[0] is NodeCondition.DOWN
    fresh.hub.close()


@pytest.mark.parametrize("part", [Impairment.STORE, Impairment.SIGNING_KEY])
async def test_broken_store_or_signing_key_takes_the_node_down_until_it_works_again(
    node: Node, part: Impairment
) -> None:
    if part is Impairment.STORE:
        node.hub.database.fault = StoreUnavailableError("full")
    else:
        node.around.key_works = False
    await node.keeper.check()
    assert condition(node) == (NodeCondition.DOWN, (part,))
    node.hub.database.fault, node.around.key_works = None, True
    await node.keeper.check()
    assert condition(node) == (NodeCondition.UP, ())


async def test_probe_that_hangs_counts_as_broken(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_status, "_PROBE_TIMEOUT", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    node.around.sign = hang  # type: ignore[method-assign]
    await node.keeper.check()
    assert condition(node) == (NodeCondition.DOWN, (Impairment.SIGNING_KEY,))


async def test_findings_older_than_half_a_minute_count_for_nothing(node: Node) -> None:
    node.clock.advance(30)
    assert condition(node) == (NodeCondition.UP, ())
    node.clock.advance(0.5)
    assert condition(node)[0] is NodeCondition.DOWN


async def test_hub_that_is_silent_or_was_never_heard_impairs(node: Node) -> None:
    node.around.hub_silence = HUB_SILENCE
    assert condition(node) == (NodeCondition.UP, ())
    for silence in (HUB_SILENCE + 0.1, None):
        node.around.hub_silence = silence
        assert condition(node) == (NodeCondition.DEGRADED, (Impairment.HUB,))


@pytest.mark.req("N-48")
async def test_bundle_impairs_from_one_hour_on_and_its_age_is_told(node: Node) -> None:
    node.clock.advance(timedelta(hours=1))
    await node.keeper.check()
    assert condition(node) == (NodeCondition.UP, ())
    node.clock.advance(0.001)
    assert condition(node) == (NodeCondition.DEGRADED, (Impairment.TRUST_BUNDLE,))
    assert node.keeper.status().bundle_age == timedelta(hours=1, milliseconds=1)


async def test_peer_behind_an_open_breaker_and_a_loop_behind_time_degrade(node: Node) -> None:
    node.around.peers = (PeerCondition(node_id="310000", available=False, answer_ms=0),)
    assert condition(node) == (NodeCondition.DEGRADED, (Impairment.PEER,))
    node.around.peers = (PeerCondition(node_id="310000", available=True, answer_ms=4),)
    assert condition(node) == (NodeCondition.UP, ())
    node.around.overdue = ("bundle poll",)
    assert condition(node) == (NodeCondition.DEGRADED, ())


async def test_draining_node_says_so(node: Node) -> None:
    node.keeper.drain()
    assert condition(node)[0] is NodeCondition.DRAINING


async def test_status_has_the_facts_of_the_node(node: Node) -> None:
    status = node.keeper.status()
    assert status.node_id == "420100"
    assert status.keystore == "SOFTWARE"
    assert status.bundle_version == node.hub.registry.bundle_version
    assert status.slowest_loop_age == timedelta(seconds=3)
    assert status.started_at == START


async def test_figures_cover_the_last_minute_alone_and_leave_out_streams_and_probes(node: Node) -> None:
    node.clock.advance(120)
    for number in range(120):
        node.keeper.observe("/govcode.code.v1.CodeApplicationService/ScanCode", 0.010, number % 10 == 0)
        node.keeper.observe("/grpc.health.v1.Health/Check", 5.0, True)
        node.clock.advance(0.5)
    node.keeper.observe("/govcode.code.v1.CodeApplicationService/WatchEvents", 900.0, False, streaming=True)
    status = node.keeper.status()
    assert status.calls_per_second == pytest.approx(2, rel=0.05)
    assert status.fault_ratio == pytest.approx(0.1, rel=0.1)
    assert 10 <= status.p99_ms <= 11.01
    node.clock.advance(60)
    status = node.keeper.status()
    assert (status.calls_per_second, status.p99_ms, status.fault_ratio) == (0, 0, 0)


async def test_percentile_finds_the_slow_hundredth() -> None:
    clock = MovableClock()
    traffic = Traffic(clock.monotonic)
    for _ in range(985):
        traffic.note(0.002, fault=False)
    for _ in range(15):
        traffic.note(1.0, fault=False)
    traffic.note(100_000.0, fault=False)
    assert 1000 <= traffic.figures().p99_ms <= 1101


async def test_summary_counts_one_minute_from_the_store(node: Node) -> None:
    summary = await node.keeper.summary(START)
    assert (summary.node_id, summary.minute, summary.codes_issued, summary.outcomes) == ("420100", START, 0, ())
