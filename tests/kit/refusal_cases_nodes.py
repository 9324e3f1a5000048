"""Refusals about nodes and registrations: routing, what nodes ask each other, the hub, business management."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from govcode.common.v1 import evidence_pb2
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import RegisteredNode
from govcode_node.domain.rate_limits import GcraLimiter, NamedLimit
from govcode_node.domain.recognition import REQUEST_WINDOW
from kit.federation import SHANGHAI, WUHAN, loop_of
from kit.good_calls import (
    BUSINESS,
    FEDERATION,
    GOOD,
    HUB_SERVICE,
    ROUTING,
    Attempt,
    World,
    a_code,
    asking,
    at_hub,
)
from kit.hub_fakes import NodeKit
from kit.questions import moved
from kit.refusal_registry import case, crowded, each, patched, setting, varied, without_keys, without_store
from kit.serving import begin

RECOGNIZE = FEDERATION + "RecognizeCode"
FAR_AWAY = "990100"
"""A region that nobody is home to."""


# Routes and the bundle.


async def _without_hub(w: World, attempt: Attempt) -> None:
    attempt.node, attempt.channel = w.lone, w.lone.as_operator("business-1")


varied("TRUST_BUNDLE_MISSING", each(ROUTING, "ResolveRoute", "ListRoutes", "GetTrustBundle"), _without_hub)
varied("NO_ROUTE", [ROUTING + "ResolveRoute", HUB_SERVICE + "ResolveRoute"], setting(region_code=FAR_AWAY))


async def _before_the_first_bundle(w: World, attempt: Attempt) -> None:
    """The hub has made no bundle yet, which its start does not leave so for long."""

    async def nothing() -> int:
        return 0

    registry = loop_of(w.hub, "bundle reissue")._step.__self__  # type: ignore[attr-defined]
    attempt.meanwhile = lambda: patched(registry, _newest=None, catch_up=nothing, issue_bundle=nothing)


varied("TRUST_BUNDLE_MISSING", each(HUB_SERVICE, "GetTrustBundle", "WatchTrustBundle"), _before_the_first_bundle)


# What nodes ask each other.


async def _broken_signature(w: World, attempt: Attempt) -> None:
    _break(attempt.request.request)


def _break(evidence: evidence_pb2.Evidence) -> None:
    if evidence.HasField("sm2_signature"):
        evidence.sm2_signature = bytes([evidence.sm2_signature[0] ^ 1]) + evidence.sm2_signature[1:]
    else:
        evidence.payload += b"\x00"


async def _old(w: World, attempt: Attempt) -> None:
    w.pass_time(REQUEST_WINDOW + timedelta(seconds=1))


varied("EVIDENCE_INVALID", [RECOGNIZE], _broken_signature)
varied("EVIDENCE_STALE", [RECOGNIZE], _old)


async def _hops(attempt: Attempt, *hops: str) -> Attempt:
    del attempt.request.hops[:]
    attempt.request.hops.extend(hops)
    return attempt


@case(RECOGNIZE, "IDENTITY_MISMATCH")
async def passed_on_by_somebody_else(w: World) -> Attempt:
    return await _hops(await GOOD[RECOGNIZE](w), SHANGHAI, "330000")


@case(RECOGNIZE, "LOOP_DETECTED")
async def been_here_before(w: World) -> Attempt:
    return await _hops(await GOOD[RECOGNIZE](w), WUHAN, SHANGHAI)


@case(RECOGNIZE, "HOP_LIMIT")
async def sixth_hop(w: World) -> Attempt:
    way = [f"33{number}000" for number in range(1, 6)]
    return await _hops(await GOOD[RECOGNIZE](w), *way, SHANGHAI)


@case(RECOGNIZE, "NO_ROUTE")
async def code_of_nowhere(w: World) -> Attempt:
    return await asking(w, moved(await a_code(w), FAR_AWAY), home_node=FAR_AWAY)


@case(RECOGNIZE, "HOME_NODE_UNREACHABLE")
async def code_of_a_node_that_is_away(w: World) -> Attempt:
    away = await w.joined(w.new_node(endpoints=("127.0.0.1:9",)))
    return await asking(w, moved(await a_code(w), away.node_id), home_node=away.node_id)


@case(RECOGNIZE, "NODE_SUSPENDED")
async def question_of_a_suspended_node(w: World) -> Attempt:
    kit = await w.suspended(w.new_node())
    attempt = await asking(w, await a_code(w), visited_node=kit.node_id)
    asked = attempt.request.request
    signed = await kit.signer.attest(EvidencePurpose.RECOGNIZE_REQUEST, asked.payload_type, asked.payload)
    asked.node_id, asked.key_id = kit.node_id, signed.key_id
    asked.sm2_signature = signed.proof.signature  # type: ignore[union-attr]
    return await _hops(attempt, kit.node_id, SHANGHAI)


@case(RECOGNIZE, "RATE_LIMITED")
async def asks_too_often(w: World) -> Attempt:
    once = GcraLimiter(count=1, per=timedelta(hours=1), monotonic=w.wuhan.clock.monotonic)
    limit = NamedLimit(once, limit="peer")
    first, second = await GOOD[RECOGNIZE](w), await GOOD[RECOGNIZE](w)
    second.meanwhile = lambda: patched(w.wuhan.app.steps.recognition, _peer_limit=limit)
    async with second.meanwhile():
        await begin(first.channel, RECOGNIZE, request=first.request)
    return second


async def _no_store(w: World, attempt: Attempt) -> None:
    attempt.meanwhile = lambda: _some_time_without(w, without_store(w.wuhan))


async def _no_keys(w: World, attempt: Attempt) -> None:
    """What was found about a code is kept before it is signed: asked again with the same serial, it is answered."""
    attempt.meanwhile = lambda: _some_time_without(w, without_keys(w.wuhan))
    attempt.keeps = frozenset({"scans", "events"})


@asynccontextmanager
async def _some_time_without(w: World, outage: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Out of order for so long that a list made before is not given out any more."""
    async with outage:
        w.pass_time(timedelta(seconds=10))
        yield


