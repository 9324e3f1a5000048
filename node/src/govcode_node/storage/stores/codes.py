"""Issued codes, the live ones among them, and the uses of one-time codes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, delete, func, or_, select, text, update

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.codes import CodeId, CodeMode, CodeProfile, CodeState, SubjectKind, TerminalType
from govcode_node.domain.issued_codes import LiveCode, StoredCode
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    CODE_STATES,
    SCAN_PREFIX,
    from_ms,
    from_ms_or_none,
    from_seconds,
    pack_account,
    pack_id,
    pack_own_id,
    to_ms,
    to_ms_or_none,
    to_seconds,
    unpack_account,
)
from govcode_node.storage.names import Names
from govcode_node.storage.statements import Parameters, Statement, constant, put, row_insert, value
from govcode_node.storage.tables import LONG_LIVED_SECONDS, codes, live_codes

_c = codes.c
_ISSUED: Final = CODE_STATES.number[CodeState.ISSUED]
_FROZEN: Final = CODE_STATES.number[CodeState.FROZEN]
_REVOKED: Final = CODE_STATES.number[CodeState.REVOKED]
_SUPERSEDED: Final = CODE_STATES.number[CodeState.SUPERSEDED]
_SUBJECT_KINDS: Final = {int(member): member for member in SubjectKind}
_MODES: Final = {int(member): member for member in CodeMode}
_PROFILES: Final = {int(member): member for member in CodeProfile}
_TERMINALS: Final = {int(member): member for member in TerminalType}

_PARTS: Final = 0b111
_APP: Final = 13
"""Place of the application in a row."""

_ADD = row_insert(codes)
_GET = Statement(select(codes).where(_c.code_id == value("id", _c.code_id)), "id")
_CHANGE = Statement(
    update(codes)
    .where(_c.code_id == value("id", _c.code_id), _c.state == value("present", _c.state))
    .values(state=value("target", _c.state), state_at=value("at", _c.state_at), reason=value("why", _c.reason)),
    "id",
    "present",
    "target",
    "at",
    "why",
)
_SUPERSEDE = Statement(
    update(codes)
    .where(_c.code_id == value("id", _c.code_id), _c.state == constant(_ISSUED))
    .values(state=constant(_SUPERSEDED), state_at=value("at", _c.state_at)),
    "id",
    "at",
)
_REVOCABLE = _c.state.in_((constant(_ISSUED), constant(_FROZEN), constant(_SUPERSEDED)))
_REVOKED_NOW = {
    "state": constant(_REVOKED),
    "state_at": value("at", _c.state_at),
    "reason": value("why", _c.reason),
}
_REVOKE_LONG_LIVED = Statement(
    update(codes)
    .where(
        _c.account_id == value("account", _c.account_id),
        # Word for word the condition of the partial index, or it is not used.
        text(f"(expires_at IS NULL OR expires_at - issued_at > {LONG_LIVED_SECONDS})"),
        or_(_c.expires_at.is_(None), _c.expires_at > value("now", _c.expires_at)),
        _REVOCABLE,
    )
    .values(_REVOKED_NOW),
    "account",
    "now",
    "at",
    "why",
)
_CLOCK_DIFFERENCE: Final = 5
"""Seconds by which another worker's clock may be ahead when it issued a code."""
_SECONDS: Final = tuple(f"second_{number}" for number in range(LONG_LIVED_SECONDS + _CLOCK_DIFFERENCE))
_REVOKE_SHORT_LIVED = Statement(
    update(codes)
    .where(
        # A list of seconds, not a span: each is one step into the index, while a span would read everybody's codes.
        _c.issued_at.in_([value(name, _c.issued_at) for name in _SECONDS]),
        _c.account_part == value("part", _c.account_part),
        _c.account_id == value("account", _c.account_id),
        _c.expires_at > value("now", _c.expires_at),
        _REVOCABLE,
    )
    .values(_REVOKED_NOW),
    *_SECONDS,
    "part",
    "account",
    "now",
    "at",
    "why",
)
_NOT_OVER = or_(_c.expires_at.is_(None), _c.expires_at > value("now", _c.expires_at))
_ENDED = Statement(
    select(_c.code_id).where(
        text("profile = 1 AND state <> 0"),
        _NOT_OVER,
        or_(_c.state != constant(_SUPERSEDED), _c.state_at <= value("now_ms", _c.state_at)),
    ),
    "now",
    "now_ms",
)
_USED = Statement(
    select(_c.code_id).where(
        text("profile = 1 AND one_time = 1"),
        _NOT_OVER,
        _c.used_by != value("unused", _c.used_by),
    ),
    "now",
    "unused",
)
_COUNT = Statement(
    select(func.count()).where(
        and_(_c.issued_at >= value("start", _c.issued_at), _c.issued_at < value("end", _c.issued_at))
    ),
    "start",
    "end",
)
_l = live_codes.c
_LIVE = Statement(
    select(_l.code_id, _l.shape, _l.refresh_at, _l.expires_at, _l.sealed_text).where(
        _l.account_id == value("account", _l.account_id),
        _l.presenter == value("by", _l.presenter),
        _l.terminal_type == value("terminal", _l.terminal_type),
    ),
    "account",
    "by",
    "terminal",
)
_PUT_LIVE = put(live_codes, "account_id", "presenter", "terminal_type")
_DROP_LIVE = Statement(delete(live_codes).where(_l.account_id == value("account", _l.account_id)), "account")
_CONSUME = Statement(
    update(codes)
    .where(_c.code_id == value("id", _c.code_id), _c.used_by == value("unused", _c.used_by))
    .values(used_by=value("scan", _c.used_by)),
    "id",
    "unused",
    "scan",
)
_CONSUMED_BY = Statement(select(_c.used_by).where(_c.code_id == value("id", _c.code_id)), "id")
_UNUSED: Final = bytes(16)


