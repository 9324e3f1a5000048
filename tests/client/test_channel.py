"""Connections: certificates are followed, old connections drained, ages capped, and keep-alive is what nodes allow."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import event_pb2
from govcode.routing.v1 import code_routing_service_pb2 as routingv1
from govcode_client import AsyncClient, Client, ClientIdentity, NodeUnreachableError
from govcode_client._channel import KEEP_ALIVE, channel_options
from govcode_client._identity import IdentitySource, LoopbackIdentity
from govcode_client._lines import LineKeeper
from govcode_client.testing import FakeNode
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.domain.identities import trust_domain_of
from govcode_node.edges.grpcio import EdgeSettings, ServerFiles
from kit.client_twins import Twin
from kit.pki import kit_pki

ROUTE, WATCH = "ResolveRoute", "WatchEvents"


class TlsNode:
    """A server with mutual TLS that notes who called over which connection; calls may be held back."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.arrived = threading.Semaphore(0)
        self._server = grpc.server(ThreadPoolExecutor(8))
        routes = {ROUTE: grpc.unary_unary_rpc_method_handler(self._route)}
        watches = {WATCH: grpc.unary_stream_rpc_method_handler(self._watch)}
        self._server.add_registered_method_handlers("govcode.routing.v1.CodeRoutingService", routes)
        self._server.add_registered_method_handlers("govcode.code.v1.CodeApplicationService", watches)
        own = kit_pki().node("110000")
        credentials = grpc.ssl_server_credentials(
            [(own.key_pem, own.certificate_pem)], kit_pki().roots_pem, require_client_auth=True
        )
        self.address = f"localhost:{self._server.add_secure_port('localhost:0', credentials)}"
        self._server.start()

    def stop(self) -> None:
        """It goes away."""
        self.hold.set()
        self._server.stop(None).wait()

    def _note(self, method: str, context: Any) -> None:
        self.seen.append((method, context.auth_context()["x509_pem_cert"][0].strip(), context.peer()))
        self.arrived.release()

    def _route(self, request: bytes, context: Any) -> bytes:
        self._note(ROUTE, context)
        self.hold.wait(20)
        return routingv1.ResolveRouteResponse().SerializeToString()

    def _watch(self, request: bytes, context: Any) -> Iterator[bytes]:
        self._note(WATCH, context)
        cursor = int(appv1.WatchEventsRequest.FromString(request).cursor or "0")
        while context.is_active():
            cursor += 1
            event = event_pb2.Event(cursor=str(cursor), session_ended=event_pb2.SessionEnded())
            yield appv1.WatchEventsResponse(event=event).SerializeToString()
            threading.Event().wait(0.05)


def issued(number: int) -> IssuedCertificate:
    """A certificate of the same application, another one for each number."""
    pki = kit_pki()
    uri = "spiffe://r110000.govcode/app/counter-app"
    assert trust_domain_of("110000") in uri
    return pki.authority("110000").issue([uri], now=pki.now + timedelta(seconds=number), server=False)


class Files:
    """Certificate files on disk, as an operator renews them."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key, self.roots = folder / "app.pem", folder / "app.key", folder / "roots.pem"
        self.roots.write_bytes(kit_pki().roots_pem)

    def put(self, certificate: IssuedCertificate, *, key: IssuedCertificate | None = None) -> bytes:
        """It writes both files; the certificate as the server will see it."""
        self.certificate.write_bytes(certificate.certificate_pem)
        self.key.write_bytes((key or certificate).key_pem)
        return certificate.certificate_pem.strip()

    def identity(self) -> ClientIdentity:
        """What a client is made with."""
        return ClientIdentity.from_files(certificate=self.certificate, key=self.key, roots=self.roots)


@pytest.fixture
def tls_node() -> Iterator[TlsNode]:
    """A server with mutual TLS."""
    node = TlsNode()
    yield node
    node.stop()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Certificate files."""
    return Files(tmp_path)


def eager(client: Client | AsyncClient) -> Client | AsyncClient:
    """It looks at its files before each call, so that no test waits for the second that lies between two looks."""
    client._channel._keeper._source._look_every = 0
    return client


def twins(address: str, identity: ClientIdentity, runner: asyncio.Runner, **options: Any) -> list[Twin]:
    """Both clients of a node."""
    made = [Client(address, identity, **options), AsyncClient(address, identity, **options)]
    return [Twin(eager(client), runner) for client in made]


def test_a_renewed_certificate_is_shown_from_the_next_call_on(tls_node: TlsNode, files: Files) -> None:
    with asyncio.Runner() as runner:
        for number, twin in enumerate(twins(tls_node.address, (files.put(issued(0)), files.identity())[1], runner)):
            tls_node.seen.clear()
            old = files.put(issued(10 + number))
            twin.do("routes.resolve", region_code="110000")
            twin.do("routes.resolve", region_code="110000")
            new = files.put(issued(20 + number))
            twin.do("routes.resolve", region_code="110000")
            twin.close()
            assert [certificate for _, certificate, _ in tls_node.seen] == [old, old, new]
            peers = [peer for _, _, peer in tls_node.seen]
            assert peers[0] == peers[1] != peers[2]


def test_a_call_under_way_ends_on_the_old_connection(tls_node: TlsNode, files: Files) -> None:
    old = files.put(issued(1))
    with eager(Client(tls_node.address, files.identity())) as client:  # type: ignore[union-attr]
        tls_node.hold.clear()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(client.routes.resolve, region_code="110000")
            assert tls_node.arrived.acquire(timeout=10)
            new = files.put(issued(2))
            second = pool.submit(client.routes.resolve, region_code="110000")
            assert tls_node.arrived.acquire(timeout=10)
            tls_node.hold.set()
            assert first.result() == second.result() == routingv1.ResolveRouteResponse()
    assert [certificate for _, certificate, _ in tls_node.seen] == [old, new]


