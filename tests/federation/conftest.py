"""One federation for the whole run, and small ones for stories that break things."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from kit.federation import BEIJING, SHANGHAI, WUHAN, Federation, open_federation
from kit.licence_players import LicenceLand, open_licence_land


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def federation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Federation]:
    """Hub, Beijing, Shanghai and Wuhan; no story may stop or suspend any of them."""
    folder = tmp_path_factory.mktemp("federation")
    async with open_federation(folder, BEIJING, SHANGHAI, WUHAN) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def licence_land(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenceLand]:
    """The same with licence systems; a story that stops a node starts it again."""
    async with open_licence_land(tmp_path_factory.mktemp("licence-land")) as land:
        yield land


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories of one of the federations run next to each other, in whatever order they have among themselves.

    Their event loop stands still while tests with loops of their own run, and with it everything that the nodes do by
    themselves, reports to the hub among it. After minutes of that the nodes would have to be found anew.
    """
    items.sort(key=lambda item: [name in getattr(item, "fixturenames", ()) for name in ("federation", "licence_land")])
