"""Every outcome and every error reason is reached by what the credentials file says, and by nothing else (N-54)."""

import json
import stat

import govcode.business.v1.business_management_service_pb2
import govcode.code.v1.code_application_service_pb2
import govcode.code.v1.code_base_service_pb2
import govcode.hub.v1.hub_service_pb2
import govcode.operations.v1.operations_service_pb2
import govcode.routing.v1.code_routing_service_pb2
import govcode.security.v1.audit_service_pb2  # noqa: F401 - the pool knows a service once its module is loaded
import pytest
from govcode.common.v1 import verdict_pb2
from govcode.error.v1 import error_reason_pb2
from govcode_node.domain.outcomes import decision_of
from govcode_node.rpc.error_texts import ERROR_TEXTS
from kit.sandbox import RefusedCallError, SandboxCaller

OUTCOMES = {name.removeprefix("OUTCOME_") for name in verdict_pb2.Outcome.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}
REASONS = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name} - {
    "UNSPECIFIED"
}


@pytest.mark.req("N-54")
def test_every_outcome_is_reached(sandbox: SandboxCaller) -> None:
    reached = set()
    wrong = []
    for entry in sandbox.facts["magic"]["outcomes"]:
        verdict = sandbox.play(entry).verdict
        outcome = verdict_pb2.Outcome.Name(verdict.outcome).removeprefix("OUTCOME_")
        decision = verdict_pb2.Decision.Name(verdict.decision).removeprefix("DECISION_")
        reached.add(outcome)
        if (outcome, decision) != (entry["outcome"], decision_of(outcome)):
            wrong.append((entry["outcome"], entry["way"], outcome, decision))
        assert verdict.text_zh
    assert wrong == []
    assert reached == OUTCOMES


@pytest.mark.req("N-54")
def test_every_error_reason_is_reached_with_the_texts_of_production(sandbox: SandboxCaller) -> None:
    reached = set()
    wrong = []
    for entry in sandbox.facts["magic"]["reasons"]:
        with pytest.raises(RefusedCallError) as caught:
            sandbox.play(entry)
        refused = caught.value
        reached.add(refused.reason)
        if (refused.reason, refused.code) != (entry["reason"], entry["status"]):
            wrong.append((entry["reason"], entry["way"], entry["rpc"], refused.reason, refused.code))
            continue
        text = ERROR_TEXTS[refused.reason]
        assert refused.texts == {"zh-CN": text.zh, "en": text.en}
        if refused.code == "UNAVAILABLE":
            assert refused.retry_seconds is not None
    assert wrong == []
    assert reached == REASONS


def test_credentials_are_for_their_owner_alone(sandbox: SandboxCaller) -> None:
    assert stat.S_IMODE(sandbox.path.stat().st_mode) == 0o600
    assert json.loads(sandbox.path.read_text(encoding="utf-8")) == sandbox.facts
