"""The standards' examples, and each SM2 library against the other."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from gmssl import sm3 as gmssl_sm3
from gmssl.sm4 import SM4_ENCRYPT, CryptSM4
from govcode_client.sm2 import Sm2KeyError, signature_from_der
from govcode_node.crypto.sm2 import GmsslSm2, LibcryptoSm2, Sm2Backend, select_backend
from govcode_node.crypto.sm3 import Sm3Mac, hmac_sm3, hmac_sm3_128, sm3
from govcode_node.crypto.sm4 import gcm_open, gcm_seal
from govcode_node.domain.keys import InvalidSignatureError, SealBrokenError

HOME = Path(__file__).parents[2] / "vectors/sm"
BACKENDS: list[Sm2Backend] = [LibcryptoSm2(), GmsslSm2()]
each_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)


def load(name: str) -> Any:
    return json.loads((HOME / name).read_text())


SM2 = load("sm2.json")
PRIVATE = bytes.fromhex(SM2["private"])
POINT = bytes.fromhex(SM2["public_point"])


@pytest.mark.req("8.1-08")
@pytest.mark.parametrize("case", load("sm3.json")["cases"])
def test_sm3_gives_the_standards_digests_in_three_libraries(case: dict[str, str]) -> None:
    data = bytes.fromhex(case["input"])
    assert sm3(data).hex() == case["digest"]
    assert hashlib.new("sm3", data).hexdigest() == case["digest"]
    assert gmssl_sm3.sm3_hash(list(data)) == case["digest"]


@pytest.mark.parametrize("case", load("hmac_sm3.json")["cases"])
def test_hmac_sm3_gives_the_standards_macs(case: dict[str, str]) -> None:
    key, data = bytes.fromhex(case["key"]), bytes.fromhex(case["input"])
    assert hmac_sm3(key, data).hex() == case["mac"]
    assert hmac_sm3_128(key, data).hex() == case["mac"][:32]
    assert Sm3Mac(key).matches_128(data, bytes.fromhex(case["mac"])[:16])


def test_an_empty_mac_key_is_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        Sm3Mac(b"")


@pytest.mark.req("8.1-08")
def test_sm4_gives_the_standards_block_in_both_libraries() -> None:
    block = {name: bytes.fromhex(value) for name, value in load("sm4.json")["block"].items()}
    crypt = CryptSM4()
    crypt.set_key(block["key"], SM4_ENCRYPT)
    assert crypt.crypt_ecb(block["plaintext"])[:16] == block["ciphertext"]


def test_sm4_gcm_gives_the_answer_of_rfc_8998() -> None:
    gcm = {name: bytes.fromhex(value) for name, value in load("sm4.json")["gcm"].items()}
    sealed = gcm["ciphertext"] + gcm["tag"]
    assert gcm_seal(gcm["key"], gcm["nonce"], gcm["plaintext"], gcm["aad"]) == sealed
    assert gcm_open(gcm["key"], gcm["nonce"], sealed, gcm["aad"]) == gcm["plaintext"]


@pytest.mark.req("8.1-08")
@each_backend
def test_each_library_understands_the_standards_example(backend: Sm2Backend) -> None:
    signature, encryption = SM2["signature"], SM2["encryption"]
    assert backend.public_point(PRIVATE) == POINT
    backend.verify(POINT, bytes.fromhex(signature["signature"]), bytes.fromhex(signature["input"]))
    assert backend.decrypt(PRIVATE, bytes.fromhex(encryption["ciphertext_der"])).hex() == encryption["plaintext"]


@pytest.mark.req("8.1-08")
@each_backend
@pytest.mark.parametrize("case", SM2["cross"], ids=lambda case: case["by"])
def test_each_library_understands_what_each_made_before(backend: Sm2Backend, case: dict[str, str]) -> None:
    raw = bytes.fromhex(case["signature"])
    assert signature_from_der(bytes.fromhex(case["signature_der"])) == raw
    backend.verify(POINT, raw, bytes.fromhex(case["input"]))
    assert backend.decrypt(PRIVATE, bytes.fromhex(case["ciphertext_der"])).hex() == case["plaintext"]


@pytest.mark.req("8.1-08")
@pytest.mark.parametrize(("maker", "checker"), [BACKENDS, BACKENDS[::-1]], ids=["libcrypto-gmssl", "gmssl-libcrypto"])
def test_fresh_signatures_and_ciphertexts_pass_between_the_libraries(maker: Sm2Backend, checker: Sm2Backend) -> None:
    private = maker.generate()
    point = maker.public_point(private)
    assert checker.public_point(private) == point
    checker.verify(point, maker.sign(private, "政务服务码".encode()), "政务服务码".encode())
    for size in (16, 200):
        assert checker.decrypt(private, maker.encrypt(point, b"k" * size)) == b"k" * size


@each_backend
def test_each_library_refuses_what_is_not_signed_so(backend: Sm2Backend) -> None:
    good = bytes.fromhex(SM2["signature"]["signature"])
    other = backend.public_point(backend.generate())
    for point, signature, data in (
        (POINT, good, b"message digesT"),
        (POINT, good[:-1] + bytes((good[-1] ^ 1,)), b"message digest"),
        (POINT, good[:32] + bytes(32), b"message digest"),
        (POINT, bytes(32) + good[32:], b"message digest"),
        (POINT, good[:-1], b"message digest"),
        (POINT, b"", b"message digest"),
        (other, good, b"message digest"),
        (b"\x04" + bytes(64), good, b"message digest"),
        (POINT[1:], good, b"message digest"),
    ):
        with pytest.raises(InvalidSignatureError):
            backend.verify(point, signature, data)


@each_backend
def test_each_library_refuses_changed_ciphertexts(backend: Sm2Backend) -> None:
    good = bytes.fromhex(SM2["encryption"]["ciphertext_der"])
    for bad in (b"", good[:-1], good + b"\x00", good[:-1] + bytes((good[-1] ^ 1,)), good[:8] + b"\x00" + good[9:]):
        with pytest.raises(SealBrokenError):
            backend.decrypt(PRIVATE, bad)


@each_backend
def test_each_library_refuses_bad_scalars(backend: Sm2Backend) -> None:
    for scalar in (b"", bytes(32), b"\xff" * 32):
        with pytest.raises(Sm2KeyError):
            backend.sign(scalar, b"")


def test_a_point_that_begins_with_zeros_and_fours_is_not_cut_by_the_pure_python_library() -> None:
    # The library strips every leading 0 and 4 from such keys when its constructor is given one.
    backend = BACKENDS[0]
    private = next(d for d in (n.to_bytes(32, "big") for n in range(1, 2000)) if backend.public_point(d)[1] == 0x04)
    BACKENDS[1].verify(backend.public_point(private), backend.sign(private, b"x"), b"x")


def test_libcrypto_is_preferred_where_it_offers_sm2() -> None:
    assert select_backend().name == "libcrypto"
