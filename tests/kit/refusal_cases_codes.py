"""Refusals about holders and their codes: at the code application service and the code base service."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any, Final

from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import subject_pb2
from govcode_client.device import HolderDevice
from govcode_node.domain.accounts import AccountId, AccountState
from govcode_node.domain.rate_limits import GcraLimiter, NamedLimit
from govcode_node.storage.columns import ACCOUNT_STATES, pack_account
from kit.good_calls import (
    APP,
    AUDIT,
    BASE,
    BUSINESS,
    GOOD,
    HUB_SERVICE,
    ROUTING,
    WEAK,
    Attempt,
    World,
    a_code,
    applying,
    by_holder,
    by_operator,
    making,
    opening,
    presenting,
    redeeming,
    relating,
    session_request,
)
from kit.players import serial
from kit.refusal_cases_fields import flip
from kit.refusal_registry import case, crowded, each, patched, setting, varied, without_keys, without_store
from kit.serving import begin

# The holder's session, account, device and identity.

_OF_SESSIONS: Final = [
    *each(APP, "CloseAccount", "ListSessions", "CloseSession", "PresentCode", "ListRecords"),
    *each(BASE, "ApplyCode", "FreezeCode", "UnfreezeCode", "ReplaceCode", "RevokeCode", "GetCode"),
]
_IDENTIFIED: Final = each(APP, "OpenAccount", "OpenSession", "BindDevice")

varied("SESSION_INVALID", _OF_SESSIONS, setting(session_token="0" * 32))
varied("CURSOR_INVALID", each(APP, "WatchEvents", "ListEvents"), setting(cursor="somewhere"))
varied(
    "CURSOR_INVALID",
    [
        *each(APP, "ListRecords"),
        *each(BUSINESS, "ListScenes"),
        *each(ROUTING, "ListRoutes"),
        *each(HUB_SERVICE, "ListNodeStatuses"),
        *each(AUDIT, "ListAuditEvents"),
    ],
    setting(page_token="somewhere"),
)


async def suspend(w: World, attempt: Attempt) -> None:
    """Suspend the holder's account, as no step of this release does, but a store may hold it."""
    assert attempt.holder is not None
    account_id = AccountId(attempt.holder.account.account_id)
    with closing(sqlite3.connect(w.wuhan.folder / "store.db", timeout=10)) as store, store:
        changed = store.execute(
            "UPDATE accounts SET state = ? WHERE account_id = ?",
            (ACCOUNT_STATES.number[AccountState.SUSPENDED], pack_account(account_id)),
        )
        assert changed.rowcount == 1


varied(
    "SUBJECT_SUSPENDED",
    [*_OF_SESSIONS, *each(APP, "OpenSession", "BindDevice"), *each(BASE, "MakeCode")],
    suspend,
)


async def wrong_signature(w: World, attempt: Attempt) -> None:
    flip(attempt.request.proof)


varied(
    "HOLDER_PROOF_INVALID",
    [*_IDENTIFIED, *each(APP, "CloseAccount"), *each(BASE, "MakeCode")],
    wrong_signature,
)


async def wrong_blob(w: World, attempt: Attempt) -> None:
    attempt.request.identification.provider_blob = b"{}"


async def finished_before(w: World, attempt: Attempt) -> None:
    identification = attempt.request.identification
    await w.wuhan.app.ground.provider.finish(identification.identification_id, identification.provider_blob)


varied("IDENTITY_FAILED", _IDENTIFIED, wrong_blob)
varied("IDENTIFICATION_EXPIRED", _IDENTIFIED, finished_before)


async def _closed_first(w: World, attempt: Attempt) -> None:
    assert attempt.holder is not None
    await attempt.holder.close()


varied(
    "ACCOUNT_NOT_FOUND",
    [*each(APP, "OpenSession", "BindDevice"), *each(BASE, "MakeCode")],
    _closed_first,
)


@case(APP + "OpenAccount", "ALREADY_OPEN")
async def opened_before(w: World) -> Attempt:
    return await opening(w, person=(await w.holder()).person)


@case(APP + "OpenAccount", "TERMS_NOT_ACCEPTED")
async def other_terms(w: World) -> Attempt:
    return await opening(w, terms="1999-01")


@case(APP + "OpenSession", "DEVICE_NOT_BOUND")
async def another_device(w: World) -> Attempt:
    holder = await w.holder()
    identification = await holder.backend.identify(holder.person)
    device = HolderDevice.generate(now=w.wuhan.clock.now)
    return by_holder(w, holder, session_request(device, identification, serial("session")))


