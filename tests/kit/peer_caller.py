"""Node 110000, which calls other nodes over real mutual TLS, for tests of those calls."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from govcode.common.v1 import evidence_pb2
from govcode_node.domain.callers import Call
from govcode_node.domain.nodes import NodeState
from govcode_node.domain.routes import RouteEntry, TrustBundle
from govcode_node.federation.channels import ChannelIdentity
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.peer import PeerSettings
from govcode_node.federation.peers import GrpcPeers
from kit.clocks import MovableClock
from kit.hub_fakes import NodeKit, node_call
from kit.peer_servers import PeerServer
from kit.pki import KitPki, kit_pki

REQUEST = evidence_pb2.Evidence(payload=b"who", payload_type="t", node_id="110000", key_id="k").SerializeToString()
CALL = replace(node_call("110000"), metadata={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
NOWHERE = "127.0.0.1:1"
"""Nobody listens there."""


class PeerCaller:
    """Node 110000, which calls the others."""

    def __init__(self) -> None:
        self.pki: KitPki = kit_pki()
        self.clock = MovableClock()
        self.held = HeldTrust(self.clock)
        self.servers: list[PeerServer] = []
        self.nodes: dict[str, tuple[tuple[str, ...], NodeState]] = {}
        self.peers = self.make_peers()

    def identity(self, certificate: Any = None) -> ChannelIdentity:
        own = certificate or self.pki.node("110000")
        return ChannelIdentity(
            certificate_pem=own.certificate_pem,
            key_pem=own.key_pem,
            federation_ca_pem=self.pki.federation_ca_pem,
        )

    def make_peers(self, **settings: Any) -> GrpcPeers:
        settings.setdefault("endpoint_timeout", 2.0)
        settings.setdefault("connections", 1)
        self.peers = GrpcPeers(
            own_id="110000",
            trust=self.held,
            identity=self.identity(),
            settings=PeerSettings(**settings),
            clock=self.clock,
        )
        return self.peers

    async def server(self, node_id: str, certificate: Any = None) -> PeerServer:
        server = await PeerServer(certificate or self.pki.node(node_id), pki=self.pki).start()
        self.servers.append(server)
        return server

    def know(self, node_id: str, *endpoints: str, state: NodeState = NodeState.ACTIVE) -> None:
        """Have a node in the bundle."""
        self.nodes[node_id] = endpoints, state
        trusts = tuple(
            replace(NodeKit(known, self.clock, endpoints=places).registered(standing).trust)
            for known, (places, standing) in self.nodes.items()
        )
        bundle = TrustBundle(
            version=len(self.nodes),
            issued_at=self.clock.now(),
            routes=tuple(RouteEntry(known[:4], known) for known in self.nodes),
            nodes=trusts,
        )
        self.held.swap(bundle, b"")

    async def peer(self, node_id: str) -> PeerServer:
        """A node with one endpoint, running and known."""
        server = await self.server(node_id)
        self.know(node_id, server.endpoint)
        return server

    async def ask(self, node_id: str = "420100", *, call: Call = CALL) -> bytes:
        answer = await self.peers.recognize(node_id, request=REQUEST, hops=("110000",), call=call)
        return evidence_pb2.Evidence.FromString(answer).payload

    def within(self, seconds: float) -> Call:
        return replace(CALL, deadline=self.clock.now() + timedelta(seconds=seconds))

    async def close(self) -> None:
        for server in self.servers:
            await server.stop()
        await self.peers.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the other side of a socket does."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
