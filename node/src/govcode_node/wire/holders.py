"""The holder's own acts: proofs by the holder's device, and identifications on their way to the provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.code.v1 import statement_pb2 as statementv1
from govcode.common.v1 import holder_pb2 as holderv1
from govcode_client.evidence_rules import holder_bytes
from govcode_client.sm2 import key_id_of

from govcode_node.domain.accounts import HolderProofInvalidError
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.keys import InvalidSignatureError
from govcode_node.ports.security import HolderProof, HolderStatement
from govcode_node.wire import checks
from govcode_node.wire.attestation import VerifySignature
from govcode_node.wire.times import moment_from_proto

MAX_STATEMENT: Final = 4096
"""Longest statement of a holder's device, in bytes."""

MAX_PROVIDER_BLOB: Final = 16_384
"""Longest outcome of an identification, in bytes."""

_SIGNATURE_SIZE: Final = 64
_PACKAGE: Final = statementv1.DESCRIPTOR.package

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Identification:
    """What a device hands over for an identification; the blob goes to the provider and is then forgotten."""

    identification_id: str
    provider_blob: bytes

    def __repr__(self) -> str:
        """It leaves the blob out, so that no log line can hold it."""
        return f"Identification({self.identification_id!r})"


def identification_from_proto(message: holderv1.Identification) -> Identification:
    """It reads the outcome of an identification.

    Raises:
        InvalidFieldError: A part is missing or too long.
    """
    return Identification(
        identification_id=checks.printable(
            message.identification_id, "identification.identification_id", longest=checks.MAX_SERIAL
        ),
        provider_blob=checks.blob(message.provider_blob, "identification.provider_blob", longest=MAX_PROVIDER_BLOB),
    )


def holder_proof_to_proto(proof: HolderProof) -> holderv1.HolderProof:
    """It gives the message of a proof."""
    return holderv1.HolderProof(
        statement=proof.statement, device_key_id=proof.device_key_id, sm2_signature=proof.signature
    )


def holder_proof_from_proto(message: holderv1.HolderProof) -> HolderProof:
    """It reads a proof, which is checked later.

    Raises:
        HolderProofInvalidError: There is none.
    """
    if not message.statement and not message.sm2_signature:
        raise HolderProofInvalidError("MISSING")
    return HolderProof(
        statement=message.statement, device_key_id=message.device_key_id, signature=message.sm2_signature
    )


class WireHolderVerifier:
    """The `HolderVerifier` of the node. Whether the act and the time are right is for the step to judge."""

    def __init__(self, *, verify: VerifySignature) -> None:
        """It checks signatures with what is given."""
        self._verify = verify

    async def verify(self, proof: HolderProof, *, act: str, public_key: bytes | None) -> HolderStatement:
        """It checks the signature and returns the statement; facts are taken from that alone.

        Where the act binds a new device, its statement brings the key, so it is read before the signature is checked;
        no fact leaves here before.

        Args:
            proof: As received.
            act: Name of the statement's message. Example: `OpenAccountStatement`.
            public_key: The key that must have signed; None for acts whose statement brings the key.

        Raises:
            HolderProofInvalidError: The proof does not prove it.
        """
        read = _READERS[act]
        if not proof.statement or len(proof.statement) > MAX_STATEMENT:
            raise HolderProofInvalidError("STATEMENT")
        if len(proof.signature) != _SIGNATURE_SIZE:
            raise HolderProofInvalidError("SIGNATURE")
        point = read(proof.statement).device_public_key if public_key is None else public_key
        if len(point) != checks.POINT_SIZE or key_id_of(point) != proof.device_key_id:
            raise HolderProofInvalidError("KEY")
        try:
            await self._verify(point, proof.signature, holder_bytes(f"{_PACKAGE}.{act}", proof.statement))
        except InvalidSignatureError:
            raise HolderProofInvalidError("SIGNATURE") from None
        return replace(read(proof.statement), device_key_id=proof.device_key_id)


def _parsed(message: type[M], data: bytes) -> M:
    """It parses a statement and refuses what goes beyond it: the device means more than this node would carry out."""
    try:
        statement = message.FromString(data)
    except DecodeError:
        raise HolderProofInvalidError("STATEMENT") from None
    said = statement.ByteSize()
    statement.DiscardUnknownFields()
    if statement.ByteSize() != said:
        raise HolderProofInvalidError("OTHER_ACT")
    return statement


def _serial(value: str) -> str:
    try:
        return checks.biz_serial(value)
    except InvalidFieldError:
        raise HolderProofInvalidError("STATEMENT") from None


def _moment(stamp: Timestamp) -> datetime:
    try:
        return moment_from_proto(stamp, "signed_time")
    except InvalidFieldError:
        raise HolderProofInvalidError("STATEMENT") from None


def _named(value: str) -> str:
    """It takes a name without which the statement would be about nothing."""
    if not value:
        raise HolderProofInvalidError("STATEMENT")
    return value


def _open_account(data: bytes) -> HolderStatement:
    statement = _parsed(statementv1.OpenAccountStatement, data)
    return HolderStatement(
        biz_serial=_serial(statement.biz_serial),
        signed_at=_moment(statement.signed_time),
        identification_id=_named(statement.identification_id),
        device_public_key=statement.device_public_key,
        terms_version=statement.terms_version,
    )


def _open_session(data: bytes) -> HolderStatement:
    statement = _parsed(statementv1.OpenSessionStatement, data)
    return HolderStatement(
        biz_serial=_serial(statement.biz_serial),
        signed_at=_moment(statement.signed_time),
        identification_id=_named(statement.identification_id),
    )


def _bind_device(data: bytes) -> HolderStatement:
    statement = _parsed(statementv1.BindDeviceStatement, data)
    return HolderStatement(
        biz_serial=_serial(statement.biz_serial),
        signed_at=_moment(statement.signed_time),
        identification_id=_named(statement.identification_id),
        device_public_key=statement.device_public_key,
    )


def _close_account(data: bytes) -> HolderStatement:
    statement = _parsed(statementv1.CloseAccountStatement, data)
    return HolderStatement(
        biz_serial=_serial(statement.biz_serial),
        signed_at=_moment(statement.signed_time),
        session_id=_named(statement.session_id),
    )


def _make_code(data: bytes) -> HolderStatement:
    statement = _parsed(statementv1.MakeCodeStatement, data)
    return HolderStatement(
        biz_serial=_serial(statement.biz_serial),
        signed_at=_moment(statement.signed_time),
        ticket=_named(statement.ticket),
        nonce=statement.nonce,
    )


_READERS: Final[Mapping[str, Callable[[bytes], HolderStatement]]] = {
    "OpenAccountStatement": _open_account,
    "OpenSessionStatement": _open_session,
    "BindDeviceStatement": _bind_device,
    "CloseAccountStatement": _close_account,
    "MakeCodeStatement": _make_code,
}
