"""Holders that answer by themselves, each in one way, so that a counter's author needs no phone (N-54)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from govcode.authorization.v1 import authorization_pb2
from govcode_client import Client
from govcode_client.sandbox import Sandbox
from kit.sandbox import SandboxCaller

State = authorization_pb2.AuthorizationState


@pytest.fixture(scope="module")
def box(sandbox: SandboxCaller) -> Sandbox:
    return Sandbox(sandbox.facts)


@pytest.fixture(scope="module")
def counter(box: Sandbox) -> Iterator[Client]:
    with box.client("counter_app") as client:
        yield client


def ask(box: Sandbox, counter: Client, who: str, matter: str = "residence", **wishes: Any) -> Any:
    """The counter scans a holder's printed code and asks for all that the matter allows."""
    scanned = counter.codes.scan(code_text=box.facts["placed_codes"][who], scene_no=box.scenes["counter"])
    facts = box.facts["matters"][matter]
    wishes.setdefault("max_uses", 2)
    answer = counter.authorizations.request(
        scan_id=scanned.answer.scan_id,
        matter_code=facts["matter_code"],
        items={item["license_type"]: item["field_names"] for item in facts["items"]},
        documents=[item["license_type"] for item in facts["items"] if item["document"]],
        purpose="沙箱联调",
        handling_means="核验后不留存",
        **wishes,
    )
    return answer.authorization


@pytest.mark.req("N-54")
@pytest.mark.parametrize(
    ("who", "state", "items"),
    [
        ("approver", State.AUTHORIZATION_STATE_GRANTED, {1, 2}),
        ("picker", State.AUTHORIZATION_STATE_GRANTED, {1}),
        ("denier", State.AUTHORIZATION_STATE_DENIED, set()),
    ],
)
def test_holder_answers_in_its_way(box: Sandbox, counter: Client, who: str, state: int, items: set[int]) -> None:
    asked = ask(box, counter, who)
    answer = counter.authorizations.wait(authorization_id=asked.authorization_id, within=20)
    assert answer.authorization.state == state
    assert set(answer.authorization.remaining_uses) == items


@pytest.mark.req("N-54")
def test_ignorer_lets_the_time_pass(box: Sandbox, counter: Client, clock: Any) -> None:
    asked = ask(box, counter, "ignorer")
    answer = counter.authorizations.wait(authorization_id=asked.authorization_id, within=1)
    assert answer.authorization.state == State.AUTHORIZATION_STATE_PENDING
    clock({"advance_seconds": 601})
    later = counter.authorizations.get(authorization_id=asked.authorization_id)
    assert later.authorization.state == State.AUTHORIZATION_STATE_TIMED_OUT


@pytest.mark.req("N-54")
def test_slow_holder_takes_its_time(box: Sandbox, counter: Client) -> None:
    began = time.monotonic()
    asked = ask(box, counter, "slow", "driving")
    answer = counter.authorizations.wait(authorization_id=asked.authorization_id, within=20)
    assert answer.authorization.state == State.AUTHORIZATION_STATE_GRANTED
    assert time.monotonic() - began >= 4.5


@pytest.mark.req("N-54")
def test_approver_confirms_a_sensitive_item_with_a_stronger_check(box: Sandbox, counter: Client) -> None:
    asked = ask(box, counter, "approver", "sensitive")
    answer = counter.authorizations.wait(authorization_id=asked.authorization_id, within=20)
    assert answer.authorization.state == State.AUTHORIZATION_STATE_GRANTED
    assert [item.sensitive for item in answer.authorization.items] == [True]


@pytest.mark.req("N-54")
def test_licence_of_another_region_is_fetched_and_opened(box: Sandbox, counter: Client) -> None:
    asked = ask(box, counter, "approver")
    granted = counter.authorizations.wait(authorization_id=asked.authorization_id, within=20).authorization
    licence = counter.authorizations.fetch_license(
        authorization_id=granted.authorization_id,
        item_no=1,
        matter_code=box.facts["matters"]["residence"]["matter_code"],
        key=box.encryption_key,
    )
    assert licence.fields["name"] == "李准样"
    assert licence.document.startswith(b"PK"), "an OFD file is a ZIP archive"


@pytest.mark.req("N-54")
def test_holder_scans_the_code_of_a_matter(box: Sandbox) -> None:
    with box.client("holder_app") as back_end:
        scanned = back_end.codes.scan_scene_code(
            session_token=box.facts["holders"]["holder"]["session_token"],
            code_text=box.facts["placed_codes"]["matter_driving"],
        )
    assert scanned.authorization.state == State.AUTHORIZATION_STATE_PENDING
    assert scanned.authorization.entry == authorization_pb2.AUTHORIZATION_ENTRY_HOLDER_SCANNED
    assert scanned.authorization.matter_code == box.facts["matters"]["driving"]["matter_code"]
