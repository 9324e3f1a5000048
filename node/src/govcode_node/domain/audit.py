"""The audit trail: one chain of hashes for each writer, so that a deleted, changed or moved record shows (7.5-06)."""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from struct import Struct
from typing import Final

from govcode_node.domain.errors import FactsError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LENGTH: Final = Struct(">I")


class AuditAction(StrEnum):
    """What was done."""

    ACCOUNT_OPENED = "ACCOUNT_OPENED"
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"
    SESSION_OPENED = "SESSION_OPENED"
    SESSION_CLOSED = "SESSION_CLOSED"
    DEVICE_BOUND = "DEVICE_BOUND"
    CODE_ISSUED = "CODE_ISSUED"
    CODE_SCANNED = "CODE_SCANNED"
    CODE_VERIFIED = "CODE_VERIFIED"
    CODE_RESOLVED = "CODE_RESOLVED"
    CODE_FROZEN = "CODE_FROZEN"
    CODE_UNFROZEN = "CODE_UNFROZEN"
    CODE_REPLACED = "CODE_REPLACED"
    CODE_REVOKED = "CODE_REVOKED"
    TICKET_ISSUED = "TICKET_ISSUED"
    REGISTERED = "REGISTERED"
    REGISTRATION_MOVED = "REGISTRATION_MOVED"
    RELATION_REGISTERED = "RELATION_REGISTERED"
    RELATION_CANCELLED = "RELATION_CANCELLED"
    NODE_REGISTERED = "NODE_REGISTERED"
    NODE_APPROVED = "NODE_APPROVED"
    NODE_SUSPENDED = "NODE_SUSPENDED"
    BUNDLE_ISSUED = "BUNDLE_ISSUED"
    BUNDLE_REFUSED = "BUNDLE_REFUSED"
    AUTHORIZATION_REQUESTED = "AUTHORIZATION_REQUESTED"
    CONSENT_GRANTED = "CONSENT_GRANTED"
    CONSENT_DENIED = "CONSENT_DENIED"
    STATUTORY_USE_OPENED = "STATUTORY_USE_OPENED"
    AUTHORIZATION_TIMED_OUT = "AUTHORIZATION_TIMED_OUT"
    AUTHORIZATION_WITHDRAWN = "AUTHORIZATION_WITHDRAWN"
    WITHDRAWAL_RECEIVED = "WITHDRAWAL_RECEIVED"
    AUTHORIZATION_EXPORTED = "AUTHORIZATION_EXPORTED"
    LICENSES_LOCATED = "LICENSES_LOCATED"
    LICENSE_USE_BEGUN = "LICENSE_USE_BEGUN"
    LICENSE_USED = "LICENSE_USED"
    LICENSE_USE_FAILED = "LICENSE_USE_FAILED"
    LICENSE_FIELDS_FILTERED = "LICENSE_FIELDS_FILTERED"
    LICENSE_REFUSED = "LICENSE_REFUSED"
    GRANT_INTROSPECTED = "GRANT_INTROSPECTED"
    MANDATE_GIVEN = "MANDATE_GIVEN"
    MANDATE_CANCELLED = "MANDATE_CANCELLED"
    RECORDS_PURGED = "RECORDS_PURGED"
    AUDIT_READ = "AUDIT_READ"
    ACCESS_REFUSED = "ACCESS_REFUSED"
    PEER_ANSWER_REFUSED = "PEER_ANSWER_REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One fact for the trail, before it has its place in a chain.

    Attributes:
        happened_at: When.
        actor_class: Label of the caller. Example: `app.relying_party`.
        actor: Name in the certificate.
        action: What was done.
        object: On what: an opaque id.
        result: What came of it.
        biz_serial: Serial of the act, if it had one.
        trace_id: Trace of the act, if it had one.
        details: Further facts, no personal data.
    """

    happened_at: datetime
    actor_class: str
    actor: str
    action: AuditAction
    object: str
    result: str
    biz_serial: str = ""
    trace_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An entry in its place.

    Attributes:
        entry: The fact.
        writer_id: The writer of the chain: node, worker and start time.
        seq: Place in the chain, from 1.
        previous_hash: Hash of the record before, 32 bytes; zeros for the first.
        hash: Hash of this record.
    """

    entry: AuditEntry
    writer_id: str
    seq: int
    previous_hash: bytes
    hash: bytes


def chain_input(entry: AuditEntry, *, writer_id: str, seq: int, previous_hash: bytes) -> bytes:
    """It gives the bytes whose SM3 is the record's hash: each field with its length, so that none flows into another.

    The time counts in whole milliseconds, cut off as the store cuts it off: the hash must be the same after reading.
    """
    parts = [
        previous_hash,
        writer_id.encode(),
        seq.to_bytes(8, "big"),
        ((entry.happened_at - _EPOCH) // _MILLISECOND).to_bytes(8, "big"),
        entry.actor_class.encode(),
        entry.actor.encode(),
        entry.action.value.encode(),
        entry.object.encode(),
        entry.result.encode(),
        entry.biz_serial.encode(),
        entry.trace_id.encode(),
    ]
    for key in sorted(entry.details):
        parts.append(key.encode())
        parts.append(entry.details[key].encode())
    return b"".join([_LENGTH.pack(len(part)) + part for part in parts])


@dataclass(eq=False)
class AuditChainBrokenError(FactsError):
    """A chain does not hold.

    Attributes:
        writer_id: Whose chain.
        seq: The first place at which it does not hold.
        why: `MISSING` (a record is gone, doubled or out of its place) or `CHANGED` (it is not what was written).
    """

    writer_id: str
    seq: int
    why: str
    says = "the audit chain of {writer_id} does not hold at {seq}: {why}"


def verify_chain(
    records: Iterable[AuditRecord], *, sm3: Callable[[bytes], bytes], after: tuple[int, bytes] = (0, bytes(32))
) -> tuple[int, bytes]:
    """It follows one writer's chain and returns where it ends: the last number and hash, to go on from (7.5-06).

    That nothing is missing at the end shows only against a signed checkpoint of number and hash.

    Args:
        records: Records of one writer in the order of their numbers.
        sm3: The hash.
        after: Number and hash of the record before the first one.

    Raises:
        AuditChainBrokenError: A record is missing, out of place or changed.
    """
    seq, previous = after
    for record in records:
        seq += 1
        if record.seq != seq or not hmac.compare_digest(record.previous_hash, previous):
            raise AuditChainBrokenError(record.writer_id, seq, "MISSING")
        content = chain_input(record.entry, writer_id=record.writer_id, seq=seq, previous_hash=previous)
        previous = sm3(content)
        if not hmac.compare_digest(record.hash, previous):
            raise AuditChainBrokenError(record.writer_id, seq, "CHANGED")
    return seq, previous
