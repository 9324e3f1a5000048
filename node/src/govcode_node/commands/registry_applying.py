"""A registry file brought into a node, as its business operator (7.4): what is there already is left as it is.

Scenes, licence types and matters have versions, so one that differs becomes a new version. Organisations, applications
and scanners have none: where one differs from the file nothing is changed, and the difference is told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from govcode_node.commands.plans import PlanError
from govcode_node.commands.registry_changes import told_changes
from govcode_node.commands.registry_files import (
    ApplicationEntry,
    LicenceTypeEntry,
    MatterEntry,
    OrganisationEntry,
    RegistryFile,
    ScannerEntry,
    SceneEntry,
)
from govcode_node.commands.screen import enum_word
from govcode_node.domain.digests import sm3

if TYPE_CHECKING:
    from govcode_client import Client

_OUTPUT_ONLY: Final = ("version", "register_time", "effective_time", "state")
_WAY: Final = {"APPLIED": ("APPROVED", "ENABLED"), "APPROVED": ("ENABLED",), "ENABLED": ()}


class Done(StrEnum):
    """What became of an entry."""

    REGISTERED = "registered"
    NEW_VERSION = "new version"
    ENABLED = "enabled"
    UNCHANGED = "unchanged"
    DIFFERS = "differs"
    STOPPED = "stopped"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one entry of the file.

    Attributes:
        kind: `scene`, `licence type`, `organisation`, `application`, `scanner`, `matter` or `key`.
        name: Which one.
        done: What became of it.
        detail: Version, or what differs.
        altered: What a new version changes, a line for each; empty for all others.
    """

    kind: str
    name: str
    done: Done
    detail: str = ""
    altered: tuple[str, ...] = ()


def apply_registry(client: "Client", file: RegistryFile, *, reason: str, dry_run: bool = False) -> Iterator[Change]:
    """It registers, approves and enables what a file says and the node does not have, one entry after the other.

    Args:
        client: A business operator's.
        file: What is to be there.
        reason: Why, for the audit trail.
        dry_run: Only say what would become of each entry. The node is asked for what it has and judges nothing, so it
            may still refuse what it is given afterwards.

    Raises:
        PlanError: A word of the file is none of the contract's.
        ClientError: The node refuses; what was yielded before is done, and a second try goes on from there.
    """
    applying = _Applying(client, reason, dry_run=dry_run)
    for scene in file.scene:
        yield applying.scene(scene)
    for licence_type in file.licence_type:
        yield applying.licence_type(licence_type)
    for organisation in file.organisation:
        yield from applying.organisation(organisation)


