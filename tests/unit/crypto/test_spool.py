"""Spools: what comes out is what went in, at any place, and what rests on disk is neither readable nor to be found."""

import io
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from govcode_node.crypto.spool import PIECE, Spool, SpoolClosedError, SpoolLimitError
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.domain.keys import SealBrokenError
from hypothesis import given, settings
from hypothesis import strategies as st

CANARY = b"CANARY-in-clear-"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(limit=4 * PIECE, random=os.urandom, directory=tmp_path)
    yield spool
    spool.close()


def resting(spool: Spool) -> bytes:
    """What lies on disk."""
    descriptor: Any = spool._file.fileno()
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


@given(st.lists(st.integers(0, PIECE + PIECE // 2), max_size=4), st.lists(st.integers(-10, 4 * PIECE), max_size=6))
@settings(max_examples=25, deadline=None)
def test_what_was_written_is_read_at_any_place(sizes: list[int], places: list[int]) -> None:
    content = os.urandom(sum(sizes))
    spool = Spool(limit=8 * PIECE, random=os.urandom)
    try:
        file, at = spool.writer(), 0
        for size in sizes:
            assert file.write(content[at : at + size]) == size
            at += size
            assert file.tell() == at
        assert spool.finish() == sm3(content)
        reader, expected = spool.reader(), io.BytesIO(content)
        assert reader.read() == content
        for place in places:
            whence = os.SEEK_END if place < 0 else os.SEEK_SET
            place = max(place, -len(content))  # noqa: PLW2901 - a file has no place before its begin
            assert reader.seek(place, whence) == expected.seek(place, whence)
            assert reader.read(100_000) == expected.read(100_000)
            assert reader.tell() == expected.tell()
    finally:
        spool.close()


@pytest.mark.req("6.3-18")
def test_what_rests_on_disk_has_no_name_and_shows_nothing(spool: Spool, tmp_path: Path) -> None:
    spool.append(CANARY * (2 * PIECE // len(CANARY)))
    spool.finish()
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(spool._file.fileno()).st_nlink == 0
    on_disk = resting(spool)
    assert len(on_disk) > 2 * PIECE
    assert CANARY not in on_disk
    # Equal pieces do not look alike.
    assert on_disk[:PIECE] != on_disk[PIECE + 16 : 2 * PIECE + 16]


def test_piece_that_was_changed_or_moved_on_disk_is_not_read(spool: Spool) -> None:
    spool.append(bytes(3 * PIECE))
    spool.finish()
    on_disk, descriptor = resting(spool), spool._file.fileno()
    size = PIECE + 16
    os.pwrite(descriptor, on_disk[size : 2 * size], 0)
    os.pwrite(descriptor, bytes((on_disk[2 * size] ^ 1,)), 2 * size)
    for number in (0, 2):
        with pytest.raises(SealBrokenError):
            spool.piece(number)
    assert spool.piece(1) == bytes(PIECE)


def test_spool_holds_no_more_than_it_may(spool: Spool) -> None:
    spool.append(bytes(4 * PIECE))
    with pytest.raises(SpoolLimitError):
        spool.append(b"x")
    spool.finish()
    with pytest.raises(ValueError, match="finished"):
        spool.append(b"")


def test_package_can_be_written_into_a_spool_and_read_from_it(spool: Spool) -> None:
    with zipfile.ZipFile(spool.writer(), "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(20):
            package.writestr(f"part {number}", b"%d" % number * 20_000)
    spool.finish()
    with zipfile.ZipFile(spool.reader()) as package:
        assert package.testzip() is None
        assert package.read("part 7") == b"7" * 20_000


def test_closed_spool_fails_whoever_still_works_with_it(spool: Spool) -> None:
    spool.append(bytes(2 * PIECE))
    spool.finish()
    reader, writer = spool.reader(), spool.writer()
    reader.read(10)
    spool.close()
    assert reader.closed
    assert writer.closed
    with pytest.raises((ValueError, SpoolClosedError)):
        reader.read(PIECE)
    with pytest.raises(SpoolClosedError):
        spool.piece(1)
    spool.close()


def test_thread_that_writes_while_the_spool_is_closed_ends_and_touches_no_other_file(tmp_path: Path) -> None:
    spool = Spool(limit=1 << 40, random=os.urandom, directory=tmp_path)
    begun = threading.Event()
    raised: list[BaseException] = []

    def write_on() -> None:
        try:
            while True:
                spool.append(bytes(PIECE))
                begun.set()
        except SpoolClosedError as error:
            raised.append(error)

    writer = threading.Thread(target=write_on)
    writer.start()
    assert begun.wait(10)
    descriptor = spool._file.fileno()
    spool.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        writer.join(10)
        assert not writer.is_alive()
        assert raised
        # The number of the descriptor is in use again; nothing was written through it.
        assert other == descriptor
        assert os.fstat(other).st_size == 0
    finally:
        os.close(other)


def test_disk_that_fails_is_named_as_such(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreUnavailableError):
        Spool(limit=1, random=os.urandom, directory=tmp_path / "nowhere")
    monkeypatch.setattr("govcode_node.crypto.spool.os.pwrite", full)
    with pytest.raises(StoreUnavailableError):
        spool.append(bytes(PIECE))
