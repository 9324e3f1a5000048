"""The holder scans a scene or matter code (主扫), domain 3.3 entry B: what its relying party asks for becomes pending.

The node of the code says what is asked for there, signed, whether the code is its own or was scanned far away; the
holder's node takes it in like any other request.
"""

from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.authorizations import (
    DECISION_TIME,
    Authorization,
    AuthorizationEntry,
    AuthorizationQuestion,
    AuthorizationState,
    ConsentRequest,
    LegalBasis,
    QuestionKind,
    SceneCodeInvalidError,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import ScopeNotRegisteredError
from govcode_node.domain.code_text import normalise
from govcode_node.domain.codecs import CodecSet
from govcode_node.domain.codes import CodeMode, ParsedCode, SubjectKind
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.moments import stated
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.recognition import PeerAnswerRefusedError
from govcode_node.domain.routes import NoRouteError
from govcode_node.domain.scans import ScanAct
from govcode_node.domain.scenes import SceneClass
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers
from govcode_node.ports.security import Attestor, DataKeys, EvidenceReader
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.authorization_acts import earlier_authorization, remember_authorization
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.directory import HomeDirectory
from govcode_node.usecases.holder_desk import AskedHolder, HolderDesk
from govcode_node.usecases.judgement import CodeJudge, SceneCheck
from govcode_node.usecases.reading_parties import relying_application_of
from govcode_node.usecases.requesting import numbered
from govcode_node.usecases.sessions import holder_of

_ASKING_KINDS = frozenset({SubjectKind.THING, SubjectKind.MATTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneRequest:
    """What a scene code asks for, as its node signed it."""

    request: ConsentRequest
    evidence: bytes


class SceneOffers:
    """It says what this node's own scene codes ask for."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        codecs: CodecSet,
        judge: CodeJudge,
        keys: DataKeys,
        attestor: Attestor,
        teller: AuthorizationTeller,
        clock: Clock,
    ) -> None:
        """It judges codes as for a scan, and works over the node's store."""
        self._node = node
        self._database = database
        self._codecs = codecs
        self._judge = judge
        self._keys = keys
        self._attestor = attestor
        self._teller = teller
        self._clock = clock

    def parse(self, code_text: str) -> ParsedCode:
        """It reads a code text.

        Raises:
            MalformedCodeError, UnsupportedVersionError: It is no code that this node reads.
        """
        return self._codecs.parse(normalise(code_text))

    async def request_of(self, parsed: ParsedCode, *, biz_serial: str, home_node: str) -> SceneRequest:
        """It makes the request of a scanned code of this node, and tells the relying party that it was scanned.

        Args:
            parsed: The code.
            biz_serial: Serial of the holder's act.
            home_node: Node that is home to the holder.

        Raises:
            SceneCodeInvalidError: The code does not hold now, or asks for nothing.
            ScopeNotRegisteredError: Its matter is no longer registered.
            AppUnknownError, AppDisabledError: Its relying party may not act.
        """
        fault = await self._judge.check_seal(parsed)
        if fault is not None:
            raise SceneCodeInvalidError(fault.value)
        now = self._clock.now()
        request = await self._database.read(lambda tx: self._look(tx, parsed, biz_serial, home_node, now))
        evidence = await self._attestor.attest(EvidencePurpose.CONSENT_REQUEST, request)
        if home_node != self._node.node_id:
            copy = Authorization(
                authorization_id=request.authorization_id,
                request=request,
                request_evidence=evidence,
                state=AuthorizationState.PENDING,
                decide_before=now + DECISION_TIME,
            )

            def keep(tx: Transaction) -> None:
                if tx.authorizations.add(copy):
                    self._teller.scene_scanned(tx, copy, now=now)

            await self._database.run(keep)
            self._teller.ring(copy)
        return SceneRequest(request=request, evidence=evidence)

    def _look(
        self, tx: Transaction, parsed: ParsedCode, biz_serial: str, home_node: str, now: datetime
    ) -> ConsentRequest:
        content = parsed.content
        if content.subject_kind not in _ASKING_KINDS or content.mode is not CodeMode.STATIC:
            raise SceneCodeInvalidError(Outcome.SCENE_MISMATCH.value)
        finding = self._judge.decide(
            tx, parsed, act=ScanAct.VERIFY, scene=SceneCheck(scene_class=SceneClass.GENERAL), scan_id="", now=now
        )
        if not finding.is_valid or finding.account is None:
            raise SceneCodeInvalidError(finding.outcome.value)
        offer = tx.catalogue.offer(finding.account.account_id)
        if offer is None:
            raise SceneCodeInvalidError(Outcome.VALID.value)
        application, organisation = relying_application_of(tx, offer.app_id)
        matter = tx.catalogue.matter(app_id=application.app_id, matter_code=offer.matter_code)
        if matter is None:
            raise ScopeNotRegisteredError(matter_code=offer.matter_code, app_id=application.app_id)
        return ConsentRequest(
            authorization_id=new_time_ordered_id("au", now=now, random_bytes=self._keys.random_bytes),
            visited_node=self._node.node_id,
            home_node=home_node,
            entry=AuthorizationEntry.HOLDER_SCANNED,
            app_id=application.app_id,
            biz_serial=biz_serial,
            relying_party_name=organisation.name,
            relying_party_uscc=organisation.uscc,
            relying_party_contact=organisation.contact,
            matter_code=matter.matter_code,
            matter_name=matter.name,
            purpose=matter.purpose,
            handling_means=matter.handling_means,
            items=numbered(matter.items),
            retention=matter.max_retention,
            max_uses=1,
            period=matter.max_period,
            requested_at=stated(now),
            scene_class=SceneClass.GENERAL,
        )


class SceneScanning:
    """It lets holders of this node scan scene codes, wherever those come from."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        homes: HomeDirectory,
        offers: SceneOffers,
        desk: HolderDesk,
        peers: Peers,
        attestor: Attestor,
        reader: EvidenceReader,
        teller: AuthorizationTeller,
        acts: ActMemory,
        clock: Clock,
    ) -> None:
        """It works with the offers of this node and the channels to others."""
        self._node = node
        self._database = database
        self._homes = homes
        self._offers = offers
        self._desk = desk
        self._peers = peers
        self._attestor = attestor
        self._reader = reader
        self._teller = teller
        self._acts = acts
        self._clock = clock

    async def scan(
        self, call: Call, *, biz_serial: str, session_token: str, code_text: str
    ) -> tuple[Authorization, bool]:
        """It makes the request of a scanned code the holder's; the answer says whether it is that to an earlier call.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            MalformedCodeError, UnsupportedVersionError: The text is no code.
            SceneCodeInvalidError: The code asks for nothing.
            NoRouteError: Nobody is home to the code.
            HomeNodeUnreachableError, HomeNodeTimeoutError: The code's node gave no answer.
            EvidenceRefusedError, PeerAnswerRefusedError: Its answer is not to be believed.
            SerialConflictError: The serial was used for another code.
            GovcodeError: As `HolderDesk.open`.
        """
        async with self._acts.alone(call, biz_serial):
            now = self._clock.now()
            done = await self._database.read(lambda tx: earlier_authorization(tx, self._acts, call, biz_serial))
            if done is not None:
                return done, True
            await self._database.read(lambda tx: holder_of(tx, call, session_token, now=now))
            parsed = self._offers.parse(code_text)
            asked = await self._ask(call, parsed, code_text, biz_serial)

            def find(tx: Transaction) -> AskedHolder:
                return AskedHolder(account=holder_of(tx, call, session_token, now=now).account, app_id=call.caller.name)

            def then(tx: Transaction, authorization: Authorization) -> None:
                if authorization.account_id != find(tx).account.account_id:
                    # The code's node answers with a request that it has made for another holder.
                    raise PeerAnswerRefusedError(node_id=asked.request.visited_node, why="it asks somebody else")
                if asked.request.visited_node == self._node.node_id:
                    self._teller.scene_scanned(tx, authorization, now=now)
                remember_authorization(tx, self._acts, call, biz_serial, authorization, now=now)

            opened = await self._desk.open(call, asked.request, evidence=asked.evidence, find=find, then=then)
            return opened, False

    async def _ask(self, call: Call, parsed: ParsedCode, code_text: str, biz_serial: str) -> SceneRequest:
        region = parsed.content.region_code
        if self._homes.is_mine(region):
            return await self._offers.request_of(parsed, biz_serial=biz_serial, home_node=self._node.node_id)
        visited = self._homes.home_of(region)
        if visited is None:
            raise NoRouteError(str(region))
        question = AuthorizationQuestion(
            kind=QuestionKind.SCENE,
            from_node=self._node.node_id,
            to_node=visited,
            code_text=normalise(code_text),
            biz_serial=biz_serial,
            asked_at=self._clock.now(),
        )
        evidence = await self._attestor.attest(EvidencePurpose.AUTHORIZATION_QUESTION, question)
        received = await self._peers.ask_authorization(visited, question=evidence, call=call)
        read = await self._reader.read(
            received, purpose=EvidencePurpose.CONSENT_REQUEST, kind=ConsentRequest, signer=visited
        )
        asked = read.statement
        right = (
            asked.home_node == self._node.node_id
            and asked.visited_node == visited
            and asked.entry is AuthorizationEntry.HOLDER_SCANNED
            and asked.biz_serial == biz_serial
            # What stands on a wall asks; a duty that needs no consent is for an officer to invoke (N-35).
            and asked.legal_basis is LegalBasis.CONSENT
        )
        if not right:
            raise PeerAnswerRefusedError(node_id=visited, why="it answers another question")
        return SceneRequest(request=asked, evidence=received)
