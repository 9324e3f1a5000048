"""Check rules of the numbers of subjects and matters: citizen id, 统一社会信用代码, organisation code, matter code.

    >>> parse_uscc("91350100M000100Y43")
    '91350100M000100Y43'
    >>> complete_uscc("91350100M000100Y4")
    '91350100M000100Y43'

Rules: GB 11643 (公民身份号码), GB 32100 (统一社会信用代码), GB 11714 (organisation code), GB/T 39554 (matter code,
digits uncertain, hence configurable). No error repeats the number: it may be a citizen's, and errors reach logs.
Case and width are not repaired here; `x` for `X` is a matter of the form that took the input.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NewType

from govcode_node.domain.errors import GovcodeError

CitizenId = NewType("CitizenId", str)
Uscc = NewType("Uscc", str)
OrganisationCode = NewType("OrganisationCode", str)
MatterCode = NewType("MatterCode", str)


class NumberKind(StrEnum):
    """Which number was looked at."""

    CITIZEN_ID = "CITIZEN_ID"
    USCC = "USCC"
    ORGANISATION_CODE = "ORGANISATION_CODE"
    MATTER_CODE = "MATTER_CODE"


class NumberFault(StrEnum):
    """Which rule a number broke."""

    LENGTH = "LENGTH"
    CHARACTER = "CHARACTER"
    DATE = "DATE"
    CHECK_DIGIT = "CHECK_DIGIT"
    PATTERN = "PATTERN"


class InvalidNumberError(GovcodeError):
    """A number breaks its rule; the number itself is withheld on purpose.

    Attributes:
        kind: Which number it should have been.
        fault: The first rule that it broke.
    """

    def __init__(self, kind: NumberKind, fault: NumberFault) -> None:
        self.kind = kind
        self.fault = fault
        super().__init__(
            f"{kind.value.lower().replace('_', ' ')} breaks its {fault.value.lower().replace('_', ' ')} rule"
        )


_CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CITIZEN_CHECKS = "10X98765432"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUES = {character: value for value, character in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS = tuple(pow(3, position, 31) for position in range(17))
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def parse_citizen_id(text: str) -> CitizenId:
    """It accepts an 18-character citizen id (公民身份号码) whose date and check digit are right.

    The first six digits may name a region that no longer exists, so they are checked for shape only.

    Raises:
        InvalidNumberError: With fault LENGTH, CHARACTER, DATE or CHECK_DIGIT.
    """
    if len(text) != 18:
        raise InvalidNumberError(NumberKind.CITIZEN_ID, NumberFault.LENGTH)
    if complete_citizen_id(text[:17]) != text:
        fault = NumberFault.CHECK_DIGIT if text[17] in _CITIZEN_CHECKS else NumberFault.CHARACTER
        raise InvalidNumberError(NumberKind.CITIZEN_ID, fault)
    return CitizenId(text)


def complete_citizen_id(first17: str) -> CitizenId:
    """It appends the MOD 11-2 check character to the first 17 digits of a citizen id; for synthetic data.

    Raises:
        InvalidNumberError: With fault LENGTH, CHARACTER or DATE.
    """
    if len(first17) != 17:
        raise InvalidNumberError(NumberKind.CITIZEN_ID, NumberFault.LENGTH)
    if not (first17.isascii() and first17.isdigit()) or first17[0] == "0":
        raise InvalidNumberError(NumberKind.CITIZEN_ID, NumberFault.CHARACTER)
    try:
        date(int(first17[6:10]), int(first17[10:12]), int(first17[12:14]))
    except ValueError:
        # The cause is cut off because its text would repeat part of a birth date.
        raise InvalidNumberError(NumberKind.CITIZEN_ID, NumberFault.DATE) from None
    total = sum(int(digit) * weight for digit, weight in zip(first17, _CITIZEN_WEIGHTS, strict=True))
    return CitizenId(first17 + _CITIZEN_CHECKS[total % 11])


def parse_uscc(text: str) -> Uscc:
    """It accepts an 18-character 统一社会信用代码 with a right check character.

    The organisation code inside (positions 9–17) has a check of its own; it is not demanded here, because registrars
    have assigned codes whose inner check is not that of GB 11714. `parse_organisation_code` checks it where wanted.

    Raises:
        InvalidNumberError: With fault LENGTH, CHARACTER or CHECK_DIGIT.
    """
    if len(text) != 18:
        raise InvalidNumberError(NumberKind.USCC, NumberFault.LENGTH)
    if complete_uscc(text[:17]) != text:
        fault = NumberFault.CHECK_DIGIT if text[17] in _USCC_VALUES else NumberFault.CHARACTER
        raise InvalidNumberError(NumberKind.USCC, fault)
    return Uscc(text)


def complete_uscc(first17: str) -> Uscc:
    """It appends the MOD 31 check character to the first 17 characters of a 统一社会信用代码.

    Raises:
        InvalidNumberError: With fault LENGTH or CHARACTER; positions 3–8 must be digits (a region).
    """
    if len(first17) != 17:
        raise InvalidNumberError(NumberKind.USCC, NumberFault.LENGTH)
    region = first17[2:8]
    if not (region.isascii() and region.isdigit()) or any(character not in _USCC_VALUES for character in first17):
        raise InvalidNumberError(NumberKind.USCC, NumberFault.CHARACTER)
    total = sum(_USCC_VALUES[character] * weight for character, weight in zip(first17, _USCC_WEIGHTS, strict=True))
    return Uscc(first17 + _USCC_ALPHABET[-total % 31])


def parse_organisation_code(text: str) -> OrganisationCode:
    """It accepts a nine-character organisation code (组织机构代码, positions 9–17 of a USCC), written without a hyphen.

    Raises:
        InvalidNumberError: With fault LENGTH, CHARACTER or CHECK_DIGIT.
    """
    if len(text) != 9:
        raise InvalidNumberError(NumberKind.ORGANISATION_CODE, NumberFault.LENGTH)
    if complete_organisation_code(text[:8]) != text:
        raise InvalidNumberError(NumberKind.ORGANISATION_CODE, NumberFault.CHECK_DIGIT)
    return OrganisationCode(text)


def complete_organisation_code(first8: str) -> OrganisationCode:
    """It appends the MOD 11 check character to the first eight characters of an organisation code.

    Raises:
        InvalidNumberError: With fault LENGTH or CHARACTER.
    """
    if len(first8) != 8:
        raise InvalidNumberError(NumberKind.ORGANISATION_CODE, NumberFault.LENGTH)
    if any(character not in _ORGANISATION_VALUES for character in first8):
        raise InvalidNumberError(NumberKind.ORGANISATION_CODE, NumberFault.CHARACTER)
    pairs = zip(first8, _ORGANISATION_WEIGHTS, strict=True)
    check = 11 - sum(_ORGANISATION_VALUES[character] * weight for character, weight in pairs) % 11
    return OrganisationCode(first8 + {10: "X", 11: "0"}.get(check, str(check)))


@dataclass(frozen=True, slots=True)
class MatterCodeRules:
    """What a node accepts as a matter code (事项编码).

    The digits of GB/T 39554 could not be confirmed, and provinces differ, so the shapes are configuration: regular
    expressions that must match the whole text. A group named ``uscc`` marks the part whose check is verified as well.

    Attributes:
        patterns: Tried in order; one match suffices.
    """

    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def from_texts(cls, patterns: Iterable[str]) -> "MatterCodeRules":
        """It compiles configured patterns.

        Raises:
            InvalidMatterPatternError: A pattern is not a regular expression, or none was given.
        """
        compiled = []
        for text in patterns:
            try:
                compiled.append(re.compile(text, re.ASCII))
            except re.error as error:
                raise InvalidMatterPatternError(text, str(error)) from error
        if not compiled:
            raise InvalidMatterPatternError("", "at least one pattern is needed")
        return cls(tuple(compiled))

    def parse(self, text: str) -> MatterCode:
        """It accepts a matter code of one of the shapes, with the check of the leading USCC where the shape has one.

        Raises:
            InvalidNumberError: With fault PATTERN, or the USCC's own fault.
        """
        for pattern in self.patterns:
            match = pattern.fullmatch(text)
            if match is None:
                continue
            if "uscc" in pattern.groupindex:
                self._check_uscc(match["uscc"])
            return MatterCode(text)
        raise InvalidNumberError(NumberKind.MATTER_CODE, NumberFault.PATTERN)

    @staticmethod
    def _check_uscc(uscc: str) -> None:
        try:
            parse_uscc(uscc)
        except InvalidNumberError as error:
            raise InvalidNumberError(NumberKind.MATTER_CODE, error.fault) from None


class InvalidMatterPatternError(GovcodeError):
    """A configured matter code pattern cannot be used.

    Attributes:
        pattern: The pattern as configured.
        fault: What the compiler said.
    """

    def __init__(self, pattern: str, fault: str) -> None:
        self.pattern = pattern
        self.fault = fault
        super().__init__(f"matter code pattern {pattern!r} cannot be used: {fault}")


DEFAULT_MATTER_CODE_RULES = MatterCodeRules.from_texts(
    (
        r"[0-9]{12}",  # 基本编码
        r"(?P<uscc>[0-9A-Z]{18})[0-9A-Z][0-9]{12}",  # 实施编码: authority, one character, 基本编码
        r"(?P<uscc>[0-9A-Z]{18})[0-9A-Z][0-9]{12}[0-9A-Z]{2}",  # 业务办理项编码
    )
)
"""The shapes commonly described for GB/T 39554; a node may configure others."""
