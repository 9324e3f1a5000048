"""A path between a client and a node that a test may hold up or cut: bytes pass, wait, or the connection breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_AT_ONCE = 16 * 1024


class FrailPath:
    """It listens on a port of its own and carries to the node; what comes from the node is counted.

    Attributes:
        carried: Bytes from the node to clients, over all connections.
        connections: How many connections there were.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._stop_after: int | None = None
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self.reached = asyncio.Event()
        self.carried = 0
        self.connections = 0

    @property
    def address(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def hold_after(self, more: int) -> None:
        """It lets so many more bytes pass from the node, then none; `reached` is set then."""
        self._stop_after = self.carried + more
        self.reached.clear()
        self._goes_on.set()

    def let_go(self) -> None:
        """What was held up passes."""
        self._stop_after = None
        self._goes_on.set()

    def cut(self) -> None:
        """All connections break now, with what they hold; new ones pass."""
        self._stop_after = None
        for writer in self._open:
            writer.transport.abort()
        self._goes_on.set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def close(self) -> None:
        self.cut()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            from_node, to_node = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to_node}
        ways = (self._pass(reader, to_node, counted=False), self._pass(from_node, writer, counted=True))
        await asyncio.gather(*ways)
        self._open -= {writer, to_node}
        for one in (writer, to_node):
            one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_AT_ONCE):
                if counted:
                    await self._count(len(data))
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _count(self, size: int) -> None:
        self.carried += size
        if self._stop_after is not None and self.carried >= self._stop_after:
            self._goes_on.clear()
            self.reached.set()
        await self._goes_on.wait()


@asynccontextmanager
async def frail_path(target: str) -> AsyncIterator[FrailPath]:
    """A path for the length of a block."""
    path = FrailPath(target)
    await path.open()
    try:
        yield path
    finally:
        await path.close()
