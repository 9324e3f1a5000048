import pytest
from govcode_node.domain.identities import (
    FEDERATION,
    CallerClass,
    Identity,
    IdentityError,
    MalformedIdentityError,
    MisplacedIdentityError,
    UnknownCallerClassError,
    issuing_authority,
    parse_identity,
    trust_domain_of,
)
from govcode_node.domain.regions import RegionCode
from hypothesis import given
from hypothesis import strategies as st

REGIONAL = [one for one in CallerClass if not one.federated]
NAMES = st.from_regex(r"\A[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\Z")
REGION_CODES = st.sampled_from(["000000", "110000", "310000", "420100", "420106", "659001"])


@given(region=REGION_CODES, caller_class=st.sampled_from(REGIONAL), name=NAMES)
def test_regional_identity_survives_its_text_and_belongs_to_its_region(
    region: str, caller_class: CallerClass, name: str
) -> None:
    identity = Identity(f"r{region}.govcode", caller_class, name)
    assert parse_identity(str(identity)) == identity
    assert issuing_authority(identity) == region
    assert identity.region_code == RegionCode(region)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("spiffe://federation.govcode/node/110000", "110000"),
        ("spiffe://federation.govcode/node/310000-2", "310000"),
        ("spiffe://federation.govcode/hub/000000", "000000"),
    ],
)
def test_nodes_and_the_hub_belong_to_the_federation_authority(text: str, region: str) -> None:
    identity = parse_identity(text)
    assert str(identity) == text
    assert issuing_authority(identity) == FEDERATION
    assert identity.region_code == RegionCode(region)


@pytest.mark.parametrize("caller_class", list(CallerClass))
def test_no_class_lives_in_the_other_kind_of_trust_domain(caller_class: CallerClass) -> None:
    wrong = "r110000.govcode" if caller_class.federated else "federation.govcode"
    with pytest.raises(MisplacedIdentityError) as refusal:
        Identity(wrong, caller_class, "110000")
    assert (refusal.value.trust_domain, refusal.value.caller_class) == (wrong, caller_class)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://",
        "SPIFFE://federation.govcode/node/110000",
        "https://federation.govcode/node/110000",
        "spiffe://federation.govcode/node",
        "spiffe://federation.govcode/node/",
        "spiffe://federation.govcode/node/110000/",
        "spiffe://federation.govcode/node/110000/x",
        "spiffe://federation.govcode//110000",
        "spiffe:///node/110000",
        "spiffe://federation.govcode:443/node/110000",
        "spiffe://Federation.govcode/node/110000",
        "spiffe://federation.govcode.example/node/110000",
        "spiffe://federation.govcode/node/110000?x=1",
        "spiffe://federation.govcode/node/110000#x",
        "spiffe://federation.govcode/node/beijing",
        "spiffe://federation.govcode/node/420001",
        "spiffe://federation.govcode/node/000000",
        "spiffe://federation.govcode/hub/110000",
        "spiffe://federation.govcode/node/11000０",
        "spiffe://r11000.govcode/app/a",
        "spiffe://r420001.govcode/app/a",
        "spiffe://r110000.govcode/app/A",
        "spiffe://r110000.govcode/app/..",
        "spiffe://r110000.govcode/app/a%2fb",
        "spiffe://r110000.govcode/app/a\n",
        "spiffe://r110000.govcode\n/app/a",
        "spiffe://r110000.govcode/app/" + "a" * 64,
        "spiffe://r110000.govcode/app/" + "a" * 300,
    ],
)
def test_text_of_another_shape_is_malformed(text: str) -> None:
    with pytest.raises(MalformedIdentityError):
        parse_identity(text)


def test_unknown_class_is_named_in_the_refusal() -> None:
    with pytest.raises(UnknownCallerClassError) as refusal:
        parse_identity("spiffe://r110000.govcode/admin/root")
    assert refusal.value.caller_class == "admin"


@given(st.text(max_size=400) | st.text(max_size=60).map(lambda tail: f"spiffe://r110000.govcode/app/{tail}"))
def test_any_text_is_an_identity_or_an_identity_error(text: str) -> None:
    try:
        identity = parse_identity(text)
    except IdentityError:
        return
    assert str(identity) == text


def test_trust_domain_of_an_authority() -> None:
    assert trust_domain_of(FEDERATION) == "federation.govcode"
    assert trust_domain_of("420100") == "r420100.govcode"
    with pytest.raises(MalformedIdentityError):
        trust_domain_of("wuhan")
