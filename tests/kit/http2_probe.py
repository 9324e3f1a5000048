"""A bare HTTP/2 connection over mutual TLS that sends what no well-bred client does, and hears what comes back."""

import asyncio
import ssl
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from govcode_node.crypto.authorities import IssuedCertificate
from kit.pki import KitPki

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY = 0, 1, 4, 6, 7
_ACK: Final = 1
_END_STREAM: Final = 1
_END_HEADERS: Final = 4


@dataclass
class PingProbe:
    """One connection.

    Attributes:
        answered: Pings that were answered.
        goodbye: What the server said when it ended the connection; empty while it has not.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answered: int = 0
    goodbye: bytes = b""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _listening: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, address: str, certificate: IssuedCertificate, *, pki: KitPki) -> "PingProbe":
        """Connect and greet."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=_context(certificate, pki))
        writer.write(_PREFACE + _frame(_SETTINGS))
        probe = cls(reader, writer)
        probe._listening = asyncio.create_task(probe._listen())
        return probe

    async def ping(self, *, every: float, times: int) -> None:
        """Send pings, as a client does that has no call; stop where the server ends the connection."""
        for number in range(times):
            if self.closed.is_set():
                return
            self.writer.write(_frame(_PING, payload=struct.pack(">Q", number)))
            try:
                async with asyncio.timeout(every):
                    await self.closed.wait()
            except TimeoutError:
                continue

    def call(self, method: str, headers: dict[str, bytes]) -> None:
        """Begin a call of an empty message with headers that no client of gRPC would send."""
        usual = {":method": b"POST", ":scheme": b"https", ":path": method.encode(), ":authority": b"node"}
        usual |= {"te": b"trailers", "content-type": b"application/grpc"}
        block = b"".join(_literal(name.encode(), value) for name, value in (usual | headers).items())
        self.writer.write(_frame(_HEADERS, flags=_END_HEADERS, stream=1, payload=block))
        self.writer.write(_frame(_DATA, flags=_END_STREAM, stream=1, payload=bytes(5)))

    async def close(self) -> None:
        self.writer.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})

    async def _listen(self) -> None:
        try:
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                self._hear(head[3], head[4], payload)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()

    def _hear(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self.writer.write(_frame(_SETTINGS, flags=_ACK))
        elif kind == _PING and flags & _ACK:
            self.answered += 1
        elif kind == _PING:
            self.writer.write(_frame(_PING, flags=_ACK, payload=payload))
        elif kind == _GOAWAY:
            self.goodbye = payload[8:] or b"goodbye"


def _frame(kind: int, *, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """One header as HPACK writes it at its plainest: neither indexed nor compressed."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


def _context(certificate: IssuedCertificate, pki: KitPki) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pki.federation_ca_pem.decode())
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leaf.pem"
        path.write_bytes(certificate.certificate_pem + certificate.key_pem)
        context.load_cert_chain(path)
    return context
