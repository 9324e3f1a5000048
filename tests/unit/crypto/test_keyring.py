import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from govcode_node.crypto.keyprovider import COHORT, SoftwareKeyStore
from govcode_node.crypto.keyring import STATIC_CODES_PER_KEY, Keyring
from govcode_node.crypto.randomness import RandomSource
from govcode_node.crypto.sm2 import LibcryptoSm2, Sm2OperationError
from govcode_node.domain.keys import (
    InvalidMacError,
    InvalidSignatureError,
    KeyExhaustedError,
    KeyInfo,
    KeyPurpose,
    KeyPurposeError,
    KeyState,
    KeyStateError,
    KeyUnavailableError,
    RandomSourceError,
    SealBrokenError,
    UnknownKeyError,
)
from govcode_node.ports.security import CodeSealer, DataKeys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CODE = b"\x5a\x10\x11 a code without its seal"
USCC_A = "91420100MA4KXXXX1A"
USCC_B = "91440300MA5FYYYY2B"


def info_of(ring: Keyring, purpose: KeyPurpose, key_no: int | None = None) -> KeyInfo:
    return next(key for key in ring.infos() if key.purpose is purpose and key.key_no == key_no)


def change_state(store: SoftwareKeyStore, ring: Keyring, key: KeyInfo, *states: KeyState) -> None:
    for state in states:
        store.set_state(key.key_id, state)
    ring.reload()


@pytest.mark.parametrize("static", [False, True])
def test_a_code_mac_holds_for_its_code_key_and_kind_alone(keyring: Keyring, static: bool) -> None:
    mac = keyring.mac_code(5, CODE, static)
    assert len(mac) == 16
    keyring.check_code_mac(5, CODE, mac, static=static)
    for key_no, data, offered, kind in (
        (6, CODE, mac, static),
        (5, CODE + b"!", mac, static),
        (5, CODE, mac, not static),
        (5, CODE, mac[:-1] + bytes((mac[-1] ^ 1,)), static),
        (5, CODE, mac[:15], static),
        (5, CODE, b"", static),
    ):
        with pytest.raises(InvalidMacError):
            keyring.check_code_mac(key_no, data, offered, static=kind)


def test_shards_spread_over_the_whole_cohort(keyring: Keyring) -> None:
    assert {keyring.active_mac_key_no(False, shard) for shard in range(100)} == set(range(1, COHORT + 1))


def test_an_unknown_key_number_is_refused(keyring: Keyring) -> None:
    with pytest.raises(UnknownKeyError):
        keyring.mac_code(999, CODE, False)
    with pytest.raises(UnknownKeyError):
        keyring.check_code_mac(999, CODE, bytes(16), static=False)
    with pytest.raises(UnknownKeyError):
        keyring.seal_public(999)


def test_a_rotated_mac_key_still_checks_but_seals_no_more(keyring: Keyring, key_store: SoftwareKeyStore) -> None:
    mac = keyring.mac_code(1, CODE, False)
    key_store.rotate(info_of(keyring, KeyPurpose.CODE_MAC, 1).key_id)
    keyring.reload()
    keyring.check_code_mac(1, CODE, mac, static=False)
    with pytest.raises(KeyStateError):
        keyring.mac_code(1, CODE, False)
    numbers = {keyring.active_mac_key_no(False, shard) for shard in range(COHORT)}
    assert numbers == set(range(2, COHORT + 2))


def test_a_compromised_mac_key_checks_no_code(keyring: Keyring, key_store: SoftwareKeyStore) -> None:
    mac = keyring.mac_code(1, CODE, False)
    change_state(key_store, keyring, info_of(keyring, KeyPurpose.CODE_MAC, 1), KeyState.COMPROMISED)
    with pytest.raises(KeyStateError) as caught:
        keyring.check_code_mac(1, CODE, mac, static=False)
    assert caught.value.state is KeyState.COMPROMISED


def test_a_destroyed_key_is_gone_from_memory(keyring: Keyring, key_store: SoftwareKeyStore) -> None:
    key = info_of(keyring, KeyPurpose.CODE_MAC, 1)
    change_state(key_store, keyring, key, KeyState.COMPROMISED, KeyState.DESTROYED)
    with pytest.raises(UnknownKeyError):
        keyring.mac_code(1, CODE, False)


def test_a_key_past_its_end_seals_no_more(keyring: Keyring, key_clock: Any) -> None:
    mac = keyring.mac_code(1, CODE, False)
    key_clock.advance(timedelta(days=90))
    keyring.check_code_mac(1, CODE, mac, static=False)
    with pytest.raises(KeyStateError, match="ran out"):
        keyring.mac_code(1, CODE, False)


