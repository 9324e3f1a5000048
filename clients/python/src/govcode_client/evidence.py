"""Check evidence without asking any node: bytes, a public key from the trust bundle, and nothing else.

    from govcode_client.evidence import check_evidence

    answer = ScanAnswer.FromString(
        check_evidence(response.evidence, purpose="SCAN_ANSWER", payload_type=ScanAnswer.DESCRIPTOR.full_name,
                       public_key_of=bundle.public_key_of)
    )

The payload is handed out only after the proof has held: verify first, parse then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from govcode_client import evidence_rules as rules
from govcode_client.sm2 import Sm2KeyError, Sm2PublicKey, Sm2VerificationError

# google.protobuf.Timestamp ends with the year 9999.
_MAX_SECONDS: Final = 253_402_300_799


class TimestampMessage(Protocol):
    """The fields of ``google.protobuf.Timestamp``."""

    @property
    def seconds(self) -> int:
        """Whole seconds since 1970."""

    @property
    def nanos(self) -> int:
        """Nanoseconds beyond the second."""


class MerkleProofMessage(Protocol):
    """The fields of ``govcode.common.v1.MerkleProof``."""

    @property
    def leaf_index(self) -> int:
        """Position of the leaf."""

    @property
    def leaf_count(self) -> int:
        """Number of leaves."""

    @property
    def path(self) -> Sequence[bytes]:
        """Sibling hashes from the leaf up."""

    @property
    def root_time(self) -> TimestampMessage:
        """When the root was signed."""

    @property
    def root_signature(self) -> bytes:
        """The signature over the root."""


class EvidenceMessage(Protocol):
    """The fields of ``govcode.common.v1.Evidence``; any object that has them will do."""

    @property
    def payload(self) -> bytes:
        """The exact bytes that were signed."""

    @property
    def payload_type(self) -> str:
        """Full protobuf name of the payload."""

    @property
    def node_id(self) -> str:
        """The node that signed."""

    @property
    def key_id(self) -> str:
        """The signing key."""

    @property
    def signed_time(self) -> TimestampMessage:
        """When it was signed."""

    @property
    def sm2_signature(self) -> bytes:
        """The plain proof; empty when the proof is a Merkle proof."""

    @property
    def merkle(self) -> MerkleProofMessage:
        """The batch proof; its leaf_count is zero when the proof is a plain one."""


class EvidenceError(Exception):
    """A piece of evidence proves nothing."""


class UnknownKeyError(EvidenceError):
    """The trust bundle at hand holds no such key; a newer bundle may."""

    def __init__(self, node_id: str, key_id: str) -> None:
        super().__init__(f"no key {key_id} of node {node_id} is known; fetch the trust bundle again")
        self.node_id = node_id
        self.key_id = key_id


class InvalidEvidenceError(EvidenceError):
    """The proof does not hold for this purpose, payload type, node, key, time and payload."""

    def __init__(self, node_id: str, key_id: str, reason: str) -> None:
        super().__init__(f"evidence of node {node_id} under key {key_id} does not hold: {reason}")
        self.node_id = node_id
        self.key_id = key_id
        self.reason = reason


def check_evidence(
    evidence: EvidenceMessage,
    *,
    purpose: str,
    payload_type: str,
    public_key_of: Callable[[str, str], bytes | Sm2PublicKey | None],
) -> bytes:
    """Return the payload once the proof has held.

    Args:
        evidence: A ``govcode.common.v1.Evidence`` message.
        purpose: The purpose that the caller expects, for example ``SCAN_ANSWER``.
        payload_type: Full protobuf name of the message that the caller is about to parse.
        public_key_of: Finds a node's evidence key by node id and key id; None when it is not known.

    Raises:
        UnknownKeyError: The key is not known.
        InvalidEvidenceError: Anything else is amiss.
    """

    def invalid(reason: str) -> InvalidEvidenceError:
        return InvalidEvidenceError(evidence.node_id, evidence.key_id, reason)

    if evidence.payload_type != payload_type:
        raise invalid(f"it carries {evidence.payload_type}, not {payload_type}")
    try:
        covered, signature = _proved(evidence, purpose)
    except rules.EvidenceShapeError as fault:
        raise invalid(str(fault)) from fault
    found = public_key_of(evidence.node_id, evidence.key_id)
    if found is None:
        raise UnknownKeyError(evidence.node_id, evidence.key_id)
    try:
        key = found if isinstance(found, Sm2PublicKey) else Sm2PublicKey.from_point(found)
        key.verify(signature, covered)
    except (Sm2VerificationError, Sm2KeyError) as fault:
        raise invalid(str(fault)) from fault
    return evidence.payload


def _proved(evidence: EvidenceMessage, purpose: str) -> tuple[bytes, bytes]:
    """Return the bytes that the SM2 signature must cover, and that signature."""
    signed = rules.signed_bytes(
        purpose=purpose,
        payload_type=evidence.payload_type,
        node_id=evidence.node_id,
        key_id=evidence.key_id,
        signed_time_ms=_milliseconds(evidence.signed_time),
        payload=evidence.payload,
    )
    merkle = evidence.merkle
    if evidence.sm2_signature:
        if merkle.leaf_count:
            raise rules.EvidenceShapeError("it carries two proofs")
        return signed, evidence.sm2_signature
    if not merkle.leaf_count:
        raise rules.EvidenceShapeError("it carries no proof")
    root = rules.merkle_root_from_path(
        rules.leaf_hash(signed), merkle.leaf_index, merkle.leaf_count, tuple(merkle.path)
    )
    return rules.root_bytes(root, _milliseconds(merkle.root_time)), merkle.root_signature


def _milliseconds(stamp: TimestampMessage) -> int:
    if not 0 <= stamp.seconds <= _MAX_SECONDS or not 0 <= stamp.nanos < 1_000_000_000:
        raise rules.EvidenceShapeError("the time is out of bounds")
    milliseconds, rest = divmod(stamp.nanos, 1_000_000)
    if rest:
        raise rules.EvidenceShapeError("the time is finer than a millisecond")
    return stamp.seconds * 1000 + milliseconds
