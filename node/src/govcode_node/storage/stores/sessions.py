"""Sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from govcode_node.domain.accounts import AccountId, Session, SessionEndReason
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    SESSION_ENDS,
    from_ms,
    from_ms_or_none,
    pack_account,
    pack_id,
    to_ms,
    to_ms_or_none,
    unpack_account,
)
from govcode_node.storage.statements import Statement, constant, row_insert, value
from govcode_node.storage.tables import sessions

_c = sessions.c
_ADD = row_insert(sessions)
_GET = Statement(select(sessions).where(_c.token_hash == value("hash", _c.token_hash)), "hash")
_LIST = Statement(
    select(sessions)
    .where(_c.account_id == value("account", _c.account_id))
    .order_by(_c.created_at.desc(), _c.token_hash)
    .limit(value("limit", _c.created_at))
    .offset(constant(0)),
    "account",
    "limit",
)
_LIVES = (_c.ended_at.is_(None), _c.expires_at > value("now", _c.expires_at))
_ENDED = {"ended_at": value("at", _c.ended_at), "end_reason": value("why", _c.end_reason)}
_END = Statement(
    update(sessions).where(_c.token_hash == value("hash", _c.token_hash), *_LIVES).values(_ENDED),
    "hash",
    "now",
    "at",
    "why",
)
_END_ALL = Statement(
    update(sessions)
    .where(_c.account_id == value("account", _c.account_id), *_LIVES)
    .values(_ENDED)
    .returning(*sessions.columns),
    "account",
    "now",
    "at",
    "why",
)


class SqlSessionStore:
    """Sessions. Leans on the primary key and the index by account and time."""

    __slots__ = ("_link",)

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link

    def add(self, session: Session) -> None:
        """See the port."""
        row = (
            session.token_hash,
            pack_account(session.account_id),
            session.app_id,
            session.device_key_id,
            to_ms(session.created_at),
            to_ms(session.expires_at),
            to_ms_or_none(session.ended_at),
            None if session.end_reason is None else SESSION_ENDS.number[session.end_reason],
        )
        self._link.write(_ADD, row)

    def get(self, token_hash: bytes) -> Session | None:
        """See the port."""
        row = self._link.one(_GET, (token_hash,))
        return _session(row) if row else None

    def list_of(self, account_id: AccountId, *, limit: int) -> Sequence[Session]:
        """See the port."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        return [_session(row) for row in self._link.all(_LIST, (key, limit))] if key else []

    def end(self, token_hash: bytes, *, at: datetime, reason: SessionEndReason) -> bool:
        """See the port."""
        now = to_ms(at)
        return self._link.write(_END, (token_hash, now, now, SESSION_ENDS.number[reason])) == 1

    def end_all(self, account_id: AccountId, *, at: datetime, reason: SessionEndReason) -> Sequence[Session]:
        """See the port."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        if key is None:
            return []
        now = to_ms(at)
        rows = self._link.write_returning(_END_ALL, (key, now, now, SESSION_ENDS.number[reason]))
        ended = [_session(row) for row in rows]
        # RETURNING promises no order.
        return sorted(ended, key=lambda session: (session.created_at, session.token_hash), reverse=True)


def _session(row: tuple[Any, ...]) -> Session:
    return Session(
        token_hash=row[0],
        account_id=unpack_account(row[1]),
        app_id=row[2],
        device_key_id=row[3],
        created_at=from_ms(row[4]),
        expires_at=from_ms(row[5]),
        ended_at=from_ms_or_none(row[6]),
        end_reason=None if row[7] is None else SESSION_ENDS.member[row[7]],
    )
