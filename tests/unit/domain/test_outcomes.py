import pytest
from govcode_node.domain.outcomes import Advice, Decision, Outcome, OutcomeNote, decision_of, describe

ASK = {"OFFLINE_VALID", "HOME_NODE_UNREACHABLE", "HOME_NODE_TIMEOUT", "MOVED", "NEED_SECOND_FACTOR", "TRUST_DATA_STALE"}


@pytest.mark.req("N-20")
def test_valid_alone_is_accepted_and_only_the_listed_outcomes_ask_the_operator() -> None:
    decided = {outcome.value: decision_of(outcome) for outcome in Outcome}
    assert {outcome for outcome, decision in decided.items() if decision is Decision.ACCEPT} == {"VALID"}
    assert {outcome for outcome, decision in decided.items() if decision is Decision.ASK_OPERATOR} == ASK


@pytest.mark.parametrize("unknown", ["", "valid", "VALID ", "OUTCOME_UNSPECIFIED", "BETTER_THAN_VALID"])
@pytest.mark.req("N-20")
def test_unknown_outcome_is_never_accepted(unknown: str) -> None:
    assert decision_of(unknown) is Decision.REJECT
    note = describe(unknown)
    assert note == OutcomeNote(unknown, Decision.REJECT, Advice.UPDATE_SOFTWARE, "未知结果，不予通过", "Unknown result")


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.req("N-20")
def test_every_outcome_has_advice_and_short_texts_in_both_languages(outcome: Outcome) -> None:
    note = describe(outcome.value)
    assert note.outcome == outcome
    assert note.advice in Advice
    assert 0 < len(note.text_zh) <= 20
    assert 0 < len(note.text_en) <= 20
    assert note.text_en.isascii()
    assert not note.text_zh.isascii()
    assert (note.advice is Advice.PROCEED) is (note.decision is Decision.ACCEPT)


@pytest.mark.req("N-20")
def test_no_two_outcomes_are_told_in_the_same_words() -> None:
    notes = [describe(outcome) for outcome in Outcome]
    assert len({note.text_zh for note in notes}) == len({note.text_en for note in notes}) == len(Outcome)


@pytest.mark.req("N-20")
def test_first_decision_is_reject_so_that_a_default_opens_no_door() -> None:
    assert next(iter(Decision)) is Decision.REJECT
