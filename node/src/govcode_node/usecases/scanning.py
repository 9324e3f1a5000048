"""Scanning and verifying a code (扫码, 验码) for a relying party of this node, domain 3.1 steps 5 to 8.

The relying party and its device are checked, the code is judged (here, or by its home node), and one unit records the
scan, the notice to the holder and the audit entry; the answer is signed after that. The scan's row is the memory of its
serial: asked again, the same answer comes from it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from govcode_node.domain.accounts import Account
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.code_text import normalise
from govcode_node.domain.codecs import CodecSet, MalformedCodeError, UnsupportedVersionError
from govcode_node.domain.codes import ParsedCode
from govcode_node.domain.digests import sm3
from govcode_node.domain.disclosure import DisclosedField
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.moments import stated
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import ANSWER_LIFETIME, UNDECIDED, ScanAct, ScanAnswer, ScanRow
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import Attestor, DataKeys
from govcode_node.ports.stores import Database, Transaction
from govcode_node.ports.telemetry import DecisionCounters
from govcode_node.usecases.directory import HomeDirectory
from govcode_node.usecases.event_feed import EventBell
from govcode_node.usecases.judgement import CodeJudge, Finding, SceneCheck
from govcode_node.usecases.notices import notify_scan
from govcode_node.usecases.peer_evidence import open_peer_evidence, seal_peer_evidence
from govcode_node.usecases.reading_parties import ReadingParty, reading_party_of
from govcode_node.usecases.remote_judgement import RemoteFinding, RemoteJudge
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.trail import record

_ACTIONS: Final = {ScanAct.SCAN: AuditAction.CODE_SCANNED, ScanAct.VERIFY: AuditAction.CODE_VERIFIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCommand:
    """What a relying party asks.

    Attributes:
        act: Scan or verification.
        biz_serial: Serial of the act.
        code_text: The text as read.
        scene_no: Scene in which it was read.
        place: Where, for the holder's records.
    """

    act: ScanAct
    biz_serial: str
    code_text: str = field(repr=False)
    scene_no: int
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The answer with its proof.

    Attributes:
        answer: What is stated.
        evidence: The answer, signed by this node.
        home_evidence: The home node's signed answer; empty for a code of this node.
        home_region_name: Name of the code's home region; empty where unknown.
        replayed: Whether the answer is that to an earlier call with the same serial.
    """

    answer: ScanAnswer
    evidence: bytes
    home_evidence: bytes = b""
    home_region_name: str = ""
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a unit kept of a reading.

    Attributes:
        row: The scan's row.
        payload: The answer as it was written just now; None where the row is that of an earlier call.
        answer: What the payload states, where that is at hand.
        told: The application that is told of the use; None where nobody is.
    """

    row: ScanRow
    payload: bytes | None = None
    answer: ScanAnswer | None = None
    told: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One reading of one code: what is known before it is judged."""

    call: Call
    command: ScanCommand
    text: str
    text_digest: bytes
    parsed: ParsedCode | None
    fault: Outcome | None
    scan_id: str
    now: datetime


