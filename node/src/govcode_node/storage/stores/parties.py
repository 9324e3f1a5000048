"""Relying parties, applications and scanners."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Column, Table, select, update

from govcode_node.domain.parties import Application, RegistrationState, RelyingParty, Scanner
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import APPLICATION_KINDS, REGISTRATION_STATES, from_ms, to_ms
from govcode_node.storage.statements import Parameters, Statement, constant, insert_unless, value
from govcode_node.storage.tables import applications, relying_parties, scanners


class _Register:
    """The statements of one register: its rows have an id and a state."""

    def __init__(self, table: Table, key: Column[str], *unique: str) -> None:
        self.add: Final = insert_unless(table, *(unique or (key.name,)))
        self.get: Final = Statement(select(table).where(key == value("id", key)), "id")
        self.page: Final = Statement(
            select(table)
            .where(key > value("after", key))
            .order_by(key)
            .limit(value("limit", table.c.registered_at))
            .offset(constant(0)),
            "after",
            "limit",
        )
        self.move: Final = Statement(
            update(table)
            .where(key == value("id", key), table.c.state == value("present", table.c.state))
            .values(state=value("target", table.c.state)),
            "id",
            "present",
            "target",
        )


_PARTIES = _Register(relying_parties, relying_parties.c.relying_party_id, "uscc")
_APPLICATIONS = _Register(applications, applications.c.app_id)
_SCANNERS = _Register(scanners, scanners.c.device_id)


P = TypeVar("P")


class SqlPartyStore:
    """Registers. Leans on the primary keys and the unique index of credit codes.

    Every scan asks for its application and organisation, so each is looked up once in a batch.
    """

    __slots__ = ("_link", "_looked_up")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._looked_up: dict[tuple[_Register, str], Any] = batch.memory()

    def add_relying_party(self, party: RelyingParty) -> bool:
        """See the port."""
        row = (
            party.relying_party_id,
            party.name,
            party.uscc,
            party.purpose,
            party.contact,
            REGISTRATION_STATES.number[party.state],
            to_ms(party.registered_at),
        )
        return self._write(_PARTIES.add, row)

    def relying_party(self, relying_party_id: str) -> RelyingParty | None:
        """See the port."""
        return self._look_up(_PARTIES, relying_party_id, _relying_party)

    def relying_parties(self, *, after: str, limit: int) -> Sequence[RelyingParty]:
        """See the port."""
        return [_relying_party(row) for row in self._link.all(_PARTIES.page, (after, limit))]

    def move_relying_party(
        self, relying_party_id: str, *, present: RegistrationState, target: RegistrationState
    ) -> bool:
        """See the port."""
        return self._move(_PARTIES, relying_party_id, present, target)

    def add_application(self, application: Application) -> bool:
        """See the port."""
        row = (
            application.app_id,
            application.relying_party_id,
            APPLICATION_KINDS.number[application.kind],
            application.name,
            ",".join(map(str, application.scene_nos)),
            REGISTRATION_STATES.number[application.state],
            to_ms(application.registered_at),
        )
        return self._write(_APPLICATIONS.add, row)

    def application(self, app_id: str) -> Application | None:
        """See the port."""
        return self._look_up(_APPLICATIONS, app_id, _application)

    def applications(self, *, after: str, limit: int) -> Sequence[Application]:
        """See the port."""
        return [_application(row) for row in self._link.all(_APPLICATIONS.page, (after, limit))]

    def move_application(self, app_id: str, *, present: RegistrationState, target: RegistrationState) -> bool:
        """See the port."""
        return self._move(_APPLICATIONS, app_id, present, target)

    def add_scanner(self, scanner: Scanner) -> bool:
        """See the port."""
        row = (
            scanner.device_id,
            scanner.app_id,
            scanner.place,
            REGISTRATION_STATES.number[scanner.state],
            to_ms(scanner.registered_at),
        )
        return self._write(_SCANNERS.add, row)

    def scanner(self, device_id: str) -> Scanner | None:
        """See the port."""
        return self._look_up(_SCANNERS, device_id, _scanner)

    def scanners(self, *, after: str, limit: int) -> Sequence[Scanner]:
        """See the port."""
        return [_scanner(row) for row in self._link.all(_SCANNERS.page, (after, limit))]

    def move_scanner(self, device_id: str, *, present: RegistrationState, target: RegistrationState) -> bool:
        """See the port."""
        return self._move(_SCANNERS, device_id, present, target)

    def _move(self, register: _Register, key: str, present: RegistrationState, target: RegistrationState) -> bool:
        numbers = REGISTRATION_STATES.number
        return self._write(register.move, (key, numbers[present], numbers[target]))

    def _write(self, statement: Statement, parameters: Parameters) -> bool:
        self._looked_up.clear()
        return self._link.write(statement, parameters) == 1

    def _look_up(self, register: _Register, key: str, make: Callable[[tuple[Any, ...]], P]) -> P | None:
        found: P | None
        try:
            found = self._looked_up[register, key]
        except KeyError:
            row = self._link.one(register.get, (key,))
            found = self._looked_up[register, key] = make(row) if row else None
        return found


def _relying_party(row: tuple[Any, ...]) -> RelyingParty:
    return RelyingParty(
        relying_party_id=row[0],
        name=row[1],
        uscc=row[2],
        purpose=row[3],
        contact=row[4],
        state=REGISTRATION_STATES.member[row[5]],
        registered_at=from_ms(row[6]),
    )


def _application(row: tuple[Any, ...]) -> Application:
    return Application(
        app_id=row[0],
        relying_party_id=row[1],
        kind=APPLICATION_KINDS.member[row[2]],
        name=row[3],
        scene_nos=tuple(map(int, row[4].split(","))) if row[4] else (),
        state=REGISTRATION_STATES.member[row[5]],
        registered_at=from_ms(row[6]),
    )


def _scanner(row: tuple[Any, ...]) -> Scanner:
    return Scanner(
        device_id=row[0],
        app_id=row[1],
        place=row[2],
        state=REGISTRATION_STATES.member[row[3]],
        registered_at=from_ms(row[4]),
    )
