"""The licence system of a node, as its configuration names it."""

import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from govcode_node.config import Config
from govcode_node.config_sections import LicencesConfig
from govcode_node.crypto.sm2 import Sm2Backend, select_backend
from govcode_node.domain.errors import FactsError
from govcode_node.ports.clock import Clock
from govcode_node.providers.licence.embedded import EmbeddedLicenseProvider
from govcode_node.providers.licence.http import HttpLicenseProvider
from govcode_node.providers.licence.records import load_licence_trust
from govcode_node.providers.licence.shared_service import SharedServiceClient
from govcode_node.providers.licence.shared_service_settings import SharedServiceSettings
from govcode_node.providers.licence.synthetic_licences import make_folder

OpenedLicenceSystem = EmbeddedLicenseProvider | HttpLicenseProvider
"""A licence provider; it is closed when the node stops."""


@dataclass(eq=False)
class LicenceSystemConfigError(FactsError):
    """The licence system cannot be used as it is configured."""

    why: str
    says = "the licence system cannot be used: {why}"


def open_licence_system(
    config: Config, *, node_id: str, clock: Clock, stack: AsyncExitStack
) -> OpenedLicenceSystem | None:
    """It opens the licence system, or gives None where the node has none.

    It reads files and may make the folder of synthetic licences, which takes a second: for the start of a node, before
    it serves.

    Args:
        config: The node's configuration.
        node_id: This node.
        clock: The node's clock.
        stack: Closes the system when the node stops.

    Raises:
        SyntheticLicencesError: The file of synthetic licences cannot be used.
        LicenceTrustError: The file that says whom to believe cannot be used.
        LicenceSystemConfigError: A file is missing, or address or secret cannot be used.
        LicenseSealInvalidError: A record of the folder has not its form.
    """
    system = _open(config.licences, node_id=node_id, clock=clock, backend=select_backend())
    if system is not None:
        stack.push_async_callback(system.close)
    return system


def _open(licences: LicencesConfig, *, node_id: str, clock: Clock, backend: Sm2Backend) -> OpenedLicenceSystem | None:
    try:
        if licences.folder is not None:
            return _embedded(licences, licences.folder, node_id=node_id, clock=clock, backend=backend)
        if licences.service_url is not None:
            return _http(licences, licences.service_url, node_id=node_id, clock=clock, backend=backend)
    except (OSError, ValueError) as error:
        raise LicenceSystemConfigError(str(error)) from error
    return None


def _embedded(
    licences: LicencesConfig, folder: Path, *, node_id: str, clock: Clock, backend: Sm2Backend
) -> EmbeddedLicenseProvider:
    if licences.synthetic_file is not None:
        make_folder(
            licences.synthetic_file,
            folder,
            node_id=node_id,
            make_key=lambda: _FreshKey(backend),
            now=clock.now(),
        )
    return EmbeddedLicenseProvider(folder, node_id=node_id, clock=clock, verify_sm2=backend.verify)


def _http(
    licences: LicencesConfig, url: str, *, node_id: str, clock: Clock, backend: Sm2Backend
) -> HttpLicenseProvider:
    app_id, secret_file, trust_file = licences.service_app_id, licences.service_secret_file, licences.trust_file
    if app_id is None or secret_file is None or trust_file is None:
        raise LicenceSystemConfigError("service_app_id, service_secret_file and trust_file are needed")
    settings = SharedServiceSettings(
        base_url=url,
        app_id=app_id,
        secret=secret_file.read_bytes().strip(),
        answer_timeout=licences.answer_timeout.total_seconds(),
        file_timeout=licences.file_timeout.total_seconds(),
        breaker_failures=licences.breaker_failures,
        breaker_open=licences.breaker_open.total_seconds(),
    )
    tls = ssl.create_default_context(cafile=licences.service_ca) if licences.service_ca is not None else None
    return HttpLicenseProvider(
        SharedServiceClient(settings, node_id=node_id, clock=clock, tls=tls),
        node_id=node_id,
        trust=load_licence_trust(trust_file),
        verify_sm2=backend.verify,
        clock=clock,
    )


class _FreshKey:
    """A key of a synthetic issuer, in memory alone."""

    def __init__(self, backend: Sm2Backend) -> None:
        self._backend = backend
        self._private = backend.generate()
        self.point = backend.public_point(self._private)

    def sign(self, data: bytes) -> bytes:
        return self._backend.sign(self._private, data)
