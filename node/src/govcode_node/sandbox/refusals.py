"""Refusals that need no magic: calls that a node of production would refuse in the same way, one after another.

Each is a single call over what lies ready in a sandbox. None of them changes anything, so each may be made again.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from govcode_node.sandbox.licences import MATTERS
from govcode_node.sandbox.plan import (
    AWAY,
    CLINIC_SCENE,
    COUNTER_APP,
    COUNTER_SCENE,
    HIGH_ASSURANCE_SCENE,
    HOLDER_APP,
    NOWHERE,
    SUSPENDED_SCANNER,
)

USED_SERIAL: Final = "SANDBOX-USED"
"""The counter has scanned a code under this serial."""

_APPLICATION: Final = "govcode.code.v1.CodeApplicationService/"
_BASE: Final = "govcode.code.v1.CodeBaseService/"
_BUSINESS: Final = "govcode.business.v1.BusinessManagementService/"
_ROUTING: Final = "govcode.routing.v1.CodeRoutingService/"
_LICENCES: Final = "govcode.authorization.v1.AuthorizationService/"
_HUB: Final = "govcode.hub.v1.HubService/"
_SERIAL: Final = "{serial}"
_UNKNOWN: Final = "0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What lies ready for refusals.

    Attributes:
        texts: Texts of placed codes.
        tokens: Session tokens of the subjects that have accounts, by key.
        accounts: Their accounts.
        revoked_code_id: Id of a code that was revoked.
        old_scan_id: A scan of the counter of long ago.
        picked: An authorization of the counter of which the first item is granted.
        denied: An authorization of the counter that was denied.
    """

    texts: dict[str, str] = field(repr=False)
    tokens: Mapping[str, str] = field(repr=False)
    accounts: Mapping[str, str]
    revoked_code_id: bytes
    old_scan_id: str
    picked: str = ""
    denied: str = ""


def natural_refusals(ready: Ready) -> list[dict[str, Any]]:
    """It lists the refusals as entries of the catalogue."""
    return [
        *_of_callers(ready),
        *_of_texts(ready),
        *_of_holders(ready),
        *_of_scans(ready),
        *_of_the_registry(),
        *_of_the_federation(),
        *_of_licences(ready),
    ]


def _call(reason: str, rpc: str, caller: str, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"reason": reason, "way": "natural", "at": "home", "rpc": rpc, "as": caller, "request": request, **more}


def _scan(reason: str, text: str, caller: str = "counter_app", **more: Any) -> dict[str, Any]:
    request = {"biz_serial": _SERIAL, "code_text": text, "scene_no": COUNTER_SCENE} | more.pop("fields", {})
    return _call(reason, f"{_APPLICATION}ScanCode", caller, request, **more)


def _of_callers(ready: Ready) -> list[dict[str, Any]]:
    good = ready.texts["valid"]
    presenting = {"biz_serial": _SERIAL, "session_token": ready.tokens["holder"], "terminal_type": "TERMINAL_TYPE_APP"}
    return [
        _scan("CERTIFICATE_MISSING", good, "no_identity"),
        _scan("CERTIFICATE_UNTRUSTED", good, "false_node"),
        _call("CALLER_NOT_ALLOWED", f"{_APPLICATION}PresentCode", "counter_app", presenting),
        _scan("APP_UNKNOWN", good, "unknown_app"),
        _scan("APP_DISABLED", good, "suspended_app"),
        _scan("DEVICE_UNKNOWN", good, metadata={"govcode-device-id": "nobodys-scanner"}),
        _scan("DEVICE_DISABLED", good, metadata={"govcode-device-id": SUSPENDED_SCANNER}),
        _call("OPERATOR_UNKNOWN", f"{_BUSINESS}ListScenes", "unknown_operator", {}),
    ]


