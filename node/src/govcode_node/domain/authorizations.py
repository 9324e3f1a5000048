"""Authorizations (授权调用电子证照, 6.3): what is asked of a holder, what the holder decides, what may come of it.

The state of an authorization is what was written and what the clock adds: a request that nobody decided is timed out,
and a grant whose time or count is over can no longer be used, whether or not anybody has noted it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.catalogue import AskedItem
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import FactsError
from govcode_node.domain.scenes import SceneClass

DECISION_TIME: Final = timedelta(seconds=120)
"""How long a holder has to decide (domain 4.2)."""


class AuthorizationState(IntEnum):
    """Where an authorization stands. The numbers are those of the contract."""

    PENDING = 1
    GRANTED = 2
    DENIED = 3
    TIMED_OUT = 4
    EXHAUSTED = 5
    EXPIRED = 6
    WITHDRAWN = 7


class LegalBasis(IntEnum):
    """Why data may be used. The numbers are those of the contract."""

    CONSENT = 1
    STATUTORY_DUTY = 2


class AuthorizationEntry(IntEnum):
    """Who scanned whom (6.3-02). The numbers are those of the contract."""

    RELYING_PARTY_SCANNED = 1
    HOLDER_SCANNED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StatutoryDuty:
    """The duty on which data are used without consent (N-35).

    Attributes:
        statute: The statute and its article.
        approval_reference: Office and number of the approval.
    """

    statute: str
    approval_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedItem:
    """One item of a request.

    Attributes:
        item_no: From 1.
        asked: What is asked.
    """

    item_no: int
    asked: AskedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """What a relying party asks of a holder; the payload of CONSENT_REQUEST evidence of the visited node (6.3-03).

    Attributes:
        authorization_id: Id, made by the visited node.
        visited_node: The node that asks.
        home_node: The node that is home to the holder.
        entry: Who scanned whom.
        app_id: The application.
        biz_serial: Serial of the act.
        scan_biz_serial: Serial of its scan; empty where the holder scanned.
        relying_party_name: Name of the organisation.
        relying_party_uscc: Its unified social credit code.
        relying_party_contact: How to reach it.
        matter_code: The matter.
        matter_name: Its name.
        purpose: What for.
        handling_means: How the data are handled.
        items: What is asked.
        retention: How long the data are kept.
        max_uses: How many uses of each item.
        period: For how long it may be used after the decision.
        legal_basis: Consent or statutory duty.
        statutory_duty: The duty, for that basis.
        holder_untold: Whether the law forbids telling the holder.
        requested_at: When it was asked.
        scene_class: Kind of scene.
    """

    authorization_id: str
    visited_node: str
    home_node: str
    entry: AuthorizationEntry
    app_id: str
    biz_serial: str
    scan_biz_serial: str = ""
    relying_party_name: str
    relying_party_uscc: str
    relying_party_contact: str
    matter_code: str
    matter_name: str
    purpose: str
    handling_means: str
    items: tuple[RequestedItem, ...]
    retention: timedelta
    max_uses: int
    period: timedelta
    legal_basis: LegalBasis = LegalBasis.CONSENT
    statutory_duty: StatutoryDuty | None = None
    holder_untold: bool = False
    requested_at: datetime
    scene_class: SceneClass


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedItem:
    """One item with the word on it.

    Attributes:
        item_no: Its number.
        asked: What was asked.
        sensitive: Whether it needed a confirmation of its own.
        granted: Whether it was granted.
        license_node: Node of the region that holds the licence; empty where unknown.
    """

    item_no: int
    asked: AskedItem
    sensitive: bool
    granted: bool
    license_node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """A stronger identity check made for one decision (6.3-07).

    Attributes:
        provider: The identity provider.
        assurance_level: What it confirmed, 1 to 3.
        identified_at: When.
        digest: What it was bound to.
    """

    provider: str
    assurance_level: int
    identified_at: datetime
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedByHolder:
    """The holder's signature as it is kept with a record: the exact statement, the key and the signature.

    Attributes:
        statement: The statement as it was signed.
        device_key_id: Id of the key.
        signature: SM2 signature, 64 bytes.
        device_public_key: Public point of the key, 65 bytes.
    """

    statement: bytes
    device_key_id: str
    signature: bytes
    device_public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """What the holder decided; the payload of CONSENT evidence of the home node (6.3-06, 8.1-06).

    Attributes:
        authorization_id: The authorization.
        home_node: The node that is home to the holder.
        account_id: Account of the subject.
        decider_account_id: Account of the one who decided.
        mandate_id: The mandate by which an agent decided; empty otherwise.
        relation_id: The relation by which a guardian decided; empty otherwise.
        request_digest: SM3 of the payload of the request.
        relying_party_name: The recipient.
        relying_party_uscc: Its unified social credit code.
        matter_code: The matter.
        purpose: What for.
        items: Each item with the decision.
        decision: GRANTED or DENIED.
        notice_version: Version of the text that was shown.
        notice_text: The text.
        notice_hash: SM3 of it.
        decided_at: When.
        holder: The holder's signature.
        step_up: The stronger identity check; None where none was needed.
        subject_kind: Kind of the subject.
        max_uses: How many uses of each item.
        ends_at: Until when it may be used; None for a refusal.
    """

    authorization_id: str
    home_node: str
    account_id: AccountId
    decider_account_id: AccountId
    mandate_id: str = ""
    relation_id: str = ""
    request_digest: bytes
    relying_party_name: str
    relying_party_uscc: str
    matter_code: str
    purpose: str
    items: tuple[DecidedItem, ...]
    decision: AuthorizationState
    notice_version: str
    notice_text: str
    notice_hash: bytes
    decided_at: datetime
    holder: SignedByHolder
    step_up: StepUp | None = None
    subject_kind: SubjectKind
    max_uses: int
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The grant token (授权令牌); the payload of GRANT evidence of the home node (6.3-11).

    Attributes:
        authorization_id: The authorization.
        home_node: The node that counts the uses.
        visited_node: The node of the application.
        app_id: The application: the audience.
        relying_party_uscc: Its organisation.
        matter_code: The matter, and no other.
        items: What is granted, all with `granted` set.
        max_uses: How many uses of each item.
        starts_at: From when on.
        ends_at: Until when.
        legal_basis: Consent or statutory duty.
        consent_digest: SM3 of the payload of the consent record; empty for a statutory duty.
    """

    authorization_id: str
    home_node: str
    visited_node: str
    app_id: str
    relying_party_uscc: str
    matter_code: str
    items: tuple[DecidedItem, ...]
    max_uses: int
    starts_at: datetime
    ends_at: datetime
    legal_basis: LegalBasis
    consent_digest: bytes = b""

    def item(self, item_no: int) -> DecidedItem:
        """It returns a granted item.

        Raises:
            ItemNotGrantedError: The grant does not hold it.
        """
        for item in self.items:
            if item.item_no == item_no and item.granted:
                return item
        raise ItemNotGrantedError(authorization_id=self.authorization_id, item_no=item_no)


