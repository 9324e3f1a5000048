"""Outcomes, decisions and the words that go with them, and the age of the trust data behind a verdict."""

from datetime import timedelta
from typing import Final

from govcode.common.v1 import verdict_pb2 as verdictv1

from govcode_node.domain.outcomes import Decision, Outcome, describe
from govcode_node.domain.scans import Freshness
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.times import whole_seconds

OUTCOMES: Final = EnumPair(Outcome, verdictv1.Outcome.Value, prefix="OUTCOME")
DECISIONS: Final = EnumPair(Decision, verdictv1.Decision.Value, prefix="DECISION")

UNKNOWN_OUTCOME: Final = Outcome.VERSION_UNSUPPORTED
"""How a finding reads that this release has no word for: a refusal whose advice is to update."""


def outcome_from_proto(value: int) -> Outcome:
    """It reads a finding; a missing or unknown one is a refusal, never an acceptance."""
    return OUTCOMES.known(value, default=UNKNOWN_OUTCOME)


def decision_from_proto(value: int) -> Decision:
    """It reads a decision; a missing or unknown one is a REJECT."""
    return DECISIONS.known(value, default=Decision.REJECT)


def verdict_to_proto(outcome: Outcome) -> verdictv1.Verdict:
    """It gives the judgement with its words; everything in it follows from the outcome (N-20)."""
    note = describe(outcome)
    return verdictv1.Verdict(
        decision=DECISIONS.to_proto(note.decision),
        outcome=OUTCOMES.to_proto(outcome),
        advice=note.advice.value,
        text_zh=note.text_zh,
        text_en=note.text_en,
    )


def freshness_to_proto(freshness: Freshness) -> verdictv1.Freshness:
    """It gives the ages in whole seconds; an age that is not known stays absent."""
    return verdictv1.Freshness(
        bundle_age_seconds=_seconds(freshness.bundle_age),
        revocation_list_age_seconds=_seconds(freshness.revocation_list_age),
    )


def freshness_from_proto(message: verdictv1.Freshness) -> Freshness:
    """It reads the ages that are there."""
    return Freshness(
        bundle_age=timedelta(seconds=message.bundle_age_seconds) if message.HasField("bundle_age_seconds") else None,
        revocation_list_age=timedelta(seconds=message.revocation_list_age_seconds)
        if message.HasField("revocation_list_age_seconds")
        else None,
    )


def _seconds(age: timedelta | None) -> int | None:
    return None if age is None else whole_seconds(age)
