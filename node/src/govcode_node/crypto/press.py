"""The press of documents: reads one from its licence system, has it checked and marked, and seals it for one use.

A document is never whole in memory and never in clear on disk: it goes through in pieces of 256 KiB, and what rests
between two steps is a spool. All that computes runs on threads of its own.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from govcode_node.crypto.sm3 import running_sm3
from govcode_node.crypto.sm4 import gcm_seal
from govcode_node.crypto.spool import PIECE, Spool, SpoolLimitError
from govcode_node.domain.errors import OverloadedError
from govcode_node.domain.licenses import (
    MAX_DOCUMENT,
    License,
    LicenseDocument,
    LicenseNotFoundError,
    LicenseSealInvalidError,
    LicenseServiceUnavailableError,
    chunk_aad,
    chunk_count,
    chunk_nonce,
)
from govcode_node.ports.licenses import LicenseProvider, PressedDocument, SealedDocument

MAX_OPEN: Final = 32
"""Documents at a time, those included that are being sent. At 64 MiB each, twice while they are marked, they take less
than 4 GiB of disk."""

_R = TypeVar("_R")
_Run = Callable[[Callable[[], _R]], Awaitable[_R]]


class ContentKeys(Protocol):
    """What the press needs of the node's keys."""

    def license_content_key(self, use_id: str, document_digest: bytes) -> bytes:
        """Return the SM4 key that seals one document for one use."""
        ...

    def random_bytes(self, size: int) -> bytes:
        """Return random bytes."""
        ...


