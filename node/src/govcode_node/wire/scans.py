"""Scans and verifications: what the node states to its caller, and what the holder sees of it."""

from govcode.code.v1 import scan_pb2 as scanv1

from govcode_node.domain.outcomes import decision_of
from govcode_node.domain.scans import ScanAnswer, ScanRow
from govcode_node.wire.fields import field_to_proto, fields_from_proto
from govcode_node.wire.times import moment_from_proto, moment_to_proto
from govcode_node.wire.verdicts import (
    DECISIONS,
    OUTCOMES,
    freshness_from_proto,
    freshness_to_proto,
    outcome_from_proto,
)
from govcode_node.wire.vocabulary import SCAN_ACTS, SCENE_CLASSES, SUBJECT_KINDS


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
