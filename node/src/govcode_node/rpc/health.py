"""Health as `grpc.health.v1`: SERVING means that the parts a service needs were tried and worked, not that it started.

Checks run every few seconds and on demand when an answer would be older than a second; however many ask, one run is
enough. A check that hangs counts as failed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from grpc_health.v1 import health_pb2

from govcode_node.ports.clock import Clock

HealthCheck = Callable[[], Awaitable[None]]
"""It raises unless a part of the node works now."""

REFRESH_SECONDS: Final = 5.0
CHECK_TIMEOUT_SECONDS: Final = 3.0
FRESH_SECONDS: Final = 1.0

_SERVING: Final[int] = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final[int] = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN: Final[int] = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
Status: TypeAlias = int
"""A value of `HealthCheckResponse.ServingStatus`, which the stubs of the library do not type."""

_log = logging.getLogger(__name__)


class NodeHealth:
    """The condition of each service of a node.

    Args:
        checks: The parts by name, for example `store` and `signing key`.
        needs: For each service the parts that it needs. The empty name stands for the whole node, which needs all.
        clock: Time.
    """

    def __init__(
        self, *, checks: Mapping[str, HealthCheck], needs: Mapping[str, tuple[str, ...]], clock: Clock
    ) -> None:
        self._checks = dict(checks)
        self._needs = {"": tuple(checks), **needs}
        self._clock = clock
        self._works = dict.fromkeys(checks, False)
        self._checked_at: float | None = None
        self._running: asyncio.Task[None] | None = None
        self._draining = False
        self._changed = asyncio.Event()

    @property
    def services(self) -> tuple[str, ...]:
        """Names that have a condition."""
        return tuple(self._needs)

    def status(self, service: str) -> Status:
        """It gives the condition of a service as found by the newest checks."""
        needs = self._needs.get(service)
        if needs is None:
            return SERVICE_UNKNOWN
        works = not self._draining and self._checked_at is not None and all(self._works[part] for part in needs)
        return _SERVING if works else _NOT_SERVING

    async def refresh(self, *, older_than: float = 0.0) -> None:
        """It runs the checks, unless the newest results are younger than that many seconds."""
        if self._checked_at is not None and self._clock.monotonic() - self._checked_at < older_than:
            return
        if self._running is None:
            self._running = asyncio.create_task(self._run_checks())
            self._running.add_done_callback(self._forget)
        # Shielded: a caller that goes away must not stop the run for those that wait with it.
        await asyncio.shield(self._running)

    async def keep_fresh(self) -> None:
        """It runs the checks again and again; it ends by being cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    def drain(self) -> None:
        """It makes every service NOT_SERVING for good, so that load balancers look elsewhere."""
        self._draining = True
        self._tell()

    async def changes(self, service: str) -> AsyncIterator[Status]:
        """It gives the condition of a service now, and then each time that it changes."""
        last: Status | None = None
        while True:
            changed = self._changed
            now = self.status(service)
            if now != last:
                last = now
                yield now
                continue
            await changed.wait()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._running = None

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run_checks(self) -> None:
        before = dict(self._works)
        first = self._checked_at is None
        parts = list(self._checks)
        self._works = dict(zip(parts, await asyncio.gather(*map(self._works_now, parts)), strict=True))
        self._checked_at = self._clock.monotonic()
        for part, works in self._works.items():
            if first or works != before[part]:
                level = logging.INFO if works else logging.ERROR
                _log.log(level, "a part of the node %s", "works" if works else "fails", extra={"part": part})
        if first or self._works != before:
            self._tell()

    async def _works_now(self, part: str) -> bool:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self._checks[part]()
        except Exception as error:
            _log.debug("health check failed", extra={"part": part, "error": type(error).__qualname__})
            return False
        return True
