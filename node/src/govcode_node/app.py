"""The composition root: from a configuration to a running node.

`App.start` brings the parts up in the order in which they need each other (`ground`, `membership`, `serving`), and
`App.stop` takes them down in reverse, so that a call in flight finds what it needs until it is answered. Roles are
configuration: a hub is a node whose hub section is enabled, and nothing outside these modules asks which role a node
has.
"""

import asyncio
import gc
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from govcode_node.around import NOTHING, Around
from govcode_node.config import Config
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.federation.holding import HeldTrust
from govcode_node.ground import Ground
from govcode_node.loops import LoopBoard
from govcode_node.membership import join_federation
from govcode_node.ports.clock import Clock
from govcode_node.serving import serve_calls, serve_metrics
from govcode_node.steps import Steps
from govcode_node.storage.database import SqlDatabase
from govcode_node.system_clock import SystemClock
from govcode_node.telemetry.logs import setup_logging


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One running node.

    Attributes:
        ground: What it stands on.
        steps: Its use cases.
        metrics_port: Where metrics are read; None where they are off.
    """

    ground: Ground
    steps: Steps
    metrics_port: int | None

    @classmethod
    async def start(cls, config: Config, *, clock: Clock | None = None, around: Around = NOTHING) -> Self:
        """It starts a node and returns once it serves.

        Args:
            config: What the node is.
            clock: Its time; the machine's where None.
            around: What a test bed puts around its parts.

        Raises:
            SelfTestError: An algorithm does not give its known answer; nothing was started.
            KeystoreError: The keys cannot be used.
            SchemaVersionError: The store needs `govcode migrate`, or is newer than this program.
            NotDurableError: The store does not wait for the disk.
            StoreUnavailableError: The store does not answer.
            CertificateFilesError: A certificate file holds none, or the key is another certificate's.
            OSError: The address is taken.
        """
        stack = AsyncExitStack()
        try:
            ground = await Ground.open(config, clock=clock or SystemClock(), stack=stack)
            steps = ground.make_steps(around)
            membership = await join_federation(ground)
            # Tried once before anybody asks, so that the first report does not call broken what was never tried.
            await membership.status.check()
            ground.loop("condition", membership.status.check, every=10, limit=10)
            ground.loop("certificate files", ground.certificates.step, every=30, limit=10)
            ground.loop("peers", ground.peers.tend, every=60, limit=30)
            authorizations = steps.authorizations
            ground.loop("withdrawals", authorizations.outbox.step, every=1, limit=60)
            ground.loop("undecided", authorizations.sweep.step, every=5, limit=30)
            ground.loop("records", authorizations.records.step, every=3600, limit=300, jitter=0.2)
            metrics_port = serve_metrics(ground)
            await serve_calls(ground, steps, membership, around)
            ground.loops.start()
            stack.push_async_callback(ground.loops.stop)
        except BaseException:
            await stack.aclose()
            raise
        return cls(ground=ground, steps=steps, metrics_port=metrics_port)

    async def stop(self) -> None:
        """It drains and stops: no new calls, those in flight are finished, then everything is closed."""
        await self.ground.stack.aclose()

    @property
    def address(self) -> str:
        """Where it listens, `host:port`."""
        return self.ground.address

    @property
    def node(self) -> NodeProfile:
        """Who it is."""
        return self.ground.node

    @property
    def database(self) -> SqlDatabase:
        """Its store."""
        return self.ground.database

    @property
    def trust(self) -> HeldTrust:
        """The trust bundle that it holds."""
        return self.ground.trust

    @property
    def loops(self) -> LoopBoard:
        """Its background loops."""
        return self.ground.loops


def spare_the_collector() -> None:
    """It makes garbage collection rare in a process that runs a node and nothing else; called once the node serves.

    A call leaves some hundred objects behind, and nearly all of them go by their reference counts. With its usual
    thresholds the collector looked at what is young after every few calls, and at all modules again and again, which
    took an eighth of the processor time of a busy node. What was made at the start stays for ever, so it is taken out
    of its sight. Cycles are still collected, after 50,000 objects: tens of megabytes at the most.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


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
    spare_the_collector()
    try:
        if ready_file is not None:
            await asyncio.to_thread(ready_file.write_text, app.address + "\n", encoding="ascii")
        await asked.wait()
    finally:
        await app.stop()
