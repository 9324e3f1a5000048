"""From sign-in to records, by both clients, against the fake node."""

from typing import Any

import pytest
from govcode.code.v1 import scan_pb2
from govcode_client import NodeError, accepted, check_evidence
from govcode_client.testing import FakeNode
from kit.client_twins import Twin


def test_a_holder_signs_in_presents_and_is_scanned(node: FakeNode, twin: Twin) -> None:
    signed_in = twin.do("codes.sign_in", phone=node.person("张样例"), terms_version="2026-01")
    shown = twin.do("codes.present", session_token=signed_in.session.session_token, scene_no=1)
    answer = twin.do("codes.scan", code_text=shown.code.code_text, scene_no=1, place="3 号窗口")
    assert accepted(answer)
    assert [(field.name, field.value) for field in answer.answer.fields] == [("name", "张*")]
    (record,) = twin.each("codes.list_records", session_token=signed_in.session.session_token)
    assert (record.scan_id, record.place) == (answer.answer.scan_id, "3 号窗口")


def test_signing_in_on_another_phone_moves_the_account(node: FakeNode, twin: Twin) -> None:
    first = twin.do("codes.sign_in", phone=node.person("张样例"), terms_version="1")
    second = twin.do("codes.sign_in", phone=node.person("张样例"), terms_version="1")
    assert (first.moved, second.moved) == (False, True)
    assert second.account_id == first.account_id
    with pytest.raises(NodeError, match="SESSION_INVALID"):
        twin.do("codes.present", session_token=first.session.session_token)
    assert len(twin.do("codes.list_sessions", session_token=second.session.session_token)) == 2


def test_signing_in_again_on_the_same_phone_opens_a_further_session(node: FakeNode, twin: Twin) -> None:
    phone = node.person("张样例")
    first, second = [twin.do("codes.sign_in", phone=phone, terms_version="1") for _ in range(2)]
    assert second.moved is False
    for signed_in in (first, second):
        twin.do("codes.present", session_token=signed_in.session.session_token)