def _of_texts(ready: Ready) -> list[dict[str, Any]]:
    drawing = {"code_text": ready.texts["valid"], "symbology": "SYMBOLOGY_HAN_XIN"}
    return [
        _call("CODE_MALFORMED", f"{_BASE}DecodeCode", "counter_app", {"code_text": ready.texts["malformed"]}),
        _call(
            "CODE_VERSION_UNSUPPORTED",
            f"{_BASE}DecodeCode",
            "counter_app",
            {"code_text": ready.texts["version_unsupported"]},
        ),
        _call("SYMBOLOGY_UNSUPPORTED", f"{_BASE}RenderCode", "holder_app", drawing),
        _call("CURSOR_INVALID", f"{_APPLICATION}ListEvents", "counter_app", {"cursor": "somewhere"}),
    ]


def _of_holders(ready: Ready) -> list[dict[str, Any]]:
    def present(reason: str, holder: str, **fields: Any) -> dict[str, Any]:
        request = {
            "biz_serial": _SERIAL,
            "session_token": ready.tokens.get(holder, _UNKNOWN),
            "terminal_type": "TERMINAL_TYPE_APP",
            **fields,
        }
        return _call(reason, f"{_APPLICATION}PresentCode", "holder_app", request)

    freezing = {"biz_serial": _SERIAL, "session_token": ready.tokens["stock"], "reason": "sandbox"}
    freeze = f"{_BASE}FreezeCode"
    unsigned = {"statement": "", "device_key_id": "0" * 16, "sm2_signature": _bytes(bytes(64))}
    closing = {"biz_serial": _SERIAL, "session_token": ready.tokens["holder"], "proof": unsigned}
    return [
        present("SESSION_INVALID", "nobody"),
        present("ASSURANCE_TOO_LOW", "weak", scene_no=HIGH_ASSURANCE_SCENE),
        present("TERMINAL_RULE_VIOLATED", "holder", terminal_type="TERMINAL_TYPE_PRINTED"),
        present("RELATION_NOT_PROVEN", "holder", on_behalf_of_account_id=ready.accounts["stock"]),
        _call(
            "SESSION_NOT_FOUND",
            f"{_APPLICATION}CloseSession",
            "holder_app",
            {"session_token": ready.tokens["holder"], "session_id": "0" * 16},
        ),
        _call("HOLDER_PROOF_INVALID", f"{_APPLICATION}CloseAccount", "holder_app", closing),
        _call("CODE_NOT_FOUND", freeze, "holder_app", freezing | {"code_id": _bytes(bytes(16))}),
        _call("CODE_STATE_CONFLICT", freeze, "holder_app", freezing | {"code_id": _bytes(ready.revoked_code_id)}),
    ]


def _of_scans(ready: Ready) -> list[dict[str, Any]]:
    good = ready.texts["valid"]

    def resolve(reason: str, scan_id: str) -> dict[str, Any]:
        return _call(reason, f"{_BASE}ResolveCode", "counter_app", {"scan_id": scan_id, "field_names": ["name"]})

    return [
        _scan("INVALID_FIELD", good, fields={"biz_serial": ""}),
        _scan("SERIAL_CONFLICT", ready.texts["frozen"], fields={"biz_serial": USED_SERIAL}),
        _scan("SCENE_UNKNOWN", good, fields={"scene_no": 60_000}),
        _scan("SCENE_NOT_ALLOWED", good, fields={"scene_no": CLINIC_SCENE}),
        resolve("SCAN_NOT_FOUND", "sc_" + _UNKNOWN),
        resolve("SCAN_TOO_OLD", ready.old_scan_id),
    ]


