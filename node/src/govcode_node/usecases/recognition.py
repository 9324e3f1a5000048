"""Answering other nodes about a code (异地互通互认), domain 3.2 as the home node sees it, and passing requests on.

The home node decides, consumes, records and tells its holder exactly as for a scan of its own, and discloses only what
its rules allow across regions, sealed to the visited node. The answer is made anew for each request from the scan's
row, so that a request repeated after a lost answer gets the same finding, bound to the new request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call, IdentityMismatchError
from govcode_node.domain.codecs import CodecSet, MalformedCodeError, UnsupportedVersionError
from govcode_node.domain.codes import ParsedCode
from govcode_node.domain.digests import sm3
from govcode_node.domain.disclosure import DisclosedField, FieldRule
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.recognition import (
    CLOCK_TOLERANCE,
    REQUEST_WINDOW,
    EvidenceStaleError,
    HopLimitError,
    LoopDetectedError,
    RecognizeAnswer,
    RecognizeRequest,
)
from govcode_node.domain.routes import MAX_HOPS, NoRouteError, TrustBundleMissingError
from govcode_node.domain.scans import ANSWER_LIFETIME, ScanAct, ScanAnswer, ScanRow
from govcode_node.domain.scenes import SceneClass
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers, TrustHolder
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.security import Attestor, DataKeys, EvidenceReader, FieldsCodec, ReadEvidence
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.directory import HomeDirectory
from govcode_node.usecases.event_feed import EventBell
from govcode_node.usecases.judgement import CodeJudge, Finding, SceneCheck
from govcode_node.usecases.notices import notify_scan
from govcode_node.usecases.peer_evidence import seal_peer_evidence
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.trail import record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One request of another node, checked."""

    call: Call
    request: RecognizeRequest
    evidence: bytes
    digest: bytes
    parsed: ParsedCode | None
    fault: Outcome | None
    scan_id: str
    now: datetime

    @property
    def caller(self) -> str:
        """The name under which its serials are kept: the visited node and its application."""
        return f"node:{self.request.visited_node}/{self.request.app_id}"

    @property
    def content_digest(self) -> bytes:
        """It tells a repetition from another scan: what was asked, without the time and the signature."""
        request = self.request
        parts = (request.code_text, request.relying_party_uscc, request.scene_class.value, request.home_node)
        return sm3(repr(parts).encode())


