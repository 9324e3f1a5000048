"""What the demo's federation consists of, read from ``deploy/demo/federation.toml``."""

import tomllib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import cattrs

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.numbers import complete_uscc

CHECKOUT: Final = Path(__file__).resolve().parents[4]
"""The demo's data are not part of the installed package: it runs from a checkout."""

DEMO_DATA: Final = CHECKOUT / "deploy" / "demo"
PEOPLE_FILE: Final = DEMO_DATA / "synthetic_subjects.toml"
IDENTITIES_FILE: Final = CHECKOUT / "certs" / "identities.toml"
HUB: Final = "000000"


class PlanError(GovcodeError):
    """A file of the demo cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNode:
    """One node; its region is its id.

    Attributes:
        node_id: Its id.
        zh: Name in Chinese.
        en: Name in English.
    """

    node_id: str
    zh: str
    en: str

    @property
    def is_hub(self) -> bool:
        """Whether it is the national hub."""
        return self.node_id == HUB

    def fill(self, text: str) -> str:
        """It puts the node's own words into a text of the plan."""
        return text.format(region=self.node_id, zh=self.zh, en=self.en)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedScene:
    """One scene, with the words of the contract's enumerations."""

    scene_no: int
    name: str
    scene_class: str
    subject_kinds: tuple[str, ...]
    profile: str = "UNSPECIFIED"
    one_time: bool = False
    offline_allowed: bool = False
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedScanner:
    """One scanner."""

    device_id: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedApplication:
    """One application with its scanners."""

    app_id: str
    kind: str
    name: str
    scene_nos: tuple[int, ...] = ()
    scanner: tuple[PlannedScanner, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOrganisation:
    """One organisation with its applications; `uscc_stem` lacks the check character."""

    name: str
    uscc_stem: str
    purpose: str
    application: tuple[PlannedApplication, ...]

    def uscc(self, node: PlannedNode) -> str:
        """It gives the organisation's number in a node's region."""
        return complete_uscc(node.fill(self.uscc_stem))


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationPlan:
    """All of it."""

    node: tuple[PlannedNode, ...]
    disclosure: dict[str, list[str]]
    scene: tuple[PlannedScene, ...]
    organisation: tuple[PlannedOrganisation, ...]

    @property
    def hub(self) -> PlannedNode:
        """The hub."""
        return next(node for node in self.node if node.is_hub)

    @property
    def members(self) -> tuple[PlannedNode, ...]:
        """The nodes of regions."""
        return tuple(node for node in self.node if not node.is_hub)


def load_federation_plan(path: Path = DEMO_DATA / "federation.toml") -> FederationPlan:
    """It reads the plan.

    Raises:
        PlanError: The file cannot be read or has faults; all of them are named.
    """
    plan: FederationPlan = structure(path, FederationPlan)
    return plan


def structure(path: Path, kind: type[Any]) -> Any:
    """It reads a TOML file as a dataclass; unknown keys are refused.

    Raises:
        PlanError: The file cannot be read or has faults; all of them are named.
    """
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _text_or_member)
    try:
        return converter.structure(tomllib.loads(path.read_text(encoding="utf-8")), kind)
    except FileNotFoundError as error:
        raise PlanError(f"{path} is not there; the demo runs from a checkout") from error
    except (OSError, ValueError) as error:
        raise PlanError(f"cannot read {path}: {error}") from error
    except cattrs.BaseValidationError as error:
        raise PlanError(f"{path}: " + "; ".join(cattrs.transform_error(error))) from error


def _text_or_member(value: object, kind: type[str]) -> str:
    """It reads a text, or a member of an enumeration of texts, for which cattrs finds the same hook."""
    if not isinstance(value, str):
        raise ValueError("expected a text")  # noqa: TRY004 - cattrs collects ValueErrors
    return kind(value) if issubclass(kind, Enum) else value
