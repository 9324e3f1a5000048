"""A licence from the request to the opened document, by both clients, against the fake node."""

import contextlib
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from govcode.authorization.v1 import authorization_pb2, license_pb2, record_pb2
from govcode_client import (
    Client,
    DeliveryError,
    License,
    NodeError,
    Sm2PrivateKey,
    check_evidence,
)
from govcode_client.device import NoticeMismatchError
from govcode_client.testing import FakeLicense, FakeNode, FakePerson
from govcode_client.testing import _authorizations as fake
from kit.client_twins import Twin

CHUNK = 256 * 1024
MATTER = "M-1"
GRANTED = authorization_pb2.AUTHORIZATION_STATE_GRANTED


@dataclass(frozen=True, slots=True)
class Scene:
    """A holder with licences, who was just scanned."""

    node: FakeNode
    twin: Twin
    person: FakePerson
    token: str
    key: Sm2PrivateKey
    scan_id: str

    def ask(self, *, documents: tuple[str, ...] = (), max_uses: int = 1, **items: list[str]) -> Any:
        """It asks for items, by licence type."""
        return self.twin.do(
            "authorizations.request",
            scan_id=self.scan_id,
            matter_code=MATTER,
            items={name.replace("_", "-"): fields for name, fields in items.items()},
            documents=documents,
            purpose="企业开办",
            handling_means="核验后不留存",
            max_uses=max_uses,
        ).authorization

    def decide(self, authorization_id: str, **decision: Any) -> Any:
        """It reads the page and decides, as the holder's back end and phone do."""
        page = self.twin.do("authorizations.get", authorization_id=authorization_id, session_token=self.token).page
        proof = self.person.device.prove_decide(
            session_token=self.token, authorization_id=authorization_id, page=page, **decision
        )
        return self.twin.do("authorizations.decide", session_token=self.token, proof=proof).authorization

    def fetch(self, authorization_id: str, **arguments: Any) -> License:
        """It fetches the first item."""
        wanted: dict[str, Any] = {"item_no": 1, "matter_code": MATTER, "key": self.key, **arguments}
        found = self.twin.do("authorizations.fetch_license", authorization_id=authorization_id, **wanted)
        assert isinstance(found, License)
        return found

    def granted(self, document: bytes = b"", *, max_uses: int = 1) -> str:
        """It puts a licence in place and has it granted; the authorization's id."""
        license_ = FakeLicense(fields={"entity_name": "示例公司", "capital": "1"}, document=document)
        self.node.add_license(self.person, "business-licence", license_)
        documents = ("business-licence",) if document else ()
        asked = self.ask(documents=documents, max_uses=max_uses, business_licence=["entity_name"])
        self.node.decide(asked.authorization_id, granted=[1])
        return str(asked.authorization_id)


@pytest.fixture
def scene(node: FakeNode, twin: Twin) -> Scene:
    """A holder who was just scanned."""
    person, key = node.person("张样例"), Sm2PrivateKey.generate()
    code, token = node.present(person), node.account(person)
    node.register_key(key.public_key.to_point())
    answer = twin.do("codes.scan", code_text=code, scene_no=1).answer
    return Scene(node, twin, person, token, key, answer.scan_id)


def test_a_holder_grants_one_of_two_items_and_the_counter_fetches_it(scene: Scene) -> None:
    scene.node.add_license(
        scene.person, "business-licence", FakeLicense(fields={"entity_name": "示例公司", "secret": "x"})
    )
    asked = scene.ask(business_licence=["entity_name"], id_card=["name"])
    (place,) = scene.twin.do(
        "authorizations.locate_licenses", session_token=scene.token, authorization_id=asked.authorization_id
    )
    decided = scene.decide(asked.authorization_id, granted=[1], places={1: place.license_node_id})
    assert decided.state == GRANTED
    waited = scene.twin.do("authorizations.wait", authorization_id=asked.authorization_id, within=1)
    assert [item.license_type for item in waited.authorization.items] == ["business-licence"]
    found = scene.fetch(asked.authorization_id)
    assert found.fields == {"entity_name": "示例公司"}
    assert (found.document, found.remaining_uses, found.mark) == (None, 0, "仅用于模拟")
    with pytest.raises(NodeError, match="ITEM_NOT_GRANTED"):
        scene.fetch(asked.authorization_id, item_no=2)
    with pytest.raises(NodeError, match="GRANT_EXHAUSTED"):
        scene.fetch(asked.authorization_id)


