"""The stream of events goes on where it broke, and nothing of it is lost."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from govcode_client import Client, ClientClosedError, NodeError, NodeUnreachableError
from govcode_client.testing import FakeNode
from kit.client_twins import Twin


def scan_some(node: FakeNode, count: int) -> list[str]:
    """So many scans, each an event; their ids."""
    with Client(node.address, node.identity) as client:
        code = node.present(node.person("李示范"))
        return [client.codes.scan(code_text=code, scene_no=1).answer.scan_id for _ in range(count)]


def test_events_come_in_order_from_a_cursor_on(node: FakeNode, twin: Twin) -> None:
    scans = scan_some(node, 5)
    events = twin.each("codes.watch_events", cursor="c0", first=5)
    assert [event.code_scanned.scan_id for event in events] == scans
    later = twin.each("codes.watch_events", cursor=events[2].cursor, first=2)
    assert [event.event_id for event in later] == [event.event_id for event in events[3:]]


def test_heartbeats_are_kept_back_unless_wanted(node: FakeNode, twin: Twin) -> None:
    scan_some(node, 1)
    (event,) = twin.each("codes.watch_events", cursor="c0", first=1)
    assert event.WhichOneof("kind") == "code_scanned"
    (beat,) = twin.each("codes.watch_events", cursor="c0", heartbeats=True, first=1)
    assert beat.WhichOneof("kind") == "heartbeat"


@pytest.fixture
def breaking(node: FakeNode) -> Iterator[list[str]]:
    """A node whose streams break again and again while things happen; what happened, as it happens."""
    happened: list[str] = []

    def act() -> None:
        for _ in range(4):
            happened.extend(scan_some(node, 2))
            node.break_streams()
            happened.extend(scan_some(node, 1))

    acting = threading.Thread(target=act)
    acting.start()
    yield happened
    acting.join()


@pytest.mark.req("N-52")
def test_a_broken_stream_is_opened_again_and_nothing_is_lost_or_twice(
    node: FakeNode, twin: Twin, breaking: list[str]
) -> None:
    events = twin.each("codes.watch_events", cursor="c0", first=12)
    assert [event.code_scanned.scan_id for event in events] == breaking
    streams = [call for call in node.calls if call.method == "WatchEvents"]
    assert len(streams) > 1
    assert streams[-1].request.cursor != "c0"


def test_a_stream_outlives_a_node_that_is_stopped_and_started(node: FakeNode) -> None:
    with Client(node.address, node.identity) as client:
        events = client.codes.watch_events(cursor="c0")
        first = scan_some(node, 1)
        seen = [next(events).code_scanned.scan_id]
        node.restart()
        first += scan_some(node, 2)
        seen += [event.code_scanned.scan_id for event in itertools.islice(events, 2)]
        events.close()
    assert seen == first


def test_a_cursor_of_another_node_is_told_and_not_tried_again(node: FakeNode, twin: Twin) -> None:
    with pytest.raises(NodeError, match="CURSOR_INVALID"):
        twin.each("codes.watch_events", cursor="c999")
    assert len(node.calls) == 1


def test_a_wrong_address_is_told_at_once(node: FakeNode, twin: Twin) -> None:
    node.stop()
    with pytest.raises(NodeUnreachableError):
        twin.each("codes.watch_events", first=1)


def test_closing_the_client_ends_the_stream(node: FakeNode) -> None:
    client = Client(node.address, node.identity)
    events = client.codes.watch_events(heartbeats=True)
    next(events)
    closing = threading.Timer(0.2, client.close)
    closing.start()
    with pytest.raises(ClientClosedError):
        next(events)
    closing.join()


def test_the_long_poll_waits_for_the_first_event(node: FakeNode, twin: Twin) -> None:
    assert list(twin.do("codes.list_events", cursor="c0").events) == []
    acting = threading.Timer(0.3, scan_some, (node, 1))
    acting.start()
    begun = time.monotonic()
    answer = twin.do("codes.list_events", cursor="c0", wait=10)
    assert len(answer.events) == 1
    assert 0.2 < time.monotonic() - begun < 8
    assert list(twin.do("codes.list_events", cursor=answer.cursor).events) == []
    acting.join()
