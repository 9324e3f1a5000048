"""What a node needs of the hub, however it reaches it: over the wire, or within its own process where it is the hub."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from govcode_node.domain.nodes import NodeState, NodeStatus


class BundleSource(Protocol):
    """Where trust bundles come from."""

    async def newest_bundle(self, base_version: int) -> bytes | None:
        """It returns the newest bundle as signed; None where the caller has it.

        Raises:
            GovcodeError: The hub refuses, or does not answer.
        """
        ...

    def watch_bundles(self, base_version: int) -> AsyncIterator[bytes | None]:
        """It yields the newest bundle unless the caller has it, then each new one; None is a sign of life.

        Raises:
            GovcodeError: The hub refuses, or does not answer.
        """
        ...


class Registrar(Protocol):
    """Where a node registers."""

    async def register(self, evidence: bytes) -> NodeState:
        """It hands in a signed registration and returns where the node stands.

        Raises:
            GovcodeError: The hub refuses, or does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the hub has kept.

    Attributes:
        acknowledged_seq: All reports of the stream up to this number.
        bundle_version: Version of the newest bundle.
    """

    acknowledged_seq: int
    bundle_version: int


class ReportStream(Protocol):
    """One stream of reports; its reports are numbered from 1."""

    async def send(self, report: NodeStatus | bytes) -> int:
        """It sends a condition, or a summary as signed, and returns its number.

        Raises:
            GovcodeError: The stream has ended.
        """
        ...

    async def acknowledgement(self) -> Acknowledgement:
        """It waits for the hub's next word.

        Raises:
            GovcodeError: The stream has ended.
        """
        ...

    async def close(self) -> None:
        """It ends the stream."""
        ...


class ReportSink(Protocol):
    """Where reports go."""

    def open_reports(self) -> ReportStream:
        """It begins a stream."""
        ...
