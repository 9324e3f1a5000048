"""Files that say what is to be done, read as dataclasses: what a registry holds, what a demo plays."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cattrs

from govcode_node.config_reading import faults_of, plain_converter
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
        # The same words as `govcode check-config` has for a node's configuration.
        faults = [f"  {fault}".replace("  .", "  ", 1) for fault in faults_of(error, "")]
        raise PlanError("\n".join([f"{source} has faults:", *faults])) from error


_CONVERTER: Final = plain_converter()
