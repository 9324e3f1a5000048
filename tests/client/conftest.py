"""Both twins against the fake node, so that each claim is made once and shown twice."""

import asyncio
from collections.abc import Iterator

import pytest
from govcode_client import AsyncClient, Client
from govcode_client.testing import FakeNode
from kit.client_twins import Twin


@pytest.fixture
def node() -> Iterator[FakeNode]:
    """A fake node."""
    with FakeNode() as fake:
        yield fake


@pytest.fixture(params=["blocking", "asynchronous"])
def twin(request: pytest.FixtureRequest, node: FakeNode) -> Iterator[Twin]:
    """Each of the two clients, connected to the fake node."""
    with asyncio.Runner() as runner:
        client: Client | AsyncClient
        if request.param == "blocking":
            client = Client(node.address, node.identity, device_id="scanner-1", timeout=5)
        else:
            client = AsyncClient(node.address, node.identity, device_id="scanner-1", timeout=5)
        made = Twin(client, runner)
        yield made
        made.close()
