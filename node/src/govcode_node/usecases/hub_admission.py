"""What the hub demands of a node that wants in (路由接入, 7.3-01, 7.3-05): rules over values, no step and no store."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from govcode_node.domain.callers import Caller, IdentityMismatchError
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.identities import FEDERATION_TRUST_DOMAIN, CallerClass, Identity
from govcode_node.domain.moments import stated
from govcode_node.domain.nodes import (
    PROTOCOL_VERSION,
    NodeKey,
    NodeKeyPurpose,
    NodeRegistration,
    NodeStanding,
    NodeState,
    NodeSuspendedError,
    NodeTrust,
    PrefixConflictError,
    RegisteredNode,
)
from govcode_node.domain.recognition import EvidenceRefusedError
from govcode_node.domain.regions import HUB_REGION

_PREFIX: Final = re.compile(r"(?:[0-9]{2}){1,3}", re.ASCII)


def check_registration(
    registration: NodeRegistration, *, signer: str, key_id: str, caller: Caller, now: datetime
) -> None:
    """It raises unless the registration is the caller's own and of the form that the federation needs.

    Args:
        registration: What the node says of itself.
        signer: The node named in the evidence.
        key_id: The key that signed the evidence.
        caller: The caller as its certificate names it.
        now: The clock.

    Raises:
        IdentityMismatchError: Certificate, evidence and registration do not name the same node.
        InvalidFieldError: A field is not of its form.
        EvidenceRefusedError: The key that signed has ended.
    """
    for named in (registration.node_id, signer):
        if named != caller.name:
            raise IdentityMismatchError(certificate=caller.name, message=named)
    if registration.region_code == HUB_REGION:
        raise InvalidFieldError("region_code", "is the hub's")
    if registration.node_id[:6] != str(registration.region_code):
        raise InvalidFieldError("region_code", "is not the one in the node id")
    _check_prefixes(registration.prefixes)
    if not registration.endpoints:
        raise InvalidFieldError("endpoints", "is required")
    if PROTOCOL_VERSION not in registration.protocol_versions:
        raise InvalidFieldError("protocol_versions", f"does not have {PROTOCOL_VERSION}")
    _check_keys(registration, now=now)
    # An ended key proves itself too, but whoever found it later must not speak for the node.
    if key_id != _not_ended(registration.keys, NodeKeyPurpose.SIGN, now=now)[0].key_id:
        raise EvidenceRefusedError(f"key {key_id} has ended")


def _check_prefixes(prefixes: Sequence[str]) -> None:
    if not prefixes:
        raise InvalidFieldError("prefixes", "is required")
    for prefix in prefixes:
        if _PREFIX.fullmatch(prefix) is None or prefix.startswith("00"):
            raise InvalidFieldError("prefixes", "must be 2, 4 or 6 digits of a region that is not the hub's")
    if len(set(prefixes)) != len(prefixes):
        raise InvalidFieldError("prefixes", "has a prefix twice")


def _check_keys(registration: NodeRegistration, *, now: datetime) -> None:
    if len({key.key_id for key in registration.keys}) != len(registration.keys):
        raise InvalidFieldError("keys", "has a key twice; one key serves one purpose")
    # The approver compares one key id. A second key that may sign from now on would slip in beside it.
    if len(_not_ended(registration.keys, NodeKeyPurpose.SIGN, now=now)) != 1:
        raise InvalidFieldError("keys", "needs exactly one SIGN key that has not ended")
    if not any(key.holds_at(now) for key in _not_ended(registration.keys, NodeKeyPurpose.ENCRYPT, now=now)):
        raise InvalidFieldError("keys", "needs an ENCRYPT key that holds now")


def _not_ended(keys: Iterable[NodeKey], purpose: NodeKeyPurpose, *, now: datetime) -> list[NodeKey]:
    return [key for key in keys if key.purpose is purpose and (key.ends_at is None or now < key.ends_at)]


def signing_key_id(node: NodeTrust, *, now: datetime) -> str:
    """It names the one key with which the node signs; empty where that has ended."""
    keys = _not_ended(node.keys, NodeKeyPurpose.SIGN, now=now)
    return keys[0].key_id if len(keys) == 1 else ""


def admit(registration: NodeRegistration, *, present: RegisteredNode | None, now: datetime) -> RegisteredNode:
    """It gives the node as it stands in the registry after the registration.

    A node that says the same SIGN keys and prefixes as before stays where it is: the key that was approved vouches for
    the node's other keys. Any other one waits for approval, and what was approved before stays in force until then.

    Args:
        registration: What the node says of itself.
        present: The node as it stands there now.
        now: The clock.

    Raises:
        NodeSuspendedError: The hub has suspended the node; only its operators' approval brings it back.
    """
    if present is not None and present.trust.state is NodeState.SUSPENDED:
        raise NodeSuspendedError(registration.node_id)
    held = _standing(present)
    stays = held is not None and _says_what_was_approved(registration, held)
    state = held.trust.state if held is not None and stays else NodeState.JOINING
    trust = NodeTrust(
        node_id=registration.node_id,
        region_code=registration.region_code,
        name_zh=registration.name_zh,
        name_en=registration.name_en,
        state=state,
        endpoints=registration.endpoints,
        certificate_name=str(Identity(FEDERATION_TRUST_DOMAIN, CallerClass.NODE, registration.node_id)),
        keys=_kept_keys(registration, present),
    )
    moved = present is None or state is not present.trust.state
    return RegisteredNode(
        trust=trust,
        prefixes=registration.prefixes,
        software_version=registration.software_version,
        registered_at=now if present is None else present.registered_at,
        state_at=now if present is None or moved else present.state_at,
        state_operator="" if present is None or moved else present.state_operator,
        in_force=present.published if present is not None and state is NodeState.JOINING else None,
    )


def _standing(present: RegisteredNode | None) -> NodeStanding | None:
    """It gives what a registration is compared with: what is in force, else what waits."""
    if present is None or present.trust.state is NodeState.RETIRED:
        return None
    return present.published or NodeStanding(trust=present.trust, prefixes=present.prefixes)


def _says_what_was_approved(registration: NodeRegistration, held: NodeStanding) -> bool:
    """Whether prefixes and SIGN keys are the same; the approver looked at nothing else."""
    return registration.prefixes == held.prefixes and _signing(registration.keys) == _signing(held.trust.keys)


def _signing(keys: Iterable[NodeKey]) -> frozenset[NodeKey]:
    return _as_kept(key for key in keys if key.purpose is NodeKeyPurpose.SIGN)


def _kept_keys(registration: NodeRegistration, present: RegisteredNode | None) -> tuple[NodeKey, ...]:
    """It gives the keys as the registry has them where they are the same, so that the same registration is no news."""
    if present is not None and _as_kept(present.trust.keys) == _as_kept(registration.keys):
        return present.trust.keys
    return registration.keys


def _as_kept(keys: Iterable[NodeKey]) -> frozenset[NodeKey]:
    """It gives keys with times as exact as stores and messages keep them, so that a key equals itself when read."""
    return frozenset(
        replace(key, starts_at=stated(key.starts_at), ends_at=key.ends_at and stated(key.ends_at)) for key in keys
    )


def check_prefixes_free(node_id: str, prefixes: Iterable[str], *, others: Iterable[RegisteredNode]) -> None:
    """It raises where another node is home to one of the prefixes; a longer or shorter one is no conflict.

    Raises:
        PrefixConflictError: One is taken.
    """
    taken = {
        prefix: other.trust.node_id
        for other in others
        if other.trust.node_id != node_id and other.trust.state is not NodeState.RETIRED
        for prefix in (*other.prefixes, *(other.in_force.prefixes if other.in_force is not None else ()))
    }
    for prefix in prefixes:
        if prefix in taken:
            raise PrefixConflictError(prefix=prefix, node_id=taken[prefix])
