"""Events for the back ends of applications (N-52): what happened to the codes and accounts that they serve."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import AuthorizationState, LegalBasis, UseState
from govcode_node.domain.scenes import SceneClass


class CodeChange(StrEnum):
    """The new state of a code, as an event tells it."""

    REVOKED = "REVOKED"
    FROZEN = "FROZEN"
    ISSUED = "ISSUED"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeScanned:
    """The notice of use: who, where, what came of it."""

    code_id: bytes
    scan_id: str
    outcome: str
    relying_party_name: str
    place: str
    scene_class: SceneClass
    visited_node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeStateChanged:
    """A code reached a new state without a scan."""

    code_id: bytes
    state: CodeChange


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """A session was ended by somebody else than the application that is told."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountClosed:
    """The account was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequested:
    """The holder is asked; or, for a relying party, a holder has scanned its scene code."""

    authorization_id: str
    relying_party_name: str
    matter_code: str
    decide_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationChanged:
    """An authorization reached a new state."""

    authorization_id: str
    state: AuthorizationState
    legal_basis: LegalBasis


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseUsed:
    """The notice of use to the holder (domain 3.3 step 11)."""

    authorization_id: str
    use_id: str
    license_type: str
    relying_party_name: str
    state: UseState


EventKind = (
    CodeScanned
    | CodeStateChanged
    | SessionEnded
    | AccountClosed
    | AuthorizationRequested
    | AuthorizationChanged
    | LicenseUsed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of one application.

    Attributes:
        app_id: The application that is told.
        account_id: The account that it concerns; empty where the application is told of a subject of another node.
        happened_at: When.
        kind: What.
        event_id: Id, the same on each delivery; made by `new_time_ordered_id`.
        position: Place in the application's stream, given by the store in the order of commits; 0 before.
    """

    app_id: str
    account_id: AccountId
    happened_at: datetime
    kind: EventKind
    event_id: str
    position: int = 0
