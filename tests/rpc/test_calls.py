"""Deadlines, sizes, rates, streams and faults through a real server."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import grpc
import pytest
from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode_node.domain.callers import AppUnknownError
from govcode_node.domain.recognition import PeerRefusedError
from govcode_node.rpc.call import current_call
from govcode_node.rpc.limits import CallRate, CallRates
from govcode_node.rpc.policy import Policy
from govcode_node.rpc.rules import DeadlineRules, MessageSizes
from kit.http2_probe import PingProbe
from kit.serving import GENEROUS, CallBook, attempt, begin, details_of, reason_of

SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"
WATCH = "/govcode.code.v1.CodeApplicationService/WatchEvents"
REPORT = "/govcode.hub.v1.HubService/ReportNodeStatus"


class Work:
    """What a servicer does: remembers the call, then waits until it is let go."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, method: str, request: Any) -> None:
        self.calls.append(current_call())
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def scan(code_text: str) -> applicationv1.ScanCodeRequest:
    return applicationv1.ScanCodeRequest(code_text=code_text)


@pytest.mark.req("7.3-09")
async def test_the_servicer_gets_the_callers_time_less_the_margin(start_server: Any) -> None:
    work = Work()
    work.let_go.set()
    served = await start_server(serve=work)
    await begin(served.channel(), SCAN, timeout=5)
    await begin(served.channel(), SCAN, timeout=None)
    given, default = (call.deadline - served.clock.now() for call in work.calls)
    assert timedelta(seconds=4) < given <= timedelta(seconds=4.98)
    assert default == timedelta(seconds=10)


async def test_no_caller_may_keep_the_servicer_busy_for_an_hour(start_server: Any) -> None:
    work = Work()
    work.let_go.set()
    served = await start_server(serve=work)
    await begin(served.channel(), SCAN, timeout=3600)
    assert work.calls[0].deadline - served.clock.now() == timedelta(minutes=2)


@pytest.mark.parametrize("method", [SCAN, WATCH])
async def test_a_timeout_of_thousands_of_years_is_no_fault_of_the_node(start_server: Any, method: str) -> None:
    work = Work()
    work.let_go.set()
    served = await start_server(serve=work)
    probe = await PingProbe.open(f"localhost:{served.port}", served.pki.app("counter-app"), pki=served.pki)
    probe.call(method, {"grpc-timeout": b"99999999H"})
    async with asyncio.timeout(5):
        await work.begun.wait()
    await probe.close()
    assert work.calls[0].deadline is None or work.calls[0].deadline > served.clock.now()


async def test_a_wish_for_a_language_that_cannot_travel_on_is_left_out(start_server: Any) -> None:
    work = Work()
    work.let_go.set()
    served = await start_server(serve=work)
    probe = await PingProbe.open(f"localhost:{served.port}", served.pki.app("counter-app"), pki=served.pki)
    probe.call(SCAN, {"accept-language": "zh-CN, 中文".encode(), "grpc-timeout": b"5S"})
    async with asyncio.timeout(5):
        await work.begun.wait()
    await probe.close()
    assert "accept-language" not in work.calls[0].metadata


async def test_work_that_cannot_be_done_in_time_is_not_begun(start_server: Any) -> None:
    work = Work()
    served = await start_server(serve=work)
    channel = served.channel()
    await channel.channel_ready()
    refused = await attempt(channel, SCAN, timeout=0.09)
    assert refused is not None
    assert refused.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert work.calls == []


async def test_a_refusal_for_too_little_time_says_how_little(start_server: Any) -> None:
    served = await start_server(deadlines=DeadlineRules(least=timedelta(hours=1)))
    refused = await attempt(served.channel(), SCAN, timeout=5)
    assert reason_of(refused) == "DEADLINE_TOO_SHORT"
    assert 4000 < int(details_of(refused)["ErrorInfo"].metadata["left_ms"]) <= 5000


