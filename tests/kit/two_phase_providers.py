"""Two shapes that identity providers have, each with its device kit: both fit the port of two phases (N-27).

One gives its kit a serial and later reads the whole result from what the kit has sealed; the other gives its kit a
random challenge and later checks the answer to it. What passes between kit and provider carries a photo of a face in
both.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.identification import (
    BegunIdentification,
    IdentificationExpiredError,
    IdentifiedSubject,
    IdentityFailedError,
)
from govcode_node.domain.mandates import EntityStanding
from govcode_node.ports.clock import Clock
from govcode_node.ports.identity import IdentityProvider

FACE: Final = "FACE-4f1d8a37c2e94b60"
"""Stands for the photo of a face: whoever finds it outside of the blob has found a leak."""

PASSWORD: Final = "PASSWORD-77b9e05fa2"
"""Stands for what a person types into the kit."""

_LIFETIME: Final = timedelta(minutes=5)
_NO_REGISTER: Final = EntityStanding(active=False, representative_number="")
"""Neither shape knows of entities."""


class TwoPhaseProvider(IdentityProvider, Protocol):
    """A provider with its device kit."""

    def kit(self, begun_id: str, challenge: bytes, *, person: str) -> bytes:
        """What the kit on the person's device makes of what the provider gave at the begin."""
        ...


@dataclass
class _Begun:
    kind: SubjectKind
    expires_at: datetime
    challenge: bytes = b""
    bound_to: bytes = b""


@dataclass
class SealedResultProvider:
    """The kit asks the provider's own service and brings back the finished result, sealed for the provider."""

    clock: Clock
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _begun: dict[str, _Begun] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "sealed-result"

    async def begin(self, subject_kind: SubjectKind, *, bound_to: bytes = b"") -> BegunIdentification:
        identification_id, expires_at = secrets.token_hex(16), self.clock.now() + _LIFETIME
        self._begun[identification_id] = _Begun(subject_kind, expires_at, bound_to=bound_to)
        return BegunIdentification(
            identification_id=identification_id, provider=self.name, challenge=b"", expires_at=expires_at
        )

    def kit(self, begun_id: str, challenge: bytes, *, person: str) -> bytes:
        result = {"serial": begun_id, "person": person, "level": 3, "photo": FACE, "password": PASSWORD}
        text = base64.b64encode(json.dumps(result).encode())
        return text + b"." + hmac.digest(self._key, text, "sha256").hex().encode()

    async def finish(self, identification_id: str, provider_blob: bytes) -> IdentifiedSubject:
        begun = self._begun.pop(identification_id, None)
        if begun is None or self.clock.now() >= begun.expires_at:
            raise IdentificationExpiredError(identification_id)
        text, _, seal = provider_blob.partition(b".")
        if not hmac.compare_digest(seal, hmac.digest(self._key, text, "sha256").hex().encode()):
            raise IdentityFailedError(self.name)
        result = json.loads(base64.b64decode(text))
        if result["serial"] != identification_id:
            raise IdentityFailedError(self.name)
        return _identified(begun, result["person"], level=result["level"], now=self.clock.now())

    async def standing(self, uscc: str) -> EntityStanding:
        return _NO_REGISTER


@dataclass
class ChallengeProvider:
    """The kit answers the provider's challenge with the person's secret."""

    clock: Clock
    _begun: dict[str, _Begun] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "challenge"

    async def begin(self, subject_kind: SubjectKind, *, bound_to: bytes = b"") -> BegunIdentification:
        identification_id, expires_at = secrets.token_hex(16), self.clock.now() + _LIFETIME
        challenge = secrets.token_bytes(32)
        self._begun[identification_id] = _Begun(subject_kind, expires_at, challenge, bound_to)
        return BegunIdentification(
            identification_id=identification_id, provider=self.name, challenge=challenge, expires_at=expires_at
        )

    def kit(self, begun_id: str, challenge: bytes, *, person: str) -> bytes:
        answer = hmac.digest(_secret_of(person), challenge, "sha256").hex()
        return json.dumps({"person": person, "answer": answer, "photo": FACE, "password": PASSWORD}).encode()

    async def finish(self, identification_id: str, provider_blob: bytes) -> IdentifiedSubject:
        begun = self._begun.pop(identification_id, None)
        if begun is None or self.clock.now() >= begun.expires_at:
            raise IdentificationExpiredError(identification_id)
        said = json.loads(provider_blob)
        expected = hmac.digest(_secret_of(said["person"]), begun.challenge, "sha256").hex()
        if not hmac.compare_digest(said["answer"], expected):
            raise IdentityFailedError(self.name)
        return _identified(begun, said["person"], level=3, now=self.clock.now())

    async def standing(self, uscc: str) -> EntityStanding:
        return _NO_REGISTER


def _secret_of(person: str) -> bytes:
    return hashlib.sha256(f"secret of {person}".encode()).digest()


def _identified(begun: _Begun, person: str, *, level: int, now: datetime) -> IdentifiedSubject:
    return IdentifiedSubject(
        subject_kind=begun.kind,
        assurance_level=level,
        unique_number=f"number of {person}",
        fields={FieldName.NAME: person},
        identified_at=now,
        bound_to=begun.bound_to,
    )