def test_a_judgement_is_no_error(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"), one_time=True)
    outcomes = []
    for text in (code, code, "no code at all"):
        answer = twin.do("codes.scan", code_text=text, scene_no=1)
        outcomes.append((answer.verdict.outcome, accepted(answer)))
    consumed, malformed = outcomes[1:]
    assert outcomes[0] == (1, True)
    assert consumed[1] is malformed[1] is False
    assert consumed[0] != malformed[0]


def test_outcomes_can_be_set(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    node.set_outcome(code, "NEED_SECOND_FACTOR")
    answer = twin.do("codes.verify", code_text=code, scene_no=1)
    assert not accepted(answer)
    assert answer.verdict.text_en == "Need second factor"


def test_a_code_expires_by_the_clock_of_the_node(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    node.advance(91)
    assert twin.do("codes.verify", code_text=code, scene_no=1).verdict.text_en == "Expired"


def test_the_same_serial_is_one_act_and_another_content_conflicts(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"), one_time=True)
    first = twin.do("codes.scan", code_text=code, scene_no=1, biz_serial="S-1")
    again = twin.do("codes.scan", code_text=code, scene_no=1, biz_serial="S-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert first.answer == again.answer
    with pytest.raises(NodeError, match="SERIAL_CONFLICT") as refused:
        twin.do("codes.scan", code_text=code, scene_no=2, biz_serial="S-1")
    assert refused.value.biz_serial == "S-1"


def test_serials_are_made_and_never_twice(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    for _ in range(3):
        twin.do("codes.verify", code_text=code, scene_no=1)
    serials = [call.request.biz_serial for call in node.calls]
    assert len(set(serials)) == 3
    assert all(serial.startswith("VERIFY-") and len(serial) <= 64 for serial in serials)


def test_an_empty_serial_is_a_mistake_and_is_told(node: FakeNode, twin: Twin) -> None:
    with pytest.raises(NodeError, match="INVALID_FIELD") as refused:
        twin.do("codes.verify", code_text="ZWM1:X", scene_no=1, biz_serial="")
    assert refused.value.fields == {"biz_serial": "is required"}


def test_device_and_request_id_travel_with_every_call(node: FakeNode, twin: Twin) -> None:
    twin.do("codes.begin_identification")
    (call,) = node.calls
    assert call.metadata["govcode-device-id"] == "scanner-1"
    assert call.metadata["govcode-request-id"]


def test_records_come_over_all_pages(node: FakeNode, twin: Twin) -> None:
    person = node.person("李示范")
    code, token = node.present(person), node.account(person)
    scanned = [twin.do("codes.scan", code_text=code, scene_no=1).answer.scan_id for _ in range(7)]
    found = twin.each("codes.list_records", session_token=token, page_size=3)
    assert [record.scan_id for record in found] == scanned[::-1]
    assert sum(call.method == "ListRecords" for call in node.calls) == 3


def test_a_static_code_is_made_frozen_replaced_and_revoked(node: FakeNode, twin: Twin) -> None:
    person = node.person("李示范")
    token = twin.do("codes.sign_in", phone=person, terms_version="1").session.session_token
    ticket = twin.do("codes.apply", session_token=token, code_mode="STATIC", terminal_type="PRINTED")
    proof = person.device.prove_make_code(ticket=ticket.ticket, nonce=ticket.nonce)
    made = twin.do("codes.make", ticket=ticket.ticket, proof=proof).code
    steps: dict[str, Any] = {"code_id": made.code_id, "reason": "遗失", "session_token": token}
    twin.do("codes.freeze", **steps)
    with pytest.raises(NodeError, match="CODE_STATE_CONFLICT"):
        twin.do("codes.freeze", **steps)
    twin.do("codes.unfreeze", **steps)
    replaced = twin.do("codes.replace", **steps)
    twin.do("codes.revoke", code_id=replaced.code.code_id, reason="销毁", session_token=token)
    texts = (made.code_text, replaced.code.code_text)
    verdicts = [twin.do("codes.verify", code_text=text, scene_no=1).verdict for text in texts]
    assert [verdict.text_en for verdict in verdicts] == ["Revoked", "Revoked"]


def test_a_holders_act_by_another_device_is_refused(node: FakeNode, twin: Twin) -> None:
    token = twin.do("codes.sign_in", phone=node.person("李示范"), terms_version="1").session.session_token
    stolen = node.person("别人").device.prove_close_account(session_id="0" * 16)
    with pytest.raises(NodeError, match="HOLDER_PROOF_INVALID"):
        twin.do("codes.close_account", session_token=token, proof=stolen)


def test_fields_are_resolved_from_a_scan(node: FakeNode, twin: Twin) -> None:
    answer = twin.do("codes.scan", code_text=node.present(node.person("李示范")), scene_no=1).answer
    resolved = twin.do("codes.resolve", scan_id=answer.scan_id, field_names=["name"])
    assert [field.value for field in resolved.fields] == ["李示范"]
    with pytest.raises(NodeError, match="SCOPE_DENIED"):
        twin.do("codes.resolve", scan_id=answer.scan_id, field_names=["id_number"])


def test_the_evidence_of_a_scan_holds(node: FakeNode, twin: Twin) -> None:
    answer = twin.do("codes.scan", code_text=node.present(node.person("李示范")), scene_no=1)
    payload = check_evidence(
        answer.evidence,
        purpose="SCAN_ANSWER",
        payload_type=scan_pb2.ScanAnswer.DESCRIPTOR.full_name,
        public_key_of=node.public_key_of,
    )
    assert scan_pb2.ScanAnswer.FromString(payload) == answer.answer


def test_routes_are_found_and_listed(node: FakeNode, twin: Twin) -> None:
    node.set_routes({"42": "420000", "4201": "420100", "31": "310000"})
    assert twin.do("routes.resolve", region_code="420106").node.node_id == "420100"
    assert [route.prefix for route in twin.each("routes.list", page_size=2)] == ["31", "42", "4201"]
    with pytest.raises(NodeError, match="NO_ROUTE") as refused:
        twin.do("routes.resolve", region_code="990000")
    assert refused.value.facts == {"region_code": "990000"}


def test_a_moment_without_a_zone_is_not_guessed(node: FakeNode, twin: Twin) -> None:
    from datetime import datetime

    token = node.account(node.person("李示范"))
    with pytest.raises(ValueError, match="time zone"):
        twin.each("codes.list_records", session_token=token, from_time=datetime(2026, 1, 1))  # noqa: DTZ001
