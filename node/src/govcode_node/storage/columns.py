"""How values of the domain become columns and come back: times, ids, and the numbers that stand for enum members.

Rows of the busy tables are kept small on purpose: an id that is a prefix and 32 hexadecimal digits takes 16 bytes, an
enum member one. A number, once given, is never given to another member; new members take the next ones.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Final, Generic, TypeVar

from govcode_node.domain.accounts import AccountId, AccountState, RelationKind, SessionEndReason
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.codes import CodeState
from govcode_node.domain.events import CodeChange
from govcode_node.domain.nodes import NodeState
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.parties import ApplicationKind, RegistrationState

E = TypeVar("E", bound=Enum)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SECOND: Final = timedelta(seconds=1)

_CACHED_IDS: Final = 8192
"""Ids whose packed form is remembered: a scan writes its own id into four rows and its account's into three."""

to_json: Final = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, sort_keys=True, check_circular=False
).encode
"""It writes the small facts that stand in one column: compact, and in one order."""

ACCOUNT_PREFIX: Final = "ac_"
SCAN_PREFIX: Final = "sc_"
AUTHORIZATION_PREFIX: Final = "au_"
USE_PREFIX: Final = "us_"


def to_ms(moment: datetime) -> int:
    """It gives Unix milliseconds; what is finer is cut off."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """It gives the aware UTC moment of Unix milliseconds, exactly (a float would not be exact in far years)."""
    return _EPOCH + timedelta(0, 0, 0, milliseconds)


def to_ms_or_none(moment: datetime | None) -> int | None:
    """It gives Unix milliseconds, or None for None."""
    return None if moment is None else (moment - _EPOCH) // _MILLISECOND


def from_ms_or_none(milliseconds: int | None) -> datetime | None:
    """It gives the moment, or None for None."""
    return None if milliseconds is None else from_ms(milliseconds)


def to_seconds(moment: datetime) -> int:
    """It gives Unix seconds, for the times of codes, which are whole."""
    return (moment - _EPOCH) // _SECOND


def from_seconds(seconds: int) -> datetime:
    """It gives the aware UTC moment of Unix seconds."""
    return _EPOCH + timedelta(0, seconds)


@lru_cache(maxsize=_CACHED_IDS)
def pack_id(prefix: str, text: str) -> bytes | None:
    """It gives the 16 bytes of an id; None where the text is not exactly the prefix and 32 lower-case hex digits.

    Whoever looks something up by an id of a caller gets "there is none" for a text of another form.
    """
    digits = text[len(prefix) :]
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return None
    # Spaces and capitals are read by fromhex too; two texts must never name one thing.
    return packed if len(packed) == 16 and prefix + packed.hex() == text else None


def pack_own_id(prefix: str, text: str) -> bytes:
    """It gives the 16 bytes of an id that this program made.

    Raises:
        ValueError: The id is not of that form, which is a mistake of the program.
    """
    packed = pack_id(prefix, text)
    if packed is None:
        raise ValueError(f"an id of the form {prefix}<32 hexadecimal digits> is needed, not {text[:40]!r}")
    return packed


def pack_account(account_id: str) -> bytes:
    """It gives the 16 bytes of an account id.

    Raises:
        ValueError: It is not of that form.
    """
    return pack_own_id(ACCOUNT_PREFIX, account_id)


def unpack_account(packed: bytes) -> AccountId:
    """It gives the account id again."""
    return AccountId(ACCOUNT_PREFIX + packed.hex())


_PREFIXES: Final = ("", ACCOUNT_PREFIX, SCAN_PREFIX, "ev_")
_UUID: Final = len(_PREFIXES)
"""The form of a UUID with its hyphens, the commonest of serials."""
_PACKED_LENGTH: Final = 17


@lru_cache(maxsize=_CACHED_IDS)
def pack_opaque(text: str) -> bytes:
    """It packs an id that may have any form: 17 bytes for a UUID or a known prefix and 32 hex digits, else its UTF-8.

    Other texts get a NUL, or two where one would make 17 bytes, so that the two forms are never confused.
    """
    length = len(text)
    if length in (32, 35):
        prefix = text[: length - 32]
        if prefix in _PREFIXES and (packed := pack_id(prefix, text)) is not None:
            return _PREFIXES.index(prefix).to_bytes(1, "big") + packed
    elif length == 36 and (packed := pack_id("", text.replace("-", ""))) is not None and _with_hyphens(packed) == text:
        return _UUID.to_bytes(1, "big") + packed
    encoded = text.encode() + b"\0"
    return encoded if len(encoded) != _PACKED_LENGTH else encoded + b"\0"


def unpack_opaque(packed: bytes) -> str:
    """It gives the text again."""
    if len(packed) == _PACKED_LENGTH:
        form = packed[0]
        return _with_hyphens(packed[1:]) if form == _UUID else _PREFIXES[form] + packed[1:].hex()
    return packed.rstrip(b"\0").decode()


def _with_hyphens(packed: bytes) -> str:
    text = packed.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Numbers(Generic[E]):
    """It maps the members of one enum to small integers and back.

    Args:
        kind: The enum.
        members: Its members in the order of their numbers, from 0.

    Raises:
        ValueError: A member has no number, or two; noticed when this module is imported.
    """

    __slots__ = ("member", "number")

    def __init__(self, kind: type[E], members: Sequence[E]) -> None:
        if set(members) != set(kind) or len(set(members)) != len(members):
            missing = sorted(member.name for member in set(kind) - set(members))
            raise ValueError(f"each member of {kind.__name__} needs one number; none: {missing}")
        self.number: Mapping[E, int] = {member: number for number, member in enumerate(members)}
        self.member: Sequence[E] = tuple(members)


ACCOUNT_STATES = Numbers(AccountState, (AccountState.ACTIVE, AccountState.SUSPENDED, AccountState.CLOSED))
SESSION_ENDS = Numbers(
    SessionEndReason,
    (SessionEndReason.MOVED_TO_OTHER_DEVICE, SessionEndReason.ENDED_BY_HOLDER, SessionEndReason.ACCOUNT_CLOSED),
)
RELATION_KINDS = Numbers(RelationKind, (RelationKind.GUARDIAN, RelationKind.FAMILY))
CODE_STATES = Numbers(
    CodeState,
    (
        CodeState.ISSUED,
        CodeState.CONSUMED,
        CodeState.EXPIRED,
        CodeState.REVOKED,
        CodeState.SUPERSEDED,
        CodeState.FROZEN,
    ),
)
CODE_CHANGES = Numbers(CodeChange, (CodeChange.REVOKED, CodeChange.FROZEN, CodeChange.ISSUED, CodeChange.SUPERSEDED))
REGISTRATION_STATES = Numbers(
    RegistrationState,
    (
        RegistrationState.APPLIED,
        RegistrationState.APPROVED,
        RegistrationState.ENABLED,
        RegistrationState.SUSPENDED,
        RegistrationState.CLOSED,
    ),
)
APPLICATION_KINDS = Numbers(
    ApplicationKind, (ApplicationKind.HOLDER, ApplicationKind.RELYING_PARTY, ApplicationKind.LICENSE_SYSTEM)
)
NODE_STATES = Numbers(NodeState, (NodeState.JOINING, NodeState.ACTIVE, NodeState.SUSPENDED, NodeState.RETIRED))
OUTCOMES = Numbers(
    Outcome,
    (
        Outcome.VALID,
        Outcome.EXPIRED,
        Outcome.NOT_YET_VALID,
        Outcome.REVOKED,
        Outcome.SUPERSEDED,
        Outcome.CONSUMED,
        Outcome.FROZEN,
        Outcome.SEAL_INVALID,
        Outcome.MALFORMED,
        Outcome.VERSION_UNSUPPORTED,
        Outcome.ISSUER_UNKNOWN,
        Outcome.ISSUER_SUSPENDED,
        Outcome.KEY_REVOKED,
        Outcome.SCENE_MISMATCH,
        Outcome.SUBJECT_SUSPENDED,
        Outcome.HOME_NODE_UNREACHABLE,
        Outcome.HOME_NODE_TIMEOUT,
        Outcome.OFFLINE_VALID,
        Outcome.LOOP_DETECTED,
        Outcome.TEST_CODE,
        Outcome.MOVED,
        Outcome.NEED_SECOND_FACTOR,
        Outcome.RISK_BLOCKED,
        Outcome.TRUST_DATA_STALE,
    ),
)
AUDIT_ACTIONS = Numbers(
    AuditAction,
    (
        AuditAction.ACCOUNT_OPENED,
        AuditAction.ACCOUNT_CLOSED,
        AuditAction.SESSION_OPENED,
        AuditAction.SESSION_CLOSED,
        AuditAction.DEVICE_BOUND,
        AuditAction.CODE_ISSUED,
        AuditAction.CODE_SCANNED,
        AuditAction.CODE_VERIFIED,
        AuditAction.CODE_RESOLVED,
        AuditAction.CODE_FROZEN,
        AuditAction.CODE_UNFROZEN,
        AuditAction.CODE_REPLACED,
        AuditAction.CODE_REVOKED,
        AuditAction.TICKET_ISSUED,
        AuditAction.REGISTERED,
        AuditAction.REGISTRATION_MOVED,
        AuditAction.RELATION_REGISTERED,
        AuditAction.RELATION_CANCELLED,
        AuditAction.NODE_REGISTERED,
        AuditAction.NODE_APPROVED,
        AuditAction.NODE_SUSPENDED,
        AuditAction.BUNDLE_ISSUED,
        AuditAction.BUNDLE_REFUSED,
        AuditAction.AUDIT_READ,
        AuditAction.ACCESS_REFUSED,
        AuditAction.PEER_ANSWER_REFUSED,
        AuditAction.AUTHORIZATION_REQUESTED,
        AuditAction.CONSENT_GRANTED,
        AuditAction.CONSENT_DENIED,
        AuditAction.STATUTORY_USE_OPENED,
        AuditAction.AUTHORIZATION_TIMED_OUT,
        AuditAction.AUTHORIZATION_WITHDRAWN,
        AuditAction.WITHDRAWAL_RECEIVED,
        AuditAction.AUTHORIZATION_EXPORTED,
        AuditAction.LICENSES_LOCATED,
        AuditAction.LICENSE_USE_BEGUN,
        AuditAction.LICENSE_USED,
        AuditAction.LICENSE_USE_FAILED,
        AuditAction.LICENSE_FIELDS_FILTERED,
        AuditAction.LICENSE_REFUSED,
        AuditAction.GRANT_INTROSPECTED,
        AuditAction.MANDATE_GIVEN,
        AuditAction.MANDATE_CANCELLED,
        AuditAction.RECORDS_PURGED,
    ),
)
