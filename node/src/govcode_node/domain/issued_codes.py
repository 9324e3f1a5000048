"""Codes as the node keeps them, and the two-step ticket (码调用申请) by which one is asked for (6.1-03)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.codes import Carrier, CodeId, CodeMode, CodeProfile, CodeState, SubjectKind, TerminalType
from govcode_node.domain.errors import FactsError

TICKET_LIFETIME: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCode:
    """A code without its text or seal.

    A one-time code that was used has a consumption of its own, which is a fact and not a state here; EXPIRED follows
    from the time. SUPERSEDED counts from `state_at` on, which is in the future during the grace time.

    Attributes:
        code_id: Its id.
        account_id: The subject that it stands for.
        presenter_account_id: Who presents it on behalf of the subject; None without proxy.
        subject_kind: Kind of the subject.
        mode: Dynamic or static.
        profile: How it is sealed.
        terminal_type: Display that it was made for.
        scene_no: Scene that it was issued for; 0 for any.
        one_time: Good for one use only.
        key_no: Number of the sealing key.
        issued_at: When it was issued.
        expires_at: When it ends; None for an open end.
        app_id: The application that asked for it, which is told of its use.
        state: ISSUED, FROZEN, REVOKED or SUPERSEDED.
        state_at: From when on the state holds; None while ISSUED.
        reason: Why it was frozen or revoked.
    """

    code_id: CodeId
    account_id: AccountId
    presenter_account_id: AccountId | None
    subject_kind: SubjectKind
    mode: CodeMode
    profile: CodeProfile
    terminal_type: TerminalType
    scene_no: int
    one_time: bool
    key_no: int
    issued_at: datetime
    expires_at: datetime | None
    app_id: str
    state: CodeState = CodeState.ISSUED
    state_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCode:
    """A code as handed to the holder's back end.

    Attributes:
        code: The code.
        code_text: The text that the symbol carries.
        refresh_after: When to ask again, counted from the answer; None for a static code.
    """

    code: StoredCode
    code_text: str = field(repr=False)
    refresh_after: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCode:
    """The newest dynamic code of one subject on one kind of terminal in one scene; at most one is live.

    Attributes:
        account_id: The subject.
        presenter: Account that presents it: the subject's own, or a proxy's.
        terminal_type: Kind of display.
        code_id: The code.
        shape: Digest of what was asked for (scene, one-time, profile, carrier): only a like request gets it again.
        refresh_at: Until when it is returned again.
        expires_at: When it ends.
        sealed_text: Its text, sealed; empty where the text can be made again from the code's row (the MAC profile).
    """

    account_id: AccountId
    presenter: AccountId
    terminal_type: TerminalType
    code_id: CodeId
    shape: bytes
    refresh_at: datetime
    expires_at: datetime
    sealed_text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The right to make one code, bound to the caller and the subject.

    Attributes:
        ticket_hash: SM3 of the ticket; the ticket itself is not kept.
        caller: Who asked for it.
        account_id: The subject.
        session_token_hash: Hash of the token of the session that asked, with which the ticket ends; empty for an
            operator.
        nonce: What the device signs.
        mode: Dynamic or static.
        scene_no: Scene; 0 for any.
        terminal_type: Kind of display.
        one_time: Good for one use only.
        expires_at: When the ticket ends.
    """

    ticket_hash: bytes
    caller: str
    account_id: AccountId
    session_token_hash: bytes
    nonce: bytes
    mode: CodeMode
    scene_no: int
    terminal_type: TerminalType
    one_time: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeWish:
    """What a caller asks a code to be.

    Attributes:
        mode: Dynamic or static.
        scene_no: Scene; 0 for any.
        terminal_type: Kind of display.
        one_time: Good for one use only.
        carrier: Text form; None for the terminal's usual one.
        profile: How to seal; None for the scene's choice.
    """

    mode: CodeMode = CodeMode.DYNAMIC
    scene_no: int = 0
    terminal_type: TerminalType
    one_time: bool = False
    carrier: Carrier | None = None
    profile: CodeProfile | None = None


@dataclass(eq=False)
class TicketInvalidError(FactsError):
    """The ticket is unknown, or belongs to another caller or session."""

    says = "the ticket is unknown, or belongs to another application or session"


@dataclass(eq=False)
class TicketExpiredError(FactsError):
    """The ticket is too old."""

    says = "the ticket is older than 60 s; ask for a new one"


@dataclass(eq=False)
class TicketUsedError(FactsError):
    """The ticket was used."""

    says = "the ticket was used; ask for a new one"


@dataclass(eq=False)
class CodeNotFoundError(FactsError):
    """There is no such code for this caller."""

    code_id: str
    says = "there is no code {code_id} for this caller"


@dataclass(eq=False)
class CodeStateConflictError(FactsError):
    """The code's state does not allow that."""

    state: str
    says = "the code is {state}, which does not allow that"