class WithdrawalReason(StrEnum):
    """Why a grant ended by the holder's side."""

    HOLDER = "HOLDER"
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """No use begins any more; the payload of WITHDRAWAL evidence of the home node (6.3-13).

    Attributes:
        authorization_id: The authorization.
        home_node: The node that is home to the holder.
        withdrawn_at: From when on.
        holder: The holder's signature; None where the account was closed.
        reason: Why.
    """

    authorization_id: str
    home_node: str
    withdrawn_at: datetime
    holder: SignedByHolder | None = None
    reason: WithdrawalReason


class QuestionKind(IntEnum):
    """What one node asks another about an authorization. The numbers are those of the contract."""

    STATE = 1
    SCENE = 2
    INTROSPECT = 3
    REPORT_USE = 4


class UseState(IntEnum):
    """What came of a use. The numbers are those of the contract."""

    BEGUN = 1
    DELIVERED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationQuestion:
    """A question of one node; the payload of AUTHORIZATION_QUESTION evidence.

    Attributes:
        kind: What is asked.
        from_node: Who asks.
        to_node: Who is asked.
        authorization_id: The authorization; empty for SCENE.
        app_id: The application that is, or shows itself as, the audience; empty for SCENE.
        code_text: The scanned text, for SCENE.
        biz_serial: Serial of the act, for SCENE and REPORT_USE.
        licence_system: The licence system, for INTROSPECT and REPORT_USE.
        item_no: The item, for REPORT_USE.
        use_state: What is reported, for REPORT_USE.
        asked_at: When.
    """

    kind: QuestionKind
    from_node: str
    to_node: str
    authorization_id: str = ""
    app_id: str = ""
    code_text: str = field(default="", repr=False)
    biz_serial: str = ""
    licence_system: str = ""
    item_no: int = 0
    use_state: UseState | None = None
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAnswer:
    """The home node's answer; the payload of AUTHORIZATION_ANSWER evidence.

    Attributes:
        request_digest: SM3 of the payload of the question or request.
        authorization_id: The authorization.
        home_node: Who answers.
        state: Where it stands.
        decide_before: Until when the holder may decide.
        decided_at: When it was decided; None while pending.
        grant: Evidence of the grant; empty unless granted.
        remaining_uses: Uses that are left, by item number.
        use_id: The use, for REPORT_USE.
        active: For INTROSPECT, whether it may be used now by that application.
    """

    request_digest: bytes
    authorization_id: str
    home_node: str
    state: AuthorizationState
    decide_before: datetime
    decided_at: datetime | None = None
    grant: bytes = b""
    remaining_uses: Mapping[int, int] = field(default_factory=dict)
    use_id: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """An authorization as a node keeps it: the holder's home node to decide on it, the visited node as its mirror.

    Attributes:
        authorization_id: Opaque id, the same at all nodes.
        request: What is asked.
        request_evidence: The request as the visited node signed it.
        account_id: The subject; None at a node that is not its home.
        subject_kind: Its kind; None at a node that is not its home.
        holder_app_id: The application that asks the holder; empty at a node that is not its home.
        presenter_account_id: Who presented the code, where that was not the subject; None otherwise.
        state: Where it stood when it was last written.
        decide_before: Until when the holder may decide.
        decided_at: When it was decided.
        items: Each item with the decision; empty while pending.
        grant: Evidence of the grant; empty unless granted.
        consent: Evidence of the consent record; empty while pending and for a statutory duty.
        withdrawal: Evidence of the withdrawal; empty unless withdrawn.
        ends_at: Until when it may be used; None unless granted.
        withdrawn_at: When it was withdrawn.
        uses: How many uses of each item count.
    """

    authorization_id: str
    request: ConsentRequest
    request_evidence: bytes
    account_id: AccountId | None = None
    subject_kind: SubjectKind | None = None
    holder_app_id: str = ""
    presenter_account_id: AccountId | None = None
    state: AuthorizationState
    decide_before: datetime
    decided_at: datetime | None = None
    items: tuple[DecidedItem, ...] = ()
    grant: bytes = b""
    consent: bytes = b""
    withdrawal: bytes = b""
    ends_at: datetime | None = None
    withdrawn_at: datetime | None = None
    uses: Mapping[int, int] = field(default_factory=dict)

    @property
    def statutory(self) -> bool:
        """Whether it rests on a statutory duty and not on consent (N-35)."""
        return self.request.legal_basis is LegalBasis.STATUTORY_DUTY

    def asked_by(self, *, node_id: str, app_id: str) -> bool:
        """It tells whether that application asked; names repeat between regions, so the node belongs to it (6.3-11)."""
        return self.request.visited_node == node_id and self.request.app_id == app_id

    def state_at(self, now: datetime) -> AuthorizationState:
        """It tells where the authorization stands: what was written, and what time and count have done since."""
        if self.state is AuthorizationState.PENDING and now >= self.decide_before:
            return AuthorizationState.TIMED_OUT
        if self.state is AuthorizationState.GRANTED:
            if self.ends_at is not None and now >= self.ends_at:
                return AuthorizationState.EXPIRED
            if self.items and not any(self.remaining_uses().values()):
                return AuthorizationState.EXHAUSTED
        return self.state

    def remaining_uses(self) -> dict[int, int]:
        """It counts the uses that are left, by number of the granted items."""
        limit = self.request.max_uses
        return {item.item_no: max(0, limit - self.uses.get(item.item_no, 0)) for item in self.items if item.granted}

    def with_uses(self, uses: Mapping[int, int]) -> "Authorization":
        """It returns the authorization with counts that another node keeps."""
        return replace(self, uses=uses)

    def granted_item(self, item_no: int) -> DecidedItem:
        """It returns a granted item.

        Raises:
            ItemNotGrantedError: There is no such granted item.
        """
        for item in self.items:
            if item.item_no == item_no and item.granted:
                return item
        raise ItemNotGrantedError(authorization_id=self.authorization_id, item_no=item_no)

    def check_pending(self, now: datetime) -> None:
        """It raises unless the holder may decide now.

        Raises:
            AuthorizationTimedOutError: The time to decide is over.
            AuthorizationStateConflictError: It was decided.
        """
        state = self.state_at(now)
        if state is AuthorizationState.TIMED_OUT:
            raise AuthorizationTimedOutError(self.authorization_id)
        if state is not AuthorizationState.PENDING:
            raise AuthorizationStateConflictError(authorization_id=self.authorization_id, state=state.name)

    def check_usable(self, item_no: int, *, app_id: str, matter_code: str | None, now: datetime) -> DecidedItem:
        """It raises unless a use may begin now, and returns the item; the count is for the store to keep (6.3-11, -12).

        Args:
            item_no: The item.
            app_id: The application that would use it.
            matter_code: The matter for which it would be used; None where the caller's channel names none.
            now: The moment.

        Raises:
            AudienceMismatchError: The grant is for another application.
            AuthorizationStateConflictError: It was never granted.
            GrantWithdrawnError, GrantExpiredError: It is over.
            MatterMismatchError: The grant is for another matter (6.3-20).
            ItemNotGrantedError: The item was not granted.
        """
        if app_id != self.request.app_id:
            raise AudienceMismatchError(self.authorization_id)
        state = self.state_at(now)
        if state is AuthorizationState.WITHDRAWN:
            raise GrantWithdrawnError(self.authorization_id)
        if state is AuthorizationState.EXPIRED:
            raise GrantExpiredError(self.authorization_id)
        if state not in {AuthorizationState.GRANTED, AuthorizationState.EXHAUSTED}:
            raise AuthorizationStateConflictError(authorization_id=self.authorization_id, state=state.name)
        if matter_code is not None and matter_code != self.request.matter_code:
            raise MatterMismatchError(granted=self.request.matter_code, asked=matter_code)
        return self.granted_item(item_no)


