from collections.abc import Callable

import pytest
from govcode_node.crypto.envelope import open_envelope, recipient_of, seal_envelope
from govcode_node.crypto.randomness import RandomSource
from govcode_node.crypto.sm2 import LibcryptoSm2
from govcode_node.crypto.sm4 import Sm4Sealer, UseBudget, key_id_of_blob
from govcode_node.domain.keys import KeyExhaustedError, RandomSourceError, SealBrokenError
from hypothesis import given
from hypothesis import strategies as st

KEY_ID = "00112233445566ff"
BACKEND = LibcryptoSm2()
PRIVATE = BACKEND.generate()
POINT = BACKEND.public_point(PRIVATE)


def sealer(key: bytes = b"k" * 16, *, limit: int = 10**9, random: RandomSource | None = None) -> Sm4Sealer:
    used = 0

    def reserve(count: int) -> int:
        nonlocal used
        granted = min(count, limit - used)
        if granted < 1:
            raise KeyExhaustedError(KEY_ID, limit)
        used += granted
        return granted

    return Sm4Sealer(KEY_ID, key, random=random or RandomSource(), uses=UseBudget(reserve, block=10))


@given(plaintext=st.binary(max_size=200), aad=st.binary(min_size=1, max_size=40))
def test_what_is_sealed_opens_at_its_place_and_names_its_key(plaintext: bytes, aad: bytes) -> None:
    one = sealer()
    blob = one.seal(plaintext, aad)
    assert one.open(blob, aad) == plaintext
    assert key_id_of_blob(blob) == KEY_ID
    assert len(blob) == 1 + 8 + 12 + len(plaintext) + 16


@pytest.mark.req("8.1-05")
@given(at=st.integers(0), change=st.integers(1, 255))
def test_every_flipped_byte_of_sealed_data_is_detected(at: int, change: int) -> None:
    blob = bytearray(sealer().seal(b"42010019900101123X", b"subjects/id_number/7"))
    blob[at % len(blob)] ^= change
    with pytest.raises(SealBrokenError):
        sealer().open(bytes(blob), b"subjects/id_number/7")


@pytest.mark.req("8.1-05")
def test_sealed_data_does_not_open_elsewhere_or_under_another_key() -> None:
    blob = sealer().seal(b"x", b"row 1")
    with pytest.raises(SealBrokenError):
        sealer().open(blob, b"row 2")
    with pytest.raises(SealBrokenError):
        sealer(b"j" * 16).open(blob, b"row 1")


@given(st.binary(max_size=80))
def test_no_bytes_crash_the_opening(blob: bytes) -> None:
    with pytest.raises(SealBrokenError):
        sealer().open(blob, b"aad")
    with pytest.raises(SealBrokenError):
        open_envelope(BACKEND, PRIVATE, blob, b"aad")


def test_data_bound_to_no_place_is_refused() -> None:
    with pytest.raises(ValueError, match="AAD is empty"):
        sealer().seal(b"x", b"")
    with pytest.raises(ValueError, match="AAD is empty"):
        seal_envelope(BACKEND, POINT, b"x", b"", random=RandomSource())


def test_a_key_refuses_to_seal_once_its_uses_are_spent() -> None:
    one = sealer(limit=25)
    blobs = {one.seal(b"x", b"a") for _ in range(25)}
    assert len(blobs) == 25
    with pytest.raises(KeyExhaustedError):
        one.seal(b"x", b"a")
    assert one.open(blobs.pop(), b"a") == b"x"


@pytest.mark.parametrize(
    "fault",
    [
        bytes,
        lambda size: b"\x01" * (size - 1),
        lambda size: bytes(range(size)),
    ],
    ids=["zeros", "short", "repeating"],
)
def test_a_faulty_random_source_seals_nothing(fault: Callable[[int], bytes]) -> None:
    one = sealer(random=RandomSource(fault))

    def twice() -> None:
        one.seal(b"x", b"a")
        one.seal(b"x", b"a")

    with pytest.raises(RandomSourceError):
        twice()


def test_a_failing_random_source_is_named() -> None:
    def broken(size: int) -> bytes:
        raise OSError("no entropy")

    with pytest.raises(RandomSourceError, match="no entropy"):
        RandomSource(broken)(16)


def test_an_envelope_opens_for_its_recipient_alone() -> None:
    blob = seal_envelope(BACKEND, POINT, b"license", b"authorization 1", random=RandomSource())
    assert open_envelope(BACKEND, PRIVATE, blob, b"authorization 1") == b"license"
    assert b"license" not in blob
    with pytest.raises(SealBrokenError):
        open_envelope(BACKEND, PRIVATE, blob, b"authorization 2")
    with pytest.raises(SealBrokenError):
        open_envelope(BACKEND, BACKEND.generate(), blob, b"authorization 1")
    assert len(recipient_of(blob)) == 16


@given(at=st.integers(0), change=st.integers(1, 255))
def test_every_flipped_byte_of_an_envelope_is_detected(at: int, change: int) -> None:
    blob = bytearray(seal_envelope(BACKEND, POINT, b"license", b"aad", random=RandomSource()))
    blob[at % len(blob)] ^= change
    with pytest.raises(SealBrokenError):
        open_envelope(BACKEND, PRIVATE, bytes(blob), b"aad")
