"""The embedded identity provider for development, tests and the demo: it knows synthetic subjects only.

It behaves as a real one does: two phases (N-27), one use of each identification whatever its outcome, five minutes'
time, and a blob that it reads once and forgets. A subject may be known by an opaque mark alone (网络身份应用标识, MID),
as a network identity service has them: number and name then come with a check that was begun for one act, and only
with that (N-21).

What was begun is kept in the memory of this process. With several workers a `finish` that reaches another worker than
its `begin` is refused as unknown; production identifies through a provider that keeps its own serials, and a local
provider for several workers would keep them in the store. This limit is known and accepted for a development tool.
"""

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.identification import (
    IDENTIFICATION_LIFETIME,
    BegunIdentification,
    IdentificationExpiredError,
    IdentifiedSubject,
    IdentityFailedError,
    IdentityProviderUnavailableError,
)
from govcode_node.domain.mandates import EntityStanding
from govcode_node.ports.clock import Clock
from govcode_node.providers.identity.local_kit import MAX_BLOB_BYTES
from govcode_node.providers.identity.local_subjects import (
    SyntheticCompany,
    SyntheticPerson,
    SyntheticSubjects,
    load_synthetic_subjects,
)

MAX_PENDING: Final = 10_000
"""How many identifications may be open; the oldest gives way, so that beginning many cannot fill the memory."""

