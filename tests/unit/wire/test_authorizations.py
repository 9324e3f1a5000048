"""What callers ask about authorizations, and what holder and relying party see of one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1 import license_pb2 as licensev1
from govcode.code.v1 import event_pb2 as eventv1
from govcode.common.v1 import evidence_pb2 as evidencev1
from govcode.common.v1 import holder_pb2 as holderv1
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_node.domain.accounts import AccountId, HolderProofInvalidError
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationEntry,
    AuthorizationState,
    ConsentRequest,
    DecidedItem,
    LegalBasis,
    RequestedItem,
    StatutoryDuty,
    UseState,
)
from govcode_node.domain.catalogue import AskedItem, LicenseType, LicenseTypeField
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.consent_pages import consent_page
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.events import AuthorizationChanged, AuthorizationRequested, Event, EventKind, LicenseUsed
from govcode_node.domain.licenses import LicensePlace, LicenseStatus, LicenseUse
from govcode_node.domain.mandates import Mandate
from govcode_node.domain.scenes import SceneClass
from govcode_node.ports.security import HolderProof
from govcode_node.usecases.authorization_questions import AnsweredQuestion
from govcode_node.usecases.authorization_reading import ExportedAuthorization, HolderView, UsePage
from govcode_node.usecases.deciding import DecideCommand
from govcode_node.usecases.grant_checks import Introspection
from govcode_node.usecases.license_fetching import FetchCommand
from govcode_node.usecases.requesting import RequestCommand
from govcode_node.usecases.step_ups import FinishedCheck
from govcode_node.wire import authorization_requests as requests
from govcode_node.wire.authorizations import (
    authorization_to_holder,
    authorization_to_party,
    exported_to_proto,
    holder_view_to_proto,
    introspection_to_proto,
    mandate_to_proto,
    party_view_to_proto,
    use_page_to_proto,
)
from govcode_node.wire.events import event_to_proto
from govcode_node.wire.licenses import license_place_to_proto

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
AUTHORIZATION_ID = "au_" + "0f" * 16
TOKEN = "0f" * 16


def evidence(payload: bytes) -> evidencev1.Evidence:
    return evidencev1.Evidence(payload=payload, payload_type="t", node_id="420000", key_id="0" * 16)


LICENCE, CARD = (
    AskedItem(license_type="business-licence", field_names=("name",)),
    AskedItem(license_type="id-card", field_names=("face",), document=True),
)
TYPES = {
    "business-licence": LicenseType(
        license_type="business-licence",
        version=1,
        name="营业执照",
        fields=(LicenseTypeField(name="name", label="名称"),),
        subject_kinds=frozenset(SubjectKind),
    ),
    "id-card": LicenseType(
        license_type="id-card",
        version=1,
        name="居民身份证",
        fields=(LicenseTypeField(name="face", label="照片", sensitive=True),),
        subject_kinds=frozenset(SubjectKind),
    ),
}
REQUEST = ConsentRequest(
    authorization_id=AUTHORIZATION_ID,
    visited_node="110000",
    home_node="420000",
    entry=AuthorizationEntry.RELYING_PARTY_SCANNED,
    app_id="counter-app",
    biz_serial="S-1",
    scan_biz_serial="S-0",
    relying_party_name="北京市政务服务中心",
    relying_party_uscc="91110000000000000X",
    relying_party_contact="010-00000000",
    matter_code="M-1",
    matter_name="企业开办",
    purpose="核验",
    handling_means="核验后不留存",
    items=(RequestedItem(item_no=1, asked=LICENCE), RequestedItem(item_no=2, asked=CARD)),
    retention=timedelta(days=1),
    max_uses=3,
    period=timedelta(hours=1),
    requested_at=NOW,
    scene_class=SceneClass.COUNTER,
)
PENDING = Authorization(
    authorization_id=AUTHORIZATION_ID,
    request=REQUEST,
    request_evidence=b"r",
    account_id=AccountId("ac_1"),
    subject_kind=SubjectKind.PERSON,
    state=AuthorizationState.PENDING,
    decide_before=NOW + timedelta(minutes=2),
)
GRANTED = replace(
    PENDING,
    state=AuthorizationState.GRANTED,
    decided_at=NOW,
    ends_at=NOW + timedelta(hours=1),
    items=(
        DecidedItem(item_no=1, asked=LICENCE, sensitive=False, granted=True, license_node="310000"),
        DecidedItem(item_no=2, asked=CARD, sensitive=True, granted=False),
    ),
    uses={1: 2},
    grant=evidence(b"grant").SerializeToString(),
)


def test_the_holder_sees_all_that_is_asked_and_what_is_sensitive() -> None:
    shown = authorization_to_holder(PENDING, now=NOW, types=TYPES)
    assert [(item.item_no, item.license_type_name, item.sensitive, item.document) for item in shown.items] == [
        (1, "营业执照", False, False),
        (2, "居民身份证", True, True),
    ]
    assert shown.state == authorizationv1.AUTHORIZATION_STATE_PENDING
    assert not shown.remaining_uses
    assert not shown.HasField("decide_time")


def test_a_list_without_the_catalogue_still_says_what_was_decided_as_sensitive() -> None:
    assert [item.sensitive for item in authorization_to_holder(GRANTED, now=NOW).items] == [False, True]


def test_time_alone_changes_what_is_shown() -> None:
    late = NOW + timedelta(minutes=2)
    assert authorization_to_party(PENDING, now=late).state == authorizationv1.AUTHORIZATION_STATE_TIMED_OUT
    over = NOW + timedelta(hours=1)
    assert authorization_to_holder(GRANTED, now=over).state == authorizationv1.AUTHORIZATION_STATE_EXPIRED


@pytest.mark.req("6.3-10")
def test_the_relying_party_sees_what_is_granted_and_nothing_of_what_is_refused() -> None:
    asked = authorization_to_party(PENDING, now=NOW)
    assert [item.item_no for item in asked.items] == [1, 2]
    assert not any(item.sensitive or item.license_type_name for item in asked.items)
    granted = authorization_to_party(GRANTED, now=NOW)
    assert [(item.item_no, item.license_type) for item in granted.items] == [(1, "business-licence")]
    assert dict(granted.remaining_uses) == {1: 1}
    denied = replace(
        GRANTED, state=AuthorizationState.DENIED, items=tuple(replace(one, granted=False) for one in GRANTED.items)
    )
    seen = authorization_to_party(denied, now=NOW)
    assert (len(seen.items), dict(seen.remaining_uses)) == (0, {})


def test_the_relying_party_gets_the_grant_once_there_is_one() -> None:
    assert party_view_to_proto(GRANTED, now=NOW).grant.payload == b"grant"
    assert not party_view_to_proto(PENDING, now=NOW).HasField("grant")
    assert not party_view_to_proto(GRANTED, now=NOW).HasField("page")


@pytest.mark.req("6.3-06")
def test_the_page_is_shown_with_its_version_and_hash() -> None:
    view = HolderView(authorization=PENDING, page=consent_page(REQUEST, TYPES), types=TYPES)
    page = holder_view_to_proto(view, now=NOW).page
    assert page.notice_hash == sm3(page.notice_text.encode())
    assert (page.notice_version, page.contact) == (view.page.version, "010-00000000")
    assert page.retention == Duration(seconds=86_400)


def test_a_use_shows_when_it_ended_only_once_it_has() -> None:
    use = LicenseUse(
        use_id="us_" + "0f" * 16,
        authorization_id=AUTHORIZATION_ID,
        item_no=1,
        caller="app:counter-app",
        biz_serial="S-2",
        account_id=AccountId("ac_1"),
        license_type="business-licence",
        relying_party_name="北京市政务服务中心",
        matter_code="M-1",
        license_node="310000",
        legal_basis=LegalBasis.CONSENT,
        state=UseState.BEGUN,
        begun_at=NOW,
    )
    ended = replace(use, state=UseState.FAILED, ended_at=NOW)
    page = use_page_to_proto(UsePage(uses=[use, ended], next_page_token="us_1"))
    assert [one.HasField("end_time") for one in page.uses] == [False, True]
    assert [one.state for one in page.uses] == [
        authorizationv1.LICENSE_USE_STATE_BEGUN,
        authorizationv1.LICENSE_USE_STATE_FAILED,
    ]
    assert page.next_page_token == "us_1"


def test_a_place_says_which_item_it_fits() -> None:
    place = LicensePlace(
        license_type="id-card",
        license_node="310000",
        issuer_name="上海市公安局",
        masked_number="3101****1234",
        status=LicenseStatus.SUSPENDED,
    )
    message = license_place_to_proto(2, place)
    assert (message.item_no, message.license_node_id) == (2, "310000")
    assert message.status == licensev1.LICENSE_STATUS_SUSPENDED


def test_an_export_holds_each_piece_as_it_was_signed_and_no_empty_one() -> None:
    exported = ExportedAuthorization(
        consent_request=evidence(b"request").SerializeToString(),
        consent_record=b"",
        grant=b"",
        withdrawal=b"",
        use_requests=(evidence(b"use").SerializeToString(),),
        deliveries=(),
        trust_bundle=evidence(b"bundle").SerializeToString(),
    )
    message = exported_to_proto(exported)
    assert message.consent_request == evidence(b"request")
    assert [one.payload for one in message.use_requests] == [b"use"]
    assert not message.HasField("grant")


def test_an_inactive_grant_tells_where_it_stands_and_nothing_else() -> None:
    found = Introspection(
        active=False,
        state=AuthorizationState.WITHDRAWN,
        items=GRANTED.items,
        remaining_uses={1: 1},
        matter_code="M-1",
        ends_at=NOW,
    )
    assert introspection_to_proto(found) == servicev1.IntrospectGrantResponse(
        state=authorizationv1.AUTHORIZATION_STATE_WITHDRAWN
    )
    active = introspection_to_proto(replace(found, active=True, state=AuthorizationState.GRANTED))
    assert [item.item_no for item in active.items] == [1]
    assert (dict(active.remaining_uses), active.matter_code, active.HasField("end_time")) == ({1: 1}, "M-1", True)


def test_a_mandate_does_not_tell_who_gave_it() -> None:
    mandate = Mandate(
        mandate_id="ma_1",
        entity_account_id=AccountId("ac_1"),
        agent_account_id=AccountId("ac_2"),
        matter_codes=("M-1",),
        license_types=("business-licence",),
        starts_at=NOW,
        ends_at=NOW + timedelta(days=1),
        representative_index=b"representative",
        given_at=NOW,
    )
    message = mandate_to_proto(mandate)
    assert b"representative" not in message.SerializeToString()
    assert (message.agent_account_id, message.HasField("cancel_time")) == ("ac_2", False)


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        (
            AuthorizationRequested(
                authorization_id=AUTHORIZATION_ID, relying_party_name="甲", matter_code="M-1", decide_before=NOW
            ),
            "authorization_requested",
            {"relying_party_name": "甲", "matter_code": "M-1"},
        ),
        (
            AuthorizationChanged(
                authorization_id=AUTHORIZATION_ID,
                state=AuthorizationState.GRANTED,
                legal_basis=LegalBasis.STATUTORY_DUTY,
            ),
            "authorization_changed",
            {
                "state": authorizationv1.AUTHORIZATION_STATE_GRANTED,
                "legal_basis": authorizationv1.LEGAL_BASIS_STATUTORY_DUTY,
            },
        ),
        (
            LicenseUsed(
                authorization_id=AUTHORIZATION_ID,
                use_id="us_1",
                license_type="id-card",
                relying_party_name="甲",
                state=UseState.DELIVERED,
            ),
            "license_used",
            {"use_id": "us_1", "state": authorizationv1.LICENSE_USE_STATE_DELIVERED},
        ),
    ],
)
def test_events_tell_of_authorizations_and_uses(kind: EventKind, name: str, fields: dict[str, Any]) -> None:
    event = Event(app_id="holder-app", account_id=AccountId("ac_1"), happened_at=NOW, kind=kind, event_id="ev_1")
    message = event_to_proto(event, cursor="c-1")
    told = {field.name: value for field, value in getattr(message, name).ListFields()}
    assert told["authorization_id"] == AUTHORIZATION_ID
    assert {key: told[key] for key in fields} == fields
    assert name in {field.name for field in eventv1.Event.DESCRIPTOR.oneofs[0].fields}


# What callers ask.

ASK = servicev1.RequestAuthorizationRequest(
    biz_serial="S-1",
    scan_id="sc_1",
    matter_code="M-1",
    purpose="核验",
    handling_means="核验后不留存",
    items=[authorizationv1.AuthorizationItem(license_type="id-card", field_names=["face"], document=True)],
    retention=Duration(seconds=60),
    max_uses=3,
    period=Duration(seconds=3600),
)


def spoilt(message: Any, **fields: Any) -> Any:
    """A request with fields changed or, where None, cleared."""
    copy = type(message)()
    copy.CopyFrom(message)
    for name, value in fields.items():
        copy.ClearField(name)
        if isinstance(value, list):
            getattr(copy, name).extend(value)
        elif hasattr(value, "DESCRIPTOR"):
            getattr(copy, name).CopyFrom(value)
        elif value is not None:
            setattr(copy, name, value)
    return copy


def test_what_is_asked_is_read_whole() -> None:
    assert requests.request_command_from_proto(ASK) == RequestCommand(
        biz_serial="S-1",
        scan_id="sc_1",
        matter_code="M-1",
        purpose="核验",
        handling_means="核验后不留存",
        items=(AskedItem(license_type="id-card", field_names=("face",), document=True),),
        retention=timedelta(minutes=1),
        max_uses=3,
        period=timedelta(hours=1),
        legal_basis=LegalBasis.CONSENT,
    )
    nothing_kept = requests.request_command_from_proto(spoilt(ASK, retention=None))
    assert nothing_kept.retention == timedelta()


def an_item(**fields: Any) -> authorizationv1.AuthorizationItem:
    return authorizationv1.AuthorizationItem(**{"license_type": "id-card", "document": True, **fields})


@pytest.mark.req("6.3-03")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"biz_serial": None}, "biz_serial"),
        ({"scan_id": None}, "scan_id"),
        ({"matter_code": None}, "matter_code"),
        ({"purpose": None}, "purpose"),
        ({"purpose": "为" * 201}, "purpose"),
        ({"handling_means": None}, "handling_means"),
        ({"items": None}, "items"),
        ({"items": [an_item(license_type=f"t-{no}") for no in range(17)]}, "items"),
        ({"items": [an_item(), an_item()]}, "items"),
        ({"items": [an_item(license_type="")]}, "items.license_type"),
        ({"items": [an_item(document=False)]}, "items.field_names"),
        ({"items": [an_item(field_names=["Face"])]}, "items.field_names"),
        ({"items": [an_item(field_names=["face", "face"])]}, "items.field_names"),
        ({"items": [an_item(field_names=[f"f_{no}" for no in range(33)])]}, "items.field_names"),
        ({"max_uses": None}, "max_uses"),
        ({"period": None}, "period"),
        ({"retention": Duration(seconds=-1)}, "retention"),
        ({"legal_basis": 9}, "legal_basis"),
        (
            {"statutory_duty": authorizationv1.StatutoryDuty(statute="法", approval_reference="号")},
            "statutory_duty",
        ),
    ],
)
def test_a_request_that_lacks_something_is_refused_by_its_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        requests.request_command_from_proto(spoilt(ASK, **fields))
    assert caught.value.field == field


@pytest.mark.req("N-35")
def test_a_duty_names_statute_and_approval_or_is_none() -> None:
    statutory = spoilt(ASK, legal_basis=authorizationv1.LEGAL_BASIS_STATUTORY_DUTY)
    assert requests.request_command_from_proto(statutory).statutory_duty is None
    named = spoilt(statutory, statutory_duty=authorizationv1.StatutoryDuty(statute="法", approval_reference="号"))
    read = requests.request_command_from_proto(named).statutory_duty
    assert read == StatutoryDuty(statute="法", approval_reference="号")
    with pytest.raises(InvalidFieldError) as caught:
        requests.request_command_from_proto(
            spoilt(statutory, statutory_duty=authorizationv1.StatutoryDuty(statute="法"))
        )
    assert caught.value.field == "statutory_duty.approval_reference"


def test_nobody_waits_longer_than_30_s() -> None:
    def waiting(seconds: int) -> servicev1.WaitAuthorizationRequest:
        return servicev1.WaitAuthorizationRequest(wait=Duration(seconds=seconds))

    assert requests.wait_from_proto(servicev1.WaitAuthorizationRequest()) == timedelta()
    assert requests.wait_from_proto(waiting(30)) == timedelta(seconds=30)
    with pytest.raises(InvalidFieldError):
        requests.wait_from_proto(waiting(31))


def test_a_check_is_for_items_of_an_authorization_or_for_a_mandate() -> None:
    read = requests.step_up_target_from_proto
    assert read(servicev1.BeginStepUpRequest()) == ("", ())
    named = servicev1.BeginStepUpRequest(authorization_id=AUTHORIZATION_ID, item_nos=[2, 1, 2])
    assert read(named) == (AUTHORIZATION_ID, (1, 2))
    for bad in (
        servicev1.BeginStepUpRequest(item_nos=[1]),
        servicev1.BeginStepUpRequest(authorization_id=AUTHORIZATION_ID),
        servicev1.BeginStepUpRequest(authorization_id=AUTHORIZATION_ID, item_nos=[0]),
        servicev1.BeginStepUpRequest(authorization_id="1", item_nos=[1]),
    ):
        with pytest.raises(InvalidFieldError):
            read(bad)


def test_a_decision_stands_in_the_proof_and_brings_the_check_where_there_is_one() -> None:
    proof = holderv1.HolderProof(statement=b"s", device_key_id="0" * 16, sm2_signature=b"x" * 64)
    request = servicev1.DecideAuthorizationRequest(biz_serial="S-1", session_token=TOKEN, proof=proof)
    plain = DecideCommand(
        biz_serial="S-1",
        session_token=TOKEN,
        proof=HolderProof(statement=b"s", device_key_id="0" * 16, signature=b"x" * 64),
    )
    assert requests.decide_command_from_proto(request) == plain
    check = holderv1.Identification(identification_id="id-1", provider_blob=b"secret")
    checked = requests.decide_command_from_proto(spoilt(request, identification=check))
    assert checked == replace(plain, check=FinishedCheck(identification_id="id-1", provider_blob=b"secret"))
    assert "secret" not in repr(checked)
    with pytest.raises(HolderProofInvalidError):
        requests.decide_command_from_proto(spoilt(request, proof=None))
    with pytest.raises(InvalidFieldError):
        requests.decide_command_from_proto(spoilt(request, session_token=None))


def test_a_fetch_brings_number_and_name_both_or_neither() -> None:
    request = servicev1.FetchLicenseRequest(
        biz_serial="S-2", authorization_id=AUTHORIZATION_ID, item_no=1, matter_code="M-1", from_chunk=7
    )
    plain = FetchCommand(
        biz_serial="S-2", authorization_id=AUTHORIZATION_ID, item_no=1, matter_code="M-1", from_chunk=7
    )
    assert requests.fetch_command_from_proto(request) == plain
    case = licensev1.CaseLocator(name="样例", number="420106199001011234")
    given = requests.fetch_command_from_proto(spoilt(request, case_locator=case))
    assert given == replace(plain, case_name="样例", case_number="420106199001011234")
    assert "4201" not in repr(given)
    for bad, field in (
        ({"case_locator": licensev1.CaseLocator(name="样例")}, "case_locator.number"),
        ({"case_locator": licensev1.CaseLocator(number="1")}, "case_locator.name"),
        ({"item_no": None}, "item_no"),
        ({"item_no": 17}, "item_no"),
        ({"matter_code": None}, "matter_code"),
        ({"authorization_id": "au_"}, "authorization_id"),
        ({"from_chunk": 257}, "from_chunk"),
    ):
        with pytest.raises(InvalidFieldError) as caught:
            requests.fetch_command_from_proto(spoilt(request, **bad))
        assert caught.value.field == field


def test_another_node_asks_one_thing() -> None:
    read = requests.forwarded_authorization_from_proto
    asked, question = evidence(b"asked"), evidence(b"question")
    request = federationv1.ForwardAuthorizationRequest(consent_request=asked)
    assert read(request) == (asked.SerializeToString(), b"")
    assert read(federationv1.ForwardAuthorizationRequest(question=question)) == (b"", question.SerializeToString())
    with pytest.raises(InvalidFieldError):
        read(federationv1.ForwardAuthorizationRequest())


def test_a_question_is_answered_by_what_belongs_to_it() -> None:
    answer = evidence(b"answer").SerializeToString()
    assert requests.answered_question_to_proto(AnsweredQuestion(answer=answer)).answer.payload == b"answer"
    scene = requests.answered_question_to_proto(AnsweredQuestion(consent_request=answer))
    assert scene.WhichOneof("content") == "consent_request"


def test_evidence_is_needed_and_goes_on_as_it_came() -> None:
    grant = evidence(b"grant")
    request = servicev1.IntrospectGrantRequest(grant=grant)
    assert requests.evidence_bytes_from_proto(request, "grant") == grant.SerializeToString()
    with pytest.raises(InvalidFieldError) as caught:
        requests.evidence_bytes_from_proto(servicev1.IntrospectGrantRequest(), "grant")
    assert caught.value.field == "grant"
    forward = federationv1.ForwardLicenseFetchRequest(request=grant)
    assert requests.forwarded_grant_from_proto(forward) == b""
