"""Refused access leaves a trace in the audit trail, within bounds: a flood of refusals is no flood of writes."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from govcode_node.domain.audit import AuditAction, AuditEntry
from govcode_node.domain.callers import Caller
from govcode_node.domain.rate_limits import GcraLimiter
from govcode_node.ports.clock import Clock

ACCESS_REASONS: Final = frozenset(
    {
        "CERTIFICATE_MISSING",
        "CERTIFICATE_UNTRUSTED",
        "CALLER_NOT_ALLOWED",
        "METHOD_NOT_IN_POLICY",
        "APP_UNKNOWN",
        "APP_DISABLED",
        "DEVICE_UNKNOWN",
        "DEVICE_DISABLED",
        "OPERATOR_UNKNOWN",
        "IDENTITY_MISMATCH",
        "NODE_NOT_APPROVED",
        "NODE_SUSPENDED",
    }
)
"""Reasons that mean that somebody was kept out."""

_MINUTE: Final = timedelta(minutes=1)
_MAX_DETAIL: Final = 200

_log = logging.getLogger(__name__)


class RefusalLog:
    """It writes ACCESS_REFUSED entries: at most ten a minute for one caller, and so many in all.

    Entries beyond that are counted, and the next entry that is written tells their number. An entry that cannot be
    written does not turn the refusal into something else; the log says so.

    Args:
        record: Writes an entry to the audit trail.
        clock: Time.
        per_minute: Entries in a minute from all callers.
    """

    def __init__(self, record: Callable[[AuditEntry], Awaitable[None]], *, clock: Clock, per_minute: int = 600) -> None:
        self._record = record
        self._clock = clock
        self._each = GcraLimiter(count=10, per=_MINUTE, monotonic=clock.monotonic, max_keys=10_000)
        self._all = GcraLimiter(count=per_minute, per=_MINUTE, monotonic=clock.monotonic, max_keys=1)
        self._left_out = 0

    async def note(
        self, *, caller: Caller | None, peer: str, method: str, reason: str, why: str, trace_id: str
    ) -> None:
        """It records one refusal.

        Args:
            caller: Who was refused; None where nobody could be identified.
            peer: Address of the connection.
            method: What was called.
            reason: Reason of the refusal.
            why: Its sentence.
            trace_id: Trace of the call.
        """
        host = peer.rpartition(":")[0]
        actor = caller.name if caller else ""
        if self._each.take(actor or host) or self._all.take(""):
            self._left_out += 1
            return
        details = {"peer": host, "why": why[:_MAX_DETAIL]}
        if caller and caller.certificate:
            details["certificate"] = caller.certificate
        if self._left_out:
            details["left_out"], self._left_out = str(self._left_out), 0
        entry = AuditEntry(
            happened_at=self._clock.now(),
            actor_class=caller.label if caller else "unidentified",
            actor=actor,
            action=AuditAction.ACCESS_REFUSED,
            object=method,
            result=reason,
            trace_id=trace_id,
            details=details,
        )
        try:
            await self._record(entry)
        except Exception:
            _log.exception("refused access could not be audited", extra={"method": method, "reason": reason})