def test_half_a_rotation_leaves_the_old_identity_in_force(tls_node: TlsNode, files: Files) -> None:
    old, later = files.put(issued(1)), issued(3)
    with asyncio.Runner() as runner:
        for twin in twins(tls_node.address, files.identity(), runner):
            tls_node.seen.clear()
            files.put(issued(1))
            twin.do("routes.resolve", region_code="110000")
            files.put(later, key=issued(4))
            twin.do("routes.resolve", region_code="110000")
            files.certificate.unlink()
            twin.do("routes.resolve", region_code="110000")
            new = files.put(later)
            twin.do("routes.resolve", region_code="110000")
            twin.close()
            shown = [certificate for _, certificate, _ in tls_node.seen]
            assert shown[0] == shown[1] == shown[2] != new
            assert shown[3] == new
    assert old


def test_a_connection_is_replaced_at_its_age(tls_node: TlsNode, files: Files) -> None:
    files.put(issued(1))
    with asyncio.Runner() as runner:
        for twin in twins(tls_node.address, files.identity(), runner, connection_max_age=0):
            tls_node.seen.clear()
            for _ in range(3):
                twin.do("routes.resolve", region_code="110000")
            twin.close()
            assert len({peer for _, _, peer in tls_node.seen}) == 3


def test_a_long_stream_moves_to_the_new_certificate_and_goes_on(tls_node: TlsNode, files: Files) -> None:
    old = files.put(issued(1))
    client = eager(Client(tls_node.address, files.identity()))
    assert isinstance(client, Client)
    client._channel._drain = 0.1
    events = client.codes.watch_events()
    cursors = [int(next(events).cursor)]
    new = files.put(issued(2))
    while len(tls_node.seen) < 2:
        cursors.append(int(next(events).cursor))
    cursors += [int(next(events).cursor) for _ in range(3)]
    client.close()
    assert [certificate for _, certificate, _ in tls_node.seen[:2]] == [old, new]
    assert cursors == sorted(cursors)
    assert set(range(1, cursors[-1] + 1)) == set(cursors)


async def test_a_long_asynchronous_stream_moves_as_well(tls_node: TlsNode, files: Files) -> None:
    old = files.put(issued(1))
    client = eager(AsyncClient(tls_node.address, files.identity()))
    assert isinstance(client, AsyncClient)
    client._channel._drain = 0.1
    events = client.codes.watch_events()
    cursors = [int((await anext(events)).cursor)]
    new = files.put(issued(2))
    while len(tls_node.seen) < 2:
        cursors.append(int((await anext(events)).cursor))
    cursors += [int((await anext(events)).cursor) for _ in range(3)]
    await events.aclose()
    await client.close()
    assert [certificate for _, certificate, _ in tls_node.seen[:2]] == [old, new]
    assert set(range(1, cursors[-1] + 1)) == set(cursors)


def test_the_files_are_looked_at_once_a_second_at_most(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.put(issued(1))
    now = [0.0]
    source = IdentitySource(files.identity(), monotonic=lambda: now[0])
    first = source.current()
    files.put(issued(2))
    assert source.current() is first
    now[0] = 1.0
    assert source.current() != first


def test_a_line_is_closed_by_the_last_call_on_it() -> None:
    closed: list[int] = []
    later: list[int] = []
    numbers = iter(range(9))
    now = [0.0]
    keeper: LineKeeper[int] = LineKeeper(
        IdentitySource(LoopbackIdentity()),
        dial=lambda _: next(numbers),
        close=closed.append,
        close_later=later.append,
        max_age=10,
        monotonic=lambda: now[0],
    )
    first, second = keeper.take(), keeper.take()
    assert first is second
    now[0] = 10.0
    third = keeper.take()
    assert (third.channel, closed, later) == (1, [], [0])
    keeper.give_back(first)
    assert closed == []
    keeper.give_back(second)
    assert closed == [0]
    keeper.give_back(third)
    assert closed == [0]


def test_a_caller_of_the_loopback_identity_reaches_no_node(tls_node: TlsNode) -> None:
    with Client(tls_node.address, LoopbackIdentity()) as client, pytest.raises(NodeUnreachableError):
        client.routes.resolve(region_code="110000", timeout=3)


def test_keys_are_not_shown_and_texts_must_be_pem(files: Files) -> None:
    files.put(issued(1))
    assert "PRIVATE" not in repr(files.identity())
    with pytest.raises(ValueError, match="key is no PEM"):
        ClientIdentity.from_pem(certificate="-----BEGIN C", key="nothing", roots="-----BEGIN C")


@pytest.mark.req("N-53")
def test_nodes_allow_the_pings_of_the_client_twice_over(tmp_path: Path) -> None:
    """The node counts pings that come sooner than its minimum; the client's come at twice that distance."""
    files = ServerFiles(certificate=tmp_path / "c", key=tmp_path / "k", roots=tmp_path / "r")
    node = dict(EdgeSettings(listen="127.0.0.1:0", files=files).options())
    client = dict(KEEP_ALIVE)
    assert dict(channel_options("")).items() >= client.items()
    assert client["grpc.keepalive_time_ms"] >= 2 * node["grpc.http2.min_ping_interval_without_data_ms"]
    assert node["grpc.keepalive_permit_without_calls"] == client["grpc.keepalive_permit_without_calls"] == 1
    # A dead path is seen within 40 s.
    assert client["grpc.keepalive_time_ms"] + client["grpc.keepalive_timeout_ms"] <= 40_000


def test_a_fake_node_is_for_this_machine_alone(node: FakeNode) -> None:
    assert node.address.startswith("127.0.0.1:")