class Scanning:
    """It scans and verifies codes."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        codecs: CodecSet,
        judge: CodeJudge,
        remote: RemoteJudge,
        homes: HomeDirectory,
        fields: SubjectFields,
        keys: DataKeys,
        attestor: Attestor,
        bell: EventBell,
        clock: Clock,
        counters: DecisionCounters,
    ) -> None:
        """It works over the node's store, with the judges for its own and for other nodes' codes."""
        self._node = node
        self._database = database
        self._codecs = codecs
        self._judge = judge
        self._remote = remote
        self._homes = homes
        self._fields = fields
        self._keys = keys
        self._attestor = attestor
        self._bell = bell
        self._clock = clock
        self._counters = counters

    async def scan(self, call: Call, command: ScanCommand) -> ScanResult:
        """It answers about a code; a code text within the size cap always gets an outcome.

        Raises:
            AppDisabledError, DeviceUnknownError, DeviceDisabledError: The caller may not scan now.
            SceneUnknownError, SceneNotAllowedError: The scene is not the caller's.
            SerialConflictError: The serial was used for another scan.
            StoreUnavailableError: Nothing was decided or kept; neither VALID nor OFFLINE_VALID is guessed.
            KeyUnavailableError: The answer cannot be signed; asked again, it is the same.
        """
        reading = self._read(call, command)
        if reading.parsed is not None and reading.fault is None:
            region = reading.parsed.content.region_code
            if not self._homes.is_mine(region):
                return await self._scan_foreign(reading, reading.parsed)
            reading = await self._with_seal_checked(reading, reading.parsed)
        kept = await self._database.run(lambda tx: self._scan_here(tx, reading))
        self._bell.ring(kept.told)
        return await self._result_of(kept)

    def _read(self, call: Call, command: ScanCommand) -> _Reading:
        # Cut here, the answer is the same now and when it is read back.
        now = stated(self._clock.now())
        text = normalise(command.code_text)
        parsed, fault = None, None
        try:
            parsed = self._codecs.parse(text)
        except MalformedCodeError:
            fault = Outcome.MALFORMED
        except UnsupportedVersionError:
            fault = Outcome.VERSION_UNSUPPORTED
        return _Reading(
            call=call,
            command=command,
            text=text,
            text_digest=sm3(command.code_text.encode()),
            parsed=parsed,
            fault=fault,
            scan_id=new_time_ordered_id("sc", now=now, random_bytes=self._keys.random_bytes),
            now=now,
        )

    async def _with_seal_checked(self, reading: _Reading, parsed: ParsedCode) -> _Reading:
        fault = await self._judge.check_seal(parsed)
        if fault is None:
            return reading
        return _Reading(
            call=reading.call,
            command=reading.command,
            text=reading.text,
            text_digest=reading.text_digest,
            parsed=parsed,
            fault=fault,
            scan_id=reading.scan_id,
            now=reading.now,
        )

    def _scan_here(self, tx: Transaction, reading: _Reading) -> _Kept:
        """It judges a code of this node in one unit."""
        party = reading_party_of(tx, reading.call, reading.command.scene_no, now=reading.now)
        before = self._earlier(tx, reading, party)
        if before is not None:
            return _Kept(row=before)
        finding = self._find(tx, reading, party)
        fields: tuple[DisclosedField, ...] = ()
        pairwise_id = ""
        if finding.is_valid and finding.account is not None and finding.code is not None:
            pairwise_id = self._keys.pseudonym(finding.account.account_id, party.organisation.uscc)
            if reading.command.act is ScanAct.SCAN:
                rules = party.scene.fields
                fields = self._fields.disclose(tx, account=finding.account, code=finding.code, rules=rules)
        content = reading.parsed.content if reading.parsed is not None else None
        answer = ScanAnswer(
            scan_id=reading.scan_id,
            act=reading.command.act,
            biz_serial=reading.command.biz_serial,
            app_id=party.application.app_id,
            outcome=finding.outcome,
            code_id=content.code_id if content is not None else b"",
            subject_kind=content.subject_kind if content is not None and finding.is_valid else None,
            proxy=content is not None and content.proxy and finding.is_valid,
            pairwise_id=pairwise_id,
            fields=fields,
            decided_by=self._node.node_id,
            home_region=str(content.region_code) if content is not None else "",
            decided_at=reading.now,
            valid_until=reading.now + ANSWER_LIFETIME,
            scene_no=reading.command.scene_no,
            code_text_digest=reading.text_digest,
        )
        home_node = self._node.node_id if content is not None else ""
        payload = self._attestor.payload_of(answer)
        row = self._row(reading, party, answer, payload, home_node=home_node, account=finding.account)
        return _Kept(row=row, payload=payload, answer=answer, told=self._keep(tx, reading, row, finding))

    def _find(self, tx: Transaction, reading: _Reading, party: ReadingParty) -> Finding:
        if reading.fault is not None or reading.parsed is None:
            return Finding(outcome=reading.fault or Outcome.MALFORMED)
        return self._judge.decide(
            tx,
            reading.parsed,
            act=reading.command.act,
            scene=SceneCheck(
                scene_class=party.scene.scene_class,
                scene_no=party.scene.scene_no,
                subject_kinds=party.scene.subject_kinds,
            ),
            scan_id=reading.scan_id,
            now=reading.now,
        )

    async def _scan_foreign(self, reading: _Reading, parsed: ParsedCode) -> ScanResult:
        """It has the home node judge, then records the result here.

        An earlier answer under the same serial is final, unless it said nothing about the code: then the home is asked
        again, which answers from its own memory of the serial if it did hear the first question.
        """

        def look(tx: Transaction) -> tuple[ReadingParty, ScanRow | None]:
            party = reading_party_of(tx, reading.call, reading.command.scene_no, now=reading.now)
            return party, self._earlier(tx, reading, party)

        party, before = await self._database.read(look)
        if before is not None and before.outcome not in UNDECIDED:
            return await self._result_of(_Kept(row=before))
        found = await self._remote.judge(
            reading.call,
            parsed=parsed,
            text=reading.text,
            act=reading.command.act,
            biz_serial=reading.command.biz_serial,
            place=reading.command.place,
            party=party,
            now=reading.now,
        )

        def keep(tx: Transaction) -> _Kept:
            earlier = self._earlier(tx, reading, party)
            stays = earlier is not None and (found.outcome in UNDECIDED or not tx.scans.withdraw(earlier.scan_id))
            if earlier is not None and stays:
                return _Kept(row=earlier)
            answer = self._foreign_answer(reading, parsed, party, found)
            payload = self._attestor.payload_of(answer)
            row = self._row(reading, party, answer, payload, home_node=found.home_node, peer_evidence=found.evidence)
            self._keep(tx, reading, row, None)
            # The answer is read from the payload, where ages are cut to what is stated.
            return _Kept(row=row, payload=payload)

        return await self._result_of(await self._database.run(keep))

    def _foreign_answer(
        self, reading: _Reading, parsed: ParsedCode, party: ReadingParty, found: RemoteFinding
    ) -> ScanAnswer:
        good = found.outcome in {Outcome.VALID, Outcome.OFFLINE_VALID}
        decided_at = found.decided_at or self._clock.now()
        return ScanAnswer(
            scan_id=reading.scan_id,
            act=reading.command.act,
            biz_serial=reading.command.biz_serial,
            app_id=party.application.app_id,
            outcome=found.outcome,
            code_id=parsed.content.code_id,
            subject_kind=parsed.content.subject_kind if good else None,
            proxy=parsed.content.proxy and good,
            pairwise_id=found.pairwise_id,
            fields=found.fields,
            decided_by=found.decided_by,
            home_region=str(parsed.content.region_code),
            cross_region=True,
            decided_at=decided_at,
            valid_until=found.valid_until or decided_at + ANSWER_LIFETIME,
            freshness=found.freshness,
            scene_no=reading.command.scene_no,
            code_text_digest=reading.text_digest,
        )

    def _earlier(self, tx: Transaction, reading: _Reading, party: ReadingParty) -> ScanRow | None:
        before = tx.scans.find(caller=party.caller, act=reading.command.act, biz_serial=reading.command.biz_serial)
        if before is not None and before.request_digest != reading.call.request_digest:
            raise SerialConflictError(reading.command.biz_serial)
        return before

    def _row(
        self,
        reading: _Reading,
        party: ReadingParty,
        answer: ScanAnswer,
        payload: bytes,
        *,
        home_node: str,
        account: Account | None = None,
        peer_evidence: bytes = b"",
    ) -> ScanRow:
        return ScanRow(
            scan_id=answer.scan_id,
            caller=party.caller,
            biz_serial=answer.biz_serial,
            request_digest=reading.call.request_digest,
            act=answer.act,
            outcome=answer.outcome,
            code_id=answer.code_id,
            account_id=account.account_id if account is not None else None,
            home_node=home_node,
            visited_node=self._node.node_id,
            relying_party_name=party.organisation.name,
            scene_no=answer.scene_no,
            scene_class=party.scene.scene_class,
            place=reading.command.place or party.place,
            device_id=party.device_id,
            disclosed_fields=tuple(field.name.value for field in answer.fields),
            decided_at=answer.decided_at,
            trace_id=reading.call.trace_id,
            answer=self._keys.seal_record(payload, answer.scan_id.encode()),
            peer_evidence=seal_peer_evidence(self._keys, answer.scan_id, peer_evidence),
        )

    def _keep(self, tx: Transaction, reading: _Reading, row: ScanRow, finding: Finding | None) -> str | None:
        tx.scans.add(row)
        record(
            tx,
            reading.call,
            _ACTIONS[row.act],
            # Not when it was decided: that may be another node's time, and the trail goes by this node's clock.
            at=reading.now,
            object_id=row.scan_id,
            result=row.outcome.value,
            biz_serial=row.biz_serial,
            home=row.home_node,
        )
        if finding is None or not finding.is_valid or finding.code is None or row.act is not ScanAct.SCAN:
            return None
        return notify_scan(tx, row, code=finding.code)

    async def _result_of(self, kept: _Kept) -> ScanResult:
        """It gives the answer with its proof; only the answer to an earlier call has to be opened and read."""
        row, payload, answer = kept.row, kept.payload, kept.answer
        if payload is None:
            payload = self._keys.open_record(row.answer, row.scan_id.encode())
        if answer is None:
            answer = self._attestor.statement_of(ScanAnswer, payload)
        self._counters.code_verified(outcome=answer.outcome.value, cross_region=answer.cross_region)
        return ScanResult(
            answer=answer,
            evidence=await self._attestor.attest_payload(EvidencePurpose.SCAN_ANSWER, ScanAnswer, payload),
            home_evidence=open_peer_evidence(self._keys, row),
            home_region_name=self._homes.name_of(row.home_node),
            replayed=kept.payload is None,
        )
