"""What a node stands on: time, keys, store, evidence, certificates and channels to others, opened in this order."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from govcode_node.around import Around
from govcode_node.authorization_steps import LicenceRules
from govcode_node.certificate_files import CertificateFiles
from govcode_node.config import Config
from govcode_node.crypto.attestor import BatchingAttestor
from govcode_node.crypto.evidence import proved_bytes
from govcode_node.crypto.keyprovider import SoftwareKeyStore
from govcode_node.crypto.keyring import Keyring
from govcode_node.crypto.press import SealedDocumentPress
from govcode_node.crypto.row_sealer import KeyringRowSealer
from govcode_node.crypto.selftest import run_self_tests
from govcode_node.crypto.sm2 import select_backend
from govcode_node.domain.callers import Call, Caller
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.nodes import NodeKeyPurpose
from govcode_node.domain.rate_limits import GcraLimiter, NamedLimit
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.peer import PeerSettings
from govcode_node.federation.peers import GrpcPeers
from govcode_node.home import profile_of, rules_of
from govcode_node.licence_system import open_licence_system
from govcode_node.loops import BackgroundLoop, LoopBoard, Step
from govcode_node.ports.clock import Clock
from govcode_node.ports.licenses import LicenseProvider
from govcode_node.providers.identity.local import LocalIdentityProvider
from govcode_node.providers.identity.local_subjects import SyntheticSubjects, load_synthetic_subjects
from govcode_node.rpc.policy import Policy
from govcode_node.steps import Foundations, Steps, make_steps
from govcode_node.storage.database import SqlDatabase, writer_name
from govcode_node.telemetry.setup import Telemetry, TelemetrySettings, setup_telemetry
from govcode_node.wire.attestation import WireAttestor, WireEvidenceReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The opened parts. `stack` closes them in reverse, and whatever is built on them before that.

    Attributes:
        config: The configuration.
        clock: Time.
        stack: What is to be closed.
        loops: Background loops; they run from when the node serves.
        address: Where the node listens.
        node: Who it is.
        own_call: Stands for the node itself as a caller.
        telemetry: Traces and metrics.
        policy: Who may call what.
        keyring: Its keys.
        database: Its store.
        attestor: Signs its statements.
        reader: Checks others' statements.
        trust: The trust bundle that it holds.
        certificates: What its certificate files hold.
        peers: Channels to other nodes.
        provider: Its identity provider.
        press: Seals documents for delivery.
        licences: Its licence system; None where there is none.
    """

    config: Config
    clock: Clock
    stack: AsyncExitStack
    loops: LoopBoard
    address: str
    node: NodeProfile
    own_call: Call
    telemetry: Telemetry
    policy: Policy
    keyring: Keyring
    database: SqlDatabase
    attestor: WireAttestor
    reader: WireEvidenceReader
    trust: HeldTrust
    certificates: CertificateFiles
    peers: GrpcPeers
    provider: LocalIdentityProvider
    press: SealedDocumentPress
    licences: LicenseProvider | None

    @classmethod
    async def open(cls, config: Config, *, clock: Clock, stack: AsyncExitStack) -> Self:
        """It opens everything; what was opened is on the stack, also when a later part fails.

        Raises:
            SelfTestError: An algorithm does not give its known answer.
            KeystoreError: The keys cannot be used.
            SchemaVersionError, NotDurableError, StoreUnavailableError: The store cannot be used.
            CertificateFilesError: The certificates cannot be used.
            LicenceSystemConfigError, LicenceTrustError: The licence system cannot be used.
        """
        address = _address_of(config)
        keyring = _open_keys(config, clock, stack)
        node = profile_of(config, keys=keyring.infos(), address=address)
        policy = Policy.load()
        telemetry = setup_telemetry(_telemetry_settings(config, node, policy))
        stack.callback(telemetry.shutdown)
        database = await _open_store(config, node, keyring, clock, stack)
        trust = HeldTrust(clock)
        certificates = CertificateFiles(config.server, now=clock.now)
        peers = GrpcPeers(
            own_id=node.node_id,
            trust=trust,
            identity=certificates.identity,
            settings=peer_settings(config),
            clock=clock,
        )
        certificates.on_identity(peers.replace_identity)
        stack.push_async_callback(peers.close)
        attestor = BatchingAttestor(keyring, node_id=node.node_id, clock=clock)
        stack.push_async_callback(attestor.aclose)
        press = SealedDocumentPress(keyring, node_id=node.node_id)
        stack.callback(press.close)
        return cls(
            config=config,
            clock=clock,
            stack=stack,
            loops=LoopBoard(clock),
            address=address,
            node=node,
            own_call=_own_call_of(node),
            telemetry=telemetry,
            policy=policy,
            keyring=keyring,
            database=database,
            attestor=WireAttestor(attestor),
            reader=WireEvidenceReader(
                trust=trust,
                hub_keys=_hub_keys(config, node),
                verify=keyring.verify_with_public,
                proved_bytes=proved_bytes,
            ),
            trust=trust,
            certificates=certificates,
            peers=peers,
            provider=_identity_provider(config, clock),
            press=press,
            licences=await asyncio.to_thread(
                open_licence_system, config, node_id=node.node_id, clock=clock, stack=stack
            ),
        )

    def loop(self, name: str, step: Step, *, every: float, limit: float, jitter: float = 0.0) -> BackgroundLoop:
        """It adds a background loop; times in seconds."""
        return self.loops.add(
            BackgroundLoop(name, step, interval=every, timeout=limit, clock=self.clock, jitter=jitter)
        )

    def make_steps(self, around: Around) -> Steps:
        """It makes the use cases over these parts."""
        limits = self.config.limits
        return make_steps(
            Foundations(
                node=self.node,
                rules=rules_of(self.config),
                scheme=self.config.codes.scheme,
                disclosure=self.config.disclosure,
                subject_limit=self._limit(limits.per_subject.count, limits.per_subject.per, "subject"),
                peer_limit=self._limit(limits.per_peer.count, limits.per_peer.per, "peer"),
                clock=self.clock,
                keyring=self.keyring,
                database=self.database,
                attestor=self.attestor,
                reader=self.reader,
                trust=self.trust,
                peers=around.peers(self.peers),
                provider=self.provider,
                press=self.press,
                licences=self.licences,
                licence_rules=LicenceRules(
                    statutory_matters=frozenset(self.config.authorizations.statutory_matters),
                    retention=self.config.authorizations.record_retention,
                ),
                counters=self.telemetry.metrics,
                around=around,
            )
        )

    def _limit(self, count: int, per: timedelta, name: str) -> NamedLimit:
        limiter = GcraLimiter(count=count, per=per, monotonic=self.clock.monotonic, max_keys=200_000)
        return NamedLimit(limiter, limit=name)


