"""The node on a port without TLS, for the plaintext series of the bench. The product has no such mode.

Two parts are exchanged before the node is put together: the edge opens an insecure port, and the caller's certificate
is that named by the call's metadata `bench-caller` instead of the connection's. Everything behind that is the product:
the certificate is checked, its owner looked up, and every control applies.

    python serve_plain.py --config FILE --certificates FOLDER --ready-file FILE
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import grpc
from govcode_node import serving
from govcode_node.app import App, spare_the_collector
from govcode_node.config import load_config
from govcode_node.domain.callers import Caller
from govcode_node.edges.grpcio import GrpcioEdge, _Composed
from govcode_node.rpc.call import RpcContext
from govcode_node.rpc.identity import Identification

CALLER = "bench-caller"
"""Metadata key of the plaintext series: the name of the file with the caller's certificate, without its ending."""


class PlainEdge(GrpcioEdge):
    """The default edge with its options and handlers, on an insecure port."""

    async def start(self) -> int:
        """It listens without TLS and returns the port."""
        server = grpc.aio.server(options=self._settings.options())
        server.add_generic_rpc_handlers([_Composed(self._handlers, self._pipeline)])
        port = server.add_insecure_port(self._settings.listen)
        await server.start()
        self._server = server
        await self._health.refresh()
        self._checking = asyncio.create_task(self._health.keep_fresh())
        return port


class NamedIdentification(Identification):
    """It takes the leaf from a folder instead of the connection, and then does all that the product does with it."""

    leaves: dict[str, bytes]

    async def caller_of(self, context: RpcContext) -> Caller:
        """It returns the caller whom the metadata names."""
        name = next(value for key, value in context.invocation_metadata() or () if key == CALLER)
        checked = self._certificates.check(self.leaves[str(name)])
        return await self._callers.resolve(checked.identity, thumbprint=checked.sm3_thumbprint)


async def _serve(config_file: Path, ready_file: Path) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    node = await App.start(await asyncio.to_thread(load_config, config_file))
    spare_the_collector()
    durability = node.database.durability
    facts: dict[str, Any] = {
        "address": node.address,
        "durable": durability.holds,
        "settings": dict(durability.settings),
    }
    await asyncio.to_thread(ready_file.write_text, json.dumps(facts) + "\n", encoding="utf-8")
    await asked.wait()
    await node.stop()


def main() -> None:
    """It exchanges the two parts and runs until SIGTERM."""
    parser = argparse.ArgumentParser(description="a node without TLS, for the bench alone")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--certificates", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path, required=True)
    wanted = parser.parse_args()
    NamedIdentification.leaves = {path.stem: path.read_bytes() for path in wanted.certificates.glob("*.pem")}
    # Set by name: these two are not the module's to export, and the exchange is all that this file is for.
    vars(serving).update(GrpcioEdge=PlainEdge, Identification=NamedIdentification)
    asyncio.run(_serve(wanted.config, wanted.ready_file))


if __name__ == "__main__":
    main()
