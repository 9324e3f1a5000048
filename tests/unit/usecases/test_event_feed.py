"""Events by cursor: at once where they happen here, each once and in order, and never another application's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from govcode_node.domain.errors import CursorInvalidError, StreamLimitError
from govcode_node.domain.events import CodeScanned, Event
from govcode_node.usecases import event_feed
from govcode_node.usecases.event_feed import EventBell, EventFeed, EventPage
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import Counter, Holder, MobileApp, call_of, person

AGES = timedelta(minutes=5)


@pytest.fixture
async def holder(app: MobileApp) -> Holder:
    return await app.open_account()


async def scan(holder: Holder, counter: Counter) -> str:
    code = await holder.present(one_time=True)
    return (await counter.scan(code)).answer.scan_id


def scans_of(events: object) -> list[str]:
    assert isinstance(events, list | tuple)
    return [event.kind.scan_id for event in events if isinstance(event.kind, CodeScanned)]


async def listed(
    node: NodeInMemory, app: MobileApp, cursor: str, *, wait: timedelta = timedelta(), size: int = 100
) -> EventPage:
    call = call_of(app.caller, "ListEvents")
    return await node.steps.feed.list_events(call, cursor=cursor, page_size=size, wait=wait)


async def test_events_come_in_order_from_a_cursor_on_and_again_from_the_same_cursor(
    node: NodeInMemory, app: MobileApp, holder: Holder, counter: Counter
) -> None:
    begun = await listed(node, app, "")
    scans = [await scan(holder, counter) for _ in range(3)]

    first = await listed(node, app, begun.cursor, size=2)
    rest = await listed(node, app, first.cursor)
    again = await listed(node, app, begun.cursor, size=2)

    assert scans_of(first.events) + scans_of(rest.events) == scans
    assert again == first
    assert (await listed(node, app, rest.cursor)).events in ([], ())


async def test_no_cursor_begins_with_what_comes_next(
    node: NodeInMemory, app: MobileApp, holder: Holder, counter: Counter
) -> None:
    await scan(holder, counter)

    begun = await listed(node, app, "")

    assert not begun.events
    later = await scan(holder, counter)
    assert scans_of((await listed(node, app, begun.cursor)).events) == [later]


async def test_each_application_sees_the_events_of_its_own_codes_only(
    node: NodeInMemory, app: MobileApp, holder: Holder, counter: Counter
) -> None:
    other_app = MobileApp(node, "other-mobile-app")
    other = await other_app.open_account(person("李示范"))
    await scan(holder, counter)
    others = await scan(other, counter)

    assert scans_of((await listed(node, other_app, "e0")).events) == [others]


async def test_who_waits_is_woken_by_the_scan(
    node: NodeInMemory, app: MobileApp, holder: Holder, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LOOK", AGES)
    waiting = asyncio.create_task(listed(node, app, "", wait=AGES))
    await asyncio.sleep(0)

    scanned = await scan(holder, counter)

    assert scans_of((await asyncio.wait_for(waiting, 10)).events) == [scanned]


async def test_a_wait_without_an_event_ends_with_the_cursor_to_go_on_from(
    node: NodeInMemory, app: MobileApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LOOK", timedelta(milliseconds=1))

    page = await listed(node, app, "e7", wait=timedelta(milliseconds=3))

    assert (list(page.events), page.cursor) == ([], "e7")


async def test_what_another_process_wrote_is_found_by_the_next_look(
    node: NodeInMemory, app: MobileApp, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LOOK", timedelta(milliseconds=1))
    begun = await listed(node, app, "")
    waiting = asyncio.create_task(listed(node, app, begun.cursor, wait=AGES))
    await asyncio.sleep(0)

    def elsewhere(event_id: str) -> Event:
        from govcode_node.domain.events import AccountClosed

        return Event(
            app_id=app.app_id,
            account_id=holder.account.account_id,
            happened_at=node.clock.now(),
            kind=AccountClosed(),
            event_id=event_id,
        )

    node.database.run_now(lambda tx: tx.events.add(elsewhere("ev_" + "1" * 32)))

    (event,) = (await asyncio.wait_for(waiting, 10)).events
    assert event.event_id == "ev_" + "1" * 32


async def next_page(stream: AsyncIterator[EventPage]) -> EventPage:
    return await asyncio.wait_for(anext(stream), 10)


async def test_a_stream_begins_with_its_cursor_and_gives_each_event_once(
    node: NodeInMemory, app: MobileApp, holder: Holder, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LOOK", AGES)
    stream = node.steps.feed.watch(call_of(app.caller, "WatchEvents"), cursor="")
    begun = await next_page(stream)
    first = await scan(holder, counter)
    page = await next_page(stream)
    following = asyncio.create_task(next_page(stream))
    await asyncio.sleep(0)
    second = await scan(holder, counter)

    assert not begun.events
    assert scans_of(page.events) == [first]
    assert scans_of((await following).events) == [second]
    await stream.aclose()
    resumed = node.steps.feed.watch(call_of(app.caller, "WatchEvents"), cursor=page.cursor)
    await next_page(resumed)
    assert scans_of((await next_page(resumed)).events) == [second]
    await resumed.aclose()


async def test_a_silent_stream_gives_a_sign_of_life(
    node: NodeInMemory, app: MobileApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LOOK", timedelta(milliseconds=1))
    monkeypatch.setattr(event_feed, "HEARTBEAT", timedelta(milliseconds=3))
    stream = node.steps.feed.watch(call_of(app.caller, "WatchEvents"), cursor="e5")
    await next_page(stream)

    page = await next_page(stream)

    assert (list(page.events), page.cursor) == ([], "e5")
    await stream.aclose()


def test_the_sign_of_life_comes_within_twenty_seconds() -> None:
    assert timedelta(seconds=20) >= event_feed.HEARTBEAT + event_feed.LOOK


async def test_an_application_has_so_many_streams_and_gets_one_back_when_it_ends_one(
    node: NodeInMemory, app: MobileApp
) -> None:
    feed = EventFeed(database=node.database, bell=EventBell(), max_streams=2)
    streams = [feed.watch(call_of(app.caller, "WatchEvents"), cursor="e0") for _ in range(3)]
    for stream in streams[:2]:
        await anext(stream)

    with pytest.raises(StreamLimitError):
        await anext(streams[2])
    other = feed.watch(call_of(MobileApp(node, "other").caller, "WatchEvents"), cursor="e0")
    await anext(other)
    await streams[0].aclose()
    again = feed.watch(call_of(app.caller, "WatchEvents"), cursor="e0")
    await anext(again)

    for stream in (streams[1], other, again):
        await stream.aclose()


@pytest.mark.parametrize("cursor", ["x", "e", "e-1", "e1.5", "e²", "7", "e" + "9" * 19])
async def test_a_cursor_that_was_not_made_here_is_refused(node: NodeInMemory, app: MobileApp, cursor: str) -> None:
    with pytest.raises(CursorInvalidError):
        await listed(node, app, cursor)
    with pytest.raises(CursorInvalidError):
        await anext(node.steps.feed.watch(call_of(app.caller, "WatchEvents"), cursor=cursor))