def test_a_static_key_seals_no_more_than_its_number_of_codes(keyring: Keyring, key_store: SoftwareKeyStore) -> None:
    key = info_of(keyring, KeyPurpose.CODE_MAC_STATIC, 2)
    key_store.reserve_uses(key.key_id, STATIC_CODES_PER_KEY - 3, limit=STATIC_CODES_PER_KEY)
    macs = [keyring.mac_code(2, CODE, True) for _ in range(3)]
    with pytest.raises(KeyExhaustedError):
        keyring.mac_code(2, CODE, True)
    keyring.check_code_mac(2, CODE, macs[0], static=True)


async def test_a_signed_code_is_checked_with_the_public_point_of_its_number(keyring: Keyring) -> None:
    key_no, seal = await keyring.sign_code(CODE)
    assert key_no == keyring.active_seal_key_no() == 1
    await keyring.verify_with_public(keyring.seal_public(key_no), seal, CODE)
    with pytest.raises(InvalidSignatureError):
        await keyring.verify_with_public(keyring.seal_public(key_no), seal, CODE + b"!")


async def test_rotating_the_seal_key_fails_no_code_that_names_the_old_one(
    keyring: Keyring, key_store: SoftwareKeyStore
) -> None:
    _, seal = await keyring.sign_code(CODE)
    key_store.rotate(info_of(keyring, KeyPurpose.CODE_SEAL, 1).key_id)
    keyring.reload()
    await keyring.verify_with_public(keyring.seal_public(1), seal, CODE)
    assert (await keyring.sign_code(CODE))[0] == 2
    with pytest.raises(KeyStateError):
        await keyring.sign_code(CODE, key_no=1)


async def test_a_compromised_seal_key_has_no_public_point_to_check_with(
    keyring: Keyring, key_store: SoftwareKeyStore
) -> None:
    change_state(key_store, keyring, info_of(keyring, KeyPurpose.CODE_SEAL, 1), KeyState.COMPROMISED)
    with pytest.raises(KeyStateError):
        keyring.seal_public(1)
    with pytest.raises(KeyUnavailableError):
        await keyring.sign_code(CODE)


SIGNING = (KeyPurpose.NODE_SIGN, KeyPurpose.AUDIT_CHECKPOINT, KeyPurpose.GRANT_TOKEN)


@pytest.mark.parametrize("purpose", KeyPurpose)
async def test_only_keys_for_signing_sign(keyring: Keyring, purpose: KeyPurpose) -> None:
    if purpose in SIGNING:
        key_id, signature = await keyring.sign(purpose, b"statement")
        point = info_of(keyring, purpose).public_point
        assert point is not None
        assert key_id == info_of(keyring, purpose).key_id
        await keyring.verify_with_public(point, signature, b"statement")
    else:
        with pytest.raises(KeyUnavailableError, match="do not sign"):
            await keyring.sign(purpose, b"statement")


async def test_a_key_signs_for_no_other_purpose(keyring: Keyring) -> None:
    key_id = info_of(keyring, KeyPurpose.NODE_ENC).key_id
    with pytest.raises(KeyPurposeError):
        await keyring.sign_with(key_id, KeyPurpose.NODE_SIGN, b"x")
    with pytest.raises(UnknownKeyError):
        await keyring.sign_with("0123456789abcdef", KeyPurpose.NODE_SIGN, b"x")


async def test_a_failing_signature_is_a_key_that_is_unavailable(key_store: SoftwareKeyStore, key_clock: Any) -> None:
    class Broken(LibcryptoSm2):
        def sign(self, private: bytes, data: bytes) -> bytes:
            raise Sm2OperationError("the device is gone")

    ring = Keyring(key_store, clock=key_clock, backend=Broken())
    for act in (ring.sign(KeyPurpose.NODE_SIGN, b"x"), ring.check(), ring.sign_code(b"x")):
        with pytest.raises(KeyUnavailableError, match="the device is gone"):
            await act
    ring.close()


async def test_the_health_check_really_signs(keyring: Keyring, key_store: SoftwareKeyStore) -> None:
    await keyring.check()
    change_state(key_store, keyring, info_of(keyring, KeyPurpose.NODE_SIGN), KeyState.COMPROMISED)
    with pytest.raises(KeyUnavailableError):
        await keyring.check()


async def test_a_slow_signature_does_not_hold_up_the_loop(key_store: SoftwareKeyStore, key_clock: Any) -> None:
    release = threading.Event()

    class Slow(LibcryptoSm2):
        def sign(self, private: bytes, data: bytes) -> bytes:
            release.wait(10)
            return super().sign(private, data)

    ring = Keyring(key_store, clock=key_clock, backend=Slow())
    signing = asyncio.ensure_future(ring.sign(KeyPurpose.NODE_SIGN, b"x"))
    await asyncio.sleep(0)
    assert ring.mac_code(1, CODE, False)
    assert not signing.done()
    release.set()
    await signing
    ring.close()