class _Applying:
    def __init__(self, client: "Client", reason: str, *, dry_run: bool) -> None:
        from govcode.business.v1 import business_management_service_pb2, catalogue_pb2, registry_pb2

        self._business = client.business
        self._pb = business_management_service_pb2
        self._catalogue = catalogue_pb2
        self._registry = registry_pb2
        self._reason = reason
        self._dry_run = dry_run
        self._scenes = {scene.scene_no: scene for scene in self._business.list_scenes()}
        self._types = {kind.license_type: kind for kind in self._business.list_license_types()}
        self._parties = {party.uscc: party for party in self._business.list_relying_parties()}
        self._applications = {one.app_id: one for one in self._business.list_applications()}
        self._scanners = {one.device_id: one for one in self._business.list_scanners()}
        self._matters = {(one.app_id, one.matter_code): one for one in self._business.list_matters()}

    def scene(self, entry: SceneEntry) -> Change:
        from govcode.code.v1.service_code_pb2 import CodeProfile
        from govcode.common.v1.scene_pb2 import SceneClass

        wanted = self._registry.Scene(
            scene_no=entry.scene_no,
            name=entry.name,
            scene_class=_word(SceneClass, "SCENE_CLASS_", entry.scene_class),
            subject_kinds=_kinds(entry.subject_kinds),
            profile=_word(CodeProfile, "CODE_PROFILE_", entry.profile),
            one_time=entry.one_time,
            offline_allowed=entry.offline_allowed,
            fields=[self._registry.SceneField(name=name) for name in entry.fields],
        )
        return self._versioned(
            "scene",
            str(entry.scene_no),
            self._scenes.get(entry.scene_no),
            wanted,
            lambda: (
                self._business.RegisterScene(self._pb.RegisterSceneRequest(biz_serial=_serial(), scene=wanted)).scene
            ),
        )

    def licence_type(self, entry: LicenceTypeEntry) -> Change:
        if strangers := set(entry.sensitive) - entry.fields.keys():
            raise PlanError(
                f"licence type {entry.license_type}: {', '.join(sorted(strangers))} is sensitive, but no field"
            )
        wanted = self._catalogue.LicenseType(
            license_type=entry.license_type,
            name=entry.name,
            fields=[
                self._catalogue.LicenseTypeField(name=name, label=label, sensitive=name in entry.sensitive)
                for name, label in entry.fields.items()
            ],
            document_sensitive=entry.document_sensitive,
            subject_kinds=_kinds(entry.subject_kinds),
        )
        request = self._pb.RegisterLicenseTypeRequest(biz_serial=_serial(), license_type=wanted)
        return self._versioned(
            "licence type",
            entry.license_type,
            self._types.get(entry.license_type),
            wanted,
            lambda: self._business.RegisterLicenseType(request).license_type,
        )

    def organisation(self, entry: OrganisationEntry) -> Iterator[Change]:
        wanted = self._registry.RelyingParty(
            name=entry.name, uscc=entry.uscc, purpose=entry.purpose, contact=entry.contact
        )
        present = self._parties.get(entry.uscc)
        found = present or wanted
        if present is None and not self._dry_run:
            request = self._pb.RegisterRelyingPartyRequest(biz_serial=_serial(), relying_party=wanted)
            found = self._business.RegisterRelyingParty(request).relying_party
        party_id = found.relying_party_id
        change = self._pb.ChangeRelyingPartyStateRequest(relying_party_id=party_id)
        yield self._stated(
            "organisation", entry.uscc, present, wanted, found, change, self._business.ChangeRelyingPartyState
        )
        for application in entry.application:
            yield from self._application(application, party_id)

    def _application(self, entry: ApplicationEntry, party_id: str) -> Iterator[Change]:
        wanted = self._registry.Application(
            app_id=entry.app_id,
            relying_party_id=party_id,
            kind=_word(self._registry.ApplicationKind, "APPLICATION_KIND_", entry.kind),
            name=entry.name,
            scene_nos=entry.scene_nos,
        )
        present = self._applications.get(entry.app_id)
        found = present or wanted
        if present is None and not self._dry_run:
            request = self._pb.RegisterApplicationRequest(biz_serial=_serial(), application=wanted)
            found = self._business.RegisterApplication(request).application
        change = self._pb.ChangeApplicationStateRequest(app_id=entry.app_id)
        yield self._stated(
            "application", entry.app_id, present, wanted, found, change, self._business.ChangeApplicationState
        )
        for scanner in entry.scanner:
            yield self._scanner(scanner, entry.app_id)
        for matter in entry.matter:
            yield self._matter(matter, entry.app_id)
        if entry.encryption_key:
            yield self._key(entry.app_id, entry.encryption_key)

    def _scanner(self, entry: ScannerEntry, app_id: str) -> Change:
        wanted = self._registry.Scanner(device_id=entry.device_id, app_id=app_id, place=entry.place)
        present = self._scanners.get(entry.device_id)
        found = present or wanted
        if present is None and not self._dry_run:
            request = self._pb.RegisterScannerRequest(biz_serial=_serial(), scanner=wanted)
            found = self._business.RegisterScanner(request).scanner
        change = self._pb.ChangeScannerStateRequest(device_id=entry.device_id)
        return self._stated(
            "scanner", entry.device_id, present, wanted, found, change, self._business.ChangeScannerState
        )

    def _matter(self, entry: MatterEntry, app_id: str) -> Change:
        if strangers := set(entry.documents) - entry.items.keys():
            raise PlanError(
                f"matter {entry.matter_code}: documents of {', '.join(sorted(strangers))}, but no such item"
            )
        wanted = self._catalogue.Matter(
            matter_code=entry.matter_code,
            app_id=app_id,
            name=entry.name,
            purpose=entry.purpose,
            handling_means=entry.handling_means,
            items=[
                self._catalogue.MatterItem(license_type=kind, field_names=names, document=kind in entry.documents)
                for kind, names in entry.items.items()
            ],
            max_uses=entry.max_uses,
            subject_kinds=_kinds(entry.subject_kinds),
        )
        wanted.max_period.FromTimedelta(entry.max_period)
        if entry.max_retention:
            wanted.max_retention.FromTimedelta(entry.max_retention)
        if entry.statute:
            wanted.statutory_basis.statute, wanted.statutory_basis.secret = entry.statute, entry.secret
        request = self._pb.RegisterMatterRequest(biz_serial=_serial(), matter=wanted)
        present = self._matters.get((app_id, entry.matter_code))
        name = f"{app_id}/{entry.matter_code}"
        return self._versioned("matter", name, present, wanted, lambda: self._business.RegisterMatter(request).matter)

    def _key(self, app_id: str, public_key: str) -> Change:
        """It registers a key. No call lists keys, so the serial is made of the key: the node knows it again."""
        try:
            point = bytes.fromhex(public_key)
        except ValueError as error:
            raise PlanError(f"application {app_id}: encryption_key is no hexadecimal number") from error
        if self._dry_run:
            return Change(kind="key", name=app_id, done=Done.NOT_COMPARED, detail="no call lists keys")
        request = self._pb.RegisterApplicationKeyRequest(
            biz_serial=f"KEY-{sm3(app_id.encode() + point).hex()[:48]}",
            key=self._catalogue.ApplicationKey(app_id=app_id, public_key=point),
        )
        answer = self._business.RegisterApplicationKey(request)
        done = Done.UNCHANGED if answer.replayed else Done.REGISTERED
        return Change(kind="key", name=app_id, done=done, detail=answer.key.key_id)

    def _versioned(self, kind: str, name: str, present: Any, wanted: Any, register: Callable[[], Any]) -> Change:
        differing = [] if present is None else _differences(present, wanted)
        if present is not None and not differing:
            return Change(kind=kind, name=name, done=Done.UNCHANGED, detail=f"version {present.version}")
        version = "" if self._dry_run else f"version {register().version}"
        if present is None:
            return Change(kind=kind, name=name, done=Done.REGISTERED, detail=version)
        return Change(
            kind=kind,
            name=name,
            done=Done.NEW_VERSION,
            detail=f"{version} in place of version {present.version}".strip(),
            altered=told_changes(present, wanted, differing),
        )

    def _stated(
        self, kind: str, name: str, present: Any, wanted: Any, found: Any, change: Any, move: Callable[[Any], Any]
    ) -> Change:
        """It brings a registration to ENABLED, which takes two acts; one that an operator stopped stays stopped."""
        if present is None and self._dry_run:
            return Change(kind=kind, name=name, done=Done.REGISTERED)
        state = enum_word(found, "state")
        if state not in _WAY:
            return Change(kind=kind, name=name, done=Done.STOPPED, detail=f"it is {state}")
        for target in () if self._dry_run else _WAY[state]:
            change.biz_serial, change.reason = _serial(), self._reason
            change.state = self._registry.RegistrationState.Value(f"REGISTRATION_STATE_{target}")
            move(change)
        if present is None:
            return Change(kind=kind, name=name, done=Done.REGISTERED)
        if differing := _differences(present, wanted):
            return Change(kind=kind, name=name, done=Done.DIFFERS, detail=", ".join(differing))
        return Change(kind=kind, name=name, done=Done.ENABLED if _WAY[state] else Done.UNCHANGED)


