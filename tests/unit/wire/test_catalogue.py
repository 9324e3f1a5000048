"""Licence types, matters and keys are read strictly, and come back as they were registered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from govcode.business.v1 import catalogue_pb2 as cataloguev1
from govcode.common.v1 import subject_pb2 as subjectv1
from govcode_client.sm2 import Sm2PrivateKey, key_id_of
from govcode_node.domain.catalogue import (
    ApplicationKey,
    AskedItem,
    AuthorizationOutOfPolicyError,
    LicenseType,
    LicenseTypeField,
    Matter,
    StatutoryBasis,
)
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import CursorInvalidError, InvalidFieldError
from govcode_node.wire import catalogue
from govcode_node.wire.registry import NOT_YET

PERSON = subjectv1.SUBJECT_KIND_PERSON
POINT = Sm2PrivateKey.generate().public_key.to_point()

LICENCE = LicenseType(
    license_type="business-licence",
    version=0,
    name="营业执照",
    fields=(
        LicenseTypeField(name="entity_name", label="名称"),
        LicenseTypeField(name="face", label="照片", sensitive=True),
    ),
    document_sensitive=True,
    subject_kinds=frozenset({SubjectKind.LEGAL_ENTITY, SubjectKind.PERSON}),
)
MATTER = Matter(
    matter_code="M-1",
    app_id="counter-app",
    version=0,
    name="企业开办",
    purpose="核验企业名称",
    handling_means="核验后不留存",
    items=(AskedItem(license_type="business-licence", field_names=("entity_name",), document=True),),
    max_retention=timedelta(days=30),
    max_uses=3,
    max_period=timedelta(days=1),
    subject_kinds=frozenset({SubjectKind.LEGAL_ENTITY}),
    statutory_basis=StatutoryBasis(statute="市场主体登记管理条例 第十条", holder_untold=False),
    registered_at=NOT_YET,
)


def test_a_licence_type_comes_back_as_it_was_registered() -> None:
    assert catalogue.license_type_from_proto(catalogue.license_type_to_proto(LICENCE)) == LICENCE
    assert catalogue.license_type_from_proto(catalogue.license_type_to_proto(replace(LICENCE, version=9))) == LICENCE


@pytest.mark.parametrize("matter", [MATTER, replace(MATTER, statutory_basis=None, max_retention=timedelta())])
def test_a_matter_comes_back_as_it_was_registered(matter: Matter) -> None:
    message = catalogue.matter_to_proto(replace(matter, version=4, registered_at=datetime(2026, 12, 1, tzinfo=UTC)))
    assert message.version == 4
    assert catalogue.matter_from_proto(message) == matter


def spoilt(message: Any, **fields: Any) -> Any:
    """A message with fields changed or, where None, cleared."""
    copy = type(message)()
    copy.CopyFrom(message)
    for name, value in fields.items():
        copy.ClearField(name)
        if isinstance(value, list):
            getattr(copy, name).extend(value)
        elif isinstance(value, Duration):
            getattr(copy, name).CopyFrom(value)
        elif value is not None:
            setattr(copy, name, value)
    return copy


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"license_type": "Business"}, "license_type.license_type"),
        ({"name": None}, "license_type.name"),
        ({"name": "执" * 65}, "license_type.name"),
        ({"fields": None}, "license_type.fields"),
        ({"fields": [cataloguev1.LicenseTypeField(name="Face", label="x")]}, "license_type.fields.name"),
        ({"fields": [cataloguev1.LicenseTypeField(name="face", label="x")] * 2}, "license_type.fields.name"),
        ({"fields": [cataloguev1.LicenseTypeField(name="face")]}, "license_type.fields.label"),
        ({"subject_kinds": None}, "license_type.subject_kinds"),
        ({"subject_kinds": [0]}, "license_type.subject_kinds"),
    ],
)
def test_the_bad_field_of_a_licence_type_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        catalogue.license_type_from_proto(spoilt(catalogue.license_type_to_proto(LICENCE), **fields))
    assert caught.value.field == field


def item(**fields: Any) -> cataloguev1.MatterItem:
    return cataloguev1.MatterItem(**{"license_type": "id-card", "document": True, **fields})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"matter_code": "M_1"}, "matter.matter_code"),
        ({"app_id": None}, "matter.app_id"),
        ({"name": None}, "matter.name"),
        ({"purpose": "为" * 201}, "matter.purpose"),
        ({"handling_means": None}, "matter.handling_means"),
        ({"items": None}, "matter.items"),
        ({"items": [item(license_type=f"t-{no}") for no in range(17)]}, "matter.items"),
        ({"items": [item(), item()]}, "matter.items.license_type"),
        ({"items": [item(document=False)]}, "matter.items.field_names"),
        ({"items": [item(field_names=["a", "a"])]}, "matter.items.field_names"),
        ({"items": [item(field_names=[f"f_{no}" for no in range(33)])]}, "matter.items.field_names"),
        ({"max_uses": None}, "matter.max_uses"),
        ({"max_period": None}, "matter.max_period"),
        ({"subject_kinds": None}, "matter.subject_kinds"),
    ],
)
def test_the_bad_field_of_a_matter_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        catalogue.matter_from_proto(spoilt(catalogue.matter_to_proto(MATTER), **fields))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"max_uses": 1001}, "max_uses"), ({"max_period": Duration(seconds=90 * 86_400 + 1)}, "max_period")],
)
def test_no_matter_goes_beyond_what_a_node_allows(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(AuthorizationOutOfPolicyError) as caught:
        catalogue.matter_from_proto(spoilt(catalogue.matter_to_proto(MATTER), **fields))
    assert caught.value.field == field


def test_the_id_of_a_key_follows_from_its_point() -> None:
    key = ApplicationKey(app_id="counter-app", key_id=key_id_of(POINT), public_key=POINT, registered_at=NOT_YET)
    assert (
        catalogue.application_key_from_proto(cataloguev1.ApplicationKey(app_id="counter-app", public_key=POINT)) == key
    )
    assert catalogue.application_key_to_proto(key).key_id == key_id_of(POINT)


@pytest.mark.parametrize(
    "point", [b"", POINT[:64], b"\x03" + POINT[1:], POINT[:64] + bytes([POINT[64] ^ 1]), b"\x04" + bytes(64)]
)
def test_a_key_that_nothing_could_be_sealed_to_is_refused(point: bytes) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        catalogue.application_key_from_proto(cataloguev1.ApplicationKey(app_id="counter-app", public_key=point))
    assert caught.value.field == "key.public_key"


def test_pages_go_on_after_what_their_token_names() -> None:
    assert catalogue.license_type_page(0, "") == (100, "")
    assert catalogue.license_type_page(500, "id-card") == (500, "id-card")
    assert catalogue.matter_page(0, "") == (100, ("", ""))
    assert catalogue.matter_page(7, catalogue.matter_token(MATTER)) == (7, ("counter-app", "M-1"))


@pytest.mark.parametrize("token", ["Some where", "ID", "/", "a/b/c"])
def test_a_token_of_no_page_is_refused(token: str) -> None:
    with pytest.raises(CursorInvalidError):
        catalogue.license_type_page(0, token)
    with pytest.raises(CursorInvalidError):
        catalogue.matter_page(0, token)


@pytest.mark.parametrize("page", [catalogue.license_type_page, catalogue.matter_page])
def test_a_page_holds_at_most_500(page: Any) -> None:
    with pytest.raises(InvalidFieldError):
        page(501, "")
