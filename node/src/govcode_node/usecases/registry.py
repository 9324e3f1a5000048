"""What operators register (码业务管理, 7.4): organisations, applications, scanners, scenes, relations, things."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from govcode_node.domain.accounts import (
    Account,
    AccountId,
    AccountNotFoundError,
    AccountState,
    Relation,
    RelationUnknownError,
)
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import ScopeNotRegisteredError
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.numbers import parse_uscc
from govcode_node.domain.parties import (
    Application,
    DuplicateError,
    PartyUnknownError,
    RegistrationState,
    RegistrationStateConflictError,
    RelyingParty,
    Scanner,
    check_move,
)
from govcode_node.domain.placed_subjects import PlacedSubject
from govcode_node.domain.scenes import Scene, SceneUnknownError
from govcode_node.ports.authorization_stores import SceneOffer
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import DataKeys
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.trail import record

T = TypeVar("T")


class Registry:
    """It keeps the node's registrations. Each act is audited and idempotent by its serial."""

    def __init__(
        self, *, database: Database, fields: SubjectFields, keys: DataKeys, acts: ActMemory, clock: Clock
    ) -> None:
        """It works over the node's store and keys."""
        self._database = database
        self._fields = fields
        self._keys = keys
        self._acts = acts
        self._clock = clock

    async def register_relying_party(
        self, call: Call, biz_serial: str, party: RelyingParty
    ) -> tuple[RelyingParty, bool]:
        """It registers an organisation as APPLIED; id, state and time of the argument are replaced.

        Raises:
            InvalidNumberError: The USCC is not well-formed.
            DuplicateError: An organisation with that USCC is registered.
        """
        parse_uscc(party.uscc)
        now = self._clock.now()
        new = replace(
            party,
            relying_party_id=self._new_id("rp", now),
            state=RegistrationState.APPLIED,
            registered_at=now,
        )

        def register(tx: Transaction) -> RelyingParty:
            if not tx.parties.add_relying_party(new):
                raise DuplicateError(what="relying party", name=party.uscc)
            record(tx, call, AuditAction.REGISTERED, at=now, object_id=new.relying_party_id, biz_serial=biz_serial)
            return new

        return await self._act(call, biz_serial, RelyingParty, register, now)

    async def register_application(
        self, call: Call, biz_serial: str, application: Application
    ) -> tuple[Application, bool]:
        """It registers an application as APPLIED; state and time of the argument are replaced.

        Raises:
            PartyUnknownError: There is no such organisation.
            SceneUnknownError: One of its scenes is not in force.
            DuplicateError: The id is taken.
        """
        now = self._clock.now()
        new = replace(application, state=RegistrationState.APPLIED, registered_at=now)

        def register(tx: Transaction) -> Application:
            if tx.parties.relying_party(new.relying_party_id) is None:
                raise PartyUnknownError(what="relying party", name=new.relying_party_id)
            for scene_no in new.scene_nos:
                if tx.scenes.in_force(scene_no, now=now) is None:
                    raise SceneUnknownError(scene_no)
            if not tx.parties.add_application(new):
                raise DuplicateError(what="application", name=new.app_id)
            record(tx, call, AuditAction.REGISTERED, at=now, object_id=new.app_id, biz_serial=biz_serial)
            return new

        return await self._act(call, biz_serial, Application, register, now)

    async def register_scanner(self, call: Call, biz_serial: str, scanner: Scanner) -> tuple[Scanner, bool]:
        """It registers a scanner as APPLIED; state and time of the argument are replaced.

        Raises:
            PartyUnknownError: There is no such application.
            DuplicateError: The id is taken.
        """
        now = self._clock.now()
        new = replace(scanner, state=RegistrationState.APPLIED, registered_at=now)

        def register(tx: Transaction) -> Scanner:
            if tx.parties.application(new.app_id) is None:
                raise PartyUnknownError(what="application", name=new.app_id)
            if not tx.parties.add_scanner(new):
                raise DuplicateError(what="scanner", name=new.device_id)
            record(tx, call, AuditAction.REGISTERED, at=now, object_id=new.device_id, biz_serial=biz_serial)
            return new

        return await self._act(call, biz_serial, Scanner, register, now)

    async def move_relying_party(
        self, call: Call, biz_serial: str, relying_party_id: str, *, target: RegistrationState, reason: str
    ) -> tuple[RelyingParty, bool]:
        """It moves an organisation to another state; it holds from the next call on.

        Raises:
            PartyUnknownError: There is none.
            RegistrationStateConflictError: The move is not possible.
        """
        now = self._clock.now()

        def move(tx: Transaction) -> RelyingParty:
            party = tx.parties.relying_party(relying_party_id)
            if party is None:
                raise PartyUnknownError(what="relying party", name=relying_party_id)
            check_move(party.state, target)
            if not tx.parties.move_relying_party(relying_party_id, present=party.state, target=target):
                raise RegistrationStateConflictError(present=party.state.value, target=target.value)
            self._record_move(tx, call, biz_serial, relying_party_id, target, reason, now)
            return replace(party, state=target)

        return await self._act(call, biz_serial, RelyingParty, move, now)

    async def move_application(
        self, call: Call, biz_serial: str, app_id: str, *, target: RegistrationState, reason: str
    ) -> tuple[Application, bool]:
        """It moves an application to another state; it holds from the next call on.

        Raises:
            PartyUnknownError: There is none.
            RegistrationStateConflictError: The move is not possible.
        """
        now = self._clock.now()

        def move(tx: Transaction) -> Application:
            application = tx.parties.application(app_id)
            if application is None:
                raise PartyUnknownError(what="application", name=app_id)
            check_move(application.state, target)
            if not tx.parties.move_application(app_id, present=application.state, target=target):
                raise RegistrationStateConflictError(present=application.state.value, target=target.value)
            self._record_move(tx, call, biz_serial, app_id, target, reason, now)
            return replace(application, state=target)

        return await self._act(call, biz_serial, Application, move, now)

    async def move_scanner(
        self, call: Call, biz_serial: str, device_id: str, *, target: RegistrationState, reason: str
    ) -> tuple[Scanner, bool]:
        """It moves a scanner to another state; it holds from the next call on.

        Raises:
            PartyUnknownError: There is none.
            RegistrationStateConflictError: The move is not possible.
        """
        now = self._clock.now()

        def move(tx: Transaction) -> Scanner:
            scanner = tx.parties.scanner(device_id)
            if scanner is None:
                raise PartyUnknownError(what="scanner", name=device_id)
            check_move(scanner.state, target)
            if not tx.parties.move_scanner(device_id, present=scanner.state, target=target):
                raise RegistrationStateConflictError(present=scanner.state.value, target=target.value)
            self._record_move(tx, call, biz_serial, device_id, target, reason, now)
            return replace(scanner, state=target)

        return await self._act(call, biz_serial, Scanner, move, now)

    async def register_scene(self, call: Call, biz_serial: str, scene: Scene) -> tuple[Scene, bool]:
        """It registers the next version of a scene, in force from its effective time on (7.4-04)."""
        now = self._clock.now()

        def register(tx: Transaction) -> Scene:
            kept = tx.scenes.add(scene)
            record(
                tx,
                call,
                AuditAction.REGISTERED,
                at=now,
                object_id=f"scene {kept.scene_no}",
                biz_serial=biz_serial,
                version=str(kept.version),
            )
            return kept

        return await self._act(call, biz_serial, Scene, register, now)

    async def register_relation(self, call: Call, biz_serial: str, relation: Relation) -> tuple[Relation, bool]:
        """It registers a proven relation (6.1-11); id and time of the argument are replaced.

        Raises:
            AccountNotFoundError: One of the accounts is not open.
        """
        now = self._clock.now()
        new = replace(relation, relation_id=self._new_id("re", now), registered_at=now, cancelled_at=None)

        def register(tx: Transaction) -> Relation:
            for account_id in (new.presenter_account_id, new.dependant_account_id):
                account = tx.accounts.get(account_id)
                if account is None or account.state is AccountState.CLOSED:
                    raise AccountNotFoundError
            tx.relations.add(new)
            record(
                tx,
                call,
                AuditAction.RELATION_REGISTERED,
                at=now,
                object_id=new.relation_id,
                biz_serial=biz_serial,
                proof=new.proof_reference,
            )
            return new

        return await self._act(call, biz_serial, Relation, register, now)

    async def cancel_relation(
        self, call: Call, biz_serial: str, relation_id: str, *, reason: str
    ) -> tuple[Relation, bool]:
        """It ends a relation at once.

        Raises:
            RelationUnknownError: There is none in force.
        """
        now = self._clock.now()

        def cancel(tx: Transaction) -> Relation:
            relation = tx.relations.get(relation_id)
            if relation is None or not tx.relations.cancel(relation_id, at=now):
                raise RelationUnknownError(relation_id)
            record(
                tx,
                call,
                AuditAction.RELATION_CANCELLED,
                at=now,
                object_id=relation_id,
                biz_serial=biz_serial,
                reason=reason,
            )
            return replace(relation, cancelled_at=now)

        return await self._act(call, biz_serial, Relation, cancel, now)

    async def register_placed_subject(
        self,
        call: Call,
        biz_serial: str,
        *,
        subject_kind: SubjectKind,
        name: str,
        app_id: str = "",
        matter_code: str = "",
    ) -> tuple[PlacedSubject, bool]:
        """It registers a thing or matter, which gets an account without identity check and device (5-05).

        With an application and a matter, a holder who scans a code of it is asked for the matter's scope (6.3-02).

        Raises:
            ScopeNotRegisteredError: The matter is not registered for the application.
        """
        now = self._clock.now()
        account = Account(
            account_id=AccountId(self._new_id("ac", now)),
            subject_kind=subject_kind,
            state=AccountState.ACTIVE,
            assurance_level=0,
            terms_version="",
            device_key_id="",
            device_public_key=b"",
            opened_at=now,
        )
        sealed = self._fields.seal(account.account_id, {FieldName.PLACE_NAME: name})
        index = self._keys.random_bytes(16)
        placed = PlacedSubject(
            account_id=account.account_id,
            subject_kind=subject_kind,
            name=name,
            registered_at=now,
            app_id=app_id,
            matter_code=matter_code,
        )

        def register(tx: Transaction) -> PlacedSubject:
            if app_id or matter_code:
                if tx.catalogue.matter(app_id=app_id, matter_code=matter_code) is None:
                    raise ScopeNotRegisteredError(matter_code=matter_code, app_id=app_id)
                tx.catalogue.put_offer(
                    SceneOffer(account_id=account.account_id, app_id=app_id, matter_code=matter_code)
                )
            tx.accounts.add(account, subject_index=index, sealed_profile=sealed)
            record(tx, call, AuditAction.REGISTERED, at=now, object_id=account.account_id, biz_serial=biz_serial)
            return placed

        return await self._act(call, biz_serial, PlacedSubject, register, now)

    async def relying_parties(self, *, after: str, limit: int) -> Sequence[RelyingParty]:
        """It lists organisations with ids after one."""
        return await self._database.read(lambda tx: tx.parties.relying_parties(after=after, limit=limit))

    async def applications(self, *, after: str, limit: int) -> Sequence[Application]:
        """It lists applications with ids after one."""
        return await self._database.read(lambda tx: tx.parties.applications(after=after, limit=limit))

    async def scanners(self, *, after: str, limit: int) -> Sequence[Scanner]:
        """It lists scanners with ids after one."""
        return await self._database.read(lambda tx: tx.parties.scanners(after=after, limit=limit))

    async def scenes(self, *, after: int, limit: int) -> Sequence[Scene]:
        """It lists scenes in force with numbers after one."""
        now = self._clock.now()
        return await self._database.read(lambda tx: tx.scenes.all_in_force(now=now, after=after, limit=limit))

    async def _act(
        self, call: Call, biz_serial: str, kind: type[T], make: Callable[[Transaction], T], now: datetime
    ) -> tuple[T, bool]:
        async with self._acts.alone(call, biz_serial):
            return await self._database.run(
                lambda tx: self._acts.once(tx, call, biz_serial=biz_serial, kind=kind, now=now, make=lambda: make(tx))
            )

    def _record_move(
        self,
        tx: Transaction,
        call: Call,
        biz_serial: str,
        object_id: str,
        target: RegistrationState,
        reason: str,
        now: datetime,
    ) -> None:
        record(
            tx,
            call,
            AuditAction.REGISTRATION_MOVED,
            at=now,
            object_id=object_id,
            result=target.value,
            biz_serial=biz_serial,
            reason=reason,
        )

    def _new_id(self, prefix: str, now: datetime) -> str:
        return new_time_ordered_id(prefix, now=now, random_bytes=self._keys.random_bytes)
