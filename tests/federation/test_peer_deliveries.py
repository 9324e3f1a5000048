"""What nodes ask each other about authorizations, over real mutual TLS: questions, deliveries in pieces, notices."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_node.domain.callers import Call
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.licenses import CHUNK_SIZE, DeliveryChunk, DeliveryEnd, DeliveryHeader, DeliveryPiece
from govcode_node.domain.nodes import NodeState, NodeSuspendedError
from govcode_node.domain.recognition import (
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    PeerAnswerRefusedError,
    PeerRefusedError,
)
from govcode_node.rpc.status import status_of
from kit.peer_caller import CALL, NOWHERE, REQUEST, PeerCaller, until
from kit.peer_servers import BreakOffError, Refusing, chunk_piece, decide, deliver, header_piece

GRANT = evidence_pb2.Evidence(payload=b"grant", payload_type="g", node_id="110000").SerializeToString()
Answer = federationv1.ForwardLicenseFetchResponse


@pytest.fixture
async def caller() -> AsyncIterator[PeerCaller]:
    caller = PeerCaller()
    yield caller
    await caller.close()


async def fetch(caller: PeerCaller, *, grant: bytes = GRANT, call: Call = CALL) -> list[DeliveryPiece]:
    async with caller.peers.forward_license_fetch("420100", request=REQUEST, grant=grant, call=call) as pieces:
        return [piece async for piece in pieces]


async def hang_before(_: object) -> AsyncIterator[Answer]:
    """Never give a first piece."""
    await asyncio.Event().wait()
    yield header_piece()


async def hang_in_the_midst(_: object) -> AsyncIterator[Answer]:
    yield header_piece(chunk_count=2)
    yield chunk_piece(0)
    await asyncio.Event().wait()


async def test_delivery_comes_in_order_and_the_request_travels_unchanged(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    header, first, second, end = await fetch(caller)
    assert isinstance(header, DeliveryHeader)
    assert (header.chunk_count, header.sealed_content) == (2, b"sealed")
    assert (first, second) == (DeliveryChunk(chunk_no=0, data=b"chunk 0"), DeliveryChunk(chunk_no=1, data=b"chunk 1"))
    assert isinstance(end, DeliveryEnd)
    assert evidence_pb2.Evidence.FromString(end.evidence).payload == b"delivered"
    await fetch(caller, grant=b"")
    with_grant, without = (seen.request for seen in server.seen)
    assert with_grant.request.SerializeToString() == without.request.SerializeToString() == REQUEST
    assert with_grant.grant.SerializeToString() == GRANT
    assert not without.HasField("grant")
    assert server.seen[0].metadata["govcode-request-id"] == CALL.request_id


async def test_delivery_has_the_time_that_its_caller_has_else_a_minute(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    await fetch(caller)
    await fetch(caller, call=caller.within(7.0))
    await fetch(caller, call=caller.within(300.0))
    without, tight, wide = (seen.time_left for seen in server.seen)
    # grpcio rounds the time that it sends up a little.
    assert 55 < without <= 60.5
    assert 5 < tight <= 7.2
    assert 250 < wide <= 301
    with pytest.raises(HomeNodeTimeoutError):
        await fetch(caller, call=caller.within(0.03))
    assert len(server.seen) == 3


@pytest.mark.req("N-25")
async def test_slow_reader_slows_the_peer_down_and_nothing_is_gathered(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    sent = 0

    async def endless(_: object) -> AsyncIterator[Answer]:
        nonlocal sent
        yield header_piece(chunk_count=256)
        data = bytes(CHUNK_SIZE)
        for chunk_no in range(256):
            sent += 1
            yield chunk_piece(chunk_no, data)

    server.delivering = endless
    async with caller.peers.forward_license_fetch("420100", request=REQUEST, grant=GRANT, call=CALL) as pieces:
        await anext(pieces)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        # 64 MiB would come if nothing held it back; what the connection holds is a few messages.
        assert sent < 48
        for _ in range(10):
            await anext(pieces)
    await until(lambda: server.waiting == 0)
    assert sent < 96


async def test_leaving_ends_the_stream_at_the_peer_and_gives_the_permit_back(caller: PeerCaller) -> None:
    caller.make_peers(concurrency=2, breaker_failures=1)
    server = await caller.peer("420100")
    server.delivering = hang_in_the_midst
    for _ in range(3):
        async with caller.peers.forward_license_fetch("420100", request=REQUEST, grant=GRANT, call=CALL) as pieces:
            assert isinstance(await anext(pieces), DeliveryHeader)
            assert server.waiting == 1
        await until(lambda: server.waiting == 0)
    for seen in range(4, 7):
        task = asyncio.create_task(fetch(caller))
        await until(lambda expected=seen: len(server.seen) == expected)  # type: ignore[misc]
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await until(lambda: server.waiting == 0)
    server.delivering = deliver
    assert len(await fetch(caller)) == 4


@pytest.mark.req("6.2-10")
async def test_streams_take_half_of_the_permits_and_questions_go_on(caller: PeerCaller) -> None:
    caller.make_peers(concurrency=4)
    server = await caller.peer("420100")
    server.delivering = hang_before
    stuck = [asyncio.create_task(fetch(caller)) for _ in range(2)]
    await until(lambda: server.waiting == 2)
    with pytest.raises(HomeNodeUnreachableError):
        await fetch(caller)
    assert await caller.ask() == b"re:who"
    for task in stuck:
        task.cancel()
    await asyncio.wait(stuck)


REFUSALS: list[tuple[grpc.StatusCode, str, dict[str, str]]] = [
    (grpc.StatusCode.FAILED_PRECONDITION, "GRANT_EXHAUSTED", {"item_no": "1"}),
    (grpc.StatusCode.FAILED_PRECONDITION, "GRANT_WITHDRAWN", {"authorization_id": "au_1"}),
    (grpc.StatusCode.NOT_FOUND, "LICENSE_NOT_FOUND", {"license_type": "BUSINESS_LICENSE"}),
    (grpc.StatusCode.UNAVAILABLE, "LICENSE_SERVICE_UNAVAILABLE", {"retry_after_seconds": "5.000"}),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "LICENSE_SERVICE_QUOTA", {"node_id": "310000"}),
]


@pytest.mark.parametrize(("code", "reason", "facts"), REFUSALS, ids=[reason for _, reason, _ in REFUSALS])
@pytest.mark.parametrize("midst", [False, True], ids=["at once", "in the midst"])
async def test_refusal_of_a_delivery_reaches_the_application_as_it_was_said(
    caller: PeerCaller, code: grpc.StatusCode, reason: str, facts: dict[str, str], midst: bool
) -> None:
    caller.make_peers(breaker_failures=1)
    server = await caller.peer("420100")
    refusal = Refusing(code, reason, {**facts, "via": "310000"})

    async def break_off(_: object) -> AsyncIterator[Answer]:
        yield header_piece(chunk_count=2)
        raise BreakOffError(refusal)

    server.delivering = break_off if midst else refusal
    for _ in range(2):
        with pytest.raises(PeerRefusedError) as caught:
            await fetch(caller)
        assert (caught.value.status_code, caught.value.reason) == (code.value[0], reason)
        told = status_of(caught.value, request_id="r")
        assert (told.code, told.reason) == (code, reason)
        assert told.facts == {**facts, "via": "420100,310000"}
    assert len(server.seen) == 2


OTHER_REFUSALS: list[tuple[Refusing, type[GovcodeError], str]] = [
    (
        Refusing(grpc.StatusCode.UNAVAILABLE, "HOME_NODE_UNREACHABLE", {"node_id": "310000"}),
        HomeNodeUnreachableError,
        "310000",
    ),
    (
        Refusing(grpc.StatusCode.DEADLINE_EXCEEDED, "HOME_NODE_UNREACHABLE", {"node_id": "310000"}),
        HomeNodeTimeoutError,
        "310000",
    ),
    (Refusing(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"), HomeNodeUnreachableError, "420100"),
    (Refusing(grpc.StatusCode.PERMISSION_DENIED, "NODE_SUSPENDED"), NodeSuspendedError, "420100"),
]


@pytest.mark.parametrize(("refusal", "expected", "node_id"), OTHER_REFUSALS)
async def test_peer_that_cannot_deliver_is_named(
    caller: PeerCaller, refusal: Refusing, expected: type[GovcodeError], node_id: str
) -> None:
    server = await caller.peer("420100")
    server.delivering = refusal
    with pytest.raises(expected) as caught:
        await fetch(caller)
    assert type(caught.value) is expected
    assert getattr(caught.value, "node_id") == node_id  # noqa: B009 - not an attribute of all errors


async def test_peer_that_dies_in_the_midst_is_unreachable(caller: PeerCaller) -> None:
    caller.make_peers(breaker_failures=1)
    server = await caller.peer("420100")
    server.delivering = hang_in_the_midst
    async with caller.peers.forward_license_fetch("420100", request=REQUEST, grant=GRANT, call=CALL) as pieces:
        assert isinstance(await anext(pieces), DeliveryHeader)
        assert isinstance(await anext(pieces), DeliveryChunk)
        await server.stop()
        with pytest.raises(HomeNodeUnreachableError):
            await anext(pieces)
    assert not caller.peers.conditions()[0].available
    with pytest.raises(HomeNodeUnreachableError):
        await fetch(caller)
    assert len(server.seen) == 1


async def test_delivery_without_a_first_piece_ends_with_the_callers_time(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    server.delivering = hang_before
    begun = time.monotonic()
    with pytest.raises(HomeNodeTimeoutError):
        await fetch(caller, call=caller.within(0.3))
    assert time.monotonic() - begun < 5
    # The caller was in a hurry: that says nothing about the peer.
    assert caller.peers.conditions()[0].available


@pytest.mark.req("7.3-06")
async def test_dead_endpoint_of_a_delivery_gives_way_to_the_second(caller: PeerCaller) -> None:
    second = await caller.server("420100")
    caller.know("420100", NOWHERE, second.endpoint)
    assert len(await fetch(caller)) == 4


async def test_address_that_swallows_everything_costs_a_delivery_no_more_than_a_question(caller: PeerCaller) -> None:
    caller.make_peers(endpoint_timeout=0.3)
    second = await caller.server("420100")
    swallowed: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: swallowed.append(writer), "127.0.0.1", 0)
    async with silent:
        swallowing = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        caller.know("420100", swallowing, second.endpoint)
        begun = time.monotonic()
        assert len(await fetch(caller)) == 4
        assert time.monotonic() - begun < 5
        assert swallowed
        for writer in swallowed:
            writer.close()
            await writer.wait_closed()


async def test_channel_that_is_replaced_under_a_delivery_breaks_it_off_and_cancels_nobody(
    caller: PeerCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govcode_node.federation.channels._DRAIN_SECONDS", 0.1)
    server = await caller.peer("420100")
    server.delivering = hang_in_the_midst
    task = asyncio.create_task(fetch(caller))
    await until(lambda: server.waiting == 1)
    caller.clock.advance(3600)
    await caller.ask()
    with pytest.raises(HomeNodeUnreachableError):
        await task


async def faulty(*pieces: Answer) -> AsyncIterator[Answer]:
    for piece in pieces:
        yield piece


END = Answer(delivery=evidence_pb2.Evidence(payload=b"delivered"))
FAULTS: dict[str, list[Answer]] = {
    "nothing": [],
    "no end": [header_piece(chunk_count=1), chunk_piece(0)],
    "more after the end": [header_piece(), END, END],
    "unknown piece": [Answer()],
    "huge chunk": [header_piece(chunk_count=1), chunk_piece(0, bytes(CHUNK_SIZE + 17)), END],
    "huge evidence": [header_piece(), Answer(delivery=evidence_pb2.Evidence(payload=bytes(400_000)))],
}


@pytest.mark.parametrize("pieces", FAULTS.values(), ids=list(FAULTS))
async def test_delivery_that_is_no_delivery_is_refused(caller: PeerCaller, pieces: list[Answer]) -> None:
    server = await caller.peer("420100")
    server.delivering = lambda _: faulty(*pieces)
    with pytest.raises(PeerAnswerRefusedError):
        await fetch(caller)
    await until(lambda: server.waiting == 0)


async def test_peer_writes_its_record_after_the_last_piece_in_peace(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    recorded = False

    async def recording(request: Any) -> AsyncIterator[Answer]:
        nonlocal recorded
        async for piece in deliver(request):
            yield piece
        await asyncio.sleep(0.1)
        recorded = True

    server.delivering = recording
    await fetch(caller)
    assert recorded


async def test_consent_request_and_question_travel_unchanged(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    answers = [
        await caller.peers.forward_consent_request("420100", request=REQUEST, call=CALL),
        await caller.peers.ask_authorization("420100", question=REQUEST, call=CALL),
    ]
    assert [evidence_pb2.Evidence.FromString(answer).payload for answer in answers] == [b"re:who"] * 2
    asked, question = (seen.request for seen in server.seen)
    assert asked.consent_request.SerializeToString() == question.question.SerializeToString() == REQUEST
    assert server.seen[1].metadata["traceparent"] == CALL.metadata["traceparent"]


async def test_question_about_a_scene_code_is_answered_by_a_consent_request(caller: PeerCaller) -> None:
    server = await caller.peer("420100")

    async def ask_back(_: object) -> federationv1.ForwardAuthorizationResponse:
        return federationv1.ForwardAuthorizationResponse(consent_request=evidence_pb2.Evidence(payload=b"please"))

    server.deciding = ask_back
    answer = await caller.peers.ask_authorization("420100", question=REQUEST, call=CALL)
    assert evidence_pb2.Evidence.FromString(answer).payload == b"please"
    with pytest.raises(PeerAnswerRefusedError):
        await caller.peers.forward_consent_request("420100", request=REQUEST, call=CALL)

    async def nothing(_: object) -> federationv1.ForwardAuthorizationResponse:
        return federationv1.ForwardAuthorizationResponse()

    server.deciding = nothing
    with pytest.raises(PeerAnswerRefusedError):
        await caller.peers.ask_authorization("420100", question=REQUEST, call=CALL)

    async def huge(_: object) -> federationv1.ForwardAuthorizationResponse:
        return federationv1.ForwardAuthorizationResponse(answer=evidence_pb2.Evidence(payload=bytes(300_000)))

    server.deciding = huge
    with pytest.raises(PeerAnswerRefusedError):
        await caller.peers.ask_authorization("420100", question=REQUEST, call=CALL)


async def test_refused_question_keeps_its_reason(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    server.deciding = Refusing(grpc.StatusCode.FAILED_PRECONDITION, "SUBJECT_UNREACHABLE")
    with pytest.raises(PeerRefusedError) as caught:
        await caller.peers.forward_consent_request("420100", request=REQUEST, call=CALL)
    told = status_of(caught.value, request_id="r")
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SUBJECT_UNREACHABLE")
    server.deciding = decide
    caller.know("420100", server.endpoint, state=NodeState.SUSPENDED)
    with pytest.raises(NodeSuspendedError):
        await caller.peers.ask_authorization("420100", question=REQUEST, call=CALL)
    with pytest.raises(NodeSuspendedError):
        await fetch(caller)


async def test_notice_of_a_withdrawal_returns_when_the_peer_has_it_and_raises_otherwise(caller: PeerCaller) -> None:
    server = await caller.peer("420100")
    await caller.peers.notify_withdrawal("420100", withdrawal=REQUEST)
    (seen,) = server.seen
    assert seen.request.withdrawal.SerializeToString() == REQUEST
    server.noticing = Refusing(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    with pytest.raises(HomeNodeUnreachableError):
        await caller.peers.notify_withdrawal("420100", withdrawal=REQUEST)
    server.noticing = Refusing(grpc.StatusCode.PERMISSION_DENIED, "EVIDENCE_INVALID")
    with pytest.raises(PeerRefusedError) as caught:
        await caller.peers.notify_withdrawal("420100", withdrawal=REQUEST)
    assert caught.value.reason == "EVIDENCE_INVALID"
