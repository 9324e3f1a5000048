import pytest
from govcode_node.crypto.keyprovider import SoftwareKeyStore
from govcode_node.crypto.keyring import Keyring
from govcode_node.crypto.row_sealer import KeyringRowSealer
from govcode_node.domain.keys import KeyPurpose, KeyState, KeyStateError, SealBrokenError


def test_a_seal_belongs_to_its_row_alone(keyring: Keyring) -> None:
    sealer = KeyringRowSealer(keyring)
    seal = sealer.seal_row(b"row")
    sealer.check_row(b"row", seal)
    for data, wrong in [
        (b"row ", seal),
        (b"row", b""),
        (b"row", seal[:-1]),
        (b"row", seal[:-1] + bytes([seal[-1] ^ 1])),
        (b"row", bytes(len(seal))),
        (b"row", b"\x01" + bytes(8) + seal[9:]),
    ]:
        with pytest.raises(SealBrokenError):
            sealer.check_row(data, wrong)


def test_a_sealed_record_is_no_seal(keyring: Keyring) -> None:
    with pytest.raises(SealBrokenError):
        KeyringRowSealer(keyring).check_row(b"row", keyring.seal_record(b"answer", b"row"))


def test_rows_of_a_rotated_key_stay_good_until_it_is_not_to_be_believed(
    keyring: Keyring, key_store: SoftwareKeyStore
) -> None:
    sealer = KeyringRowSealer(keyring)
    seal = sealer.seal_row(b"row")
    old = keyring.current_key_id(KeyPurpose.RECORD_SEAL)
    key_store.rotate(old)
    keyring.reload()
    sealer.check_row(b"row", seal)
    assert sealer.seal_row(b"row")[1:9] != seal[1:9] == bytes.fromhex(old)
    key_store.set_state(old, KeyState.COMPROMISED)
    keyring.reload()
    with pytest.raises(KeyStateError):
        sealer.check_row(b"row", seal)
