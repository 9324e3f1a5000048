import gc
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from govcode_client import _libcrypto, sm2
from govcode_client.sm2 import (
    Sm2DecryptionError,
    Sm2KeyError,
    Sm2OperationError,
    Sm2PrivateKey,
    Sm2PublicKey,
    Sm2UnavailableError,
    Sm2VerificationError,
    key_id_of,
    signature_from_der,
    signature_to_der,
)
from hypothesis import given
from hypothesis import strategies as st

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/sm/sm2.json").read_text())
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
KEY = Sm2PrivateKey.from_scalar(bytes.fromhex(VECTORS["private"]))
POINT = bytes.fromhex(VECTORS["public_point"])


def test_a_scalar_leads_to_the_public_point_of_the_standard() -> None:
    assert KEY.public_key.to_point() == POINT
    assert KEY.to_scalar().hex() == VECTORS["private"]


@pytest.mark.req("8.1-08")
def test_the_standards_signature_and_ciphertext_are_understood() -> None:
    signature = VECTORS["signature"]
    KEY.public_key.verify(bytes.fromhex(signature["signature"]), bytes.fromhex(signature["input"]))
    encryption = VECTORS["encryption"]
    assert KEY.decrypt(bytes.fromhex(encryption["ciphertext_der"])).hex() == encryption["plaintext"]


@pytest.mark.parametrize("data", [b"", b"\x00", b"statement", os.urandom(5000)])
def test_a_signature_holds_for_its_own_data_alone(data: bytes) -> None:
    key = Sm2PrivateKey.generate()
    signature = key.sign(data)
    assert len(signature) == 64
    assert key.sign(data) != signature
    key.public_key.verify(signature, data)
    with pytest.raises(Sm2VerificationError):
        key.public_key.verify(signature, data + b"\x00")
    with pytest.raises(Sm2VerificationError):
        KEY.public_key.verify(signature, data)


@given(st.integers(0, 511))
def test_every_flipped_bit_of_a_signature_is_refused(bit: int) -> None:
    signature = bytearray.fromhex(VECTORS["signature"]["signature"])
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Sm2VerificationError):
        KEY.public_key.verify(bytes(signature), b"message digest")


@pytest.mark.parametrize("value", [0, N, N + 1, 2**256 - 1])
@pytest.mark.parametrize("half", [0, 1])
def test_r_and_s_outside_their_range_are_refused(value: int, half: int) -> None:
    good = bytes.fromhex(VECTORS["signature"]["signature"])
    bad = value.to_bytes(32, "big")
    with pytest.raises(Sm2VerificationError, match="between 1 and n-1"):
        KEY.public_key.verify(bad + good[32:] if half == 0 else good[:32] + bad, b"message digest")


@pytest.mark.parametrize("size", [0, 63, 65, 72])
def test_a_signature_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(Sm2VerificationError, match="64 bytes"):
        KEY.public_key.verify(bytes(size), b"")


@given(st.integers(1, N - 1), st.integers(1, N - 1))
def test_der_and_raw_signatures_convert_both_ways(r: int, s: int) -> None:
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert signature_from_der(signature_to_der(raw)) == raw


@pytest.mark.parametrize(
    "der",
    [
        "",
        "3006020101020101ff",  # a byte follows
        "30070202000102010a",  # padded integer
        "3006020181020101",  # negative
        "3006020100020101",  # zero
        "300602010102",
        "3006020101040101",
        "308106020101020101",  # length in the long form
        "30060201010201",
        "300602ff01020101",
    ],
)
def test_der_that_is_not_canonical_is_refused(der: str) -> None:
    with pytest.raises(Sm2VerificationError):
        signature_from_der(bytes.fromhex(der))


@given(st.binary(max_size=80))
def test_no_der_bytes_crash_the_reader(der: bytes) -> None:
    try:
        raw = signature_from_der(der)
    except Sm2VerificationError:
        return
    assert signature_to_der(raw) == der


@pytest.mark.parametrize("size", [1, 16, 32, 33, 4000])
def test_what_is_encrypted_for_a_key_is_opened_by_that_key_alone(size: int) -> None:
    plaintext = os.urandom(size)
    key = Sm2PrivateKey.generate()
    ciphertext = key.public_key.encrypt(plaintext)
    assert key.decrypt(ciphertext) == plaintext
    with pytest.raises(Sm2DecryptionError):
        KEY.decrypt(ciphertext)


