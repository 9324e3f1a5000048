"""What the hub learns of the nodes: how they are and how many, each minute once, and never a code or a person."""

import asyncio
import itertools
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.operations.v1 import node_status_pb2 as statusv1
from kit.federation import HUB, SHANGHAI, WUHAN, Federation, loop_of, open_federation, rows_of
from kit.nodes import RunningNode
from kit.players import Holder, serial

DOWN = statusv1.NODE_CONDITION_DOWN
CANARY = "金丝雀街 417 号"


def pass_by(federation: Federation, span: timedelta) -> None:
    """Let time pass everywhere."""
    for clock in federation.clocks.values():
        clock.advance(span)


async def traffic(federation: Federation, *, visits: int) -> tuple[Holder, list[str]]:
    """Scans at home and in Shanghai; the code texts."""
    holder, texts = await federation.holder(WUHAN), []
    for number in range(visits):
        shown = await holder.present(one_time=True)
        texts.append(shown.code.code_text)
        desk = (federation.shanghai if number % 2 else federation.wuhan).counter
        await desk.scan(shown.code.code_text, place=CANARY, biz_serial=serial("canary"))
    await federation.shanghai.counter.verify(texts[-1])
    return holder, texts


def kept(node: RunningNode) -> tuple[int, int, int]:
    """What a node's own store says: codes issued, scans made here, those of other regions' codes among them."""
    ((codes,),) = rows_of(node, "SELECT count(*) FROM codes")
    made_here = """
        SELECT count(*) FROM scans JOIN names AS visited ON visited.name_no = visited_node
        JOIN names AS home ON home.name_no = home_node WHERE visited.name = ? AND home.name NOT IN ('', ?)
    """
    ((scans,),) = rows_of(node, made_here, node.node_id, "nowhere")
    ((cross_region,),) = rows_of(node, made_here, node.node_id, node.node_id)
    return codes, scans, cross_region


def counted(view: nodev1.NodeView) -> tuple[int, int, int]:
    return view.codes_issued, view.scans, view.cross_region_scans


async def told(federation: Federation, nodes: Iterable[RunningNode]) -> None:
    """Wait until the hub's board counts what the nodes' stores do."""
    for node in nodes:
        loop_of(node, "status reports").wake()
        await federation.seen(node.node_id, partial(_counts, kept(node)))


def _counts(wanted: tuple[int, int, int], view: nodev1.NodeView) -> bool:
    return counted(view) == wanted


