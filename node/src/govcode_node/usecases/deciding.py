"""The holder decides (domain 3.3 steps 4 to 6): item by item, by the signature of the holder's device, once.

What was shown is made again from the request and compared with what the device signed; sensitive items need a word of
their own and a stronger identity check that was begun for these very items. The decision, the grant token that follows
from it, the record and the events are one unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationState,
    ConsentRecord,
    DecidedItem,
    Grant,
    LegalBasis,
    NoticeChangedError,
    RequestedItem,
    SensitiveNotConfirmedError,
    SignedByHolder,
    StepUp,
    StepUpMismatchError,
    StepUpRequiredError,
    step_up_digest,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import LicenseType
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.consent_pages import ConsentPage, consent_page
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.identification import BegunIdentification
from govcode_node.domain.moments import stated
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import Attestor, HolderProof, HolderStatement
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.authorization_acts import earlier_authorization, remember_authorization
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.deciders import Decider, HolderSignatures, check_same_device, decider_of
from govcode_node.usecases.license_types import types_of
from govcode_node.usecases.locators import Locators
from govcode_node.usecases.mandating import MandateStandings, mandate_check_digest
from govcode_node.usecases.sessions import holder_of
from govcode_node.usecases.step_ups import FinishedCheck, StepUps
from govcode_node.usecases.trail import record


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideCommand:
    """The holder's decision as received.

    Attributes:
        biz_serial: Serial of the act.
        session_token: Token of the session.
        proof: The device's signature over the decision.
        check: The finished stronger identity check; None without one.
    """

    biz_serial: str
    session_token: str = field(repr=False)
    proof: HolderProof
    check: FinishedCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunStepUp:
    """A begun check, and what the device must sign that it is bound to; empty for a mandate."""

    begun: BegunIdentification
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One decision on its way: who decides, on what page, with which catalogue."""

    decider: Decider
    types: dict[str, LicenseType]
    page: ConsentPage

    @property
    def authorization(self) -> Authorization:
        return self.decider.authorization


