"""A node's place in the federation: whom it trusts, how it is known, what it reports, and the hub's part if it is one.

Trust comes from the hub within the process or from the hub over the wire; a node with neither is alone and serves its
own region.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from govcode_node.federation.exchange import TrustExchange
from govcode_node.federation.hub_client import HubClient
from govcode_node.federation.incidents import Incidents
from govcode_node.federation.lists import LIST_MAX_AGE, ListFetcher, RevocationShelf
from govcode_node.federation.local_hub import LocalHub
from govcode_node.federation.registration import NodeRegistrar
from govcode_node.federation.reporter import Reporter, ReportPosition
from govcode_node.ground import Ground, peer_settings
from govcode_node.home import registered_hub_of, registration_of
from govcode_node.loops import BackgroundLoop
from govcode_node.usecases.hub_board import HubBoard
from govcode_node.usecases.hub_registry import HubRegistry
from govcode_node.usecases.node_status import NodeFacts, NodeStatusKeeper, Surroundings

_HUB_LIST_MAX_AGE: Final = timedelta(minutes=5)
"""The hub tells everybody which revocation lists there are, so it looks for new ones more often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub's use cases, where the node is the hub."""

    registry: HubRegistry
    board: HubBoard


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The node's place.

    Attributes:
        status: Its own condition.
        hub: The hub's part; None elsewhere.
    """

    status: NodeStatusKeeper
    hub: Hub | None


async def join_federation(ground: Ground) -> Membership:
    """It takes up the node's place; its loops begin to work when the board of loops starts."""
    state = ground.config.trust.bundle_file.parent
    incidents = Incidents(database=ground.database, clock=ground.clock, own_call=ground.own_call)
    shelf = RevocationShelf(
        directory=state / "revocation-lists", reader=ground.reader, incidents=incidents, clock=ground.clock
    )
    ground.trust.connect(lists=shelf.get)
    lists = _fetch_lists(ground, shelf)
    hub = await _start_hub(ground, shelf) if ground.config.hub.enabled else None
    source = _link_to_hub(ground, hub)
    if source is None:
        return Membership(status=_condition_of(ground, None), hub=None)
    exchange = TrustExchange(
        held=ground.trust,
        source=source,
        reader=ground.reader,
        incidents=incidents,
        bundle_file=ground.config.trust.bundle_file,
        clock=ground.clock,
    )

    def fetch_lists_soon(_: object) -> None:
        # A new node's list must be here before that node is away; the pause lets it take up the same bundle first.
        asyncio.get_running_loop().call_later(2.0, lists.wake)

    exchange.on_change(fetch_lists_soon)
    await exchange.load()
    # After the bundle, without whose keys no list can be checked.
    await shelf.load()
    ground.stack.push_async_callback(exchange.close)
    status = _condition_of(ground, exchange)
    stream = ground.loop("trust bundle stream", exchange.watch, every=0, limit=60)
    poll = ground.config.trust.poll_interval.total_seconds()
    ground.loop("trust bundle poll", exchange.poll, every=poll, limit=10, jitter=0.2)
    _register_at(ground, source).on_approval(stream.wake)
    _report_to(ground, source, exchange=exchange, status=status, state=state)
    return Membership(status=status, hub=hub)


def _fetch_lists(ground: Ground, shelf: RevocationShelf) -> BackgroundLoop:
    fetcher = ListFetcher(
        own_id=ground.node.node_id,
        held=ground.trust,
        shelf=shelf,
        peers=ground.peers,
        clock=ground.clock,
        max_age=_HUB_LIST_MAX_AGE if ground.config.hub.enabled else LIST_MAX_AGE,
    )
    return ground.loop("revocation lists", fetcher.fetch_due, every=20, limit=60)


async def _start_hub(ground: Ground, shelf: RevocationShelf) -> Hub:
    own = registered_hub_of(ground.node, now=ground.clock.now())
    registry = HubRegistry(
        own=own,
        own_call=ground.own_call,
        database=ground.database,
        attestor=ground.attestor,
        reader=ground.reader,
        clock=ground.clock,
        list_digests=shelf.digests,
        reissue_after=ground.config.hub.republish_interval,
    )
    board = HubBoard(
        own=own,
        database=ground.database,
        reader=ground.reader,
        clock=ground.clock,
        silence_limit=ground.config.hub.down_after,
    )
    registry.on_node(board.take_node)
    await board.load()
    await registry.catch_up()
    await registry.reissue_if_due()
    ground.loop("bundle reissue", registry.reissue_if_due, every=10, limit=10)
    ground.loop("bundle of other workers", registry.catch_up, every=5, limit=10)
    ground.loop("status board", board.tick, every=1, limit=5)
    ground.loop("status board reload", board.load, every=60, limit=30)
    return Hub(registry=registry, board=board)


def _link_to_hub(ground: Ground, hub: Hub | None) -> LocalHub | HubClient | None:
    if hub is not None:
        return LocalHub(registry=hub.registry, board=hub.board, own_call=ground.own_call)
    endpoints = ground.config.trust.hub_endpoints
    if not endpoints:
        return None
    client = HubClient(
        endpoints=tuple(str(endpoint) for endpoint in endpoints),
        identity=ground.certificates.identity,
        settings=peer_settings(ground.config),
        clock=ground.clock,
    )
    ground.certificates.on_identity(client.replace_identity)
    ground.stack.push_async_callback(client.close)
    return client


def _condition_of(ground: Ground, exchange: TrustExchange | None) -> NodeStatusKeeper:
    return NodeStatusKeeper(
        facts=NodeFacts(
            node_id=ground.node.node_id,
            region_code=ground.node.region_code,
            software_version=ground.node.software_version,
            keystore=ground.keyring.keystore_kind(),
        ),
        clock=ground.clock,
        database=ground.database,
        trust=ground.trust,
        surroundings=Surroundings(
            peers=ground.peers.conditions,
            hub_silence=exchange.hub_silence if exchange is not None else lambda: None,
            oldest_loop=ground.loops.oldest_age,
            overdue_loops=ground.loops.overdue,
        ),
        sign=ground.keyring.check,
        bundle_warn_age=ground.config.trust.warn_after,
    )


def _register_at(ground: Ground, source: LocalHub | HubClient) -> NodeRegistrar:
    registrar = NodeRegistrar(
        registration=lambda: registration_of(ground.node),
        held=ground.trust,
        hub=source,
        attestor=ground.attestor,
    )
    ground.loop("registration", registrar.step, every=10, limit=10)
    return registrar


def _report_to(
    ground: Ground, source: LocalHub | HubClient, *, exchange: TrustExchange, status: NodeStatusKeeper, state: Path
) -> None:
    async def newer_bundle(version: int) -> None:
        held = ground.trust.bundle()
        if held is None or held.version < version:
            await exchange.refresh("the hub told of a newer bundle")

    reporter = Reporter(
        status=status,
        summarize=status.summary,
        sink=source,
        attestor=ground.attestor,
        position=ReportPosition(state / "report-position"),
        clock=ground.clock,
        newer_bundle=newer_bundle,
        longest_gap=ground.config.reporting.buffered_summaries,
    )
    ground.stack.push_async_callback(reporter.close)
    interval = ground.config.reporting.interval.total_seconds()
    ground.loop("status reports", reporter.step, every=interval, limit=10, jitter=0.2)
