"""The catalogue: licence types and matters in versions, applications' keys, and what scene codes ask for."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select, tuple_

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.catalogue import (
    ApplicationKey,
    AskedItem,
    LicenseType,
    LicenseTypeField,
    Matter,
    StatutoryBasis,
)
from govcode_node.domain.codes import SubjectKind
from govcode_node.ports.authorization_stores import SceneOffer
from govcode_node.storage.authorization_tables import application_keys, license_types, matters, scene_offers
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import (
    ACCOUNT_PREFIX,
    from_ms,
    pack_account,
    pack_id,
    to_json,
    to_ms,
    unpack_account,
)
from govcode_node.storage.statements import Parameters, Statement, constant, put, row_insert, value

_MILLISECOND: Final = timedelta(milliseconds=1)

_t = license_types.c
_of_type = _t.license_type == value("type", _t.license_type)
_ADD_TYPE = row_insert(license_types)
_TYPE_VERSION = Statement(select(func.max(_t.version)).where(_of_type), "type")
_TYPE = Statement(
    select(license_types).where(_of_type).order_by(_t.version.desc()).limit(constant(1)).offset(constant(0)), "type"
)
_other_type = license_types.alias("other")
_TYPES = Statement(
    select(license_types)
    .where(
        _t.license_type > value("after", _t.license_type),
        _t.version
        == select(func.max(_other_type.c.version))
        .where(_other_type.c.license_type == _t.license_type)
        .scalar_subquery(),
    )
    .order_by(_t.license_type)
    .limit(value("limit", _t.version))
    .offset(constant(0)),
    "after",
    "limit",
)

_m = matters.c
_of_matter = (_m.app_id == value("app", _m.app_id), _m.matter_code == value("code", _m.matter_code))
_ADD_MATTER = row_insert(matters)
_MATTER_VERSION = Statement(select(func.max(_m.version)).where(*_of_matter), "app", "code")
_MATTER = Statement(
    select(matters).where(*_of_matter).order_by(_m.version.desc()).limit(constant(1)).offset(constant(0)), "app", "code"
)
_other_matter = matters.alias("other")
_MATTERS = Statement(
    select(matters)
    .where(
        tuple_(_m.app_id, _m.matter_code) > tuple_(value("app", _m.app_id), value("code", _m.matter_code)),
        _m.version
        == select(func.max(_other_matter.c.version))
        .where(_other_matter.c.app_id == _m.app_id, _other_matter.c.matter_code == _m.matter_code)
        .scalar_subquery(),
    )
    .order_by(_m.app_id, _m.matter_code)
    .limit(value("limit", _m.version))
    .offset(constant(0)),
    "app",
    "code",
    "limit",
)

_k = application_keys.c
_PUT_KEY = put(application_keys, "app_id", "key_id")
_KEY = Statement(
    select(application_keys)
    .where(_k.app_id == value("app", _k.app_id))
    .order_by(_k.registered_at.desc(), _k.key_id.desc())
    .limit(constant(1))
    .offset(constant(0)),
    "app",
)

_o = scene_offers.c
_PUT_OFFER = put(scene_offers, "account_id")
_OFFER = Statement(select(scene_offers).where(_o.account_id == value("account", _o.account_id)), "account")


class SqlCatalogueStore:
    """The catalogue. Leans on the primary keys, which are the orders in which it is paged; newest versions come last.

    Two writers that take the same version meet at the primary key, and one runs again.
    """

    __slots__ = ("_link", "_seals")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._seals = batch.seals

    def add_license_type(self, license_type: LicenseType) -> LicenseType:
        """See the port."""
        numbered = replace(license_type, version=self._next(_TYPE_VERSION, (license_type.license_type,)))
        self._link.write(_ADD_TYPE, self._seals.sealed(license_types, _type_row(numbered)))
        return numbered

    def license_type(self, license_type: str) -> LicenseType | None:
        """See the port."""
        row = self._link.one(_TYPE, (license_type,))
        return _license_type(self._seals.checked(license_types, row)) if row else None

    def license_types(self, *, after: str, limit: int) -> Sequence[LicenseType]:
        """See the port."""
        return [
            _license_type(self._seals.checked(license_types, row)) for row in self._link.all(_TYPES, (after, limit))
        ]

    def add_matter(self, matter: Matter) -> Matter:
        """See the port."""
        numbered = replace(matter, version=self._next(_MATTER_VERSION, (matter.app_id, matter.matter_code)))
        self._link.write(_ADD_MATTER, self._seals.sealed(matters, _matter_row(numbered)))
        return numbered

    def matter(self, *, app_id: str, matter_code: str) -> Matter | None:
        """See the port."""
        row = self._link.one(_MATTER, (app_id, matter_code))
        return _matter(self._seals.checked(matters, row)) if row else None

    def matters(self, *, after: tuple[str, str], limit: int) -> Sequence[Matter]:
        """See the port."""
        return [_matter(self._seals.checked(matters, row)) for row in self._link.all(_MATTERS, (*after, limit))]

    def add_key(self, key: ApplicationKey) -> None:
        """See the port. A key that comes again is the newest again."""
        row = (key.app_id, key.key_id, key.public_key, to_ms(key.registered_at))
        self._link.write(_PUT_KEY, self._seals.sealed(application_keys, row))

    def key(self, app_id: str) -> ApplicationKey | None:
        """See the port."""
        row = self._link.one(_KEY, (app_id,))
        if row is None:
            return None
        app, key_id, public_key, registered_at = self._seals.checked(application_keys, row)
        return ApplicationKey(app_id=app, key_id=key_id, public_key=public_key, registered_at=from_ms(registered_at))

    def put_offer(self, offer: SceneOffer) -> None:
        """See the port."""
        row = (pack_account(offer.account_id), offer.app_id, offer.matter_code)
        self._link.write(_PUT_OFFER, self._seals.sealed(scene_offers, row))

    def offer(self, account_id: AccountId) -> SceneOffer | None:
        """See the port."""
        key = pack_id(ACCOUNT_PREFIX, account_id)
        row = self._link.one(_OFFER, (key,)) if key else None
        if row is None:
            return None
        account, app_id, matter_code = self._seals.checked(scene_offers, row)
        return SceneOffer(account_id=unpack_account(account), app_id=app_id, matter_code=matter_code)

    def _next(self, statement: Statement, key: Parameters) -> int:
        row = self._link.one(statement, key)
        return ((row[0] or 0) if row else 0) + 1


def _type_row(license_type: LicenseType) -> Parameters:
    return (
        license_type.license_type,
        license_type.version,
        license_type.name,
        to_json([(field.name, field.label, field.sensitive) for field in license_type.fields]),
        int(license_type.document_sensitive),
        _kinds_to_text(license_type.subject_kinds),
    )


def _license_type(row: tuple[Any, ...]) -> LicenseType:
    return LicenseType(
        license_type=row[0],
        version=row[1],
        name=row[2],
        fields=tuple(
            LicenseTypeField(name=name, label=label, sensitive=sensitive)
            for name, label, sensitive in json.loads(row[3])
        ),
        document_sensitive=bool(row[4]),
        subject_kinds=_kinds(row[5]),
    )


def _matter_row(matter: Matter) -> Parameters:
    basis = matter.statutory_basis
    return (
        matter.app_id,
        matter.matter_code,
        matter.version,
        matter.name,
        matter.purpose,
        matter.handling_means,
        to_json([(item.license_type, item.field_names, item.document) for item in matter.items]),
        matter.max_retention // _MILLISECOND,
        matter.max_uses,
        matter.max_period // _MILLISECOND,
        _kinds_to_text(matter.subject_kinds),
        None if basis is None else basis.statute,
        int(basis is not None and basis.holder_untold),
        to_ms(matter.registered_at),
    )


def _matter(row: tuple[Any, ...]) -> Matter:
    return Matter(
        app_id=row[0],
        matter_code=row[1],
        version=row[2],
        name=row[3],
        purpose=row[4],
        handling_means=row[5],
        items=tuple(
            AskedItem(license_type=license_type, field_names=tuple(names), document=document)
            for license_type, names, document in json.loads(row[6])
        ),
        max_retention=row[7] * _MILLISECOND,
        max_uses=row[8],
        max_period=row[9] * _MILLISECOND,
        subject_kinds=_kinds(row[10]),
        statutory_basis=None if row[11] is None else StatutoryBasis(statute=row[11], holder_untold=bool(row[12])),
        registered_at=from_ms(row[13]),
    )


def _kinds_to_text(kinds: Iterable[SubjectKind]) -> str:
    return ",".join(str(int(kind)) for kind in sorted(kinds))


def _kinds(text: str) -> frozenset[SubjectKind]:
    return frozenset(SubjectKind(int(kind)) for kind in text.split(",") if kind)
