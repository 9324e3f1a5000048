"""Synthetic holders and the back end that acts for them: what a citizen-facing application does, for trying things out.

The subjects are those of the local identity provider's file. Each has one device, whose SM2 key signs the holder's own
acts; account and session are opened when they are first needed.
"""

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.home_rules import IssueRules
from govcode_node.providers.identity.local_kit import device_kit_blob
from govcode_node.providers.identity.local_subjects import SyntheticSubjects, load_synthetic_subjects

if TYPE_CHECKING:
    from govcode.code.v1.account_pb2 import Session
    from govcode.common.v1.holder_pb2 import HolderProof, Identification
    from govcode_client import Client, HolderDevice

_TERMS_VERSION: Final = IssueRules().terms_version


class UnknownHolderError(GovcodeError):
    """Nobody of that name is in the file of synthetic subjects."""


class BrokenShelfError(GovcodeError):
    """A file of a kept device cannot be used; the message says which and what helps."""


def new_serial(act: str) -> str:
    """It makes a serial (业务流水号) that was never used before. Example: `PRESENT-5f0c…`."""
    return f"{act}-{uuid.uuid4().hex}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticHolder:
    """A synthetic person, or a company with the person who acts for it.

    Attributes:
        name: Name of the person or company.
        id_number: Citizen id of the person at the device.
        secret: What the device kit proves the person with.
        uscc: Number of the company; None for a person.
    """

    name: str
    id_number: str
    secret: str
    uscc: str | None = None


def find_holder(path: Path, name: str) -> SyntheticHolder:
    """It finds a subject by name, citizen id, or unified social credit code.

    Raises:
        SyntheticSubjectsError: The file cannot be used.
        UnknownHolderError: It has no such subject.
    """
    subjects = load_synthetic_subjects(path)
    for person in subjects.people.values():
        if name in (person.name, person.id_number):
            return SyntheticHolder(name=person.name, id_number=person.id_number, secret=person.secret)
    for company in subjects.companies.values():
        if name in (company.entity_name, company.uscc):
            acting = subjects.people[company.legal_representative]
            return SyntheticHolder(
                name=company.entity_name, id_number=acting.id_number, secret=acting.secret, uscc=company.uscc
            )
    raise UnknownHolderError(f"no {name!r} in {path}; there are {', '.join(_names(subjects))}")


def _names(subjects: SyntheticSubjects) -> list[str]:
    people = [person.name for person in subjects.people.values() if not person.suspended]
    return people + [company.entity_name for company in subjects.companies.values() if not company.suspended]


@dataclass(slots=True)
class HolderSession:
    """A holder's open session at a node, with the device that it belongs to."""

    device: "HolderDevice"
    token: str
    account_id: str


