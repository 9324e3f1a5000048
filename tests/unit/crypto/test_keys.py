import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from govcode_node.crypto.keyprovider import COHORT, SoftwareKeyStore, create_node_keys
from govcode_node.crypto.randomness import RandomSource
from govcode_node.domain.keys import (
    KeyAlgorithm,
    KeyExhaustedError,
    KeyInfo,
    KeyPurpose,
    KeyPurposeError,
    KeyState,
    KeyStateError,
    KeystoreError,
    KeyTransitionError,
    KeyUse,
    RandomSourceError,
    UnknownKeyError,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def info(**changes: Any) -> KeyInfo:
    usual: dict[str, Any] = {
        "key_id": "0123456789abcdef",
        "purpose": KeyPurpose.RECORD_SEAL,
        "owner": "420100",
        "key_no": None,
        "state": KeyState.ACTIVE,
        "created_at": NOW,
        "not_after": NOW + timedelta(days=1),
    }
    return KeyInfo(**{**usual, **changes})


@pytest.mark.parametrize(
    ("use", "usable"),
    [
        (KeyUse.PROTECT, {KeyState.ACTIVE}),
        (KeyUse.CHECK, {KeyState.ACTIVE, KeyState.VERIFY_ONLY}),
        (KeyUse.RECOVER, {KeyState.ACTIVE, KeyState.VERIFY_ONLY, KeyState.ARCHIVED, KeyState.COMPROMISED}),
    ],
)
@pytest.mark.parametrize("state", KeyState)
def test_each_state_allows_its_uses_alone(use: KeyUse, usable: set[KeyState], state: KeyState) -> None:
    key = info(state=state)
    if state in usable:
        key.require(use, purpose=KeyPurpose.RECORD_SEAL, now=NOW)
    else:
        with pytest.raises(KeyStateError) as caught:
            key.require(use, purpose=KeyPurpose.RECORD_SEAL, now=NOW)
        assert caught.value.state is state


def test_a_key_past_its_end_checks_but_protects_nothing_new() -> None:
    key = info()
    key.require(KeyUse.CHECK, purpose=KeyPurpose.RECORD_SEAL, now=NOW + timedelta(days=2))
    for moment in (NOW + timedelta(days=1), None):
        with pytest.raises(KeyStateError, match="ran out"):
            key.require(KeyUse.PROTECT, purpose=KeyPurpose.RECORD_SEAL, now=moment)


@pytest.mark.parametrize("purpose", [each for each in KeyPurpose if each is not KeyPurpose.RECORD_SEAL])
def test_a_key_serves_its_own_purpose_alone(purpose: KeyPurpose) -> None:
    with pytest.raises(KeyPurposeError):
        info().require(KeyUse.CHECK, purpose=purpose)


@pytest.mark.parametrize(
    "changes",
    [
        {"key_id": "0123456789ABCDEF"},
        {"key_id": "0123"},
        {"key_no": 1},
        {"purpose": KeyPurpose.CODE_MAC},
        {"purpose": KeyPurpose.CODE_MAC, "key_no": 0},
        {"purpose": KeyPurpose.CODE_MAC, "key_no": 65536},
        {"purpose": KeyPurpose.NODE_SIGN},
        {"public_point": b"\x04" + bytes(64)},
        {"created_at": datetime(2026, 12, 1)},  # noqa: DTZ001 - the point of the test
    ],
)
def test_a_key_that_does_not_fit_its_purpose_cannot_be_described(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        info(**changes)


@given(st.lists(st.sampled_from(list(KeyState)), max_size=8))
def test_no_walk_through_the_life_cycle_leads_back_to_active_or_out_of_destroyed(walk: list[KeyState]) -> None:
    state, was_active = KeyState.PRE_ACTIVE, False
    for later in walk:
        if not state.may_become(later):
            continue
        assert state is not KeyState.DESTROYED
        assert not (was_active and later is KeyState.ACTIVE)
        was_active |= later is KeyState.ACTIVE
        state = later


# The keystore


def test_a_new_node_has_every_key_with_whole_metadata(key_store: SoftwareKeyStore, key_clock: Any) -> None:
    infos = key_store.infos()
    numbers = {purpose: [key.key_no for key in infos if key.purpose is purpose] for purpose in KeyPurpose}
    for purpose in KeyPurpose:
        if purpose in (KeyPurpose.CODE_MAC, KeyPurpose.CODE_MAC_STATIC):
            assert numbers[purpose] == list(range(1, COHORT + 1))
        else:
            assert numbers[purpose] == [1 if purpose is KeyPurpose.CODE_SEAL else None]
    assert len({key.key_id for key in infos}) == len(infos)
    assert {key.owner for key in infos} == {"420100"}
    assert {key.state for key in infos} == {KeyState.ACTIVE}
    assert {key.created_at for key in infos} == {key_clock.now()}
    assert all((key.public_point is not None) == (key.algorithm is KeyAlgorithm.SM2) for key in infos)


def test_no_secret_stands_on_disk_in_clear(key_store: SoftwareKeyStore, key_place: Any) -> None:
    secrets = [key.secret for key in key_store.load()]
    assert len(set(secrets)) == len(secrets)
    content = b"".join(path.read_bytes() for path in key_place.directory.iterdir())
    for secret in secrets:
        assert secret not in content
        assert secret.hex().encode() not in content.lower()
    assert not any(secret.hex() in repr(key_store.load()) for secret in secrets)


def test_every_file_is_closed_to_other_users(key_place: Any) -> None:
    for path in [key_place.kek_path, *key_place.directory.iterdir()]:
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o700])
def test_a_key_encryption_key_open_to_others_is_refused(key_place: Any, key_clock: Any, mode: int) -> None:
    key_place.kek_path.chmod(mode)
    with pytest.raises(KeystoreError, match="chmod 0600"):
        SoftwareKeyStore(key_place.directory, key_place.kek_path, clock=key_clock)


