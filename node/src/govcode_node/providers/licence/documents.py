"""The documents of licences, for every provider: checked against record and seal, and marked, off the event loop."""

import asyncio
import hashlib
import hmac
import shutil
from typing import BinaryIO, Final

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.licenses import License, LicenseDocument, LicenseSealInvalidError
from govcode_node.ports.clock import Clock
from govcode_node.providers.licence.faults import OfdRefusedError
from govcode_node.providers.licence.marks import MAX_MARK, CopyMark
from govcode_node.providers.licence.ofd import OfdFinding, copy_with_mark, verify_ofd
from govcode_node.providers.licence.seals import SealTrust, Sm2Verify

_PIECE: Final = 256 * 1024


class DocumentChecks:
    """It checks documents with an issuer's seal in them (OFD) and those whose digest the record vouches for (PDF)."""

    def __init__(self, trust: SealTrust, *, verify_sm2: Sm2Verify, clock: Clock) -> None:
        """It takes whom to believe.

        Args:
            trust: Makers and authorities of seals.
            verify_sm2: Checks one SM2 signature; called from other threads.
            clock: The node's clock.
        """
        self._trust = trust
        self._verify_sm2 = verify_sm2
        self._clock = clock

    async def check(self, licence: License, file: BinaryIO) -> None:
        """See `LicenseProvider.check_document`.

        Raises:
            LicenseSealInvalidError: The document is not the one of the record, or its seal does not hold.
        """
        await asyncio.to_thread(self._check, licence, file)

    async def mark(self, licence: License, file: BinaryIO, marked: BinaryIO, *, mark: str) -> LicenseDocument:
        """See `LicenseProvider.mark_document`. It checks the document again, so that only a good one is marked.

        Raises:
            LicenseSealInvalidError: The document is not what the record or the seal says.
            InvalidFieldError: The mark cannot be a mark.
        """
        return await asyncio.to_thread(self._mark, licence, file, marked, mark)

    def _check(self, licence: License, file: BinaryIO) -> OfdFinding | None:
        document = _document_of(licence)
        size, digest = _digest(file)
        if size != document.size or not hmac.compare_digest(digest, document.digest):
            raise LicenseSealInvalidError("DOCUMENT_ALTERED")
        if document.format != "OFD":
            return None
        try:
            return verify_ofd(file, trust=self._trust, verify_sm2=self._verify_sm2, now=self._clock.now())
        except OfdRefusedError as error:
            raise LicenseSealInvalidError(error.fault.value) from error

    def _mark(self, licence: License, file: BinaryIO, marked: BinaryIO, mark: str) -> LicenseDocument:
        finding = self._check(licence, file)
        written = _Hashing(marked)
        if finding is None:
            file.seek(0)
            shutil.copyfileobj(file, written, _PIECE)
        else:
            try:
                copy_with_mark(file, written, finding=finding, mark=CopyMark(_one_line(mark)))
            except OfdRefusedError as error:
                raise LicenseSealInvalidError(error.fault.value) from error
        return LicenseDocument(format=_document_of(licence).format, size=written.size, digest=written.digest())


class _Hashing:
    """A target that counts and hashes what is written to another."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._context = hashlib.new("sm3")
        self.size = 0

    def write(self, data: bytes) -> int:
        self._context.update(data)
        self.size += len(data)
        self._target.write(data)
        return len(data)

    def digest(self) -> bytes:
        return self._context.digest()


def _one_line(mark: str) -> str:
    """A mark in one line: names of organisations and matters may have wide spaces, which marks have not."""
    return " ".join(mark.split())[:MAX_MARK].strip()


def _document_of(licence: License) -> LicenseDocument:
    if licence.document is None:
        raise InvalidFieldError(field="licence.document", why="must be there to be read")
    return licence.document


def _digest(file: BinaryIO) -> tuple[int, bytes]:
    context = hashlib.new("sm3")
    size = 0
    file.seek(0)
    while piece := file.read(_PIECE):
        context.update(piece)
        size += len(piece)
    return size, context.digest()
