"""People's data stay where they belong: nothing of them in codes, logs, traces, messages between nodes, or files."""

import asyncio
import random
import shutil
import sqlite3
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import verdict_pb2
from govcode_node.config import Config
from govcode_node.config_values import ListenAddress
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.scenes import SceneClass
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.telemetry.setup import Telemetry, TelemetrySettings
from grpc import aio
from kit.canaries import Canaries, forms_of
from kit.federation import BEIJING, HUB, SHANGHAI, WUHAN, Federation, open_federation
from kit.log_keeper import LogKeeper, keeping_logs
from kit.nodes import RunningNode, running_node
from kit.players import Holder, SyntheticPerson, serial, synthetic_people
from kit.serving import reason_of
from kit.wire_taps import WireTaps
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PERSON_FIELDS = (FieldName.NAME, FieldName.ID_NUMBER, FieldName.PHONE)
EVERYTHING = {SceneClass.COUNTER: tuple(FieldRule(name, unmasked=True) for name in PERSON_FIELDS)}
"""What nodes tell other regions' counters here: all of it, whole. That is when it must travel sealed."""

PEOPLE = Canaries(
    {
        f"{what} {number}": value
        for number, person in enumerate(synthetic_people().values())
        for what, value in (
            ("name", person.name),
            ("id number", person.id_number),
            ("phone", person.phone),
            ("secret", person.secret),
        )
    }
)


@pytest.fixture
def logs() -> Iterator[LogKeeper]:
    """It keeps the whole log of everything in the process, at its most talkative."""
    with keeping_logs() as keeper:
        yield keeper


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """It has every node record every call, and keeps the spans."""
    exporter = InMemorySpanExporter()

    def setup(settings: TelemetrySettings) -> Telemetry:
        return Telemetry(replace(settings, trace_ratio=1.0), span_processors=[SimpleSpanProcessor(exporter)])

    monkeypatch.setattr("govcode_node.ground.setup_telemetry", setup)
    return exporter


@pytest.fixture
def taps(monkeypatch: pytest.MonkeyPatch) -> WireTaps:
    taps = WireTaps()
    taps.install(monkeypatch)
    return taps


def with_metrics(config: Config) -> Config:
    listen = ListenAddress("127.0.0.1", 0)
    return replace(config, telemetry=replace(config.telemetry, metrics=True, metrics_listen=listen))


@dataclass
class Story:
    """What came to light while the nodes were at work.

    Attributes:
        codes: Every code text that was made.
        tokens: Every session token.
        errors: Every text and byte of every refusal.
        seen: The values that counters were shown.
        scraped: Metrics.
    """

    codes: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    scraped: list[bytes] = field(default_factory=list)

    @property
    def credentials(self) -> Canaries:
        """Session tokens, which open an account to whoever has them."""
        return Canaries({f"token {number}": token for number, token in enumerate(self.tokens)})

    @property
    def code_texts(self) -> Canaries:
        """Code texts, which are the citizen's to show and nobody's to keep."""
        return Canaries({f"code {number}": code for number, code in enumerate(self.codes)})

    async def show(self, holder: Holder, **wish: Any) -> str:
        answer = await holder.present(**wish)
        self.codes.append(answer.code.code_text)
        return answer.code.code_text

    async def scan(self, node: RunningNode, code: str, *, scene_no: int = 1) -> appv1.ScanCodeResponse:
        answer = await node.counter.scan(code, scene_no=scene_no)
        self.seen |= {found.value for found in answer.answer.fields}
        return answer

    async def refused(self, call: Awaitable[Any]) -> None:
        with pytest.raises(aio.AioRpcError) as caught:
            await call
        error = caught.value
        metadata = (*(error.initial_metadata() or ()), *(error.trailing_metadata() or ()))
        self.errors.append((error.details() or "").encode())
        self.errors += [value if isinstance(value, bytes) else value.encode() for _, value in metadata]


