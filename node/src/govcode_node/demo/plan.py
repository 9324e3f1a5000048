"""What the demo's federation consists of, read from ``deploy/demo/federation.toml``."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from govcode_node.commands.plans import read_plan
from govcode_node.commands.registry_files import (
    LicenceTypeEntry,
    OrganisationEntry,
    RegistryFile,
    SceneEntry,
)
from govcode_node.domain.numbers import complete_uscc

CHECKOUT: Final = Path(__file__).resolve().parents[4]
"""The demo's data are not part of the installed package: it runs from a checkout."""

DEMO_DATA: Final = CHECKOUT / "deploy" / "demo"
PEOPLE_FILE: Final = DEMO_DATA / "synthetic_subjects.toml"
LICENCES_FILE: Final = DEMO_DATA / "synthetic_licences.toml"
IDENTITIES_FILE: Final = CHECKOUT / "certs" / "identities.toml"
HUB: Final = "000000"


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
class FederationPlan:
    """All of it.

    Attributes:
        node: The nodes.
        disclosure: What each shows of its subjects to scenes of other regions.
        scene: Scenes of each node.
        licence_type: Licence types of each node.
        organisation: Organisations of each node; `uscc` lacks the check character.
    """

    node: tuple[PlannedNode, ...]
    disclosure: dict[str, list[str]]
    scene: tuple[SceneEntry, ...]
    licence_type: tuple[LicenceTypeEntry, ...]
    organisation: tuple[OrganisationEntry, ...]

    @property
    def hub(self) -> PlannedNode:
        """The hub."""
        return next(node for node in self.node if node.is_hub)

    @property
    def members(self) -> tuple[PlannedNode, ...]:
        """The nodes of regions."""
        return tuple(node for node in self.node if not node.is_hub)

    def registry(self, node: PlannedNode, *, encryption_key_of: Callable[[str], str]) -> RegistryFile:
        """It gives what a node's business operator registers.

        Args:
            node: The node, with whose words the texts are filled.
            encryption_key_of: Gives the public key, in hexadecimal digits, of an application that has matters.
        """
        organisations = []
        for planned in _filled(self.organisation, node):
            applications = tuple(
                replace(one, encryption_key=encryption_key_of(one.app_id)) if one.matter else one
                for one in planned.application
            )
            organisations.append(replace(planned, uscc=complete_uscc(planned.uscc), application=applications))
        return RegistryFile(
            scene=_filled(self.scene, node),
            licence_type=_filled(self.licence_type, node),
            organisation=tuple(organisations),
        )


def load_federation_plan(path: Path = DEMO_DATA / "federation.toml") -> FederationPlan:
    """It reads the plan.

    Raises:
        PlanError: The file cannot be read or has faults; all of them are named.
    """
    plan: FederationPlan = read_plan(path, FederationPlan)
    return plan


def _filled(value: Any, node: PlannedNode) -> Any:
    """It puts a node's own words into every text of a part of the plan."""
    if isinstance(value, str):
        return node.fill(value)
    if isinstance(value, tuple):
        return tuple(_filled(entry, node) for entry in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _filled(getattr(value, one.name), node) for one in fields(value)})
    return value