class HolderBackEnd:
    """It opens accounts and sessions of synthetic holders at one node, as application `holder-app` of the region."""

    def __init__(self, client: "Client") -> None:
        """It acts through a client whose certificate is that of a holders' application."""
        self._client = client

    def open(self, holder: SyntheticHolder, device: "HolderDevice") -> HolderSession:
        """It opens the holder's account on a device; where there is one already, it moves it to this device.

        Raises:
            ClientError: The node refuses.
        """
        from govcode.code.v1 import code_application_service_pb2 as pb
        from govcode_client import NodeError

        serial = new_serial("OPEN")
        identification = self._identify(holder)
        proof = device.prove_open_account(
            identification_id=identification.identification_id, biz_serial=serial, terms_version=_TERMS_VERSION
        )
        try:
            opened = self._client.code_application.OpenAccount(
                pb.OpenAccountRequest(biz_serial=serial, identification=identification, proof=proof)
            )
        except NodeError as error:
            if error.reason != "ALREADY_OPEN":
                raise
            return self._bind(holder, device)
        return _session_of(device, opened.session)

    def resume(self, holder: SyntheticHolder, device: "HolderDevice") -> HolderSession:
        """It opens a further session on the device that the account is bound to.

        Raises:
            ClientError: The node refuses.
        """
        from govcode.code.v1 import code_application_service_pb2 as pb

        serial = new_serial("SESSION")
        identification = self._identify(holder)
        proof = device.prove_open_session(identification_id=identification.identification_id, biz_serial=serial)
        opened = self._client.code_application.OpenSession(
            pb.OpenSessionRequest(biz_serial=serial, identification=identification, proof=proof)
        )
        return _session_of(device, opened.session)

    def _bind(self, holder: SyntheticHolder, device: "HolderDevice") -> HolderSession:
        from govcode.code.v1 import code_application_service_pb2 as pb

        serial = new_serial("BIND")
        identification = self._identify(holder)
        proof: HolderProof = device.prove_bind_device(
            identification_id=identification.identification_id, biz_serial=serial
        )
        bound = self._client.code_application.BindDevice(
            pb.BindDeviceRequest(biz_serial=serial, identification=identification, proof=proof)
        )
        return _session_of(device, bound.session)

    def _identify(self, holder: SyntheticHolder) -> "Identification":
        from govcode.code.v1 import code_application_service_pb2 as pb
        from govcode.common.v1 import holder_pb2, subject_pb2

        kind = subject_pb2.SUBJECT_KIND_PERSON if holder.uscc is None else subject_pb2.SUBJECT_KIND_LEGAL_ENTITY
        begun = self._client.code_application.BeginIdentification(pb.BeginIdentificationRequest(subject_kind=kind))
        blob = device_kit_blob(
            identification_id=begun.identification_id,
            id_number=holder.id_number,
            secret=holder.secret,
            uscc=holder.uscc,
        )
        return holder_pb2.Identification(identification_id=begun.identification_id, provider_blob=blob)


def _session_of(device: "HolderDevice", session: "Session") -> HolderSession:
    return HolderSession(device=device, token=session.session_token, account_id=session.account_id)


class SessionShelf:
    """Sessions of synthetic holders kept in files of mode 0600, so that a second command needs no new account."""

    def __init__(self, directory: Path) -> None:
        """It keeps sessions in a directory, made where absent."""
        self._directory = directory

    def session(self, holder: SyntheticHolder, back_end: HolderBackEnd, *, fresh: bool = False) -> HolderSession:
        """It gives the holder's session: the kept one, or one opened now.

        Args:
            holder: Who.
            back_end: Opens what is missing.
            fresh: Whether the kept session is of no use any longer.

        Raises:
            ClientError: The node refuses.
        """
        from govcode_client import HolderDevice, NodeError

        stem = self._directory / (holder.uscc or holder.id_number)
        key_path, session_path = stem.with_suffix(".key"), stem.with_suffix(".json")
        if key_path.exists():
            device = load_device(key_path)
            kept = None if fresh else kept_session(session_path, device)
            if kept is not None:
                return kept
            try:
                session = back_end.resume(holder, device)
            except NodeError as error:
                if error.reason not in ("ACCOUNT_NOT_FOUND", "DEVICE_NOT_BOUND"):
                    raise
                session = back_end.open(holder, device)
        else:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            device = HolderDevice.generate()
            session = back_end.open(holder, device)
            device.save(key_path)
        _write_private(session_path, json.dumps({"token": session.token, "account_id": session.account_id}))
        return session


def load_device(path: Path) -> "HolderDevice":
    """It reads a kept device.

    Raises:
        BrokenShelfError: The file holds no device key.
    """
    from govcode_client import HolderDevice

    try:
        return HolderDevice.load(path)
    except ValueError as error:
        raise BrokenShelfError(f"{path} holds no device key; remove it, and the next call binds another") from error


def kept_session(path: Path, device: "HolderDevice") -> HolderSession | None:
    """It reads a kept session; one that cannot be read counts as none, since a new one costs nothing."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return HolderSession(device=device, token=str(kept["token"]), account_id=str(kept["account_id"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
