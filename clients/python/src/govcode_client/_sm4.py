"""SM4-GCM (GB/T 32907, RFC 8998) through the libcrypto of the machine.

OpenSSL from 3.1 on has SM4-GCM as one cipher. OpenSSL 3.0, which many servers run for years to come, has SM4 in counter
mode and exports its own GCM core (`CRYPTO_gcm128_*`), to which a block cipher is handed: then the two are put together
here, and hashing and the tag stay libcrypto's. Either way no arithmetic on secrets is done in Python.
"""

from __future__ import annotations

import ctypes
import functools
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from govcode_client import _libcrypto

KEY_SIZE: Final = 16
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16

_POINTER: Final = ctypes.c_void_p
_SIZE: Final = ctypes.c_size_t
_INT: Final = ctypes.c_int
_OUT_INT: Final = ctypes.POINTER(ctypes.c_int)

_BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_CTR32 = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)

_EVP: Final[dict[str, tuple[type | None, tuple[type, ...]]]] = {
    "EVP_CIPHER_fetch": (_POINTER, (_POINTER, ctypes.c_char_p, ctypes.c_char_p)),
    "EVP_CIPHER_CTX_new": (_POINTER, ()),
    "EVP_CIPHER_CTX_free": (None, (_POINTER,)),
    "EVP_CIPHER_CTX_ctrl": (_INT, (_POINTER, _INT, _INT, _POINTER)),
    "EVP_CIPHER_CTX_set_padding": (_INT, (_POINTER, _INT)),
    "EVP_CipherInit_ex": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _INT)),
    "EVP_CipherUpdate": (_INT, (_POINTER, _POINTER, _OUT_INT, _POINTER, _INT)),
    "EVP_CipherFinal_ex": (_INT, (_POINTER, _POINTER, _OUT_INT)),
}
_GCM128: Final[dict[str, tuple[type | None, tuple[type, ...]]]] = {
    "CRYPTO_gcm128_new": (_POINTER, (_POINTER, _BLOCK)),
    "CRYPTO_gcm128_release": (None, (_POINTER,)),
    "CRYPTO_gcm128_setiv": (None, (_POINTER, _POINTER, _SIZE)),
    "CRYPTO_gcm128_aad": (_INT, (_POINTER, _POINTER, _SIZE)),
    "CRYPTO_gcm128_encrypt_ctr32": (_INT, (_POINTER, _POINTER, _POINTER, _SIZE, _CTR32)),
    "CRYPTO_gcm128_decrypt_ctr32": (_INT, (_POINTER, _POINTER, _POINTER, _SIZE, _CTR32)),
    "CRYPTO_gcm128_tag": (None, (_POINTER, _POINTER, _SIZE)),
}
_GET_TAG: Final = 0x10
_SET_TAG: Final = 0x11


class Sm4Error(Exception):
    """An SM4 operation could not be done."""


class Sm4UnavailableError(Sm4Error):
    """The libcrypto of this machine offers no SM4-GCM, nor what it can be put together from."""


class Sm4OpenError(Sm4Error):
    """The sealed bytes were changed, belong elsewhere, or were sealed under another key."""


