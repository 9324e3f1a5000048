"""What a holder's device does: it keeps one SM2 key and signs the holder's own acts with it.

    >>> from datetime import UTC, datetime
    >>> device = HolderDevice.generate(now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    >>> proof = device.prove_open_account(identification_id="id-1", biz_serial="S-1", terms_version="2026-01")
    >>> proof.device_key_id == device.key_id
    True

In production this runs on the holder's phone, with the key in its secure area; back ends carry the proofs to the node
and cannot make them. Here it serves tests, demonstrations and kiosks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.code.v1 import statement_pb2
from govcode.common.v1 import holder_pb2

from govcode_client.evidence_rules import holder_bytes
from govcode_client.sm2 import Sm2PrivateKey, key_id_of


def _utc_now() -> datetime:
    return datetime.now(UTC)


class HolderDevice:
    """One device of a holder, with its SM2 key.

    Args:
        key: The device's private key.
        now: The device's clock; aware times. A node refuses statements that are more than five minutes off.
    """

    def __init__(self, key: Sm2PrivateKey, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._key = key
        self._now = now

    @classmethod
    def generate(cls, *, now: Callable[[], datetime] = _utc_now) -> Self:
        """It makes a device with a fresh key.

        Raises:
            Sm2UnavailableError: This machine offers no SM2.
        """
        return cls(Sm2PrivateKey.generate(), now=now)

    @classmethod
    def load(cls, path: Path, *, now: Callable[[], datetime] = _utc_now) -> Self:
        """It reads a device that `save` wrote.

        Raises:
            OSError: The file cannot be read.
            Sm2KeyError: The file holds no SM2 key.
        """
        return cls(Sm2PrivateKey.from_der(path.read_bytes()), now=now)

    def save(self, path: Path) -> None:
        """It writes the key, unencrypted, to a new file of mode 0600: for development only.

        Raises:
            OSError: The file exists or cannot be written.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._key.to_der())

    def __repr__(self) -> str:
        return f"HolderDevice({self.key_id})"

    @property
    def key_id(self) -> str:
        """Id of the device key: the first 16 hexadecimal digits of the SM3 of its public point."""
        return key_id_of(self._key.public_key)

    @property
    def public_key(self) -> bytes:
        """Public point of the device key, 65 bytes."""
        return self._key.public_key.to_point()

    def prove(self, statement: Message) -> holder_pb2.HolderProof:
        """It signs a `…Statement` message; the node takes the facts of the act from these very bytes."""
        data = statement.SerializeToString()
        signature = self._key.sign(holder_bytes(statement.DESCRIPTOR.full_name, data))
        return holder_pb2.HolderProof(statement=data, device_key_id=self.key_id, sm2_signature=signature)

    def prove_open_account(
        self, *, identification_id: str, biz_serial: str, terms_version: str
    ) -> holder_pb2.HolderProof:
        """It agrees to the terms and asks for an account on this device (OpenAccount)."""
        return self.prove(
            statement_pb2.OpenAccountStatement(
                identification_id=identification_id,
                biz_serial=biz_serial,
                signed_time=self._signed_time(),
                device_public_key=self.public_key,
                terms_version=terms_version,
            )
        )

    def prove_open_session(self, *, identification_id: str, biz_serial: str) -> holder_pb2.HolderProof:
        """It asks for a further session on this device (OpenSession)."""
        return self.prove(
            statement_pb2.OpenSessionStatement(
                identification_id=identification_id, biz_serial=biz_serial, signed_time=self._signed_time()
            )
        )

    def prove_bind_device(self, *, identification_id: str, biz_serial: str) -> holder_pb2.HolderProof:
        """It asks that this device take the place of the account's present one (BindDevice)."""
        return self.prove(
            statement_pb2.BindDeviceStatement(
                identification_id=identification_id,
                biz_serial=biz_serial,
                signed_time=self._signed_time(),
                device_public_key=self.public_key,
            )
        )

    def prove_close_account(self, *, session_id: str, biz_serial: str) -> holder_pb2.HolderProof:
        """It asks to close the account for good (CloseAccount); takes the session's id, not its token."""
        return self.prove(
            statement_pb2.CloseAccountStatement(
                session_id=session_id, biz_serial=biz_serial, signed_time=self._signed_time()
            )
        )

    def prove_make_code(self, *, ticket: str, nonce: bytes, biz_serial: str) -> holder_pb2.HolderProof:
        """It redeems a ticket of `ApplyCode` (MakeCode)."""
        return self.prove(
            statement_pb2.MakeCodeStatement(
                ticket=ticket, nonce=nonce, biz_serial=biz_serial, signed_time=self._signed_time()
            )
        )

    def _signed_time(self) -> Timestamp:
        signed = Timestamp()
        signed.FromDatetime(self._now())
        return signed
