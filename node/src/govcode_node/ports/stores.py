"""The store, resource by resource, and the database that runs units of work over it.

A *unit* is a function of a `Transaction` that returns a value. It may be run again (a batch that failed is re-run
unit by unit), so it must have no effect besides its writes. Methods marked *buffered* hand over a row that is written
in bulk at the end of the batch: units of the same batch do not see it, and a broken uniqueness shows at the end and
leads to the re-run. All others act at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from govcode_node.domain.accounts import Account, AccountId, Relation, Session, SessionEndReason
from govcode_node.domain.audit import AuditEntry, AuditRecord
from govcode_node.domain.codes import CodeState, TerminalType
from govcode_node.domain.events import Event
from govcode_node.domain.issued_codes import LiveCode, StoredCode, Ticket
from govcode_node.domain.nodes import NodeState, OutcomeCount, RegisteredNode, StatusSummary
from govcode_node.domain.parties import Application, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.scans import ScanAct, ScanRow
from govcode_node.domain.scenes import Scene
from govcode_node.ports.authorization_stores import AuthorizationStore, CatalogueStore, MandateStore

T = TypeVar("T")


class AccountStore(Protocol):
    """Accounts with their sealed profiles."""

    def add(self, account: Account, *, subject_index: bytes, sealed_profile: bytes) -> bool:
        """It adds an account unless the subject has one that is not closed; whether it did. Acts at once.

        Args:
            account: The account.
            subject_index: Blind index of the subject's number; for things a random value.
            sealed_profile: The subject's fields, sealed.
        """
        ...

    def get(self, account_id: AccountId) -> Account | None:
        """It returns the account, closed ones included."""
        ...

    def find_open(self, subject_index: bytes) -> Account | None:
        """It returns the subject's account that is not closed."""
        ...

    def sealed_profile(self, account_id: AccountId) -> bytes | None:
        """It returns the sealed fields; None for a closed or unknown account."""
        ...

    def bind_device(self, account_id: AccountId, *, device_key_id: str, device_public_key: bytes) -> None:
        """It replaces the device of the account."""
        ...

    def close(self, account_id: AccountId, *, at: datetime) -> bool:
        """It closes an open account and erases its profile and subject index; whether it did."""
        ...


class SessionStore(Protocol):
    """Sessions, by the hash of their token."""

    def add(self, session: Session) -> None:
        """It adds a session. Acts at once."""
        ...

    def get(self, token_hash: bytes) -> Session | None:
        """It returns a session, ended ones included."""
        ...

    def list_of(self, account_id: AccountId, *, limit: int) -> Sequence[Session]:
        """It returns the account's sessions, newest first."""
        ...

    def end(self, token_hash: bytes, *, at: datetime, reason: SessionEndReason) -> bool:
        """It ends a session that lives; whether it did."""
        ...

    def end_all(self, account_id: AccountId, *, at: datetime, reason: SessionEndReason) -> Sequence[Session]:
        """It ends all living sessions of an account and returns them as they are now."""
        ...


class RelationStore(Protocol):
    """Relations between accounts."""

    def add(self, relation: Relation) -> None:
        """It adds a relation. Acts at once."""
        ...

    def get(self, relation_id: str) -> Relation | None:
        """It returns a relation."""
        ...

    def between(self, *, presenter: AccountId, dependant: AccountId) -> Sequence[Relation]:
        """It returns the relations of two accounts, cancelled ones included."""
        ...

    def cancel(self, relation_id: str, *, at: datetime) -> bool:
        """It cancels a relation that is not cancelled; whether it did."""
        ...


class TicketStore(Protocol):
    """Tickets for the two-step making of codes."""

    def add(self, ticket: Ticket) -> None:
        """It adds a ticket. Acts at once."""
        ...

    def get(self, ticket_hash: bytes) -> Ticket | None:
        """It returns a ticket, used ones included."""
        ...

    def redeem(self, ticket_hash: bytes, *, at: datetime) -> bool:
        """It marks an unused ticket as used; whether it did."""
        ...


