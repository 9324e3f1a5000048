"""A real server over mutual TLS with made-up servicers behind the real way in: for tests of the way in and the edge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.rpc import error_details_pb2, status_pb2
from govcode.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc
from govcode.business.v1 import business_management_service_pb2, business_management_service_pb2_grpc
from govcode.code.v1 import (
    code_application_service_pb2,
    code_application_service_pb2_grpc,
    code_base_service_pb2,
    code_base_service_pb2_grpc,
)
from govcode.federation.v1 import federation_service_pb2, federation_service_pb2_grpc
from govcode.hub.v1 import hub_service_pb2, hub_service_pb2_grpc
from govcode.operations.v1 import operations_service_pb2, operations_service_pb2_grpc
from govcode.routing.v1 import code_routing_service_pb2, code_routing_service_pb2_grpc
from govcode.security.v1 import audit_service_pb2, audit_service_pb2_grpc
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.domain.audit import AuditEntry
from govcode_node.domain.callers import AppUnknownError, Caller, OperatorRole
from govcode_node.domain.identities import CallerClass, Identity
from govcode_node.edges.grpcio import EdgeSettings, GrpcioEdge, ServerFiles
from govcode_node.rpc.call import RequestMetadata
from govcode_node.rpc.health import HealthCheck, NodeHealth
from govcode_node.rpc.identity import Identification
from govcode_node.rpc.limits import CallerLimits, CallRate, CallRates, StreamSlots
from govcode_node.rpc.methods import MethodTable
from govcode_node.rpc.observing import CallTelemetry, EndCall
from govcode_node.rpc.pipeline import Pipeline
from govcode_node.rpc.policy import Policy
from govcode_node.rpc.reflection import add_reflection
from govcode_node.rpc.refusals import RefusalLog
from govcode_node.rpc.rules import DeadlineRules, MessageSizes
from govcode_node.rpc.services.health import HealthServicer
from grpc_health.v1 import health_pb2_grpc
from kit.clocks import MovableClock
from kit.pki import KitPki, kit_pki

CONTRACT: tuple[tuple[ModuleType, ModuleType], ...] = (
    (authorization_service_pb2, authorization_service_pb2_grpc),
    (code_application_service_pb2, code_application_service_pb2_grpc),
    (code_base_service_pb2, code_base_service_pb2_grpc),
    (code_routing_service_pb2, code_routing_service_pb2_grpc),
    (federation_service_pb2, federation_service_pb2_grpc),
    (hub_service_pb2, hub_service_pb2_grpc),
    (business_management_service_pb2, business_management_service_pb2_grpc),
    (audit_service_pb2, audit_service_pb2_grpc),
    (operations_service_pb2, operations_service_pb2_grpc),
)
"""Every module of the contract that has services, with its stubs."""

_RATE = CallRate(100_000, timedelta(seconds=1))
GENEROUS = CallRates(app=_RATE, device=_RATE, operator=_RATE, peer=_RATE)

Serve = Callable[[str, Any], Awaitable[Any]]


def service_descriptors() -> list[ServiceDescriptor]:
    return [service for module, _ in CONTRACT for service in module.DESCRIPTOR.services_by_name.values()]


def method_descriptors() -> dict[str, MethodDescriptor]:
    """Every method of the contract by its full name."""
    return {
        f"/{service.full_name}/{method.name}": method for service in service_descriptors() for method in service.methods
    }


def label_certificates(pki: KitPki) -> dict[str, IssuedCertificate]:
    """One certificate for each label of the policy."""
    region = "110000"
    return {
        "app.holder": pki.app("holder-app"),
        "app.relying_party": pki.app("counter-app"),
        "scanner": pki.issue(CallerClass.SCANNER, "counter-scanner-1", region=region),
        "licence": pki.issue(CallerClass.LICENCE, "licence-service", region=region),
        "node": pki.node("310000"),
        "candidate": pki.node("420100"),
        "hub": pki.hub(),
        "operator.business": pki.issue(CallerClass.OPERATOR, "business", region=region),
        "operator.security": pki.issue(CallerClass.OPERATOR, "security", region=region),
        "operator.audit": pki.issue(CallerClass.OPERATOR, "audit", region=region),
    }


class KnownIdentities:
    """A directory of callers: those of `label_certificates`, minus what a test forgets."""

    def __init__(self) -> None:
        self.refusals: dict[str, Exception] = {}

    async def resolve(self, identity: Identity, *, thumbprint: str) -> Caller:
        if identity.name in self.refusals:
            raise self.refusals[identity.name]
        caller = Caller(caller_class=identity.caller_class, name=identity.name, certificate=thumbprint)
        if identity.caller_class is CallerClass.APP:
            kinds = {"holder-app": "holder", "counter-app": "relying_party"}
            if identity.name not in kinds:
                raise AppUnknownError(app_id=identity.name)
            return replace(caller, kind=kinds[identity.name])
        if identity.caller_class is CallerClass.OPERATOR:
            return replace(caller, roles=frozenset({OperatorRole(identity.name)}))
        return replace(caller, approved=identity.name != "420100")


def fake_servicer(service: ServiceDescriptor, stubs: ModuleType, serve: Serve) -> object:
    """A servicer whose every method awaits `serve(full method name, request or iterator)` for its answer.

    Where that is None the default message is answered; streams send one answer for every request.
    """

    def unary(method: MethodDescriptor) -> Any:
        answer_class = message_factory.GetMessageClass(method.output_type)

        async def handle(self: object, request: Any, context: Any) -> Any:
            return await serve(f"/{service.full_name}/{method.name}", request) or answer_class()

        return handle

    def stream(method: MethodDescriptor) -> Any:
        answer_class = message_factory.GetMessageClass(method.output_type)

        async def handle(self: object, request: Any, context: Any) -> AsyncIterator[Any]:
            name = f"/{service.full_name}/{method.name}"
            if not method.client_streaming:
                yield answer_class()
                await serve(name, request)
                return
            async for one in request:
                await serve(name, one)
                yield answer_class()

        return handle

    made = {method.name: (stream if method.server_streaming else unary)(method) for method in service.methods}
    return type(f"Fake{service.name}", (getattr(stubs, f"{service.name}Servicer"),), made)()


class CallBook:
    """Telemetry that writes down how each call ended."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str, str]] = []

    def begin(self, method: str, metadata: RequestMetadata) -> EndCall:
        self.begun.append(method)
        return _BookedEnd(metadata.traceparent, self.ended)


