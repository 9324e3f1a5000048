"""A licence system that has whatever licence of whomever is asked for, until a test tells it otherwise."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.licenses import (
    License,
    LicenseDocument,
    LicenseNotFoundError,
    LicensePlace,
    LicenseStatus,
    Locator,
)
from kit.nodes import RunningNode
from kit.refusal_registry import patched


@dataclass
class ObligingProvider:
    """A `LicenseProvider` without documents.

    Attributes:
        node_id: Node of the region for which it speaks.
        status: What it says of every licence.
        fault: What it raises instead of an answer; None for nothing.
        absent: Whether it has nothing at all.
        holder_number: Whose number every licence names; empty for that of whoever is asked about.
    """

    node_id: str
    status: LicenseStatus = LicenseStatus.VALID
    fault: GovcodeError | None = None
    absent: bool = False
    holder_number: str = ""

    @property
    def name(self) -> str:
        return "obliging"

    async def locate(self, locator: Locator, license_types: Sequence[str]) -> Sequence[LicensePlace]:
        if self.fault is not None:
            raise self.fault
        return [
            LicensePlace(
                license_type=kind,
                license_node=self.node_id,
                issuer_name="样例机关",
                masked_number="SP****01",
                status=self.status,
            )
            for kind in license_types
        ]

    async def fetch(
        self, locator: Locator, license_type: str, *, field_names: Sequence[str], document: bool
    ) -> License:
        if self.fault is not None:
            raise self.fault
        if self.absent:
            raise LicenseNotFoundError(license_type=license_type, node_id=self.node_id)
        return License(
            license_id="SPECIMEN-1",
            license_type=license_type,
            status=self.status,
            issuer_name="样例机关",
            holder_name=locator.name,
            holder_number=self.holder_number or locator.number,
            fields={name: f"value of {name}" for name in field_names},
        )

    async def read_document(self, licence: License) -> AsyncIterator[bytes]:
        raise AssertionError("there is no document")
        yield b""

    async def check_document(self, licence: License, file: BinaryIO) -> None:
        raise AssertionError("there is no document")

    async def mark_document(self, licence: License, file: BinaryIO, marked: BinaryIO, *, mark: str) -> LicenseDocument:
        raise AssertionError("there is no document")


def install(node: RunningNode) -> ObligingProvider:
    """Let a node that has no licence system have this one."""
    provider = ObligingProvider(node.node_id)
    steps: Any = node.app.steps.authorizations
    steps.locating._provider = steps.fetching._delivering._provider = provider
    return provider


def provider_of(node: RunningNode) -> ObligingProvider:
    """The licence system that was installed at a node."""
    steps: Any = node.app.steps.authorizations
    provider: ObligingProvider = steps.locating._provider
    return provider


def spoilt(node: RunningNode, **changes: Any) -> AbstractAsyncContextManager[None]:
    """The node's licence system answers otherwise for the length of a block."""
    return patched(provider_of(node), **changes)
