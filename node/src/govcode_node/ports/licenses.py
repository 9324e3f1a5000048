"""The licence system (电子证照系统), as a port: where licences are held, and fetching one (N-22, N-24).

An adapter checks the issuer's seal, over the record and, while it is read, over the document; what reaches a step is
what the issuer sealed, or an error. It keeps nothing after an act.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from govcode_node.domain.licenses import License, LicenseDocument, LicensePlace, Locator


class LicenseProvider(Protocol):
    """It finds and fetches licences. A locator is used for the call and forgotten."""

    @property
    def name(self) -> str:
        """Name of the provider, for metrics and records."""
        ...

    async def locate(self, locator: Locator, license_types: Sequence[str]) -> Sequence[LicensePlace]:
        """It finds the places where licences of those types of that subject are held, in any region.

        Raises:
            LicenseServiceUnavailableError: The licence system does not answer, or asks to come later.
            LicenseServiceQuotaError: Its quota is used up.
        """
        ...

    async def fetch(
        self, locator: Locator, license_type: str, *, field_names: Sequence[str], document: bool
    ) -> License:
        """It fetches the licence that is held here; state and holder are for the step to judge.

        Args:
            locator: Whose licence.
            license_type: Of which type.
            field_names: The fields that may be delivered. What comes back beyond them is filtered out and reported.
            document: Whether the document may be delivered.

        Raises:
            LicenseNotFoundError: There is none here.
            LicenseSealInvalidError: The issuer's seal over the record does not hold.
            LicenseServiceUnavailableError: The licence system does not answer, or asks to come later.
            LicenseServiceQuotaError: Its quota is used up.
        """
        ...

    def read_document(self, licence: License) -> AsyncIterator[bytes]:
        """It yields the document in pieces of any size, at most 1 MiB each.

        Raises:
            LicenseServiceUnavailableError: The licence system breaks off.
        """
        ...

    async def check_document(self, licence: License, file: BinaryIO) -> None:
        """It raises unless the issuer's seal in the document holds; runs off the event loop.

        Args:
            licence: The licence.
            file: The whole document, seekable; opened for reading.

        Raises:
            LicenseSealInvalidError: It does not hold.
        """
        ...

    async def mark_document(self, licence: License, file: BinaryIO, marked: BinaryIO, *, mark: str) -> LicenseDocument:
        """It writes a copy that says what it is for (加注), without touching what is sealed; runs off the event loop.

        Args:
            licence: The licence.
            file: The whole document, seekable; opened for reading.
            marked: Where the copy goes: written from its begin to its end, it cannot seek.
            mark: What the copy is for.

        Returns:
            The document as it was written: format, size and SM3 of the copy. Where the format takes no mark the copy is
            equal to the document.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDocument:
    """A document that was read, checked, marked and sealed, ready to be sent.

    Attributes:
        document: What was sealed: the marked copy.
        content_key: SM4 key of the chunks.
        chunks_digest: SM3 over all sealed chunks in order.
        chunk_count: How many there are.
    """

    document: LicenseDocument
    content_key: bytes
    chunks_digest: bytes
    chunk_count: int

    def __repr__(self) -> str:
        """It does not show the key."""
        return f"SealedDocument({self.document}, {self.chunk_count} chunks)"


class DocumentPress(Protocol):
    """It seals documents piece by piece; what rests on disk meanwhile is ciphertext without a name."""

    def press(
        self, provider: LicenseProvider, licence: License, *, use_id: str, mark: str
    ) -> AbstractAsyncContextManager["PressedDocument"]:
        """It reads, checks, marks and seals the document of a licence; leaving the context erases all of it.

        The same use of the same document gives the same sealed bytes, so that a broken delivery can go on (N-25).

        Raises:
            LicenseNotFoundError: The licence has no document.
            LicenseSealInvalidError: The document is not what the licence record or the seal says.
            LicenseServiceUnavailableError: The licence system breaks off, or the document is too large.
            StoreUnavailableError: There is no room for it at this node.
            OverloadedError: Too many documents are under way.
            KeyUnavailableError: The key of the deliveries does not work.
        """
        ...


class PressedDocument(Protocol):
    """A sealed document at rest for one delivery."""

    @property
    def sealed(self) -> SealedDocument:
        """What it is."""
        ...

    def chunks(self, *, from_chunk: int) -> AsyncIterator[bytes]:
        """It yields the sealed chunks from one on, in order."""
        ...
