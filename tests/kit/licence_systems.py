"""Each licence provider with the licence system behind it, which tests can spoil in the same words."""

import json
from pathlib import Path
from typing import Any, Protocol, Self

from govcode_node.domain.licenses import LicenseStatus
from govcode_node.ports.licenses import LicenseProvider
from govcode_node.providers.licence.embedded import EmbeddedLicenseProvider
from govcode_node.providers.licence.http import HttpLicenseProvider
from govcode_node.providers.licence.records import load_licence_trust
from govcode_node.providers.licence.shared_service import SharedServiceClient
from govcode_node.providers.licence.shared_service_settings import SharedServiceSettings
from kit.clocks import MovableClock
from kit.licence_files import verify_sm2
from kit.shared_service import APP_ID, SECRET, FakeSharedService

NODE = "310000"


class LicenceSystem(Protocol):
    """A provider under test, and what can be done to its licence system."""

    provider: LicenseProvider

    def __init__(self, folder: Path, clock: MovableClock) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def go_away(self) -> None: ...

    async def over_return(self) -> None: ...

    async def say(self, license_type: str, status: LicenseStatus) -> None: ...

    async def alter_records(self, change: Any) -> None: ...

    async def alter_documents(self, change: Any) -> None: ...


def records_of(folder: Path) -> list[Path]:
    return sorted((folder / "records").iterdir())


class EmbeddedSystem:
    """The embedded provider; its system is a folder."""

    provider: EmbeddedLicenseProvider

    def __init__(self, folder: Path, clock: MovableClock) -> None:
        self._folder = folder
        self._clock = clock
        self._open()

    def _open(self) -> None:
        self.provider = EmbeddedLicenseProvider(self._folder, node_id=NODE, clock=self._clock, verify_sm2=verify_sm2)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def go_away(self) -> None:
        self.provider.available = False

    async def over_return(self) -> None:
        self.provider.over_returns = True

    async def say(self, license_type: str, status: LicenseStatus) -> None:
        def change(held: dict[str, Any]) -> None:
            if held["record"]["license_type"] == license_type:
                held["status"] = status.name

        await self.alter_records(change)

    async def alter_records(self, change: Any) -> None:
        for path in records_of(self._folder):
            held = json.loads(path.read_text(encoding="utf-8"))
            change(held)
            path.write_text(json.dumps(held), encoding="utf-8")
        self._open()

    async def alter_documents(self, change: Any) -> None:
        for path in (self._folder / "documents").iterdir():
            path.write_bytes(change(path.read_bytes()))


class HttpSystem:
    """The HTTP provider; its system is a service on loopback."""

    provider: HttpLicenseProvider

    def __init__(self, folder: Path, clock: MovableClock) -> None:
        self._folder = folder
        self._clock = clock
        self.service = FakeSharedService(folder)
        self._made: list[HttpLicenseProvider] = []

    async def __aenter__(self) -> Self:
        await self.service.__aenter__()
        self.use()
        return self

    def use(self, **settings: Any) -> None:
        """It makes the provider anew, with other patience."""
        chosen = SharedServiceSettings(base_url=self.service.url, app_id=APP_ID, **{"secret": SECRET} | settings)
        self.client = SharedServiceClient(chosen, node_id=NODE, clock=self._clock)
        self.provider = HttpLicenseProvider(
            self.client,
            node_id=NODE,
            trust=load_licence_trust(self._folder / "trust.json"),
            verify_sm2=verify_sm2,
            clock=self._clock,
        )
        self._made.append(self.provider)

    async def __aexit__(self, *_: object) -> None:
        for provider in self._made:
            await provider.close()
        await self.service.__aexit__()

    async def go_away(self) -> None:
        await self.service.stop()

    async def over_return(self) -> None:
        self.service.over_returns = True

    async def say(self, license_type: str, status: LicenseStatus) -> None:
        def spoil(path: str, data: Any) -> Any:
            if path == "record" and data["record"]["license_type"] == license_type:
                data["status"] = status.name
            return data

        self.service.spoil = spoil

    async def alter_records(self, change: Any) -> None:
        def spoil(path: str, data: Any) -> Any:
            if path == "record":
                change(data)
            return data

        self.service.spoil = spoil

    async def alter_documents(self, change: Any) -> None:
        self.service.spoil = lambda path, data: change(data) if path == "file" else data