@pytest.mark.req("7.5-03")
def test_a_pseudonym_is_stable_for_one_organisation_and_unlinkable_between_two(keyring: Keyring) -> None:
    mine = keyring.pseudonym("account-1", USCC_A)
    assert keyring.pseudonym("account-1", USCC_A) == keyring.pseudonym(b"account-1", USCC_A) == mine
    others = {keyring.pseudonym("account-1", USCC_B), keyring.pseudonym("account-2", USCC_A)}
    assert len(others | {mine}) == 3
    assert mine.startswith("ps_")
    assert len(mine) == 35


@pytest.mark.req("7.5-03")
def test_a_pseudonym_survives_a_restart_and_depends_on_the_nodes_key(
    keyring: Keyring, key_store: SoftwareKeyStore, key_clock: Any
) -> None:
    again = Keyring(key_store, clock=key_clock)
    assert again.pseudonym("account-1", USCC_A) == keyring.pseudonym("account-1", USCC_A)
    key_store.rotate(info_of(keyring, KeyPurpose.PSEUDONYM).key_id)
    again.reload()
    assert again.pseudonym("account-1", USCC_A) != keyring.pseudonym("account-1", USCC_A)
    again.close()


@pytest.mark.req("7.5-03")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(pairs=st.lists(st.tuples(st.binary(max_size=6), st.text(max_size=6)), min_size=2, max_size=2, unique=True))
def test_no_two_pairs_share_a_pseudonym_by_running_into_each_other(
    keyring: Keyring, pairs: list[tuple[bytes, str]]
) -> None:
    assert keyring.pseudonym(*pairs[0]) != keyring.pseudonym(*pairs[1])


def test_blind_indexes_meet_for_equal_values_of_one_kind(keyring: Keyring) -> None:
    index = keyring.blind_index("id_number", "42010019900101123X")
    assert keyring.blind_index("id_number", "42010019900101123X") == index
    assert len(index) == 16
    assert keyring.blind_index("phone", "42010019900101123X") != index
    assert keyring.blind_index("id_number42", "010019900101123X") != index


@pytest.mark.req("8.1-05")
def test_a_field_and_a_record_do_not_open_for_each_other(keyring: Keyring) -> None:
    field, record = keyring.seal_field(b"name", b"here"), keyring.seal_record(b"answer", b"here")
    assert keyring.open_field(field, b"here") == b"name"
    assert keyring.open_record(record, b"here") == b"answer"
    with pytest.raises(KeyPurposeError):
        keyring.open_record(field, b"here")
    with pytest.raises(KeyPurposeError):
        keyring.open_field(record, b"here")
    with pytest.raises(SealBrokenError):
        keyring.open_field(field, b"there")
    with pytest.raises(SealBrokenError):
        keyring.open_field(b"", b"here")


def test_old_fields_open_after_rotation_and_after_archiving_only_with_an_approval(
    keyring: Keyring, key_store: SoftwareKeyStore
) -> None:
    blob = keyring.seal_field(b"name", b"here")
    old = info_of(keyring, KeyPurpose.FIELD_SEAL)
    key_store.rotate(old.key_id)
    keyring.reload()
    assert keyring.open_field(blob, b"here") == b"name"
    assert keyring.open_field(keyring.seal_field(b"new", b"here"), b"here") == b"new"
    change_state(key_store, keyring, old, KeyState.ARCHIVED)
    with pytest.raises(KeyStateError):
        keyring.open_field(blob, b"here")
    assert keyring.open_field(blob, b"here", recovering=True) == b"name"


def test_a_seal_key_stops_at_its_limit_counted_over_restarts(key_store: SoftwareKeyStore, key_clock: Any) -> None:
    for _ in range(2):
        ring = Keyring(key_store, clock=key_clock, seal_uses_limit=10)
        try:
            ring.seal_record(b"x", b"a")
        except KeyExhaustedError:
            # The first opening set all ten uses aside; what it did not spend is lost, never spent twice.
            break
    else:
        pytest.fail("the limit was not counted over restarts")


@pytest.mark.req("7.2-05")
def test_a_faulty_random_source_yields_neither_ids_nor_sealed_data(key_store: SoftwareKeyStore, key_clock: Any) -> None:
    def broken(size: int) -> bytes:
        raise OSError("no entropy")

    ring = Keyring(key_store, clock=key_clock, random=RandomSource(broken))
    acts: list[Callable[[], bytes]] = [
        lambda: ring.random_bytes(16),
        lambda: ring.seal_field(b"x", b"a"),
        lambda: ring.seal_record(b"x", b"a"),
    ]
    for act in acts:
        with pytest.raises(RandomSourceError):
            act()
    ring.close()


