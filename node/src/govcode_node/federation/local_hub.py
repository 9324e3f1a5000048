"""The hub's own node reaches the hub without a wire; what it says is checked all the same."""

import asyncio
from collections.abc import AsyncIterator

from govcode_node.domain.callers import Call
from govcode_node.domain.nodes import NodeState, NodeStatus
from govcode_node.federation.hub_link import Acknowledgement, ReportStream
from govcode_node.usecases.hub_board import HubBoard
from govcode_node.usecases.hub_registry import HubRegistry


class LocalHub:
    """`BundleSource`, `Registrar` and `ReportSink` of the node that is the hub."""

    def __init__(self, *, registry: HubRegistry, board: HubBoard, own_call: Call) -> None:
        """It takes the hub's own use cases.

        Args:
            registry: The registry.
            board: The board.
            own_call: Stands for the hub's node as the caller.
        """
        self._registry = registry
        self._board = board
        self._own_call = own_call

    async def register(self, evidence: bytes) -> NodeState:
        """It has nothing to do: the hub stands in its own bundle."""
        del evidence
        return NodeState.ACTIVE

    async def newest_bundle(self, base_version: int) -> bytes | None:
        """See `HubRegistry.newest_bundle`."""
        return await self._registry.newest_bundle(base_version)

    def watch_bundles(self, base_version: int) -> AsyncIterator[bytes | None]:
        """See `HubRegistry.watch_bundles`."""
        return self._registry.watch_bundles(base_version)

    def open_reports(self) -> ReportStream:
        """It begins a stream that ends at the board."""
        return _LocalReportStream(registry=self._registry, board=self._board, own_call=self._own_call)


class _LocalReportStream:
    def __init__(self, *, registry: HubRegistry, board: HubBoard, own_call: Call) -> None:
        self._registry = registry
        self._board = board
        self._own_call = own_call
        self._seq = 0
        self._words: asyncio.Queue[Acknowledgement] = asyncio.Queue()

    async def send(self, report: NodeStatus | bytes) -> int:
        await self._board.take_report(self._own_call, report)
        self._seq += 1
        # Reports wait for these words, so there are never more than a reporter's window of them.
        self._words.put_nowait(Acknowledgement(self._seq, self._registry.bundle_version))
        return self._seq

    async def acknowledgement(self) -> Acknowledgement:
        return await self._words.get()

    async def close(self) -> None:
        """Nothing is held open."""
