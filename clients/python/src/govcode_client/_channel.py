"""The channel to a node: mutual TLS, a deadline on every unary call, metadata, and errors as this library's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import grpc

from govcode_client._errors import error_of

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds that a unary call may take where the caller says nothing."""

_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Also while nothing is asked (N-53): the next scan must not be the one that finds a dead path.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """Who calls, and whom it believes; PEM.

    Attributes:
        certificate: Certificate of the caller.
        key: Its private key.
        roots: Authorities that may have signed a node's certificate.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    roots: bytes

    @classmethod
    def from_files(cls, *, certificate: Path, key: Path, roots: Path) -> Self:
        """It reads the three files.

        Raises:
            OSError: One of them cannot be read.
        """
        return cls(certificate=certificate.read_bytes(), key=key.read_bytes(), roots=roots.read_bytes())


def open_channel(
    address: str, identity: ClientIdentity, *, server_name: str = "", device_id: str = "", timeout: float
) -> NodeChannel:
    """It makes a channel, which connects at its first call.

    Args:
        address: `host:port` of the node.
        identity: The caller's.
        server_name: Name that must stand in the node's certificate; the host of the address where empty.
        device_id: The reading device, sent with every call.
        timeout: Seconds for a unary call that brings no own.
    """
    credentials = grpc.ssl_channel_credentials(
        root_certificates=identity.roots, private_key=identity.key, certificate_chain=identity.certificate
    )
    options: list[tuple[str, Any]] = list(_OPTIONS)
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    metadata = (("govcode-device-id", device_id),) if device_id else ()
    return NodeChannel(grpc.secure_channel(address, credentials, options), address, metadata=metadata, timeout=timeout)


class NodeChannel(grpc.Channel):
    """A channel for generated stubs that adds deadline and metadata and raises `ClientError`s.

    The stubs' types are grpcio's own; what passes here is beside the wire and stays untyped.
    """

    def __init__(
        self, inner: grpc.Channel, address: str, *, metadata: Sequence[tuple[str, str]], timeout: float
    ) -> None:
        """It wraps a channel.

        Args:
            inner: The channel.
            address: Where it leads, for errors.
            metadata: Sent with every call.
            timeout: Seconds for a unary call that brings no own.
        """
        self._inner = inner
        self._address = address
        self._metadata = tuple(metadata)
        self._timeout = timeout

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a unary method."""
        return self._unary(self._inner.unary_unary(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a method that takes a stream."""
        return self._unary(self._inner.stream_unary(method, *args, **kwargs))

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a method that answers with a stream."""
        return self._stream(self._inner.unary_stream(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """It gives the caller of a method with streams both ways."""
        return self._stream(self._inner.stream_stream(method, *args, **kwargs))

    def subscribe(self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool = False) -> None:
        """It reports the channel's connectivity."""
        self._inner.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """It ends the reports."""
        self._inner.unsubscribe(callback)

    def close(self) -> None:
        """It closes the channel; calls under way are cancelled."""
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _with_metadata(self, own: Sequence[tuple[str, str]] | None) -> tuple[tuple[str, str], ...]:
        given = tuple(own or ())
        names = {name for name, _ in given}
        standing = tuple(pair for pair in self._metadata if pair[0] not in names)
        request_id = () if "govcode-request-id" in names else (("govcode-request-id", uuid.uuid4().hex),)
        return (*standing, *request_id, *given)

    def _unary(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(request: Any, timeout: float | None = None, metadata: Any = None, **kwargs: Any) -> Any:
            limit = self._timeout if timeout is None else timeout
            try:
                return call(request, timeout=limit, metadata=self._with_metadata(metadata), **kwargs)
            except grpc.RpcError as failed:
                raise error_of(failed, address=self._address) from failed

        return called

    def _stream(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(request: Any, timeout: float | None = None, metadata: Any = None, **kwargs: Any) -> NodeStream:
            answers = call(request, timeout=timeout, metadata=self._with_metadata(metadata), **kwargs)
            return NodeStream(answers, self._address)

        return called


class NodeStream(Iterator[Any]):
    """Answers of a node as they come; `cancel` ends them."""

    def __init__(self, answers: Any, address: str) -> None:
        """It wraps a call."""
        self._answers = answers
        self._address = address

    def __next__(self) -> Any:
        try:
            return next(self._answers)
        except grpc.RpcError as failed:
            raise error_of(failed, address=self._address) from failed

    def cancel(self) -> None:
        """It tells the node that nobody listens any more."""
        self._answers.cancel()