varied("STORE_UNAVAILABLE", each(FEDERATION, "RecognizeCode", "GetRevocationList"), _no_store)
varied("KEY_UNAVAILABLE", each(FEDERATION, "RecognizeCode", "GetRevocationList"), _no_keys)


# The hub.


@case(HUB_SERVICE + "RegisterNode", "EVIDENCE_INVALID")
async def registration_that_was_changed(w: World) -> Attempt:
    attempt = await GOOD[HUB_SERVICE + "RegisterNode"](w)
    _break(attempt.request.registration)
    return attempt


@case(HUB_SERVICE + "RegisterNode", "IDENTITY_MISMATCH")
async def registration_of_another(w: World) -> Attempt:
    attempt = await GOOD[HUB_SERVICE + "RegisterNode"](w)
    attempt.channel = w.hub.as_node(SHANGHAI)
    return attempt


@case(HUB_SERVICE + "RegisterNode", "PREFIX_CONFLICT")
async def prefix_of_wuhan(w: World) -> Attempt:
    kit = w.new_node(prefixes=("4201",))
    return at_hub(w, w.hub.as_node(kit.node_id), await w.registration_of(kit))


@case(HUB_SERVICE + "RegisterNode", "NODE_SUSPENDED")
async def suspended_node_registers(w: World) -> Attempt:
    kit = await w.suspended(w.new_node())
    return at_hub(w, w.hub.as_node(kit.node_id), await w.registration_of(kit, software_version="9.9.9"))


varied("NODE_UNKNOWN", each(HUB_SERVICE, "ApproveNode", "SuspendNode", "GetNodeStatus"), setting(node_id=FAR_AWAY))
varied("NODE_STATE_CONFLICT", each(HUB_SERVICE, "ApproveNode"), setting(signing_key_id="0" * 16))


@case(HUB_SERVICE + "SuspendNode", "NODE_STATE_CONFLICT")
async def suspended_twice(w: World) -> Attempt:
    kit = await w.suspended(w.new_node())
    request = hubv1.SuspendNodeRequest(node_id=kit.node_id, reason="test")
    return at_hub(w, w.hub.as_operator("security-1"), request)


@case(HUB_SERVICE + "ApproveNode", "PREFIX_CONFLICT")
async def prefix_taken_behind_the_registry(w: World) -> Attempt:
    """A row that another program wrote: the registry itself admits no second node with a prefix."""
    attempt = await GOOD[HUB_SERVICE + "ApproveNode"](w)
    node_id = attempt.request.node_id

    def write(tx: Any) -> None:
        waiting: RegisteredNode = tx.hub.node(node_id)
        tx.hub.put_node(replace(waiting, prefixes=("4201",)))

    await w.hub.app.database.run(write)
    attempt.request.prefixes[:] = ["4201"]
    return attempt


