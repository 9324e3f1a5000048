"""Presenting a code (亮码), domain 3.1 steps 2 to 4: the same unscanned code until its refresh time, then a new one."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from govcode_node.domain.accounts import Account, AccountId, RelationNotProvenError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.codes import CodeState
from govcode_node.domain.issued_codes import CodeNotFoundError, CodeWish, IssuedCode
from govcode_node.ports.clock import Clock
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.stores import Database, Transaction
from govcode_node.ports.telemetry import DecisionCounters
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.issuing import CodeIssuer, SealedContent, SignatureNeededError
from govcode_node.usecases.live_codes import LiveCodes
from govcode_node.usecases.sessions import Holder, check_active, holder_of, token_hash_of
from govcode_node.usecases.trail import record


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentCommand:
    """What a holder's back end asks for.

    Attributes:
        biz_serial: Serial of the act.
        session_token: Token of the holder's session.
        wish: The code wished for.
        on_behalf_of: Account of a dependant; None for the holder's own code.
    """

    biz_serial: str
    session_token: str = field(repr=False)
    wish: CodeWish
    on_behalf_of: AccountId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """The code to show, and whether it is that of an earlier call."""

    issued: IssuedCode
    reused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What is remembered of a presentation: the rest stands in the code's own row, and need not be sealed twice.

    Kept by these names, so that a later release may add to them.
    """

    code_id: bytes
    code_text: str = field(repr=False)
    refresh_after: timedelta | None = None
    reused: bool = False


class Presentation:
    """It presents codes."""

    def __init__(
        self,
        *,
        database: Database,
        issuer: CodeIssuer,
        lives: LiveCodes,
        acts: ActMemory,
        clock: Clock,
        subject_limit: RateLimit,
        counters: DecisionCounters,
    ) -> None:
        """It works over the node's store and keys."""
        self._database = database
        self._issuer = issuer
        self._lives = lives
        self._acts = acts
        self._clock = clock
        self._subject_limit = subject_limit
        self._counters = counters

    async def present(self, call: Call, command: PresentCommand) -> tuple[Presented, bool]:
        """It returns a code to show, and whether this repeats the answer to the same serial.

        Raises:
            SessionInvalidError: The session cannot be used.
            RelationNotProvenError: The holder may not present for that account.
            SceneUnknownError, SceneNotAllowedError, AssuranceTooLowError, TerminalRuleError: The wish is not allowed.
            RateLimitedError: The holder asks too often.
            KeyUnavailableError: No code can be sealed; none is issued unsealed.
            SerialConflictError: The serial was used for another request.
        """
        self._subject_limit.take(token_hash_of(command.session_token))
        async with self._acts.alone(call, command.biz_serial):
            now = self._clock.now()
            try:
                result = await self._database.run(lambda tx: self._present(tx, call, command, now, None))
            except SignatureNeededError as needed:
                signed = await self._issuer.sign(needed.plan, now=now)
                result = await self._database.run(lambda tx: self._present(tx, call, command, now, signed))
        presented, _ = result
        self._counters.code_presented(kind=presented.issued.code.subject_kind, reused=presented.reused)
        return result

    def _present(
        self, tx: Transaction, call: Call, command: PresentCommand, now: datetime, signed: SealedContent | None
    ) -> tuple[Presented, bool]:
        shown = self._acts.recall(tx, call, biz_serial=command.biz_serial, kind=_Shown)
        if shown is not None:
            return _as_shown_first(tx, shown), True
        presented = self._present_anew(tx, call, command, now, signed)
        issued = presented.issued
        shown = _Shown(
            code_id=bytes(issued.code.code_id),
            code_text=issued.code_text,
            refresh_after=issued.refresh_after,
            reused=presented.reused,
        )
        self._acts.remember(tx, call, biz_serial=command.biz_serial, answer=shown, now=now)
        return presented, False

    def _present_anew(
        self, tx: Transaction, call: Call, command: PresentCommand, now: datetime, signed: SealedContent | None
    ) -> Presented:
        holder = holder_of(tx, call, command.session_token, now=now)
        subject = self._subject_of(tx, holder, command.on_behalf_of, now)
        plan = self._issuer.plan(
            tx,
            account=subject,
            presenter=holder.account.account_id,
            assurance=holder.account.assurance_level,
            wish=command.wish,
            now=now,
        )
        live = self._lives.newest(tx, plan)
        if live is not None:
            again = self._lives.again(tx, plan, live, now=now)
            if again is not None:
                return Presented(issued=again, reused=True)
        # A signature made for an earlier look at the plan still fits, since it seals whatever the first look planned.
        sealed = signed if signed is not None else self._issuer.seal_now(plan, now=now)
        issued = self._issuer.issue(tx, plan, sealed, app_id=call.caller.name)
        self._lives.replace(tx, plan, issued, before=live, now=now)
        record(
            tx,
            call,
            AuditAction.CODE_ISSUED,
            at=now,
            object_id=issued.code.code_id.hex(),
            biz_serial=command.biz_serial,
        )
        return Presented(issued=issued, reused=False)

    def _subject_of(self, tx: Transaction, holder: Holder, on_behalf_of: AccountId | None, now: datetime) -> Account:
        if on_behalf_of is None or on_behalf_of == holder.account.account_id:
            return holder.account
        relations = tx.relations.between(presenter=holder.account.account_id, dependant=on_behalf_of)
        dependant = tx.accounts.get(on_behalf_of)
        if dependant is None or not any(relation.holds_at(now) for relation in relations):
            raise RelationNotProvenError(on_behalf_of)
        check_active(dependant)
        return dependant


def _as_shown_first(tx: Transaction, shown: _Shown) -> Presented:
    """It gives the answer as it was: the code stood as issued then, whatever became of it since."""
    code = tx.codes.get(shown.code_id)
    if code is None:  # rows of codes outlive the memory of serials
        raise CodeNotFoundError(shown.code_id.hex())
    code = replace(code, state=CodeState.ISSUED, state_at=None, reason="")
    issued = IssuedCode(code=code, code_text=shown.code_text, refresh_after=shown.refresh_after)
    return Presented(issued=issued, reused=shown.reused)
