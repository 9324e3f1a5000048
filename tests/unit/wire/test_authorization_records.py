"""What nodes state about authorizations and licences survives its way, and a contradiction in it is no statement."""

from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import license_pb2 as licensev1
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode_node.domain.authorizations import (
    AuthorizationAnswer,
    AuthorizationQuestion,
    ConsentRecord,
    ConsentRequest,
    Grant,
    QuestionKind,
    Withdrawal,
)
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.licenses import LicenseDelivery, LicenseUseRequest
from govcode_node.ports.security import Statement
from govcode_node.wire.statements import UnreadableStatementError, codec_of
from hypothesis import given
from hypothesis import strategies as st
from kit.authorization_strategies import (
    ANSWERS,
    consent_records,
    consent_requests,
    deliveries,
    grants,
    questions,
    use_requests,
    withdrawals,
)

KINDS: dict[type[Any], tuple[type[Message], EvidencePurpose, str]] = {
    ConsentRequest: (recordv1.ConsentRequest, EvidencePurpose.CONSENT_REQUEST, "visited_node"),
    ConsentRecord: (recordv1.ConsentRecord, EvidencePurpose.CONSENT, "home_node"),
    Grant: (recordv1.Grant, EvidencePurpose.GRANT, "home_node"),
    Withdrawal: (recordv1.Withdrawal, EvidencePurpose.WITHDRAWAL, "home_node"),
    AuthorizationQuestion: (recordv1.AuthorizationQuestion, EvidencePurpose.AUTHORIZATION_QUESTION, "from_node"),
    AuthorizationAnswer: (recordv1.AuthorizationAnswer, EvidencePurpose.AUTHORIZATION_ANSWER, "home_node"),
    LicenseUseRequest: (recordv1.LicenseUseRequest, EvidencePurpose.LICENSE_USE, "from_node"),
    LicenseDelivery: (recordv1.LicenseDelivery, EvidencePurpose.LICENSE_DELIVERY, "license_node"),
}
STATEMENTS: st.SearchStrategy[Statement] = st.one_of(
    consent_requests(),
    consent_records(),
    grants(),
    withdrawals(),
    questions(),
    ANSWERS,
    use_requests(),
    deliveries(),
)


def message_of(statement: Statement) -> Any:
    """The message of a statement, to be spoilt."""
    codec = codec_of(type(statement))
    return KINDS[type(statement)][0].FromString(codec.encode(statement))


def fault_of(kind: type[Statement], message: Message) -> str:
    """What is wrong with a spoilt message."""
    with pytest.raises(UnreadableStatementError) as caught:
        codec_of(kind).decode(message.SerializeToString())
    return str(caught.value)


@given(STATEMENTS)
def test_every_statement_comes_back_as_it_was_stated(statement: Statement) -> None:
    codec = codec_of(type(statement))
    assert codec.decode(codec.encode(statement)) == statement


@given(STATEMENTS)
def test_the_speaker_is_the_node_that_answers_for_the_statement(statement: Statement) -> None:
    message, purpose, speaker = KINDS[type(statement)]
    codec = codec_of(type(statement))
    assert codec.speaker(statement) == getattr(statement, speaker)
    assert (codec.purpose, codec.payload_type) == (purpose, message.DESCRIPTOR.full_name)


