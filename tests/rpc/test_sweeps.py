"""Every method of the contract, through a real server: who is refused, and what every answer brings."""

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode_node.rpc.policy import Policy
from kit.serving import Served, attempt, begin, details_of, label_certificates, method_descriptors, reason_of

METHODS = method_descriptors()
POLICY = Policy.load().methods
ANSWER_KEYS = ("govcode-request-id", "govcode-node-id", "govcode-server-time")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], grpc.aio.AioRpcError | None]:
    """The refusal of every method to every label, from one server with one connection for each label."""

    async def sweep(folder: Path) -> dict[tuple[str, str], grpc.aio.AioRpcError | None]:
        served = await Served(folder).start()
        found: dict[tuple[str, str], grpc.aio.AioRpcError | None] = {}
        for label in label_certificates(served.pki):
            channel = served.channel(label)
            refusals = await asyncio.gather(*(attempt(channel, method) for method in METHODS))
            found |= {(label, method): refused for method, refused in zip(METHODS, refusals, strict=True)}
        await served.stop()
        return found

    return asyncio.run(sweep(tmp_path_factory.mktemp("sweep")))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_method_serves_its_callers_and_nobody_else(
    method: str, swept: dict[tuple[str, str], grpc.aio.AioRpcError | None]
) -> None:
    for label in label_certificates_names():
        refused = swept[label, method]
        if label in POLICY[method]:
            assert refused is None, label
            continue
        assert refused is not None, label
        assert refused.code() is grpc.StatusCode.PERMISSION_DENIED, label
        expected = "NODE_NOT_APPROVED" if label == "candidate" and "node" in POLICY[method] else "CALLER_NOT_ALLOWED"
        assert reason_of(refused) == expected, label


def label_certificates_names() -> list[str]:
    return sorted({label for labels in POLICY.values() for label in labels if label != "authenticated"} | {"licence"})


@pytest.mark.req("N-50")
async def test_every_answer_names_request_node_and_time(start_server: Any) -> None:
    served = await start_server()
    for method, descriptor in METHODS.items():
        label = min(POLICY[method])
        call = begin(served.channel(label), method, metadata=(("govcode-request-id", "r-1"),))
        if descriptor.server_streaming:
            metadata = await call.initial_metadata()
            call.cancel()
        else:
            await call
            metadata = await call.trailing_metadata()
        check_answer(dict(metadata), "r-1")


@pytest.mark.req("N-50")
async def test_every_refusal_names_request_node_and_time(start_server: Any) -> None:
    served = await start_server()
    for method in METHODS:
        label = "operator.audit" if "operator.audit" not in POLICY[method] else "licence"
        refused = await attempt(served.channel(label), method, metadata=(("govcode-request-id", "r-2"),))
        assert refused is not None
        check_answer(dict(refused.trailing_metadata()), "r-2")
        assert details_of(refused)["RequestInfo"].request_id == "r-2"


@pytest.mark.req("N-50")
async def test_a_request_without_id_gets_one_and_each_another(start_server: Any) -> None:
    served = await start_server()
    method = "/govcode.code.v1.CodeApplicationService/ScanCode"
    channel = served.channel("app.relying_party")
    seen = set()
    for sent in ((), (("govcode-request-id", "x" * 65),)):
        call = begin(channel, method, metadata=sent)
        await call
        seen.add(dict(await call.trailing_metadata())["govcode-request-id"])
    assert len(seen) == 2
    assert all(re.fullmatch(r"[0-9a-f]{24}", made) for made in seen)


def check_answer(metadata: dict[str, Any], request_id: str) -> None:
    assert metadata["govcode-request-id"] == request_id
    assert metadata["govcode-node-id"] == "110000"
    assert datetime.fromisoformat(metadata["govcode-server-time"]).utcoffset() is not None
