"""The hub over the wire, end to end: joining, bundles pushed and polled, reports counted, the hub away and back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.nodes import NodeState, NodeStatus, StatusSummary
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.federation.channels import ChannelIdentity
from govcode_node.federation.exchange import TrustExchange
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.hub_client import HubClient
from govcode_node.federation.incidents import Incidents
from govcode_node.federation.peer import PeerSettings
from govcode_node.federation.registration import NodeRegistrar
from govcode_node.federation.reporter import Reporter, ReportPosition
from kit.clocks import MovableClock
from kit.hub_fakes import HUB, HubKit, NodeKit, node_call, operator_call, reader_over
from kit.hub_server import HubServer
from kit.memory_database import InMemoryDatabase
from kit.pki import KitPki, kit_pki


class Joined:
    """A hub on a port, and one node's side of everything it has of the hub."""

    def __init__(self, folder: Path) -> None:
        self.pki: KitPki = kit_pki()
        # At a full minute, so that minutes can be counted.
        self.clock = MovableClock(datetime.now().astimezone().replace(second=0, microsecond=0))
        self.hub = HubKit(self.clock, sign_of_life=0.05)
        self.server = HubServer(self.hub, pki=self.pki)
        self.kit = NodeKit("420100", self.clock)
        self.database = InMemoryDatabase()
        self.folder = folder

    async def start(self) -> None:
        await self.server.start()
        self.client = self.client_for(self.server.endpoint)
        self.held = HeldTrust(self.clock)
        self.exchange = TrustExchange(
            held=self.held,
            source=self.client,
            reader=reader_over(self.held),
            incidents=Incidents(database=self.database, clock=self.clock, own_call=node_call("420100")),
            bundle_file=self.folder / "bundle",
            clock=self.clock,
        )
        self.registrar = NodeRegistrar(
            registration=self.kit.registration, held=self.held, hub=self.client, attestor=self.kit.attestor
        )
        self.reporter = Reporter(
            status=self,
            summarize=self.summarize,
            sink=self.client,
            attestor=self.kit.attestor,
            position=ReportPosition(self.folder / "position"),
            clock=self.clock,
            newer_bundle=self.exchange.heard_of,
        )

    def client_for(self, *endpoints: str, breaker_failures: int = 1000) -> HubClient:
        own = self.pki.node("420100")
        return HubClient(
            endpoints=endpoints,
            identity=ChannelIdentity(
                certificate_pem=own.certificate_pem,
                key_pem=own.key_pem,
                federation_ca_pem=self.pki.federation_ca_pem,
            ),
            settings=PeerSettings(breaker_failures=breaker_failures),
            clock=self.clock,
        )

    def status(self) -> NodeStatus:
        return self.kit.status()

    async def summarize(self, minute: datetime) -> StatusSummary:
        return StatusSummary(node_id="420100", minute=minute, codes_issued=1, outcomes=())

    async def join(self) -> None:
        await self.registrar.step()
        await self.hub.registry.approve(
            operator_call(), node_id="420100", key_id=self.kit.sign_key_id, prefixes=("4201",)
        )
        await self.hub.follow()

    async def close(self) -> None:
        await self.reporter.close()
        await self.exchange.close()
        await self.server.stop()
        await self.client.close()
        self.database.close()
        self.hub.close()


@pytest.fixture
async def joined(tmp_path: Path) -> AsyncIterator[Joined]:
    joined = Joined(tmp_path)
    await joined.start()
    yield joined
    await joined.close()


async def reported(joined: Joined, *, codes: int) -> None:
    """Report until the hub has counted so many codes."""
    async with asyncio.timeout(10):
        while joined.hub.board.view("420100").codes_issued < codes:
            try:
                await joined.reporter.step()
            except GovcodeError:
                joined.clock.advance(0.1)
            await asyncio.sleep(0.005)


async def report_until_it_fails(joined: Joined) -> None:
    async with asyncio.timeout(10):
        while True:
            await joined.reporter.step()
            await asyncio.sleep(0.01)


