"""The grpcio edge: health, reflection, certificates that change, and a stop that loses nothing."""

import asyncio
import logging
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode_node.edges.grpcio import EdgeSettings, GrpcioEdge, ListenError
from govcode_node.rpc.methods import MethodTable
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from kit.serving import Served, attempt, begin, reason_of, service_descriptors

SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"
WATCH = "/govcode.code.v1.CodeApplicationService/WatchEvents"
REPORT = "/govcode.hub.v1.HubService/ReportNodeStatus"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def checked(channel: grpc.aio.Channel, service: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
    return int(answer.status)


async def listed(channel: grpc.aio.Channel) -> set[str]:
    async def ask() -> Any:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    return {
        service.name
        async for answer in stub.ServerReflectionInfo(ask(), timeout=10)
        for service in answer.list_services_response.service
    }


@pytest.mark.req("5-01")
async def test_reflection_lists_the_six_services_of_clause_7(start_server: Any) -> None:
    served = await start_server()
    names = await listed(served.channel())
    assert {service.full_name for service in service_descriptors()} <= names
    six = {
        "govcode.code.v1.CodeApplicationService",  # 7.1
        "govcode.code.v1.CodeBaseService",  # 7.2
        "govcode.routing.v1.CodeRoutingService",  # 7.3
        "govcode.business.v1.BusinessManagementService",  # 7.4
        "govcode.security.v1.AuditService",  # 7.5
        "govcode.operations.v1.OperationsService",  # 7.6
    }
    assert six <= names


async def test_reflection_is_a_setting(start_server: Any) -> None:
    served = await start_server(reflection=False)
    # As a unary call: grpcio's client stumbles now and then over a stream that ends while it is still sending.
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.channel().unary_unary(method)(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_health_tells_what_works_and_any_known_caller_may_ask(start_server: Any) -> None:
    broken: set[str] = set()

    def part(name: str) -> Any:
        async def check() -> None:
            if name in broken:
                raise RuntimeError

        return check

    served = await start_server(
        checks={"store": part("store"), "key": part("key")}, needs={"routing": ("store",), "code": ("store", "key")}
    )
    channel = served.channel("candidate")
    assert [await checked(channel, name) for name in ("", "code", "routing")] == [SERVING] * 3
    broken.add("key")
    served.clock.advance(1.5)
    assert [await checked(channel, name) for name in ("", "code", "routing")] == [NOT_SERVING, NOT_SERVING, SERVING]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await checked(channel, "other")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert dict(refused.value.trailing_metadata())["govcode-node-id"] == "110000"
    answer = await health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=10)
    assert {name: one.status for name, one in answer.statuses.items()} == {
        "": NOT_SERVING,
        "code": NOT_SERVING,
        "routing": SERVING,
    }


async def test_a_drain_says_so_ends_streams_and_finishes_calls(start_server: Any) -> None:
    begun = {method: asyncio.Event() for method in (SCAN, WATCH, REPORT)}
    let_go = asyncio.Event()

    async def work(method: str, request: Any) -> None:
        begun[method].set()
        await let_go.wait()

    served = await start_server(serve=work)
    channel = served.channel()
    watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watching.read()).status == SERVING
    streams = [begin(channel, WATCH, timeout=None), begin(served.channel("node"), REPORT, timeout=None)]
    await streams[0].read()
    running = asyncio.ensure_future(begin(channel, SCAN))
    for event in begun.values():
        await event.wait()
    stopping = asyncio.create_task(served.edge.stop(grace=timedelta(seconds=5), notice=timedelta(milliseconds=50)))
    assert (await watching.read()).status == NOT_SERVING
    for stream in streams:
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        assert (ended.value.code(), reason_of(ended.value)) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert not running.done()
    let_go.set()
    assert await running is not None
    await stopping
    assert served.pipeline.open_streams == 0
    assert await attempt(served.channel(), SCAN, timeout=1) is not None


