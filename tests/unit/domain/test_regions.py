import pytest
from govcode_node.domain.regions import HUB_REGION, InvalidRegionCodeError, RegionCode, RegionKind
from hypothesis import given
from kit.code_samples import regions


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("420106", RegionKind.COUNTY),
        ("429004", RegionKind.COUNTY),
        ("420100", RegionKind.CITY),
        ("420000", RegionKind.PROVINCE),
        ("660100", RegionKind.CITY),
        ("000000", RegionKind.HUB),
    ],
)
@pytest.mark.req("7.2-12")
def test_region_code_knows_its_level(text: str, kind: RegionKind) -> None:
    assert RegionCode(text).kind is kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42010",
        "4201060",
        "42010a",
        "４２０１０６",
        "²20106",
        "420001",
        "000100",
        "000001",
        "-20106",
        " 42010",
        "42 106",
    ],
)
@pytest.mark.req("7.2-12")
def test_text_that_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(InvalidRegionCodeError) as refusal:
        RegionCode(text)
    assert refusal.value.text == text


@pytest.mark.parametrize("number", [-1, 1_000_000, 0xFFFFFF, 420001])
def test_number_that_is_no_region_is_refused(number: int) -> None:
    with pytest.raises(InvalidRegionCodeError):
        RegionCode.from_number(number)


def test_prefixes_come_longest_first_and_without_the_hub() -> None:
    def texts(region: str) -> list[str]:
        return [str(prefix) for prefix in RegionCode(region).prefixes()]

    assert texts("420106") == ["420106", "420100", "420000"]
    assert texts("420100") == ["420100", "420000"]
    assert texts("420000") == ["420000"]
    assert texts("000000") == ["000000"]


def test_region_covers_itself_and_what_lies_inside() -> None:
    assert RegionCode("420100").covers(RegionCode("420106"))
    assert RegionCode("420100").covers(RegionCode("420100"))
    assert not RegionCode("420106").covers(RegionCode("420100"))
    assert not RegionCode("420200").covers(RegionCode("420106"))
    assert not HUB_REGION.covers(RegionCode("420106"))


@given(regions())
def test_number_and_text_of_a_region_agree(region: RegionCode) -> None:
    assert RegionCode.from_number(region.number) == region