@pytest.mark.req("7.3-01")
async def test_node_joins_by_registration_and_approval_and_then_gets_the_bundle(joined: Joined) -> None:
    await joined.registrar.step()
    assert joined.registrar.state is NodeState.JOINING
    await joined.join()
    await joined.registrar.step()
    assert joined.registrar.state is NodeState.ACTIVE
    await joined.exchange.poll()
    bundle = joined.held.bundle()
    assert bundle is not None
    assert bundle.node("420100") is not None
    assert joined.exchange.hub_silence() == 0


async def test_bundles_are_pushed_over_one_stream_with_signs_of_life_between(joined: Joined) -> None:
    await joined.join()
    await joined.exchange.watch()
    first = joined.hub.registry.bundle_version
    for expected in (first, first + 1):
        async with asyncio.timeout(10):
            while (bundle := joined.held.bundle()) is None or bundle.version < expected:
                await joined.exchange.watch()
        await joined.hub.registry.issue_bundle()
    assert joined.server.calls.count("WatchTrustBundle") == 1


@pytest.mark.req("7.6-04")
async def test_reports_survive_the_hub_s_absence_and_are_counted_once(joined: Joined) -> None:
    await joined.join()
    await joined.reporter.step()
    joined.clock.advance(timedelta(minutes=3, seconds=30))
    await reported(joined, codes=3)
    await joined.server.stop()
    joined.clock.advance(timedelta(minutes=10))
    with pytest.raises(GovcodeError):
        await report_until_it_fails(joined)
    await joined.server.start()
    await reported(joined, codes=13)
    (total,) = await joined.hub.database.read(lambda tx: tx.hub.totals())
    assert total.codes_issued == 13
    view = joined.hub.board.view("420100")
    assert view.status is not None


async def test_hub_s_word_of_a_newer_bundle_brings_it(joined: Joined) -> None:
    await joined.join()
    async with asyncio.timeout(10):
        while joined.held.bundle() is None:
            await joined.reporter.step()
            await asyncio.sleep(0.01)
    assert joined.server.calls.count("GetTrustBundle") == 1


@pytest.mark.req("6.2-03")
async def test_node_that_poses_as_the_hub_is_not_believed_by_the_handshake(joined: Joined) -> None:
    await joined.join()
    impostor = await HubServer(joined.hub, pki=joined.pki, certificate=joined.pki.node("310000")).start()
    client = joined.client_for(impostor.endpoint)
    with pytest.raises(HomeNodeUnreachableError):
        await client.newest_bundle(0)
    assert not impostor.calls
    await client.close()
    await impostor.stop()


async def test_second_endpoint_of_the_hub_stands_in(joined: Joined) -> None:
    await joined.join()
    client = joined.client_for("127.0.0.1:1", joined.server.endpoint)
    assert await client.newest_bundle(0) == await joined.hub.registry.newest_bundle()
    assert await client.newest_bundle(joined.hub.registry.bundle_version) is None
    await client.close()


async def test_stream_that_finds_its_endpoint_dead_goes_to_the_other_the_next_time(joined: Joined) -> None:
    await joined.join()
    client = joined.client_for("127.0.0.1:1", joined.server.endpoint)
    with pytest.raises(HomeNodeUnreachableError):
        await anext(client.watch_bundles(0))
    assert await anext(client.watch_bundles(0)) == await joined.hub.registry.newest_bundle()
    await client.close()


async def test_configuration_without_a_hub_fails_clearly(joined: Joined) -> None:
    client = joined.client_for()
    with pytest.raises(HomeNodeUnreachableError, match=HUB):
        client.open_reports()
    with pytest.raises(HomeNodeUnreachableError, match=HUB):
        await anext(client.watch_bundles(0))
    with pytest.raises(HomeNodeUnreachableError, match=HUB):
        await client.newest_bundle(0)
    await client.close()
