"""How a configuration is read: parsed TOML into typed sections, every fault kept together with its key path.

Nothing here knows an option; `config_sections.py` does.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, cast, get_args, get_origin, get_type_hints

import cattrs
from cattrs.cols import homogenous_tuple_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from govcode_node.config_values import (
    ByteSize,
    Constraint,
    DatabaseUrl,
    Endpoint,
    ListenAddress,
    PublicPoint,
    Rate,
    enum_text,
    parse_duration,
    parse_field_rule,
    parse_path,
    parse_point,
    parse_rate,
    parse_region,
    parse_size,
)
from govcode_node.domain.disclosure import FieldRule
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.regions import RegionCode


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a configuration.

    Attributes:
        path: The option, such as ``codes.dynamic_validity`` or ``trust.hub_public_keys[1]``; empty for the whole file.
        message: What is wrong with it.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(GovcodeError):
    """The configuration cannot be used; ``faults`` has everything that is wrong with it, in file order."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(["the configuration has faults:", *(f"  {fault}" for fault in faults)]))
        self.faults = faults


def structure_sections(
    types: Mapping[str, type], document: Mapping[str, object]
) -> tuple[dict[str, object], list[Fault]]:
    """It turns each top-level key of a document into its type.

    A section with faults is tried again without its faulty options, so that rules over its sound ones can still be
    checked; if that works, it is among the values too.

    Args:
        types: The top-level keys with their types, all of them tables; an absent one is read as an empty one.
        document: Parsed TOML.

    Returns:
        The typed values, and every fault found.
    """
    converter = plain_converter()
    values: dict[str, object] = {}
    faults = [Fault(key, _unknown_option(key, types)) for key in document if key not in types]
    for key, kind in types.items():
        raw = document.get(key, {})
        try:
            values[key] = converter.structure(raw, kind)
            continue
        except (BaseValidationError, ValueError) as error:
            found = list(faults_of(error, key))
        faults += found
        if isinstance(raw, dict):
            faulty = {re.split(r"[.\[]", fault.path)[1] for fault in found if "." in fault.path}
            try:
                sound = {option: value for option, value in raw.items() if option not in faulty}
                values[key] = converter.structure(sound, kind)
            except BaseValidationError:
                continue
    return values, faults


def _unknown_option(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"unknown option; did you mean {near[0]}?" if near else "unknown option"


def faults_of(error: BaseException, path: str) -> Iterator[Fault]:
    """It walks cattrs' tree of errors and puts the key paths back together, below the given one."""
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            yield from faults_of(inner, path + _step_to(inner))
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [field.name for field in dataclasses.fields(error.cl)]
        for name in sorted(error.extra_fields):
            yield Fault(f"{path}.{name}", _unknown_option(name, known))
    elif isinstance(error, KeyError):
        # Our own hooks raise nothing but ValueError, so this is the converter missing an option without default.
        yield Fault(path, "is required")
    else:
        yield Fault(path, str(error))


def _step_to(error: BaseException) -> str:
    """It reads from an error's notes which option or entry of the enclosing value it is about."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{note.name}"
        if isinstance(note, IterableValidationNote):
            return f"[{note.index}]" if isinstance(note.index, int) else f".{note.index}"
    return ""


def plain_converter() -> cattrs.Converter:
    """It reads dataclasses from parsed TOML, strictly: no unknown key, no text for a number, no text for a list."""
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)

    def from_text(parse: Callable[[str], object]) -> Callable[[Any, Any], Any]:
        return lambda value, _: parse(_of_type(value, str, "a text in quotes"))

    # The converter's own hooks for these would turn "5" into 5 and 1 into "1".
    converter.register_structure_hook(str, _text_or_member)
    converter.register_structure_hook(bool, lambda value, _: _of_type(value, bool, "true or false"))
    converter.register_structure_hook(int, _number_or_member)
    converter.register_structure_hook(float, lambda value, _: float(_of_type(value, (int, float), "a number")))
    converter.register_structure_hook(timedelta, from_text(parse_duration))
    converter.register_structure_hook(ByteSize, from_text(parse_size))
    converter.register_structure_hook(Rate, from_text(parse_rate))
    converter.register_structure_hook(Endpoint, from_text(Endpoint.parse))
    converter.register_structure_hook(ListenAddress, from_text(ListenAddress.parse))
    converter.register_structure_hook(RegionCode, from_text(parse_region))
    converter.register_structure_hook(FieldRule, from_text(parse_field_rule))
    converter.register_structure_hook(PublicPoint, from_text(parse_point))
    converter.register_structure_hook(Path, from_text(parse_path))
    converter.register_structure_hook(DatabaseUrl, from_text(DatabaseUrl.parse))
    converter.register_structure_hook_factory(_is_annotated, lambda kind: _structure_annotated(kind, converter))
    converter.register_structure_hook_factory(
        lambda kind: _is_generic(kind, tuple),
        lambda kind: _demand(list, "a list", homogenous_tuple_structure_factory(kind, converter)),
    )
    converter.register_structure_hook_factory(
        lambda kind: _is_generic(kind, dict),
        lambda kind: _demand(dict, "a table", cattrs.Converter.gen_structure_mapping(converter, kind)),
    )
    converter.register_structure_hook_factory(
        lambda kind: dataclasses.is_dataclass(kind) and isinstance(kind, type),
        lambda kind: _demand(dict, "a table", make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)),
    )
    return converter


def _of_type(value: Any, kind: type | tuple[type, ...], meaning: str) -> Any:
    """It passes a value of the kind; true and false are no numbers, although Python counts with them."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"expected {meaning}")
    return value


def _demand(kind: type, meaning: str, structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(value: Any, target: Any) -> Any:
        return structure(_of_type(value, kind, meaning), target)

    return checked


# cattrs finds the hooks of texts and numbers for enumerations of texts and numbers too.
def _text_or_member(value: Any, kind: Any) -> Any:
    return _structure_enum(value, kind) if issubclass(kind, Enum) else _of_type(value, str, "a text in quotes")


def _number_or_member(value: Any, kind: Any) -> Any:
    return _structure_enum(value, kind) if issubclass(kind, Enum) else _of_type(value, int, "a whole number")


def _structure_enum(value: Any, kind: Any) -> Any:
    members = {enum_text(member): member for member in kind}
    if not isinstance(value, str) or value not in members:
        raise ValueError(f"expected one of {', '.join(members)}")
    return members[value]


def _is_generic(kind: Any, origin: type) -> bool:
    return get_origin(kind) is origin


def _is_annotated(kind: Any) -> bool:
    return hasattr(kind, "__metadata__")


def _structure_annotated(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    inner = get_args(kind)[0]
    structure = converter.get_structure_hook(inner)

    def constrained(value: Any, _: Any) -> Any:
        structured = structure(value, inner)
        for constraint in kind.__metadata__:
            cast("Constraint", constraint).check(structured)
        return structured

    return constrained


def anchor(value: object, folder: Path) -> object:
    """It makes every relative path inside a configuration start from ``folder``, defaults included."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, DatabaseUrl):
        return value.anchored(folder)
    if isinstance(value, dict):
        return {key: anchor(entry, folder) for key, entry in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value, **{option.name: anchor(getattr(value, option.name), folder) for option in dataclasses.fields(value)}
        )
    return value


def option_types(root: type) -> dict[str, type]:
    """It lists the options of a dataclass with their types, constraints included."""
    hints = get_type_hints(root, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(root)}
