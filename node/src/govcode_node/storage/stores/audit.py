"""The audit trail, written as one chain of hashes by this process."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, tuple_

from govcode_node.domain.audit import AuditAction, AuditEntry, AuditRecord, chain_input
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import AUDIT_ACTIONS, from_ms, pack_opaque, to_json, to_ms, unpack_opaque
from govcode_node.storage.names import Names
from govcode_node.storage.statements import Parameters, Statement, constant, row_insert, value
from govcode_node.storage.tables import audit, audit_writers

_FIRST: Final = bytes(32)

_c = audit.c
_ADD = row_insert(audit)
_key = (_c.happened_at, _c.writer_no, _c.seq)
_RECORDS = (
    select(audit, audit_writers.c.writer_id)
    .join(audit_writers, audit_writers.c.writer_no == _c.writer_no)
    .where(
        _c.happened_at >= value("start", _c.happened_at),
        _c.happened_at < value("end", _c.happened_at),
        tuple_(*_key) > tuple_(value("a", _c.happened_at), value("b", _c.writer_no), value("c", _c.seq)),
    )
    .order_by(*_key)
    .limit(value("limit", _c.seq))
    .offset(constant(0))
)
_of_action = _c.action == value("action", _c.action)
_of_serial = _c.biz_serial == value("serial", _c.biz_serial)
_COMMON = ("start", "end", "a", "b", "c", "limit")
_LIST = {
    (False, False): Statement(_RECORDS, *_COMMON),
    (True, False): Statement(_RECORDS.where(_of_action), *_COMMON, "action"),
    (False, True): Statement(_RECORDS.where(_of_serial), *_COMMON, "serial"),
    (True, True): Statement(_RECORDS.where(_of_action, _of_serial), *_COMMON, "action", "serial"),
}
_WRITER_NO = Statement(
    select(audit_writers.c.writer_no).where(audit_writers.c.writer_id == value("id", audit_writers.c.writer_id)), "id"
)
ADD_WRITER = row_insert(audit_writers, "writer_id")
WRITER_NO = _WRITER_NO
_BEGINNING: Final = (-1, -1, -1)
_END_OF_TIME: Final = 1 << 62


class Chain:
    """The end of the one chain that this process writes.

    `ahead` runs in front of `head` while a batch is open; the head follows when the batch is committed, and `ahead`
    goes back when it is not, so that a failed batch leaves no gap.

    Args:
        writer_id: Node, worker and start time; never used by another process.
        writer_no: Its number in the store.
        sm3: The hash.
    """

    __slots__ = ("_sm3", "ahead", "head", "writer_id", "writer_no")

    def __init__(self, *, writer_id: str, writer_no: int, sm3: Callable[[bytes], bytes]) -> None:
        self.writer_id: Final = writer_id
        self.writer_no: Final = writer_no
        self._sm3: Final = sm3
        self.head: tuple[int, bytes] = (0, _FIRST)
        self.ahead: tuple[int, bytes] = self.head

    def link(self, entries: list[AuditEntry], names: Names) -> list[Parameters]:
        """It gives the entries their places behind the last one and makes their rows."""
        number = names.number
        seq, previous = self.ahead
        sm3, writer_id, writer_no = self._sm3, self.writer_id, self.writer_no
        rows: list[Parameters] = []
        for entry in entries:
            seq += 1
            digest = sm3(chain_input(entry, writer_id=writer_id, seq=seq, previous_hash=previous))
            rows.append(
                (
                    to_ms(entry.happened_at),
                    writer_no,
                    seq,
                    number(entry.actor_class),
                    number(entry.actor),
                    AUDIT_ACTIONS.number[entry.action],
                    pack_opaque(entry.object),
                    number(entry.result),
                    pack_opaque(entry.biz_serial),
                    pack_opaque(entry.trace_id),
                    _details(entry),
                    previous,
                    digest,
                )
            )
            previous = digest
        self.ahead = (seq, previous)
        return rows


def _details(entry: AuditEntry) -> str:
    return to_json(dict(entry.details)) if entry.details else ""


class SqlAuditStore:
    """The trail. Leans on the primary key, which is the order in which it is read.

    A serial has no index of its own, as that would cost each record a random page: ask with a span of time.
    """

    __slots__ = ("_link", "_names", "_rows")

    def __init__(self, batch: Batch, chain: Chain) -> None:
        self._link = batch.link
        self._names = batch.names
        self._rows = batch.buffer(_ADD, finish=lambda entries: chain.link(entries, batch.names)).rows

    def add(self, entry: AuditEntry) -> None:
        """See the port."""
        self._rows.append(entry)

    def list_records(
        self,
        *,
        start: datetime | None,
        end: datetime | None,
        action: str,
        biz_serial: str,
        after: tuple[datetime, str, int] | None,
        limit: int,
    ) -> Sequence[AuditRecord]:
        """See the port. Writers are ordered by when they began."""
        if action and action not in AuditAction.__members__:
            return []
        key = _BEGINNING
        if after is not None:
            writer = self._link.one(_WRITER_NO, (after[1],))
            if writer is None:
                return []
            key = (to_ms(after[0]), writer[0], after[2])
        parameters: list[Any] = [
            -1 if start is None else to_ms(start),
            _END_OF_TIME if end is None else to_ms(end),
            *key,
            limit,
        ]
        if action:
            parameters.append(AUDIT_ACTIONS.number[AuditAction(action)])
        if biz_serial:
            parameters.append(pack_opaque(biz_serial))
        statement = _LIST[bool(action), bool(biz_serial)]
        return [_record(row, self._names) for row in self._link.all(statement, tuple(parameters))]


def _record(row: tuple[Any, ...], names: Names) -> AuditRecord:
    entry = AuditEntry(
        happened_at=from_ms(row[0]),
        actor_class=names.text(row[3]),
        actor=names.text(row[4]),
        action=AUDIT_ACTIONS.member[row[5]],
        object=unpack_opaque(row[6]),
        result=names.text(row[7]),
        biz_serial=unpack_opaque(row[8]),
        trace_id=unpack_opaque(row[9]),
        details=json.loads(row[10]) if row[10] else {},
    )
    return AuditRecord(entry=entry, writer_id=row[13], seq=row[2], previous_hash=row[11], hash=row[12])
