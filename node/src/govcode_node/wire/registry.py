"""What operators register: organisations, applications, scanners, scenes, relations, things and matters.

Reading takes the fields that a caller may set; ids, states and times of registration are the node's to give.
"""

from datetime import UTC, datetime
from typing import Final

from govcode.business.v1 import registry_pb2 as registryv1

from govcode_node.domain.accounts import AccountId, Relation, RelationKind
from govcode_node.domain.codes import CodeProfile, SubjectKind
from govcode_node.domain.disclosure import FieldRule
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.placed_subjects import PlacedSubject
from govcode_node.domain.scenes import Scene
from govcode_node.wire import checks
from govcode_node.wire.accounts import account_id_from_proto
from govcode_node.wire.codes import CODE_PROFILES
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.fields import field_name_from_proto
from govcode_node.wire.times import (
    moment_from_proto,
    moment_to_proto,
    optional_moment_to_proto,
    span_from_proto,
    span_to_proto,
)
from govcode_node.wire.vocabulary import SCENE_CLASSES, SUBJECT_KINDS

REGISTRATION_STATES: Final = EnumPair(
    RegistrationState, registryv1.RegistrationState.Value, prefix="REGISTRATION_STATE"
)
APPLICATION_KINDS: Final = EnumPair(ApplicationKind, registryv1.ApplicationKind.Value, prefix="APPLICATION_KIND")
RELATION_KINDS: Final = EnumPair(RelationKind, registryv1.RelationKind.Value, prefix="RELATION_KIND")

MAX_NAME: Final = 64
MAX_TEXT: Final = 200
NOT_YET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time of registration until the step gives it."""

_MAX_SCENES: Final = 1_000
_PLACED_KINDS: Final = frozenset({SubjectKind.THING, SubjectKind.MATTER})


def relying_party_to_proto(party: RelyingParty) -> registryv1.RelyingParty:
    """It gives an organisation."""
    return registryv1.RelyingParty(
        relying_party_id=party.relying_party_id,
        name=party.name,
        uscc=party.uscc,
        purpose=party.purpose,
        contact=party.contact,
        state=REGISTRATION_STATES.to_proto(party.state),
        register_time=moment_to_proto(party.registered_at),
    )


def application_to_proto(application: Application) -> registryv1.Application:
    """It gives an application."""
    return registryv1.Application(
        app_id=application.app_id,
        relying_party_id=application.relying_party_id,
        kind=APPLICATION_KINDS.to_proto(application.kind),
        name=application.name,
        scene_nos=application.scene_nos,
        state=REGISTRATION_STATES.to_proto(application.state),
        register_time=moment_to_proto(application.registered_at),
    )


def scanner_to_proto(scanner: Scanner) -> registryv1.Scanner:
    """It gives a reading device."""
    return registryv1.Scanner(
        device_id=scanner.device_id,
        app_id=scanner.app_id,
        place=scanner.place,
        state=REGISTRATION_STATES.to_proto(scanner.state),
        register_time=moment_to_proto(scanner.registered_at),
    )


def scene_to_proto(scene: Scene) -> registryv1.Scene:
    """It gives one version of a scene, kinds of subjects in the order of the contract."""
    return registryv1.Scene(
        scene_no=scene.scene_no,
        version=scene.version,
        name=scene.name,
        scene_class=SCENE_CLASSES.to_proto(scene.scene_class),
        subject_kinds=[SUBJECT_KINDS.to_proto(kind) for kind in sorted(scene.subject_kinds)],
        validity=None if scene.validity is None else span_to_proto(scene.validity),
        refresh_after=None if scene.refresh_after is None else span_to_proto(scene.refresh_after),
        profile=CODE_PROFILES.to_proto(scene.profile),
        one_time=scene.one_time,
        offline_allowed=scene.offline_allowed,
        fields=[registryv1.SceneField(name=rule.name.value, unmasked=rule.unmasked) for rule in scene.fields],
        assurance_level=scene.assurance_level,
        effective_time=moment_to_proto(scene.effective_at),
    )


def relation_to_proto(relation: Relation) -> registryv1.Relation:
    """It gives a relation."""
    return registryv1.Relation(
        relation_id=relation.relation_id,
        presenter_account_id=relation.presenter_account_id,
        dependant_account_id=relation.dependant_account_id,
        kind=RELATION_KINDS.to_proto(relation.kind),
        proof_reference=relation.proof_reference,
        end_time=moment_to_proto(relation.ends_at),
        register_time=moment_to_proto(relation.registered_at),
        cancel_time=optional_moment_to_proto(relation.cancelled_at),
    )


def relying_party_from_proto(message: registryv1.RelyingParty) -> RelyingParty:
    """It reads an organisation to register; the form of the USCC is for the step to check.

    Raises:
        InvalidFieldError: A field is missing or too long.
    """
    return RelyingParty(
        relying_party_id="",
        name=checks.text(message.name, "relying_party.name", longest=MAX_NAME),
        uscc=message.uscc,
        purpose=checks.text(message.purpose, "relying_party.purpose", longest=MAX_TEXT),
        contact=checks.text(message.contact, "relying_party.contact", longest=MAX_TEXT),
        state=RegistrationState.APPLIED,
        registered_at=NOT_YET,
    )


def application_from_proto(message: registryv1.Application) -> Application:
    """It reads an application to register.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    kind = APPLICATION_KINDS.require(message.kind, "application.kind")
    scene_nos = tuple(checks.scene_no(number, "application.scene_nos", least=1) for number in message.scene_nos)
    if len(set(scene_nos)) != len(scene_nos) or len(scene_nos) > _MAX_SCENES:
        raise InvalidFieldError("application.scene_nos", f"has a scene twice, or more than {_MAX_SCENES}")
    if kind is ApplicationKind.RELYING_PARTY and not scene_nos:
        raise InvalidFieldError("application.scene_nos", "is required")
    return Application(
        app_id=checks.registered_name(message.app_id, "application.app_id"),
        relying_party_id=checks.printable(message.relying_party_id, "application.relying_party_id"),
        kind=kind,
        name=checks.text(message.name, "application.name", longest=MAX_NAME),
        scene_nos=scene_nos,
        state=RegistrationState.APPLIED,
        registered_at=NOT_YET,
    )


