"""Serials of acts."""

from typing import Any

from sqlalchemy import select

from govcode_node.ports.stores import Act
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import from_ms, pack_opaque, to_ms
from govcode_node.storage.statements import Parameters, Statement, row_insert, value
from govcode_node.storage.tables import acts

_c = acts.c
_ADD = row_insert(acts)
_FIND = Statement(
    select(_c.request_digest, _c.answer, _c.acted_at).where(
        _c.caller == value("caller", _c.caller),
        _c.method == value("method", _c.method),
        _c.biz_serial == value("serial", _c.biz_serial),
    ),
    "caller",
    "method",
    "serial",
)


class SqlActStore:
    """Acts. Leans on the primary key: caller, method and serial."""

    __slots__ = ("_link", "_names", "_rows")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._names = batch.names
        self._rows = batch.buffer(_ADD, finish=self._finish).rows

    def _finish(self, rows: list[Any]) -> list[Parameters]:
        """It puts numbers in the places of names."""
        number = self._names.number
        return [(number(caller), number(method), *rest) for caller, method, *rest in rows]

    def find(self, *, caller: str, method: str, biz_serial: str) -> Act | None:
        """See the port."""
        caller_no, method_no = self._names.find(caller), self._names.find(method)
        if caller_no is None or method_no is None:
            return None
        row = self._link.one(_FIND, (caller_no, method_no, pack_opaque(biz_serial)))
        if row is None:
            return None
        return Act(
            caller=caller,
            method=method,
            biz_serial=biz_serial,
            request_digest=row[0],
            answer=row[1],
            acted_at=from_ms(row[2]),
        )

    def add(self, act: Act) -> None:
        """See the port."""
        self._rows.append(
            (act.caller, act.method, pack_opaque(act.biz_serial), act.request_digest, act.answer, to_ms(act.acted_at))
        )
