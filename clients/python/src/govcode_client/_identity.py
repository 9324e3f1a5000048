"""Who calls: certificate, key and roots, as they stand in their files now.

Certificates live for weeks and are renewed while back ends run. An identity that came from files is read again when
they change; half a rotation, a new certificate beside the old key, leaves the old identity in force.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import grpc

_LOOK_EVERY: Final = 1.0
_log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Where an identity was read from, and how the files looked then."""

    certificate: Path
    key: Path
    roots: Path
    stamp: Stamp

    def look(self) -> Stamp:
        """It tells by which times, sizes and inodes a change of the files is seen.

        Raises:
            OSError: One of them is away.
        """
        paths = (self.certificate, self.key, self.roots)
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in (path.stat() for path in paths))

    def check(self) -> None:
        """It makes sure that certificate and key belong together and that the roots are certificates.

        Raises:
            OSError: They are not (`ssl.SSLError`), or cannot be read.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.roots)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """Who calls, and whom it believes; PEM.

    Attributes:
        certificate: Certificate of the caller, with intermediate ones where there are any.
        key: Its private key.
        roots: Authorities that may have signed a node's certificate.
        files: Where the three came from, so that a renewed certificate is noticed; None for bytes alone.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    roots: bytes
    files: IdentityFiles | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_files(cls, *, certificate: Path | str, key: Path | str, roots: Path | str) -> Self:
        """It reads the three files; a client that is made with the identity follows their changes.

        Raises:
            OSError: One of them cannot be read.
        """
        paths = Path(certificate), Path(key), Path(roots)
        # The look comes first: a file that changes between look and reading is read once more, not missed.
        stamp = IdentityFiles(*paths, ()).look()
        return cls(
            certificate=paths[0].read_bytes(),
            key=paths[1].read_bytes(),
            roots=paths[2].read_bytes(),
            files=IdentityFiles(*paths, stamp),
        )

    @classmethod
    def from_pem(cls, *, certificate: str, key: str, roots: str) -> Self:
        """It takes PEM texts, for example from a secret store; whoever holds them renews them.

        Raises:
            ValueError: One of the texts holds no PEM block.
        """
        for name, text in (("certificate", certificate), ("key", key), ("roots", roots)):
            if "-----BEGIN " not in text:
                raise ValueError(f"{name} is no PEM text")
        return cls(certificate=certificate.encode(), key=key.encode(), roots=roots.encode())

    def credentials(self) -> grpc.ChannelCredentials:
        """It gives what grpcio wants for mutual TLS."""
        return grpc.ssl_channel_credentials(
            root_certificates=self.roots, private_key=self.key, certificate_chain=self.certificate
        )


@dataclass(frozen=True, slots=True)
class LoopbackIdentity:
    """Nobody in particular, on this machine only: what `govcode_client.testing.FakeNode` is called with.

    The C core refuses such a channel to any other address than loopback, so it cannot reach a real deployment by
    mistake, and a real node refuses it since it shows no certificate.
    """

    def credentials(self) -> grpc.ChannelCredentials:
        """It gives credentials that hold on loopback only."""
        return grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)


Identity = ClientIdentity | LoopbackIdentity


class IdentitySource:
    """The identity as it stands now; may be asked by several threads."""

    def __init__(
        self, identity: Identity, *, look_every: float = _LOOK_EVERY, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """It begins with an identity.

        Args:
            identity: The first one; followed where it came from files.
            look_every: Seconds between two looks at the files.
            monotonic: Time.
        """
        self._identity = identity
        self._look_every = look_every
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._refused: Stamp = ()
        self._lock = threading.Lock()

    def current(self) -> Identity:
        """It gives the identity, read again where its files have changed and fit together."""
        with self._lock:
            now = self._monotonic()
            if now - self._looked_at >= self._look_every:
                self._looked_at = now
                self._renew()
            return self._identity

    def _renew(self) -> None:
        files = getattr(self._identity, "files", None)
        if files is None:
            return
        try:
            stamp = files.look()
            if stamp in (files.stamp, self._refused):
                return
            self._refused = stamp
            files.check()
            self._identity = ClientIdentity.from_files(certificate=files.certificate, key=files.key, roots=files.roots)
        except OSError as error:
            # Said once for each state of the files: the next half of the rotation changes them again.
            _log.warning("certificate files cannot be used; the old identity stays", extra={"error": str(error)})
            return
        _log.info("the certificate was renewed", extra={"certificate": str(files.certificate)})
