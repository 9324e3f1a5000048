"""The embedded licence provider: a folder of sealed licences on the node's own disk, for development and small sites.

It behaves as a licence system does: it knows places in all regions, gives the licences of its own node alone, gives the
fields that were asked for, and says of each licence what state it is in. Seals are checked at every fetch, as they are
for a licence system outside: a file that was altered on the disk is refused.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from govcode_node.domain.licenses import (
    License,
    LicenseDocument,
    LicenseNotFoundError,
    LicensePlace,
    LicenseSealInvalidError,
    LicenseServiceUnavailableError,
    LicenseStatus,
    Locator,
)
from govcode_node.ports.clock import Clock
from govcode_node.providers.licence.documents import DocumentChecks
from govcode_node.providers.licence.records import (
    SaltedField,
    SealedRecord,
    check_record,
    load_licence_trust,
    sealed_from_json,
)
from govcode_node.providers.licence.seals import Sm2Verify

_PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLicence:
    """A licence of the folder, as it stands there.

    Attributes:
        sealed: The record with its seal, not yet checked.
        fields: All fields.
        filed_under: Number under which it is found.
        status: What is said of it.
    """

    sealed: SealedRecord
    fields: Mapping[str, SaltedField] = field(repr=False)
    filed_under: str = field(repr=False)
    status: LicenseStatus


class EmbeddedLicenseProvider:
    """Licences of one folder; a `LicenseProvider`.

    Attributes:
        available: Set it to False and the provider does not answer, as in an outage.
        over_returns: Set it to True and it gives all fields whatever was asked for, as some licence systems do.
        statuses: States by licence id that differ from those of the folder.
    """

    def __init__(self, folder: Path, *, node_id: str, clock: Clock, verify_sm2: Sm2Verify) -> None:
        """It reads the folder.

        Args:
            folder: As `synthetic_licences` makes it.
            node_id: This node.
            clock: The node's clock.
            verify_sm2: Checks one SM2 signature.

        Raises:
            LicenceTrustError: The folder does not say whom to believe.
            LicenseSealInvalidError: A record has not its form.
            OSError: A file of the folder cannot be read.
        """
        self.available = True
        self.over_returns = False
        self.statuses: dict[str, LicenseStatus] = {}
        self._folder = folder
        self._node_id = node_id
        self._clock = clock
        self._verify_sm2 = verify_sm2
        self._trust = load_licence_trust(folder / "trust.json")
        self._documents = DocumentChecks(self._trust.seals, verify_sm2=verify_sm2, clock=clock)
        self._index: list[dict[str, str]] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self._held = [_held(path) for path in sorted((folder / "records").glob("*.json"))]

    @property
    def name(self) -> str:
        """Name of the provider."""
        return "embedded"

    async def close(self) -> None:
        """It has nothing to close."""

    async def locate(self, locator: Locator, license_types: Sequence[str]) -> Sequence[LicensePlace]:
        """See `LicenseProvider.locate`.

        Raises:
            LicenseServiceUnavailableError: The provider is switched off.
        """
        self._check_available()
        return [
            LicensePlace(
                license_type=entry["license_type"],
                license_node=entry["license_node"],
                issuer_name=entry["issuer_name"],
                masked_number=entry["masked_number"],
                status=self.statuses.get(entry["license_id"], LicenseStatus[entry["status"]]),
            )
            for entry in self._index
            if entry["filed_under"] == locator.number and entry["license_type"] in license_types
        ]

    async def fetch(
        self, locator: Locator, license_type: str, *, field_names: Sequence[str], document: bool
    ) -> License:
        """See `LicenseProvider.fetch`.

        Raises:
            LicenseNotFoundError: There is none here.
            LicenseSealInvalidError: The issuer's seal over the record does not hold.
            LicenseServiceUnavailableError: The provider is switched off.
        """
        self._check_available()
        held = self._best(locator.number, license_type)
        given = held.fields if self.over_returns else _asked(held.fields, field_names)
        record = await asyncio.to_thread(
            check_record, held.sealed, given, trust=self._trust, verify_sm2=self._verify_sm2
        )
        return License(
            license_id=record.license_id,
            license_type=record.license_type,
            status=record.status_at(self._clock.now(), self._said(held)),
            issuer_name=record.issuer_name,
            holder_name=record.holder_name,
            holder_number=record.holder_number,
            fields={name: value.value for name, value in given.items()},
            document=record.document if document or self.over_returns else None,
        )

    async def read_document(self, licence: License) -> AsyncIterator[bytes]:
        """See `LicenseProvider.read_document`.

        Raises:
            LicenseServiceUnavailableError: The provider is switched off, or the file cannot be read.
        """
        self._check_available()
        if licence.document is None:
            return
        path = self._folder / "documents" / f"{licence.license_id}.{licence.document.format.lower()}"
        try:
            with await asyncio.to_thread(path.open, "rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    yield piece
        except OSError as error:
            raise LicenseServiceUnavailableError(self._node_id) from error

    async def check_document(self, licence: License, file: BinaryIO) -> None:
        """See `LicenseProvider.check_document`.

        Raises:
            LicenseSealInvalidError: The document is not what the record or the seal says.
        """
        await self._documents.check(licence, file)

    async def mark_document(self, licence: License, file: BinaryIO, marked: BinaryIO, *, mark: str) -> LicenseDocument:
        """See `LicenseProvider.mark_document`.

        Raises:
            LicenseSealInvalidError: The document is not what the record or the seal says.
        """
        return await self._documents.mark(licence, file, marked, mark=mark)

    def _check_available(self) -> None:
        if not self.available:
            raise LicenseServiceUnavailableError(self._node_id)

    def _said(self, held: HeldLicence) -> LicenseStatus:
        return self.statuses.get(held.sealed.record.license_id, held.status)

    def _best(self, number: str, license_type: str) -> HeldLicence:
        """Of several licences of a type the newest that is in force."""
        found = [
            held
            for held in self._held
            if held.filed_under == number and held.sealed.record.license_type == license_type
        ]
        if not found:
            raise LicenseNotFoundError(license_type, self._node_id)
        return max(found, key=lambda held: (self._said(held) is LicenseStatus.VALID, held.sealed.record.valid_from))


def _held(path: Path) -> HeldLicence:
    value: Any = json.loads(path.read_text(encoding="utf-8"))
    try:
        status, filed_under = LicenseStatus[value.pop("status")], str(value.pop("filed_under"))
    except (KeyError, AttributeError):
        raise LicenseSealInvalidError("MALFORMED_RECORD") from None
    sealed, fields = sealed_from_json(value)
    return HeldLicence(sealed=sealed, fields=fields, filed_under=filed_under, status=status)


def _asked(fields: Mapping[str, SaltedField], names: Sequence[str]) -> dict[str, SaltedField]:
    return {name: fields[name] for name in names if name in fields}
