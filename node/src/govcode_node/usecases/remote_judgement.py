"""Asking a code's home node (异地互通互认), domain 3.2 as the visited node sees it: the home node decides.

What this node may conclude by itself is little: that it knows no home, that the home is suspended, that its own trust
data are too old, that nobody answered; and, for a signed code in a scene that allows it, that seal and time are right
and the code is on no fresh list of ended codes (OFFLINE_VALID). It never concludes VALID.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from govcode_node.domain.audit import AuditAction, AuditEntry
from govcode_node.domain.callers import Call
from govcode_node.domain.code_rules import time_outcome
from govcode_node.domain.codes import CodeProfile, ParsedCode
from govcode_node.domain.digests import sm3
from govcode_node.domain.disclosure import DisclosedField
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.keys import InvalidSignatureError
from govcode_node.domain.nodes import NodeState, NodeSuspendedError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.recognition import (
    EvidenceRefusedError,
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    HopLimitError,
    LoopDetectedError,
    PeerAnswerRefusedError,
    PeerRefusedError,
    RecognizeAnswer,
    RecognizeRequest,
)
from govcode_node.domain.routes import BUNDLE_STOP_AGE, REVOCATION_LIST_MAX_AGE, NoRouteError, TrustBundle
from govcode_node.domain.scans import ANSWER_LIFETIME, Freshness, ScanAct
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers, TrustHolder
from govcode_node.ports.security import Attestor, CodeSealer, DataKeys, EvidenceReader, FieldsCodec
from govcode_node.ports.stores import Database
from govcode_node.usecases.directory import HomeDirectory
from govcode_node.usecases.reading_parties import ReadingParty

_log = logging.getLogger(__name__)

_OUTCOMES_OF_REFUSALS: tuple[tuple[type[GovcodeError], Outcome], ...] = (
    (HomeNodeTimeoutError, Outcome.HOME_NODE_TIMEOUT),
    (LoopDetectedError, Outcome.LOOP_DETECTED),
    (HopLimitError, Outcome.LOOP_DETECTED),
    (NoRouteError, Outcome.ISSUER_UNKNOWN),
    (NodeSuspendedError, Outcome.ISSUER_SUSPENDED),
)

_NOT_FOR_A_HOME_TO_SAY = frozenset(
    {Outcome.OFFLINE_VALID, Outcome.HOME_NODE_UNREACHABLE, Outcome.HOME_NODE_TIMEOUT, Outcome.TRUST_DATA_STALE}
)
"""What only a node can find that is not the code's home. OFFLINE_VALID above all: whether a scene here allows it is
nothing that another node could know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFinding:
    """What was found about another node's code.

    Attributes:
        outcome: The finding.
        decided_by: The node that decided.
        home_node: The code's home; empty where unknown.
        evidence: The home node's signed answer; empty where it gave none.
        pairwise_id: The subject for the relying party's organisation.
        fields: What the home node disclosed.
        decided_at: When the home node decided; None where it did not.
        valid_until: Until when its answer may be relied on.
        freshness: Age of the trust data.
    """

    outcome: Outcome
    decided_by: str
    home_node: str = ""
    evidence: bytes = b""
    pairwise_id: str = ""
    fields: tuple[DisclosedField, ...] = ()
    decided_at: datetime | None = None
    valid_until: datetime | None = None
    freshness: Freshness = field(default_factory=Freshness)


