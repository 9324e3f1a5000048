"""The steps of 6.3 (授权调用电子证照), put together over what they share with the others.

They form a room of their own in the composition as well: nothing outside of it needs to know more of them than
`AuthorizationSteps`.
"""

from dataclasses import dataclass
from datetime import timedelta

from govcode_node.crypto.keyring import Keyring
from govcode_node.domain.codecs import CodecSet
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers, TrustHolder
from govcode_node.ports.identity import IdentityProvider
from govcode_node.ports.licenses import DocumentPress, LicenseProvider
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.security import Attestor, EvidenceReader, HolderVerifier
from govcode_node.ports.stores import Database
from govcode_node.ports.telemetry import DecisionCounters
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.authorization_mirror import AuthorizationMirror
from govcode_node.usecases.authorization_questions import AuthorizationQuestions
from govcode_node.usecases.authorization_reading import AuthorizationReading
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.catalogue_keeping import CatalogueKeeping
from govcode_node.usecases.deciders import HolderSignatures
from govcode_node.usecases.deciding import Deciding
from govcode_node.usecases.directory import HomeDirectory
from govcode_node.usecases.event_feed import EventBell
from govcode_node.usecases.grant_checks import GrantChecks
from govcode_node.usecases.holder_desk import HolderDesk
from govcode_node.usecases.judgement import CodeJudge
from govcode_node.usecases.license_delivery import LicenseDelivering
from govcode_node.usecases.license_fetching import LicenseFetching
from govcode_node.usecases.license_uses import LicenseUses
from govcode_node.usecases.locating import Locating
from govcode_node.usecases.locators import Locators
from govcode_node.usecases.mandating import MandateStandings, Mandating
from govcode_node.usecases.record_keeping import RecordKeeping, UndecidedSweep
from govcode_node.usecases.requesting import AuthorizationRequests
from govcode_node.usecases.scene_scanning import SceneOffers, SceneScanning
from govcode_node.usecases.step_ups import StepUps
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.withdrawing import WithdrawalOutbox, Withdrawing
from govcode_node.wire.licenses import WireLicenseCodec


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceRules:
    """What an operator decides about licences.

    Attributes:
        statutory_matters: Matters for which this node lets its subjects' data be used without consent (N-35).
        retention: How long records of authorizations are kept after their end.
    """

    statutory_matters: frozenset[str] = frozenset()
    retention: timedelta = timedelta(days=3 * 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedParts:
    """What the steps of 6.3 share with the other steps of the node, and stand on."""

    node: NodeProfile
    clock: Clock
    keyring: Keyring
    database: Database
    attestor: Attestor
    reader: EvidenceReader
    trust: TrustHolder
    peers: Peers
    peer_limit: RateLimit
    identity: IdentityProvider
    counters: DecisionCounters
    licences: LicenseProvider | None
    press: DocumentPress
    rules: LicenceRules
    acts: ActMemory
    codecs: CodecSet
    bell: EventBell
    homes: HomeDirectory
    fields: SubjectFields
    verifier: HolderVerifier
    judge: CodeJudge


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationSteps:
    """The use cases of 6.3, and the steps of their loops."""

    teller: AuthorizationTeller
    requesting: AuthorizationRequests
    scene_scanning: SceneScanning
    reading: AuthorizationReading
    deciding: Deciding
    withdrawing: Withdrawing
    locating: Locating
    fetching: LicenseFetching
    questions: AuthorizationQuestions
    checking: GrantChecks
    mandating: Mandating
    keeping: CatalogueKeeping
    outbox: WithdrawalOutbox
    sweep: UndecidedSweep
    records: RecordKeeping


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What several steps of 6.3 need: who tells, who signs, where authorizations of holders and copies are kept."""

    teller: AuthorizationTeller
    signatures: HolderSignatures
    step_ups: StepUps
    standings: MandateStandings
    locators: Locators
    desk: HolderDesk
    mirror: AuthorizationMirror
    offers: SceneOffers


def make_authorization_steps(base: SharedParts) -> AuthorizationSteps:
    """It makes the use cases of 6.3 for one node."""
    common = _make_desk(base)
    locating = Locating(
        node=base.node,
        database=base.database,
        locators=common.locators,
        provider=base.licences,
        clock=base.clock,
    )
    questions = AuthorizationQuestions(
        node=base.node,
        database=base.database,
        offers=common.offers,
        keys=base.keyring,
        attestor=base.attestor,
        reader=base.reader,
        teller=common.teller,
        clock=base.clock,
        peer_limit=base.peer_limit,
    )
    return AuthorizationSteps(
        teller=common.teller,
        requesting=AuthorizationRequests(
            node=base.node,
            database=base.database,
            keys=base.keyring,
            attestor=base.attestor,
            reader=base.reader,
            desk=common.desk,
            mirror=common.mirror,
            acts=base.acts,
            clock=base.clock,
            peer_limit=base.peer_limit,
        ),
        scene_scanning=_make_scene_scanning(base, common),
        reading=AuthorizationReading(
            node=base.node,
            database=base.database,
            mirror=common.mirror,
            trust=base.trust,
            bell=base.bell,
            clock=base.clock,
        ),
        deciding=_make_deciding(base, common),
        withdrawing=_make_withdrawing(base, common),
        locating=locating,
        fetching=_make_fetching(base, common, locating),
        questions=questions,
        checking=GrantChecks(
            node=base.node,
            questions=questions,
            peers=base.peers,
            attestor=base.attestor,
            reader=base.reader,
            clock=base.clock,
        ),
        mandating=Mandating(
            database=base.database,
            signatures=common.signatures,
            step_ups=common.step_ups,
            standings=common.standings,
            keys=base.keyring,
            acts=base.acts,
            clock=base.clock,
        ),
        keeping=CatalogueKeeping(database=base.database, acts=base.acts, clock=base.clock),
        outbox=WithdrawalOutbox(database=base.database, peers=base.peers, clock=base.clock),
        sweep=UndecidedSweep(node=base.node, database=base.database, teller=common.teller, clock=base.clock),
        records=RecordKeeping(node=base.node, database=base.database, retention=base.rules.retention, clock=base.clock),
    )


def _make_desk(base: SharedParts) -> _Desk:
    teller = AuthorizationTeller(bell=base.bell, random_bytes=base.keyring.random_bytes, counters=base.counters)
    return _Desk(
        teller=teller,
        signatures=HolderSignatures(database=base.database, verifier=base.verifier),
        step_ups=StepUps(provider=base.identity, database=base.database, keys=base.keyring),
        standings=MandateStandings(
            provider=base.identity, database=base.database, fields=base.fields, keys=base.keyring
        ),
        locators=Locators(fields=base.fields, keys=base.keyring, codec=WireLicenseCodec()),
        desk=HolderDesk(
            node=base.node,
            database=base.database,
            attestor=base.attestor,
            teller=teller,
            clock=base.clock,
            statutory_matters=base.rules.statutory_matters,
        ),
        mirror=AuthorizationMirror(
            node=base.node,
            database=base.database,
            attestor=base.attestor,
            reader=base.reader,
            peers=base.peers,
            teller=teller,
            clock=base.clock,
        ),
        offers=SceneOffers(
            node=base.node,
            database=base.database,
            codecs=base.codecs,
            judge=base.judge,
            keys=base.keyring,
            attestor=base.attestor,
            teller=teller,
            clock=base.clock,
        ),
    )


def _make_scene_scanning(base: SharedParts, common: _Desk) -> SceneScanning:
    return SceneScanning(
        node=base.node,
        database=base.database,
        homes=base.homes,
        offers=common.offers,
        desk=common.desk,
        peers=base.peers,
        attestor=base.attestor,
        reader=base.reader,
        teller=common.teller,
        acts=base.acts,
        clock=base.clock,
    )


def _make_deciding(base: SharedParts, common: _Desk) -> Deciding:
    return Deciding(
        node=base.node,
        database=base.database,
        signatures=common.signatures,
        step_ups=common.step_ups,
        standings=common.standings,
        locators=common.locators,
        attestor=base.attestor,
        teller=common.teller,
        acts=base.acts,
        clock=base.clock,
    )


def _make_withdrawing(base: SharedParts, common: _Desk) -> Withdrawing:
    return Withdrawing(
        node=base.node,
        database=base.database,
        signatures=common.signatures,
        locators=common.locators,
        attestor=base.attestor,
        reader=base.reader,
        teller=common.teller,
        acts=base.acts,
        clock=base.clock,
        peer_limit=base.peer_limit,
    )


def _make_fetching(base: SharedParts, common: _Desk, locating: Locating) -> LicenseFetching:
    codec = WireLicenseCodec()
    delivering = LicenseDelivering(
        node=base.node,
        database=base.database,
        provider=base.licences,
        press=base.press,
        codec=codec,
        keys=base.keyring,
        attestor=base.attestor,
        clock=base.clock,
    )
    uses = LicenseUses(
        node=base.node,
        database=base.database,
        locators=common.locators,
        locating=locating,
        delivering=delivering,
        peers=base.peers,
        trust=base.trust,
        codec=codec,
        keys=base.keyring,
        attestor=base.attestor,
        reader=base.reader,
        teller=common.teller,
        clock=base.clock,
    )
    return LicenseFetching(
        node=base.node,
        database=base.database,
        uses=uses,
        delivering=delivering,
        peers=base.peers,
        trust=base.trust,
        codec=codec,
        keys=base.keyring,
        attestor=base.attestor,
        reader=base.reader,
        clock=base.clock,
        peer_limit=base.peer_limit,
    )