async def test_calls_that_do_not_end_are_cut_off_after_the_grace(start_server: Any) -> None:
    begun = asyncio.Event()

    async def work(method: str, request: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    served = await start_server(serve=work)
    running = asyncio.ensure_future(attempt(served.channel(), SCAN, timeout=None))
    await begun.wait()
    async with asyncio.timeout(5):
        await served.edge.stop(grace=timedelta(milliseconds=50))
        assert await running is not None


def served_serial(served: Served) -> str:
    """The serial number of the certificate that a new handshake gets."""
    caller = served.folder / "caller.pem"
    certificate = served.pki.app("counter-app")
    caller.write_bytes(certificate.key_pem + certificate.certificate_pem)
    context = ssl.create_default_context(cadata=served.pki.roots_pem.decode())
    context.load_cert_chain(caller)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", served.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.3"
        return str(secure.getpeercert()["serialNumber"])


@pytest.mark.req("8.1-03")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_protocol_versions_are_refused(start_server: Any, tmp_path: Path) -> None:
    """The same caller with the same certificate gets in by a new version and by no old one."""
    served = await start_server()
    leaf = served.pki.app()
    (tmp_path / "app.pem").write_bytes(leaf.certificate_pem + leaf.key_pem)

    def shakes(version: ssl.TLSVersion) -> bool:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Without this the test's own library would refuse before the server does.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(tmp_path / "app.pem")
        context.set_alpn_protocols(["h2"])
        try:
            with socket.create_connection(("127.0.0.1", served.port)) as plain, context.wrap_socket(plain):
                return True
        except (ssl.SSLError, ConnectionError):
            return False

    versions = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_3)
    assert [await asyncio.to_thread(shakes, version) for version in versions] == [False, False, True]


async def test_new_certificate_files_are_taken_at_the_next_handshake_and_calls_go_on(start_server: Any) -> None:
    served = await start_server()
    channel = served.channel()
    assert await attempt(channel, SCAN) is None
    before = await asyncio.to_thread(served_serial, served)
    served.write_files(served.pki.node("110000-b"))
    after = await asyncio.to_thread(served_serial, served)
    assert before != after
    assert await attempt(channel, SCAN) is None


async def test_half_a_rotation_leaves_the_old_certificate_in_force(
    start_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    served = await start_server()
    before = await asyncio.to_thread(served_serial, served)
    other = served.pki.node("110000-b")
    with caplog.at_level(logging.ERROR):
        served.files.certificate.write_bytes(other.certificate_pem)
        assert await asyncio.to_thread(served_serial, served) == before
        served.files.key.unlink()
        assert await asyncio.to_thread(served_serial, served) == before
    assert "the old ones stay" in caplog.text
    served.files.key.write_bytes(other.key_pem)
    assert await asyncio.to_thread(served_serial, served) != before


async def test_roots_are_reloaded_with_the_files(start_server: Any) -> None:
    served = await start_server()
    served.write_files(served.pki.node("110000"), roots=served.pki.federation_ca_pem)
    refused = await attempt(served.channel("app.relying_party"), SCAN)
    assert refused is not None
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    served.write_files(served.pki.node("110000"))
    assert await attempt(served.channel("app.relying_party"), SCAN) is None


async def test_a_port_that_is_taken_is_an_error(start_server: Any) -> None:
    served = await start_server()
    settings = EdgeSettings(listen=f"127.0.0.1:{served.port}", files=served.files)
    second = GrpcioEdge(settings=settings, table=MethodTable(), pipeline=served.pipeline, health=served.health)
    with pytest.raises(ListenError):
        await second.start()


async def test_silenced_handshakes_are_warned_of(
    start_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRPC_VERBOSITY", "error")
    await start_server()
    assert "GRPC_VERBOSITY hides failed handshakes" in caplog.text


@pytest.mark.slow
@pytest.mark.req("N-53")
async def test_a_path_that_is_pinged_without_calls_stays_open(start_server: Any) -> None:
    served = await start_server()
    certificate = served.pki.app("counter-app")
    credentials = grpc.ssl_channel_credentials(served.pki.roots_pem, certificate.key_pem, certificate.certificate_pem)
    # Faster than the 20 s that were agreed, so that the fourth ping, which a server of grpcio's defaults answers with
    # GOAWAY, comes within the test.
    options = [
        ("grpc.keepalive_time_ms", 11_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    async with grpc.aio.secure_channel(f"localhost:{served.port}", credentials, options=options) as channel:
        await channel.channel_ready()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(50):
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        assert await attempt(channel, SCAN) is None