class SealedDocumentPress:
    """A `DocumentPress`."""

    def __init__(
        self,
        keys: ContentKeys,
        *,
        node_id: str,
        directory: Path | None = None,
        threads: int = 2,
        max_open: int = MAX_OPEN,
    ) -> None:
        """It holds no document yet.

        Args:
            keys: The node's keys.
            node_id: This node, named in refusals.
            directory: Where spools rest; the system's place for temporary files when None.
            threads: Threads that compute.
            max_open: Documents at a time, those included that are being sent.
        """
        self._keys = keys
        self._node_id = node_id
        self._directory = directory
        self._max_open = max_open
        self._open = 0
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="press")

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=False)

    @asynccontextmanager
    async def press(
        self, provider: LicenseProvider, licence: License, *, use_id: str, mark: str
    ) -> AsyncIterator[PressedDocument]:
        """It reads, checks, marks and seals the document of a licence; leaving the context erases all of it.

        The same use of the same document gives the same sealed bytes, so that a broken delivery can go on (N-25).

        Args:
            provider: Reads, checks and marks.
            licence: The licence, with a document.
            use_id: The use.
            mark: What the copy is for.

        Raises:
            LicenseNotFoundError: The licence has no document.
            LicenseSealInvalidError: The document is not what the record or the seal says.
            LicenseServiceUnavailableError: The licence system breaks off, or the document is too large.
            StoreUnavailableError: There is no room for it.
            OverloadedError: Too many documents are under way.
            KeyUnavailableError: The key of the deliveries does not work.
        """
        document = self._acceptable(licence)
        if self._open >= self._max_open:
            raise OverloadedError("document")
        self._open += 1
        try:
            async with AsyncExitStack() as stack:
                copy = await self._spool(stack, MAX_DOCUMENT)
                async with AsyncExitStack() as reading:
                    original = await self._spool(reading, document.size)
                    await self._take_in(provider, licence, document, original)
                    marked = await self._have_marked(provider, licence, original, copy, mark)
                yield await self._seal(copy, marked, use_id)
        finally:
            self._open -= 1

    def _acceptable(self, licence: License) -> LicenseDocument:
        document = licence.document
        if document is None:
            raise LicenseNotFoundError(license_type=licence.license_type, node_id=self._node_id)
        if document.size > MAX_DOCUMENT:
            raise LicenseServiceUnavailableError(node_id=self._node_id)
        if document.size < 1:
            raise LicenseSealInvalidError("DIGEST")
        return document

    async def _spool(self, stack: AsyncExitStack, limit: int) -> Spool:
        """It makes a spool that is closed with the stack, also where the caller is cancelled meanwhile."""
        making = asyncio.get_running_loop().run_in_executor(
            self._executor, partial(Spool, limit=limit, random=self._keys.random_bytes, directory=self._directory)
        )
        stack.push_async_callback(self._close, making)
        return await asyncio.shield(making)

    async def _close(self, making: asyncio.Future[Spool]) -> None:
        """It closes a spool, off the event loop: to give many megabytes back takes the system some time."""

        async def closing() -> None:
            await asyncio.wait({making})
            if not making.cancelled() and making.exception() is None:
                await self._run(making.result().close)

        # A second cancellation shall not leave it half done.
        await asyncio.shield(asyncio.get_running_loop().create_task(closing()))

    async def _take_in(
        self, provider: LicenseProvider, licence: License, document: LicenseDocument, original: Spool
    ) -> None:
        """It reads the document into a spool and has it checked.

        Raises:
            LicenseSealInvalidError: It is not the one of the record, or the seal in it does not hold.
        """
        try:
            async with _closing(provider.read_document(licence)) as pieces:
                async for piece in pieces:
                    for start in range(0, len(piece), PIECE):
                        await self._run(partial(original.append, piece[start : start + PIECE]))
        except SpoolLimitError:
            raise LicenseSealInvalidError("DIGEST") from None
        digest = await self._run(original.finish)
        if original.size != document.size or not hmac.compare_digest(digest, document.digest):
            raise LicenseSealInvalidError("DIGEST")
        await provider.check_document(licence, original.reader())

    async def _have_marked(
        self, provider: LicenseProvider, licence: License, original: Spool, copy: Spool, mark: str
    ) -> LicenseDocument:
        """It has a marked copy written into another spool.

        Raises:
            LicenseSealInvalidError: The provider says something else of the copy than what it wrote.
            LicenseServiceUnavailableError: The copy is too large.
        """
        try:
            stated = await provider.mark_document(licence, original.reader(), copy.writer(), mark=mark)
        except SpoolLimitError:
            raise LicenseServiceUnavailableError(node_id=self._node_id) from None
        digest = await self._run(copy.finish)
        if copy.size != stated.size or not hmac.compare_digest(digest, stated.digest) or not copy.size:
            raise LicenseSealInvalidError("COPY")
        return stated

    async def _seal(self, copy: Spool, document: LicenseDocument, use_id: str) -> _Pressed:
        count = chunk_count(document.size)
        # From what is sealed and nothing else: one key and nonce must never meet two texts.
        content_key = self._keys.license_content_key(use_id, document.digest)

        def sealed(chunk_no: int) -> bytes:
            aad = chunk_aad(use_id, chunk_no, count)
            return gcm_seal(content_key, chunk_nonce(chunk_no), copy.piece(chunk_no), aad)

        digest = running_sm3()
        for chunk_no in range(count):
            await self._run(lambda number=chunk_no: digest.update(sealed(number)))  # type: ignore[misc]
        return _Pressed(
            SealedDocument(
                document=document,
                content_key=content_key,
                chunks_digest=digest.finalize(),
                chunk_count=count,
            ),
            seal=sealed,
            run=self._run,
        )

    async def _run(self, work: Callable[[], _R]) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


class _Pressed:
    """A `PressedDocument`: a chunk is sealed anew whenever it is sent, always to the same bytes."""

    def __init__(self, sealed: SealedDocument, *, seal: Callable[[int], bytes], run: _Run[bytes]) -> None:
        self._sealed = sealed
        self._seal = seal
        self._run = run

    @property
    def sealed(self) -> SealedDocument:
        """What it is."""
        return self._sealed

    async def chunks(self, *, from_chunk: int) -> AsyncIterator[bytes]:
        """It yields the sealed chunks from one on, in order."""
        for chunk_no in range(from_chunk, self._sealed.chunk_count):
            yield await self._run(partial(self._seal, chunk_no))


@asynccontextmanager
async def _closing(pieces: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """It closes a reading that may hold a connection, whether it was read to its end or not."""
    try:
        yield pieces
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
