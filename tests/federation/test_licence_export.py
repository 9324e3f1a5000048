"""An authorization that went through three regions, exported: whoever has the file and a trust bundle can check it.

Twice, independently of each other and of any node: by the client library's check of evidence, and by the sample program
in Go with an SM library of its own.
"""

import asyncio
import base64
import copy
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode.common.v1 import evidence_pb2
from govcode_client.evidence import EvidenceError, InvalidEvidenceError, UnknownKeyError
from govcode_node.domain.authorizations import ConsentRecord
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.identities import CallerClass
from kit.consent_checks import NotProvedError, open_bundle, prove
from kit.federation import HUB, SHANGHAI, WUHAN, hub_key_of, open_federation
from kit.licence_players import LIGHT, PERMIT, PERMIT_FIELDS, LicenceLand
from kit.readmes import need_tools

pytestmark = pytest.mark.asyncio(loop_scope="session")

GO = Path(__file__).resolve().parents[2] / "clients" / "go"
TWO_ITEMS = {PERMIT: PERMIT_FIELDS, **LIGHT}
GRANTED = authorizationv1.AUTHORIZATION_STATE_GRANTED
PARTS = ("consentRequest", "consentRecord", "grant", "withdrawal", "useRequests", "deliveries", "trustBundle")

Export = dict[str, Any]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def exported(licence_land: LicenceLand) -> servicev1.ExportAuthorizationResponse:
    """One of two items granted, used twice and taken back; exported by the holder."""
    consent = await licence_land.asked(TWO_ITEMS, max_uses=3)
    await consent.grant((2,), refused=(1,), places={2: SHANGHAI})
    for _ in range(2):
        await consent.fetch(2)
    await consent.withdraw()
    by_holder = await consent.holders.authorizations.export(
        authorization_id=consent.authorization_id, session_token=consent.holder.token
    )
    auditor = licence_land.client(WUHAN, "audit-1", of=CallerClass.OPERATOR)
    by_auditor = await auditor.authorizations.export(authorization_id=consent.authorization_id)
    assert by_auditor.consent_record == by_holder.consent_record
    return by_holder


@pytest.fixture
def export(exported: servicev1.ExportAuthorizationResponse) -> Export:
    """The export as JSON, to be altered as one likes."""
    parsed: Export = json.loads(json_format.MessageToJson(exported))
    return parsed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, evidence_pb2.Evidence]:
    """Key and bundle of another federation: properly signed, and it knows none of our nodes."""
    async with open_federation(tmp_path_factory.mktemp("others"), "350200", parties=False) as federation:
        key, held = hub_key_of(federation), federation.hub.app.trust.evidence()
    assert held is not None
    bundle = evidence_pb2.Evidence.FromString(held)
    assert {node.node_id for node in open_bundle(bundle, hub_key=key).nodes} <= {HUB, "350200"}
    return key, bundle


@pytest.fixture
def hub_key(licence_land: LicenceLand) -> bytes:
    return hub_key_of(licence_land.federation)


def spoil(evidence: dict[str, Any]) -> None:
    payload = bytearray(base64.b64decode(evidence["payload"]))
    payload[-1] ^= 1
    evidence["payload"] = base64.b64encode(payload).decode()


def spoil_part(export: Export, part: str) -> None:
    spoil(export[part][0] if isinstance(export[part], list) else export[part])


def change_decision(export: Export) -> None:
    """It makes the refused item a granted one, as a home node's operator might wish afterwards."""
    record = recordv1.ConsentRecord.FromString(base64.b64decode(export["consentRecord"]["payload"]))
    for item in record.items:
        item.granted = True
    export["consentRecord"]["payload"] = base64.b64encode(record.SerializeToString()).decode()


@pytest.mark.req("8.1-06")
async def test_an_export_proves_who_decided_what_and_what_was_done(export: Export, hub_key: bytes) -> None:
    proved = prove(json.dumps(export), hub_key=hub_key)
    assert [(item.item.item_no, item.granted) for item in proved.record.items] == [(1, False), (2, True)]
    assert proved.record.decision == GRANTED
    assert proved.request.visited_node_id == "110000"
    assert proved.withdrawal is not None
    assert [list(delivery.field_names) for delivery in proved.deliveries] == [["degree"], ["degree"]]
    assert {delivery.license_node_id for delivery in proved.deliveries} == {SHANGHAI}