@dataclass(frozen=True)
class _BookedEnd:
    traceparent: str
    ended: list[tuple[str, str, str]]

    def __call__(self, *, code: str, reason: str, caller: str) -> None:
        self.ended.append((code, reason, caller))


async def _answers_at_once(method: str, request: Any) -> None:
    return None


@dataclass
class Served:
    """What a test can turn before the server starts, and what it finds afterwards."""

    folder: Path
    pki: KitPki = field(default_factory=kit_pki)
    serve: Serve = _answers_at_once
    clock: MovableClock = field(default_factory=MovableClock)
    directory: KnownIdentities = field(default_factory=KnownIdentities)
    policy: Policy = field(default_factory=Policy.load)
    rates: CallRates = GENEROUS
    max_streams: int = 16
    deadlines: DeadlineRules = field(default_factory=DeadlineRules)
    sizes: MessageSizes = field(default_factory=MessageSizes)
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    telemetry: CallTelemetry | None = None
    reflection: bool = True
    hub: bool = True
    audited: list[AuditEntry] = field(default_factory=list)
    port: int = 0
    _channels: list[grpc.aio.Channel] = field(default_factory=list)

    @property
    def files(self) -> ServerFiles:
        return ServerFiles(
            certificate=self.folder / "server.pem", key=self.folder / "server.key", roots=self.folder / "roots.pem"
        )

    def write_files(self, certificate: IssuedCertificate, *, roots: bytes | None = None) -> None:
        self.files.key.write_bytes(certificate.key_pem)
        self.files.certificate.write_bytes(certificate.certificate_pem)
        self.files.roots.write_bytes(roots or self.pki.roots_pem)

    async def start(self) -> "Served":
        self.write_files(self.pki.node("110000"))

        async def record(entry: AuditEntry) -> None:
            self.audited.append(entry)

        self.slots = StreamSlots(self.max_streams)
        self.pipeline = Pipeline(
            node_id="110000",
            identification=Identification(certificates=self.pki.checker(), callers=self.directory),
            policy=self.policy,
            limits=CallerLimits(self.rates, monotonic=self.clock.monotonic),
            slots=self.slots,
            refusals=RefusalLog(record, clock=self.clock),
            clock=self.clock,
            telemetry=self.telemetry,
            deadlines=self.deadlines,
            sizes=self.sizes,
        )
        table = MethodTable()
        for module, stubs in CONTRACT:
            for service in module.DESCRIPTOR.services_by_name.values():
                if service.name != "HubService" or self.hub:
                    servicer = fake_servicer(service, stubs, self.serve)
                    getattr(stubs, f"add_{service.name}Servicer_to_server")(servicer, table)
        self.health = NodeHealth(checks=self.checks, needs=self.needs, clock=self.clock)
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(self.health), table)
        if self.reflection:
            add_reflection(table, table.services)
        settings = EdgeSettings(
            listen="127.0.0.1:0", files=self.files, max_message_bytes=max(1024 * 1024, self.sizes.largest)
        )
        self.edge = GrpcioEdge(settings=settings, table=table, pipeline=self.pipeline, health=self.health)
        self.port = await self.edge.start()
        return self

    def channel(self, certificate: IssuedCertificate | str | None = "app.relying_party") -> grpc.aio.Channel:
        """A channel with the certificate given, that of a label, or none."""
        if isinstance(certificate, str):
            certificate = label_certificates(self.pki)[certificate]
        credentials = grpc.ssl_channel_credentials(
            self.pki.roots_pem,
            certificate.key_pem if certificate else None,
            certificate.certificate_pem if certificate else None,
        )
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        channel = grpc.aio.secure_channel(f"localhost:{self.port}", credentials, options=options)
        self._channels.append(channel)
        return channel

    async def stop(self) -> None:
        for channel in self._channels:
            await channel.close()
        await self.edge.stop(grace=timedelta(0))
        await asyncio.sleep(0)


