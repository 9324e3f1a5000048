"""The identity provider (身份鉴别), as a port in two phases (N-27)."""

from typing import Protocol

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.identification import BegunIdentification, IdentifiedSubject
from govcode_node.domain.mandates import EntityStanding


class IdentityProvider(Protocol):
    """It finds out who somebody is. What passes between device kit and provider is opaque to the node."""

    @property
    def name(self) -> str:
        """Name of the provider, by which a device chooses its kit."""
        ...

    async def begin(self, subject_kind: SubjectKind, *, bound_to: bytes = b"") -> BegunIdentification:
        """It begins an identification.

        Args:
            subject_kind: Whose identity is checked.
            bound_to: What the check is made for, given back with its outcome; empty for an opening.

        Raises:
            IdentityProviderUnavailableError: The provider does not answer.
        """
        ...

    async def finish(self, identification_id: str, provider_blob: bytes) -> IdentifiedSubject:
        """It finishes an identification; each can be finished once.

        Raises:
            IdentificationExpiredError: It is unknown, finished before, or too old.
            IdentityFailedError: The identity is not confirmed.
            IdentityProviderUnavailableError: The provider does not answer.
        """
        ...

    async def standing(self, uscc: str) -> EntityStanding:
        """It tells how an entity stands in its register now (N-07).

        Raises:
            IdentityProviderUnavailableError: The provider does not answer.
        """
        ...
