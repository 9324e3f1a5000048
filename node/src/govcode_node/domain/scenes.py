"""Scenes (场景): the rules under which codes are presented and scanned for one use, within hard limits (domain 4.2)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from govcode_node.domain.codes import CodeProfile, SubjectKind
from govcode_node.domain.disclosure import FieldRule
from govcode_node.domain.errors import FactsError

MIN_VALIDITY: Final = timedelta(seconds=15)
MAX_VALIDITY: Final = timedelta(seconds=600)
MIN_REFRESH: Final = timedelta(seconds=5)

GENERAL_SCENE_NO: Final = 0
"""A code for this number is good in every scene."""


class SceneClass(IntEnum):
    """Kind of a scene; what counts across regions. The numbers are those of the contract."""

    GENERAL = 1
    COUNTER = 2
    GATE = 3
    TRANSPORT = 4
    MEDICAL = 5
    LODGING = 6
    ENTERPRISE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One version of a scene's rules.

    Attributes:
        scene_no: Number in this region, 1 to 65,535.
        version: From 1.
        name: Its name.
        scene_class: Its kind.
        subject_kinds: Whose codes it takes.
        validity: How long a dynamic code for it is valid; None for the node's default.
        refresh_after: When to refresh; None for the node's default.
        profile: How dynamic codes for it are sealed.
        one_time: Whether codes for it are always good for one use only.
        offline_allowed: Whether OFFLINE_VALID is possible here.
        fields: What a VALID scan discloses here.
        assurance_level: Lowest assurance of the account, 1 to 3.
        effective_at: From when on this version holds.

    Raises:
        SceneRuleOutOfBoundsError: A rule is outside its hard limits.
    """

    scene_no: int
    version: int
    name: str
    scene_class: SceneClass
    subject_kinds: frozenset[SubjectKind]
    validity: timedelta | None = None
    refresh_after: timedelta | None = None
    profile: CodeProfile = CodeProfile.MAC
    one_time: bool = False
    offline_allowed: bool = False
    fields: tuple[FieldRule, ...] = field(default=())
    assurance_level: int = 1
    effective_at: datetime

    def __post_init__(self) -> None:
        if self.validity is not None and not MIN_VALIDITY <= self.validity <= MAX_VALIDITY:
            raise SceneRuleOutOfBoundsError(field="validity", limit="15s..600s")
        if self.refresh_after is not None:
            ceiling = self.validity or MAX_VALIDITY
            if not MIN_REFRESH <= self.refresh_after < ceiling:
                raise SceneRuleOutOfBoundsError(field="refresh_after", limit="5s..validity")


@dataclass(eq=False)
class SceneUnknownError(FactsError):
    """No such scene is in force."""

    scene_no: int
    says = "no scene {scene_no} is in force at this node"


@dataclass(eq=False)
class SceneNotAllowedError(FactsError):
    """The scene is not registered for the application, or not open to the kind of subject."""

    scene_no: int
    says = "scene {scene_no} is not registered for this application, or not open to this kind of subject"


@dataclass(eq=False)
class SceneRuleOutOfBoundsError(FactsError):
    """A rule of a scene is outside its hard limits."""

    field: str
    limit: str
    says = "{field} must be within {limit}"
