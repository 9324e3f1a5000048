"""Freezing, unfreezing, replacing and revoking a code, and looking at it (变更, 注销; 7.2-07, 7.2-10)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from govcode_node.domain.accounts import AccountNotFoundError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.codes import CodeMode, CodeProfile, CodeState, SubjectKind
from govcode_node.domain.events import CodeChange, CodeStateChanged, Event
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.issued_codes import (
    CodeNotFoundError,
    CodeStateConflictError,
    CodeWish,
    IssuedCode,
    StoredCode,
)
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import DataKeys
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.event_feed import EventBell
from govcode_node.usecases.issuing import CodeIssuer, SealedContent, SignatureNeededError
from govcode_node.usecases.sessions import check_active, holder_of
from govcode_node.usecases.trail import record

_HUMAN_KINDS = frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY})


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCommand:
    """An act on one code.

    Attributes:
        biz_serial: Serial of the act.
        code_id: The code.
        session_token: Token of the holder's session; empty for an operator.
        reason: Why.
    """

    biz_serial: str
    code_id: bytes
    session_token: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedCode:
    """The new code, and the old one as it is now."""

    issued: IssuedCode
    replaced: StoredCode


class CodeLifecycle:
    """It moves codes through their states. A change holds from the next scan on."""

    def __init__(
        self,
        *,
        database: Database,
        issuer: CodeIssuer,
        keys: DataKeys,
        acts: ActMemory,
        bell: EventBell,
        clock: Clock,
    ) -> None:
        """It works over the node's store and keys."""
        self._database = database
        self._issuer = issuer
        self._keys = keys
        self._acts = acts
        self._bell = bell
        self._clock = clock

    async def freeze(self, call: Call, command: CodeCommand) -> tuple[StoredCode, bool]:
        """It stops a static code for now.

        Raises:
            CodeNotFoundError: The caller has no such code.
            CodeStateConflictError: It is not static, or not ISSUED.
        """
        return await self._move(call, command, CodeState.ISSUED, CodeState.FROZEN, AuditAction.CODE_FROZEN)

    async def unfreeze(self, call: Call, command: CodeCommand) -> tuple[StoredCode, bool]:
        """It lets a frozen code go on.

        Raises:
            CodeNotFoundError: The caller has no such code.
            CodeStateConflictError: It is not FROZEN.
        """
        return await self._move(call, command, CodeState.FROZEN, CodeState.ISSUED, AuditAction.CODE_UNFROZEN)

    async def revoke(self, call: Call, command: CodeCommand) -> tuple[StoredCode, bool]:
        """It ends a code for good.

        Raises:
            CodeNotFoundError: The caller has no such code.
            CodeStateConflictError: It is ended.
        """
        now = self._clock.now()

        def revoke(tx: Transaction) -> StoredCode:
            return self._revoked(tx, call, command, self._code_of(tx, call, command, now), now)

        return await self._act(call, command, StoredCode, revoke, now, told_of=_told)

    async def replace(self, call: Call, command: CodeCommand) -> tuple[ReplacedCode, bool]:
        """It makes a new static code with the same rules and revokes the old one, both or neither.

        Raises:
            CodeNotFoundError: The caller has no such code, or is an operator and it is a person's or legal entity's.
            CodeStateConflictError: It is not static, or ended.
            KeyUnavailableError: No code can be sealed.
        """
        now = self._clock.now()

        def unit(signed: SealedContent | None) -> Callable[[Transaction], ReplacedCode]:
            return lambda tx: self._replace(tx, call, command, signed, now)

        try:
            return await self._act(call, command, ReplacedCode, unit(None), now, told_of=_told_of_replaced)
        except SignatureNeededError as needed:
            signed = await self._issuer.sign(needed.plan, now=now)
            return await self._act(call, command, ReplacedCode, unit(signed), now, told_of=_told_of_replaced)

    async def get(self, call: Call, *, code_id: bytes, session_token: str) -> StoredCode:
        """It returns a code as it stands, uses and times considered.

        Raises:
            CodeNotFoundError: The caller has no such code.
        """
        now = self._clock.now()
        command = CodeCommand(biz_serial="", code_id=code_id, session_token=session_token, reason="")

        def query(tx: Transaction) -> StoredCode:
            code = self._code_of(tx, call, command, now)
            if code.state is CodeState.ISSUED and code.one_time and tx.codes.consumed_by(code.code_id) is not None:
                return replace(code, state=CodeState.CONSUMED)
            if code.state is CodeState.ISSUED and code.expires_at is not None and now >= code.expires_at:
                return replace(code, state=CodeState.EXPIRED, state_at=code.expires_at)
            return code

        return await self._database.read(query)

    async def _move(
        self, call: Call, command: CodeCommand, present: CodeState, target: CodeState, action: AuditAction
    ) -> tuple[StoredCode, bool]:
        now = self._clock.now()

        def move(tx: Transaction) -> StoredCode:
            code = self._code_of(tx, call, command, now)
            if code.mode is not CodeMode.STATIC:
                raise CodeStateConflictError("DYNAMIC")
            moved = tx.codes.change_state(code.code_id, present=present, target=target, at=now, reason=command.reason)
            if not moved:
                raise CodeStateConflictError(code.state.value)
            self._record(tx, call, action, code, command, now)
            self._tell(tx, code, CodeChange(target.value), now)
            return replace(code, state=target, state_at=now, reason=command.reason)

        return await self._act(call, command, StoredCode, move, now, told_of=_told)

    def _replace(
        self, tx: Transaction, call: Call, command: CodeCommand, signed: SealedContent | None, now: datetime
    ) -> ReplacedCode:
        old = self._code_of(tx, call, command, now)
        if old.mode is not CodeMode.STATIC:
            raise CodeStateConflictError("DYNAMIC")
        account = tx.accounts.get(old.account_id)
        if account is None:
            raise AccountNotFoundError
        check_active(account)
        by_operator = call.caller.caller_class is CallerClass.OPERATOR
        if by_operator and account.subject_kind in _HUMAN_KINDS:
            # The answer holds the new code's text, and nobody but the holder may get a code that speaks for a holder.
            raise CodeNotFoundError(command.code_id.hex())
        wish = CodeWish(
            mode=old.mode,
            scene_no=old.scene_no,
            terminal_type=old.terminal_type,
            one_time=old.one_time,
            profile=CodeProfile(old.profile),
        )
        assurance = account.assurance_level if account.subject_kind in _HUMAN_KINDS else 3
        plan = self._issuer.plan(
            tx, account=account, presenter=account.account_id, assurance=assurance, wish=wish, now=now
        )
        sealed = signed if signed is not None else self._issuer.seal_now(plan, now=now)
        replaced = self._revoked(tx, call, command, old, now, action=AuditAction.CODE_REPLACED)
        issued = self._issuer.issue(tx, plan, sealed, app_id=call.caller.name)
        return ReplacedCode(issued=issued, replaced=replaced)

    def _revoked(
        self,
        tx: Transaction,
        call: Call,
        command: CodeCommand,
        code: StoredCode,
        now: datetime,
        *,
        action: AuditAction = AuditAction.CODE_REVOKED,
    ) -> StoredCode:
        moved = code.state in {CodeState.ISSUED, CodeState.FROZEN, CodeState.SUPERSEDED} and tx.codes.change_state(
            code.code_id, present=code.state, target=CodeState.REVOKED, at=now, reason=command.reason
        )
        if not moved:
            raise CodeStateConflictError(code.state.value)
        self._record(tx, call, action, code, command, now)
        self._tell(tx, code, CodeChange.REVOKED, now)
        return replace(code, state=CodeState.REVOKED, state_at=now, reason=command.reason)

    def _code_of(self, tx: Transaction, call: Call, command: CodeCommand, now: datetime) -> StoredCode:
        """It returns the caller's code: a holder's own, or for an operator any; others' codes look as if absent."""
        code = tx.codes.get(command.code_id)
        if call.caller.caller_class is not CallerClass.OPERATOR:
            holder = holder_of(tx, call, command.session_token, now=now)
            if code is not None and code.account_id != holder.account.account_id:
                code = None
        if code is None:
            raise CodeNotFoundError(command.code_id.hex())
        return code

    async def _act(
        self,
        call: Call,
        command: CodeCommand,
        kind: type[T],
        make: Callable[[Transaction], T],
        now: datetime,
        *,
        told_of: Callable[[T], str],
    ) -> tuple[T, bool]:
        async with self._acts.alone(call, command.biz_serial):
            result, replayed = await self._database.run(
                lambda tx: self._acts.once(
                    tx, call, biz_serial=command.biz_serial, kind=kind, now=now, make=lambda: make(tx)
                )
            )
        # The application that asked for the code is told, which need not be the one that calls now.
        self._bell.ring(told_of(result))
        return result, replayed

    def _record(
        self,
        tx: Transaction,
        call: Call,
        action: AuditAction,
        code: StoredCode,
        command: CodeCommand,
        now: datetime,
    ) -> None:
        record(tx, call, action, at=now, object_id=code.code_id.hex(), biz_serial=command.biz_serial)

    def _tell(self, tx: Transaction, code: StoredCode, change: CodeChange, now: datetime) -> None:
        tx.events.add(
            Event(
                app_id=code.app_id,
                account_id=code.account_id,
                happened_at=now,
                kind=CodeStateChanged(code_id=bytes(code.code_id), state=change),
                event_id=new_time_ordered_id("ev", now=now, random_bytes=self._keys.random_bytes),
            )
        )


def _told(code: StoredCode) -> str:
    return code.app_id


def _told_of_replaced(replaced: ReplacedCode) -> str:
    return replaced.replaced.app_id
