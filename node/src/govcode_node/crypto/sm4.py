"""SM4-GCM for data at rest (GB/T 32907): sealed blobs that name their key.

Layout: version 0x01, key id (8 bytes), nonce (12 bytes), ciphertext and tag (16 bytes). Version and key id are
authenticated together with the caller's AAD, which says where the blob belongs; it is never empty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from govcode_node.domain.keys import SealBrokenError

KEY_SIZE: Final = 16
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
KEY_ID_SIZE: Final = 8
VERSION: Final = 1
MAX_USES: Final = 2**32
"""Random 96-bit nonces stay safe up to this many messages under one key (NIST SP 800-38D, 8.3)."""

_HEADER_SIZE: Final = 1 + KEY_ID_SIZE
_BODY_AT: Final = _HEADER_SIZE + NONCE_SIZE


def gcm_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Return ciphertext and tag; the caller answers for the nonce never repeating under the key."""
    return _seal(SM4(key), nonce, plaintext, aad)


def gcm_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Return the plaintext of ciphertext and tag.

    Raises:
        SealBrokenError: Key, nonce, AAD or sealed bytes are not those of the sealing.
    """
    return _open(SM4(key), nonce, sealed, aad)


def _seal(cipher: SM4, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    encryptor = Cipher(cipher, GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    ciphertext = encryptor.update(plaintext)
    encryptor.finalize()
    return ciphertext + encryptor.tag


def _open(cipher: SM4, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    if len(sealed) < TAG_SIZE:
        raise SealBrokenError("the sealed data is too short")
    decryptor = Cipher(cipher, GCM(nonce, sealed[-TAG_SIZE:])).decryptor()
    decryptor.authenticate_additional_data(aad)
    plaintext = decryptor.update(sealed[:-TAG_SIZE])
    try:
        decryptor.finalize()
    except InvalidTag as fault:
        raise SealBrokenError("the sealed data was changed, or belongs elsewhere") from fault
    return plaintext


class UseBudget:
    """Counts a key's uses in blocks that are set aside durably, so that no worker and no restart counts one twice."""

    __slots__ = ("_block", "_left", "_lock", "_reserve")

    def __init__(self, reserve: Callable[[int], int], *, block: int) -> None:
        """Take the reservation.

        Args:
            reserve: Sets up to so many uses aside durably and returns how many; raises `KeyExhaustedError`.
            block: Uses to ask for at a time.
        """
        self._reserve = reserve
        self._block = block
        self._left = 0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Count one use.

        Raises:
            KeyExhaustedError: The key's last use is spent.
        """
        with self._lock:
            if not self._left:
                self._left = self._reserve(self._block)
            self._left -= 1


class Sm4Sealer:
    """Seals and opens under one SM4 key; safe to share between threads."""

    __slots__ = ("_cipher", "_header", "_random", "_uses")

    def __init__(self, key_id: str, key: bytes, *, random: Callable[[int], bytes], uses: UseBudget) -> None:
        """Take one key.

        Args:
            key_id: 16 hexadecimal digits.
            key: 16 bytes.
            random: Draws the nonces.
            uses: Counts the sealings.
        """
        self._header = bytes((VERSION,)) + bytes.fromhex(key_id)
        self._cipher = SM4(key)
        self._random = random
        self._uses = uses

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return the sealed blob.

        Args:
            plaintext: What is hidden.
            aad: Where it belongs (table, column, row …); must be given again to open it.

        Raises:
            ValueError: The AAD is empty.
            KeyExhaustedError: The key has sealed as often as is safe.
            RandomSourceError: No nonce can be drawn.
        """
        _require_aad(aad)
        self._uses.take()
        nonce = self._random(NONCE_SIZE)
        header = self._header
        return header + nonce + _seal(self._cipher, nonce, plaintext, header + aad)

    def open(self, blob: bytes, aad: bytes) -> bytes:
        """Return the plaintext of a blob that this key sealed.

        Raises:
            ValueError: The AAD is empty.
            SealBrokenError: The blob was changed, belongs elsewhere, or was sealed under another key.
        """
        _require_aad(aad)
        if not blob.startswith(self._header):
            raise SealBrokenError("the sealed data names another key")
        return _open(self._cipher, blob[_HEADER_SIZE:_BODY_AT], blob[_BODY_AT:], self._header + aad)


def key_id_of_blob(blob: bytes) -> str:
    """Return the id of the key that a blob names.

    Raises:
        SealBrokenError: It is no sealed blob of a known version.
    """
    if len(blob) < _BODY_AT + TAG_SIZE or blob[0] != VERSION:
        raise SealBrokenError("the bytes are no sealed data of a known version")
    return blob[1:_HEADER_SIZE].hex()


def _require_aad(aad: bytes) -> None:
    if not aad:
        raise ValueError("sealed data must be bound to the place where it belongs: the AAD is empty")
