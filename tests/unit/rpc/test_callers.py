"""Who the owner of a certificate is at this node."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from govcode_node.domain.callers import (
    AppDisabledError,
    AppUnknownError,
    DeviceDisabledError,
    DeviceUnknownError,
    OperatorRole,
    OperatorUnknownError,
)
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.domain.identities import Identity, parse_identity
from govcode_node.domain.nodes import NodeState, NodeTrust
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import TrustBundle
from govcode_node.usecases.callers import RegisteredCallers
from kit.clocks import MovableClock

THEN = datetime(2026, 1, 1, tzinfo=UTC)
ENABLED = RegistrationState.ENABLED
PARTY = RelyingParty(
    relying_party_id="P", name="n", uscc="u", purpose="p", contact="c", state=ENABLED, registered_at=THEN
)
COUNTER = Application(
    app_id="counter-app",
    relying_party_id="P",
    kind=ApplicationKind.RELYING_PARTY,
    name="n",
    scene_nos=(1,),
    state=ENABLED,
    registered_at=THEN,
)
SCANNER = Scanner(device_id="scanner-1", app_id="counter-app", place="p", state=ENABLED, registered_at=THEN)


class Registry:
    """A database whose registry a test fills."""

    def __init__(self) -> None:
        self.parties: dict[str, RelyingParty] = {"P": PARTY}
        self.applications: dict[str, Application] = {"counter-app": COUNTER}
        self.scanners: dict[str, Scanner] = {"scanner-1": SCANNER}
        self.reads = 0
        self.broken = False
        self.hold: asyncio.Event | None = None

    async def read(self, query: Any) -> Any:
        self.reads += 1
        if self.hold:
            await self.hold.wait()
        if self.broken:
            raise StoreUnavailableError("gone")
        store = SimpleNamespace(
            application=self.applications.get, relying_party=self.parties.get, scanner=self.scanners.get
        )
        return query(SimpleNamespace(parties=store))


class Trust:
    def __init__(self, *nodes: NodeTrust) -> None:
        self.held = TrustBundle(version=1, issued_at=THEN, routes=(), nodes=nodes) if nodes else None

    def bundle(self) -> TrustBundle | None:
        return self.held


def node(state: NodeState = NodeState.ACTIVE, name: str = "spiffe://federation.govcode/node/310000") -> NodeTrust:
    return NodeTrust(
        node_id="310000",
        region_code=RegionCode("310000"),
        name_zh="上海",
        name_en="Shanghai",
        state=state,
        endpoints=(),
        certificate_name=name,
        keys=(),
    )


class Setting:
    def __init__(self, *nodes: NodeTrust) -> None:
        self.registry, self.clock = Registry(), MovableClock()
        self.callers = RegisteredCallers(
            region_code=RegionCode("110000"),
            database=self.registry,  # type: ignore[arg-type]
            trust=Trust(*nodes),  # type: ignore[arg-type]
            operators={"li": (OperatorRole.AUDIT,), "former": ()},
            clock=self.clock,
        )

    async def resolve(self, text: str) -> Any:
        return await self.callers.resolve(identity(text), thumbprint="ab")


def identity(text: str) -> Identity:
    return parse_identity(f"spiffe://{text}")


async def test_an_application_is_what_its_registration_says() -> None:
    caller = await Setting().resolve("r110000.govcode/app/counter-app")
    assert caller.labels() == {"app.relying_party"}
    assert (caller.name, caller.certificate) == ("counter-app", "ab")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("r310000.govcode/app/counter-app", AppUnknownError),
        ("r310000.govcode/licence/licence-service", AppUnknownError),
        ("r310000.govcode/scanner/scanner-1", DeviceUnknownError),
        ("r310000.govcode/operator/li", OperatorUnknownError),
    ],
)
async def test_a_namesake_of_another_region_is_unknown(text: str, error: type[Exception]) -> None:
    setting = Setting()
    with pytest.raises(error, match="r310000"):
        await setting.resolve(text)
    assert setting.registry.reads == 0


async def test_an_unregistered_application_is_unknown() -> None:
    with pytest.raises(AppUnknownError):
        await Setting().resolve("r110000.govcode/app/other")


@pytest.mark.parametrize("state", [state for state in RegistrationState if state is not ENABLED])
async def test_only_enabled_applications_of_enabled_organisations_are_let_in(state: RegistrationState) -> None:
    setting = Setting()
    setting.registry.applications["counter-app"] = replace(COUNTER, state=state)
    with pytest.raises(AppDisabledError) as refused:
        await setting.resolve("r110000.govcode/app/counter-app")
    assert refused.value.state == state.value
    setting = Setting()
    setting.registry.parties["P"] = replace(PARTY, state=state)
    with pytest.raises(AppDisabledError):
        await setting.resolve("r110000.govcode/app/counter-app")
    with pytest.raises(AppDisabledError):
        await setting.resolve("r110000.govcode/scanner/scanner-1")


async def test_a_scanner_keeps_its_class_and_name() -> None:
    caller = await Setting().resolve("r110000.govcode/scanner/scanner-1")
    assert (caller.labels(), caller.name) == ({"scanner"}, "scanner-1")


async def test_a_scanner_that_is_unknown_or_disabled_is_refused() -> None:
    setting = Setting()
    with pytest.raises(DeviceUnknownError):
        await setting.resolve("r110000.govcode/scanner/scanner-2")
    setting.registry.scanners["scanner-1"] = replace(SCANNER, state=RegistrationState.SUSPENDED)
    with pytest.raises(DeviceDisabledError):
        await setting.resolve("r110000.govcode/scanner/scanner-1")


async def test_operators_have_the_roles_of_the_configuration() -> None:
    assert (await Setting().resolve("r110000.govcode/operator/li")).labels() == {"operator.audit"}
    for name in ("nobody", "former"):
        with pytest.raises(OperatorUnknownError):
            await Setting().resolve(f"r110000.govcode/operator/{name}")


@pytest.mark.parametrize(
    ("held", "label"),
    [
        ((), "candidate"),
        ((node(),), "node"),
        ((node(NodeState.SUSPENDED),), "candidate"),
        ((node(NodeState.JOINING),), "candidate"),
        ((node(name="spiffe://federation.govcode/node/310000-b"),), "candidate"),
    ],
)
async def test_a_node_is_one_by_the_trust_bundle(held: tuple[NodeTrust, ...], label: str) -> None:
    caller = await Setting(*held).resolve("federation.govcode/node/310000")
    assert caller.labels() == {label}


async def test_the_hub_is_the_hub() -> None:
    assert (await Setting().resolve("federation.govcode/hub/000000")).labels() == {"hub"}


async def test_a_suspension_is_seen_within_a_second() -> None:
    setting = Setting()
    text = "r110000.govcode/app/counter-app"
    await setting.resolve(text)
    setting.registry.applications["counter-app"] = replace(COUNTER, state=RegistrationState.SUSPENDED)
    setting.clock.advance(0.5)
    await setting.resolve(text)
    assert setting.registry.reads == 1
    setting.clock.advance(0.5)
    with pytest.raises(AppDisabledError):
        await setting.resolve(text)
    with pytest.raises(AppDisabledError):
        await setting.resolve(text)
    assert setting.registry.reads == 2


async def test_calls_that_come_together_share_one_read_and_none_takes_it_away() -> None:
    setting = Setting()
    setting.registry.hold = asyncio.Event()
    waiting = [asyncio.create_task(setting.resolve("r110000.govcode/app/counter-app")) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    setting.registry.hold.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert setting.registry.reads == 1
    assert isinstance(answers[0], asyncio.CancelledError)
    assert {answer.name for answer in answers[1:]} == {"counter-app"}


async def test_a_failing_store_is_not_remembered() -> None:
    setting = Setting()
    setting.registry.broken = True
    with pytest.raises(StoreUnavailableError):
        await setting.resolve("r110000.govcode/app/counter-app")
    setting.registry.broken = False
    await setting.resolve("r110000.govcode/app/counter-app")
