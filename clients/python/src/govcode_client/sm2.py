"""SM2 signatures and encryption (GB/T 32918) through the libcrypto of the machine.

The client signs device statements and checks evidence with nothing but the standard library and OpenSSL 3; the node
builds its own crypto room on the same binding.

    >>> from govcode_client.sm2 import Sm2PrivateKey
    >>> key = Sm2PrivateKey.generate()
    >>> key.public_key.verify(key.sign(b"statement"), b"statement")

Signatures are raw ``r || s`` (64 bytes) over SM3 with the default user id; ciphertexts are the DER structure of
GM/T 0009 (C1, C3, C2). Keys may be shared between threads: every call has a context of its own.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from govcode_client import _libcrypto

USER_ID: Final = b"1234567812345678"
POINT_SIZE: Final = 65
SIGNATURE_SIZE: Final = 64
SCALAR_SIZE: Final = 32

# The recommended curve of GB/T 32918.5.
_P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_A: Final = _P - 3
_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_N: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123

# SubjectPublicKeyInfo {ecPublicKey, curveSM2 1.2.156.10197.1.301} up to the point.
_PUBLIC_PREFIX: Final = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
# PKCS#8 around ECPrivateKey, without and with the public point.
_PRIVATE_PREFIX_BARE: Final = bytes.fromhex("3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420")
_PRIVATE_PREFIX_FULL: Final = bytes.fromhex("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420")
_PRIVATE_POINT_TAG: Final = bytes.fromhex("a144034200")
_MAX_DER_SIGNATURE: Final = 72
_MAX_CIPHERTEXT_OVERHEAD: Final = 128


class Sm2Error(Exception):
    """An SM2 operation could not be done."""


class Sm2UnavailableError(Sm2Error):
    """The libcrypto of this machine offers no SM2."""


class Sm2KeyError(Sm2Error, ValueError):
    """The bytes offered as a key are no valid SM2 key."""


class Sm2VerificationError(Sm2Error):
    """The signature does not belong to this data and key, or is no signature at all."""


class Sm2DecryptionError(Sm2Error):
    """The ciphertext is malformed, was changed, or is meant for another key."""


class Sm2OperationError(Sm2Error):
    """libcrypto failed at an operation whose inputs were in order."""


def sm3(data: bytes) -> bytes:
    """Return the 32-byte SM3 digest (GB/T 32905).

    Raises:
        Sm2UnavailableError: Python's hashlib was built without SM3.
    """
    try:
        return hashlib.new("sm3", data).digest()
    except ValueError as fault:
        raise Sm2UnavailableError("hashlib of this Python offers no SM3") from fault


@functools.cache
def _library() -> _libcrypto.Libcrypto:
    """Return libcrypto after it has proved that it knows SM2 keys."""
    try:
        library = _libcrypto.load()
    except _libcrypto.LibcryptoMissingError as fault:
        raise Sm2UnavailableError(f"no usable libcrypto: {fault}") from fault
    context = library.quick.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    library.quick.ERR_clear_error()
    if not context:
        raise Sm2UnavailableError(f"{library.name} offers no SM2")
    library.quick.EVP_PKEY_CTX_free(context)
    return library


def _failed(library: _libcrypto.Libcrypto) -> None:
    # The error queue is shared with Python's own ssl module in this thread: leave nothing behind for it to find.
    library.quick.ERR_clear_error()


class _Handle:
    """Owns one EVP_PKEY and frees it with itself."""

    __slots__ = ("_free", "pointer")

    def __init__(self, library: _libcrypto.Libcrypto, pointer: int) -> None:
        self.pointer = pointer
        self._free = library.quick.EVP_PKEY_free

    def __del__(self) -> None:
        self._free(self.pointer)


def _parse(library: _libcrypto.Libcrypto, parser: str, der: bytes) -> _Handle:
    buffer = ctypes.create_string_buffer(der, len(der))
    cursor = ctypes.c_void_p(ctypes.addressof(buffer))
    pointer = getattr(library.quick, parser)(None, ctypes.byref(cursor), len(der))
    if not pointer:
        _failed(library)
        raise Sm2KeyError("the bytes are no key")
    handle = _Handle(library, pointer)
    if library.quick.EVP_PKEY_is_a(pointer, b"SM2") != 1:
        _failed(library)
        raise Sm2KeyError("the key is not on the SM2 curve")
    if cursor.value != ctypes.addressof(buffer) + len(der):
        raise Sm2KeyError("bytes follow the key")
    return handle


def _point_of(library: _libcrypto.Libcrypto, handle: _Handle) -> bytes:
    size = len(_PUBLIC_PREFIX) + POINT_SIZE
    if library.quick.i2d_PUBKEY(handle.pointer, None) != size:
        _failed(library)
        raise Sm2KeyError("the public key has an unexpected encoding")
    buffer = ctypes.create_string_buffer(size)
    cursor = ctypes.c_void_p(ctypes.addressof(buffer))
    library.quick.i2d_PUBKEY(handle.pointer, ctypes.byref(cursor))
    if not buffer.raw.startswith(_PUBLIC_PREFIX):
        raise Sm2KeyError("the public key has an unexpected encoding")
    return buffer.raw[len(_PUBLIC_PREFIX) :]


@contextmanager
def _digest_context(library: _libcrypto.Libcrypto, handle: _Handle, start: str) -> Iterator[int]:
    """Yield an EVP_MD_CTX ready to sign or verify under the default user id."""
    quick = library.quick
    digest = quick.EVP_MD_CTX_new()
    context = quick.EVP_PKEY_CTX_new(handle.pointer, None)
    try:
        if not digest or not context or quick.EVP_PKEY_CTX_set1_id(context, USER_ID, len(USER_ID)) != 1:
            raise Sm2OperationError("libcrypto gave no signature context")
        quick.EVP_MD_CTX_set_pkey_ctx(digest, context)
        if getattr(quick, start)(digest, None, library.sm3, None, handle.pointer) != 1:
            raise Sm2OperationError(f"{start} failed")
        yield digest
    finally:
        # The digest context only borrows the key context here, so it goes first and both are freed.
        quick.EVP_MD_CTX_free(digest)
        quick.EVP_PKEY_CTX_free(context)
        quick.ERR_clear_error()


@contextmanager
def _key_context(library: _libcrypto.Libcrypto, handle: _Handle, start: str) -> Iterator[int]:
    """Yield an EVP_PKEY_CTX ready to encrypt or decrypt."""
    context = library.quick.EVP_PKEY_CTX_new(handle.pointer, None)
    try:
        if not context or getattr(library.quick, start)(context) != 1:
            raise Sm2OperationError(f"{start} failed")
        yield context
    finally:
        library.quick.EVP_PKEY_CTX_free(context)
        library.quick.ERR_clear_error()


def _der_integer(value: int) -> bytes:
    body = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes((0x02, len(body))) + body


def signature_to_der(signature: bytes) -> bytes:
    """Turn raw ``r || s`` into the DER ``SEQUENCE {r, s}`` of GM/T 0009.

    Raises:
        Sm2VerificationError: The length is not 64, or r or s is outside [1, n-1].
    """
    if len(signature) != SIGNATURE_SIZE:
        raise Sm2VerificationError(f"a raw SM2 signature has {SIGNATURE_SIZE} bytes, not {len(signature)}")
    r, s = int.from_bytes(signature[:SCALAR_SIZE], "big"), int.from_bytes(signature[SCALAR_SIZE:], "big")
    if not (0 < r < _N and 0 < s < _N):
        raise Sm2VerificationError("r and s of an SM2 signature lie between 1 and n-1")
    body = _der_integer(r) + _der_integer(s)
    return bytes((0x30, len(body))) + body


def signature_from_der(der: bytes) -> bytes:
    """Turn the DER ``SEQUENCE {r, s}`` into raw ``r || s``; only the one canonical encoding is taken.

    Raises:
        Sm2VerificationError: The structure, an integer's encoding or its range is wrong.
    """
    if not 8 <= len(der) <= _MAX_DER_SIGNATURE or der[0] != 0x30 or der[1] != len(der) - 2 or der[2] != 0x02:
        raise Sm2VerificationError("no DER signature of two integers")
    end = 4 + der[3]
    if end + 2 > len(der):
        raise Sm2VerificationError("no DER signature of two integers")
    r, s = int.from_bytes(der[4:end], "big"), int.from_bytes(der[end + 2 :], "big")
    if not (0 < r < _N and 0 < s < _N):
        raise Sm2VerificationError("r and s of an SM2 signature lie between 1 and n-1")
    raw = r.to_bytes(SCALAR_SIZE, "big") + s.to_bytes(SCALAR_SIZE, "big")
    # Encoding again and comparing refuses negative, padded and trailing forms in one stroke.
    if signature_to_der(raw) != der:
        raise Sm2VerificationError("the DER signature is not in its canonical form")
    return raw


def _is_one_sequence(der: bytes) -> bool:
    """Tell whether the bytes are exactly one DER SEQUENCE by its outer length."""
    if len(der) < 2 or der[0] != 0x30:
        return False
    if der[1] < 0x80:
        return len(der) == 2 + der[1]
    start = 2 + (der[1] & 0x7F)
    return len(der) == start + int.from_bytes(der[2:start], "big")


def check_point(point: bytes) -> None:
    """Refuse bytes that are not an uncompressed point of the SM2 curve.

    Raises:
        Sm2KeyError: The length, the leading 0x04, a coordinate's range or the curve equation is wrong.
    """
    if len(point) != POINT_SIZE or point[0] != 0x04:
        raise Sm2KeyError("an SM2 public key is 0x04 followed by two coordinates of 32 bytes")
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    if x >= _P or y >= _P or (y * y - (x * x * x + _A * x + _B)) % _P != 0:
        raise Sm2KeyError("the point is not on the SM2 curve")


class Sm2PublicKey:
    """An SM2 public key."""

    __slots__ = ("_handle", "_library", "_point")

    def __init__(self, library: _libcrypto.Libcrypto, handle: _Handle, point: bytes) -> None:
        self._library = library
        self._handle = handle
        self._point = point

    @classmethod
    def from_point(cls, point: bytes) -> Self:
        """Take the uncompressed point ``04 || x || y``.

        Raises:
            Sm2KeyError: The bytes are no point of the curve.
            Sm2UnavailableError: This machine offers no SM2.
        """
        point = bytes(point)
        check_point(point)
        library = _library()
        return cls(library, _parse(library, "d2i_PUBKEY", _PUBLIC_PREFIX + point), point)

    def to_point(self) -> bytes:
        """Return the uncompressed point, 65 bytes."""
        return self._point

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sm2PublicKey) and other._point == self._point

    def __hash__(self) -> int:
        return hash(self._point)

    def __repr__(self) -> str:
        return f"Sm2PublicKey({key_id_of(self)})"

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return quietly when the signature is good; there is no answer that could be overlooked.

        Args:
            signature: Raw ``r || s``, 64 bytes.
            data: The signed bytes.

        Raises:
            Sm2VerificationError: In every other case.
        """
        der = signature_to_der(bytes(signature))
        data = bytes(data)
        with _digest_context(self._library, self._handle, "EVP_DigestVerifyInit") as context:
            if self._library.slow.EVP_DigestVerify(context, der, len(der), data, len(data)) != 1:
                raise Sm2VerificationError("the SM2 signature does not match")

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypt for the holder of the private key; meant for short secrets such as wrapped keys.

        Args:
            plaintext: At least one byte.

        Returns:
            DER of GM/T 0009: C1 (x, y), C3, C2.

        Raises:
            Sm2OperationError: The plaintext is empty, or libcrypto failed.
        """
        plaintext = bytes(plaintext)
        if not plaintext:
            raise Sm2OperationError("SM2 does not encrypt an empty plaintext")
        with _key_context(self._library, self._handle, "EVP_PKEY_encrypt_init") as context:
            size = ctypes.c_size_t(len(plaintext) + _MAX_CIPHERTEXT_OVERHEAD)
            buffer = ctypes.create_string_buffer(size.value)
            encrypt = self._library.slow.EVP_PKEY_encrypt
            if encrypt(context, buffer, ctypes.byref(size), plaintext, len(plaintext)) != 1:
                raise Sm2OperationError("SM2 encryption failed")
            return buffer.raw[: size.value]


class Sm2PrivateKey:
    """An SM2 private key with its public key."""

    __slots__ = ("_handle", "_library", "public_key")

    def __init__(self, library: _libcrypto.Libcrypto, handle: _Handle) -> None:
        self._library = library
        self._handle = handle
        self.public_key = Sm2PublicKey.from_point(_point_of(library, handle))

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh key with libcrypto's random generator.

        Raises:
            Sm2UnavailableError: This machine offers no SM2.
            Sm2OperationError: libcrypto failed.
        """
        library = _library()
        context = library.quick.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        try:
            made = ctypes.c_void_p()
            if (
                not context
                or library.quick.EVP_PKEY_keygen_init(context) != 1
                or library.slow.EVP_PKEY_generate(context, ctypes.byref(made)) != 1
                or made.value is None
            ):
                raise Sm2OperationError("SM2 key generation failed")
            return cls(library, _Handle(library, made.value))
        finally:
            library.quick.EVP_PKEY_CTX_free(context)
            library.quick.ERR_clear_error()

    @classmethod
    def from_scalar(cls, scalar: bytes) -> Self:
        """Take the private scalar d, 32 bytes big-endian.

        Raises:
            Sm2KeyError: The length is wrong or d lies outside [1, n-2].
            Sm2UnavailableError: This machine offers no SM2.
        """
        if len(scalar) != SCALAR_SIZE or not 0 < int.from_bytes(scalar, "big") < _N - 1:
            raise Sm2KeyError("an SM2 private key is a 32-byte number between 1 and n-2")
        library = _library()
        return cls(library, _parse(library, "d2i_AutoPrivateKey", _PRIVATE_PREFIX_BARE + bytes(scalar)))

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Take an unencrypted PKCS#8 or ECPrivateKey structure.

        Raises:
            Sm2KeyError: It is no SM2 key, or its public part does not belong to its private part.
            Sm2UnavailableError: This machine offers no SM2.
        """
        library = _library()
        claimed = cls(library, _parse(library, "d2i_AutoPrivateKey", bytes(der)))
        # The structure may carry any point beside the scalar; the key is rebuilt from the scalar and compared.
        key = cls.from_scalar(claimed.to_scalar())
        if key.public_key != claimed.public_key:
            raise Sm2KeyError("the public part does not belong to the private part")
        return key

    def to_scalar(self) -> bytes:
        """Return the private scalar, 32 bytes big-endian: secret material."""
        number = ctypes.c_void_p()
        try:
            buffer = ctypes.create_string_buffer(SCALAR_SIZE)
            if (
                self._library.quick.EVP_PKEY_get_bn_param(self._handle.pointer, b"priv", ctypes.byref(number)) != 1
                or self._library.quick.BN_bn2binpad(number, buffer, SCALAR_SIZE) != SCALAR_SIZE
            ):
                _failed(self._library)
                raise Sm2KeyError("the key has no usable private part")
            return buffer.raw
        finally:
            self._library.quick.BN_clear_free(number)

    def to_der(self) -> bytes:
        """Return PKCS#8 with the public point: secret material, unencrypted."""
        return _PRIVATE_PREFIX_FULL + self.to_scalar() + _PRIVATE_POINT_TAG + self.public_key.to_point()

    def __repr__(self) -> str:
        return f"Sm2PrivateKey(of {key_id_of(self.public_key)})"

    def sign(self, data: bytes) -> bytes:
        """Sign the data; each call draws a fresh random number, so two signatures differ.

        Returns:
            Raw ``r || s``, 64 bytes.

        Raises:
            Sm2OperationError: libcrypto failed.
        """
        data = bytes(data)
        with _digest_context(self._library, self._handle, "EVP_DigestSignInit") as context:
            size = ctypes.c_size_t(_MAX_DER_SIGNATURE + 8)
            buffer = ctypes.create_string_buffer(size.value)
            if self._library.slow.EVP_DigestSign(context, buffer, ctypes.byref(size), data, len(data)) != 1:
                raise Sm2OperationError("SM2 signing failed")
            return signature_from_der(buffer.raw[: size.value])

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Decrypt the DER structure of GM/T 0009 (C1, C3, C2).

        Raises:
            Sm2DecryptionError: It is malformed, was changed, or is meant for another key.
        """
        ciphertext = bytes(ciphertext)
        if not _is_one_sequence(ciphertext):
            # libcrypto would overlook bytes that follow the structure.
            raise Sm2DecryptionError("the ciphertext is not one DER sequence")
        with _key_context(self._library, self._handle, "EVP_PKEY_decrypt_init") as context:
            # The plaintext is always shorter than the ciphertext that carries it.
            size = ctypes.c_size_t(len(ciphertext) + 1)
            buffer = ctypes.create_string_buffer(size.value)
            decrypt = self._library.slow.EVP_PKEY_decrypt
            if decrypt(context, buffer, ctypes.byref(size), ciphertext, len(ciphertext)) != 1:
                raise Sm2DecryptionError("the ciphertext cannot be opened with this key")
            return buffer.raw[: size.value]


def key_id_of(public: Sm2PublicKey | bytes) -> str:
    """Return a public key's id: the first 16 hexadecimal digits of the SM3 of its uncompressed point."""
    return sm3(public.to_point() if isinstance(public, Sm2PublicKey) else bytes(public)).hex()[:16]
