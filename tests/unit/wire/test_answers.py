"""What leaves the node: each answer with every fact of the domain, and nothing that must stay inside."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from govcode.code.v1 import account_pb2 as accountv1
from govcode.code.v1 import event_pb2 as eventv1
from govcode.code.v1 import scan_pb2 as scanv1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import evidence_pb2 as evidencev1
from govcode.common.v1 import scene_pb2 as scenev1
from govcode.common.v1 import subject_pb2 as subjectv1
from govcode.common.v1 import verdict_pb2 as verdictv1
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.operations.v1 import node_status_pb2 as statusv1
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode.security.v1 import audit_service_pb2 as auditv1
from govcode_node.domain.accounts import Account, AccountId, AccountState, Session
from govcode_node.domain.audit import AuditAction, AuditEntry, AuditRecord
from govcode_node.domain.codes import CodeContent, CodeId, CodeMode, CodeProfile, CodeState, SubjectKind, TerminalType
from govcode_node.domain.events import (
    AccountClosed,
    CodeChange,
    CodeScanned,
    CodeStateChanged,
    Event,
    EventKind,
    SessionEnded,
)
from govcode_node.domain.issued_codes import IssuedCode, StoredCode
from govcode_node.domain.nodes import NodeCondition, NodeState, NodeTrust, NodeView, RegisteredNode
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.scans import ScanAct, ScanAnswer, ScanRow
from govcode_node.domain.scenes import SceneClass
from govcode_node.usecases.event_feed import EventPage
from govcode_node.usecases.scanning import ScanResult
from govcode_node.wire.accounts import account_to_proto, session_to_proto
from govcode_node.wire.audit import audit_record_to_proto
from govcode_node.wire.codes import code_content_to_proto, issued_code_to_proto, service_code_to_proto
from govcode_node.wire.events import event_messages_to_proto, event_page_to_proto, event_to_proto
from govcode_node.wire.scans import (
    scan_answer_to_proto,
    scan_record_to_proto,
    scan_result_to_proto,
    verify_result_to_proto,
)
from govcode_node.wire.status import node_view_to_proto
from govcode_node.wire.times import moment_to_proto
from govcode_node.wire.trust import registered_node_to_proto
from hypothesis import given
from kit.code_samples import contents

AT = datetime(2026, 12, 1, 8, 0, 0, 123_000, tzinfo=UTC)
LATER = AT + timedelta(seconds=120)
STAMP, LATER_STAMP = moment_to_proto(AT), moment_to_proto(LATER)

ANSWER = ScanAnswer(
    scan_id="sc_1",
    act=ScanAct.SCAN,
    biz_serial="S-1",
    app_id="counter-app",
    outcome=Outcome.EXPIRED,
    decided_by="420100",
    decided_at=AT,
    valid_until=LATER,
    scene_no=1,
    code_text_digest=bytes(32),
)
CODE = StoredCode(
    code_id=CodeId(bytes(16)),
    account_id=AccountId("ac_1"),
    presenter_account_id=None,
    subject_kind=SubjectKind.PERSON,
    mode=CodeMode.DYNAMIC,
    profile=CodeProfile.MAC,
    terminal_type=TerminalType.APP,
    scene_no=7,
    one_time=True,
    key_no=1,
    issued_at=AT,
    expires_at=LATER,
    app_id="holder-app",
)


def test_an_account_goes_out_without_its_device_key() -> None:
    account = Account(
        account_id=AccountId("ac_1"),
        subject_kind=SubjectKind.PERSON,
        state=AccountState.CLOSED,
        assurance_level=3,
        terms_version="2026-01",
        device_key_id="k",
        device_public_key=bytes(65),
        opened_at=AT,
        closed_at=LATER,
    )
    assert account_to_proto(account) == accountv1.Account(
        account_id="ac_1",
        subject_kind=subjectv1.SUBJECT_KIND_PERSON,
        state=accountv1.ACCOUNT_STATE_CLOSED,
        assurance_level=3,
        terms_version="2026-01",
        open_time=STAMP,
        close_time=LATER_STAMP,
    )


def test_a_session_shows_its_token_only_where_it_is_given() -> None:
    session = Session(
        token_hash=b"\xab" * 32,
        account_id=AccountId("ac_1"),
        app_id="holder-app",
        device_key_id="k",
        created_at=AT,
        expires_at=LATER,
    )
    listed = session_to_proto(session)
    assert (listed.session_token, listed.session_id, listed.HasField("end_time")) == ("", "ab" * 8, False)
    assert session_to_proto(session, token="secret").session_token == "secret"


def test_an_issued_code_goes_out_with_its_times() -> None:
    issued = IssuedCode(code=CODE, code_text="ZWM1:X", refresh_after=timedelta(seconds=60))
    assert issued_code_to_proto(issued) == codev1.IssuedCode(
        code_id=bytes(16),
        code_text="ZWM1:X",
        code_mode=codev1.CODE_MODE_DYNAMIC,
        issue_time=STAMP,
        expire_time=LATER_STAMP,
        refresh_after=Duration(seconds=60),
        one_time=True,
    )


def test_a_code_that_is_kept_goes_out_with_its_state() -> None:
    from dataclasses import replace

    frozen = replace(CODE, mode=CodeMode.STATIC, state=CodeState.FROZEN, state_at=LATER, reason="lost", expires_at=None)
    assert service_code_to_proto(frozen) == codev1.ServiceCode(
        code_id=bytes(16),
        state=codev1.CODE_STATE_FROZEN,
        subject_kind=subjectv1.SUBJECT_KIND_PERSON,
        code_mode=codev1.CODE_MODE_STATIC,
        scene_no=7,
        issue_time=STAMP,
        state_time=LATER_STAMP,
        reason="lost",
    )


@given(contents())
def test_every_content_can_be_shown(content: CodeContent) -> None:
    shown = code_content_to_proto(content)
    assert (shown.code_id, shown.region_code) == (content.code_id, str(content.region_code))
    assert shown.HasField("expire_time") == (content.expires_at is not None)
    assert [(field.tag, field.value) for field in shown.extension] == [
        (field.tag, field.value) for field in content.extension
    ]


def test_what_stands_beside_the_evidence_is_read_from_it() -> None:
    signed = scan_answer_to_proto(ANSWER)
    signed.scan_id = "sc_signed"
    evidence = evidencev1.Evidence(payload=signed.SerializeToString()).SerializeToString()
    result = ScanResult(answer=ANSWER, evidence=evidence, home_region_name="武汉市", replayed=True)
    for response in (scan_result_to_proto(result), verify_result_to_proto(result)):
        assert response.answer.scan_id == "sc_signed"
        assert response.evidence.SerializeToString() == evidence
        assert response.verdict.decision == verdictv1.DECISION_REJECT
        assert (response.home_region_name, response.replayed) == ("武汉市", True)
        assert not response.HasField("home_evidence")


def test_a_record_shows_the_holder_who_where_when_and_what_came_of_it() -> None:
    row = ScanRow(
        scan_id="sc_1",
        caller="app:counter-app",
        biz_serial="S-1",
        request_digest=bytes(32),
        act=ScanAct.VERIFY,
        outcome=Outcome.VALID,
        code_id=bytes(16),
        account_id=AccountId("ac_1"),
        home_node="420100",
        visited_node="310000",
        relying_party_name="江汉区政务服务中心",
        scene_no=7,
        scene_class=SceneClass.COUNTER,
        place="3 号窗口",
        device_id="d",
        disclosed_fields=("name",),
        decided_at=AT,
        trace_id="t",
        answer=b"sealed",
    )
    assert scan_record_to_proto(row) == scanv1.ScanRecord(
        scan_id="sc_1",
        act=scanv1.SCAN_ACT_VERIFY,
        relying_party_name="江汉区政务服务中心",
        place="3 号窗口",
        scene_class=scenev1.SCENE_CLASS_COUNTER,
        visited_node_id="310000",
        decide_time=STAMP,
        outcome=verdictv1.OUTCOME_VALID,
        disclosed_fields=["name"],
        code_id=bytes(16),
    )


SCANNED = CodeScanned(
    code_id=bytes(16),
    scan_id="sc_1",
    outcome="VALID",
    relying_party_name="中心",
    place="窗口",
    scene_class=SceneClass.GATE,
    visited_node="310000",
)


def event_of(kind: EventKind, position: int = 5) -> Event:
    return Event(
        app_id="holder-app",
        account_id=AccountId("ac_1"),
        happened_at=AT,
        kind=kind,
        event_id="ev_1",
        position=position,
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            SCANNED,
            {
                "code_scanned": eventv1.CodeScanned(
                    code_id=bytes(16),
                    scan_id="sc_1",
                    outcome=verdictv1.OUTCOME_VALID,
                    relying_party_name="中心",
                    place="窗口",
                    scene_class=scenev1.SCENE_CLASS_GATE,
                    visited_node_id="310000",
                )
            },
        ),
        (
            CodeStateChanged(code_id=bytes(16), state=CodeChange.FROZEN),
            {"code_state_changed": eventv1.CodeStateChanged(code_id=bytes(16), state="FROZEN")},
        ),
        (
            SessionEnded(session_id="s", reason="MOVED_TO_OTHER_DEVICE"),
            {"session_ended": eventv1.SessionEnded(session_id="s", reason="MOVED_TO_OTHER_DEVICE")},
        ),
        (AccountClosed(), {"account_closed": eventv1.AccountClosed()}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_event_goes_out(kind: EventKind, expected: dict[str, eventv1.AccountClosed]) -> None:
    assert event_to_proto(event_of(kind), cursor="e5") == eventv1.Event(
        event_id="ev_1", cursor="e5", create_time=STAMP, account_id="ac_1", **expected
    )


def test_an_unknown_outcome_in_an_event_is_unspecified() -> None:
    from dataclasses import replace

    message = event_to_proto(event_of(replace(SCANNED, outcome="OF_NEXT_YEAR")), cursor="e5")
    assert message.code_scanned.outcome == verdictv1.OUTCOME_UNSPECIFIED


@pytest.mark.req("N-52")
def test_each_event_carries_the_cursor_that_goes_on_after_it() -> None:
    page = EventPage(events=[event_of(AccountClosed(), 5), event_of(AccountClosed(), 9)], cursor="e9")
    assert [message.event.cursor for message in event_messages_to_proto(page)] == ["e5", "e9"]
    assert [event.cursor for event in event_page_to_proto(page).events] == ["e5", "e9"]


@pytest.mark.req("N-52")
def test_an_empty_page_is_a_heartbeat_without_an_id() -> None:
    [message] = event_messages_to_proto(EventPage(events=(), cursor="e9"))
    assert message.event == eventv1.Event(cursor="e9", heartbeat=eventv1.Heartbeat())


def test_an_audit_record_goes_out_with_its_place_in_the_chain() -> None:
    entry = AuditEntry(
        happened_at=AT,
        actor_class="operator.audit",
        actor="li",
        action=AuditAction.AUDIT_READ,
        object="audit",
        result="OK",
        biz_serial="S-1",
        trace_id="t",
        details={"records": "3"},
    )
    record = AuditRecord(entry=entry, writer_id="w", seq=4, previous_hash=bytes(32), hash=b"h" * 32)
    assert audit_record_to_proto(record) == auditv1.AuditEvent(
        writer_id="w",
        seq=4,
        create_time=STAMP,
        actor_class="operator.audit",
        actor="li",
        action="AUDIT_READ",
        object="audit",
        result="OK",
        biz_serial="S-1",
        trace_id="t",
        previous_hash=bytes(32),
        hash=b"h" * 32,
        details={"records": "3"},
    )


NODE = RegisteredNode(
    trust=NodeTrust(
        node_id="420100",
        region_code=RegionCode("420100"),
        name_zh="武汉市",
        name_en="Wuhan",
        state=NodeState.JOINING,
        endpoints=("n:1",),
        certificate_name="spiffe://federation.govcode/node/420100",
        keys=(),
    ),
    prefixes=("4201",),
    software_version="0.1.0",
    registered_at=AT,
    state_at=LATER,
    state_operator="wang",
)


def test_a_registered_node_and_its_view_go_out() -> None:
    assert registered_node_to_proto(NODE) == nodev1.Node(
        trust=trustv1.NodeTrust(
            node_id="420100",
            region_code="420100",
            name_zh="武汉市",
            name_en="Wuhan",
            state=trustv1.NODE_STATE_JOINING,
            endpoints=["n:1"],
            certificate_name="spiffe://federation.govcode/node/420100",
        ),
        prefixes=["4201"],
        software_version="0.1.0",
        register_time=STAMP,
        state_time=LATER_STAMP,
        state_operator="wang",
    )
    view = NodeView(
        node=NODE,
        condition=NodeCondition.DOWN,
        last_report_at=None,
        status=None,
        codes_issued=1,
        scans=2,
        cross_region_scans=3,
    )
    assert node_view_to_proto(view) == nodev1.NodeView(
        node_id="420100",
        name_zh="武汉市",
        name_en="Wuhan",
        state=trustv1.NODE_STATE_JOINING,
        condition=statusv1.NODE_CONDITION_DOWN,
        codes_issued=1,
        scans=2,
        cross_region_scans=3,
    )
