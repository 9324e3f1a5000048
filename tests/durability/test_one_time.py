"""A one-time code under concurrency, and answers that were lost on their way (6.1-06, 6.1-07)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.common.v1 import verdict_pb2
from govcode_node.domain.scans import ScanAct
from govcode_node.wire.attestation import WireAttestor
from grpc import aio
from kit.nodes import RunningNode, running_node
from kit.players import CounterDesk, Holder, dial, serial, synthetic_people

SCANS = 1_000
CONNECTIONS = 8


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path / "node") as node:
        await node.register_parties()
        yield node


async def a_holder(node: RunningNode) -> Holder:
    return await node.holders.open_account(next(iter(synthetic_people().values())))


def counter_channel(node: RunningNode) -> aio.Channel:
    """A connection of its own, as every counter of an organisation has one."""
    return dial(node.app.address, node.pki.app("counter-app", region=node.node_id), pki=node.pki)


async def lose_the_answer(
    node: RunningNode, request: appv1.ScanCodeRequest, loss: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """It scans, lets nobody read the answer, and returns the id of the scan that the node has kept.

    The signature of the answer, which comes after the commit, is held up until the caller is gone.
    """
    gone = asyncio.Event()
    attest = WireAttestor.attest_payload

    async def attest_late(self: WireAttestor, *arguments: Any) -> bytes:
        await gone.wait()
        return await attest(self, *arguments)

    monkeypatch.setattr(WireAttestor, "attest_payload", attest_late)
    channel = counter_channel(node)
    call = CounterDesk(channel).stub.ScanCode(request)
    scan_id = await kept_scan(node, request.biz_serial)
    if loss == "the caller gives up":
        call.cancel()
    await channel.close()
    with pytest.raises(asyncio.CancelledError):
        await call
    gone.set()
    return scan_id


async def kept_scan(node: RunningNode, biz_serial: str) -> str:
    """It waits until a scan is in the store, and returns its id."""
    async with asyncio.timeout(20):
        while True:
            row = await node.app.database.read(
                lambda tx: tx.scans.find(caller="app:counter-app", act=ScanAct.SCAN, biz_serial=biz_serial)
            )
            if row is not None:
                return row.scan_id
            await asyncio.sleep(0.01)


def outcome_of(answer: appv1.ScanCodeResponse) -> str:
    return verdict_pb2.Outcome.Name(answer.verdict.outcome).removeprefix("OUTCOME_")


@pytest.mark.req("6.1-06")
async def test_of_a_thousand_scans_at_once_exactly_one_is_valid(node: RunningNode) -> None:
    holder = await a_holder(node)
    code = (await holder.present(one_time=True)).code.code_text
    channels = [counter_channel(node) for _ in range(CONNECTIONS)]
    desks = [CounterDesk(channel) for channel in channels]
    try:
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        answers = await asyncio.gather(*(desks[i % CONNECTIONS].scan(code, timeout=30) for i in range(SCANS)))
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))

    assert Counter(outcome_of(answer) for answer in answers) == {"VALID": 1, "CONSUMED": SCANS - 1}
    assert len({answer.answer.scan_id for answer in answers}) == SCANS
    assert not any(answer.replayed for answer in answers)
    (valid,) = (answer for answer in answers if outcome_of(answer) == "VALID")
    assert valid.answer.fields, "the one who may see fields"
    assert not any(answer.answer.fields for answer in answers if answer is not valid)
    used_by = await node.app.database.read(lambda tx: tx.codes.consumed_by(valid.answer.code_id))
    assert used_by == valid.answer.scan_id


@pytest.mark.req("6.1-07")
@pytest.mark.parametrize("loss", ["the caller gives up", "the connection breaks"])
async def test_an_answer_that_was_lost_comes_again_under_its_serial(
    node: RunningNode, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = await a_holder(node)
    code = (await holder.present(one_time=True)).code.code_text
    number = serial("lost")
    request = appv1.ScanCodeRequest(biz_serial=number, code_text=code, scene_no=1)
    kept_scan_id = await lose_the_answer(node, request, loss, monkeypatch)

    again = await node.counter.stub.ScanCode(request)

    assert again.replayed
    assert outcome_of(again) == "VALID"
    assert again.answer.biz_serial == number
    assert again.answer.scan_id == kept_scan_id
    third = await node.counter.stub.ScanCode(request)
    assert (third.answer, third.evidence.payload) == (again.answer, again.evidence.payload)
    assert outcome_of(await node.counter.scan(code)) == "CONSUMED"
