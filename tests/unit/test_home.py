"""What a node says of itself, from its configuration and its keys."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from govcode_client.sm2 import Sm2PrivateKey, key_id_of
from govcode_node.config import load_config
from govcode_node.domain.keys import KeyInfo, KeyPurpose, KeyState
from govcode_node.domain.regions import RegionCode
from govcode_node.home import profile_of

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "config" / "node.full.toml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def key(purpose: KeyPurpose, state: KeyState) -> KeyInfo:
    point = Sm2PrivateKey.generate().public_key.to_point()
    key_no = 1 if purpose.numbered else None
    return KeyInfo(
        key_id=key_id_of(point),
        purpose=purpose,
        owner="420100",
        key_no=key_no,
        state=state,
        created_at=NOW,
        not_after=None,
        public_point=point,
    )


def test_after_a_rotation_one_signing_key_is_published_and_old_keys_still_check() -> None:
    old_sign = key(KeyPurpose.NODE_SIGN, KeyState.VERIFY_ONLY)
    sign = key(KeyPurpose.NODE_SIGN, KeyState.ACTIVE)
    old_seal = key(KeyPurpose.CODE_SEAL, KeyState.VERIFY_ONLY)
    lost = key(KeyPurpose.NODE_ENC, KeyState.COMPROMISED)
    audit = key(KeyPurpose.AUDIT_CHECKPOINT, KeyState.ACTIVE)
    node = profile_of(load_config(EXAMPLE), keys=(old_sign, sign, old_seal, lost, audit), address="127.0.0.1:1")
    assert {published.key_id for published in node.keys} == {sign.key_id, old_seal.key_id}


@pytest.mark.req("6.2-02")
@pytest.mark.parametrize(
    ("region", "prefixes"),
    [("420000", ("42",)), ("420100", ("4201",)), ("420106", ("420106",)), ("000000", ())],
)
def test_a_province_a_city_and_a_county_are_home_to_what_lies_below_them(
    region: str, prefixes: tuple[str, ...]
) -> None:
    config = load_config(EXAMPLE)
    config = replace(config, node=replace(config.node, region_code=RegionCode(region), node_id=region))
    assert profile_of(config, keys=(), address="127.0.0.1:1").prefixes == prefixes
