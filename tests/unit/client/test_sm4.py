"""SM4-GCM of the client against another library, by both of its ways, and against changed bytes."""

import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from govcode_client import _libcrypto, _sm4
from govcode_client._sm4 import ComposedGcm, EvpGcm, Gcm, Sm4OpenError, gcm_open, gcm_seal
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = (0, 1, 15, 16, 17, 3071, 3072, 3073, 262_144)


def reference(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    encryptor = Cipher(SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag


def test_the_published_example_holds() -> None:
    """RFC 8998, appendix A.1."""
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    nonce = bytes.fromhex("00001234567800000000ABCD")
    aad = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plaintext = b"".join(bytes.fromhex(pair * 8) for pair in ("AA", "BB", "CC", "DD", "EE", "FF", "EE", "AA"))
    sealed = gcm_seal(key, nonce, plaintext, aad)
    assert sealed[:16].hex().upper() == "17F399F08C67D5EE19D0DC9969C4BB7D"
    assert sealed[-16:].hex().upper() == "83DE3541E4C2B58177E065A9BF7B62EC"


@pytest.mark.parametrize("size", SIZES)
def test_both_libraries_seal_alike(size: int) -> None:
    key, nonce, plaintext, aad = os.urandom(16), os.urandom(12), os.urandom(size), os.urandom(size % 40)
    sealed = gcm_seal(key, nonce, plaintext, aad)
    assert sealed == reference(key, nonce, plaintext, aad)
    assert gcm_open(key, nonce, sealed, aad) == plaintext


@settings(max_examples=60)
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=12, max_size=12), st.binary(max_size=200), st.binary())
def test_whatever_is_sealed_is_opened(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> None:
    sealed = gcm_seal(key, nonce, plaintext, aad)
    assert sealed == reference(key, nonce, plaintext, aad)
    assert gcm_open(key, nonce, sealed, aad) == plaintext


@settings(max_examples=60)
@given(st.binary(max_size=64), st.binary(max_size=32), st.data())
def test_one_changed_bit_opens_nothing(plaintext: bytes, aad: bytes, data: st.DataObject) -> None:
    key, nonce = bytes(16), bytes(12)
    sealed = bytearray(gcm_seal(key, nonce, plaintext, aad))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Sm4OpenError):
        gcm_open(key, nonce, bytes(sealed), aad)


@pytest.mark.parametrize("change", ["key", "nonce", "aad", "cut", "short"])
def test_what_belongs_elsewhere_is_not_opened(change: str) -> None:
    key, nonce, aad = bytes(16), bytes(12), b"aad"
    sealed = gcm_seal(key, nonce, b"plaintext", aad)
    wrong = {
        "key": (b"\1" * 16, nonce, sealed, aad),
        "nonce": (key, b"\1" * 12, sealed, aad),
        "aad": (key, nonce, sealed, b"other"),
        "cut": (key, nonce, sealed[:-1], aad),
        "short": (key, nonce, sealed[:15], aad),
    }[change]
    with pytest.raises(Sm4OpenError):
        gcm_open(*wrong)


@pytest.mark.parametrize(("key", "nonce"), [(15, 12), (16, 16)])
def test_other_lengths_are_refused(key: int, nonce: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        gcm_seal(bytes(key), bytes(nonce), b"", b"")


@pytest.mark.parametrize("size", SIZES)
def test_both_ways_are_gcm(size: int) -> None:
    """Shown with AES, which every libcrypto has as a cipher of its own; SM4 differs by the name alone."""
    library = _libcrypto.load()
    ways: list[Gcm] = [
        EvpGcm(library, b"AES-128-GCM"),
        ComposedGcm(library, block=b"AES-128-ECB", ctr=b"AES-128-CTR"),
    ]
    key, nonce, plaintext, aad = os.urandom(16), os.urandom(12), os.urandom(size), os.urandom(20)
    sealed = AESGCM(key).encrypt(nonce, plaintext, aad)
    for way in ways:
        assert way.seal(key, nonce, plaintext, aad) == sealed
        assert way.open(key, nonce, sealed, aad) == plaintext
        with pytest.raises(Sm4OpenError):
            way.open(key, nonce, sealed[:-1] + bytes((sealed[-1] ^ 1,)), aad)


def test_a_missing_cipher_is_told() -> None:
    with pytest.raises(_sm4.Sm4UnavailableError, match="NO-SUCH-GCM"):
        EvpGcm(_libcrypto.load(), b"NO-SUCH-GCM")
