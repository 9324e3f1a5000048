"""Scans and verifications: what the node states to its caller, and what the holder sees of it."""

from datetime import datetime
from typing import Final

from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import scan_pb2 as scanv1

from govcode_node.domain.outcomes import decision_of
from govcode_node.domain.scans import ScanAct, ScanAnswer, ScanRow
from govcode_node.usecases.records import RecordPage
from govcode_node.usecases.resolving import Resolved
from govcode_node.usecases.scanning import ScanCommand, ScanResult
from govcode_node.wire import checks
from govcode_node.wire.authorization_items import authorization_id
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.fields import field_to_proto, fields_from_proto
from govcode_node.wire.times import moment_from_proto, moment_to_proto
from govcode_node.wire.verdicts import (
    DECISIONS,
    OUTCOMES,
    freshness_from_proto,
    freshness_to_proto,
    outcome_from_proto,
    verdict_to_proto,
)
from govcode_node.wire.vocabulary import SCAN_ACTS, SCENE_CLASSES, SUBJECT_KINDS

MAX_PLACE: Final = 64
MAX_FIELD_NAMES: Final = 16
MAX_RECORDS: Final = 200
DEFAULT_RECORDS: Final = 50


def scan_answer_to_proto(answer: ScanAnswer) -> scanv1.ScanAnswer:
    """It gives the payload of SCAN_ANSWER evidence."""
    return scanv1.ScanAnswer(
        scan_id=answer.scan_id,
        act=SCAN_ACTS.to_proto(answer.act),
        biz_serial=answer.biz_serial,
        app_id=answer.app_id,
        outcome=OUTCOMES.to_proto(answer.outcome),
        decision=DECISIONS.to_proto(decision_of(answer.outcome)),
        code_id=answer.code_id,
        subject_kind=SUBJECT_KINDS.to_proto(answer.subject_kind),
        proxy=answer.proxy,
        pairwise_id=answer.pairwise_id,
        fields=[field_to_proto(field) for field in answer.fields],
        decided_by_node_id=answer.decided_by,
        home_region_code=answer.home_region,
        cross_region=answer.cross_region,
        decide_time=moment_to_proto(answer.decided_at),
        valid_until_time=moment_to_proto(answer.valid_until),
        freshness=freshness_to_proto(answer.freshness),
        scene_no=answer.scene_no,
        code_text_digest=answer.code_text_digest,
    )


def scan_answer_from_proto(message: scanv1.ScanAnswer) -> ScanAnswer:
    """It reads an answer. The decision is not read: it follows from the outcome.

    Raises:
        InvalidFieldError: The act or a time makes no sense.
    """
    return ScanAnswer(
        scan_id=message.scan_id,
        act=SCAN_ACTS.require(message.act, "act"),
        biz_serial=message.biz_serial,
        app_id=message.app_id,
        outcome=outcome_from_proto(message.outcome),
        code_id=message.code_id,
        subject_kind=SUBJECT_KINDS.from_proto(message.subject_kind),
        proxy=message.proxy,
        pairwise_id=message.pairwise_id,
        fields=fields_from_proto(message.fields),
        decided_by=message.decided_by_node_id,
        home_region=message.home_region_code,
        cross_region=message.cross_region,
        decided_at=moment_from_proto(message.decide_time, "decide_time"),
        valid_until=moment_from_proto(message.valid_until_time, "valid_until_time"),
        freshness=freshness_from_proto(message.freshness),
        scene_no=message.scene_no,
        code_text_digest=message.code_text_digest,
    )


def scan_record_to_proto(row: ScanRow) -> scanv1.ScanRecord:
    """It gives one use of a code as its holder sees it (6.1-09)."""
    return scanv1.ScanRecord(
        scan_id=row.scan_id,
        act=SCAN_ACTS.to_proto(row.act),
        relying_party_name=row.relying_party_name,
        place=row.place,
        scene_class=SCENE_CLASSES.to_proto(row.scene_class),
        visited_node_id=row.visited_node,
        decide_time=moment_to_proto(row.decided_at),
        outcome=OUTCOMES.to_proto(row.outcome),
        disclosed_fields=row.disclosed_fields,
        code_id=row.code_id,
    )


