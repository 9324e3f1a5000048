"""What an identity provider (身份鉴别) finds out about a subject, and how it can fail (6.1-01, N-27)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.errors import FactsError

IDENTIFICATION_LIFETIME = timedelta(minutes=5)
"""How long a begun identification may be finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunIdentification:
    """What the provider gives at the begin.

    Attributes:
        identification_id: Names the identification; unguessable.
        provider: Name of the provider.
        challenge: What its device kit needs; opaque.
        expires_at: When it can no longer be finished.
    """

    identification_id: str
    provider: str
    challenge: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedSubject:
    """Who was identified. Held in memory for one act; what is kept of it is sealed.

    Attributes:
        subject_kind: Person or legal entity.
        assurance_level: 1 (low) to 3 (high).
        unique_number: Number that identifies the subject: a citizen id, or a unified social credit code.
        fields: What may be disclosed of the subject, by field name.
        identified_at: When the provider decided.
        acting_person_number: For a legal entity, the citizen id of the person who acts for it; empty otherwise.
        bound_to: What the check was begun for; empty for an opening.
    """

    subject_kind: SubjectKind
    assurance_level: int
    unique_number: str
    fields: Mapping[FieldName, str]
    identified_at: datetime
    acting_person_number: str = ""
    bound_to: bytes = b""

    def __repr__(self) -> str:
        """It shows nothing that identifies, so that a log line with the object stays clean."""
        return f"IdentifiedSubject({self.subject_kind.name}, level {self.assurance_level})"


@dataclass(eq=False)
class IdentityFailedError(FactsError):
    """The provider did not confirm the identity."""

    provider: str
    says = "the identity provider {provider} did not confirm the identity"


@dataclass(eq=False)
class IdentificationExpiredError(FactsError):
    """The identification is unknown, used, or too old."""

    identification_id: str
    says = "the identification is unknown, used or older than five minutes; begin a new one"


@dataclass(eq=False)
class IdentityProviderUnavailableError(FactsError):
    """The provider does not answer."""

    provider: str
    says = "the identity provider {provider} does not answer; sessions that exist go on"


@dataclass(eq=False)
class AssuranceTooLowError(FactsError):
    """The identity check is weaker than what is asked for."""

    required: int
    present: int
    says = "assurance level {required} is required, the identity check has {present}"
