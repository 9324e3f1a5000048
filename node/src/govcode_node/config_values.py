"""The values that a configuration is written in: durations, sizes, rates, endpoints, keys, and rules on one value.

Durations are texts with a unit (``"120s"``, ``"5m"``, ``"72h"``), sizes likewise (``"64KiB"``), rates are ``"30/1m"``:
a bare number would leave the reader to guess the unit.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Final, NewType, Protocol, Self

from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.regions import InvalidRegionCodeError, RegionCode

ByteSize = NewType("ByteSize", int)
"""A number of bytes, written ``"64KiB"``."""

PublicPoint = NewType("PublicPoint", str)
"""An SM2 public key: 04, then both coordinates, as 130 lower-case hex digits; the point is on the curve."""

_DURATION_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_SIZE_UNITS: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
_SIZE: Final = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB)", re.ASCII)
_RATE: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9}(?:ms|s|m|h|d))", re.ASCII)
_ENDPOINT: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._-]{1,253}):([0-9]{1,5})", re.ASCII)
_HIGHEST_PORT: Final = 65535
_SQLITE: Final = "sqlite:///"

# The SM2 curve of GB/T 32918.5: prime, a = p - 3, b.
_SM2_P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_SM2_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and port to connect to, written ``"host:port"`` or ``"[IPv6]:port"``."""

    host: str
    port: int

    lowest_port = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """It reads the text form.

        Raises:
            ValueError: The text is no endpoint.
        """
        match = _ENDPOINT.fullmatch(text)
        if match is None or not cls.lowest_port <= int(match[2]) <= _HIGHEST_PORT:
            raise ValueError(f'expected "host:port" with a port of {cls.lowest_port} to {_HIGHEST_PORT}')
        return cls(match[1], int(match[2]))

    @property
    def wildcard(self) -> bool:
        """Whether it stands for every address of the machine, which nobody can connect to."""
        return self.host in {"0.0.0.0", "[::]"}  # noqa: S104 - compared, not bound

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ListenAddress(Endpoint):
    """A host and port to listen on; port 0 takes any free one."""

    lowest_port = 0


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseUrl:
    """A database address: an SQLite file or a PostgreSQL server.

    Attributes:
        text: The address as SQLAlchemy takes it, a password included; ``str()`` hides that.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """It accepts the two engines.

        Raises:
            ValueError: Another address; the message does not repeat it, as it may hold a password.
        """
        file = text.removeprefix(_SQLITE)
        if not text.startswith("postgresql+psycopg://") and (file in {text, ""} or file.startswith(":memory:")):
            raise ValueError('expected "sqlite:///<file>" or "postgresql+psycopg://…"')
        return cls(text)

    def anchored(self, folder: Path) -> Self:
        """It makes the path of an SQLite file absolute."""
        file = self.text.removeprefix(_SQLITE)
        return self if file == self.text else type(self)(f"{_SQLITE}{folder / file}")

    def __str__(self) -> str:
        hidden = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", self.text)
        return re.sub(r"(?i)(password=)[^&]*", r"\1***", hidden)

    def __repr__(self) -> str:
        return f"DatabaseUrl({str(self)!r})"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many acts in so much time, written ``"30/1m"``."""

    count: int
    per: timedelta

    def __str__(self) -> str:
        return f"{self.count}/{format_duration(self.per)}"


class Constraint(Protocol):
    """A rule on one value, put beside its type with ``Annotated``."""

    def check(self, value: Any, /) -> None:
        """It raises ValueError where the value breaks the rule."""


@dataclass(frozen=True, slots=True)
class Between:
    """The value lies between two bounds, both allowed; durations are given as texts."""

    low: int | float | str
    high: int | float | str

    def check(self, value: Any, /) -> None:
        """It compares in the value's own unit."""
        low, high = (parse_duration(end) if isinstance(end, str) else end for end in (self.low, self.high))
        if not low <= value <= high:
            raise ValueError(f"must lie between {self.low} and {self.high}, is {printable(value)}")


@dataclass(frozen=True, slots=True)
class Matches:
    """The text matches a pattern as a whole; ``meaning`` says it in words."""

    pattern: str
    meaning: str

    def check(self, value: Any, /) -> None:
        """It matches ASCII only."""
        if re.fullmatch(self.pattern, value, re.ASCII) is None:
            raise ValueError(f"expected {self.meaning}")


