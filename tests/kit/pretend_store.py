"""A store of plain dictionaries, as far as the walks at home and away need one: no SQL, no file, no adapter's code."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast

from govcode_node.domain.accounts import Account, AccountId, AccountState, Session, SessionEndReason
from govcode_node.domain.audit import AuditEntry
from govcode_node.domain.authorizations import Authorization
from govcode_node.domain.codes import CodeState, TerminalType
from govcode_node.domain.events import Event
from govcode_node.domain.issued_codes import LiveCode, StoredCode, Ticket
from govcode_node.domain.parties import Application, RegistrationState, RelyingParty
from govcode_node.domain.scans import ScanAct, ScanRow
from govcode_node.domain.scenes import Scene
from govcode_node.ports.stores import Act, Transaction

T = TypeVar("T")
_ENDABLE = (CodeState.ISSUED, CodeState.FROZEN, CodeState.SUPERSEDED)


class PretendAccounts:
    def __init__(self) -> None:
        self.rows: dict[str, Account] = {}
        self.open: dict[bytes, str] = {}
        self.profiles: dict[str, bytes] = {}

    def add(self, account: Account, *, subject_index: bytes, sealed_profile: bytes) -> bool:
        if subject_index in self.open:
            return False
        self.rows[account.account_id] = account
        self.open[subject_index] = account.account_id
        self.profiles[account.account_id] = sealed_profile
        return True

    def get(self, account_id: AccountId) -> Account | None:
        return self.rows.get(account_id)

    def sealed_profile(self, account_id: AccountId) -> bytes | None:
        return self.profiles.get(account_id)

    def close(self, account_id: AccountId, *, at: datetime) -> bool:
        self.rows[account_id] = replace(self.rows[account_id], state=AccountState.CLOSED, closed_at=at)
        self.open = {index: owner for index, owner in self.open.items() if owner != account_id}
        return self.profiles.pop(account_id, None) is not None


class PretendSessions:
    def __init__(self) -> None:
        self.rows: dict[bytes, Session] = {}

    def add(self, session: Session) -> None:
        self.rows[session.token_hash] = session

    def get(self, token_hash: bytes) -> Session | None:
        return self.rows.get(token_hash)

    def end_all(self, account_id: AccountId, *, at: datetime, reason: SessionEndReason) -> Sequence[Session]:
        ended = [
            replace(session, ended_at=at, end_reason=reason)
            for session in self.rows.values()
            if session.account_id == account_id and session.ended_at is None
        ]
        self.rows.update({session.token_hash: session for session in ended})
        return ended


class PretendTickets:
    def __init__(self) -> None:
        self.rows: dict[bytes, Ticket] = {}
        self.used: dict[bytes, datetime] = {}

    def add(self, ticket: Ticket) -> None:
        self.rows[ticket.ticket_hash] = ticket

    def get(self, ticket_hash: bytes) -> Ticket | None:
        return self.rows.get(ticket_hash)

    def redeem(self, ticket_hash: bytes, *, at: datetime) -> bool:
        return self.used.setdefault(ticket_hash, at) is at


class PretendCodes:
    def __init__(self) -> None:
        self.rows: dict[bytes, StoredCode] = {}
        self.newest: dict[tuple[str, str, TerminalType], LiveCode] = {}
        self.uses: dict[bytes, str] = {}

    def add(self, code: StoredCode) -> None:
        self.rows[code.code_id] = code

    def get(self, code_id: bytes) -> StoredCode | None:
        return self.rows.get(code_id)

    def supersede(self, code_id: bytes, *, at: datetime) -> bool:
        return self.change_state(code_id, present=CodeState.ISSUED, target=CodeState.SUPERSEDED, at=at, reason="")

    def change_state(self, code_id: bytes, *, present: CodeState, target: CodeState, at: datetime, reason: str) -> bool:
        code = self.rows.get(code_id)
        if code is None or code.state is not present:
            return False
        self.rows[code_id] = replace(code, state=target, state_at=at, reason=reason)
        return True

    def revoke_all(self, account_id: AccountId, *, at: datetime, reason: str) -> int:
        mine = [code for code in self.rows.values() if code.account_id == account_id and code.state in _ENDABLE]
        for code in mine:
            self.change_state(code.code_id, present=code.state, target=CodeState.REVOKED, at=at, reason=reason)
        return len(mine)

    def live(self, account_id: AccountId, *, presenter: AccountId, terminal_type: TerminalType) -> LiveCode | None:
        return self.newest.get((account_id, presenter, terminal_type))

    def put_live(self, live: LiveCode) -> None:
        self.newest[live.account_id, live.presenter, live.terminal_type] = live

    def drop_live(self, account_id: AccountId) -> None:
        self.newest = {key: live for key, live in self.newest.items() if account_id not in key[:2]}

    def consume(self, code_id: bytes, *, scan_id: str, at: datetime) -> bool:
        return self.uses.setdefault(code_id, scan_id) == scan_id

    def consumed_by(self, code_id: bytes) -> str | None:
        return self.uses.get(code_id)


class PretendScans:
    def __init__(self) -> None:
        self.rows: dict[str, ScanRow] = {}

    def find(self, *, caller: str, act: ScanAct, biz_serial: str) -> ScanRow | None:
        wanted = (caller, act, biz_serial)
        return next((row for row in self.rows.values() if (row.caller, row.act, row.biz_serial) == wanted), None)

    def add(self, row: ScanRow) -> None:
        self.rows[row.scan_id] = row

    def get(self, scan_id: str) -> ScanRow | None:
        return self.rows.get(scan_id)

    def withdraw(self, scan_id: str) -> bool:
        return self.rows.pop(scan_id, None) is not None

    def list_of(
        self, account_id: AccountId, *, start: datetime | None, before_scan_id: str, limit: int
    ) -> Sequence[ScanRow]:
        mine = [row for row in self.rows.values() if row.account_id == account_id]
        return sorted(mine, key=lambda row: row.scan_id, reverse=True)[:limit]


class PretendActs:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Act] = {}

    def find(self, *, caller: str, method: str, biz_serial: str) -> Act | None:
        return self.rows.get((caller, method, biz_serial))

    def add(self, act: Act) -> None:
        self.rows[act.caller, act.method, act.biz_serial] = act


class PretendParties:
    def __init__(self) -> None:
        self.parties: dict[str, RelyingParty] = {}
        self.apps: dict[str, Application] = {}

    def add_relying_party(self, party: RelyingParty) -> bool:
        return self.parties.setdefault(party.relying_party_id, party) is party

    def relying_party(self, relying_party_id: str) -> RelyingParty | None:
        return self.parties.get(relying_party_id)

    def move_relying_party(
        self, relying_party_id: str, *, present: RegistrationState, target: RegistrationState
    ) -> bool:
        self.parties[relying_party_id] = replace(self.parties[relying_party_id], state=target)
        return True

    def add_application(self, application: Application) -> bool:
        return self.apps.setdefault(application.app_id, application) is application

    def application(self, app_id: str) -> Application | None:
        return self.apps.get(app_id)

    def move_application(self, app_id: str, *, present: RegistrationState, target: RegistrationState) -> bool:
        self.apps[app_id] = replace(self.apps[app_id], state=target)
        return True


class PretendScenes:
    def __init__(self) -> None:
        self.rows: dict[int, Scene] = {}

    def add(self, scene: Scene) -> Scene:
        self.rows[scene.scene_no] = replace(scene, version=1)
        return self.rows[scene.scene_no]

    def in_force(self, scene_no: int, *, now: datetime) -> Scene | None:
        return self.rows.get(scene_no)


class PretendEvents:
    def __init__(self) -> None:
        self.rows: list[Event] = []

    def add(self, event: Event) -> None:
        self.rows.append(replace(event, position=len(self.rows) + 1))

    def after(self, app_id: str, *, position: int, limit: int) -> Sequence[Event]:
        return [event for event in self.rows if event.app_id == app_id and event.position > position][:limit]

    def last_position(self, app_id: str) -> int:
        return max((event.position for event in self.rows if event.app_id == app_id), default=0)


class PretendAudit:
    def __init__(self) -> None:
        self.rows: list[AuditEntry] = []

    def add(self, entry: AuditEntry) -> None:
        self.rows.append(entry)


class PretendAuthorizations:
    """No walk asks for any."""

    def open_of(self, account_id: AccountId) -> Sequence[Authorization]:
        return ()


class PretendStores:
    """The stores of one node; those that no walk needs are not there, so that a step which reaches for one fails."""

    def __init__(self) -> None:
        self.accounts = PretendAccounts()
        self.sessions = PretendSessions()
        self.tickets = PretendTickets()
        self.codes = PretendCodes()
        self.scans = PretendScans()
        self.acts = PretendActs()
        self.parties = PretendParties()
        self.scenes = PretendScenes()
        self.events = PretendEvents()
        self.audit = PretendAudit()
        self.authorizations = PretendAuthorizations()


class PretendDatabase:
    """The port `Database`: one unit after the other, and what a unit that raised has written is not kept."""

    def __init__(self) -> None:
        self.stores = PretendStores()

    async def run(self, unit: Callable[[Transaction], T]) -> T:
        before = self._copied()
        try:
            # Any: the stores have the methods that the walks call, not all of the ports.
            return unit(cast(Any, self.stores))
        except BaseException:
            for name, contents in before.items():
                vars(getattr(self.stores, name)).update(contents)
            raise

    async def read(self, query: Callable[[Transaction], T]) -> T:
        return query(cast(Any, self.stores))

    async def check(self) -> None:
        return None

    def queue_length(self) -> int:
        return 0

    def _copied(self) -> dict[str, dict[str, Any]]:
        """Rows never change, so copies of what holds them are enough."""
        return {
            name: {attribute: held.copy() for attribute, held in vars(store).items()}
            for name, store in vars(self.stores).items()
        }
