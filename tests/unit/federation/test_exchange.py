"""The trust bundle's way into a node: only a newer one that the hub signed gets in, and it survives a restart."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import NodeState
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import TrustBundle
from govcode_node.federation.exchange import TrustExchange
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.incidents import Incidents
from kit.hub_fakes import HUB, HubKit, NodeKit, audit_of, node_call, operator_call, reader_over
from kit.memory_database import InMemoryDatabase


class FakeHub:
    """The hub as a node reaches it: what it offers can be set, it can be away, and it can hang."""

    def __init__(self, hub: HubKit) -> None:
        self.hub = hub
        self.offers: bytes | None = None
        self.away = False
        self.hangs = False
        self.asked = 0
        self.streams = 0

    async def newest_bundle(self, base_version: int) -> bytes | None:
        self.asked += 1
        await self._mood()
        return self.offers or await self.hub.registry.newest_bundle(base_version)

    async def watch_bundles(self, base_version: int) -> AsyncIterator[bytes | None]:
        self.streams += 1
        await self._mood()
        async for bundle in self.hub.registry.watch_bundles(base_version):
            yield self.offers or bundle

    async def _mood(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise HomeNodeUnreachableError(HUB)
        if self.hangs:
            await asyncio.Event().wait()


class Node:
    """A node's side of the exchange."""

    def __init__(self, hub: HubKit, folder: Path) -> None:
        self.hub = hub
        self.source = FakeHub(hub)
        self.file = folder / "trust-bundle.bin"
        self.database = InMemoryDatabase()
        self.taken: list[int] = []
        self.start()

    def start(self) -> None:
        """Begin anew with what lies on disk."""
        clock = self.hub.clock
        self.held = HeldTrust(clock)
        self.exchange = TrustExchange(
            held=self.held,
            source=self.source,
            reader=reader_over(self.held),
            incidents=Incidents(database=self.database, clock=clock, own_call=node_call("110000")),
            bundle_file=self.file,
            clock=clock,
        )
        self.exchange.on_change(lambda bundle: self.taken.append(bundle.version))

    @property
    def version(self) -> int:
        bundle = self.held.bundle()
        return 0 if bundle is None else bundle.version

    async def offer(self, evidence: bytes) -> None:
        self.source.offers = evidence
        await self.exchange.poll()
        self.source.offers = None

    async def refusals(self) -> list[str]:
        return [record.entry.details["why"] for record in await audit_of(self.database, AuditAction.BUNDLE_REFUSED)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    hub = HubKit(sign_of_life=0.01)
    await hub.registry.issue_bundle()
    node = Node(hub, tmp_path)
    yield node
    await node.exchange.close()
    node.database.close()
    hub.close()


async def signed(hub: HubKit, bundle: TrustBundle) -> bytes:
    return await hub.node.attestor.attest(EvidencePurpose.TRUST_BUNDLE, bundle)


@pytest.mark.req("7.3-03")
async def test_bundle_of_a_lower_version_is_refused_with_an_audit_entry(node: Node) -> None:
    old = await node.hub.registry.newest_bundle()
    assert old is not None
    await node.hub.registry.issue_bundle()
    await node.exchange.poll()
    await node.offer(old)
    assert node.version == 2
    assert node.file.read_bytes() == await node.hub.registry.newest_bundle()
    (why,) = await node.refusals()
    assert "version 1 would replace the newer 2" in why


@pytest.mark.req("7.3-03")
async def test_bundle_that_the_hub_did_not_sign_is_refused(node: Node) -> None:
    await node.exchange.poll()
    forger = NodeKit("110000", node.hub.clock)
    bundle = TrustBundle(version=9, issued_at=node.hub.clock.now(), routes=(), nodes=())
    await node.offer(await forger.attestor.attest(EvidencePurpose.TRUST_BUNDLE, bundle))
    good = await signed(node.hub, bundle)
    await node.offer(good[:-1] + bytes([good[-1] ^ 1]))
    assert node.version == 1
    assert len(await node.refusals()) == 2


@pytest.mark.req("7.3-05")
async def test_bundle_with_the_same_prefix_twice_is_refused_whole(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.exchange.poll()
    with monkeypatch.context() as patch:
        # The hub's own check is off, as if it had gone wrong.
        patch.setattr("govcode_node.usecases.hub_registry.check_prefixes_free", lambda *_, **__: None)
        patch.setattr("govcode_node.domain.routes._by_prefix", lambda *_: {})
        await node.hub.join(NodeKit("420100", node.hub.clock, prefixes=("42",)))
        await node.hub.join(NodeKit("420000", node.hub.clock, prefixes=("42",)))
        conflicting = await node.hub.registry.newest_bundle()
    assert conflicting is not None
    await node.offer(conflicting)
    assert node.version == 1
    (why,) = await node.refusals()
    assert "prefix 42 stands twice" in why


async def test_same_refusal_again_is_logged_but_not_written_again(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    await node.exchange.poll()
    good = await node.hub.registry.newest_bundle()
    assert good is not None
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await node.offer(good[:-1] + bytes([good[-1] ^ 1]))
    assert len(await node.refusals()) == 1
    assert [record.message for record in caplog.records] == ["trust data refused"] * 3


@pytest.mark.req("7.3-04")
async def test_node_works_from_its_copy_after_a_restart_without_the_hub(node: Node) -> None:
    await node.hub.join(NodeKit("420100", node.hub.clock))
    await node.exchange.poll()
    node.source.away = True
    node.hub.clock.advance(timedelta(hours=1))
    node.start()
    await node.exchange.load()
    bundle = node.held.bundle()
    assert bundle is not None
    assert bundle.home_of(RegionCode("420106")) == "420100"
    assert node.held.age() == timedelta(hours=1)
    assert node.exchange.hub_silence() is None


async def test_copy_on_disk_that_was_changed_is_refused_at_the_start(node: Node) -> None:
    await node.exchange.poll()
    content = bytearray(node.file.read_bytes())
    content[len(content) // 2] ^= 1
    node.file.write_bytes(bytes(content))
    node.start()
    await node.exchange.load()
    assert node.held.bundle() is None
    assert len(await node.refusals()) == 1
    await node.exchange.poll()
    assert node.version == 1


@pytest.mark.req("7.3-03")
async def test_rollback_is_refused_after_a_restart_too(node: Node) -> None:
    old = await node.hub.registry.newest_bundle()
    assert old is not None
    await node.hub.registry.issue_bundle()
    await node.exchange.poll()
    node.start()
    await node.exchange.load()
    await node.offer(old)
    assert node.version == 2


async def test_disk_that_is_full_does_not_keep_a_suspension_out(node: Node) -> None:
    wuhan = NodeKit("420100", node.hub.clock)
    await node.hub.join(wuhan)
    await node.exchange.poll()
    await node.hub.registry.suspend(operator_call(), node_id="420100", reason="drill")
    node.file.unlink()
    node.file.mkdir()
    await node.exchange.poll()
    bundle = node.held.bundle()
    assert bundle is not None
    suspended = bundle.node("420100")
    assert suspended is not None
    assert suspended.state is NodeState.SUSPENDED


async def test_stream_brings_new_bundles_and_signs_of_life(node: Node) -> None:
    await node.exchange.watch()
    assert node.version == 1
    node.hub.clock.advance(30)
    await node.exchange.watch()
    assert node.exchange.hub_silence() == 0
    await node.hub.registry.issue_bundle()
    while node.version == 1:
        await node.exchange.watch()
    assert node.source.streams == 1
    assert node.taken == [1, 2]


async def test_stream_that_breaks_is_opened_again_from_the_version_held(node: Node) -> None:
    await node.exchange.watch()
    await node.exchange.close()
    node.source.away = True
    with pytest.raises(HomeNodeUnreachableError):
        await node.exchange.watch()
    node.source.away = False
    await node.hub.registry.issue_bundle()
    await node.exchange.watch()
    assert node.version == 2


async def test_hub_that_hangs_is_given_up_by_the_step_and_asked_anew(node: Node) -> None:
    node.source.hangs = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await node.exchange.watch()
    node.source.hangs = False
    await node.exchange.watch()
    assert node.version == 1
    assert node.source.streams == 2


async def test_refresh_asks_once_in_five_seconds_and_once_for_all_who_wait(node: Node) -> None:
    await asyncio.gather(*(node.held.refresh(why="key unknown") for _ in range(20)))
    assert (node.source.asked, node.version) == (1, 1)
    node.hub.clock.advance(4.9)
    await node.held.refresh(why="key unknown")
    assert node.source.asked == 1
    node.hub.clock.advance(0.1)
    await node.held.refresh(why="key unknown")
    assert node.source.asked == 2


async def test_refresh_is_silent_when_the_hub_is_away(node: Node) -> None:
    node.source.away = True
    await node.held.refresh(why="key unknown")
    assert node.version == 0


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others(node: Node) -> None:
    waiting = [asyncio.create_task(node.held.refresh(why="key unknown")) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting)
    assert node.version == 1
    assert waiting[0].cancelled()


async def test_poll_fails_aloud_so_that_its_loop_ages(node: Node) -> None:
    node.source.away = True
    with pytest.raises(GovcodeError):
        await node.exchange.poll()


async def test_word_of_a_newer_bundle_makes_the_node_ask(node: Node) -> None:
    await node.exchange.heard_of(0)
    assert node.source.asked == 0
    await node.exchange.heard_of(1)
    assert node.version == 1


async def test_listener_that_fails_does_not_harm_the_exchange(node: Node) -> None:
    def fails(_: TrustBundle) -> None:
        raise ZeroDivisionError

    node.exchange._listeners.insert(0, fails)
    await node.exchange.poll()
    assert node.taken == [1]


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.WARNING):
        yield caplog


async def test_entry_that_is_of_no_use_is_named(node: Node, warnings: pytest.LogCaptureFixture) -> None:
    useless = replace(NodeKit("420100", node.hub.clock).registered().trust, keys=(), endpoints=())
    bundle = TrustBundle(version=5, issued_at=node.hub.clock.now(), routes=(), nodes=(useless,))
    await node.offer(await signed(node.hub, bundle))
    assert node.version == 5
    (record,) = warnings.records
    assert (record.__dict__["node"], record.__dict__["lacking"]) == ("420100", "SIGN,ENCRYPT,endpoints")
