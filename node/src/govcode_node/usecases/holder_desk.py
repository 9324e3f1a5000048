"""The holder's home node takes in what a relying party asks (domain 3.3 steps 2 to 4), however it came to ask.

A request for consent becomes a pending authorization, and the holder's application is told. A request by statutory duty
becomes a grant of its own kind at once, never counted as consent, and the holder is told unless the law forbids it
(N-35).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from govcode_node.domain.accounts import Account, AccountId
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    DECISION_TIME,
    Authorization,
    AuthorizationState,
    ConsentRequest,
    DecidedItem,
    Grant,
    LegalBasis,
    StatutoryNotAllowedError,
    SubjectUnreachableError,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import MAX_PERIOD, MAX_USES, AuthorizationOutOfPolicyError
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import RESOLVE_WINDOW, ScanAct, ScanNotFoundError, ScanTooOldError
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import Attestor
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.license_types import types_of
from govcode_node.usecases.sessions import check_active
from govcode_node.usecases.trail import record


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHolder:
    """Who is asked.

    Attributes:
        account: The subject.
        app_id: The application at which the decision is asked for.
        presenter: Who presented the code, where that was not the subject.
    """

    account: Account
    app_id: str
    presenter: AccountId | None = None


FindHolder = Callable[[Transaction], AskedHolder]


class HolderDesk:
    """It opens authorizations for subjects of this node."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        attestor: Attestor,
        teller: AuthorizationTeller,
        clock: Clock,
        statutory_matters: frozenset[str],
    ) -> None:
        """It works over the node's store.

        Args:
            node: This node.
            database: Its store.
            attestor: Signs grants by statutory duty.
            teller: Tells applications.
            clock: The clock.
            statutory_matters: Matters for which this node lets its subjects' data be used without consent.
        """
        self._node = node
        self._database = database
        self._attestor = attestor
        self._teller = teller
        self._clock = clock
        self._statutory_matters = statutory_matters

    async def open(
        self,
        call: Call,
        request: ConsentRequest,
        *,
        evidence: bytes,
        find: FindHolder,
        then: Callable[[Transaction, Authorization], None] = lambda tx, authorization: None,
    ) -> Authorization:
        """It takes in a request; asked again, it returns what it made then.

        Args:
            call: The call.
            request: What is asked.
            evidence: The request as the visited node signed it.
            find: It finds the holder in the unit that writes.
            then: What else belongs into that unit.

        Raises:
            ScanNotFoundError, ScanTooOldError: There is no such scan.
            SubjectUnreachableError: Nobody could decide.
            LicenseTypeUnknownError: This node's catalogue has no such type or field.
            AuthorizationOutOfPolicyError: The period is longer than any may be, or the subject cannot hold the type.
            StatutoryNotAllowedError: This node does not let the matter be handled without consent.
            SerialConflictError: The id was used for another request.
        """
        now = self._clock.now()
        if not timedelta() < request.period <= MAX_PERIOD:
            raise AuthorizationOutOfPolicyError(field="period", limit=f"{MAX_PERIOD.days} d")
        if not 1 <= request.max_uses <= MAX_USES:
            raise AuthorizationOutOfPolicyError(field="max_uses", limit=f"1..{MAX_USES}")
        grant = await self._statutory_grant(request, now)

        def take_in(tx: Transaction) -> Authorization:
            before = tx.authorizations.get(request.authorization_id)
            if before is not None:
                if before.request != request:
                    raise SerialConflictError(request.biz_serial)
                then(tx, before)
                return before
            authorization = self._new(tx, request, evidence, find(tx), grant, now)
            tx.authorizations.add(authorization)
            self._tell(tx, call, authorization, now)
            then(tx, authorization)
            return authorization

        authorization = await self._database.run(take_in)
        if authorization.statutory:
            self._teller.counters.authorization_decided(decision=LegalBasis.STATUTORY_DUTY.name)
        self._teller.ring(authorization)
        return authorization

    def _new(
        self,
        tx: Transaction,
        request: ConsentRequest,
        evidence: bytes,
        asked: AskedHolder,
        grant: bytes,
        now: datetime,
    ) -> Authorization:
        check_active(asked.account)
        for entry in types_of(tx, [item.asked for item in request.items]).values():
            wanted = any(item.asked.license_type == entry.license_type for item in request.items)
            if wanted and asked.account.subject_kind not in entry.subject_kinds:
                raise AuthorizationOutOfPolicyError(field="license_type", limit=asked.account.subject_kind.name)
        statutory = request.legal_basis is LegalBasis.STATUTORY_DUTY
        return Authorization(
            authorization_id=request.authorization_id,
            request=request,
            request_evidence=evidence,
            account_id=asked.account.account_id,
            subject_kind=asked.account.subject_kind,
            holder_app_id=asked.app_id,
            presenter_account_id=asked.presenter,
            state=AuthorizationState.GRANTED if statutory else AuthorizationState.PENDING,
            decide_before=now + DECISION_TIME,
            decided_at=now if statutory else None,
            items=_all_granted(request) if statutory else (),
            grant=grant,
            ends_at=now + request.period if statutory else None,
        )

    async def _statutory_grant(self, request: ConsentRequest, now: datetime) -> bytes:
        """It signs the grant of a statutory duty; empty for consent, whose grant follows from the decision."""
        if request.legal_basis is LegalBasis.CONSENT:
            return b""
        if request.statutory_duty is None or request.matter_code not in self._statutory_matters:
            raise StatutoryNotAllowedError(request.matter_code)
        grant = Grant(
            authorization_id=request.authorization_id,
            home_node=self._node.node_id,
            visited_node=request.visited_node,
            app_id=request.app_id,
            relying_party_uscc=request.relying_party_uscc,
            matter_code=request.matter_code,
            items=_all_granted(request),
            max_uses=request.max_uses,
            starts_at=now,
            ends_at=now + request.period,
            legal_basis=LegalBasis.STATUTORY_DUTY,
        )
        return await self._attestor.attest(EvidencePurpose.GRANT, grant)

    def _tell(self, tx: Transaction, call: Call, authorization: Authorization, now: datetime) -> None:
        request = authorization.request
        statutory = request.legal_basis is LegalBasis.STATUTORY_DUTY
        action = AuditAction.STATUTORY_USE_OPENED if statutory else AuditAction.AUTHORIZATION_REQUESTED
        note_request(tx, call, request, action, now=now)
        if not statutory:
            self._teller.asked(tx, authorization, now=now)
        elif not request.holder_untold:
            self._teller.changed(tx, authorization, state=AuthorizationState.GRANTED, holder=True, now=now)


