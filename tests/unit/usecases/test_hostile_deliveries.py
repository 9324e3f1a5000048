"""A node that delivers to another one is held to its own header: nothing twice, nothing beyond, no end of it (N-25)."""

from collections.abc import Callable, Sequence

import pytest
from govcode_node.domain.licenses import DeliveryChunk, DeliveryPiece
from govcode_node.domain.recognition import PeerAnswerRefusedError, PeerRefusedError
from kit.consent_in_memory import WITH_DOCUMENT, Regions

Meddle = Callable[[DeliveryPiece], Sequence[DeliveryPiece]]


def chunks_twice(piece: DeliveryPiece) -> Sequence[DeliveryPiece]:
    return [piece, piece] if isinstance(piece, DeliveryChunk) else [piece]


def chunks_beyond(piece: DeliveryPiece) -> Sequence[DeliveryPiece]:
    if isinstance(piece, DeliveryChunk):
        return [piece, *(DeliveryChunk(chunk_no=piece.chunk_no + more, data=piece.data) for more in range(1, 200))]
    return [piece]


@pytest.mark.req("N-25", "6.3-16")
@pytest.mark.parametrize("meddle", [chunks_twice, chunks_beyond])
async def test_the_home_node_passes_on_only_what_the_header_names(regions: Regions, meddle: Meddle) -> None:
    asked = await regions.counter.ask(regions.holder.holder, WITH_DOCUMENT)
    await regions.holder.decide(asked.authorization_id, places={1: "310000"})
    regions.home.peers.meddle = meddle

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(asked.authorization_id)

    assert refused.value.reason == PeerAnswerRefusedError.__name__


@pytest.mark.req("N-25", "6.3-16")
@pytest.mark.parametrize("meddle", [chunks_twice, chunks_beyond])
async def test_the_visited_node_passes_on_only_what_the_header_names(regions: Regions, meddle: Meddle) -> None:
    asked = await regions.counter.ask(regions.holder.holder, WITH_DOCUMENT)
    await regions.holder.decide(asked.authorization_id, places={1: "310000"})
    regions.visited.peers.meddle = meddle

    with pytest.raises(PeerAnswerRefusedError):
        await regions.counter.fetch(asked.authorization_id)
