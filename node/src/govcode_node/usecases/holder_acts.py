"""What every proof of a holder's device must say: this act, and now (architecture 11, HolderProof)."""

from datetime import datetime

from govcode_node.domain.accounts import MAX_CLOCK_DIFFERENCE, HolderProofInvalidError
from govcode_node.ports.security import HolderStatement


def check_statement(
    statement: HolderStatement,
    *,
    biz_serial: str,
    now: datetime,
    identification_id: str | None = None,
    session_id: str | None = None,
) -> None:
    """It raises unless a verified statement is about this act and was signed now.

    Args:
        statement: What the device signed.
        biz_serial: Serial of the request.
        now: The clock here.
        identification_id: Identification of the request, for acts that have one.
        session_id: Session of the request, for acts that have one.

    Raises:
        HolderProofInvalidError: It is about another act, or too old, or from the future.
    """
    if abs(now - statement.signed_at) > MAX_CLOCK_DIFFERENCE:
        raise HolderProofInvalidError("TIME")
    same = (
        statement.biz_serial == biz_serial
        and (identification_id is None or statement.identification_id == identification_id)
        and (session_id is None or statement.session_id == session_id)
    )
    if not same:
        raise HolderProofInvalidError("OTHER_ACT")