class Gcm(Protocol):
    """One way of doing GCM."""

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """It returns ciphertext and tag."""
        ...

    def open(self, key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """It returns the plaintext once the tag has held."""
        ...


def gcm_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Return ciphertext and tag.

    Args:
        key: 16 bytes.
        nonce: 12 bytes, never used before under this key.
        plaintext: Any length.
        aad: Authenticated with it, and needed to open it.

    Raises:
        ValueError: Key or nonce have another length.
        Sm4UnavailableError: This machine offers no SM4-GCM.
    """
    _check(key, nonce)
    return _gcm().seal(bytes(key), bytes(nonce), bytes(plaintext), bytes(aad))


def gcm_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Return the plaintext once the tag has held.

    Raises:
        ValueError: Key or nonce have another length than 16 and 12 bytes.
        Sm4OpenError: The tag does not hold.
        Sm4UnavailableError: This machine offers no SM4-GCM.
    """
    _check(key, nonce)
    if len(sealed) < TAG_SIZE:
        raise Sm4OpenError("too short for a tag")
    return _gcm().open(bytes(key), bytes(nonce), bytes(sealed), bytes(aad))


def _check(key: bytes, nonce: bytes) -> None:
    if len(key) != KEY_SIZE or len(nonce) != NONCE_SIZE:
        raise ValueError(f"SM4-GCM takes a key of {KEY_SIZE} bytes and a nonce of {NONCE_SIZE}")


@functools.cache
def _gcm() -> Gcm:
    """It picks libcrypto's own SM4-GCM where there is one."""
    try:
        library = _libcrypto.load()
    except _libcrypto.LibcryptoMissingError as fault:
        raise Sm4UnavailableError(f"no usable libcrypto: {fault}") from fault
    try:
        return EvpGcm(library, b"SM4-GCM")
    except Sm4UnavailableError:
        return ComposedGcm(library, block=b"SM4-ECB", ctr=b"SM4-CTR")


def _declare(library: _libcrypto.Libcrypto, functions: dict[str, tuple[type | None, tuple[type, ...]]]) -> ctypes.CDLL:
    try:
        for name, (result, arguments) in functions.items():
            entry = getattr(library.slow, name)
            entry.restype = result
            entry.argtypes = arguments
    except AttributeError as fault:
        raise Sm4UnavailableError(f"{library.name}: {fault}") from fault
    return library.slow


def _fetch(library: _libcrypto.Libcrypto, functions: ctypes.CDLL, name: bytes) -> int:
    cipher = functions.EVP_CIPHER_fetch(None, name, None)
    library.quick.ERR_clear_error()
    if not cipher:
        raise Sm4UnavailableError(f"{library.name} offers no {name.decode()}")
    return int(cipher)


class EvpGcm:
    """GCM as one cipher of libcrypto."""

    def __init__(self, library: _libcrypto.Libcrypto, name: bytes) -> None:
        """It looks the cipher up.

        Raises:
            Sm4UnavailableError: There is none of that name.
        """
        self._library = library
        self._evp = _declare(library, _EVP)
        self._cipher = _fetch(library, self._evp, name)

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag."""
        with self._begun(key, nonce, aad, encrypting=1) as context:
            ciphertext = self._through(context, plaintext)
            rest, tag = ctypes.c_int(), ctypes.create_string_buffer(TAG_SIZE)
            if (
                self._evp.EVP_CipherFinal_ex(context, tag, ctypes.byref(rest)) != 1
                or self._evp.EVP_CIPHER_CTX_ctrl(context, _GET_TAG, TAG_SIZE, tag) != 1
            ):
                raise Sm4Error("sealing failed")
            return ciphertext + tag.raw

    def open(self, key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext once the tag has held."""
        with self._begun(key, nonce, aad, encrypting=0) as context:
            plaintext = self._through(context, sealed[:-TAG_SIZE])
            rest, tag = ctypes.c_int(), ctypes.create_string_buffer(sealed[-TAG_SIZE:], TAG_SIZE)
            # libcrypto compares the tag in constant time, at the end.
            if (
                self._evp.EVP_CIPHER_CTX_ctrl(context, _SET_TAG, TAG_SIZE, tag) != 1
                or self._evp.EVP_CipherFinal_ex(context, tag, ctypes.byref(rest)) != 1
            ):
                raise Sm4OpenError("the tag does not hold")
            return plaintext

    @contextmanager
    def _begun(self, key: bytes, nonce: bytes, aad: bytes, *, encrypting: int) -> Iterator[int]:
        context = self._evp.EVP_CIPHER_CTX_new()
        length = ctypes.c_int()
        try:
            if (
                not context
                or self._evp.EVP_CipherInit_ex(context, self._cipher, None, key, nonce, encrypting) != 1
                or (aad and self._evp.EVP_CipherUpdate(context, None, ctypes.byref(length), aad, len(aad)) != 1)
            ):
                raise Sm4Error("libcrypto gave no cipher context")
            yield context
        finally:
            self._evp.EVP_CIPHER_CTX_free(context)
            self._library.quick.ERR_clear_error()

    def _through(self, context: int, data: bytes) -> bytes:
        if not data:
            return b""
        out, length = ctypes.create_string_buffer(len(data)), ctypes.c_int()
        if self._evp.EVP_CipherUpdate(context, out, ctypes.byref(length), data, len(data)) != 1:
            raise Sm4Error("the cipher failed")
        return out.raw


class ComposedGcm:
    """libcrypto's GCM core around one of its ciphers in counter mode."""

    def __init__(self, library: _libcrypto.Libcrypto, *, block: bytes, ctr: bytes) -> None:
        """It looks both modes of the cipher up.

        Raises:
            Sm4UnavailableError: One of them, or the core, is absent.
        """
        self._library = library
        self._core = _declare(library, _EVP | _GCM128)
        self._block_cipher = _fetch(library, self._core, block)
        self._ctr_cipher = _fetch(library, self._core, ctr)

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag."""
        ciphertext, tag = self._run("CRYPTO_gcm128_encrypt_ctr32", key, nonce, plaintext, aad)
        return ciphertext + tag

    def open(self, key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext once the tag has held."""
        plaintext, tag = self._run("CRYPTO_gcm128_decrypt_ctr32", key, nonce, sealed[:-TAG_SIZE], aad)
        if not hmac.compare_digest(tag, sealed[-TAG_SIZE:]):
            raise Sm4OpenError("the tag does not hold")
        return plaintext

    def _run(self, act: str, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> tuple[bytes, bytes]:
        """It runs the core and returns its output and the tag."""
        cipher = _Keyed(self._core, key, block=self._block_cipher, ctr=self._ctr_cipher)
        core = None
        try:
            block, ctr = _BLOCK(cipher.block), _CTR32(cipher.ctr32)
            core = self._core.CRYPTO_gcm128_new(None, block)
            out, tag = ctypes.create_string_buffer(max(len(data), 1)), ctypes.create_string_buffer(TAG_SIZE)
            if not core:
                raise Sm4Error("libcrypto gave no GCM context")
            self._core.CRYPTO_gcm128_setiv(core, nonce, len(nonce))
            failed = bool(aad) and self._core.CRYPTO_gcm128_aad(core, aad, len(aad)) != 0
            failed = failed or (bool(data) and getattr(self._core, act)(core, data, out, len(data), ctr) != 0)
            self._core.CRYPTO_gcm128_tag(core, tag, TAG_SIZE)
            # What fails inside a callback cannot raise through libcrypto; it is remembered and counts here.
            if failed or cipher.failed:
                raise Sm4Error("the cipher failed")
            return out.raw[: len(data)], tag.raw
        finally:
            if core:
                self._core.CRYPTO_gcm128_release(core)
            cipher.free()
            self._library.quick.ERR_clear_error()


class _Keyed:
    """One keyed cipher, as the two functions that the GCM core calls."""

    def __init__(self, library: ctypes.CDLL, key: bytes, *, block: int, ctr: int) -> None:
        self._library = library
        self._length = ctypes.c_int()
        self._block = library.EVP_CIPHER_CTX_new()
        self._ctr = library.EVP_CIPHER_CTX_new()
        self.failed = (
            not self._block
            or not self._ctr
            or library.EVP_CipherInit_ex(self._block, block, None, key, None, 1) != 1
            or library.EVP_CIPHER_CTX_set_padding(self._block, 0) != 1
            or library.EVP_CipherInit_ex(self._ctr, ctr, None, key, bytes(KEY_SIZE), 1) != 1
        )

    def block(self, source: int, target: int, _: int) -> None:
        """It enciphers one block."""
        self._note(self._library.EVP_CipherUpdate(self._block, target, ctypes.byref(self._length), source, 16))

    def ctr32(self, source: int, target: int, blocks: int, _: int, counter: int) -> None:
        """It enciphers blocks in counter mode."""
        # The counter starts at 2 and messages are far below 2^32 blocks, so that 32 and 128 bits count alike.
        self._note(self._library.EVP_CipherInit_ex(self._ctr, None, None, None, counter, 1))
        size = blocks * 16
        self._note(self._library.EVP_CipherUpdate(self._ctr, target, ctypes.byref(self._length), source, size))

    def free(self) -> None:
        """It gives both contexts back."""
        self._library.EVP_CIPHER_CTX_free(self._block)
        self._library.EVP_CIPHER_CTX_free(self._ctr)

    def _note(self, result: int) -> None:
        self.failed = self.failed or result != 1
