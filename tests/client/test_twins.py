"""The two clients are one: the same areas, acts, arguments and words, and each act calls the method that it says."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from govcode.authorization.v1 import authorization_pb2
from govcode.common.v1 import evidence_pb2, holder_pb2
from govcode_client import AsyncClient, Client, Sm2PrivateKey
from govcode_client._errors import NodeUnreachableError
from govcode_client._identity import LoopbackIdentity
from govcode_client._retries import service_config
from govcode_client.areas.authorizations import AsyncAuthorizations
from govcode_client.areas.business import AsyncBusiness
from govcode_client.areas.codes import AsyncCodes
from govcode_client.areas.names import SERVICES
from govcode_client.areas.operators import AsyncAudit, AsyncHub, AsyncOperations
from govcode_client.areas.routes import AsyncRoutes

AREAS = ("codes", "authorizations", "routes", "hub", "business", "audit", "operations")
CORES: tuple[type, ...] = (
    AsyncCodes, AsyncAuthorizations, AsyncRoutes, AsyncHub, AsyncBusiness, AsyncAudit, AsyncOperations,
)  # fmt: skip

BETWEEN_NODES = {
    "RegisterNode", "ResolveRoute", "GetTrustBundle", "WatchTrustBundle", "ReportNodeStatus",
}  # fmt: skip
"""Methods of the hub that nodes call; their client is the node."""


def public(owner: type) -> dict[str, Any]:
    """The public names of a class."""
    return {name: getattr(owner, name) for name in dir(owner) if not name.startswith("_")}


def acts(core: type) -> dict[str, Any]:
    """The acts of an area."""
    return {name: value for name, value in public(core).items() if inspect.isfunction(value)}


def area_class(client: type, area: str) -> type:
    """The class of an area, by what its property promises."""
    annotation = inspect.getattr_static(client, area).func.__annotations__["return"]
    module = inspect.getmodule(client)
    found = getattr(module, annotation)
    assert isinstance(found, type)
    return found


def test_both_clients_have_the_same_names_and_arguments() -> None:
    assert public(Client).keys() == public(AsyncClient).keys()
    for name in ("__init__", "close"):
        one, other = inspect.signature(getattr(Client, name)), inspect.signature(getattr(AsyncClient, name))
        assert one == other


@pytest.mark.parametrize("area", AREAS)
def test_each_area_has_the_same_acts_with_the_same_arguments_and_words(area: str) -> None:
    blocking, core = area_class(Client, area), area_class(AsyncClient, area)
    assert acts(blocking).keys() == acts(core).keys()
    for name, act in acts(core).items():
        twin = getattr(blocking, name)
        one, other = inspect.signature(twin), inspect.signature(act)
        assert list(one.parameters.values())[1:] == list(other.parameters.values())[1:], name
        said = str(other.return_annotation)
        if said.startswith("AsyncGenerator["):
            said = said.removeprefix("Async").removesuffix("]") + ", None]"
        assert str(one.return_annotation) == said, name
        assert twin.__doc__ == act.__doc__, name


@pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__)
def test_every_act_takes_named_arguments_only_and_says_what_it_raises(core: type) -> None:
    for name, act in acts(core).items():
        parameters = list(inspect.signature(act).parameters.values())[1:]
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters), name
        assert act.__doc__, name
        described = act.__doc__
        if "as those of" in described or "as for" in described or "as `" in described or len(parameters) <= 2:
            continue
        missing = [each.name for each in parameters if f"{each.name}:" not in described]
        assert not missing, f"{name}: {missing}"


class RecordingWire:
    """It answers every call with an empty message, and notes path and types."""

    def __init__(self) -> None:
        self.timeout = 1.0
        self.seen: list[tuple[str, type[Message], type[Message]]] = []

    async def ask(self, path: str, request: Message, answer: type[Any], *, timeout: float) -> Any:  # noqa: ASYNC109
        self.seen.append((path, type(request), answer))
        return answer()

    async def listen(
        self,
        path: str,
        request: Message,
        answer: type[Any],
        *,
        timeout: float | None,  # noqa: ASYNC109
    ) -> AsyncGenerator[Any, None]:
        self.seen.append((path, type(request), answer))
        raise NodeUnreachableError("nowhere", "recorded")
        yield answer()

    async def pause(self, seconds: float) -> None:
        """It does not wait."""


class AnyPhone:
    """A phone that identifies by nothing."""

    def __init__(self) -> None:
        from govcode_client import HolderDevice

        self.device = HolderDevice.generate()

    def identify(self, begun: Any, /) -> bytes:
        return b"blob"


SAMPLES: dict[str, Any] = {
    "phone": AnyPhone(),
    "proof": holder_pb2.HolderProof(),
    "grant": evidence_pb2.Evidence(),
    "key": Sm2PrivateKey.generate(),
    "items": {"business-licence": ["name"]},
    "fields": {"name": "名称"},
    "end_time": datetime(2027, 1, 1, tzinfo=UTC),
    "scene_class": "COUNTER",
    "session_token": "t" * 32,
}
BY_TYPE: dict[str, Any] = {
    "str": "x", "bytes": b"x", "int": 1, "int | str": 1, "Sequence[str]": ["x"], "Mapping[str, str]": {"x": "x"},
    "Sequence[int]": [1],
}  # fmt: skip


def arguments_of(act: Any) -> dict[str, Any]:
    """Something for each argument that must be given."""
    needed = [each for each in list(inspect.signature(act).parameters.values())[1:] if each.default is each.empty]
    return {each.name: SAMPLES.get(each.name, BY_TYPE.get(str(each.annotation))) for each in needed}


async def record(core: type) -> set[tuple[str, type[Message], type[Message]]]:
    """It does every act of an area and gives what was called."""
    wire = RecordingWire()
    area = core(wire, None) if core in (AsyncHub, AsyncBusiness, AsyncAudit, AsyncOperations) else core(wire)
    for name, act in acts(core).items():
        arguments = arguments_of(act)
        if name == "apply":
            arguments["session_token"] = "t"
        if name == "wait":
            arguments["within"] = 0
        if name == "fetch_license":
            arguments["timeout"] = 0
        try:
            done = getattr(area, name)(**arguments)
            if inspect.isasyncgen(done):
                async for _ in done:
                    break
            else:
                await done
        except NodeUnreachableError:
            pass
    return set(wire.seen)


def methods_of(services: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Every method of the services, by path."""
    pool = descriptor_pool.Default()
    for service in services:
        for method in pool.FindServiceByName(service).methods:
            yield f"/{service}/{method.name}", method


