"""Uses of licences: at the home node the count, at the others the record of their part."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, select, update

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import LegalBasis, UseState
from govcode_node.domain.licenses import LicenseUse
from govcode_node.storage.authorization_tables import authorization_counters, authorizations, license_uses
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    AUTHORIZATION_PREFIX,
    USE_PREFIX,
    from_ms,
    from_ms_or_none,
    pack_account,
    pack_id,
    pack_opaque,
    pack_own_id,
    to_ms,
    to_ms_or_none,
    unpack_account,
    unpack_opaque,
)
from govcode_node.storage.engine import Link
from govcode_node.storage.names import Names
from govcode_node.storage.row_seals import RowSeals
from govcode_node.storage.statements import Parameters, Statement, constant, insert_unless, row_insert, value

_c = license_uses.c
_n = authorization_counters.c

_ADD = row_insert(license_uses)
_ADD_UNLESS = insert_unless(license_uses, "use_id")
_COUNT = Statement(
    update(authorization_counters)
    .where(
        _n.authorization_id == value("id", _n.authorization_id),
        _n.item_no == value("item", _n.item_no),
        _n.uses < value("limit", _n.uses),
        ~exists(
            select(constant(1))
            .select_from(license_uses)
            .where(
                _c.authorization_id == value("id", _c.authorization_id),
                _c.caller == value("caller", _c.caller),
                _c.biz_serial == value("serial", _c.biz_serial),
                _c.state != constant(UseState.FAILED),
            )
        ),
    )
    .values(uses=_n.uses + constant(1)),
    "id",
    "item",
    "limit",
    "caller",
    "serial",
)
_END = Statement(
    update(license_uses)
    .where(_c.use_id == value("use", _c.use_id), _c.state == constant(UseState.BEGUN))
    .values(
        state=value("state", _c.state),
        ended_at=value("at", _c.ended_at),
        delivery_evidence=value("delivery", _c.delivery_evidence),
    )
    .returning(_c.authorization_id, _c.item_no, _c.counted),
    "use",
    "state",
    "at",
    "delivery",
)
_GIVE_BACK = Statement(
    update(authorization_counters)
    .where(
        _n.authorization_id == value("id", _n.authorization_id),
        _n.item_no == value("item", _n.item_no),
        _n.uses > constant(0),
    )
    .values(uses=_n.uses - constant(1)),
    "id",
    "item",
)
_GET = Statement(select(license_uses).where(_c.use_id == value("use", _c.use_id)), "use")
_of_authorization = _c.authorization_id == value("id", _c.authorization_id)
_OF_SERIAL = Statement(
    select(license_uses)
    .where(_of_authorization, _c.caller == value("caller", _c.caller), _c.biz_serial == value("serial", _c.biz_serial))
    .order_by(_c.use_id.desc())
    .limit(constant(1))
    .offset(constant(0)),
    "id",
    "caller",
    "serial",
)
_OF_AUTHORIZATION = Statement(
    select(license_uses).where(_of_authorization).order_by(_c.begun_at, _c.use_id),
    "id",
)
_PAGE = (
    select(license_uses)
    .where(_c.account_id == value("account", _c.account_id), _c.use_id < value("before", _c.use_id))
    .order_by(_c.use_id.desc())
    .limit(value("limit", _c.begun_at))
    .offset(constant(0))
)
_LIST = Statement(_PAGE, "account", "before", "limit")
_LIST_OF_ONE = Statement(_PAGE.where(_of_authorization), "account", "before", "limit", "id")
_BEYOND_ALL = b"\xff" * 17
"""Greater than each id, which has 16 bytes."""

_DELETE_OF = Statement(delete(license_uses).where(_of_authorization), "id")
_DELETE_STRAYS = Statement(
    delete(license_uses).where(
        _c.use_id.in_(
            select(_c.use_id)
            .where(
                _c.counted == constant(0),
                _c.begun_at < value("before", _c.begun_at),
                ~exists(
                    select(constant(1))
                    .select_from(authorizations)
                    .where(authorizations.c.authorization_id == _c.authorization_id)
                ),
            )
            .order_by(_c.begun_at, _c.use_id)
            .limit(value("limit", _c.begun_at))
            .offset(constant(0))
        )
    ),
    "before",
    "limit",
)


class AuthorizationRows:
    """What the parts of the store of authorizations share."""

    __slots__ = ("_link", "_names", "_seals")

    _link: Link
    _names: Names
    _seals: RowSeals

    def _lock_granted(self, key: bytes) -> bool:
        raise AssertionError("the store of authorizations knows their rows")


class LicenseUseRows(AuthorizationRows):
    """Uses. Leans on the primary key and the indexes by authorization, caller and serial, and by account."""

    __slots__ = ()

    def begin_use(self, use: LicenseUse, *, limit: int) -> bool:
        """See the port. A use that failed stays on record beside the one that takes its serial.

        The lock on the authorization's row makes begins and the withdrawal come one after another; what the count then
        says is final. A refusal has written nothing, so it does not spoil the batch.
        """
        key = pack_id(AUTHORIZATION_PREFIX, use.authorization_id)
        if key is None or not self._lock_granted(key):
            return False
        row = self._use_row(key, use, counted=True)
        caller, serial = row[4], row[5]
        if self._link.write(_COUNT, (key, use.item_no, limit, caller, serial)) != 1:
            return False
        self._link.write(_ADD, row)
        return True

    def end_use(self, use_id: str, *, state: UseState, at: datetime, delivery: bytes = b"") -> bool:
        """See the port. Only the call that ends the use gives its count back, and only where it is counted here."""
        key = pack_id(USE_PREFIX, use_id)
        if key is None:
            return False
        ended = self._link.write_returning(_END, (key, int(state), to_ms(at), delivery))
        for authorization, item_no, counted in ended:
            if state is UseState.FAILED and counted:
                self._link.write(_GIVE_BACK, (authorization, item_no))
        return bool(ended)

    def record_use(self, use: LicenseUse) -> bool:
        """See the port."""
        key = pack_own_id(AUTHORIZATION_PREFIX, use.authorization_id)
        return self._link.write(_ADD_UNLESS, self._use_row(key, use, counted=False)) == 1

    def get_use(self, use_id: str) -> LicenseUse | None:
        """See the port."""
        key = pack_id(USE_PREFIX, use_id)
        row = self._link.one(_GET, (key,)) if key else None
        return self._use(row) if row else None

    def find_use(self, *, authorization_id: str, caller: str, biz_serial: str) -> LicenseUse | None:
        """See the port. Of one that failed and was tried again, it is the newest."""
        key, name = pack_id(AUTHORIZATION_PREFIX, authorization_id), self._names.find(caller)
        if key is None or name is None:
            return None
        row = self._link.one(_OF_SERIAL, (key, name, pack_opaque(biz_serial)))
        return self._use(row) if row else None

    def uses_of(self, authorization_id: str) -> Sequence[LicenseUse]:
        """See the port. They are few and put in order as they are read."""
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        return [self._use(row) for row in self._link.all(_OF_AUTHORIZATION, (key,))] if key else []

    def list_uses(
        self, account_id: AccountId, *, authorization_id: str, before: str, limit: int
    ) -> Sequence[LicenseUse]:
        """See the port. Ids begin with their time."""
        account = pack_id(ACCOUNT_PREFIX, account_id)
        last = pack_id(USE_PREFIX, before) if before else _BEYOND_ALL
        if account is None or last is None:
            return []
        if not authorization_id:
            return [self._use(row) for row in self._link.all(_LIST, (account, last, limit))]
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        return [self._use(row) for row in self._link.all(_LIST_OF_ONE, (account, last, limit, key))] if key else []

    def _delete_uses(self, key: Parameters) -> None:
        self._link.write(_DELETE_OF, key)

    def _delete_strays(self, before_ms: int, limit: int) -> None:
        """It deletes old records of uses whose authorization is not here."""
        self._link.write(_DELETE_STRAYS, (before_ms, limit))

    def _use_row(self, authorization: bytes, use: LicenseUse, *, counted: bool) -> Parameters:
        number = self._names.number
        return (
            pack_own_id(USE_PREFIX, use.use_id),
            authorization,
            use.item_no,
            int(counted),
            number(use.caller),
            pack_opaque(use.biz_serial),
            pack_account(use.account_id) if use.account_id is not None else None,
            use.license_type,
            number(use.relying_party_name),
            use.matter_code,
            number(use.license_node),
            int(use.legal_basis),
            int(use.state),
            to_ms(use.begun_at),
            to_ms_or_none(use.ended_at),
            use.request,
            use.delivery,
        )

    def _use(self, row: tuple[Any, ...]) -> LicenseUse:
        name = self._names.text
        return LicenseUse(
            use_id=USE_PREFIX + row[0].hex(),
            authorization_id=AUTHORIZATION_PREFIX + row[1].hex(),
            item_no=row[2],
            caller=name(row[4]),
            biz_serial=unpack_opaque(row[5]),
            account_id=None if row[6] is None else unpack_account(row[6]),
            license_type=row[7],
            relying_party_name=name(row[8]),
            matter_code=row[9],
            license_node=name(row[10]),
            legal_basis=LegalBasis(row[11]),
            state=UseState(row[12]),
            begun_at=from_ms(row[13]),
            ended_at=from_ms_or_none(row[14]),
            request=row[15],
            delivery=row[16],
        )
