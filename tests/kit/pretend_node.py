"""Nodes over nothing but pretended outside systems: every port of the steps is played by a few lines of this file.

Nothing here, and nothing that this imports, is an adapter: no gRPC, no protobuf, no SQL, no cryptographic library. What
travels or is kept is a token, and one `Notary` that all nodes share remembers what each token stands for.
"""

import hashlib
import hmac
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

from govcode_node.domain.accounts import HolderProofInvalidError
from govcode_node.domain.callers import Call, Caller
from govcode_node.domain.codecs import CodecSet
from govcode_node.domain.codes import ErrorLevel, SubjectKind, Symbology
from govcode_node.domain.digests import sm3
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import IssueRules, NodeProfile
from govcode_node.domain.identification import (
    BegunIdentification,
    IdentificationExpiredError,
    IdentifiedSubject,
    IdentityFailedError,
)
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.keys import InvalidMacError, InvalidSignatureError, SealBrokenError
from govcode_node.domain.licenses import LicenseContent, Locator
from govcode_node.domain.mandates import EntityStanding
from govcode_node.domain.nodes import NodeKey, NodeKeyPurpose, NodeState, NodeTrust
from govcode_node.domain.recognition import EvidenceRefusedError, HomeNodeUnreachableError, RevocationList
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import RouteEntry, TrustBundle
from govcode_node.domain.scenes import SceneClass
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.ports.security import HolderProof, HolderStatement, ReadEvidence, Statement
from govcode_node.ports.symbols import ImageFormat
from govcode_node.ports.telemetry import NoCounters
from govcode_node.usecases.accounts import Accounts
from govcode_node.usecases.acts import ActMemory
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.code_lifecycle import CodeLifecycle
from govcode_node.usecases.code_texts import CodeTexts
from govcode_node.usecases.deciders import HolderSignatures
from govcode_node.usecases.directory import HomeDirectory
from govcode_node.usecases.event_feed import EventBell, EventFeed
from govcode_node.usecases.issuing import CodeIssuer
from govcode_node.usecases.judgement import CodeJudge
from govcode_node.usecases.live_codes import LiveCodes
from govcode_node.usecases.locators import Locators
from govcode_node.usecases.making import Making
from govcode_node.usecases.presentation import Presentation
from govcode_node.usecases.recognition import Recognition
from govcode_node.usecases.records import HolderRecords
from govcode_node.usecases.registry import Registry
from govcode_node.usecases.remote_judgement import RemoteJudge
from govcode_node.usecases.routing import RouteBook
from govcode_node.usecases.scanning import Scanning
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.withdrawing import Withdrawing
from kit.clocks import MovableClock
from kit.pretend_store import PretendDatabase

A = TypeVar("A")
S = TypeVar("S", bound=Statement)
SHOWN_ABROAD: Final[Mapping[SceneClass, tuple[FieldRule, ...]]] = {
    SceneClass.COUNTER: (FieldRule(FieldName.NAME),),
}
NEVER: Final = timedelta(days=365)


class Notary:
    """It gives out tokens and remembers what they stand for."""

    def __init__(self) -> None:
        self._meant: dict[bytes, object] = {}
        self._numbers = itertools.count(1)

    def write(self, meaning: object) -> bytes:
        token = f"token {next(self._numbers)}".encode()
        self._meant[token] = meaning
        return token

    def agree(self, name: bytes, meaning: object) -> bytes:
        """Let a name of one's own stand for something."""
        self._meant[name] = meaning
        return name

    def read(self, token: bytes) -> Any:
        return self._meant[token]


