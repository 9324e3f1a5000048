"""What a registry file says (登记文件): organisations, applications and matters, as an operator writes them.

The words are those of the contract's enumerations without their prefix, such as `COUNTER` or `RELYING_PARTY`.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from govcode_node.commands.plans import PlanError, read_plan

_NOTHING_KEPT = timedelta(0)
_AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneEntry:
    """A scene (场景); `fields` are shown masked by a VALID scan."""

    scene_no: int
    name: str
    scene_class: str
    subject_kinds: tuple[str, ...] = ("PERSON",)
    profile: str = "UNSPECIFIED"
    one_time: bool = False
    offline_allowed: bool = False
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceTypeEntry:
    """A licence type (证照类型).

    Attributes:
        license_type: Its name in requests. Example: `business-licence`.
        name: Its name for people, in Chinese.
        fields: Labels for people by field name.
        sensitive: Those fields that are sensitive personal information (敏感个人信息).
        document_sensitive: Whether the document as a whole is.
        subject_kinds: Who can hold it.
    """

    license_type: str
    name: str
    fields: dict[str, str]
    sensitive: tuple[str, ...] = ()
    document_sensitive: bool = False
    subject_kinds: tuple[str, ...] = ("PERSON",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerEntry:
    """A scanner (识读终端)."""

    device_id: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatterEntry:
    """What an application may ask for in a matter (事项).

    Attributes:
        matter_code: Its code.
        name: For people.
        purpose: What for; holders read it.
        handling_means: How the data are handled; holders read it.
        items: Field names by licence type.
        documents: Licence types whose document may be asked for.
        max_uses: Most uses of each item.
        max_period: Longest time after the decision.
        max_retention: Longest time that data may be kept; zero for not at all.
        subject_kinds: Who may be asked.
        statute: Statute and article that let it be handled without consent; consent is needed where empty.
        secret: Whether that statute forbids telling the holder.
    """

    matter_code: str
    name: str
    purpose: str
    handling_means: str
    items: dict[str, tuple[str, ...]]
    documents: tuple[str, ...] = ()
    max_uses: int = 1
    max_period: timedelta = _AN_HOUR
    max_retention: timedelta = _NOTHING_KEPT
    subject_kinds: tuple[str, ...] = ("PERSON",)
    statute: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationEntry:
    """An application (用码应用) with what belongs to it.

    Attributes:
        app_id: The name in its certificate.
        kind: `HOLDER`, `RELYING_PARTY` or `LICENSE_SYSTEM`.
        name: For people.
        scene_nos: Scenes that it may use.
        encryption_key: Public point of the SM2 key to which licences are sealed for it, 130 hexadecimal digits.
        scanner: Its scanners.
        matter: Its matters.
    """

    app_id: str
    kind: str
    name: str
    scene_nos: tuple[int, ...] = ()
    encryption_key: str = ""
    scanner: tuple[ScannerEntry, ...] = ()
    matter: tuple[MatterEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationEntry:
    """An organisation (用码方) with its applications."""

    name: str
    uscc: str
    purpose: str
    contact: str
    application: tuple[ApplicationEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFile:
    """All of it; each part may be absent."""

    scene: tuple[SceneEntry, ...] = field(default=())
    licence_type: tuple[LicenceTypeEntry, ...] = field(default=())
    organisation: tuple[OrganisationEntry, ...] = field(default=())


def load_registry_file(path: Path) -> RegistryFile:
    """It reads a registry file.

    Raises:
        PlanError: The file cannot be read or has faults; all of them are named.
    """
    loaded: RegistryFile = read_plan(path, RegistryFile)
    if not (loaded.scene or loaded.licence_type or loaded.organisation):
        raise PlanError(f"{path} registers nothing: it has no [[scene]], [[licence_type]] or [[organisation]]")
    return loaded
