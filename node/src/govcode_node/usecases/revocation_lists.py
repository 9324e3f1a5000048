"""This node's own list of ended codes, signed, for peers that must judge while the node is away (architecture 11)."""

import asyncio
from typing import Final

from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.recognition import RevocationList
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import Attestor
from govcode_node.ports.stores import Database

_REMEMBERED: Final = 5.0
"""Seconds; peers rely on a list for up to four hours and are told its time."""


class RevocationLists:
    """It makes the list on demand; what was committed before the list's time is in it."""

    def __init__(self, *, node: NodeProfile, database: Database, attestor: Attestor, clock: Clock) -> None:
        """It reads the node's store and signs with its key."""
        self._node = node
        self._database = database
        self._attestor = attestor
        self._clock = clock
        self._making = asyncio.Lock()
        self._made: tuple[float, bytes] | None = None

    async def newest(self) -> bytes:
        """It returns the list as evidence, at most some seconds old: who asks often costs no more than one search.

        Raises:
            StoreUnavailableError: The store does not answer.
            KeyUnavailableError: The list cannot be signed.
        """
        async with self._making:
            begun = self._clock.monotonic()
            if self._made is None or begun - self._made[0] >= _REMEMBERED:
                self._made = begun, await self._make()
            return self._made[1]

    async def _make(self) -> bytes:
        now = self._clock.now()
        ended = await self._database.read(lambda tx: tx.codes.ended_signed(now=now))
        statement = RevocationList(node_id=self._node.node_id, list_time=now, code_ids=frozenset(ended))
        return await self._attestor.attest(EvidencePurpose.REVOCATION_LIST, statement)
