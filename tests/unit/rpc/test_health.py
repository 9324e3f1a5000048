"""Health tells what was tried, not what is hoped."""

import asyncio

import pytest
from govcode_node.rpc.health import NodeHealth
from grpc_health.v1.health_pb2 import HealthCheckResponse
from kit.clocks import MovableClock

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


class Part:
    """A part of a node that can be broken."""

    def __init__(self) -> None:
        self.broken = False
        self.tried = 0
        self.hold: asyncio.Event | None = None

    async def check(self) -> None:
        self.tried += 1
        if self.hold:
            await self.hold.wait()
        if self.broken:
            raise RuntimeError


class Node:
    def __init__(self) -> None:
        self.clock = MovableClock()
        self.store, self.key = Part(), Part()
        self.health = NodeHealth(
            checks={"store": self.store.check, "signing key": self.key.check},
            needs={"routing": ("store",), "code": ("store", "signing key")},
            clock=self.clock,
        )


async def test_before_anything_was_tried_nothing_serves() -> None:
    assert Node().health.status("") == NOT_SERVING


async def test_a_service_serves_while_all_that_it_needs_works() -> None:
    node = Node()
    await node.health.refresh()
    assert [node.health.status(name) for name in ("", "code", "routing")] == [SERVING] * 3
    node.key.broken = True
    await node.health.refresh()
    assert [node.health.status(name) for name in ("", "code", "routing")] == [NOT_SERVING, NOT_SERVING, SERVING]
    node.key.broken = False
    await node.health.refresh()
    assert node.health.status("code") == SERVING


async def test_an_unknown_service_is_unknown() -> None:
    assert Node().health.status("other") == HealthCheckResponse.SERVICE_UNKNOWN


async def test_fresh_results_are_not_asked_for_again() -> None:
    node = Node()
    await node.health.refresh(older_than=1)
    await node.health.refresh(older_than=1)
    assert node.store.tried == 1
    node.clock.advance(1.5)
    await node.health.refresh(older_than=1)
    assert node.store.tried == 2


async def test_however_many_ask_the_parts_are_tried_once() -> None:
    node = Node()
    node.store.hold = asyncio.Event()
    asking = [asyncio.create_task(node.health.refresh()) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    node.store.hold.set()
    await asyncio.gather(*asking, return_exceptions=True)
    assert node.store.tried == 1
    assert node.health.status("") == SERVING


async def test_a_part_that_hangs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govcode_node.rpc.health.CHECK_TIMEOUT_SECONDS", 0.01)
    node = Node()
    node.store.hold = asyncio.Event()
    await node.health.refresh()
    assert node.health.status("routing") == NOT_SERVING


async def test_watchers_see_each_change_once_and_draining_is_for_good() -> None:
    node = Node()
    seen = []

    async def watch() -> None:
        async for status in node.health.changes("code"):
            seen.append(status)

    watching = asyncio.create_task(watch())
    for broken in (False, False, True, False):
        node.key.broken = broken
        await node.health.refresh()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    node.health.drain()
    await node.health.refresh()
    await asyncio.sleep(0)
    watching.cancel()
    assert seen == [NOT_SERVING, SERVING, NOT_SERVING, SERVING, NOT_SERVING]
    assert node.health.status("") == NOT_SERVING