def call_of(channel: grpc.aio.Channel, method: str) -> Any:
    """The multicallable of a method by its full name, with the messages of the contract."""
    descriptor = method_descriptors()[method]
    answer_class = message_factory.GetMessageClass(descriptor.output_type)
    kind = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }[(descriptor.client_streaming, descriptor.server_streaming)]
    return kind(
        method,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer_class.FromString,
    )


def request_of(method: str) -> Any:
    """An empty request of a method."""
    return message_factory.GetMessageClass(method_descriptors()[method].input_type)()


def begin(
    channel: grpc.aio.Channel, method: str, *, request: Any = None, timeout: float | None = 10, **options: Any
) -> Any:
    """It begins a call with one request, empty where none is given, and returns it."""
    message = request_of(method) if request is None else request

    async def requests() -> AsyncIterator[Any]:
        yield message

    many = method_descriptors()[method].client_streaming
    return call_of(channel, method)(requests() if many else message, timeout=timeout, **options)


async def attempt(channel: grpc.aio.Channel, method: str, **options: Any) -> grpc.aio.AioRpcError | None:
    """It makes a call, up to the first answer of a stream, and returns the refusal, if there is one."""
    call = begin(channel, method, **options)
    try:
        if not method_descriptors()[method].server_streaming:
            await call
        elif await call.read() is grpc.aio.EOF:
            await call.code()
    except grpc.aio.AioRpcError as refused:
        return refused
    finally:
        call.cancel()
    return None


def details_of(refused: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The details of a refusal by the name of their message; texts are dropped."""
    trailing = dict(refused.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    found = {}
    for detail in status.details:
        kind = getattr(error_details_pb2, detail.type_url.rsplit(".", 1)[1])
        found[kind.__name__] = kind()
        detail.Unpack(found[kind.__name__])
    return found


def reason_of(refused: grpc.aio.AioRpcError | None) -> str:
    """The reason of a refusal; empty where it has none."""
    info = details_of(refused).get("ErrorInfo") if refused else None
    return info.reason if info else ""