class SqlCodeStore:
    """Codes. Leans on the primary keys, which are in the order of time, and on the partial indexes beside them."""

    __slots__ = ("_batch", "_buffer", "_link", "_names", "_rows")

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._link = batch.link
        self._names = batch.names
        self._buffer = batch.buffer(_ADD, finish=self._finish)
        self._rows = self._buffer.rows

    def add(self, code: StoredCode) -> None:
        """See the port."""
        presenter = code.presenter_account_id
        expires_at = code.expires_at
        account = pack_account(code.account_id)
        self._rows.append(
            (
                code.code_id,
                account,
                account[15] & _PARTS,
                None if presenter is None else pack_account(presenter),
                int(code.subject_kind),
                int(code.mode),
                int(code.profile),
                int(code.terminal_type),
                code.scene_no,
                int(code.one_time),
                code.key_no,
                to_seconds(code.issued_at),
                None if expires_at is None else to_seconds(expires_at),
                code.app_id,
                CODE_STATES.number[code.state],
                to_ms_or_none(code.state_at),
                code.reason,
                _UNUSED,
            )
        )

    def _finish(self, rows: list[Any]) -> list[Parameters]:
        """It puts the number of the application in the place of its name."""
        number = self._names.number
        return [(*row[:_APP], number(row[_APP]), *row[_APP + 1 :]) for row in rows]

    def get(self, code_id: bytes) -> StoredCode | None:
        """See the port."""
        row = self._link.one(_GET, (code_id,))
        return _code(row, self._names) if row else None

    def supersede(self, code_id: bytes, *, at: datetime) -> bool:
        """See the port. A code that waits in this batch is written first: two presentations may meet in one batch."""
        parameters = (code_id, to_ms(at))
        changed = self._link.write(_SUPERSEDE, parameters)
        if not changed and self._write_waiting(code_id):
            changed = self._link.write(_SUPERSEDE, parameters)
        return changed == 1

    def change_state(self, code_id: bytes, *, present: CodeState, target: CodeState, at: datetime, reason: str) -> bool:
        """See the port. A code that waits in this batch is written first."""
        parameters = (code_id, CODE_STATES.number[present], CODE_STATES.number[target], to_ms(at), reason)
        changed = self._link.write(_CHANGE, parameters)
        if not changed and self._write_waiting(code_id):
            changed = self._link.write(_CHANGE, parameters)
        return changed == 1

    def _write_waiting(self, code_id: bytes) -> bool:
        """It writes the buffered codes if one of them is meant; whether it did."""
        waits = any(row[0] == code_id for row in self._rows)
        if waits:
            self._batch.flush_one(self._buffer)
        return waits

    def revoke_all(self, account_id: AccountId, *, at: datetime, reason: str) -> int:
        """See the port. Codes that live long have an index; the others were issued in one of the last 600 seconds."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        if key is None:
            return 0
        if self._rows:
            self._batch.flush_one(self._buffer)
        now = to_seconds(at)
        first = now + _CLOCK_DIFFERENCE - len(_SECONDS) + 1
        parameters = (key, now, to_ms(at), reason)
        long_lived = self._link.write(_REVOKE_LONG_LIVED, parameters)
        return long_lived + self._link.write(
            _REVOKE_SHORT_LIVED, (*range(first, first + len(_SECONDS)), key[15] & _PARTS, *parameters)
        )

    def live(self, account_id: AccountId, *, presenter: AccountId, terminal_type: TerminalType) -> LiveCode | None:
        """See the port."""
        parameters = (pack_account(account_id), pack_account(presenter), int(terminal_type))
        row = self._link.one(_LIVE, parameters)
        if row is None:
            return None
        return LiveCode(
            account_id=account_id,
            presenter=presenter,
            terminal_type=terminal_type,
            code_id=row[0],
            shape=row[1],
            refresh_at=from_ms(row[2]),
            expires_at=from_ms(row[3]),
            sealed_text=row[4],
        )

    def put_live(self, live: LiveCode) -> None:
        """See the port."""
        row = (
            pack_account(live.account_id),
            pack_account(live.presenter),
            int(live.terminal_type),
            live.code_id,
            live.shape,
            to_ms(live.refresh_at),
            to_ms(live.expires_at),
            live.sealed_text,
        )
        self._link.write(_PUT_LIVE, row)

    def drop_live(self, account_id: AccountId) -> None:
        """See the port."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        if key is not None:
            self._link.write(_DROP_LIVE, (key,))

    def consume(self, code_id: bytes, *, scan_id: str, at: datetime) -> bool:
        """See the port. The first one wins by a conditional statement. The time of use is that in the scan's id."""
        parameters = (code_id, _UNUSED, pack_own_id(SCAN_PREFIX, scan_id))
        changed = self._link.write(_CONSUME, parameters)
        if not changed and self._write_waiting(code_id):
            changed = self._link.write(_CONSUME, parameters)
        return changed == 1

    def consumed_by(self, code_id: bytes) -> str | None:
        """See the port."""
        row = self._link.one(_CONSUMED_BY, (code_id,))
        return SCAN_PREFIX + row[0].hex() if row and row[0] != _UNUSED else None

    def ended_signed(self, *, now: datetime) -> Sequence[bytes]:
        """See the port. Frozen codes and used one-time codes are among them: none of these may pass offline."""
        seconds = to_seconds(now)
        ended = {row[0] for row in self._link.all(_ENDED, (seconds, to_ms(now)))}
        ended.update(row[0] for row in self._link.all(_USED, (seconds, _UNUSED)))
        return sorted(ended)

    def count_issued(self, *, start: datetime, end: datetime) -> int:
        """See the port. Leans on the index by time of issue; times count in whole seconds."""
        row = self._link.one(_COUNT, (to_seconds(start), to_seconds(end)))
        return row[0] if row else 0


def _code(row: tuple[Any, ...], names: Names) -> StoredCode:
    presenter, expires_at = row[3], row[12]
    return StoredCode(
        code_id=CodeId(row[0]),
        account_id=unpack_account(row[1]),
        presenter_account_id=None if presenter is None else unpack_account(presenter),
        subject_kind=_SUBJECT_KINDS[row[4]],
        mode=_MODES[row[5]],
        profile=_PROFILES[row[6]],
        terminal_type=_TERMINALS[row[7]],
        scene_no=row[8],
        one_time=row[9] == 1,
        key_no=row[10],
        issued_at=from_seconds(row[11]),
        expires_at=None if expires_at is None else from_seconds(expires_at),
        app_id=names.text(row[_APP]),
        state=CODE_STATES.member[row[14]],
        state_at=from_ms_or_none(row[15]),
        reason=row[16],
    )
