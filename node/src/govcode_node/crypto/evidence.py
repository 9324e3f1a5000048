"""Check evidence: the proof first, the payload afterwards."""

from __future__ import annotations

from collections.abc import Callable

from govcode_client import evidence_rules as rules

from govcode_node.domain.evidence import (
    Evidence,
    EvidencePurpose,
    InvalidEvidenceError,
    Sm2Proof,
    VerifiedEvidence,
)
from govcode_node.domain.keys import InvalidSignatureError


def proved_bytes(evidence: Evidence, purpose: EvidencePurpose) -> tuple[bytes, bytes]:
    """Return the bytes that the SM2 signature of a piece of evidence must cover, and that signature.

    Raises:
        InvalidEvidenceError: The parts of the proof do not fit together.
    """
    try:
        signed = rules.signed_bytes(
            purpose=purpose.value,
            payload_type=evidence.payload_type,
            node_id=evidence.node_id,
            key_id=evidence.key_id,
            signed_time_ms=rules.milliseconds_of(evidence.signed_time),
            payload=evidence.payload,
        )
        proof = evidence.proof
        if isinstance(proof, Sm2Proof):
            return signed, proof.signature
        root = rules.merkle_root_from_path(rules.leaf_hash(signed), proof.leaf_index, proof.leaf_count, proof.path)
        return rules.root_bytes(root, rules.milliseconds_of(proof.root_time)), proof.root_signature
    except rules.EvidenceShapeError as fault:
        raise InvalidEvidenceError(str(fault), node_id=evidence.node_id, key_id=evidence.key_id) from fault


def check_evidence(
    evidence: Evidence,
    purpose: EvidencePurpose,
    *,
    public_key_of: Callable[[str, str], bytes],
    verify: Callable[[bytes, bytes, bytes], None],
) -> VerifiedEvidence:
    """Return the evidence as verified for the purpose that the caller expects.

    The purpose is the receiver's word, not the sender's: a signature made for another purpose does not match.

    Args:
        evidence: As it came.
        purpose: What the caller will use it for.
        public_key_of: Finds a node's evidence key by node id and key id; raises `UnknownKeyError`.
        verify: Checks a signature: point, signature, data; raises `InvalidSignatureError`.

    Raises:
        UnknownKeyError: The key is not in the trust bundle at hand.
        InvalidEvidenceError: The proof does not hold.
    """
    covered, signature = proved_bytes(evidence, purpose)
    point = public_key_of(evidence.node_id, evidence.key_id)
    try:
        verify(point, signature, covered)
    except InvalidSignatureError as fault:
        raise _not_held(evidence, purpose) from fault
    return VerifiedEvidence(evidence=evidence, purpose=purpose)


def _not_held(evidence: Evidence, purpose: EvidencePurpose) -> InvalidEvidenceError:
    return InvalidEvidenceError(
        f"the signature does not match for {purpose}", node_id=evidence.node_id, key_id=evidence.key_id
    )
