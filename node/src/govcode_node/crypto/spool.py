"""A document on its way, at rest for seconds: ciphertext in a file without a name, its key in memory alone.

The file is unlinked from its first moment (O_TMPFILE), and the key dies with the object. What a crash leaves behind is
nothing, and what a stolen disk shows is noise. A piece is sealed once, so its number may be the nonce.

A spool is used from threads. It is written by one at a time, from front to end, and may be closed by another at any
moment: who works with it then fails, and nothing of it stays.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, cast

from typing_extensions import Buffer

from govcode_node.crypto.sm3 import running_sm3
from govcode_node.crypto.sm4 import KEY_SIZE, NONCE_SIZE, TAG_SIZE, gcm_open, gcm_seal
from govcode_node.domain.errors import GovcodeError, StoreUnavailableError
from govcode_node.domain.licenses import CHUNK_SIZE

PIECE: Final = CHUNK_SIZE
"""Bytes that are sealed at a time: a piece of a spool is a chunk of the delivery."""

_SEALED_PIECE: Final = PIECE + TAG_SIZE
_PIECES_IN_HAND: Final = 2
_BUFFER: Final = 64 * 1024


class SpoolLimitError(GovcodeError):
    """More was written than the spool may hold."""


class SpoolClosedError(GovcodeError):
    """The spool was closed while somebody worked with it; the delivery is over."""


class Spool:
    """One document: appended, finished, then read at any place."""

    def __init__(self, *, limit: int, random: Callable[[int], bytes], directory: Path | None = None) -> None:
        """Make the file, which has no name.

        Args:
            limit: The most bytes that it may hold.
            random: Draws its key.
            directory: On which file system it rests; that of temporary files when None.

        Raises:
            StoreUnavailableError: No file can be made.
            RandomSourceError: No key can be drawn.
        """
        self.size = 0
        self._limit = limit
        self._key = random(KEY_SIZE)
        self._digest = running_sm3()
        self._tail = bytearray()
        self._pieces = 0
        self._finished = b""
        self._closed = False
        self._lock = threading.Lock()
        try:
            self._file = tempfile.TemporaryFile(buffering=0, dir=directory)  # noqa: SIM115 - closed by `close`
        except OSError as fault:
            raise _unavailable(fault) from fault

    @property
    def closed(self) -> bool:
        """Whether it is gone."""
        return self._closed

    def append(self, data: Buffer) -> None:
        """Write on at the end.

        Raises:
            SpoolLimitError: It would hold more than it may.
            SpoolClosedError: It is gone.
            StoreUnavailableError: The disk is full or fails.
        """
        if self._finished:
            raise ValueError("the spool is finished")
        view = memoryview(data).cast("B")
        if self.size + len(view) > self._limit:
            raise SpoolLimitError(f"a document of more than {self._limit} bytes")
        while view:
            taken = view[: PIECE - len(self._tail)]
            view = view[len(taken) :]
            self._digest.update(taken)
            self._tail += taken
            self.size += len(taken)
            if len(self._tail) == PIECE:
                self._put_away()

    def finish(self) -> bytes:
        """End the writing and return the SM3 of all that was written, 32 bytes."""
        if not self._finished:
            if self._tail:
                self._put_away()
            self._finished = self._digest.finalize()
        return self._finished

    def piece(self, number: int) -> bytes:
        """Return a piece of a finished spool; the last one is shorter.

        Raises:
            SpoolClosedError: It is gone.
            SealBrokenError: The file was changed.
            StoreUnavailableError: The disk fails.
        """
        if not 0 <= number < self._pieces:
            raise ValueError(f"there is no piece {number}")
        key, at = self._key, number * _SEALED_PIECE
        with self._lock:
            self._check_open()
            try:
                sealed = os.pread(self._file.fileno(), _SEALED_PIECE, at)
            except OSError as fault:
                raise _unavailable(fault) from fault
        return gcm_open(key, _nonce(number), sealed, _aad(number))

    def reader(self) -> BinaryIO:
        """Return a seekable file over what was written; for one thread at a time."""
        return io.BufferedReader(_Reader(self), _BUFFER)

    def writer(self) -> BinaryIO:
        """Return a file that writes on at the end and cannot seek; `finish` needs no flush of it."""
        return cast(BinaryIO, _Writer(self))

    def close(self) -> None:
        """Give file and key up; waits for a read or write of one piece at most."""
        self._closed = True
        self._key = b""
        self._tail.clear()
        with self._lock:
            self._file.close()

    def _put_away(self) -> None:
        self._check_open()
        number = self._pieces
        sealed = memoryview(gcm_seal(self._key, _nonce(number), bytes(self._tail), _aad(number)))
        at = number * _SEALED_PIECE
        with self._lock:
            self._check_open()
            try:
                while sealed:
                    written = os.pwrite(self._file.fileno(), sealed, at)
                    sealed, at = sealed[written:], at + written
            except OSError as fault:
                raise _unavailable(fault) from fault
        self._pieces += 1
        self._tail.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise SpoolClosedError("the document is gone")


class _Reader(io.RawIOBase):
    """Any place of a spool, with the last pieces in hand: a package is read from its end, then part by part."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._at = 0
        self._in_hand: dict[int, bytes] = {}

    @property
    def closed(self) -> bool:
        return self._spool.closed or super().closed

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._spool.size}[whence]
        if base + offset < 0:
            # What a file of the system raises; who reads a damaged package relies on it.
            raise OSError(22, "Invalid argument")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        if self._at >= self._spool.size:
            return 0
        number, start = divmod(self._at, PIECE)
        part = self._piece(number)[start : start + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _piece(self, number: int) -> bytes:
        piece = self._in_hand.pop(number, None)
        if piece is None:
            piece = self._spool.piece(number)
        self._in_hand[number] = piece
        while len(self._in_hand) > _PIECES_IN_HAND:
            del self._in_hand[next(iter(self._in_hand))]
        return piece


class _Writer(io.RawIOBase):
    """The end of a spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    @property
    def closed(self) -> bool:
        return self._spool.closed or super().closed

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._spool.size

    def write(self, data: Buffer) -> int:
        before = self._spool.size
        self._spool.append(data)
        return self._spool.size - before


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_SIZE, "big")


def _aad(number: int) -> bytes:
    return b"govcode-spool-v1" + number.to_bytes(4, "big")


def _unavailable(fault: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(f"the spool of documents: {fault.strerror}")