def test_a_refusal_is_final_and_says_nothing_more(scene: Scene) -> None:
    asked = scene.ask(business_licence=["entity_name"])
    assert scene.decide(asked.authorization_id, granted=[], refused=[1]).state == (
        authorization_pb2.AUTHORIZATION_STATE_DENIED
    )
    with pytest.raises(NodeError, match="AUTHORIZATION_STATE_CONFLICT"):
        scene.fetch(asked.authorization_id)


def test_waiting_ends_with_the_decision(scene: Scene) -> None:
    asked = scene.ask(business_licence=["entity_name"])
    deciding = threading.Timer(0.3, lambda: scene.node.decide(asked.authorization_id, granted=[1]))
    deciding.start()
    answer = scene.twin.do("authorizations.wait", authorization_id=asked.authorization_id, within=30)
    assert answer.authorization.state == GRANTED
    assert answer.grant.payload_type == "govcode.authorization.v1.Grant"
    deciding.join()


def test_waiting_gives_up_in_time_and_says_that_it_is_pending(scene: Scene) -> None:
    asked = scene.ask(business_licence=["entity_name"])
    answer = scene.twin.do("authorizations.wait", authorization_id=asked.authorization_id, within=0.2)
    assert answer.authorization.state == authorization_pb2.AUTHORIZATION_STATE_PENDING


