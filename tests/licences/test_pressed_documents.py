"""Documents of licences through the press, as a delivery has them: sealed packages in, marked and sealed chunks out."""

import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from govcode_node.crypto.press import SealedDocumentPress
from govcode_node.crypto.sm3 import hmac_sm3_128
from govcode_node.crypto.sm4 import gcm_open
from govcode_node.domain.digests import sm3
from govcode_node.domain.licenses import (
    License,
    LicenseDocument,
    LicenseSealInvalidError,
    LicenseStatus,
    chunk_aad,
    chunk_nonce,
)
from govcode_node.providers.licence.documents import DocumentChecks
from kit.clocks import MovableClock
from kit.licence_files import NOON, check, house, package, parts, verify_sm2

USE = "us_" + "1" * 32


class _Keys:
    """`ContentKeys`."""

    def license_content_key(self, use_id: str, document_digest: bytes) -> bytes:
        return hmac_sm3_128(b"secret", use_id.encode() + document_digest)

    def random_bytes(self, size: int) -> bytes:
        return os.urandom(size)


class OneDocument:
    """A provider with one document, whose checks and marks are those of the house."""

    name = "one"

    def __init__(self, content: bytes, clock: MovableClock, *, form: str = "OFD") -> None:
        self.content = content
        self._checks = DocumentChecks(house().trust(), verify_sm2=verify_sm2, clock=clock)
        self.licence = License(
            license_id="l1",
            license_type="BIRTH_CERTIFICATE",
            status=LicenseStatus.VALID,
            issuer_name="样例市卫生健康委员会",
            holder_name="张样例",
            holder_number="0",
            fields={},
            document=LicenseDocument(format=form, size=len(content), digest=sm3(content)),
        )

    async def locate(self, *_: object) -> Any:
        return ()

    async def fetch(self, *_: object, **__: object) -> License:
        return self.licence

    async def read_document(self, licence: License) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), 65_536):
            yield self.content[start : start + 65_536]

    async def check_document(self, licence: License, file: BinaryIO) -> None:
        await self._checks.check(licence, file)

    async def mark_document(self, licence: License, file: BinaryIO, marked: BinaryIO, *, mark: str) -> LicenseDocument:
        return await self._checks.mark(licence, file, marked, mark=mark)


@pytest.fixture
def press(tmp_path: Path) -> Iterator[SealedDocumentPress]:
    press = SealedDocumentPress(_Keys(), node_id="310000", directory=tmp_path)
    yield press
    press.close()


async def delivered(press: SealedDocumentPress, provider: OneDocument, mark: str) -> bytes:
    async with press.press(provider, provider.licence, use_id=USE, mark=mark) as document:
        sealed = document.sealed
        chunks = [chunk async for chunk in document.chunks(from_chunk=0)]
    opened = b"".join(
        gcm_open(sealed.content_key, chunk_nonce(no), chunk, chunk_aad(USE, no, sealed.chunk_count))
        for no, chunk in enumerate(chunks)
    )
    assert sealed.document.digest == sm3(opened)
    return opened


@pytest.mark.req("N-25")
async def test_sealed_package_comes_out_marked_and_its_seal_still_holds(press: SealedDocumentPress) -> None:
    provider = OneDocument(package(parts(pages=3)).getvalue(), MovableClock(NOON))
    opened = await delivered(press, provider, "仅用于新生儿入户")
    finding = check(io.BytesIO(opened))
    assert [mark.text for mark in finding.marks] == ["仅用于新生儿入户"]
    assert opened != provider.content
    assert await delivered(press, provider, "仅用于新生儿入户") == opened


@pytest.mark.req("6.3-15")
async def test_package_that_was_changed_with_its_record_is_not_delivered(press: SealedDocumentPress) -> None:
    content = parts()
    page = next(name for name in content if name.endswith("Content.xml"))
    content[page] = content[page].replace("张样例".encode(), "李示范".encode())
    provider = OneDocument(package(content).getvalue(), MovableClock(NOON))
    with pytest.raises(LicenseSealInvalidError):
        await delivered(press, provider, "x")


async def test_document_that_takes_no_mark_comes_out_as_it_is(press: SealedDocumentPress) -> None:
    provider = OneDocument(b"%PDF-1.7\n" + os.urandom(300_000), MovableClock(NOON), form="PDF")
    assert await delivered(press, provider, "x") == provider.content
