"""What the node tells the hub: its condition every few seconds, and each minute's counts once, signed (7.6-04).

A minute is counted from the store, so nothing of it is buffered here: what is remembered is the next minute to be told.
While the hub is away for hours, or the node stops, that position stands still; afterwards the minutes follow in order.
The hub counts a minute of a node once, so one that was sent but not acknowledged is simply sent again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import StatusSummary
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.domain.regions import HUB_REGION
from govcode_node.federation.files import read_file, replace_file_aside
from govcode_node.federation.hub_link import ReportSink, ReportStream
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import StatusSource
from govcode_node.ports.security import Attestor

log = logging.getLogger(__name__)

_MINUTE: Final = timedelta(minutes=1)
_SETTLING: Final = timedelta(seconds=30)
"""A scan may be kept some seconds after it was decided; a minute is told when nothing can be added to it any more."""

_WINDOW: Final = 16
_ACK_PATIENCE: Final = 20.0
_LONGEST_GAP: Final = 4320
_LOOK_BACK: Final = timedelta(hours=24)


class ReportPosition:
    """The next minute to be told, in a small file."""

    def __init__(self, path: Path) -> None:
        """It lies at that path."""
        self._path = path

    async def read(self, *, now: datetime) -> datetime:
        """It returns the next minute.

        At the first start that is the present one. Where the file cannot be understood it is one of a day ago, since a
        minute told twice is counted once and one never told is lost.
        """
        try:
            content = await asyncio.to_thread(read_file, self._path)
            if content is None:
                minute = _minute_of(now)
                # Kept at once: the hub may be away until after the next restart.
                await self.write(minute)
                return minute
            return _minute_of(_aware(datetime.fromisoformat(content.decode("ascii").strip())))
        except (OSError, ValueError) as error:
            log.error("report position unreadable", extra={"why": str(error)})  # noqa: TRY400 - the reason says it all
            return _minute_of(now - _LOOK_BACK)

    async def write(self, minute: datetime) -> None:
        """It keeps the next minute. Where that fails minutes are told again after a restart, which does no harm."""
        try:
            await replace_file_aside(self._path, minute.isoformat().encode("ascii"))
        except OSError as error:
            log.warning("report position not kept", extra={"why": str(error)})


class Reporter:
    """It reports over one stream. `step` is the step of a loop of about 5 s with jitter and a limit of 10 s."""

    def __init__(
        self,
        *,
        status: StatusSource,
        summarize: Callable[[datetime], Awaitable[StatusSummary]],
        sink: ReportSink,
        attestor: Attestor,
        position: ReportPosition,
        clock: Clock,
        newer_bundle: Callable[[int], Awaitable[None]] | None = None,
        longest_gap: int = _LONGEST_GAP,
    ) -> None:
        """It takes what it works with.

        Args:
            status: The node's condition.
            summarize: Counts a minute from the store.
            sink: The hub.
            attestor: Signs summaries.
            position: The next minute to be told.
            clock: The clock.
            newer_bundle: Told the version of the newest bundle, as the hub says it.
            longest_gap: Minutes that are told late at most; older ones are given up, aloud.
        """
        self._status = status
        self._summarize = summarize
        self._sink = sink
        self._attestor = attestor
        self._position = position
        self._clock = clock
        self._newer_bundle = newer_bundle
        self._longest_gap = longest_gap
        self._next: datetime | None = None
        self._kept: datetime | None = None
        self._stream: ReportStream | None = None
        self._reading: asyncio.Task[None] | None = None
        self._unacknowledged: deque[tuple[int, datetime | None]] = deque()
        self._waiting_since: float | None = None
        self._sent_up_to: datetime | None = None

    async def step(self) -> None:
        """It sends the condition now, and minutes that are over and not acknowledged, as many as may be under way.

        Raises:
            GovcodeError: The hub refuses, does not answer, or does not acknowledge; the stream begins anew.
        """
        try:
            stream = await self._open()
            await self._keep_position()
            self._check_patience()
            self._await_word(await stream.send(self._status.status()), None)
            await self._send_minutes(stream)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """It ends the stream; the next step begins another one, after the last minute that was acknowledged."""
        reading, self._reading = self._reading, None
        stream, self._stream = self._stream, None
        self._unacknowledged.clear()
        self._waiting_since = None
        self._sent_up_to = None
        if stream is not None:
            await stream.close()
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
            if not reading.cancelled():
                # It ended by a fault of the stream, which the step tells of; read here lest asyncio complain.
                reading.exception()

    async def _open(self) -> ReportStream:
        if self._next is None:
            self._next = self._kept = await self._position.read(now=self._clock.now())
        if self._reading is not None and self._reading.done():
            error = self._reading.exception()
            await self.close()
            if error is not None:
                raise error
        if self._stream is None:
            self._stream = self._sink.open_reports()
            self._sent_up_to = self._next
            self._reading = asyncio.get_running_loop().create_task(self._read(self._stream), name="hub's word")
        return self._stream

    async def _send_minutes(self, stream: ReportStream) -> None:
        self._give_up_what_is_too_old()
        while self._minutes_under_way() < _WINDOW:
            minute = self._sent_up_to
            if minute is None or minute + _MINUTE + _SETTLING > self._clock.now():
                return
            summary = await self._summarize(minute)
            evidence = await self._attestor.attest(EvidencePurpose.STATUS_SUMMARY, summary)
            if self._stream is not stream:
                return
            self._await_word(await stream.send(evidence), minute)
            self._sent_up_to = minute + _MINUTE

    def _give_up_what_is_too_old(self) -> None:
        oldest = _minute_of(self._clock.now()) - self._longest_gap * _MINUTE
        if self._sent_up_to is not None and self._sent_up_to < oldest:
            given_up = (oldest - self._sent_up_to) // _MINUTE
            log.error("minutes given up that were never reported", extra={"minutes": given_up})
            self._sent_up_to = oldest

    def _minutes_under_way(self) -> int:
        return sum(minute is not None for _, minute in self._unacknowledged)

    def _await_word(self, seq: int, minute: datetime | None) -> None:
        self._unacknowledged.append((seq, minute))
        if self._waiting_since is None:
            self._waiting_since = self._clock.monotonic()

    def _check_patience(self) -> None:
        waiting = self._waiting_since
        if waiting is not None and self._clock.monotonic() - waiting > _ACK_PATIENCE:
            raise HomeNodeUnreachableError(str(HUB_REGION))

    async def _read(self, stream: ReportStream) -> None:
        """It takes the hub's words until the stream ends."""
        while True:
            word = await stream.acknowledgement()
            self._acknowledged(word.acknowledged_seq)
            if self._newer_bundle is not None:
                try:
                    await self._newer_bundle(word.bundle_version)
                except GovcodeError as error:
                    log.info("newer bundle not fetched", extra={"why": str(error)})

    def _acknowledged(self, seq: int) -> None:
        while self._unacknowledged and self._unacknowledged[0][0] <= seq:
            _, minute = self._unacknowledged.popleft()
            if minute is not None:
                self._next = minute + _MINUTE
        self._waiting_since = self._clock.monotonic() if self._unacknowledged else None

    async def _keep_position(self) -> None:
        """It writes the position where the hub has acknowledged something since it was written last."""
        if self._next is not None and self._next != self._kept:
            kept = self._next
            await self._position.write(kept)
            self._kept = kept


def _minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("the time has no zone")
    return moment