async def _of_another_node(w: World, attempt: Attempt) -> None:
    attempt.request.status.node_id = WUHAN


async def _summary_of_a_stranger(w: World, attempt: Attempt) -> None:
    """A summary in Shanghai's name, signed with a key that is not Shanghai's."""
    clock: Any = w.hub.clock
    minute = w.hub.clock.now().replace(second=0, microsecond=0) - timedelta(minutes=2)
    evidence = await NodeKit(SHANGHAI, clock).signed_summary(minute)
    attempt.request.summary.CopyFrom(evidence_pb2.Evidence.FromString(evidence))


varied("IDENTITY_MISMATCH", each(HUB_SERVICE, "ReportNodeStatus"), _of_another_node)
varied("EVIDENCE_INVALID", each(HUB_SERVICE, "ReportNodeStatus"), _summary_of_a_stranger)


def _too_many_streams(method: str) -> None:
    async def make(w: World) -> Attempt:
        attempt = await GOOD[method](w)
        attempt.meanwhile = lambda: crowded(attempt.channel, method, attempt.request)
        return attempt

    case(method, "STREAM_LIMIT_REACHED")(make)


for _method in each(HUB_SERVICE, "WatchTrustBundle", "WatchNodeStatuses", "ReportNodeStatus"):
    _too_many_streams(_method)


# What operators register.


def _twice(method: str) -> None:
    """The same registration under a new serial."""

    async def make(w: World) -> Attempt:
        attempt = await GOOD[method](w)
        await begin(attempt.channel, method, request=attempt.request)
        attempt.request.biz_serial += "-again"
        return attempt

    case(method, "DUPLICATE")(make)


for _method in each(BUSINESS, "RegisterRelyingParty", "RegisterApplication", "RegisterScanner"):
    _twice(_method)


async def _wrong_uscc(w: World, attempt: Attempt) -> None:
    attempt.request.relying_party.uscc = "91420100MA9T00000X"
    attempt.field = "uscc"


async def _unknown_party(w: World, attempt: Attempt) -> None:
    attempt.request.application.relying_party_id = "rp_" + "0" * 32


async def _unknown_application(w: World, attempt: Attempt) -> None:
    attempt.request.scanner.app_id = "nobodys-app"


async def _unknown_scene(w: World, attempt: Attempt) -> None:
    attempt.request.application.scene_nos.append(999)


async def _too_long_valid(w: World, attempt: Attempt) -> None:
    attempt.request.scene.validity.CopyFrom(Duration(seconds=601))


async def _unknown_account(w: World, attempt: Attempt) -> None:
    attempt.request.relation.dependant_account_id = "ac_" + "0" * 32


varied("USCC_INVALID", each(BUSINESS, "RegisterRelyingParty"), _wrong_uscc)
varied("PARTY_UNKNOWN", each(BUSINESS, "RegisterApplication"), _unknown_party)
varied("PARTY_UNKNOWN", each(BUSINESS, "RegisterScanner"), _unknown_application)
varied("PARTY_UNKNOWN", each(BUSINESS, "ChangeRelyingPartyState"), setting(relying_party_id="rp_" + "0" * 32))
varied("PARTY_UNKNOWN", each(BUSINESS, "ChangeApplicationState"), setting(app_id="nobodys-app"))
varied("PARTY_UNKNOWN", each(BUSINESS, "ChangeScannerState"), setting(device_id="nobodys-scanner"))
varied("SCENE_UNKNOWN", each(BUSINESS, "RegisterApplication"), _unknown_scene)
varied("SCENE_RULE_OUT_OF_BOUNDS", each(BUSINESS, "RegisterScene"), _too_long_valid)
varied("ACCOUNT_NOT_FOUND", each(BUSINESS, "RegisterRelation"), _unknown_account)
varied("RELATION_UNKNOWN", each(BUSINESS, "CancelRelation"), setting(relation_id="re_" + "0" * 32))
varied(
    "REGISTRATION_STATE_CONFLICT",
    each(BUSINESS, "ChangeRelyingPartyState", "ChangeApplicationState", "ChangeScannerState"),
    setting(state=1),
)