def test_an_empty_plaintext_is_refused() -> None:
    with pytest.raises(Sm2OperationError):
        KEY.public_key.encrypt(b"")


@given(st.integers(0), st.integers(1, 255))
def test_a_changed_ciphertext_never_opens_to_something_else(at: int, change: int) -> None:
    ciphertext = bytearray.fromhex(VECTORS["encryption"]["ciphertext_der"])
    ciphertext[at % len(ciphertext)] ^= change
    with pytest.raises(Sm2DecryptionError):
        KEY.decrypt(bytes(ciphertext))


def test_bytes_after_a_ciphertext_are_not_overlooked() -> None:
    with pytest.raises(Sm2DecryptionError):
        KEY.decrypt(bytes.fromhex(VECTORS["encryption"]["ciphertext_der"]) + b"\x00")


@given(st.binary(max_size=300))
def test_no_ciphertext_bytes_crash_the_library(ciphertext: bytes) -> None:
    with pytest.raises(Sm2DecryptionError):
        KEY.decrypt(ciphertext)


@pytest.mark.parametrize(
    "scalar", [b"", bytes(32), (N - 1).to_bytes(32, "big"), N.to_bytes(32, "big"), bytes(31) + b""]
)
def test_a_scalar_out_of_range_is_no_key(scalar: bytes) -> None:
    with pytest.raises(Sm2KeyError):
        Sm2PrivateKey.from_scalar(scalar)


@pytest.mark.parametrize(
    "point",
    [
        b"",
        POINT[:-1],
        POINT + b"\x00",
        b"\x02" + POINT[1:],
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        POINT[:-1] + bytes((POINT[-1] ^ 1,)),
    ],
)
def test_a_point_off_the_curve_is_no_key(point: bytes) -> None:
    with pytest.raises(Sm2KeyError):
        Sm2PublicKey.from_point(point)


def test_a_private_key_survives_pkcs8() -> None:
    assert Sm2PrivateKey.from_der(KEY.to_der()).to_scalar() == KEY.to_scalar()


@pytest.mark.parametrize("der", [b"", b"\x30", KEY.to_der()[:-1], KEY.to_der() + b"\x00", os.urandom(100)])
def test_malformed_pkcs8_is_no_key(der: bytes) -> None:
    with pytest.raises(Sm2KeyError):
        Sm2PrivateKey.from_der(der)


def test_pkcs8_with_the_public_point_of_another_key_is_refused() -> None:
    other = Sm2PrivateKey.generate().public_key.to_point()
    with pytest.raises(Sm2KeyError):
        Sm2PrivateKey.from_der(KEY.to_der().replace(POINT, other))


def test_a_key_on_another_curve_is_refused() -> None:
    der = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(Sm2KeyError):
        Sm2PrivateKey.from_der(der)


def test_a_key_id_is_the_head_of_the_points_digest() -> None:
    assert key_id_of(KEY.public_key) == key_id_of(POINT) == sm2.sm3(POINT).hex()[:16]


def test_no_key_shows_its_secret() -> None:
    assert VECTORS["private"] not in repr(KEY).lower()


def test_one_key_serves_many_threads() -> None:
    def work(number: int) -> None:
        data = number.to_bytes(4, "big")
        KEY.public_key.verify(KEY.sign(data), data)
        assert KEY.decrypt(KEY.public_key.encrypt(data)) == data

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(64)))


def test_keys_are_freed_with_their_objects() -> None:
    freed: list[int] = []
    key = Sm2PrivateKey.generate()
    free = key._handle._free
    key._handle._free = lambda pointer: (freed.append(pointer), free(pointer))  # type: ignore[assignment,func-returns-value]
    pointer = key._handle.pointer
    del key
    gc.collect()
    assert freed == [pointer]


def test_a_machine_without_a_usable_libcrypto_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> _libcrypto.Libcrypto:
        raise _libcrypto.LibcryptoMissingError("libc.so.6: too old")

    sm2._library.cache_clear()
    monkeypatch.setattr(_libcrypto, "load", missing)
    try:
        with pytest.raises(Sm2UnavailableError, match="too old"):
            Sm2PrivateKey.generate()
    finally:
        sm2._library.cache_clear()


def test_a_library_without_the_functions_is_refused() -> None:
    with pytest.raises(_libcrypto.LibcryptoMissingError):
        _libcrypto.Libcrypto("libc.so.6")
