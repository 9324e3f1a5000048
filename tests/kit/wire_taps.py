"""What travels between nodes, taken down at both ends: as it leaves a node's channel, and as it enters a node's way in.

Between these two points lies only TLS, so this is what a relay, or a gateway that ends the channel, would read.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import pytest
from govcode_client import _aclient, _aio_channel
from govcode_node.federation.channels import Dialer
from govcode_node.rpc.methods import Handler
from govcode_node.rpc.pipeline import Pipeline

BETWEEN_NODES = ("/govcode.federation.v1.", "/govcode.hub.v1.")


class WireTaps:
    """It takes down the messages of the methods that nodes call, and of others that are named.

    Args:
        others: What the names of further methods begin with, which callers of nodes call by the client library.

    Attributes:
        at_clients: Requests sent and answers received over nodes' and clients' channels, by method.
        at_servers: Requests received and answers sent, by method.
    """

    def __init__(self, *others: str) -> None:
        self._tapping = (*BETWEEN_NODES, *others)
        self.at_clients: defaultdict[str, list[bytes]] = defaultdict(list)
        self.at_servers: defaultdict[str, list[bytes]] = defaultdict(list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It taps every node and asynchronous client that starts from now on."""
        dial, compose, connect = Dialer.dial, Pipeline.compose, _aio_channel.open_aio_channel

        def tapped_dial(dialer: Dialer, endpoint: str, *, server_name: str) -> Any:
            return self._tapped_channel(dial(dialer, endpoint, server_name=server_name))

        def tapped_connect(*where: Any, **how: Any) -> Any:
            return self._tapped_channel(connect(*where, **how))

        def tapped_compose(pipeline: Pipeline, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
            return {
                method: self._tapped(method, handler) if method.startswith(self._tapping) else handler
                for method, handler in compose(pipeline, handlers).items()
            }

        monkeypatch.setattr(Dialer, "dial", tapped_dial)
        monkeypatch.setattr(Pipeline, "compose", tapped_compose)
        monkeypatch.setattr(_aclient, "open_aio_channel", tapped_connect)

    def messages(self, prefix: str = "/") -> list[bytes]:
        """It gives all messages of methods whose name begins so, from both ends."""
        return [
            message
            for end in (self.at_clients, self.at_servers)
            for method, messages in end.items()
            if method.startswith(prefix)
            for message in messages
        ]

    def clear(self) -> None:
        """It forgets what was taken down, and goes on."""
        for end in (self.at_clients, self.at_servers):
            for kept in end.values():
                kept.clear()

    def _tapped_channel(self, channel: Any) -> "_TappedChannel":
        return _TappedChannel(channel, self.at_clients, self._tapping)

    def _tapped(self, method: str, handler: Handler) -> Handler:
        kept = self.at_servers[method]
        inner: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        async def serve(raw: Any, context: Any) -> Any:
            if handler.request_streaming:
                raw = _tapped_stream(raw, kept)
            else:
                kept.append(raw)
            answer = await inner(raw, _TappedContext(context, kept))
            if answer is not None:
                kept.append(answer)
            return answer

        make: Callable[..., Handler] = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[bool(handler.request_streaming), bool(handler.response_streaming)]
        return make(serve)


class _TappedChannel:
    """A channel whose calls put their messages down as bytes."""

    def __init__(self, channel: Any, kept: defaultdict[str, list[bytes]], tapping: tuple[str, ...]) -> None:
        self._channel = channel
        self._kept = kept
        self._tapping = tapping

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._channel, name)
        if name not in {"unary_unary", "unary_stream", "stream_unary", "stream_stream"}:
            return found

        def make(method: str, *, request_serializer: Any, response_deserializer: Any, **options: Any) -> Any:
            if not method.startswith(self._tapping):
                return found(
                    method,
                    request_serializer=request_serializer,
                    response_deserializer=response_deserializer,
                    **options,
                )
            kept = self._kept[method]
            return found(
                method,
                request_serializer=lambda message: _noted(request_serializer(message), kept),
                response_deserializer=lambda raw: response_deserializer(_noted(raw, kept)),
                **options,
            )

        return make


class _TappedContext:
    """A context that puts down what is written to a stream, and the details of errors."""

    def __init__(self, context: Any, kept: list[bytes]) -> None:
        self._context = context
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, raw: bytes) -> None:
        await self._context.write(_noted(raw, self._kept))

    async def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> None:
        self._kept.append(details.encode())
        self._kept.extend(value if isinstance(value, bytes) else str(value).encode() for _, value in trailing_metadata)
        await self._context.abort(code, details, trailing_metadata)


def _noted(raw: bytes, kept: list[bytes]) -> bytes:
    kept.append(raw)
    return raw


async def _tapped_stream(raws: AsyncIterator[bytes], kept: list[bytes]) -> AsyncIterator[bytes]:
    async for raw in raws:
        yield _noted(raw, kept)
