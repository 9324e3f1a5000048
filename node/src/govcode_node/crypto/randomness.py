"""The random source behind keys, nonces and ids (随机数, clause 8.1), with a watch on its output."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from govcode_node.domain.keys import RandomSourceError

# Shorter outputs repeat by chance: two draws of 8 bytes are equal once in 2^64, of 12 bytes once in 2^96.
_WATCHED_SIZE: Final = 8


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
