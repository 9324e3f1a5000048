"""The container of an OFD file (GB/T 33190): a ZIP archive, read in pieces and only in its plainest form.

A ZIP archive can be written so that two programs read different files from it: bytes before or behind the archive, a
second directory in its comment, one name twice, entries that overlap. A licence needs none of that, so whatever could
be read in two ways is refused before anything is read. Sizes are checked from the directory first, which bounds what
the archive can expand to.
"""

import hashlib
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from govcode_node.providers.licence.faults import OfdFault, refuse

PIECE_BYTES: Final = 64 * 1024

END_RECORD: Final = struct.Struct("<4s4H2LH")
"""End of central directory: signature, two disk numbers, entries here, entries, size, offset, comment length."""
END_SIGNATURE: Final = b"PK\x05\x06"
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_ZIP64_LOCATOR_SIZE: Final = 20
_LOCAL_SIGNATURE: Final = b"PK\x03\x04"
_LOCAL_HEADER_SIZE: Final = 30
_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfdLimits:
    """What a licence may at most be; the defaults have ample room over real ones.

    Attributes:
        entries: Files and folders in the package.
        directory_bytes: Size of the archive's directory.
        content_bytes: What all files expand to together.
        expansion: How many times the size of the package that may be; up to 32 MiB are always allowed.
        xml_bytes: What a single XML part expands to.
    """

    entries: int = 5_000
    directory_bytes: int = 1024 * 1024
    content_bytes: int = 256 * 1024 * 1024
    expansion: int = 100
    xml_bytes: int = 16 * 1024 * 1024


