"""The subject's account (码主体) in one region: its sessions, its device, and who may present for whom."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import FactsError

AccountId = NewType("AccountId", str)
"""Opaque id of an account in this node: `ac_` and 32 hexadecimal digits."""

MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
"""How far the clock of a holder's device may be off when it signs (domain 4.2)."""


class AccountState(StrEnum):
    """Where an account stands; CLOSED is final."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A subject's use of the code service here. Names and numbers are apart, sealed, in its profile.

    Attributes:
        account_id: Opaque id.
        subject_kind: Person, legal entity, thing or matter.
        state: Where it stands.
        assurance_level: Strength of the identity check, 1 to 3; 0 for things, which have none.
        terms_version: Terms that the holder agreed to; empty for things.
        device_key_id: Device that is bound to it; empty for things.
        device_public_key: Its public point, 65 bytes; empty for things.
        opened_at: When it was opened.
        closed_at: When it was closed.
    """

    account_id: AccountId
    subject_kind: SubjectKind
    state: AccountState
    assurance_level: int
    terms_version: str
    device_key_id: str
    device_public_key: bytes
    opened_at: datetime
    closed_at: datetime | None = None


class SessionEndReason(StrEnum):
    """Why a session ended before its time."""

    MOVED_TO_OTHER_DEVICE = "MOVED_TO_OTHER_DEVICE"
    ENDED_BY_HOLDER = "ENDED_BY_HOLDER"
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One device of the holder, speaking through one application (N-05). The token itself is never kept.

    Attributes:
        token_hash: SM3 of the token, 32 bytes.
        account_id: The account that it speaks for.
        app_id: The application that opened it, and the only one that may use it.
        device_key_id: The device key that it belongs to.
        created_at: When it began.
        expires_at: When it ends by itself.
        ended_at: When it was ended.
        end_reason: Why.
    """

    token_hash: bytes
    account_id: AccountId
    app_id: str
    device_key_id: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    end_reason: SessionEndReason | None = None

    @property
    def session_id(self) -> str:
        """The public name of the session: the first 16 hexadecimal digits of the token's hash."""
        return self.token_hash[:8].hex()

    def check_live(self, *, app_id: str, now: datetime) -> None:
        """It raises unless the session may be used now by that application.

        Raises:
            SessionInvalidError: It was ended, is over, or belongs to another application.
        """
        if self.app_id != app_id:
            raise SessionInvalidError("OTHER_APPLICATION")
        if self.ended_at is not None:
            raise SessionInvalidError(self.end_reason.value if self.end_reason else "ENDED")
        if now >= self.expires_at:
            raise SessionInvalidError("EXPIRED")


class RelationKind(StrEnum):
    """What lets one present for another."""

    GUARDIAN = "GUARDIAN"
    FAMILY = "FAMILY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A proven tie that lets one account present for another (代亮, 6.1-11).

    Attributes:
        relation_id: Opaque id.
        presenter_account_id: Who presents.
        dependant_account_id: Who is presented.
        kind: What ties them.
        proof_reference: What the operator saw; no personal data.
        registered_at: From when on it holds.
        ends_at: Until when it holds.
        cancelled_at: When it was ended early.
    """

    relation_id: str
    presenter_account_id: AccountId
    dependant_account_id: AccountId
    kind: RelationKind
    proof_reference: str
    registered_at: datetime
    ends_at: datetime
    cancelled_at: datetime | None = None

    def holds_at(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.registered_at <= now < self.ends_at and self.cancelled_at is None


@dataclass(eq=False)
class SessionInvalidError(FactsError):
    """The session cannot be used. `why` is `UNKNOWN`, `EXPIRED`, `OTHER_APPLICATION` or the reason of its end."""

    why: str
    says = "the session cannot be used: {why}; open a new one"


@dataclass(eq=False)
class SessionNotFoundError(FactsError):
    """The account has no such session."""

    session_id: str
    says = "the account has no session {session_id}"


@dataclass(eq=False)
class AccountNotFoundError(FactsError):
    """There is no open account of that subject, or no such account."""

    says = "there is no such open account; open one"


@dataclass(eq=False)
class AlreadyOpenError(FactsError):
    """The subject has an account here (N-29)."""

    says = "the subject has an account here; open a session, or bind a new device"


@dataclass(eq=False)
class SubjectSuspendedError(FactsError):
    """The account is suspended."""

    account_id: str
    says = "account {account_id} is suspended"


@dataclass(eq=False)
class DeviceNotBoundError(FactsError):
    """The device is not the one bound to the account."""

    device_key_id: str
    says = "device key {device_key_id} is not bound to the account; bind the device first"


@dataclass(eq=False)
class TermsNotAcceptedError(FactsError):
    """The holder's statement does not name the terms in force."""

    required: str
    says = "the terms in force are {required}"


@dataclass(eq=False)
class HolderProofInvalidError(FactsError):
    """The holder's proof does not prove this act.

    Attributes:
        why: `MISSING`, `KEY`, `SIGNATURE`, `TIME`, `STATEMENT` or `OTHER_ACT`.
    """

    why: str
    says = "the holder's proof does not prove this act: {why}"


@dataclass(eq=False)
class RelationNotProvenError(FactsError):
    """No relation in force lets the one account present for the other."""

    account_id: str
    says = "no relation in force lets this holder present for {account_id}; an operator registers one from a proof"


@dataclass(eq=False)
class RelationUnknownError(FactsError):
    """There is no such relation."""

    relation_id: str
    says = "there is no relation {relation_id}"
