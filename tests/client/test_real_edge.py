"""The client against the real way in of a node: its refusals, its delays, and a connection that idles."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from govcode_client import AsyncClient, ClientIdentity, NodeBusyError, NodeError
from govcode_node.domain import errors
from kit.serving import Served, label_certificates

SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"


class Edge:
    """A real edge whose next scans fail as they are told, and a client of it."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.asked: list[str] = []

    async def serve(self, method: str, request: Any) -> None:
        """It is what the made-up servicers do."""
        self.asked.append(request.biz_serial)
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[tuple[Edge, AsyncClient]]:
    """A real edge with a client."""
    made = Edge()
    served = await Served(tmp_path, serve=made.serve).start()
    own = label_certificates(served.pki)["app.relying_party"]
    identity = ClientIdentity(certificate=own.certificate_pem, key=own.key_pem, roots=served.pki.roots_pem)
    async with AsyncClient(f"localhost:{served.port}", identity, timeout=5) as client:
        yield made, client
    await served.stop()


async def test_an_unavailable_node_is_asked_again_when_it_says_and_not_by_the_channel(
    edge: tuple[Edge, AsyncClient],
) -> None:
    made, client = edge
    made.failures = [errors.DrainingError()]
    await client.codes.scan(code_text="ZWM1:X", scene_no=1)
    assert len(made.asked) == 2
    assert len(set(made.asked)) == 1


async def test_a_delay_beyond_the_deadline_is_told_after_one_call(edge: tuple[Edge, AsyncClient]) -> None:
    made, client = edge
    made.failures = [errors.DrainingError()] * 9
    with pytest.raises(NodeBusyError, match="DRAINING"):
        await client.codes.scan(code_text="ZWM1:X", scene_no=1, timeout=0.9)
    assert len(made.asked) == 1


async def test_what_the_node_says_of_a_field_arrives(edge: tuple[Edge, AsyncClient]) -> None:
    made, client = edge
    made.failures = [errors.InvalidFieldError("scene_no", "is required")]
    with pytest.raises(NodeError, match="INVALID_FIELD") as refused:
        await client.codes.scan(code_text="ZWM1:X", scene_no=0)
    assert refused.value.fields == {"scene_no": "is required"}
    assert refused.value.advice_zh
