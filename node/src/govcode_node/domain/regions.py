"""Administrative region codes (行政区划代码) and their prefix hierarchy, the key by which codes find their home node.

    >>> [str(region) for region in RegionCode("420106").prefixes()]
    ['420106', '420100', '420000']
    >>> RegionCode("420000").covers(RegionCode("420106"))
    True

Six digits in three pairs: province, city, county (GB/T 2260). Whether a region exists today is not asked here: the
table changes every year, and practice goes beyond it (66xxxx for 新疆兵团). Existence is a matter of the route table.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from govcode_node.domain.errors import GovcodeError


class InvalidRegionCodeError(GovcodeError):
    """The text is not a region code: not six digits, or a lower level below an empty higher one.

    Attributes:
        text: The refused text, cut to 12 characters; a region names no citizen.
    """

    def __init__(self, text: str) -> None:
        self.text = text[:12]
        super().__init__(f"not a region code: {self.text!r}; six digits AABBCC, AABB00 or AA0000 are needed")


class RegionKind(StrEnum):
    """Level of a region in the 2-2-2 hierarchy."""

    HUB = "HUB"
    PROVINCE = "PROVINCE"
    CITY = "CITY"
    COUNTY = "COUNTY"


@dataclass(frozen=True, slots=True, order=True)
class RegionCode:
    """One region: county ``AABBCC``, city ``AABB00``, province ``AA0000``, or ``000000`` for the national hub.

    Attributes:
        text: The six ASCII digits.

    Raises:
        InvalidRegionCodeError: The digits do not form one of the four shapes.
    """

    text: str

    def __post_init__(self) -> None:
        text = self.text
        if len(text) != 6 or not (text.isascii() and text.isdigit()):
            raise InvalidRegionCodeError(text)
        # A county without its city (420001) or a city without its province (000100) has no parent to route by.
        if text != "000000" and (text[:2] == "00" or (text[2:4] == "00" and text[4:] != "00")):
            raise InvalidRegionCodeError(text)

    def __str__(self) -> str:
        return self.text

    @staticmethod
    def from_number(number: int) -> "RegionCode":
        """It gives the region of a number such as 420106, as codes and indexes carry it.

        Raises:
            InvalidRegionCodeError: The number is outside 0–999999 or not of a region's shape.
        """
        return _region_from_number(number)

    @property
    def number(self) -> int:
        """The six digits as an integer, 0–999999."""
        return int(self.text)

    @property
    def kind(self) -> RegionKind:
        """The level of this region."""
        if self.text == "000000":
            return RegionKind.HUB
        if self.text.endswith("0000"):
            return RegionKind.PROVINCE
        return RegionKind.CITY if self.text.endswith("00") else RegionKind.COUNTY

    def prefixes(self) -> tuple["RegionCode", ...]:
        """It lists this region and those above it, the longest prefix first; the hub is nobody's prefix."""
        candidates = (self.text, self.text[:4] + "00", self.text[:2] + "0000")
        return tuple(RegionCode(text) for text in dict.fromkeys(candidates))

    def covers(self, other: "RegionCode") -> bool:
        """It tells whether `other` is this region or lies inside it."""
        return self in other.prefixes()


# About 3,500 regions exist; the bound keeps forged codes from filling the memory with invented ones.
@lru_cache(maxsize=4096)
def _region_from_number(number: int) -> RegionCode:
    return RegionCode(f"{number:06d}")


HUB_REGION = RegionCode("000000")
"""The region of the national hub (国家枢纽)."""