_ID_BYTES: Final = 16
_CHALLENGE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class _Pending:
    subject_kind: SubjectKind
    expires_at: datetime
    bound_to: bytes


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a blob says, read but not yet believed."""

    identification_id: str
    id_number: str
    secret: str
    uscc: str

    def __repr__(self) -> str:
        return "_Claim(withheld)"


class LocalIdentityProvider:
    """Identifies the synthetic people and companies of one file; an `IdentityProvider`.

    Attributes:
        available: Set it to False and the provider does not answer, as in an outage.
        subjects: Whom it knows; set others and it knows those from now on, as after a change in the register.
    """

    def __init__(
        self,
        subjects: SyntheticSubjects,
        *,
        clock: Clock,
        lifetime: timedelta = IDENTIFICATION_LIFETIME,
        max_pending: int = MAX_PENDING,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """It starts with nothing begun.

        Args:
            subjects: Whom it knows.
            clock: The node's clock.
            lifetime: How long a begun identification may be finished.
            max_pending: How many may be open at a time.
            random_bytes: Source of ids and challenges.
        """
        self.available = True
        self.subjects = subjects
        self._clock = clock
        self._lifetime = lifetime
        self._max_pending = max_pending
        self._random_bytes = random_bytes
        self._pending: dict[str, _Pending] = {}

    @classmethod
    def from_file(
        cls, path: Path, *, clock: Clock, lifetime: timedelta = IDENTIFICATION_LIFETIME
    ) -> "LocalIdentityProvider":
        """It starts from a file of synthetic subjects.

        Raises:
            SyntheticSubjectsError: The file cannot be used.
        """
        return cls(load_synthetic_subjects(path), clock=clock, lifetime=lifetime)

    @property
    def name(self) -> str:
        """Name of the provider."""
        return "local"

    async def begin(self, subject_kind: SubjectKind, *, bound_to: bytes = b"") -> BegunIdentification:
        """It begins an identification of a person or of a company by its legal representative.

        Args:
            subject_kind: Which of the two.
            bound_to: What the check is made for, given back with its outcome; empty for an opening.

        Raises:
            IdentityProviderUnavailableError: The provider is switched off.
            InvalidFieldError: Things and matters have no identity to check.
        """
        self._check_available()
        if subject_kind not in (SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY):
            raise InvalidFieldError(field="subject_kind", why="must be a person or a legal entity to be identified")
        now = self._clock.now()
        self._make_room(now)
        identification_id = self._random_bytes(_ID_BYTES).hex()
        expires_at = now + self._lifetime
        self._pending[identification_id] = _Pending(subject_kind, expires_at, bound_to)
        return BegunIdentification(
            identification_id=identification_id,
            provider=self.name,
            challenge=self._random_bytes(_CHALLENGE_BYTES),
            expires_at=expires_at,
        )

    async def finish(self, identification_id: str, provider_blob: bytes) -> IdentifiedSubject:
        """It decides who sent the blob; the identification is used up by the attempt, whatever its outcome.

        Raises:
            IdentificationExpiredError: It is unknown, finished before, or too old.
            IdentityFailedError: The blob is not of this identification, or does not prove a subject of the file.
            IdentityProviderUnavailableError: The provider is switched off; the identification stays open.
        """
        self._check_available()
        now = self._clock.now()
        # Taken out before anything is looked at: a wrong secret costs the whole identification, so none is guessed.
        pending = self._pending.pop(identification_id, None)
        if pending is None or now >= pending.expires_at:
            raise IdentificationExpiredError(identification_id)
        claim = self._read(provider_blob)
        if claim.identification_id != identification_id:
            raise IdentityFailedError(self.name)
        person = self._confirmed_person(claim)
        if pending.subject_kind is SubjectKind.PERSON:
            return _identified_person(person, now, pending.bound_to)
        return _identified_company(self._confirmed_company(claim, person), person, now, pending.bound_to)

    async def standing(self, uscc: str) -> EntityStanding:
        """It tells how a company stands in the register now; one that it does not know is not in force (N-07).

        Raises:
            IdentityProviderUnavailableError: The provider is switched off.
        """
        self._check_available()
        company = self.subjects.companies.get(uscc)
        if company is None:
            return EntityStanding(active=False, representative_number="")
        representative = self.subjects.people[company.legal_representative]
        return EntityStanding(active=not company.suspended, representative_number=representative.unique_number)

    def _check_available(self) -> None:
        if not self.available:
            raise IdentityProviderUnavailableError(self.name)

    def _make_room(self, now: datetime) -> None:
        """It forgets what is over, and the oldest while there is no room. The first in line is the oldest."""
        while self._pending:
            oldest = next(iter(self._pending))
            if now < self._pending[oldest].expires_at and len(self._pending) < self._max_pending:
                return
            del self._pending[oldest]

    def _read(self, blob: bytes) -> _Claim:
        """It reads a blob; the cause of a fault is cut off because its text could repeat the blob."""
        if len(blob) > MAX_BLOB_BYTES:
            raise IdentityFailedError(self.name)
        try:
            content = json.loads(blob)
        except (ValueError, RecursionError):
            raise IdentityFailedError(self.name) from None
        if not isinstance(content, dict):
            raise IdentityFailedError(self.name)
        values = [content.get(key, "") for key in ("identification_id", "id_number", "secret", "uscc")]
        if not all(isinstance(value, str) for value in values):
            raise IdentityFailedError(self.name)
        return _Claim(*values)

    def _confirmed_person(self, claim: _Claim) -> SyntheticPerson:
        person = self.subjects.people.get(claim.id_number)
        expected = person.secret if person is not None else "\x00" * 16
        # surrogatepass: JSON can smuggle a lone surrogate in, which plain UTF-8 refuses with an error of its own.
        proved = hmac.compare_digest(expected.encode(), claim.secret.encode("utf-8", "surrogatepass"))
        if person is None or not proved or person.suspended:
            raise IdentityFailedError(self.name)
        return person

    def _confirmed_company(self, claim: _Claim, person: SyntheticPerson) -> SyntheticCompany:
        company = self.subjects.companies.get(claim.uscc)
        if company is None or company.suspended or company.legal_representative != person.id_number:
            raise IdentityFailedError(self.name)
        return company


def _identified_person(person: SyntheticPerson, now: datetime, bound_to: bytes) -> IdentifiedSubject:
    named = {FieldName.NAME: person.name, FieldName.ID_NUMBER: person.id_number}
    fields = {**named, FieldName.PHONE: person.phone}
    if person.mid_only:
        # To make a check for one act is the holder's separate consent to name and number.
        fields = named if bound_to else {}
    return IdentifiedSubject(
        subject_kind=SubjectKind.PERSON,
        assurance_level=person.assurance_level,
        unique_number=person.unique_number,
        fields=fields,
        identified_at=now,
        bound_to=bound_to,
    )


def _identified_company(
    company: SyntheticCompany, person: SyntheticPerson, now: datetime, bound_to: bytes
) -> IdentifiedSubject:
    """A company is known no better than the person who speaks for it."""
    named = {FieldName.ENTITY_NAME: company.entity_name, FieldName.USCC: company.uscc}
    return IdentifiedSubject(
        subject_kind=SubjectKind.LEGAL_ENTITY,
        assurance_level=min(company.assurance_level, person.assurance_level),
        unique_number=company.unique_number,
        fields={} if company.mid_only and not bound_to else named,
        identified_at=now,
        acting_person_number=person.unique_number,
        bound_to=bound_to,
    )
