"""Taking a grant back (撤回, 6.3-13): at once here, and told to every node that takes part until it has heard.

The withdrawal is one conditional statement on the authorization's row, on which the begin of every use waits too: no
use begins once the withdrawal is answered, and what began before is finished.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationState,
    AuthorizationStateConflictError,
    SignedByHolder,
    Withdrawal,
    WithdrawalReason,
)
from govcode_node.domain.callers import Call, IdentityMismatchError
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.moments import stated
from govcode_node.ports.authorization_stores import WithdrawalNotice
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.security import Attestor, EvidenceReader, HolderProof
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.authorization_acts import earlier_authorization, remember_authorization
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.deciders import HolderSignatures, check_same_device, decider_of
from govcode_node.usecases.locators import Locators
from govcode_node.usecases.sessions import holder_of
from govcode_node.usecases.trail import record

_log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=15)
"""A node that is back hears of a withdrawal well within the 60 s that peers have."""

_NOTICES_AT_ONCE: Final = 50
_TO_TAKE_BACK: Final = frozenset({AuthorizationState.PENDING, AuthorizationState.GRANTED, AuthorizationState.EXHAUSTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedWithdrawal:
    """A withdrawal that is signed and not yet written."""

    authorization: Authorization
    evidence: bytes


class Withdrawing:
    """It withdraws, and takes notice of other nodes' withdrawals."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        signatures: HolderSignatures,
        locators: Locators,
        attestor: Attestor,
        reader: EvidenceReader,
        teller: AuthorizationTeller,
        acts: ActMemory,
        clock: Clock,
        peer_limit: RateLimit,
    ) -> None:
        """It works over the node's store and signing key."""
        self._node = node
        self._database = database
        self._signatures = signatures
        self._locators = locators
        self._attestor = attestor
        self._reader = reader
        self._teller = teller
        self._acts = acts
        self._clock = clock
        self._peer_limit = peer_limit

    async def withdraw(
        self, call: Call, *, biz_serial: str, session_token: str, proof: HolderProof
    ) -> tuple[Authorization, bool]:
        """It withdraws a grant, or denies what is pending; the answer says whether it is that to an earlier call.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            HolderProofInvalidError: The session's device did not sign this act.
            AuthorizationNotFoundError, NotOwnerError, MandateInvalidError: The holder may not act on it.
            AuthorizationStateConflictError: It rests on no consent, or is over.
            SerialConflictError: The serial was used for another act.
        """
        async with self._acts.alone(call, biz_serial):
            done = await self._database.read(lambda tx: earlier_authorization(tx, self._acts, call, biz_serial))
            if done is not None:
                return done, True
            now = self._now()
            _, statement, signed = await self._signatures.checked(
                call,
                act="WithdrawAuthorizationStatement",
                biz_serial=biz_serial,
                session_token=session_token,
                proof=proof,
                now=now,
            )
            decider = await self._database.read(
                lambda tx: decider_of(tx, call, session_token, statement.authorization_id, now=now)
            )
            prepared = await self._prepare(
                decider.authorization, reason=WithdrawalReason.HOLDER, signed=signed, now=now
            )

            def write(tx: Transaction) -> Authorization:
                check_same_device(holder_of(tx, call, session_token, now=now).account, signed)
                withdrawn = self._write(tx, call, prepared, biz_serial=biz_serial, now=now)
                remember_authorization(tx, self._acts, call, biz_serial, withdrawn, now=now)
                return withdrawn

            authorization = await self._database.run(write)
            self._teller.counters.authorization_decided(decision=authorization.state.name)
            self._forget(authorization)
            return authorization, False

    async def prepare_closing(self, account_id: AccountId) -> Sequence[PreparedWithdrawal]:
        """It signs the withdrawals of all that an account has granted, for the unit that closes it (7.1-07)."""
        now = self._now()
        held = await self._database.read(lambda tx: tx.authorizations.open_of(account_id))
        closing = WithdrawalReason.ACCOUNT_CLOSED
        return [
            await self._prepare(authorization, reason=closing, signed=None, now=now)
            for authorization in held
            # A statutory duty ends with the account without a word of the holder's.
            if not authorization.statutory
            and authorization.state_at(now) in {AuthorizationState.PENDING, AuthorizationState.GRANTED}
        ]

    def close(self, tx: Transaction, call: Call, prepared: Sequence[PreparedWithdrawal], *, now: datetime) -> None:
        """It writes prepared withdrawals, also of what was granted meanwhile; what has ended is passed over."""
        for one in prepared:
            present = tx.authorizations.get(one.authorization.authorization_id)
            if present is not None and present.state_at(now) in _TO_TAKE_BACK:
                self._write(tx, call, one, biz_serial="", now=now)

    def closed(self, prepared: Sequence[PreparedWithdrawal]) -> None:
        """It wakes whom the written withdrawals concern, once they are durable."""
        for one in prepared:
            self._forget(one.authorization)

    async def _prepare(
        self,
        authorization: Authorization,
        *,
        reason: WithdrawalReason,
        signed: SignedByHolder | None,
        now: datetime,
    ) -> PreparedWithdrawal:
        withdrawal = Withdrawal(
            authorization_id=authorization.authorization_id,
            home_node=self._node.node_id,
            withdrawn_at=now,
            holder=signed,
            reason=reason,
        )
        evidence = await self._attestor.attest(EvidencePurpose.WITHDRAWAL, withdrawal)
        return PreparedWithdrawal(authorization=authorization, evidence=evidence)

    def _write(
        self, tx: Transaction, call: Call, prepared: PreparedWithdrawal, *, biz_serial: str, now: datetime
    ) -> Authorization:
        authorization_id = prepared.authorization.authorization_id
        present = tx.authorizations.get(authorization_id) or prepared.authorization
        state = present.state_at(now)
        # A statutory duty needs no consent, so there is none to take back; the holder has other remedies (N-35).
        if present.statutory:
            raise AuthorizationStateConflictError(authorization_id=authorization_id, state="STATUTORY_DUTY")
        if state is AuthorizationState.PENDING:
            target = AuthorizationState.DENIED
            written = tx.authorizations.decide(
                authorization_id, state=target, items=(), decided_at=now, ends_at=None, consent=b"", grant=b""
            )
        elif state in {AuthorizationState.GRANTED, AuthorizationState.EXHAUSTED}:
            target = AuthorizationState.WITHDRAWN
            written = tx.authorizations.withdraw(authorization_id, at=now, withdrawal=prepared.evidence)
            self._add_notices(tx, present, prepared.evidence, now)
        else:
            raise AuthorizationStateConflictError(authorization_id=authorization_id, state=state.name)
        if not written:
            raise AuthorizationStateConflictError(authorization_id=authorization_id, state=state.name)
        record(
            tx,
            call,
            AuditAction.AUTHORIZATION_WITHDRAWN,
            at=now,
            object_id=authorization_id,
            result=target.name,
            biz_serial=biz_serial,
        )
        here = present.request.visited_node == self._node.node_id
        self._teller.changed(tx, present, state=target, party=here, now=now)
        return tx.authorizations.get(authorization_id) or present

    def _add_notices(self, tx: Transaction, authorization: Authorization, evidence: bytes, now: datetime) -> None:
        nodes = {authorization.request.visited_node, *(item.license_node for item in authorization.items)}
        for node_id in sorted(nodes - {"", self._node.node_id}):
            tx.authorizations.add_notice(
                WithdrawalNotice(
                    authorization_id=authorization.authorization_id,
                    node_id=node_id,
                    withdrawal=evidence,
                    due_at=now,
                    gives_up_at=authorization.ends_at or now,
                )
            )

    def _forget(self, authorization: Authorization) -> None:
        self._locators.forget(authorization.authorization_id)
        self._teller.ring(authorization)

    async def take_notice(self, call: Call, *, withdrawal: bytes) -> None:
        """It takes notice of a withdrawal at another node; told twice, it is the same.

        Raises:
            EvidenceRefusedError, IdentityMismatchError: The notice is not the home node's own.
            RateLimitedError: The peer tells too often.
        """
        self._peer_limit.take(call.caller.name)
        read = await self._reader.read(withdrawal, purpose=EvidencePurpose.WITHDRAWAL, kind=Withdrawal)
        told, now = read.statement, self._now()
        if call.caller.name != told.home_node:
            raise IdentityMismatchError(certificate=call.caller.name, message=told.home_node)

        def follow(tx: Transaction) -> Authorization | None:
            copy = tx.authorizations.get(told.authorization_id)
            record(
                tx,
                call,
                AuditAction.WITHDRAWAL_RECEIVED,
                at=now,
                object_id=told.authorization_id,
                result="KNOWN" if copy is not None else "UNKNOWN",
            )
            if copy is None:
                return None
            if copy.request.home_node != told.home_node:
                raise IdentityMismatchError(certificate=told.home_node, message=copy.request.home_node)
            moved = tx.authorizations.withdraw(told.authorization_id, at=told.withdrawn_at, withdrawal=withdrawal)
            if not moved and copy.state is AuthorizationState.PENDING:
                moved = tx.authorizations.decide(
                    told.authorization_id,
                    state=AuthorizationState.WITHDRAWN,
                    items=(),
                    decided_at=told.withdrawn_at,
                    ends_at=None,
                    consent=b"",
                    grant=b"",
                )
                tx.authorizations.withdraw(told.authorization_id, at=told.withdrawn_at, withdrawal=withdrawal)
            if moved:
                self._teller.changed(tx, copy, state=AuthorizationState.WITHDRAWN, party=True, now=now)
            return copy

        copy = await self._database.run(follow)
        if copy is not None:
            self._teller.ring(copy)

    def _now(self) -> datetime:
        return stated(self._clock.now())


