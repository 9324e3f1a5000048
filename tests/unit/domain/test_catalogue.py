"""The scope of a matter is what may be asked for, and which item is sensitive follows from its type."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from govcode_node.domain.catalogue import (
    MAX_PERIOD,
    MAX_USES,
    SUBJECT_LICENSE_TYPE,
    AskedItem,
    AuthorizationOutOfPolicyError,
    ExcessiveScopeError,
    LicenseType,
    LicenseTypeField,
    LicenseTypeUnknownError,
    Matter,
)
from govcode_node.domain.codes import SubjectKind
from hypothesis import given
from hypothesis import strategies as st

FIELDS = ("name", "born", "mother")
TYPE = LicenseType(
    license_type="birth",
    version=1,
    name="出生医学证明",
    fields=(
        LicenseTypeField(name="name", label="姓名"),
        LicenseTypeField(name="born", label="出生日期"),
        LicenseTypeField(name="mother", label="母亲姓名", sensitive=True),
    ),
    subject_kinds=frozenset({SubjectKind.PERSON}),
)


def matter(**changes: Any) -> Matter:
    values: dict[str, Any] = {
        "matter_code": "M-0001",
        "app_id": "counter-app",
        "version": 1,
        "name": "新生儿落户",
        "purpose": "核验",
        "handling_means": "核验后不留存",
        "items": (AskedItem(license_type="birth", field_names=("name", "born")),),
        "max_retention": timedelta(days=30),
        "max_uses": 3,
        "max_period": timedelta(days=1),
        "subject_kinds": frozenset({SubjectKind.PERSON}),
        "registered_at": datetime(2026, 12, 1, tzinfo=UTC),
    }
    return Matter(**{**values, **changes})


SUBSETS = st.lists(st.sampled_from(FIELDS), unique=True).map(tuple)
ITEMS = st.builds(
    AskedItem, license_type=st.sampled_from(("birth", "marriage")), field_names=SUBSETS, document=st.booleans()
)


@pytest.mark.req("6.3-04")
@given(scope=st.lists(ITEMS, unique_by=lambda item: item.license_type, max_size=2), asked=st.lists(ITEMS, max_size=3))
def test_exactly_what_lies_within_the_scope_may_be_asked(scope: list[AskedItem], asked: list[AskedItem]) -> None:
    allowed = {item.license_type: item for item in scope}
    within = all(
        item.license_type in allowed
        and set(item.field_names) <= set(allowed[item.license_type].field_names)
        and item.document <= allowed[item.license_type].document
        for item in asked
    )

    if within:
        matter(items=tuple(scope)).check_scope(asked)
    else:
        with pytest.raises(ExcessiveScopeError):
            matter(items=tuple(scope)).check_scope(asked)


@pytest.mark.req("6.3-04")
@pytest.mark.parametrize(
    ("item", "field"),
    [
        (AskedItem(license_type="birth", field_names=("name", "mother")), "mother"),
        (AskedItem(license_type="birth", document=True), "document"),
        (AskedItem(license_type="marriage", field_names=("name",)), ""),
    ],
)
def test_the_error_names_the_excess(item: AskedItem, field: str) -> None:
    with pytest.raises(ExcessiveScopeError) as refused:
        matter().check_scope([item])

    assert (refused.value.matter_code, refused.value.license_type, refused.value.field) == (
        "M-0001",
        item.license_type,
        field,
    )


@pytest.mark.req("6.3-04")
@pytest.mark.parametrize(
    ("field", "beyond"),
    [
        ("max_uses", (0, 4)),
        ("period", (timedelta(), timedelta(days=1, milliseconds=1))),
        ("retention", (timedelta(milliseconds=-1), timedelta(days=30, milliseconds=1))),
    ],
)
def test_each_limit_holds_at_both_ends(field: str, beyond: tuple[Any, Any]) -> None:
    within: dict[str, Any] = {"max_uses": 3, "period": timedelta(days=1), "retention": timedelta(days=30)}
    matter().check_limits(**within)
    matter().check_limits(max_uses=1, period=timedelta(milliseconds=1), retention=timedelta())

    for value in beyond:
        with pytest.raises(AuthorizationOutOfPolicyError) as refused:
            matter().check_limits(**{**within, field: value})
        assert refused.value.field == field


@pytest.mark.req("6.3-04")
def test_no_matter_goes_over_what_a_node_allows() -> None:
    matter(max_uses=MAX_USES, max_period=MAX_PERIOD)
    for changes in (
        {"max_uses": MAX_USES + 1},
        {"max_uses": 0},
        {"max_period": MAX_PERIOD + timedelta(milliseconds=1)},
        {"max_period": timedelta()},
    ):
        with pytest.raises(AuthorizationOutOfPolicyError):
            matter(**changes)


@pytest.mark.req("6.3-05")
@given(names=SUBSETS, document=st.booleans(), document_sensitive=st.booleans())
def test_an_item_is_sensitive_by_a_field_or_by_its_document(
    names: tuple[str, ...], document: bool, document_sensitive: bool
) -> None:
    entry = replace(TYPE, document_sensitive=document_sensitive)
    item = AskedItem(license_type="birth", field_names=names, document=document)

    assert entry.is_sensitive(item) == ("mother" in names or (document and document_sensitive))


@pytest.mark.req("6.3-05", "7.2-11")
def test_the_number_of_a_citizen_is_sensitive() -> None:
    number = AskedItem(license_type="subject", field_names=("name", "id_number"))
    name = AskedItem(license_type="subject", field_names=("name",))

    assert SUBJECT_LICENSE_TYPE.is_sensitive(number)
    assert not SUBJECT_LICENSE_TYPE.is_sensitive(name)


def test_a_field_that_the_type_does_not_have_is_named() -> None:
    TYPE.check_fields(AskedItem(license_type="birth", field_names=FIELDS))
    with pytest.raises(LicenseTypeUnknownError) as refused:
        TYPE.check_fields(AskedItem(license_type="birth", field_names=("name", "father")))

    assert refused.value.license_type == "birth.father"
    assert TYPE.labels() == {"name": "姓名", "born": "出生日期", "mother": "母亲姓名"}
