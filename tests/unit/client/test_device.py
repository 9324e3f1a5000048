"""A holder's device signs the exact act, and nothing but that act comes out of its proof."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.message import Message
from govcode.code.v1 import statement_pb2
from govcode.common.v1.holder_pb2 import HolderProof
from govcode_client import HolderDevice
from govcode_client.evidence_rules import holder_bytes
from govcode_client.sm2 import Sm2PublicKey, Sm2VerificationError, key_id_of

NOW = datetime(2026, 2, 1, 8, 30, 0, 250_000, tzinfo=UTC)

ACTS: list[tuple[type[Message], Callable[[HolderDevice], HolderProof]]] = [
    (
        statement_pb2.OpenAccountStatement,
        lambda device: device.prove_open_account(identification_id="id-1", biz_serial="S-1", terms_version="2026-01"),
    ),
    (
        statement_pb2.OpenSessionStatement,
        lambda device: device.prove_open_session(identification_id="id-1", biz_serial="S-1"),
    ),
    (
        statement_pb2.BindDeviceStatement,
        lambda device: device.prove_bind_device(identification_id="id-1", biz_serial="S-1"),
    ),
    (
        statement_pb2.CloseAccountStatement,
        lambda device: device.prove_close_account(session_id="0123456789abcdef", biz_serial="S-1"),
    ),
    (
        statement_pb2.MakeCodeStatement,
        lambda device: device.prove_make_code(ticket="t", nonce=b"n" * 16, biz_serial="S-1"),
    ),
]


@pytest.fixture
def device() -> HolderDevice:
    return HolderDevice.generate(now=lambda: NOW)


@pytest.mark.parametrize(("kind", "prove"), ACTS, ids=[kind.DESCRIPTOR.name for kind, _ in ACTS])
def test_every_act_is_signed_with_all_that_it_must_say(
    device: HolderDevice, kind: type[Message], prove: Callable[[HolderDevice], HolderProof]
) -> None:
    proof = prove(device)
    Sm2PublicKey.from_point(device.public_key).verify(
        proof.sm2_signature, holder_bytes(kind.DESCRIPTOR.full_name, proof.statement)
    )
    statement = kind.FromString(proof.statement)
    assert proof.device_key_id == device.key_id == key_id_of(device.public_key)
    assert {field.name for field, _ in statement.ListFields()} == set(kind.DESCRIPTOR.fields_by_name)
    assert statement.biz_serial == "S-1"  # type: ignore[attr-defined]
    assert statement.signed_time.ToDatetime(tzinfo=UTC) == NOW  # type: ignore[attr-defined]


def test_a_proof_does_not_hold_for_another_act(device: HolderDevice) -> None:
    proof = device.prove_open_session(identification_id="id-1", biz_serial="S-1")
    other = device.prove_open_session(identification_id="id-1", biz_serial="S-2")
    with pytest.raises(Sm2VerificationError):
        Sm2PublicKey.from_point(device.public_key).verify(
            proof.sm2_signature, holder_bytes("govcode.code.v1.OpenSessionStatement", other.statement)
        )


def test_a_saved_device_is_the_same_device_and_its_file_is_private(device: HolderDevice, tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    device.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert HolderDevice.load(path).public_key == device.public_key
    with pytest.raises(FileExistsError):
        HolderDevice.generate().save(path)


def test_a_device_shows_its_public_name_only(device: HolderDevice) -> None:
    assert repr(device) == f"HolderDevice({device.key_id})"
