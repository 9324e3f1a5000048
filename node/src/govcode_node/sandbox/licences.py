"""Licences of the sandbox's people, and what its counters may ask for: two types, held in two regions.

The household register lies in the peer's region and has a document and a sensitive field; the driving licence lies at
home and has neither. So one matter already crosses regions, and another can be played within one.
"""

from dataclasses import dataclass
from typing import Final

from govcode_node.sandbox.plan import HOME, PEER, SUBJECTS, SandboxSubject

HOUSEHOLD_REGISTER: Final = "household-register"
DRIVING_LICENCE: Final = "driving-licence"
GRADUATION: Final = "graduation-certificate"
BUSINESS_LICENCE: Final = "business-licence"
MAX_USES: Final = 3
"""How often an application may use one grant of these matters at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLicenceType:
    """A licence type (证照类型).

    Attributes:
        license_type: Its name.
        zh: Its name for people.
        fields: Its fields with their labels.
        sensitive: Fields that are sensitive personal information.
        subject_kind: Whose it is.
    """

    license_type: str
    zh: str
    fields: dict[str, str]
    sensitive: frozenset[str] = frozenset()
    subject_kind: str = "PERSON"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxMatter:
    """A matter (事项) of the counter.

    Attributes:
        key: Its name in `sandbox.json`.
        matter_code: Its code.
        zh: Its name for people.
        items: Licence types with the fields that may be asked for.
        documents: Types of which the document may be asked for.
        subject_kind: Of whom.
        does: What it is for.
    """

    key: str
    matter_code: str
    zh: str
    items: dict[str, tuple[str, ...]]
    documents: frozenset[str] = frozenset()
    subject_kind: str = "PERSON"
    does: str


LICENCE_TYPES: Final = (
    SandboxLicenceType(
        license_type=HOUSEHOLD_REGISTER,
        zh="居民户口簿",
        fields={"name": "姓名", "address": "住址", "religion": "宗教信仰"},
        sensitive=frozenset({"religion"}),
    ),
    SandboxLicenceType(license_type=DRIVING_LICENCE, zh="机动车驾驶证", fields={"name": "姓名", "class": "准驾车型"}),
    SandboxLicenceType(license_type=GRADUATION, zh="毕业证书", fields={"name": "姓名", "school": "学校"}),
    SandboxLicenceType(
        license_type=BUSINESS_LICENCE,
        zh="营业执照",
        fields={"entity_name": "名称", "address": "住所"},
        subject_kind="LEGAL_ENTITY",
    ),
)
MATTERS: Final = (
    SandboxMatter(
        key="residence",
        matter_code="SB-RESIDENCE",
        zh="居住登记",
        items={HOUSEHOLD_REGISTER: ("name", "address"), DRIVING_LICENCE: ("name", "class")},
        documents=frozenset({HOUSEHOLD_REGISTER}),
        does="two licences of a person, held in two regions; one with a document",
    ),
    SandboxMatter(
        key="driving",
        matter_code="SB-DRIVING",
        zh="驾驶资格核验",
        items={DRIVING_LICENCE: ("name", "class")},
        does="one licence, held at the home node, without a document",
    ),
    SandboxMatter(
        key="sensitive",
        matter_code="SB-SENSITIVE",
        zh="宗教场所备案",
        items={HOUSEHOLD_REGISTER: ("name", "religion")},
        does="a sensitive field: confirmed by itself, and a stronger identity check (BeginStepUp)",
    ),
    SandboxMatter(
        key="missing",
        matter_code="SB-MISSING",
        zh="学历核验",
        items={GRADUATION: ("name", "school")},
        does="a licence that is held nowhere",
    ),
    SandboxMatter(
        key="company",
        matter_code="SB-COMPANY",
        zh="企业变更登记",
        items={BUSINESS_LICENCE: ("entity_name", "address")},
        subject_kind="LEGAL_ENTITY",
        does="a licence of a company",
    ),
)


def licences_file_text() -> str:
    """It writes the licences of all subjects that can have accounts as the file of the embedded licence system."""
    lines: list[str] = []
    for number, subject in enumerate(SUBJECTS, start=1):
        if subject.suspended:
            continue
        if subject.uscc is not None:
            fields = {"entity_name": subject.name, "address": "沙箱市样例路 1 号"}
            lines += _licence(subject, number, BUSINESS_LICENCE, HOME, fields)
            continue
        register = {"name": subject.name, "address": f"沙箱市样例路 {number} 号", "religion": "无"}
        lines += _licence(subject, number, HOUSEHOLD_REGISTER, PEER, register, document="OFD")
        lines += _licence(subject, number, DRIVING_LICENCE, HOME, {"name": subject.name, "class": "C1"})
    return "\n".join(lines) + "\n"


def _licence(
    subject: SandboxSubject, number: int, kind: str, node: str, fields: dict[str, str], *, document: str = ""
) -> list[str]:
    title = next(planned.zh for planned in LICENCE_TYPES if planned.license_type == kind)
    lines = [
        "[[licence]]",
        "synthetic = true",
        f'node = "{node}"',
        f'license_type = "{kind}"',
        f'number = "SPECIMEN-{node}-{number:03}"',
        'issuer_name = "沙箱样例发证机关"',
        f'title = "{title}"',
        f'holder_name = "{subject.name}"',
        f'holder_number = "{subject.uscc or subject.id_number}"',
        "valid_from = 2020-01-01",
    ]
    if document:
        lines.append(f'document = "{document}"')
    return [*lines, "[licence.fields]", *(f'{name} = "{value}"' for name, value in fields.items()), ""]