def _differences(present: Any, wanted: Any) -> list[str]:
    """It names the fields in which a registration differs from the file, but for those that the node itself gives."""
    return [
        field.name
        for field in wanted.DESCRIPTOR.fields
        if field.name not in _OUTPUT_ONLY
        and _value(present, field) != _value(wanted, field)
        # A new organisation has no id yet; an application names the one that it must belong to.
        and not (field.name == "relying_party_id" and not wanted.relying_party_id)
    ]


def _value(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.name in ("profile", "assurance_level"):
        return value or 1  # the contract: 0 stands for the first one
    if field.name in ("subject_kinds", "scene_nos"):
        return sorted(value)  # sets on the node's side
    if field.is_repeated:
        return list(value)
    return value.SerializeToString(deterministic=True) if field.message_type is not None else value


def _word(enum: Any, prefix: str, word: str) -> Any:
    try:
        return enum.Value(prefix + word)
    except ValueError as error:
        words = ", ".join(name.removeprefix(prefix) for name in enum.keys()[1:])
        raise PlanError(f"{word!r} is none of {words}") from error


def _kinds(words: tuple[str, ...]) -> list[Any]:
    from govcode.common.v1.subject_pb2 import SubjectKind

    return [_word(SubjectKind, "SUBJECT_KIND_", word) for word in words]


def _serial() -> str:
    from govcode_client import new_serial

    return new_serial("REGISTRY")
