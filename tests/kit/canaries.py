"""Planted values that must not come out anywhere, and the search for them in whatever form they may have."""

import base64
import json
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_LEAST_BYTES = 5
"""Shorter patterns are found in random bytes by chance."""


def forms_of(value: str) -> dict[str, set[bytes]]:
    """It gives the byte strings that betray a value, by the name of the form."""
    utf8 = value.encode()
    forms = {
        "utf-8": {utf8},
        "utf-16": {value.encode("utf-16-le"), value.encode("utf-16-be")},
        "utf-32": {value.encode("utf-32-le"), value.encode("utf-32-be")},
        "gb18030": {value.encode("gb18030")},
        "url": {
            urllib.parse.quote(value, safe="").encode(),
            _every_byte(utf8, "%{:02X}"),
            _every_byte(utf8, "%{:02x}"),
        },
        "hex": set(_hex(value)),
        "json": {json.dumps(value)[1:-1].encode()},
        "python": {repr(utf8)[2:-1].encode(), value.encode("unicode_escape")},
        "protobuf text": {_every_byte(utf8, "\\{:03o}")},
        "base64": set(_base64(utf8)),
        "base32": set(_base32(utf8)),
        "reversed": {value[::-1].encode()},
    }
    if value.rstrip("X").isdigit():
        digits = value.rstrip("X")
        forms["number"] = {
            int(digits).to_bytes(8, "big").lstrip(b"\0"),
            int(digits).to_bytes(8, "little").rstrip(b"\0"),
        }
        forms["packed decimal"] = {
            bytes.fromhex(digits + "0" * (len(digits) % 2)),
            bytes.fromhex("0" * (len(digits) % 2) + digits),
        }
    return {name: {form for form in found if len(form) >= _LEAST_BYTES} for name, found in forms.items()}


def _hex(value: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        text = value.encode(encoding).hex().encode()
        yield text
        yield text.upper()


def _every_byte(raw: bytes, form: str) -> bytes:
    return "".join(form.format(byte) for byte in raw).encode()


def _base64(raw: bytes) -> Iterator[bytes]:
    """It gives what stands in a base64 text whatever comes before and after the value, in both alphabets."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw)
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        core = whole[first:last]
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")


def _base32(raw: bytes) -> Iterator[bytes]:
    for before in range(5):
        whole = base64.b32encode(b"\0" * before + raw)
        yield whole[-(-before * 8 // 5) : (before + len(raw)) * 8 // 5]


@dataclass(frozen=True, eq=False)
class Canaries:
    """Values to look for.

    Attributes:
        values: Each by a name under which a finding is told, so that no report repeats the value.
    """

    values: Mapping[str, str] = field(repr=False)

    @cached_property
    def _patterns(self) -> list[tuple[str, bytes]]:
        return [
            (f"{name} as {form}", pattern)
            for name, value in self.values.items()
            for form, patterns in forms_of(value).items()
            for pattern in patterns
        ]

    def in_bytes(self, data: bytes) -> set[str]:
        """It names what is in some bytes."""
        return {name for name, pattern in self._patterns if pattern in data}

    def in_pieces(self, pieces: Iterable[bytes]) -> set[str]:
        """It names what is in one of many pieces."""
        return self.in_bytes(b"\n\x1f\n".join(pieces))

    def in_files(self, files: Iterable[Path]) -> set[str]:
        """It names what is in files."""
        return {f"{found} in {file.name}" for file in files for found in self.in_bytes(file.read_bytes())}

    def in_store(self, store: Path) -> set[str]:
        """It names what is in the values of a SQLite file, each read as the engine gives it, across its pages."""
        return self.in_pieces(values_of(store))


def values_of(store: Path) -> Iterator[bytes]:
    """It gives every value of every table of a SQLite file."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - names of the schema itself
                yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)
