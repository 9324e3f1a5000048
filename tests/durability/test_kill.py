"""A node that is killed in the middle of its work has kept everything that it answered."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import verdict_pb2
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.domain.scans import ScanAct
from govcode_node.ports.stores import Transaction
from govcode_node.storage import Durability, NotDurableError, SqlDatabase, migrate
from govcode_node.storage.engine import Link
from grpc import aio
from kit.clocks import MovableClock
from kit.node_process import NodeProcess
from kit.nodes import running_node, until
from kit.players import CounterDesk, Holder, HolderBackend, synthetic_people

TERMINALS = (codev1.TERMINAL_TYPE_APP, codev1.TERMINAL_TYPE_KIOSK)
STILL_TERMINALS = (codev1.TERMINAL_TYPE_WEB, codev1.TERMINAL_TYPE_MINI_PROGRAM)
"""One for each round: what is presented there is not superseded before the end of the test."""
HOLDERS = ("张样例", "李示范", "上官测试", "阿依样例·买买提示范")
HOLDER_APP = "app:holder-app"
COUNTER_APP = "app:counter-app"
PRESENT = "/govcode.code.v1.CodeApplicationService/PresentCode"
ENOUGH = 150
"""Presentations, and as many scans, that are answered before the node is killed."""


@dataclass
class Load:
    """Clients that present one-time codes and scan each of them, until the node is gone; what they were answered.

    Attributes:
        presented: Wishes and their answers.
        scanned: Scans and their answers.
        scanned_still: Likewise, of codes that no later one supersedes.
        broken: Clients whose connection has broken.
    """

    presented: list[tuple[appv1.PresentCodeRequest, appv1.PresentCodeResponse]] = field(default_factory=list)
    scanned: list[tuple[appv1.ScanCodeRequest, appv1.ScanCodeResponse]] = field(default_factory=list)
    scanned_still: list[tuple[appv1.ScanCodeRequest, appv1.ScanCodeResponse]] = field(default_factory=list)
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

    async def scan_still(self, node: NodeProcess, codes: Sequence[str], prefix: str) -> None:
        async with node.dial("counter-app") as scanning:
            for number, code_text in enumerate(codes):
                question = appv1.ScanCodeRequest(biz_serial=f"{prefix}-still-{number}", code_text=code_text, scene_no=1)
                self.scanned_still.append((question, await CounterDesk(scanning).stub.ScanCode(question)))

    def is_enough(self, number: int, still: int) -> bool:
        return len(self.scanned) >= number and len(self.scanned_still) == still


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
    for round_no, still in enumerate(STILL_TERMINALS):
        loads.append(await load_until_killed(node, holders, still=still, prefix=f"round{round_no}"))
        await look_into_the_files(tmp_path / "node", tmp_path / f"after-round-{round_no}", loads[-1])
        node = await start(config, stack)
    for load in loads:
        await ask_again(node, load)


async def load_until_killed(
    node: NodeProcess, holders: Sequence[Holder], *, still: codev1.TerminalType.ValueType, prefix: str
) -> Load:
    load = Load()
    async with node.dial("holder-app") as channel:
        backend = HolderBackend(channel)
        wishes = (
            appv1.PresentCodeRequest(
                biz_serial=f"{prefix}-still-{holder.person.name}".encode().hex()[:64],
                session_token=holder.token,
                terminal_type=still,
                one_time=True,
            )
            for holder in holders
        )
        codes = [(await backend.stub.PresentCode(wish)).code.code_text for wish in wishes]
    flows = [
        asyncio.create_task(load.run(node, holder, terminal_type, prefix))
        for holder in holders
        for terminal_type in TERMINALS
    ]
    await asyncio.gather(load.scan_still(node, codes, prefix), until(partial(load.is_enough, ENOUGH, len(codes))))
    await node.kill()
    await asyncio.gather(*flows)
    assert load.broken == len(flows), "the kill met every client at work"
    return load


async def look_into_the_files(folder: Path, copy: Path, load: Load) -> None:
    """It reads a copy of the files as the kill has left them, without a node."""
    copy_store(folder, copy)
    database = await SqlDatabase.open(f"sqlite:///{copy}/store.db", writer_id="reader/0/1")
    try:
        await database.read(lambda tx: check_kept(tx, load))
    finally:
        await database.aclose()


def copy_store(folder: Path, copy: Path) -> None:
    copy.mkdir()
    for name in ("store.db", "store.db-wal"):
        shutil.copyfile(folder / name, copy / name)
    with closing(sqlite3.connect(copy / "store.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def check_kept(tx: Transaction, load: Load) -> None:
    for wish, code in load.presented:
        assert tx.acts.find(caller=HOLDER_APP, method=PRESENT, biz_serial=wish.biz_serial) is not None
        assert tx.codes.get(code.code.code_id) is not None
    for question, answer in (*load.scanned, *load.scanned_still):
        row = tx.scans.find(caller=COUNTER_APP, act=ScanAct.SCAN, biz_serial=question.biz_serial)
        assert row is not None
        assert (row.scan_id, row.code_id) == (answer.answer.scan_id, answer.answer.code_id)
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_VALID
        assert tx.codes.consumed_by(row.code_id) == row.scan_id
    for _, code in load.presented:
        # A scan that nobody was answered may be there or not, but wholly: no code is used by a scan that is not there.
        used_by = tx.codes.consumed_by(code.code.code_id)
        assert used_by is None or tx.scans.get(used_by) is not None


async def ask_again(node: NodeProcess, load: Load) -> None:
    """It asks for every answer again by its serial, and scans every code that was found valid once more."""
    scanned = [*load.scanned, *load.scanned_still]
    async with node.dial("holder-app") as presenting, node.dial("counter-app") as scanning:
        backend, counter = HolderBackend(presenting), CounterDesk(scanning)
        codes_again = await asyncio.gather(*(backend.stub.PresentCode(wish) for wish, _ in load.presented))
        for (_, code), code_again in zip(load.presented, codes_again, strict=True):
            assert code_again.replayed
            assert (code_again.code, code_again.reused) == (code.code, code.reused)
        answers_again = await asyncio.gather(*(counter.stub.ScanCode(question) for question, _ in scanned))
        for (_, answer), answer_again in zip(scanned, answers_again, strict=True):
            assert answer_again.replayed
            assert (answer_again.answer, answer_again.evidence.payload) == (answer.answer, answer.evidence.payload)
        # Those that were superseded meanwhile say so, which comes before their use.
        second = await asyncio.gather(*(counter.scan(question.code_text) for question, _ in load.scanned))
        second_still = await asyncio.gather(*(counter.scan(question.code_text) for question, _ in load.scanned_still))
    assert {answer.verdict.outcome for answer in second} <= {
        verdict_pb2.OUTCOME_CONSUMED,
        verdict_pb2.OUTCOME_SUPERSEDED,
    }
    assert {answer.verdict.outcome for answer in second_still} == {verdict_pb2.OUTCOME_CONSUMED}


async def test_the_connection_that_commits_is_the_one_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Link] = []
    durability_of = Link.durability

    def remember(link: Link) -> Durability:
        asked.append(link)
        return durability_of(link)

    monkeypatch.setattr(Link, "durability", remember)
    committing: list[Link] = []
    commit = Link.commit

    def commit_and_remember(link: Link) -> None:
        committing.append(link)
        commit(link)

    async with running_node(tmp_path / "node") as node:
        monkeypatch.setattr(Link, "commit", commit_and_remember)
        await node.app.database.check()
        assert committing
        assert set(committing) <= {asked[-1]}
        durability = node.app.database.durability
        assert (durability.engine, dict(durability.settings)) == (
            "sqlite",
            {"journal_mode": "wal", "synchronous": "2"},
        )
        assert durability.holds


async def test_a_connection_that_replaces_a_broken_one_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    migrate(url)
    clock = MovableClock()
    database = await SqlDatabase.open(url, writer_id="w/0/1", monotonic=clock.monotonic)
    try:
        with monkeypatch.context() as fault:
            fault.setattr(Link, "begin_write", break_down)
            with pytest.raises(StoreUnavailableError):
                await database.check()
        clock.advance(5)
        with monkeypatch.context() as fault:
            fault.setattr(Link, "durability", lambda _: Durability(engine="sqlite", settings={"journal_mode": "wal"}))
            with pytest.raises(NotDurableError):
                await database.check()
        clock.advance(5)
        await database.check()
    finally:
        await database.aclose()


def break_down(_: Link) -> None:
    raise sqlite3.OperationalError("disk I/O error")
