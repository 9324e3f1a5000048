"""What a sandbox consists of: nodes, scenes, organisations, subjects. All of it is invented."""

from dataclasses import dataclass
from typing import Final

from govcode_node.domain.home_rules import IssueRules
from govcode_node.domain.numbers import complete_citizen_id, complete_uscc
from govcode_node.domain.outcomes import Outcome

HUB: Final = "000000"
HOME: Final = "420100"
PEER: Final = "310000"
AWAY: Final = "110000"
"""Its codes are issued before the sandbox opens; after that nobody reaches it."""
SUSPENDED: Final = "440000"
"""The hub has suspended it."""
NOWHERE: Final = "990000"
"""No node is home to it."""

NAMES: Final = {
    HUB: ("沙箱枢纽", "Sandbox hub"),
    HOME: ("沙箱本地", "Sandbox home"),
    PEER: ("沙箱外地", "Sandbox peer"),
    AWAY: ("沙箱失联", "Sandbox away"),
    SUSPENDED: ("沙箱停用", "Sandbox suspended"),
}
MEMBERS: Final = (HOME, PEER, AWAY, SUSPENDED)

HOLDER_APP: Final = "holder-app"
COUNTER_APP: Final = "counter-app"
CLINIC_APP: Final = "clinic-app"
SUSPENDED_APP: Final = "suspended-app"
UNKNOWN_APP: Final = "unknown-app"
LICENCE_SYSTEM: Final = "licence-service"
VIRTUAL_APP: Final = "virtual-holder-app"
"""The back end of the holders that answer by themselves."""
SCANNER: Final = "counter-scanner-1"
SUSPENDED_SCANNER: Final = "suspended-scanner-1"

TERMS_VERSION: Final = IssueRules().terms_version

COUNTER_SCENE: Final = 1
ONE_TIME_SCENE: Final = 2
OFFLINE_SCENE: Final = 3
ENTERPRISE_SCENE: Final = 4
CLINIC_SCENE: Final = 5
HIGH_ASSURANCE_SCENE: Final = 6
_FIRST_MAGIC_SCENE: Final = 901


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxScene:
    """One scene, in the words of the contract's enumerations."""

    key: str
    scene_no: int
    name: str
    scene_class: str
    subject_kinds: tuple[str, ...] = ("PERSON", "LEGAL_ENTITY")
    profile: str = "UNSPECIFIED"
    one_time: bool = False
    offline_allowed: bool = False
    fields: tuple[str, ...] = ()
    assurance_level: int = 0


MAGIC_SCENES: Final = {
    number: outcome for number, outcome in enumerate(Outcome, start=_FIRST_MAGIC_SCENE) if outcome is not Outcome.VALID
}
"""In such a scene a good code gets the outcome; which one follows from the order of the outcomes in the domain."""

