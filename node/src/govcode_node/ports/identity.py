"""The identity provider (身份鉴别), as a port in two phases (N-27)."""

from typing import Protocol

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.identification import BegunIdentification, IdentifiedSubject


class IdentityProvider(Protocol):
    """It finds out who somebody is. What passes between device kit and provider is opaque to the node."""

    @property
    def name(self) -> str:
        """Name of the provider, by which a device chooses its kit."""
        ...

    async def begin(self, subject_kind: SubjectKind) -> BegunIdentification:
        """It begins an identification.

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
