"""One way to write the audit trail: who called comes from the call, so that no step can forget or forge it."""

from datetime import datetime

from govcode_node.domain.audit import AuditAction, AuditEntry
from govcode_node.domain.callers import Call
from govcode_node.ports.stores import Transaction


def record(
    tx: Transaction,
    call: Call,
    action: AuditAction,
    *,
    at: datetime,
    object_id: str,
    result: str = "OK",
    biz_serial: str = "",
    **details: str,
) -> None:
    """It adds an audit entry about an act of the caller.

    Args:
        tx: The unit of the act itself, so that one is not kept without the other.
        call: The call.
        action: What was done.
        at: When.
        object_id: On what: an opaque id.
        result: What came of it.
        biz_serial: Serial of the act.
        details: Further facts, no personal data.
    """
    tx.audit.add(
        AuditEntry(
            happened_at=at,
            actor_class=call.caller.label,
            actor=call.caller.name,
            action=action,
            object=object_id,
            result=result,
            biz_serial=biz_serial,
            trace_id=call.trace_id,
            details=details,
        )
    )
