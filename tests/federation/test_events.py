"""The holder's back end learns of each use at once, and of all, however often its stream is cut (7.1-03, N-52)."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import event_pb2 as eventv1
from govcode.common.v1 import verdict_pb2
from kit.federation import SHANGHAI, WUHAN, Federation
from kit.players import Holder
from kit.serving import reason_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUTS = 100


def back_end(federation: Federation) -> Any:
    """The service as the holder's back end at Wuhan calls it."""
    return federation.wuhan.holders.stub


@asynccontextmanager
async def watching(federation: Federation, cursor: str = "") -> AsyncIterator[Any]:
    """A stream of events from a cursor on, or from now on."""
    stream = back_end(federation).WatchEvents(appv1.WatchEventsRequest(cursor=cursor))
    try:
        first = await stream.read()
        # The first message says where the stream stands.
        assert first.event.HasField("heartbeat")
        yield stream
    finally:
        stream.cancel()


async def next_event(stream: Any) -> eventv1.Event:
    """The next event that is no heartbeat."""
    while True:
        event: eventv1.Event = (await stream.read()).event
        if not event.HasField("heartbeat"):
            return event


async def now(federation: Federation) -> str:
    """The cursor of the present end of the stream."""
    cursor: str = (await back_end(federation).ListEvents(appv1.ListEventsRequest())).cursor
    return cursor


@pytest.mark.req("7.1-03")
@pytest.mark.parametrize("where", [WUHAN, SHANGHAI])
async def test_the_back_end_is_told_of_a_scan_within_a_second(federation: Federation, where: str) -> None:
    holder = await federation.holder(WUHAN)
    async with watching(federation) as stream:
        for _ in range(3):
            shown = await holder.present()
            begun = time.monotonic()
            answer = await federation[where].counter.scan(shown.code.code_text, place="二楼大厅")
            event = await asyncio.wait_for(next_event(stream), 5)
            assert time.monotonic() - begun < 1
            scanned = event.code_scanned
            assert scanned.code_id == shown.code.code_id
            assert scanned.visited_node_id == where
            assert scanned.place == "二楼大厅"
            assert scanned.relying_party_name == "政务服务大厅（测试）"
            assert scanned.outcome == verdict_pb2.OUTCOME_VALID
            assert event.account_id == holder.account.account_id
            assert (scanned.scan_id == answer.answer.scan_id) is (where == WUHAN)


@pytest.mark.req("N-52")
async def test_events_hold_no_personal_data(federation: Federation) -> None:
    holder = await federation.holder(WUHAN)
    async with watching(federation) as stream:
        shown = await holder.present()
        await federation.shanghai.counter.scan(shown.code.code_text)
        event = (await asyncio.wait_for(next_event(stream), 5)).SerializeToString()
    person = holder.person
    for private in (person.name, person.id_number, person.phone, shown.code.code_text):
        assert private.encode() not in event


@pytest.mark.req("N-52")
async def test_long_poll_tells_the_same_as_the_stream(federation: Federation) -> None:
    holder, begin = await federation.holder(WUHAN), await now(federation)
    for desk in (federation.wuhan.counter, federation.shanghai.counter):
        await desk.scan((await holder.present()).code.code_text)
    streamed = []
    async with watching(federation, begin) as stream:
        for _ in range(2):
            streamed.append(await asyncio.wait_for(next_event(stream), 5))
    listed = await back_end(federation).ListEvents(appv1.ListEventsRequest(cursor=begin))
    assert list(listed.events) == streamed
    assert listed.cursor == streamed[-1].cursor
    # Page by page with the cursor of each, and nothing after the last.
    first = await back_end(federation).ListEvents(appv1.ListEventsRequest(cursor=begin, page_size=1))
    second = await back_end(federation).ListEvents(appv1.ListEventsRequest(cursor=first.cursor, page_size=1))
    assert [*first.events, *second.events] == streamed
    assert not (await back_end(federation).ListEvents(appv1.ListEventsRequest(cursor=second.cursor))).events


@pytest.mark.req("7.1-03", "N-52")
async def test_a_long_poll_ends_with_the_event_it_waits_for(federation: Federation) -> None:
    holder, begin = await federation.holder(WUHAN), await now(federation)
    shown = await holder.present()
    request = appv1.ListEventsRequest(cursor=begin, wait=Duration(seconds=20))
    waiting = asyncio.ensure_future(back_end(federation).ListEvents(request))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    begun = time.monotonic()
    await federation.shanghai.counter.scan(shown.code.code_text)
    (event,) = (await waiting).events
    assert time.monotonic() - begun < 1
    assert event.code_scanned.code_id == shown.code.code_id


@pytest.mark.req("N-52")
async def test_a_stream_cut_a_hundred_times_loses_nothing_and_keeps_the_order_of_each_account(
    federation: Federation,
) -> None:
    holders = [await federation.holder(WUHAN, name) for name in ("张样例", "李示范", "上官测试")]
    cursor = await now(federation)
    told: dict[str, list[bytes]] = defaultdict(list)
    used: dict[str, list[bytes]] = defaultdict(list)
    done = asyncio.Event()

    async def use(holder: Holder) -> None:
        for number in range(40):
            shown = await holder.present(one_time=True)
            desk = (federation.shanghai if number % 3 else federation.wuhan).counter
            await desk.scan(shown.code.code_text)
            used[holder.account.account_id].append(shown.code.code_id)
            await asyncio.sleep(random.uniform(0, 0.02))

    async def use_all() -> None:
        await asyncio.gather(*(use(holder) for holder in holders))
        done.set()

    using = asyncio.create_task(use_all())
    cuts, seen = 0, set()
    async with asyncio.timeout(60):
        while cuts < CUTS or not done.is_set() or sum(map(len, told.values())) < 120:
            cuts += 1
            async with watching(federation, cursor) as stream:
                async for event in _some_of(stream):
                    cursor = event.cursor
                    if event.event_id not in seen and event.HasField("code_scanned"):
                        seen.add(event.event_id)
                        told[event.account_id].append(event.code_scanned.code_id)
    await using
    assert cuts >= CUTS
    assert told == used


async def _some_of(stream: Any) -> AsyncIterator[eventv1.Event]:
    """None to three events, or fewer where the cut comes in the midst of waiting."""
    for _ in range(random.randrange(4)):
        try:
            yield await asyncio.wait_for(next_event(stream), random.uniform(0.001, 0.1))
        except TimeoutError:
            return


@pytest.mark.req("N-52")
async def test_a_cursor_that_nobody_gave_out_is_refused(federation: Federation) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await back_end(federation).ListEvents(appv1.ListEventsRequest(cursor="yesterday"))
    assert reason_of(refused.value) == "CURSOR_INVALID"
    stream = back_end(federation).WatchEvents(appv1.WatchEventsRequest(cursor="yesterday"))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stream.read()
    assert reason_of(refused.value) == "CURSOR_INVALID"


async def test_applications_hear_of_their_own_codes_alone(federation: Federation) -> None:
    holder = await federation.holder(WUHAN)
    other = federation.wuhan.counter.stub
    begin = (await other.ListEvents(appv1.ListEventsRequest())).cursor
    await federation.wuhan.counter.scan((await holder.present()).code.code_text)
    assert not (await other.ListEvents(appv1.ListEventsRequest(cursor=begin))).events