def _of_the_registry() -> list[dict[str, Any]]:
    party = {"name": "沙箱单位", "uscc": "91420100MA9TEXT190", "purpose": "联调", "contact": "010-00000000"}
    scene = {
        "scene_no": 700,
        "name": "越界场景",
        "scene_class": "SCENE_CLASS_COUNTER",
        "subject_kinds": ["SUBJECT_KIND_PERSON"],
        "validity": "1s",
    }

    def operate(expected: str, method: str, **request: Any) -> dict[str, Any]:
        return _call(expected, f"{_BUSINESS}{method}", "operator", {"biz_serial": _SERIAL, **request})

    def move(reason: str, app_id: str, state: str) -> dict[str, Any]:
        state = f"REGISTRATION_STATE_{state}"
        return operate(reason, "ChangeApplicationState", app_id=app_id, state=state, reason="sandbox")

    relation = "re_" + _UNKNOWN
    return [
        move("PARTY_UNKNOWN", "nobodys-app", "APPROVED"),
        move("REGISTRATION_STATE_CONFLICT", COUNTER_APP, "APPROVED"),
        operate("USCC_INVALID", "RegisterRelyingParty", relying_party=party),
        operate("SCENE_RULE_OUT_OF_BOUNDS", "RegisterScene", scene=scene),
        operate("RELATION_UNKNOWN", "CancelRelation", relation_id=relation, reason="sandbox"),
    ]


def _of_the_federation() -> list[dict[str, Any]]:
    status = f"{_HUB}GetNodeStatus"
    return [
        _call("NO_ROUTE", f"{_ROUTING}ResolveRoute", HOLDER_APP.replace("-", "_"), {"region_code": NOWHERE}),
        _call("HUB_NOT_HERE", status, "security_operator", {"node_id": AWAY}),
        _call("NODE_UNKNOWN", status, "security_operator", {"node_id": NOWHERE}, at="hub"),
    ]


def _of_licences(ready: Ready) -> list[dict[str, Any]]:
    residence, driving = MATTERS[0].matter_code, MATTERS[1].matter_code
    placed = {
        "subject_kind": "SUBJECT_KIND_MATTER",
        "name": "沙箱事项",
        "app_id": COUNTER_APP,
        "matter_code": "SB-NONE",
    }
    matter = {
        "matter_code": "SB-REFUSED",
        "app_id": COUNTER_APP,
        "name": "沙箱事项",
        "purpose": "沙箱联调",
        "handling_means": "核验后不留存",
        "max_uses": 1,
        "max_period": "3600s",
        "subject_kinds": ["SUBJECT_KIND_PERSON"],
    }
    item = {"license_type": "library-card", "field_names": ["name"]}

    def fetch(reason: str, authorization_id: str, item_no: int, matter_code: str) -> dict[str, Any]:
        request = {"authorization_id": authorization_id, "item_no": item_no, "matter_code": matter_code}
        return _call(reason, f"{_LICENCES}FetchLicense", "counter_app", {"biz_serial": _SERIAL, **request})

    def look(reason: str, authorization_id: str, caller: str, **more: str) -> dict[str, Any]:
        request = {"authorization_id": authorization_id, **more}
        return _call(reason, f"{_LICENCES}GetAuthorization", caller, request)

    def operate(reason: str, method: str, **request: Any) -> dict[str, Any]:
        return _call(reason, f"{_BUSINESS}{method}", "operator", {"biz_serial": _SERIAL, **request})

    scanning = {"biz_serial": _SERIAL, "session_token": ready.tokens["holder"], "code_text": ready.texts["revoked"]}
    return [
        look("AUTHORIZATION_NOT_FOUND", "au_" + _UNKNOWN, "counter_app"),
        look("NOT_OWNER", ready.picked, "holder_app", session_token=ready.tokens["holder"]),
        fetch("ITEM_NOT_GRANTED", ready.picked, 2, residence),
        fetch("MATTER_MISMATCH", ready.picked, 1, driving),
        fetch("AUTHORIZATION_STATE_CONFLICT", ready.denied, 1, residence),
        _call("SCENE_CODE_INVALID", f"{_APPLICATION}ScanSceneCode", "holder_app", scanning),
        operate("SCOPE_NOT_REGISTERED", "RegisterPlacedSubject", subject=placed),
        operate("LICENSE_TYPE_UNKNOWN", "RegisterMatter", matter=matter | {"items": [item]}),
    ]


def _bytes(value: bytes) -> str:
    """It writes bytes as protobuf's JSON has them."""
    return base64.b64encode(value).decode()
