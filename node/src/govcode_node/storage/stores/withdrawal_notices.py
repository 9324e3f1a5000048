"""Notices of withdrawals that wait to be sent to other nodes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

from govcode_node.ports.authorization_stores import WithdrawalNotice
from govcode_node.storage.authorization_tables import withdrawal_notices
from govcode_node.storage.columns import AUTHORIZATION_PREFIX, from_ms, pack_id, pack_own_id, to_ms
from govcode_node.storage.statements import Parameters, Statement, constant, insert_unless, value
from govcode_node.storage.stores.license_uses import AuthorizationRows

_c = withdrawal_notices.c
_of_node = (_c.authorization_id == value("id", _c.authorization_id), _c.node_id == value("node", _c.node_id))

_ADD = insert_unless(withdrawal_notices, "authorization_id", "node_id")
_DUE = Statement(
    select(withdrawal_notices)
    .where(_c.due_at <= value("now", _c.due_at))
    .order_by(_c.due_at, _c.authorization_id, _c.node_id)
    .limit(value("limit", _c.attempts))
    .offset(constant(0)),
    "now",
    "limit",
)
_DROP = Statement(delete(withdrawal_notices).where(*_of_node), "id", "node")
_POSTPONE = Statement(
    update(withdrawal_notices)
    .where(*_of_node)
    .values(attempts=_c.attempts + constant(1), due_at=value("due", _c.due_at)),
    "id",
    "node",
    "due",
)
_DELETE_OF = Statement(delete(withdrawal_notices).where(_c.authorization_id == value("id", _c.authorization_id)), "id")


class WithdrawalNoticeRows(AuthorizationRows):
    """Notices. Leans on the primary key and the index by the time that they are due."""

    __slots__ = ()

    def add_notice(self, notice: WithdrawalNotice) -> None:
        """See the port."""
        row = (
            pack_own_id(AUTHORIZATION_PREFIX, notice.authorization_id),
            notice.node_id,
            notice.withdrawal,
            notice.attempts,
            to_ms(notice.due_at),
            to_ms(notice.gives_up_at),
        )
        self._link.write(_ADD, row)

    def due_notices(self, *, now: datetime, limit: int) -> Sequence[WithdrawalNotice]:
        """See the port. Those that no longer matter are among them, so that somebody drops them."""
        return [
            WithdrawalNotice(
                authorization_id=AUTHORIZATION_PREFIX + row[0].hex(),
                node_id=row[1],
                withdrawal=row[2],
                attempts=row[3],
                due_at=from_ms(row[4]),
                gives_up_at=from_ms(row[5]),
            )
            for row in self._link.all(_DUE, (to_ms(now), limit))
        ]

    def drop_notice(self, authorization_id: str, node_id: str) -> None:
        """See the port."""
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        if key is not None:
            self._link.write(_DROP, (key, node_id))

    def postpone_notice(self, authorization_id: str, node_id: str, *, due_at: datetime) -> None:
        """See the port."""
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        if key is not None:
            self._link.write(_POSTPONE, (key, node_id, to_ms(due_at)))

    def _delete_notices(self, key: Parameters) -> None:
        self._link.write(_DELETE_OF, key)