async def test_an_envelope_to_the_node_is_opened_by_its_encryption_key_alone(
    keyring: Keyring, key_store: SoftwareKeyStore
) -> None:
    enc, sign = info_of(keyring, KeyPurpose.NODE_ENC), info_of(keyring, KeyPurpose.NODE_SIGN)
    assert enc.public_point is not None
    assert sign.public_point is not None
    blob = await keyring.seal_to_public(enc.public_point, b"fields", b"recognition 7")
    assert await keyring.open_for_node(blob, b"recognition 7") == b"fields"
    with pytest.raises(SealBrokenError):
        await keyring.open_for_node(blob, b"recognition 8")
    to_signing_key = await keyring.seal_to_public(sign.public_point, b"fields", b"recognition 7")
    with pytest.raises(KeyPurposeError):
        await keyring.open_for_node(to_signing_key, b"recognition 7")
    key_store.rotate(enc.key_id)
    keyring.reload()
    assert await keyring.open_for_node(blob, b"recognition 7") == b"fields"


async def test_an_envelope_to_a_point_off_the_curve_is_refused(keyring: Keyring) -> None:
    with pytest.raises(ValueError, match="curve"):
        await keyring.seal_to_public(b"\x04" + bytes(64), b"x", b"a")


def test_the_keyring_is_what_the_ports_ask_for(keyring: Keyring) -> None:
    sealer: CodeSealer = keyring
    keys: DataKeys = keyring
    assert (sealer, keys) == (keyring, keyring)


def test_the_keystore_says_that_it_is_software(keyring: Keyring) -> None:
    assert keyring.keystore_kind() == "SOFTWARE"


async def test_keys_rotate_under_load_without_one_failure(keyring: Keyring, key_store: SoftwareKeyStore) -> None:
    stop = asyncio.Event()
    done = 0

    async def load(act: Callable[[], Coroutine[Any, Any, object]]) -> None:
        nonlocal done
        while not stop.is_set():
            await act()
            done += 1

    async def seal_and_check() -> None:
        key_no = keyring.active_mac_key_no(False, done)
        keyring.check_code_mac(key_no, CODE, keyring.mac_code(key_no, CODE, False), static=False)
        await asyncio.sleep(0)

    workers = [
        asyncio.ensure_future(load(lambda: keyring.sign_code(CODE))),
        asyncio.ensure_future(load(seal_and_check)),
    ]
    for _ in range(5):
        for purpose in (KeyPurpose.CODE_SEAL, KeyPurpose.CODE_MAC):
            active = [key for key in keyring.infos() if key.purpose is purpose and key.state is KeyState.ACTIVE]
            await asyncio.to_thread(key_store.rotate, active[0].key_id)
            keyring.reload()
    stop.set()
    await asyncio.gather(*workers)
    assert done > 10


def test_content_key_belongs_to_one_use_of_one_document(keyring: Keyring) -> None:
    key = keyring.license_content_key("us_1", b"digest")
    assert len(key) == 16
    assert keyring.license_content_key("us_1", b"digest") == key
    others = [("us_2", b"digest"), ("us_1", b"other"), ("us_1d", b"igest")]
    assert key not in {keyring.license_content_key(*other) for other in others}


def without_keys_of(store: SoftwareKeyStore, directory: Path, purpose: KeyPurpose) -> None:
    """Make the keystore one of a release that did not know the purpose."""
    for info in store.infos():
        if info.purpose is purpose:
            (directory / f"{info.key_id}.json").unlink()


def test_keystore_of_an_earlier_release_gets_the_key_that_it_lacks_once(
    key_store: SoftwareKeyStore, key_place: Any, key_clock: Any
) -> None:
    before = key_store.infos()
    without_keys_of(key_store, key_place.directory, KeyPurpose.LICENSE_CONTENT)
    first = Keyring(key_store, clock=key_clock)
    key = first.license_content_key("us_1", b"digest")
    second = Keyring(key_store, clock=key_clock)
    assert second.license_content_key("us_1", b"digest") == key
    made = [info for info in key_store.infos() if info.purpose is KeyPurpose.LICENSE_CONTENT]
    assert [info.owner for info in made] == [before[0].owner]
    assert len(key_store.infos()) == len(before)
    for ring in (first, second):
        ring.close()


def test_key_that_was_lost_or_given_up_is_never_made_anew_in_silence(
    key_store: SoftwareKeyStore, key_place: Any, key_clock: Any
) -> None:
    without_keys_of(key_store, key_place.directory, KeyPurpose.BLIND_INDEX)
    (content,) = (info for info in key_store.infos() if info.purpose is KeyPurpose.LICENSE_CONTENT)
    key_store.set_state(content.key_id, KeyState.COMPROMISED)
    ring = Keyring(key_store, clock=key_clock)
    with pytest.raises(KeyUnavailableError):
        ring.license_content_key("us_1", b"digest")
    with pytest.raises(KeyUnavailableError):
        ring.blind_index("id_number", "1")
    ring.close()
