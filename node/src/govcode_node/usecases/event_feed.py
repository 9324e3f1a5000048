"""Events for applications' back ends: a stream with a cursor, and the same cursor by long poll (N-52, 7.1-03).

A commit rings the bell of the application that is told; a watcher that hears it reads the store from its cursor on. The
bell is a hint and no queue: what was missed (another process wrote it) is found by the next look, a second later.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from govcode_node.domain.callers import Call
from govcode_node.domain.errors import CursorInvalidError, StreamLimitError
from govcode_node.domain.events import Event
from govcode_node.ports.stores import Database

HEARTBEAT: Final = timedelta(seconds=15)
"""A watcher gets a sign of life after this silence, well within the 20 s that it may count on."""

LOOK: Final = timedelta(seconds=1)
"""How long an event may go unnoticed that another process wrote."""

_PAGE: Final = 200
MAX_STREAMS: Final = 64


class EventBell:
    """It wakes those who wait for an application's events."""

    def __init__(self) -> None:
        """It begins with nobody waiting."""
        self._waiting: dict[str, asyncio.Event] = {}

    def ring(self, app_id: str | None) -> None:
        """It wakes the watchers of an application; None rings for nobody."""
        if app_id is not None and (event := self._waiting.pop(app_id, None)) is not None:
            event.set()

    def listen(self, app_id: str) -> asyncio.Event:
        """It returns what the next ring sets. Taken before a look at the store, it misses no commit after the look."""
        return self._waiting.setdefault(app_id, asyncio.Event())

    async def heard(self, bell: asyncio.Event, *, at_most: timedelta) -> None:
        """It waits until what `listen` returned is rung, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), at_most.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events, and the cursor to go on from."""

    events: Sequence[Event]
    cursor: str


class EventFeed:
    """It serves an application's events."""

    def __init__(self, *, database: Database, bell: EventBell, max_streams: int = MAX_STREAMS) -> None:
        """It reads the store and listens to the bell."""
        self._database = database
        self._bell = bell
        self._max_streams = max_streams
        self._streams: Counter[str] = Counter()

    async def watch(self, call: Call, *, cursor: str) -> AsyncGenerator[EventPage, None]:
        """It yields pages of events for ever; an empty page is a heartbeat.

        Raises:
            CursorInvalidError: The cursor was not made here.
            StreamLimitError: The application has too many streams.
        """
        app_id = call.caller.name
        position = await self._begin(app_id, cursor)
        if self._streams[app_id] >= self._max_streams:
            raise StreamLimitError(self._max_streams)
        self._streams[app_id] += 1
        try:
            yield EventPage(events=(), cursor=cursor_of(position))
            silence = timedelta()
            while True:
                bell = self._bell.listen(app_id)
                events = await self._events_after(app_id, position, _PAGE)
                if events:
                    position, silence = events[-1].position, timedelta()
                    yield EventPage(events=events, cursor=cursor_of(position))
                    continue
                await self._bell.heard(bell, at_most=LOOK)
                silence += LOOK
                if silence >= HEARTBEAT:
                    silence = timedelta()
                    yield EventPage(events=(), cursor=cursor_of(position))
        finally:
            self._streams[app_id] -= 1

    async def list_events(self, call: Call, *, cursor: str, page_size: int, wait: timedelta) -> EventPage:
        """It returns a page of events, waiting for the first where there are none.

        Raises:
            CursorInvalidError: The cursor was not made here.
        """
        app_id = call.caller.name
        position = await self._begin(app_id, cursor)
        waited = timedelta()
        while True:
            bell = self._bell.listen(app_id)
            events = await self._events_after(app_id, position, page_size)
            if events or waited >= wait:
                last = events[-1].position if events else position
                return EventPage(events=events, cursor=cursor_of(last))
            step = min(LOOK, wait - waited)
            await self._bell.heard(bell, at_most=step)
            waited += step

    async def _begin(self, app_id: str, cursor: str) -> int:
        if cursor:
            return _position_of(cursor)
        return await self._database.read(lambda tx: tx.events.last_position(app_id))

    async def _events_after(self, app_id: str, position: int, limit: int) -> Sequence[Event]:
        return await self._database.read(lambda tx: tx.events.after(app_id, position=position, limit=limit))


def cursor_of(position: int) -> str:
    """It gives the cursor that goes on after a position in an application's stream."""
    return f"e{position}"


def _position_of(cursor: str) -> int:
    digits = cursor[1:]
    if not (cursor.startswith("e") and digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise CursorInvalidError(cursor)
    return int(digits)
