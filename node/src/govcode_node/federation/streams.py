"""A stream of answers from one peer: read a message at a time, so that a slow reader slows the peer down.

gRPC lets a peer send little more than was read (flow control of HTTP/2). Nothing is gathered here: between two reads
one message at most is held, whatever the length of the stream.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Generic, Self, TypeVar, cast

import grpc
from grpc import aio

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.recognition import HomeNodeUnreachableError

R = TypeVar("R")

Begin = Callable[[aio.Channel, float], aio.UnaryStreamCall[Any, R]]
"""Begins the call on a channel with a time limit in seconds."""

_DECIDED: Final = frozenset(
    {
        grpc.ChannelConnectivity.READY,
        # A call on such a channel fails at once, and says why.
        grpc.ChannelConnectivity.TRANSIENT_FAILURE,
        grpc.ChannelConnectivity.SHUTDOWN,
    }
)


async def reached(channel: aio.Channel, *, within: float) -> bool:
    """It waits until a channel has a connection or knows that it gets none; False where neither happens in time.

    A long call may wait long for its answer, but not that long for somebody to ask: an address that swallows what is
    sent to it would use up the whole time.
    """
    try:
        async with asyncio.timeout(within):
            state = channel.get_state(try_to_connect=True)
            while state not in _DECIDED:
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)
    except TimeoutError:
        return False
    return True


class PeerStream(Generic[R]):
    """Messages of a stream in order; the end of the iteration is the end that the peer gave it."""

    def __init__(
        self, call: aio.UnaryStreamCall[Any, R], *, node_id: str, explain: Callable[[aio.AioRpcError], GovcodeError]
    ) -> None:
        """It has read nothing yet.

        Args:
            call: The call.
            node_id: The peer.
            explain: Says what a failure after the first message means, and notes it.
        """
        self._call = call
        self._node_id = node_id
        self._explain = explain
        self._first: R | None = None

    async def open(self) -> None:
        """It waits for the first message, or for the end of a stream that has none.

        Raises:
            aio.AioRpcError: The peer refuses, or does not answer.
            HomeNodeUnreachableError: The connection was given up.
        """
        self._first = await self._read()

    def cancel(self) -> None:
        """It ends the call; what was not read is never sent, or thrown away."""
        self._call.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        """It gives the next message.

        Raises:
            StopAsyncIteration: The peer has ended the stream.
            HomeNodeUnreachableError, HomeNodeTimeoutError: It breaks off.
            GovcodeError: What the peer refused with.
        """
        message, self._first = self._first, None
        if message is None:
            try:
                message = await self._read()
            except aio.AioRpcError as failure:
                raise self._explain(failure) from failure
        if message is None:
            raise StopAsyncIteration
        return message

    async def _read(self) -> R | None:
        try:
            message = await self._call.read()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody gave us up: the channel under the stream was closed, because it is too old or has another
            # certificate now, and the stream outlasted the time to drain.
            raise HomeNodeUnreachableError(self._node_id) from None
        return None if message is aio.EOF else cast(R, message)