async def tell(federation: Federation) -> Story:
    """Accounts are opened, codes shown and scanned at home and away, and almost everything goes wrong once."""
    story = Story()
    people = list(synthetic_people().values())
    grown_up = [person for person in people if person.name in {"张样例", "李示范", "阿依样例·买买提示范", "𬱖㛃样"}]
    holders = [await federation.holder(WUHAN, person.name) for person in grown_up]
    holders.append(await federation.holder(SHANGHAI, "上官测试"))
    company = await federation.holder(WUHAN, "李示范", uscc="91420100MA9TEXT198")
    story.tokens += [holder.token for holder in (*holders, company)]
    for holder in (*holders, company):
        await use_codes(story, federation, holder)
    await live_a_codes_life(story, federation.wuhan, holders[0])
    await go_wrong(story, federation, holders[0], people)
    await holders[1].close()
    await story.refused(holders[1].present())
    await until_counted(federation)
    for node in (federation.wuhan, federation.shanghai, federation.hub):
        story.scraped.append(await asyncio.to_thread(scrape, node))
    return story


async def use_codes(story: Story, federation: Federation, holder: Holder) -> None:
    """A holder's codes of all kinds are scanned at home and in the other region."""
    wuhan, shanghai = federation.wuhan, federation.shanghai
    code = await story.show(holder)
    for node in (wuhan, shanghai):
        answer = await story.scan(node, code)
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_VALID
        await story.scan(node, code, scene_no=4)
        await node.counter.verify(code)
        fields = basev1.ResolveCodeRequest(scan_id=answer.answer.scan_id, field_names=["name"])
        if answer.answer.cross_region:
            await story.refused(node.counter.base.ResolveCode(fields))
        else:
            story.seen |= {found.value for found in (await node.counter.base.ResolveCode(fields)).fields}
    once = await story.show(holder, one_time=True, terminal_type=codev1.TERMINAL_TYPE_MINI_PROGRAM)
    for _ in range(2):
        await story.scan(shanghai, once)
    signed = await story.show(
        holder, profile=codev1.CODE_PROFILE_SIGNED, terminal_type=codev1.TERMINAL_TYPE_WEB, scene_no=3
    )
    await story.scan(shanghai, signed, scene_no=3)
    await holder.records()
    await holder.backend.stub.ListEvents(appv1.ListEventsRequest())


async def live_a_codes_life(story: Story, node: RunningNode, holder: Holder) -> None:
    """A printed code is made, frozen, thawed, replaced, and the new one revoked."""
    made = (await holder.make_static()).code
    story.codes.append(made.code_text)
    base = holder.backend.base
    usual = {"session_token": holder.token, "reason": "LOST"}
    await base.FreezeCode(basev1.FreezeCodeRequest(biz_serial=serial(), code_id=made.code_id, **usual))
    await story.scan(node, made.code_text)
    await base.UnfreezeCode(basev1.UnfreezeCodeRequest(biz_serial=serial(), code_id=made.code_id, **usual))
    again = (await base.ReplaceCode(basev1.ReplaceCodeRequest(biz_serial=serial(), code_id=made.code_id, **usual))).code
    story.codes.append(again.code_text)
    await story.scan(node, made.code_text)
    await base.RevokeCode(basev1.RevokeCodeRequest(biz_serial=serial(), code_id=again.code_id, **usual))
    await story.scan(node, again.code_text)


async def go_wrong(story: Story, federation: Federation, holder: Holder, people: list[SyntheticPerson]) -> None:
    """Requests that hold what they should not, so that refusals, logs and stores get a chance to repeat it."""
    node, backend = federation.wuhan, federation.wuhan.holders
    suspended = next(person for person in people if person.name == "停用样")
    await story.refused(backend.open_account(suspended))
    await story.refused(backend.open_account(replace(people[0], secret="wrong")))
    await story.refused(backend.open_account(people[0]))
    counter = node.counter
    for person in people:
        for text in (person.id_number, person.name, f"ZWM1:{person.id_number}", f"{person.name},{person.phone}"):
            answer = await story.scan(node, text)
            assert answer.verdict.outcome == verdict_pb2.OUTCOME_MALFORMED
            await story.refused(counter.base.DecodeCode(basev1.DecodeCodeRequest(code_text=text)))
            await story.refused(backend.base.RenderCode(basev1.RenderCodeRequest(code_text=text)))
        await story.refused(
            backend.stub.PresentCode(
                appv1.PresentCodeRequest(
                    biz_serial=serial(), session_token=person.id_number, terminal_type=codev1.TERMINAL_TYPE_APP
                )
            )
        )
        await story.refused(counter.base.ResolveCode(basev1.ResolveCodeRequest(scan_id=person.id_number)))
        await story.refused(counter.base.VerifyCode(basev1.VerifyCodeRequest(biz_serial=person.name, scene_no=1)))
        await story.refused(node.operator.base.GetCode(basev1.GetCodeRequest(code_id=person.name.encode())))
    await story.refused(holder.present(scene_no=999))


