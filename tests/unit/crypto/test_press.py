"""The press: the marked copy comes out sealed for one use, what is wrong does not come out, and nothing stays."""

import asyncio
import gc
import os
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from govcode_node.crypto.keyring import Keyring
from govcode_node.crypto.press import SealedDocumentPress
from govcode_node.crypto.sm4 import gcm_open, gcm_seal
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import OverloadedError, StoreUnavailableError
from govcode_node.domain.keys import SealBrokenError
from govcode_node.domain.licenses import (
    CHUNK_SIZE,
    MAX_DOCUMENT,
    License,
    LicenseDocument,
    LicenseNotFoundError,
    LicenseSealInvalidError,
    LicenseServiceUnavailableError,
    LicenseStatus,
    chunk_aad,
    chunk_nonce,
)
from govcode_node.ports.licenses import DocumentPress, LicenseProvider, PressedDocument

USE = "us_" + "1" * 32
MARK = "for the matter of opening a shop, at the counter of Beijing"
CANARY = b"CANARY-of-a-licence-"


@dataclass
class FilingCabinet:
    """A licence system with one document, that marks by writing the mark behind it."""

    document: bytes
    tail: Callable[[str], bytes] = lambda mark: b"\n%mark " + mark.encode()
    piece: int = 100_000
    breaks_off_at: int | None = None
    seal_holds: bool = True
    lies: dict[str, Any] = field(default_factory=dict)
    checked: bytes = b""
    closed: int = 0
    checking: threading.Event = field(default_factory=threading.Event)
    release: threading.Event | None = None

    name = "cabinet"

    async def locate(self, *_: object) -> Any:
        return ()

    async def fetch(self, *_: object, **__: object) -> Any:
        raise AssertionError

    async def read_document(self, licence: License) -> AsyncIterator[bytes]:
        try:
            for start in range(0, len(self.document), self.piece):
                if self.breaks_off_at is not None and start >= self.breaks_off_at:
                    raise LicenseServiceUnavailableError(node_id="310000")
                yield self.document[start : start + self.piece]
        finally:
            self.closed += 1

    async def check_document(self, licence: License, file: BinaryIO) -> None:
        await asyncio.to_thread(self._check, file)

    def _check(self, file: BinaryIO) -> None:
        file.seek(-1, os.SEEK_END)
        end = file.read()
        self.checking.set()
        if self.release is not None:
            self.release.wait(20)
        file.seek(0)
        self.checked = sm3(file.read(50)) + end
        if not self.seal_holds:
            raise LicenseSealInvalidError("SIGNATURE")

    async def mark_document(self, licence: License, file: BinaryIO, marked: BinaryIO, *, mark: str) -> LicenseDocument:
        return await asyncio.to_thread(self._mark, file, marked, mark)

    def _mark(self, file: BinaryIO, marked: BinaryIO, mark: str) -> LicenseDocument:
        file.seek(0)
        while piece := file.read(self.piece):
            marked.write(piece)
        marked.write(self.tail(mark))
        return LicenseDocument(**{"format": "PDF", "size": self.size(mark), "digest": self.digest(mark), **self.lies})

    def size(self, mark: str = MARK) -> int:
        return len(self.document) + len(self.tail(mark))

    def digest(self, mark: str = MARK) -> bytes:
        return sm3(self.document + self.tail(mark))

    def licence(self, **changes: Any) -> License:
        stated = LicenseDocument(format="PDF", size=len(self.document), digest=sm3(self.document))
        return License(
            license_id="l1",
            license_type="BUSINESS_LICENSE",
            status=LicenseStatus.VALID,
            issuer_name="an issuer",
            holder_name="nobody",
            holder_number="0",
            fields={},
            document=replace(stated, **changes),
        )


