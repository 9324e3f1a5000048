"""Deliveries are closed when their call ends, however it ends: what holds a licence must not wait for a collector."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from govcode_node.domain.licenses import Delivery


@asynccontextmanager
async def closing_pieces(delivery: Delivery) -> AsyncIterator[Delivery]:
    """It closes a delivery at the end of a block, where it is of a kind that can be closed."""
    try:
        yield delivery
    finally:
        close = getattr(delivery, "aclose", None)
        if close is not None:
            await close()
