"""Marks on copies of licences (加注): for which matter, for whom and when a copy was handed out, in words.

A mark is a file of its own beside the sealed ones, in the folder `Marks`, which no page refers to. Nothing that was
sealed is touched, so the seal of the copy still holds. The mark names the seal that it belongs to and cannot be moved
to another licence unseen. It proves no more than that: whoever can write a file can also leave a mark out, so who got
a copy for what is proved by the node's evidence of the delivery, which holds the digest of the marked copy.
"""

import binascii
import re
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import BinaryIO, Final, Protocol

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.providers.licence.faults import OfdFault, refuse
from govcode_node.providers.licence.ofd_container import (
    END_RECORD,
    END_SIGNATURE,
    PIECE_BYTES,
    OfdLimits,
    OfdPackage,
    read_end_record,
)
from govcode_node.providers.licence.ofd_xml import read_elements

MARKS_FOLDER: Final = "Marks/"
MAX_MARKS: Final = 64
MAX_MARK_BYTES: Final = 8 * 1024
MAX_MARK: Final = 1000
"""Characters of a mark."""

_NAME: Final = re.compile(r"Marks/Mark_([1-9][0-9]{0,2})\.xml")
_NAMESPACE: Final = "urn:govcode:licence-mark:1"
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_UTF8_NAME: Final = 0x800
_VERSION: Final = 20
# The same mark on the same licence gives the same bytes, so that a broken delivery can go on; so it has no clock.
_DATE: Final = 1 << 5 | 1


@dataclass(frozen=True, slots=True)
class CopyMark:
    """What a copy was handed out for.

    Attributes:
        text: In words, with the time. Example: `仅供上海市样例区政务服务中心办理落户使用 2026-11-24`.
    """

    text: str

    def __post_init__(self) -> None:
        """It checks the text.

        Raises:
            InvalidFieldError: It is empty, too long or not printable.
        """
        if not 1 <= len(self.text) <= MAX_MARK or not self.text.isprintable() or self.text != self.text.strip():
            raise InvalidFieldError(field="mark", why=f"must be 1 to {MAX_MARK} printable characters")


class Writable(Protocol):
    """Where bytes go, such as a file; never read from."""

    def write(self, data: bytes, /) -> int:
        """It takes all of the bytes."""
        ...


def is_mark(name: str) -> bool:
    """It tells whether a file of a package stands where marks stand."""
    return name.casefold().startswith(MARKS_FOLDER.casefold())


def read_marks(package: OfdPackage, *, seals: Iterable[bytes]) -> tuple[CopyMark, ...]:
    """It reads the marks of a package in the order in which they were made.

    Args:
        package: The package.
        seals: Digests of the lists that its seals cover; a mark must name one.

    Raises:
        OfdRefusedError: A mark is malformed or belongs to another licence.
    """
    known = {digest.hex() for digest in seals}
    found: dict[int, CopyMark] = {}
    for name in filter(is_mark, package.names):
        number = _NAME.fullmatch(name)
        if number is None or len(found) >= MAX_MARKS:
            refuse(OfdFault.BAD_MARK, "a file in the folder of the marks is no mark, or there are too many")
        found[int(number[1])] = _read_mark(package, name, known)
    if found and max(found) != len(found):
        refuse(OfdFault.BAD_MARK, "a mark is missing")
    return tuple(found[number] for number in sorted(found))


def write_marked_copy(
    source: BinaryIO, target: Writable, *, mark: CopyMark, seal: bytes, marks_before: int, limits: OfdLimits
) -> int:
    """It copies a package and adds a mark, in pieces; every byte of the files before it is kept.

    Args:
        source: The package, seekable, checked before.
        target: Where the copy goes; it is only written to.
        mark: What to add.
        seal: Digest of the list that the issuer's seal covers.
        marks_before: How many marks the package has.
        limits: What the package may at most be.

    Returns:
        The size of the copy in bytes.

    Raises:
        OfdRefusedError: The source is no plain package, or has as many marks or entries as it may have.
    """
    end = read_end_record(source)
    if marks_before >= MAX_MARKS or end.entries >= limits.entries:
        refuse(OfdFault.BAD_MARK, "the copy has as many marks as it may have")
    name = f"{MARKS_FOLDER}Mark_{marks_before + 1}.xml".encode()
    content = _mark_xml(mark, seal)
    local, central = _entry(name, content, offset=end.directory_offset)
    written = _copy(source, target, start=0, length=end.directory_offset)
    written += target.write(local + name + content)
    directory_offset = written
    written += _copy(source, target, start=end.directory_offset, length=end.directory_bytes)
    written += target.write(central + name)
    entries = end.entries + 1
    size = written - directory_offset
    written += target.write(END_RECORD.pack(END_SIGNATURE, 0, 0, entries, entries, size, directory_offset, 0))
    return written


def _read_mark(package: OfdPackage, name: str, known: set[str]) -> CopyMark:
    if package.size(name) > MAX_MARK_BYTES:
        refuse(OfdFault.BAD_MARK, f"{name} is too long")
    root = read_elements(package.pieces(name), wanted=frozenset(), source=name)[0]
    facts = root.attributes
    if root.name != "Mark" or facts.get("Seal") not in known:
        refuse(OfdFault.BAD_MARK, f"{name} does not belong to this licence")
    try:
        return CopyMark(facts.get("Text", ""))
    except InvalidFieldError:
        refuse(OfdFault.BAD_MARK, f"{name} is malformed")


def _mark_xml(mark: CopyMark, seal: bytes) -> bytes:
    attributes = f'Text="{escape(mark.text)}" Seal="{seal.hex()}"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Mark xmlns="{_NAMESPACE}" {attributes}/>\n'.encode()


def _entry(name: bytes, content: bytes, *, offset: int) -> tuple[bytes, bytes]:
    """The two headers of an entry that is stored as it is."""
    common = (_VERSION, _UTF8_NAME, zipfile.ZIP_STORED, 0, _DATE, binascii.crc32(content))
    sizes = (len(content), len(content), len(name))
    local = _LOCAL.pack(b"PK\x03\x04", *common, *sizes, 0)
    central = _CENTRAL.pack(b"PK\x01\x02", _VERSION, *common, *sizes, 0, 0, 0, 0, 0, offset)
    return local, central


def _copy(source: BinaryIO, target: Writable, *, start: int, length: int) -> int:
    source.seek(start)
    left = length
    while left:
        piece = source.read(min(left, PIECE_BYTES))
        if not piece:
            refuse(OfdFault.NOT_OFD, "the package ended while it was copied")
        target.write(piece)
        left -= len(piece)
    return length
