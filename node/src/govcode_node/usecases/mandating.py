"""Mandates (授权委托, N-07; 6.3-19): the legal representative lets a person decide for the entity, and takes it back.

Whoever acts for an entity, the representative or an agent, the identity provider is asked at that moment whether the
entity still stands and who represents it: a change suspends everything that the former representative gave.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from govcode_node.domain.accounts import AccountId, AccountNotFoundError, AccountState, HolderProofInvalidError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import StepUpRequiredError
from govcode_node.domain.callers import Call
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.digests import sm3
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.mandates import Mandate, MandateInvalidError
from govcode_node.ports.clock import Clock
from govcode_node.ports.identity import IdentityProvider
from govcode_node.ports.security import DataKeys, HolderProof, HolderStatement
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.deciders import Decider, HolderSignatures, check_same_device
from govcode_node.usecases.sessions import holder_of
from govcode_node.usecases.step_ups import FinishedCheck, StepUps
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.trail import record

_MOST_LISTED = 100


def mandate_check_digest(entity: AccountId) -> bytes:
    """It gives what a stronger identity check for giving a mandate is bound to."""
    return sm3(b"govcode-mandate-v1" + entity.encode())


class MandateStandings:
    """It asks how entities stand when somebody acts for them."""

    def __init__(
        self, *, provider: IdentityProvider, database: Database, fields: SubjectFields, keys: DataKeys
    ) -> None:
        """It asks the identity provider by the entity's number, from the sealed store."""
        self._provider = provider
        self._database = database
        self._fields = fields
        self._keys = keys

    async def representative_index(self, entity: AccountId) -> bytes:
        """It returns the blind index of who represents an entity now.

        Raises:
            MandateInvalidError: The entity's registration is not in force.
            IdentityProviderUnavailableError: The provider does not answer; nobody acts for the entity meanwhile.
        """
        profile = await self._database.read(lambda tx: self._fields.open_profile(tx, entity))
        uscc = profile.get(FieldName.USCC)
        if not uscc:
            raise MandateInvalidError("NOT_ENTITY")
        standing = await self._provider.standing(uscc)
        if not standing.active:
            raise MandateInvalidError("ENTITY_INACTIVE")
        return self._keys.blind_index(SubjectKind.PERSON.name, standing.representative_number)

    async def check(self, decider: Decider) -> None:
        """It raises unless whoever acts for an entity may still do so; persons act for themselves.

        Raises:
            MandateInvalidError: The entity is not in force, or another person represents it than gave the mandate.
            IdentityProviderUnavailableError: The provider does not answer.
        """
        authorization = decider.authorization
        if authorization.subject_kind is not SubjectKind.LEGAL_ENTITY or authorization.account_id is None:
            return
        index = await self.representative_index(authorization.account_id)
        if decider.mandate is not None and not hmac.compare_digest(decider.mandate.representative_index, index):
            raise MandateInvalidError("REPRESENTATIVE")


