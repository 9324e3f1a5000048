"""Other nodes' revocation lists: whose list is believed, and when it is fetched again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.digests import sm3
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import NodeState, RevocationListDigest
from govcode_node.domain.recognition import HomeNodeUnreachableError, RevocationList
from govcode_node.federation.incidents import Incidents
from govcode_node.federation.lists import ListFetcher, RevocationShelf
from kit.hub_fakes import HubKit, NodeKit, audit_of, node_call, operator_call
from kit.memory_database import InMemoryDatabase

CODE = b"c" * 16


class Fleet:
    """Nodes that hand out lists, some dead, and how many were asked at once."""

    def __init__(self, hub: HubKit) -> None:
        self.hub = hub
        self.nodes: dict[str, NodeKit] = {}
        self.dead: set[str] = set()
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.code_ids = frozenset({CODE})
        self.offers: bytes | None = None

    async def join(self, node_id: str) -> NodeKit:
        node = self.nodes[node_id] = NodeKit(node_id, self.hub.clock, prefixes=(node_id,))
        await self.hub.join(node)
        return node

    async def list_of(self, node_id: str, *, age: timedelta = timedelta()) -> bytes:
        statement = RevocationList(node_id=node_id, list_time=self.hub.clock.now() - age, code_ids=self.code_ids)
        return await self.nodes[node_id].attestor.attest(EvidencePurpose.REVOCATION_LIST, statement)

    async def recognize(self, node_id: str, **_: object) -> bytes:
        raise HomeNodeUnreachableError(node_id)

    async def revocation_list(self, node_id: str) -> bytes:
        self.asked.append(node_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if node_id in self.dead:
                raise HomeNodeUnreachableError(node_id)
            return self.offers or await self.list_of(node_id)
        finally:
            self.at_once -= 1


class Node:
    def __init__(self, folder: Path) -> None:
        self.hub = HubKit()
        self.clock = self.hub.clock
        self.fleet = Fleet(self.hub)
        self.database = InMemoryDatabase()
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.shelf = RevocationShelf(
            directory=self.folder,
            reader=self.hub.reader,
            incidents=Incidents(database=self.database, clock=self.clock, own_call=node_call("110000")),
            clock=self.clock,
        )
        self.fetcher = ListFetcher(
            own_id="110000",
            held=self.hub.held,
            shelf=self.shelf,
            peers=self.fleet,
            clock=self.clock,
        )

    async def refusals(self) -> list[str]:
        records = await audit_of(self.database, AuditAction.PEER_ANSWER_REFUSED)
        return [record.entry.details["why"] for record in records]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(tmp_path / "lists")
    yield node
    node.database.close()
    node.hub.close()


async def test_list_of_each_active_node_is_fetched_and_held(node: Node) -> None:
    for node_id in ("110000", "310000", "420100"):
        await node.fleet.join(node_id)
    await node.fetcher.fetch_due()
    assert sorted(node.fleet.asked) == ["310000", "420100"]
    held = node.hub.held.revocation_list("420100")
    assert held is not None
    assert held.code_ids == {CODE}
    assert node.hub.held.revocation_list("110000") is None


async def test_list_is_fetched_again_within_half_an_hour_and_not_at_once(node: Node) -> None:
    await node.fleet.join("420100")
    await node.fetcher.fetch_due()
    node.fleet.asked.clear()
    node.clock.advance(timedelta(minutes=14))
    await node.fetcher.fetch_due()
    assert "420100" not in node.fleet.asked
    node.clock.advance(timedelta(minutes=16, milliseconds=1))
    await node.fetcher.fetch_due()
    assert "420100" in node.fleet.asked


async def test_newer_list_that_the_hub_knows_of_is_fetched_earlier(node: Node) -> None:
    await node.fleet.join("420100")
    await node.fetcher.fetch_due()
    node.fleet.asked.clear()
    node.clock.advance(timedelta(minutes=11))
    newer = RevocationListDigest(list_time=node.clock.now(), digest=b"d" * 32)
    node.hub.settings["list_digests"] = lambda: {"420100": newer}  # type: ignore[assignment]
    node.hub.registry = node.hub.make_registry()
    await node.hub.registry.issue_bundle()
    await node.hub.follow()
    await node.fetcher.fetch_due()
    assert node.fleet.asked == ["420100"]


async def test_suspended_nodes_are_not_asked(node: Node) -> None:
    await node.fleet.join("420100")
    await node.hub.registry.suspend(operator_call(), node_id="420100", reason="drill")
    await node.hub.follow()
    await node.fetcher.fetch_due()
    assert "420100" not in node.fleet.asked


async def test_eight_are_asked_at_once_at_most_and_the_dead_do_not_keep_others_from_their_turn(node: Node) -> None:
    ids = [f"4201{number:02}" for number in range(10, 30)]
    for node_id in ids:
        await node.fleet.join(node_id)
    node.fleet.dead = set(ids[:10])
    await node.fetcher.fetch_due()
    assert 1 < node.fleet.most_at_once <= 8
    assert all(node.shelf.get(node_id) for node_id in ids[10:])
    node.fleet.asked.clear()
    await node.fetcher.fetch_due()
    assert not node.fleet.asked
    node.clock.advance(60)
    await node.fetcher.fetch_due()
    assert set(ids[:10]) <= set(node.fleet.asked)


async def test_list_of_another_signer_or_purpose_is_refused_with_an_audit_entry(node: Node) -> None:
    await node.fleet.join("420100")
    await node.fleet.join("310000")
    assert not await node.shelf.take("420100", await node.fleet.list_of("310000"))
    answer = await node.fleet.nodes["420100"].signed_summary(node.clock.now())
    assert not await node.shelf.take("420100", answer)
    good = await node.fleet.list_of("420100")
    assert not await node.shelf.take("420100", good[:-1] + bytes([good[-1] ^ 1]))
    assert node.shelf.get("420100") is None
    assert len(await node.refusals()) == 3


async def test_older_list_does_not_replace_a_newer_one(node: Node) -> None:
    await node.fleet.join("420100")
    assert await node.shelf.take("420100", await node.fleet.list_of("420100"))
    node.fleet.code_ids = frozenset()
    assert not await node.shelf.take("420100", await node.fleet.list_of("420100", age=timedelta(seconds=1)))
    held = node.shelf.get("420100")
    assert held is not None
    assert held.code_ids == {CODE}


async def test_list_from_the_future_is_refused(node: Node) -> None:
    await node.fleet.join("420100")
    assert not await node.shelf.take("420100", await node.fleet.list_of("420100", age=-timedelta(minutes=1)))


async def test_two_lists_of_one_moment_show_a_node_that_tells_everybody_something_else(node: Node) -> None:
    await node.fleet.join("420100")
    seen = RevocationListDigest(list_time=node.clock.now(), digest=sm3(b"another list"))
    assert not await node.shelf.take("420100", await node.fleet.list_of("420100"), published=seen)
    (why,) = await node.refusals()
    assert "another list of that time" in why


async def test_lists_survive_a_restart_and_are_checked_again(node: Node) -> None:
    await node.fleet.join("420100")
    await node.fleet.join("310000")
    for node_id in ("420100", "310000"):
        assert await node.shelf.take(node_id, await node.fleet.list_of(node_id))
    path = node.folder / "310000.revocations"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (node.folder / "elsewhere.revocations").write_bytes(b"not ours")
    node.start()
    await node.shelf.load()
    assert node.shelf.get("420100") is not None
    assert node.shelf.get("310000") is None
    assert set(node.shelf.digests()) == {"420100"}


async def test_name_that_is_no_node_id_never_becomes_a_file(node: Node) -> None:
    assert not await node.shelf.take("../420100", b"")
    assert not node.folder.exists()


async def test_nodes_that_left_the_bundle_are_forgotten(node: Node) -> None:
    wuhan = await node.fleet.join("420100")
    await node.fetcher.fetch_due()
    retired = wuhan.registered(NodeState.RETIRED)
    await node.hub.database.run(lambda tx: tx.hub.put_node(retired))
    await node.hub.registry.issue_bundle()
    await node.hub.follow()
    await node.fetcher.fetch_due()
    assert node.shelf.get("420100") is None
