"""The fake node as a server: what it was asked, what it was told to refuse, and the answers to serials."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from govcode.authorization.v1 import authorization_pb2
from govcode.authorization.v1 import authorization_service_pb2 as authv1
from govcode.authorization.v1.authorization_service_pb2_grpc import add_AuthorizationServiceServicer_to_server
from govcode.code.v1.code_application_service_pb2_grpc import add_CodeApplicationServiceServicer_to_server
from govcode.code.v1.code_base_service_pb2_grpc import add_CodeBaseServiceServicer_to_server
from govcode.common.v1 import subject_pb2, verdict_pb2
from govcode.routing.v1 import code_routing_service_pb2 as routingv1
from govcode.routing.v1 import code_routing_service_pb2_grpc as routingv1_grpc
from govcode.routing.v1 import trust_bundle_pb2

from govcode_client._aclient import AsyncClient
from govcode_client._client import Client
from govcode_client._identity import LoopbackIdentity
from govcode_client.device import HolderDevice
from govcode_client.sm2 import key_id_of
from govcode_client.testing._authorizations import FakeAuthorizationServicer, FakeLicense
from govcode_client.testing._codes import FakeApplicationServicer, FakeBaseServicer
from govcode_client.testing._people import FakePerson
from govcode_client.testing._refusals import RefusedError, reasons
from govcode_client.testing._world import FakeWorld

_THREADS: Final = 32
_MOVING: Final = frozenset({"ReportGrantUse"})
"""Methods of which one serial names begin and end, so that the second call is no repetition."""


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A call that came in.

    Attributes:
        method: Its name in the contract. Example: `ScanCode`.
        request: What was asked.
        metadata: What came with it.
        time: When, in seconds of `time.monotonic`.
    """

    method: str
    request: Any
    metadata: Mapping[str, str | bytes] = field(repr=False)
    time: float


@dataclass(slots=True)
class _Wish:
    """Something that calls shall meet: a refusal, or silence for so many seconds."""

    refusal: RefusedError | None
    method: str
    times: int
    silence: float = 0.0


