"""Which background loops the federation needs, with their intervals and limits in one place."""

from typing import Final

from govcode_node.federation.exchange import TrustExchange
from govcode_node.federation.lists import ListFetcher
from govcode_node.federation.peers import GrpcPeers
from govcode_node.federation.registration import NodeRegistrar
from govcode_node.federation.reporter import Reporter
from govcode_node.loops import BackgroundLoop
from govcode_node.ports.clock import Clock
from govcode_node.usecases.hub_board import HubBoard
from govcode_node.usecases.hub_registry import HubRegistry

POLL_INTERVAL: Final = 60.0
REPORT_INTERVAL: Final = 5.0

_WATCH_LIMIT: Final = 45.0


def node_loops(
    *,
    exchange: TrustExchange,
    fetcher: ListFetcher,
    registrar: NodeRegistrar,
    reporter: Reporter,
    peers: GrpcPeers,
    clock: Clock,
    poll_interval: float = POLL_INTERVAL,
    report_interval: float = REPORT_INTERVAL,
) -> list[BackgroundLoop]:
    """It gives the loops of every node, in the order in which to start them."""
    watch = BackgroundLoop("bundle watch", exchange.watch, interval=0.0, timeout=_WATCH_LIMIT, clock=clock)
    poll = BackgroundLoop("bundle poll", exchange.poll, interval=poll_interval, timeout=15.0, jitter=0.2, clock=clock)
    # Until its approval the hub refuses the node's questions, so that both pause longer and longer.
    registrar.on_approval(watch.wake)
    registrar.on_approval(poll.wake)
    return [
        watch,
        poll,
        BackgroundLoop("registration", registrar.step, interval=30.0, timeout=15.0, jitter=0.2, clock=clock),
        BackgroundLoop("revocation lists", fetcher.fetch_due, interval=20.0, timeout=90.0, jitter=0.2, clock=clock),
        BackgroundLoop("reports", reporter.step, interval=report_interval, timeout=10.0, jitter=0.2, clock=clock),
        BackgroundLoop("peer connections", peers.tend, interval=60.0, timeout=10.0, clock=clock),
    ]


def hub_loops(*, registry: HubRegistry, board: HubBoard, clock: Clock) -> list[BackgroundLoop]:
    """It gives the loops of the hub besides those of every node."""
    return [
        BackgroundLoop("bundle issue", registry.reissue_if_due, interval=5.0, timeout=30.0, clock=clock),
        BackgroundLoop("bundle of other workers", registry.catch_up, interval=2.0, timeout=10.0, clock=clock),
        BackgroundLoop("board", board.tick, interval=1.0, timeout=5.0, clock=clock),
        BackgroundLoop("board from the store", board.load, interval=60.0, timeout=30.0, clock=clock),
    ]
