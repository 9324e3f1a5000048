"""The few functions of OpenSSL's libcrypto that SM2 needs, declared for ctypes.

The library is opened twice on purpose. Functions that take microseconds go through ``PyDLL`` and keep the interpreter
lock: giving it up and begging it back eight times for one signature costs a busy process several switch intervals.
The four functions that compute on the curve go through ``CDLL`` and release the lock, so that other threads run.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
from typing import Final

_NAMES: Final = ("libcrypto.so.3", "libcrypto.so.4", "libcrypto.3.dylib")

_POINTER: Final = ctypes.c_void_p
_SIZE: Final = ctypes.c_size_t
_INT: Final = ctypes.c_int
_BYTES: Final = ctypes.c_char_p
_OUT_POINTER: Final = ctypes.POINTER(ctypes.c_void_p)
_OUT_SIZE: Final = ctypes.POINTER(ctypes.c_size_t)

# name -> (result, arguments); the argument types stop ctypes from cutting 64-bit pointers down to ints.
_QUICK: Final[dict[str, tuple[type | None, tuple[type, ...]]]] = {
    "ERR_clear_error": (None, ()),
    "EVP_sm3": (_POINTER, ()),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_MD_CTX_set_pkey_ctx": (None, (_POINTER, _POINTER)),
    "EVP_PKEY_CTX_new": (_POINTER, (_POINTER, _POINTER)),
    "EVP_PKEY_CTX_new_from_name": (_POINTER, (_POINTER, _BYTES, _BYTES)),
    "EVP_PKEY_CTX_set1_id": (_INT, (_POINTER, _BYTES, _INT)),
    "EVP_PKEY_CTX_free": (None, (_POINTER,)),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "EVP_PKEY_is_a": (_INT, (_POINTER, _BYTES)),
    "EVP_PKEY_get_bn_param": (_INT, (_POINTER, _BYTES, _OUT_POINTER)),
    "EVP_PKEY_keygen_init": (_INT, (_POINTER,)),
    "EVP_PKEY_encrypt_init": (_INT, (_POINTER,)),
    "EVP_PKEY_decrypt_init": (_INT, (_POINTER,)),
    "EVP_DigestSignInit": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EVP_DigestVerifyInit": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "BN_bn2binpad": (_INT, (_POINTER, _POINTER, _INT)),
    "BN_clear_free": (None, (_POINTER,)),
    "d2i_AutoPrivateKey": (_POINTER, (_POINTER, _OUT_POINTER, ctypes.c_long)),
    "d2i_PUBKEY": (_POINTER, (_POINTER, _OUT_POINTER, ctypes.c_long)),
    "i2d_PUBKEY": (_INT, (_POINTER, _OUT_POINTER)),
}
_SLOW: Final[dict[str, tuple[type | None, tuple[type, ...]]]] = {
    "EVP_PKEY_generate": (_INT, (_POINTER, _OUT_POINTER)),
    "EVP_DigestSign": (_INT, (_POINTER, _POINTER, _OUT_SIZE, _BYTES, _SIZE)),
    "EVP_DigestVerify": (_INT, (_POINTER, _BYTES, _SIZE, _BYTES, _SIZE)),
    "EVP_PKEY_encrypt": (_INT, (_POINTER, _POINTER, _OUT_SIZE, _BYTES, _SIZE)),
    "EVP_PKEY_decrypt": (_INT, (_POINTER, _POINTER, _OUT_SIZE, _BYTES, _SIZE)),
}


class LibcryptoMissingError(Exception):
    """No libcrypto with the needed functions can be loaded."""


class Libcrypto:
    """One opened libcrypto: ``quick`` keeps the interpreter lock, ``slow`` releases it."""

    __slots__ = ("name", "quick", "slow", "sm3")

    def __init__(self, name: str) -> None:
        """Open the library.

        Args:
            name: File name or path that the dynamic loader understands.

        Raises:
            LibcryptoMissingError: It cannot be opened or is too old (OpenSSL 3.0 or newer is needed).
        """
        self.name = name
        try:
            self.quick = ctypes.PyDLL(name)
            self.slow = ctypes.CDLL(name)
            for library, functions in ((self.quick, _QUICK), (self.slow, _SLOW)):
                for function, (result, arguments) in functions.items():
                    entry = getattr(library, function)
                    entry.restype = result
                    entry.argtypes = arguments
        except (OSError, AttributeError) as fault:
            raise LibcryptoMissingError(f"{name}: {fault}") from fault
        self.sm3 = self.quick.EVP_sm3()
        if not self.sm3:
            raise LibcryptoMissingError(f"{name}: built without SM3")


@functools.cache
def load() -> Libcrypto:
    """Return the machine's libcrypto, opened once per process.

    Raises:
        LibcryptoMissingError: None of the known names leads to a usable library.
    """
    faults: list[str] = []
    for name in _NAMES:
        try:
            return Libcrypto(name)
        except LibcryptoMissingError as fault:
            faults.append(str(fault))
    # Asking the system starts a process (ldconfig), so it comes last.
    found = ctypes.util.find_library("crypto")
    if found is not None and found not in _NAMES:
        try:
            return Libcrypto(found)
        except LibcryptoMissingError as fault:
            faults.append(str(fault))
    raise LibcryptoMissingError("; ".join(faults))
