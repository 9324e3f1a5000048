"""SM2 of the pure Python library `gmssl`: the independent check, and the fallback where libcrypto has no SM2.

The library is used for curve arithmetic, signing and verifying. What it leaves out is done here: it draws its random
numbers from `random`, checks neither points nor the ranges of r and s, ignores C3 when it decrypts, and cuts leading
zeros from public keys.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from gmssl import sm2 as gmssl_sm2
from govcode_client.sm2 import (
    SCALAR_SIZE,
    Sm2KeyError,
    Sm2OperationError,
    Sm2VerificationError,
    check_point,
    signature_to_der,
)

from govcode_node.crypto.sm3 import sm3
from govcode_node.domain.keys import InvalidSignatureError, SealBrokenError

_CURVE: Final[dict[str, str]] = gmssl_sm2.default_ecc_table
_N: Final = int(_CURVE["n"], 16)
_G: Final = _CURVE["g"]
_HASH_SIZE: Final = 32


class GmsslSm2:
    """SM2 in pure Python: about 10 ms an operation, and the interpreter lock is held."""

    name: Final = "gmssl"

    def generate(self) -> bytes:
        """See `Sm2Backend.generate`."""
        return (secrets.randbelow(_N - 2) + 1).to_bytes(SCALAR_SIZE, "big")

    def public_point(self, private: bytes) -> bytes:
        """See `Sm2Backend.public_point`."""
        return b"\x04" + _multiply(_scalar(private), _G)

    def sign(self, private: bytes, data: bytes) -> bytes:
        """See `Sm2Backend.sign`."""
        _scalar(private)
        crypt = _crypt(self.public_point(private), private)
        while True:
            # None means that the standard demands another random number.
            signature: str | None = crypt.sign_with_sm3(data, f"{_random_scalar():064x}")
            if signature is not None:
                return bytes.fromhex(signature)

    def verify(self, public_point: bytes, signature: bytes, data: bytes) -> None:
        """See `Sm2Backend.verify`."""
        try:
            check_point(public_point)
            signature_to_der(signature)
            good = bool(_crypt(public_point).verify_with_sm3(signature.hex(), data))
        except (Sm2KeyError, Sm2VerificationError) as fault:
            raise InvalidSignatureError(str(fault)) from fault
        except (TypeError, ValueError) as fault:
            # The library stumbles over the point at infinity instead of answering no.
            raise InvalidSignatureError("the SM2 signature does not match") from fault
        if not good:
            raise InvalidSignatureError("the SM2 signature does not match")

    def encrypt(self, public_point: bytes, plaintext: bytes) -> bytes:
        """See `Sm2Backend.encrypt`."""
        check_point(public_point)
        if not plaintext:
            raise Sm2OperationError("SM2 does not encrypt an empty plaintext")
        while True:
            k = _random_scalar()
            shared = _multiply(k, public_point[1:].hex())
            mask = _derive(shared, len(plaintext))
            if any(mask):
                return _ciphertext_to_der(_multiply(k, _G), _check_hash(shared, plaintext), _xor(plaintext, mask))

    def decrypt(self, private: bytes, ciphertext: bytes) -> bytes:
        """See `Sm2Backend.decrypt`."""
        d = _scalar(private)
        c1, c3, c2 = _ciphertext_from_der(ciphertext)
        try:
            check_point(b"\x04" + c1)
            shared = _multiply(d, c1.hex())
        except (Sm2KeyError, TypeError, ValueError) as fault:
            raise SealBrokenError("the ciphertext does not start with a point of the curve") from fault
        plaintext = _xor(c2, _derive(shared, len(c2)))
        if not hmac.compare_digest(_check_hash(shared, plaintext), c3):
            raise SealBrokenError("the ciphertext cannot be opened with this key")
        return plaintext


def _crypt(public_point: bytes, private: bytes = b"") -> gmssl_sm2.CryptSM2:
    crypt = gmssl_sm2.CryptSM2(private_key=private.hex(), public_key="")
    # Set afterwards: the constructor strips every leading 0 and 4 from a key that starts with "04".
    crypt.public_key = public_point[1:].hex()
    return crypt


def _scalar(private: bytes) -> int:
    d = int.from_bytes(private, "big")
    if len(private) != SCALAR_SIZE or not 0 < d < _N - 1:
        raise Sm2KeyError("an SM2 private key is a 32-byte number between 1 and n-2")
    return d


def _random_scalar() -> int:
    return secrets.randbelow(_N - 1) + 1


def _multiply(k: int, point: str) -> bytes:
    """Return the coordinates of k times a point, 64 bytes."""
    product: str = _crypt(b"\x04")._kg(k, point)
    return bytes.fromhex(product)


def _derive(shared: bytes, size: int) -> bytes:
    """Return the key stream of GB/T 32918.4, 5.4.3."""
    blocks = -(-size // _HASH_SIZE)
    return b"".join(sm3(shared + counter.to_bytes(4, "big")) for counter in range(1, blocks + 1))[:size]


def _check_hash(shared: bytes, plaintext: bytes) -> bytes:
    return sm3(shared[:SCALAR_SIZE] + plaintext + shared[SCALAR_SIZE:])


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    encoded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(encoded))) + encoded + body


def _ciphertext_to_der(c1: bytes, c3: bytes, c2: bytes) -> bytes:
    coordinates = (int.from_bytes(half, "big") for half in (c1[:SCALAR_SIZE], c1[SCALAR_SIZE:]))
    integers = b"".join(_der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big")) for value in coordinates)
    return _der(0x30, integers + _der(0x04, c3) + _der(0x04, c2))


def _ciphertext_from_der(ciphertext: bytes) -> tuple[bytes, bytes, bytes]:
    """Return C1 (64 bytes), C3 and C2; only the canonical encoding is taken."""
    try:
        body, rest = _read_der(ciphertext, 0x30)
        x, body = _read_der(body, 0x02)
        y, body = _read_der(body, 0x02)
        c3, body = _read_der(body, 0x04)
        c2, body = _read_der(body, 0x04)
        c1 = b"".join(int.from_bytes(half, "big").to_bytes(SCALAR_SIZE, "big") for half in (x, y))
    except (IndexError, OverflowError, ValueError) as fault:
        raise SealBrokenError("the ciphertext is malformed") from fault
    if rest or body or not c2 or len(c3) != _HASH_SIZE or _ciphertext_to_der(c1, c3, c2) != ciphertext:
        raise SealBrokenError("the ciphertext is malformed")
    return c1, c3, c2


def _read_der(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the body of the element at the front, and what follows it."""
    if data[0] != tag:
        raise ValueError("another tag was expected")
    at, size = 2, data[1]
    if size & 0x80:
        at += size & 0x7F
        size = int.from_bytes(data[2:at], "big")
    if len(data) < at + size:
        raise ValueError("the element is cut off")
    return data[at : at + size], data[at + size :]
