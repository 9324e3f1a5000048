"""Files that say what is to be done, read as dataclasses: what a registry holds, what a demo plays."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

import cattrs

from govcode_node.config_values import parse_duration
from govcode_node.domain.errors import GovcodeError


class PlanError(GovcodeError):
    """A file cannot be used as it stands; the message says where and why."""


def read_plan(path: Path, kind: type[Any]) -> Any:
    """It reads a TOML file as a dataclass; unknown keys are refused.

    Raises:
        PlanError: The file cannot be read or has faults; all of them are named.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlanError(f"{path} is not there") from error
    except (OSError, ValueError) as error:
        raise PlanError(f"cannot read {path}: {error}") from error
    return structure(document, kind, source=str(path))


def structure(document: Mapping[str, Any], kind: type[Any], *, source: str) -> Any:
    """It makes a dataclass of a document that was read.

    Args:
        document: Its tables.
        kind: The dataclass.
        source: Where it came from, for messages.

    Raises:
        PlanError: It has faults; all of them are named.
    """
    try:
        return _CONVERTER.structure(document, kind)
    except cattrs.BaseValidationError as error:
        raise PlanError(f"{source}: " + "; ".join(cattrs.transform_error(error))) from error


def _text_or_member(value: object, kind: type[str]) -> str:
    """It reads a text, or a member of an enumeration of texts, for which cattrs finds the same hook."""
    if not isinstance(value, str):
        raise ValueError("expected a text")  # noqa: TRY004 - cattrs collects ValueErrors
    return kind(value) if issubclass(kind, Enum) else value


def _duration(value: object, _kind: type[timedelta]) -> timedelta:
    if not isinstance(value, str):
        raise ValueError('expected a duration such as "1h"')  # noqa: TRY004 - cattrs collects ValueErrors
    return parse_duration(value)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _text_or_member)
    converter.register_structure_hook(timedelta, _duration)
    return converter


_CONVERTER: Final = _converter()