class FakeNode:
    """A node that remembers, for tests; use it in a `with` block.

    Args:
        node_id: Who it says it is.
    """

    def __init__(self, node_id: str = "420100") -> None:
        self._world = FakeWorld(node_id)
        self._authorizations = FakeAuthorizationServicer(self._world)
        self._routes = _FakeRoutingServicer(self._world)
        self._calls: list[SeenCall] = []
        self._wishes: list[_Wish] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._clients: list[Client] = []
        self._server: grpc.Server | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """`host:port`, the same after a stop and a start."""
        return f"127.0.0.1:{self._port}"

    @property
    def identity(self) -> LoopbackIdentity:
        """What a client needs: `Client(node.address, node.identity)`."""
        return LoopbackIdentity()

    @property
    def node_id(self) -> str:
        """Who it says it is."""
        return self._world.node_id

    @property
    def calls(self) -> Sequence[SeenCall]:
        """All calls that came in, in order; those that were refused too."""
        with self._lock:
            return tuple(self._calls)

    def start(self) -> None:
        """It listens, at its former port where it had one."""
        server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="fake-node"),
            interceptors=[_Gate(self)],
            options=(("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 10_000)),
        )
        add_CodeApplicationServiceServicer_to_server(FakeApplicationServicer(self._world), server)
        add_CodeBaseServiceServicer_to_server(FakeBaseServicer(self._world), server)
        add_AuthorizationServiceServicer_to_server(self._authorizations, server)
        routingv1_grpc.add_CodeRoutingServiceServicer_to_server(self._routes, server)
        credentials = grpc.local_server_credentials(grpc.LocalConnectionType.LOCAL_TCP)
        self._port = server.add_secure_port(f"127.0.0.1:{self._port}", credentials)
        self._world.closed = False
        self._released.clear()
        server.start()
        self._server = server

    def stop(self) -> None:
        """It goes away, with all connections; what it remembers stays for another start."""
        server, self._server = self._server, None
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._drop(server)

    def restart(self) -> None:
        """It goes away and comes back at the same port, as a node does that is updated; clients stay."""
        server, self._server = self._server, None
        self._drop(server)
        self.start()

    def _drop(self, server: grpc.Server | None) -> None:
        self._released.set()
        with self._world.changed:
            self._world.closed = True
            self._world.changed.notify_all()
        if server is not None:
            server.stop(None).wait()

    def client(self, **options: Any) -> Client:
        """It makes a client, closed with the node; options as those of `Client`."""
        made = Client(self.address, self.identity, **options)
        self._clients.append(made)
        return made

    def async_client(self, **options: Any) -> AsyncClient:
        """It makes an asynchronous client, to be closed by its user; options as those of `AsyncClient`."""
        return AsyncClient(self.address, self.identity, **options)

    def person(self, name: str) -> FakePerson:
        """It makes a person with a phone, who can sign in: `client.codes.sign_in(phone=person, terms_version="1")`."""
        person = FakePerson(name=name, device=HolderDevice.generate(now=self._world.now))
        self._world.people[name] = person
        return person

    def account(self, person: FakePerson) -> str:
        """It opens a person's account without the ceremony and gives a session token."""
        found = self._world.account_of(person.name) or self._world.open_account(
            person.name, person.device.public_key, kind=subject_pb2.SUBJECT_KIND_PERSON, terms_version="fake"
        )
        found.device_point = person.device.public_key
        return self._world.open_session(found).session_token

    def present(self, person: FakePerson, *, one_time: bool = False) -> str:
        """It gives the text of a code of a person, whose account is opened where it is not open yet."""
        account, _ = self._world.session(self.account(person))
        return self._world.issue(account, one_time=one_time).code.code_text

    def set_outcome(self, code_text: str, outcome: str) -> None:
        """It judges a code so from now on, whatever it is.

        Raises:
            KeyError: It issued no such code.
            ValueError: There is no such outcome. Example of one: `REVOKED`.
        """
        verdict_pb2.Outcome.Value(f"OUTCOME_{outcome}")
        self._world.codes[code_text].outcome = outcome

    def advance(self, seconds: float) -> None:
        """It moves the node's clock; codes and grants end by it."""
        self._world.offset += timedelta(seconds=seconds)

    def refuse_next(
        self,
        reason: str,
        *,
        method: str = "",
        times: int = 1,
        message: str = "",
        facts: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        code: grpc.StatusCode | None = None,
        pushback_ms: int | None = None,
    ) -> None:
        """It refuses the next calls.

        Args:
            reason: Name of an ErrorReason without its prefix. Example: `RATE_LIMITED`.
            method: Calls of this method only. Example: `ScanCode`.
            times: How many calls.
            message: For developers.
            facts: For programs.
            retry_after: Seconds in `RetryInfo`.
            code: Status; that of the reason where None.
            pushback_ms: Trailer `grpc-retry-pushback-ms`: after so long the channel itself tries again.

        Raises:
            ValueError: There is no such reason.
        """
        if reason not in reasons():
            raise ValueError(f"{reason!r} is no ErrorReason")
        refusal = RefusedError(
            reason, message, facts=facts or {}, retry_after=retry_after, code=code, pushback_ms=pushback_ms
        )
        with self._lock:
            self._wishes.append(_Wish(refusal, method, times))

    def stay_silent_next(self, seconds: float, *, method: str = "", times: int = 1) -> None:
        """It lets the next calls wait so long before it does what they ask."""
        with self._lock:
            self._wishes.append(_Wish(None, method, times, silence=seconds))

    def break_streams(self) -> None:
        """It ends all streams of events, as a node does that is stopped; their events stay."""
        with self._world.changed:
            self._world.stream_breaks += 1
            self._world.changed.notify_all()

    def add_license(self, person: FakePerson, license_type: str, license: FakeLicense) -> None:  # noqa: A002
        """It puts a licence of a person where it can be located and fetched."""
        self._authorizations.licenses[person.name, license_type] = license

    def mark_sensitive(self, *license_types: str) -> None:
        """It takes these licence types for sensitive from now on."""
        self._authorizations.sensitive.update(license_types)

    def register_key(self, public_key: bytes) -> None:
        """It seals licences to this SM2 key (65 bytes) from now on."""
        self._authorizations.recipient = public_key

    def decide(self, authorization_id: str, *, granted: Collection[int] = ()) -> None:
        """It decides in the holder's place: grants these items, or denies all.

        Raises:
            KeyError: There is no such authorization.
        """
        self._authorizations.grant(self._authorizations.asked[authorization_id], sorted(granted))

    def break_fetches(self, *after_chunks: int) -> None:
        """It breaks the next deliveries, one for each number, after so many chunks."""
        self._authorizations.break_after.extend(after_chunks)

    def scene_code(self, *, matter_code: str, items: Mapping[str, Sequence[str]], purpose: str = "办事") -> str:
        """It makes a scene code: a holder who scans it is asked for these items."""
        period = Duration()
        period.FromTimedelta(timedelta(hours=1))
        request = authv1.RequestAuthorizationRequest(
            matter_code=matter_code,
            purpose=purpose,
            handling_means="核验后不留存",
            items=[
                authorization_pb2.AuthorizationItem(license_type=kind, field_names=names)
                for kind, names in items.items()
            ],
            max_uses=1,
            period=period,
        )
        text = f"ZWM1.FAKESCENE{len(self._world.scene_codes)}"

        def ask(account_id: str) -> authorization_pb2.Authorization:
            return self._authorizations.ask(account_id, request, holder_scanned=True).authorization

        self._world.scene_codes[text] = ask
        return text

    def set_routes(self, routes: Mapping[str, str]) -> None:
        """It answers by these routes, node ids by region prefix."""
        self._routes.routes = dict(routes)

    def public_key_of(self, node_id: str, key_id: str) -> bytes | None:
        """It gives the key of its evidence, for `check_evidence`."""
        point = self._world.key.public_key.to_point()
        return point if (node_id, key_id) == (self.node_id, key_id_of(point)) else None

    def _note(self, method: str, request: Any, metadata: Mapping[str, str | bytes]) -> _Wish | None:
        """It remembers a call and finds what it shall meet."""
        with self._lock:
            self._calls.append(SeenCall(method, request, metadata, time.monotonic()))
            for wish in self._wishes:
                if wish.method in ("", method):
                    wish.times -= 1
                    if not wish.times:
                        self._wishes.remove(wish)
                    return wish
        return None

    def _remembering(self, method: str, request: Message, act: Callable[[], Message]) -> Message:
        """It answers an act with a serial once, and says the same to whoever asks again."""
        if "biz_serial" not in request.DESCRIPTOR.fields_by_name or method in _MOVING:
            return act()
        serial, asked = request.biz_serial, request.SerializeToString(deterministic=True)  # type: ignore[attr-defined]
        if not serial:
            raise RefusedError("INVALID_FIELD", fields={"biz_serial": "is required"})
        with self._world.changed:
            known = self._world.remembered.get((method, serial))
            if known is None:
                answer = act()
                self._world.remembered[method, serial] = (asked, answer)
                return answer
        if known[0] != asked:
            raise RefusedError("SERIAL_CONFLICT", facts={"biz_serial": serial})
        again = type(known[1])()
        again.CopyFrom(known[1])
        if "replayed" in again.DESCRIPTOR.fields_by_name:
            again.replayed = True  # type: ignore[attr-defined]
        return again

    def _meet(self, wish: _Wish | None) -> None:
        if wish is None:
            return
        if wish.silence:
            self._released.wait(wish.silence)
        if wish.refusal is not None:
            raise wish.refusal


class _Gate(grpc.ServerInterceptor):
    """It stands before all methods."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """It puts memory and wishes around a method."""
        handler = continuation(details)
        if handler is None:
            return None
        method = details.method.rpartition("/")[2]
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(method, handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )

    def _unary(self, method: str, act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        node = self._node

        def answer(request: Any, context: Any) -> Any:
            metadata = dict(context.invocation_metadata())
            try:
                node._meet(node._note(method, request, metadata))
                return node._remembering(method, request, lambda: act(request, context))
            except RefusedError as refusal:
                context.abort_with_status(refusal.status(str(metadata.get("govcode-request-id", ""))))

        return answer

    def _streaming(self, method: str, act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Iterator[Any]]:
        node = self._node

        def answers(request: Any, context: Any) -> Iterator[Any]:
            metadata = dict(context.invocation_metadata())
            try:
                node._meet(node._note(method, request, metadata))
                yield from act(request, context)
            except RefusedError as refusal:
                context.abort_with_status(refusal.status(str(metadata.get("govcode-request-id", ""))))

        return answers


class _FakeRoutingServicer(routingv1_grpc.CodeRoutingServiceServicer):
    """码路由服务 of the fake node."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world
        self.routes = {world.node_id[:4]: world.node_id}

    def ResolveRoute(self, request: Any, context: Any) -> Any:
        """It finds the longest prefix."""
        fits = [prefix for prefix in self.routes if request.region_code.startswith(prefix)]
        if not fits:
            raise RefusedError("NO_ROUTE", facts={"region_code": request.region_code})
        prefix = max(fits, key=len)
        return routingv1.ResolveRouteResponse(
            route=trust_bundle_pb2.RouteEntry(prefix=prefix, node_id=self.routes[prefix]),
            node=trust_bundle_pb2.NodeTrust(node_id=self.routes[prefix], state=trust_bundle_pb2.NODE_STATE_ACTIVE),
        )

    def ListRoutes(self, request: Any, context: Any) -> Any:
        """It lists the routes in pages."""
        entries = [
            trust_bundle_pb2.RouteEntry(prefix=prefix, node_id=node_id)
            for prefix, node_id in sorted(self.routes.items())
        ]
        begin, size = int(request.page_token or "0"), request.page_size or 200
        more = str(begin + size) if begin + size < len(entries) else ""
        return routingv1.ListRoutesResponse(routes=entries[begin : begin + size], next_page_token=more)

    def GetTrustBundle(self, request: Any, context: Any) -> Any:
        """It signs a bundle of its routes."""
        bundle = trust_bundle_pb2.TrustBundle(
            version=1,
            routes=[
                trust_bundle_pb2.RouteEntry(prefix=prefix, node_id=node_id)
                for prefix, node_id in sorted(self.routes.items())
            ],
        )
        return routingv1.GetTrustBundleResponse(bundle=self._world.sign("TRUST_BUNDLE", bundle))
