"""Grant-only mode (N-23): a licence system that delivers by a channel of its own asks here whether it may, and reports.

The home node of the grant answers and counts, as for licences that pass through nodes; nothing is kept of an answer, so
a withdrawal holds for the next question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    AuthorizationAnswer,
    AuthorizationQuestion,
    AuthorizationState,
    DecidedItem,
    Grant,
    QuestionKind,
    UseState,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.digests import sm3
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers
from govcode_node.ports.security import Attestor, EvidenceReader
from govcode_node.usecases.authorization_mirror import read_answer
from govcode_node.usecases.authorization_questions import AuthorizationQuestions


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """Whether a grant may be used now.

    Attributes:
        active: Whether it may.
        state: Where the authorization stands.
        items: What is granted; empty unless active.
        remaining_uses: Uses that are left, by item number; empty unless active.
        matter_code: The matter; empty unless active.
        ends_at: Until when; None unless active.
    """

    active: bool
    state: AuthorizationState
    items: tuple[DecidedItem, ...] = ()
    remaining_uses: Mapping[int, int]
    matter_code: str = ""
    ends_at: datetime | None = None


class GrantChecks:
    """It answers licence systems of this node."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        questions: AuthorizationQuestions,
        peers: Peers,
        attestor: Attestor,
        reader: EvidenceReader,
        clock: Clock,
    ) -> None:
        """It asks the home node of a grant, which may be this one."""
        self._node = node
        self._questions = questions
        self._peers = peers
        self._attestor = attestor
        self._reader = reader
        self._clock = clock

    async def introspect(self, call: Call, *, grant: bytes, presenter_app_id: str) -> Introspection:
        """It tells whether a grant may be used now by the application that showed it.

        Raises:
            EvidenceRefusedError: It is no grant of a trusted node.
            HomeNodeUnreachableError, HomeNodeTimeoutError: The home node gives no answer; the grant is not to be used.
        """
        token = await self._read(grant)
        answer = await self._ask(
            call, token, QuestionKind.INTROSPECT, presenter_app_id=presenter_app_id, biz_serial="", item_no=0
        )
        if not answer.active:
            return Introspection(active=False, state=answer.state, remaining_uses={})
        return Introspection(
            active=True,
            state=answer.state,
            items=token.items,
            remaining_uses=answer.remaining_uses,
            matter_code=token.matter_code,
            ends_at=token.ends_at,
        )

    async def report(
        self,
        call: Call,
        *,
        biz_serial: str,
        grant: bytes,
        presenter_app_id: str,
        item_no: int,
        use_state: UseState,
    ) -> tuple[str, int]:
        """It counts a use, or ends it, and returns the use's id and the uses of the item that are left.

        Raises:
            EvidenceRefusedError: It is no grant of a trusted node.
            AudienceMismatchError: Another application showed it than it was given to.
            GovcodeError: As `AuthorizationQuestions.report`.
        """
        token = await self._read(grant)
        if presenter_app_id != token.app_id:
            raise AudienceMismatchError(token.authorization_id)
        answer = await self._ask(
            call,
            token,
            QuestionKind.REPORT_USE,
            presenter_app_id=presenter_app_id,
            biz_serial=biz_serial,
            item_no=item_no,
            use_state=use_state,
        )
        return answer.use_id, answer.remaining_uses.get(item_no, 0)

    async def _read(self, grant: bytes) -> Grant:
        read = await self._reader.read(grant, purpose=EvidencePurpose.GRANT, kind=Grant)
        return read.statement

    async def _ask(
        self,
        call: Call,
        token: Grant,
        kind: QuestionKind,
        *,
        presenter_app_id: str,
        biz_serial: str,
        item_no: int,
        use_state: UseState | None = None,
    ) -> AuthorizationAnswer:
        question = AuthorizationQuestion(
            kind=kind,
            from_node=self._node.node_id,
            to_node=token.home_node,
            authorization_id=token.authorization_id,
            app_id=presenter_app_id,
            biz_serial=biz_serial,
            licence_system=call.caller.name,
            item_no=item_no,
            use_state=use_state,
            asked_at=self._clock.now(),
        )
        digest = sm3(self._attestor.payload_of(question))
        if token.home_node == self._node.node_id:
            return await self._questions.about(call, question, request_digest=digest)
        evidence = await self._attestor.attest(EvidencePurpose.AUTHORIZATION_QUESTION, question)
        received = await self._peers.ask_authorization(token.home_node, question=evidence, call=call)
        return await read_answer(self._reader, received, home_node=token.home_node, request_digest=digest)
