"""The hub is away: nodes go on from their own copy, up to three days, and after a restart too (7.3-04, 5-04, N-48)."""

from datetime import timedelta
from pathlib import Path

import pytest
from govcode.common.v1 import verdict_pb2
from kit.federation import (
    BEIJING,
    HUB,
    SHANGHAI,
    WUHAN,
    Federation,
    bundle_of,
    held_version,
    loop_of,
    open_federation,
    status_of,
)
from kit.nodes import until
from kit.players import CounterDesk

VALID = verdict_pb2.OUTCOME_VALID
STALE = verdict_pb2.OUTCOME_TRUST_DATA_STALE


async def outcome(federation: Federation, home: str, desk: CounterDesk) -> verdict_pb2.Outcome.ValueType:
    """Let a holder of one node be scanned at a counter."""
    shown = await (await federation.holder(home)).present()
    return (await desk.scan(shown.code.code_text)).verdict.outcome


@pytest.mark.req("7.3-04", "5-04")
async def test_nodes_go_on_without_the_hub_after_a_restart_too_and_follow_it_when_it_is_back(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        await federation.stop(HUB)
        assert await outcome(federation, WUHAN, federation.shanghai.counter) == VALID
        assert await outcome(federation, WUHAN, federation.wuhan.counter) == VALID
        version = held_version(federation.shanghai)
        for node_id in (SHANGHAI, WUHAN):
            await federation.stop(node_id)
            await federation.start_again(node_id)
            assert held_version(federation[node_id]) == version
        assert await outcome(federation, WUHAN, federation.shanghai.counter) == VALID
        assert await outcome(federation, WUHAN, federation.wuhan.counter) == VALID
        await federation.start_again(HUB)
        await federation.start(BEIJING)
        await federation.everywhere(await federation.approve(BEIJING))
        assert bundle_of(federation.shanghai).node(BEIJING) is not None


@pytest.mark.req("7.3-04", "N-48")
async def test_a_bundle_of_three_days_stops_questions_to_other_regions_but_nothing_at_home(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        await federation.stop(HUB)

        def pass_by(span: timedelta) -> None:
            # What was dated last stays behind, however long the test itself has taken.
            for clock in federation.clocks.values():
                clock.advance(span)

        issued_at = bundle_of(federation.shanghai).issued_at
        pass_by(issued_at + timedelta(hours=71, minutes=59) - federation.clocks[SHANGHAI].now())
        shown = await (await federation.holder(WUHAN)).present()
        answer = await federation.shanghai.counter.scan(shown.code.code_text)
        assert answer.verdict.outcome == VALID
        assert timedelta(seconds=answer.answer.freshness.bundle_age_seconds) >= timedelta(hours=71, minutes=59)
        pass_by(timedelta(minutes=1, seconds=5))
        # Sessions go on, codes are presented and scanned at home as ever.
        shown = await (await federation.holder(WUHAN)).present()
        answer = await federation.shanghai.counter.scan(shown.code.code_text)
        assert answer.verdict.outcome == STALE
        assert answer.verdict.decision == verdict_pb2.DECISION_ASK_OPERATOR
        assert not answer.answer.pairwise_id
        assert not answer.answer.fields
        assert answer.answer.freshness.bundle_age_seconds >= 72 * 3600
        signed = await (await federation.holder(WUHAN)).present(profile=2)
        answer = await federation.shanghai.counter.scan(signed.code.code_text, scene_no=3)
        assert answer.verdict.outcome == STALE
        assert await outcome(federation, WUHAN, federation.wuhan.counter) == VALID
        assert await outcome(federation, SHANGHAI, federation.shanghai.counter) == VALID
        # The hub comes back with a fresh bundle, and other regions are asked again.
        await federation.start_again(HUB)
        loop_of(federation.shanghai, "trust bundle poll").wake()
        await until(lambda: bundle_of(federation.shanghai).issued_at > issued_at)
        assert await outcome(federation, WUHAN, federation.shanghai.counter) == VALID


@pytest.mark.req("N-48")
async def test_a_node_that_has_not_heard_of_the_hub_for_an_hour_says_so_of_itself(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, parties=False) as federation:
        await federation.stop(HUB)
        assert "TRUST_BUNDLE" not in (await status_of(federation.shanghai)).impairments
        federation.clocks[SHANGHAI].advance(timedelta(hours=1, seconds=5))
        assert {"TRUST_BUNDLE", "HUB"} <= set((await status_of(federation.shanghai)).impairments)