@given(st.sampled_from(list(KINDS)), st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(kind: type[Statement], data: bytes) -> None:
    try:
        statement = codec_of(kind).decode(data)
    except UnreadableStatementError:
        return
    assert isinstance(statement, kind)


@given(STATEMENTS)
def test_a_neighbours_statement_with_unknown_fields_is_read(statement: Statement) -> None:
    codec, message = codec_of(type(statement)), KINDS[type(statement)][0]
    newer = codec.encode(statement) + b"\xfa\x3e\x03new"
    assert len(UnknownFieldSet(message.FromString(newer))) == 1
    assert codec.decode(newer) == statement


@given(consent_requests(), st.data())
def test_a_request_without_a_part_is_no_request(request: ConsentRequest, data: st.DataObject) -> None:
    message = message_of(request)
    optional = {"retention", "secret", "scan_biz_serial", "statutory_duty"}
    named = sorted({field.name for field in message.DESCRIPTOR.fields} - optional)
    missing = data.draw(st.sampled_from(named))
    message.ClearField(missing)
    assert missing in fault_of(ConsentRequest, message)


@given(consent_requests())
def test_items_of_a_request_count_from_1(request: ConsentRequest) -> None:
    message = message_of(request)
    message.items[-1].item_no += 1
    assert "items.item_no" in fault_of(ConsentRequest, message)


@given(consent_requests())
def test_no_licence_type_is_asked_for_twice(request: ConsentRequest) -> None:
    message = message_of(request)
    again = message.items.add()
    again.CopyFrom(message.items[0])
    again.item_no = len(message.items)
    assert "has a licence type twice" in fault_of(ConsentRequest, message)


@given(consent_requests())
def test_an_item_asks_for_something(request: ConsentRequest) -> None:
    message = message_of(request)
    message.items[0].document = False
    del message.items[0].field_names[:]
    assert "items.field_names" in fault_of(ConsentRequest, message)


@given(consent_requests())
def test_a_duty_and_its_secrecy_go_with_the_statutory_basis_alone(request: ConsentRequest) -> None:
    message = message_of(request)
    message.legal_basis = authorizationv1.LEGAL_BASIS_CONSENT
    message.statutory_duty.statute, message.statutory_duty.approval_reference = "法", "号"
    assert "statutory_duty" in fault_of(ConsentRequest, message)
    message.ClearField("statutory_duty")
    message.secret = True
    assert "secret" in fault_of(ConsentRequest, message)
    message.secret = False
    message.legal_basis = authorizationv1.LEGAL_BASIS_STATUTORY_DUTY
    assert "statutory_duty" in fault_of(ConsentRequest, message)


@pytest.mark.req("6.3-06")
@given(consent_records())
def test_a_record_whose_text_was_changed_is_no_record(record: ConsentRecord) -> None:
    message = message_of(record)
    message.notice_text += "。"
    assert "notice_hash" in fault_of(ConsentRecord, message)


@given(consent_records())
def test_a_record_without_the_holders_signature_is_no_record(record: ConsentRecord) -> None:
    message = message_of(record)
    message.ClearField("holder_proof")
    assert "holder_proof" in fault_of(ConsentRecord, message)


@given(consent_records(), st.sampled_from(["PENDING", "TIMED_OUT", "EXHAUSTED", "EXPIRED", "WITHDRAWN"]))
def test_a_record_grants_or_denies(record: ConsentRecord, state: str) -> None:
    message = message_of(record)
    message.decision = authorizationv1.AuthorizationState.Value(f"AUTHORIZATION_STATE_{state}")
    assert "decision" in fault_of(ConsentRecord, message)


@given(grants())
def test_a_grant_holds_nothing_that_was_refused(grant: Grant) -> None:
    message = message_of(grant)
    message.items[0].granted = False
    assert "items.granted" in fault_of(Grant, message)


@given(grants())
def test_a_grant_names_each_item_once(grant: Grant) -> None:
    message = message_of(grant)
    message.items.add().CopyFrom(message.items[0])
    assert "items.item.item_no" in fault_of(Grant, message)


@pytest.mark.req("N-35")
@given(grants())
def test_a_statutory_duty_cannot_pass_for_consent(grant: Grant) -> None:
    message = message_of(grant)
    message.legal_basis = 3 - message.legal_basis
    assert "consent_digest" in fault_of(Grant, message)


@given(withdrawals())
def test_the_holders_withdrawal_is_signed_and_a_closing_is_not(withdrawal: Withdrawal) -> None:
    message = message_of(withdrawal)
    message.reason = "ACCOUNT_CLOSED" if message.reason == "HOLDER" else "HOLDER"
    assert "holder_proof" in fault_of(Withdrawal, message)
    message.reason = "WEATHER"
    assert "reason" in fault_of(Withdrawal, message)


@given(questions(QuestionKind.STATE))
def test_a_question_brings_nothing_of_another_kind(question: AuthorizationQuestion) -> None:
    for name, value in (
        ("code_text", "ZWM1"),
        ("biz_serial", "S-1"),
        ("licence_system", "archive"),
        ("item_no", 1),
        ("use_state", authorizationv1.LICENSE_USE_STATE_BEGUN),
    ):
        message = message_of(question)
        setattr(message, name, value)
        assert name in fault_of(AuthorizationQuestion, message)


@given(ANSWERS)
def test_a_state_of_a_newer_release_makes_the_answer_none(answer: AuthorizationAnswer) -> None:
    message = message_of(answer)
    message.ClearField("state")
    newer = recordv1.AuthorizationAnswer.FromString(message.SerializeToString() + b"\x20\x63")
    assert newer.state == 99
    assert "state" in fault_of(AuthorizationAnswer, newer)


@given(use_requests(counted=True))
def test_the_home_nodes_request_names_the_granted_item_of_that_number(request: LicenseUseRequest) -> None:
    message = message_of(request)
    message.item_no = message.item_no % 16 + 1
    assert "item" in fault_of(LicenseUseRequest, message)
    message = message_of(request)
    message.item.granted = False
    assert "item" in fault_of(LicenseUseRequest, message)
    message = message_of(request)
    message.ClearField("item")
    assert "item" in fault_of(LicenseUseRequest, message)


@given(use_requests(counted=False))
def test_the_visited_nodes_request_brings_no_locator_for_the_licence(request: LicenseUseRequest) -> None:
    message = message_of(request)
    message.sealed_locator = b"sealed"
    assert "sealed_locator" in fault_of(LicenseUseRequest, message)


@given(use_requests())
def test_a_recipient_key_lies_on_the_curve(request: LicenseUseRequest) -> None:
    message = message_of(request)
    key = bytearray(message.recipient_key)
    key[64] ^= 1
    message.recipient_key = bytes(key)
    assert "recipient_key" in fault_of(LicenseUseRequest, message)


@given(deliveries())
def test_a_status_that_is_unknown_is_no_delivery(delivery: LicenseDelivery) -> None:
    message = message_of(delivery)
    message.status = licensev1.LICENSE_STATUS_UNSPECIFIED
    assert "status" in fault_of(LicenseDelivery, message)


@given(deliveries())
def test_chunks_go_with_a_document(delivery: LicenseDelivery) -> None:
    message = message_of(delivery)
    message.document = not message.document
    assert "chunk" in fault_of(LicenseDelivery, message)
