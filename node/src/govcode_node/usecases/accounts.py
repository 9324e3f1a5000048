"""Opening, moving and closing an account, and its sessions (domain 3.1 step 1; N-05, N-29, N-30).

An application never speaks for a citizen by itself: an account or session comes from an identity check and the
signature of the holder's device over the exact act.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from govcode_node.domain.accounts import (
    Account,
    AccountId,
    AccountNotFoundError,
    AccountState,
    AlreadyOpenError,
    DeviceNotBoundError,
    HolderProofInvalidError,
    Session,
    SessionEndReason,
    SessionNotFoundError,
    TermsNotAcceptedError,
)
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.events import AccountClosed, Event, EventKind, SessionEnded
from govcode_node.domain.home_rules import IssueRules
from govcode_node.domain.identification import BegunIdentification, IdentifiedSubject
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.ports.clock import Clock
from govcode_node.ports.identity import IdentityProvider
from govcode_node.ports.security import DataKeys, HolderProof, HolderStatement, HolderVerifier
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.event_feed import EventBell
from govcode_node.usecases.holder_acts import check_statement
from govcode_node.usecases.sessions import check_active, holder_of, token_hash_of
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.trail import record
from govcode_node.usecases.withdrawing import Withdrawing

MAX_LISTED_SESSIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedCommand:
    """An act that needs an identity check: opening an account or session, or binding a device.

    Attributes:
        biz_serial: Serial of the act.
        identification_id: The identification.
        provider_blob: What the provider's device kit made; handed on and forgotten.
        proof: The device's signature over the act.
    """

    biz_serial: str
    identification_id: str
    provider_blob: bytes
    proof: HolderProof

    def __repr__(self) -> str:
        """It shows nothing of the blob."""
        return f"IdentifiedCommand({self.biz_serial})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A session with its token, which is shown once.

    Attributes:
        token: The token.
        session: The session.
        account: Its account.
        ended_sessions: How many other sessions ended by the act.
    """

    token: str = field(repr=False)
    session: Session
    account: Account
    ended_sessions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedAccount:
    """A closed account, and how many of its codes were revoked."""

    account: Account
    revoked_codes: int