def step_up_digest(
    *, relying_party_uscc: str, items: Sequence[RequestedItem], notice_version: str, authorization_id: str
) -> bytes:
    """It gives what a stronger identity check is bound to: recipient, items, text version, authorization (N-30).

    Each part carries its length, so that no two decisions share a digest.
    """
    named = [
        f"{item.item_no}|{item.asked.license_type}|{','.join(item.asked.field_names)}|{int(item.asked.document)}"
        for item in sorted(items, key=lambda item: item.item_no)
    ]
    parts = ["govcode-step-up-v1", relying_party_uscc, notice_version, authorization_id, *named]
    return sm3(b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts))


@dataclass(eq=False)
class SubjectUnreachableError(FactsError):
    """The holder has no application at which a decision could be asked for."""

    says = "the holder has no application at which to decide; the holder opens a session first"


@dataclass(eq=False)
class AuthorizationNotFoundError(FactsError):
    """The caller has no such authorization."""

    authorization_id: str
    says = "there is no authorization {authorization_id} for this caller"


@dataclass(eq=False)
class NotOwnerError(FactsError):
    """The session is nobody's who may act on the authorization (6.3-08)."""

    authorization_id: str
    says = "this session may not act on authorization {authorization_id}"


@dataclass(eq=False)
class AuthorizationStateConflictError(FactsError):
    """The state of the authorization does not allow that."""

    authorization_id: str
    state: str
    says = "authorization {authorization_id} is {state}"


