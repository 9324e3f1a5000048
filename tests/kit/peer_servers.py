"""Nodes to call over real mutual TLS, that answer as a test wishes: well, late, never, with a refusal, as another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from govcode.authorization.v1 import license_pb2 as licensev1
from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1 import federation_service_pb2_grpc as federationv1_grpc
from govcode_node.crypto.authorities import IssuedCertificate
from grpc import aio
from kit.pki import KitPki


@dataclass
class Seen:
    """What arrived."""

    request: Any
    metadata: dict[str, str]
    time_left: float
    peer: str
    certificate: bytes


Answering = Callable[[federationv1.RecognizeCodeRequest], Awaitable[federationv1.RecognizeCodeResponse]]


Delivering = Callable[
    [federationv1.ForwardLicenseFetchRequest], AsyncIterator[federationv1.ForwardLicenseFetchResponse]
]
Deciding = Callable[[federationv1.ForwardAuthorizationRequest], Awaitable[federationv1.ForwardAuthorizationResponse]]


async def echo(request: federationv1.RecognizeCodeRequest) -> federationv1.RecognizeCodeResponse:
    """Answer with the payload that came."""
    return federationv1.RecognizeCodeResponse(answer=evidence_pb2.Evidence(payload=b"re:" + request.request.payload))


async def hang(_: federationv1.RecognizeCodeRequest) -> federationv1.RecognizeCodeResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def decide(request: federationv1.ForwardAuthorizationRequest) -> federationv1.ForwardAuthorizationResponse:
    """Answer with the payload that came."""
    asked = getattr(request, request.WhichOneof("content") or "question")
    return federationv1.ForwardAuthorizationResponse(answer=evidence_pb2.Evidence(payload=b"re:" + asked.payload))


async def deliver(
    request: federationv1.ForwardLicenseFetchRequest,
) -> AsyncIterator[federationv1.ForwardLicenseFetchResponse]:
    """Deliver a licence with a document of two chunks."""
    del request
    yield header_piece(chunk_count=2)
    yield chunk_piece(0)
    yield chunk_piece(1)
    yield federationv1.ForwardLicenseFetchResponse(delivery=evidence_pb2.Evidence(payload=b"delivered"))


def header_piece(**fields: Any) -> federationv1.ForwardLicenseFetchResponse:
    """The first piece of a delivery."""
    header = licensev1.LicenseHeader(use_id="us_" + "1" * 32, sealed_content=b"sealed", **fields)
    return federationv1.ForwardLicenseFetchResponse(header=header)


def chunk_piece(chunk_no: int, data: bytes = b"") -> federationv1.ForwardLicenseFetchResponse:
    """A chunk of a delivery."""
    return federationv1.ForwardLicenseFetchResponse(
        chunk=licensev1.LicenseChunk(chunk_no=chunk_no, data=data or b"chunk %d" % chunk_no)
    )


@dataclass
class Refusing:
    """It refuses with a status and, where there is one, a reason."""

    code: grpc.StatusCode
    reason: str = ""
    facts: dict[str, str] = field(default_factory=dict)


class PeerServer(federationv1_grpc.FederationServiceServicer):
    """One endpoint of a node."""

    def __init__(self, certificate: IssuedCertificate, *, pki: KitPki) -> None:
        self.certificate = certificate
        self.pki = pki
        self.answering: Answering | Refusing = echo
        self.deciding: Deciding | Refusing = decide
        self.delivering: Delivering | Refusing = deliver
        self.noticing: Refusing | None = None
        self.revocation_list = evidence_pb2.Evidence(payload=b"list")
        self.seen: list[Seen] = []
        self.waiting = 0
        self.port = 0
        self._server: aio.Server | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> "PeerServer":
        """Listen; after a stop on the same port as before."""
        self._server = aio.server(options=[("grpc.so_reuseport", 0)])
        federationv1_grpc.add_FederationServiceServicer_to_server(self, self._server)
        credentials = grpc.ssl_server_credentials(
            [(self.certificate.key_pem, self.certificate.certificate_pem)], self.pki.roots_pem, True
        )
        self.port = self._server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self._server.start()
        return self

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def RecognizeCode(  # noqa: N802 - the contract's name
        self, request: federationv1.RecognizeCodeRequest, context: aio.ServicerContext
    ) -> federationv1.RecognizeCodeResponse:
        self._note(request, context)
        if isinstance(self.answering, Refusing):
            await refuse(context, self.answering)
            raise AssertionError  # noqa: TRY004 - to end a call does not return
        self.waiting += 1
        try:
            return await self.answering(request)
        finally:
            self.waiting -= 1

    async def GetRevocationList(  # noqa: N802 - the contract's name
        self, request: federationv1.GetRevocationListRequest, context: aio.ServicerContext
    ) -> federationv1.GetRevocationListResponse:
        del request, context
        return federationv1.GetRevocationListResponse(revocation_list=self.revocation_list)

    async def ForwardAuthorization(  # noqa: N802 - the contract's name
        self, request: federationv1.ForwardAuthorizationRequest, context: aio.ServicerContext
    ) -> federationv1.ForwardAuthorizationResponse:
        self._note(request, context)
        if isinstance(self.deciding, Refusing):
            await refuse(context, self.deciding)
            raise AssertionError  # noqa: TRY004 - to end a call does not return
        return await self.deciding(request)

    async def ForwardLicenseFetch(  # noqa: N802 - the contract's name
        self, request: federationv1.ForwardLicenseFetchRequest, context: aio.ServicerContext
    ) -> AsyncIterator[federationv1.ForwardLicenseFetchResponse]:
        self._note(request, context)
        if isinstance(self.delivering, Refusing):
            await refuse(context, self.delivering)
            raise AssertionError  # noqa: TRY004 - to end a call does not return
        self.waiting += 1
        try:
            async for piece in self.delivering(request):
                yield piece
        except BreakOffError as end:
            await refuse(context, end.refusal)
        finally:
            self.waiting -= 1

    async def NotifyWithdrawal(  # noqa: N802 - the contract's name
        self, request: federationv1.NotifyWithdrawalRequest, context: aio.ServicerContext
    ) -> federationv1.NotifyWithdrawalResponse:
        self._note(request, context)
        if self.noticing is not None:
            await refuse(context, self.noticing)
        return federationv1.NotifyWithdrawalResponse()

    def _note(self, request: object, context: aio.ServicerContext) -> None:
        self.seen.append(
            Seen(
                request=request,
                metadata={key: str(value) for key, value in context.invocation_metadata() or ()},
                time_left=context.time_remaining(),
                peer=context.peer(),
                certificate=context.auth_context()["x509_pem_cert"][0],
            )
        )


class BreakOffError(Exception):
    """A delivery ends in its midst, with that refusal."""

    def __init__(self, refusal: Refusing) -> None:
        super().__init__(refusal)
        self.refusal = refusal


async def refuse(context: aio.ServicerContext, refusal: Refusing) -> None:
    """End a call as a node ends it."""
    trailing: tuple[tuple[str, bytes], ...] = ()
    if refusal.reason:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason=refusal.reason, domain="govcode", metadata=refusal.facts))
        status = status_pb2.Status(code=refusal.code.value[0], message="refused", details=[detail])
        trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(refusal.code, "refused", trailing_metadata=trailing)