@pytest.mark.parametrize("content", ["", "00", "zz" * 16, "00" * 17, "\xff" * 32])
def test_a_malformed_key_encryption_key_is_refused(key_place: Any, key_clock: Any, content: str) -> None:
    key_place.kek_path.write_bytes(content.encode("latin-1"))
    with pytest.raises(KeystoreError, match="hexadecimal"):
        SoftwareKeyStore(key_place.directory, key_place.kek_path, clock=key_clock)


def test_a_missing_keystore_or_key_encryption_key_is_named(key_place: Any, key_clock: Any) -> None:
    with pytest.raises(KeystoreError, match="there is no keystore"):
        SoftwareKeyStore(key_place.directory / "none", key_place.kek_path, clock=key_clock)
    with pytest.raises(KeystoreError, match="cannot be read"):
        SoftwareKeyStore(key_place.directory, key_place.kek_path.with_name("none"), clock=key_clock)


def test_another_key_encryption_key_opens_nothing(key_place: Any, key_clock: Any) -> None:
    key_place.kek_path.write_text("5a" * 16)
    with pytest.raises(KeystoreError, match="another key-encryption key"):
        SoftwareKeyStore(key_place.directory, key_place.kek_path, clock=key_clock).load()


@pytest.mark.req("8.1-05")
@pytest.mark.parametrize(
    "change",
    [
        {"state": "VERIFY_ONLY"},
        {"purpose": "FIELD_SEAL"},
        {"owner": "440300"},
        {"not_after": None},
        {"created_at": "2020-01-01T00:00:00+00:00"},
        {"format": 2},
        {"algorithm": "SM2"},
        {"wrapped": "00"},
        {"wrapped": "zz"},
        {"key_id": "0123456789abcdef"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_key_file_changed_by_hand_is_refused(key_store: SoftwareKeyStore, key_place: Any, change: Any) -> None:
    key = next(key for key in key_store.infos() if key.purpose is KeyPurpose.RECORD_SEAL)
    path = key_place.directory / f"{key.key_id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(KeystoreError, match=path.name):
        key_store.load()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_malformed_key_file_is_refused(key_store: SoftwareKeyStore, key_place: Any, content: bytes) -> None:
    (key_place.directory / "0123456789abcdef.json").write_bytes(content)
    with pytest.raises(KeystoreError, match="describes no key"):
        key_store.load()


def test_a_key_file_under_another_keys_name_is_refused(key_store: SoftwareKeyStore, key_place: Any) -> None:
    path = next(key_place.directory.glob("*.json"))
    path.rename(path.with_name("0123456789abcdef.json"))
    with pytest.raises(KeystoreError, match="the file holds key"):
        key_store.load()


def test_rotation_leaves_the_old_key_for_checking_and_takes_a_fresh_number(key_store: SoftwareKeyStore) -> None:
    old = next(key for key in key_store.infos() if key.key_no == 3 and key.purpose is KeyPurpose.CODE_MAC)
    new = key_store.rotate(old.key_id)
    assert (new.key_no, new.state, new.owner) == (COHORT + 1, KeyState.ACTIVE, old.owner)
    assert replace(old, state=KeyState.VERIFY_ONLY) in key_store.infos()
    with pytest.raises(KeyTransitionError):
        key_store.rotate(old.key_id)


def test_a_destroyed_key_has_no_secret_and_stays_destroyed(key_store: SoftwareKeyStore, key_place: Any) -> None:
    key_id = key_store.infos()[0].key_id
    before = json.loads((key_place.directory / f"{key_id}.json").read_text())["wrapped"]
    for state in (KeyState.COMPROMISED, KeyState.DESTROYED):
        key_store.set_state(key_id, state)
    stored = next(key for key in key_store.load() if key.info.key_id == key_id)
    assert stored.secret == b""
    assert before[24:56] not in (key_place.directory / f"{key_id}.json").read_text()
    for state in KeyState:
        with pytest.raises(KeyTransitionError):
            key_store.set_state(key_id, state)


@pytest.mark.parametrize("key_id", ["0123456789abcdef", "../keys/x", "", "*"])
def test_an_unknown_key_id_is_refused(key_store: SoftwareKeyStore, key_id: str) -> None:
    with pytest.raises(UnknownKeyError):
        key_store.set_state(key_id, KeyState.COMPROMISED)


def test_uses_are_counted_over_all_openings_of_the_store(key_place: Any, key_clock: Any) -> None:
    stores = [SoftwareKeyStore(key_place.directory, key_place.kek_path, clock=key_clock) for _ in range(2)]
    key_id = stores[0].infos()[0].key_id
    assert [store.reserve_uses(key_id, 40, limit=100) for store in (*stores, stores[0])] == [40, 40, 20]
    with pytest.raises(KeyExhaustedError):
        stores[1].reserve_uses(key_id, 1, limit=100)


def test_keys_are_never_overwritten(key_place: Any, key_clock: Any) -> None:
    before = {path.name: path.read_bytes() for path in key_place.directory.iterdir()}
    with pytest.raises(KeystoreError, match="never overwritten"):
        create_node_keys(key_place.directory, key_place.kek_path, "420100", key_clock)
    assert {path.name: path.read_bytes() for path in key_place.directory.iterdir()} == before


@pytest.mark.req("7.2-05")
@pytest.mark.parametrize("good_draws", [0, 1, 30])
def test_a_random_source_that_fails_leaves_no_half_made_keystore(
    tmp_path: Path, key_clock: Any, good_draws: int
) -> None:
    draw = _failing_after(good_draws)
    with pytest.raises(RandomSourceError):
        create_node_keys(tmp_path / "keys", tmp_path / "kek", "420100", key_clock, random=RandomSource(draw))
    assert {path.name for path in tmp_path.iterdir()} <= {"kek"}


def _failing_after(good_draws: int) -> Callable[[int], bytes]:
    left = good_draws

    def draw(size: int) -> bytes:
        nonlocal left
        if not left:
            raise OSError("the device is gone")
        left -= 1
        return os.urandom(size)

    return draw


def test_a_crash_while_writing_leaves_the_old_key(
    key_store: SoftwareKeyStore, key_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_store.infos()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeystoreError, match="No space left"):
        key_store.set_state(before[0].key_id, KeyState.COMPROMISED)
    assert key_store.infos() == before
    assert not list(key_place.directory.glob("*.new"))
    assert not list(key_place.directory.glob(".*.new"))
