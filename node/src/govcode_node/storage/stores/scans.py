"""Scans and verifications."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.nodes import OutcomeCount
from govcode_node.domain.scans import UNDECIDED, ScanAct, ScanRow
from govcode_node.domain.scenes import SceneClass
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    OUTCOMES,
    SCAN_PREFIX,
    from_ms,
    pack_account,
    pack_id,
    pack_opaque,
    pack_own_id,
    to_ms,
    unpack_account,
    unpack_opaque,
)
from govcode_node.storage.names import Names
from govcode_node.storage.statements import Parameters, Statement, constant, row_insert, value
from govcode_node.storage.tables import scans

_c = scans.c
_ACTS: Final = {int(member): member for member in ScanAct}
_SCENE_CLASSES: Final = {int(member): member for member in SceneClass}
_LAST: Final = b"\xff" * 17
"""Greater than every scan id."""

_NAMED: Final = (1, 8, 9, 10, 15)
"""Places of names in a row."""

_ADD = row_insert(scans)
_GET = Statement(select(scans).where(_c.scan_id == value("id", _c.scan_id)), "id")
_FIND = Statement(
    select(scans).where(
        _c.caller == value("by", _c.caller),
        _c.act == value("kind", _c.act),
        _c.biz_serial == value("serial", _c.biz_serial),
    ),
    "by",
    "kind",
    "serial",
)
_WITHDRAW = Statement(
    delete(scans).where(
        _c.scan_id == value("id", _c.scan_id),
        _c.outcome.in_([constant(OUTCOMES.number[outcome]) for outcome in sorted(UNDECIDED)]),
    ),
    "id",
)
_LIST = Statement(
    select(scans)
    .where(
        _c.account_id == value("account", _c.account_id),
        _c.scan_id < value("before", _c.scan_id),
        _c.decided_at >= value("start", _c.decided_at),
    )
    .order_by(_c.scan_id.desc())
    .limit(value("limit", _c.decided_at))
    .offset(constant(0)),
    "account",
    "before",
    "start",
    "limit",
)
_COUNT = Statement(
    select(_c.visited_node, _c.home_node, _c.outcome, func.count())
    .where(_c.decided_at >= value("start", _c.decided_at), _c.decided_at < value("end", _c.decided_at))
    .group_by(_c.visited_node, _c.home_node, _c.outcome)
    .order_by(_c.visited_node, _c.home_node, _c.outcome),
    "start",
    "end",
)


class SqlScanStore:
    """Scans. Leans on the primary key, the unique index of serials, and the indexes by account and by time."""

    __slots__ = ("_link", "_names", "_rows")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._names = batch.names
        self._rows = batch.buffer(_ADD, finish=self._finish).rows

    def _finish(self, rows: list[Any]) -> list[Parameters]:
        """It puts numbers in the places of names."""
        number = self._names.number
        finished: list[Parameters] = []
        for row in rows:
            numbered = list(row)
            for place in _NAMED:
                numbered[place] = number(row[place])
            finished.append(tuple(numbered))
        return finished

    def find(self, *, caller: str, act: ScanAct, biz_serial: str) -> ScanRow | None:
        """See the port."""
        name = self._names.find(caller)
        row = self._link.one(_FIND, (name, int(act), pack_opaque(biz_serial))) if name is not None else None
        return _scan(row, self._names) if row else None

    def add(self, row: ScanRow) -> None:
        """See the port."""
        account_id = row.account_id
        self._rows.append(
            (
                pack_own_id(SCAN_PREFIX, row.scan_id),
                row.caller,
                int(row.act),
                pack_opaque(row.biz_serial),
                row.request_digest,
                OUTCOMES.number[row.outcome],
                row.code_id,
                None if account_id is None else pack_account(account_id),
                row.home_node,
                row.visited_node,
                row.relying_party_name,
                row.scene_no,
                int(row.scene_class),
                row.place,
                row.device_id,
                ",".join(row.disclosed_fields),
                to_ms(row.decided_at),
                pack_opaque(row.trace_id),
                row.answer,
                row.peer_evidence,
            )
        )

    def get(self, scan_id: str) -> ScanRow | None:
        """See the port."""
        key = pack_id(SCAN_PREFIX, scan_id)
        row = self._link.one(_GET, (key,)) if key else None
        return _scan(row, self._names) if row else None

    def withdraw(self, scan_id: str) -> bool:
        """See the port."""
        key = pack_id(SCAN_PREFIX, scan_id)
        return key is not None and self._link.write(_WITHDRAW, (key,)) == 1

    def list_of(
        self, account_id: AccountId, *, start: datetime | None, before_scan_id: str, limit: int
    ) -> Sequence[ScanRow]:
        """See the port. Uses are scans that found something out about a code of the account, whatever came of them."""
        account = pack_id(ACCOUNT_PREFIX, account_id)
        before = pack_id(SCAN_PREFIX, before_scan_id) if before_scan_id else _LAST
        if account is None or before is None:
            return []
        since = 0 if start is None else to_ms(start)
        return [_scan(row, self._names) for row in self._link.all(_LIST, (account, before, since, limit))]

    def count_outcomes(self, *, start: datetime, end: datetime) -> Sequence[OutcomeCount]:
        """See the port."""
        text = self._names.text
        rows = self._link.all(_COUNT, (to_ms(start), to_ms(end)))
        return [
            OutcomeCount(
                visited_node=text(visited), home_node=text(home), outcome=OUTCOMES.member[outcome].value, count=count
            )
            for visited, home, outcome, count in rows
        ]


def _scan(row: tuple[Any, ...], names: Names) -> ScanRow:
    text = names.text
    account = row[7]
    fields = text(row[15])
    return ScanRow(
        scan_id=SCAN_PREFIX + row[0].hex(),
        caller=text(row[1]),
        act=_ACTS[row[2]],
        biz_serial=unpack_opaque(row[3]),
        request_digest=row[4],
        outcome=OUTCOMES.member[row[5]],
        code_id=row[6],
        account_id=None if account is None else unpack_account(account),
        home_node=text(row[8]),
        visited_node=text(row[9]),
        relying_party_name=text(row[10]),
        scene_no=row[11],
        scene_class=_SCENE_CLASSES[row[12]],
        place=row[13],
        device_id=row[14],
        disclosed_fields=tuple(fields.split(",")) if fields else (),
        decided_at=from_ms(row[16]),
        trace_id=unpack_opaque(row[17]),
        answer=row[18],
        peer_evidence=row[19],
    )
