"""A node that is killed in the middle of its work has kept everything that it answered."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import verdict_pb2
from grpc import aio
from kit.node_process import NodeProcess
from kit.nodes import running_node, until
from kit.players import CounterDesk, Holder, HolderBackend, synthetic_people

TERMINALS = (codev1.TERMINAL_TYPE_APP, codev1.TERMINAL_TYPE_MINI_PROGRAM, codev1.TERMINAL_TYPE_KIOSK)
HOLDERS = ("张样例", "李示范", "上官测试", "阿依样例·买买提示范")
ENOUGH = 150
"""Presentations, and as many scans, that are answered before the node is killed."""


@dataclass
class Load:
    """Clients that present one-time codes and scan each of them, until the node is gone; what they were answered."""

    presented: list[tuple[appv1.PresentCodeRequest, appv1.PresentCodeResponse]] = field(default_factory=list)
    scanned: list[tuple[appv1.ScanCodeRequest, appv1.ScanCodeResponse]] = field(default_factory=list)
    broken: int = 0
    _serials: "count[int]" = field(default_factory=count)

    async def run(
        self, node: NodeProcess, holder: Holder, terminal_type: codev1.TerminalType.ValueType, prefix: str
    ) -> None:
        async with node.dial("holder-app") as presenting, node.dial("counter-app") as scanning:
            backend, counter = HolderBackend(presenting), CounterDesk(scanning)
            try:
                while True:
                    number = next(self._serials)
                    wish = appv1.PresentCodeRequest(
                        biz_serial=f"{prefix}-present-{number}",
                        session_token=holder.token,
                        terminal_type=terminal_type,
                        one_time=True,
                    )
                    answer = await backend.stub.PresentCode(wish)
                    self.presented.append((wish, answer))
                    question = appv1.ScanCodeRequest(
                        biz_serial=f"{prefix}-scan-{number}", code_text=answer.code.code_text, scene_no=1
                    )
                    self.scanned.append((question, await counter.stub.ScanCode(question)))
            except aio.AioRpcError:
                self.broken += 1

    def is_enough(self, number: int) -> bool:
        return len(self.scanned) >= number


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def start(config: Path, stack: AsyncExitStack) -> NodeProcess:
    node = await NodeProcess.start(config)
    stack.push_async_callback(node.stop)
    return node


@pytest.mark.req("6.1-07")
async def test_whatever_was_answered_before_a_kill_is_kept(tmp_path: Path, stack: AsyncExitStack) -> None:
    config = NodeProcess.write(tmp_path / "node")
    node = await start(config, stack)
    await node.register_parties()
    async with node.dial("holder-app") as channel:
        people = synthetic_people()
        holders = [await HolderBackend(channel).open_account(people[name]) for name in HOLDERS]

    loads: list[Load] = []
    for round_no in range(2):
        load = Load()
        loads.append(load)
        flows = [
            asyncio.create_task(load.run(node, holder, terminal_type, f"round{round_no}"))
            for holder in holders
            for terminal_type in TERMINALS
        ]
        await until(partial(load.is_enough, ENOUGH))
        await node.kill()
        await asyncio.gather(*flows)
        assert load.broken == len(flows), "the kill met every client at work"
        look_into_the_files(tmp_path / "node", tmp_path / f"after-round-{round_no}", load)
        node = await start(config, stack)
    for load in loads:
        await ask_again(node, load)


def look_into_the_files(folder: Path, copy: Path, load: Load) -> None:
    """It reads a copy of the files as the kill has left them."""
    copy.mkdir()
    for name in ("store.db", "store.db-wal"):
        shutil.copyfile(folder / name, copy / name)
    with closing(sqlite3.connect(copy / "store.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        acts = {row[0] for row in store.execute("SELECT biz_serial FROM acts")}
        codes = {row[0] for row in store.execute("SELECT code_id FROM codes")}
        scans = dict(store.execute("SELECT biz_serial, hex(scan_id) FROM scans"))
        half_written = store.execute(
            "SELECT count(*) FROM consumptions c LEFT JOIN scans s"
            " ON s.scan_id = substr(c.scan_id, -16) WHERE s.scan_id IS NULL"
        ).fetchone()
        twice = store.execute(
            "SELECT code_id FROM scans WHERE outcome = 0 AND act = 1 GROUP BY code_id HAVING count(*) > 1"
        ).fetchall()
    assert {wish.biz_serial for wish, _ in load.presented} <= acts
    assert {answer.code.code_id for _, answer in load.presented} <= codes
    kept = {question.biz_serial: answer.answer.scan_id for question, answer in load.scanned}
    assert kept.items() <= {number: f"sc_{scan_id.lower()}" for number, scan_id in scans.items()}.items()
    assert half_written == (0,), "no code is consumed by a scan that is not there"
    assert twice == []


async def ask_again(node: NodeProcess, load: Load) -> None:
    """It asks for every answer again by its serial, and scans every code that was found valid once more."""
    async with node.dial("holder-app") as presenting, node.dial("counter-app") as scanning:
        backend, counter = HolderBackend(presenting), CounterDesk(scanning)
        presented = await asyncio.gather(*(backend.stub.PresentCode(wish) for wish, _ in load.presented))
        for (_, code_before), code_again in zip(load.presented, presented, strict=True):
            assert code_again.replayed
            assert (code_again.code, code_again.reused) == (code_before.code, code_before.reused)
        scanned = await asyncio.gather(*(counter.stub.ScanCode(question) for question, _ in load.scanned))
        for (_, before), again in zip(load.scanned, scanned, strict=True):
            assert again.replayed
            assert (again.answer, again.evidence.payload) == (before.answer, before.evidence.payload)
        used = [
            question.code_text
            for question, before in load.scanned
            if before.verdict.outcome == verdict_pb2.OUTCOME_VALID
        ]
        assert len(used) >= ENOUGH
        second = await asyncio.gather(*(counter.scan(code_text) for code_text in used))
    assert {answer.verdict.outcome for answer in second} == {verdict_pb2.OUTCOME_CONSUMED}


async def test_a_node_commits_over_a_connection_that_waits_for_the_disk(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node") as node:
        durability = node.app.database.durability
        assert (durability.engine, dict(durability.settings)) == (
            "sqlite",
            {"journal_mode": "wal", "synchronous": "2"},
        )
        assert durability.holds
