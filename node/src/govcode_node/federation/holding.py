"""The node's own copy of what it trusts: the bundle, and other nodes' revocation lists. The port `TrustHolder`."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from govcode_node.domain.recognition import RevocationList
from govcode_node.domain.routes import TrustBundle
from govcode_node.ports.clock import Clock

Refresher = Callable[[str], Awaitable[None]]
ListSource = Callable[[str], RevocationList | None]


class HeldTrust:
    """It holds; what may be held is decided by the exchange, which also knows whom to ask for more.

    It stands apart from the exchange because checking evidence needs the bundle and a new bundle is evidence itself.
    """

    def __init__(self, clock: Clock) -> None:
        """It holds nothing yet."""
        self._clock = clock
        self._bundle: TrustBundle | None = None
        self._evidence: bytes | None = None
        self._refresher: Refresher | None = None
        self._lists: ListSource | None = None

    def connect(self, *, refresher: Refresher | None = None, lists: ListSource | None = None) -> None:
        """It learns whom to ask for a newer bundle, and where revocation lists are kept."""
        self._refresher = refresher or self._refresher
        self._lists = lists or self._lists

    def swap(self, bundle: TrustBundle, evidence: bytes) -> None:
        """It holds another bundle; every look-up sees the old one or the new one, whole."""
        self._bundle, self._evidence = bundle, evidence

    def bundle(self) -> TrustBundle | None:
        """It returns the bundle that is held."""
        return self._bundle

    def evidence(self) -> bytes | None:
        """It returns the bundle as the hub signed it."""
        return self._evidence

    def age(self) -> timedelta | None:
        """It returns the time since the hub issued the bundle; a clock that is behind the hub's makes it no younger."""
        if self._bundle is None:
            return None
        return max(timedelta(), self._clock.now() - self._bundle.issued_at)

    async def refresh(self, *, why: str) -> None:
        """It asks the hub for a newer bundle, unless it has just been asked; failure is silent, the old copy stays."""
        if self._refresher is not None:
            await self._refresher(why)

    def revocation_list(self, node_id: str) -> RevocationList | None:
        """It returns the newest revocation list held of a node."""
        return None if self._lists is None else self._lists(node_id)