@dataclass
class PretendKeys:
    """`CodeSealer` and `DataKeys`: hashes with the node's name for a key."""

    node_id: str
    notary: Notary
    _random: Any = field(default_factory=lambda: itertools.count(1))

    def _mark(self, *parts: bytes) -> bytes:
        return hashlib.blake2b(b"|".join(parts), key=self.node_id.encode(), digest_size=64).digest()

    def active_mac_key_no(self, static: bool, shard: int) -> int:
        return 1

    def mac_code(self, key_no: int, data: bytes, static: bool) -> bytes:
        return self._mark(b"mac", data)[:16]

    def check_code_mac(self, key_no: int, data: bytes, mac: bytes, *, static: bool) -> None:
        if not hmac.compare_digest(mac, self.mac_code(key_no, data, static)):
            raise InvalidMacError(key_no)

    def active_seal_key_no(self) -> int:
        return 2

    async def sign_code(self, data: bytes, *, key_no: int | None = None) -> tuple[int, bytes]:
        return key_no or 2, hashlib.blake2b(data, key=self.seal_public(2)[:64], digest_size=64).digest()

    def seal_public(self, key_no: int) -> bytes:
        return self._mark(b"public") + b"\x04"

    async def verify_with_public(self, point: bytes, signature: bytes, data: bytes) -> None:
        made = hashlib.blake2b(data, key=point[:64], digest_size=64).digest()
        if not hmac.compare_digest(signature, made):
            raise InvalidSignatureError

    def pseudonym(self, account_id: str, organisation_uscc: str) -> str:
        return "ps_" + self._mark(b"pseudonym", account_id.encode(), organisation_uscc.encode())[:16].hex()

    def blind_index(self, kind: str, value: str) -> bytes:
        return self._mark(b"index", kind.encode(), value.encode())[:16]

    def seal_record(self, plaintext: bytes, aad: bytes) -> bytes:
        return self.notary.write((self.node_id, plaintext, aad))

    def open_record(self, blob: bytes, aad: bytes) -> bytes:
        owner, plaintext, place = self.notary.read(blob)
        if (owner, place) != (self.node_id, aad):
            raise SealBrokenError
        return cast(bytes, plaintext)

    seal_field = seal_record
    open_field = open_record

    async def seal_to_public(self, point: bytes, plaintext: bytes, aad: bytes) -> bytes:
        return self.notary.write((point.decode(), plaintext, aad))

    async def open_for_node(self, blob: bytes, aad: bytes) -> bytes:
        return self.open_record(blob, aad)

    def random_bytes(self, size: int) -> bytes:
        return self._mark(b"random", str(next(self._random)).encode())[:size]


@dataclass
class PretendEvidence:
    """`Attestor`, `EvidenceReader`, `AnswerCodec` and `FieldsCodec` of one node."""

    node_id: str
    notary: Notary
    clock: MovableClock

    def payload_of(self, statement: Statement) -> bytes:
        return self.notary.agree(repr(statement).encode(), statement)

    async def attest(self, purpose: EvidencePurpose, statement: Statement) -> bytes:
        return await self.attest_payload(purpose, type(statement), self.payload_of(statement))

    async def attest_payload(self, purpose: EvidencePurpose, kind: type[Statement], payload: bytes) -> bytes:
        return self.notary.write((self.node_id, purpose, payload, self.clock.now()))

    def payload_in(self, evidence: bytes) -> bytes:
        payload: bytes = self.notary.read(evidence)[2]
        return payload

    def statement_of(self, kind: type[S], payload: bytes) -> S:
        return cast(S, self.notary.read(payload))

    async def read(
        self, evidence: bytes, *, purpose: EvidencePurpose, kind: type[S], signer: str | None = None
    ) -> ReadEvidence[S]:
        node_id, signed_for, payload, signed_at = self.notary.read(evidence)
        if signed_for is not purpose or (signer is not None and node_id != signer):
            raise EvidenceRefusedError("it is another's, or for something else")
        statement = self.statement_of(kind, payload)
        return ReadEvidence(statement=statement, payload=payload, node_id=node_id, key_id="key", signed_at=signed_at)

    def dump(self, answer: object) -> bytes:
        return self.notary.write(answer)

    def load(self, kind: type[A], data: bytes) -> A:
        return cast(A, self.notary.read(data))


@dataclass
class PretendFields:
    """`FieldsCodec`."""

    notary: Notary

    def dump(self, fields: tuple[DisclosedField, ...]) -> bytes:
        return self.notary.write(fields)

    def load(self, data: bytes) -> tuple[DisclosedField, ...]:
        return cast(tuple[DisclosedField, ...], self.notary.read(data))


@dataclass
class PretendDevice:
    """A holder's device: what it signs is a token of the notary."""

    notary: Notary
    name: str

    @property
    def public_key(self) -> bytes:
        return f"public key of {self.name}".encode()

    def prove(self, act: str, statement: HolderStatement) -> HolderProof:
        token = self.notary.write((act, replace(statement, device_key_id=self.name), self.public_key))
        return HolderProof(statement=token, device_key_id=self.name, signature=b"signed")


@dataclass
class PretendVerifier:
    """`HolderVerifier`."""

    notary: Notary

    async def verify(self, proof: HolderProof, *, act: str, public_key: bytes | None) -> HolderStatement:
        signed_act, statement, key = self.notary.read(proof.statement)
        if signed_act != act or (public_key is not None and key != public_key):
            raise HolderProofInvalidError("SIGNATURE")
        return cast(HolderStatement, statement)


