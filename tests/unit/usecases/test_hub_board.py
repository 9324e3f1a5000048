"""The hub's board: who is down, what was counted, and that nothing but counts gets there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from govcode_node.domain.callers import IdentityMismatchError
from govcode_node.domain.errors import CursorInvalidError, InvalidFieldError, StoreUnavailableError, StreamLimitError
from govcode_node.domain.nodes import NodeCondition, NodeState, NodeUnknownError, NodeView, OutcomeCount
from govcode_node.domain.recognition import EvidenceRefusedError
from govcode_node.domain.regions import RegionCode
from govcode_node.usecases.hub_board import HubBoard
from govcode_node.wire.status import node_view_to_proto
from kit.hub_fakes import HUB, START, HubKit, NodeKit, operator_call

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def hub() -> AsyncIterator[HubKit]:
    kit = HubKit()
    yield kit
    kit.close()


@pytest.fixture
async def wuhan(hub: HubKit) -> NodeKit:
    node = NodeKit("420100", hub.clock)
    await hub.join(node)
    hub.clock.advance(timedelta(hours=1))
    return node


def board_over(hub: HubKit, **settings: float) -> HubBoard:
    return HubBoard(
        own=hub.node.registered(),
        database=hub.database,
        reader=hub.reader,
        clock=hub.clock,
        **settings,  # type: ignore[arg-type]
    )


@pytest.mark.req("7.6-05")
async def test_node_is_down_after_twenty_seconds_of_silence_and_not_before(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.board.take_report(wuhan.call, wuhan.status())
    hub.clock.advance(19.999)
    assert hub.board.view("420100").condition is NodeCondition.UP
    hub.clock.advance(0.001)
    down = hub.board.view("420100")
    assert down.condition is NodeCondition.DOWN
    assert down.last_report_at == hub.clock.now() - timedelta(seconds=20)
    await hub.board.take_report(wuhan.call, wuhan.status(NodeCondition.DEGRADED))
    assert hub.board.view("420100").condition is NodeCondition.DEGRADED


@pytest.mark.req("7.6-05")
async def test_fleet_of_3200_nodes_is_reported_and_listed_without_a_query(hub: HubKit) -> None:
    fleet = [
        NodeKit(f"{11 + number // 100:02}{number % 99 + 1:02}00-n{number}", hub.clock, sign_key="fleet")
        for number in range(3200)
    ]
    for node in fleet:
        hub.board.take_node(node.registered())
        await hub.board.take_report(node.call, node.status())
    hub.database.fault = StoreUnavailableError("not needed")
    page = hub.board.views(page_size=5000)
    assert len(page.items) == 3201
    assert sum(view.condition is NodeCondition.UP for view in page.items) == 3200
    hub.clock.advance(20)
    assert all(view.condition is NodeCondition.DOWN for view in hub.board.views(page_size=5000).items)


async def test_node_never_heard_is_down_and_says_never(hub: HubKit, wuhan: NodeKit) -> None:
    del wuhan
    view = hub.board.view("420100")
    assert (view.condition, view.last_report_at, view.status) == (NodeCondition.DOWN, None, None)


async def test_clock_set_back_does_not_hide_silence(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.board.take_report(wuhan.call, wuhan.status())
    hub.clock.advance(20)
    hub.clock._now -= timedelta(minutes=5)
    assert hub.board.view("420100").condition is NodeCondition.DOWN


async def test_report_about_another_node_is_refused(hub: HubKit, wuhan: NodeKit) -> None:
    other = NodeKit("310000", hub.clock)
    with pytest.raises(IdentityMismatchError):
        await hub.board.take_report(wuhan.call, other.status())
    with pytest.raises(NodeUnknownError):
        await hub.board.take_report(other.call, other.status())
    with pytest.raises(InvalidFieldError):
        await hub.board.take_report(wuhan.call, wuhan.status(region_code=RegionCode("310000")))
    assert hub.board.view("420100").status is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
async def test_figures_that_are_no_numbers_are_refused(hub: HubKit, wuhan: NodeKit, value: float) -> None:
    with pytest.raises(InvalidFieldError):
        await hub.board.take_report(wuhan.call, wuhan.status(p99_ms=value))


def outcomes() -> tuple[OutcomeCount, ...]:
    def count(visited: str, home: str, outcome: str, number: int) -> OutcomeCount:
        return OutcomeCount(visited_node=visited, home_node=home, outcome=outcome, count=number)

    return (
        count("420100", "420100", "VALID", 10),
        count("420100", "310000", "VALID", 3),
        count("420100", "310000", "EXPIRED", 2),
        count("420100", "", "MALFORMED", 1),
        count("310000", "420100", "VALID", 7),
    )


@pytest.mark.req("7.6-04")
async def test_minute_is_counted_once_however_often_it_comes(hub: HubKit, wuhan: NodeKit) -> None:
    for _ in range(3):
        evidence = await wuhan.signed_summary(START, *outcomes(), codes_issued=5)
        await hub.board.take_report(wuhan.call, evidence)
    await hub.board.take_report(wuhan.call, await wuhan.signed_summary(START + MINUTE, codes_issued=2))
    view = hub.board.view("420100")
    assert (view.codes_issued, view.scans, view.cross_region_scans) == (7, 16, 5)


@pytest.mark.req("7.6-04")
async def test_totals_survive_a_restart_of_the_hub(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.board.take_report(wuhan.call, await wuhan.signed_summary(START, *outcomes(), codes_issued=5))
    before = hub.board.view("420100")
    board = board_over(hub)
    await board.load()
    after = board.view("420100")
    assert (after.codes_issued, after.scans, after.cross_region_scans) == (5, 16, 5)
    assert (before.codes_issued, before.scans, before.cross_region_scans) == (5, 16, 5)
    await board.take_report(wuhan.call, await wuhan.signed_summary(START, *outcomes(), codes_issued=5))
    await board.load()
    assert board.view("420100").scans == 16


async def test_summary_that_could_not_be_kept_is_not_counted(hub: HubKit, wuhan: NodeKit) -> None:
    evidence = await wuhan.signed_summary(START, *outcomes())
    hub.database.fault = StoreUnavailableError("full")
    with pytest.raises(StoreUnavailableError):
        await hub.board.take_report(wuhan.call, evidence)
    hub.database.fault = None
    assert hub.board.view("420100").scans == 0
    await hub.board.take_report(wuhan.call, evidence)
    assert hub.board.view("420100").scans == 16


async def test_summary_of_another_node_or_altered_is_refused(hub: HubKit, wuhan: NodeKit) -> None:
    shanghai = NodeKit("310000", hub.clock)
    await hub.join(shanghai)
    evidence = await wuhan.signed_summary(START, *outcomes())
    with pytest.raises(EvidenceRefusedError):
        await hub.board.take_report(shanghai.call, evidence)
    with pytest.raises((EvidenceRefusedError, IdentityMismatchError)):
        await hub.board.take_report(wuhan.call, await wuhan.signed_summary(START, node_id="310000"))
    with pytest.raises(EvidenceRefusedError):
        await hub.board.take_report(wuhan.call, evidence[:-1] + bytes([evidence[-1] ^ 1]))
    assert await hub.database.read(lambda tx: tx.hub.totals()) == []


@pytest.mark.parametrize("offset", [timedelta(seconds=1), timedelta(hours=2)])
async def test_minute_that_is_none_or_not_over_is_refused(hub: HubKit, wuhan: NodeKit, offset: timedelta) -> None:
    with pytest.raises(InvalidFieldError):
        await hub.board.take_report(wuhan.call, await wuhan.signed_summary(START + offset))


@pytest.mark.parametrize("minute", [datetime(9999, 12, 31, 23, 59, tzinfo=UTC), START - timedelta(days=101)])
async def test_minute_of_the_last_day_of_time_or_of_long_ago_is_refused(
    hub: HubKit, wuhan: NodeKit, minute: datetime
) -> None:
    with pytest.raises(InvalidFieldError):
        await hub.board.take_report(wuhan.call, await wuhan.signed_summary(minute))


@pytest.mark.parametrize("great", [2**63 - 1, 2**64 - 1])
async def test_counts_that_no_minute_can_have_are_refused_and_the_board_can_still_be_shown(
    hub: HubKit, wuhan: NodeKit, great: int
) -> None:
    with pytest.raises(InvalidFieldError):
        await hub.board.take_report(wuhan.call, await wuhan.signed_summary(START, codes_issued=great))
    lie = [
        OutcomeCount(visited_node="420100", home_node=home, outcome="VALID", count=great // 2)
        for home in ("310000", "330000", "420100")
    ]
    with pytest.raises(InvalidFieldError):
        await hub.board.take_report(wuhan.call, await wuhan.signed_summary(START + MINUTE, *lie))
    assert await hub.database.read(lambda tx: tx.hub.totals()) == []
    assert node_view_to_proto(hub.board.view("420100")).scans == 0


@pytest.mark.req("6.2-14")
@pytest.mark.parametrize(
    ("visited", "home", "outcome"),
    [
        ("420100", "310000", "张三 被拒绝"),
        ("420100", "310000", "ZWM1:AAAA"),
        ("420100", "11010519491231002X", "VALID"),
        ("13800000000", "420100", "VALID"),
    ],
)
async def test_hub_takes_counts_by_outcome_and_node_and_no_other_text(
    hub: HubKit, wuhan: NodeKit, visited: str, home: str, outcome: str
) -> None:
    odd = OutcomeCount(visited_node=visited, home_node=home, outcome=outcome, count=1)
    with pytest.raises((InvalidFieldError, EvidenceRefusedError)):
        await hub.board.take_report(wuhan.call, await wuhan.signed_summary(START, *outcomes(), odd))
    assert await hub.database.read(lambda tx: tx.hub.totals()) == []


async def test_pages_follow_each_other_by_node_id(hub: HubKit) -> None:
    for number in range(7):
        hub.board.take_node(NodeKit(f"4201{number + 10:02}", hub.clock, sign_key="fleet").registered())
    found: list[str] = []
    token = ""
    while True:
        page = hub.board.views(page_size=3, page_token=token)
        found += [view.node.trust.node_id for view in page.items]
        token = page.next_page_token
        if not token:
            break
    assert found == sorted(found)
    assert found == [HUB, *(f"4201{number + 10:02}" for number in range(7))]
    with pytest.raises(CursorInvalidError):
        hub.board.views(page_token="'; drop table")
    with pytest.raises(InvalidFieldError):
        hub.board.views(page_size=5001)


def ids(views: Sequence[NodeView]) -> list[str]:
    return [view.node.trust.node_id for view in views]


@pytest.mark.req("7.6-05")
async def test_watcher_sees_all_then_changes_once_a_tick_and_a_silent_node_go_down(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.board.tick()
    stream = hub.board.watch()
    assert ids(await anext(stream)) == [HUB, "420100"]
    for _ in range(3):
        await hub.board.take_report(wuhan.call, wuhan.status())
    await hub.board.tick()
    changed = await anext(stream)
    assert ids(changed) == ["420100"]
    assert changed[0].condition is NodeCondition.UP
    hub.clock.advance(20)
    await hub.board.tick()
    changed = await anext(stream)
    assert [(view.node.trust.node_id, view.condition) for view in changed] == [("420100", NodeCondition.DOWN)]


async def test_watcher_gets_signs_of_life_and_watchers_are_limited(hub: HubKit) -> None:
    board = board_over(hub, sign_of_life=0.01, max_watchers=1)
    stream = board.watch()
    await anext(stream)
    async with asyncio.timeout(5):
        assert await anext(stream) == ()
    with pytest.raises(StreamLimitError):
        await anext(board.watch())
    await stream.aclose()  # type: ignore[attr-defined]
    assert await anext(board.watch())


async def test_slow_watcher_sees_each_node_once_in_its_newest_state(hub: HubKit, wuhan: NodeKit) -> None:
    stream = hub.board.watch()
    await anext(stream)
    for condition in (NodeCondition.UP, NodeCondition.DEGRADED, NodeCondition.DRAINING):
        await hub.board.take_report(wuhan.call, wuhan.status(condition))
        await hub.board.tick()
    changed = {view.node.trust.node_id: view.condition for view in await anext(stream)}
    assert changed["420100"] is NodeCondition.DRAINING


async def test_suspended_node_shows_as_such(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.registry.suspend(operator_call(), node_id=wuhan.node_id, reason="drill")
    assert hub.board.view("420100").node.trust.state is NodeState.SUSPENDED