varied("SESSION_NOT_FOUND", each(APP, "CloseSession"), setting(session_id="0" * 16))


# What may be presented and made.

varied("SCENE_UNKNOWN", each(APP, "PresentCode", "ScanCode") + each(BASE, "ApplyCode"), setting(scene_no=999))
varied("SCENE_UNKNOWN", each(BASE, "VerifyCode"), setting(scene_no=999))


async def _scene_for_companies(w: World, attempt: Attempt) -> None:
    attempt.request.scene_no = await w.scene(subject_kinds=[subject_pb2.SUBJECT_KIND_LEGAL_ENTITY])


async def _foreign_scene(w: World, attempt: Attempt) -> None:
    attempt.request.scene_no = await w.scene()


varied("SCENE_NOT_ALLOWED", each(APP, "PresentCode") + each(BASE, "ApplyCode"), _scene_for_companies)
varied("SCENE_NOT_ALLOWED", each(APP, "ScanCode") + each(BASE, "VerifyCode"), _foreign_scene)
varied(
    "TERMINAL_RULE_VIOLATED",
    each(APP, "PresentCode") + each(BASE, "ApplyCode"),
    setting(terminal_type=codev1.TERMINAL_TYPE_PRINTED),
)


@case(APP + "PresentCode", "ASSURANCE_TOO_LOW")
async def weakly_checked_presents(w: World) -> Attempt:
    return presenting(w, await w.holder(WEAK), scene_no=await w.scene(assurance_level=2))


@case(BASE + "ApplyCode", "ASSURANCE_TOO_LOW")
async def weakly_checked_applies(w: World) -> Attempt:
    return applying(w, await w.holder(WEAK), scene_no=await w.scene(assurance_level=2))


async def _ticket_of_scene(w: World, level: int, **rules: Any) -> Attempt:
    """A ticket for a scene whose rules change before it is redeemed."""
    scene_no = await w.scene()
    attempt = await making(w, await w.holder(level), scene_no=scene_no)
    await w.wuhan.operator.scene(scene_no, **rules)
    return attempt


@case(BASE + "MakeCode", "ASSURANCE_TOO_LOW")
async def scene_asks_for_more_meanwhile(w: World) -> Attempt:
    return await _ticket_of_scene(w, WEAK, assurance_level=2)


@case(BASE + "MakeCode", "SCENE_NOT_ALLOWED")
async def scene_takes_companies_only_meanwhile(w: World) -> Attempt:
    return await _ticket_of_scene(w, 3, subject_kinds=[subject_pb2.SUBJECT_KIND_LEGAL_ENTITY])


@case(BASE + "MakeCode", "TERMINAL_RULE_VIOLATED")
async def printed_code_on_a_screen(w: World) -> Attempt:
    printed = {"code_mode": codev1.CODE_MODE_STATIC, "terminal_type": codev1.TERMINAL_TYPE_PRINTED}
    attempt = await making(w, await w.holder(), **printed)
    attempt.request.carrier = codev1.CARRIER_SCREEN
    return attempt


@case(BASE + "MakeCode", "EXTENSION_TOO_LONG")
async def long_extension(w: World) -> Attempt:
    attempt = await making(w, await w.holder())
    attempt.request.extension.add(tag=2, value=b"x" * 201)
    return attempt


@case(APP + "PresentCode", "RELATION_NOT_PROVEN")
async def for_a_stranger(w: World) -> Attempt:
    stranger = await w.holder()
    return presenting(w, await w.holder(), on_behalf_of_account_id=stranger.account.account_id)


@case(APP + "PresentCode", "ACCOUNT_NOT_FOUND")
async def for_a_relative_who_is_gone(w: World) -> Attempt:
    presenter, relative = await w.holder(), await w.holder()
    await w.wuhan.operator.stub.RegisterRelation(relating(w, presenter, relative).request)
    await relative.close()
    return presenting(w, presenter, on_behalf_of_account_id=relative.account.account_id)


@case(BASE + "ApplyCode", "ACCOUNT_NOT_FOUND")
async def operator_for_a_person(w: World) -> Attempt:
    holder = await w.holder()
    request = basev1.ApplyCodeRequest(
        biz_serial=serial("apply"),
        account_id=holder.account.account_id,
        code_mode=codev1.CODE_MODE_STATIC,
        terminal_type=codev1.TERMINAL_TYPE_PRINTED,
    )
    return by_operator(w, request)


varied("TICKET_INVALID", each(BASE, "MakeCode"), setting(ticket="0" * 32))


@case(BASE + "MakeCode", "TICKET_EXPIRED")
async def ticket_of_a_minute_ago(w: World) -> Attempt:
    attempt = await GOOD[BASE + "MakeCode"](w)
    w.pass_time(timedelta(seconds=61))
    return attempt


