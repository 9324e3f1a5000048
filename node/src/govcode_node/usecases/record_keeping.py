"""How long records of authorizations are kept (6.3-17), and the sweep of requests that nobody decided.

Records of providing personal information to others are kept for three years at least after the authorization is over;
what policy lets go is deleted in small batches, and the audit trail says how many. The trail itself stays.
"""

from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.audit import AuditAction, AuditEntry
from govcode_node.domain.authorizations import Authorization, AuthorizationState
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.ports.clock import Clock
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.authorization_telling import AuthorizationTeller

SHORTEST_RETENTION: Final = timedelta(days=3 * 365)
"""Three years: no configuration goes below."""

_BATCH: Final = 200


class RecordKeeping:
    """It deletes what policy lets go; `step` is the step of a loop of some minutes."""

    def __init__(self, *, node: NodeProfile, database: Database, retention: timedelta, clock: Clock) -> None:
        """It keeps records for a time.

        Args:
            node: This node.
            database: Its store.
            retention: How long after the end of an authorization; never less than three years.
            clock: The clock.
        """
        self._node = node
        self._database = database
        self._retention = max(retention, SHORTEST_RETENTION)
        self._clock = clock

    async def step(self) -> None:
        """It deletes one batch of authorizations that were over long enough ago, with their uses."""
        now = self._clock.now()

        def purge(tx: Transaction) -> int:
            purged = tx.authorizations.purge(ended_before=now - self._retention, limit=_BATCH)
            if purged:
                tx.audit.add(_purged(self._node.node_id, purged, now))
            return purged

        while await self._database.run(purge) == _BATCH:
            pass


def _purged(node_id: str, purged: int, now: datetime) -> AuditEntry:
    return AuditEntry(
        happened_at=now,
        actor_class="node",
        actor=node_id,
        action=AuditAction.RECORDS_PURGED,
        object="authorizations",
        result="OK",
        details={"count": str(purged)},
    )


class UndecidedSweep:
    """It writes down that requests are timed out, and tells whom it concerns; `step` is the step of a loop of seconds.

    Nobody depends on it: a request whose time is over cannot be decided, swept or not (6.3-09).
    """

    def __init__(self, *, node: NodeProfile, database: Database, teller: AuthorizationTeller, clock: Clock) -> None:
        """It works over the node's store."""
        self._node = node
        self._database = database
        self._teller = teller
        self._clock = clock

    async def step(self) -> None:
        """It sweeps one batch."""
        now = self._clock.now()
        over = await self._database.read(lambda tx: tx.authorizations.undecided(now=now, limit=_BATCH))
        for authorization in over:
            await self._time_out(authorization, now)

    async def _time_out(self, authorization: Authorization, now: datetime) -> None:
        timed_out = AuthorizationState.TIMED_OUT

        def write(tx: Transaction) -> None:
            if not tx.authorizations.time_out(authorization.authorization_id, at=now):
                return
            here = authorization.request.visited_node == self._node.node_id
            self._teller.changed(tx, authorization, state=timed_out, party=here, holder=True, now=now)
            tx.audit.add(
                AuditEntry(
                    happened_at=now,
                    actor_class="node",
                    actor=self._node.node_id,
                    action=AuditAction.AUTHORIZATION_TIMED_OUT,
                    object=authorization.authorization_id,
                    result=timed_out.name,
                    biz_serial=authorization.request.biz_serial,
                )
            )

        await self._database.run(write)
        self._teller.counters.authorization_decided(decision=timed_out.name)
        self._teller.ring(authorization)
