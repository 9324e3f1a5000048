"""Evidence: a statement of a node that crosses to others or must stand later, with the proof over its exact bytes.

The byte rules stand in `govcode_client.evidence_rules`; making and checking happen in the crypto room. A rule that
needs checked evidence asks for `VerifiedEvidence`, so that an unchecked one cannot be handed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from govcode_node.domain.errors import GovcodeError

SIGNATURE_SIZE: Final = 64
_HASH_SIZE: Final = 32
_MICROSECONDS_PER_MILLISECOND: Final = 1000
MAX_LEAF_COUNT: Final = 65_536


class EvidencePurpose(StrEnum):
    """What a piece of evidence is for; part of the signed bytes, so that purposes cannot be mixed up."""

    SCAN_ANSWER = "SCAN_ANSWER"
    RECOGNIZE_REQUEST = "RECOGNIZE_REQUEST"
    RECOGNIZE_ANSWER = "RECOGNIZE_ANSWER"
    TRUST_BUNDLE = "TRUST_BUNDLE"
    STATUS_SUMMARY = "STATUS_SUMMARY"
    CONSENT_REQUEST = "CONSENT_REQUEST"
    CONSENT = "CONSENT"
    GRANT = "GRANT"
    LICENSE_DELIVERY = "LICENSE_DELIVERY"
    LICENSE_USE = "LICENSE_USE"
    WITHDRAWAL = "WITHDRAWAL"
    AUTHORIZATION_QUESTION = "AUTHORIZATION_QUESTION"
    AUTHORIZATION_ANSWER = "AUTHORIZATION_ANSWER"
    REVOCATION_LIST = "REVOCATION_LIST"
    NODE_REGISTRATION = "NODE_REGISTRATION"
    AUDIT_CHECKPOINT = "AUDIT_CHECKPOINT"


@dataclass(frozen=True, slots=True)
class Sm2Proof:
    """A signature over this statement alone."""

    signature: bytes

    def __post_init__(self) -> None:
        _check_signature(self.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class MerkleProof:
    """Membership in a batch whose root is signed."""

    leaf_index: int
    leaf_count: int
    path: tuple[bytes, ...]
    root_time: datetime
    root_signature: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.leaf_count <= MAX_LEAF_COUNT or not 0 <= self.leaf_index < self.leaf_count:
            raise InvalidEvidenceError(f"leaf {self.leaf_index} of {self.leaf_count} is not possible")
        if any(len(sibling) != _HASH_SIZE for sibling in self.path):
            raise InvalidEvidenceError(f"a hash of the path does not have {_HASH_SIZE} bytes")
        _check_time(self.root_time)
        _check_signature(self.root_signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A statement with its proof, not yet checked."""

    payload: bytes
    """The exact bytes that were signed; they are parsed only after the check."""
    payload_type: str
    """Full name of the message that the payload holds."""
    node_id: str
    key_id: str
    signed_time: datetime
    """Aware and exact to the millisecond."""
    proof: Sm2Proof | MerkleProof

    def __post_init__(self) -> None:
        if not (self.payload_type and self.node_id and self.key_id):
            raise InvalidEvidenceError("payload type, node and key must be named")
        _check_time(self.signed_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEvidence:
    """Evidence whose proof has held for the purpose named here; made only by the check."""

    evidence: Evidence
    purpose: EvidencePurpose

    @property
    def payload(self) -> bytes:
        """The proved bytes, ready to be parsed."""
        return self.evidence.payload


class InvalidEvidenceError(GovcodeError):
    """A piece of evidence is malformed or its proof does not hold for the purpose it was offered for."""

    def __init__(self, reason: str, *, node_id: str | None = None, key_id: str | None = None) -> None:
        super().__init__(f"the evidence does not hold: {reason}")
        self.reason = reason
        self.node_id = node_id
        self.key_id = key_id


def _check_signature(signature: bytes) -> None:
    if len(signature) != SIGNATURE_SIZE:
        raise InvalidEvidenceError(f"a signature has {SIGNATURE_SIZE} bytes, not {len(signature)}")


def _check_time(moment: datetime) -> None:
    if moment.tzinfo is None or moment.microsecond % _MICROSECONDS_PER_MILLISECOND:
        raise InvalidEvidenceError("times carry a time zone and are exact to the millisecond")
