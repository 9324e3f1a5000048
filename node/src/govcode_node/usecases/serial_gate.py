"""Equal calls at once, for acts that do something outside the store that can be done only once (N-51).

The store itself makes one act of equal calls. But an identification can be finished once: of two equal calls that run
side by side the second would be told that it is used up. Here it waits for the first, and then finds its answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from govcode_node.domain.callers import Call


@dataclass(slots=True)
class _Gate:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class SerialGate:
    """It lets calls of one caller, method and serial through one after another; those of this process only."""

    def __init__(self) -> None:
        """It begins with nobody inside."""
        self._gates: dict[tuple[str, str, str, str], _Gate] = {}

    @asynccontextmanager
    async def passing(self, call: Call, biz_serial: str) -> AsyncIterator[None]:
        """It waits until no like call is inside."""
        key = (call.caller.caller_class.value, call.caller.name, call.method, biz_serial)
        gate = self._gates.setdefault(key, _Gate())
        gate.users += 1
        try:
            async with gate.lock:
                yield
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[key]
