"""Configuration alone decides where a node's licences come from (5-03, 5-04)."""

import dataclasses
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from govcode_node.config import Config
from govcode_node.config_sections import LicencesConfig
from govcode_node.domain.licenses import Locator, LocatorSource
from govcode_node.licence_system import LicenceSystemConfigError, open_licence_system
from govcode_node.ports.licenses import LicenseProvider
from govcode_node.providers.licence.records import LicenceTrustError
from kit.clocks import MovableClock
from kit.shared_service import APP_ID, SECRET, FakeSharedService

ZHANG = Locator(name="张样例", number="420100198802149916", source=LocatorSource.STORE)
SOURCE = Path(__file__).resolve().parents[1] / "kit" / "synthetic_licences.toml"


class Configured:
    """A configuration of which only one section counts."""

    def __init__(self, licences: LicencesConfig) -> None:
        self.licences = licences


def opened(licences: LicencesConfig, clock: MovableClock, stack: AsyncExitStack) -> LicenseProvider | None:
    config = cast("Config", Configured(licences))
    return open_licence_system(config, node_id="310000", clock=clock, stack=stack)


async def name_on(provider: LicenseProvider | None) -> str:
    assert provider is not None
    licence = await provider.fetch(ZHANG, "birth-certificate", field_names=("name",), document=False)
    return licence.fields["name"]


async def test_node_without_a_licence_system_has_none(clock: MovableClock) -> None:
    async with AsyncExitStack() as stack:
        assert opened(LicencesConfig(), clock, stack) is None


@pytest.mark.req("5-03", "5-04")
async def test_two_configurations_are_two_licence_systems(tmp_path: Path, folder: Path, clock: MovableClock) -> None:
    embedded = LicencesConfig(folder=tmp_path / "made", synthetic_file=SOURCE)
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    async with FakeSharedService(folder) as service, AsyncExitStack() as stack:
        http = LicencesConfig(
            service_url=service.url,
            service_app_id=APP_ID,
            service_secret_file=secret,
            trust_file=folder / "trust.json",
        )
        assert await name_on(opened(embedded, clock, stack)) == "张样例"
        assert await name_on(opened(http, clock, stack)) == "张样例"


@pytest.mark.parametrize(
    "change", [{"service_secret_file": Path("/nowhere/secret")}, {"service_url": "http://licences.example"}]
)
async def test_service_that_cannot_be_used_is_said_at_start(
    folder: Path, clock: MovableClock, tmp_path: Path, change: dict[str, Any]
) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    http = LicencesConfig(
        service_url="https://licences.example",
        service_app_id=APP_ID,
        service_secret_file=tmp_path / "secret",
        trust_file=folder / "trust.json",
    )
    async with AsyncExitStack() as stack:
        assert opened(http, clock, stack) is not None
        with pytest.raises(LicenceSystemConfigError):
            opened(dataclasses.replace(http, **change), clock, stack)
        with pytest.raises(LicenceTrustError):
            opened(dataclasses.replace(http, trust_file=tmp_path / "secret"), clock, stack)


async def test_folder_that_is_not_there_is_said_at_start(tmp_path: Path, clock: MovableClock) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(LicenceTrustError):
            opened(LicencesConfig(folder=tmp_path / "none"), clock, stack)
