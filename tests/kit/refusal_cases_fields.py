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
from kit.refusal_registry import case, each
from kit.serving import begin

# A field that is wrong.

TOO_LONG: Final = "x" * 300


def wrong(method: str, field: str, change: Callable[[Any], object]) -> None:
    """It enters the case of a field that is not of its form."""

    async def make(w: World) -> Attempt:
        attempt = await GOOD[method](w)
        change(attempt.request)
        attempt.field = field
        return attempt

    case(method, "INVALID_FIELD")(make)


def set_field(name: str, value: Any) -> Callable[[Any], None]:
    """A change that sets one field of a request."""
    return lambda request: setattr(request, name, value)


_SERIALS: Final = [
    *each(APP, "OpenAccount", "CloseAccount", "OpenSession", "BindDevice", "PresentCode", "ScanCode"),
    *each(BASE, "ApplyCode", "MakeCode", "VerifyCode", "FreezeCode", "UnfreezeCode", "ReplaceCode", "RevokeCode"),
    *each(BUSINESS, "RegisterRelyingParty", "ChangeRelyingPartyState", "RegisterApplication"),
    *each(BUSINESS, "ChangeApplicationState", "RegisterScanner", "ChangeScannerState", "RegisterScene"),
    *each(BUSINESS, "RegisterRelation", "CancelRelation", "RegisterPlacedSubject"),
]
for _method in _SERIALS:
    wrong(_method, "biz_serial", set_field("biz_serial", ""))
for _method in [
    *each(APP, "ListRecords", "ListEvents"),
    *each(BUSINESS, "ListRelyingParties", "ListApplications", "ListScanners", "ListScenes"),
    *each(ROUTING, "ListRoutes"),
    *each(HUB_SERVICE, "ListNodeStatuses"),
    *each(AUDIT, "ListAuditEvents"),
]:
    wrong(_method, "page_size", set_field("page_size", -1))
for _method in each(HUB_SERVICE, "ApproveNode", "SuspendNode", "GetNodeStatus"):
    wrong(_method, "node_id", set_field("node_id", "Wuhan"))
wrong(APP + "BeginIdentification", "subject_kind", set_field("subject_kind", subject_pb2.SUBJECT_KIND_THING))
for _method in each(APP, "ListSessions", "CloseSession"):
    wrong(_method, "session_token", set_field("session_token", ""))
wrong(APP + "WatchEvents", "cursor", set_field("cursor", TOO_LONG))
wrong(BASE + "RenderCode", "scale", set_field("scale", 33))
wrong(BASE + "DecodeCode", "code_text", set_field("code_text", ""))
wrong(BASE + "ResolveCode", "field_names", lambda request: request.ClearField("field_names"))
wrong(BASE + "GetCode", "code_id", set_field("code_id", b"short"))
for _method in (ROUTING + "ResolveRoute", HUB_SERVICE + "ResolveRoute"):
    wrong(_method, "region_code", set_field("region_code", "42"))
wrong(FEDERATION + "RecognizeCode", "request", lambda request: request.ClearField("request"))
wrong(HUB_SERVICE + "RegisterNode", "registration", lambda request: request.ClearField("registration"))
wrong(HUB_SERVICE + "ReportNodeStatus", "report", lambda request: request.ClearField("report"))


# A serial that was used for something else.


def flip(proof: Any) -> None:
    """Break the signature of a proof."""
    proof.sm2_signature = bytes([proof.sm2_signature[0] ^ 1]) + proof.sm2_signature[1:]


_OTHER: Final[dict[str, Callable[[Any], None]]] = {
    **dict.fromkeys(
        each(APP, "OpenAccount", "CloseAccount", "OpenSession", "BindDevice") + each(BASE, "MakeCode"),
        lambda request: flip(request.proof),
    ),
    APP + "PresentCode": set_field("terminal_type", codev1.TERMINAL_TYPE_WEB),
    APP + "ScanCode": set_field("place", "2 号窗口"),
    BASE + "ApplyCode": set_field("terminal_type", codev1.TERMINAL_TYPE_WEB),
    BASE + "VerifyCode": set_field("scene_no", 2),
    **dict.fromkeys(
        each(BASE, "FreezeCode", "UnfreezeCode", "ReplaceCode", "RevokeCode")
        + each(BUSINESS, "ChangeRelyingPartyState", "ChangeApplicationState", "ChangeScannerState", "CancelRelation"),
        set_field("reason", "another"),
    ),
    BUSINESS + "RegisterRelyingParty": lambda request: setattr(request.relying_party, "name", "另一单位"),
    BUSINESS + "RegisterApplication": lambda request: setattr(request.application, "name", "另一应用"),
    BUSINESS + "RegisterScanner": lambda request: setattr(request.scanner, "place", "2 号窗口"),
    BUSINESS + "RegisterScene": lambda request: setattr(request.scene, "name", "另一场景"),
    BUSINESS + "RegisterRelation": lambda request: setattr(request.relation, "proof_reference", "another"),
    BUSINESS + "RegisterPlacedSubject": lambda request: setattr(request.subject, "name", "2 号窗口"),
}
assert set(_OTHER) == set(_SERIALS)


def conflicting(method: str, other: Callable[[Any], None]) -> None:
    """It enters the case of a serial that comes again with another content."""

    async def make(w: World) -> Attempt:
        attempt = await GOOD[method](w)
        await begin(attempt.channel, method, request=attempt.request)
        other(attempt.request)
        return attempt

    case(method, "SERIAL_CONFLICT")(make)


for _method, _other in _OTHER.items():
    conflicting(_method, _other)


@case(FEDERATION + "RecognizeCode", "SERIAL_CONFLICT")
async def another_code_under_the_same_serial(w: World) -> Attempt:
    number = serial("asked")
    first = await asking(w, await a_code(w), biz_serial=number)
    await begin(first.channel, FEDERATION + "RecognizeCode", request=first.request)
    return await asking(w, await a_code(w), biz_serial=number)
