"""Codes of a sandbox are worth nothing in production, and those of production nothing in a sandbox (N-54)."""

from pathlib import Path

import pytest
from govcode.common.v1 import verdict_pb2
from kit.nodes import running_node
from kit.players import synthetic_people
from kit.sandbox import SandboxCaller

SCAN = "govcode.code.v1.CodeApplicationService/ScanCode"
VERIFY = "govcode.code.v1.CodeBaseService/VerifyCode"


@pytest.mark.req("N-54")
async def test_production_and_sandbox_refuse_each_other(sandbox: SandboxCaller, tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", sandbox.facts["node_id"]) as production:
        assert production.app.node.test_environment is False
        await production.register_parties()
        holder = await production.holders.open_account(synthetic_people()["张样例"])
        ours = [(await holder.present()).code.code_text, (await holder.make_static()).code.code_text]
        for number, text in enumerate(ours):
            assert (await production.counter.scan(text)).verdict.outcome == verdict_pb2.OUTCOME_VALID
            for rpc in (SCAN, VERIFY):
                answer = sandbox.call(rpc, {"biz_serial": f"production-{number}", "code_text": text, "scene_no": 1})
                assert answer.verdict.outcome == verdict_pb2.OUTCOME_TEST_CODE
                assert answer.verdict.decision == verdict_pb2.DECISION_REJECT
        for name in ("valid", "valid_signed", "company"):
            theirs = sandbox.facts["placed_codes"][name]
            for answer in (await production.counter.scan(theirs), await production.counter.verify(theirs)):
                assert answer.verdict.outcome == verdict_pb2.OUTCOME_TEST_CODE
                assert answer.verdict.decision == verdict_pb2.DECISION_REJECT


@pytest.mark.req("N-54")
async def test_magic_means_nothing_in_production(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node") as production:
        await production.register_parties()
        holder = await production.holders.open_account(synthetic_people()["张样例"])
        text = (await holder.present()).code.code_text
        answer = await production.counter.scan(text, biz_serial="sandbox:RATE_LIMITED")
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_VALID
