"""Licences as OFD files (GB/T 33190) with an electronic seal (GB/T 38540): is this what the issuer sealed?

    finding = verify_ofd(file, trust=trust, verify_sm2=backend.verify, now=clock.now())
    finding.issuer_seal.seal_name                 # who vouches for it
    copy_with_mark(file, target, finding=finding, mark=mark)

A seal covers a list of digests (Signature.xml), the list covers files. Two rules make the whole document covered:
every file of the package is in the list of one seal, except for the seal's own files and marks of copies; and whatever
the pages lead to is one of the covered files. A page that was added is refused by the first even where nothing shows
it yet.

Nothing is unpacked to disk, and no file is held in memory but the XML of the structure and the seal itself.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

from govcode_node.providers.licence.faults import OfdFault, refuse
from govcode_node.providers.licence.marks import CopyMark, Writable, is_mark, read_marks, write_marked_copy
from govcode_node.providers.licence.ofd_container import OfdLimits, OfdPackage, folder_of, resolve
from govcode_node.providers.licence.ofd_xml import Element, read_elements
from govcode_node.providers.licence.seals import (
    MAX_SIGNED_VALUE_BYTES,
    SealFacts,
    SealTrust,
    Sm2Verify,
    check_seal,
    read_seal,
)

DEFAULT_LIMITS: Final = OfdLimits()

_ROOT: Final = "OFD.xml"
_MAX_SEALS: Final = 32
_MAX_PAGES: Final = 5_000
_SM3_METHODS: Final = frozenset({"SM3", "1.2.156.10197.1.401"})
_DIGEST_BYTES: Final = 32

_LOCATION_TEXTS: Final = frozenset(
    {
        "DocRoot", "Cover", "PublicRes", "DocumentRes", "PageRes", "Annotations", "Attachments", "CustomTags",
        "Extensions", "FileLoc", "SchemaLoc", "MediaFile", "FontFile", "ExtendData",
    }
)  # fmt: skip
"""Elements whose text is the location of another file."""

_LOCATION_ATTRIBUTES: Final = {
    "Page": "BaseLoc",
    "TemplatePage": "BaseLoc",
    "ColorSpace": "Profile",
    "Font": "FontFile",
}
"""Elements that have a location in an attribute."""

_PAGES: Final = frozenset({"Page", "TemplatePage"})
_STRUCTURE: Final = _LOCATION_TEXTS | _LOCATION_ATTRIBUTES.keys() | {"Res"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSeal:
    """A seal that holds, and what it holds.

    Attributes:
        facts: Who made and used it.
        list_digest: SM3 of its list of digests, 32 bytes: the identity of what was sealed.
        covers_all: Whether it covers every file of the document.
    """

    facts: SealFacts
    list_digest: bytes
    covers_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OfdFinding:
    """A licence file that was checked and is believed.

    Attributes:
        issuer_seal: The first seal that covers the whole document.
        list_digest: SM3 of that seal's list, 32 bytes.
        seals: All seals; each holds.
        pages: How many pages the document has.
        marks: Marks of copies (加注), oldest first. They are nobody's signed word.
    """

    issuer_seal: SealFacts
    list_digest: bytes
    seals: tuple[CheckedSeal, ...]
    pages: int
    marks: tuple[CopyMark, ...]


@dataclass(frozen=True, slots=True)
class _Entrance:
    """Where the document and its seals begin."""

    document: str
    signatures: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A seal's own files, what it covers, and who it is."""

    own: frozenset[str]
    covered: frozenset[str]
    list_digest: bytes
    facts: SealFacts


