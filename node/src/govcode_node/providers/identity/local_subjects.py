"""The synthetic people and companies of the local provider, read from TOML and checked to be synthetic.

The file may never hold anybody who exists: an entry without ``synthetic = true``, with a citizen id outside the
sequence numbers 990 to 999, with a telephone that a subscriber could have, or with another organisation part than
``MA9TEXT`` is refused, and with it the whole file. No fault repeats a value of the file.
"""

import hmac
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from govcode_node.domain.accounts import RelationKind
from govcode_node.domain.errors import FactsError
from govcode_node.domain.numbers import CitizenId, InvalidNumberError, Uscc, parse_citizen_id, parse_uscc

_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_SECRET: Final = re.compile(r"[\x20-\x7e]{6,64}")
_UNASSIGNED_PHONE: Final = re.compile(r"100[0-9]{8}")
_RESERVED_SEQUENCE: Final = re.compile(r".{14}99[0-9].", re.DOTALL)
_RESERVED_ORGANISATION: Final = re.compile(r".{8}MA9TEXT.{3}", re.DOTALL)


@dataclass(eq=False)
class SyntheticSubjectsError(FactsError):
    """The file of synthetic subjects cannot be used.

    Attributes:
        path: The file.
        entry: Which entry. Example: `person 3`.
        why: The rule that it breaks, without the value.
    """

    path: str
    entry: str
    why: str
    says = "{path}: {entry}: {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPerson:
    """A person who does not exist.

    Attributes:
        name: The name.
        id_number: Citizen id (公民身份号码) with a right check digit.
        phone: Telephone of a form that nobody has.
        secret: What the device kit proves the person with.
        assurance_level: Strength of the identity check, 1 to 3.
        suspended: Whether the provider confirms the person no longer.
        mid_only: Whether the provider confirms the person by an opaque mark, without number and name.
        presenter: Who may present for this person, such as a guardian; None for nobody.
        relation: What ties the two; None without a presenter.
    """

    name: str = field(repr=False)
    id_number: CitizenId = field(repr=False)
    phone: str = field(repr=False)
    secret: str = field(repr=False)
    assurance_level: int
    suspended: bool = False
    mid_only: bool = False
    presenter: CitizenId | None = field(default=None, repr=False)
    relation: RelationKind | None = None

    @property
    def unique_number(self) -> str:
        """The number by which the provider knows the person: the citizen id, or the mark."""
        return _mark_of(self.id_number, self.secret) if self.mid_only else self.id_number


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCompany:
    """A company that does not exist.

    Attributes:
        entity_name: The name.
        uscc: Unified social credit code (统一社会信用代码) with a right check character.
        legal_representative: The person who may act for it (法定代表人).
        assurance_level: Strength of the check, 1 to 3.
        suspended: Whether the provider confirms it no longer.
        mid_only: Whether the provider confirms it by an opaque mark, without number and name.
    """

    entity_name: str
    uscc: Uscc
    legal_representative: CitizenId = field(repr=False)
    assurance_level: int
    suspended: bool = False
    mid_only: bool = False

    @property
    def unique_number(self) -> str:
        """The number by which the provider knows it: the unified social credit code, or the mark."""
        return _mark_of(self.uscc, self.entity_name) if self.mid_only else self.uscc


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSubjects:
    """All of a file.

    Attributes:
        people: By citizen id.
        companies: By USCC.
    """

    people: Mapping[str, SyntheticPerson]
    companies: Mapping[str, SyntheticCompany]


class _Entry:
    """One table of the file, from which every key is taken once; what remains is unknown and refused."""

    def __init__(self, path: Path, kind: str, number: int, table: object) -> None:
        self._path = path
        self.name = f"{kind} {number}"
        if not isinstance(table, dict):
            raise self.fault("is not a table")
        self._left: dict[str, object] = dict(table)
        if self._left.pop("synthetic", None) is not True:
            raise self.fault("is not marked synthetic = true")

    def fault(self, why: str) -> SyntheticSubjectsError:
        return SyntheticSubjectsError(path=str(self._path), entry=self.name, why=why)

    def text(self, key: str, form: re.Pattern[str], rule: str) -> str:
        value = self._left.pop(key, None)
        if not isinstance(value, str) or form.fullmatch(value) is None:
            raise self.fault(f"{key} must be {rule}")
        return value

    def number(self, key: str, parse: Callable[[str], str], reserved: re.Pattern[str], rule: str) -> str:
        value = self._left.pop(key, None)
        try:
            number = parse(value if isinstance(value, str) else "")
        except InvalidNumberError as error:
            raise self.fault(f"{key}: {error}") from None
        if reserved.fullmatch(number) is None:
            raise self.fault(f"{key} must be {rule}")
        return number

    def citizen_id(self, key: str) -> CitizenId:
        return CitizenId(self.number(key, parse_citizen_id, _RESERVED_SEQUENCE, "of sequence number 990 to 999"))

    def level(self) -> int:
        value = self._left.pop("assurance_level", None)
        if isinstance(value, bool) or value not in (1, 2, 3):
            raise self.fault("assurance_level must be 1, 2 or 3")
        return int(str(value))

    def flag(self, key: str) -> bool:
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise self.fault(f"{key} must be true or false")
        return value

    def has(self, key: str) -> bool:
        return key in self._left

    def finish(self) -> None:
        if self._left:
            raise self.fault(f"unknown keys {', '.join(sorted(self._left))}")