@case(BASE + "MakeCode", "TICKET_USED")
async def ticket_redeemed_before(w: World) -> Attempt:
    holder = await w.holder()
    ticket = await holder.backend.base.ApplyCode(applying(w, holder).request)
    await holder.redeem(ticket)
    return redeeming(w, holder, ticket)


# Codes.

_OF_CODES: Final = each(BASE, "FreezeCode", "UnfreezeCode", "ReplaceCode", "RevokeCode", "GetCode")
varied("CODE_NOT_FOUND", _OF_CODES, setting(code_id=os.urandom(16)))


async def _revoked_first(w: World, attempt: Attempt) -> None:
    assert attempt.holder is not None
    revoke = basev1.RevokeCodeRequest(
        biz_serial=serial("act"),
        code_id=attempt.request.code_id,
        session_token=attempt.request.session_token,
        reason="test",
    )
    await attempt.holder.backend.base.RevokeCode(revoke)


varied("CODE_STATE_CONFLICT", _OF_CODES[:-1], _revoked_first)


async def _static_of_scene(w: World, level: int, **rules: Any) -> Attempt:
    """A static code of a scene whose rules change before it is replaced."""
    scene_no = await w.scene()
    holder = await w.holder(level)
    printed = {"code_mode": codev1.CODE_MODE_STATIC, "terminal_type": codev1.TERMINAL_TYPE_PRINTED}
    ticket = await holder.backend.base.ApplyCode(applying(w, holder, scene_no=scene_no, **printed).request)
    made = await holder.redeem(ticket)
    await w.wuhan.operator.scene(scene_no, **rules)
    request = basev1.ReplaceCodeRequest(
        biz_serial=serial("act"), code_id=made.code.code_id, session_token=holder.token, reason="test"
    )
    return by_holder(w, holder, request)


@case(BASE + "ReplaceCode", "ASSURANCE_TOO_LOW")
async def replaced_where_more_is_asked_now(w: World) -> Attempt:
    return await _static_of_scene(w, WEAK, assurance_level=2)


@case(BASE + "ReplaceCode", "SCENE_NOT_ALLOWED")
async def replaced_where_only_companies_go_now(w: World) -> Attempt:
    return await _static_of_scene(w, 3, subject_kinds=[subject_pb2.SUBJECT_KIND_LEGAL_ENTITY])


@case(BASE + "ReplaceCode", "ACCOUNT_NOT_FOUND")
async def operator_replaces_what_is_left_of_an_account(w: World) -> Attempt:
    attempt = await GOOD[BASE + "ReplaceCode"](w)
    await _closed_first(w, attempt)
    attempt.request.session_token = ""
    attempt.channel = w.wuhan.as_operator("business-1")
    return attempt


async def _no_code(w: World, attempt: Attempt) -> None:
    attempt.request.code_text = "ZWM1.NOTHING"


async def of_tomorrow(w: World, attempt: Attempt) -> None:
    attempt.request.code_text = "ZWM2.ABCDEFGH"


varied("CODE_MALFORMED", each(BASE, "RenderCode", "DecodeCode"), _no_code)
varied("CODE_VERSION_UNSUPPORTED", each(BASE, "RenderCode", "DecodeCode"), of_tomorrow)
varied("SYMBOLOGY_UNSUPPORTED", each(BASE, "RenderCode"), setting(symbology=codev1.SYMBOLOGY_HAN_XIN))


# Reading codes.

_READING: Final = [APP + "ScanCode", BASE + "VerifyCode"]


async def _unknown_device(w: World, attempt: Attempt) -> None:
    attempt.metadata = (("govcode-device-id", f"nobodys-{w.number()}"),)


async def _a_device(w: World) -> str:
    device_id = f"scanner-{w.number()}"
    await w.wuhan.operator.scanner(device_id, app_id="counter-app")
    return device_id


async def _disabled_device(w: World, attempt: Attempt) -> None:
    device_id = await _a_device(w)
    desk = w.wuhan.operator
    await desk.stub.ChangeScannerState(
        businessv1.ChangeScannerStateRequest(
            biz_serial=serial("scanner"),
            device_id=device_id,
            state=registryv1.REGISTRATION_STATE_SUSPENDED,
            reason="test",
        )
    )
    attempt.metadata = (("govcode-device-id", device_id),)


