"""Servers of the way in, over mutual TLS."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from kit.serving import Served

StartServer = Callable[..., Awaitable[Served]]


@pytest.fixture
async def start_server(tmp_path: Path) -> AsyncIterator[StartServer]:
    """It starts servers with what a test turns, and stops them after it."""
    started: list[Served] = []

    async def start(**settings: Any) -> Served:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        served = Served(folder, **settings)
        started.append(served)
        return await served.start()

    yield start
    for served in started:
        await served.stop()
