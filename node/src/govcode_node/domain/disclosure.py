"""Which fields of a subject leave the node, and how they are masked (7.2-11, 7.5-04): the one place that decides it.

A field leaves only if it has a label here, the rules in force name it, and the subject has it. A new field without a
label cannot be put out at all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from govcode_node.domain.errors import FactsError


class FieldName(StrEnum):
    """Fields of a subject that can be disclosed."""

    NAME = "name"
    ID_NUMBER = "id_number"
    PHONE = "phone"
    USCC = "uscc"
    ENTITY_NAME = "entity_name"
    PLACE_NAME = "place_name"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field that a scene or another region may see.

    Attributes:
        name: The field.
        unmasked: Whether it may be seen whole.
    """

    name: FieldName
    unmasked: bool = False


@dataclass(frozen=True, slots=True)
class DisclosedField:
    """One field as it leaves the node.

    Attributes:
        name: The field.
        value: Its value, masked or whole.
        masked: Whether characters are hidden.
    """

    name: FieldName
    value: str
    masked: bool


@dataclass(eq=False)
class ScopeDeniedError(FactsError):
    """The scene does not allow one of the fields that were asked for."""

    field: str
    scene_no: int
    says = "scene {scene_no} does not allow the field {field}"


def _mask_name(value: str) -> str:
    """It keeps the family name's first character: 张*; two-character compounds show as much as any other."""
    return value[:1] + "*" * max(1, len(value) - 1)


def _mask_number(value: str) -> str:
    """It keeps the first and the last character only, so that neither region nor birthday shows."""
    return value[:1] + "*" * max(1, len(value) - 2) + value[-1:] if len(value) > 2 else "*" * len(value)


def _mask_phone(value: str) -> str:
    """It keeps three digits in front and two behind: 138******21."""
    return value[:3] + "*" * max(1, len(value) - 5) + value[-2:] if len(value) > 5 else "*" * len(value)


def _public(value: str) -> str:
    """It hides nothing: the field names an organisation or a place, which are public."""
    return value


MASKS: Mapping[FieldName, Callable[[str], str]] = {
    FieldName.NAME: _mask_name,
    FieldName.ID_NUMBER: _mask_number,
    FieldName.PHONE: _mask_phone,
    FieldName.USCC: _public,
    FieldName.ENTITY_NAME: _public,
    FieldName.PLACE_NAME: _public,
}


def disclose(profile: Mapping[FieldName, str], rules: Iterable[FieldRule]) -> tuple[DisclosedField, ...]:
    """It picks the fields that the rules name and masks those that are not allowed whole.

    Args:
        profile: The subject's fields.
        rules: What may be seen, in the order in which it is answered.
    """
    disclosed = []
    for rule in rules:
        value = profile.get(rule.name)
        mask = MASKS.get(rule.name)
        if value is None or mask is None:
            continue
        shown = value if rule.unmasked else mask(value)
        disclosed.append(DisclosedField(name=rule.name, value=shown, masked=shown != value))
    return tuple(disclosed)
