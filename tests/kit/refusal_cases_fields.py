"""Refusals that many methods share: a field that is not of its form, a serial that was used for something else."""

from collections.abc import Callable
from typing import Any, Final

from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import subject_pb2
from kit.good_calls import (
    APP,
    AUDIT,
    BASE,
    BUSINESS,
    FEDERATION,
    GOOD,
    HUB_SERVICE,
    ROUTING,
    Attempt,
    World,
    a_code,
    asking,
)
from kit.players import serial
from kit.refusal_registry import Make, case, each
from kit.serving import begin

# A field that is wrong.

TOO_LONG: Final = "x" * 300


def _wrong(method: str, field: str, change: Callable[[Any], object]) -> None:
    async def make(w: World) -> Attempt:
        attempt = await GOOD[method](w)
        change(attempt.request)
        attempt.field = field
        return attempt

    case(method, "INVALID_FIELD")(make)


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda request: setattr(request, name, value)


_SERIALS: Final = [
    *each(APP, "OpenAccount", "CloseAccount", "OpenSession", "BindDevice", "PresentCode", "ScanCode"),
    *each(BASE, "ApplyCode", "MakeCode", "VerifyCode", "FreezeCode", "UnfreezeCode", "ReplaceCode", "RevokeCode"),
    *each(BUSINESS, "RegisterRelyingParty", "ChangeRelyingPartyState", "RegisterApplication"),
    *each(BUSINESS, "ChangeApplicationState", "RegisterScanner", "ChangeScannerState", "RegisterScene"),
    *each(BUSINESS, "RegisterRelation", "CancelRelation", "RegisterPlacedSubject"),
]
for _method in _SERIALS:
    _wrong(_method, "biz_serial", _set("biz_serial", ""))
for _method in [
    *each(APP, "ListRecords", "ListEvents"),
    *each(BUSINESS, "ListRelyingParties", "ListApplications", "ListScanners", "ListScenes"),
    *each(ROUTING, "ListRoutes"),
    *each(HUB_SERVICE, "ListNodeStatuses"),
    *each(AUDIT, "ListAuditEvents"),
]:
    _wrong(_method, "page_size", _set("page_size", -1))
for _method in each(HUB_SERVICE, "ApproveNode", "SuspendNode", "GetNodeStatus"):
    _wrong(_method, "node_id", _set("node_id", "Wuhan"))
_wrong(APP + "BeginIdentification", "subject_kind", _set("subject_kind", subject_pb2.SUBJECT_KIND_THING))
for _method in each(APP, "ListSessions", "CloseSession"):
    _wrong(_method, "session_token", _set("session_token", ""))
_wrong(APP + "WatchEvents", "cursor", _set("cursor", TOO_LONG))
_wrong(BASE + "RenderCode", "scale", _set("scale", 33))
_wrong(BASE + "DecodeCode", "code_text", _set("code_text", ""))
_wrong(BASE + "ResolveCode", "field_names", lambda request: request.ClearField("field_names"))
_wrong(BASE + "GetCode", "code_id", _set("code_id", b"short"))
for _method in (ROUTING + "ResolveRoute", HUB_SERVICE + "ResolveRoute"):
    _wrong(_method, "region_code", _set("region_code", "42"))
_wrong(FEDERATION + "RecognizeCode", "request", lambda request: request.ClearField("request"))
_wrong(HUB_SERVICE + "RegisterNode", "registration", lambda request: request.ClearField("registration"))
_wrong(HUB_SERVICE + "ReportNodeStatus", "report", lambda request: request.ClearField("report"))


# A serial that was used for something else.


def flip(proof: Any) -> None:
    """Break the signature of a proof."""
    proof.sm2_signature = bytes([proof.sm2_signature[0] ^ 1]) + proof.sm2_signature[1:]


_OTHER: Final[dict[str, Callable[[Any], None]]] = {
    **dict.fromkeys(
        each(APP, "OpenAccount", "CloseAccount", "OpenSession", "BindDevice") + each(BASE, "MakeCode"),
        lambda request: flip(request.proof),
    ),
    APP + "PresentCode": _set("terminal_type", codev1.TERMINAL_TYPE_WEB),
    APP + "ScanCode": _set("place", "2 号窗口"),
    BASE + "ApplyCode": _set("terminal_type", codev1.TERMINAL_TYPE_WEB),
    BASE + "VerifyCode": _set("scene_no", 2),
    **dict.fromkeys(
        each(BASE, "FreezeCode", "UnfreezeCode", "ReplaceCode", "RevokeCode")
        + each(BUSINESS, "ChangeRelyingPartyState", "ChangeApplicationState", "ChangeScannerState", "CancelRelation"),
        _set("reason", "another"),
    ),
    BUSINESS + "RegisterRelyingParty": lambda request: setattr(request.relying_party, "name", "另一单位"),
    BUSINESS + "RegisterApplication": lambda request: setattr(request.application, "name", "另一应用"),
    BUSINESS + "RegisterScanner": lambda request: setattr(request.scanner, "place", "2 号窗口"),
    BUSINESS + "RegisterScene": lambda request: setattr(request.scene, "name", "另一场景"),
    BUSINESS + "RegisterRelation": lambda request: setattr(request.relation, "proof_reference", "another"),
    BUSINESS + "RegisterPlacedSubject": lambda request: setattr(request.subject, "name", "2 号窗口"),
}
assert set(_OTHER) == set(_SERIALS)


def _conflicting(method: str) -> Make:
    async def make(w: World) -> Attempt:
        attempt = await GOOD[method](w)
        await begin(attempt.channel, method, request=attempt.request)
        _OTHER[method](attempt.request)
        return attempt

    return make


for _method in _SERIALS:
    case(_method, "SERIAL_CONFLICT")(_conflicting(_method))


@case(FEDERATION + "RecognizeCode", "SERIAL_CONFLICT")
async def another_code_under_the_same_serial(w: World) -> Attempt:
    number = serial("asked")
    first = await asking(w, await a_code(w), biz_serial=number)
    await begin(first.channel, FEDERATION + "RecognizeCode", request=first.request)
    return await asking(w, await a_code(w), biz_serial=number)