def test_a_long_wait_is_made_of_short_polls(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govcode_client.areas.authorizations._LONGEST_POLL", 0.2)
    asked = scene.ask(business_licence=["entity_name"])
    scene.twin.do("authorizations.wait", authorization_id=asked.authorization_id, within=0.7)
    polls = [call.request.wait.ToTimedelta() for call in scene.node.calls if call.method == "WaitAuthorization"]
    assert len(polls) >= 3
    assert max(polls) <= timedelta(seconds=0.2)


def test_a_sensitive_item_takes_a_confirmation_and_a_check_bound_to_it(scene: Scene) -> None:
    scene.node.mark_sensitive("business-licence")
    asked = scene.ask(business_licence=["entity_name"])
    authorization_id = asked.authorization_id
    with pytest.raises(NodeError, match="SENSITIVE_NOT_CONFIRMED"):
        scene.decide(authorization_id, granted=[1])
    with pytest.raises(NodeError, match="STEP_UP_REQUIRED"):
        scene.decide(authorization_id, granted=[1], confirmed=[1])
    step_up = scene.twin.do(
        "authorizations.begin_step_up", session_token=scene.token, authorization_id=authorization_id, item_nos=[1]
    )
    page = scene.twin.do("authorizations.get", authorization_id=authorization_id, session_token=scene.token).page
    proof = scene.person.device.prove_decide(
        session_token=scene.token, authorization_id=authorization_id, page=page, granted=[1], confirmed=[1],
        step_up_digest=step_up.step_up_digest,
    )  # fmt: skip
    decided = scene.twin.do(
        "authorizations.decide", session_token=scene.token, proof=proof,
        identification_id=step_up.identification_id, provider_blob=scene.person.identify(step_up),
    )  # fmt: skip
    assert decided.authorization.state == GRANTED


def test_a_device_signs_no_page_whose_text_is_not_the_hashed_one(scene: Scene) -> None:
    page = authorization_pb2.ConsentPage(notice_version="1", notice_text="无害", notice_hash=b"\0" * 32)
    with pytest.raises(NoticeMismatchError):
        scene.person.device.prove_decide(session_token="t", authorization_id="au_1", page=page, granted=[1])


def test_a_withdrawn_grant_opens_nothing(scene: Scene) -> None:
    authorization_id = scene.granted(max_uses=3)
    scene.fetch(authorization_id)
    proof = scene.person.device.prove_withdraw(session_token=scene.token, authorization_id=authorization_id)
    scene.twin.do("authorizations.withdraw", session_token=scene.token, proof=proof)
    with pytest.raises(NodeError, match="GRANT_WITHDRAWN"):
        scene.fetch(authorization_id)
    (listed,) = scene.twin.each("authorizations.list", session_token=scene.token)
    assert listed.state == authorization_pb2.AUTHORIZATION_STATE_WITHDRAWN
    (use,) = scene.twin.each("authorizations.list_license_uses", session_token=scene.token)
    assert use.state == authorization_pb2.LICENSE_USE_STATE_DELIVERED


def test_a_holder_scans_a_scene_code_and_is_asked(scene: Scene) -> None:
    code = scene.node.scene_code(matter_code=MATTER, items={"business-licence": ["entity_name"]})
    asked = scene.twin.do("codes.scan_scene_code", session_token=scene.token, code_text=code).authorization
    assert asked.entry == authorization_pb2.AUTHORIZATION_ENTRY_HOLDER_SCANNED
    assert scene.decide(asked.authorization_id, granted=[1]).state == GRANTED


def test_a_mandate_is_given_listed_and_cancelled(scene: Scene) -> None:
    from datetime import UTC, datetime

    agent = scene.node.person("代理人")
    agent_id = scene.twin.do("codes.sign_in", phone=agent, terms_version="1").account_id
    step_up = scene.twin.do("authorizations.begin_step_up", session_token=scene.token)
    now = datetime.now(UTC)
    proof = scene.person.device.prove_give_mandate(
        session_token=scene.token, agent_account_id=agent_id, matter_codes=[MATTER], license_types=["x"],
        start_time=now, end_time=now + timedelta(days=30),
    )  # fmt: skip
    given = scene.twin.do(
        "authorizations.give_mandate", session_token=scene.token, proof=proof,
        identification_id=step_up.identification_id, provider_blob=scene.person.identify(step_up),
    ).mandate  # fmt: skip
    assert scene.twin.do("authorizations.list_mandates", session_token=scene.token) == (given,)
    proof = scene.person.device.prove_cancel_mandate(session_token=scene.token, mandate_id=given.mandate_id)
    cancelled = scene.twin.do("authorizations.cancel_mandate", session_token=scene.token, proof=proof).mandate
    assert cancelled.HasField("cancel_time")


def test_a_licence_system_asks_and_counts(scene: Scene) -> None:
    authorization_id = scene.granted(max_uses=1)
    grant = scene.twin.do("authorizations.get", authorization_id=authorization_id).grant
    shown: dict[str, Any] = {"grant": grant, "presenter_app_id": "fake-app"}
    assert scene.twin.do("authorizations.introspect_grant", **shown).active
    begun = {"item_no": 1, "biz_serial": "U-1", **shown}
    assert scene.twin.do("authorizations.report_grant_use", use_state="BEGUN", **begun).remaining_uses == 0
    assert scene.twin.do("authorizations.report_grant_use", use_state="FAILED", **begun).remaining_uses == 1
    with pytest.raises(ValueError, match="biz_serial"):
        scene.twin.do("authorizations.report_grant_use", item_no=1, use_state="DELIVERED", **shown)


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7])
def test_a_document_arrives_as_it_was(scene: Scene, size: int) -> None:
    document = bytes(range(256)) * (size // 256 + 1)
    document = document[:size]
    found = scene.fetch(scene.granted(document))
    assert found.document == document
    assert (found.document_format, found.document_size) == ("OFD", size)


def test_a_file_gets_its_name_when_the_document_is_whole(scene: Scene, tmp_path: Path) -> None:
    document, path = b"d" * (2 * CHUNK + 1), tmp_path / "licence.ofd"
    found = scene.fetch(scene.granted(document), into=path)
    assert path.read_bytes() == document
    assert path.stat().st_mode & 0o777 == 0o600
    assert (found.document, found.document_path) == (None, path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_licence_without_a_document_makes_no_file(scene: Scene, tmp_path: Path) -> None:
    found = scene.fetch(scene.granted(), into=tmp_path / "licence.ofd")
    assert found.document_path is None
    assert list(tmp_path.iterdir()) == []


def test_a_broken_delivery_goes_on_and_counts_once(scene: Scene, tmp_path: Path) -> None:
    document, path = bytes(range(256)) * 1024 * 5, tmp_path / "licence.ofd"
    authorization_id = scene.granted(document, max_uses=2)
    scene.node.break_fetches(2, 0, 1)
    found = scene.fetch(authorization_id, into=path)
    assert path.read_bytes() == document
    assert found.remaining_uses == 1
    fetches = [call.request for call in scene.node.calls if call.method == "FetchLicense"]
    assert [request.from_chunk for request in fetches] == [0, 2, 2, 3]
    assert {request.biz_serial for request in fetches} == {found.biz_serial}


def test_a_delivery_that_only_breaks_is_given_up_and_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    authorization_id = scene.granted(b"d" * 2 * CHUNK)
    scene.node.break_fetches(*[0] * 40)
    with pytest.raises(Exception, match="DRAINING") as failed:
        scene.fetch(authorization_id, into=tmp_path / "licence.ofd", timeout=3)
    assert failed.value.biz_serial.startswith("FETCH-")  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_another_key_opens_nothing(scene: Scene) -> None:
    with pytest.raises(DeliveryError, match="sealed for key"):
        scene.fetch(scene.granted(), key=Sm2PrivateKey.generate())


def alter_chunk(chunk: license_pb2.LicenseChunk) -> None:
    chunk.data = bytes((chunk.data[0] ^ 1,)) + chunk.data[1:]


def renumber_chunk(chunk: license_pb2.LicenseChunk) -> None:
    chunk.chunk_no += 1


@pytest.mark.parametrize(
    ("change", "why"), [(alter_chunk, "chunk 0 was changed"), (renumber_chunk, "chunk 1 came in place of 0")]
)
def test_an_altered_chunk_is_refused_and_leaves_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None], why: str
) -> None:
    honest = fake.Delivery.chunks

    def chunks(delivery: fake.Delivery, from_chunk: int) -> Iterator[license_pb2.LicenseChunk]:
        for chunk in honest(delivery, from_chunk):
            change(chunk)
            yield chunk

    monkeypatch.setattr(fake.Delivery, "chunks", chunks)
    with pytest.raises(DeliveryError, match=why):
        scene.fetch(scene.granted(b"d" * 2 * CHUNK), into=tmp_path / "licence.ofd")
    assert list(tmp_path.iterdir()) == []