@dataclass(eq=False)
class AuthorizationTimedOutError(FactsError):
    """The holder did not decide in time."""

    authorization_id: str
    says = "the time to decide on authorization {authorization_id} is over; the relying party asks again"


@dataclass(eq=False)
class NoticeChangedError(FactsError):
    """The text that was signed is not the one that belongs to the request."""

    notice_version: str
    says = "the text that was signed is not the text {notice_version} of this request; read it again and show it"


@dataclass(eq=False)
class SensitiveNotConfirmedError(FactsError):
    """A sensitive item was granted without a confirmation of its own (6.3-05)."""

    item_no: int
    says = "item {item_no} is sensitive and needs a confirmation of its own"


@dataclass(eq=False)
class StepUpRequiredError(FactsError):
    """The decision needs a stronger identity check (6.3-07)."""

    says = "this decision needs a stronger identity check; begin one"


@dataclass(eq=False)
class StepUpMismatchError(FactsError):
    """The identity check belongs to something else. `why` is `OTHER_REQUEST`, `OTHER_PERSON` or `DIGEST`."""

    why: str
    says = "the identity check does not belong to this decision: {why}"


@dataclass(eq=False)
class StatutoryNotAllowedError(FactsError):
    """The matter may not be handled without consent (N-35)."""

    matter_code: str
    says = "matter {matter_code} is not configured for use without consent, or the duty is not named"


