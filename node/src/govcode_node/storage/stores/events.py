"""Events by application."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import AuthorizationState, LegalBasis, UseState
from govcode_node.domain.events import (
    AccountClosed,
    AuthorizationChanged,
    AuthorizationRequested,
    CodeScanned,
    CodeStateChanged,
    Event,
    EventKind,
    LicenseUsed,
    SessionEnded,
)
from govcode_node.domain.scenes import SceneClass
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    CODE_CHANGES,
    SCAN_PREFIX,
    from_ms,
    pack_account,
    pack_opaque,
    pack_own_id,
    to_json,
    to_ms,
    unpack_account,
    unpack_opaque,
)
from govcode_node.storage.names import Names
from govcode_node.storage.statements import Parameters, Statement, constant, row_insert, value
from govcode_node.storage.tables import events

_c = events.c
_SCANNED: Final = 0
_STATE_CHANGED: Final = 1
_SESSION_ENDED: Final = 2
_ACCOUNT_CLOSED: Final = 3
_AUTHORIZATION_REQUESTED: Final = 4
_AUTHORIZATION_CHANGED: Final = 5
_LICENSE_USED: Final = 6
_KIND: Final = 3
"""Place of the kind in a row behind its application."""
_NOBODY: Final = b""
"""In the place of an account: the application is told of a subject of another node."""

_ADD = row_insert(events, *(column.name for column in events.columns if column.name != "position"))
_AFTER = Statement(
    select(events)
    .where(_c.app == value("app", _c.app), _c.position > value("place", _c.position))
    .order_by(_c.position)
    .limit(value("limit", _c.position))
    .offset(constant(0)),
    "app",
    "place",
    "limit",
)
_LAST = Statement(
    select(_c.position)
    .where(_c.app == value("app", _c.app))
    .order_by(_c.position.desc())
    .limit(value("limit", _c.position))
    .offset(constant(0)),
    "app",
    "limit",
)


class SqlEventStore:
    """Events. Leans on the index by application and position."""

    __slots__ = ("_link", "_names", "_rows")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._names = batch.names
        self._rows = batch.buffer(_ADD, finish=self._finish, in_order=True).rows

    def add(self, event: Event) -> None:
        """See the port."""
        kind, code_id, scan_id, facts = _from_kind(event.kind)
        self._rows.append(
            (
                event.app_id,
                pack_account(event.account_id) if event.account_id else _NOBODY,
                to_ms(event.happened_at),
                pack_opaque(event.event_id),
                kind,
                code_id,
                scan_id,
                facts,
            )
        )

    def _finish(self, rows: list[Any]) -> list[Parameters]:
        """It puts numbers in the places of names, and writes the facts."""
        number = self._names.number
        finished: list[Parameters] = []
        for app_id, *columns, facts in rows:
            if columns[_KIND] == _SCANNED:
                outcome, organisation, place, scene_class, visited_node = facts
                written = _text((outcome, number(organisation), place, scene_class, number(visited_node)))
            else:
                written = _text(facts)
            finished.append((number(app_id), *columns, written))
        return finished

    def after(self, app_id: str, *, position: int, limit: int) -> Sequence[Event]:
        """See the port."""
        app = self._names.find(app_id)
        if app is None:
            return []
        return [_event(row, self._names) for row in self._link.all(_AFTER, (app, position, limit))]

    def last_position(self, app_id: str) -> int:
        """See the port."""
        app = self._names.find(app_id)
        row = self._link.one(_LAST, (app, 1)) if app is not None else None
        return row[0] if row else 0


def _text(facts: Sequence[str | int]) -> str:
    return to_json(facts) if facts else ""


def _from_kind(kind: EventKind) -> tuple[int, bytes | None, bytes | None, Sequence[str | int]]:
    match kind:
        case CodeScanned():
            facts = (kind.outcome, kind.relying_party_name, kind.place, int(kind.scene_class), kind.visited_node)
            return _SCANNED, kind.code_id, pack_own_id(SCAN_PREFIX, kind.scan_id), facts
        case CodeStateChanged():
            return _STATE_CHANGED, kind.code_id, None, (CODE_CHANGES.number[kind.state],)
        case SessionEnded():
            return _SESSION_ENDED, None, None, (kind.session_id, kind.reason)
        case AccountClosed():
            return _ACCOUNT_CLOSED, None, None, ()
        case AuthorizationRequested() | AuthorizationChanged() | LicenseUsed():
            number, told = _from_authorization_kind(kind)
            return number, None, None, told


def _from_authorization_kind(
    kind: AuthorizationRequested | AuthorizationChanged | LicenseUsed,
) -> tuple[int, Sequence[str | int]]:
    match kind:
        case AuthorizationRequested():
            until = to_ms(kind.decide_before)
            return _AUTHORIZATION_REQUESTED, (kind.authorization_id, kind.relying_party_name, kind.matter_code, until)
        case AuthorizationChanged():
            return _AUTHORIZATION_CHANGED, (kind.authorization_id, int(kind.state), int(kind.legal_basis))
        case LicenseUsed():
            used = (kind.authorization_id, kind.use_id, kind.license_type, kind.relying_party_name, int(kind.state))
            return _LICENSE_USED, used


def _to_kind(kind: int, code_id: bytes, scan_id: bytes, facts: list[Any], names: Names) -> EventKind:
    if kind == _SCANNED:
        return CodeScanned(
            code_id=code_id,
            scan_id=SCAN_PREFIX + scan_id.hex(),
            outcome=facts[0],
            relying_party_name=names.text(facts[1]),
            place=facts[2],
            scene_class=SceneClass(facts[3]),
            visited_node=names.text(facts[4]),
        )
    if kind == _STATE_CHANGED:
        return CodeStateChanged(code_id=code_id, state=CODE_CHANGES.member[facts[0]])
    if kind == _SESSION_ENDED:
        return SessionEnded(session_id=facts[0], reason=facts[1])
    if kind == _ACCOUNT_CLOSED:
        return AccountClosed()
    return _to_authorization_kind(kind, facts)


def _to_authorization_kind(kind: int, facts: list[Any]) -> EventKind:
    if kind == _AUTHORIZATION_REQUESTED:
        return AuthorizationRequested(
            authorization_id=facts[0],
            relying_party_name=facts[1],
            matter_code=facts[2],
            decide_before=from_ms(facts[3]),
        )
    if kind == _AUTHORIZATION_CHANGED:
        return AuthorizationChanged(
            authorization_id=facts[0], state=AuthorizationState(facts[1]), legal_basis=LegalBasis(facts[2])
        )
    if kind == _LICENSE_USED:
        return LicenseUsed(
            authorization_id=facts[0],
            use_id=facts[1],
            license_type=facts[2],
            relying_party_name=facts[3],
            state=UseState(facts[4]),
        )
    # A later release wrote it; to take it for another kind would tell the application something untrue.
    raise ValueError(f"there is no kind of event with number {kind}")


def _event(row: tuple[Any, ...], names: Names) -> Event:
    return Event(
        position=row[0],
        app_id=names.text(row[1]),
        account_id=unpack_account(row[2]) if row[2] else AccountId(""),
        happened_at=from_ms(row[3]),
        event_id=unpack_opaque(row[4]),
        kind=_to_kind(row[5], row[6], row[7], json.loads(row[8]) if row[8] else [], names),
    )
