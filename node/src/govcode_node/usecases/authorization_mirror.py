"""The visited node's copy of an authorization whose holder is at home elsewhere, and how it follows the home node.

The home node decides and counts. The copy tells this node's applications where things stand without asking each time,
and lets it refuse at once what it knows to be over.
"""

from collections.abc import Callable

from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationAnswer,
    AuthorizationQuestion,
    AuthorizationState,
    Grant,
    QuestionKind,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.digests import sm3
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.recognition import PeerAnswerRefusedError
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers
from govcode_node.ports.security import Attestor, EvidenceReader
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.authorization_telling import AuthorizationTeller

_GRANTED = frozenset({AuthorizationState.GRANTED, AuthorizationState.EXHAUSTED, AuthorizationState.EXPIRED})


class AuthorizationMirror:
    """It keeps copies and brings them up to what their home nodes say."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        attestor: Attestor,
        reader: EvidenceReader,
        peers: Peers,
        teller: AuthorizationTeller,
        clock: Clock,
    ) -> None:
        """It asks over the channels to peers and believes only evidence."""
        self._node = node
        self._database = database
        self._attestor = attestor
        self._reader = reader
        self._peers = peers
        self._teller = teller
        self._clock = clock

    async def hand_over(
        self,
        call: Call,
        authorization: Authorization,
        *,
        then: Callable[[Transaction, Authorization], None],
    ) -> Authorization:
        """It sends a request to the holder's home node and follows the answer.

        Raises:
            HomeNodeUnreachableError, HomeNodeTimeoutError: The home node gave no answer.
            EvidenceRefusedError, PeerAnswerRefusedError: Its answer is not to be believed.
            GovcodeError: Its refusal.
        """
        request = authorization.request
        received = await self._peers.forward_consent_request(
            request.home_node, request=authorization.request_evidence, call=call
        )
        digest = sm3(self._attestor.payload_in(authorization.request_evidence))
        return await self._follow(authorization, received, digest, then)

    async def ask(self, call: Call, authorization: Authorization) -> Authorization:
        """It asks the home node where an authorization stands, and follows.

        Raises:
            HomeNodeUnreachableError, HomeNodeTimeoutError: The home node gave no answer.
            EvidenceRefusedError, PeerAnswerRefusedError: Its answer is not to be believed.
        """
        request = authorization.request
        question = AuthorizationQuestion(
            kind=QuestionKind.STATE,
            from_node=self._node.node_id,
            to_node=request.home_node,
            authorization_id=authorization.authorization_id,
            app_id=request.app_id,
            asked_at=self._clock.now(),
        )
        evidence = await self._attestor.attest(EvidencePurpose.AUTHORIZATION_QUESTION, question)
        received = await self._peers.ask_authorization(request.home_node, question=evidence, call=call)
        digest = sm3(self._attestor.payload_of(question))
        return await self._follow(authorization, received, digest, lambda tx, authorization: None)

    async def _follow(
        self,
        authorization: Authorization,
        received: bytes,
        digest: bytes,
        then: Callable[[Transaction, Authorization], None],
    ) -> Authorization:
        answer = await read_answer(
            self._reader, received, home_node=authorization.request.home_node, request_digest=digest
        )
        if answer.authorization_id != authorization.authorization_id:
            raise PeerAnswerRefusedError(node_id=answer.home_node, why="it is about another authorization")
        grant = await self._grant_of(authorization, answer)
        now = self._clock.now()

        def follow(tx: Transaction) -> Authorization:
            if answer.state is not AuthorizationState.PENDING:
                moved = tx.authorizations.decide(
                    authorization.authorization_id,
                    state=AuthorizationState.GRANTED if grant is not None else answer.state,
                    items=grant.items if grant is not None else (),
                    decided_at=answer.decided_at or now,
                    ends_at=grant.ends_at if grant is not None else None,
                    consent=b"",
                    grant=answer.grant,
                )
                if answer.state is AuthorizationState.WITHDRAWN:
                    # The signed withdrawal comes with the home node's notice.
                    gone = tx.authorizations.withdraw(authorization.authorization_id, at=now, withdrawal=b"")
                    moved = moved or gone
                if moved:
                    self._teller.changed(tx, authorization, state=answer.state, party=True, now=now)
            present = tx.authorizations.get(authorization.authorization_id) or authorization
            then(tx, present)
            return _with_counts(present, answer)

        followed = await self._database.run(follow)
        self._teller.ring(followed)
        return followed

    async def _grant_of(self, authorization: Authorization, answer: AuthorizationAnswer) -> Grant | None:
        """It checks the grant in an answer: signed by the home node, for what was asked by whom."""
        if not answer.grant:
            if answer.state in _GRANTED:
                raise PeerAnswerRefusedError(node_id=answer.home_node, why="it brings no grant")
            return None
        read = await self._reader.read(answer.grant, purpose=EvidencePurpose.GRANT, kind=Grant, signer=answer.home_node)
        grant, request = read.statement, authorization.request
        same = (
            grant.authorization_id == authorization.authorization_id
            and grant.app_id == request.app_id
            and grant.visited_node == request.visited_node
            and grant.matter_code == request.matter_code
            and grant.max_uses <= request.max_uses
        )
        if not same:
            raise PeerAnswerRefusedError(node_id=answer.home_node, why="its grant is for something else")
        return grant


def _with_counts(authorization: Authorization, answer: AuthorizationAnswer) -> Authorization:
    """It shows the counts of the home node, which the copy does not keep."""
    limit = authorization.request.max_uses
    uses = {item_no: max(0, limit - left) for item_no, left in answer.remaining_uses.items()}
    return authorization.with_uses(uses)


async def read_answer(
    reader: EvidenceReader, received: bytes, *, home_node: str, request_digest: bytes
) -> AuthorizationAnswer:
    """It reads the home node's answer to one request.

    Raises:
        EvidenceRefusedError: It is not signed by the home node.
        PeerAnswerRefusedError: It answers another request.
    """
    read = await reader.read(
        received, purpose=EvidencePurpose.AUTHORIZATION_ANSWER, kind=AuthorizationAnswer, signer=home_node
    )
    if read.statement.request_digest != request_digest:
        raise PeerAnswerRefusedError(node_id=home_node, why="it answers another request")
    return read.statement
