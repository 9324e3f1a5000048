"""Synthetic licences of one TOML file, made into a folder as a licence system would hold it.

The file names licences of all nodes; a node makes those that it holds, with records under seals and documents with
seals inside, and an index of the others. Everything is made with fresh keys of synthetic issuers, so nothing in the
folder is worth anything outside it. Entries obey the rules of synthetic people: marked, and with reserved numbers.

The folder: `trust.json` (whom to believe), `index.json` (places of all licences), `records/<id>.json`,
`documents/<id>.ofd` or `.pdf`, `made-from` (digest of the TOML file).
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import FactsError
from govcode_node.domain.licenses import LicenseDocument, LicenseStatus
from govcode_node.domain.numbers import InvalidNumberError, parse_citizen_id, parse_uscc
from govcode_node.providers.licence.records import (
    SALT_BYTES,
    IssuerKey,
    LicenceRecord,
    SaltedField,
    SealedRecord,
    masked,
    record_bytes,
    sealed_to_json,
    trust_to_json,
)
from govcode_node.providers.licence.specimen_keys import KeyMaker, SpecimenHouse, SpecimenKey, found_house
from govcode_node.providers.licence.specimens import (
    SealPlan,
    SpecimenText,
    noise_picture,
    sealed_ofd,
    specimen_pdf,
)

_CITIZEN: Final = re.compile(r".{14}99[0-9].", re.DOTALL)
_ORGANISATION: Final = re.compile(r".{8}MA9TEXT.{3}", re.DOTALL)
_NODE: Final = re.compile(r"[0-9]{6}(-[a-z0-9]{1,16})?")
_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_NUMBER: Final = re.compile(r"SPECIMEN-[0-9A-Z-]{1,40}")
_MAX_MEGABYTES: Final = 48
_PICTURE_SIDE: Final = 1024
_LIFETIME: Final = timedelta(days=3650)


@dataclass(eq=False)
class SyntheticLicencesError(FactsError):
    """The file of synthetic licences cannot be used; no value is repeated.

    Attributes:
        path: The file.
        entry: Which entry. Example: `licence 3`.
        why: The rule that it breaks.
    """

    path: str
    entry: str
    why: str
    says = "{path}: {entry}: {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticLicence:
    """A licence that was never issued.

    Attributes:
        node: The node that holds it.
        license_type: Its type.
        number: Its number, which begins with `SPECIMEN-`.
        issuer_name: Its issuer.
        title: Title of its document.
        holder_name: Name of its holder.
        holder_number: Number of its holder.
        filed_under: Number under which the licence system finds it; another than the holder's shows a wrong file.
        status: What the licence system says of it.
        valid_from: First day.
        valid_until: Last day; None without end.
        document_format: `OFD`, `PDF` or empty.
        megabytes: How much picture the document has at least.
        fields: By name.
    """

    node: str
    license_type: str
    number: str
    issuer_name: str
    title: str
    holder_name: str = field(repr=False)
    holder_number: str = field(repr=False)
    filed_under: str = field(repr=False)
    status: LicenseStatus
    valid_from: date
    valid_until: date | None
    document_format: str
    megabytes: int
    fields: Mapping[str, str] = field(repr=False)

    @property
    def license_id(self) -> str:
        """Its id, made from type and number."""
        return sm3(f"{self.license_type}\n{self.number}".encode())[:16].hex()


def load_synthetic_licences(path: Path) -> tuple[SyntheticLicence, ...]:
    """It reads and checks a file of synthetic licences.

    Raises:
        SyntheticLicencesError: The file cannot be read, or an entry breaks a rule.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SyntheticLicencesError(str(path), "file", f"cannot be read: {error}") from error
    entries = document.pop("licence", [])
    if document or not isinstance(entries, list):
        raise SyntheticLicencesError(str(path), "file", "may have [[licence]] entries alone")
    licences = []
    for number, entry in enumerate(entries, start=1):
        try:
            licences.append(_licence(entry))
        except (ValueError, KeyError, TypeError, AttributeError, InvalidNumberError) as error:
            raise SyntheticLicencesError(str(path), f"licence {number}", f"breaks a rule: {error}") from None
    if len({licence.license_id for licence in licences}) != len(licences):
        raise SyntheticLicencesError(str(path), "file", "two licences have the same type and number")
    return tuple(licences)


