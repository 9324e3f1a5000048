"""SM2 behind one seam (GB/T 32918): libcrypto where it has SM2, pure Python everywhere else.

Both backends speak the same bytes: private scalars of 32 bytes, uncompressed points of 65, raw ``r || s`` of 64, and
ciphertexts in the DER of GM/T 0009. Each is the other's check, in the start-up self-test and in the test vectors.
"""

from __future__ import annotations

import functools
from typing import Final, Protocol

from govcode_client.sm2 import (
    Sm2DecryptionError,
    Sm2Error,
    Sm2KeyError,
    Sm2OperationError,
    Sm2PrivateKey,
    Sm2PublicKey,
    Sm2UnavailableError,
    Sm2VerificationError,
)

from govcode_node.crypto.sm2_gmssl import GmsslSm2
from govcode_node.domain.keys import InvalidSignatureError, SealBrokenError

__all__ = [
    "GmsslSm2",
    "LibcryptoSm2",
    "Sm2Backend",
    "Sm2Error",
    "Sm2KeyError",
    "Sm2OperationError",
    "Sm2UnavailableError",
    "select_backend",
]

_PUBLIC_KEYS_CACHED: Final = 4096
_PRIVATE_KEYS_CACHED: Final = 64


class Sm2Backend(Protocol):
    """What the node needs of an SM2 implementation; safe to call from several threads."""

    @property
    def name(self) -> str:
        """Short name for logs and status."""

    def generate(self) -> bytes:
        """Return a fresh private scalar, 32 bytes: secret material."""

    def public_point(self, private: bytes) -> bytes:
        """Return the public point of a private scalar.

        Raises:
            Sm2KeyError: The scalar is out of range.
        """

    def sign(self, private: bytes, data: bytes) -> bytes:
        """Return the raw signature over SM3 with the default user id.

        Raises:
            Sm2Error: The scalar is out of range, or the implementation failed.
        """

    def verify(self, public_point: bytes, signature: bytes, data: bytes) -> None:
        """Return quietly when the signature is good.

        Raises:
            InvalidSignatureError: In every other case, a malformed key or signature included.
        """

    def encrypt(self, public_point: bytes, plaintext: bytes) -> bytes:
        """Encrypt a short secret for the holder of the private key.

        Raises:
            Sm2Error: The point is not on the curve, the plaintext is empty, or the implementation failed.
        """

    def decrypt(self, private: bytes, ciphertext: bytes) -> bytes:
        """Open what `encrypt` made.

        Raises:
            SealBrokenError: The ciphertext is malformed, was changed, or is meant for another key.
        """


class LibcryptoSm2:
    """SM2 of the machine's libcrypto; releases the interpreter lock while it computes."""

    name: Final = "libcrypto"

    def __init__(self) -> None:
        """Bind to libcrypto.

        Raises:
            Sm2UnavailableError: This machine's libcrypto offers no SM2.
        """
        Sm2PrivateKey.generate()
        # Reading a key costs as much as using it; the caches are per backend and thread-safe.
        self._private = functools.lru_cache(maxsize=_PRIVATE_KEYS_CACHED)(Sm2PrivateKey.from_scalar)
        self._public = functools.lru_cache(maxsize=_PUBLIC_KEYS_CACHED)(Sm2PublicKey.from_point)

    def generate(self) -> bytes:
        """See `Sm2Backend.generate`."""
        return Sm2PrivateKey.generate().to_scalar()

    def public_point(self, private: bytes) -> bytes:
        """See `Sm2Backend.public_point`."""
        return self._private(private).public_key.to_point()

    def sign(self, private: bytes, data: bytes) -> bytes:
        """See `Sm2Backend.sign`."""
        return self._private(private).sign(data)

    def verify(self, public_point: bytes, signature: bytes, data: bytes) -> None:
        """See `Sm2Backend.verify`."""
        try:
            self._public(public_point).verify(signature, data)
        except (Sm2VerificationError, Sm2KeyError) as fault:
            raise InvalidSignatureError(str(fault)) from fault

    def encrypt(self, public_point: bytes, plaintext: bytes) -> bytes:
        """See `Sm2Backend.encrypt`."""
        return self._public(public_point).encrypt(plaintext)

    def decrypt(self, private: bytes, ciphertext: bytes) -> bytes:
        """See `Sm2Backend.decrypt`."""
        try:
            return self._private(private).decrypt(ciphertext)
        except Sm2DecryptionError as fault:
            raise SealBrokenError(str(fault)) from fault


def select_backend() -> Sm2Backend:
    """Return libcrypto's SM2 where there is one, else the pure Python one (about twenty times slower)."""
    try:
        return LibcryptoSm2()
    except Sm2UnavailableError:
        return GmsslSm2()
