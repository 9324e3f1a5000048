"""Stronger identity checks (二次认证) for one act: bound to it when they begin, compared when they end (N-30).

The provider keeps what a check was begun for and gives it back with the outcome, so a check that was made for another
request, or for other items of the same one, is of no use here.
"""

import hmac
from dataclasses import dataclass, field
from typing import Final

from govcode_node.domain.accounts import Account, AccountId
from govcode_node.domain.authorizations import StepUp, StepUpMismatchError
from govcode_node.domain.identification import AssuranceTooLowError, BegunIdentification, IdentifiedSubject
from govcode_node.ports.identity import IdentityProvider
from govcode_node.ports.security import DataKeys
from govcode_node.ports.stores import Database

STEP_UP_LEVEL: Final = 2
"""Lowest assurance level that counts as stronger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCheck:
    """What a device hands over after a check.

    Attributes:
        identification_id: The check.
        provider_blob: What the provider's device kit made; handed on and forgotten.
    """

    identification_id: str
    provider_blob: bytes = field(repr=False)


class StepUps:
    """It begins and finishes checks."""

    def __init__(self, *, provider: IdentityProvider, database: Database, keys: DataKeys) -> None:
        """It works with the identity provider; whose identity it was is compared by the blind index."""
        self._provider = provider
        self._database = database
        self._keys = keys

    async def begin(self, account: Account, *, bound_to: bytes) -> BegunIdentification:
        """It begins a check of the one who acts.

        Raises:
            IdentityProviderUnavailableError: The provider does not answer.
        """
        return await self._provider.begin(account.subject_kind, bound_to=bound_to)

    async def finish(
        self, check: FinishedCheck, *, account_id: AccountId, bound_to: bytes
    ) -> tuple[StepUp, IdentifiedSubject]:
        """It finishes a check and returns what it proves.

        Raises:
            IdentityFailedError, IdentificationExpiredError, IdentityProviderUnavailableError: It proves nothing.
            StepUpMismatchError: It was begun for something else, or is of another person.
            AssuranceTooLowError: It is not stronger.
        """
        subject = await self._provider.finish(check.identification_id, check.provider_blob)
        if not hmac.compare_digest(subject.bound_to, bound_to):
            raise StepUpMismatchError("OTHER_REQUEST")
        index = self._keys.blind_index(subject.subject_kind.name, subject.unique_number)
        found = await self._database.read(lambda tx: tx.accounts.find_open(index))
        if found is None or found.account_id != account_id:
            raise StepUpMismatchError("OTHER_PERSON")
        if subject.assurance_level < STEP_UP_LEVEL:
            raise AssuranceTooLowError(required=STEP_UP_LEVEL, present=subject.assurance_level)
        step_up = StepUp(
            provider=self._provider.name,
            assurance_level=subject.assurance_level,
            identified_at=subject.identified_at,
            digest=bound_to,
        )
        return step_up, subject