def test_every_act_calls_a_method_of_the_contract_with_its_messages() -> None:
    described = dict(methods_of(SERVICES))
    for core in CORES:
        for path, request, answer in asyncio.run(record(core)):
            method = described[path]
            assert (method.input_type, method.output_type) == (request.DESCRIPTOR, answer.DESCRIPTOR), path


def test_every_method_for_applications_and_operators_has_an_act() -> None:
    called = {path for core in CORES for path, _, _ in asyncio.run(record(core))}
    missing = [
        path
        for path, method in methods_of(SERVICES)
        if path not in called and not (path.startswith("/govcode.hub") and method.name in BETWEEN_NODES)
    ]
    assert missing == []


def test_the_service_config_speaks_of_every_service() -> None:
    config = service_config()
    assert all(f'"service": "{service}"' in config for service in SERVICES)


def test_only_what_may_be_called_twice_is_tried_again_by_the_channel() -> None:
    """Each unary method has a serial, or its name says that it looks, or that the second call finds the first done."""
    harmless = (
        "Get", "List", "Resolve", "Decode", "Render", "Begin", "Locate", "Wait", "Export", "Introspect",
        "CloseSession", "ApproveNode", "SuspendNode", "RegisterNode",
    )  # fmt: skip
    for path, method in methods_of(SERVICES):
        serial = "biz_serial" in method.input_type.fields_by_name
        assert serial or method.server_streaming or method.name.startswith(harmless), path


def test_a_closed_client_stays_closed() -> None:
    from govcode_client import ClientClosedError

    client = Client("127.0.0.1:1", LoopbackIdentity())
    client.close()
    with pytest.raises(ClientClosedError):
        client.routes.resolve(region_code="420100")


def test_raw_methods_are_within_reach_of_the_areas_that_had_them() -> None:
    with Client("127.0.0.1:1", LoopbackIdentity()) as client:
        assert client.business.RegisterScene is client.business.stub.RegisterScene
        assert client.hub.ApproveNode is client.hub.stub.ApproveNode
        with pytest.raises(AttributeError, match="register_nothing"):
            client.business.register_nothing  # noqa: B018


def test_an_enumeration_takes_names_and_refuses_others_by_listing_them() -> None:
    from govcode_client._core import enum_value

    kind = authorization_pb2.LicenseUseState
    assert enum_value(kind, "BEGUN", "LICENSE_USE_STATE_") == 1
    assert enum_value(kind, "LICENSE_USE_STATE_BEGUN", "LICENSE_USE_STATE_") == 1
    with pytest.raises(ValueError, match="DELIVERED, FAILED"):
        enum_value(kind, "OVER", "LICENSE_USE_STATE_")
