"""Refused trust data goes into the audit trail, since somebody may have tried to slip it in."""

import logging

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.errors import GovcodeError
from govcode_node.ports.clock import Clock
from govcode_node.ports.stores import Database
from govcode_node.usecases.trail import record

log = logging.getLogger(__name__)


class Incidents:
    """It writes what this node refused on its own account, the same thing in a row once."""

    def __init__(self, *, database: Database, clock: Clock, own_call: Call) -> None:
        """It takes the store.

        Args:
            database: The store.
            clock: The clock.
            own_call: Stands for the node as the actor.
        """
        self._database = database
        self._clock = clock
        self._own_call = own_call
        self._last: dict[tuple[AuditAction, str], str] = {}

    async def refused(self, action: AuditAction, *, about: str, why: str) -> None:
        """It notes a refusal in the log and in the trail.

        Args:
            action: What was refused.
            about: Of which node, or which bundle.
            why: The reason.
        """
        log.warning("trust data refused", extra={"action": action.value, "about": about, "why": why})
        if self._last.get((action, about)) == why:
            return
        at = self._clock.now()
        try:
            await self._database.run(
                lambda tx: record(tx, self._own_call, action, at=at, object_id=about, result="REFUSED", why=why)
            )
        except GovcodeError as error:
            log.warning("refusal not kept in the audit trail", extra={"about": about, "why": str(error)})
        else:
            self._last[action, about] = why

    def accepted(self, action: AuditAction, *, about: str) -> None:
        """It notes that things are right again, so that the next refusal is news."""
        self._last.pop((action, about), None)
