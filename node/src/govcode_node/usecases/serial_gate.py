"""Equal calls at once (N-51): the second waits for the first and then finds its answer.

A store that takes both into one batch would run the second before the first one's answer can be found, and the second
would be refused for what the first has done: its ticket is used, its code is revoked, its identification is finished.
Between processes that share a store this cannot be held; there the second may be told of the first one's doing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Gate:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class SerialGate:
    """It lets those with one key through one after another; those of this process only."""

    def __init__(self) -> None:
        """It begins with nobody inside."""
        self._gates: dict[tuple[str, ...], _Gate] = {}

    @asynccontextmanager
    async def passing(self, key: tuple[str, ...]) -> AsyncIterator[None]:
        """It waits until nobody with that key is inside."""
        gate = self._gates.setdefault(key, _Gate())
        gate.users += 1
        try:
            async with gate.lock:
                yield
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[key]
