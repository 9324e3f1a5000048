"""What operators register of licences (码业务管理, 7.4): types, matters with their scope, and applications' keys."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import SUBJECT_TYPE, ApplicationKey, LicenseType, Matter
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.parties import ApplicationKind, PartyUnknownError
from govcode_node.ports.clock import Clock
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.license_types import types_of
from govcode_node.usecases.trail import record

T = TypeVar("T")


class CatalogueKeeping:
    """It keeps the catalogue. Each act is audited and idempotent by its serial."""

    def __init__(self, *, database: Database, acts: ActMemory, clock: Clock) -> None:
        """It works over the node's store."""
        self._database = database
        self._acts = acts
        self._clock = clock

    async def register_license_type(
        self, call: Call, biz_serial: str, license_type: LicenseType
    ) -> tuple[LicenseType, bool]:
        """It registers the next version of a licence type; the number in the argument is replaced.

        Raises:
            InvalidFieldError: The type is one that every node has.
        """
        if license_type.license_type == SUBJECT_TYPE:
            raise InvalidFieldError(field="license_type.license_type", why="is a type that every node has")

        def register(tx: Transaction, now: datetime) -> LicenseType:
            kept = tx.catalogue.add_license_type(license_type)
            self._record(tx, call, biz_serial, f"licence type {kept.license_type}", kept.version, now)
            return kept

        return await self._act(call, biz_serial, LicenseType, register)

    async def register_matter(self, call: Call, biz_serial: str, matter: Matter) -> tuple[Matter, bool]:
        """It registers the next version of an application's matter; number and time in the argument are replaced.

        Raises:
            PartyUnknownError: There is no such application of a relying party.
            LicenseTypeUnknownError: The scope names a type or field that the catalogue does not have.
        """

        def register(tx: Transaction, now: datetime) -> Matter:
            _check_relying(tx, matter.app_id)
            types_of(tx, matter.items)
            kept = tx.catalogue.add_matter(replace(matter, registered_at=now))
            self._record(tx, call, biz_serial, f"matter {kept.app_id}/{kept.matter_code}", kept.version, now)
            return kept

        return await self._act(call, biz_serial, Matter, register)

    async def register_key(self, call: Call, biz_serial: str, key: ApplicationKey) -> tuple[ApplicationKey, bool]:
        """It registers the key to which licences are sealed for an application from now on.

        Raises:
            PartyUnknownError: There is no such application of a relying party.
        """

        def register(tx: Transaction, now: datetime) -> ApplicationKey:
            _check_relying(tx, key.app_id)
            kept = replace(key, registered_at=now)
            tx.catalogue.add_key(kept)
            record(
                tx,
                call,
                AuditAction.REGISTERED,
                at=now,
                object_id=f"encryption key of {key.app_id}",
                biz_serial=biz_serial,
                key_id=key.key_id,
            )
            return kept

        return await self._act(call, biz_serial, ApplicationKey, register)

    async def license_types(self, *, after: str, limit: int) -> Sequence[LicenseType]:
        """It lists licence types with ids after one."""
        return await self._database.read(lambda tx: tx.catalogue.license_types(after=after, limit=limit))

    async def matters(self, *, after: tuple[str, str], limit: int) -> Sequence[Matter]:
        """It lists matters after an application and code."""
        return await self._database.read(lambda tx: tx.catalogue.matters(after=after, limit=limit))

    async def _act(
        self, call: Call, biz_serial: str, kind: type[T], make: Callable[[Transaction, datetime], T]
    ) -> tuple[T, bool]:
        now = self._clock.now()
        async with self._acts.alone(call, biz_serial):
            return await self._database.run(
                lambda tx: self._acts.once(
                    tx, call, biz_serial=biz_serial, kind=kind, now=now, make=lambda: make(tx, now)
                )
            )

    def _record(
        self, tx: Transaction, call: Call, biz_serial: str, object_id: str, version: int, now: datetime
    ) -> None:
        record(
            tx,
            call,
            AuditAction.REGISTERED,
            at=now,
            object_id=object_id,
            biz_serial=biz_serial,
            version=str(version),
        )


def _check_relying(tx: Transaction, app_id: str) -> None:
    application = tx.parties.application(app_id)
    if application is None or application.kind is not ApplicationKind.RELYING_PARTY:
        raise PartyUnknownError(what="application of a relying party", name=app_id)
