"""Records of the audit trail."""

from govcode.security.v1 import audit_service_pb2 as auditv1

from govcode_node.domain.audit import AuditRecord
from govcode_node.wire.times import moment_to_proto


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
