"""Mandates (授权委托, N-07): an entity lets a person decide for it, within matters, licence types and time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.errors import FactsError

MAX_MANDATE: Final = timedelta(days=366)
"""Longest time that a mandate may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """A mandate. There is no way to hand it on.

    Attributes:
        mandate_id: Opaque id.
        entity_account_id: Account of the entity.
        agent_account_id: Account of the person who may decide for it.
        matter_codes: Matters that it covers.
        license_types: Licence types that it covers.
        starts_at: From when on.
        ends_at: Until when.
        representative_index: Blind index of the legal representative who gave it; another representative suspends it.
        given_at: When it was given.
        cancelled_at: When it was cancelled.

    Raises:
        MandateInvalidError: It holds for no time, for too long, or for the entity itself.
    """

    mandate_id: str
    entity_account_id: AccountId
    agent_account_id: AccountId
    matter_codes: tuple[str, ...]
    license_types: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    representative_index: bytes
    given_at: datetime
    cancelled_at: datetime | None = None

    def __post_init__(self) -> None:
        if not timedelta() < self.ends_at - self.starts_at <= MAX_MANDATE:
            raise MandateInvalidError("PERIOD")
        if self.entity_account_id == self.agent_account_id:
            raise MandateInvalidError("AGENT")

    def check_covers(
        self,
        *,
        entity: AccountId,
        agent: AccountId,
        matter_code: str,
        license_types: frozenset[str],
        now: datetime,
    ) -> None:
        """It raises unless the agent may decide this for the entity now.

        Raises:
            MandateInvalidError: The mandate is another entity's or agent's, over, or does not reach that far.
        """
        if self.entity_account_id != entity or self.agent_account_id != agent:
            raise MandateInvalidError("AGENT")
        if self.cancelled_at is not None:
            raise MandateInvalidError("CANCELLED")
        if not self.starts_at <= now < self.ends_at:
            raise MandateInvalidError("EXPIRED")
        if matter_code not in self.matter_codes:
            raise MandateInvalidError("MATTER")
        if not license_types <= set(self.license_types):
            raise MandateInvalidError("LICENSE_TYPE")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityStanding:
    """What the identity provider says of an entity now.

    Attributes:
        active: Whether its registration is in force.
        representative_number: Citizen id of its legal representative; for one comparison, in memory only.
    """

    active: bool
    representative_number: str

    def __repr__(self) -> str:
        """It names nobody."""
        return f"EntityStanding(active={self.active})"


@dataclass(eq=False)
class MandateInvalidError(FactsError):
    """The mandate does not carry the act.

    Attributes:
        why: `UNKNOWN`, `AGENT`, `CANCELLED`, `EXPIRED`, `MATTER`, `LICENSE_TYPE`, `PERIOD`, `NOT_ENTITY`,
            `REPRESENTATIVE` (another one than gave it) or `ENTITY_INACTIVE`.
    """

    why: str
    says = "the mandate does not carry this act: {why}"
