"""Authorizations, with the counts of their uses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationEntry,
    AuthorizationState,
    ConsentRequest,
    DecidedItem,
)
from govcode_node.domain.codes import SubjectKind
from govcode_node.storage.answers import CattrsAnswerCodec
from govcode_node.storage.authorization_tables import authorization_counters, authorizations
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    AUTHORIZATION_PREFIX,
    from_ms,
    from_ms_or_none,
    pack_account,
    pack_id,
    pack_opaque,
    pack_own_id,
    to_ms,
    to_ms_or_none,
    unpack_account,
)
from govcode_node.storage.statements import Parameters, Statement, constant, insert_unless, row_insert, value
from govcode_node.storage.stores.license_uses import LicenseUseRows
from govcode_node.storage.stores.withdrawal_notices import WithdrawalNoticeRows

_c = authorizations.c
_n = authorization_counters.c
_PENDING: Final = int(AuthorizationState.PENDING)
_GRANTED: Final = int(AuthorizationState.GRANTED)
_WITHDRAWN: Final = int(AuthorizationState.WITHDRAWN)
_codec: Final = CattrsAnswerCodec()

_of_id = _c.authorization_id == value("id", _c.authorization_id)
_of_account = _c.account_id == value("account", _c.account_id)
_is_pending = _c.state == constant(_PENDING)

_ADD = insert_unless(authorizations, "authorization_id")
_ADD_COUNTER = row_insert(authorization_counters)
_GET = Statement(select(authorizations).where(_of_id), "id")
_COUNTERS = Statement(
    select(authorization_counters)
    .where(_n.authorization_id == value("id", _n.authorization_id), _n.uses > constant(0))
    .order_by(_n.item_no),
    "id",
)
_OF_SERIAL = Statement(
    select(authorizations)
    .where(
        _c.app == value("app", _c.app),
        _c.biz_serial == value("serial", _c.biz_serial),
        _c.asked_here == constant(1),
    )
    .order_by(_c.authorization_id.desc())
    .limit(constant(1))
    .offset(constant(0)),
    "app",
    "serial",
)
_NEWEST_OF = select(authorizations).where(_of_account).order_by(_c.authorization_id.desc())
_LIST_OF = Statement(_NEWEST_OF.limit(value("limit", _n.uses)).offset(constant(0)), "account", "limit")
_LIST_BEFORE = Statement(
    _NEWEST_OF.where(_c.authorization_id < value("before", _c.authorization_id))
    .limit(value("limit", _n.uses))
    .offset(constant(0)),
    "account",
    "before",
    "limit",
)
_OPEN_OF = Statement(
    select(authorizations)
    .where(_of_account, _c.state.in_([constant(_PENDING), constant(_GRANTED)]))
    .order_by(_c.authorization_id),
    "account",
)
_COUNTERS_OF = Statement(
    select(authorization_counters)
    .join(authorizations, _c.authorization_id == _n.authorization_id)
    .where(
        _of_account,
        _c.authorization_id >= value("first", _c.authorization_id),
        _c.authorization_id <= value("last", _c.authorization_id),
        _n.uses > constant(0),
    )
    .order_by(_n.authorization_id, _n.item_no),
    "account",
    "first",
    "last",
)
_UNDECIDED = Statement(
    select(authorizations)
    .where(_is_pending, _c.account_id.is_not(None), _c.decide_before <= value("now", _c.decide_before))
    .order_by(_c.decide_before, _c.authorization_id)
    .limit(value("limit", _n.uses))
    .offset(constant(0)),
    "now",
    "limit",
)
_is_present = _c.state == value("present", _c.state)
_LOCK = Statement(
    # SQLite has no row locks and needs none: its write transactions come one after another.
    select(authorizations).where(_of_id, _is_present).with_for_update(key_share=True),
    "id",
    "present",
)
_PLACES: Final = {column.name: place for place, column in enumerate(authorizations.columns)}
_CHANGING: Final = (
    "state",
    "decided_at",
    "ends_at",
    "withdrawn_at",
    "over_at",
    "items",
    "grant_evidence",
    "consent_evidence",
    "withdrawal_evidence",
    "row_seal",
)
_CHANGE = Statement(
    update(authorizations).where(_of_id, _is_present).values({name: value(name, _c[name]) for name in _CHANGING}),
    "id",
    "present",
    *_CHANGING,
)
_LOCK_OVER = Statement(
    select(_c.authorization_id)
    .where(_c.over_at < value("before", _c.over_at))
    .order_by(_c.over_at, _c.authorization_id)
    .limit(value("limit", _n.uses))
    .offset(constant(0))
    .with_for_update(skip_locked=True),
    "before",
    "limit",
)
_DELETE_COUNTERS = Statement(
    delete(authorization_counters).where(_n.authorization_id == value("id", _n.authorization_id)), "id"
)
_DELETE = Statement(delete(authorizations).where(_of_id), "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    """The decided items in the form in which the codec keeps them."""

    items: tuple[DecidedItem, ...]


class SqlAuthorizationStore(LicenseUseRows, WithdrawalNoticeRows):
    """Authorizations. Leans on the primary key, the partial indexes by account, serial, time to decide and end.

    Uses and notices stand in modules of their own. A decision, a withdrawal and the begin of a use meet at the row of
    the authorization: whoever is second finds the state that the first one wrote.
    """

    __slots__ = ()

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._names = batch.names
        self._seals = batch.seals

    def add(self, authorization: Authorization) -> bool:
        """See the port."""
        key = pack_own_id(AUTHORIZATION_PREFIX, authorization.authorization_id)
        added = self._link.write(_ADD, self._row(key, authorization)) == 1
        if added and authorization.state is AuthorizationState.GRANTED:
            self._add_counters(key, authorization.items)
        return added

    def get(self, authorization_id: str) -> Authorization | None:
        """See the port."""
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        return self._first(self._link.one(_GET, (key,))) if key else None

    def find_request(self, *, app_id: str, biz_serial: str) -> Authorization | None:
        """See the port. What applications of other nodes asked for has no place in that index."""
        app = self._names.find(app_id)
        return self._first(self._link.one(_OF_SERIAL, (app, pack_opaque(biz_serial)))) if app is not None else None

    def list_of(self, account_id: AccountId, *, before: str, limit: int) -> Sequence[Authorization]:
        """See the port. Ids begin with their time."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        if key is None:
            return []
        if not before:
            return self._of_account(key, self._link.all(_LIST_OF, (key, limit)))
        last = pack_id(AUTHORIZATION_PREFIX, before)
        return self._of_account(key, self._link.all(_LIST_BEFORE, (key, last, limit))) if last else []

    def open_of(self, account_id: AccountId) -> Sequence[Authorization]:
        """See the port. The oldest first."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        return self._of_account(key, self._link.all(_OPEN_OF, (key,))) if key else []

    def decide(
        self,
        authorization_id: str,
        *,
        state: AuthorizationState,
        items: Sequence[DecidedItem],
        decided_at: datetime,
        ends_at: datetime | None,
        consent: bytes,
        grant: bytes,
    ) -> bool:
        """See the port."""
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        if key is None:
            return False
        decision = {
            "state": int(state),
            "items": _items_to_text(items),
            "decided_at": to_ms(decided_at),
            "ends_at": to_ms_or_none(ends_at),
            "over_at": to_ms_or_none(_over_at(state, decided_at=decided_at, ends_at=ends_at)),
            "consent_evidence": consent,
            "grant_evidence": grant,
        }
        decided = self._change(key, _PENDING, decision)
        if decided and state is AuthorizationState.GRANTED:
            self._add_counters(key, items)
        return decided

    def time_out(self, authorization_id: str, *, at: datetime) -> bool:
        """See the port."""
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        over = {"state": int(AuthorizationState.TIMED_OUT), "over_at": to_ms(at)}
        return key is not None and self._change(key, _PENDING, over)

    def undecided(self, *, now: datetime, limit: int) -> Sequence[Authorization]:
        """See the port. Nothing that is pending has been used; copies of other nodes' holders are for those to end."""
        return [self._authorization(row, {}) for row in self._link.all(_UNDECIDED, (to_ms(now), limit))]

    def withdraw(self, authorization_id: str, *, at: datetime, withdrawal: bytes) -> bool:
        """See the port."""
        key = pack_id(AUTHORIZATION_PREFIX, authorization_id)
        moment = to_ms(at)
        withdrawn = {
            "state": int(AuthorizationState.WITHDRAWN),
            "withdrawn_at": moment,
            "over_at": moment,
            "withdrawal_evidence": withdrawal,
        }
        if key is None:
            return False
        if self._change(key, _GRANTED, withdrawn):
            return True
        heard = self._lock(key, _WITHDRAWN) if withdrawal else None
        if heard is not None and not heard[_PLACES["withdrawal_evidence"]]:
            self._change(key, _WITHDRAWN, withdrawn)
        return False

    def purge(self, *, ended_before: datetime, limit: int) -> int:
        """See the port. Uses without an authorization here, older than that, go with them: at nodes that only deliver.

        What another process is deleting at this moment is left to it.
        """
        rows = self._link.all(_LOCK_OVER, (to_ms(ended_before), limit))
        keys = [(row[0],) for row in rows]
        deleted = 0
        for key in keys:
            self._delete_uses(key)
            self._delete_notices(key)
            self._link.write(_DELETE_COUNTERS, key)
            deleted += self._link.write(_DELETE, key)
        self._delete_strays(to_ms(ended_before), limit)
        return deleted

    def _lock_granted(self, key: bytes) -> bool:
        """It holds the row of an authorization that is GRANTED until the end of the transaction; whether it is."""
        return self._lock(key, _GRANTED) is not None

    def _lock(self, key: bytes, present: int) -> tuple[Any, ...] | None:
        """It returns a row that is in that state, and holds it until the end of the transaction.

        On PostgreSQL it waits for whoever is changing the row, and then sees what was written.
        """
        row = self._link.one(_LOCK, (key, present))
        return self._seals.checked(authorizations, row) if row else None

    def _change(self, key: bytes, present: int, changes: Mapping[str, Any]) -> bool:
        """It changes a row that is in that state; whether it was. What another hand has changed is not sealed anew."""
        row = self._lock(key, present)
        if row is None:
            return False
        changed = list(row)
        for name, content in changes.items():
            changed[_PLACES[name]] = content
        sealed = self._seals.sealed(authorizations, tuple(changed))
        return self._link.write(_CHANGE, (key, present, *(sealed[_PLACES[name]] for name in _CHANGING))) == 1

    def _add_counters(self, key: bytes, items: Iterable[DecidedItem]) -> None:
        for item in items:
            if item.granted:
                self._link.write(_ADD_COUNTER, (key, item.item_no, 0))

    def _row(self, key: bytes, authorization: Authorization) -> Parameters:
        request = authorization.request
        account_id, presenter = authorization.account_id, authorization.presenter_account_id
        over_at = _over_at(
            authorization.state,
            decided_at=authorization.decided_at or authorization.decide_before,
            ends_at=authorization.ends_at,
            withdrawn_at=authorization.withdrawn_at,
        )
        if over_at is None and account_id is None:
            # A copy that never hears of the decision: nothing can come of it after the longest time it could be used.
            over_at = authorization.decide_before + request.period
        row = (
            key,
            pack_account(account_id) if account_id is not None else None,
            None if authorization.subject_kind is None else int(authorization.subject_kind),
            authorization.holder_app_id,
            pack_account(presenter) if presenter is not None else None,
            self._names.number(request.app_id),
            pack_opaque(request.biz_serial),
            int(_asked_here(authorization)),
            int(authorization.state),
            to_ms(authorization.decide_before),
            to_ms_or_none(authorization.decided_at),
            to_ms_or_none(authorization.ends_at),
            to_ms_or_none(authorization.withdrawn_at),
            to_ms_or_none(over_at),
            _items_to_text(authorization.items),
            _codec.dump(request).decode(),
            authorization.request_evidence,
            authorization.grant,
            authorization.consent,
            authorization.withdrawal,
        )
        return self._seals.sealed(authorizations, row)

    def _first(self, row: tuple[Any, ...] | None) -> Authorization | None:
        if row is None:
            return None
        uses = {item_no: uses for _, item_no, uses in self._link.all(_COUNTERS, (row[0],))}
        return self._authorization(row, uses)

    def _of_account(self, account: bytes, rows: list[tuple[Any, ...]]) -> list[Authorization]:
        """It makes authorizations of one account, with all their counts by one question."""
        if not rows:
            return []
        ids = [row[0] for row in rows]
        uses: dict[bytes, dict[int, int]] = {}
        for key, item_no, count in self._link.all(_COUNTERS_OF, (account, min(ids), max(ids))):
            uses.setdefault(key, {})[item_no] = count
        return [self._authorization(row, uses.get(row[0], {})) for row in rows]

    def _authorization(self, sealed: tuple[Any, ...], uses: dict[int, int]) -> Authorization:
        row = self._seals.checked(authorizations, sealed)
        return Authorization(
            authorization_id=AUTHORIZATION_PREFIX + row[0].hex(),
            account_id=None if row[1] is None else unpack_account(row[1]),
            subject_kind=None if row[2] is None else SubjectKind(row[2]),
            holder_app_id=row[3],
            presenter_account_id=None if row[4] is None else unpack_account(row[4]),
            state=AuthorizationState(row[8]),
            decide_before=from_ms(row[9]),
            decided_at=from_ms_or_none(row[10]),
            ends_at=from_ms_or_none(row[11]),
            withdrawn_at=from_ms_or_none(row[12]),
            items=_codec.load(_Items, row[14].encode()).items if row[14] else (),
            request=_codec.load(ConsentRequest, row[15].encode()),
            request_evidence=row[16],
            grant=row[17],
            consent=row[18],
            withdrawal=row[19],
            uses=uses,
        )


def _items_to_text(items: Sequence[DecidedItem]) -> str:
    return _codec.dump(_Items(items=tuple(items))).decode() if items else ""


def _asked_here(authorization: Authorization) -> bool:
    """Whether an application of this node made the request; the serial of a scanned scene code is the holder's."""
    request = authorization.request
    here = authorization.account_id is None or request.visited_node == request.home_node
    return here and request.entry is AuthorizationEntry.RELYING_PARTY_SCANNED


def _over_at(
    state: AuthorizationState,
    *,
    decided_at: datetime,
    ends_at: datetime | None,
    withdrawn_at: datetime | None = None,
) -> datetime | None:
    """It tells from when on nothing can come of an authorization; None while it waits for its decision."""
    if state is AuthorizationState.PENDING:
        return None
    return withdrawn_at or ends_at or decided_at
