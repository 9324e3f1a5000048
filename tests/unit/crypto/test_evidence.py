import importlib.util
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from govcode_client import evidence_rules as rules
from govcode_node.crypto.evidence import check_evidence
from govcode_node.crypto.sm2 import GmsslSm2, LibcryptoSm2, Sm2Backend
from govcode_node.domain.evidence import (
    Evidence,
    EvidencePurpose,
    InvalidEvidenceError,
    MerkleProof,
    Sm2Proof,
    VerifiedEvidence,
)
from govcode_node.domain.keys import UnknownKeyError

VECTORS_HOME = Path(__file__).parents[2] / "vectors"
FILE = VECTORS_HOME / "evidence/evidence-v1.json"
VECTORS = json.loads(FILE.read_text())
POINT = bytes.fromhex(VECTORS["public_point"])
LIBCRYPTO = LibcryptoSm2()


def evidence_of(case: dict[str, Any]) -> Evidence:
    proof: Sm2Proof | MerkleProof
    if "sm2_signature" in case:
        proof = Sm2Proof(bytes.fromhex(case["sm2_signature"]))
    else:
        proof = MerkleProof(
            leaf_index=case["leaf_index"],
            leaf_count=case["leaf_count"],
            path=tuple(bytes.fromhex(each) for each in case["path"]),
            root_time=rules.moment_of(case["root_time_ms"]),
            root_signature=bytes.fromhex(case["root_signature"]),
        )
    return Evidence(
        payload=bytes.fromhex(case["payload"]),
        payload_type=case["payload_type"],
        node_id=case["node_id"],
        key_id=case["key_id"],
        signed_time=rules.moment_of(case["signed_time_ms"]),
        proof=proof,
    )


def check(case: dict[str, Any], backend: Sm2Backend = LIBCRYPTO) -> VerifiedEvidence:
    return check_evidence(
        evidence_of(case),
        EvidencePurpose(case["purpose"]),
        public_key_of=lambda node_id, key_id: POINT,
        verify=backend.verify,
    )


def test_the_vector_file_is_what_its_script_builds() -> None:
    path = VECTORS_HOME / "build_evidence_vectors.py"
    spec = importlib.util.spec_from_file_location("build_evidence_vectors", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.render() == FILE.read_text()


@pytest.mark.req("N-41")
@pytest.mark.parametrize("backend", [LIBCRYPTO, GmsslSm2()], ids=lambda backend: backend.name)
def test_golden_evidence_is_verified_with_both_libraries(backend: Sm2Backend) -> None:
    for case in (*VECTORS["plain"], *({**batch, **batch["leaves"][-1]} for batch in VECTORS["batches"])):
        verified = check(case, backend)
        assert verified.payload.hex() == case["payload"]
        assert verified.purpose == case["purpose"]


@pytest.mark.req("N-41", "8.1-04")
@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["why"])
def test_evidence_that_proves_nothing_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvidenceError):
        check(case)


@pytest.mark.req("N-41")
@pytest.mark.parametrize("purpose", [each for each in EvidencePurpose if each is not EvidencePurpose.CONSENT])
def test_a_consent_signature_passes_for_no_other_purpose(purpose: EvidencePurpose) -> None:
    consent = next(case for case in VECTORS["plain"] if case["purpose"] == "CONSENT")
    with pytest.raises(InvalidEvidenceError, match=purpose):
        check({**consent, "purpose": purpose.value})


def test_an_unknown_key_is_reported_as_such() -> None:
    def nowhere(node_id: str, key_id: str) -> bytes:
        raise UnknownKeyError(key_id, node_id=node_id)

    with pytest.raises(UnknownKeyError):
        check_evidence(
            evidence_of(VECTORS["plain"][0]),
            EvidencePurpose.SCAN_ANSWER,
            public_key_of=nowhere,
            verify=LIBCRYPTO.verify,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"payload_type": ""},
        {"node_id": ""},
        {"key_id": ""},
        {"signed_time": datetime(2026, 12, 1, 0, 0, 0, 1, tzinfo=UTC)},
        {"signed_time": datetime(2026, 12, 1)},  # noqa: DTZ001 - the point of the test
    ],
)
def test_evidence_with_missing_or_inexact_parts_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvidenceError):
        replace(evidence_of(VECTORS["plain"][0]), **changes)


def test_evidence_dated_before_1970_is_refused() -> None:
    evidence = replace(evidence_of(VECTORS["plain"][0]), signed_time=datetime(1969, 12, 31, tzinfo=UTC))
    with pytest.raises(InvalidEvidenceError):
        check_evidence(
            evidence,
            EvidencePurpose.SCAN_ANSWER,
            public_key_of=lambda node_id, key_id: POINT,
            verify=LIBCRYPTO.verify,
        )
