"""The composition root: from a configuration to a running node. The only file that knows every room.

`App.start` brings the parts up in the order in which they need each other, `App.stop` takes them down in reverse, so
that a call in flight finds what it needs until it is answered. Roles are configuration: a hub is a node whose hub
section is enabled, and nothing outside this file asks which role a node has.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from govcode_node.certificate_files import CertificateFiles
from govcode_node.config import Config
from govcode_node.crypto.attestor import BatchingAttestor
from govcode_node.crypto.evidence import proved_bytes
from govcode_node.crypto.keyprovider import SoftwareKeyStore
from govcode_node.crypto.keyring import Keyring
from govcode_node.crypto.selftest import run_self_tests
from govcode_node.crypto.sm2 import select_backend
from govcode_node.domain.audit import AuditEntry
from govcode_node.domain.callers import Call, Caller
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.rate_limits import GcraLimiter, NamedLimit
from govcode_node.edges.grpcio import EdgeSettings, GrpcioEdge, ServerFiles
from govcode_node.federation.exchange import TrustExchange
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.hub_client import HubClient
from govcode_node.federation.incidents import Incidents
from govcode_node.federation.lists import LIST_MAX_AGE, ListFetcher, RevocationShelf
from govcode_node.federation.local_hub import LocalHub
from govcode_node.federation.peer import PeerSettings
from govcode_node.federation.peers import GrpcPeers
from govcode_node.federation.registration import NodeRegistrar
from govcode_node.federation.reporter import Reporter, ReportPosition
from govcode_node.home import profile_of, registered_hub_of, registration_of, rules_of
from govcode_node.loops import BackgroundLoop, LoopBoard
from govcode_node.ports.clock import Clock
from govcode_node.providers.identity.local import LocalIdentityProvider
from govcode_node.providers.identity.local_subjects import SyntheticSubjects, load_synthetic_subjects
from govcode_node.rpc.health import NodeHealth
from govcode_node.rpc.identity import Identification
from govcode_node.rpc.limits import CallerLimits, CallRate, CallRates, StreamSlots
from govcode_node.rpc.methods import MethodTable
from govcode_node.rpc.pipeline import Pipeline
from govcode_node.rpc.policy import Policy
from govcode_node.rpc.reflection import add_reflection
from govcode_node.rpc.refusals import RefusalLog
from govcode_node.rpc.rules import DeadlineRules, MessageSizes
from govcode_node.rpc.services.audit import AuditServicer
from govcode_node.rpc.services.business import BusinessManagementServicer
from govcode_node.rpc.services.code_application import CodeApplicationServicer
from govcode_node.rpc.services.code_base import CodeBaseServicer
from govcode_node.rpc.services.code_routing import CodeRoutingServicer
from govcode_node.rpc.services.federation import FederationServicer
from govcode_node.rpc.services.health import HealthServicer
from govcode_node.rpc.services.hub import HubServicer
from govcode_node.rpc.services.operations import OperationsServicer
from govcode_node.rpc.services.registration import Servicer, register
from govcode_node.steps import Foundations, make_steps
from govcode_node.storage.database import SqlDatabase, writer_name
from govcode_node.system_clock import SystemClock
from govcode_node.telemetry.calls import CallWatch
from govcode_node.telemetry.logs import setup_logging
from govcode_node.telemetry.scraping import MetricsServer
from govcode_node.telemetry.setup import TelemetrySettings, setup_telemetry
from govcode_node.usecases.callers import RegisteredCallers
from govcode_node.usecases.hub_board import HubBoard
from govcode_node.usecases.hub_registry import HubRegistry
from govcode_node.usecases.node_status import NodeFacts, NodeStatusKeeper, Surroundings
from govcode_node.wire.attestation import WireAttestor, WireEvidenceReader

_log = logging.getLogger(__name__)

_STORE: Final = "store"
_SIGNING_KEY: Final = "signing key"
_HUB_LIST_MAX_AGE: Final = timedelta(minutes=5)


class App:
    """One running node. Made with `App.start`.

    Attributes:
        address: Where it listens, `host:port`.
        node: Who it is.
        steps: Its use cases.
        database: Its store.
        loops: Its background loops.
        trust: The trust bundle that it holds.
        certificates: What its certificate files hold.
        metrics_port: Where metrics are read; None where they are off.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        """It takes the configuration; nothing runs yet."""
        self._config = config
        self._clock = clock
        self._stack = AsyncExitStack()
        self.loops = LoopBoard(clock)
        self.address = _address_of(config)
        self.trust = HeldTrust(clock)
        self.metrics_port: int | None = None
        self._policy = Policy.load()

    @classmethod
    async def start(cls, config: Config, *, clock: Clock | None = None) -> Self:
        """It starts a node and returns once it serves.

        Raises:
            SelfTestError: An algorithm does not give its known answer; nothing was started.
            KeystoreError: The keys cannot be used.
            SchemaVersionError: The store needs `govcode migrate`, or is newer than this program.
            StoreUnavailableError: The store does not answer.
            OSError: A certificate cannot be read, or the address is taken.
            CertificateFilesError: A certificate file holds none, or the key is another certificate's.
        """
        app = cls(config, clock or SystemClock())
        try:
            await app._bring_up()
        except BaseException:
            await app._stack.aclose()
            raise
        return app

    async def stop(self) -> None:
        """It drains and stops: no new calls, those in flight are finished, then everything is closed."""
        await self._stack.aclose()

    async def _bring_up(self) -> None:
        self._keyring = self._open_keys()
        self.node = profile_of(self._config, keys=self._keyring.infos(), address=self.address)
        self._own_call = _own_call_of(self.node)
        self.database = await self._open_store()
        attestor = BatchingAttestor(self._keyring, node_id=self.node.node_id, clock=self._clock)
        self._stack.push_async_callback(attestor.aclose)
        self._attestor = WireAttestor(attestor)
        self._reader = WireEvidenceReader(
            trust=self.trust,
            hub_keys=self._hub_keys(),
            verify=self._keyring.verify_with_public,
            proved_bytes=proved_bytes,
        )
        self.certificates = CertificateFiles(self._config.server, now=self._clock.now)
        self._loop("certificate files", self.certificates.step, every=30, limit=10)
        self._peers = GrpcPeers(
            own_id=self.node.node_id,
            trust=self.trust,
            identity=self.certificates.identity,
            settings=self._peer_settings(),
            clock=self._clock,
        )
        self.certificates.on_identity(self._peers.replace_identity)
        self._stack.push_async_callback(self._peers.close)
        self._loop("peers", self._peers.tend, every=60, limit=30)
        self.steps = make_steps(self._foundations())
        await self._join_federation()
        await self._serve()
        self.loops.start()
        self._stack.push_async_callback(self.loops.stop)

    def _open_keys(self) -> Keyring:
        backend = select_backend()
        keys = self._config.keys
        store = SoftwareKeyStore(keys.directory, keys.kek_file, clock=self._clock, backend=backend)
        keyring = Keyring(store, clock=self._clock, backend=backend)
        self._stack.callback(keyring.close)
        run_self_tests(backend, random=keyring.random_bytes)
        return keyring

    async def _open_store(self) -> SqlDatabase:
        storage = self._config.storage
        database = await SqlDatabase.open(
            storage.url.text,
            writer_id=writer_name(node_id=self.node.node_id, worker=0, started_at=self._clock.now()),
            queue_limit=storage.queue_limit,
            batch_limit=storage.batch_limit,
        )
        self._stack.push_async_callback(database.aclose)
        return database

    def _hub_keys(self) -> tuple[bytes, ...]:
        """The hub believes its own key; every other node those that its configuration pins."""
        pinned = tuple(bytes.fromhex(key) for key in self._config.trust.hub_public_keys)
        own = tuple(key.public_key for key in self.node.keys if key.purpose.value == "SIGN")
        return pinned + own if self._config.hub.enabled else pinned

    def _peer_settings(self) -> PeerSettings:
        federation = self._config.federation
        return PeerSettings(
            concurrency=federation.concurrency,
            connections=federation.connections,
            connection_max_age=federation.connection_max_age.total_seconds(),
            endpoint_timeout=federation.forward_timeout.total_seconds(),
            breaker_failures=federation.breaker_failures,
            breaker_open=federation.breaker_open.total_seconds(),
        )

    def _foundations(self) -> Foundations:
        limits = self._config.limits
        people = self._config.identity.people_file
        subjects = load_synthetic_subjects(people) if people is not None else SyntheticSubjects(people={}, companies={})
        lifetime = self._config.identity.identification_validity
        self.provider = LocalIdentityProvider(subjects, clock=self._clock, lifetime=lifetime)
        return Foundations(
            node=self.node,
            rules=rules_of(self._config),
            scheme=self._config.codes.scheme,
            disclosure=self._config.disclosure,
            subject_limit=self._limit(limits.per_subject.count, limits.per_subject.per, "subject"),
            peer_limit=self._limit(limits.per_peer.count, limits.per_peer.per, "peer"),
            clock=self._clock,
            keyring=self._keyring,
            database=self.database,
            attestor=self._attestor,
            reader=self._reader,
            trust=self.trust,
            peers=self._peers,
            provider=self.provider,
        )

    def _limit(self, count: int, per: timedelta, name: str) -> NamedLimit:
        limiter = GcraLimiter(count=count, per=per, monotonic=self._clock.monotonic, max_keys=200_000)
        return NamedLimit(limiter, limit=name)

    async def _join_federation(self) -> None:
        """It learns whom to trust: from the hub within, or from the hub over the wire; without either it is alone."""
        state = self._config.trust.bundle_file.parent
        incidents = Incidents(database=self.database, clock=self._clock, own_call=self._own_call)
        shelf = RevocationShelf(
            directory=state / "revocation-lists", reader=self._reader, incidents=incidents, clock=self._clock
        )
        self.trust.connect(lists=shelf.get)
        fetcher = ListFetcher(
            own_id=self.node.node_id,
            held=self.trust,
            shelf=shelf,
            peers=self._peers,
            clock=self._clock,
            # The hub tells everybody which lists there are, so it looks more often.
            max_age=_HUB_LIST_MAX_AGE if self._config.hub.enabled else LIST_MAX_AGE,
        )
        lists = self._loop("revocation lists", fetcher.fetch_due, every=20, limit=60)
        self._hub_registry: HubRegistry | None = None
        self._hub_board: HubBoard | None = None
        source: LocalHub | HubClient | None = None
        if self._config.hub.enabled:
            source = await self._start_hub(shelf)
        elif self._config.trust.hub_endpoints:
            source = self._connect_hub()
        self._status = self._watch_condition(None)
        if source is None:
            return
        exchange = TrustExchange(
            held=self.trust,
            source=source,
            reader=self._reader,
            incidents=incidents,
            bundle_file=self._config.trust.bundle_file,
            clock=self._clock,
        )

        def fetch_lists_soon(_: object) -> None:
            # A new node's list must be here before that node is away; the pause lets it take up the same bundle first.
            asyncio.get_running_loop().call_later(2.0, lists.wake)

        exchange.on_change(fetch_lists_soon)
        await exchange.load()
        # After the bundle, without whose keys no list can be checked.
        await shelf.load()
        self._stack.push_async_callback(exchange.close)
        self._status = self._watch_condition(exchange)
        stream = self._loop("trust bundle stream", exchange.watch, every=0, limit=60)
        poll = self._config.trust.poll_interval.total_seconds()
        self._loop("trust bundle poll", exchange.poll, every=poll, limit=10, jitter=0.2)
        registrar = self._report_to(source, exchange, state)
        # Until the approval the hub refuses the stream, whose pauses have grown by then.
        registrar.on_approval(stream.wake)

    def _connect_hub(self) -> HubClient:
        client = HubClient(
            endpoints=tuple(str(endpoint) for endpoint in self._config.trust.hub_endpoints),
            identity=self.certificates.identity,
            settings=self._peer_settings(),
            clock=self._clock,
        )
        self.certificates.on_identity(client.replace_identity)
        self._stack.push_async_callback(client.close)
        return client

    async def _start_hub(self, shelf: RevocationShelf) -> LocalHub:
        own = registered_hub_of(self.node, now=self._clock.now())
        registry = HubRegistry(
            own=own,
            own_call=self._own_call,
            database=self.database,
            attestor=self._attestor,
            reader=self._reader,
            clock=self._clock,
            list_digests=shelf.digests,
            reissue_after=self._config.hub.republish_interval,
        )
        board = HubBoard(
            own=own,
            database=self.database,
            reader=self._reader,
            clock=self._clock,
            silence_limit=self._config.hub.down_after,
        )
        registry.on_node(board.take_node)
        await board.load()
        await registry.catch_up()
        await registry.reissue_if_due()
        self._hub_registry, self._hub_board = registry, board
        self._loop("bundle reissue", registry.reissue_if_due, every=10, limit=10)
        self._loop("bundle of other workers", registry.catch_up, every=5, limit=10)
        self._loop("status board", board.tick, every=1, limit=5)
        self._loop("status board reload", board.load, every=60, limit=30)
        return LocalHub(registry=registry, board=board, own_call=self._own_call)

    def _watch_condition(self, exchange: TrustExchange | None) -> NodeStatusKeeper:
        return NodeStatusKeeper(
            facts=NodeFacts(
                node_id=self.node.node_id,
                region_code=self.node.region_code,
                software_version=self.node.software_version,
                keystore=self._keyring.keystore_kind(),
            ),
            clock=self._clock,
            database=self.database,
            trust=self.trust,
            surroundings=Surroundings(
                peers=self._peers.conditions,
                hub_silence=exchange.hub_silence if exchange is not None else lambda: None,
                oldest_loop=self.loops.oldest_age,
                overdue_loops=self.loops.overdue,
            ),
            sign=self._keyring.check,
            bundle_warn_age=self._config.trust.warn_after,
        )

    def _report_to(self, source: LocalHub | HubClient, exchange: TrustExchange, state: Path) -> NodeRegistrar:
        async def newer_bundle(version: int) -> None:
            held = self.trust.bundle()
            if held is None or held.version < version:
                await exchange.refresh("the hub told of a newer bundle")

        registrar = NodeRegistrar(
            registration=lambda: registration_of(self.node),
            held=self.trust,
            hub=source,
            attestor=self._attestor,
        )
        self._loop("registration", registrar.step, every=10, limit=10)
        reporter = Reporter(
            status=self._status,
            summarize=self._status.summary,
            sink=source,
            attestor=self._attestor,
            position=ReportPosition(state / "report-position"),
            clock=self._clock,
            newer_bundle=newer_bundle,
            longest_gap=self._config.reporting.buffered_summaries,
        )
        self._stack.push_async_callback(reporter.close)
        interval = self._config.reporting.interval.total_seconds()
        self._loop("status reports", reporter.step, every=interval, limit=10, jitter=0.2)
        return registrar

    def _start_telemetry(self, table: MethodTable) -> CallWatch:
        """It starts what the configuration wants; nothing leaves the node, and nothing listens, unless it says so."""
        wanted = self._config.telemetry
        telemetry = setup_telemetry(
            TelemetrySettings(
                node_id=self.node.node_id,
                version=self.node.software_version,
                otlp_endpoint=str(wanted.otlp_endpoint) if wanted.otlp_endpoint is not None else None,
                trace_ratio=wanted.trace_ratio,
                metrics=wanted.metrics,
                methods=self._policy.methods,
            )
        )
        self._stack.push_async_callback(asyncio.to_thread, telemetry.shutdown)
        telemetry.metrics.watch_peers(lambda: {peer.node_id: peer.available for peer in self._peers.conditions()})
        telemetry.metrics.watch_loops(self.loops.ages)
        telemetry.metrics.watch_trust_bundle_age(self._bundle_age)
        if wanted.metrics:
            listen = wanted.metrics_listen
            server = MetricsServer(listen.host, listen.port, scrape=telemetry.scrape)
            self._stack.callback(server.close)
            self.metrics_port = server.port
        return CallWatch(telemetry.observer, listeners=[self._status.observe], streaming_methods=table.streaming)

    def _bundle_age(self) -> float | None:
        age = self.trust.age()
        return None if age is None else age.total_seconds()

    async def _serve(self) -> None:
        self._loop("condition", self._status.check, every=10, limit=10)
        table = MethodTable()
        register(table, *self._servicers())
        health = NodeHealth(
            checks={_STORE: self.database.check, _SIGNING_KEY: self._keyring.check},
            needs=dict.fromkeys(table.services, (_STORE, _SIGNING_KEY)),
            clock=self._clock,
        )
        register(table, HealthServicer(health))
        if self._config.server.reflection:
            add_reflection(table, table.services)
        server = self._config.server
        edge = GrpcioEdge(
            settings=EdgeSettings(
                listen=self.address,
                files=ServerFiles(certificate=server.certificate, key=server.key, roots=server.roots),
                max_message_bytes=server.max_batch_bytes,
            ),
            table=table,
            pipeline=self._pipeline(table),
            health=health,
        )
        await edge.start()
        grace = server.drain_timeout

        async def stop() -> None:
            self._status.drain()
            await edge.stop(grace=grace)

        self._stack.push_async_callback(stop)
        _log.info("serving", extra={"node": self.node.node_id, "address": self.address})

    def _servicers(self) -> list[Servicer]:
        """It makes the servicers of clause 7; where this node is not the hub, that service is absent."""
        steps = self.steps
        servicers: list[Servicer] = [
            CodeApplicationServicer(
                accounts=steps.accounts,
                presentation=steps.presentation,
                scanning=steps.scanning,
                records=steps.records,
                feed=steps.feed,
            ),
            CodeBaseServicer(
                making=steps.making,
                texts=steps.texts,
                scanning=steps.scanning,
                resolving=steps.resolving,
                lifecycle=steps.lifecycle,
            ),
            CodeRoutingServicer(routes=steps.routes),
            FederationServicer(
                node=self.node,
                code_schemes=(self._config.codes.scheme,),
                trust=self.trust,
                recognition=steps.recognition,
                lists=steps.revocation_lists,
                clock=self._clock,
            ),
            BusinessManagementServicer(registrations=steps.registry, clock=self._clock),
            AuditServicer(reading=steps.audit),
            OperationsServicer(status=self._status),
        ]
        if self._hub_registry is not None and self._hub_board is not None:
            servicers.append(HubServicer(registry=self._hub_registry, board=self._hub_board))
        return servicers

    def _pipeline(self, table: MethodTable) -> Pipeline:
        server, limits = self._config.server, self._config.limits
        callers = RegisteredCallers(
            region_code=self.node.region_code,
            database=self.database,
            trust=self.trust,
            operators=self._config.operators,
            clock=self._clock,
        )
        rates = CallRates(
            app=CallRate(limits.per_app.count, limits.per_app.per),
            device=CallRate(limits.per_device.count, limits.per_device.per),
            operator=CallRate(limits.per_operator.count, limits.per_operator.per),
            peer=CallRate(limits.per_peer.count, limits.per_peer.per),
        )

        async def record(entry: AuditEntry) -> None:
            await self.database.run(lambda tx: tx.audit.add(entry))

        return Pipeline(
            node_id=self.node.node_id,
            identification=Identification(certificates=self.certificates.checker, callers=callers),
            policy=self._policy,
            limits=CallerLimits(rates, monotonic=self._clock.monotonic),
            slots=StreamSlots(),
            refusals=RefusalLog(record, clock=self._clock),
            clock=self._clock,
            telemetry=self._start_telemetry(table),
            deadlines=DeadlineRules(default=server.default_deadline),
            sizes=MessageSizes(usual=server.max_message_bytes),
        )

    def _loop(
        self,
        name: str,
        step: Callable[[], Awaitable[object]],
        *,
        every: float,
        limit: float,
        jitter: float = 0.0,
    ) -> BackgroundLoop:
        return self.loops.add(
            BackgroundLoop(name, step, interval=every, timeout=limit, clock=self._clock, jitter=jitter)
        )


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


async def serve(config: Config, *, ready_file: Path | None = None) -> None:
    """It runs a node until the process is asked to end (SIGTERM or SIGINT).

    Args:
        config: The configuration.
        ready_file: Where to write the address once the node serves; for supervisors that chose port 0.
    """
    setup_logging(config.log.level.value, config.log.format.value)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    app = await App.start(config)
    try:
        if ready_file is not None:
            await asyncio.to_thread(ready_file.write_text, app.address + "\n", encoding="ascii")
        await asked.wait()
    finally:
        await app.stop()
