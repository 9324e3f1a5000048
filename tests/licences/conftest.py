"""One folder of synthetic licences, made once, and the providers over it."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from govcode_node.providers.licence.synthetic_licences import make_folder
from kit.clocks import MovableClock
from kit.licence_files import KitKey
from kit.licence_systems import EmbeddedSystem, HttpSystem, LicenceSystem

LICENCES = Path(__file__).resolve().parents[1] / "kit" / "synthetic_licences.toml"
START = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("licences") / "held"
    make_folder(LICENCES, folder, node_id="310000", make_key=KitKey, now=START)
    return folder


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    return Path(shutil.copytree(made_folder, tmp_path / "held"))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(START)


@pytest.fixture(params=["embedded", "http"])
async def system(request: pytest.FixtureRequest, folder: Path, clock: MovableClock) -> AsyncIterator[LicenceSystem]:
    """Each licence provider, with the system behind it."""
    kind = EmbeddedSystem if request.param == "embedded" else HttpSystem
    async with kind(folder, clock) as running:
        yield running
