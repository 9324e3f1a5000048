"""The holder's session, as every act of a holder begins: the token leads to a live session and an active account."""

from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.accounts import (
    Account,
    AccountNotFoundError,
    AccountState,
    Session,
    SessionInvalidError,
    SubjectSuspendedError,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.digests import sm3
from govcode_node.ports.stores import Transaction


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that lives, and its account."""

    session: Session
    account: Account


def token_hash_of(token: str) -> bytes:
    """It gives what is kept of a token."""
    return sm3(token.encode())


def holder_of(tx: Transaction, call: Call, token: str, *, now: datetime) -> Holder:
    """It returns the holder for whom the application may speak by that token.

    Raises:
        SessionInvalidError: The session is unknown, over, ended, or of another application.
        SubjectSuspendedError: The account is suspended.
    """
    session = tx.sessions.get(token_hash_of(token))
    if session is None:
        raise SessionInvalidError("UNKNOWN")
    session.check_live(app_id=call.caller.name, now=now)
    account = tx.accounts.get(session.account_id)
    if account is None:
        raise SessionInvalidError("UNKNOWN")
    check_active(account)
    return Holder(session, account)


def check_active(account: Account) -> None:
    """It raises unless the account may be used.

    Raises:
        AccountNotFoundError: It is closed.
        SubjectSuspendedError: It is suspended.
    """
    if account.state is AccountState.CLOSED:
        raise AccountNotFoundError
    if account.state is AccountState.SUSPENDED:
        raise SubjectSuspendedError(account.account_id)