class CodeStore(Protocol):
    """Issued codes, which of them is live, and which one-time codes are used."""

    def add(self, code: StoredCode) -> None:
        """It adds a code. Buffered."""
        ...

    def get(self, code_id: bytes) -> StoredCode | None:
        """It returns a code."""
        ...

    def supersede(self, code_id: bytes, *, at: datetime) -> bool:
        """It makes an ISSUED code SUPERSEDED from a time on; whether it did."""
        ...

    def change_state(self, code_id: bytes, *, present: CodeState, target: CodeState, at: datetime, reason: str) -> bool:
        """It moves a code from the present state to the target; whether it did."""
        ...

    def revoke_all(self, account_id: AccountId, *, at: datetime, reason: str) -> int:
        """It revokes every code of an account that is ISSUED, FROZEN or SUPERSEDED and not over; how many."""
        ...

    def live(self, account_id: AccountId, *, presenter: AccountId, terminal_type: TerminalType) -> LiveCode | None:
        """It returns the newest dynamic code for that subject, presenter and kind of display."""
        ...

    def put_live(self, live: LiveCode) -> None:
        """It makes a code the newest one. Acts at once."""
        ...

    def drop_live(self, account_id: AccountId) -> None:
        """It forgets the newest codes of an account."""
        ...

    def consume(self, code_id: bytes, *, scan_id: str, at: datetime) -> bool:
        """It records the first use of a code; whether this was the first. Acts at once."""
        ...

    def consumed_by(self, code_id: bytes) -> str | None:
        """It returns the scan that used a code first."""
        ...

    def ended_signed(self, *, now: datetime) -> Sequence[bytes]:
        """It returns the codes of the signed profile that ended before their time and whose validity is not over."""
        ...

    def count_issued(self, *, start: datetime, end: datetime) -> int:
        """It counts the codes issued from start up to end."""
        ...


class ScanStore(Protocol):
    """Scans and verifications."""

    def find(self, *, caller: str, act: ScanAct, biz_serial: str) -> ScanRow | None:
        """It returns the scan of that serial."""
        ...

    def add(self, row: ScanRow) -> None:
        """It adds a scan. Buffered; caller, act and serial are unique together."""
        ...

    def get(self, scan_id: str) -> ScanRow | None:
        """It returns a scan."""
        ...

    def withdraw(self, scan_id: str) -> bool:
        """It takes back a scan whose finding was undecided, so that its serial can be answered; whether it did."""
        ...

    def list_of(
        self, account_id: AccountId, *, start: datetime | None, before_scan_id: str, limit: int
    ) -> Sequence[ScanRow]:
        """It returns uses of an account's codes, newest first, those before a scan id where it is not empty."""
        ...

    def count_outcomes(self, *, start: datetime, end: datetime) -> Sequence[OutcomeCount]:
        """It counts scans decided from start up to end, by visited node, home node and outcome."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """The memory of one act's serial, for at least 24 h (N-51).

    Attributes:
        caller: Who acted: class and name.
        method: Full method name.
        biz_serial: The serial.
        request_digest: SM3 of the request.
        answer: What was answered, sealed.
        acted_at: When.
    """

    caller: str
    method: str
    biz_serial: str
    request_digest: bytes
    answer: bytes
    acted_at: datetime


class ActStore(Protocol):
    """Serials of acts other than scans."""

    def find(self, *, caller: str, method: str, biz_serial: str) -> Act | None:
        """It returns the act of that serial."""
        ...

    def add(self, act: Act) -> None:
        """It adds an act. Buffered; caller, method and serial are unique together."""
        ...


class PartyStore(Protocol):
    """Relying parties, applications and scanners."""

    def add_relying_party(self, party: RelyingParty) -> bool:
        """It adds an organisation unless its USCC is there; whether it did. Acts at once, like all below."""
        ...

    def relying_party(self, relying_party_id: str) -> RelyingParty | None:
        """It returns an organisation."""
        ...

    def relying_parties(self, *, after: str, limit: int) -> Sequence[RelyingParty]:
        """It returns organisations with ids after one, by id."""
        ...

    def move_relying_party(
        self, relying_party_id: str, *, present: RegistrationState, target: RegistrationState
    ) -> bool:
        """It moves a registration from the present state; whether it did."""
        ...

    def add_application(self, application: Application) -> bool:
        """It adds an application unless its id is there; whether it did."""
        ...

    def application(self, app_id: str) -> Application | None:
        """It returns an application."""
        ...

    def applications(self, *, after: str, limit: int) -> Sequence[Application]:
        """It returns applications with ids after one, by id."""
        ...

    def move_application(self, app_id: str, *, present: RegistrationState, target: RegistrationState) -> bool:
        """It moves a registration from the present state; whether it did."""
        ...

    def add_scanner(self, scanner: Scanner) -> bool:
        """It adds a scanner unless its id is there; whether it did."""
        ...

    def scanner(self, device_id: str) -> Scanner | None:
        """It returns a scanner."""
        ...

    def scanners(self, *, after: str, limit: int) -> Sequence[Scanner]:
        """It returns scanners with ids after one, by id."""
        ...

    def move_scanner(self, device_id: str, *, present: RegistrationState, target: RegistrationState) -> bool:
        """It moves a registration from the present state; whether it did."""
        ...


class SceneStore(Protocol):
    """Scenes in versions."""

    def add(self, scene: Scene) -> Scene:
        """It adds the next version of a scene and returns it with its number. Acts at once."""
        ...

    def in_force(self, scene_no: int, *, now: datetime) -> Scene | None:
        """It returns the newest version whose effective time has come."""
        ...

    def all_in_force(self, *, now: datetime, after: int, limit: int) -> Sequence[Scene]:
        """It returns scenes with numbers after one, each in the version in force, by number."""
        ...


class EventStore(Protocol):
    """Events by application, in the order of commits."""

    def add(self, event: Event) -> None:
        """It adds an event. Buffered; its position is given when it is written."""
        ...

    def after(self, app_id: str, *, position: int, limit: int) -> Sequence[Event]:
        """It returns events after a position, in order."""
        ...

    def last_position(self, app_id: str) -> int:
        """It returns the position of the newest event; 0 without one."""
        ...


class AuditStore(Protocol):
    """The audit trail."""

    def add(self, entry: AuditEntry) -> None:
        """It adds an entry, which gets its place in the writer's chain when it is written. Buffered."""
        ...

    def list_records(
        self,
        *,
        start: datetime | None,
        end: datetime | None,
        action: str,
        biz_serial: str,
        after: tuple[datetime, str, int] | None,
        limit: int,
    ) -> Sequence[AuditRecord]:
        """It returns records by time, writer and number, after a key of those three; empty filters match all."""
        ...