class RemoteJudge:
    """It has other nodes' codes judged."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        homes: HomeDirectory,
        trust: TrustHolder,
        peers: Peers,
        attestor: Attestor,
        reader: EvidenceReader,
        sealer: CodeSealer,
        keys: DataKeys,
        fields: FieldsCodec,
        database: Database,
        clock: Clock,
    ) -> None:
        """It works over the trust bundle and the channels to peers."""
        self._node = node
        self._homes = homes
        self._trust = trust
        self._peers = peers
        self._attestor = attestor
        self._reader = reader
        self._sealer = sealer
        self._keys = keys
        self._fields = fields
        self._database = database
        self._clock = clock

    async def judge(
        self,
        call: Call,
        *,
        parsed: ParsedCode,
        text: str,
        act: ScanAct,
        biz_serial: str,
        place: str,
        party: ReadingParty,
        now: datetime,
    ) -> RemoteFinding:
        """It finds the home node, asks it, and believes only a fresh answer of that node to this very question."""
        home = await self._find_home(parsed)
        bundle, age = self._trust.bundle(), self._trust.age()
        if home is None or bundle is None:
            return self._own(Outcome.ISSUER_UNKNOWN, home or "")
        freshness = Freshness(bundle_age=age)
        if age is None or age > BUNDLE_STOP_AGE:
            return self._own(Outcome.TRUST_DATA_STALE, home, freshness)
        node = bundle.node(home)
        if node is None or node.state is not NodeState.ACTIVE:
            return self._own(Outcome.ISSUER_SUSPENDED, home, freshness)
        if parsed.content.test_environment is not self._node.test_environment:
            # A test node that stands in the bundle of a production federation must not make anybody's code good here.
            return self._own(Outcome.TEST_CODE, home, freshness)
        if parsed.content.subject_kind not in party.scene.subject_kinds:
            return self._own(Outcome.SCENE_MISMATCH, home, freshness)
        refused = await self._precheck(parsed, bundle, home, now)
        if refused is not None:
            return self._own(refused, home, freshness)
        request = RecognizeRequest(
            visited_node=self._node.node_id,
            home_node=home,
            act=act,
            code_text=text,
            app_id=party.application.app_id,
            biz_serial=biz_serial,
            relying_party_name=party.organisation.name,
            relying_party_uscc=party.organisation.uscc,
            scene_class=party.scene.scene_class,
            place=place or party.place,
            scanned_at=now,
        )
        try:
            return await self._ask(call, request, parsed=parsed, freshness=freshness)
        except GovcodeError as error:
            return await self._without_home(error, home, parsed=parsed, party=party, freshness=freshness)

    async def _find_home(self, parsed: ParsedCode) -> str | None:
        home = self._homes.home_of(parsed.content.region_code)
        if home is None:
            await self._trust.refresh(why="a region without a route")
            home = self._homes.home_of(parsed.content.region_code)
        return home

    async def _precheck(self, parsed: ParsedCode, bundle: TrustBundle, home: str, now: datetime) -> Outcome | None:
        """It refuses forged and expired signed codes here, so that they do not load their home (domain 3.2 step 7)."""
        if parsed.content.profile is not CodeProfile.SIGNED:
            return None
        key = bundle.seal_key(home, parsed.content.key_no)
        if key is None:
            return None  # a key newer than the bundle: the home node knows better
        if bundle.is_revoked(key, home):
            return Outcome.KEY_REVOKED
        try:
            await self._sealer.verify_with_public(key.public_key, parsed.seal, parsed.sealed_bytes)
        except InvalidSignatureError:
            return Outcome.SEAL_INVALID
        return time_outcome(parsed.content, now)

    async def _ask(
        self, call: Call, request: RecognizeRequest, *, parsed: ParsedCode, freshness: Freshness
    ) -> RemoteFinding:
        evidence = await self._attestor.attest(EvidencePurpose.RECOGNIZE_REQUEST, request)
        sent = sm3(self._attestor.payload_of(request))
        try:
            received = await self._peers.recognize(
                request.home_node, request=evidence, hops=(self._node.node_id,), call=call
            )
            read = await self._reader.read(
                received,
                purpose=EvidencePurpose.RECOGNIZE_ANSWER,
                kind=RecognizeAnswer,
                signer=request.home_node,
            )
            answer = read.statement
            answer.check_answers(
                request,
                request_digest=sent,
                code_id=parsed.content.code_id,
                signed_at=read.signed_at,
                now=self._clock.now(),
            )
            _check_outcome(answer)
            fields = await self._open_fields(answer)
        except (EvidenceRefusedError, PeerAnswerRefusedError) as error:
            await self._report_bad_answer(call, request, error)
            raise PeerAnswerRefusedError(node_id=request.home_node, why=str(error)) from error
        good = answer.outcome is Outcome.VALID
        return RemoteFinding(
            outcome=answer.outcome,
            decided_by=answer.home_node,
            home_node=answer.home_node,
            evidence=received,
            # Whatever else a home node sends, a refusal tells nothing of a subject, and a verification no fields.
            pairwise_id=answer.pairwise_id if good else "",
            fields=fields if good and request.act is ScanAct.SCAN else (),
            decided_at=answer.decided_at,
            valid_until=min(answer.valid_until, self._clock.now() + ANSWER_LIFETIME),
            freshness=freshness,
        )

    async def _open_fields(self, answer: RecognizeAnswer) -> tuple[DisclosedField, ...]:
        if not answer.sealed_fields:
            return ()
        try:
            plain = await self._keys.open_for_node(answer.sealed_fields, answer.request_digest)
        except GovcodeError as error:
            raise PeerAnswerRefusedError(node_id=answer.home_node, why="its fields cannot be opened") from error
        return self._fields.load(plain)

    async def _without_home(
        self, error: GovcodeError, home: str, *, parsed: ParsedCode, party: ReadingParty, freshness: Freshness
    ) -> RemoteFinding:
        """It says what can be said when the home node gave no answer that may be believed."""
        outcome = next((known for kind, known in _OUTCOMES_OF_REFUSALS if isinstance(error, kind)), None)
        if outcome is None:
            unanswered = (HomeNodeUnreachableError, PeerAnswerRefusedError, PeerRefusedError)
            if not isinstance(error, unanswered):
                raise error
            outcome = Outcome.HOME_NODE_UNREACHABLE
        _log.warning("home node gave no answer", extra={"home": home, "why": str(error), "outcome": outcome.value})
        away = {Outcome.HOME_NODE_UNREACHABLE, Outcome.HOME_NODE_TIMEOUT}
        if outcome in away and isinstance(error, HomeNodeUnreachableError | HomeNodeTimeoutError):
            offline = await self._offline(home, parsed=parsed, party=party, freshness=freshness)
            if offline is not None:
                return offline
        return self._own(outcome, home, freshness)

    async def _offline(
        self, home: str, *, parsed: ParsedCode, party: ReadingParty, freshness: Freshness
    ) -> RemoteFinding | None:
        """It judges a signed code without its home, where the scene allows it (6.2-11, N-48); None where it may not.

        All is checked by the bundle and the clock of this moment: while the home node was waited for, the code may have
        ended, and a bundle may have come that revokes its key, or first names the key. A one-time code is never good
        offline: only its home knows whether it was used.
        """
        content, bundle = parsed.content, self._trust.bundle()
        revoked = self._trust.revocation_list(home)
        if content.profile is not CodeProfile.SIGNED or content.one_time or not party.scene.offline_allowed:
            return None
        node = bundle.node(home) if bundle is not None else None
        if revoked is None or bundle is None or node is None or bundle.seal_key(home, content.key_no) is None:
            return None
        if node.state is not NodeState.ACTIVE:
            return self._own(Outcome.ISSUER_SUSPENDED, home, freshness)
        now = self._clock.now()
        list_age = max(timedelta(), now - revoked.list_time)
        freshness = Freshness(bundle_age=freshness.bundle_age, revocation_list_age=list_age)
        if list_age > REVOCATION_LIST_MAX_AGE:
            return None
        if content.code_id in revoked.code_ids:
            return self._own(Outcome.REVOKED, home, freshness)
        refused = await self._precheck(parsed, bundle, home, now)
        return self._own(refused or Outcome.OFFLINE_VALID, home, freshness)

    def _own(self, outcome: Outcome, home: str, freshness: Freshness | None = None) -> RemoteFinding:
        return RemoteFinding(
            outcome=outcome, decided_by=self._node.node_id, home_node=home, freshness=freshness or Freshness()
        )

    async def _report_bad_answer(self, call: Call, request: RecognizeRequest, error: GovcodeError) -> None:
        _log.error("peer answer refused", extra={"peer": request.home_node, "why": str(error)})
        entry = AuditEntry(
            happened_at=self._clock.now(),
            actor_class="node",
            actor=request.home_node,
            action=AuditAction.PEER_ANSWER_REFUSED,
            object=request.home_node,
            result=type(error).__name__,
            biz_serial=request.biz_serial,
            trace_id=call.trace_id,
        )
        await self._database.run(lambda tx: tx.audit.add(entry))


def _check_outcome(answer: RecognizeAnswer) -> None:
    """It raises where a home node says what only another node can find."""
    if answer.outcome in _NOT_FOR_A_HOME_TO_SAY:
        raise PeerAnswerRefusedError(node_id=answer.home_node, why=f"it cannot find {answer.outcome.value}")
