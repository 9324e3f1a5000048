"""This node's own list of ended codes, signed, for peers that must judge while the node is away (architecture 11)."""

from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.recognition import RevocationList
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import Attestor
from govcode_node.ports.stores import Database


class RevocationLists:
    """It makes the list on demand; what was committed before the list's time is in it."""

    def __init__(self, *, node: NodeProfile, database: Database, attestor: Attestor, clock: Clock) -> None:
        """It reads the node's store and signs with its key."""
        self._node = node
        self._database = database
        self._attestor = attestor
        self._clock = clock

    async def newest(self) -> bytes:
        """It returns the list as evidence.

        Raises:
            StoreUnavailableError: The store does not answer.
            KeyUnavailableError: The list cannot be signed.
        """
        now = self._clock.now()
        ended = await self._database.read(lambda tx: tx.codes.ended_signed(now=now))
        statement = RevocationList(node_id=self._node.node_id, list_time=now, code_ids=frozenset(ended))
        return await self._attestor.attest(EvidencePurpose.REVOCATION_LIST, statement)
