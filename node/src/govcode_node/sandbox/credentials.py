"""The credentials file: all that a client in any language needs of a sandbox, and the only place where its keys are."""

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from govcode_client import Sm2PrivateKey

from govcode_node.domain.identities import FEDERATION_TRUST_DOMAIN, CallerClass
from govcode_node.sandbox.callers import CallerCertificate, issue_caller
from govcode_node.sandbox.catalogue import magic_of
from govcode_node.sandbox.holders import OpenedHolder
from govcode_node.sandbox.licences import MATTERS, MAX_USES, SandboxMatter
from govcode_node.sandbox.nodes import SandboxNodes
from govcode_node.sandbox.plan import (
    CLINIC_APP,
    COUNTER_APP,
    HOLDER_APP,
    HOME,
    HUB,
    LICENCE_SYSTEM,
    PEER,
    SCANNER,
    SCENES,
    SUBJECTS,
    SUSPENDED_APP,
    SUSPENDED_SCANNER,
    TERMS_VERSION,
    UNKNOWN_APP,
)
from govcode_node.sandbox.refusals import Ready

FORMAT_VERSION: Final = 1

_CALLERS: Final = {
    "holder_app": (CallerClass.APP, HOLDER_APP),
    "counter_app": (CallerClass.APP, COUNTER_APP),
    "clinic_app": (CallerClass.APP, CLINIC_APP),
    "suspended_app": (CallerClass.APP, SUSPENDED_APP),
    "unknown_app": (CallerClass.APP, UNKNOWN_APP),
    "licence_system": (CallerClass.LICENCE, LICENCE_SYSTEM),
    "scanner": (CallerClass.SCANNER, SCANNER),
    "operator": (CallerClass.OPERATOR, "business"),
    "security_operator": (CallerClass.OPERATOR, "security"),
    "audit_operator": (CallerClass.OPERATOR, "audit"),
    "unknown_operator": (CallerClass.OPERATOR, "nobody"),
}
_AT_PEER: Final = ("holder_app", "counter_app", "licence_system", "operator")
_AT_HUB: Final = ("security_operator", "audit_operator")
_ABOVE: Final = ("holder_app", "counter_app", "licence_system", "operator")
"""Callers that stand at the top of the file as well, since every client needs them."""
_FALSE_CALLERS: Final[dict[str, list[str]]] = {
    "no_identity": [],
    "false_node": [f"spiffe://{FEDERATION_TRUST_DOMAIN}/node/{PEER}"],
}
"""Certificates of the region's authority that pass the handshake and prove nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made in a sandbox before it opens.

    Attributes:
        ready: Codes, sessions and scans.
        holders: Holders that anybody may act for, by key.
        virtual: Holders that answer by themselves.
        encryption_keys: The counter's keys to which licences are sealed, by node.
    """

    ready: Ready
    holders: dict[str, OpenedHolder]
    virtual: dict[str, OpenedHolder]
    encryption_keys: dict[str, Sm2PrivateKey]


def credentials_of(nodes: SandboxNodes, made: Made, control: dict[str, Any]) -> dict[str, Any]:
    """It gathers the content of the file.

    Args:
        nodes: The nodes, which run.
        made: What was made in them.
        control: How the clock is moved.
    """
    callers = _callers(nodes, made, HOME, tuple(_CALLERS))
    for key, uris in _FALSE_CALLERS.items():
        issued = nodes.pki.authority(HOME).issue(uris, now=datetime.now(UTC), server=False)
        callers[key] = CallerCertificate(
            name=key, certificate_pem=issued.certificate_pem.decode(), private_key_pem=issued.key_pem.decode()
        ).entry()
    return {
        "format": FORMAT_VERSION,
        **_node(nodes, HOME),
        "roots_pem": nodes.pki.roots_path.read_text(encoding="ascii"),
        "peer": _node(nodes, PEER) | _callers(nodes, made, PEER, _AT_PEER),
        "hub": _node(nodes, HUB)
        | {"public_key_hex": nodes.signing_key(HUB)[1].hex()}
        | _callers(nodes, made, HUB, _AT_HUB),
        **{key: callers[key] for key in _ABOVE},
        "callers": callers,
        "device_ids": {"scanner": SCANNER, "suspended_scanner": SUSPENDED_SCANNER},
        "scenes": {scene.key: scene.scene_no for scene in SCENES},
        "subjects": _subjects(),
        "holders": {key: holder.entry() for key, holder in made.holders.items()},
        "terms_version": TERMS_VERSION,
        "placed_codes": dict(made.ready.texts),
        "matters": {matter.key: _matter(matter) for matter in MATTERS},
        "magic": magic_of(made.ready),
        "clock": control,
    }


def write_credentials(path: Path, credentials: dict[str, Any]) -> None:
    """It writes the credentials file, whole and for its owner's eyes alone: there are keys in it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(credentials, file, ensure_ascii=False, indent=1)
            file.write("\n")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _node(nodes: SandboxNodes, node_id: str) -> dict[str, Any]:
    return {"target": nodes.address(node_id), "server_name": nodes.server_name(node_id), "node_id": node_id}


def _callers(nodes: SandboxNodes, made: Made, region: str, keys: tuple[str, ...]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key in keys:
        caller_class, name = _CALLERS[key]
        certificate = issue_caller(nodes.pki, caller_class, name, region=region)
        entries[key] = certificate.entry("app_id" if caller_class is CallerClass.APP else "name")
        if key == "counter_app":
            entries[key]["encryption_private_key_hex"] = made.encryption_keys[region].to_scalar().hex()
    return entries


def _subjects() -> list[dict[str, Any]]:
    return [
        {
            "key": subject.key,
            "name": subject.name,
            "id_number": subject.id_number,
            "secret": subject.secret,
            "subject_kind": subject.kind,
            "uscc": subject.uscc or "",
            "does": subject.does,
        }
        for subject in SUBJECTS
    ]


def _matter(matter: SandboxMatter) -> dict[str, Any]:
    return {
        "matter_code": matter.matter_code,
        "name": matter.zh,
        "subject_kind": matter.subject_kind,
        "max_uses": MAX_USES,
        "items": [
            {"license_type": kind, "field_names": list(fields), "document": kind in matter.documents}
            for kind, fields in matter.items.items()
        ],
        "does": matter.does,
    }
