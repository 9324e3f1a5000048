"""Envelopes for one recipient: an SM4-GCM key wrapped with SM2 (数字信封).

Layout: version 0x01, recipient key id (8 bytes), length of the wrapped key (2 bytes, big-endian), wrapped key, nonce
(12 bytes), ciphertext and tag. All that stands before the nonce is authenticated together with the AAD.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from govcode_client.sm2 import key_id_of

from govcode_node.crypto.sm2 import Sm2Backend
from govcode_node.crypto.sm4 import KEY_ID_SIZE, KEY_SIZE, NONCE_SIZE, TAG_SIZE, gcm_open, gcm_seal
from govcode_node.domain.keys import SealBrokenError

VERSION: Final = 1
_WRAPPED_AT: Final = 1 + KEY_ID_SIZE + 2


def seal_envelope(
    backend: Sm2Backend, public_point: bytes, plaintext: bytes, aad: bytes, *, random: Callable[[int], bytes]
) -> bytes:
    """Return an envelope that only the holder of the private key opens.

    Args:
        backend: The SM2 implementation.
        public_point: The recipient's encryption key.
        plaintext: The content.
        aad: What the content belongs to; must be given again to open the envelope.
        random: Draws the content key and the nonce.

    Raises:
        ValueError: The AAD is empty.
        Sm2Error: The point is not on the curve.
        RandomSourceError: Nothing can be drawn.
    """
    if not aad:
        raise ValueError("an envelope must be bound to what it belongs to: the AAD is empty")
    content_key = random(KEY_SIZE)
    nonce = random(NONCE_SIZE)
    wrapped = backend.encrypt(public_point, content_key)
    header = b"".join(
        (bytes((VERSION,)), bytes.fromhex(key_id_of(public_point)), len(wrapped).to_bytes(2, "big"), wrapped)
    )
    return header + nonce + gcm_seal(content_key, nonce, plaintext, header + aad)


def open_envelope(backend: Sm2Backend, private: bytes, blob: bytes, aad: bytes) -> bytes:
    """Return the content of an envelope.

    Raises:
        SealBrokenError: It is malformed, was changed, belongs elsewhere, or is meant for another key.
    """
    recipient_of(blob)
    wrapped_end = _WRAPPED_AT + int.from_bytes(blob[_WRAPPED_AT - 2 : _WRAPPED_AT], "big")
    if len(blob) < wrapped_end + NONCE_SIZE + TAG_SIZE:
        raise SealBrokenError("the envelope is cut off")
    content_key = backend.decrypt(private, blob[_WRAPPED_AT:wrapped_end])
    if len(content_key) != KEY_SIZE:
        raise SealBrokenError("the envelope wraps no SM4 key")
    nonce_end = wrapped_end + NONCE_SIZE
    return gcm_open(content_key, blob[wrapped_end:nonce_end], blob[nonce_end:], blob[:wrapped_end] + aad)


def recipient_of(blob: bytes) -> str:
    """Return the id of the key that an envelope is meant for.

    Raises:
        SealBrokenError: It is no envelope of a known version.
    """
    if len(blob) < _WRAPPED_AT or blob[0] != VERSION:
        raise SealBrokenError("the bytes are no envelope of a known version")
    return blob[1 : 1 + KEY_ID_SIZE].hex()