class WithdrawalOutbox:
    """It tells other nodes of withdrawals until they have heard; `step` is the step of a loop of about a second."""

    def __init__(self, *, database: Database, peers: Peers, clock: Clock) -> None:
        """It reads what waits in the store, so that a restart forgets nothing."""
        self._database = database
        self._peers = peers
        self._clock = clock

    async def step(self) -> None:
        """It sends the notices that are due; what fails is tried again, each time a little later."""
        now = self._clock.now()
        due = await self._database.read(lambda tx: tx.authorizations.due_notices(now=now, limit=_NOTICES_AT_ONCE))
        # Side by side: a node that does not answer must not keep the others from hearing in time.
        await asyncio.gather(*(self._send(notice, now) for notice in due))

    async def _send(self, notice: WithdrawalNotice, now: datetime) -> None:
        key = (notice.authorization_id, notice.node_id)
        try:
            await self._peers.notify_withdrawal(notice.node_id, withdrawal=notice.withdrawal)
        except GovcodeError as error:
            extra = {"node": notice.node_id, "authorization": notice.authorization_id, "why": str(error)}
            _log.warning("withdrawal not heard yet", extra=extra)
            if now < notice.gives_up_at:
                pause = min(_FIRST_PAUSE * 2 ** min(notice.attempts, 8), _LONGEST_PAUSE)
                await self._database.run(lambda tx: tx.authorizations.postpone_notice(*key, due_at=now + pause))
                return
        await self._database.run(lambda tx: tx.authorizations.drop_notice(*key))
