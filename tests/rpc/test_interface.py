"""The interface as an application's developer meets it: every act of the walk over gRPC, and who is let in at all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from govcode.code.v1 import account_pb2, event_pb2
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import verdict_pb2
from govcode_node.crypto.authorities import IssuedCertificate
from kit.federation import ShiftedClock, run_node
from kit.nodes import RunningNode
from kit.players import CounterDesk, Holder, dial, synthetic_people
from kit.serving import details_of, reason_of

REGION = "420100"
OTHER_REGION = "310000"
COUNTER = f"spiffe://r{REGION}.govcode/app/counter-app"


@pytest_asyncio.fixture(loop_scope="function")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    running = await run_node(tmp_path_factory.mktemp("node"), REGION, clock=ShiftedClock())
    try:
        await running.register_parties()
        yield running
    finally:
        await running.close()


async def state_of(holder: Holder, code_id: bytes) -> int:
    request = basev1.GetCodeRequest(code_id=code_id, session_token=holder.token)
    return int((await holder.backend.base.GetCode(request)).code.state)


async def next_event(stream: Any) -> event_pb2.Event:
    """The next event of a stream that is no sign of life."""
    async with asyncio.timeout(10):
        while True:
            event: event_pb2.Event = (await stream.read()).event
            if not event.HasField("heartbeat"):
                return event


@pytest.mark.req("7.1-01")
async def test_holders_and_counters_find_every_act_of_the_walk(node: RunningNode) -> None:
    holder = await node.holders.open_account(synthetic_people()["张样例"])
    assert holder.account.state == account_pb2.ACCOUNT_STATE_ACTIVE
    events = holder.backend.stub.WatchEvents(appv1.WatchEventsRequest())
    assert (await events.read()).event.HasField("heartbeat")

    # Present, and refresh: the same code until its time, then another.
    first = await holder.present(one_time=True)
    assert (await holder.present(one_time=True)).code.code_text == first.code.code_text
    node.clock.advance(timedelta(seconds=first.code.refresh_after.seconds + 1))  # type: ignore[attr-defined]
    second = await holder.present(one_time=True)
    assert (second.reused, second.code.code_id == first.code.code_id) == (False, False)

    # The state of the code, before it is scanned and after; the first is over.
    node.clock.advance(timedelta(seconds=6))  # type: ignore[attr-defined]
    assert await state_of(holder, first.code.code_id) == codev1.CODE_STATE_SUPERSEDED
    assert await state_of(holder, second.code.code_id) == codev1.CODE_STATE_ISSUED
    scanned = await node.counter.scan(second.code.code_text, place="3 号窗口")
    assert scanned.verdict.decision == verdict_pb2.DECISION_ACCEPT
    assert await state_of(holder, second.code.code_id) == codev1.CODE_STATE_CONSUMED

    # The holder's application hears of it, and the holder sees it.
    told = await next_event(events)
    assert (told.account_id, told.code_scanned.code_id) == (holder.account.account_id, second.code.code_id)
    assert (told.code_scanned.outcome, told.code_scanned.place) == (verdict_pb2.OUTCOME_VALID, "3 号窗口")
    (record,) = await holder.records()
    assert (record.scan_id, record.place) == (scanned.answer.scan_id, "3 号窗口")

    # The counter is told a second time that it is used up, and the account is closed.
    again = await node.counter.scan(second.code.code_text)
    assert again.verdict.outcome == verdict_pb2.OUTCOME_CONSUMED
    assert (await holder.close()).account.state == account_pb2.ACCOUNT_STATE_CLOSED
    assert (await next_event(events)).HasField("account_closed")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await holder.present()
    assert reason_of(refused.value) == "SESSION_INVALID"
    events.cancel()


async def refused_with(node: RunningNode, certificate: IssuedCertificate | None) -> grpc.aio.AioRpcError:
    """How a counter is refused that shows a certificate, or none, over a connection of its own."""
    credentials = grpc.ssl_channel_credentials(
        node.pki.federation_ca_pem,
        certificate.key_pem if certificate else None,
        certificate.certificate_pem if certificate else None,
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(node.app.address, credentials, options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await CounterDesk(channel).scan("ZWM1.NOTHING", timeout=10)
    return refused.value


@pytest.mark.req("7.1-05")
async def test_valid_certificate_of_a_registered_application_is_accepted(node: RunningNode) -> None:
    async with dial(node.app.address, node.pki.app("counter-app", region=REGION), pki=node.pki) as channel:
        answer = await CounterDesk(channel).scan("ZWM1.NOTHING")
    assert answer.verdict.outcome == verdict_pb2.OUTCOME_MALFORMED
    assert answer.answer.app_id == "counter-app"


@pytest.mark.req("7.1-05")
@pytest.mark.parametrize("what", ["none", "of nobody's authority", "expired"])
async def test_certificate_that_proves_nothing_does_not_pass_the_handshake(node: RunningNode, what: str) -> None:
    shown = {
        "none": None,
        "of nobody's authority": node.pki.foreign(COUNTER),
        "expired": node.pki.expired(COUNTER, signer=REGION),
    }
    refused = await refused_with(node, shown[what])
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert not details_of(refused)


@pytest.mark.req("7.1-05")
async def test_certificate_that_expires_under_a_standing_connection_is_refused(node: RunningNode) -> None:
    await node.counter.scan("ZWM1.NOTHING")
    node.clock.advance(timedelta(days=366))  # type: ignore[attr-defined]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await node.counter.scan("ZWM1.NOTHING")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(refused.value) == "CERTIFICATE_UNTRUSTED"


@pytest.mark.req("7.1-05")
@pytest.mark.parametrize("says", [REGION, OTHER_REGION])
async def test_application_of_another_region_with_the_same_name_is_refused(node: RunningNode, says: str) -> None:
    """Whether it says what it is, or its region's authority vouches for what it may not."""
    identity = f"spiffe://r{says}.govcode/app/counter-app"
    refused = await refused_with(node, node.pki.overreaching(identity, signer=OTHER_REGION))
    assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(refused) == "CERTIFICATE_UNTRUSTED"


@pytest.mark.req("7.1-05")
async def test_certificate_of_an_application_that_nobody_registered_is_refused(node: RunningNode) -> None:
    refused = await refused_with(node, node.pki.app("unheard-of-app", region=REGION))
    assert refused.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(refused) == "APP_UNKNOWN"
