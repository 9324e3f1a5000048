"""A home node that lies: whatever it says that is not a fresh, signed answer to this very question is no answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import pytest_asyncio
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import scan_pb2 as scanv1
from govcode.common.v1 import evidence_pb2, verdict_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.digests import sm3
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import ScanAct
from govcode_node.wire.recognition import recognize_answer_to_proto
from kit.false_node import FalseNode
from kit.federation import BEIJING, SHANGHAI, WUHAN, Federation, audit_of, loop_of, open_federation
from kit.players import serial

pytestmark = pytest.mark.asyncio(loop_scope="module")

Asked = federationv1.RecognizeCodeRequest
Lie = Callable[["Liar", Asked], Awaitable[evidence_pb2.Evidence | None]]
UNREACHABLE = verdict_pb2.OUTCOME_HOME_NODE_UNREACHABLE


@dataclass
class Liar:
    """Wuhan, a node in good standing that answers falsely, and what it has said before."""

    federation: Federation
    node: FalseNode
    said: list[evidence_pb2.Evidence] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def liar(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Liar]:
    async with open_federation(tmp_path_factory.mktemp("liar"), SHANGHAI) as federation:
        node = FalseNode(WUHAN)
        await node.revokes()
        await node.join(federation)
        try:
            yield Liar(federation, node)
        finally:
            await node.server.stop()


async def honest(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    return await liar.node.evidence_of(liar.node.answer_to(asked))


def with_changes(**changes: object) -> Lie:
    """A lie that is signed well: one field is another."""

    async def lie(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
        return await liar.node.evidence_of(liar.node.answer_to(asked, **changes))

    return lie


def signed_with(**options: object) -> Lie:
    """A good answer, signed in another way."""

    async def lie(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
        return await liar.node.evidence_of(liar.node.answer_to(asked), **options)

    return lie


async def nothing(liar: Liar, asked: Asked) -> None:
    return None


async def unsigned(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    evidence = await honest(liar, asked)
    evidence.ClearField("sm2_signature")
    return evidence


async def altered(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    answer = liar.node.answer_to(asked)
    refusing = liar.node.answer_to(asked, outcome=Outcome.REVOKED)
    evidence = await liar.node.evidence_of(refusing)
    evidence.payload = recognize_answer_to_proto(answer).SerializeToString(deterministic=True)
    return evidence


async def replayed(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    """The good answer to another scan of the same organisation, given before."""
    return liar.said[0]


async def out_of_date(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    good, earlier = liar.node.answer_to(asked), timedelta(minutes=5)
    stale = liar.node.answer_to(asked, decided_at=good.decided_at - earlier, valid_until=good.valid_until - earlier)
    return await liar.node.evidence_of(stale)


async def swapped_serial(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    return await liar.node.evidence_of(liar.node.answer_to(asked, biz_serial="another-serial"))


async def another_kind(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    """The same bytes, said to be the answer to an application."""
    kind = scanv1.ScanAnswer.DESCRIPTOR.full_name
    return await liar.node.evidence_of(
        liar.node.answer_to(asked), purpose=EvidencePurpose.SCAN_ANSWER, payload_type=kind
    )


async def not_a_message(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    return await liar.node.sign(b"\xff\xff\xff")


async def of_shanghai_itself(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    """What the asking node has signed, sent back."""
    return asked.request


async def too_large(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
    return await liar.node.evidence_of(liar.node.answer_to(asked, sealed_fields=b"\x00" * 300_000))


LIES: dict[str, Lie] = {
    "nothing": nothing,
    "unsigned": unsigned,
    "altered after signing": altered,
    "of a key that is nobody's": signed_with(key="a stranger's"),
    "signed for another purpose": signed_with(purpose=EvidencePurpose.SCAN_ANSWER),
    "another kind of statement": another_kind,
    "not a message": not_a_message,
    "in another node's name": signed_with(node_id=SHANGHAI),
    "in the name of a node that is none": signed_with(node_id=BEIJING),
    "the question sent back": of_shanghai_itself,
    "too large": too_large,
    "signed two minutes ago": signed_with(at=timedelta(minutes=-2)),
    "signed in the future": signed_with(at=timedelta(minutes=2)),
    "valid until five minutes ago": out_of_date,
    "the answer to another scan": replayed,
    "the answer to another serial": swapped_serial,
    "the answer to another question": with_changes(request_digest=sm3(b"another")),
    "about another code": with_changes(code_id=b"another code id."),
    "about no code": with_changes(code_id=b""),
    "for another application": with_changes(app_id="clinic-app"),
    "for another node": with_changes(visited_node=BEIJING),
    "as another home": with_changes(home_node=BEIJING),
    "for another act": with_changes(act=ScanAct.VERIFY),
    "with fields that cannot be opened": with_changes(sealed_fields=b"\x01" * 120),
}


async def scan(liar: Liar, code_text: str, lie: Lie, *, scene_no: int = 1) -> appv1.ScanCodeResponse:
    async def answer(asked: Asked) -> evidence_pb2.Evidence | None:
        evidence = await lie(liar, asked)
        if evidence is not None:
            liar.said.append(evidence)
        return evidence

    liar.node.tells(answer)
    biz_serial = serial("lie")
    return await liar.federation.shanghai.counter.scan(code_text, biz_serial=biz_serial, scene_no=scene_no)


async def test_the_same_node_is_believed_when_it_answers_honestly(liar: Liar) -> None:
    for signed in (False, True):
        answer = await scan(liar, liar.node.code(signed=signed), honest)
        assert answer.verdict.outcome == verdict_pb2.OUTCOME_VALID
        assert answer.answer.decided_by_node_id == WUHAN


@pytest.mark.req("6.2-05", "8.1-04")
@pytest.mark.parametrize("what", LIES)
async def test_a_false_answer_is_no_answer_and_is_written_down(liar: Liar, what: str) -> None:
    if not liar.said:
        await scan(liar, liar.node.code(), honest)
    answer = await scan(liar, liar.node.code(), LIES[what])
    assert answer.verdict.outcome == UNREACHABLE
    assert answer.verdict.decision == verdict_pb2.DECISION_ASK_OPERATOR
    assert answer.answer.decided_by_node_id == SHANGHAI
    assert not answer.answer.pairwise_id
    assert not answer.answer.fields
    assert not answer.HasField("home_evidence")
    told = await audit_of(liar.federation.shanghai, biz_serial=answer.answer.biz_serial)
    (refused,) = [record for record in told if record.entry.action is AuditAction.PEER_ANSWER_REFUSED]
    assert refused.entry.object == WUHAN


@pytest.mark.req("6.2-05", "6.2-11")
async def test_a_signed_code_is_not_good_offline_because_its_home_lies(liar: Liar) -> None:
    shanghai = liar.federation.shanghai
    if shanghai.app.trust.revocation_list(WUHAN) is None:
        assert await loop_of(shanghai, "revocation lists").run_once()
    assert shanghai.app.trust.revocation_list(WUHAN) is not None
    answer = await scan(liar, liar.node.code(signed=True), unsigned, scene_no=3)
    assert answer.verdict.outcome == UNREACHABLE
    # Were it away instead, it would be.
    await liar.node.server.stop()
    away = await scan(liar, liar.node.code(signed=True), honest, scene_no=3)
    await liar.node.server.start()
    # Until each of Shanghai's connections is there again.
    async with asyncio.timeout(15):
        good = 0
        while good < 4:
            answer = await scan(liar, liar.node.code(), honest)
            good = good + 1 if answer.verdict.outcome == verdict_pb2.OUTCOME_VALID else 0
            await asyncio.sleep(0.02)
    assert away.verdict.outcome == verdict_pb2.OUTCOME_OFFLINE_VALID


@pytest.mark.req("6.2-04", "N-20")
async def test_a_finding_of_a_newer_release_is_never_taken_for_a_good_one(liar: Liar) -> None:
    async def of_tomorrow(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
        message = recognize_answer_to_proto(liar.node.answer_to(asked))
        message.outcome = 99  # type: ignore[assignment]
        message.MergeFromString(b"\xfa\x3e\x03new")
        return await liar.node.sign(message.SerializeToString())

    answer = await scan(liar, liar.node.code(), of_tomorrow)
    assert answer.verdict.decision == verdict_pb2.DECISION_REJECT
    assert answer.answer.outcome != verdict_pb2.OUTCOME_VALID
    assert not answer.answer.pairwise_id


@pytest.mark.req("6.2-04")
@pytest.mark.parametrize("outcome", [Outcome.REVOKED, Outcome.FROZEN, Outcome.SUBJECT_SUSPENDED, Outcome.CONSUMED])
async def test_what_the_home_refuses_is_refused(liar: Liar, outcome: Outcome) -> None:
    # A VALID answer's trappings do not help: the finding decides.
    answer = await scan(liar, liar.node.code(), with_changes(outcome=outcome))
    assert verdict_pb2.Outcome.Name(answer.verdict.outcome) == f"OUTCOME_{outcome}"
    assert answer.verdict.decision == verdict_pb2.DECISION_REJECT


@pytest.mark.req("6.2-05")
async def test_an_answer_with_fields_of_a_newer_release_is_believed(liar: Liar) -> None:
    async def of_tomorrow(liar: Liar, asked: Asked) -> evidence_pb2.Evidence:
        message = recognize_answer_to_proto(liar.node.answer_to(asked))
        message.MergeFromString(b"\xfa\x3e\x03new")
        return await liar.node.sign(message.SerializeToString())

    assert (await scan(liar, liar.node.code(), of_tomorrow)).verdict.outcome == verdict_pb2.OUTCOME_VALID
