"""The order of a delivery from another node: a header, then the chunks that it names, each once and in order."""

from collections.abc import AsyncIterator

from govcode_node.domain.licenses import Delivery, DeliveryChunk, DeliveryHeader, DeliveryPiece
from govcode_node.domain.recognition import PeerAnswerRefusedError


async def in_order(pieces: Delivery, *, node_id: str) -> AsyncIterator[DeliveryPiece]:
    """It passes pieces through as long as they come in order, so that no node can deliver without end.

    Args:
        pieces: What the node delivers.
        node_id: The node.

    Raises:
        PeerAnswerRefusedError: A second header, or a chunk that the header does not name or that is not the next.
    """
    header: DeliveryHeader | None = None
    following = 0
    async for piece in pieces:
        if isinstance(piece, DeliveryHeader):
            if header is not None:
                raise PeerAnswerRefusedError(node_id=node_id, why="its delivery begins twice")
            header, following = piece, piece.from_chunk
        elif isinstance(piece, DeliveryChunk):
            if header is None or piece.chunk_no != following or following >= header.chunk_count:
                raise PeerAnswerRefusedError(node_id=node_id, why="a chunk of its delivery is out of order")
            following += 1
        yield piece
