"""Who belongs to the federation: only whom the hub's security operators have let in (7.3-01, 7.3-05, 7.3-07)."""

import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode.common.v1 import verdict_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.identities import CallerClass
from kit.federation import (
    BEIJING,
    SHANGHAI,
    WUHAN,
    Federation,
    audit_of,
    bundle_of,
    held_version,
    hub_of,
    open_federation,
    signing_key,
)
from kit.nodes import until
from kit.players import synthetic_people
from kit.questions import federation_service, question, registration
from kit.serving import reason_of

OPERATORS_WITHOUT_LEAVE = ("business-1", "audit-1")


@pytest.mark.req("7.3-01")
async def test_a_node_without_approval_is_refused_by_the_hub_and_by_every_peer(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, parties=False) as federation:
        wuhan = await federation.start(WUHAN)
        await wuhan.register_parties()
        await federation.shanghai.register_parties()
        await federation.registered(WUHAN)
        at_hub = hub_of(federation.hub.as_node(WUHAN))
        for refused in (
            at_hub.GetTrustBundle(hubv1.GetTrustBundleRequest()),
            at_hub.ListNodeStatuses(hubv1.ListNodeStatusesRequest()),
            at_hub.ResolveRoute(hubv1.ResolveRouteRequest(region_code=SHANGHAI)),
        ):
            await _is_refused(refused)
        peer = federation_service(federation.shanghai.as_node(WUHAN))
        asked = await question(wuhan, SHANGHAI, "ZWM1.X")
        for refused in (
            peer.RecognizeCode(asked),
            peer.GetNode(federationv1.GetNodeRequest()),
            peer.GetRevocationList(federationv1.GetRevocationListRequest()),
        ):
            await _is_refused(refused)
        # Nor do others know of it: its codes have no home, and the codes of others none that it could ask.
        assert bundle_of(federation.shanghai).node(WUHAN) is None
        holder = await wuhan.holders.open_account(synthetic_people()["张样例"])
        answer = await federation.shanghai.counter.scan((await holder.present()).code.code_text)
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_ISSUER_UNKNOWN
        await federation.everywhere(await federation.approve(WUHAN))
        assert (await peer.GetNode(federationv1.GetNodeRequest())).node_id == SHANGHAI
        answer = await federation.shanghai.counter.scan((await holder.present()).code.code_text)
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_VALID


@pytest.mark.req("7.3-01")
async def test_the_first_bundle_comes_soon_after_approval(tmp_path: Path) -> None:
    async with open_federation(tmp_path, parties=False) as federation:
        wuhan = await federation.start(WUHAN)
        await federation.registered(WUHAN)
        version = await federation.approve(WUHAN)
        begun = time.monotonic()
        await until(lambda: held_version(wuhan) >= version)
        assert time.monotonic() - begun < 5


async def _is_refused(call: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(refused.value) == "NODE_NOT_APPROVED"


@pytest.mark.req("7.3-01")
async def test_approval_needs_the_key_that_the_nodes_operators_told_by_another_way(tmp_path: Path) -> None:
    async with open_federation(tmp_path, parties=False) as federation:
        await federation.start(WUHAN)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await federation.approve(WUHAN, key_id="0123456789abcdef")
        assert reason_of(refused.value) == "NODE_STATE_CONFLICT"
        assert not await audit_of(federation.hub, action=AuditAction.NODE_APPROVED)
        version = await federation.approve(WUHAN)
        (approved,) = await audit_of(federation.hub, action=AuditAction.NODE_APPROVED)
        assert (approved.entry.actor, approved.entry.object) == ("security-1", WUHAN)
        assert approved.entry.details["signing_key_id"] == signing_key(federation.wuhan)
        await federation.everywhere(version)


@pytest.mark.req("7.3-05")
async def test_a_prefix_that_another_node_has_is_refused(tmp_path: Path) -> None:
    async with open_federation(tmp_path, WUHAN, parties=False) as federation:
        # A province around the city is no conflict; the city's own prefix is.
        hubei = await federation.start("420000")
        await federation.registered("420000")
        greedy = await registration(hubei, prefixes=("42", "4201"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await hub_of(federation.hub.as_node("420000")).RegisterNode(greedy)
        assert reason_of(refused.value) == "PREFIX_CONFLICT"
        await federation.everywhere(await federation.approve("420000"))
        routes = bundle_of(federation.wuhan).routes
        assert [(route.prefix, route.node_id) for route in routes] == [("42", "420000"), ("4201", WUHAN)]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.req("7.3-01")
async def test_only_the_hubs_security_operators_let_nodes_in_or_out(federation: Federation) -> None:
    approve = hubv1.ApproveNodeRequest(
        node_id=WUHAN, signing_key_id=signing_key(federation.wuhan), prefixes=federation.wuhan.app.node.prefixes
    )
    suspend = hubv1.SuspendNodeRequest(node_id=WUHAN, reason="test")
    hub, pki = federation.hub, federation.hub.pki
    strangers = [
        *(hub.as_operator(name) for name in OPERATORS_WITHOUT_LEAVE),
        hub.as_node(BEIJING),
        hub.as_node(WUHAN),
        hub.channel(pki.issue(CallerClass.OPERATOR, "security-1", region=BEIJING)),
        hub.as_operator("security-9"),
    ]
    for channel in strangers:
        for call in (hub_of(channel).ApproveNode(approve), hub_of(channel).SuspendNode(suspend)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
    assert bundle_of(federation.hub).node(WUHAN) is not None


@pytest.mark.req("7.3-07")
async def test_a_suspended_node_is_out_everywhere_within_seconds_and_comes_back_by_approval(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        holder = await federation.holder(WUHAN)
        signed = (await holder.present(profile=2)).code.code_text
        local = await (await federation.holder(SHANGHAI, "李示范")).present()
        version = await federation.suspend(WUHAN)
        begun = time.monotonic()
        await until(lambda: held_version(federation.shanghai) >= version)
        assert time.monotonic() - begun < 5
        # Its codes are refused, in every scene; and it may ask nobody any more.
        for scene_no in (1, 3):
            answer = await federation.shanghai.counter.scan(signed, scene_no=scene_no)
            assert answer.verdict.outcome == verdict_pb2.OUTCOME_ISSUER_SUSPENDED
            assert answer.verdict.decision == verdict_pb2.DECISION_REJECT
        asked = await question(federation.wuhan, SHANGHAI, local.code.code_text)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await federation_service(federation.shanghai.as_node(WUHAN)).RecognizeCode(asked)
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        answer = await federation.wuhan.counter.scan(local.code.code_text)
        assert answer.verdict.decision != verdict_pb2.DECISION_ACCEPT
        # What it does for its own citizens goes on.
        answer = await federation.wuhan.counter.scan((await holder.present()).code.code_text)
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_VALID
        await federation.everywhere(await federation.approve(WUHAN))
        answer = await federation.shanghai.counter.scan((await holder.present()).code.code_text)
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_VALID
