"""What nodes tell of themselves, and neighbours of different age: unknown fields and words are survivable (7.3-11)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.common.v1 import evidence_pb2, scene_pb2, verdict_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1 import recognition_pb2 as recognitionv1
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.wire.evidence import evidence_to_bytes
from kit.federation import BEIJING, HUB, SHANGHAI, WUHAN, Auditor, Federation, held_version, hub_key_of
from kit.players import serial
from kit.questions import federation_service, question
from kit.serving import reason_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW_FIELD = b"\xfa\x3e\x09of-a-year"
"""Field 1007 of some later release."""
VALID = verdict_pb2.OUTCOME_VALID


async def code_of(federation: Federation, **shown: Any) -> str:
    code_text: str = (await (await federation.holder(WUHAN)).present(**shown)).code.code_text
    return code_text


async def test_every_node_tells_its_peers_what_it_is_and_reads(federation: Federation) -> None:
    for node_id, node in (*federation.nodes.items(), (HUB, federation.hub)):
        told = await federation_service(node.as_node(BEIJING)).GetNode(federationv1.GetNodeRequest())
        assert told.node_id == node_id
        assert list(told.protocol_versions) == [1]
        assert list(told.code_schemes) == ["ZWM1"]
        assert told.software_version
        assert told.bundle_version == held_version(node)
        assert abs(told.server_time.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.req("7.3-11")
async def test_an_applications_newer_fields_are_passed_over(federation: Federation) -> None:
    request = appv1.ScanCodeRequest(
        biz_serial=serial("newer"), code_text=await code_of(federation), scene_no=1, place="大厅"
    )
    request.MergeFromString(NEW_FIELD)
    answer = await federation.shanghai.counter.stub.ScanCode(request)
    assert answer.verdict.outcome == VALID
    # The same bytes are the same act, those that this release cannot read included.
    assert (await federation.shanghai.counter.stub.ScanCode(request)).replayed


@pytest.mark.req("7.3-11")
async def test_a_newer_nodes_question_is_answered(federation: Federation) -> None:
    asked = await question(federation.shanghai, WUHAN, await code_of(federation))
    statement = recognitionv1.RecognizeRequest.FromString(asked.request.payload)
    statement.MergeFromString(NEW_FIELD)
    newer = await _signed_by_shanghai(federation, statement.SerializeToString(deterministic=True))
    newer.MergeFromString(NEW_FIELD)
    request = federationv1.RecognizeCodeRequest(request=newer, hops=[SHANGHAI])
    request.MergeFromString(NEW_FIELD)
    answered = await federation_service(federation.wuhan.as_node(SHANGHAI)).RecognizeCode(request)
    auditor = await Auditor.at(federation.shanghai.as_app("counter-app"), hub_key=hub_key_of(federation))
    answer = auditor.check(answered.answer, recognitionv1.RecognizeAnswer, purpose="RECOGNIZE_ANSWER")
    assert (answer.outcome, answer.home_node_id, answer.visited_node_id) == (VALID, WUHAN, SHANGHAI)


@pytest.mark.req("7.3-11", "6.2-06")
async def test_a_kind_of_scene_of_a_newer_release_gets_no_fields(federation: Federation) -> None:
    asked = await question(federation.shanghai, WUHAN, await code_of(federation))
    statement = recognitionv1.RecognizeRequest.FromString(asked.request.payload)
    assert statement.scene_class == scene_pb2.SCENE_CLASS_COUNTER
    statement.scene_class = 77  # type: ignore[assignment]
    newer = await _signed_by_shanghai(federation, statement.SerializeToString(deterministic=True))
    peer = federation_service(federation.wuhan.as_node(SHANGHAI))
    answered = await peer.RecognizeCode(federationv1.RecognizeCodeRequest(request=newer, hops=[SHANGHAI]))
    answer = recognitionv1.RecognizeAnswer.FromString(answered.answer.payload)
    assert answer.outcome == VALID
    assert answer.sealed_fields == b""


@pytest.mark.req("7.3-11")
async def test_words_that_a_node_does_not_know_are_refused_by_name_and_not_guessed(federation: Federation) -> None:
    holder = await federation.holder(WUHAN)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await holder.present(terminal_type=99)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refused.value) == "INVALID_FIELD"
    assert "terminal_type" in (refused.value.details() or "")


@pytest.mark.req("7.3-11")
async def test_a_method_of_a_newer_release_is_unimplemented_and_the_connection_goes_on(federation: Federation) -> None:
    channel = federation.wuhan.as_node(SHANGHAI)
    later: Any = channel.unary_unary("/govcode.federation.v1.FederationService/ForwardWish")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await later(b"")
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert (await federation_service(channel).GetNode(federationv1.GetNodeRequest())).node_id == WUHAN


async def _signed_by_shanghai(federation: Federation, payload: bytes) -> evidence_pb2.Evidence:
    kind = recognitionv1.RecognizeRequest.DESCRIPTOR.full_name
    attestor = federation.shanghai.app.ground.attestor._attestor
    evidence = await attestor.attest(EvidencePurpose.RECOGNIZE_REQUEST, kind, payload)
    return evidence_pb2.Evidence.FromString(evidence_to_bytes(evidence))
