"""Accounts."""

from datetime import datetime
from typing import Any

from sqlalchemy import null, select, update

from govcode_node.domain.accounts import Account, AccountId, AccountState
from govcode_node.domain.codes import SubjectKind
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    ACCOUNT_STATES,
    from_ms,
    from_ms_or_none,
    pack_account,
    pack_id,
    to_ms,
    to_ms_or_none,
    unpack_account,
)
from govcode_node.storage.statements import Statement, constant, insert_unless, value
from govcode_node.storage.tables import accounts

_c = accounts.c
_CLOSED = ACCOUNT_STATES.number[AccountState.CLOSED]
_ACCOUNT = (
    _c.account_id,
    _c.subject_kind,
    _c.state,
    _c.assurance_level,
    _c.terms_version,
    _c.device_key_id,
    _c.device_public_key,
    _c.opened_at,
    _c.closed_at,
)
_ADD = insert_unless(accounts, "subject_index")
_GET = Statement(select(*_ACCOUNT, _c.sealed_profile).where(_c.account_id == value("id", _c.account_id)), "id")
_PROFILE_PLACE = len(_ACCOUNT)
_FIND = Statement(select(*_ACCOUNT).where(_c.subject_index == value("index", _c.subject_index)), "index")
_PROFILE = Statement(select(_c.sealed_profile).where(_c.account_id == value("id", _c.account_id)), "id")
_BIND = Statement(
    update(accounts)
    .where(_c.account_id == value("id", _c.account_id))
    .values(device_key_id=value("key", _c.device_key_id), device_public_key=value("public", _c.device_public_key)),
    "id",
    "key",
    "public",
)
_CLOSE = Statement(
    update(accounts)
    .where(_c.account_id == value("id", _c.account_id), _c.state != constant(_CLOSED))
    .values(state=constant(_CLOSED), closed_at=value("at", _c.closed_at), sealed_profile=null(), subject_index=null()),
    "id",
    "at",
)


class SqlAccountStore:
    """Accounts. Leans on the primary key and the unique index of subjects.

    Who judges a code asks for its account and then for what may be disclosed, so both are read at once.
    """

    __slots__ = ("_link", "_profiles")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._profiles: dict[str, bytes | None] = batch.memory()

    def add(self, account: Account, *, subject_index: bytes, sealed_profile: bytes) -> bool:
        """See the port."""
        row = (
            pack_account(account.account_id),
            subject_index,
            sealed_profile,
            int(account.subject_kind),
            ACCOUNT_STATES.number[account.state],
            account.assurance_level,
            account.terms_version,
            account.device_key_id,
            account.device_public_key,
            to_ms(account.opened_at),
            to_ms_or_none(account.closed_at),
        )
        self._profiles.clear()
        return self._link.write(_ADD, row) == 1

    def get(self, account_id: AccountId) -> Account | None:
        """See the port."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        row = self._link.one(_GET, (key,)) if key else None
        if row is None:
            return None
        self._profiles[account_id] = row[_PROFILE_PLACE]
        return _account(row)

    def find_open(self, subject_index: bytes) -> Account | None:
        """See the port."""
        row = self._link.one(_FIND, (subject_index,))
        return _account(row) if row else None

    def sealed_profile(self, account_id: AccountId) -> bytes | None:
        """See the port."""
        if account_id in self._profiles:
            return self._profiles[account_id]
        key = pack_id(ACCOUNT_PREFIX, account_id)
        row = self._link.one(_PROFILE, (key,)) if key else None
        return row[0] if row else None

    def bind_device(self, account_id: AccountId, *, device_key_id: str, device_public_key: bytes) -> None:
        """See the port."""
        self._link.write(_BIND, (pack_account(account_id), device_key_id, device_public_key))

    def close(self, account_id: AccountId, *, at: datetime) -> bool:
        """See the port."""
        self._profiles.clear()
        key = pack_id(ACCOUNT_PREFIX, account_id)
        return key is not None and self._link.write(_CLOSE, (key, to_ms(at))) == 1


def _account(row: tuple[Any, ...]) -> Account:
    return Account(
        account_id=unpack_account(row[0]),
        subject_kind=SubjectKind(row[1]),
        state=ACCOUNT_STATES.member[row[2]],
        assurance_level=row[3],
        terms_version=row[4],
        device_key_id=row[5],
        device_public_key=row[6],
        opened_at=from_ms(row[7]),
        closed_at=from_ms_or_none(row[8]),
    )