@dataclass(eq=False)
class SceneCodeInvalidError(FactsError):
    """The scanned code asks for nothing. `outcome` says what it is; VALID where nothing is asked for there."""

    outcome: str
    says = "the scanned code asks for nothing: {outcome}"


@dataclass(eq=False)
class ItemNotGrantedError(FactsError):
    """The grant does not hold that item."""

    authorization_id: str
    item_no: int
    says = "authorization {authorization_id} does not grant item {item_no}"


@dataclass(eq=False)
class MatterMismatchError(FactsError):
    """The grant is for another matter (6.3-20)."""

    granted: str
    asked: str
    says = "the grant is for matter {granted}, not for {asked}; another purpose needs a new authorization"


@dataclass(eq=False)
class AudienceMismatchError(FactsError):
    """The grant is for another application."""

    authorization_id: str
    says = "authorization {authorization_id} is for another application"


@dataclass(eq=False)
class GrantExhaustedError(FactsError):
    """As many uses as were granted have been made."""

    authorization_id: str
    item_no: int
    says = "item {item_no} of authorization {authorization_id} has been used as often as was granted"


@dataclass(eq=False)
class GrantExpiredError(FactsError):
    """The time of the grant is over."""

    authorization_id: str
    says = "the time of authorization {authorization_id} is over"


@dataclass(eq=False)
class GrantWithdrawnError(FactsError):
    """The holder has withdrawn the grant."""

    authorization_id: str
    says = "the holder has withdrawn authorization {authorization_id}"


@dataclass(eq=False)
class ConsentRequiredError(FactsError):
    """The field may be seen whole only by the holder's authorization (7.2-11)."""

    field: str
    says = "{field} may be seen whole only by the holder's authorization"
