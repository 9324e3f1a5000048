import random
import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from govcode_node.domain.numbers import (
    DEFAULT_MATTER_CODE_RULES,
    InvalidMatterPatternError,
    InvalidNumberError,
    MatterCodeRules,
    NumberFault,
    NumberKind,
    complete_citizen_id,
    complete_organisation_code,
    complete_uscc,
    parse_citizen_id,
    parse_organisation_code,
    parse_uscc,
)
from hypothesis import given
from hypothesis import strategies as st

CITIZEN_IDS = ["11010519491231002X", "440524188001010014"]
USCC = "91350100M000100Y43"
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize("number", CITIZEN_IDS)
@pytest.mark.req("7.2-12")
def test_published_citizen_id_is_accepted(number: str) -> None:
    assert parse_citizen_id(number) == number
    assert complete_citizen_id(number[:17]) == number


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("11010519491231002", NumberFault.LENGTH),
        ("11010519491231002X0", NumberFault.LENGTH),
        ("110105194912310020", NumberFault.CHECK_DIGIT),
        ("11010519491231002x", NumberFault.CHARACTER),
        ("11010519491231002Y", NumberFault.CHARACTER),
        ("1101051949123100ⅩX", NumberFault.CHARACTER),
        ("１1010519491231002X", NumberFault.CHARACTER),
        ("01010519491231002X", NumberFault.CHARACTER),
        ("110105194902300021", NumberFault.DATE),
        ("110105190002290021", NumberFault.DATE),
        ("110105194913310021", NumberFault.DATE),
        ("110105000001010021", NumberFault.DATE),
    ],
)
@pytest.mark.req("7.2-12")
def test_wrong_citizen_id_is_refused_by_the_rule_it_breaks(number: str, fault: NumberFault) -> None:
    with pytest.raises(InvalidNumberError) as refusal:
        parse_citizen_id(number)
    assert (refusal.value.kind, refusal.value.fault) == (NumberKind.CITIZEN_ID, fault)


@given(
    day=st.dates(min_value=date(1850, 1, 1), max_value=date(2026, 1, 1)),
    region=st.integers(110000, 999999),
    serial=st.integers(0, 999),
)
@pytest.mark.req("7.2-12")
def test_any_one_wrong_digit_of_a_citizen_id_is_noticed(day: date, region: int, serial: int) -> None:
    number = complete_citizen_id(f"{region}{day:%Y%m%d}{serial:03d}")
    assert parse_citizen_id(number) == number
    for place in range(18):
        wrong = str((int(number[place], 36) + 1) % 10)
        with pytest.raises(InvalidNumberError):
            parse_citizen_id(number[:place] + wrong + number[place + 1 :])


@pytest.mark.req("7.2-12")
def test_published_uscc_is_accepted() -> None:
    assert parse_uscc(USCC) == USCC
    assert parse_organisation_code(USCC[8:17]) == "M000100Y4"


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("911100001000013428", NumberFault.CHECK_DIGIT),
        (USCC[:-1], NumberFault.LENGTH),
        (USCC.lower(), NumberFault.CHARACTER),
        ("91350100M000100I43", NumberFault.CHARACTER),
        ("91350100M000100Y4O", NumberFault.CHARACTER),
        ("9135A100M000100Y43", NumberFault.CHARACTER),
        ("91３50100M000100Y43", NumberFault.CHARACTER),
    ],
)
@pytest.mark.req("7.2-12")
def test_wrong_uscc_is_refused_by_the_rule_it_breaks(number: str, fault: NumberFault) -> None:
    with pytest.raises(InvalidNumberError) as refusal:
        parse_uscc(number)
    assert (refusal.value.kind, refusal.value.fault) == (NumberKind.USCC, fault)


@pytest.mark.req("7.2-12")
def test_published_wrong_uscc_would_be_right_with_c() -> None:
    assert complete_uscc("91110000100001342") == "91110000100001342C"


@given(st.text(USCC_ALPHABET, min_size=9, max_size=9), st.integers(0, 999999))
@pytest.mark.req("7.2-12")
def test_any_one_wrong_character_of_a_uscc_is_noticed(tail: str, region: int) -> None:
    number = complete_uscc(f"91{region:06d}{tail}")
    for place in range(18):
        wrong = "1" if number[place] != "1" else "2"
        with pytest.raises(InvalidNumberError):
            parse_uscc(number[:place] + wrong + number[place + 1 :])


@pytest.mark.parametrize("first8", ["M000100Y", "00000000", "10000134", "ZZZZZZZZ", "D2143569"])
def test_organisation_code_completes_to_an_accepted_one(first8: str) -> None:
    number = complete_organisation_code(first8)
    assert parse_organisation_code(number) == number
    other = "1" if number[8] != "1" else "2"
    with pytest.raises(InvalidNumberError):
        parse_organisation_code(first8 + other)


@pytest.mark.parametrize(
    ("text", "fault"),
    [("M000100Y", NumberFault.LENGTH), ("m000100Y4", NumberFault.CHARACTER), ("M000100Y5", NumberFault.CHECK_DIGIT)],
)
def test_wrong_organisation_code_is_refused(text: str, fault: NumberFault) -> None:
    with pytest.raises(InvalidNumberError) as refusal:
        parse_organisation_code(text)
    assert refusal.value.fault is fault


@pytest.mark.parametrize("code", ["000721003000", USCC + "4000721003000", USCC + "400072100300001"])
@pytest.mark.req("7.2-12")
def test_matter_code_of_each_length_is_accepted(code: str) -> None:
    assert DEFAULT_MATTER_CODE_RULES.parse(code) == code


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("00072100300", NumberFault.PATTERN),
        ("０00721003000", NumberFault.PATTERN),
        (USCC + "400072100300", NumberFault.PATTERN),
        ("9" * 18 + "4000721003000", NumberFault.CHECK_DIGIT),
    ],
)
@pytest.mark.req("7.2-12")
def test_wrong_matter_code_is_refused(code: str, fault: NumberFault) -> None:
    with pytest.raises(InvalidNumberError) as refusal:
        DEFAULT_MATTER_CODE_RULES.parse(code)
    assert (refusal.value.kind, refusal.value.fault) == (NumberKind.MATTER_CODE, fault)


def test_matter_patterns_are_configurable_and_must_compile() -> None:
    assert MatterCodeRules.from_texts([r"HB-\d{4}"]).parse("HB-0001") == "HB-0001"
    with pytest.raises(InvalidMatterPatternError, match="cannot be used"):
        MatterCodeRules.from_texts(["("])
    with pytest.raises(InvalidMatterPatternError):
        MatterCodeRules.from_texts([])


@pytest.mark.parametrize(
    "parse", [parse_citizen_id, parse_uscc, parse_organisation_code, DEFAULT_MATTER_CODE_RULES.parse]
)
def test_refusal_never_repeats_any_part_of_the_number(parse: Callable[[str], object]) -> None:
    chance = random.Random(1)
    births = (date(1950, 1, 1) + timedelta(days=chance.randrange(20000)) for _ in range(50))
    numbers = [f"420106{birth:%Y%m%d}{chance.randrange(1000):03d}q" for birth in births]
    numbers += ["110105194902300021", "91350100M000100Y44"]
    for number in numbers:
        with pytest.raises(InvalidNumberError) as refusal:
            parse(number)
        told = f"{refusal.value} {refusal.value.__dict__} {refusal.value.__cause__}"
        assert not re.search(r"\d", told)
