"""Reports to the hub: however long it is away and whoever restarts, each minute is counted exactly once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from govcode_node.domain.nodes import NodeStatus, OutcomeCount, StatusSummary
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.federation.hub_link import Acknowledgement
from govcode_node.federation.local_hub import LocalHub
from govcode_node.federation.reporter import Reporter, ReportPosition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.hub_fakes import HUB, START, HubKit, NodeKit

MINUTE = timedelta(minutes=1)


class Wire:
    """The way to the hub's board. It can be cut, swallow acknowledgements, or break after some reports."""

    def __init__(self, hub: HubKit, node: NodeKit) -> None:
        self.hub = hub
        self.node = node
        self.cut = False
        self.deaf = False
        self.breaks_after: int | None = None
        self.streams = 0
        self.statuses = 0

    def open_reports(self) -> "Stream":
        if self.cut:
            raise HomeNodeUnreachableError(HUB)
        self.streams += 1
        return Stream(self)


class Stream:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.seq = 0
        self.words: asyncio.Queue[Acknowledgement] = asyncio.Queue()

    async def send(self, report: NodeStatus | bytes) -> int:
        wire = self.wire
        if wire.breaks_after is not None:
            wire.breaks_after -= 1
        if wire.cut or (wire.breaks_after is not None and wire.breaks_after < 0):
            raise HomeNodeUnreachableError(HUB)
        await wire.hub.board.take_report(wire.node.call, report)
        wire.statuses += isinstance(report, NodeStatus)
        self.seq += 1
        if not wire.deaf:
            self.words.put_nowait(Acknowledgement(self.seq, wire.hub.registry.bundle_version))
        return self.seq

    async def acknowledgement(self) -> Acknowledgement:
        return await self.words.get()

    async def close(self) -> None:
        self.words = asyncio.Queue()