async def disabled_application(w: World, attempt: Attempt) -> None:
    """Another application of the same organisation, suspended before it calls."""
    app_id = f"app-{w.number()}"
    desk = w.wuhan.operator
    listed = await _list_applications(w)
    owner = next(one.relying_party_id for one in listed if one.app_id == "counter-app")
    kind = registryv1.APPLICATION_KIND_RELYING_PARTY
    await desk.application(app_id, relying_party_id=owner, kind=kind, scene_nos=(1,))
    await desk.move_application(app_id, registryv1.REGISTRATION_STATE_SUSPENDED)
    attempt.channel = w.wuhan.as_app(app_id)


async def _list_applications(w: World) -> list[Any]:
    answer = await w.wuhan.operator.stub.ListApplications(businessv1.ListApplicationsRequest(page_size=1000))
    return list(answer.applications)


varied("DEVICE_UNKNOWN", [*_READING, BASE + "ResolveCode"], _unknown_device)
varied("DEVICE_DISABLED", [*_READING, BASE + "ResolveCode"], _disabled_device)
varied("APP_DISABLED", [*_READING, BASE + "ResolveCode"], disabled_application)
varied("SCAN_NOT_FOUND", each(BASE, "ResolveCode"), setting(scan_id="sc_" + "0" * 32))


async def too_late(w: World, attempt: Attempt) -> None:
    w.pass_time(timedelta(minutes=10, seconds=1))


async def _phone_too(w: World, attempt: Attempt) -> None:
    attempt.request.field_names.append("phone")


varied("SCAN_TOO_OLD", each(BASE, "ResolveCode"), too_late)
varied("SCOPE_DENIED", each(BASE, "ResolveCode"), _phone_too)


@case(BASE + "ResolveCode", "CROSS_REGION_UNSUPPORTED")
async def resolved_in_another_region(w: World) -> Attempt:
    scanned = await w.shanghai.counter.scan(await a_code(w))
    request = basev1.ResolveCodeRequest(scan_id=scanned.answer.scan_id, field_names=["name"])
    return Attempt(w.shanghai, w.shanghai.as_app("counter-app"), request)


# What is out of order, and too much.

_SCANS: Final = frozenset({"scans", "events"})


async def no_provider(w: World, attempt: Attempt) -> None:
    attempt.meanwhile = lambda: patched(w.wuhan.app.ground.provider, available=False)


async def no_store(w: World, attempt: Attempt) -> None:
    attempt.meanwhile = lambda: without_store(w.wuhan)


async def no_keys(w: World, attempt: Attempt) -> None:
    attempt.meanwhile = lambda: without_keys(w.wuhan)


async def _unsigned_scan(w: World, attempt: Attempt) -> None:
    """The scan is decided and kept before it is signed: asked again with the same serial, it is answered."""
    await no_keys(w, attempt)
    attempt.keeps = _SCANS


varied("IDENTITY_PROVIDER_UNAVAILABLE", [*_IDENTIFIED, *each(APP, "BeginIdentification")], no_provider)
varied("KEY_UNAVAILABLE", [*each(APP, "PresentCode"), *each(BASE, "MakeCode", "ReplaceCode")], no_keys)
varied("KEY_UNAVAILABLE", _READING, _unsigned_scan)
varied("STORE_UNAVAILABLE", _READING, no_store)


@case(APP + "PresentCode", "RATE_LIMITED")
async def presents_too_often(w: World) -> Attempt:
    attempt = await GOOD[APP + "PresentCode"](w)
    clock = w.wuhan.clock
    once = GcraLimiter(count=1, per=timedelta(hours=1), monotonic=clock.monotonic)
    limit = NamedLimit(once, limit="subject")
    attempt.meanwhile = lambda: patched(w.wuhan.app.steps.presentation, _subject_limit=limit)
    async with attempt.meanwhile():
        await begin(attempt.channel, APP + "PresentCode", request=attempt.request)
    return attempt


def _too_often(method: str) -> None:
    """A device that may call twice an hour calls a third time."""

    async def make(w: World) -> Attempt:
        attempt = await GOOD[method](w)
        attempt.metadata = (("govcode-device-id", await _a_device(w)),)
        for _ in range(2):
            good = await GOOD[method](w)
            await begin(good.channel, method, request=good.request, metadata=attempt.metadata)
        return attempt

    case(method, "RATE_LIMITED")(make)


for _method in [*_READING, BASE + "ApplyCode"]:
    _too_often(_method)


@case(APP + "WatchEvents", "STREAM_LIMIT_REACHED")
async def watches_too_often(w: World) -> Attempt:
    attempt = await GOOD[APP + "WatchEvents"](w)
    attempt.meanwhile = lambda: crowded(attempt.channel, APP + "WatchEvents", attempt.request)
    return attempt
