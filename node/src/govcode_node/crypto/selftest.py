"""Known-answer tests that run before a node serves anything (自检, after GM/T 0028 and GB/T 37092).

A library that computes wrongly, after an upgrade or through tampering, must stop the node and not seal codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB

from govcode_node.crypto.sm2 import Sm2Backend, Sm2Error
from govcode_node.crypto.sm3 import hmac_sm3, sm3
from govcode_node.crypto.sm4 import gcm_open, gcm_seal
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.keys import InvalidSignatureError, SealBrokenError

_PAIRWISE_TEXT: Final = b"govcode self-test"


class SelfTestError(GovcodeError):
    """An algorithm does not give the answer that its standard prints; the node must not start."""

    def __init__(self, algorithm: str, reason: str) -> None:
        super().__init__(f"the self-test of {algorithm} failed: {reason}")
        self.algorithm = algorithm
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswers:
    """Inputs and printed answers; the defaults are those of the standards, a test may corrupt one."""

    # GB/T 32905, example 1.
    sm3_input: bytes = b"abc"
    sm3_digest: bytes = bytes.fromhex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    # GM/T 0042-2015, annex D.3.
    hmac_key: bytes = bytes(range(1, 38))
    hmac_input: bytes = b"\xcd" * 50
    hmac_mac: bytes = bytes.fromhex("220bf579ded555393f0159f66c99877822a3ecf610d1552154b41d44b94db3ae")
    # GB/T 32907, example 1.
    sm4_key: bytes = bytes.fromhex("0123456789abcdeffedcba9876543210")
    sm4_input: bytes = bytes.fromhex("0123456789abcdeffedcba9876543210")
    sm4_output: bytes = bytes.fromhex("681edf34d206965e86b3e94f536e4246")
    # RFC 8998, appendix A.1.
    gcm_nonce: bytes = bytes.fromhex("00001234567800000000abcd")
    gcm_aad: bytes = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    gcm_input: bytes = b"".join(bytes((byte,)) * 8 for byte in bytes.fromhex("aabbccddeeffeeaa"))
    gcm_output: bytes = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec"
    )
    # GB/T 32918.5, annexes A.2 and C.2 (GM/T 0003.5); the ciphertext in the DER of GM/T 0009.
    sm2_private: bytes = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
    sm2_point: bytes = bytes.fromhex(
        "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
        "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
    )
    sm2_input: bytes = b"message digest"
    sm2_signature: bytes = bytes.fromhex(
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
        "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
    )
    sm2_plaintext: bytes = b"encryption standard"
    sm2_ciphertext: bytes = bytes.fromhex(
        "307c022004ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
        "022100e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
        "042059983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
        "041321886ca989ca9c7d58087307ca93092d651efa"
    )


KNOWN_ANSWERS: Final = KnownAnswers()


def run_self_tests(
    backend: Sm2Backend, *, random: Callable[[int], bytes], answers: KnownAnswers = KNOWN_ANSWERS
) -> None:
    """Return quietly when every algorithm gives its known answer.

    Args:
        backend: The SM2 implementation that will serve.
        random: The random source that will serve.
        answers: What to hold against; the standards' examples unless told otherwise.

    Raises:
        SelfTestError: Names the first algorithm that failed.
        RandomSourceError: The random source is stuck.
    """
    _expect("SM3", sm3(answers.sm3_input), answers.sm3_digest)
    _expect("HMAC-SM3", hmac_sm3(answers.hmac_key, answers.hmac_input), answers.hmac_mac)
    block = Cipher(SM4(answers.sm4_key), ECB()).encryptor()  # noqa: S305 - one block of the standard's example
    _expect("SM4", block.update(answers.sm4_input), answers.sm4_output)
    _test_sm4_gcm(answers)
    _test_sm2_signature(backend, answers)
    _test_sm2_encryption(backend, answers)
    # Two draws, since a stuck source shows itself only when it repeats.
    random(32)
    random(32)


def _expect(algorithm: str, computed: bytes, known: bytes) -> None:
    if computed != known:
        raise SelfTestError(algorithm, "it does not give the known answer")


def _test_sm4_gcm(answers: KnownAnswers) -> None:
    key, nonce, aad = answers.sm4_key, answers.gcm_nonce, answers.gcm_aad
    _expect("SM4-GCM", gcm_seal(key, nonce, answers.gcm_input, aad), answers.gcm_output)
    try:
        gcm_open(key, nonce, _flipped(answers.gcm_output), aad)
    except SealBrokenError:
        return
    raise SelfTestError("SM4-GCM", "it opens changed data")


def _test_sm2_signature(backend: Sm2Backend, answers: KnownAnswers) -> None:
    try:
        _expect("SM2", backend.public_point(answers.sm2_private), answers.sm2_point)
        backend.verify(answers.sm2_point, answers.sm2_signature, answers.sm2_input)
        fresh = backend.sign(answers.sm2_private, _PAIRWISE_TEXT)
        backend.verify(answers.sm2_point, fresh, _PAIRWISE_TEXT)
    except (InvalidSignatureError, Sm2Error) as fault:
        raise SelfTestError("SM2", str(fault)) from fault
    try:
        backend.verify(answers.sm2_point, fresh, _flipped(_PAIRWISE_TEXT))
    except InvalidSignatureError:
        return
    raise SelfTestError("SM2", "it accepts a signature of other data")


def _test_sm2_encryption(backend: Sm2Backend, answers: KnownAnswers) -> None:
    try:
        opened = backend.decrypt(answers.sm2_private, answers.sm2_ciphertext)
        _expect("SM2 encryption", opened, answers.sm2_plaintext)
        fresh = backend.encrypt(answers.sm2_point, answers.sm4_key)
        _expect("SM2 encryption", backend.decrypt(answers.sm2_private, fresh), answers.sm4_key)
    except (SealBrokenError, Sm2Error) as fault:
        raise SelfTestError("SM2 encryption", str(fault)) from fault


def _flipped(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]
