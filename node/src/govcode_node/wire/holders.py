"""The holder's own acts: proofs by the holder's device, and identifications on their way to the provider."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.authorization.v1 import statement_pb2 as authorizationv1
from govcode.code.v1 import statement_pb2 as statementv1
from govcode.common.v1 import holder_pb2 as holderv1
from govcode_client.evidence_rules import holder_bytes
from govcode_client.sm2 import key_id_of

from govcode_node.domain.accounts import HolderProofInvalidError
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.keys import InvalidSignatureError
from govcode_node.ports.security import HolderProof, HolderStatement, ItemDecision
from govcode_node.wire import checks
from govcode_node.wire.attestation import VerifySignature
from govcode_node.wire.authorization_items import MAX_ITEMS, authorization_id, item_no
from govcode_node.wire.times import moment_from_proto

MAX_PROVIDER_BLOB: Final = 16_384
"""Longest outcome of an identification, in bytes."""

MAX_MANDATED: Final = 32
"""Most matters, and most licence types, of one mandate."""

_SIGNATURE_SIZE: Final = 64

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
            act: Name of the statement's message, without its package. Example: `OpenAccountStatement`.
            public_key: The key that must have signed; None for acts whose statement brings the key.

        Raises:
            HolderProofInvalidError: The proof does not prove it.
        """
        message, read = _ACTS[act]
        if not proof.statement or len(proof.statement) > checks.MAX_STATEMENT:
            raise HolderProofInvalidError("STATEMENT")
        if len(proof.signature) != _SIGNATURE_SIZE:
            raise HolderProofInvalidError("SIGNATURE")
        point = _read(message, read, proof.statement).device_public_key if public_key is None else public_key
        if len(point) != checks.POINT_SIZE or key_id_of(point) != proof.device_key_id:
            raise HolderProofInvalidError("KEY")
        try:
            await self._verify(point, proof.signature, holder_bytes(message.DESCRIPTOR.full_name, proof.statement))
        except InvalidSignatureError:
            raise HolderProofInvalidError("SIGNATURE") from None
        return replace(_read(message, read, proof.statement), device_key_id=proof.device_key_id)


def _read(message: type[M], read: Callable[[M], HolderStatement], data: bytes) -> HolderStatement:
    try:
        return read(_parsed(message, data))
    except InvalidFieldError:
        # Whoever signed something that is of no form has signed nothing that could be carried out.
        raise HolderProofInvalidError("STATEMENT") from None


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


def _named(value: str, field: str) -> str:
    """It takes a name without which the statement would be about nothing."""
    if not value:
        raise InvalidFieldError(field, "is required")
    return value


def _signed(stamp: Timestamp) -> datetime:
    return moment_from_proto(stamp, "signed_time")


def _open_account(statement: statementv1.OpenAccountStatement) -> HolderStatement:
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        identification_id=_named(statement.identification_id, "identification_id"),
        device_public_key=statement.device_public_key,
        terms_version=statement.terms_version,
    )


def _open_session(statement: statementv1.OpenSessionStatement) -> HolderStatement:
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        identification_id=_named(statement.identification_id, "identification_id"),
    )


def _bind_device(statement: statementv1.BindDeviceStatement) -> HolderStatement:
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        identification_id=_named(statement.identification_id, "identification_id"),
        device_public_key=statement.device_public_key,
    )


def _close_account(statement: statementv1.CloseAccountStatement) -> HolderStatement:
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        session_id=_named(statement.session_id, "session_id"),
    )


def _make_code(statement: statementv1.MakeCodeStatement) -> HolderStatement:
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        ticket=_named(statement.ticket, "ticket"),
        nonce=statement.nonce,
    )


def _decide_authorization(statement: authorizationv1.DecideAuthorizationStatement) -> HolderStatement:
    digest = statement.step_up_digest
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        session_id=_named(statement.session_id, "session_id"),
        authorization_id=authorization_id(statement.authorization_id),
        notice_version=checks.printable(statement.notice_version, "notice_version"),
        notice_hash=checks.sized(statement.notice_hash, "notice_hash", size=checks.DIGEST_SIZE),
        decisions=_decisions(statement.items),
        step_up_digest=checks.sized(digest, "step_up_digest", size=checks.DIGEST_SIZE) if digest else b"",
        mandate_id=checks.printable(statement.mandate_id, "mandate_id", shortest=0),
    )


def _decisions(messages: Sequence[authorizationv1.ItemDecision]) -> tuple[ItemDecision, ...]:
    """It reads the holder's words, one for an item; two on the same item would be none. No word at all refuses all."""
    checks.number(len(messages), "items", least=0, most=MAX_ITEMS)
    decisions = tuple(
        ItemDecision(
            item_no=item_no(message.item_no, "items.item_no"),
            granted=message.granted,
            sensitive_confirmed=message.sensitive_confirmed,
            license_node=checks.node_id(message.license_node_id, "items.license_node_id")
            if message.license_node_id
            else "",
        )
        for message in messages
    )
    if len({decision.item_no for decision in decisions}) != len(decisions):
        raise InvalidFieldError("items.item_no", "has a number twice")
    return decisions


def _withdraw_authorization(statement: authorizationv1.WithdrawAuthorizationStatement) -> HolderStatement:
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        session_id=_named(statement.session_id, "session_id"),
        authorization_id=authorization_id(statement.authorization_id),
    )


def _give_mandate(statement: authorizationv1.GiveMandateStatement) -> HolderStatement:
    for count, field in (
        (len(statement.matter_codes), "matter_codes"),
        (len(statement.license_types), "license_types"),
    ):
        checks.number(count, field, least=1, most=MAX_MANDATED)
    if not statement.HasField("start_time") or not statement.HasField("end_time"):
        raise InvalidFieldError("end_time", "and start_time are required")
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        session_id=_named(statement.session_id, "session_id"),
        agent_account_id=checks.printable(statement.agent_account_id, "agent_account_id"),
        matter_codes=tuple(checks.matter_code(code, "matter_codes") for code in statement.matter_codes),
        license_types=tuple(checks.registered_name(kind, "license_types") for kind in statement.license_types),
        starts_at=moment_from_proto(statement.start_time, "start_time"),
        ends_at=moment_from_proto(statement.end_time, "end_time"),
    )


def _cancel_mandate(statement: authorizationv1.CancelMandateStatement) -> HolderStatement:
    return HolderStatement(
        biz_serial=checks.biz_serial(statement.biz_serial),
        signed_at=_signed(statement.signed_time),
        session_id=_named(statement.session_id, "session_id"),
        mandate_id=checks.printable(statement.mandate_id, "mandate_id"),
    )


# Any: each reader takes its own message, which a table by name cannot say in types.
_ACTS: Final[Mapping[str, tuple[type[Any], Callable[[Any], HolderStatement]]]] = {
    message.DESCRIPTOR.name: (message, read)
    for message, read in (
        (statementv1.OpenAccountStatement, _open_account),
        (statementv1.OpenSessionStatement, _open_session),
        (statementv1.BindDeviceStatement, _bind_device),
        (statementv1.CloseAccountStatement, _close_account),
        (statementv1.MakeCodeStatement, _make_code),
        (authorizationv1.DecideAuthorizationStatement, _decide_authorization),
        (authorizationv1.WithdrawAuthorizationStatement, _withdraw_authorization),
        (authorizationv1.GiveMandateStatement, _give_mandate),
        (authorizationv1.CancelMandateStatement, _cancel_mandate),
    )
}
