"""The steps of a node, put together over its foundations: one place where each use case gets what it works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from govcode_node.around import NOTHING, Around
from govcode_node.authorization_steps import (
    AuthorizationSteps,
    LicenceRules,
    SharedParts,
    make_authorization_steps,
)
from govcode_node.crypto.keyring import Keyring
from govcode_node.domain.codecs import CodecSet
from govcode_node.domain.disclosure import FieldRule
from govcode_node.domain.home_rules import IssueRules, NodeProfile
from govcode_node.domain.scenes import SceneClass
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers, TrustHolder
from govcode_node.ports.identity import IdentityProvider
from govcode_node.ports.licenses import DocumentPress, LicenseProvider
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.security import Attestor, EvidenceReader
from govcode_node.ports.stores import Database
from govcode_node.ports.telemetry import DecisionCounters, NoCounters
from govcode_node.storage.answers import CattrsAnswerCodec
from govcode_node.symbols import SegnoDrawer
from govcode_node.usecases.accounts import Accounts
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.audit_reading import AuditReading
from govcode_node.usecases.code_lifecycle import CodeLifecycle
from govcode_node.usecases.code_texts import CodeTexts
from govcode_node.usecases.directory import HomeDirectory
from govcode_node.usecases.event_feed import EventBell, EventFeed
from govcode_node.usecases.issuing import CodeIssuer
from govcode_node.usecases.judgement import CodeJudge
from govcode_node.usecases.live_codes import LiveCodes
from govcode_node.usecases.making import Making
from govcode_node.usecases.presentation import Presentation
from govcode_node.usecases.recognition import Recognition
from govcode_node.usecases.records import HolderRecords
from govcode_node.usecases.registry import Registry
from govcode_node.usecases.remote_judgement import RemoteJudge
from govcode_node.usecases.resolving import Resolving
from govcode_node.usecases.revocation_lists import RevocationLists
from govcode_node.usecases.routing import RouteBook
from govcode_node.usecases.scanning import Scanning
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.wire.fields import WireFieldsCodec
from govcode_node.wire.holders import WireHolderVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundations:
    """What everything stands on: who the node is, its rules, time, keys, the store, the bundle, the channels.

    Attributes:
        node: Who the node is.
        rules: Defaults for issuing codes.
        scheme: Code scheme that new codes are written in.
        disclosure: What leaves the node to other regions, by kind of scene.
        subject_limit: How often one holder may present.
        peer_limit: How often one peer may ask.
        clock: Time.
        keyring: Its keys.
        database: Its store.
        attestor: Signs its statements.
        reader: Checks others' statements.
        trust: The trust bundle that it holds.
        peers: Its channels to other nodes.
        provider: Its identity provider.
        press: Seals documents for delivery.
        licences: Its licence system; None where there is none.
        licence_rules: What its operator decides about licences.
        counters: Counts what it decides.
        around: What a test bed puts around the judges.
    """

    node: NodeProfile
    rules: IssueRules
    scheme: str = "ZWM1"
    disclosure: Mapping[SceneClass, tuple[FieldRule, ...]]
    subject_limit: RateLimit
    peer_limit: RateLimit
    clock: Clock
    keyring: Keyring
    database: Database
    attestor: Attestor
    reader: EvidenceReader
    trust: TrustHolder
    peers: Peers
    provider: IdentityProvider
    press: DocumentPress
    licences: LicenseProvider | None = None
    licence_rules: LicenceRules = field(default_factory=LicenceRules)
    counters: DecisionCounters = field(default_factory=NoCounters)
    around: Around = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The use cases of a node."""

    accounts: Accounts
    presentation: Presentation
    making: Making
    lifecycle: CodeLifecycle
    texts: CodeTexts
    scanning: Scanning
    resolving: Resolving
    records: HolderRecords
    feed: EventFeed
    registry: Registry
    audit: AuditReading
    routes: RouteBook
    recognition: Recognition
    revocation_lists: RevocationLists
    authorizations: AuthorizationSteps