@pytest.mark.req("8.1-06")
@pytest.mark.parametrize("part", PARTS)
async def test_a_bit_that_was_changed_anywhere_proves_nothing(export: Export, hub_key: bytes, part: str) -> None:
    spoil_part(export, part)
    with pytest.raises(EvidenceError):
        prove(json.dumps(export), hub_key=hub_key)


@pytest.mark.req("8.1-06")
async def test_neither_another_decision_nor_another_key_or_bundle_proves_anything(
    export: Export, hub_key: bytes, others: tuple[bytes, evidence_pb2.Evidence]
) -> None:
    text = json.dumps(export)
    other_key, other_bundle = others
    with pytest.raises(EvidenceError):
        prove(text, hub_key=other_key)
    with pytest.raises(EvidenceError):
        prove(text, hub_key=hub_key, bundle=other_bundle)
    with pytest.raises(UnknownKeyError):
        prove(text, hub_key=other_key, bundle=other_bundle)
    change_decision(export)
    with pytest.raises(InvalidEvidenceError):
        prove(json.dumps(export), hub_key=hub_key)


@pytest.mark.req("8.1-06", "N-30")
async def test_a_home_node_that_signs_another_decision_has_not_the_holders_signature_for_it(
    licence_land: LicenceLand, export: Export, exported: servicev1.ExportAuthorizationResponse, hub_key: bytes
) -> None:
    ground = licence_land.federation.wuhan.app.ground
    read = await ground.reader.read(
        exported.consent_record.SerializeToString(), purpose=EvidencePurpose.CONSENT, kind=ConsentRecord
    )
    falsified = replace(read.statement, items=tuple(replace(item, granted=True) for item in read.statement.items))
    signed = evidence_pb2.Evidence.FromString(await ground.attestor.attest(EvidencePurpose.CONSENT, falsified))
    export["consentRecord"] = json_format.MessageToDict(signed)
    with pytest.raises(NotProvedError, match="than the holder"):
        prove(json.dumps(export), hub_key=hub_key)


@pytest.fixture(scope="session")
def verify_consent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in Go, built anew."""
    need_tools("go")
    program = tmp_path_factory.mktemp("go") / "verify-consent"
    for command in (["go", "run", "./generate"], ["go", "build", "-o", str(program), "./cmd/verify-consent"]):
        subprocess.run(command, cwd=GO, check=True, timeout=500)
    return program


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.req("8.1-06")
async def test_a_program_in_go_proves_the_export_and_refuses_what_was_altered(
    verify_consent: Path,
    export: Export,
    hub_key: bytes,
    others: tuple[bytes, evidence_pb2.Evidence],
    tmp_path: Path,
) -> None:
    other_key, other_bundle = others

    async def verify(content: Export, *options: str) -> tuple[int, str]:
        file = tmp_path / "authorization.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        command = [str(verify_consent), *options, str(file)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    code, printed = await verify(export, "-hub-key", hub_key.hex())
    assert (code, "PROVED 已证明" in printed) == (0, True), printed
    assert "✓ the withdrawal is signed by the holder's device" in printed
    assert printed.count("lies within the consent") == 2
    bundle_file = tmp_path / "bundle.json"
    bundle_file.write_text(json_format.MessageToJson(other_bundle), encoding="utf-8")
    assert (await verify(export, "-hub-key", other_key.hex()))[0] == 1
    assert (await verify(export, "-bundle", str(bundle_file)))[0] == 1
    for part in PARTS:
        altered = copy.deepcopy(export)
        spoil_part(altered, part)
        code, printed = await verify(altered, "-hub-key", hub_key.hex())
        assert (code, "NOT PROVED" in printed) == (1, True), part
    change_decision(export)
    code, printed = await verify(export, "-hub-key", hub_key.hex())
    assert (code, "NOT PROVED" in printed) == (1, True)
