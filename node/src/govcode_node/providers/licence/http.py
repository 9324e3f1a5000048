"""The HTTP licence provider: licences of a sharing service of the GB/T 36906 family (电子证照 共享服务接口).

Three steps, as these services have them: a query by number and name gives the ids of a holder's licences in all
regions, an id gives the record with its issuer's seal, and the file. The service is asked for the granted fields; what
it gives beyond them goes to the step that filters and reports.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
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
from govcode_node.providers.licence.records import LicenceTrust, check_record, masked, sealed_from_json
from govcode_node.providers.licence.seals import Sm2Verify
from govcode_node.providers.licence.shared_service import SharedServiceClient, SharedServiceRefusalError

PAGE_SIZE: Final = 50
MAX_PAGES: Final = 20

_NODE: Final = re.compile(r"[0-9]{6}(-[a-z0-9]{1,16})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLicence:
    """A licence as a query finds it.

    Attributes:
        license_id: Its id at the service.
        place: Where it is, with what may be shown of it.
        valid_from: First day of its force, as the service writes it.
    """

    license_id: str
    place: LicensePlace
    valid_from: str


class HttpLicenseProvider:
    """Licences of a sharing service; a `LicenseProvider`."""

    def __init__(
        self,
        client: SharedServiceClient,
        *,
        node_id: str,
        trust: LicenceTrust,
        verify_sm2: Sm2Verify,
        clock: Clock,
        page_size: int = PAGE_SIZE,
    ) -> None:
        """It calls nobody yet.

        Args:
            client: Calls the service.
            node_id: This node, whose region's licences are fetched here.
            trust: Issuers and makers of seals to believe.
            verify_sm2: Checks one SM2 signature.
            clock: The node's clock.
            page_size: How many licences a page has.
        """
        self._client = client
        self._paths = client.dialect
        self._node_id = node_id
        self._trust = trust
        self._verify_sm2 = verify_sm2
        self._clock = clock
        self._page_size = page_size
        self._documents = DocumentChecks(trust.seals, verify_sm2=verify_sm2, clock=clock)

    @property
    def name(self) -> str:
        """Name of the provider."""
        return "http"

    async def close(self) -> None:
        """It closes all connections."""
        await self._client.close()

    async def locate(self, locator: Locator, license_types: Sequence[str]) -> Sequence[LicensePlace]:
        """See `LicenseProvider.locate`.

        Raises:
            LicenseServiceUnavailableError: The service does not answer, or asks to come later.
            LicenseServiceQuotaError: Its quota is used up.
        """
        return [found.place for found in await self._find(locator, license_types)]

    async def fetch(
        self, locator: Locator, license_type: str, *, field_names: Sequence[str], document: bool
    ) -> License:
        """See `LicenseProvider.fetch`.

        Raises:
            LicenseNotFoundError: There is none here.
            LicenseSealInvalidError: The issuer's seal over the record does not hold.
            LicenseServiceUnavailableError: The service does not answer, or asks to come later.
            LicenseServiceQuotaError: Its quota is used up.
        """
        found = [
            each for each in await self._find(locator, (license_type,)) if each.place.license_node == self._node_id
        ]
        if not found:
            raise LicenseNotFoundError(license_type, self._node_id)
        best = max(found, key=lambda each: (each.place.status is LicenseStatus.VALID, each.valid_from))
        asked = {"licenceId": best.license_id, "fields": list(field_names), "document": document}
        try:
            data = await self._client.call(self._paths.record_path, asked)
        except SharedServiceRefusalError as refusal:
            if refusal.not_found:
                raise LicenseNotFoundError(license_type, self._node_id) from refusal
            raise LicenseServiceUnavailableError(self._node_id) from refusal
        return await self._believed(best, license_type, data, document=document)

    async def read_document(self, licence: License) -> AsyncIterator[bytes]:
        """See `LicenseProvider.read_document`.

        Raises:
            LicenseServiceUnavailableError: The service breaks off, or the file has another size than the record says.
            LicenseServiceQuotaError: Its quota is used up.
        """
        if licence.document is None:
            return
        asked = {"licenceId": licence.license_id, "format": licence.document.format}
        try:
            async for piece in self._client.stream(self._paths.file_path, asked, size=licence.document.size):
                yield piece
        except SharedServiceRefusalError as refusal:
            raise LicenseServiceUnavailableError(self._node_id) from refusal

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

    async def _find(self, locator: Locator, license_types: Sequence[str]) -> list[FoundLicence]:
        """All pages of a query; a service whose pages never end is believed no further."""
        found: list[FoundLicence] = []
        for page in range(1, MAX_PAGES + 1):
            asked = {
                "holderNumber": locator.number,
                "holderName": locator.name,
                "licenceTypes": list(license_types),
                "pageNo": page,
                "pageSize": self._page_size,
            }
            try:
                data = await self._client.call(self._paths.query_path, asked)
            except SharedServiceRefusalError as refusal:
                if refusal.not_found:
                    return found
                raise LicenseServiceUnavailableError(self._node_id) from refusal
            items, total = data.get("items"), data.get("total")
            if not isinstance(items, list) or type(total) is not int or len(items) > self._page_size:
                raise LicenseServiceUnavailableError(self._node_id)
            found += [self._found(item) for item in items]
            # Services may give shorter pages than they are asked for; only their own total says when all are there.
            if not items or len(found) >= total:
                return [each for each in found if each.place.license_type in license_types]
        raise LicenseServiceUnavailableError(self._node_id)

    def _found(self, item: Any) -> FoundLicence:
        try:
            node = str(item["regionCode"])
            if _NODE.fullmatch(node) is None:
                raise LicenseServiceUnavailableError(self._node_id)
            return FoundLicence(
                license_id=str(item["licenceId"]),
                place=LicensePlace(
                    license_type=str(item["licenceType"]),
                    license_node=node,
                    issuer_name=str(item["issuerName"]),
                    # Services mask or do not; what goes on to a consent page is masked here.
                    masked_number=masked(str(item["licenceNumber"])),
                    status=LicenseStatus[item["status"]],
                ),
                valid_from=str(item.get("validFrom", "")),
            )
        except (KeyError, TypeError, AttributeError):
            # A licence in a state that is not known cannot be offered, and nobody may think that there is none.
            raise LicenseServiceUnavailableError(self._node_id) from None

    async def _believed(
        self, found: FoundLicence, license_type: str, data: Mapping[str, Any], *, document: bool
    ) -> License:
        sealed, given = sealed_from_json({name: data.get(name) for name in ("record", "seal", "fields")})
        record = await asyncio.to_thread(check_record, sealed, given, trust=self._trust, verify_sm2=self._verify_sm2)
        # A good record of another licence is not the one that was asked for.
        if record.license_id != found.license_id or record.license_type != license_type:
            raise LicenseSealInvalidError("OTHER_LICENCE")
        try:
            said = LicenseStatus[data["status"]]
        except (KeyError, TypeError):
            raise LicenseServiceUnavailableError(self._node_id) from None
        return License(
            license_id=record.license_id,
            license_type=record.license_type,
            status=record.status_at(self._clock.now(), said),
            issuer_name=record.issuer_name,
            holder_name=record.holder_name,
            holder_number=record.holder_number,
            fields={name: value.value for name, value in given.items()},
            document=record.document if document else None,
        )
