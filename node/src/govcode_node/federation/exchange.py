"""The trust bundle's way from the hub into this node: pushed, polled, asked for; checked, kept on disk, swapped whole.

A node works from its copy for up to 72 hours without the hub, so the copy must survive a restart, and nothing may
replace it but a newer bundle that the hub signed (7.3-03, 7.3-04).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.nodes import NodeKeyPurpose, NodeState
from govcode_node.domain.recognition import EvidenceRefusedError
from govcode_node.domain.routes import BundleConflictError, BundleRollbackError, TrustBundle
from govcode_node.federation.files import read_file, replace_file_aside
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.hub_link import BundleSource
from govcode_node.federation.incidents import Incidents
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import EvidenceReader

log = logging.getLogger(__name__)

_REFRESH_PAUSE: Final = 5.0
_REFRESH_TIMEOUT: Final = 2.0

BundleListener = Callable[[TrustBundle], None]


class TrustExchange:
    """It keeps the held bundle up to date.

    `load` comes first; `watch` and `poll` are steps of background loops, `watch` one without an interval whose step
    must be given at least 45 s, since the hub may be silent for 20.
    """

    def __init__(
        self,
        *,
        held: HeldTrust,
        source: BundleSource,
        reader: EvidenceReader,
        incidents: Incidents,
        bundle_file: Path,
        clock: Clock,
    ) -> None:
        """It takes what it works with.

        Args:
            held: What it fills.
            source: The hub.
            reader: Checks bundles.
            incidents: Where refusals are noted.
            bundle_file: Where the newest bundle is kept.
            clock: The clock.
        """
        self._held = held
        self._source = source
        self._reader = reader
        self._incidents = incidents
        self._bundle_file = bundle_file
        self._clock = clock
        self._listeners: list[BundleListener] = []
        self._taking = asyncio.Lock()
        self._stream: AsyncIterator[bytes | None] | None = None
        self._heard_at: float | None = None
        self._asked_at: float | None = None
        self._asking: asyncio.Task[None] | None = None
        held.connect(refresher=self.refresh)

    def on_change(self, listener: BundleListener) -> None:
        """It calls the listener with each new bundle after it is held."""
        self._listeners.append(listener)

    def hub_silence(self) -> float | None:
        """It gives the seconds since the hub was heard; None if it never was."""
        return None if self._heard_at is None else max(0.0, self._clock.monotonic() - self._heard_at)

    async def load(self) -> None:
        """It takes up the bundle on disk, checked like one from the wire. A bad file is refused and stays for study."""
        try:
            evidence = await asyncio.to_thread(read_file, self._bundle_file)
        except OSError as error:
            log.error("trust bundle file unreadable", extra={"why": str(error)})  # noqa: TRY400 - the reason says it all
            return
        if evidence is not None:
            await self._take(evidence, keep=False)

    async def watch(self) -> None:
        """It takes the next message of the hub's stream, which it opens where need be."""
        try:
            if self._stream is None:
                self._stream = self._source.watch_bundles(self._version())
            evidence = await anext(self._stream)
        except StopAsyncIteration:
            self._stream = None
            return
        except BaseException:
            # A timeout or a fault leaves the stream in no state to go on.
            self._stream = None
            raise
        self._heard()
        if evidence is not None:
            await self._take(evidence)

    async def poll(self) -> None:
        """It asks the hub for a newer bundle: the backstop where the stream brings nothing.

        Raises:
            GovcodeError: The hub refuses, or does not answer.
        """
        self._asked_at = self._clock.monotonic()
        evidence = await self._source.newest_bundle(self._version())
        self._heard()
        if evidence is not None:
            await self._take(evidence)

    async def refresh(self, why: str) -> None:
        """It asks the hub now, unless it was asked in the last 5 s; those who come meanwhile wait for one answer.

        Failure is silent and the wait is short: this is called while somebody waits for an answer.
        """
        if self._asking is None:
            now = self._clock.monotonic()
            if self._asked_at is not None and now - self._asked_at < _REFRESH_PAUSE:
                return
            log.info("trust bundle asked for", extra={"why": why})
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        # One who gives up must not take the answer away from the others.
        await asyncio.shield(self._asking)

    async def heard_of(self, version: int) -> None:
        """It asks for the bundle where the hub has spoken of a newer one than is held."""
        if version > self._version():
            await self.refresh(f"the hub has version {version}")

    async def close(self) -> None:
        """It ends the stream and what is under way."""
        stream, self._stream = self._stream, None
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(_REFRESH_TIMEOUT):
                await self.poll()
        except (GovcodeError, TimeoutError) as error:
            log.info("trust bundle not refreshed", extra={"why": f"{type(error).__name__}: {error}"})
        except Exception:
            log.exception("trust bundle not refreshed")
        finally:
            self._asking = None

    def _version(self) -> int:
        bundle = self._held.bundle()
        return 0 if bundle is None else bundle.version

    def _heard(self) -> None:
        self._heard_at = self._clock.monotonic()

    async def _take(self, evidence: bytes, *, keep: bool = True) -> None:
        """It checks a bundle and, if it is newer, keeps it and swaps it in; refusals are noted and change nothing."""
        async with self._taking:
            try:
                read = await self._reader.read_bundle(evidence)
                read.statement.check_successor_of(self._held.bundle())
            except (EvidenceRefusedError, BundleConflictError, BundleRollbackError) as error:
                about = "disk" if not keep else "hub"
                why = f"{error}; SM3 {sm3(evidence)[:8].hex()}"
                await self._incidents.refused(AuditAction.BUNDLE_REFUSED, about=about, why=why)
                return
            self._incidents.accepted(AuditAction.BUNDLE_REFUSED, about="hub")
            bundle, held = read.statement, self._held.bundle()
            if held is not None and (bundle.version, bundle.issued_at) == (held.version, held.issued_at):
                return
            if keep:
                await self._keep(evidence)
            self._held.swap(bundle, evidence)
        log.info("trust bundle taken", extra={"version": bundle.version, "nodes": len(bundle.nodes)})
        _report_useless_entries(bundle)
        self._tell(bundle)

    async def _keep(self, evidence: bytes) -> None:
        try:
            await replace_file_aside(self._bundle_file, evidence)
        except OSError as error:
            # A suspension must take effect even if the disk is full; only a restart would lose it.
            log.error("trust bundle not kept on disk", extra={"why": str(error)})  # noqa: TRY400 - the reason says it all

    def _tell(self, bundle: TrustBundle) -> None:
        for listener in self._listeners:
            try:
                listener(bundle)
            except Exception:
                log.exception("trust bundle listener failed")


def _report_useless_entries(bundle: TrustBundle) -> None:
    """It names each active node that nothing can be done with, so that it is not dropped without a word."""
    for node in bundle.nodes:
        if node.state is not NodeState.ACTIVE:
            continue
        purposes = {key.purpose for key in node.keys}
        lacking = [
            purpose.value for purpose in (NodeKeyPurpose.SIGN, NodeKeyPurpose.ENCRYPT) if purpose not in purposes
        ]
        if not node.endpoints:
            lacking.append("endpoints")
        if lacking:
            log.warning("trust bundle entry of no use", extra={"node": node.node_id, "lacking": ",".join(lacking)})