def _mark_of(number: str, secret: str) -> str:
    """It makes the mark (网络身份应用标识) that stands for a number, the same at every check."""
    return f"MID-{hmac.digest(secret.encode(), number.encode(), 'sha256').hex()[:32]}"


def load_synthetic_subjects(path: Path) -> SyntheticSubjects:
    """It reads and checks a file of synthetic subjects.

    Raises:
        SyntheticSubjectsError: The file cannot be read, or an entry breaks a rule.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SyntheticSubjectsError(path=str(path), entry="file", why=f"cannot be read: {error}") from error
    unknown = sorted(document.keys() - {"person", "company"})
    if unknown:
        raise SyntheticSubjectsError(path=str(path), entry="file", why=f"unknown keys {', '.join(unknown)}")
    people: dict[str, SyntheticPerson] = {}
    for entry in _entries(path, document, "person"):
        person = _person(entry)
        if person.id_number in people:
            raise entry.fault("repeats the id_number of an earlier entry")
        people[person.id_number] = person
    companies: dict[str, SyntheticCompany] = {}
    for entry in _entries(path, document, "company"):
        company = _company(entry)
        if company.uscc in companies:
            raise entry.fault("repeats the uscc of an earlier entry")
        if company.legal_representative not in people:
            raise entry.fault("legal_representative is nobody of this file")
        companies[company.uscc] = company
    _check_presenters(path, people)
    return SyntheticSubjects(people=people, companies=companies)


def _entries(path: Path, document: Mapping[str, object], kind: str) -> list[_Entry]:
    tables = document.get(kind, [])
    if not isinstance(tables, list):
        raise SyntheticSubjectsError(path=str(path), entry=kind, why=f"must be written as [[{kind}]]")
    return [_Entry(path, kind, number, table) for number, table in enumerate(tables, start=1)]


def _person(entry: _Entry) -> SyntheticPerson:
    presenter = entry.citizen_id("presenter") if entry.has("presenter") else None
    relation = None
    if presenter is not None:
        kinds = "|".join(kind.value for kind in RelationKind)
        relation = RelationKind(entry.text("relation", re.compile(kinds), f"one of {kinds}"))
    person = SyntheticPerson(
        name=entry.text("name", _NAME, "1 to 64 characters"),
        id_number=entry.citizen_id("id_number"),
        phone=entry.text("phone", _UNASSIGNED_PHONE, "100 and eight digits, which nobody has"),
        secret=entry.text("secret", _SECRET, "6 to 64 printable ASCII characters"),
        assurance_level=entry.level(),
        suspended=entry.flag("suspended"),
        mid_only=entry.flag("mid_only"),
        presenter=presenter,
        relation=relation,
    )
    entry.finish()
    return person


def _company(entry: _Entry) -> SyntheticCompany:
    company = SyntheticCompany(
        entity_name=entry.text("entity_name", _NAME, "1 to 64 characters"),
        uscc=Uscc(entry.number("uscc", parse_uscc, _RESERVED_ORGANISATION, "of an organisation part MA9TEXT…")),
        legal_representative=entry.citizen_id("legal_representative"),
        assurance_level=entry.level(),
        suspended=entry.flag("suspended"),
        mid_only=entry.flag("mid_only"),
    )
    entry.finish()
    return company


def _check_presenters(path: Path, people: Mapping[str, SyntheticPerson]) -> None:
    for number, person in enumerate(people.values(), start=1):
        if person.presenter is not None and (person.presenter not in people or person.presenter == person.id_number):
            raise SyntheticSubjectsError(
                path=str(path), entry=f"person {number}", why="presenter must be somebody else of this file"
            )
