"""The node's certificate files, read again when they change, so that a renewal needs no restart.

What the port itself shows is followed by the edge. Here it is what this node shows when it calls others, and which
authorities it believes behind the handshake. Nodes elsewhere have shown expired certificates for hours because their
channels kept what they were made with.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Generic, TypeVar

from govcode_node.config_sections import ServerConfig
from govcode_node.crypto.certificates import CertificateChecker, ReloadingChecker, check_key_pair
from govcode_node.domain.errors import GovcodeError
from govcode_node.federation.channels import ChannelIdentity

_log: Final = logging.getLogger(__name__)

T = TypeVar("T")
IdentityListener = Callable[[ChannelIdentity], None]


class CertificateFilesError(GovcodeError):
    """What certificate files hold cannot be used; the message says which and why."""


class CertificateFiles:
    """What the certificate files hold now. `step` is the step of a loop of about 30 s.

    Files are taken as a whole or not at all: while certificate and key do not belong together, or an authority cannot
    be read, the old ones stay in force and every step fails, which the loop says aloud.

    Attributes:
        identity: What the node shows to others.
        checker: Says what a caller's certificate proves, by the authorities as the files have them.
    """

    def __init__(self, server: ServerConfig, *, now: Callable[[], datetime]) -> None:
        """It reads the files.

        Args:
            server: Where they lie.
            now: The clock.

        Raises:
            OSError: One cannot be read.
            CertificateFilesError: One holds no certificate, or certificate and key do not belong together.
        """
        self._server = server
        self._now = now
        self._listeners: list[IdentityListener] = []
        own = (server.certificate, server.key, server.federation_ca)
        self._own_files = _FileGroup("own certificate", lambda: own, self._load_identity)
        self._authority_files = _FileGroup("authorities", self._authority_paths, self._load_checker)
        self.identity = self._own_files.read()
        self.checker = ReloadingChecker(self._authority_files.read())

    def on_identity(self, listener: IdentityListener) -> None:
        """It calls the listener with what the node shows from then on, when that changes."""
        self._listeners.append(listener)

    async def step(self) -> None:
        """It takes up what has changed.

        Raises:
            OSError: A file cannot be read.
            CertificateFilesError: What the files hold cannot be used.
        """
        try:
            checker = await asyncio.to_thread(self._authority_files.changed)
            if checker is not None:
                self.checker.replace(checker)
        finally:
            # A broken authority of some region must not hold up the renewal of the node's own certificate.
            identity = await asyncio.to_thread(self._own_files.changed)
            if identity is not None:
                self.identity = identity
                for listener in self._listeners:
                    listener(identity)

    def _load_identity(self) -> ChannelIdentity:
        certificate, key = self._server.certificate.read_bytes(), self._server.key.read_bytes()
        federation_ca = self._server.federation_ca.read_bytes()
        check_key_pair(certificate, key)
        # Made for its refusals: channels would fail one by one with authorities that cannot be read.
        CertificateChecker(federation_ca, {}, now=self._now)
        return ChannelIdentity(certificate_pem=certificate, key_pem=key, federation_ca_pem=federation_ca)

    def _authority_paths(self) -> Sequence[Path]:
        return (self._server.federation_ca, *self._server.region_ca_files().values())

    def _load_checker(self) -> CertificateChecker:
        regions = {region: path.read_bytes() for region, path in self._server.region_ca_files().items()}
        return CertificateChecker(self._server.federation_ca.read_bytes(), regions, now=self._now)


class _FileGroup(Generic[T]):
    """Files that make one thing together. Not for use by two threads at once."""

    def __init__(self, name: str, paths: Callable[[], Sequence[Path]], load: Callable[[], T]) -> None:
        self._name = name
        self._paths = paths
        self._load = load
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def read(self) -> T:
        """It reads the files, whatever they are."""
        # Looked at before reading: what changes in between is found at the next look.
        seen = self._look()
        try:
            value = self._load()
        except ValueError as error:
            raise CertificateFilesError(f"the files of the {self._name} cannot be used: {error}") from error
        self._seen = seen
        return value

    def changed(self) -> T | None:
        """It reads the files where they are others than at the last reading that succeeded."""
        if self._look() == self._seen:
            return None
        value = self.read()
        _log.info("certificate files are reloaded", extra={"files": self._name})
        return value

    def _look(self) -> dict[Path, tuple[int, int, int]]:
        stats = {path: path.stat() for path in self._paths()}
        return {path: (stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in stats.items()}