class HubStore(Protocol):
    """What only the hub keeps: the registry of nodes, the newest bundle, the nodes' summaries."""

    def node(self, node_id: str) -> RegisteredNode | None:
        """It returns a registered node."""
        ...

    def nodes(self) -> Sequence[RegisteredNode]:
        """It returns all registered nodes by id."""
        ...

    def put_node(self, node: RegisteredNode) -> None:
        """It adds or replaces a node."""
        ...

    def move_node(
        self, node_id: str, *, present: Sequence[NodeState], target: NodeState, at: datetime, operator: str
    ) -> bool:
        """It moves a node from one of the present states; whether it did."""
        ...

    def next_bundle_version(self) -> int:
        """It returns a version that was never returned before and is greater than all of them."""
        ...

    def put_bundle(self, version: int, evidence: bytes) -> None:
        """It keeps a signed bundle as the newest."""
        ...

    def newest_bundle(self) -> bytes | None:
        """It returns the newest signed bundle."""
        ...

    def add_summary(self, summary: StatusSummary) -> bool:
        """It adds a node's minute unless that minute is there (7.6-04); whether it did. Acts at once."""
        ...

    def totals(self) -> Sequence["NodeTotals"]:
        """It adds up the summaries of each node."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTotals:
    """A node's summaries, added up."""

    node_id: str
    codes_issued: int
    scans: int
    cross_region_scans: int


class Transaction(Protocol):
    """The stores, inside one transaction."""

    @property
    def accounts(self) -> AccountStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def relations(self) -> RelationStore: ...
    @property
    def tickets(self) -> TicketStore: ...
    @property
    def codes(self) -> CodeStore: ...
    @property
    def scans(self) -> ScanStore: ...
    @property
    def acts(self) -> ActStore: ...
    @property
    def parties(self) -> PartyStore: ...
    @property
    def scenes(self) -> SceneStore: ...
    @property
    def events(self) -> EventStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def hub(self) -> HubStore: ...
    @property
    def authorizations(self) -> AuthorizationStore: ...
    @property
    def mandates(self) -> MandateStore: ...
    @property
    def catalogue(self) -> CatalogueStore: ...


class Database(Protocol):
    """It runs units of work."""

    async def run(self, unit: Callable[[Transaction], T]) -> T:
        """It runs a unit in a batch and returns its value once the batch is durable.

        A cancelled caller harms nobody: its unit may still be committed.

        Raises:
            OverloadedError: The queue of units is full; nothing was done.
            StoreUnavailableError: The store does not work; nothing was done.
            GovcodeError: What the unit raised; none of its writes is kept.
        """
        ...

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """It runs a query that writes nothing, beside the batches, and returns its value.

        Raises:
            StoreUnavailableError: The store does not work.
        """
        ...

    async def check(self) -> None:
        """It raises unless the store takes a durable write now.

        Raises:
            StoreUnavailableError: It does not.
        """
        ...

    def queue_length(self) -> int:
        """It returns the number of units that wait."""
        ...