async def test_work_stops_when_its_time_is_over(start_server: Any) -> None:
    work = Work()
    served = await start_server(serve=work, deadlines=DeadlineRules(default=timedelta(milliseconds=50)))
    refused = await attempt(served.channel(), SCAN, timeout=None)
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT")
    assert work.cancelled.is_set()


async def test_work_stops_when_the_caller_goes_away(start_server: Any) -> None:
    work = Work()
    served = await start_server(serve=work)
    call = begin(served.channel(), SCAN)
    await work.begun.wait()
    call.cancel()
    async with asyncio.timeout(5):
        await work.cancelled.wait()


@pytest.mark.req("7.1-04")
@pytest.mark.parametrize("limit", ["app", "device"])
async def test_a_burst_is_told_to_wait(start_server: Any, limit: str) -> None:
    slow = CallRate(2, timedelta(seconds=4))
    rates = CallRates(
        app=slow if limit == "app" else GENEROUS.app,
        device=slow if limit == "device" else GENEROUS.device,
        operator=GENEROUS.operator,
        peer=GENEROUS.peer,
    )
    served = await start_server(rates=rates)
    channel, metadata = served.channel(), (("govcode-device-id", "gate-1"),)
    for _ in range(2):
        assert await attempt(channel, SCAN, metadata=metadata) is None
    refused = await attempt(channel, SCAN, metadata=metadata)
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert details_of(refused)["ErrorInfo"].metadata["limit"] == limit
    delay = details_of(refused)["RetryInfo"].retry_delay.ToTimedelta()
    assert delay == timedelta(seconds=2)
    served.clock.advance(delay)
    assert await attempt(channel, SCAN, metadata=metadata) is None


async def test_a_message_over_its_methods_limit_is_refused_with_the_limit(start_server: Any) -> None:
    served = await start_server(sizes=MessageSizes(usual=1000, by_method={WATCH: 5000}))
    channel = served.channel()
    assert await attempt(channel, SCAN, request=scan("x" * 900)) is None
    refused = await attempt(channel, SCAN, request=scan("x" * 1001))
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert details_of(refused)["ErrorInfo"].metadata["limit_bytes"] == "1000"


