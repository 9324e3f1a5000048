"""Records of the audit trail."""

from typing import Final

from govcode.security.v1 import audit_service_pb2 as auditv1

from govcode_node.domain.audit import AuditRecord
from govcode_node.usecases.audit_reading import AuditFilter, AuditPage
from govcode_node.wire import checks
from govcode_node.wire.times import moment_from_proto, moment_to_proto

MAX_PAGE: Final = 1_000
DEFAULT_PAGE: Final = 100


def audit_record_to_proto(record: AuditRecord) -> auditv1.AuditEvent:
    """It gives one record with its place in the writer's chain."""
    entry = record.entry
    return auditv1.AuditEvent(
        writer_id=record.writer_id,
        seq=record.seq,
        create_time=moment_to_proto(entry.happened_at),
        actor_class=entry.actor_class,
        actor=entry.actor,
        action=entry.action.value,
        object=entry.object,
        result=entry.result,
        biz_serial=entry.biz_serial,
        trace_id=entry.trace_id,
        previous_hash=record.previous_hash,
        hash=record.hash,
        details=entry.details,
    )


def audit_filter_from_proto(request: auditv1.ListAuditEventsRequest) -> AuditFilter:
    """It reads which records are wanted.

    Raises:
        InvalidFieldError: A field is too long or not of its form.
    """
    return AuditFilter(
        start=moment_from_proto(request.from_time, "from_time") if request.HasField("from_time") else None,
        end=moment_from_proto(request.to_time, "to_time") if request.HasField("to_time") else None,
        action=checks.printable(request.action, "action", shortest=0),
        biz_serial=checks.printable(request.biz_serial, "biz_serial", longest=checks.MAX_SERIAL, shortest=0),
    )


def audit_page_to_proto(page: AuditPage) -> auditv1.ListAuditEventsResponse:
    """It gives one page of records."""
    return auditv1.ListAuditEventsResponse(
        events=[audit_record_to_proto(record) for record in page.records], next_page_token=page.next_page_token
    )