def make_folder(
    source: Path,
    folder: Path,
    *,
    node_id: str,
    make_key: KeyMaker,
    now: datetime,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> None:
    """It makes the folder of one node, or leaves the one that was made from the same file.

    The folder appears whole or not at all: it is made beside its place and moved there. Of several workers that make
    it at once one wins, and the others use its folder.

    Args:
        source: The TOML file.
        folder: Where the folder shall stand.
        node_id: The node whose licences are held here.
        make_key: Makes SM2 keys.
        now: The time; seals hold from then on.
        random_bytes: Source of salts and of pictures.

    Raises:
        SyntheticLicencesError: The file cannot be used.
    """
    licences = load_synthetic_licences(source)
    origin = sm3(node_id.encode() + b"\n" + source.read_bytes()).hex()
    if _made_from(folder) == origin:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _Maker(made, make_key=make_key, now=now, random_bytes=random_bytes).make(licences, node_id)
        (made / "made-from").write_text(origin, encoding="utf-8")
        if folder.exists() and _made_from(folder) != origin:
            _set_aside(folder)
        try:
            os.rename(made, folder)
        except OSError:
            if _made_from(folder) != origin:
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


class _Maker:
    """Makes the files of one folder."""

    def __init__(
        self, folder: Path, *, make_key: KeyMaker, now: datetime, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._folder = folder
        self._make_key = make_key
        self._now = now
        self._random_bytes = random_bytes
        self._houses: dict[str, SpecimenHouse] = {}
        self._keys: dict[str, SpecimenKey] = {}

    def make(self, licences: Sequence[SyntheticLicence], node_id: str) -> None:
        for name in ("records", "documents"):
            (self._folder / name).mkdir()
        for licence in licences:
            if licence.node == node_id:
                self._make_one(licence)
        houses = list(self._houses.values())
        issuers = [IssuerKey(issuer_name=name, point=key.point) for name, key in self._keys.items()]
        makers, authorities = [house.maker.der for house in houses], [house.authority.der for house in houses]
        self._write("trust.json", trust_to_json(issuers, makers=makers, authorities=authorities))
        self._write("index.json", [_place(licence) for licence in licences])

    def _make_one(self, licence: SyntheticLicence) -> None:
        fields = {
            name: SaltedField(salt=self._random_bytes(SALT_BYTES), value=value)
            for name, value in licence.fields.items()
        }
        record = LicenceRecord(
            license_id=licence.license_id,
            license_type=licence.license_type,
            number=licence.number,
            issuer_name=licence.issuer_name,
            holder_name=licence.holder_name,
            holder_number=licence.holder_number,
            valid_from=licence.valid_from,
            valid_until=licence.valid_until,
            field_digests={name: value.digest(name) for name, value in fields.items()},
            document=self._make_document(licence),
        )
        key = self._keys.setdefault(licence.issuer_name, self._make_key())
        sealed = SealedRecord(
            record=record,
            key_id=IssuerKey(issuer_name=licence.issuer_name, point=key.point).key_id,
            signature=key.sign(record_bytes(record)),
        )
        held = sealed_to_json(sealed, fields) | {"status": licence.status.name, "filed_under": licence.filed_under}
        self._write(f"records/{licence.license_id}.json", held)

    def _make_document(self, licence: SyntheticLicence) -> LicenseDocument | None:
        if not licence.document_format:
            return None
        lines = tuple(f"{name} {value}" for name, value in licence.fields.items())
        text = SpecimenText(title=licence.title, lines=(licence.issuer_name, licence.number, *lines))
        if licence.document_format == "PDF":
            content = specimen_pdf(text)
        else:
            pictures = [noise_picture(_PICTURE_SIDE, random_bytes=self._random_bytes) for _ in range(licence.megabytes)]
            plan = SealPlan.usual(self._house(licence.issuer_name), sealed_at=self._now, lifetime=_LIFETIME)
            content = sealed_ofd(text, plan, pages=max(1, len(pictures)), pictures=pictures)
        name = f"{licence.license_id}.{licence.document_format.lower()}"
        (self._folder / "documents" / name).write_bytes(content)
        return LicenseDocument(format=licence.document_format, size=len(content), digest=sm3(content))

    def _house(self, issuer_name: str) -> SpecimenHouse:
        if issuer_name not in self._houses:
            self._houses[issuer_name] = found_house(
                issuer_name, make_key=self._make_key, now=self._now, lifetime=_LIFETIME + timedelta(days=2)
            )
        return self._houses[issuer_name]

    def _write(self, name: str, value: object) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=1)
        (self._folder / name).write_text(text, encoding="utf-8")


def _made_from(folder: Path) -> str:
    try:
        return (folder / "made-from").read_text(encoding="utf-8")
    except OSError:
        return ""


def _set_aside(folder: Path) -> None:
    """It takes away the folder of an older file."""
    older = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, older / "older")
    shutil.rmtree(older, ignore_errors=True)