ALWAYS_ALLOWED_BYTES: Final = 32 * 1024 * 1024
"""Blank pictures compress a thousandfold; below this size that does no harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRecord:
    """Where the directory of an archive stands.

    Attributes:
        entries: How many entries it has.
        directory_offset: Where it begins.
        directory_bytes: How long it is.
    """

    entries: int
    directory_offset: int
    directory_bytes: int


def read_end_record(file: BinaryIO) -> EndRecord:
    """It finds the directory of an archive that has nothing before or behind it.

    Raises:
        OfdRefusedError: There is none, or the archive is not plain.
    """
    length = file.seek(0, 2)
    if length < END_RECORD.size + _LOCAL_HEADER_SIZE:
        refuse(OfdFault.NOT_OFD, "too short for a package")
    tail = min(length, END_RECORD.size + _ZIP64_LOCATOR_SIZE)
    file.seek(length - tail)
    end = file.read(tail)
    signature, disk, start_disk, here, entries, size, offset, comment = END_RECORD.unpack(end[-END_RECORD.size :])
    # A package without comment ends with this record; where it does not, a comment or foreign bytes stand behind it.
    if signature != END_SIGNATURE or comment:
        refuse(OfdFault.NOT_OFD, "no archive directory at the very end")
    if end[:4] == _ZIP64_LOCATOR or 0xFFFF in (here, entries) or 0xFFFFFFFF in (size, offset):
        refuse(OfdFault.TOO_LARGE, "an archive of the 64-bit form")
    if disk or start_disk or here != entries or offset + size + END_RECORD.size != length:
        refuse(OfdFault.NOT_OFD, "the archive directory is not where it says")
    file.seek(0)
    if file.read(4) != _LOCAL_SIGNATURE:
        refuse(OfdFault.NOT_OFD, "something stands before the archive")
    return EndRecord(entries=entries, directory_offset=offset, directory_bytes=size)


class OfdPackage:
    """The files of one package, by name and in pieces.

    Attributes:
        names: The files; folders are left out.
    """

    def __init__(self, file: BinaryIO, *, limits: OfdLimits) -> None:
        """It opens a package.

        Args:
            file: Seekable; it stays open and must not be changed meanwhile.
            limits: What the package may at most be.

        Raises:
            OfdRefusedError: It is no package, not a plain one, or over a limit.
        """
        self._limits = limits
        self._digests: dict[str, bytes] = {}
        end = read_end_record(file)
        if end.entries > limits.entries or end.directory_bytes > limits.directory_bytes:
            refuse(OfdFault.TOO_LARGE, f"{end.entries} entries")
        try:
            self._archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
            refuse(OfdFault.NOT_OFD, f"the archive directory cannot be read: {error}")
        infos = self._archive.infolist()
        if len(infos) != end.entries:
            refuse(OfdFault.NOT_OFD, "the archive directory does not have the entries that it says")
        _check_names(infos)
        _check_sizes(infos, end, limits)
        self.names = frozenset(info.filename for info in infos if not info.is_dir())

    def size(self, name: str) -> int:
        """It gives the expanded size of a file in bytes, as the directory has it; no more is ever read."""
        return self._archive.getinfo(name).file_size

    def pieces(self, name: str) -> Iterator[bytes]:
        """It reads a file in pieces of 64 KiB.

        Raises:
            OfdRefusedError: There is no such file, or its compressed form is damaged.
        """
        if name not in self.names:
            refuse(OfdFault.CONTENT_CHANGED, f"{name} is missing")
        try:
            with self._archive.open(name) as part:
                while piece := part.read(PIECE_BYTES):
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError) as error:
            refuse(OfdFault.NOT_OFD, f"{name} cannot be unpacked: {error}")

    def read(self, name: str, *, max_bytes: int | None = None) -> bytes:
        """It reads a whole file.

        Args:
            name: The file.
            max_bytes: What it may at most be; the limit of XML parts where None.

        Raises:
            OfdRefusedError: It is missing, damaged or too large.
        """
        allowed = self._limits.xml_bytes if max_bytes is None else max_bytes
        if name in self.names and self.size(name) > allowed:
            refuse(OfdFault.TOO_LARGE, f"{name} has more than {allowed} bytes")
        return b"".join(self.pieces(name))

    def xml_pieces(self, name: str) -> Iterator[bytes]:
        """It reads an XML part in pieces.

        Raises:
            OfdRefusedError: It is missing, damaged or too large.
        """
        if name in self.names and self.size(name) > self._limits.xml_bytes:
            refuse(OfdFault.TOO_LARGE, f"{name} has more than {self._limits.xml_bytes} bytes")
        return self.pieces(name)

    def digest(self, name: str) -> bytes:
        """It gives the SM3 of a file's content; each file is hashed once.

        Raises:
            OfdRefusedError: It is missing or damaged.
        """
        known = self._digests.get(name)
        if known is None:
            context = hashlib.new("sm3")
            for piece in self.pieces(name):
                context.update(piece)
            known = self._digests[name] = context.digest()
        return known


def resolve(base: str, location: str) -> str:
    """It gives the file that a location (ST_Loc) names.

    Args:
        base: The folder of the part that has the location; empty for the root.
        location: As written: from the root when it begins with a stroke, else from the folder.

    Raises:
        OfdRefusedError: The location leads out of the package or is no path.
    """
    if not location or len(location) > 1024 or "\\" in location or not location.isprintable():
        refuse(OfdFault.BAD_PATH, "a location is empty, too long or no path")
    joined = location if location.startswith("/") else posixpath.join(base, location)
    path = posixpath.normpath(joined.lstrip("/"))
    if path == ".." or path.startswith("../") or path == ".":
        refuse(OfdFault.BAD_PATH, "a location leads out of the package")
    return path


def folder_of(name: str) -> str:
    """It gives the folder of a file; empty for the root."""
    return posixpath.dirname(name)


def _check_names(infos: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        parts = name.removesuffix("/").split("/")
        plain = name == info.orig_filename and name.isprintable() and "\\" not in name and ":" not in name
        if not plain or len(name) > 512 or any(part in ("", ".", "..") for part in parts):
            refuse(OfdFault.BAD_PATH, "a name of the package is no plain relative path")
        # Readers on some systems do not tell capital letters from small ones; a second page must not hide there.
        folded = name.removesuffix("/").casefold()
        if folded in seen:
            refuse(OfdFault.BAD_PATH, f"{name} stands in the package twice")
        seen.add(folded)


def _check_sizes(infos: list[zipfile.ZipInfo], end: EndRecord, limits: OfdLimits) -> None:
    total = 0
    reached = 0
    for info in sorted(infos, key=lambda each: each.header_offset):
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            refuse(OfdFault.NOT_OFD, f"{info.filename} is packed in a way that OFD does not have")
        if info.is_dir() and info.file_size:
            refuse(OfdFault.NOT_OFD, f"{info.filename} is a folder with content")
        if info.header_offset < reached:
            refuse(OfdFault.NOT_OFD, "entries of the archive overlap")
        reached = info.header_offset + _LOCAL_HEADER_SIZE + info.compress_size
        total += info.file_size
    if reached > end.directory_offset:
        refuse(OfdFault.NOT_OFD, "entries of the archive overlap its directory")
    length = end.directory_offset + end.directory_bytes
    if total > limits.content_bytes or total > max(ALWAYS_ALLOWED_BYTES, limits.expansion * length):
        refuse(OfdFault.TOO_LARGE, f"the package would expand to {total} bytes")
