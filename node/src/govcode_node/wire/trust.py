"""Routes and trust: nodes and their keys, the bundle that the hub publishes, and what a node says of itself."""

from typing import Final

from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode_client.sm2 import key_id_of

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.nodes import (
    NodeKey,
    NodeKeyPurpose,
    NodeRegistration,
    NodeState,
    NodeTrust,
    RegisteredNode,
    RevocationListDigest,
)
from govcode_node.domain.routes import RevokedKey, RouteEntry, TrustBundle
from govcode_node.wire import checks
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.times import moment_from_proto, moment_to_proto, optional_moment_to_proto

NODE_STATES: Final = EnumPair(NodeState, trustv1.NodeState.Value, prefix="NODE_STATE")
NODE_KEY_PURPOSES: Final = EnumPair(NodeKeyPurpose, trustv1.NodeKeyPurpose.Value, prefix="NODE_KEY_PURPOSE")

_MAX_PREFIXES: Final = 64
_MAX_ENDPOINTS: Final = 8
_MAX_KEYS: Final = 256
_MAX_PROTOCOL_VERSIONS: Final = 16
_LONGEST_NAME: Final = 64


def node_key_to_proto(key: NodeKey) -> trustv1.NodeKey:
    """It gives a public key of a node."""
    return trustv1.NodeKey(
        key_id=key.key_id,
        purpose=NODE_KEY_PURPOSES.to_proto(key.purpose),
        public_key=key.public_key,
        key_no=key.key_no,
        start_time=moment_to_proto(key.starts_at),
        end_time=optional_moment_to_proto(key.ends_at),
    )


def node_key_from_proto(message: trustv1.NodeKey, field: str) -> NodeKey | None:
    """It reads a public key; None for a purpose of a newer release, which serves nothing here.

    Raises:
        InvalidFieldError: It has no purpose, or a field is not of its form.
    """
    purpose = NODE_KEY_PURPOSES.from_proto(message.purpose)
    if purpose is None:
        if message.purpose == trustv1.NODE_KEY_PURPOSE_UNSPECIFIED:
            raise InvalidFieldError(f"{field}.purpose", "is required")
        return None
    return NodeKey(
        key_id=checks.key_id(message.key_id, f"{field}.key_id"),
        purpose=purpose,
        public_key=checks.sized(message.public_key, f"{field}.public_key", size=checks.POINT_SIZE),
        key_no=checks.number(message.key_no, f"{field}.key_no", least=0, most=0xFFFF),
        starts_at=moment_from_proto(message.start_time, f"{field}.start_time"),
        ends_at=moment_from_proto(message.end_time, f"{field}.end_time") if message.HasField("end_time") else None,
    )


def node_trust_to_proto(node: NodeTrust, *, with_keys: bool = True) -> trustv1.NodeTrust:
    """It gives what peers need to know of a node; without its keys where only the way to it is asked."""
    newest = node.revocation_list
    return trustv1.NodeTrust(
        node_id=node.node_id,
        region_code=str(node.region_code),
        name_zh=node.name_zh,
        name_en=node.name_en,
        state=NODE_STATES.to_proto(node.state),
        endpoints=node.endpoints,
        certificate_name=node.certificate_name,
        keys=[node_key_to_proto(key) for key in node.keys] if with_keys else [],
        revocation_list=None
        if newest is None
        else trustv1.RevocationListDigest(list_time=moment_to_proto(newest.list_time), digest=newest.digest),
    )


def node_trust_from_proto(message: trustv1.NodeTrust) -> NodeTrust:
    """It reads a node of a bundle; a state of a newer release counts as SUSPENDED, since it is not ACTIVE.

    Raises:
        InvalidFieldError: A field is not of its form.
    """
    keys = (node_key_from_proto(key, "nodes.keys") for key in message.keys)
    return NodeTrust(
        node_id=checks.node_id(message.node_id, "nodes.node_id"),
        region_code=checks.region_code(message.region_code, "nodes.region_code"),
        name_zh=message.name_zh,
        name_en=message.name_en,
        state=NODE_STATES.known(message.state, default=NodeState.SUSPENDED),
        endpoints=tuple(message.endpoints),
        certificate_name=message.certificate_name,
        keys=tuple(key for key in keys if key is not None),
        revocation_list=_digest_from_proto(message.revocation_list) if message.HasField("revocation_list") else None,
    )


def _digest_from_proto(message: trustv1.RevocationListDigest) -> RevocationListDigest:
    return RevocationListDigest(
        list_time=moment_from_proto(message.list_time, "nodes.revocation_list.list_time"),
        digest=checks.sized(message.digest, "nodes.revocation_list.digest", size=checks.DIGEST_SIZE),
    )


def route_to_proto(route: RouteEntry) -> trustv1.RouteEntry:
    """It gives one route."""
    return trustv1.RouteEntry(prefix=route.prefix, node_id=route.node_id)


def route_from_proto(message: trustv1.RouteEntry) -> RouteEntry:
    """It reads one route.

    Raises:
        InvalidFieldError: The prefix is not 2, 4 or 6 digits, or the node id has another shape.
    """
    return RouteEntry(
        prefix=checks.prefix(message.prefix, "routes.prefix"), node_id=checks.node_id(message.node_id, "routes.node_id")
    )


def revoked_key_to_proto(key: RevokedKey) -> trustv1.RevokedKey:
    """It gives one revoked key."""
    return trustv1.RevokedKey(node_id=key.node_id, key_id=key.key_id, revoke_time=moment_to_proto(key.revoked_at))


