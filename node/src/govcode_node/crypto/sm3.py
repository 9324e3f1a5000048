"""SM3 digests and HMAC-SM3 (GB/T 32905, GB/T 15852.2)."""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

MAC_128_SIZE: Final = 16
HMAC_KEY_SIZE: Final = 32

_SM3: Final = hashes.SM3()
_EMPTY: Final = hashes.Hash(_SM3)


def sm3(data: bytes) -> bytes:
    """Return the 32-byte SM3 digest."""
    digest = _EMPTY.copy()
    digest.update(data)
    return digest.finalize()


def running_sm3() -> hashes.Hash:
    """Return an SM3 to be fed piece by piece; `finalize` gives the digest."""
    return _EMPTY.copy()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """Return the 32-byte HMAC-SM3; for a key that is used often, `Sm3Mac` is cheaper."""
    return Sm3Mac(key).mac(data)


def hmac_sm3_128(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SM3 cut to its first 16 bytes (`alg_id` 1 of the code format)."""
    return hmac_sm3(key, data)[:MAC_128_SIZE]


class Sm3Mac:
    """One HMAC-SM3 key, its two key blocks hashed once; safe to share between threads."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        """Take the key.

        Raises:
            ValueError: The key is empty, which would make every MAC public knowledge.
        """
        if not key:
            raise ValueError("an HMAC key is not empty")
        self._keyed = HMAC(key, _SM3)

    def mac(self, data: bytes) -> bytes:
        """Return the MAC, 32 bytes."""
        context = self._keyed.copy()
        context.update(data)
        return context.finalize()

    def mac_128(self, data: bytes) -> bytes:
        """Return the MAC cut to 16 bytes."""
        return self.mac(data)[:MAC_128_SIZE]

    def matches_128(self, data: bytes, mac: bytes) -> bool:
        """Tell in constant time whether a 16-byte MAC belongs to the data."""
        return hmac.compare_digest(self.mac_128(data), mac)
