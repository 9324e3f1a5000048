"""Relations between accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from govcode_node.domain.accounts import AccountId, Relation
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    RELATION_KINDS,
    from_ms,
    from_ms_or_none,
    pack_account,
    pack_id,
    to_ms,
    to_ms_or_none,
    unpack_account,
)
from govcode_node.storage.statements import Statement, row_insert, value
from govcode_node.storage.tables import relations

_c = relations.c
_ADD = row_insert(relations)
_GET = Statement(select(relations).where(_c.relation_id == value("id", _c.relation_id)), "id")
_BETWEEN = Statement(
    select(relations)
    .where(
        _c.presenter_account_id == value("presenter", _c.presenter_account_id),
        _c.dependant_account_id == value("dependant", _c.dependant_account_id),
    )
    .order_by(_c.registered_at, _c.relation_id),
    "presenter",
    "dependant",
)
_CANCEL = Statement(
    update(relations)
    .where(_c.relation_id == value("id", _c.relation_id), _c.cancelled_at.is_(None))
    .values(cancelled_at=value("at", _c.cancelled_at)),
    "id",
    "at",
)


class SqlRelationStore:
    """Relations. Leans on the primary key and the index of pairs."""

    __slots__ = ("_link",)

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link

    def add(self, relation: Relation) -> None:
        """See the port."""
        row = (
            relation.relation_id,
            pack_account(relation.presenter_account_id),
            pack_account(relation.dependant_account_id),
            RELATION_KINDS.number[relation.kind],
            relation.proof_reference,
            to_ms(relation.registered_at),
            to_ms(relation.ends_at),
            to_ms_or_none(relation.cancelled_at),
        )
        self._link.write(_ADD, row)

    def get(self, relation_id: str) -> Relation | None:
        """See the port."""
        row = self._link.one(_GET, (relation_id,))
        return _relation(row) if row else None

    def between(self, *, presenter: AccountId, dependant: AccountId) -> Sequence[Relation]:
        """See the port."""
        keys = (pack_id(ACCOUNT_PREFIX, presenter), pack_id(ACCOUNT_PREFIX, dependant))
        return [] if None in keys else [_relation(row) for row in self._link.all(_BETWEEN, keys)]

    def cancel(self, relation_id: str, *, at: datetime) -> bool:
        """See the port."""
        return self._link.write(_CANCEL, (relation_id, to_ms(at))) == 1


def _relation(row: tuple[Any, ...]) -> Relation:
    return Relation(
        relation_id=row[0],
        presenter_account_id=unpack_account(row[1]),
        dependant_account_id=unpack_account(row[2]),
        kind=RELATION_KINDS.member[row[3]],
        proof_reference=row[4],
        registered_at=from_ms(row[5]),
        ends_at=from_ms(row[6]),
        cancelled_at=from_ms_or_none(row[7]),
    )