def verify_ofd(
    file: BinaryIO, *, trust: SealTrust, verify_sm2: Sm2Verify, now: datetime, limits: OfdLimits = DEFAULT_LIMITS
) -> OfdFinding:
    """It checks a sealed licence (6.3-15, N-25); it reads and computes, so call it from a thread of its own.

    Args:
        file: The OFD file, seekable; it is not closed.
        trust: Makers and authorities to believe.
        verify_sm2: Checks one SM2 signature.
        now: The time.
        limits: What the file may at most be.

    Raises:
        OfdRefusedError: It is not to be believed; `fault` and `detail` say why.
    """
    package = OfdPackage(file, limits=limits)
    entrance = _read_entrance(package)
    listed = [
        _check_one(package, location, trust=trust, verify_sm2=verify_sm2, now=now)
        for location in _seal_locations(package, entrance.signatures)
    ]
    reached, pages = _reach(package, entrance.document)
    machinery = frozenset({entrance.signatures}).union(*(each.own for each in listed))
    marks = frozenset(filter(is_mark, package.names))
    if reached & (machinery | marks):
        refuse(OfdFault.NOT_COVERED, "the document shows a file that is no part of it")
    needed = package.names - machinery - marks
    seals = tuple(
        CheckedSeal(facts=each.facts, list_digest=each.list_digest, covers_all=needed <= each.covered)
        for each in listed
    )
    whole = next((seal for seal in seals if seal.covers_all), None)
    if whole is None:
        missing = sorted(needed - frozenset().union(*(each.covered for each in listed)))
        detail = f"no seal covers {missing[0]}" if missing else "no seal covers the whole document"
        refuse(OfdFault.NOT_COVERED, detail)
    return OfdFinding(
        issuer_seal=whole.facts,
        list_digest=whole.list_digest,
        seals=seals,
        pages=pages,
        marks=read_marks(package, seals=[seal.list_digest for seal in seals]),
    )


def copy_with_mark(
    source: BinaryIO, target: Writable, *, finding: OfdFinding, mark: CopyMark, limits: OfdLimits = DEFAULT_LIMITS
) -> int:
    """It writes a marked copy (加注) of a licence that was checked; the seal of the copy still holds (N-25).

    Args:
        source: The file that the finding is about, seekable.
        target: Where the copy goes; it is only written to.
        finding: What the check of the file found.
        mark: For which matter, whom and when.
        limits: What the file may at most be.

    Returns:
        The size of the copy in bytes.

    Raises:
        OfdRefusedError: The file has as many marks as it may have.
    """
    return write_marked_copy(
        source, target, mark=mark, seal=finding.list_digest, marks_before=len(finding.marks), limits=limits
    )


def _read_entrance(package: OfdPackage) -> _Entrance:
    if _ROOT not in package.names:
        refuse(OfdFault.NOT_OFD, f"there is no {_ROOT}")
    wanted = frozenset({"DocBody", "DocRoot", "Signatures", "Versions"})
    root, *parts = read_elements(package.xml_pieces(_ROOT), wanted=wanted, source=_ROOT)
    by_name = {name: [part for part in parts if part.name == name] for name in wanted}
    if root.name != "OFD" or len(by_name["DocBody"]) != 1 or len(by_name["DocRoot"]) != 1 or by_name["Versions"]:
        # A second document or an older version in the same package would be a second text under one seal.
        refuse(OfdFault.NOT_OFD, "a licence is one document in one version")
    if not by_name["Signatures"]:
        refuse(OfdFault.NOT_SEALED, "there is no seal")
    if len(by_name["Signatures"]) != 1:
        refuse(OfdFault.NOT_OFD, "there are two lists of seals")
    return _Entrance(resolve("", by_name["DocRoot"][0].text), resolve("", by_name["Signatures"][0].text))


def _seal_locations(package: OfdPackage, signatures: str) -> list[str]:
    """The lists of all seals; a signature of another kind than a seal cannot be checked and is refused."""
    wanted = frozenset({"Signature"})
    root, *parts = read_elements(package.xml_pieces(signatures), wanted=wanted, source=signatures)
    if root.name != "Signatures" or not parts:
        refuse(OfdFault.NOT_SEALED, "the list of seals is empty")
    if len(parts) > _MAX_SEALS:
        refuse(OfdFault.TOO_LARGE, f"{len(parts)} seals")
    if any(part.attributes.get("Type", "Seal") != "Seal" for part in parts):
        refuse(OfdFault.SEAL_UNSUPPORTED, "a signature is no seal")
    return [resolve(folder_of(signatures), part.attributes.get("BaseLoc", "")) for part in parts]