class Node:
    """A node that issues one code and makes one scan each minute."""

    def __init__(self, folder: Path) -> None:
        self.hub = HubKit()
        self.clock = self.hub.clock
        self.kit = NodeKit("420100", self.clock)
        self.wire = Wire(self.hub, self.kit)
        self.position = folder / "report-position"
        self.heard: list[int] = []
        self.start()

    def start(self, **changes: object) -> None:
        """Begin anew with what lies on disk."""
        self.reporter = Reporter(
            status=self,
            summarize=self.summarize,
            sink=self.wire,
            attestor=self.kit.attestor,
            position=ReportPosition(self.position),
            clock=self.clock,
            newer_bundle=self.newer_bundle,
            **changes,  # type: ignore[arg-type]
        )

    def status(self) -> NodeStatus:
        return self.kit.status()

    async def summarize(self, minute: datetime) -> StatusSummary:
        scan = OutcomeCount(visited_node="420100", home_node="310000", outcome="VALID", count=1)
        return StatusSummary(node_id="420100", minute=minute, codes_issued=1, outcomes=(scan,))

    async def newer_bundle(self, version: int) -> None:
        self.heard.append(version)

    async def step(self) -> bool:
        """One step of the loop, and the hub's words after it; whether it went well."""
        try:
            await self.reporter.step()
        except HomeNodeUnreachableError:
            return False
        finally:
            await self.settle()
        return True

    async def settle(self) -> None:
        """Let the acknowledgements be read."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def work(self, minutes: int) -> None:
        """Go on for some minutes, reporting twice a minute."""
        for _ in range(minutes * 2):
            self.clock.advance(30)
            await self.step()

    async def counted(self) -> int:
        (total,) = await self.hub.database.read(lambda tx: tx.hub.totals()) or [None]
        if total is None:
            return 0
        assert total.codes_issued == total.scans == total.cross_region_scans
        return total.scans


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(tmp_path)
    await node.hub.join(node.kit)
    yield node
    await node.reporter.close()
    node.hub.close()


async def test_condition_goes_out_with_each_step_over_one_stream(node: Node) -> None:
    for _ in range(4):
        assert await node.step()
        node.clock.advance(5)
    assert (node.wire.statuses, node.wire.streams) == (4, 1)
    assert node.hub.board.view("420100").status is not None
    assert node.heard[-1] == node.hub.registry.bundle_version


async def test_minute_is_told_once_it_is_over_and_settled(node: Node) -> None:
    await node.step()
    node.clock.advance(89)
    await node.step()
    assert await node.counted() == 0
    node.clock.advance(1)
    await node.step()
    assert await node.counted() == 1


@pytest.mark.req("7.6-04")
async def test_ten_minutes_without_the_hub_leave_no_gap_and_count_nothing_twice(node: Node) -> None:
    await node.work(5)
    node.wire.cut = True
    await node.work(10)
    node.wire.cut = False
    await node.work(5)
    assert await node.counted() == 19
    assert node.hub.board.view("420100").scans == 19


@pytest.mark.req("7.6-04")
async def test_hours_without_the_hub_are_caught_up_in_order_after_restarts(node: Node) -> None:
    await node.step()
    node.wire.cut = True
    await node.work(30)
    await node.reporter.close()
    node.start()
    await node.work(30)
    node.clock.advance(timedelta(hours=5))
    await node.reporter.close()
    node.start()
    node.wire.cut = False
    for _ in range(60):
        await node.step()
    assert await node.counted() == 6 * 60 - 1


@pytest.mark.req("7.6-04")
async def test_minutes_of_before_the_first_contact_with_the_hub_are_not_lost_by_a_restart(node: Node) -> None:
    node.wire.cut = True
    await node.step()
    await node.work(10)
    node.start()
    node.wire.cut = False
    await node.work(1)
    await node.step()
    assert await node.counted() == 10


@pytest.mark.req("7.6-04")
async def test_summary_without_acknowledgement_is_sent_again_and_counted_once(node: Node) -> None:
    await node.work(3)
    counted = await node.counted()
    node.wire.deaf = True
    await node.work(2)
    assert await node.counted() > counted
    node.wire.deaf = False
    assert node.wire.streams > 1
    await node.work(2)
    assert await node.counted() == 6


async def test_silence_of_the_hub_ends_the_stream_so_that_another_begins(node: Node) -> None:
    await node.step()
    node.wire.deaf = True
    node.clock.advance(5)
    assert await node.step()
    node.clock.advance(20.5)
    assert not await node.step()
    node.wire.deaf = False
    assert await node.step()
    assert node.wire.streams == 2


async def test_no_more_minutes_are_under_way_than_the_window_holds(node: Node) -> None:
    await node.step()
    node.wire.deaf = True
    node.clock.advance(timedelta(hours=1))
    await node.reporter.close()
    await node.step()
    assert await node.counted() == 16


async def test_position_that_cannot_be_read_goes_back_a_day_since_twice_told_is_once_counted(node: Node) -> None:
    await node.work(10)
    counted = await node.counted()
    await node.reporter.close()
    node.position.write_text("yesterday, I think")
    node.start()
    for _ in range(120):
        await node.step()
    day = 24 * 60
    assert counted == 9
    assert await node.counted() == day - 1


async def test_what_is_older_than_the_longest_gap_is_given_up_aloud(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    await node.step()
    await node.reporter.close()
    node.clock.advance(timedelta(hours=10))
    node.start(longest_gap=30)
    for _ in range(5):
        await node.step()
    assert await node.counted() == 29
    (record,) = [record for record in caplog.records if "given up" in record.message]
    assert record.__dict__["minutes"] == 600 - 30


@pytest.mark.req("7.6-04")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.one_of(
            st.sampled_from(["cut", "mend", "deaf", "hearing", "restart"]), st.integers(0, 20), st.just("minute")
        ),
        max_size=40,
    )
)
async def test_whatever_happens_on_the_way_each_minute_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, events: list[str | int]
) -> None:
    node = Node(tmp_path_factory.mktemp("reports"))
    await node.hub.join(node.kit)
    await node.step()
    minutes = 0
    for event in events:
        match event:
            case "cut" | "mend":
                node.wire.cut = event == "cut"
            case "deaf" | "hearing":
                node.wire.deaf = event == "deaf"
            case "restart":
                await node.reporter.close()
                node.start()
            case "minute":
                minutes += 1
                await node.work(1)
            case int():
                node.wire.breaks_after = event
                await node.step()
                node.wire.breaks_after = None
    node.wire.cut = node.wire.deaf = False
    node.clock.advance(30)
    for _ in range(6):
        node.clock.advance(0.1)
        await node.step()
        await node.reporter.close()
    assert await node.counted() == minutes
    await node.reporter.close()
    node.hub.close()


async def test_hub_reports_to_itself_without_a_wire(tmp_path: Path) -> None:
    hub = HubKit()
    await hub.registry.issue_bundle()
    await hub.follow()

    class Own:
        def status(self) -> NodeStatus:
            return hub.node.status()

    async def summarize(minute: datetime) -> StatusSummary:
        return StatusSummary(node_id=HUB, minute=minute, codes_issued=0, outcomes=())

    local = LocalHub(registry=hub.registry, board=hub.board, own_call=hub.node.call)
    reporter = Reporter(
        status=Own(),
        summarize=summarize,
        sink=local,
        attestor=hub.node.attestor,
        position=ReportPosition(tmp_path / "position"),
        clock=hub.clock,
    )
    await reporter.step()
    await asyncio.sleep(0)
    hub.clock.advance(90)
    await reporter.step()
    assert hub.board.view(HUB).last_report_at == START + timedelta(seconds=90)
    assert await hub.database.read(lambda tx: len(tx.hub.totals())) == 1
    assert await local.newest_bundle(0) == await hub.registry.newest_bundle()
    assert await anext(local.watch_bundles(0)) == await hub.registry.newest_bundle()
    await reporter.close()
    hub.close()