@dataclass(frozen=True, slots=True)
class Entries:
    """The list has no entry twice, and at least and at most so many."""

    least: int = 0
    most: int = 1000

    def check(self, value: Any, /) -> None:
        """It counts."""
        if not self.least <= len(value) <= self.most:
            raise ValueError(f"takes {self.least} to {self.most} entries, has {len(value)}")
        if len(set(value)) != len(value):
            raise ValueError("has an entry twice")


def parse_duration(text: str) -> timedelta:
    """It reads ``"120s"``: a whole number and one of ms, s, m, h, d.

    Raises:
        ValueError: The text is no duration, or one beyond what can be counted.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError('expected a duration such as "120s", "5m", "72h" or "365d"')
    try:
        return int(match[1]) * _DURATION_UNITS[match[2]]
    except OverflowError:
        raise ValueError("the duration is too long") from None


def format_duration(value: timedelta) -> str:
    """It writes a duration in the largest unit that needs no fraction; the inverse of `parse_duration`."""
    for unit, size in reversed(_DURATION_UNITS.items()):
        if value >= size and value % size == timedelta(0):
            return f"{value // size}{unit}"
    return f"{value // _DURATION_UNITS['ms']}ms"


def parse_size(text: str) -> ByteSize:
    """It reads ``"64KiB"``: a whole number and one of B, KiB, MiB, GiB.

    Raises:
        ValueError: The text is no size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError('expected a size such as "64KiB" or "1MiB"')
    return ByteSize(int(match[1]) * _SIZE_UNITS[match[2]])


def parse_rate(text: str) -> Rate:
    """It reads ``"30/1m"``: how many in how long.

    Raises:
        ValueError: The text is no rate, or one of nothing.
    """
    match = _RATE.fullmatch(text)
    if match is None or int(match[1]) == 0 or parse_duration(match[2]) == timedelta(0):
        raise ValueError('expected a rate such as "30/1m" or "2000/1s"')
    return Rate(int(match[1]), parse_duration(match[2]))


def printable(value: object) -> str:
    """It writes a typed value the way a person reads it; sizes come out as plain numbers."""
    match value:
        case None | bool():
            return "unset" if value is None else str(value).lower()
        case timedelta():
            return format_duration(value)
        case FieldRule():
            return f"{value.name}:whole" if value.unmasked else str(value.name)
        case Enum():
            return enum_text(value)
        case tuple():
            return "[" + ", ".join(printable(one) for one in value) + "]"
        case _:
            return str(value)


def enum_text(member: Enum) -> str:
    """A text enumeration is written by value, a numbered one by name: the contract's numbers tell a person nothing."""
    return str(member.value) if isinstance(member, StrEnum) else member.name


def parse_region(text: str) -> RegionCode:
    """It reads six digits.

    Raises:
        ValueError: They are no region code.
    """
    try:
        return RegionCode(text)
    except InvalidRegionCodeError as error:
        raise ValueError(str(error)) from None


def parse_field_rule(text: str) -> FieldRule:
    """It reads ``"name"`` (masked) or ``"name:whole"``.

    Raises:
        ValueError: There is no such field.
    """
    name, colon, how = text.partition(":")
    if name not in list(FieldName) or (colon and how != "whole"):
        raise ValueError(f'expected one of {", ".join(FieldName)}, with ":whole" to show it unmasked')
    return FieldRule(FieldName(name), unmasked=bool(colon))


def parse_point(text: str) -> PublicPoint:
    """It reads an SM2 public key in hex and makes sure that the point is on the curve.

    Raises:
        ValueError: The text is no such key.
    """
    if re.fullmatch(r"04[0-9a-fA-F]{128}", text, re.ASCII) is None:
        raise ValueError("expected an SM2 public key: 04 and two coordinates, 130 hex digits")
    x, y = int(text[2:66], 16), int(text[66:], 16)
    if x >= _SM2_P or y >= _SM2_P or (y * y - (x * x - 3) * x - _SM2_B) % _SM2_P:
        raise ValueError("the point is not on the SM2 curve")
    return PublicPoint(text.lower())


def parse_path(text: str) -> Path:
    """It reads a path, relative or absolute.

    Raises:
        ValueError: The text is empty or cannot be a path.
    """
    if not text or "\0" in text:
        raise ValueError("expected a path")
    return Path(text)
