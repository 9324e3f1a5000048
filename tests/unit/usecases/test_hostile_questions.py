"""A node that took no part knows an authorization's number: it gets an answer to its question, and not the grant."""

import pytest
from govcode_node.domain.authorizations import AuthorizationAnswer, AuthorizationQuestion, QuestionKind
from govcode_node.domain.evidence import EvidencePurpose
from kit.consent_in_memory import NAME_AND_BORN, Regions


@pytest.mark.req("N-23", "6.3-11")
async def test_a_node_that_asks_whether_a_grant_holds_is_not_given_the_grant(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    await regions.holder.decide(asked.authorization_id)
    question = AuthorizationQuestion(
        kind=QuestionKind.INTROSPECT,
        from_node="310000",
        to_node="420100",
        authorization_id=asked.authorization_id,
        app_id="whoever",
        licence_system="curious",
        asked_at=regions.home.clock.now(),
    )
    evidence = await regions.licensing.attestor.attest(EvidencePurpose.AUTHORIZATION_QUESTION, question)
    call = regions.counter.fetch_call(asked.authorization_id)[0]

    received = await regions.licensing.peers.ask_authorization("420100", question=evidence, call=call)

    read = await regions.licensing.reader.read(
        received, purpose=EvidencePurpose.AUTHORIZATION_ANSWER, kind=AuthorizationAnswer
    )
    assert (read.statement.active, read.statement.grant, read.statement.remaining_uses) == (False, b"", {})