def scanner_from_proto(message: registryv1.Scanner) -> Scanner:
    """It reads a reading device to register.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    return Scanner(
        device_id=checks.registered_name(message.device_id, "scanner.device_id"),
        app_id=checks.registered_name(message.app_id, "scanner.app_id"),
        place=checks.text(message.place, "scanner.place", longest=MAX_NAME),
        state=RegistrationState.APPLIED,
        registered_at=NOT_YET,
    )


def scene_from_proto(message: registryv1.Scene, *, now: datetime) -> Scene:
    """It reads the next version of a scene, in force at once where no time is given.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
        SceneRuleOutOfBoundsError: A rule is outside its hard limits.
    """
    kinds = [SUBJECT_KINDS.require(kind, "scene.subject_kinds") for kind in message.subject_kinds]
    if not kinds:
        raise InvalidFieldError("scene.subject_kinds", "is required")
    return Scene(
        scene_no=checks.scene_no(message.scene_no, "scene.scene_no", least=1),
        version=0,
        name=checks.text(message.name, "scene.name", longest=MAX_NAME),
        scene_class=SCENE_CLASSES.require(message.scene_class, "scene.scene_class"),
        subject_kinds=frozenset(kinds),
        validity=span_from_proto(message.validity, "scene.validity") if message.HasField("validity") else None,
        refresh_after=span_from_proto(message.refresh_after, "scene.refresh_after")
        if message.HasField("refresh_after")
        else None,
        profile=CODE_PROFILES.pick(message.profile, "scene.profile", default=CodeProfile.MAC),
        one_time=message.one_time,
        offline_allowed=message.offline_allowed,
        fields=_field_rules(message),
        assurance_level=checks.number(message.assurance_level or 1, "scene.assurance_level", least=1, most=3),
        effective_at=moment_from_proto(message.effective_time, "scene.effective_time")
        if message.HasField("effective_time")
        else now,
    )


def _field_rules(message: registryv1.Scene) -> tuple[FieldRule, ...]:
    rules = tuple(
        FieldRule(name=field_name_from_proto(rule.name, "scene.fields.name"), unmasked=rule.unmasked)
        for rule in message.fields
    )
    if len({rule.name for rule in rules}) != len(rules):
        raise InvalidFieldError("scene.fields", "has a field twice")
    return rules


def relation_from_proto(message: registryv1.Relation, *, now: datetime) -> Relation:
    """It reads a relation to register.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form, or the relation would be over already.
    """
    presenter = account_id_from_proto(message.presenter_account_id, "relation.presenter_account_id")
    dependant = account_id_from_proto(message.dependant_account_id, "relation.dependant_account_id")
    if presenter == dependant:
        raise InvalidFieldError("relation.dependant_account_id", "is the presenter's own")
    ends_at = moment_from_proto(message.end_time, "relation.end_time")
    if ends_at <= now:
        raise InvalidFieldError(
            "relation.end_time", "is not in the future" if message.HasField("end_time") else "is required"
        )
    return Relation(
        relation_id="",
        presenter_account_id=presenter,
        dependant_account_id=dependant,
        kind=RELATION_KINDS.require(message.kind, "relation.kind"),
        proof_reference=checks.text(message.proof_reference, "relation.proof_reference", longest=MAX_TEXT),
        registered_at=NOT_YET,
        ends_at=ends_at,
    )


def placed_subject_to_proto(placed: PlacedSubject) -> registryv1.PlacedSubject:
    """It gives a thing or matter."""
    return registryv1.PlacedSubject(
        account_id=placed.account_id,
        subject_kind=SUBJECT_KINDS.to_proto(placed.subject_kind),
        name=placed.name,
        register_time=moment_to_proto(placed.registered_at),
        app_id=placed.app_id,
        matter_code=placed.matter_code,
    )


def placed_subject_from_proto(message: registryv1.PlacedSubject) -> PlacedSubject:
    """It reads a thing or matter to register, with what a holder is asked for there.

    Raises:
        InvalidFieldError: It is neither, its name is missing or too long, or application and matter do not come both.
    """
    kind = SUBJECT_KINDS.require(message.subject_kind, "subject.subject_kind")
    if kind not in _PLACED_KINDS:
        raise InvalidFieldError("subject.subject_kind", "is neither THING nor MATTER")
    asks = bool(message.app_id or message.matter_code)
    return PlacedSubject(
        account_id=AccountId(""),
        subject_kind=kind,
        name=checks.text(message.name, "subject.name", longest=MAX_NAME),
        registered_at=NOT_YET,
        app_id=checks.registered_name(message.app_id, "subject.app_id") if asks else "",
        matter_code=checks.matter_code(message.matter_code, "subject.matter_code") if asks else "",
    )
