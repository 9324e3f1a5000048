"""A holder of Wuhan at a counter in Shanghai (异地互通互认): what is answered, shown, kept and told, once and again."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import scan_pb2 as scanv1
from govcode.common.v1 import scene_pb2, subject_pb2, verdict_pb2
from govcode.federation.v1 import recognition_pb2 as recognitionv1
from govcode_node.domain.accounts import AccountId
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.scans import ScanAct, ScanRow
from kit.federation import (
    SHANGHAI,
    WUHAN,
    Auditor,
    Federation,
    audit_of,
    hub_key_of,
    scan_row,
)
from kit.nodes import RunningNode
from kit.players import CounterDesk, Holder, serial, synthetic_companies
from kit.questions import federation_service, question

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALID = verdict_pb2.OUTCOME_VALID
CONSUMED = verdict_pb2.OUTCOME_CONSUMED
PLACE = "静安区政务服务中心 3 号窗口"
MASKED = [("name", "张**", True), ("phone", "100******01", True)]
THERE = f"node:{SHANGHAI}/counter-app"
HERE = "app:counter-app"


@dataclass(frozen=True)
class Visit:
    """One scan of a code of Wuhan at Shanghai, with the names by which both nodes keep it."""

    holder: Holder
    code_text: str
    biz_serial: str
    trace_id: str
    answer: appv1.ScanCodeResponse


async def visit(federation: Federation, *, app: str = "counter-app", scene_no: int = 1, **shown: Any) -> Visit:
    """Let the holder present at home and be scanned in Shanghai."""
    holder = await federation.holder(WUHAN)
    code_text = (await holder.present(**shown)).code.code_text
    trace_id, biz_serial = secrets.token_hex(16), serial("visit")
    stub = CounterDesk(federation.shanghai.as_app(app)).stub
    answer = await stub.ScanCode(
        appv1.ScanCodeRequest(biz_serial=biz_serial, code_text=code_text, scene_no=scene_no, place=PLACE),
        metadata=(("traceparent", f"00-{trace_id}-{'b' * 16}-01"),),
    )
    return Visit(holder, code_text, biz_serial, trace_id, answer)


def fields_of(answer: Any) -> list[tuple[str, str, bool]]:
    return [(field.name, field.value, field.masked) for field in answer.fields]


def _common(row: ScanRow) -> tuple[object, ...]:
    """What both nodes must have kept alike of one scan."""
    return (
        row.home_node,
        row.visited_node,
        row.act,
        row.outcome,
        row.code_id,
        row.trace_id,
        row.relying_party_name,
        row.scene_class,
        row.disclosed_fields,
    )


async def gate_at(node: RunningNode) -> CounterDesk:
    """A gate: another organisation, another kind of scene."""
    desk = node.operator
    await desk.scene(9, scene_class=scene_pb2.SCENE_CLASS_GATE)
    owner = await desk.relying_party(name="地铁运营公司（测试）", uscc="91310000MA9TEXT273")
    kind = registryv1.APPLICATION_KIND_RELYING_PARTY
    await desk.application("gate-app", relying_party_id=owner, kind=kind, scene_nos=(9,))
    return CounterDesk(node.as_app("gate-app"))


@pytest.mark.req("6.2-01")
async def test_code_of_wuhan_is_valid_in_shanghai_where_its_holder_never_registered(federation: Federation) -> None:
    visited = await visit(federation)
    answer = visited.answer.answer
    assert (answer.outcome, visited.answer.verdict.outcome) == (VALID, VALID)
    assert visited.answer.verdict.decision == verdict_pb2.DECISION_ACCEPT
    assert answer.decided_by_node_id == WUHAN
    assert answer.cross_region
    assert visited.answer.home_region_name == "武汉市"
    assert answer.subject_kind == subject_pb2.SUBJECT_KIND_PERSON
    assert answer.freshness.bundle_age_seconds < 3600
    account_id = AccountId(visited.holder.account.account_id)
    for node, known in ((federation.wuhan, True), (federation.shanghai, False)):
        account = await node.app.database.read(lambda tx: tx.accounts.get(account_id))
        assert (account is not None) is known


@pytest.mark.req("6.1-10", "8.1-04")
async def test_evidence_of_both_nodes_holds_for_an_application_that_has_the_bundle_alone(
    federation: Federation,
) -> None:
    visited = await visit(federation)
    auditor = await Auditor.at(federation.shanghai.as_app("counter-app"), hub_key=hub_key_of(federation))
    answer = auditor.check(visited.answer.evidence, scanv1.ScanAnswer, purpose="SCAN_ANSWER")
    assert visited.answer.evidence.node_id == SHANGHAI
    assert answer == visited.answer.answer
    home = auditor.check(visited.answer.home_evidence, recognitionv1.RecognizeAnswer, purpose="RECOGNIZE_ANSWER")
    assert visited.answer.home_evidence.node_id == WUHAN
    assert (home.outcome, home.biz_serial, home.code_id) == (VALID, visited.biz_serial, answer.code_id)
    assert (home.visited_node_id, home.home_node_id, home.app_id) == (SHANGHAI, WUHAN, "counter-app")
    assert home.pairwise_id == answer.pairwise_id


@pytest.mark.req("6.1-10")
async def test_organisations_know_the_holder_by_ids_of_their_own(federation: Federation) -> None:
    hall = (await visit(federation)).answer.answer.pairwise_id
    clinic = (await visit(federation, app="clinic-app")).answer.answer.pairwise_id
    again = (await visit(federation)).answer.answer.pairwise_id
    assert len({hall, clinic, ""}) == 3
    assert again == hall
    # The hall of the same organisation in Beijing knows the same holder by the same id.
    shown = await (await federation.holder(WUHAN)).present()
    assert (await federation.beijing.counter.scan(shown.code.code_text)).answer.pairwise_id == hall


@pytest.mark.req("6.2-06", "6.2-04")
async def test_the_home_nodes_policy_decides_which_fields_leave_it(federation: Federation) -> None:
    # Shanghai's scene 1 would show the masked name alone, its scene 4 the whole name; neither is asked.
    for scene_no in (1, 4):
        visited = await visit(federation, scene_no=scene_no)
        assert fields_of(visited.answer.answer) == MASKED
        row = await scan_row(federation.wuhan, THERE, visited.biz_serial)
        assert row is not None
        assert row.disclosed_fields == ("name", "phone")


@pytest.mark.req("6.2-06")
async def test_kinds_of_scenes_without_a_policy_get_no_field(federation: Federation) -> None:
    gate = await gate_at(federation.shanghai)
    shown = await (await federation.holder(WUHAN)).present()
    answer = (await gate.scan(shown.code.code_text, scene_no=9)).answer
    assert answer.outcome == VALID
    assert fields_of(answer) == []
    assert answer.pairwise_id


@pytest.mark.req("6.2-06")
async def test_disclosed_fields_travel_sealed_to_the_visited_node(federation: Federation) -> None:
    visited = await visit(federation)
    assert fields_of(visited.answer.answer) == MASKED
    for shown in ("张**", "******01", "name", "phone"):
        assert shown.encode() in visited.answer.evidence.payload
        assert shown.encode() not in visited.answer.home_evidence.payload


@pytest.mark.req("6.1-09")
async def test_holder_reads_at_home_who_scanned_the_code_and_where(federation: Federation) -> None:
    visited = await visit(federation)
    record = (await visited.holder.records())[0]
    assert record.relying_party_name == "政务服务大厅（测试）"
    assert record.place == PLACE
    assert record.visited_node_id == SHANGHAI
    assert record.scene_class == scene_pb2.SCENE_CLASS_COUNTER
    assert list(record.disclosed_fields) == ["name", "phone"]
    assert record.outcome == VALID


@pytest.mark.req("6.2-13")
async def test_records_of_both_nodes_join_one_to_one_by_serial_and_trace(federation: Federation) -> None:
    visits = [await visit(federation, one_time=True) for _ in range(3)]
    used = await federation.shanghai.counter.scan(visits[0].code_text, biz_serial=serial("visit"))
    assert used.verdict.outcome == CONSUMED
    serials = [(one.biz_serial, one.trace_id) for one in visits] + [(used.answer.biz_serial, None)]
    for biz_serial, trace_id in serials:
        here = await scan_row(federation.shanghai, HERE, biz_serial)
        there = await scan_row(federation.wuhan, THERE, biz_serial)
        assert here is not None
        assert there is not None
        assert _common(here) == _common(there)
        assert here.trace_id == trace_id or trace_id is None
        (told_here,) = await audit_of(federation.shanghai, biz_serial=biz_serial)
        (told_there,) = await audit_of(federation.wuhan, biz_serial=biz_serial)
        assert told_here.entry.action == told_there.entry.action == AuditAction.CODE_SCANNED
        assert told_here.entry.trace_id == told_there.entry.trace_id == here.trace_id
        assert told_here.entry.result == told_there.entry.result
        assert (told_here.entry.actor, told_there.entry.actor) == ("counter-app", SHANGHAI)


@pytest.mark.req("6.1-07")
async def test_the_same_serial_gets_the_same_answer_again(federation: Federation) -> None:
    visited = await visit(federation, one_time=True)
    again = await federation.shanghai.counter.stub.ScanCode(
        appv1.ScanCodeRequest(biz_serial=visited.biz_serial, code_text=visited.code_text, scene_no=1, place=PLACE)
    )
    assert again.replayed
    assert not visited.answer.replayed
    assert again.answer == visited.answer.answer
    assert again.home_evidence == visited.answer.home_evidence
    used = [record for record in await visited.holder.records() if record.code_id == visited.answer.answer.code_id]
    assert len(used) == 1


@pytest.mark.req("6.1-07")
async def test_home_answers_a_question_again_whose_answer_was_lost(federation: Federation) -> None:
    shown = await (await federation.holder(WUHAN)).present(one_time=True)
    biz_serial = serial("lost")
    asked = await question(federation.shanghai, WUHAN, shown.code.code_text, biz_serial=biz_serial)
    await federation_service(federation.wuhan.as_node(SHANGHAI)).RecognizeCode(asked)
    answer = await federation.shanghai.counter.scan(shown.code.code_text, biz_serial=biz_serial)
    assert answer.verdict.outcome == VALID
    assert fields_of(answer.answer) == MASKED


async def test_a_one_time_code_is_good_for_one_serial(federation: Federation) -> None:
    visited = await visit(federation, one_time=True)
    assert visited.answer.verdict.outcome == VALID
    for node in (federation.shanghai, federation.beijing, federation.wuhan):
        other = await node.counter.scan(visited.code_text)
        assert other.verdict.outcome == CONSUMED
        assert fields_of(other.answer) == []
        assert not other.answer.pairwise_id


@pytest.mark.req("6.1-06")
async def test_a_one_time_code_is_valid_once_however_many_regions_scan_it_at_once(federation: Federation) -> None:
    shown = await (await federation.holder(WUHAN)).present(one_time=True)
    desks = [node.counter for node in (federation.shanghai, federation.beijing, federation.wuhan)] * 10
    answers = await asyncio.gather(*(desk.scan(shown.code.code_text) for desk in desks))
    outcomes = [answer.verdict.outcome for answer in answers]
    assert outcomes.count(VALID) == 1
    assert outcomes.count(CONSUMED) == 29


async def test_verification_neither_consumes_nor_discloses(federation: Federation) -> None:
    holder = await federation.holder(WUHAN)
    shown = await holder.present(one_time=True)
    for _ in range(2):
        verified = await federation.shanghai.counter.verify(shown.code.code_text)
        assert verified.verdict.outcome == VALID
        assert fields_of(verified.answer) == []
        row = await scan_row(federation.wuhan, THERE, verified.answer.biz_serial, act=ScanAct.VERIFY)
        assert row is not None
        assert row.disclosed_fields == ()
    assert (await federation.shanghai.counter.scan(shown.code.code_text)).verdict.outcome == VALID


@pytest.mark.req("5-05")
async def test_a_companys_code_is_recognized_like_a_persons(federation: Federation) -> None:
    (company, *_) = synthetic_companies()
    holder = await federation.holder(WUHAN, "李示范", uscc=company["uscc"])
    shown = await holder.present()
    answer = (await federation.shanghai.counter.scan(shown.code.code_text)).answer
    assert answer.outcome == VALID
    assert answer.subject_kind == subject_pb2.SUBJECT_KIND_LEGAL_ENTITY
    assert answer.pairwise_id
    # The policy names two fields, and a company has neither.
    assert fields_of(answer) == []


async def test_a_revoked_code_is_refused_in_other_regions_at_once(federation: Federation) -> None:
    holder = await federation.holder(WUHAN)
    shown = await holder.present()
    desk = federation.wuhan.operator
    await desk.base.RevokeCode(
        basev1.RevokeCodeRequest(biz_serial=serial("revoke"), code_id=shown.code.code_id, reason="test")
    )
    answer = await federation.shanghai.counter.scan(shown.code.code_text)
    assert answer.verdict.outcome == verdict_pb2.OUTCOME_REVOKED
    assert answer.answer.decided_by_node_id == WUHAN
    assert fields_of(answer.answer) == []
