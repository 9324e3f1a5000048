"""The stores of authorizations, uses, mandates and the catalogue; see `ports.stores` for what units are.

All methods act at once. What decides (a decision, a withdrawal, the begin of a use) is one conditional statement whose
result tells who was first; nothing is read first and written later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import Authorization, AuthorizationState, DecidedItem, UseState
from govcode_node.domain.catalogue import ApplicationKey, LicenseType, Matter
from govcode_node.domain.licenses import LicenseUse
from govcode_node.domain.mandates import Mandate


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalNotice:
    """A withdrawal that a node has still to be told of.

    Attributes:
        authorization_id: The authorization.
        node_id: The node.
        withdrawal: Evidence of the withdrawal.
        attempts: How often it was tried.
        due_at: When to try next.
        gives_up_at: When it no longer matters: the grant would be over by itself.
    """

    authorization_id: str
    node_id: str
    withdrawal: bytes
    attempts: int = 0
    due_at: datetime
    gives_up_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOffer:
    """What a holder is asked for who scans a code of a thing or matter.

    Attributes:
        account_id: Account of the thing or matter.
        app_id: The application that asks.
        matter_code: The matter whose whole scope is asked for.
    """

    account_id: AccountId
    app_id: str
    matter_code: str


class AuthorizationStore(Protocol):
    """Authorizations with the counts of their uses."""

    def add(self, authorization: Authorization) -> bool:
        """It adds an authorization unless its id is there; whether it did. One that is GRANTED gets its counters."""
        ...

    def get(self, authorization_id: str) -> Authorization | None:
        """It returns an authorization with the uses that count."""
        ...

    def find_request(self, *, app_id: str, biz_serial: str) -> Authorization | None:
        """It returns the newest authorization that an application of this node asked for under that serial."""
        ...

    def list_of(self, account_id: AccountId, *, before: str, limit: int) -> Sequence[Authorization]:
        """It returns the account's authorizations, newest first, those before an id where it is not empty."""
        ...

    def open_of(self, account_id: AccountId) -> Sequence[Authorization]:
        """It returns the account's authorizations that were last written as PENDING or GRANTED."""
        ...

    def decide(
        self,
        authorization_id: str,
        *,
        state: AuthorizationState,
        items: Sequence[DecidedItem],
        decided_at: datetime,
        ends_at: datetime | None,
        consent: bytes,
        grant: bytes,
    ) -> bool:
        """It writes the decision on a PENDING authorization, with counters for the granted items; whether it did.

        The mirror of a visited node follows by the same method.
        """
        ...

    def time_out(self, authorization_id: str, *, at: datetime) -> bool:
        """It writes TIMED_OUT on a PENDING authorization; whether it did."""
        ...

    def undecided(self, *, now: datetime, limit: int) -> Sequence[Authorization]:
        """It returns PENDING authorizations of subjects of this node whose time to decide is over, the oldest first."""
        ...

    def withdraw(self, authorization_id: str, *, at: datetime, withdrawal: bytes) -> bool:
        """It writes WITHDRAWN on a GRANTED authorization; whether it did. No use begins after it.

        A copy that is WITHDRAWN already and has no evidence of it takes what is given here, and the time.
        """
        ...

    def begin_use(self, use: LicenseUse, *, limit: int) -> bool:
        """It counts and adds a use, if the authorization is GRANTED and fewer than `limit` uses of the item count.

        A use of the same caller and serial that FAILED gives way; one that did not lets no second one begin.

        Linearised with `withdraw` on the row of the authorization (6.3-12).
        """
        ...

    def end_use(self, use_id: str, *, state: UseState, at: datetime, delivery: bytes = b"") -> bool:
        """It ends a BEGUN use; one that FAILED no longer counts. Whether it did."""
        ...

    def record_use(self, use: LicenseUse) -> bool:
        """It adds a use that is counted elsewhere, at a node that takes part in it; whether it was new."""
        ...

    def get_use(self, use_id: str) -> LicenseUse | None:
        """It returns a use."""
        ...

    def find_use(self, *, authorization_id: str, caller: str, biz_serial: str) -> LicenseUse | None:
        """It returns the use of that serial."""
        ...

    def uses_of(self, authorization_id: str) -> Sequence[LicenseUse]:
        """It returns the uses of one authorization, oldest first."""
        ...

    def list_uses(
        self, account_id: AccountId, *, authorization_id: str, before: str, limit: int
    ) -> Sequence[LicenseUse]:
        """It returns the uses of an account's licences, newest first; of one authorization where it is not empty."""
        ...

    def add_notice(self, notice: WithdrawalNotice) -> None:
        """It adds a notice for a node, unless there is one."""
        ...

    def due_notices(self, *, now: datetime, limit: int) -> Sequence[WithdrawalNotice]:
        """It returns notices to be sent now, the oldest first."""
        ...

    def drop_notice(self, authorization_id: str, node_id: str) -> None:
        """It forgets a notice that was delivered, or no longer matters."""
        ...

    def postpone_notice(self, authorization_id: str, node_id: str, *, due_at: datetime) -> None:
        """It counts an attempt and sets the time of the next."""
        ...

    def purge(self, *, ended_before: datetime, limit: int) -> int:
        """It deletes authorizations, with their uses, that were over before a time; how many authorizations (6.3-17).

        Over is: decided against, timed out, withdrawn, or past the end of the grant.
        """
        ...


class MandateStore(Protocol):
    """Mandates of entities."""

    def add(self, mandate: Mandate) -> None:
        """It adds a mandate."""
        ...

    def get(self, mandate_id: str) -> Mandate | None:
        """It returns a mandate."""
        ...

    def cancel(self, mandate_id: str, *, at: datetime) -> bool:
        """It cancels a mandate that is not cancelled; whether it did."""
        ...

    def list_of(self, account_id: AccountId, *, limit: int) -> Sequence[Mandate]:
        """It returns the mandates that an account gave or holds, newest first."""
        ...


class CatalogueStore(Protocol):
    """Licence types and matters in versions, applications' keys, and what scene codes ask for."""

    def add_license_type(self, license_type: LicenseType) -> LicenseType:
        """It adds the next version of a type and returns it with its number."""
        ...

    def license_type(self, license_type: str) -> LicenseType | None:
        """It returns the newest version of a type."""
        ...

    def license_types(self, *, after: str, limit: int) -> Sequence[LicenseType]:
        """It returns types with ids after one, each in its newest version, by id."""
        ...

    def add_matter(self, matter: Matter) -> Matter:
        """It adds the next version of an application's matter and returns it with its number."""
        ...

    def matter(self, *, app_id: str, matter_code: str) -> Matter | None:
        """It returns the newest version of an application's matter."""
        ...

    def matters(self, *, after: tuple[str, str], limit: int) -> Sequence[Matter]:
        """It returns matters after an application and code, each in its newest version, by both."""
        ...

    def add_key(self, key: ApplicationKey) -> None:
        """It adds a key of an application; the newest counts."""
        ...

    def key(self, app_id: str) -> ApplicationKey | None:
        """It returns the newest key of an application."""
        ...

    def put_offer(self, offer: SceneOffer) -> None:
        """It keeps what codes of a thing or matter ask for."""
        ...

    def offer(self, account_id: AccountId) -> SceneOffer | None:
        """It returns what codes of a thing or matter ask for."""
        ...