def cabinet(size: int = 2 * CHUNK_SIZE + 777, **options: Any) -> FilingCabinet:
    return FilingCabinet((CANARY * (size // len(CANARY) + 1))[:size], **options)


@pytest.fixture
def press(keyring: Keyring, tmp_path: Path) -> Iterator[SealedDocumentPress]:
    place = tmp_path / "spools"
    place.mkdir()
    press = SealedDocumentPress(keyring, node_id="310000", directory=place)
    yield press
    press.close()


async def pressed(
    press: DocumentPress, system: FilingCabinet, *, use_id: str = USE, mark: str = MARK, from_chunk: int = 0
) -> tuple[PressedDocument, list[bytes]]:
    provider: LicenseProvider = system
    async with press.press(provider, system.licence(), use_id=use_id, mark=mark) as document:
        return document, [chunk async for chunk in document.chunks(from_chunk=from_chunk)]


def opened(document: PressedDocument, chunks: list[bytes], *, use_id: str = USE) -> bytes:
    """What the application makes of it."""
    sealed = document.sealed
    return b"".join(
        gcm_open(sealed.content_key, chunk_nonce(no), chunk, chunk_aad(use_id, no, sealed.chunk_count))
        for no, chunk in enumerate(chunks)
    )


def descriptors() -> dict[str, Path]:
    """Spools that this process has open."""
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            target = os.readlink(link)
            if "spools" in target:
                assert "(deleted)" in target
                found[target] = link
    return found


@pytest.mark.req("N-25")
@pytest.mark.parametrize(
    "size", [1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE], ids=["1", "-1", "0", "+1", "3"]
)
async def test_application_opens_the_marked_copy_chunk_by_chunk(press: SealedDocumentPress, size: int) -> None:
    system = cabinet(size, tail=lambda _: b"")
    document, chunks = await pressed(press, system)
    assert document.sealed.chunk_count == len(chunks) == -(-size // CHUNK_SIZE)
    assert opened(document, chunks) == system.document
    assert document.sealed.chunks_digest == sm3(b"".join(chunks))
    assert document.sealed.document == LicenseDocument(format="PDF", size=size, digest=sm3(system.document))


async def test_mark_is_in_the_copy_and_the_check_saw_the_document_itself(press: SealedDocumentPress) -> None:
    system = cabinet()
    document, chunks = await pressed(press, system)
    assert opened(document, chunks) == system.document + system.tail(MARK)
    assert system.checked == sm3(system.document[:50]) + system.document[-1:]
    assert system.closed == 1
    assert MARK not in repr(document.sealed)
    assert document.sealed.content_key.hex() not in repr(document.sealed)


@pytest.mark.req("N-25")
async def test_delivery_goes_on_where_it_broke_off_with_the_same_bytes(press: SealedDocumentPress) -> None:
    system = cabinet()
    first, chunks = await pressed(press, system)
    again, rest = await pressed(press, system, from_chunk=1)
    assert again.sealed == first.sealed
    assert rest == chunks[1:]
    assert (await pressed(press, system, from_chunk=first.sealed.chunk_count))[1] == []


async def test_other_use_or_other_copy_has_another_key(press: SealedDocumentPress) -> None:
    system = cabinet()
    document, chunks = await pressed(press, system)
    other_use, _ = await pressed(press, system, use_id="us_" + "2" * 32)
    other_mark, _ = await pressed(press, system, mark="for something else")
    keys = {one.sealed.content_key for one in (document, other_use, other_mark)}
    assert len(keys) == 3
    with pytest.raises(SealBrokenError):
        opened(document, chunks[::-1])
    with pytest.raises(SealBrokenError):
        opened(document, chunks, use_id="us_" + "2" * 32)


@pytest.mark.req("6.3-15")
@pytest.mark.parametrize(
    "stated",
    [{"size": 2 * CHUNK_SIZE}, {"size": 3 * CHUNK_SIZE}, {"digest": bytes(32)}, {"size": 0}],
    ids=["shorter", "longer", "other", "empty"],
)
async def test_document_that_is_not_the_one_of_the_record_is_not_delivered(
    press: SealedDocumentPress, stated: dict[str, Any]
) -> None:
    system = cabinet()
    with pytest.raises(LicenseSealInvalidError) as caught:
        async with press.press(system, system.licence(**stated), use_id=USE, mark=MARK):
            raise AssertionError
    assert caught.value.why == "DIGEST"
    assert system.checked == b""
    assert descriptors() == {}


@pytest.mark.req("6.3-15")
async def test_document_whose_seal_does_not_hold_is_not_delivered(press: SealedDocumentPress) -> None:
    system = cabinet(seal_holds=False)
    with pytest.raises(LicenseSealInvalidError) as caught:
        await pressed(press, system)
    assert caught.value.why == "SIGNATURE"
    assert descriptors() == {}


@pytest.mark.parametrize("lie", [{"size": 5}, {"digest": bytes(32)}], ids=["size", "digest"])
async def test_copy_that_is_not_what_the_provider_says_is_not_delivered(
    press: SealedDocumentPress, lie: dict[str, Any]
) -> None:
    # A key that does not belong to the copy could meet the same nonces with another text.
    with pytest.raises(LicenseSealInvalidError) as caught:
        await pressed(press, cabinet(lies=lie))
    assert caught.value.why == "COPY"


async def test_document_or_copy_that_is_too_large_is_not_delivered(
    press: SealedDocumentPress, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = cabinet(1000)
    with pytest.raises(LicenseServiceUnavailableError) as caught:
        async with press.press(system, system.licence(size=MAX_DOCUMENT + 1), use_id=USE, mark=MARK):
            raise AssertionError
    assert caught.value.node_id == "310000"
    assert system.closed == 0
    monkeypatch.setattr("govcode_node.crypto.press.MAX_DOCUMENT", 1000)
    with pytest.raises(LicenseServiceUnavailableError):
        await pressed(press, system)
    assert descriptors() == {}


async def test_licence_system_that_breaks_off_leaves_nothing(press: SealedDocumentPress) -> None:
    system = cabinet(breaks_off_at=300_000)
    with pytest.raises(LicenseServiceUnavailableError):
        await pressed(press, system)
    assert system.closed == 1
    assert descriptors() == {}


async def test_licence_without_a_document_has_nothing_to_press(press: SealedDocumentPress) -> None:
    system = cabinet()
    with pytest.raises(LicenseNotFoundError):
        async with press.press(system, replace(system.licence(), document=None), use_id=USE, mark=MARK):
            raise AssertionError


async def test_more_documents_than_there_is_room_for_are_refused(keyring: Keyring) -> None:
    press = SealedDocumentPress(keyring, node_id="310000", max_open=1)
    system = cabinet(100)
    async with press.press(system, system.licence(), use_id=USE, mark=MARK):
        with pytest.raises(OverloadedError):
            await pressed(press, system)
    assert len((await pressed(press, system))[1]) == 1
    press.close()


async def test_full_disk_is_an_outage_of_the_store(keyring: Keyring, tmp_path: Path) -> None:
    press = SealedDocumentPress(keyring, node_id="310000", directory=tmp_path / "nowhere")
    with pytest.raises(StoreUnavailableError):
        await pressed(press, cabinet(100))
    press.close()


@pytest.mark.req("6.3-18")
async def test_nothing_stays_when_the_delivery_is_over_and_nothing_is_in_clear_before(
    press: SealedDocumentPress, tmp_path: Path
) -> None:
    system = cabinet()
    async with press.press(system, system.licence(), use_id=USE, mark=MARK) as document:
        assert len(descriptors()) == 1
        assert list((tmp_path / "spools").iterdir()) == []
        for link in descriptors().values():
            assert CANARY not in link.read_bytes()
        chunks = document.chunks(from_chunk=0)
        await anext(chunks)
    assert descriptors() == {}
    with pytest.raises(Exception, match="gone"):
        await anext(chunks)


@pytest.mark.req("6.3-18")
async def test_cancelled_delivery_leaves_nothing_even_in_the_midst_of_a_check(press: SealedDocumentPress) -> None:
    system = cabinet(release=threading.Event())
    assert system.release is not None
    task = asyncio.create_task(pressed(press, system))
    await asyncio.to_thread(system.checking.wait, 10)
    assert len(descriptors()) == 2
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert descriptors() == {}
    # The thread that still checks finds its file closed.
    system.release.set()
    await asyncio.sleep(0.05)
    assert system.checked == b""
    # Cancelled at any other moment.
    system.release = None
    for delay in range(12):
        task = asyncio.create_task(pressed(press, system))
        await asyncio.sleep(delay / 1000)
        task.cancel()
        await asyncio.wait({task})
    async with asyncio.timeout(10):
        while descriptors():
            await asyncio.sleep(0.01)
    assert opened(*await pressed(press, system)) == system.document + system.tail(MARK)


@dataclass
class BigCabinet(FilingCabinet):
    """A document that is made while it is read, so that it is never whole anywhere."""

    length: int = 20 * 1024 * 1024

    async def read_document(self, licence: License) -> AsyncIterator[bytes]:
        for number in range(self.length >> 16):
            yield self.part(number)

    @staticmethod
    def part(number: int) -> bytes:
        return number.to_bytes(4, "big") * (1 << 14)


def whole(length: int, tail: bytes = b"") -> bytes:
    return sm3(b"".join(BigCabinet.part(number) for number in range(length >> 16)) + tail)


def noting(threads: set[int], work: Callable[..., bytes]) -> Callable[..., bytes]:
    """Note on which threads something is done, and that it is done in small pieces."""

    def noted(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        threads.add(threading.get_ident())
        assert len(data) <= CHUNK_SIZE + 16
        return work(key, nonce, data, aad)

    return noted


@pytest.mark.req("N-25")
async def test_document_of_20_mib_takes_little_memory_and_holds_up_nobody(
    press: SealedDocumentPress, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = 20 * 1024 * 1024
    digest, copy_digest = whole(length), whole(length, b"mark")
    system = BigCabinet(b"", tail=lambda _: b"mark", lies={"size": length + 4, "digest": copy_digest})
    licence = system.licence(size=length, digest=digest)
    await pressed(press, cabinet(100))
    gc.collect()
    threads: set[int] = set()
    for place in ("press.gcm_seal", "spool.gcm_seal", "spool.gcm_open"):
        monkeypatch.setattr(f"govcode_node.crypto.{place}", noting(threads, gcm_open if "open" in place else gcm_seal))

    async def deliver() -> int:
        count = 0
        async with press.press(system, licence, use_id=USE, mark=MARK) as document:
            async for _ in document.chunks(from_chunk=0):
                count += 1
        return count

    assert await deliver() == length // CHUNK_SIZE + 1
    # No cipher runs on the thread of the event loop.
    assert threads
    assert threading.get_ident() not in threads
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        await deliver()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024
