"""Who is registered at a node: organisations, applications and scanners, and how a registration moves (7.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from govcode_node.domain.errors import FactsError


class RegistrationState(StrEnum):
    """Where a registration stands; CLOSED is final."""

    APPLIED = "APPLIED"
    APPROVED = "APPROVED"
    ENABLED = "ENABLED"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


_MOVES: Final[Mapping[RegistrationState, frozenset[RegistrationState]]] = {
    RegistrationState.APPLIED: frozenset({RegistrationState.APPROVED, RegistrationState.CLOSED}),
    RegistrationState.APPROVED: frozenset({RegistrationState.ENABLED, RegistrationState.CLOSED}),
    RegistrationState.ENABLED: frozenset({RegistrationState.SUSPENDED, RegistrationState.CLOSED}),
    RegistrationState.SUSPENDED: frozenset({RegistrationState.ENABLED, RegistrationState.CLOSED}),
    RegistrationState.CLOSED: frozenset(),
}


def check_move(present: RegistrationState, target: RegistrationState) -> None:
    """It raises unless a registration may move from one state to the other.

    Raises:
        RegistrationStateConflictError: The move is not possible.
    """
    if target not in _MOVES[present]:
        raise RegistrationStateConflictError(present=present.value, target=target.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """An organisation that reads codes, or runs a back end for holders (用码方).

    Attributes:
        relying_party_id: Opaque id.
        name: Name as holders see it.
        uscc: Unified social credit code; pairwise ids are made for it.
        purpose: What it reads codes for.
        contact: How to reach its office.
        state: Where it stands.
        registered_at: When it was registered.
    """

    relying_party_id: str
    name: str
    uscc: str
    purpose: str
    contact: str
    state: RegistrationState
    registered_at: datetime


class ApplicationKind(StrEnum):
    """What an application may do; none may do both, so that no counter can present."""

    HOLDER = "holder"
    RELYING_PARTY = "relying_party"
    LICENSE_SYSTEM = "license_system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One registered system of an organisation (用码应用).

    Attributes:
        app_id: The name in its certificate.
        relying_party_id: Organisation that runs it.
        kind: What it may do.
        name: Its name.
        scene_nos: Scenes that it may use.
        state: Where it stands.
        registered_at: When it was registered.
    """

    app_id: str
    relying_party_id: str
    kind: ApplicationKind
    name: str
    scene_nos: tuple[int, ...]
    state: RegistrationState
    registered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """A registered reading device (识读终端).

    Attributes:
        device_id: Its id.
        app_id: Application that it belongs to.
        place: Where it stands.
        state: Where its registration stands.
        registered_at: When it was registered.
    """

    device_id: str
    app_id: str
    place: str
    state: RegistrationState
    registered_at: datetime


@dataclass(eq=False)
class DuplicateError(FactsError):
    """It is registered already."""

    what: str
    name: str
    says = "{what} {name} is registered already"


@dataclass(eq=False)
class PartyUnknownError(FactsError):
    """There is no such relying party, application or scanner."""

    what: str
    name: str
    says = "there is no {what} {name}"


@dataclass(eq=False)
class RegistrationStateConflictError(FactsError):
    """The registration cannot move from its state to the one asked for."""

    present: str
    target: str
    says = "a registration cannot move from {present} to {target}"