class Mandating:
    """It gives, cancels and lists mandates."""

    def __init__(
        self,
        *,
        database: Database,
        signatures: HolderSignatures,
        step_ups: StepUps,
        standings: MandateStandings,
        keys: DataKeys,
        acts: ActMemory,
        clock: Clock,
    ) -> None:
        """It works over the node's store and the identity provider."""
        self._database = database
        self._signatures = signatures
        self._step_ups = step_ups
        self._standings = standings
        self._keys = keys
        self._acts = acts
        self._clock = clock

    async def give(
        self,
        call: Call,
        *,
        biz_serial: str,
        session_token: str,
        proof: HolderProof,
        check: FinishedCheck | None,
    ) -> tuple[Mandate, bool]:
        """It gives a mandate; the answer says whether it is that to an earlier call.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            HolderProofInvalidError: The entity's device did not sign this act.
            StepUpRequiredError, StepUpMismatchError, AssuranceTooLowError: The representative's check is missing, or of
                no use.
            IdentityFailedError, IdentificationExpiredError, IdentityProviderUnavailableError: The check failed.
            AccountNotFoundError: The agent has no open account.
            MandateInvalidError: The account is no entity's, or the mandate would hold for no time or for too long.
            SerialConflictError: The serial was used for another act.
        """
        async with self._acts.alone(call, biz_serial):
            done = await self._database.read(
                lambda tx: self._acts.recall(tx, call, biz_serial=biz_serial, kind=Mandate)
            )
            if done is not None:
                return done, True
            now = self._clock.now()
            holder, statement, signed = await self._signatures.checked(
                call,
                act="GiveMandateStatement",
                biz_serial=biz_serial,
                session_token=session_token,
                proof=proof,
                now=now,
            )
            entity = holder.account.account_id
            if holder.account.subject_kind is not SubjectKind.LEGAL_ENTITY:
                raise MandateInvalidError("NOT_ENTITY")
            if check is None:
                raise StepUpRequiredError
            await self._step_ups.finish(check, account_id=entity, bound_to=mandate_check_digest(entity))
            index = await self._standings.representative_index(entity)
            mandate = self._mandate(statement, entity, index, now)

            def give(tx: Transaction) -> Mandate:
                check_same_device(holder_of(tx, call, session_token, now=now).account, signed)
                agent = tx.accounts.get(mandate.agent_account_id)
                if agent is None or agent.state is not AccountState.ACTIVE:
                    raise AccountNotFoundError
                if agent.subject_kind is not SubjectKind.PERSON:
                    raise MandateInvalidError("AGENT")
                tx.mandates.add(mandate)
                record(
                    tx,
                    call,
                    AuditAction.MANDATE_GIVEN,
                    at=now,
                    object_id=mandate.mandate_id,
                    biz_serial=biz_serial,
                    entity=entity,
                    agent=mandate.agent_account_id,
                )
                return mandate

            return await self._once(call, biz_serial, give, now)

    def _mandate(
        self, statement: HolderStatement, entity: AccountId, representative_index: bytes, now: datetime
    ) -> Mandate:
        if statement.starts_at is None or statement.ends_at is None:
            raise HolderProofInvalidError("STATEMENT")
        return Mandate(
            mandate_id=new_time_ordered_id("ma", now=now, random_bytes=self._keys.random_bytes),
            entity_account_id=entity,
            agent_account_id=AccountId(statement.agent_account_id),
            matter_codes=statement.matter_codes,
            license_types=statement.license_types,
            starts_at=statement.starts_at,
            ends_at=statement.ends_at,
            representative_index=representative_index,
            given_at=now,
        )

    async def cancel(
        self, call: Call, *, biz_serial: str, session_token: str, proof: HolderProof
    ) -> tuple[Mandate, bool]:
        """It cancels a mandate that the entity gave; from then on nobody decides by it.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            HolderProofInvalidError: The entity's device did not sign this act.
            MandateInvalidError: The entity gave no such mandate, or it is cancelled.
            SerialConflictError: The serial was used for another act.
        """
        async with self._acts.alone(call, biz_serial):
            done = await self._database.read(
                lambda tx: self._acts.recall(tx, call, biz_serial=biz_serial, kind=Mandate)
            )
            if done is not None:
                return done, True
            now = self._clock.now()
            holder, statement, signed = await self._signatures.checked(
                call,
                act="CancelMandateStatement",
                biz_serial=biz_serial,
                session_token=session_token,
                proof=proof,
                now=now,
            )

            def cancel(tx: Transaction) -> Mandate:
                check_same_device(holder_of(tx, call, session_token, now=now).account, signed)
                mandate = tx.mandates.get(statement.mandate_id)
                if mandate is None or mandate.entity_account_id != holder.account.account_id:
                    raise MandateInvalidError("UNKNOWN")
                if not tx.mandates.cancel(mandate.mandate_id, at=now):
                    raise MandateInvalidError("CANCELLED")
                record(
                    tx,
                    call,
                    AuditAction.MANDATE_CANCELLED,
                    at=now,
                    object_id=mandate.mandate_id,
                    biz_serial=biz_serial,
                )
                return replace(mandate, cancelled_at=now)

            return await self._once(call, biz_serial, cancel, now)

    async def list_mandates(self, call: Call, *, session_token: str) -> Sequence[Mandate]:
        """It lists the mandates that the session's account gave or holds, newest first.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
        """
        now = self._clock.now()

        def query(tx: Transaction) -> Sequence[Mandate]:
            holder = holder_of(tx, call, session_token, now=now)
            return tx.mandates.list_of(holder.account.account_id, limit=_MOST_LISTED)

        return await self._database.read(query)

    async def _once(
        self, call: Call, biz_serial: str, make: Callable[[Transaction], Mandate], now: datetime
    ) -> tuple[Mandate, bool]:
        return await self._database.run(
            lambda tx: self._acts.once(tx, call, biz_serial=biz_serial, kind=Mandate, now=now, make=lambda: make(tx))
        )
