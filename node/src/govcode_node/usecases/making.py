"""The two-step making of a code (码调用申请, 制码), domain 3.1 steps 2 and 3: a ticket first, then the code."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from govcode_node.domain.accounts import (
    Account,
    AccountId,
    AccountNotFoundError,
    HolderProofInvalidError,
    SessionInvalidError,
)
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.code_rules import check_display
from govcode_node.domain.codes import Carrier, CodeProfile, ExtensionField, SubjectKind
from govcode_node.domain.digests import sm3
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.issued_codes import (
    TICKET_LIFETIME,
    CodeWish,
    IssuedCode,
    Ticket,
    TicketExpiredError,
    TicketInvalidError,
    TicketUsedError,
)
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import DataKeys, HolderProof, HolderVerifier
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.acts import ActMemory, caller_key
from govcode_node.usecases.holder_acts import check_statement
from govcode_node.usecases.issuing import CodeIssuer, SealedContent, SignatureNeededError
from govcode_node.usecases.live_codes import LiveCodes
from govcode_node.usecases.sessions import check_active, holder_of
from govcode_node.usecases.trail import record

_PLACED_KINDS = frozenset({SubjectKind.THING, SubjectKind.MATTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyCommand:
    """What is asked for.

    Attributes:
        biz_serial: Serial of the act.
        session_token: Token of the holder's session; empty for an operator.
        account_id: Account of a thing or matter; None for a holder.
        wish: The code wished for; carrier and profile are named when it is made.
    """

    biz_serial: str
    session_token: str = field(repr=False)
    account_id: AccountId | None
    wish: CodeWish


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedTicket:
    """The ticket as handed out."""

    ticket: str = field(repr=False)
    nonce: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeCommand:
    """How a ticket is redeemed.

    Attributes:
        biz_serial: Serial of the act.
        ticket: The ticket.
        proof: Proof of the holder's device; None for an operator.
        carrier: Text form; None for the usual one.
        profile: How to seal; None for the scene's choice.
        extension: Extension fields.
    """

    biz_serial: str
    ticket: str = field(repr=False)
    proof: HolderProof | None
    carrier: Carrier | None
    profile: CodeProfile | None
    extension: tuple[ExtensionField, ...]


class Making:
    """It hands out tickets and redeems them."""

    def __init__(
        self,
        *,
        database: Database,
        issuer: CodeIssuer,
        lives: LiveCodes,
        verifier: HolderVerifier,
        keys: DataKeys,
        acts: ActMemory,
        clock: Clock,
    ) -> None:
        """It works over the node's store and keys."""
        self._database = database
        self._issuer = issuer
        self._lives = lives
        self._verifier = verifier
        self._keys = keys
        self._acts = acts
        self._clock = clock

    async def apply(self, call: Call, command: ApplyCommand) -> tuple[AppliedTicket, bool]:
        """It hands out a ticket: single use, 60 s, bound to caller, subject and session.

        Raises:
            SessionInvalidError, AccountNotFoundError, SubjectSuspendedError: There is no such subject now.
            SceneUnknownError, SceneNotAllowedError, AssuranceTooLowError, TerminalRuleError: The wish is not allowed.
            SerialConflictError: The serial was used for another request.
        """
        now = self._clock.now()
        made = AppliedTicket(
            ticket=self._keys.random_bytes(16).hex(),
            nonce=self._keys.random_bytes(16),
            expires_at=now + TICKET_LIFETIME,
        )
        async with self._acts.alone(call, command.biz_serial):
            return await self._database.run(
                lambda tx: self._acts.once(
                    tx,
                    call,
                    biz_serial=command.biz_serial,
                    kind=AppliedTicket,
                    now=now,
                    make=lambda: self._apply(tx, call, command, made, now),
                )
            )

    def _apply(
        self, tx: Transaction, call: Call, command: ApplyCommand, made: AppliedTicket, now: datetime
    ) -> AppliedTicket:
        if command.account_id is not None:
            account, token_hash, assurance = self._placed(tx, call, command.account_id), b"", 3
        else:
            holder = holder_of(tx, call, command.session_token, now=now)
            account, token_hash = holder.account, holder.session.token_hash
            assurance = account.assurance_level
        # Planned now only to refuse now what could not be made later.
        plan = self._issuer.plan(
            tx, account=account, presenter=account.account_id, assurance=assurance, wish=command.wish, now=now
        )
        check_display(plan.terminal_type, mode=plan.mode, one_time=plan.one_time)
        ticket = Ticket(
            ticket_hash=sm3(made.ticket.encode()),
            caller=caller_key(call),
            account_id=account.account_id,
            session_token_hash=token_hash,
            nonce=made.nonce,
            mode=command.wish.mode,
            scene_no=command.wish.scene_no,
            terminal_type=command.wish.terminal_type,
            one_time=command.wish.one_time,
            expires_at=made.expires_at,
        )
        tx.tickets.add(ticket)
        record(
            tx,
            call,
            AuditAction.TICKET_ISSUED,
            at=now,
            object_id=account.account_id,
            biz_serial=command.biz_serial,
        )
        return made

    def _placed(self, tx: Transaction, call: Call, account_id: AccountId) -> Account:
        """It returns the account of a thing or matter, which only operators may speak for."""
        account = tx.accounts.get(account_id) if call.caller.caller_class is CallerClass.OPERATOR else None
        if account is None or account.subject_kind not in _PLACED_KINDS:
            raise AccountNotFoundError
        check_active(account)
        return account

    async def make(self, call: Call, command: MakeCommand) -> tuple[IssuedCode, bool]:
        """It redeems a ticket for a code.

        Raises:
            TicketInvalidError, TicketExpiredError, TicketUsedError: The ticket is not good, or its session has ended.
            HolderProofInvalidError: The holder's device did not prove the nonce.
            TerminalRuleError, ExtensionTooLongError: The code cannot be made so.
            KeyUnavailableError: No code can be sealed.
            SerialConflictError: The serial was used for another request.
        """
        async with self._acts.alone(call, command.biz_serial):
            answered = await self._database.read(
                lambda tx: self._acts.recall(tx, call, biz_serial=command.biz_serial, kind=IssuedCode)
            )
            return (answered, True) if answered is not None else await self._make_anew(call, command)

    async def _make_anew(self, call: Call, command: MakeCommand) -> tuple[IssuedCode, bool]:
        now = self._clock.now()
        await self._check_proof(call, command, now)
        try:
            return await self._database.run(lambda tx: self._make_once(tx, call, command, now, None))
        except SignatureNeededError as needed:
            signed = await self._issuer.sign(needed.plan, now=now)
            return await self._database.run(lambda tx: self._make_once(tx, call, command, now, signed))

    def _make_once(
        self, tx: Transaction, call: Call, command: MakeCommand, now: datetime, signed: SealedContent | None
    ) -> tuple[IssuedCode, bool]:
        return self._acts.once(
            tx,
            call,
            biz_serial=command.biz_serial,
            kind=IssuedCode,
            now=now,
            make=lambda: self._make(tx, call, command, now, signed),
        )

    def _make(
        self, tx: Transaction, call: Call, command: MakeCommand, now: datetime, signed: SealedContent | None
    ) -> IssuedCode:
        ticket = self._ticket(tx, call, command.ticket, now)
        account = tx.accounts.get(ticket.account_id)
        if account is None:
            raise TicketInvalidError
        check_active(account)
        self._check_session(tx, ticket, call, now)
        wish = CodeWish(
            mode=ticket.mode,
            scene_no=ticket.scene_no,
            terminal_type=ticket.terminal_type,
            one_time=ticket.one_time,
            carrier=command.carrier,
            profile=command.profile,
        )
        assurance = account.assurance_level if ticket.session_token_hash else 3
        plan = self._issuer.plan(
            tx, account=account, presenter=account.account_id, assurance=assurance, wish=wish, now=now
        )
        plan = replace(plan, extension=command.extension)
        sealed = signed if signed is not None else self._issuer.seal_now(plan, now=now)
        if not tx.tickets.redeem(ticket.ticket_hash, at=now):
            raise TicketUsedError
        live = self._lives.newest(tx, plan)
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
        return issued

    def _ticket(self, tx: Transaction, call: Call, text: str, now: datetime) -> Ticket:
        ticket = tx.tickets.get(sm3(text.encode()))
        if ticket is None or ticket.caller != caller_key(call):
            raise TicketInvalidError
        if now >= ticket.expires_at:
            raise TicketExpiredError
        return ticket

    def _check_session(self, tx: Transaction, ticket: Ticket, call: Call, now: datetime) -> None:
        """It raises where the session that asked has ended: a lost device, or one that was replaced, makes no code."""
        if not ticket.session_token_hash:
            return
        session = tx.sessions.get(ticket.session_token_hash)
        if session is None:
            raise TicketInvalidError
        try:
            session.check_live(app_id=call.caller.name, now=now)
        except SessionInvalidError as ended:
            raise TicketInvalidError from ended

    async def _check_proof(self, call: Call, command: MakeCommand, now: datetime) -> None:
        """It checks the device's proof over the ticket's nonce; an operator's ticket has no holder and needs none."""

        def key_of_ticket(tx: Transaction) -> tuple[Ticket, bytes]:
            ticket = self._ticket(tx, call, command.ticket, now)
            account = tx.accounts.get(ticket.account_id)
            return ticket, account.device_public_key if account is not None else b""

        ticket, public_key = await self._database.read(key_of_ticket)
        if not ticket.session_token_hash:
            return
        if command.proof is None:
            raise HolderProofInvalidError("MISSING")
        statement = await self._verifier.verify(command.proof, act="MakeCodeStatement", public_key=public_key)
        check_statement(statement, biz_serial=command.biz_serial, now=now)
        if statement.ticket != command.ticket or statement.nonce != ticket.nonce:
            raise HolderProofInvalidError("OTHER_ACT")
