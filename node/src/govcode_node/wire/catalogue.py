"""What operators register of licences: types, matters with their scope, applications' keys; and their pages."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from govcode.business.v1 import catalogue_pb2 as cataloguev1
from govcode_client.sm2 import key_id_of

from govcode_node.domain.catalogue import (
    ApplicationKey,
    AskedItem,
    LicenseType,
    LicenseTypeField,
    Matter,
    StatutoryBasis,
)
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import CursorInvalidError, InvalidFieldError
from govcode_node.wire import checks
from govcode_node.wire.authorization_items import MAX_FIELDS, MAX_ITEMS, max_uses_from_proto
from govcode_node.wire.registry import MAX_NAME, MAX_TEXT, NOT_YET
from govcode_node.wire.times import moment_to_proto, span_from_proto, span_to_proto
from govcode_node.wire.vocabulary import SUBJECT_KINDS

MAX_PAGE: Final = 500
DEFAULT_PAGE: Final = 100

_MAX_TYPE_FIELDS: Final = 64


def license_type_to_proto(kind: LicenseType) -> cataloguev1.LicenseType:
    """It gives one version of a licence type, kinds of subjects in the order of the contract."""
    return cataloguev1.LicenseType(
        license_type=kind.license_type,
        version=kind.version,
        name=kind.name,
        fields=[
            cataloguev1.LicenseTypeField(name=field.name, label=field.label, sensitive=field.sensitive)
            for field in kind.fields
        ],
        document_sensitive=kind.document_sensitive,
        subject_kinds=[SUBJECT_KINDS.to_proto(one) for one in sorted(kind.subject_kinds)],
    )


def license_type_from_proto(message: cataloguev1.LicenseType) -> LicenseType:
    """It reads a licence type to register.

    Raises:
        InvalidFieldError: A field is missing, too long, not of its form, or stands twice.
    """
    if not message.fields:
        raise InvalidFieldError("license_type.fields", "is required")
    checks.number(len(message.fields), "license_type.fields", least=1, most=_MAX_TYPE_FIELDS)
    fields = tuple(
        LicenseTypeField(
            name=checks.field_name(field.name, "license_type.fields.name"),
            label=checks.text(field.label, "license_type.fields.label", longest=MAX_NAME),
            sensitive=field.sensitive,
        )
        for field in message.fields
    )
    if len({field.name for field in fields}) != len(fields):
        raise InvalidFieldError("license_type.fields.name", "stands twice")
    return LicenseType(
        license_type=checks.registered_name(message.license_type, "license_type.license_type"),
        version=0,
        name=checks.text(message.name, "license_type.name", longest=MAX_NAME),
        fields=fields,
        document_sensitive=message.document_sensitive,
        subject_kinds=_subject_kinds(message.subject_kinds, "license_type.subject_kinds"),
    )


def matter_to_proto(matter: Matter) -> cataloguev1.Matter:
    """It gives one version of a matter, kinds of subjects in the order of the contract."""
    basis = matter.statutory_basis
    return cataloguev1.Matter(
        matter_code=matter.matter_code,
        app_id=matter.app_id,
        version=matter.version,
        name=matter.name,
        purpose=matter.purpose,
        handling_means=matter.handling_means,
        items=[
            cataloguev1.MatterItem(license_type=item.license_type, field_names=item.field_names, document=item.document)
            for item in matter.items
        ],
        max_retention=span_to_proto(matter.max_retention) if matter.max_retention else None,
        max_uses=matter.max_uses,
        max_period=span_to_proto(matter.max_period),
        subject_kinds=[SUBJECT_KINDS.to_proto(one) for one in sorted(matter.subject_kinds)],
        statutory_basis=None
        if basis is None
        else cataloguev1.StatutoryBasis(statute=basis.statute, secret=basis.holder_untold),
        register_time=moment_to_proto(matter.registered_at),
    )


def matter_from_proto(message: cataloguev1.Matter) -> Matter:
    """It reads a matter to register.

    Raises:
        InvalidFieldError: A field is missing, too long, not of its form, or stands twice.
        AuthorizationOutOfPolicyError: A limit is over what a node allows at all.
    """
    return Matter(
        matter_code=checks.matter_code(message.matter_code, "matter.matter_code"),
        app_id=checks.registered_name(message.app_id, "matter.app_id"),
        version=0,
        name=checks.text(message.name, "matter.name", longest=MAX_NAME),
        purpose=checks.text(message.purpose, "matter.purpose", longest=MAX_TEXT),
        handling_means=checks.text(message.handling_means, "matter.handling_means", longest=MAX_TEXT),
        items=_scope(message.items),
        max_retention=span_from_proto(message.max_retention, "matter.max_retention"),
        max_uses=max_uses_from_proto(message.max_uses, "matter.max_uses"),
        max_period=_period(message),
        subject_kinds=_subject_kinds(message.subject_kinds, "matter.subject_kinds"),
        statutory_basis=_basis(message.statutory_basis) if message.HasField("statutory_basis") else None,
        registered_at=NOT_YET,
    )


def application_key_to_proto(key: ApplicationKey) -> cataloguev1.ApplicationKey:
    """It gives the key to which licences are sealed for an application."""
    return cataloguev1.ApplicationKey(
        app_id=key.app_id,
        key_id=key.key_id,
        public_key=key.public_key,
        register_time=moment_to_proto(key.registered_at),
    )


def application_key_from_proto(message: cataloguev1.ApplicationKey) -> ApplicationKey:
    """It reads a key to register; its id follows from it.

    Raises:
        InvalidFieldError: The application is not named, or the key is no public point of SM2.
    """
    public_key = checks.point(message.public_key, "key.public_key")
    return ApplicationKey(
        app_id=checks.registered_name(message.app_id, "key.app_id"),
        key_id=key_id_of(public_key),
        public_key=public_key,
        registered_at=NOT_YET,
    )


def license_type_page(page_size: int, page_token: str) -> tuple[int, str]:
    """It reads how many licence types are wanted, and after which.

    Raises:
        InvalidFieldError: The size is above 500, or the token is longer than any that this node makes.
        CursorInvalidError: The token is no id of a licence type.
    """
    size = checks.page_size(page_size, default=DEFAULT_PAGE, most=MAX_PAGE)
    after = checks.page_token(page_token)
    return size, _token_part(after, page_token) if after else ""


def matter_page(page_size: int, page_token: str) -> tuple[int, tuple[str, str]]:
    """It reads how many matters are wanted, and after which application and code.

    Raises:
        InvalidFieldError: The size is above 500, or the token is longer than any that this node makes.
        CursorInvalidError: The token names no matter.
    """
    size = checks.page_size(page_size, default=DEFAULT_PAGE, most=MAX_PAGE)
    app_id, _, code = checks.page_token(page_token).partition("/")
    if not page_token:
        return size, ("", "")
    try:
        return size, (_token_part(app_id, page_token), checks.matter_code(code, "page_token"))
    except InvalidFieldError:
        raise CursorInvalidError(page_token[: checks.MAX_ID]) from None


def matter_token(matter: Matter) -> str:
    """It gives the token of the page after a matter; neither part can hold the stroke between them."""
    return f"{matter.app_id}/{matter.matter_code}"


def _token_part(name: str, page_token: str) -> str:
    try:
        return checks.registered_name(name, "page_token")
    except InvalidFieldError:
        raise CursorInvalidError(page_token[: checks.MAX_ID]) from None


def _subject_kinds(values: Iterable[int], field: str) -> frozenset[SubjectKind]:
    kinds = frozenset(SUBJECT_KINDS.require(value, field) for value in values)
    if not kinds:
        raise InvalidFieldError(field, "is required")
    return kinds


def _scope(messages: Iterable[cataloguev1.MatterItem]) -> tuple[AskedItem, ...]:
    items = tuple(_scope_item(message) for message in messages)
    if not items:
        raise InvalidFieldError("matter.items", "is required")
    checks.number(len(items), "matter.items", least=1, most=MAX_ITEMS)
    if len({item.license_type for item in items}) != len(items):
        raise InvalidFieldError("matter.items.license_type", "stands twice")
    return items


def _scope_item(message: cataloguev1.MatterItem) -> AskedItem:
    names = tuple(checks.field_name(name, "matter.items.field_names") for name in message.field_names)
    # As many as may be asked for at once, so that a scene code, which asks for the whole scope, can.
    checks.number(len(names), "matter.items.field_names", least=0, most=MAX_FIELDS)
    if len(set(names)) != len(names):
        raise InvalidFieldError("matter.items.field_names", "has a field twice")
    if not names and not message.document:
        raise InvalidFieldError("matter.items.field_names", "is required unless the document may be asked for")
    return AskedItem(
        license_type=checks.registered_name(message.license_type, "matter.items.license_type"),
        field_names=names,
        document=message.document,
    )


def _period(message: cataloguev1.Matter) -> timedelta:
    period = span_from_proto(message.max_period, "matter.max_period")
    if not period:
        raise InvalidFieldError("matter.max_period", "is required")
    return period


def _basis(message: cataloguev1.StatutoryBasis) -> StatutoryBasis:
    return StatutoryBasis(
        statute=checks.text(message.statute, "matter.statutory_basis.statute", longest=MAX_TEXT),
        holder_untold=message.secret,
    )