async def until_counted(federation: Federation) -> None:
    """It waits until the hub has counted scans of one region's codes in the other."""
    for clock in federation.clocks.values():
        clock.advance(timedelta(minutes=2))
    await federation.seen(SHANGHAI, lambda view: view.cross_region_scans > 0 and view.scans > 0)
    await federation.seen(WUHAN, lambda view: view.codes_issued > 0)


def scrape(node: RunningNode) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.app.metrics_port}/metrics") as answer:
        body: bytes = answer.read()
    return body


def copied(federation: Federation, target: Path) -> list[Path]:
    """It copies every file of every node as it is now, the logs of the stores too, and makes backups of the stores."""
    shutil.copytree(federation.folder, target, copy_function=copy_unless_gone)
    for store in sorted(target.rglob("store.db")):
        original = federation.folder / store.relative_to(target)
        with closing(sqlite3.connect(f"file:{original}?mode=ro", uri=True)) as source:
            source.execute("VACUUM INTO ?", (str(store.with_name("backup.db")),))
    return sorted(path for path in target.rglob("*") if path.is_file())


def copy_unless_gone(source: str, target: str) -> str:
    """It copies a file; one that a node is just writing may get its name while it is copied."""
    with suppress(FileNotFoundError):
        shutil.copyfile(source, target)
    return target


def bytes_of(code_text: str) -> bytes:
    """Everything that a code's symbol holds, beside its text."""
    parsed = Zwm1Codec().parse(code_text)
    return parsed.sealed_bytes + parsed.seal


