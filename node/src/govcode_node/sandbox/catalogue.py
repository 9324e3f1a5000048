"""How each outcome and each error is reached, as data that a program in any language can loop over.

An entry names the outcome or the reason, the method, who calls (`callers` in the credentials file), at which node, the
request as protobuf's JSON, and where needed metadata and a deadline. `{serial}` in a request stands for a serial that
was never used before.
"""

from collections.abc import Mapping
from typing import Any, Final

from govcode_node.rpc.status import status_of
from govcode_node.sandbox.errors import SAMPLES
from govcode_node.sandbox.magic import MAGIC_METADATA, MAGIC_PREFIX
from govcode_node.sandbox.plan import COUNTER_SCENE, ENTERPRISE_SCENE, MAGIC_SCENES, OFFLINE_SCENE
from govcode_node.sandbox.refusals import Ready, natural_refusals

_APPLICATION: Final = "govcode.code.v1.CodeApplicationService/"


def magic_of(ready: Ready) -> dict[str, Any]:
    """It gives the whole catalogue.

    Args:
        ready: Codes, sessions and scans that lie ready.
    """
    placed = ready.texts
    refusals = [*natural_refusals(ready), *_magic_reasons(placed)]
    return {
        "serial_prefix": MAGIC_PREFIX,
        "metadata_key": MAGIC_METADATA,
        "outcomes": [*_natural_outcomes(placed), *_magic_outcomes(placed)],
        "reasons": [{**entry, "status": _status(entry["reason"])} for entry in refusals],
    }


def _scan(outcome: str, text: str, scene_no: int, *, way: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "way": way,
        "at": "home",
        "rpc": f"{_APPLICATION}ScanCode",
        "as": "counter_app",
        "request": {"biz_serial": "{serial}", "code_text": text, "scene_no": scene_no},
    }


def _natural_outcomes(placed: Mapping[str, str]) -> list[dict[str, Any]]:
    scenes = {"OFFLINE_VALID": OFFLINE_SCENE, "SCENE_MISMATCH": ENTERPRISE_SCENE}
    ways = {
        "VALID": "valid",
        "EXPIRED": "expired",
        "NOT_YET_VALID": "not_yet_valid",
        "REVOKED": "revoked",
        "FROZEN": "frozen",
        "CONSUMED": "consumed",
        "SEAL_INVALID": "seal_invalid",
        "MALFORMED": "malformed",
        "VERSION_UNSUPPORTED": "version_unsupported",
        "TEST_CODE": "production",
        "ISSUER_UNKNOWN": "nowhere",
        "ISSUER_SUSPENDED": "suspended_issuer",
        "HOME_NODE_UNREACHABLE": "away",
        "OFFLINE_VALID": "away_signed",
        "SCENE_MISMATCH": "valid",
    }
    return [
        _scan(outcome, placed[name], scenes.get(outcome, COUNTER_SCENE), way="natural")
        for outcome, name in ways.items()
        if name in placed
    ] + [_scan("VALID", placed["peer"], COUNTER_SCENE, way="natural")]


def _magic_outcomes(placed: Mapping[str, str]) -> list[dict[str, Any]]:
    return [_scan(outcome.value, placed["valid"], scene_no, way="scene") for scene_no, outcome in MAGIC_SCENES.items()]


def _magic_reasons(placed: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "reason": reason,
            "way": "serial",
            "at": "home",
            "rpc": f"{_APPLICATION}ScanCode",
            "as": "counter_app",
            "request": {
                "biz_serial": f"{MAGIC_PREFIX}{reason}",
                "code_text": placed["valid"],
                "scene_no": COUNTER_SCENE,
            },
        }
        for reason in SAMPLES
    ]


def _status(reason: str) -> str:
    """It gives the gRPC status of a reason, by the table of production."""
    return status_of(SAMPLES[reason](), request_id="").code.name
