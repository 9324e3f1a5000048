"""A delivery does not outlive its call."""

from collections.abc import AsyncIterator

import pytest
from govcode_node.domain.licenses import DeliveryChunk, DeliveryPiece
from govcode_node.rpc.pieces import closing_pieces


class Source:
    """A delivery that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def pieces(self) -> AsyncIterator[DeliveryPiece]:
        try:
            for number in range(3):
                yield DeliveryChunk(chunk_no=number, data=b"x")
        finally:
            self.closed = True


async def test_a_caller_that_goes_away_in_the_middle_closes_the_delivery() -> None:
    source = Source()

    async def read_one() -> None:
        async with closing_pieces(source.pieces()) as pieces:
            async for _ in pieces:
                raise ConnectionError

    with pytest.raises(ConnectionError):
        await read_one()
    assert source.closed


async def test_a_delivery_that_cannot_be_closed_is_left_alone() -> None:
    class Plain:
        def __aiter__(self) -> AsyncIterator[DeliveryPiece]:
            return self

        async def __anext__(self) -> DeliveryPiece:
            raise StopAsyncIteration

    async with closing_pieces(Plain()) as pieces:
        assert [piece async for piece in pieces] == []
