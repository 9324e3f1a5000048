"""The newest dynamic code of a subject on one kind of display: shown again while it may be, superseded by the next."""

from datetime import datetime

from govcode_node.domain.codes import CodeProfile, CodeState
from govcode_node.domain.digests import sm3
from govcode_node.domain.home_rules import IssueRules
from govcode_node.domain.issued_codes import IssuedCode, LiveCode
from govcode_node.domain.keys import KeyStateError, UnknownKeyError
from govcode_node.ports.security import DataKeys
from govcode_node.ports.stores import Transaction
from govcode_node.usecases.issuing import CodeIssuer, CodePlan


class LiveCodes:
    """It keeps at most one dynamic code alive for a subject, presenter and display, however the code was made."""

    def __init__(self, *, rules: IssueRules, issuer: CodeIssuer, keys: DataKeys) -> None:
        """It works by the node's grace time; a text that cannot be made again is kept sealed."""
        self._rules = rules
        self._issuer = issuer
        self._keys = keys

    def newest(self, tx: Transaction, plan: CodePlan) -> LiveCode | None:
        """It finds the newest dynamic code that stands where the planned one would."""
        return tx.codes.live(plan.account.account_id, presenter=plan.presenter, terminal_type=plan.terminal_type)

    def again(self, tx: Transaction, plan: CodePlan, live: LiveCode, *, now: datetime) -> IssuedCode | None:
        """It returns the live code if it may be shown again: the same wish, before its refresh time, and unscanned."""
        if live.shape != _shape_of(plan) or now >= live.refresh_at:
            return None
        code = tx.codes.get(live.code_id)
        if code is None or code.state is not CodeState.ISSUED or tx.codes.consumed_by(live.code_id):
            return None
        if live.sealed_text:
            text = self._keys.open_record(live.sealed_text, bytes(live.code_id)).decode()
        else:
            try:
                text = self._issuer.text_again(plan, code)
            except (KeyStateError, UnknownKeyError):
                return None  # its key has been replaced: the next code is sealed with the present one
        return IssuedCode(code=code, code_text=text, refresh_after=live.refresh_at - now)

    def replace(
        self, tx: Transaction, plan: CodePlan, issued: IssuedCode, *, before: LiveCode | None, now: datetime
    ) -> None:
        """It makes a dynamic code the newest, and the one before superseded after the grace time (6.1-04).

        A static code neither takes a place nor frees one.
        """
        if issued.refresh_after is None or issued.code.expires_at is None:
            return
        signed = issued.code.profile is CodeProfile.SIGNED
        if before is not None:
            tx.codes.supersede(before.code_id, at=now + self._rules.grace)
        tx.codes.put_live(
            LiveCode(
                account_id=plan.account.account_id,
                presenter=plan.presenter,
                terminal_type=plan.terminal_type,
                code_id=issued.code.code_id,
                shape=_shape_of(plan),
                refresh_at=now + issued.refresh_after,
                expires_at=issued.code.expires_at,
                # A MAC comes out the same each time, a signature does not.
                sealed_text=self._keys.seal_record(issued.code_text.encode(), bytes(issued.code.code_id))
                if signed
                else b"",
            )
        )


def _shape_of(plan: CodePlan) -> bytes:
    """It condenses what was asked for; only a like request gets a live code again."""
    extension = [(field.tag, field.value) for field in plan.extension]
    parts = (
        plan.scene_no,
        plan.one_time,
        plan.profile.value,
        plan.carrier.value,
        plan.validity.total_seconds(),
        extension,
    )
    return sm3(repr(parts).encode())[:16]
