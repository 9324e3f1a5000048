"""The channel to a node: mutual TLS, a deadline on every unary call, metadata, and errors as this library's own."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Self

import grpc

from govcode_client._errors import error_of
from govcode_client._identity import ClientIdentity, Identity, IdentitySource
from govcode_client._lines import DRAIN, MAX_AGE, Line, LineKeeper
from govcode_client._retries import service_config

__all__ = ["DEFAULT_TIMEOUT", "KEEP_ALIVE", "ClientIdentity", "NodeChannel", "NodeStream", "open_channel"]

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds that a unary call may take where the caller says nothing."""

KEEP_ALIVE: Final = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Also while nothing is asked (N-53): the next scan must not be the one that finds a dead path.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
"""The agreed keep-alive, as channel arguments of the C core: a ping every 20 s, a dead path is seen within 30 s. Nodes
allow a ping every 10 s and answer faster ones with GOAWAY `too_many_pings`."""

_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    *KEEP_ALIVE,
    # A replaced channel must not find the old one's connection in the process-wide pool.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

Metadata = tuple[tuple[str, str], ...]


def channel_options(server_name: str) -> list[tuple[str, Any]]:
    """It gives the arguments of a channel, with the name for the node's certificate where there is one."""
    options: list[tuple[str, Any]] = [*_OPTIONS, ("grpc.service_config", service_config())]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return options


def standing_metadata(device_id: str) -> Metadata:
    """It gives what is sent with every call."""
    return (("govcode-device-id", device_id),) if device_id else ()


def call_metadata(standing: Metadata, own: Sequence[tuple[str, str]] | None) -> Metadata:
    """It puts a call's own metadata over the standing one, and gives the call an id where it has none."""
    given = tuple(own or ())
    names = {name for name, _ in given}
    kept = tuple(pair for pair in standing if pair[0] not in names)
    request_id = () if "govcode-request-id" in names else (("govcode-request-id", uuid.uuid4().hex),)
    return (*kept, *request_id, *given)


def open_channel(
    address: str,
    identity: Identity,
    *,
    server_name: str = "",
    device_id: str = "",
    timeout: float,
    max_age: float = MAX_AGE,
) -> NodeChannel:
    """It makes a channel, which connects at its first call.

    Args:
        address: `host:port` of the node.
        identity: The caller's.
        server_name: Name that must stand in the node's certificate; the host of the address where empty.
        device_id: The reading device, sent with every call.
        timeout: Seconds for a unary call that brings no own.
        max_age: Seconds after which a connection is replaced.
    """
    options = channel_options(server_name)

    def dial(present: Identity) -> grpc.Channel:
        return grpc.secure_channel(address, present.credentials(), options)

    return NodeChannel(
        dial,
        address,
        source=IdentitySource(identity),
        metadata=standing_metadata(device_id),
        timeout=timeout,
        max_age=max_age,
    )


class NodeChannel(grpc.Channel):
    """A channel for generated stubs that adds deadline and metadata, follows certificates, and raises `ClientError`s.

    The stubs' types are grpcio's own; what passes here is beside the wire and stays untyped.
    """

    def __init__(
        self,
        dial: Callable[[Identity], grpc.Channel],
        address: str,
        *,
        source: IdentitySource,
        metadata: Metadata,
        timeout: float,
        max_age: float = MAX_AGE,
        drain: float = DRAIN,
    ) -> None:
        """It makes channels as they are needed.

        Args:
            dial: Makes a channel of grpcio.
            address: Where it leads, for errors.
            source: The caller's identity as it stands now.
            metadata: Sent with every call.
            timeout: Seconds for a unary call that brings no own.
            max_age: Seconds after which a connection is replaced.
            drain: Seconds that calls on a replaced connection may go on.
        """
        self.timeout = timeout
        self._address = address
        self._metadata = metadata
        self._drain = drain
        self._draining: set[threading.Timer] = set()
        self._keeper: LineKeeper[grpc.Channel] = LineKeeper(
            source, dial=dial, close=lambda channel: channel.close(), close_later=self._close_later, max_age=max_age
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

    def subscribe(self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool = False) -> None:
        """It reports the connectivity of the present connection."""
        line = self._keeper.take()
        line.channel.subscribe(callback, try_to_connect)
        self._keeper.give_back(line)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """It ends the reports."""
        line = self._keeper.take()
        line.channel.unsubscribe(callback)
        self._keeper.give_back(line)

    def close(self) -> None:
        """It closes all connections; calls under way are cancelled."""
        channel = self._keeper.end()
        if channel is not None:
            channel.close()
        for timer in tuple(self._draining):
            timer.cancel()
            timer.function()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _close_later(self, channel: grpc.Channel) -> None:
        def close() -> None:
            self._draining.discard(timer)
            channel.close()

        timer = threading.Timer(self._drain, close)
        timer.daemon = True
        self._draining.add(timer)
        timer.start()

    def _callable(self, line: Line[grpc.Channel], kind: str, method: str, args: Any, kwargs: Any) -> Any:
        made = line.callables.get((kind, method))
        if made is None:
            made = line.callables[kind, method] = getattr(line.channel, kind)(method, *args, **kwargs)
        return made

    def _unary(self, kind: str, method: str, args: Any, kwargs: Any) -> Callable[..., Any]:
        def called(request: Any, timeout: float | None = None, metadata: Any = None, **more: Any) -> Any:
            limit = self.timeout if timeout is None else timeout
            line = self._keeper.take()
            try:
                call = self._callable(line, kind, method, args, kwargs)
                return call(request, timeout=limit, metadata=call_metadata(self._metadata, metadata), **more)
            except grpc.RpcError as failed:
                raise error_of(failed, address=self._address) from failed
            finally:
                self._keeper.give_back(line)

        return called

    def _stream(self, kind: str, method: str, args: Any, kwargs: Any) -> Callable[..., Any]:
        def called(request: Any, timeout: float | None = None, metadata: Any = None, **more: Any) -> NodeStream:
            line = self._keeper.take()
            try:
                call = self._callable(line, kind, method, args, kwargs)
                answers = call(request, timeout=timeout, metadata=call_metadata(self._metadata, metadata), **more)
            except BaseException:
                self._keeper.give_back(line)
                raise
            return NodeStream(answers, self._address, keeper=self._keeper, line=line)

        return called


class NodeStream(Iterator[Any]):
    """Answers of a node as they come; `cancel` ends them."""

    def __init__(
        self, answers: Any, address: str, *, keeper: LineKeeper[grpc.Channel], line: Line[grpc.Channel]
    ) -> None:
        """It wraps a call, and holds its line until the call has ended."""
        self._answers = answers
        self._address = address
        self._keeper = keeper
        self._line: Line[grpc.Channel] | None = line

    def __next__(self) -> Any:
        try:
            answer = next(self._answers)
        except grpc.RpcError as failed:
            self._let_go()
            raise error_of(failed, address=self._address) from failed
        except BaseException:
            self._let_go()
            raise
        self._keeper.look()
        return answer

    def cancel(self) -> None:
        """It tells the node that nobody listens any more."""
        self._answers.cancel()
        self._let_go()

    def __del__(self) -> None:
        # Somebody who stops reading in the middle must not hold an old connection open.
        self.cancel()

    def _let_go(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            self._keeper.give_back(line)
