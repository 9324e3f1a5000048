"""Mandates of entities."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.mandates import Mandate
from govcode_node.storage.authorization_tables import mandates
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    from_ms,
    from_ms_or_none,
    pack_account,
    pack_id,
    to_json,
    to_ms,
    to_ms_or_none,
    unpack_account,
)
from govcode_node.storage.statements import Statement, constant, row_insert, value

_c = mandates.c
_ADD = row_insert(mandates)
_GET = Statement(select(mandates).where(_c.mandate_id == value("id", _c.mandate_id)), "id")
_LOCK = Statement(
    select(mandates)
    .where(_c.mandate_id == value("id", _c.mandate_id), _c.cancelled_at.is_(None))
    .with_for_update(key_share=True),
    "id",
)
_CANCEL = Statement(
    update(mandates)
    .where(_c.mandate_id == value("id", _c.mandate_id), _c.cancelled_at.is_(None))
    .values(cancelled_at=value("at", _c.cancelled_at), row_seal=value("seal", _c.row_seal)),
    "id",
    "at",
    "seal",
)
_LIST = Statement(
    select(mandates)
    .where(
        or_(
            _c.entity_account_id == value("account", _c.entity_account_id),
            _c.agent_account_id == value("account", _c.agent_account_id),
        )
    )
    .order_by(_c.given_at.desc(), _c.mandate_id.desc())
    .limit(value("limit", _c.given_at))
    .offset(constant(0)),
    "account",
    "limit",
)


class SqlMandateStore:
    """Mandates. Leans on the primary key and the indexes by entity and by agent."""

    __slots__ = ("_link", "_seals")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._seals = batch.seals

    def add(self, mandate: Mandate) -> None:
        """See the port."""
        row = (
            mandate.mandate_id,
            pack_account(mandate.entity_account_id),
            pack_account(mandate.agent_account_id),
            to_json(mandate.matter_codes),
            to_json(mandate.license_types),
            to_ms(mandate.starts_at),
            to_ms(mandate.ends_at),
            mandate.representative_index,
            to_ms(mandate.given_at),
            to_ms_or_none(mandate.cancelled_at),
        )
        self._link.write(_ADD, self._seals.sealed(mandates, row))

    def get(self, mandate_id: str) -> Mandate | None:
        """See the port."""
        row = self._link.one(_GET, (mandate_id,))
        return self._mandate(row) if row else None

    def cancel(self, mandate_id: str, *, at: datetime) -> bool:
        """See the port. It waits for whoever is cancelling it at this moment."""
        found = self._link.one(_LOCK, (mandate_id,))
        if found is None:
            return False
        row = self._seals.checked(mandates, found)
        sealed = self._seals.sealed(mandates, (*row[:-1], to_ms(at)))
        return self._link.write(_CANCEL, (mandate_id, *sealed[-2:])) == 1

    def list_of(self, account_id: AccountId, *, limit: int) -> Sequence[Mandate]:
        """See the port."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        return [self._mandate(row) for row in self._link.all(_LIST, (key, limit))] if key else []

    def _mandate(self, sealed: tuple[Any, ...]) -> Mandate:
        row = self._seals.checked(mandates, sealed)
        return Mandate(
            mandate_id=row[0],
            entity_account_id=unpack_account(row[1]),
            agent_account_id=unpack_account(row[2]),
            matter_codes=tuple(json.loads(row[3])),
            license_types=tuple(json.loads(row[4])),
            starts_at=from_ms(row[5]),
            ends_at=from_ms(row[6]),
            representative_index=row[7],
            given_at=from_ms(row[8]),
            cancelled_at=from_ms_or_none(row[9]),
        )
