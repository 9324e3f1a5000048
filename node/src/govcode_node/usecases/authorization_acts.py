"""Acts on authorizations and their serials (N-51): what is remembered of each is which authorization it was about."""

from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.authorizations import Authorization
from govcode_node.domain.callers import Call
from govcode_node.ports.stores import Transaction
from govcode_node.usecases.acts import ActMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedAuthorization:
    """What is remembered of an act: which authorization it made or changed."""

    authorization_id: str


def earlier_authorization(tx: Transaction, acts: ActMemory, call: Call, biz_serial: str) -> Authorization | None:
    """It returns the authorization of an earlier act under this serial, as it is now; None where the serial is new.

    Raises:
        SerialConflictError: The serial was used for another act.
    """
    remembered = acts.recall(tx, call, biz_serial=biz_serial, kind=RequestedAuthorization)
    return tx.authorizations.get(remembered.authorization_id) if remembered is not None else None


def remember_authorization(
    tx: Transaction, acts: ActMemory, call: Call, biz_serial: str, authorization: Authorization, *, now: datetime
) -> None:
    """It remembers which authorization an act was about."""
    answer = RequestedAuthorization(authorization_id=authorization.authorization_id)
    acts.remember(tx, call, biz_serial=biz_serial, answer=answer, now=now)