@dataclass
class PretendProvider:
    """`IdentityProvider`: it believes whoever says a name and the right word."""

    clock: MovableClock
    begun: dict[str, tuple[SubjectKind, bytes]] = field(default_factory=dict)
    standings: dict[str, EntityStanding] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "pretend"

    async def begin(self, subject_kind: SubjectKind, *, bound_to: bytes = b"") -> BegunIdentification:
        identification_id = f"identification {len(self.begun) + 1}"
        self.begun[identification_id] = subject_kind, bound_to
        ends = self.clock.now() + timedelta(minutes=5)
        return BegunIdentification(
            identification_id=identification_id, provider=self.name, challenge=b"say the word", expires_at=ends
        )

    async def finish(self, identification_id: str, provider_blob: bytes) -> IdentifiedSubject:
        begun = self.begun.pop(identification_id, None)
        if begun is None:
            raise IdentificationExpiredError(identification_id)
        kind, bound_to = begun
        name, _, word = provider_blob.decode().partition(":")
        if word != "the word":
            raise IdentityFailedError(self.name)
        return IdentifiedSubject(
            subject_kind=kind,
            assurance_level=3,
            unique_number=f"number of {name}",
            fields={FieldName.NAME: name},
            identified_at=self.clock.now(),
            bound_to=bound_to,
        )

    async def standing(self, uscc: str) -> EntityStanding:
        return self.standings.get(uscc, EntityStanding(active=False, representative_number=""))


@dataclass
class PretendHub:
    """`TrustHolder`: the link to the hub that every node here shares, or is without."""

    clock: MovableClock
    held: TrustBundle | None = None

    def bundle(self) -> TrustBundle | None:
        return self.held

    def evidence(self) -> bytes | None:
        return None

    def age(self) -> timedelta | None:
        return None if self.held is None else self.clock.now() - self.held.issued_at

    async def refresh(self, *, why: str) -> None:
        return None

    def revocation_list(self, node_id: str) -> RevocationList | None:
        return None


@dataclass
class PretendPeers:
    """`Peers`: a call goes straight to the other node, unless that is away."""

    node_id: str
    nodes: "dict[str, PretendNode]"
    away: set[str] = field(default_factory=set)

    async def recognize(self, node_id: str, *, request: bytes, hops: tuple[str, ...], call: Call) -> bytes:
        if node_id in self.away:
            raise HomeNodeUnreachableError(node_id)
        caller = Caller(caller_class=CallerClass.NODE, name=self.node_id)
        return await self.nodes[node_id].recognition.recognize(replace(call, caller=caller), request=request, hops=hops)

    async def revocation_list(self, node_id: str) -> bytes:
        raise HomeNodeUnreachableError(node_id)


class PretendDrawer:
    """`SymbolDrawer`: it writes down what it should draw."""

    def draw(
        self,
        text: str,
        *,
        symbology: Symbology,
        error_level: ErrorLevel,
        image_format: ImageFormat,
        scale: int,
    ) -> tuple[bytes, int]:
        return f"picture of {text}".encode(), 1


class PretendLicences:
    """`LicenseCodec`, which no walk comes to."""

    def dump_content(self, content: LicenseContent) -> bytes:
        raise AssertionError("no walk delivers a licence")

    def dump_locator(self, locator: Locator) -> bytes:
        raise AssertionError("no walk delivers a licence")

    def load_locator(self, data: bytes) -> Locator:
        raise AssertionError("no walk delivers a licence")


class Boundless:
    """`RateLimit`: nobody is too fast."""

    def take(self, key: bytes | str) -> None:
        return None


