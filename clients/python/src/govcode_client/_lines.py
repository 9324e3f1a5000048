"""One channel after another to the same node: a new one for a new certificate or at a ripe age, the old one drained.

A channel of grpcio keeps the certificate that it was made with, and a connection lives as long as both ends wish, past
the end of its certificate and past the moment at which a name leads elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from govcode_client._errors import ClientClosedError
from govcode_client._identity import Identity, IdentitySource

MAX_AGE: Final = 3600.0
"""Seconds after which a connection is replaced."""

DRAIN: Final = 30.0
"""Seconds that calls on a replaced connection may go on."""

C = TypeVar("C")


@dataclass(slots=True)
class Line(Generic[C]):
    """One channel and what is under way on it.

    Attributes:
        channel: The channel.
        identity: What it was made with.
        made_at: When.
        in_flight: Calls that have not ended.
        retired: Whether another channel has taken its place.
        callables: The multicallables of grpcio that were made for it.
    """

    channel: C
    identity: Identity
    made_at: float
    in_flight: int = 0
    retired: bool = False
    callables: dict[tuple[str, str], Any] = field(default_factory=dict)


class LineKeeper(Generic[C]):
    """It keeps the present line; may be used by several threads."""

    def __init__(
        self,
        source: IdentitySource,
        *,
        dial: Callable[[Identity], C],
        close: Callable[[C], None],
        close_later: Callable[[C], None],
        max_age: float = MAX_AGE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """It makes no channel yet.

        Args:
            source: Gives the identity.
            dial: Makes a channel, which connects at its first call.
            close: Closes a channel on which nothing is under way.
            close_later: Closes a channel once its calls have had time to end.
            max_age: Seconds after which a line is replaced.
            monotonic: Time.
        """
        self._source = source
        self._dial = dial
        self._close = close
        self._close_later = close_later
        self._max_age = max_age
        self._monotonic = monotonic
        self._line: Line[C] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Line[C]:
        """It gives the present line to a call, which gives it back by `give_back`.

        Raises:
            ClientClosedError: `end` was called.
        """
        identity = self._source.current()
        with self._lock:
            line = self._fresh(identity)
            line.in_flight += 1
            return line

    def look(self) -> None:
        """It retires the present line where that is due; for long streams, during which nobody takes one."""
        identity = self._source.current()
        with self._lock:
            if not self._closed and self._line is not None:
                self._fresh(identity)

    def give_back(self, line: Line[C]) -> None:
        """It notes the end of a call; the last one on a retired line closes it."""
        with self._lock:
            line.in_flight -= 1
            over = line.retired and not line.in_flight
        if over:
            self._close(line.channel)

    def end(self) -> C | None:
        """It gives the last channel up, for its caller to close; there will be no other."""
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
            return None if line is None else line.channel

    def _fresh(self, identity: Identity) -> Line[C]:
        if self._closed:
            raise ClientClosedError
        line, now = self._line, self._monotonic()
        if line is not None and line.identity == identity and now - line.made_at < self._max_age:
            return line
        self._line = Line(self._dial(identity), identity, now)
        if line is not None:
            line.retired = True
            (self._close_later if line.in_flight else self._close)(line.channel)
        return self._line
