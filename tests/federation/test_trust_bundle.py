"""What may become a node's trust bundle: only a newer one that the hub signed, whole; and how fast it arrives."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from govcode.common.v1 import evidence_pb2
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode_node.config import Config
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.nodes import NodeState
from govcode_node.domain.routes import TrustBundle
from govcode_node.wire.trust import trust_bundle_to_proto
from kit.federation import (
    SHANGHAI,
    WUHAN,
    audit_of,
    bundle_of,
    held_version,
    open_federation,
)
from kit.nodes import RunningNode, until
from kit.scripted_hub import ScriptedHub, bundle_with, signed, trust_in

ROUTES = {"31": SHANGHAI}


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with ScriptedHub() as hub:
        yield hub


@pytest.fixture
async def shanghai(hub: ScriptedHub, tmp_path: Path) -> AsyncIterator[RunningNode]:
    """Shanghai, which holds version 5 of a hub that may say anything."""
    node = await hub.run_node(tmp_path, SHANGHAI)
    hub.offer(await signed(bundle_with(trust_in(node), version=5, routes=ROUTES)))
    await until(lambda: held_version(node) == 5)
    yield node
    await node.close()


async def refusals(node: RunningNode) -> list[str]:
    records = await audit_of(node, action=AuditAction.BUNDLE_REFUSED)
    return [record.entry.details["why"] for record in records]


async def is_refused(hub: ScriptedHub, node: RunningNode, evidence: bytes) -> str:
    """Offer a bundle; the reason of its refusal, after which the old one stands, in memory and on disk."""
    held, kept, before = bundle_of(node), node.config.trust.bundle_file.read_bytes(), await refusals(node)
    hub.offer(evidence)
    why = ""
    async with asyncio.timeout(10):
        while not why:
            why = next((reason for reason in await refusals(node) if reason not in before), "")
    assert bundle_of(node) is held
    assert node.config.trust.bundle_file.read_bytes() == kept
    return why


@pytest.mark.req("7.3-03", "7.3-05")
async def test_a_bundle_that_is_older_forged_altered_or_contradicts_itself_is_refused_with_an_audit_entry(
    hub: ScriptedHub, shanghai: RunningNode
) -> None:
    def version(number: int) -> TrustBundle:
        return bundle_with(trust_in(shanghai), version=number, routes=ROUTES)

    assert "version 4" in await is_refused(hub, shanghai, await signed(version(4)))
    assert await is_refused(hub, shanghai, await signed(version(6), key="somebody else"))
    altered = evidence_pb2.Evidence.FromString(await signed(version(6)))
    altered.payload = altered.payload.replace(b"310000", b"320000")
    assert await is_refused(hub, shanghai, altered.SerializeToString())
    unsigned = evidence_pb2.Evidence.FromString(await signed(version(6)))
    unsigned.ClearField("sm2_signature")
    assert await is_refused(hub, shanghai, unsigned.SerializeToString())
    twice = trust_bundle_to_proto(version(6))
    twice.routes.append(trustv1.RouteEntry(prefix="31", node_id=SHANGHAI))
    assert "31" in await is_refused(hub, shanghai, await signed(twice))
    nowhere = trust_bundle_to_proto(version(6))
    nowhere.routes.append(trustv1.RouteEntry(prefix="65", node_id="650000"))
    assert "65" in await is_refused(hub, shanghai, await signed(nowhere))
    # After all that an honest one is taken, whole.
    hub.offer(await signed(replace(version(6), nodes=(trust_in(shanghai, state=NodeState.SUSPENDED),))))
    await until(lambda: held_version(shanghai) == 6)
    node = bundle_of(shanghai).node(SHANGHAI)
    assert node is not None
    assert node.state is NodeState.SUSPENDED


@pytest.mark.req("7.3-03")
async def test_the_same_version_made_again_replaces_the_older_making(hub: ScriptedHub, shanghai: RunningNode) -> None:
    before = bundle_of(shanghai).issued_at
    again = bundle_with(trust_in(shanghai), version=5, routes=ROUTES)
    hub.offer(await signed(again))
    await until(lambda: bundle_of(shanghai).issued_at > before)
    backdated = bundle_with(trust_in(shanghai), version=5, routes=ROUTES, age=timedelta(minutes=5))
    assert await is_refused(hub, shanghai, await signed(backdated))


@pytest.mark.req("7.3-03")
async def test_a_bundle_of_a_newer_release_is_read_as_far_as_it_is_understood(
    hub: ScriptedHub, shanghai: RunningNode
) -> None:
    message = trust_bundle_to_proto(bundle_with(trust_in(shanghai), version=7, routes=ROUTES))
    message.nodes[0].keys.add(key_id="0123456789abcdef", purpose=99, public_key=b"\x04" * 65)
    message.nodes[0].MergeFromString(b"\xfa\x3e\x03new")
    message.MergeFromString(b"\xfa\x3e\x03new")
    hub.offer(await signed(message))
    await until(lambda: held_version(shanghai) == 7)
    node = bundle_of(shanghai).node(SHANGHAI)
    assert node is not None
    assert [key.key_id for key in node.keys] == [key.key_id for key in trust_in(shanghai).keys]


@pytest.mark.req("7.3-03")
async def test_the_route_of_a_new_node_is_pushed_to_the_others_within_two_seconds(tmp_path: Path) -> None:
    def without_polling(config: Config) -> Config:
        return replace(config, trust=replace(config.trust, poll_interval=timedelta(minutes=30)))

    async with open_federation(tmp_path, SHANGHAI, changes=without_polling, parties=False) as federation:
        await federation.start(WUHAN)
        await federation.registered(WUHAN)
        begun = time.monotonic()
        version = await federation.approve(WUHAN)
        await until(lambda: held_version(federation.shanghai) >= version)
        assert time.monotonic() - begun < 2
        assert [route.node_id for route in bundle_of(federation.shanghai).routes] == [SHANGHAI, WUHAN]