def revoked_key_from_proto(message: trustv1.RevokedKey) -> RevokedKey:
    """It reads one revoked key.

    Raises:
        InvalidFieldError: A field is not of its form.
    """
    return RevokedKey(
        node_id=checks.node_id(message.node_id, "revoked_keys.node_id"),
        key_id=checks.key_id(message.key_id, "revoked_keys.key_id"),
        revoked_at=moment_from_proto(message.revoke_time, "revoked_keys.revoke_time"),
    )


def trust_bundle_to_proto(bundle: TrustBundle) -> trustv1.TrustBundle:
    """It gives the payload of TRUST_BUNDLE evidence."""
    return trustv1.TrustBundle(
        version=bundle.version,
        issue_time=moment_to_proto(bundle.issued_at),
        routes=[route_to_proto(route) for route in bundle.routes],
        nodes=[node_trust_to_proto(node) for node in bundle.nodes],
        revoked_keys=[revoked_key_to_proto(key) for key in bundle.revoked_keys],
    )


def trust_bundle_from_proto(message: trustv1.TrustBundle) -> TrustBundle:
    """It reads a bundle, whole or not at all.

    Raises:
        InvalidFieldError: A field is not of its form.
        BundleConflictError: The bundle contradicts itself.
    """
    return TrustBundle(
        version=message.version,
        issued_at=moment_from_proto(message.issue_time, "issue_time"),
        routes=tuple(route_from_proto(route) for route in message.routes),
        nodes=tuple(node_trust_from_proto(node) for node in message.nodes),
        revoked_keys=tuple(revoked_key_from_proto(key) for key in message.revoked_keys),
    )


def registration_to_proto(registration: NodeRegistration) -> nodev1.NodeRegistration:
    """It gives the payload of NODE_REGISTRATION evidence."""
    return nodev1.NodeRegistration(
        node_id=registration.node_id,
        region_code=str(registration.region_code),
        name_zh=registration.name_zh,
        name_en=registration.name_en,
        prefixes=registration.prefixes,
        endpoints=registration.endpoints,
        keys=[node_key_to_proto(key) for key in registration.keys],
        software_version=registration.software_version,
        protocol_versions=registration.protocol_versions,
    )


def registration_from_proto(message: nodev1.NodeRegistration) -> NodeRegistration:
    """It reads what a node says of itself, strictly: what is taken here goes out to everybody.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form, a key has another id than its own, or the
            keys to sign and to encrypt are not both there.
    """
    _check_counts(message)
    keys = tuple(_registered_key(key) for key in message.keys)
    present = {key.purpose for key in keys if key is not None}
    if not {NodeKeyPurpose.SIGN, NodeKeyPurpose.ENCRYPT} <= present:
        raise InvalidFieldError("keys", "needs at least one SIGN and one ENCRYPT key")
    return NodeRegistration(
        node_id=checks.node_id(message.node_id, "node_id"),
        region_code=checks.region_code(message.region_code),
        name_zh=checks.text(message.name_zh, "name_zh", longest=_LONGEST_NAME),
        name_en=checks.text(message.name_en, "name_en", longest=_LONGEST_NAME),
        prefixes=tuple(checks.prefix(prefix, "prefixes") for prefix in message.prefixes),
        endpoints=tuple(checks.endpoint(endpoint, "endpoints") for endpoint in message.endpoints),
        keys=tuple(key for key in keys if key is not None),
        software_version=checks.printable(message.software_version, "software_version"),
        protocol_versions=tuple(message.protocol_versions),
    )


def _check_counts(message: nodev1.NodeRegistration) -> None:
    checks.number(len(message.prefixes), "prefixes", least=1, most=_MAX_PREFIXES)
    checks.number(len(message.endpoints), "endpoints", least=1, most=_MAX_ENDPOINTS)
    checks.number(len(message.keys), "keys", least=1, most=_MAX_KEYS)
    checks.number(len(message.protocol_versions), "protocol_versions", least=1, most=_MAX_PROTOCOL_VERSIONS)
    if len(set(message.prefixes)) != len(message.prefixes):
        raise InvalidFieldError("prefixes", "has a prefix twice")


def approved_prefixes_from_proto(message: hubv1.ApproveNodeRequest) -> frozenset[str]:
    """It reads the prefixes that an approver has agreed to.

    Raises:
        InvalidFieldError: There are none or too many, or one has another form.
    """
    checks.number(len(message.prefixes), "prefixes", least=1, most=_MAX_PREFIXES)
    return frozenset(checks.prefix(prefix, "prefixes") for prefix in message.prefixes)


def _registered_key(message: trustv1.NodeKey) -> NodeKey | None:
    key = node_key_from_proto(message, "keys")
    if key is not None and key_id_of(key.public_key) != key.key_id:
        raise InvalidFieldError("keys.key_id", "is not the id of that public key")
    return key


def registered_node_to_proto(node: RegisteredNode) -> nodev1.Node:
    """It gives a node of the hub's registry."""
    return nodev1.Node(
        trust=node_trust_to_proto(node.trust),
        prefixes=node.prefixes,
        software_version=node.software_version,
        register_time=moment_to_proto(node.registered_at),
        state_time=moment_to_proto(node.state_at),
        state_operator=node.state_operator,
    )


def registration_evidence_from_proto(request: hubv1.RegisterNodeRequest) -> bytes:
    """It reads a registration as it was signed.

    Raises:
        InvalidFieldError: There is none.
    """
    if not request.HasField("registration"):
        raise InvalidFieldError("registration", "is required")
    return request.registration.SerializeToString()
