"""What the node is, from its configuration and its keys: the values that the steps take as given."""

from datetime import datetime
from typing import Final

from govcode_node import __version__
from govcode_node.config import Config
from govcode_node.domain.home_rules import IssueRules, NodeProfile
from govcode_node.domain.identities import FEDERATION_TRUST_DOMAIN, CallerClass, Identity
from govcode_node.domain.keys import KeyInfo, KeyPurpose, KeyState
from govcode_node.domain.nodes import (
    PROTOCOL_VERSION,
    NodeKey,
    NodeKeyPurpose,
    NodeRegistration,
    NodeState,
    NodeTrust,
    RegisteredNode,
)
from govcode_node.domain.regions import HUB_REGION, RegionCode, RegionKind

_PREFIX_LENGTHS: Final = {RegionKind.PROVINCE: 2, RegionKind.CITY: 4, RegionKind.COUNTY: 6}
_PURPOSES: Final = {
    KeyPurpose.NODE_SIGN: NodeKeyPurpose.SIGN,
    KeyPurpose.NODE_ENC: NodeKeyPurpose.ENCRYPT,
    KeyPurpose.CODE_SEAL: NodeKeyPurpose.CODE_SEAL,
}
_STILL_CHECKING: Final = frozenset({KeyState.ACTIVE, KeyState.VERIFY_ONLY})
# The hub approves one signing key; a second one that has not ended could be slipped in beside it.
_PUBLISHED: Final = {
    KeyPurpose.NODE_SIGN: frozenset({KeyState.ACTIVE}),
    KeyPurpose.NODE_ENC: _STILL_CHECKING,
    KeyPurpose.CODE_SEAL: _STILL_CHECKING,
}


def profile_of(config: Config, *, keys: tuple[KeyInfo, ...], address: str) -> NodeProfile:
    """It says who the node is.

    Args:
        config: Its configuration.
        keys: Descriptions of its keys.
        address: Where it listens, which peers are told where nothing else is advertised.
    """
    node = config.node
    role = CallerClass.HUB if node.region_code == HUB_REGION else CallerClass.NODE
    advertised = tuple(str(endpoint) for endpoint in config.server.advertised)
    return NodeProfile(
        node_id=node.node_id,
        region_code=node.region_code,
        name_zh=node.name.zh,
        name_en=node.name.en,
        prefixes=prefixes_of(node.region_code),
        endpoints=advertised or (address,),
        software_version=__version__,
        keys=_public_keys(keys),
        certificate_name=str(Identity(FEDERATION_TRUST_DOMAIN, role, node.node_id)),
        test_environment=config.codes.test_environment,
    )


def prefixes_of(region: RegionCode) -> tuple[str, ...]:
    """A region's own codes: all below a province, all below a city, or one county; the hub is home to none."""
    if region == HUB_REGION:
        return ()
    return (str(region)[: _PREFIX_LENGTHS[region.kind]],)


def _public_keys(keys: tuple[KeyInfo, ...]) -> tuple[NodeKey, ...]:
    return tuple(
        NodeKey(
            key_id=key.key_id,
            purpose=_PURPOSES[key.purpose],
            public_key=key.public_point,
            key_no=key.key_no or 0,
            starts_at=key.created_at,
            # A key that seals nothing new is still needed to check what it sealed; revocation is what ends trust.
            ends_at=None,
        )
        for key in keys
        if key.state in _PUBLISHED.get(key.purpose, ()) and key.public_point is not None
    )


def rules_of(config: Config) -> IssueRules:
    """It gives the defaults for issuing codes."""
    codes = config.codes
    return IssueRules(
        validity=codes.dynamic_validity,
        refresh_after=codes.dynamic_refresh,
        one_time_validity=codes.one_time_validity,
        static_validity=codes.static_validity,
        grace=codes.supersede_grace,
        session_lifetime=config.sessions.lifetime,
        guide_host=codes.guide_host or "",
    )


def registration_of(node: NodeProfile) -> NodeRegistration:
    """It gives what the node says of itself to the hub."""
    return NodeRegistration(
        node_id=node.node_id,
        region_code=node.region_code,
        name_zh=node.name_zh,
        name_en=node.name_en,
        prefixes=node.prefixes,
        endpoints=node.endpoints,
        keys=node.keys,
        software_version=node.software_version,
        protocol_versions=(PROTOCOL_VERSION,),
    )


def registered_hub_of(node: NodeProfile, *, now: datetime) -> RegisteredNode:
    """It gives the hub's own entry in its registry: active from the start, since nobody else could approve it."""
    trust = NodeTrust(
        node_id=node.node_id,
        region_code=node.region_code,
        name_zh=node.name_zh,
        name_en=node.name_en,
        state=NodeState.ACTIVE,
        endpoints=node.endpoints,
        certificate_name=node.certificate_name,
        keys=node.keys,
    )
    return RegisteredNode(
        trust=trust,
        prefixes=node.prefixes,
        software_version=node.software_version,
        registered_at=now,
        state_at=now,
    )