class Deciding:
    """It lets holders decide."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        signatures: HolderSignatures,
        step_ups: StepUps,
        standings: MandateStandings,
        locators: Locators,
        attestor: Attestor,
        teller: AuthorizationTeller,
        acts: ActMemory,
        clock: Clock,
    ) -> None:
        """It works over the node's store, the identity provider and the node's signing key."""
        self._node = node
        self._database = database
        self._signatures = signatures
        self._step_ups = step_ups
        self._standings = standings
        self._locators = locators
        self._attestor = attestor
        self._teller = teller
        self._acts = acts
        self._clock = clock

    async def begin_step_up(
        self, call: Call, *, session_token: str, authorization_id: str, item_nos: Sequence[int]
    ) -> BegunStepUp:
        """It begins the stronger check for granting these items, or, without an authorization, for giving a mandate.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            AuthorizationNotFoundError, NotOwnerError: The holder may not act on it.
            AuthorizationTimedOutError, AuthorizationStateConflictError: There is nothing to decide.
            InvalidFieldError: An item is none of the request's.
            IdentityProviderUnavailableError: The provider does not answer.
        """
        now = self._clock.now()
        if not authorization_id:
            holder = await self._database.read(lambda tx: holder_of(tx, call, session_token, now=now))
            begun = await self._step_ups.begin(holder.account, bound_to=mandate_check_digest(holder.account.account_id))
            return BegunStepUp(begun=begun, digest=b"")
        case = await self._database.read(lambda tx: _case(tx, call, session_token, authorization_id, "", now))
        case.authorization.check_pending(now)
        digest = _digest(case, frozenset(item_nos))
        begun = await self._step_ups.begin(case.decider.account, bound_to=digest)
        return BegunStepUp(begun=begun, digest=digest)

    async def decide(self, call: Call, command: DecideCommand) -> tuple[Authorization, bool]:
        """It takes the holder's decision; the answer says whether it is that to an earlier call.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            HolderProofInvalidError: The session's device did not sign this decision.
            AuthorizationNotFoundError, NotOwnerError, MandateInvalidError: The holder may not decide on it.
            AuthorizationTimedOutError, AuthorizationStateConflictError: There is nothing to decide.
            NoticeChangedError: Another text was signed than belongs to the request.
            SensitiveNotConfirmedError, StepUpRequiredError, StepUpMismatchError, AssuranceTooLowError: A sensitive item
                lacks its confirmation or its check.
            IdentityFailedError, IdentificationExpiredError, IdentityProviderUnavailableError: The check failed.
            SerialConflictError: The serial was used for another decision.
        """
        async with self._acts.alone(call, command.biz_serial):
            done = await self._database.read(lambda tx: earlier_authorization(tx, self._acts, call, command.biz_serial))
            return (done, True) if done is not None else (await self._decide(call, command), False)

    async def _decide(self, call: Call, command: DecideCommand) -> Authorization:
        now = stated(self._clock.now())
        _, statement, signed = await self._signatures.checked(
            call,
            act="DecideAuthorizationStatement",
            biz_serial=command.biz_serial,
            session_token=command.session_token,
            proof=command.proof,
            now=now,
        )
        case = await self._database.read(
            lambda tx: _case(tx, call, command.session_token, statement.authorization_id, statement.mandate_id, now)
        )
        case.authorization.check_pending(now)
        await self._standings.check(case.decider)
        if statement.notice_version != case.page.version or statement.notice_hash != case.page.text_hash:
            raise NoticeChangedError(case.page.version)
        items = _decided(case, statement)
        step_up = await self._step_up(command, case, statement, items, now)
        return await self._write(call, command, case, items, signed, step_up, now)

    async def _step_up(
        self,
        command: DecideCommand,
        case: _Case,
        statement: HolderStatement,
        items: Sequence[DecidedItem],
        now: datetime,
    ) -> StepUp | None:
        """It finishes the check that sensitive items need; one that was made without need counts as well."""
        granted = frozenset(item.item_no for item in items if item.granted)
        # Whoever acts for an entity without a mandate is proved to be its representative now (6.3-19).
        entity = case.authorization.subject_kind is SubjectKind.LEGAL_ENTITY and case.decider.mandate is None
        needed = any(item.granted and (item.sensitive or entity) for item in items)
        if command.check is None:
            if needed:
                raise StepUpRequiredError
            return None
        digest = _digest(case, granted)
        if statement.step_up_digest != digest:
            raise StepUpMismatchError("DIGEST")
        step_up, subject = await self._step_ups.finish(
            command.check, account_id=case.decider.account.account_id, bound_to=digest
        )
        if case.decider.account.account_id == case.authorization.account_id:
            self._locators.hold(case.authorization.authorization_id, subject, now=now)
        return step_up

    async def _write(
        self,
        call: Call,
        command: DecideCommand,
        case: _Case,
        items: tuple[DecidedItem, ...],
        signed: SignedByHolder,
        step_up: StepUp | None,
        now: datetime,
    ) -> Authorization:
        consent = self._consent_record(case, items, signed, step_up, now)
        consent_evidence = await self._attestor.attest(EvidencePurpose.CONSENT, consent)
        granted = consent.decision is AuthorizationState.GRANTED
        grant = b""
        if granted:
            token = self._grant(case.authorization, items, consent, now)
            grant = await self._attestor.attest(EvidencePurpose.GRANT, token)
        authorization_id = case.authorization.authorization_id
        mandate_id = case.decider.mandate.mandate_id if case.decider.mandate is not None else ""

        def write(tx: Transaction) -> Authorization:
            # Looked at again in the unit that writes: a device that was left behind, a mandate that was cancelled and
            # a guardianship that ended while the provider was asked decide nothing.
            present = decider_of(tx, call, command.session_token, authorization_id, mandate_id=mandate_id, now=now)
            check_same_device(present.account, signed)
            written = tx.authorizations.decide(
                authorization_id,
                state=consent.decision,
                items=items if granted else (),
                decided_at=now,
                ends_at=consent.ends_at,
                consent=consent_evidence,
                grant=grant,
            )
            found = tx.authorizations.get(authorization_id) or case.authorization
            if not written:
                found.check_pending(now)
            self._tell(tx, call, command.biz_serial, found, case.decider, consent.decision, now)
            return found

        decided = await self._database.run(write)
        self._teller.counters.authorization_decided(decision=consent.decision.name)
        self._teller.ring(decided)
        return decided

    def _tell(
        self,
        tx: Transaction,
        call: Call,
        biz_serial: str,
        authorization: Authorization,
        decider: Decider,
        decision: AuthorizationState,
        now: datetime,
    ) -> None:
        granted = decision is AuthorizationState.GRANTED
        record(
            tx,
            call,
            AuditAction.CONSENT_GRANTED if granted else AuditAction.CONSENT_DENIED,
            at=now,
            object_id=authorization.authorization_id,
            result=decision.name,
            biz_serial=biz_serial,
            decider=decider.account.account_id,
            mandate=decider.mandate.mandate_id if decider.mandate is not None else "",
            relation=decider.relation_id,
        )
        here = authorization.request.visited_node == self._node.node_id
        self._teller.changed(tx, authorization, state=decision, party=here, now=now)
        remember_authorization(tx, self._acts, call, biz_serial, authorization, now=now)

    def _consent_record(
        self,
        case: _Case,
        items: tuple[DecidedItem, ...],
        signed: SignedByHolder,
        step_up: StepUp | None,
        now: datetime,
    ) -> ConsentRecord:
        request, decider = case.authorization.request, case.decider
        granted = any(item.granted for item in items)
        return ConsentRecord(
            authorization_id=request.authorization_id,
            home_node=self._node.node_id,
            account_id=case.authorization.account_id or decider.account.account_id,
            decider_account_id=decider.account.account_id,
            mandate_id=decider.mandate.mandate_id if decider.mandate is not None else "",
            relation_id=decider.relation_id,
            request_digest=sm3(self._attestor.payload_in(case.authorization.request_evidence)),
            relying_party_name=request.relying_party_name,
            relying_party_uscc=request.relying_party_uscc,
            matter_code=request.matter_code,
            purpose=request.purpose,
            items=items,
            decision=AuthorizationState.GRANTED if granted else AuthorizationState.DENIED,
            notice_version=case.page.version,
            notice_text=case.page.text,
            notice_hash=case.page.text_hash,
            decided_at=now,
            holder=signed,
            step_up=step_up,
            subject_kind=case.authorization.subject_kind or decider.account.subject_kind,
            max_uses=request.max_uses,
            ends_at=now + request.period if granted else None,
        )

    def _grant(
        self, authorization: Authorization, items: tuple[DecidedItem, ...], consent: ConsentRecord, now: datetime
    ) -> Grant:
        request = authorization.request
        return Grant(
            authorization_id=request.authorization_id,
            home_node=self._node.node_id,
            visited_node=request.visited_node,
            app_id=request.app_id,
            relying_party_uscc=request.relying_party_uscc,
            matter_code=request.matter_code,
            items=tuple(item for item in items if item.granted),
            max_uses=request.max_uses,
            starts_at=now,
            ends_at=now + request.period,
            legal_basis=LegalBasis.CONSENT,
            consent_digest=sm3(self._attestor.payload_of(consent)),
        )


def _case(
    tx: Transaction, call: Call, session_token: str, authorization_id: str, mandate_id: str, now: datetime
) -> _Case:
    decider = decider_of(tx, call, session_token, authorization_id, mandate_id=mandate_id, now=now)
    request = decider.authorization.request
    types = types_of(tx, [item.asked for item in request.items])
    return _Case(decider=decider, types=types, page=consent_page(request, types))


def _digest(case: _Case, granted: frozenset[int]) -> bytes:
    request = case.authorization.request
    items = [item for item in request.items if item.item_no in granted]
    if len(items) != len(granted):
        raise InvalidFieldError(field="item_nos", why="names an item that the request does not have")
    return step_up_digest(
        relying_party_uscc=request.relying_party_uscc,
        items=items,
        notice_version=case.page.version,
        authorization_id=request.authorization_id,
    )


def _decided(case: _Case, statement: HolderStatement) -> tuple[DecidedItem, ...]:
    """It puts the holder's words to the items; what the holder does not name is refused."""
    words = {word.item_no: word for word in statement.decisions}
    asked: dict[int, RequestedItem] = {item.item_no: item for item in case.authorization.request.items}
    if len(words) != len(statement.decisions) or not words.keys() <= asked.keys():
        raise InvalidFieldError(field="proof.statement.items", why="must name each item of the request at most once")
    items = []
    for item_no, item in asked.items():
        word = words.get(item_no)
        sensitive = case.types[item.asked.license_type].is_sensitive(item.asked)
        granted = word is not None and word.granted
        if granted and sensitive and not (word is not None and word.sensitive_confirmed):
            raise SensitiveNotConfirmedError(item_no)
        items.append(
            DecidedItem(
                item_no=item_no,
                asked=item.asked,
                sensitive=sensitive,
                granted=granted,
                license_node=word.license_node if word is not None and granted else "",
            )
        )
    return tuple(items)
