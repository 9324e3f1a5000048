"""Accounts and the sessions of their devices."""

from typing import Final

from govcode.code.v1 import account_pb2 as accountv1
from govcode.code.v1 import code_application_service_pb2 as applicationv1

from govcode_node.domain.accounts import Account, AccountId, AccountState, Session
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.identification import BegunIdentification
from govcode_node.usecases.accounts import ClosedAccount, IdentifiedCommand, OpenedSession
from govcode_node.wire import checks
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.holders import holder_proof_from_proto, identification_from_proto
from govcode_node.wire.times import moment_to_proto, optional_moment_to_proto
from govcode_node.wire.vocabulary import SUBJECT_KINDS

ACCOUNT_STATES: Final = EnumPair(AccountState, accountv1.AccountState.Value, prefix="ACCOUNT_STATE")

_IDENTIFIED_KINDS: Final = frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY})
_IdentifiedRequest = (
    applicationv1.OpenAccountRequest | applicationv1.OpenSessionRequest | applicationv1.BindDeviceRequest
)


def account_to_proto(account: Account) -> accountv1.Account:
    """It gives an account; the device key stays here."""
    return accountv1.Account(
        account_id=account.account_id,
        subject_kind=SUBJECT_KINDS.to_proto(account.subject_kind),
        state=ACCOUNT_STATES.to_proto(account.state),
        assurance_level=account.assurance_level,
        terms_version=account.terms_version,
        open_time=moment_to_proto(account.opened_at),
        close_time=optional_moment_to_proto(account.closed_at),
    )


def session_to_proto(session: Session, *, token: str = "") -> accountv1.Session:
    """It gives a session; its token only in the answer that opens it."""
    return accountv1.Session(
        session_token=token,
        session_id=session.session_id,
        account_id=session.account_id,
        device_key_id=session.device_key_id,
        create_time=moment_to_proto(session.created_at),
        expire_time=moment_to_proto(session.expires_at),
        end_time=optional_moment_to_proto(session.ended_at),
    )


def account_id_from_proto(value: str, field: str) -> AccountId:
    """It reads the id of an account.

    Raises:
        InvalidFieldError: It is missing, or no opaque id.
    """
    return AccountId(checks.printable(value, field))


def session_token_from_proto(value: str, field: str = "session_token") -> str:
    """It reads the token of a session.

    Raises:
        InvalidFieldError: It is missing, or nothing that this node makes.
    """
    return checks.printable(value, field)


def identified_kind_from_proto(value: int) -> SubjectKind:
    """It reads whom an identity check is about.

    Raises:
        InvalidFieldError: It is neither a person nor a legal entity.
    """
    kind = SUBJECT_KINDS.require(value, "subject_kind")
    if kind not in _IDENTIFIED_KINDS:
        raise InvalidFieldError("subject_kind", "is neither PERSON nor LEGAL_ENTITY")
    return kind


def begun_to_proto(begun: BegunIdentification) -> applicationv1.BeginIdentificationResponse:
    """It gives what the provider's device kit needs."""
    return applicationv1.BeginIdentificationResponse(
        identification_id=begun.identification_id,
        provider_challenge=begun.challenge,
        provider=begun.provider,
        expire_time=moment_to_proto(begun.expires_at),
    )


def identified_command_from_proto(request: _IdentifiedRequest) -> IdentifiedCommand:
    """It reads an act that needs an identity check and the device's proof.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
        HolderProofInvalidError: There is no proof.
    """
    identification = identification_from_proto(request.identification)
    return IdentifiedCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        identification_id=identification.identification_id,
        provider_blob=identification.provider_blob,
        proof=holder_proof_from_proto(request.proof),
    )


def opened_account_to_proto(opened: OpenedSession, *, replayed: bool) -> applicationv1.OpenAccountResponse:
    """It gives the new account with its first session."""
    return applicationv1.OpenAccountResponse(
        account=account_to_proto(opened.account),
        session=session_to_proto(opened.session, token=opened.token),
        replayed=replayed,
    )


def closed_account_to_proto(closed: ClosedAccount, *, replayed: bool) -> applicationv1.CloseAccountResponse:
    """It gives the closed account."""
    return applicationv1.CloseAccountResponse(
        account=account_to_proto(closed.account), revoked_codes=closed.revoked_codes, replayed=replayed
    )
