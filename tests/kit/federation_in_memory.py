"""A federation in one process for tests of the steps: real keys, evidence and stores, and peers that call direct.

Each node has the use cases that the program makes (`make_steps`), a keyring and an attestor of its own, and a trust
bundle that the test writes by hand. Only the network is played: `DirectPeers` calls the other node's `Recognition`, and
can lose, hold up or alter what passes.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from govcode_node.authorization_steps import LicenceRules
from govcode_node.crypto.attestor import BatchingAttestor
from govcode_node.crypto.evidence import proved_bytes
from govcode_node.crypto.keyprovider import SoftwareKeyStore, create_node_keys
from govcode_node.crypto.keyring import Keyring
from govcode_node.crypto.press import SealedDocumentPress
from govcode_node.domain.callers import Call, Caller
from govcode_node.domain.codecs import CodecSet
from govcode_node.domain.codes import ParsedCode
from govcode_node.domain.disclosure import FieldRule
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.home_rules import IssueRules, NodeProfile
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.keys import KeyPurpose, KeyState
from govcode_node.domain.licenses import Delivery, DeliveryPiece
from govcode_node.domain.nodes import NodeKey, NodeKeyPurpose, NodeState, NodeSuspendedError, NodeTrust
from govcode_node.domain.rate_limits import GcraLimiter, NamedLimit
from govcode_node.domain.recognition import (
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    HopLimitError,
    LoopDetectedError,
    PeerRefusedError,
    RevocationList,
)
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import NoRouteError, RevokedKey, RouteEntry, TrustBundle
from govcode_node.domain.scenes import SceneClass
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.providers.identity.local import LocalIdentityProvider
from govcode_node.providers.licence.embedded import EmbeddedLicenseProvider
from govcode_node.providers.licence.synthetic_licences import make_folder
from govcode_node.steps import Foundations, Steps, make_steps
from govcode_node.wire.attestation import WireAttestor, WireEvidenceReader
from kit.clocks import MovableClock
from kit.licence_files import KitKey, verify_sm2
from kit.restless_database import RestlessDatabase

PEOPLE_FILE: Final = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "synthetic_subjects.toml"
KEYS_MADE_AT: Final = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
OPENING: Final = datetime(2026, 12, 1, 8, 0, 0, 123_000, tzinfo=UTC)
HUB_POINT: Final = bytes.fromhex(
    # The SM2 base point: a key that nobody uses, where a pinned hub key has to be given.
    "0432c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
)

_PURPOSES: Final = {
    KeyPurpose.NODE_SIGN: NodeKeyPurpose.SIGN,
    KeyPurpose.NODE_ENC: NodeKeyPurpose.ENCRYPT,
    KeyPurpose.CODE_SEAL: NodeKeyPurpose.CODE_SEAL,
}
_TOLD_AS_THEY_ARE: Final = (
    LoopDetectedError,
    HopLimitError,
    NoRouteError,
    NodeSuspendedError,
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
)


@cache
def _keys_home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="govcode-test-keys-", ignore_cleanup_errors=True)


@cache
def _key_template(node_id: str) -> Path:
    """The keys of one node, made once in a run."""
    home = Path(_keys_home().name) / node_id
    create_node_keys(home / "keys", home / "kek", node_id, MovableClock(KEYS_MADE_AT))
    return home


class SettableTrust:
    """The port `TrustHolder`, holding whatever the test gives it.

    Attributes:
        held: The bundle.
        newer: What a refresh brings.
        lists: Revocation lists by node.
        asked: Why refreshes were asked for.
    """

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self.held: TrustBundle | None = None
        self.newer: TrustBundle | None = None
        self.lists: dict[str, RevocationList] = {}
        self.asked: list[str] = []

    def bundle(self) -> TrustBundle | None:
        return self.held

    def evidence(self) -> bytes | None:
        return None if self.held is None else b"signed elsewhere"

    def age(self) -> timedelta | None:
        return None if self.held is None else max(timedelta(), self._clock.now() - self.held.issued_at)

    async def refresh(self, *, why: str) -> None:
        self.asked.append(why)
        self.held = self.newer or self.held

    def revocation_list(self, node_id: str) -> RevocationList | None:
        return self.lists.get(node_id)


@dataclass(frozen=True, slots=True)
class Question:
    """One request that passed from node to node."""

    asker: str
    asked: str
    request: bytes
    hops: tuple[str, ...]


@dataclass(slots=True)
class DirectPeers:
    """The port `Peers` of one node, over direct calls.

    Attributes:
        federation: All nodes.
        node_id: The node whose channels these are.
        unreachable: Nodes that the request does not reach.
        hanging: Nodes that do not answer in time and do nothing.
        losing: Nodes that do their work, but whose answer is lost.
        via: The node through which another one is reached, where there is no direct way.
        tamper: What happens to an answer on its way back.
        meddle: What happens to each piece of a delivery on its way back.
        meanwhile: What happens before the request arrives, once.
    """

    federation: "FederationInMemory"
    node_id: str
    unreachable: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    losing: set[str] = field(default_factory=set)
    via: dict[str, str] = field(default_factory=dict)
    tamper: Callable[[bytes], bytes] | None = None
    meddle: Callable[[DeliveryPiece], Sequence[DeliveryPiece]] | None = None
    meanwhile: Callable[[], object] | None = None

    async def recognize(self, node_id: str, *, request: bytes, hops: tuple[str, ...], call: Call) -> bytes:
        node_id = self.via.get(node_id, node_id)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        if node_id in self.unreachable:
            raise HomeNodeUnreachableError(node_id)
        if node_id in self.hanging:
            raise HomeNodeTimeoutError(node_id)
        self.federation.questions.append(Question(self.node_id, node_id, request, hops))
        answer = await self._answer_of(node_id, request, hops, call)
        self.federation.answers.append(answer)
        if node_id in self.losing:
            raise HomeNodeTimeoutError(node_id)
        return answer if self.tamper is None else self.tamper(answer)

    async def _answer_of(self, node_id: str, request: bytes, hops: tuple[str, ...], call: Call) -> bytes:
        there = self.federation.nodes[node_id]
        arriving = replace(
            call,
            caller=Caller(caller_class=CallerClass.NODE, name=self.node_id),
            method="/govcode.federation.v1.FederationService/RecognizeCode",
        )
        try:
            return await there.steps.recognition.recognize(arriving, request=request, hops=hops)
        except _TOLD_AS_THEY_ARE:
            raise
        except GovcodeError as error:
            # As over gRPC: what is no fact about the way arrives as a refusal with a name.
            raise PeerRefusedError(node_id=node_id, status_code=3, reason=type(error).__name__) from error

    async def forward_consent_request(self, node_id: str, *, request: bytes, call: Call) -> bytes:
        there = self._reach(node_id, request)
        with _refusals_of(node_id):
            answer = await there.steps.authorizations.requesting.answer_forwarded(
                self._arriving(call, "ForwardAuthorization"), request=request
            )
        return self._brought_back(node_id, answer)

    async def ask_authorization(self, node_id: str, *, question: bytes, call: Call) -> bytes:
        there = self._reach(node_id, question)
        with _refusals_of(node_id):
            answered = await there.steps.authorizations.questions.answer(
                self._arriving(call, "ForwardAuthorization"), question=question
            )
        return self._brought_back(node_id, answered.answer or answered.consent_request)

    @asynccontextmanager
    async def forward_license_fetch(
        self, node_id: str, *, request: bytes, grant: bytes, call: Call
    ) -> AsyncIterator[Delivery]:
        there = self._reach(node_id, request)
        arriving = self._arriving(call, "ForwardLicenseFetch")
        async with AsyncExitStack() as stack:
            with _refusals_of(node_id):
                pieces = await stack.enter_async_context(
                    there.steps.authorizations.fetching.answer_forwarded(arriving, request=request, grant=grant)
                )
            yield self._passing(node_id, pieces)

    async def _passing(self, node_id: str, pieces: Delivery) -> AsyncIterator[DeliveryPiece]:
        with _refusals_of(node_id):
            async for piece in pieces:
                self.federation.pieces.append((node_id, self.node_id, piece))
                for arriving in [piece] if self.meddle is None else self.meddle(piece):
                    yield arriving

    async def notify_withdrawal(self, node_id: str, *, withdrawal: bytes) -> None:
        there = self._reach(node_id, withdrawal)
        call = Call(caller=Caller(caller_class=CallerClass.NODE, name=self.node_id), method="", request_id="")
        with _refusals_of(node_id):
            await there.steps.authorizations.withdrawing.take_notice(
                self._arriving(call, "NotifyWithdrawal"), withdrawal=withdrawal
            )

    def _reach(self, node_id: str, request: bytes) -> "NodeInMemory":
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        if node_id in self.unreachable:
            raise HomeNodeUnreachableError(node_id)
        if node_id in self.hanging:
            raise HomeNodeTimeoutError(node_id)
        self.federation.questions.append(Question(self.node_id, node_id, request, ()))
        return self.federation.nodes[node_id]

    def _brought_back(self, node_id: str, answer: bytes) -> bytes:
        self.federation.answers.append(answer)
        if node_id in self.losing:
            raise HomeNodeTimeoutError(node_id)
        return answer if self.tamper is None else self.tamper(answer)

    def _arriving(self, call: Call, rpc: str) -> Call:
        return replace(
            call,
            caller=Caller(caller_class=CallerClass.NODE, name=self.node_id),
            method=f"/govcode.federation.v1.FederationService/{rpc}",
        )

    async def revocation_list(self, node_id: str) -> bytes:
        if node_id in self.unreachable:
            raise HomeNodeUnreachableError(node_id)
        return await self.federation.nodes[node_id].steps.revocation_lists.newest()


@contextmanager
def _refusals_of(node_id: str) -> Iterator[None]:
    """As over gRPC: what is no fact about the way arrives as a refusal with a name."""
    try:
        yield
    except (*_TOLD_AS_THEY_ARE, PeerRefusedError):
        raise
    except GovcodeError as error:
        raise PeerRefusedError(node_id=node_id, status_code=3, reason=type(error).__name__) from error


@dataclass(kw_only=True, eq=False)
class NodeInMemory:
    """One node: its steps, and what they stand on."""

    profile: NodeProfile
    clock: MovableClock
    key_store: SoftwareKeyStore
    keyring: Keyring
    database: RestlessDatabase
    signer: BatchingAttestor
    attestor: WireAttestor
    reader: WireEvidenceReader
    trust: SettableTrust
    peers: DirectPeers
    provider: LocalIdentityProvider
    press: SealedDocumentPress
    licences: EmbeddedLicenseProvider | None
    steps: Steps

    @property
    def node_id(self) -> str:
        return self.profile.node_id

    def trusted_as(self, state: NodeState = NodeState.ACTIVE) -> NodeTrust:
        """What the bundle says of it."""
        profile = self.profile
        return NodeTrust(
            node_id=profile.node_id,
            region_code=profile.region_code,
            name_zh=profile.name_zh,
            name_en=profile.name_en,
            state=state,
            endpoints=profile.endpoints,
            certificate_name=profile.certificate_name,
            keys=profile.keys,
        )

    def lose_keys(self, purpose: KeyPurpose, state: KeyState = KeyState.COMPROMISED) -> None:
        """Take every key of a purpose out of use; for SM2 and numbered keys alike."""
        for info in self.key_store.infos():
            if info.purpose is purpose:
                self.key_store.set_state(info.key_id, state)
        self.keyring.reload()

    async def aclose(self) -> None:
        await self.signer.aclose()
        self.press.close()
        self.keyring.close()
        self.database.close()


class FederationInMemory:
    """Nodes that know each other.

    Attributes:
        clock: The one clock of all nodes.
        nodes: By id.
        questions: Requests that passed between nodes, in order.
        answers: Answers as their nodes gave them, in order.
        pieces: Pieces of deliveries with the nodes between which they passed, in order.
    """

    def __init__(self, place: Path, *, clock: MovableClock | None = None) -> None:
        self.clock = clock or MovableClock(OPENING)
        self.nodes: dict[str, NodeInMemory] = {}
        self.questions: list[Question] = []
        self.answers: list[bytes] = []
        self.pieces: list[tuple[str, str, DeliveryPiece]] = []
        self._place = place

    def add(
        self,
        node_id: str,
        *,
        prefixes: tuple[str, ...] | None = None,
        name_zh: str = "",
        disclosure: Mapping[SceneClass, tuple[FieldRule, ...]] | None = None,
        rules: IssueRules | None = None,
        test_environment: bool = False,
        rerun: bool = False,
        gather: bool = False,
        subject_limit: int = 10_000,
        peer_limit: int = 10_000,
        licences: Path | None = None,
        licence_rules: LicenceRules | None = None,
    ) -> NodeInMemory:
        """Add a node that is home to its own region, or to the prefixes given.

        With a file of synthetic licences it has a licence system that holds those of its region.
        """
        home = self._place / node_id
        shutil.copytree(_key_template(node_id), home)
        key_store = SoftwareKeyStore(home / "keys", home / "kek", clock=self.clock)
        keyring = Keyring(key_store, clock=self.clock)
        trust = SettableTrust(self.clock)
        peers = DirectPeers(self, node_id)
        profile = _profile(node_id, prefixes or (node_id.rstrip("0") or node_id,), name_zh, keyring, test_environment)
        database = RestlessDatabase(writer_id=f"{node_id}/0/1700000000000", rerun=rerun, gather=gather)
        signer = BatchingAttestor(keyring, node_id=node_id, clock=self.clock)
        attestor = WireAttestor(signer)
        reader = WireEvidenceReader(
            trust=trust, hub_keys=(HUB_POINT,), verify=keyring.verify_with_public, proved_bytes=proved_bytes
        )
        provider = LocalIdentityProvider.from_file(PEOPLE_FILE, clock=self.clock)
        press = SealedDocumentPress(keyring, node_id=node_id)
        licence_system = self._licence_system(node_id, home, licences)
        steps = make_steps(
            Foundations(
                press=press,
                licences=licence_system,
                licence_rules=licence_rules or LicenceRules(),
                node=profile,
                rules=rules or IssueRules(),
                disclosure=disclosure or {},
                subject_limit=self._limit("subject", subject_limit),
                peer_limit=self._limit("peer", peer_limit),
                clock=self.clock,
                keyring=keyring,
                database=database,
                attestor=attestor,
                reader=reader,
                trust=trust,
                peers=peers,
                provider=provider,
            )
        )
        node = NodeInMemory(
            profile=profile,
            clock=self.clock,
            key_store=key_store,
            keyring=keyring,
            database=database,
            signer=signer,
            attestor=attestor,
            reader=reader,
            trust=trust,
            peers=peers,
            provider=provider,
            press=press,
            licences=licence_system,
            steps=steps,
        )
        self.nodes[node_id] = node
        return node

    def _licence_system(self, node_id: str, home: Path, licences: Path | None) -> EmbeddedLicenseProvider | None:
        if licences is None:
            return None
        folder = home / "licences"
        make_folder(licences, folder, node_id=node_id, make_key=KitKey, now=KEYS_MADE_AT)
        return EmbeddedLicenseProvider(folder, node_id=node_id, clock=self.clock, verify_sm2=verify_sm2)

    def publish(
        self,
        *,
        to: Iterable[NodeInMemory] | None = None,
        routes: Sequence[tuple[str, str]] | None = None,
        suspended: Iterable[str] = (),
        revoked_keys: tuple[RevokedKey, ...] = (),
        issued_at: datetime | None = None,
        version: int = 1,
    ) -> TrustBundle:
        """Make a bundle of all nodes and give it to them, or to some of them."""
        named = routes or [(prefix, node.node_id) for node in self.nodes.values() for prefix in node.profile.prefixes]
        away = frozenset(suspended)
        bundle = TrustBundle(
            version=version,
            issued_at=issued_at or self.clock.now(),
            routes=tuple(RouteEntry(prefix, node_id) for prefix, node_id in named),
            nodes=tuple(
                node.trusted_as(NodeState.SUSPENDED if node.node_id in away else NodeState.ACTIVE)
                for node in self.nodes.values()
            ),
            revoked_keys=revoked_keys,
        )
        for node in self.nodes.values() if to is None else to:
            node.trust.held = bundle
        return bundle

    async def aclose(self) -> None:
        for node in self.nodes.values():
            await node.aclose()

    def _limit(self, name: str, count: int) -> NamedLimit:
        limiter = GcraLimiter(count=count, per=timedelta(seconds=1), monotonic=self.clock.monotonic)
        return NamedLimit(limiter, limit=name)


def _profile(
    node_id: str, prefixes: tuple[str, ...], name_zh: str, keyring: Keyring, test_environment: bool
) -> NodeProfile:
    keys = tuple(
        NodeKey(
            key_id=info.key_id,
            purpose=_PURPOSES[info.purpose],
            public_key=info.public_point,
            key_no=info.key_no or 0,
            starts_at=info.created_at,
        )
        for info in keyring.infos()
        if info.purpose in _PURPOSES and info.public_point is not None
    )
    return NodeProfile(
        node_id=node_id,
        region_code=RegionCode(node_id[:6]),
        name_zh=name_zh or f"节点{node_id}",
        name_en=f"Node {node_id}",
        prefixes=prefixes,
        endpoints=(f"{node_id}.example.invalid:8443",),
        software_version="0.0.0",
        keys=keys,
        certificate_name=f"spiffe://federation.govcode/node/{node_id}",
        test_environment=test_environment,
    )


def parse(code_text: str) -> ParsedCode:
    """The content of a code's text."""
    return CodecSet((Zwm1Codec(),), issuing="ZWM1").parse(code_text)