def make_steps(base: Foundations) -> Steps:
    """It makes the use cases of one node, sharing what must be one: the memory of serials, the bell, the codecs."""
    clock, database, keys = base.clock, base.database, base.keyring
    acts = ActMemory(keys=keys, answers=CattrsAnswerCodec())
    codecs = CodecSet((Zwm1Codec(),), issuing=base.scheme)
    bell = EventBell()
    homes = HomeDirectory(node=base.node, trust=base.trust)
    fields = SubjectFields(keys=keys)
    fields_codec = WireFieldsCodec()
    verifier = WireHolderVerifier(verify=keys.verify_with_public)
    issuer = CodeIssuer(node=base.node, rules=base.rules, codecs=codecs, sealer=keys, random_bytes=keys.random_bytes)
    lives = LiveCodes(rules=base.rules, issuer=issuer, keys=keys)
    judge = base.around.judge(CodeJudge(node=base.node, rules=base.rules, sealer=keys))
    remote = RemoteJudge(
        node=base.node,
        homes=homes,
        trust=base.trust,
        peers=base.peers,
        attestor=base.attestor,
        reader=base.reader,
        sealer=keys,
        keys=keys,
        fields=fields_codec,
        database=database,
        clock=clock,
    )
    authorizations = make_authorization_steps(
        SharedParts(
            node=base.node,
            clock=clock,
            keyring=keys,
            database=database,
            attestor=base.attestor,
            reader=base.reader,
            trust=base.trust,
            peers=base.peers,
            peer_limit=base.peer_limit,
            identity=base.provider,
            counters=base.counters,
            licences=base.licences,
            press=base.press,
            rules=base.licence_rules,
            acts=acts,
            codecs=codecs,
            bell=bell,
            homes=homes,
            fields=fields,
            verifier=verifier,
            judge=judge,
        )
    )
    return Steps(
        authorizations=authorizations,
        accounts=Accounts(
            withdrawing=authorizations.withdrawing,
            database=database,
            provider=base.provider,
            verifier=verifier,
            fields=fields,
            keys=keys,
            acts=acts,
            rules=base.rules,
            bell=bell,
            clock=clock,
        ),
        presentation=Presentation(
            database=database,
            issuer=issuer,
            lives=lives,
            acts=acts,
            clock=clock,
            subject_limit=base.subject_limit,
            counters=base.counters,
        ),
        making=Making(
            database=database, issuer=issuer, lives=lives, verifier=verifier, keys=keys, acts=acts, clock=clock
        ),
        lifecycle=CodeLifecycle(database=database, issuer=issuer, keys=keys, acts=acts, bell=bell, clock=clock),
        texts=CodeTexts(codecs=codecs, drawer=SegnoDrawer()),
        scanning=Scanning(
            node=base.node,
            database=database,
            codecs=codecs,
            judge=judge,
            remote=base.around.remote(remote),
            homes=homes,
            fields=fields,
            keys=keys,
            attestor=base.attestor,
            bell=bell,
            clock=clock,
            counters=base.counters,
        ),
        resolving=Resolving(
            node=base.node,
            database=database,
            fields=fields,
            keys=keys,
            teller=authorizations.teller,
            clock=clock,
        ),
        records=HolderRecords(database=database, clock=clock),
        feed=EventFeed(database=database, bell=bell),
        registry=Registry(database=database, fields=fields, keys=keys, acts=acts, clock=clock),
        audit=AuditReading(database=database, clock=clock),
        routes=RouteBook(base.trust),
        recognition=Recognition(
            node=base.node,
            database=database,
            codecs=codecs,
            judge=judge,
            homes=homes,
            trust=base.trust,
            peers=base.peers,
            fields=fields,
            fields_codec=fields_codec,
            disclosure=base.disclosure,
            keys=keys,
            attestor=base.attestor,
            reader=base.reader,
            bell=bell,
            clock=clock,
            peer_limit=base.peer_limit,
        ),
        revocation_lists=RevocationLists(node=base.node, database=database, attestor=base.attestor, clock=clock),
    )