@pytest.mark.req("6.2-14", "7.6-04")
async def test_the_hub_counts_what_the_nodes_have_kept_and_knows_nothing_else(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        holder, texts = await traffic(federation, visits=6)
        pass_by(federation, timedelta(minutes=2))
        nodes = (federation.shanghai, federation.wuhan)
        await told(federation, nodes)
        assert kept(federation.shanghai) == (0, 4, 4)
        assert kept(federation.wuhan) == (6, 3, 0)
        view = await federation.view(SHANGHAI)
        code_ids = [row[0] for row in rows_of(federation.wuhan, "SELECT code_id FROM codes")]
        account_id = rows_of(federation.wuhan, "SELECT account_id FROM accounts")[0][0]
        secrets = [
            *(text.encode() for text in texts),
            *code_ids,
            account_id,
            holder.account.account_id.encode(),
            holder.person.name.encode(),
            holder.person.id_number.encode(),
            holder.person.phone.encode(),
            CANARY.encode(),
            b"canary-",
            b"counter-app",
            "政务服务大厅".encode(),
        ]
        at_home, at_hub = everything_in(federation.wuhan.folder), everything_in(federation.hub.folder)
        # The search finds what is there: the node itself has kept places and ids, if not people in clear.
        assert all(secret in at_home for secret in (CANARY.encode(), account_id, *code_ids))
        assert not [secret for secret in secrets if secret in at_hub]
        assert WUHAN.encode() in at_hub
        assert not [secret for secret in secrets if secret in view.SerializeToString()]


def everything_in(folder: Path) -> bytes:
    """All bytes in all files below a folder, the journals of databases among them."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.req("7.6-04")
async def test_each_minute_reaches_a_hub_that_was_away_once_and_in_the_end(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        nodes = (federation.shanghai, federation.wuhan)
        await traffic(federation, visits=2)
        pass_by(federation, timedelta(minutes=2))
        await told(federation, nodes)
        before = rows_of(federation.hub, "SELECT node_id, minute FROM summaries")
        await federation.stop(HUB)
        for _ in range(3):
            await traffic(federation, visits=2)
            pass_by(federation, timedelta(minutes=1))
        # One of the nodes is started anew meanwhile: what it has not told it still knows.
        await federation.stop(SHANGHAI)
        await federation.start_again(SHANGHAI)
        await traffic(federation, visits=2)
        pass_by(federation, timedelta(minutes=2))
        await federation.start_again(HUB)
        await told(federation, (federation.shanghai, federation.wuhan))
        minutes = rows_of(federation.hub, "SELECT node_id, minute FROM summaries ORDER BY node_id, minute")
        assert len(minutes) >= len(before) + 2 * 5
        for _, group in itertools.groupby(minutes, key=lambda row: row[0]):
            told_minutes = [minute for _, minute in group]
            assert told_minutes == list(range(told_minutes[0], told_minutes[-1] + 1, 60_000))
        # The totals are the sum of the minutes: nothing was counted twice on the way.
        sums = "SELECT node_id, sum(codes_issued) FROM summaries GROUP BY node_id ORDER BY node_id"
        totals = "SELECT node_id, codes_issued FROM node_totals ORDER BY node_id"
        assert rows_of(federation.hub, sums) == rows_of(federation.hub, totals)


@pytest.mark.req("7.6-05")
async def test_a_silent_node_is_down_after_twenty_seconds_and_up_again_when_it_reports(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN, parties=False) as federation:
        clock = federation.clocks[HUB]
        for node_id in (SHANGHAI, WUHAN, HUB):
            await federation.seen(node_id, lambda view: view.HasField("status") and view.condition != DOWN)
        await federation.stop(WUHAN)
        stopped_at = clock.now()
        last_heard = (await federation.view(WUHAN)).last_report_time.ToDatetime(stopped_at.tzinfo)
        assert stopped_at - last_heard < timedelta(seconds=5)
        clock.advance(last_heard + timedelta(seconds=18) - clock.now())
        assert (await federation.view(WUHAN)).condition != DOWN
        clock.advance(timedelta(seconds=2.1))
        assert (await federation.view(WUHAN)).condition == DOWN
        # The other one speaks every second and is well in spite of the jump.
        await federation.seen(SHANGHAI, lambda view: view.condition != DOWN)
        await federation.start_again(WUHAN)
        view = await federation.seen(WUHAN, lambda view: view.condition != DOWN)
        assert view.last_report_time.ToDatetime(stopped_at.tzinfo) > stopped_at


@pytest.mark.req("7.6-05")
async def test_watchers_of_the_hub_are_told_that_a_node_fell_silent(tmp_path: Path) -> None:
    async with open_federation(tmp_path, WUHAN, parties=False) as federation:
        await federation.seen(WUHAN, lambda view: view.HasField("status") and view.condition != DOWN)
        watch: Any = federation.security.WatchNodeStatuses(hubv1.WatchNodeStatusesRequest())
        first = await watch.read()
        assert {view.node_id for view in first.nodes} == {HUB, WUHAN}
        await federation.stop(WUHAN)
        federation.clocks[HUB].advance(timedelta(seconds=21))
        async with asyncio.timeout(5):
            conditions: list[statusv1.NodeCondition.ValueType] = []
            while DOWN not in conditions:
                changed = await watch.read()
                conditions = [view.condition for view in changed.nodes if view.node_id == WUHAN]
        watch.cancel()