class Recognition:
    """It judges this node's codes for other nodes, and passes on what is not its own."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        codecs: CodecSet,
        judge: CodeJudge,
        homes: HomeDirectory,
        trust: TrustHolder,
        peers: Peers,
        fields: SubjectFields,
        fields_codec: FieldsCodec,
        disclosure: Mapping[SceneClass, tuple[FieldRule, ...]],
        keys: DataKeys,
        attestor: Attestor,
        reader: EvidenceReader,
        bell: EventBell,
        clock: Clock,
        peer_limit: RateLimit,
    ) -> None:
        """It works with the node's judge; `disclosure` says what leaves the node by the kind of scene."""
        self._node = node
        self._database = database
        self._codecs = codecs
        self._judge = judge
        self._homes = homes
        self._trust = trust
        self._peers = peers
        self._fields = fields
        self._fields_codec = fields_codec
        self._disclosure = disclosure
        self._keys = keys
        self._attestor = attestor
        self._reader = reader
        self._bell = bell
        self._clock = clock
        self._peer_limit = peer_limit

    async def recognize(self, call: Call, *, request: bytes, hops: tuple[str, ...]) -> bytes:
        """It answers another node's question about a code.

        Args:
            call: The call; the caller is the node that the request came from last.
            request: Evidence of a RecognizeRequest.
            hops: Nodes that the request has passed, the visited node first.

        Returns:
            Evidence of a RecognizeAnswer, of this node or as the next node gave it.

        Raises:
            LoopDetectedError, HopLimitError: The request goes in a circle, or too far.
            IdentityMismatchError: The caller is not the last hop, or the request is not for this node.
            EvidenceRefusedError, EvidenceStaleError: The request is not to be believed.
            RateLimitedError: The peer asks too often.
            SerialConflictError: The serial was used for another scan.
        """
        self._check_hops(call, hops)
        self._peer_limit.take(call.caller.name)
        read = await self._reader.read(request, purpose=EvidencePurpose.RECOGNIZE_REQUEST, kind=RecognizeRequest)
        self._check_request(read, hops)
        question = self._question(call, request, read)
        region = question.parsed.content.region_code if question.parsed is not None else None
        if region is not None and not self._homes.is_mine(region):
            home = self._homes.home_of(region)
            if home is None:
                raise NoRouteError(str(region))
            return await self._peers.recognize(home, request=request, hops=(*hops, self._node.node_id), call=call)
        if question.request.home_node != self._node.node_id:
            raise IdentityMismatchError(certificate=self._node.node_id, message=question.request.home_node)
        return await self._answer(question)

    def _check_hops(self, call: Call, hops: tuple[str, ...]) -> None:
        if self._node.node_id in hops:
            raise LoopDetectedError(",".join(hops))
        if len(hops) > MAX_HOPS:
            raise HopLimitError(",".join(hops[: MAX_HOPS + 1]))
        if not hops or hops[-1] != call.caller.name:
            raise IdentityMismatchError(certificate=call.caller.name, message=hops[-1] if hops else "")

    def _check_request(self, read: ReadEvidence[RecognizeRequest], hops: tuple[str, ...]) -> None:
        if not read.node_id == read.statement.visited_node == hops[0]:
            raise IdentityMismatchError(certificate=read.node_id, message=read.statement.visited_node)
        age = self._clock.now() - read.signed_at
        if age > REQUEST_WINDOW or -age > CLOCK_TOLERANCE:
            raise EvidenceStaleError(int(age.total_seconds()))

    def _question(self, call: Call, evidence: bytes, read: ReadEvidence[RecognizeRequest]) -> _Question:
        parsed, fault = None, None
        try:
            parsed = self._codecs.parse(read.statement.code_text)
        except MalformedCodeError:
            fault = Outcome.MALFORMED
        except UnsupportedVersionError:
            fault = Outcome.VERSION_UNSUPPORTED
        now = self._clock.now()
        return _Question(
            call=call,
            request=read.statement,
            evidence=evidence,
            digest=sm3(read.payload),
            parsed=parsed,
            fault=fault,
            scan_id=new_time_ordered_id("sc", now=now, random_bytes=self._keys.random_bytes),
            now=now,
        )

    async def _answer(self, question: _Question) -> bytes:
        fault = question.fault
        if question.parsed is not None:
            fault = await self._judge.check_seal(question.parsed)
        row, told = await self._database.run(lambda tx: self._judge_and_keep(tx, question, fault))
        self._bell.ring(told)
        kept = self._attestor.statement_of(ScanAnswer, self._keys.open_record(row.answer, row.scan_id.encode()))
        answer = RecognizeAnswer(
            request_digest=question.digest,
            visited_node=question.request.visited_node,
            home_node=self._node.node_id,
            act=kept.act,
            app_id=kept.app_id,
            biz_serial=kept.biz_serial,
            scan_id=kept.scan_id,
            code_id=kept.code_id,
            outcome=kept.outcome,
            subject_kind=kept.subject_kind,
            proxy=kept.proxy,
            pairwise_id=kept.pairwise_id,
            sealed_fields=await self._seal_fields(question, kept.fields),
            decided_at=kept.decided_at,
            valid_until=question.now + ANSWER_LIFETIME,
        )
        return await self._attestor.attest(EvidencePurpose.RECOGNIZE_ANSWER, answer)

    async def _seal_fields(self, question: _Question, fields: tuple[DisclosedField, ...]) -> bytes:
        if not fields:
            return b""
        bundle = self._trust.bundle()
        if bundle is None:
            raise TrustBundleMissingError
        key = bundle.encryption_key(question.request.visited_node, at=question.now)
        if key is None:
            return b""  # nobody could open them; the finding stands without
        return await self._keys.seal_to_public(key.public_key, self._fields_codec.dump(fields), question.digest)

    def _judge_and_keep(
        self, tx: Transaction, question: _Question, fault: Outcome | None
    ) -> tuple[ScanRow, str | None]:
        request = question.request
        before = tx.scans.find(caller=question.caller, act=request.act, biz_serial=request.biz_serial)
        if before is not None:
            if before.request_digest != question.content_digest:
                raise SerialConflictError(request.biz_serial)
            return before, None
        finding = Finding(outcome=fault or Outcome.MALFORMED)
        if fault is None and question.parsed is not None:
            finding = self._judge.decide(
                tx,
                question.parsed,
                act=request.act,
                scene=SceneCheck(scene_class=request.scene_class),
                scan_id=question.scan_id,
                now=question.now,
            )
        row = self._row(question, self._statement(tx, question, finding), finding)
        tx.scans.add(row)
        record(
            tx,
            question.call,
            AuditAction.CODE_SCANNED if request.act is ScanAct.SCAN else AuditAction.CODE_VERIFIED,
            at=question.now,
            object_id=row.scan_id,
            result=row.outcome.value,
            biz_serial=row.biz_serial,
            visited=request.visited_node,
            app=request.app_id,
        )
        if not finding.is_valid or finding.code is None or request.act is not ScanAct.SCAN:
            return row, None
        return row, notify_scan(tx, row, code=finding.code)

    def _statement(self, tx: Transaction, question: _Question, finding: Finding) -> ScanAnswer:
        """It gives what is kept of the finding: an answer as for an own scan, from which answers to peers are made."""
        request = question.request
        content = question.parsed.content if question.parsed is not None else None
        fields: tuple[DisclosedField, ...] = ()
        pairwise_id = ""
        if finding.is_valid and finding.account is not None and finding.code is not None:
            pairwise_id = self._keys.pseudonym(finding.account.account_id, request.relying_party_uscc)
            if request.act is ScanAct.SCAN:
                rules = self._disclosure.get(request.scene_class, ())
                fields = self._fields.disclose(tx, account=finding.account, code=finding.code, rules=rules)
        return ScanAnswer(
            scan_id=question.scan_id,
            act=request.act,
            biz_serial=request.biz_serial,
            app_id=request.app_id,
            outcome=finding.outcome,
            code_id=content.code_id if content is not None else b"",
            subject_kind=content.subject_kind if content is not None and finding.is_valid else None,
            proxy=content is not None and content.proxy and finding.is_valid,
            pairwise_id=pairwise_id,
            fields=fields,
            decided_by=self._node.node_id,
            home_region=str(content.region_code) if content is not None else "",
            decided_at=question.now,
            valid_until=question.now + ANSWER_LIFETIME,
            scene_no=0,
            code_text_digest=sm3(request.code_text.encode()),
        )

    def _row(self, question: _Question, answer: ScanAnswer, finding: Finding) -> ScanRow:
        request = question.request
        return ScanRow(
            scan_id=answer.scan_id,
            caller=question.caller,
            biz_serial=request.biz_serial,
            request_digest=question.content_digest,
            act=request.act,
            outcome=answer.outcome,
            code_id=answer.code_id,
            account_id=finding.account.account_id if finding.account is not None else None,
            home_node=self._node.node_id,
            visited_node=request.visited_node,
            relying_party_name=request.relying_party_name,
            scene_no=0,
            scene_class=request.scene_class,
            place=request.place,
            device_id="",
            disclosed_fields=tuple(field.name.value for field in answer.fields),
            decided_at=answer.decided_at,
            trace_id=question.call.trace_id,
            answer=self._keys.seal_record(self._attestor.payload_of(answer), answer.scan_id.encode()),
            peer_evidence=seal_peer_evidence(self._keys, answer.scan_id, question.evidence),
        )
