"""SM3 (GB/T 32905) for look-ups and comparisons, from the standard library's OpenSSL."""

import hashlib
from typing import Final

# Copied, not made anew: finding the algorithm by its name takes OpenSSL longer than a short message.
_EMPTY: Final = hashlib.new("sm3")


def sm3(data: bytes) -> bytes:
    """It gives the SM3 of bytes, 32 bytes."""
    digest = _EMPTY.copy()
    digest.update(data)
    return digest.digest()
