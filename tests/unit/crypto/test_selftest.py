from dataclasses import fields, replace

import pytest
from govcode_node.crypto.randomness import RandomSource
from govcode_node.crypto.selftest import KNOWN_ANSWERS, SelfTestError, run_self_tests
from govcode_node.crypto.sm2 import GmsslSm2, LibcryptoSm2
from govcode_node.domain.keys import InvalidSignatureError, RandomSourceError

ALGORITHM_OF = {
    "sm3": "SM3",
    "hmac": "HMAC-SM3",
    "sm4": "SM4",
    "gcm": "SM4-GCM",
    "sm2": "SM2",
}


@pytest.mark.req("8.1-02")
@pytest.mark.parametrize("backend", [LibcryptoSm2(), GmsslSm2()], ids=lambda backend: backend.name)
def test_sound_libraries_pass(backend: LibcryptoSm2 | GmsslSm2) -> None:
    run_self_tests(backend, random=RandomSource())


@pytest.mark.req("8.1-02")
@pytest.mark.parametrize("name", [field.name for field in fields(KNOWN_ANSWERS)])
def test_each_corrupted_vector_stops_the_node_and_names_its_algorithm(name: str) -> None:
    value = getattr(KNOWN_ANSWERS, name)
    corrupted = replace(KNOWN_ANSWERS, **{name: value[:-1] + bytes((value[-1] ^ 1,))})
    with pytest.raises(SelfTestError) as caught:
        run_self_tests(LibcryptoSm2(), random=RandomSource(), answers=corrupted)
    assert caught.value.algorithm.startswith(ALGORITHM_OF[name.split("_", maxsplit=1)[0]])


@pytest.mark.req("8.1-02")
def test_a_library_that_accepts_every_signature_stops_the_node() -> None:
    class Credulous(LibcryptoSm2):
        def verify(self, public_point: bytes, signature: bytes, data: bytes) -> None:
            """Accept everything."""

    with pytest.raises(SelfTestError, match="SM2"):
        run_self_tests(Credulous(), random=RandomSource())


@pytest.mark.req("8.1-02")
def test_a_library_that_refuses_its_own_signatures_stops_the_node() -> None:
    class Confused(LibcryptoSm2):
        def sign(self, private: bytes, data: bytes) -> bytes:
            return super().sign(private, data + b"!")

    with pytest.raises(SelfTestError) as caught:
        run_self_tests(Confused(), random=RandomSource())
    assert isinstance(caught.value.__cause__, InvalidSignatureError)


def test_a_stuck_random_source_stops_the_node() -> None:
    with pytest.raises(RandomSourceError):
        run_self_tests(LibcryptoSm2(), random=RandomSource(lambda size: bytes(range(size))))
