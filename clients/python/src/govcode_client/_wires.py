"""The two wires under the core: one that blocks, one on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from google.protobuf.message import Message

from govcode_client._aio_channel import AsyncNodeChannel
from govcode_client._channel import NodeChannel
from govcode_client._core import M


class BlockingWire:
    """Every coroutine of it has its result when it is first asked for it."""

    def __init__(self, channel: NodeChannel) -> None:
        """It calls over a channel."""
        self.timeout = channel.timeout
        self._channel = channel
        self._callables: dict[tuple[str, str], Any] = {}

    async def ask(self, path: str, request: Message, answer: type[M], *, timeout: float) -> M:
        """It makes a unary call."""
        called: M = self._callable("unary_unary", path, request, answer)(request, timeout=timeout)
        return called

    async def listen(
        self,
        path: str,
        request: Message,
        answer: type[M],
        *,
        timeout: float | None,
    ) -> AsyncGenerator[M, None]:
        """It makes a call that answers with a stream."""
        stream = self._callable("unary_stream", path, request, answer)(request, timeout=timeout)
        try:
            for message in stream:
                yield message
        finally:
            stream.cancel()

    async def pause(self, seconds: float) -> None:
        """It waits."""
        time.sleep(seconds)  # noqa: ASYNC251 - under the blocking client there is no loop

    def _callable(self, kind: str, path: str, request: Message, answer: type[Message]) -> Any:
        made = self._callables.get((kind, path))
        if made is None:
            made = self._callables[kind, path] = getattr(self._channel, kind)(
                path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
            )
        return made


class AioWire:
    """It belongs to the event loop on which it is first used."""

    def __init__(self, channel: AsyncNodeChannel) -> None:
        """It calls over a channel."""
        self.timeout = channel.timeout
        self._channel = channel
        self._callables: dict[tuple[str, str], Any] = {}

    async def ask(self, path: str, request: Message, answer: type[M], *, timeout: float) -> M:
        """It makes a unary call."""
        answered: M = await self._callable("unary_unary", path, request, answer)(request, timeout=timeout)
        return answered

    async def listen(
        self,
        path: str,
        request: Message,
        answer: type[M],
        *,
        timeout: float | None,
    ) -> AsyncGenerator[M, None]:
        """It makes a call that answers with a stream."""
        stream = self._callable("unary_stream", path, request, answer)(request, timeout=timeout)
        try:
            async for message in stream:
                yield message
        finally:
            stream.cancel()

    async def pause(self, seconds: float) -> None:
        """It waits."""
        await asyncio.sleep(seconds)

    def _callable(self, kind: str, path: str, request: Message, answer: type[Message]) -> Any:
        made = self._callables.get((kind, path))
        if made is None:
            made = self._callables[kind, path] = getattr(self._channel, kind)(
                path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
            )
        return made
