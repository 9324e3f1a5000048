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

import hmac
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.authorization.v1 import authorization_pb2
from govcode.authorization.v1 import statement_pb2 as authorization_statement_pb2
from govcode.code.v1 import statement_pb2
from govcode.common.v1 import holder_pb2

from govcode_client.evidence_rules import holder_bytes
from govcode_client.serials import given_or_new
from govcode_client.sm2 import Sm2PrivateKey, key_id_of, sm3


class NoticeMismatchError(ValueError):
    """A consent page carries another hash than that of its text: a device signs only what it has shown."""

    def __init__(self, authorization_id: str) -> None:
        super().__init__("the hash of the page is not that of its text")
        self.authorization_id = authorization_id


def session_id_of(session_token: str) -> str:
    """It gives the id of a session, which may be shown and signed, from its token, which may not.

    >>> len(session_id_of("0123456789abcdef0123456789abcdef"))
    16
    """
    return sm3(session_token.encode()).hex()[:16]


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
        self, *, identification_id: str, terms_version: str, biz_serial: str | None = None
    ) -> holder_pb2.HolderProof:
        """It agrees to the terms and asks for an account on this device (OpenAccount).

        The serial of the act is a part of what is signed; in this and all other acts it is made where None.
        """
        return self.prove(
            statement_pb2.OpenAccountStatement(
                identification_id=identification_id,
                biz_serial=given_or_new(biz_serial, "OPEN-ACCOUNT"),
                signed_time=self._signed_time(),
                device_public_key=self.public_key,
                terms_version=terms_version,
            )
        )

    def prove_open_session(self, *, identification_id: str, biz_serial: str | None = None) -> holder_pb2.HolderProof:
        """It asks for a further session on this device (OpenSession)."""
        return self.prove(
            statement_pb2.OpenSessionStatement(
                identification_id=identification_id,
                biz_serial=given_or_new(biz_serial, "OPEN-SESSION"),
                signed_time=self._signed_time(),
            )
        )

    def prove_bind_device(self, *, identification_id: str, biz_serial: str | None = None) -> holder_pb2.HolderProof:
        """It asks that this device take the place of the account's present one (BindDevice)."""
        return self.prove(
            statement_pb2.BindDeviceStatement(
                identification_id=identification_id,
                biz_serial=given_or_new(biz_serial, "BIND-DEVICE"),
                signed_time=self._signed_time(),
                device_public_key=self.public_key,
            )
        )

    def prove_close_account(self, *, session_id: str, biz_serial: str | None = None) -> holder_pb2.HolderProof:
        """It asks to close the account for good (CloseAccount); takes the session's id, not its token."""
        return self.prove(
            statement_pb2.CloseAccountStatement(
                session_id=session_id,
                biz_serial=given_or_new(biz_serial, "CLOSE-ACCOUNT"),
                signed_time=self._signed_time(),
            )
        )

    def prove_make_code(self, *, ticket: str, nonce: bytes, biz_serial: str | None = None) -> holder_pb2.HolderProof:
        """It redeems a ticket of `ApplyCode` (MakeCode)."""
        return self.prove(
            statement_pb2.MakeCodeStatement(
                ticket=ticket, nonce=nonce, biz_serial=given_or_new(biz_serial, "MAKE"), signed_time=self._signed_time()
            )
        )

    def prove_decide(
        self,
        *,
        session_token: str,
        authorization_id: str,
        page: authorization_pb2.ConsentPage,
        granted: Collection[int],
        refused: Collection[int] = (),
        confirmed: Collection[int] = (),
        places: Mapping[int, str] | None = None,
        step_up_digest: bytes = b"",
        mandate_id: str = "",
        biz_serial: str | None = None,
    ) -> holder_pb2.HolderProof:
        """It signs the holder's decision on a page that it has shown (DecideAuthorization).

        Args:
            session_token: The holder's session.
            authorization_id: The authorization.
            page: What was shown; its hash must be that of its text.
            granted: Numbers of the granted items; none is a refusal of all.
            refused: Numbers of the refused items; those that are not named are refused as well.
            confirmed: Numbers of granted sensitive items, each of which the holder has confirmed by an act of its own.
            places: Node that holds the licence, by item number, as the holder picked it from `locate_licenses`.
            step_up_digest: From `begin_step_up`, where a sensitive item is granted.
            mandate_id: The mandate by which a person decides for an entity.
            biz_serial: Serial of the act; made where None.

        Raises:
            NoticeMismatchError: The hash of the page is not that of its text; nothing was signed.
        """
        if not hmac.compare_digest(sm3(page.notice_text.encode()), page.notice_hash):
            raise NoticeMismatchError(authorization_id)
        picked = places or {}
        return self.prove(
            authorization_statement_pb2.DecideAuthorizationStatement(
                session_id=session_id_of(session_token),
                biz_serial=given_or_new(biz_serial, "DECIDE"),
                signed_time=self._signed_time(),
                authorization_id=authorization_id,
                notice_version=page.notice_version,
                notice_hash=page.notice_hash,
                items=[
                    authorization_statement_pb2.ItemDecision(
                        item_no=number,
                        granted=number in granted,
                        sensitive_confirmed=number in granted and number in confirmed,
                        license_node_id=picked.get(number, "") if number in granted else "",
                    )
                    for number in sorted({*granted, *refused})
                ],
                step_up_digest=step_up_digest,
                mandate_id=mandate_id,
            )
        )

    def prove_withdraw(
        self, *, session_token: str, authorization_id: str, biz_serial: str | None = None
    ) -> holder_pb2.HolderProof:
        """It takes a grant back (WithdrawAuthorization)."""
        return self.prove(
            authorization_statement_pb2.WithdrawAuthorizationStatement(
                session_id=session_id_of(session_token),
                biz_serial=given_or_new(biz_serial, "WITHDRAW"),
                signed_time=self._signed_time(),
                authorization_id=authorization_id,
            )
        )

    def prove_give_mandate(
        self,
        *,
        session_token: str,
        agent_account_id: str,
        matter_codes: Sequence[str],
        license_types: Sequence[str],
        start_time: datetime,
        end_time: datetime,
        biz_serial: str | None = None,
    ) -> holder_pb2.HolderProof:
        """It gives a person a mandate to decide for the entity (GiveMandate), as its legal representative.

        Args:
            session_token: A session of the entity's account.
            agent_account_id: The person's account.
            matter_codes: Matters that it covers, 1 to 32.
            license_types: Licence types that it covers, 1 to 32.
            start_time: From when on.
            end_time: Until when, at most one year later.
            biz_serial: Serial of the act; made where None.
        """
        return self.prove(
            authorization_statement_pb2.GiveMandateStatement(
                session_id=session_id_of(session_token),
                biz_serial=given_or_new(biz_serial, "MANDATE"),
                signed_time=self._signed_time(),
                agent_account_id=agent_account_id,
                matter_codes=matter_codes,
                license_types=license_types,
                start_time=_stamp(start_time),
                end_time=_stamp(end_time),
            )
        )

    def prove_cancel_mandate(
        self, *, session_token: str, mandate_id: str, biz_serial: str | None = None
    ) -> holder_pb2.HolderProof:
        """It cancels a mandate (CancelMandate)."""
        return self.prove(
            authorization_statement_pb2.CancelMandateStatement(
                session_id=session_id_of(session_token),
                biz_serial=given_or_new(biz_serial, "MANDATE-END"),
                signed_time=self._signed_time(),
                mandate_id=mandate_id,
            )
        )

    def _signed_time(self) -> Timestamp:
        return _stamp(self._now())


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
