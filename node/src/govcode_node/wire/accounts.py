"""Accounts and the sessions of their devices."""

from typing import Final

from govcode.code.v1 import account_pb2 as accountv1

from govcode_node.domain.accounts import Account, AccountId, AccountState, Session
from govcode_node.wire import checks
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.times import moment_to_proto, optional_moment_to_proto
from govcode_node.wire.vocabulary import SUBJECT_KINDS

ACCOUNT_STATES: Final = EnumPair(AccountState, accountv1.AccountState.Value, prefix="ACCOUNT_STATE")


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