class PretendNode:
    """The steps of one node, each over pretended systems alone."""

    def __init__(
        self, node_id: str, *, name: str, nodes: "dict[str, PretendNode]", clock: MovableClock, notary: Notary
    ) -> None:
        self.clock = clock
        self.profile = _profile(node_id, name, since=clock.now())
        self.database = PretendDatabase()
        self.provider = PretendProvider(clock)
        self.hub = PretendHub(clock)
        self.peers = PretendPeers(node_id, nodes)
        self.keys = PretendKeys(node_id, notary)
        evidence, keys, database = PretendEvidence(node_id, notary, clock), self.keys, self.database
        verifier, rules, bell = PretendVerifier(notary), IssueRules(), EventBell()
        fields, plain_fields = SubjectFields(keys=keys), PretendFields(notary)
        codecs = CodecSet((Zwm1Codec(),), issuing="ZWM1")
        acts = ActMemory(keys=keys, answers=evidence)
        homes = HomeDirectory(node=self.profile, trust=self.hub)
        judge = CodeJudge(node=self.profile, rules=rules, sealer=keys)
        issuer = CodeIssuer(node=self.profile, rules=rules, codecs=codecs, sealer=keys, random_bytes=keys.random_bytes)
        lives = LiveCodes(rules=rules, issuer=issuer, keys=keys)
        # No walk grants anything: the closing of an account asks what was granted, and there is nothing to sign.
        withdrawing = Withdrawing(
            node=self.profile, database=database, signatures=HolderSignatures(database=database, verifier=verifier),
            locators=Locators(fields=fields, keys=keys, codec=PretendLicences()), attestor=evidence,
            reader=cast(Any, evidence), teller=AuthorizationTeller(
                bell=bell, random_bytes=keys.random_bytes, counters=NoCounters()
            ),
            acts=acts, clock=clock, peer_limit=Boundless(),
        )  # fmt: skip
        self.accounts = Accounts(
            database=database, provider=self.provider, verifier=verifier, fields=fields, keys=keys, acts=acts,
            withdrawing=withdrawing, rules=rules, bell=bell, clock=clock,
        )  # fmt: skip
        self.presentation = Presentation(
            database=database, issuer=issuer, lives=lives, acts=acts, clock=clock, subject_limit=Boundless(),
            counters=NoCounters(),
        )  # fmt: skip
        self.making = Making(
            database=database, issuer=issuer, lives=lives, verifier=verifier, keys=keys, acts=acts, clock=clock
        )
        self.lifecycle = CodeLifecycle(database=database, issuer=issuer, keys=keys, acts=acts, bell=bell, clock=clock)
        self.texts = CodeTexts(codecs=codecs, drawer=PretendDrawer())
        remote = RemoteJudge(
            node=self.profile, homes=homes, trust=self.hub, peers=self.peers, attestor=evidence,
            reader=cast(Any, evidence), sealer=keys, keys=keys, fields=plain_fields, database=database, clock=clock,
        )  # fmt: skip
        self.scanning = Scanning(
            node=self.profile, database=database, codecs=codecs, judge=judge, remote=remote, homes=homes,
            fields=fields, keys=keys, attestor=evidence, bell=bell, clock=clock, counters=NoCounters(),
        )  # fmt: skip
        self.recognition = Recognition(
            node=self.profile, database=database, codecs=codecs, judge=judge, homes=homes, trust=self.hub,
            peers=self.peers, fields=fields, fields_codec=plain_fields, disclosure=SHOWN_ABROAD, keys=keys,
            attestor=evidence, reader=cast(Any, evidence), bell=bell, clock=clock, peer_limit=Boundless(),
        )  # fmt: skip
        self.records = HolderRecords(database=database, clock=clock)
        self.feed = EventFeed(database=database, bell=bell)
        self.registry = Registry(database=database, fields=fields, keys=keys, acts=acts, clock=clock)
        self.routes = RouteBook(self.hub)


class PretendFederation:
    """Some nodes that know each other."""

    def __init__(self, **names: str) -> None:
        self.clock = MovableClock()
        self.notary = Notary()
        self.nodes: dict[str, PretendNode] = {}
        for node_id, name in names.items():
            number = node_id.removeprefix("r")
            self.nodes[number] = PretendNode(number, name=name, nodes=self.nodes, clock=self.clock, notary=self.notary)

    def publish(self) -> None:
        """Tell every node of all of them."""
        profiles = [node.profile for node in self.nodes.values()]
        bundle = TrustBundle(
            version=1,
            issued_at=self.clock.now(),
            routes=tuple(RouteEntry(prefix, one.node_id) for one in profiles for prefix in one.prefixes),
            nodes=tuple(_trusted(one) for one in profiles),
        )
        for node in self.nodes.values():
            node.hub.held = bundle


def _profile(node_id: str, name: str, *, since: datetime) -> NodeProfile:
    encrypt = NodeKey(key_id="key", purpose=NodeKeyPurpose.ENCRYPT, public_key=node_id.encode(), starts_at=since)
    return NodeProfile(
        node_id=node_id,
        region_code=RegionCode(node_id),
        name_zh=name,
        name_en=name,
        prefixes=(node_id[:2],),
        endpoints=(f"{node_id}.example.invalid:8443",),
        software_version="0",
        keys=(encrypt,),
        certificate_name=f"spiffe://federation.govcode/node/{node_id}",
    )


def _trusted(profile: NodeProfile) -> NodeTrust:
    return NodeTrust(
        node_id=profile.node_id,
        region_code=profile.region_code,
        name_zh=profile.name_zh,
        name_en=profile.name_en,
        state=NodeState.ACTIVE,
        endpoints=profile.endpoints,
        certificate_name=profile.certificate_name,
        keys=profile.keys,
    )


_calls = itertools.count(1)


def call_by(caller: Caller, method: str, *parts: object) -> Call:
    """A call as the way in would hand it on."""
    return Call(caller=caller, method=method, request_id=f"r-{next(_calls)}", request_digest=sm3(repr(parts).encode()))
