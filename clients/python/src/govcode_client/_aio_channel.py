"""The channel of `AsyncClient`: what `_channel` does, without blocking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import grpc
from grpc import aio

from govcode_client._channel import Metadata, call_metadata, channel_options, standing_metadata
from govcode_client._errors import NodeUnreachableError, error_of
from govcode_client._identity import Identity, IdentitySource
from govcode_client._lines import DRAIN, MAX_AGE, Line, LineKeeper


def open_aio_channel(
    address: str,
    identity: Identity,
    *,
    server_name: str = "",
    device_id: str = "",
    timeout: float,
    max_age: float = MAX_AGE,
) -> AsyncNodeChannel:
    """It makes a channel, which connects at its first call; arguments as those of `open_channel`."""
    options = channel_options(server_name)

    def dial(present: Identity) -> aio.Channel:
        return aio.secure_channel(address, present.credentials(), options=options)

    return AsyncNodeChannel(
        dial,
        address,
        source=IdentitySource(identity),
        metadata=standing_metadata(device_id),
        timeout=timeout,
        max_age=max_age,
    )


class AsyncNodeChannel(aio.Channel):
    """A channel for generated stubs on one event loop; the twin of `NodeChannel`."""

    def __init__(
        self,
        dial: Callable[[Identity], aio.Channel],
        address: str,
        *,
        source: IdentitySource,
        metadata: Metadata,
        timeout: float,
        max_age: float = MAX_AGE,
        drain: float = DRAIN,
    ) -> None:
        """It makes channels as they are needed; arguments as those of `NodeChannel`."""
        self.timeout = timeout
        self._address = address
        self._metadata = metadata
        self._drain = drain
        self._draining: set[asyncio.Task[None]] = set()
        self._keeper: LineKeeper[aio.Channel] = LineKeeper(
            source,
            dial=dial,
            close=lambda channel: self._close_in(channel, None),
            close_later=lambda channel: self._close_in(channel, self._drain),
            max_age=max_age,
        )

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a unary method."""
        return self._unary("unary_unary", method, args, kwargs)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a method that takes a stream."""
        return self._unary("stream_unary", method, args, kwargs)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a method that answers with a stream."""
        return self._stream("unary_stream", method, args, kwargs)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a method with streams both ways."""
        return self._stream("stream_stream", method, args, kwargs)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """It tells the connectivity of the present connection."""
        line = self._keeper.take()
        self._keeper.give_back(line)
        return line.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """It waits until the present connection is in another state."""
        line = self._keeper.take()
        try:
            await line.channel.wait_for_state_change(last_observed_state)
        finally:
            self._keeper.give_back(line)

    async def channel_ready(self) -> None:
        """It waits until the node answers."""
        line = self._keeper.take()
        try:
            await line.channel.channel_ready()
        finally:
            self._keeper.give_back(line)

    async def close(self, grace: float | None = None) -> None:
        """It closes all connections; calls under way are cancelled after the grace."""
        channel = self._keeper.end()
        if channel is not None:
            await channel.close(grace)
        if self._draining:
            _, late = await asyncio.wait(self._draining, timeout=grace or 0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _close_in(self, channel: aio.Channel, grace: float | None) -> None:
        task = asyncio.get_running_loop().create_task(channel.close(grace))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def _callable(self, line: Line[aio.Channel], kind: str, method: str, args: Any, kwargs: Any) -> Any:
        made = line.callables.get((kind, method))
        if made is None:
            made = line.callables[kind, method] = getattr(line.channel, kind)(method, *args, **kwargs)
        return made

    def _unary(self, kind: str, method: str, args: Any, kwargs: Any) -> Callable[..., Any]:
        async def called(request: Any, timeout: float | None = None, metadata: Any = None, **more: Any) -> Any:
            limit = self.timeout if timeout is None else timeout
            line = self._keeper.take()
            try:
                call = self._callable(line, kind, method, args, kwargs)
                return await call(request, timeout=limit, metadata=call_metadata(self._metadata, metadata), **more)
            except grpc.RpcError as failed:
                raise error_of(failed, address=self._address) from failed
            finally:
                self._keeper.give_back(line)

        return called

    def _stream(self, kind: str, method: str, args: Any, kwargs: Any) -> Callable[..., Any]:
        def called(request: Any, timeout: float | None = None, metadata: Any = None, **more: Any) -> AsyncNodeStream:
            line = self._keeper.take()
            try:
                call = self._callable(line, kind, method, args, kwargs)
                answers = call(request, timeout=timeout, metadata=call_metadata(self._metadata, metadata), **more)
            except BaseException:
                self._keeper.give_back(line)
                raise
            return AsyncNodeStream(answers, self._address, keeper=self._keeper, line=line)

        return called


class AsyncNodeStream(AsyncIterator[Any]):
    """Answers of a node as they come; `cancel` ends them."""

    def __init__(self, answers: Any, address: str, *, keeper: LineKeeper[aio.Channel], line: Line[aio.Channel]) -> None:
        """It wraps a call, and holds its line until the call has ended."""
        self._answers = answers
        self._iterator = aiter(answers)
        self._address = address
        self._keeper = keeper
        self._line: Line[aio.Channel] | None = line

    async def __anext__(self) -> Any:
        try:
            answer = await anext(self._iterator)
        except grpc.RpcError as failed:
            self._let_go()
            raise error_of(failed, address=self._address) from failed
        except asyncio.CancelledError:
            self._let_go()
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                # Not this task was cancelled but the call, with a connection that was replaced or closed.
                raise NodeUnreachableError(self._address, "the connection was closed here") from None
            raise
        except BaseException:
            self._let_go()
            raise
        self._keeper.look()
        return answer

    def cancel(self) -> None:
        """It tells the node that nobody listens any more."""
        self._answers.cancel()
        self._let_go()

    def _let_go(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            self._keeper.give_back(line)
