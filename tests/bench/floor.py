"""The floor: a bare grpcio asyncio server whose one kind of method answers as many bytes as its name says.

`/bench.Floor/Answer812` answers 812 bytes to anything. There is nothing else in it, so no server on grpcio's asyncio
edge can be faster on that core; the figures of the bench are ratios against it.

    python floor.py --ready-file FILE [--tls FOLDER]
"""

import argparse
import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc

_PREFIX = "/bench.Floor/Answer"


def method_of(size: int) -> str:
    """It names the method that answers so many bytes."""
    return f"{_PREFIX}{size}"


def _answering(answer: bytes) -> Callable[[bytes, object], Awaitable[bytes]]:
    async def serve(_request: bytes, _context: object) -> bytes:
        return answer

    return serve


class _Floor(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        method = handler_call_details.method
        if method not in self._handlers:
            size = int(method.removeprefix(_PREFIX))
            self._handlers[method] = grpc.unary_unary_rpc_method_handler(_answering(bytes(size)))
        return self._handlers[method]


def credentials_in(folder: Path) -> grpc.ServerCredentials:
    """It makes credentials for mutual TLS from a node's files."""
    pair = ((folder / "node.key").read_bytes(), (folder / "node.pem").read_bytes())
    return grpc.ssl_server_credentials([pair], (folder / "roots.pem").read_bytes(), require_client_auth=True)


async def _serve(ready_file: Path, tls: Path | None) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_Floor()])
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", await asyncio.to_thread(credentials_in, tls))
    await server.start()
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    await asyncio.to_thread(ready_file.write_text, f"127.0.0.1:{port}\n", encoding="ascii")
    await asked.wait()
    await server.stop(0)


def main() -> None:
    """It runs until SIGTERM."""
    parser = argparse.ArgumentParser(description="the floor of the bench")
    parser.add_argument("--ready-file", type=Path, required=True)
    parser.add_argument("--tls", type=Path)
    wanted = parser.parse_args()
    asyncio.run(_serve(wanted.ready_file, wanted.tls))


if __name__ == "__main__":
    main()
