"""Routes that lead in a circle, or too far, are stopped (6.2-12)."""

from pathlib import Path

import grpc
import pytest
from govcode.common.v1 import verdict_pb2
from kit.federation import BEIJING, SHANGHAI, WUHAN, Federation, held_version, scan_row
from kit.nodes import until
from kit.players import synthetic_people
from kit.questions import federation_service, moved, question
from kit.scripted_hub import ScriptedHub, bundle_with, signed, trust_in
from kit.serving import reason_of

LOOP = verdict_pb2.OUTCOME_LOOP_DETECTED


@pytest.mark.req("6.2-12")
async def test_two_nodes_that_send_a_region_to_each_other_answer_loop_detected(tmp_path: Path) -> None:
    async with ScriptedHub() as hub:
        shanghai, wuhan = [await hub.run_node(tmp_path, node_id) for node_id in (SHANGHAI, WUHAN)]
        try:
            own = {"31": SHANGHAI, "4201": WUHAN}
            for node_id, elsewhere in ((SHANGHAI, WUHAN), (WUHAN, SHANGHAI)):
                bundle = bundle_with(trust_in(shanghai), trust_in(wuhan), version=1, routes=own | {"65": elsewhere})
                hub.offer(await signed(bundle), to=node_id)
            await until(lambda: held_version(shanghai) == held_version(wuhan) == 1)
            for node in (shanghai, wuhan):
                await node.register_parties()
            holder = await wuhan.holders.open_account(synthetic_people()["张样例"])
            text = (await holder.present()).code.code_text
            assert (await shanghai.counter.scan(text)).verdict.outcome == verdict_pb2.OUTCOME_VALID
            for node in (shanghai, wuhan):
                answer = await node.counter.scan(moved(text, "650100"))
                assert answer.verdict.outcome == LOOP
                assert answer.verdict.decision == verdict_pb2.DECISION_REJECT
                assert answer.answer.decided_by_node_id == node.node_id
                row = await scan_row(node, "app:counter-app", answer.answer.biz_serial)
                assert row is not None
        finally:
            await shanghai.close()
            await wuhan.close()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.req("6.2-12")
async def test_a_question_may_pass_five_nodes_and_no_more(federation: Federation) -> None:
    holder = await federation.holder(WUHAN)
    as_beijing = federation_service(federation.wuhan.as_node(BEIJING))
    passed = [SHANGHAI, "320000", "330000", "340000"]

    async def ask(*hops: str) -> str:
        text = (await holder.present()).code.code_text
        try:
            await as_beijing.RecognizeCode(await question(federation.shanghai, WUHAN, text, hops=hops))
        except grpc.aio.AioRpcError as refused:
            return reason_of(refused)
        return "answered"

    assert await ask(*passed, BEIJING) == "answered"
    assert await ask(*passed, "350000", BEIJING) == "HOP_LIMIT"
    assert await ask(SHANGHAI, WUHAN, BEIJING) == "LOOP_DETECTED"
