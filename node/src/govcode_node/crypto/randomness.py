"""The random source behind keys, nonces and ids (随机数, clause 8.1), with a watch on its output."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Final

from govcode_node.domain.keys import RandomSourceError

# Shorter outputs repeat by chance: two draws of 8 bytes are equal once in 2^64, of 12 bytes once in 2^96.
_WATCHED_SIZE: Final = 8
_BLOCK: Final = 4096
_LARGEST_POOLED: Final = 32


class RandomSource:
    """Draws from the operating system, or from what takes its place, and refuses a stuck source."""

    __slots__ = ("_draw", "_previous")

    def __init__(self, draw: Callable[[int], bytes] = os.urandom) -> None:
        """Take the function that returns n random bytes; `os.urandom` unless told otherwise."""
        self._draw = draw
        self._previous = b""

    def __call__(self, size: int) -> bytes:
        """Return that many random bytes.

        Raises:
            RandomSourceError: The source failed, came up short, or returned the same bytes twice running or one byte
                throughout, as a stuck source does (the continuous test of GM/T 0062).
        """
        try:
            drawn = self._draw(size)
        except Exception as fault:
            raise RandomSourceError(f"the random source failed: {fault}") from fault
        if len(drawn) != size:
            raise RandomSourceError(f"the random source returned {len(drawn)} bytes instead of {size}")
        if size >= _WATCHED_SIZE:
            if drawn == self._previous or drawn.count(drawn[0]) == size:
                raise RandomSourceError("the random source repeats itself")
            self._previous = drawn
        return drawn


class RandomPool:
    """Random bytes for ids and nonces, drawn a block at a time; keys are drawn from the source itself.

    A draw of a few bytes from the system gives up the interpreter, and under load it takes longer to get that back than
    to make the bytes. Blocks and what is given out are both watched as `RandomSource` watches. Bytes that were given
    out are gone from the pool, and a forked child begins with an empty one, so that no two processes share a nonce.
    """

    __slots__ = ("__weakref__", "_block", "_left", "_lock", "_source", "_watched")

    def __init__(self, source: Callable[[int], bytes]) -> None:
        """Take the source of the blocks."""
        self._source = source
        self._watched = RandomSource(self._take)
        self._lock = threading.Lock()
        self._block = bytearray()
        self._left = 0
        pool = weakref.ref(self)

        def begin_anew() -> None:
            in_child = pool()
            if in_child is not None:
                # A new lock too: the old one may have been held by a thread that the child does not have.
                in_child._lock = threading.Lock()
                in_child._left = 0

        os.register_at_fork(after_in_child=begin_anew)

    def __call__(self, size: int) -> bytes:
        """Return that many random bytes.

        Raises:
            RandomSourceError: As `RandomSource` does.
        """
        return self._watched(size) if size <= _LARGEST_POOLED else self._source(size)

    def _take(self, size: int) -> bytes:
        with self._lock:
            if self._left < size:
                self._block = bytearray(self._source(_BLOCK))
                self._left = _BLOCK
            start = self._left - size
            taken = bytes(self._block[start : self._left])
            del self._block[start:]
            self._left = start
        return taken
