"""A relying party asks the holder whose code it has just scanned (domain 3.3 steps 1 and 2; 6.3-03, 6.3-04).

The visited node vouches for its own relying party: registered, enabled, and asking for no more than the matter needs.
The holder's home node takes it from there, here or elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    DECISION_TIME,
    Authorization,
    AuthorizationAnswer,
    AuthorizationEntry,
    AuthorizationNotFoundError,
    AuthorizationState,
    ConsentRequest,
    LegalBasis,
    RequestedItem,
    StatutoryDuty,
    StatutoryNotAllowedError,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import (
    AskedItem,
    AuthorizationOutOfPolicyError,
    Matter,
    ScopeNotRegisteredError,
)
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.moments import stated
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.parties import RelyingParty
from govcode_node.domain.scans import (
    RESOLVE_WINDOW,
    ScanAct,
    ScanAnswer,
    ScanNotFoundError,
    ScanRow,
    ScanTooOldError,
)
from govcode_node.ports.clock import Clock
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.security import Attestor, DataKeys, EvidenceReader
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.authorization_acts import earlier_authorization, remember_authorization
from govcode_node.usecases.authorization_mirror import AuthorizationMirror
from govcode_node.usecases.holder_desk import HolderDesk, holder_of_scan, note_request
from govcode_node.usecases.peer_requests import check_peer_request
from govcode_node.usecases.reading_parties import relying_application_of

_SERIAL_MEMORY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCommand:
    """What a relying party asks.

    Attributes:
        biz_serial: Serial of the act.
        scan_id: Its own VALID scan.
        matter_code: The matter.
        purpose: What for.
        handling_means: How the data are handled.
        items: What is asked.
        retention: How long the data are kept.
        max_uses: How many uses of each item.
        period: For how long it may be used after the decision.
        legal_basis: Consent or statutory duty.
        statutory_duty: The duty, for that basis.
    """

    biz_serial: str
    scan_id: str
    matter_code: str
    purpose: str
    handling_means: str
    items: tuple[AskedItem, ...]
    retention: timedelta
    max_uses: int
    period: timedelta
    legal_basis: LegalBasis = LegalBasis.CONSENT
    statutory_duty: StatutoryDuty | None = None


class AuthorizationRequests:
    """It asks holders for relying parties of this node, and takes in what other nodes ask of holders here."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        keys: DataKeys,
        attestor: Attestor,
        reader: EvidenceReader,
        desk: HolderDesk,
        mirror: AuthorizationMirror,
        acts: ActMemory,
        clock: Clock,
        peer_limit: RateLimit,
    ) -> None:
        """It works with the desk for holders of this node and the mirror for those of others."""
        self._node = node
        self._database = database
        self._keys = keys
        self._attestor = attestor
        self._reader = reader
        self._desk = desk
        self._mirror = mirror
        self._acts = acts
        self._clock = clock
        self._peer_limit = peer_limit

    async def request(self, call: Call, command: RequestCommand) -> tuple[Authorization, bool]:
        """It asks the holder of a scanned code; the answer says whether it is that to an earlier call.

        Raises:
            ScanNotFoundError, ScanTooOldError: The caller has no such VALID scan of the last ten minutes.
            ScopeNotRegisteredError: The matter is not registered for the application.
            ExcessiveScopeError: An item is not within its scope.
            AuthorizationOutOfPolicyError: Uses, period, retention or kind of subject are not.
            StatutoryNotAllowedError: The matter has no statutory basis, or another one.
            SubjectUnreachableError, LicenseTypeUnknownError: The home node cannot ask.
            HomeNodeUnreachableError, HomeNodeTimeoutError: No answer; asked again, the home is asked again.
            SerialConflictError: The serial was used for another request.
        """
        async with self._acts.alone(call, command.biz_serial):
            return await self._request(call, command)

    async def _request(self, call: Call, command: RequestCommand) -> tuple[Authorization, bool]:
        now = self._clock.now()
        done, prepared, begun = await self._database.read(lambda tx: self._look(tx, call, command, now))
        if done is not None:
            return done, True
        if begun is None:
            evidence = await self._attestor.attest(EvidencePurpose.CONSENT_REQUEST, prepared)
        elif _asks(begun.request) == _asks(prepared):
            # Asked before, and no answer came, or it was lost on the way to the caller: the same question again.
            prepared, evidence = begun.request, begun.request_evidence
        else:
            raise SerialConflictError(command.biz_serial)

        def remember(tx: Transaction, authorization: Authorization) -> None:
            remember_authorization(tx, self._acts, call, command.biz_serial, authorization, now=now)

        if prepared.home_node == self._node.node_id:
            statutory = prepared.legal_basis is LegalBasis.STATUTORY_DUTY
            find = holder_of_scan(f"app:{prepared.app_id}", prepared.scan_biz_serial, statutory=statutory, now=now)
            return await self._desk.open(call, prepared, evidence=evidence, find=find, then=remember), False
        copy = Authorization(
            authorization_id=prepared.authorization_id,
            request=prepared,
            request_evidence=evidence,
            state=AuthorizationState.PENDING,
            decide_before=now + DECISION_TIME,
        )

        def keep(tx: Transaction) -> None:
            if tx.authorizations.add(copy):
                note_request(tx, call, prepared, AuditAction.AUTHORIZATION_REQUESTED, now=now)

        await self._database.run(keep)
        return await self._mirror.hand_over(call, copy, then=remember), False

    def _look(
        self, tx: Transaction, call: Call, command: RequestCommand, now: datetime
    ) -> tuple[Authorization | None, ConsentRequest, Authorization | None]:
        """It finds the answer given before, what is to be asked, and what was asked before without an answer."""
        done = earlier_authorization(tx, self._acts, call, command.biz_serial)
        application, organisation = relying_application_of(tx, call.caller.name)
        if done is not None:
            return done, done.request, None
        row = _own_scan(tx, call, command.scan_id, now)
        matter = tx.catalogue.matter(app_id=application.app_id, matter_code=command.matter_code)
        if matter is None:
            raise ScopeNotRegisteredError(matter_code=command.matter_code, app_id=application.app_id)
        self._check(matter, command, row)
        begun = tx.authorizations.find_request(app_id=application.app_id, biz_serial=command.biz_serial)
        if begun is not None and now - begun.request.requested_at > _SERIAL_MEMORY:
            begun = None
        prepared = self._consent_request(command, row, matter, organisation, now)
        return None, prepared, begun

    def _check(self, matter: Matter, command: RequestCommand, row: ScanRow) -> None:
        matter.check_scope(command.items)
        matter.check_limits(max_uses=command.max_uses, period=command.period, retention=command.retention)
        stated = self._attestor.statement_of(ScanAnswer, self._keys.open_record(row.answer, row.scan_id.encode()))
        if stated.subject_kind not in matter.subject_kinds:
            kinds = ",".join(sorted(kind.name for kind in matter.subject_kinds))
            raise AuthorizationOutOfPolicyError(field="subject_kind", limit=kinds)
        if command.legal_basis is LegalBasis.STATUTORY_DUTY:
            basis, duty = matter.statutory_basis, command.statutory_duty
            if basis is None or duty is None or duty.statute != basis.statute:
                raise StatutoryNotAllowedError(matter.matter_code)

    def _consent_request(
        self, command: RequestCommand, row: ScanRow, matter: Matter, organisation: RelyingParty, now: datetime
    ) -> ConsentRequest:
        statutory = command.legal_basis is LegalBasis.STATUTORY_DUTY
        return ConsentRequest(
            authorization_id=new_time_ordered_id("au", now=now, random_bytes=self._keys.random_bytes),
            visited_node=self._node.node_id,
            home_node=row.home_node,
            entry=AuthorizationEntry.RELYING_PARTY_SCANNED,
            app_id=matter.app_id,
            biz_serial=command.biz_serial,
            scan_biz_serial=row.biz_serial,
            relying_party_name=organisation.name,
            relying_party_uscc=organisation.uscc,
            relying_party_contact=organisation.contact,
            matter_code=matter.matter_code,
            matter_name=matter.name,
            purpose=command.purpose,
            handling_means=command.handling_means,
            items=numbered(command.items),
            retention=command.retention,
            max_uses=command.max_uses,
            period=command.period,
            legal_basis=command.legal_basis,
            statutory_duty=command.statutory_duty if statutory else None,
            holder_untold=statutory and matter.statutory_basis is not None and matter.statutory_basis.holder_untold,
            requested_at=stated(now),
            scene_class=row.scene_class,
        )

    async def answer_forwarded(self, call: Call, *, request: bytes) -> bytes:
        """It takes in what another node asks of a holder of this node.

        Args:
            call: The call; the caller is the visited node.
            request: Evidence of a ConsentRequest.

        Returns:
            Evidence of an AuthorizationAnswer.

        Raises:
            EvidenceRefusedError, EvidenceStaleError, IdentityMismatchError: The request is not to be believed.
            ScanNotFoundError, ScanTooOldError: That node has scanned no code of such a holder just now.
            RateLimitedError: The peer asks too often.
            GovcodeError: As `HolderDesk.open`.
        """
        self._peer_limit.take(call.caller.name)
        read = await self._reader.read(request, purpose=EvidencePurpose.CONSENT_REQUEST, kind=ConsentRequest)
        asked, now = read.statement, self._clock.now()
        if asked.entry is not AuthorizationEntry.RELYING_PARTY_SCANNED:
            raise AuthorizationNotFoundError(asked.authorization_id)
        known = await self._database.read(lambda tx: tx.authorizations.get(asked.authorization_id))
        # A request that is known is answered whatever its age: the visited node asks again after a lost answer.
        check_peer_request(
            call,
            read,
            from_node=asked.visited_node,
            to_node=asked.home_node,
            own_node=self._node.node_id,
            now=read.signed_at if known is not None else now,
        )
        statutory = asked.legal_basis is LegalBasis.STATUTORY_DUTY
        caller = f"node:{asked.visited_node}/{asked.app_id}"
        find = holder_of_scan(caller, asked.scan_biz_serial, statutory=statutory, now=now)
        authorization = await self._desk.open(call, asked, evidence=request, find=find)
        return await self._attestor.attest(
            EvidencePurpose.AUTHORIZATION_ANSWER,
            answer_about(authorization, request_digest=sm3(read.payload), now=now),
        )