def scan_command_from_proto(request: applicationv1.ScanCodeRequest) -> ScanCommand:
    """It reads the wish to scan a code.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    return ScanCommand(
        act=ScanAct.SCAN,
        biz_serial=checks.biz_serial(request.biz_serial),
        code_text=checks.code_text(request.code_text),
        scene_no=checks.scene_no(request.scene_no, least=1),
        place=checks.text(request.place, "place", longest=MAX_PLACE, shortest=0),
    )


def verify_command_from_proto(request: basev1.VerifyCodeRequest) -> ScanCommand:
    """It reads the wish to have a code judged without using it.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    return ScanCommand(
        act=ScanAct.VERIFY,
        biz_serial=checks.biz_serial(request.biz_serial),
        code_text=checks.code_text(request.code_text),
        scene_no=checks.scene_no(request.scene_no, least=1),
    )


def scan_result_to_proto(result: ScanResult) -> applicationv1.ScanCodeResponse:
    """It gives the answer to a scan. What stands beside the evidence is read from it, so that the two cannot differ."""
    evidence = kept_evidence_to_proto(result.evidence)
    return applicationv1.ScanCodeResponse(
        verdict=verdict_to_proto(result.answer.outcome),
        answer=None if evidence is None else scanv1.ScanAnswer.FromString(evidence.payload),
        evidence=evidence,
        home_evidence=kept_evidence_to_proto(result.home_evidence),
        home_region_name=result.home_region_name,
        replayed=result.replayed,
    )


def verify_result_to_proto(result: ScanResult) -> basev1.VerifyCodeResponse:
    """It gives the answer to a verification, as `scan_result_to_proto` does."""
    evidence = kept_evidence_to_proto(result.evidence)
    return basev1.VerifyCodeResponse(
        verdict=verdict_to_proto(result.answer.outcome),
        answer=None if evidence is None else scanv1.ScanAnswer.FromString(evidence.payload),
        evidence=evidence,
        home_evidence=kept_evidence_to_proto(result.home_evidence),
        home_region_name=result.home_region_name,
        replayed=result.replayed,
    )


def field_names_from_proto(request: basev1.ResolveCodeRequest) -> tuple[str, ...]:
    """It reads the names of the fields wanted; whether the scene allows them is for its scope to say.

    Raises:
        InvalidFieldError: There is none, or too many, or one that is no name.
    """
    checks.number(len(request.field_names), "field_names", least=1, most=MAX_FIELD_NAMES)
    return tuple(checks.printable(name, "field_names") for name in request.field_names)


def consent_from_proto(request: basev1.ResolveCodeRequest) -> str:
    """It reads the authorization by which fields come whole; empty where none is named.

    Raises:
        InvalidFieldError: It is no id of one.
    """
    return authorization_id(request.authorization_id) if request.authorization_id else ""


def resolved_to_proto(resolved: Resolved) -> basev1.ResolveCodeResponse:
    """It gives the fields of a scan's subject."""
    return basev1.ResolveCodeResponse(
        fields=[field_to_proto(field) for field in resolved.fields], pairwise_id=resolved.pairwise_id
    )


def record_start_from_proto(request: applicationv1.ListRecordsRequest) -> datetime | None:
    """It reads from when on uses are wanted; None for all.

    Raises:
        InvalidFieldError: It is no time.
    """
    return moment_from_proto(request.from_time, "from_time") if request.HasField("from_time") else None


def record_page_to_proto(page: RecordPage) -> applicationv1.ListRecordsResponse:
    """It gives one page of uses."""
    return applicationv1.ListRecordsResponse(
        records=[scan_record_to_proto(row) for row in page.records], next_page_token=page.next_page_token
    )
