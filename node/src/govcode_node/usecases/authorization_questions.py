"""Questions about authorizations of this node's holders, from other nodes or from licence systems here."""

from dataclasses import dataclass, replace
from datetime import datetime

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    Authorization,
    AuthorizationAnswer,
    AuthorizationNotFoundError,
    AuthorizationQuestion,
    AuthorizationState,
    AuthorizationStateConflictError,
    QuestionKind,
    UseState,
)
from govcode_node.domain.callers import Call, IdentityMismatchError
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import GovcodeError, SerialConflictError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.licenses import LicenseUse
from govcode_node.ports.clock import Clock
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.security import Attestor, DataKeys, EvidenceReader
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.license_uses import begin_use, note_use, usable_authorization
from govcode_node.usecases.peer_requests import check_peer_request
from govcode_node.usecases.requesting import answer_about
from govcode_node.usecases.scene_scanning import SceneOffers
from govcode_node.usecases.trail import record


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestion:
    """The evidence that answers: an AuthorizationAnswer, or for a scene code a ConsentRequest; the other is empty."""

    answer: bytes = b""
    consent_request: bytes = b""


class AuthorizationQuestions:
    """It answers questions."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        offers: SceneOffers,
        keys: DataKeys,
        attestor: Attestor,
        reader: EvidenceReader,
        teller: AuthorizationTeller,
        clock: Clock,
        peer_limit: RateLimit,
    ) -> None:
        """It works over the node's store."""
        self._node = node
        self._database = database
        self._offers = offers
        self._keys = keys
        self._attestor = attestor
        self._reader = reader
        self._teller = teller
        self._clock = clock
        self._peer_limit = peer_limit

    async def answer(self, call: Call, *, question: bytes) -> AnsweredQuestion:
        """It answers another node.

        Args:
            call: The call; the caller is the node that asks.
            question: Evidence of an AuthorizationQuestion.

        Raises:
            EvidenceRefusedError, EvidenceStaleError, IdentityMismatchError: The question is not to be believed.
            RateLimitedError: The peer asks too often.
            AuthorizationNotFoundError: There is no such authorization for that node.
            GovcodeError: As `SceneOffers.request_of` and `report`.
        """
        self._peer_limit.take(call.caller.name)
        read = await self._reader.read(
            question, purpose=EvidencePurpose.AUTHORIZATION_QUESTION, kind=AuthorizationQuestion
        )
        asked = read.statement
        check_peer_request(
            call,
            read,
            from_node=asked.from_node,
            to_node=asked.to_node,
            own_node=self._node.node_id,
            now=self._clock.now(),
        )
        if asked.kind is QuestionKind.SCENE:
            parsed = self._offers.parse(asked.code_text)
            made = await self._offers.request_of(parsed, biz_serial=asked.biz_serial, home_node=asked.from_node)
            return AnsweredQuestion(consent_request=made.evidence)
        answer = await self.about(call, asked, request_digest=sm3(read.payload))
        return AnsweredQuestion(answer=await self._attestor.attest(EvidencePurpose.AUTHORIZATION_ANSWER, answer))

    async def about(self, call: Call, question: AuthorizationQuestion, *, request_digest: bytes) -> AuthorizationAnswer:
        """It answers a question about one authorization of a holder of this node.

        Raises:
            AuthorizationNotFoundError: There is none, or it is not that node's to know.
            GovcodeError: As `report`.
        """
        now = self._clock.now()
        if question.kind is QuestionKind.REPORT_USE:
            authorization, use = await self._report(call, question, now)
            answer = answer_about(authorization, request_digest=request_digest, now=now)
            return replace(answer, use_id=use.use_id, grant=b"")
        if question.kind is QuestionKind.STATE:
            authorization = await self._database.read(lambda tx: _of(tx, question))
            if authorization.request.visited_node != question.from_node:
                raise IdentityMismatchError(certificate=question.from_node, message=authorization.request.visited_node)
            return answer_about(authorization, request_digest=request_digest, now=now)
        authorization, active = await self._database.run(lambda tx: self._introspect(tx, call, question, now))
        answer = answer_about(authorization, request_digest=request_digest, now=now)
        # Who asks for a licence system brings the grant; who does not have it learns nothing of what is in it.
        return replace(answer, active=active, grant=b"", remaining_uses=answer.remaining_uses if active else {})

    def _introspect(
        self, tx: Transaction, call: Call, question: AuthorizationQuestion, now: datetime
    ) -> tuple[Authorization, bool]:
        authorization = _of(tx, question)
        active = (
            question.app_id == authorization.request.app_id
            and authorization.state_at(now) is AuthorizationState.GRANTED
            and _usable(tx, authorization.authorization_id)
        )
        record(
            tx,
            call,
            AuditAction.GRANT_INTROSPECTED,
            at=now,
            object_id=authorization.authorization_id,
            result="ACTIVE" if active else "INACTIVE",
            system=question.licence_system,
            app=question.app_id,
        )
        return authorization, active

    async def _report(
        self, call: Call, question: AuthorizationQuestion, now: datetime
    ) -> tuple[Authorization, LicenseUse]:
        """It counts a use that a licence system makes, or ends one (N-23).

        Raises:
            AudienceMismatchError: Another application shows the grant than it was given to.
            GrantExhaustedError, GrantExpiredError, GrantWithdrawnError: It is over.
            ItemNotGrantedError: The item is not granted.
            AuthorizationStateConflictError: A use is ended that was not begun, or has ended otherwise.
            SerialConflictError: The serial was used for another item.
        """
        caller = f"licence:{question.from_node}/{question.licence_system}"

        def report(tx: Transaction) -> tuple[Authorization, LicenseUse]:
            authorization = _of(tx, question)
            if question.app_id != authorization.request.app_id:
                raise AudienceMismatchError(question.authorization_id)
            before = tx.authorizations.find_use(
                authorization_id=question.authorization_id, caller=caller, biz_serial=question.biz_serial
            )
            if before is not None and before.item_no != question.item_no:
                raise SerialConflictError(question.biz_serial)
            if question.use_state is UseState.BEGUN:
                use = before
                if use is None or use.state is UseState.FAILED:
                    use = self._reported_use(authorization, question, caller, now)
                    begin_use(tx, call, use, app_id=question.app_id, now=now)
            else:
                use = self._end(tx, call, authorization, question, before, now)
            return tx.authorizations.get(question.authorization_id) or authorization, use

        authorization, use = await self._database.run(report)
        self._teller.ring(authorization)
        return authorization, use

    def _end(
        self,
        tx: Transaction,
        call: Call,
        authorization: Authorization,
        question: AuthorizationQuestion,
        before: LicenseUse | None,
        now: datetime,
    ) -> LicenseUse:
        state = question.use_state or UseState.FAILED
        if before is None:
            raise AuthorizationStateConflictError(authorization_id=question.authorization_id, state="USE_NOT_BEGUN")
        if before.state is state:
            return before
        if not tx.authorizations.end_use(before.use_id, state=state, at=now):
            raise AuthorizationStateConflictError(
                authorization_id=question.authorization_id, state=f"USE_{before.state.name}"
            )
        delivered = state is UseState.DELIVERED
        note_use(tx, call, before, AuditAction.LICENSE_USED if delivered else AuditAction.LICENSE_USE_FAILED, now=now)
        ended = replace(before, state=state, ended_at=now)
        if delivered:
            self._teller.used(tx, authorization, ended, now=now)
        return ended

    def _reported_use(
        self, authorization: Authorization, question: AuthorizationQuestion, caller: str, now: datetime
    ) -> LicenseUse:
        item = authorization.granted_item(question.item_no)
        return LicenseUse(
            use_id=new_time_ordered_id("us", now=now, random_bytes=self._keys.random_bytes),
            authorization_id=authorization.authorization_id,
            item_no=question.item_no,
            caller=caller,
            biz_serial=question.biz_serial,
            account_id=authorization.account_id,
            license_type=item.asked.license_type,
            relying_party_name=authorization.request.relying_party_name,
            matter_code=authorization.request.matter_code,
            license_node=question.from_node,
            legal_basis=authorization.request.legal_basis,
            state=UseState.BEGUN,
            begun_at=now,
        )


def _of(tx: Transaction, question: AuthorizationQuestion) -> Authorization:
    authorization = tx.authorizations.get(question.authorization_id)
    if authorization is None or authorization.account_id is None:
        raise AuthorizationNotFoundError(question.authorization_id)
    return authorization


def _usable(tx: Transaction, authorization_id: str) -> bool:
    try:
        usable_authorization(tx, authorization_id)
    except GovcodeError:
        return False
    return True
