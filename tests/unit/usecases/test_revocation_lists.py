"""A node's own list of ended codes: made for all who ask within some seconds, and never older than that."""

import asyncio

import pytest
from govcode_node.domain.keys import KeyPurpose, KeyUnavailableError
from govcode_node.domain.recognition import RevocationList
from govcode_node.storage.stores.codes import SqlCodeStore
from govcode_node.wire.evidence import evidence_from_bytes
from govcode_node.wire.statements import codec_of
from kit.clocks import MovableClock
from kit.federation_in_memory import NodeInMemory


def said(evidence: bytes) -> RevocationList:
    return codec_of(RevocationList).decode(evidence_from_bytes(evidence).payload)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each search through the codes."""
    made: list[object] = []
    search = SqlCodeStore.ended_signed

    def noted(store: SqlCodeStore, **moment: object) -> object:
        made.append(moment)
        return search(store, **moment)  # type: ignore[arg-type]

    monkeypatch.setattr(SqlCodeStore, "ended_signed", noted)
    return made


@pytest.mark.req("7.3-10")
async def test_peers_that_ask_again_and_again_cost_one_search(
    node: NodeInMemory, clock: MovableClock, searches: list[object]
) -> None:
    lists = node.steps.revocation_lists
    together = await asyncio.gather(*(lists.newest() for _ in range(20)))
    clock.advance(4.9)
    assert {*together, await lists.newest()} == {together[0]}
    assert len(searches) == 1

    clock.advance(0.2)
    assert said(await lists.newest()).list_time == clock.now()
    assert len(searches) == 2


async def test_who_gives_up_takes_the_list_from_nobody(node: NodeInMemory) -> None:
    lists = node.steps.revocation_lists
    hasty, patient = asyncio.create_task(lists.newest()), asyncio.create_task(lists.newest())
    await asyncio.sleep(0)
    hasty.cancel()
    assert said(await patient).node_id == "110000"


async def test_a_list_that_could_not_be_signed_is_not_remembered(node: NodeInMemory) -> None:
    node.lose_keys(KeyPurpose.NODE_SIGN)
    for _ in range(2):
        with pytest.raises(KeyUnavailableError):
            await node.steps.revocation_lists.newest()
