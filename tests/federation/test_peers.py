"""Calls between nodes over real mutual TLS: who may answer, how long it may take, and whom a bad peer may slow."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.nodes import NodeState, NodeSuspendedError
from govcode_node.domain.recognition import (
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    HopLimitError,
    LoopDetectedError,
    PeerAnswerRefusedError,
    PeerRefusedError,
)
from govcode_node.domain.routes import NoRouteError
from kit.peer_caller import CALL, NOWHERE, REQUEST, PeerCaller, until
from kit.peer_servers import Refusing, echo, hang


@pytest.fixture
async def caller() -> AsyncIterator[PeerCaller]:
    caller = PeerCaller()
    yield caller
    await caller.close()


async def test_request_and_answer_travel_unchanged(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    assert await caller.ask() == b"re:who"
    (seen,) = server.seen
    assert seen.request.request.SerializeToString() == REQUEST
    assert list(seen.request.hops) == ["110000"]


@pytest.mark.req("7.3-09")
async def test_trace_and_request_id_travel_on_and_the_remaining_time_shrinks(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    await caller.ask(call=caller.within(1.0))
    await caller.ask(call=caller.within(60.0))
    await caller.ask()
    for seen in server.seen:
        assert seen.metadata["traceparent"] == CALL.metadata["traceparent"]
        assert seen.metadata["govcode-request-id"] == CALL.request_id
        assert seen.metadata["govcode-protocol"] == "1"
    tight, wide, without = (seen.time_left for seen in server.seen)
    assert 0 < tight <= 0.98
    # grpcio rounds the time that it sends up a little.
    assert 1 < wide <= 2.05
    assert 1 < without <= 2.05


@pytest.mark.req("7.3-09")
async def test_caller_without_time_left_is_answered_without_a_call(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    with pytest.raises(HomeNodeTimeoutError):
        await caller.ask(call=caller.within(0.03))
    assert not server.seen
    assert await caller.ask() == b"re:who"


@pytest.mark.req("7.3-01")
async def test_node_that_is_not_in_the_bundle_is_not_called(caller: PeerCaller) -> None:
    server = await caller.server("420100")
    caller.know("310000", NOWHERE)
    with pytest.raises(HomeNodeUnreachableError):
        await caller.ask("420100")
    caller.know("420100", server.endpoint, state=NodeState.SUSPENDED)
    with pytest.raises(NodeSuspendedError):
        await caller.ask("420100")
    assert not server.seen


@pytest.mark.req("6.2-03")
async def test_other_node_that_answers_at_the_address_is_refused_by_the_handshake(caller: PeerCaller) -> None:
    impostor = await caller.server("310000")
    caller.know("420100", impostor.endpoint)
    with pytest.raises(HomeNodeUnreachableError):
        await caller.ask("420100")
    assert not impostor.seen


@pytest.mark.req("6.2-03")
async def test_certificate_of_a_region_authority_with_the_right_name_is_refused(caller: PeerCaller) -> None:
    forged = caller.pki.authority("310000").issue(
        ["spiffe://federation.govcode/node/420100"],
        now=caller.pki.now,
        server=True,
        hosts=("127.0.0.1", "420100.node.federation.govcode"),
    )
    impostor = await caller.server("420100", forged)
    caller.know("420100", impostor.endpoint)
    with pytest.raises(HomeNodeUnreachableError):
        await caller.ask("420100")
    assert not impostor.seen


@pytest.mark.req("6.2-10")
async def test_hung_peer_uses_up_its_own_permits_and_slows_nobody_else(caller: PeerCaller) -> None:
    caller.make_peers(concurrency=8, endpoint_timeout=30.0)
    hung = await caller.peer("310000")
    hung.answering = hang
    await caller.peer("420100")
    stuck = [asyncio.create_task(caller.ask("310000")) for _ in range(8)]
    await until(lambda: hung.waiting == 8)
    begun = time.monotonic()
    with pytest.raises(HomeNodeUnreachableError):
        await caller.ask("310000")
    assert time.monotonic() - begun < 1
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(caller.ask("420100") for _ in range(8))) == [b"re:who"] * 8
    assert hung.waiting == 8
    for task in stuck:
        task.cancel()
    await asyncio.wait(stuck)


@pytest.mark.req("6.2-10")
async def test_peer_that_is_late_is_left_alone_for_a_while_and_tried_again(caller: PeerCaller) -> None:
    caller.make_peers(endpoint_timeout=0.1, breaker_failures=3, breaker_open=10.0)
    server = await caller.peer("420100")
    server.answering = hang
    for _ in range(3):
        with pytest.raises(HomeNodeTimeoutError):
            await caller.ask()
    with pytest.raises(HomeNodeUnreachableError):
        await caller.ask()
    assert len(server.seen) == 3
    (condition,) = caller.peers.conditions()
    assert not condition.available
    server.answering = echo
    caller.clock.advance(10)
    assert await caller.ask() == b"re:who"
    assert caller.peers.conditions()[0].available


async def test_caller_in_a_hurry_does_not_open_the_breaker(caller: PeerCaller) -> None:
    caller.make_peers(endpoint_timeout=2.0, breaker_failures=1)
    server = await caller.peer("420100")
    server.answering = hang
    for _ in range(3):
        with pytest.raises(HomeNodeTimeoutError):
            await caller.ask(call=caller.within(0.1))
    assert caller.peers.conditions()[0].available


async def test_cancelled_caller_gives_its_permit_back_and_counts_for_nothing(caller: PeerCaller) -> None:
    caller.make_peers(concurrency=1, breaker_failures=1, endpoint_timeout=30.0)
    server = await caller.peer("420100")
    server.answering = hang
    for round_ in range(3):
        task = asyncio.create_task(caller.ask())
        await until(lambda expected=round_ + 1: len(server.seen) == expected)  # type: ignore[misc]
        task.cancel()
        await asyncio.wait({task})
    server.answering = echo
    assert await caller.ask() == b"re:who"


@pytest.mark.req("7.3-06")
async def test_endpoint_that_dies_under_load_costs_no_caller_anything(caller: PeerCaller) -> None:
    first, second = await caller.server("420100"), await caller.server("420100")
    caller.know("420100", first.endpoint, second.endpoint)

    async def load() -> list[bytes]:
        return [await caller.ask() for _ in range(20)]

    running = [asyncio.create_task(load()) for _ in range(4)]
    await until(lambda: len(first.seen) >= 10)
    await first.stop()
    answers = await asyncio.gather(*running)
    assert answers == [[b"re:who"] * 20] * 4
    assert second.seen


async def test_endpoint_that_failed_is_tried_last_until_it_has_rested(caller: PeerCaller) -> None:
    second = await caller.server("420100")
    first = await caller.server("420100")
    caller.know("420100", first.endpoint, second.endpoint)
    first.answering = Refusing(grpc.StatusCode.UNAVAILABLE, "DRAINING")
    for _ in range(3):
        await caller.ask()
    assert (len(first.seen), len(second.seen)) == (1, 3)
    first.answering = echo
    caller.clock.advance(10.1)
    await caller.ask()
    assert (len(first.seen), len(second.seen)) == (2, 3)


@pytest.mark.req("7.3-06")
async def test_second_endpoint_is_the_last_that_is_tried(caller: PeerCaller) -> None:
    servers = [await caller.server("420100") for _ in range(3)]
    caller.know("420100", *(server.endpoint for server in servers))
    for server in servers[:2]:
        server.answering = Refusing(grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(HomeNodeUnreachableError):
        await caller.ask()
    assert [len(server.seen) for server in servers] == [1, 1, 0]


REFUSALS: list[tuple[Refusing, type[GovcodeError], dict[str, Any]]] = [
    (
        Refusing(grpc.StatusCode.FAILED_PRECONDITION, "LOOP_DETECTED", {"hops": "1,2"}),
        LoopDetectedError,
        {"hops": "1,2"},
    ),
    (Refusing(grpc.StatusCode.FAILED_PRECONDITION, "HOP_LIMIT", {"hops": "1,2"}), HopLimitError, {"hops": "1,2"}),
    (Refusing(grpc.StatusCode.NOT_FOUND, "NO_ROUTE", {"region_code": "990000"}), NoRouteError, {}),
    (
        Refusing(grpc.StatusCode.PERMISSION_DENIED, "NODE_SUSPENDED", {"node_id": "110000"}),
        NodeSuspendedError,
        {"node_id": "110000"},
    ),
    (
        Refusing(grpc.StatusCode.UNAVAILABLE, "HOME_NODE_UNREACHABLE", {"node_id": "430000"}),
        HomeNodeUnreachableError,
        {"node_id": "430000"},
    ),
    (
        Refusing(grpc.StatusCode.DEADLINE_EXCEEDED, "HOME_NODE_UNREACHABLE", {"node_id": "430000"}),
        HomeNodeTimeoutError,
        {"node_id": "430000"},
    ),
    (
        Refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", {"limit": "peer"}),
        PeerRefusedError,
        {"node_id": "420100", "status_code": 8, "reason": "RATE_LIMITED", "facts": {"limit": "peer"}},
    ),
    (Refusing(grpc.StatusCode.UNIMPLEMENTED), PeerRefusedError, {"status_code": 12, "reason": ""}),
    (Refusing(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"), HomeNodeUnreachableError, {"node_id": "420100"}),
    (Refusing(grpc.StatusCode.INTERNAL, "INTERNAL_FAULT"), HomeNodeUnreachableError, {"node_id": "420100"}),
    (Refusing(grpc.StatusCode.DEADLINE_EXCEEDED), HomeNodeTimeoutError, {"node_id": "420100"}),
]


@pytest.mark.parametrize(("refusal", "expected", "facts"), REFUSALS, ids=[str(row[0].reason) for row in REFUSALS])
async def test_refusal_of_a_peer_keeps_its_meaning(
    caller: PeerCaller, refusal: Refusing, expected: type[GovcodeError], facts: dict[str, Any]
) -> None:
    server = await caller.peer("420100")
    server.answering = refusal
    with pytest.raises(expected) as caught:
        await caller.ask()
    assert type(caught.value) is expected
    for name, value in facts.items():
        assert getattr(caught.value, name) == value


async def test_peer_that_refuses_is_sound(caller: PeerCaller) -> None:
    caller.make_peers(breaker_failures=1)
    server = await caller.peer("420100")
    server.answering = Refusing(grpc.StatusCode.UNAVAILABLE, "HOME_NODE_UNREACHABLE", {"node_id": "430000"})
    for _ in range(3):
        with pytest.raises(HomeNodeUnreachableError):
            await caller.ask()
    assert len(server.seen) == 3


def answering(response: federationv1.RecognizeCodeResponse) -> Callable[[Any], Awaitable[Any]]:
    async def answer(_: Any) -> federationv1.RecognizeCodeResponse:
        return response

    return answer


@pytest.mark.parametrize(
    "response",
    [
        federationv1.RecognizeCodeResponse(),
        federationv1.RecognizeCodeResponse(answer=evidence_pb2.Evidence(payload=bytes(300_000))),
    ],
    ids=["empty", "huge"],
)
async def test_answer_without_evidence_or_of_absurd_size_is_refused(
    caller: PeerCaller, response: federationv1.RecognizeCodeResponse
) -> None:
    server = await caller.peer("420100")
    server.answering = answering(response)
    with pytest.raises(PeerAnswerRefusedError):
        await caller.ask()


async def test_new_certificate_is_shown_from_the_next_call_on_while_old_calls_end_in_peace(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    release = asyncio.Event()

    async def slowly(request: federationv1.RecognizeCodeRequest) -> federationv1.RecognizeCodeResponse:
        await release.wait()
        return await echo(request)

    server.answering = slowly
    old = asyncio.create_task(caller.ask())
    await until(lambda: server.waiting == 1)
    renewed = caller.pki.authority("federation").issue(
        ["spiffe://federation.govcode/node/110000"], now=caller.pki.now, server=True
    )
    caller.peers.replace_identity(caller.identity(renewed))
    server.answering = echo
    assert await caller.ask() == b"re:who"
    release.set()
    assert await old == b"re:who"
    before, after = server.seen
    assert before.certificate.strip() == caller.pki.node("110000").certificate_pem.strip()
    assert after.certificate.strip() == renewed.certificate_pem.strip()


async def test_connection_is_replaced_when_it_has_reached_its_age(caller: PeerCaller) -> None:
    caller.make_peers(connection_max_age=3600.0)
    server = await caller.peer("420100")
    await caller.ask()
    caller.clock.advance(3599)
    await caller.ask()
    caller.clock.advance(1)
    await caller.ask()
    first, second, third = (seen.peer for seen in server.seen)
    assert first == second != third


async def test_node_that_moved_is_called_at_its_new_address(caller: PeerCaller) -> None:
    old = await caller.peer("420100")
    await caller.ask()
    new = await caller.server("420100")
    caller.know("420100", new.endpoint)
    await caller.ask()
    assert (len(old.seen), len(new.seen)) == (1, 1)


async def test_connections_that_nobody_uses_are_closed_and_opened_again_when_needed(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    await caller.ask()
    caller.clock.advance(600)
    await caller.peers.tend()
    await caller.ask()
    first, second = (seen.peer for seen in server.seen)
    assert first != second
    caller.clock.advance(3601)
    assert caller.peers.conditions() == ()


async def test_revocation_list_is_fetched_as_signed(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    server.revocation_list = evidence_pb2.Evidence(payload=b"x" * 5_000_000)
    fetched = await caller.peers.revocation_list("420100")
    assert fetched == server.revocation_list.SerializeToString()