def _place(licence: SyntheticLicence) -> dict[str, str]:
    return {
        "license_id": licence.license_id,
        "license_type": licence.license_type,
        "license_node": licence.node,
        "issuer_name": licence.issuer_name,
        "masked_number": masked(licence.number),
        "status": licence.status.name,
        "valid_from": licence.valid_from.isoformat(),
        "filed_under": licence.filed_under,
    }


def _licence(entry: Any) -> SyntheticLicence:
    table = dict(entry)
    if table.pop("synthetic", None) is not True:
        raise ValueError("it is not marked synthetic = true")
    holder = _holder_number(table.pop("holder_number"))
    filed_under = _holder_number(table.pop("filed_under", holder))
    until = table.pop("valid_until", None)
    document_format = table.pop("document", "")
    megabytes = table.pop("document_megabytes", 0)
    if document_format not in ("", "OFD", "PDF") or megabytes not in range(_MAX_MEGABYTES + 1):
        raise ValueError(f"document is OFD or PDF, and document_megabytes 0 to {_MAX_MEGABYTES}")
    fields = table.pop("fields", {})
    licence = SyntheticLicence(
        node=_matched(table.pop("node"), _NODE, "node"),
        license_type=_matched(table.pop("license_type"), _TEXT, "license_type"),
        number=_matched(table.pop("number"), _NUMBER, "number"),
        issuer_name=_matched(table.pop("issuer_name"), _TEXT, "issuer_name"),
        title=_matched(table.pop("title"), _TEXT, "title"),
        holder_name=_matched(table.pop("holder_name"), _TEXT, "holder_name"),
        holder_number=holder,
        filed_under=filed_under,
        status=LicenseStatus[table.pop("status", "VALID")],
        valid_from=_day(table.pop("valid_from")),
        valid_until=None if until is None else _day(until),
        document_format=document_format,
        megabytes=megabytes,
        fields={_matched(name, _TEXT, "fields"): _matched(value, _TEXT, "fields") for name, value in fields.items()},
    )
    if table:
        raise ValueError(f"unknown keys {', '.join(sorted(table))}")
    return licence


def _matched(value: object, form: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise ValueError(f"{name} has not its form")
    return value


def _day(value: object) -> date:
    if type(value) is not date:
        raise ValueError("a day is written as 2026-01-31")
    return value


def _holder_number(value: object) -> str:
    """A number that nobody has: a citizen id of the reserved sequence, or a USCC of a reserved organisation."""
    text = value if isinstance(value, str) else ""
    for parse, reserved in ((parse_citizen_id, _CITIZEN), (parse_uscc, _ORGANISATION)):
        try:
            number = str(parse(text))
        except InvalidNumberError:
            continue
        if reserved.fullmatch(number):
            return number
    raise ValueError("a holder's number must be one of those reserved for synthetic subjects")