def test_a_delivery_without_its_record_is_not_whole(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = fake.Delivery.record

    def record(delivery: fake.Delivery) -> Any:
        evidence = honest(delivery)
        claimed = record_pb2.LicenseDelivery.FromString(evidence.payload)
        claimed.chunks_digest = b"\0" * 32
        evidence.payload = claimed.SerializeToString()
        return evidence

    monkeypatch.setattr(fake.Delivery, "record", record)
    with pytest.raises(DeliveryError, match="not that of these chunks"):
        scene.fetch(scene.granted(b"d" * CHUNK))


def test_a_document_with_another_digest_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "sm3", lambda _: b"\1" * 32)
    with pytest.raises(DeliveryError, match="SM3"):
        scene.fetch(scene.granted(b"d" * CHUNK))


def test_the_record_of_a_delivery_is_evidence(scene: Scene) -> None:
    found = scene.fetch(scene.granted())
    payload = check_evidence(
        found.delivery,
        purpose="LICENSE_DELIVERY",
        payload_type=record_pb2.LicenseDelivery.DESCRIPTOR.full_name,
        public_key_of=scene.node.public_key_of,
    )
    assert record_pb2.LicenseDelivery.FromString(payload).use_id == found.use_id


@pytest.mark.req("N-25")
def test_memory_stays_flat_at_twenty_megabytes(node: FakeNode, tmp_path: Path) -> None:
    person, key = node.person("张样例"), Sm2PrivateKey.generate()
    code = node.present(person)
    node.register_key(key.public_key.to_point())
    document = bytes(20 * 1024 * 1024)
    node.add_license(person, "business-licence", FakeLicense(fields={}, document=document))
    with contextlib.closing(Client(node.address, node.identity)) as client:
        scan_id = client.codes.scan(code_text=code, scene_no=1).answer.scan_id
        asked = client.authorizations.request(
            scan_id=scan_id, matter_code=MATTER, items={"business-licence": []}, documents=["business-licence"],
            purpose="p", handling_means="h",
        ).authorization  # fmt: skip
        node.decide(asked.authorization_id, granted=[1])
        tracemalloc.start()
        found = client.authorizations.fetch_license(
            authorization_id=asked.authorization_id, item_no=1, matter_code=MATTER, key=key, into=tmp_path / "l.ofd"
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found.document_size == len(document) == (tmp_path / "l.ofd").stat().st_size
    # A few chunks of both ends together, since the fake node lives in this process too.
    assert peak < 24 * CHUNK


def test_a_fetch_names_what_is_wanted_in_the_own_case_only_when_told(scene: Scene) -> None:
    authorization_id = scene.granted()
    scene.fetch(authorization_id, case_name="张样例", case_number="1")
    (request,) = [call.request for call in scene.node.calls if call.method == "FetchLicense"]
    assert request.case_locator.number == "1"
