"""The envelope of evidence: the message and the bytes in which it travels and is kept, and the domain's value.

Nothing here looks into a payload or checks a proof; what is refused is an envelope that could not be checked.
"""

from datetime import datetime

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.common.v1 import evidence_pb2 as evidencev1

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.evidence import Evidence, InvalidEvidenceError, MerkleProof, Sm2Proof
from govcode_node.wire import checks
from govcode_node.wire.times import is_whole_milliseconds, moment_from_proto, moment_to_proto


def evidence_to_proto(evidence: Evidence) -> evidencev1.Evidence:
    """It gives the message of a piece of evidence."""
    message = evidencev1.Evidence(
        payload=evidence.payload,
        payload_type=evidence.payload_type,
        node_id=evidence.node_id,
        key_id=evidence.key_id,
        signed_time=moment_to_proto(evidence.signed_time),
    )
    proof = evidence.proof
    if isinstance(proof, Sm2Proof):
        message.sm2_signature = proof.signature
    else:
        message.merkle.CopyFrom(_merkle_to_proto(proof))
    return message


def evidence_from_proto(message: evidencev1.Evidence) -> Evidence:
    """It reads an envelope.

    Raises:
        InvalidEvidenceError: It has no proof, a name or time is not of its form, or the proof is not possible.
    """
    try:
        return Evidence(
            payload=message.payload,
            payload_type=message.payload_type,
            node_id=checks.node_id(message.node_id, "node_id"),
            key_id=checks.key_id(message.key_id, "key_id"),
            signed_time=_signed_moment(message.signed_time, "signed_time"),
            proof=_proof_from_proto(message),
        )
    except InvalidFieldError as fault:
        raise InvalidEvidenceError(str(fault)) from fault


def evidence_to_bytes(evidence: Evidence) -> bytes:
    """It gives the bytes in which evidence is kept and handed on."""
    return evidence_to_proto(evidence).SerializeToString(deterministic=True)


def evidence_from_bytes(data: bytes) -> Evidence:
    """It reads evidence as it was received or kept.

    Raises:
        InvalidEvidenceError: The bytes are no evidence.
    """
    try:
        return evidence_from_proto(evidencev1.Evidence.FromString(data))
    except DecodeError as fault:
        raise InvalidEvidenceError("the bytes are no evidence") from fault


def kept_evidence_to_proto(data: bytes) -> evidencev1.Evidence | None:
    """It gives the message of evidence that this node has kept or made; None where there is none."""
    return evidencev1.Evidence.FromString(data) if data else None


def _merkle_to_proto(proof: MerkleProof) -> evidencev1.MerkleProof:
    return evidencev1.MerkleProof(
        leaf_index=proof.leaf_index,
        leaf_count=proof.leaf_count,
        path=proof.path,
        root_time=moment_to_proto(proof.root_time),
        root_signature=proof.root_signature,
    )


def _proof_from_proto(message: evidencev1.Evidence) -> Sm2Proof | MerkleProof:
    which = message.WhichOneof("proof")
    if which == "sm2_signature":
        return Sm2Proof(message.sm2_signature)
    if which == "merkle":
        merkle = message.merkle
        return MerkleProof(
            leaf_index=merkle.leaf_index,
            leaf_count=merkle.leaf_count,
            path=tuple(merkle.path),
            root_time=_signed_moment(merkle.root_time, "merkle.root_time"),
            root_signature=merkle.root_signature,
        )
    raise InvalidEvidenceError("it carries no proof")


def _signed_moment(stamp: Timestamp, field: str) -> datetime:
    """It reads a time that stands beside a signature: what is finer than a millisecond would not be signed."""
    if not is_whole_milliseconds(stamp):
        raise InvalidEvidenceError(f"{field} is finer than a millisecond")
    return moment_from_proto(stamp, field)
