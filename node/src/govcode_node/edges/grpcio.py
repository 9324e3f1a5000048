"""The default edge: grpcio's asyncio server, mutual TLS on its only port.

What the handshake refuses never reaches Python. The C core writes why on the process's standard error, one line like
`ssl_transport_security.cc: Handshake failed with error … CERTIFICATE_VERIFY_FAILED: unable to get local issuer
certificate`, without the peer's address (grpc issue 32893). `start` warns where the environment silences that.
"""

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import grpc

from govcode_node.rpc.health import NodeHealth
from govcode_node.rpc.methods import Handler, MethodTable
from govcode_node.rpc.pipeline import Pipeline

# Verbosities of the C core that hide failed handshakes, which it reports as INFO.
_SILENT_VERBOSITIES: Final = frozenset({"ERROR", "NONE"})

_log = logging.getLogger(__name__)


class ListenError(OSError):
    """The address cannot be listened on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFiles:
    """Where the server's certificate, its key, and the pool of authorities lie; PEM."""

    certificate: Path
    key: Path
    roots: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """How the port behaves.

    Attributes:
        listen: Address `host:port`; port 0 takes any free one.
        files: Certificate, key and roots.
        shared_port: Whether several worker processes listen on one port. Off, a second server on it is an error.
        max_streams: Calls at a time on one connection.
        max_connection_age: After this a connection is asked to end, so that callers meet new certificates and new
            addresses.
        max_connection_age_grace: How long its calls may go on then.
        max_message_bytes: Hard limit of one message; the way in refuses smaller ones by method, with a reason.
    """

    listen: str
    files: ServerFiles
    shared_port: bool = False
    max_streams: int = 256
    max_connection_age: timedelta = timedelta(hours=1)
    max_connection_age_grace: timedelta = timedelta(minutes=10)
    max_message_bytes: int = 1024 * 1024

    def options(self) -> list[tuple[str, int]]:
        """It gives the channel arguments of the C core."""
        return [
            # On by default, it lets two unrelated nodes share a port unnoticed.
            ("grpc.so_reuseport", int(self.shared_port)),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", self.max_streams),
            ("grpc.max_connection_age_ms", _milliseconds(self.max_connection_age)),
            ("grpc.max_connection_age_grace_ms", _milliseconds(self.max_connection_age_grace)),
            # Callers ping every 20 s, also without calls (N-53). The core's own minimum of five minutes would answer
            # them with GOAWAY too_many_pings; half the agreed interval leaves room for clocks and queues.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            # And the server pings by itself, so that it notices within 40 s that a caller has gone.
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.max_pings_without_data", 0),
        ]


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


class CertificateFiles:
    """The server's certificate as the files have it now; the C core asks at every handshake.

    New files are taken only when certificate and key belong together and the roots can be read: half a rotation, or a
    broken file, leaves the old ones in force and a line in the log.
    """

    def __init__(self, files: ServerFiles) -> None:
        self._files = files
        self._stamp = self._look()
        self.initial = self._load()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """It gives the new certificate when the files have changed, else nothing. It runs on a thread of the core."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return None
            # Remembered before loading: a broken file is complained about once, not at every handshake.
            self._stamp = stamp
            configuration = self._load()
        except (OSError, ValueError) as error:
            _log.error("the server's certificate files cannot be used; the old ones stay", extra={"error": str(error)})
            return None
        _log.info("the server's certificate files are reloaded", extra={"certificate": str(self._files.certificate)})
        return configuration

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        files = (self._files.certificate, self._files.key, self._files.roots)
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in (path.stat() for path in files))

    def _load(self) -> grpc.ServerCertificateConfiguration:
        """It reads the files.

        Raises:
            OSError: One cannot be read, or certificate and key do not belong together (`ssl.SSLError`).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files.certificate, self._files.key)
        context.load_verify_locations(self._files.roots)
        return grpc.ssl_server_certificate_configuration(
            [(self._files.key.read_bytes(), self._files.certificate.read_bytes())], self._files.roots.read_bytes()
        )


class _Composed(grpc.GenericRpcHandler):
    """It finds handlers by method for grpcio."""

    def __init__(self, handlers: Mapping[str, Handler], pipeline: Pipeline) -> None:
        self._handlers = handlers
        self._pipeline = pipeline

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        method = handler_call_details.method
        return self._handlers.get(method) or self._pipeline.absent(method)


class GrpcioEdge:
    """The server of one process.

    Args:
        settings: How the port behaves.
        table: The methods to serve.
        pipeline: The way in.
        health: Told to drain first.
    """

    def __init__(self, *, settings: EdgeSettings, table: MethodTable, pipeline: Pipeline, health: NodeHealth) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._health = health
        self._handlers = pipeline.compose(table.handlers)
        self._server: grpc.aio.Server | None = None
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """It listens and returns the port.

        Raises:
            OSError: A certificate file cannot be used, or the address cannot be listened on (`ListenError`).
        """
        if os.environ.get("GRPC_VERBOSITY", "").upper() in _SILENT_VERBOSITIES:
            _log.warning("GRPC_VERBOSITY hides failed handshakes", extra={"wanted": "INFO"})
        files = CertificateFiles(self._settings.files)
        credentials = grpc.dynamic_ssl_server_credentials(
            files.initial,
            files.changed,  # type: ignore[arg-type]  # None means "as before", which the types of grpcio do not know
            require_client_authentication=True,
        )
        server = grpc.aio.server(options=self._settings.options())
        server.add_generic_rpc_handlers([_Composed(self._handlers, self._pipeline)])
        try:
            port = server.add_secure_port(self._settings.listen, credentials)
        except RuntimeError as error:
            raise ListenError(f"cannot listen on {self._settings.listen}") from error
        await server.start()
        self._server = server
        await self._health.refresh()
        self._checking = asyncio.create_task(self._health.keep_fresh())
        return port

    async def stop(self, *, grace: timedelta, notice: timedelta = timedelta(0)) -> None:
        """It stops without losing a call that can end in time.

        First health says NOT_SERVING, and calls are served on for as long as load balancers are given to notice. Then
        streams end with DRAINING, nothing new is taken, and calls that run may finish. What is left is cut off.

        Args:
            grace: For calls that run.
            notice: Between NOT_SERVING and the end of service.
        """
        if self._server is None:
            return
        self._health.drain()
        await asyncio.sleep(notice.total_seconds())
        self._pipeline.drain()
        await self._server.stop(grace.total_seconds())
        if self._checking is not None:
            self._checking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._checking
        self._server = None

    async def wait(self) -> None:
        """It returns when the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()
