"""One core under both clients: every act is written once, as a coroutine over a `Wire`.

The asynchronous client awaits these coroutines. The blocking one runs the very same over a wire whose every step has
ended when it returns, so that a coroutine never waits and one `send` brings it to its end. There is no second version
of any act, and no event loop under the blocking client.
"""

from __future__ import annotations

import enum
import functools
import inspect
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from datetime import datetime, timedelta
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from govcode_client._errors import ClientError, NodeBusyError

R = TypeVar("R")
M = TypeVar("M", bound=Message)
P = ParamSpec("P")
CoreT = TypeVar("CoreT")

_LEAST_ATTEMPT: Final = 0.2
"""Seconds that must be left for another try after a delay; a node refuses calls with less than 0.1 s."""

_JITTER: Final = 0.25
"""Part of a delay that is added at random, so that many callers do not come back at once."""


class Wire(Protocol):
    """What the core needs of a channel."""

    timeout: float

    async def ask(self, path: str, request: Message, answer: type[M], *, timeout: float) -> M:
        """It makes a unary call.

        Raises:
            ClientError: It failed.
        """
        ...

    def listen(self, path: str, request: Message, answer: type[M], *, timeout: float | None) -> AsyncGenerator[M, None]:
        """It makes a call that answers with a stream; closing the generator cancels the call.

        Raises:
            ClientError: It failed.
        """
        ...

    async def pause(self, seconds: float) -> None:
        """It waits."""
        ...


class AsyncArea:
    """A group of acts; subclasses name the service whose methods they call."""

    service: str = ""

    def __init__(self, wire: Wire) -> None:
        """It acts over a wire."""
        self._wire = wire

    async def _ask(
        self, method: str, request: Message, answer: type[M], *, timeout: float | None, service: str = ""
    ) -> M:
        """It makes a unary call, and makes it again where the node says when, and that is before the deadline.

        Raises:
            ClientError: It failed; its `biz_serial` is that of the request.
        """
        path = f"/{service or self.service}/{method}"
        deadline = time.monotonic() + (self._wire.timeout if timeout is None else timeout)
        while True:
            try:
                return await self._wire.ask(path, request, answer, timeout=max(deadline - time.monotonic(), 0.0))
            except NodeBusyError as busy:
                busy.biz_serial = getattr(request, "biz_serial", "")
                delay = _delay_before(busy, left=deadline - time.monotonic())
                if delay is None:
                    raise
            except ClientError as error:
                error.biz_serial = getattr(request, "biz_serial", "")
                raise
            await self._wire.pause(delay)

    def _listen(
        self, method: str, request: Message, answer: type[M], *, timeout: float | None = None, service: str = ""
    ) -> AsyncGenerator[M, None]:
        return self._wire.listen(f"/{service or self.service}/{method}", request, answer, timeout=timeout)


def _delay_before(busy: NodeBusyError, *, left: float) -> float | None:
    """It gives the seconds to wait before the next try; None where the node names none, or the time is too short."""
    if busy.retry_after is None:
        return None
    delay = busy.retry_after.total_seconds()
    delay *= 1 + random.uniform(0, _JITTER)  # noqa: S311 - spreads callers, guards nothing
    return delay if delay + _LEAST_ATTEMPT <= left else None


async def pages(turn: Callable[[str], Coroutine[Any, Any, tuple[Any, str]]]) -> AsyncGenerator[Any, None]:
    """It goes through the pages of a list.

    Args:
        turn: Fetches the page of a token: its items, and the token of the next one, empty on the last.
    """
    token = ""
    while True:
        items, token = await turn(token)
        for item in items:
            yield item
        if not token:
            return


class BlockingArea(Generic[CoreT]):
    """A group of acts that return when they are done; what they do stands in the core."""

    def __init__(self, core: CoreT) -> None:
        """It runs a core whose wire blocks."""
        self._core = core


def run(act: Coroutine[Any, Any, R]) -> R:
    """It runs a coroutine over a blocking wire, which never waits.

    Raises:
        RuntimeError: The coroutine waited for something else than its wire.
    """
    try:
        act.send(None)
    except StopIteration as done:
        result: R = done.value
        return result
    act.close()
    raise RuntimeError("an act of the blocking client waited for an event loop")


def blocking(
    act: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[BlockingArea[Any], P], R]:
    """It makes the blocking twin of an act, with its name, signature and words."""

    @functools.wraps(act)
    def called(self: BlockingArea[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return run(act(self._core, *args, **kwargs))

    return called


def blocking_iterator(
    act: Callable[Concatenate[Any, P], AsyncGenerator[R, None]],
) -> Callable[Concatenate[BlockingArea[Any], P], Generator[R, None, None]]:
    """It makes the blocking twin of an act that yields."""

    @functools.wraps(act)
    def called(self: BlockingArea[Any], /, *args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
        return _each(act(self._core, *args, **kwargs))

    signature = inspect.signature(act)
    said = str(signature.return_annotation).removeprefix("Async").removesuffix("]") + ", None]"
    called.__signature__ = signature.replace(return_annotation=said)  # type: ignore[attr-defined]
    return called


def _each(items: Any) -> Generator[Any, None, None]:
    try:
        while True:
            try:
                item = run(anext(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(items.aclose())


def enum_value(kind: Any, given: int | str, prefix: str) -> int:
    """It takes a value of an enumeration by number, or by name with or without the prefix.

    Args:
        kind: The enumeration of the messages.
        given: Example: `APP`.
        prefix: What the names of the contract begin with. Example: `TERMINAL_TYPE_`.

    Raises:
        ValueError: There is no such name; the message lists those that there are.

    >>> from govcode.common.v1.subject_pb2 import SubjectKind
    >>> enum_value(SubjectKind, "PERSON", "SUBJECT_KIND_")
    1
    """
    if isinstance(given, int) and not isinstance(given, enum.Enum):
        return given
    name = str(given)
    full = name if name.startswith(prefix) else prefix + name
    if full not in kind.keys():  # noqa: SIM118 - an enumeration of messages is no mapping
        known = ", ".join(key.removeprefix(prefix) for key in kind.keys())  # noqa: SIM118
        raise ValueError(f"{name!r} is none of {known}")
    return int(kind.Value(full))


def timestamp(moment: datetime | None) -> Timestamp | None:
    """It gives a moment as the messages have it.

    Raises:
        ValueError: The moment has no time zone, so that nobody can know which one is meant.
    """
    if moment is None:
        return None
    if moment.utcoffset() is None:
        raise ValueError("a moment needs a time zone; for example datetime.now(UTC)")
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def duration(span: timedelta | float | None) -> Duration | None:
    """It gives a span, or a number of seconds, as the messages have it."""
    if span is None:
        return None
    made = Duration()
    made.FromTimedelta(span if isinstance(span, timedelta) else timedelta(seconds=span))
    return made