@pytest.mark.slow
@pytest.mark.req("7.2-03", "8.1-05", "6.2-14")
async def test_no_personal_data_comes_out_anywhere(
    tmp_path: Path,
    logs: LogKeeper,
    spans: InMemorySpanExporter,
    taps: WireTaps,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with open_federation(
        tmp_path / "nodes",
        BEIJING,
        SHANGHAI,
        WUHAN,
        disclosure=EVERYTHING,
        changes=with_metrics,
        hub_changes=with_metrics,
    ) as federation:
        story = await tell(federation)
        files = await asyncio.to_thread(copied, federation, tmp_path / "copy")
    check_that_there_was_something_to_find(story, logs, spans, taps, files)

    private = (PEOPLE, story.credentials)
    secret_too = (*private, story.code_texts)
    assert PEOPLE.in_pieces(code.encode() for code in story.codes) == set()
    assert PEOPLE.in_pieces(bytes_of(code) for code in story.codes) == set()
    assert found(private, taps.messages()) == set()
    assert found(secret_too, taps.messages("/govcode.hub.v1.")) == set()
    spoken = {
        "logs": logs.pieces,
        "output": [text.encode() for text in capfd.readouterr()],
        "errors": story.errors,
        "spans": [(span.to_json() or "").encode() for span in spans.get_finished_spans()],
        "metrics": story.scraped,
    }
    assert {name: found(secret_too, pieces) for name, pieces in spoken.items()} == {name: set() for name in spoken}
    stores = [path for path in files if path.name in {"store.db", "backup.db"}]
    for canaries in secret_too:
        assert canaries.in_files(files) == set()
        assert {path: canaries.in_store(path) for path in stores} == {path: set() for path in stores}
    plant_and_find(next(path for path in files if path.name == "backup.db" and HUB in path.parts))


def found(canaries: tuple[Canaries, ...], pieces: list[bytes]) -> set[str]:
    return {finding for group in canaries for finding in group.in_pieces(pieces)}


def check_that_there_was_something_to_find(
    story: Story, logs: LogKeeper, spans: InMemorySpanExporter, taps: WireTaps, files: list[Path]
) -> None:
    """A search of nothing finds nothing: the data were there, they travelled, and the places hold what they should."""
    shangguan, zhang = synthetic_people()["上官测试"], synthetic_people()["张样例"]
    # Whole, at the counter of the other region: so it has come through the messages between the nodes.
    assert {zhang.name, zhang.phone, zhang.id_number, shangguan.phone} <= story.seen
    assert len(story.codes) > 15
    assert len(story.errors) > 50
    for end in (taps.at_clients, taps.at_servers):
        for method in ("federation.v1.FederationService/RecognizeCode", "hub.v1.HubService/ReportNodeStatus"):
            assert end[f"/govcode.{method}"], method
    # What does travel is found, so the taps are before the cipher and the search reads what they give.
    recognized = taps.at_clients["/govcode.federation.v1.FederationService/RecognizeCode"]
    assert story.code_texts.in_pieces(recognized)
    assert any(b"trust bundle taken" in piece for piece in logs.pieces)
    assert len(spans.get_finished_spans()) > 100
    assert all(b"govcode" in metrics for metrics in story.scraped)
    names = {path.name for path in files}
    assert {"store.db", "store.db-wal", "backup.db", "trust-bundle.bin"} <= names


def plant_and_find(backup: Path) -> None:
    """The positive control: a value put into a copy of a store is found there, in the file and in its rows."""
    person = synthetic_people()["𬱖㛃样"]
    with closing(sqlite3.connect(backup)) as store:
        store.execute("CREATE TABLE planted (value TEXT)")
        store.execute("INSERT INTO planted VALUES (?)", (f"holder={person.name};",))
        store.commit()
    assert PEOPLE.in_files([backup])
    assert {finding.split(" as ")[0] for finding in PEOPLE.in_store(backup)} == {"name 6"}


@pytest.mark.parametrize("form", forms_of("张样例") | forms_of("11000019831024998X"))
def test_the_search_finds_a_planted_value_in_every_form(form: str) -> None:
    drawn = random.Random(20261124)
    for person in synthetic_people().values():
        for value in (person.name, person.id_number, person.phone):
            for planted in forms_of(value).get(form, ()):
                haystack = drawn.randbytes(997) + planted + drawn.randbytes(1_003)
                assert any(f" as {form}" in finding for finding in PEOPLE.in_bytes(haystack)), value


def test_the_search_finds_nothing_in_noise() -> None:
    assert PEOPLE.in_bytes(random.Random(20261124).randbytes(2_000_000)) == set()


@pytest.mark.req("8.1-05")
async def test_sealed_bytes_that_were_changed_in_the_store_are_not_believed(tmp_path: Path, logs: LogKeeper) -> None:
    """One byte is changed in each sealed column; what rests on it is refused, and the log says so without the data."""
    async with running_node(tmp_path / "node") as node:
        await node.register_parties()
        person = synthetic_people()["张样例"]
        holder = await node.holders.open_account(person)
        wish = appv1.PresentCodeRequest(
            biz_serial=serial(), session_token=holder.token, terminal_type=codev1.TERMINAL_TYPE_APP
        )
        code = (await holder.backend.stub.PresentCode(wish)).code.code_text
        question = appv1.ScanCodeRequest(biz_serial=serial(), code_text=code, scene_no=1)
        await node.counter.stub.ScanCode(question)

        broken: dict[tuple[str, str], Callable[[], Awaitable[Any]]] = {
            ("accounts", "sealed_profile"): lambda: node.counter.scan(code),
            ("scans", "answer"): lambda: node.counter.stub.ScanCode(question),
            ("acts", "answer"): lambda: holder.backend.stub.PresentCode(wish),
        }
        reasons = {}
        for (table, column), ask in broken.items():
            await ask()
            await asyncio.to_thread(flip_a_byte, node.folder / "store.db", table, column)
            with pytest.raises(aio.AioRpcError) as refused:
                await ask()
            reasons[table] = reason_of(refused.value)
            assert PEOPLE.in_bytes((refused.value.details() or "").encode()) == set()
    assert set(reasons.values()) == {"INTERNAL_FAULT"}
    assert any(b"SealBrokenError" in piece for piece in logs.pieces)
    assert PEOPLE.in_pieces(logs.pieces) == set()


def flip_a_byte(store: Path, table: str, column: str) -> None:
    """It changes the middle byte of a column in every row, as somebody with a hand on the file could."""
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()  # noqa: S608
        assert rows
        for (sealed,) in rows:
            middle = len(sealed) // 2
            changed = sealed[:middle] + bytes([sealed[middle] ^ 1]) + sealed[middle + 1 :]
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (changed, sealed))  # noqa: S608
        connection.commit()