SCENES: Final = (
    SandboxScene(
        key="counter",
        scene_no=COUNTER_SCENE,
        name="办事窗口",
        scene_class="COUNTER",
        fields=("name", "entity_name"),
    ),
    SandboxScene(key="one_time", scene_no=ONE_TIME_SCENE, name="一次性通行", scene_class="GATE", one_time=True),
    SandboxScene(
        key="offline",
        scene_no=OFFLINE_SCENE,
        name="轨道交通（可离线）",
        scene_class="TRANSPORT",
        profile="SIGNED",
        offline_allowed=True,
    ),
    SandboxScene(
        key="enterprise",
        scene_no=ENTERPRISE_SCENE,
        name="涉企服务窗口",
        scene_class="ENTERPRISE",
        subject_kinds=("LEGAL_ENTITY",),
        fields=("entity_name", "uscc"),
    ),
    SandboxScene(key="clinic", scene_no=CLINIC_SCENE, name="门诊挂号", scene_class="MEDICAL", fields=("name",)),
    SandboxScene(
        key="high_assurance",
        scene_no=HIGH_ASSURANCE_SCENE,
        name="不动产登记窗口",
        scene_class="COUNTER",
        assurance_level=3,
    ),
    *(
        SandboxScene(key=f"outcome_{outcome.value.lower()}", scene_no=number, name=outcome.value, scene_class="COUNTER")
        for number, outcome in MAGIC_SCENES.items()
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSubject:
    """One synthetic subject.

    Attributes:
        key: Its name in `sandbox.json`.
        name: Name of the person or company.
        id_number: Citizen id of the person, or of the one who acts for the company.
        secret: What the device kit proves the person with.
        does: What it is for.
        uscc: The company's number; None for a person.
        assurance_level: Strength of the identity check.
        suspended: Whether the identity provider confirms it no longer.
        opened: Whether the sandbox opens an account with a device at home before it is ready, for anybody to use.
        answers: How a virtual holder answers authorization requests, with an account of its own; empty for others.
    """

    key: str
    name: str
    id_number: str
    secret: str
    does: str
    uscc: str | None = None
    assurance_level: int = 3
    suspended: bool = False
    opened: bool = False
    answers: str = ""

    @property
    def kind(self) -> str:
        """Kind of subject, in the word of the contract."""
        return "PERSON" if self.uscc is None else "LEGAL_ENTITY"


def _person(number: int, key: str, name: str, does: str, **facts: object) -> SandboxSubject:
    # Sequence numbers 990 to 999 of a citizen id are given to nobody; ten days hold them all apart.
    id_number = complete_citizen_id(f"4201001990{number // 10 + 1:02}{number % 10 + 10:02}99{number % 10}")
    secret = f"sandbox-{number:03}"
    return SandboxSubject(key=key, name=name, id_number=id_number, secret=secret, does=does, **facts)  # type: ignore[arg-type]


_FREE: Final = tuple(
    _person(number, f"free_{number}", f"待开样{number}", "has no account yet: OpenAccount succeeds once")
    for number in range(1, 13)
)
_MAGIC: Final = (
    _person(20, "holder", "张沙样", "has an account; its device and session are under `holders`", opened=True),
    _person(21, "approver", "李准样", "approves every authorization request at once", answers="approve"),
    _person(22, "denier", "王拒样", "denies every authorization request", answers="deny"),
    _person(23, "ignorer", "赵默样", "never answers an authorization request", answers="ignore"),
    _person(24, "slow", "钱缓样", "approves after five seconds", answers="slow"),
    _person(25, "picker", "孙择样", "approves the first item and denies the others", answers="one"),
    _person(26, "weak", "周弱样", "identity check of level 1: ASSURANCE_TOO_LOW in scene high_assurance",
            assurance_level=1, opened=True),
    _person(28, "stock", "冯存样", "its codes lie ready under `placed_codes`", opened=True),
    _person(27, "refused", "吴停样", "the identity provider refuses: IDENTITY_FAILED", suspended=True),
)  # fmt: skip


def _company(number: int, key: str, name: str, does: str, acting: SandboxSubject, **facts: object) -> SandboxSubject:
    uscc = complete_uscc(f"91420100MA9TEXT{number:02}")
    return SandboxSubject(
        key=key,
        name=name,
        id_number=acting.id_number,
        secret=acting.secret,
        uscc=uscc,
        does=does,
        **facts,  # type: ignore[arg-type]
    )


_COMPANIES: Final = (
    _company(41, "company", "沙箱样例贸易有限公司（虚构）", "a company with an account", _MAGIC[0], opened=True),
    _company(42, "free_company", "沙箱待开样例有限公司（虚构）", "a company without an account", _MAGIC[1]),
)
SUBJECTS: Final = (*_MAGIC, *_COMPANIES, *_FREE)
"""Every subject that the sandbox knows, at every node alike."""


def people_file_text() -> str:
    """It writes the subjects as the file of the local identity provider."""
    lines: list[str] = []
    for number, subject in enumerate(SUBJECTS):
        if subject.uscc is None:
            lines += [
                "[[person]]",
                f'name = "{subject.name}"',
                f'id_number = "{subject.id_number}"',
                f'phone = "100{number:08}"',
                f'secret = "{subject.secret}"',
            ]
        else:
            lines += [
                "[[company]]",
                f'entity_name = "{subject.name}"',
                f'uscc = "{subject.uscc}"',
                f'legal_representative = "{subject.id_number}"',
            ]
        lines += ["synthetic = true", f"assurance_level = {subject.assurance_level}"]
        lines += [f"suspended = {str(subject.suspended).lower()}", ""]
    return "\n".join(lines)