def peer_settings(config: Config) -> PeerSettings:
    """It gives the limits of calls to one peer."""
    federation = config.federation
    return PeerSettings(
        concurrency=federation.concurrency,
        connections=federation.connections,
        connection_max_age=federation.connection_max_age.total_seconds(),
        endpoint_timeout=federation.forward_timeout.total_seconds(),
        breaker_failures=federation.breaker_failures,
        breaker_open=federation.breaker_open.total_seconds(),
    )


def _open_keys(config: Config, clock: Clock, stack: AsyncExitStack) -> Keyring:
    backend = select_backend()
    store = SoftwareKeyStore(config.keys.directory, config.keys.kek_file, clock=clock, backend=backend)
    keyring = Keyring(store, clock=clock, backend=backend)
    stack.callback(keyring.close)
    run_self_tests(backend, random=keyring.random_bytes)
    return keyring


async def _open_store(
    config: Config, node: NodeProfile, keyring: Keyring, clock: Clock, stack: AsyncExitStack
) -> SqlDatabase:
    database = await SqlDatabase.open(
        config.storage.url.text,
        writer_id=writer_name(node_id=node.node_id, worker=0, started_at=clock.now()),
        sealer=KeyringRowSealer(keyring),
        queue_limit=config.storage.queue_limit,
        batch_limit=config.storage.batch_limit,
    )
    stack.push_async_callback(database.aclose)
    return database


def _telemetry_settings(config: Config, node: NodeProfile, policy: Policy) -> TelemetrySettings:
    wanted = config.telemetry
    return TelemetrySettings(
        node_id=node.node_id,
        version=node.software_version,
        otlp_endpoint=str(wanted.otlp_endpoint) if wanted.otlp_endpoint is not None else None,
        trace_ratio=wanted.trace_ratio,
        metrics=wanted.metrics,
        methods=policy.methods,
    )


def _identity_provider(config: Config, clock: Clock) -> LocalIdentityProvider:
    people = config.identity.people_file
    subjects = load_synthetic_subjects(people) if people is not None else SyntheticSubjects(people={}, companies={})
    return LocalIdentityProvider(subjects, clock=clock, lifetime=config.identity.identification_validity)


def _hub_keys(config: Config, node: NodeProfile) -> tuple[bytes, ...]:
    """The hub believes its own key; every other node those that its configuration pins."""
    pinned = tuple(bytes.fromhex(key) for key in config.trust.hub_public_keys)
    own = tuple(key.public_key for key in node.keys if key.purpose is NodeKeyPurpose.SIGN)
    return pinned + own if config.hub.enabled else pinned


def _own_call_of(node: NodeProfile) -> Call:
    role = CallerClass.HUB if not node.prefixes else CallerClass.NODE
    return Call(caller=Caller(caller_class=role, name=node.node_id), method="", request_id="")


def _address_of(config: Config) -> str:
    """It gives the address to listen on; port 0 becomes one that is free now, since peers must be told it."""
    listen = config.server.listen
    if listen.port:
        return str(listen)
    with socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET) as probe:
        probe.bind((listen.host, 0))
        return f"{listen.host}:{probe.getsockname()[1]}"
