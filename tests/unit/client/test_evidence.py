"""Evidence as a client checks it: on the generated message, with nothing of the node."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from govcode.common.v1.evidence_pb2 import Evidence
from govcode_client import evidence_rules as rules
from govcode_client.evidence import InvalidEvidenceError, UnknownKeyError, check_evidence
from govcode_client.sm2 import Sm2PublicKey
from hypothesis import given
from hypothesis import strategies as st

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/evidence/evidence-v1.json").read_text())
POINT = bytes.fromhex(VECTORS["public_point"])
KEY_ID = VECTORS["plain"][0]["key_id"]
BATCHED = [{**batch, **leaf} for batch in VECTORS["batches"] for leaf in batch["leaves"]]


def public_key_of(node_id: str, key_id: str) -> bytes | None:
    # Other names lead to the same key here, so that a wrong name is caught by the signature and not by the look-up.
    return POINT


def message_of(case: dict[str, Any]) -> Evidence:
    evidence = Evidence(
        payload=bytes.fromhex(case["payload"]),
        payload_type=case["payload_type"],
        node_id=case["node_id"],
        key_id=case["key_id"],
    )
    evidence.signed_time.FromMilliseconds(case["signed_time_ms"])
    if "sm2_signature" in case:
        evidence.sm2_signature = bytes.fromhex(case["sm2_signature"])
    else:
        evidence.merkle.leaf_index = case["leaf_index"]
        evidence.merkle.leaf_count = case["leaf_count"]
        evidence.merkle.path.extend(bytes.fromhex(each) for each in case["path"])
        evidence.merkle.root_time.FromMilliseconds(case["root_time_ms"])
        evidence.merkle.root_signature = bytes.fromhex(case["root_signature"])
    return evidence


def check(case: dict[str, Any], evidence: Evidence | None = None) -> bytes:
    return check_evidence(
        message_of(case) if evidence is None else evidence,
        purpose=case["purpose"],
        payload_type=case["payload_type"],
        public_key_of=public_key_of,
    )


@pytest.mark.req("N-41")
@pytest.mark.parametrize("case", [*VECTORS["plain"], *BATCHED])
def test_golden_evidence_gives_its_payload(case: dict[str, Any]) -> None:
    assert check(case).hex() == case["payload"]


@pytest.mark.parametrize("case", [*VECTORS["plain"], *BATCHED])
def test_the_signed_bytes_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    names = ("purpose", "payload_type", "node_id", "key_id", "signed_time_ms")
    payload = bytes.fromhex(case["payload"])
    assert rules.signed_bytes(**{name: case[name] for name in names}, payload=payload).hex() == case["signed_bytes"]


@pytest.mark.req("N-41", "8.1-04")
@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["why"])
def test_evidence_that_proves_nothing_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvidenceError) as caught:
        check(case)
    assert caught.value.node_id == case["node_id"]


@pytest.mark.req("8.1-04")
def test_evidence_without_a_proof_is_refused() -> None:
    case = VECTORS["plain"][0]
    evidence = message_of(case)
    evidence.ClearField("sm2_signature")
    with pytest.raises(InvalidEvidenceError, match="no proof"):
        check(case, evidence)


def test_another_payload_type_than_the_caller_will_parse_is_refused() -> None:
    case = VECTORS["plain"][0]
    with pytest.raises(InvalidEvidenceError, match="not govcode"):
        check_evidence(
            message_of(case), purpose=case["purpose"], payload_type="govcode.hub.v1.Other", public_key_of=public_key_of
        )


def test_an_unknown_key_asks_for_a_newer_bundle() -> None:
    case = VECTORS["plain"][0]
    with pytest.raises(UnknownKeyError) as caught:
        check_evidence(
            message_of(case),
            purpose=case["purpose"],
            payload_type=case["payload_type"],
            public_key_of=lambda node_id, key_id: None,
        )
    assert (caught.value.node_id, caught.value.key_id) == ("420100", KEY_ID)


def test_a_key_that_is_already_parsed_is_taken_as_it_is() -> None:
    case, key = VECTORS["plain"][0], Sm2PublicKey.from_point(POINT)
    assert check_evidence(
        message_of(case),
        purpose=case["purpose"],
        payload_type=case["payload_type"],
        public_key_of=lambda node_id, key_id: key,
    )


@pytest.mark.parametrize("nanos", [1, 123_000_001, 999_999_999])
def test_time_that_the_signature_does_not_cover_is_refused(nanos: int) -> None:
    case = VECTORS["plain"][0]
    evidence = message_of(case)
    evidence.signed_time.nanos = nanos
    with pytest.raises(InvalidEvidenceError, match="finer than a millisecond"):
        check(case, evidence)


@pytest.mark.req("N-41")
def test_fields_that_a_newer_node_added_to_the_payload_change_nothing() -> None:
    # The proof covers the bytes as sent: they come back byte for byte, fields unknown to this reader included.
    case = VECTORS["plain"][0]
    sent = message_of(case).SerializeToString() + b"\xa2\x06\x03new"
    assert check(case, Evidence.FromString(sent)).hex() == case["payload"]


@given(count=st.integers(1, 70), data=st.data())
def test_every_leaf_leads_to_the_root_and_only_from_its_own_place(count: int, data: st.DataObject) -> None:
    leaves = [rules.leaf_hash(number.to_bytes(2, "big")) for number in range(count)]
    levels = rules.merkle_levels(leaves)
    index = data.draw(st.integers(0, count - 1))
    path = rules.merkle_path(levels, index)
    root = levels[-1][0]
    assert rules.merkle_root_from_path(leaves[index], index, count, path) == root
    for other_index in {index ^ 1, 0, count - 1} - {index}:
        with suppress(rules.EvidenceShapeError):
            assert rules.merkle_root_from_path(leaves[index], other_index, count, path) != root
    for wrong_path in ((*path, bytes(32)), path[:-1], (*path[:-1], b"short")):
        if wrong_path != path:
            with pytest.raises(rules.EvidenceShapeError):
                rules.merkle_root_from_path(leaves[index], index, count, wrong_path)


def test_an_inner_node_is_no_leaf() -> None:
    leaves = [rules.leaf_hash(bytes((number,))) for number in range(4)]
    levels = rules.merkle_levels(leaves)
    # Claimed as leaf 0 of 2, the inner node would need its sibling as path; the prefix byte of leaves forbids it,
    # since no text hashes to it as a leaf.
    forged = b"\x01" + leaves[0] + leaves[1]
    assert rules.merkle_root_from_path(rules.leaf_hash(forged), 0, 2, (levels[1][1],)) != levels[-1][0]


@pytest.mark.parametrize(("index", "count"), [(0, 0), (1, 1), (-1, 2), (0, 65_537)])
def test_impossible_places_in_a_tree_are_refused(index: int, count: int) -> None:
    with pytest.raises(rules.EvidenceShapeError):
        rules.merkle_root_from_path(bytes(32), index, count, ())


def test_a_tree_has_at_least_one_leaf_and_no_leaf_beyond() -> None:
    with pytest.raises(rules.EvidenceShapeError):
        rules.merkle_levels([])
    with pytest.raises(rules.EvidenceShapeError):
        rules.merkle_path([[bytes(32)]], 1)


def test_the_rules_need_neither_grpc_nor_protobuf() -> None:
    program = (
        "import sys, govcode_client.evidence\n"
        "print(sorted(name for name in ('grpc', 'google.protobuf', 'cryptography', 'gmssl') if name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
