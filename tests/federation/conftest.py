"""One federation for the whole run, and small ones for stories that break things."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from kit.federation import BEIJING, SHANGHAI, WUHAN, Federation, open_federation


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def federation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Federation]:
    """Hub, Beijing, Shanghai and Wuhan; no story may stop or suspend any of them."""
    folder = tmp_path_factory.mktemp("federation")
    async with open_federation(folder, BEIJING, SHANGHAI, WUHAN) as running:
        yield running


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories of the one federation run next to each other, in whatever order they have among themselves.

    Its event loop stands still while tests with loops of their own run, and with it everything that the nodes do by
    themselves, reports to the hub among it. After minutes of that the nodes would have to be found anew.
    """
    items.sort(key=lambda item: "federation" in getattr(item, "fixturenames", ()))