class Accounts:
    """It opens, moves and closes accounts and sessions."""

    def __init__(
        self,
        *,
        database: Database,
        provider: IdentityProvider,
        verifier: HolderVerifier,
        fields: SubjectFields,
        keys: DataKeys,
        acts: ActMemory,
        withdrawing: Withdrawing,
        rules: IssueRules,
        bell: EventBell,
        clock: Clock,
    ) -> None:
        """It works with one identity provider over the node's store and keys."""
        self._withdrawing = withdrawing
        self._database = database
        self._provider = provider
        self._verifier = verifier
        self._fields = fields
        self._keys = keys
        self._acts = acts
        self._rules = rules
        self._bell = bell
        self._clock = clock

    async def begin_identification(self, subject_kind: SubjectKind) -> BegunIdentification:
        """It begins an identity check.

        Raises:
            IdentityProviderUnavailableError: The provider does not answer.
        """
        return await self._provider.begin(subject_kind)

    async def open_account(self, call: Call, command: IdentifiedCommand) -> tuple[OpenedSession, bool]:
        """It opens an account with its first session, on the device that signed.

        Raises:
            HolderProofInvalidError, TermsNotAcceptedError: The device did not sign this act, or other terms.
            IdentityFailedError, IdentificationExpiredError, IdentityProviderUnavailableError: No identity.
            AlreadyOpenError: The subject has an account here.
            SerialConflictError: The serial was used for another request.
        """
        async with self._acts.alone(call, command.biz_serial):
            answered = await self._answered(call, command)
            return (answered, True) if answered is not None else await self._open_account(call, command)

    async def _open_account(self, call: Call, command: IdentifiedCommand) -> tuple[OpenedSession, bool]:
        now = self._clock.now()
        statement = await self._proved(command, act="OpenAccountStatement", public_key=None, now=now)
        if statement.terms_version != self._rules.terms_version:
            raise TermsNotAcceptedError(self._rules.terms_version)
        subject = await self._provider.finish(command.identification_id, command.provider_blob)
        account = Account(
            account_id=AccountId(self._new_id("ac", now)),
            subject_kind=subject.subject_kind,
            state=AccountState.ACTIVE,
            assurance_level=subject.assurance_level,
            terms_version=statement.terms_version,
            device_key_id=statement.device_key_id,
            device_public_key=statement.device_public_key,
            opened_at=now,
        )
        sealed = self._fields.seal(account.account_id, subject.fields)
        index = self._index_of(subject)
        opened = self._new_session(call, account, now)

        def open_it(tx: Transaction) -> OpenedSession:
            if not tx.accounts.add(account, subject_index=index, sealed_profile=sealed):
                raise AlreadyOpenError
            tx.sessions.add(opened.session)
            self._record(tx, call, AuditAction.ACCOUNT_OPENED, account, command.biz_serial, now)
            return opened

        return await self._once(call, command, open_it, now)

    async def open_session(self, call: Call, command: IdentifiedCommand) -> tuple[OpenedSession, bool]:
        """It opens a session for the device that is bound to the account.

        Raises:
            AccountNotFoundError, SubjectSuspendedError: There is no account that may be used.
            DeviceNotBoundError: Another device is bound to it.
            HolderProofInvalidError: The device did not sign this act.
            IdentityFailedError, IdentificationExpiredError, IdentityProviderUnavailableError: No identity.
            SerialConflictError: The serial was used for another request.
        """
        async with self._acts.alone(call, command.biz_serial):
            answered = await self._answered(call, command)
            return (answered, True) if answered is not None else await self._open_session(call, command)

    async def _open_session(self, call: Call, command: IdentifiedCommand) -> tuple[OpenedSession, bool]:
        now = self._clock.now()
        account = await self._identified_account(command)
        if command.proof.device_key_id != account.device_key_id:
            raise DeviceNotBoundError(command.proof.device_key_id)
        await self._proved(command, act="OpenSessionStatement", public_key=account.device_public_key, now=now)
        opened = self._new_session(call, account, now)

        def open_it(tx: Transaction) -> OpenedSession:
            if self._still_open(tx, account).device_key_id != account.device_key_id:
                raise DeviceNotBoundError(account.device_key_id)
            tx.sessions.add(opened.session)
            self._record(tx, call, AuditAction.SESSION_OPENED, account, command.biz_serial, now)
            return opened

        return await self._once(call, command, open_it, now)

    async def bind_device(self, call: Call, command: IdentifiedCommand) -> tuple[OpenedSession, bool]:
        """It moves the account to the device that signed; the old device's sessions end and its applications are told.

        Raises:
            AccountNotFoundError, SubjectSuspendedError: There is no account that may be used.
            HolderProofInvalidError: The new device did not sign this act.
            IdentityFailedError, IdentificationExpiredError, IdentityProviderUnavailableError: No identity.
            SerialConflictError: The serial was used for another request.
        """
        async with self._acts.alone(call, command.biz_serial):
            answered = await self._answered(call, command)
            return (answered, True) if answered is not None else await self._bind_device(call, command)

    async def _bind_device(self, call: Call, command: IdentifiedCommand) -> tuple[OpenedSession, bool]:
        now = self._clock.now()
        statement = await self._proved(command, act="BindDeviceStatement", public_key=None, now=now)
        found = await self._identified_account(command)
        account = replace(found, device_key_id=statement.device_key_id, device_public_key=statement.device_public_key)
        opened = self._new_session(call, account, now)

        told: set[str] = set()

        def bind(tx: Transaction) -> OpenedSession:
            self._still_open(tx, account)
            ended = tx.sessions.end_all(account.account_id, at=now, reason=SessionEndReason.MOVED_TO_OTHER_DEVICE)
            tx.accounts.bind_device(
                account.account_id,
                device_key_id=account.device_key_id,
                device_public_key=account.device_public_key,
            )
            tx.sessions.add(opened.session)
            told.update(session.app_id for session in ended)
            self._tell_of_ended(tx, ended, now)
            self._record(tx, call, AuditAction.DEVICE_BOUND, account, command.biz_serial, now)
            return replace(opened, ended_sessions=len(ended))

        result = await self._once(call, command, bind, now)
        self._ring(told)
        return result

    async def close_account(
        self, call: Call, *, biz_serial: str, session_token: str, proof: HolderProof
    ) -> tuple[ClosedAccount, bool]:
        """It closes the account for good: codes and grants end, sessions too, personal fields are erased (7.1-07).

        Raises:
            SessionInvalidError: The session cannot be used.
            HolderProofInvalidError: The session's device did not sign this act.
            SerialConflictError: The serial was used for another request.
        """
        async with self._acts.alone(call, biz_serial):
            answered = await self._database.read(
                lambda tx: self._acts.recall(tx, call, biz_serial=biz_serial, kind=ClosedAccount)
            )
            if answered is not None:
                return answered, True
            return await self._close_account(call, biz_serial, session_token, proof)

    async def _close_account(
        self, call: Call, biz_serial: str, session_token: str, proof: HolderProof
    ) -> tuple[ClosedAccount, bool]:
        now = self._clock.now()
        holder = await self._database.read(lambda tx: holder_of(tx, call, session_token, now=now))
        account = holder.account
        statement = await self._verifier.verify(
            proof, act="CloseAccountStatement", public_key=account.device_public_key
        )
        check_statement(statement, biz_serial=biz_serial, now=now, session_id=holder.session.session_id)
        withdrawals = await self._withdrawing.prepare_closing(account.account_id)

        told: set[str] = set()

        def close(tx: Transaction) -> ClosedAccount:
            # Looked at again in the unit that writes: while the proof was checked, the account may have moved to
            # another device, and what the old one signed must not close it then.
            present = holder_of(tx, call, session_token, now=now)
            if present.account.device_key_id != account.device_key_id:
                raise HolderProofInvalidError("KEY")
            if not tx.accounts.close(account.account_id, at=now):
                raise AccountNotFoundError
            self._withdrawing.close(tx, call, withdrawals, now=now)
            revoked = tx.codes.revoke_all(account.account_id, at=now, reason="account closed")
            tx.codes.drop_live(account.account_id)
            ended = tx.sessions.end_all(account.account_id, at=now, reason=SessionEndReason.ACCOUNT_CLOSED)
            told.update(session.app_id for session in ended)
            for app_id in sorted(told):
                self._tell(tx, app_id, account.account_id, AccountClosed(), now)
            self._record(tx, call, AuditAction.ACCOUNT_CLOSED, account, biz_serial, now)
            closed = replace(account, state=AccountState.CLOSED, closed_at=now)
            return ClosedAccount(account=closed, revoked_codes=revoked)

        result, replayed = await self._database.run(
            lambda tx: self._acts.once(
                tx, call, biz_serial=biz_serial, kind=ClosedAccount, now=now, make=lambda: close(tx)
            )
        )
        self._ring(told)
        self._withdrawing.closed(withdrawals)
        return result, replayed

    async def list_sessions(self, call: Call, *, session_token: str) -> Sequence[Session]:
        """It lists the sessions of the session's account, newest first.

        Raises:
            SessionInvalidError: The session cannot be used.
        """
        now = self._clock.now()

        def query(tx: Transaction) -> Sequence[Session]:
            holder = holder_of(tx, call, session_token, now=now)
            return tx.sessions.list_of(holder.account.account_id, limit=MAX_LISTED_SESSIONS)

        return await self._database.read(query)

    async def close_session(self, call: Call, *, session_token: str, session_id: str) -> Session:
        """It ends this session, or another one of the same account.

        Raises:
            SessionInvalidError: The session cannot be used.
            SessionNotFoundError: The account has no such living session.
        """
        now = self._clock.now()

        def close(tx: Transaction) -> Session:
            holder = holder_of(tx, call, session_token, now=now)
            wanted = session_id or holder.session.session_id
            sessions = tx.sessions.list_of(holder.account.account_id, limit=MAX_LISTED_SESSIONS)
            candidates = (holder.session, *sessions)
            found = next((session for session in candidates if session.session_id == wanted), None)
            reason = SessionEndReason.ENDED_BY_HOLDER
            if found is None or not tx.sessions.end(found.token_hash, at=now, reason=reason):
                raise SessionNotFoundError(wanted)
            if found.app_id != call.caller.name:
                self._tell_of_ended(tx, [replace(found, end_reason=reason)], now)
            record(tx, call, AuditAction.SESSION_CLOSED, at=now, object_id=found.session_id)
            return replace(found, ended_at=now, end_reason=reason)

        ended = await self._database.run(close)
        self._bell.ring(ended.app_id)
        return ended

    async def _answered(self, call: Call, command: IdentifiedCommand) -> OpenedSession | None:
        """It looks for the answer to the serial first, since an identification can be finished only once."""
        return await self._database.read(
            lambda tx: self._acts.recall(tx, call, biz_serial=command.biz_serial, kind=OpenedSession)
        )

    async def _proved(
        self, command: IdentifiedCommand, *, act: str, public_key: bytes | None, now: datetime
    ) -> HolderStatement:
        statement = await self._verifier.verify(command.proof, act=act, public_key=public_key)
        check_statement(statement, biz_serial=command.biz_serial, now=now, identification_id=command.identification_id)
        if public_key is None and not statement.device_public_key:
            raise HolderProofInvalidError("KEY")
        return statement

    async def _identified_account(self, command: IdentifiedCommand) -> Account:
        subject = await self._provider.finish(command.identification_id, command.provider_blob)
        index = self._index_of(subject)
        account = await self._database.read(lambda tx: tx.accounts.find_open(index))
        if account is None:
            raise AccountNotFoundError
        check_active(account)
        return account

    def _still_open(self, tx: Transaction, account: Account) -> Account:
        """It looks again in the unit that writes: since the account was found, it may have been closed or moved."""
        present = tx.accounts.get(account.account_id)
        if present is None:
            raise AccountNotFoundError
        check_active(present)
        return present

    async def _once(
        self, call: Call, command: IdentifiedCommand, make: Callable[[Transaction], OpenedSession], now: datetime
    ) -> tuple[OpenedSession, bool]:
        return await self._database.run(
            lambda tx: self._acts.once(
                tx, call, biz_serial=command.biz_serial, kind=OpenedSession, now=now, make=lambda: make(tx)
            )
        )

    def _ring(self, app_ids: set[str]) -> None:
        for app_id in app_ids:
            self._bell.ring(app_id)

    def _new_session(self, call: Call, account: Account, now: datetime) -> OpenedSession:
        token = self._keys.random_bytes(16).hex()
        session = Session(
            token_hash=token_hash_of(token),
            account_id=account.account_id,
            app_id=call.caller.name,
            device_key_id=account.device_key_id,
            created_at=now,
            expires_at=now + self._rules.session_lifetime,
        )
        return OpenedSession(token=token, session=session, account=account)

    def _index_of(self, subject: IdentifiedSubject) -> bytes:
        return self._keys.blind_index(subject.subject_kind.name, subject.unique_number)

    def _new_id(self, prefix: str, now: datetime) -> str:
        return new_time_ordered_id(prefix, now=now, random_bytes=self._keys.random_bytes)

    def _tell_of_ended(self, tx: Transaction, sessions: Sequence[Session], now: datetime) -> None:
        for session in sessions:
            reason = session.end_reason.value if session.end_reason is not None else ""
            kind = SessionEnded(session_id=session.session_id, reason=reason)
            self._tell(tx, session.app_id, session.account_id, kind, now)

    def _tell(self, tx: Transaction, app_id: str, account_id: AccountId, kind: EventKind, now: datetime) -> None:
        tx.events.add(
            Event(
                app_id=app_id,
                account_id=account_id,
                happened_at=now,
                kind=kind,
                event_id=self._new_id("ev", now),
            )
        )

    def _record(
        self, tx: Transaction, call: Call, action: AuditAction, account: Account, biz_serial: str, now: datetime
    ) -> None:
        record(
            tx,
            call,
            action,
            at=now,
            object_id=account.account_id,
            biz_serial=biz_serial,
            device_key=account.device_key_id,
        )