def answer_about(authorization: Authorization, *, request_digest: bytes, now: datetime) -> AuthorizationAnswer:
    """It states where an authorization stands, in answer to one question of the visited node."""
    return AuthorizationAnswer(
        request_digest=request_digest,
        authorization_id=authorization.authorization_id,
        home_node=authorization.request.home_node,
        state=authorization.state_at(now),
        decide_before=authorization.decide_before,
        decided_at=authorization.decided_at,
        grant=authorization.grant,
        remaining_uses=authorization.remaining_uses(),
    )


def numbered(items: tuple[AskedItem, ...]) -> tuple[RequestedItem, ...]:
    """It numbers items from 1."""
    return tuple(RequestedItem(item_no=number, asked=item) for number, item in enumerate(items, start=1))


def _asks(request: ConsentRequest) -> tuple[object, ...]:
    """It gives what makes two requests the same act: all but the id and the time."""
    return (
        request.home_node,
        request.scan_biz_serial,
        request.matter_code,
        request.purpose,
        request.handling_means,
        request.items,
        request.retention,
        request.max_uses,
        request.period,
        request.legal_basis,
        request.statutory_duty,
    )


def _own_scan(tx: Transaction, call: Call, scan_id: str, now: datetime) -> ScanRow:
    row = tx.scans.get(scan_id)
    own = row is not None and row.caller == f"app:{call.caller.name}" and row.act is ScanAct.SCAN
    if row is None or not own or row.outcome is not Outcome.VALID:
        raise ScanNotFoundError(scan_id)
    if now - row.decided_at > RESOLVE_WINDOW:
        raise ScanTooOldError(scan_id)
    return row