def note_request(tx: Transaction, call: Call, request: ConsentRequest, action: AuditAction, *, now: datetime) -> None:
    """It writes what was asked of a holder into the audit trail, at the home node and at the visited one."""
    record(
        tx,
        call,
        action,
        at=now,
        object_id=request.authorization_id,
        biz_serial=request.biz_serial,
        app=request.app_id,
        visited=request.visited_node,
        matter=request.matter_code,
        **({"approval": request.statutory_duty.approval_reference} if request.statutory_duty is not None else {}),
    )


def _all_granted(request: ConsentRequest) -> tuple[DecidedItem, ...]:
    return tuple(
        DecidedItem(item_no=item.item_no, asked=item.asked, sensitive=False, granted=True) for item in request.items
    )


def holder_of_scan(caller: str, scan_biz_serial: str, *, statutory: bool, now: datetime) -> FindHolder:
    """It gives the search for the holder whose code a relying party has just scanned VALID.

    Args:
        caller: The name under which the scan's serial is kept here.
        scan_biz_serial: The scan's serial.
        statutory: Whether nobody needs to decide, so that nobody needs to be reached.
        now: The moment.
    """

    def find(tx: Transaction) -> AskedHolder:
        row = tx.scans.find(caller=caller, act=ScanAct.SCAN, biz_serial=scan_biz_serial)
        if row is None or row.outcome is not Outcome.VALID or row.account_id is None:
            raise ScanNotFoundError(scan_biz_serial)
        if now - row.decided_at > RESOLVE_WINDOW:
            raise ScanTooOldError(row.scan_id)
        account = tx.accounts.get(row.account_id)
        code = tx.codes.get(row.code_id)
        if account is None or code is None:
            raise ScanNotFoundError(scan_biz_serial)
        presenter = code.presenter_account_id
        app_id = app_of_decider(tx, presenter or account.account_id, preferred=code.app_id, now=now)
        if not app_id and not statutory:
            raise SubjectUnreachableError
        return AskedHolder(account=account, app_id=app_id or code.app_id, presenter=presenter)

    return find


def app_of_decider(tx: Transaction, account_id: AccountId, *, preferred: str, now: datetime) -> str:
    """It finds the application in which somebody can decide now: the preferred one, or that of the newest session."""
    live = [
        session.app_id
        for session in tx.sessions.list_of(account_id, limit=20)
        if session.ended_at is None and now < session.expires_at
    ]
    return preferred if preferred in live else (live[0] if live else "")