async def test_a_message_over_the_hard_limit_is_refused_by_the_core(start_server: Any) -> None:
    served = await start_server()
    refused = await attempt(served.channel(), SCAN, request=scan("x" * 2_000_000))
    assert refused is not None
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_bytes_that_are_no_message_are_a_wrong_field(start_server: Any) -> None:
    served = await start_server()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.channel().unary_unary(SCAN)(b"\xff\xff\xff", timeout=10)
    assert (refused.value.code(), reason_of(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_nothing_is_parsed_before_its_sender_is_known(start_server: Any) -> None:
    served = await start_server()
    served.directory.refusals["counter-app"] = AppUnknownError(app_id="counter-app")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.channel().unary_unary(SCAN)(b"\xff\xff\xff", timeout=10)
    assert reason_of(refused.value) == "APP_UNKNOWN"


async def test_a_fault_shows_the_request_id_to_the_caller_and_its_place_to_the_log(
    start_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(method: str, request: Any) -> None:
        raise KeyError(request.code_text)

    served = await start_server(serve=fail)
    with caplog.at_level(logging.ERROR):
        refused = await attempt(served.channel(), SCAN, request=scan("张三"), metadata=(("govcode-request-id", "r-9"),))
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.INTERNAL, "INTERNAL_FAULT")
    assert details_of(refused)["RequestInfo"].request_id == "r-9"
    assert "KeyError" not in refused.details()
    (record,) = [one for one in caplog.records if one.name == "govcode_node.rpc.pipeline"]
    assert (record.request_id, record.method) == ("r-9", SCAN)
    assert "KeyError" in record.fault
    assert "in fail" in record.fault
    assert "张三" not in record.fault


async def test_a_timeout_within_the_work_is_a_fault_not_a_short_deadline(start_server: Any) -> None:
    async def fail(method: str, request: Any) -> None:
        raise TimeoutError

    served = await start_server(serve=fail)
    assert reason_of(await attempt(served.channel(), SCAN)) == "INTERNAL_FAULT"


async def test_a_peers_refusal_reaches_the_caller_with_the_way(start_server: Any) -> None:
    async def refuse(method: str, request: Any) -> None:
        raise PeerRefusedError("420100", 7, "CALLER_NOT_ALLOWED", {"caller": "node"})

    served = await start_server(serve=refuse)
    refused = await attempt(served.channel(), SCAN)
    assert refused is not None
    assert refused.code() is grpc.StatusCode.PERMISSION_DENIED
    assert details_of(refused)["ErrorInfo"].metadata["via"] == "420100"
    # It was another node that refused somebody; that is in its trail.
    assert served.audited == []


async def test_a_method_taken_out_of_the_policy_is_refused_to_everybody(start_server: Any) -> None:
    methods = {method: labels for method, labels in Policy.load().methods.items() if method != SCAN}
    served = await start_server(policy=Policy(methods))
    refused = await attempt(served.channel(), SCAN)
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.PERMISSION_DENIED, "METHOD_NOT_IN_POLICY")


async def test_a_caller_has_so_many_streams_and_gets_slots_back(start_server: Any) -> None:
    work = Work()
    served = await start_server(serve=work, max_streams=2)
    channel = served.channel()
    held = [begin(channel, WATCH, timeout=None) for _ in range(2)]
    for call in held:
        await call.read()
    refused = await attempt(channel, WATCH)
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_LIMIT_REACHED")
    assert await attempt(served.channel("app.holder"), WATCH) is None
    held[0].cancel()
    async with asyncio.timeout(5):
        while await attempt(channel, WATCH) is not None:
            pass


async def test_a_stream_has_no_deadline_of_ours(start_server: Any) -> None:
    work = Work()
    served = await start_server(serve=work, deadlines=DeadlineRules(default=timedelta(milliseconds=1)))
    call = begin(served.channel(), WATCH, timeout=None)
    await call.read()
    await work.begun.wait()
    assert work.calls[0].deadline is None
    call.cancel()


async def test_both_directions_of_a_stream_pass(start_server: Any) -> None:
    served = await start_server()
    call = served.channel("node").stream_stream(REPORT)()
    for _ in range(3):
        await call.write(b"")
        assert await call.read() == b""
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_a_bad_message_within_a_stream_ends_it_with_its_reason(start_server: Any) -> None:
    served = await start_server(sizes=MessageSizes(usual=10))
    call = served.channel("node").stream_stream(REPORT)()
    await call.write(b"")
    assert await call.read() == b""
    await call.write(b"x" * 11)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert reason_of(refused.value) == "MESSAGE_TOO_LARGE"


async def test_telemetry_sees_every_call_end_once_whatever_becomes_of_it(start_server: Any) -> None:
    book, work = CallBook(), Work()
    served = await start_server(serve=work, telemetry=book)
    channel = served.channel()
    cut = begin(channel, SCAN)
    await work.begun.wait()
    cut.cancel()
    await work.cancelled.wait()
    work.let_go.set()
    assert await attempt(channel, SCAN) is None
    assert reason_of(await attempt(channel, REPORT)) == "CALLER_NOT_ALLOWED"
    assert reason_of(await attempt(served.channel(served.pki.region_naming_a_node()), SCAN)) == "CERTIFICATE_UNTRUSTED"
    watching = begin(channel, WATCH)
    assert [await watching.read(), await watching.read()][1] is grpc.aio.EOF
    assert await watching.code() is grpc.StatusCode.OK
    assert len(book.begun) == 5
    assert book.ended == [
        ("CANCELLED", "", "app.relying_party"),
        ("OK", "", "app.relying_party"),
        ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED", "app.relying_party"),
        ("UNAUTHENTICATED", "CERTIFICATE_UNTRUSTED", ""),
        ("OK", "", "app.relying_party"),
    ]
