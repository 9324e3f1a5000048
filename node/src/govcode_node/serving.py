"""What a node serves: its servicers behind the pipeline, its health, its metrics, on its one port."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from govcode_node.around import NOTHING, Around
from govcode_node.domain.audit import AuditEntry
from govcode_node.edges.grpcio import EdgeSettings, GrpcioEdge, ServerFiles
from govcode_node.ground import Ground
from govcode_node.membership import Membership
from govcode_node.rpc.health import NodeHealth
from govcode_node.rpc.identity import Identification
from govcode_node.rpc.limits import CallerLimits, CallRate, CallRates, StreamSlots
from govcode_node.rpc.methods import MethodTable
from govcode_node.rpc.pipeline import Pipeline
from govcode_node.rpc.reflection import add_reflection
from govcode_node.rpc.refusals import RefusalLog
from govcode_node.rpc.rules import DeadlineRules, MessageSizes
from govcode_node.rpc.services.audit import AuditServicer
from govcode_node.rpc.services.authorization import AuthorizationServicer
from govcode_node.rpc.services.business import BusinessManagementServicer
from govcode_node.rpc.services.code_application import CodeApplicationServicer
from govcode_node.rpc.services.code_base import CodeBaseServicer
from govcode_node.rpc.services.code_routing import CodeRoutingServicer
from govcode_node.rpc.services.federation import FederationServicer
from govcode_node.rpc.services.health import HealthServicer
from govcode_node.rpc.services.hub import HubServicer
from govcode_node.rpc.services.operations import OperationsServicer
from govcode_node.rpc.services.registration import Servicer, register
from govcode_node.steps import Steps
from govcode_node.telemetry.calls import CallWatch
from govcode_node.telemetry.scraping import MetricsServer
from govcode_node.usecases.callers import RegisteredCallers

_log = logging.getLogger(__name__)

_STORE: Final = "store"
_SIGNING_KEY: Final = "signing key"


async def serve_calls(ground: Ground, steps: Steps, membership: Membership, around: Around = NOTHING) -> None:
    """It opens the port and returns once it serves; closing the ground's stack drains and stops it."""
    table = MethodTable()
    register(table, *map(around.servicer, _servicers(ground, steps, membership)))
    health = NodeHealth(
        checks={_STORE: ground.database.check, _SIGNING_KEY: ground.keyring.check},
        needs=dict.fromkeys(table.services, (_STORE, _SIGNING_KEY)),
        clock=ground.clock,
    )
    register(table, HealthServicer(health))
    server = ground.config.server
    if server.reflection:
        add_reflection(table, table.services)
    edge = GrpcioEdge(
        settings=EdgeSettings(
            listen=ground.address,
            files=ServerFiles(certificate=server.certificate, key=server.key, roots=server.roots),
            max_message_bytes=server.max_batch_bytes,
        ),
        table=table,
        pipeline=_pipeline(ground, table, membership),
        health=health,
    )
    await edge.start()

    async def stop() -> None:
        membership.status.drain()
        await edge.stop(grace=server.drain_timeout)

    ground.stack.push_async_callback(stop)
    _log.info("serving", extra={"node": ground.node.node_id, "address": ground.address})


def serve_metrics(ground: Ground) -> int | None:
    """It lets metrics be read where the configuration wants it, and returns the port."""
    metrics, wanted = ground.telemetry.metrics, ground.config.telemetry
    metrics.watch_peers(lambda: {peer.node_id: peer.available for peer in ground.peers.conditions()})
    metrics.watch_loops(ground.loops.ages)

    def bundle_age() -> float | None:
        age = ground.trust.age()
        return None if age is None else age.total_seconds()

    metrics.watch_trust_bundle_age(bundle_age)
    if not wanted.metrics:
        return None
    listen = wanted.metrics_listen
    server = MetricsServer(listen.host, listen.port, scrape=ground.telemetry.scrape)
    ground.stack.callback(server.close)
    return server.port


def _servicers(ground: Ground, steps: Steps, membership: Membership) -> list[Servicer]:
    """It makes the servicers of clause 7; where this node is not the hub, that service is absent."""
    authorizations = steps.authorizations
    servicers: list[Servicer] = [
        CodeApplicationServicer(
            accounts=steps.accounts,
            presentation=steps.presentation,
            scanning=steps.scanning,
            scene_scanning=authorizations.scene_scanning,
            records=steps.records,
            feed=steps.feed,
            clock=ground.clock,
        ),
        AuthorizationServicer(
            requesting=authorizations.requesting,
            reading=authorizations.reading,
            deciding=authorizations.deciding,
            withdrawing=authorizations.withdrawing,
            locating=authorizations.locating,
            fetching=authorizations.fetching,
            checking=authorizations.checking,
            mandating=authorizations.mandating,
            clock=ground.clock,
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
            node=ground.node,
            code_schemes=(ground.config.codes.scheme,),
            trust=ground.trust,
            recognition=steps.recognition,
            lists=steps.revocation_lists,
            requesting=authorizations.requesting,
            questions=authorizations.questions,
            fetching=authorizations.fetching,
            withdrawing=authorizations.withdrawing,
            clock=ground.clock,
        ),
        BusinessManagementServicer(registrations=steps.registry, keeping=authorizations.keeping, clock=ground.clock),
        AuditServicer(reading=steps.audit),
        OperationsServicer(status=membership.status),
    ]
    if membership.hub is not None:
        servicers.append(HubServicer(registry=membership.hub.registry, board=membership.hub.board))
    return servicers


def _pipeline(ground: Ground, table: MethodTable, membership: Membership) -> Pipeline:
    server, limits = ground.config.server, ground.config.limits
    callers = RegisteredCallers(
        region_code=ground.node.region_code,
        database=ground.database,
        trust=ground.trust,
        operators=ground.config.operators,
        clock=ground.clock,
    )
    rates = CallRates(
        app=CallRate(limits.per_app.count, limits.per_app.per),
        device=CallRate(limits.per_device.count, limits.per_device.per),
        operator=CallRate(limits.per_operator.count, limits.per_operator.per),
        peer=CallRate(limits.per_peer.count, limits.per_peer.per),
    )
    return Pipeline(
        node_id=ground.node.node_id,
        identification=Identification(certificates=ground.certificates.checker, callers=callers),
        policy=ground.policy,
        limits=CallerLimits(rates, monotonic=ground.clock.monotonic),
        slots=StreamSlots(),
        refusals=RefusalLog(_audit_writer(ground), clock=ground.clock),
        clock=ground.clock,
        telemetry=CallWatch(
            ground.telemetry.observer,
            listeners=[membership.status.observe],
            streaming_methods=table.streaming,
        ),
        deadlines=DeadlineRules(default=server.default_deadline),
        sizes=MessageSizes(usual=server.max_message_bytes),
    )


def _audit_writer(ground: Ground) -> Callable[[AuditEntry], Awaitable[None]]:
    async def write(entry: AuditEntry) -> None:
        await ground.database.run(lambda tx: tx.audit.add(entry))

    return write