def _check_one(
    package: OfdPackage, location: str, *, trust: SealTrust, verify_sm2: Sm2Verify, now: datetime
) -> _Listed:
    """It checks one seal: its value, that it is on this list of digests, and every digest of the list."""
    wanted = frozenset({"References", "Reference", "CheckValue", "SignedValue", "Seal", "BaseLoc"})
    root, *parts = read_elements(package.xml_pieces(location), wanted=wanted, source=location)
    folder = folder_of(location)
    if root.name != "Signature":
        refuse(OfdFault.SEAL_BROKEN, f"{location} is no list of digests")
    value_name = resolve(folder, _only(parts, "SignedValue", location).text)
    used = read_seal(package.read(value_name, max_bytes=MAX_SIGNED_VALUE_BYTES))
    own = {location, value_name}
    for part in parts:
        # The place of the seal is an element in the standard's text and an attribute in some makers' files.
        shown = part.attributes.get("BaseLoc") if part.name == "Seal" else None
        if part.name == "BaseLoc" and part.parent == "Seal":
            shown = part.text
        if shown:
            seal_name = resolve(folder, shown)
            own.add(seal_name)
            if package.read(seal_name, max_bytes=MAX_SIGNED_VALUE_BYTES) != used.seal_bytes:
                refuse(OfdFault.SEAL_MISMATCH, "the seal shown is not the seal that was used")
    list_digest = package.digest(location)
    if not hmac.compare_digest(list_digest, used.data_hash):
        refuse(OfdFault.CONTENT_CHANGED, f"{location} was altered, or the seal belongs to another file")
    if resolve("", used.property_info) != location:
        refuse(OfdFault.SEAL_MISMATCH, "the seal was used on another list of digests")
    facts = check_seal(used, trust=trust, verify_sm2=verify_sm2, now=now)
    return _Listed(
        own=frozenset(own),
        covered=_check_digests(package, parts, location),
        list_digest=list_digest,
        facts=facts,
    )


def _check_digests(package: OfdPackage, parts: list[Element], location: str) -> frozenset[str]:
    """It compares every file of the list with its digest and gives the files."""
    # The standard's own default is MD5, which anybody can make collide: only SM3, by name, will do.
    if _only(parts, "References", location).attributes.get("CheckMethod", "").upper() not in _SM3_METHODS:
        refuse(OfdFault.SEAL_UNSUPPORTED, "the digests of the list are not SM3")
    references = [part for part in parts if part.name == "Reference"]
    values = [part.text for part in parts if part.name == "CheckValue" and part.parent == "Reference"]
    if len(references) != len(values):
        refuse(OfdFault.SEAL_BROKEN, f"{location} has a file without a digest")
    covered = set()
    for reference, value in zip(references, values, strict=True):
        name = resolve(folder_of(location), reference.attributes.get("FileRef", ""))
        if not hmac.compare_digest(_digest(value, location), package.digest(name)):
            refuse(OfdFault.CONTENT_CHANGED, f"{name} was altered")
        covered.add(name)
    return frozenset(covered)


def _digest(text: str, location: str) -> bytes:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != _DIGEST_BYTES:
        refuse(OfdFault.SEAL_BROKEN, f"{location} has a digest that is none")
    return digest


def _only(parts: list[Element], name: str, location: str) -> Element:
    found = [part for part in parts if part.name == name]
    if len(found) != 1:
        refuse(OfdFault.SEAL_BROKEN, f"{location} must have one {name}")
    return found[0]


def _reach(package: OfdPackage, document: str) -> tuple[frozenset[str], int]:
    """It follows the document through its pages and resources and gives what it reaches, and the number of pages.

    A page must be there. A resource that is missing is a fault of the drawing, which readers of OFD bear; nobody can
    add it later, because a file that no seal covers is refused.
    """
    reached: set[str] = {_ROOT, document}
    waiting = [document]
    pages = 0
    while waiting:
        name = waiting.pop()
        for part, target in _locations(package, name):
            if part.name in _PAGES and part.parent != "Annotations":
                if target not in package.names:
                    refuse(OfdFault.CONTENT_CHANGED, f"{target} is missing")
                pages += part.name == "Page"
                if pages > _MAX_PAGES:
                    refuse(OfdFault.TOO_LARGE, "too many pages")
            if target in package.names and target not in reached:
                reached.add(target)
                if target.casefold().endswith(".xml"):
                    waiting.append(target)
    return frozenset(reached), pages


def _locations(package: OfdPackage, name: str) -> list[tuple[Element, str]]:
    """Every location in a part, with the file that it names."""
    root, *parts = read_elements(package.xml_pieces(name), wanted=_STRUCTURE, source=name)
    folder = folder_of(name)
    media_folder = folder
    if root.name == "Res" and root.attributes.get("BaseLoc"):
        media_folder = resolve(folder, root.attributes["BaseLoc"])
    found = []
    for part in parts:
        base = media_folder if part.name in ("MediaFile", "FontFile") else folder
        attribute = _LOCATION_ATTRIBUTES.get(part.name)
        written = (part.attributes.get(attribute) if attribute else None) or (
            part.text if part.name in _LOCATION_TEXTS else ""
        )
        if written:
            found.append((part, resolve(base, written)))
    return found
