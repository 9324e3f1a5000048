"""What operators register: organisations, applications, scanners, scenes, relations, things and matters.

Reading takes the fields that a caller may set; ids, states and times of registration are the node's to give.
"""

from typing import Final

from govcode.business.v1 import registry_pb2 as registryv1

from govcode_node.domain.accounts import Relation, RelationKind
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.scenes import Scene
from govcode_node.wire.codes import CODE_PROFILES
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.times import moment_to_proto, optional_moment_to_proto, span_to_proto
from govcode_node.wire.vocabulary import SCENE_CLASSES, SUBJECT_KINDS

REGISTRATION_STATES: Final = EnumPair(
    RegistrationState, registryv1.RegistrationState.Value, prefix="REGISTRATION_STATE"
)
APPLICATION_KINDS: Final = EnumPair(ApplicationKind, registryv1.ApplicationKind.Value, prefix="APPLICATION_KIND")
RELATION_KINDS: Final = EnumPair(RelationKind, registryv1.RelationKind.Value, prefix="RELATION_KIND")


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
