"""The home node is away: what may still be said of its codes, and what may not (6.2-11, N-48, 5-04)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.common.v1 import verdict_pb2
from govcode_node.domain.codes import Carrier
from govcode_node.domain.zwm1 import Zwm1Codec
from kit.federation import SHANGHAI, WUHAN, Federation, loop_of, open_federation, status_of
from kit.nodes import RunningNode
from kit.players import Holder, serial

VALID = verdict_pb2.OUTCOME_VALID
OFFLINE_VALID = verdict_pb2.OUTCOME_OFFLINE_VALID
UNREACHABLE = verdict_pb2.OUTCOME_HOME_NODE_UNREACHABLE
ASK = verdict_pb2.DECISION_ASK_OPERATOR
TOLERANT = 3
STRICT = 1


async def signed(holder: Holder, **fields: object) -> str:
    """A code whose seal anybody can check."""
    code_text: str = (await holder.present(profile=2, **fields)).code.code_text
    return code_text


async def fetch_lists(federation: Federation, prepare: Callable[[], Awaitable[None]]) -> None:
    """Let Shanghai fetch the lists of others anew, after something has happened and half an hour has passed."""
    lists = loop_of(federation.shanghai, "revocation lists")
    await lists.stop()
    for clock in federation.clocks.values():
        clock.advance(timedelta(minutes=31))
    await prepare()
    assert await lists.run_once()
    assert federation.shanghai.app.trust.revocation_list(WUHAN) is not None


@pytest.mark.req("6.2-11", "N-48", "5-04")
async def test_only_signed_codes_pass_for_now_in_scenes_that_allow_it_when_their_home_is_away(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        shanghai, codes = federation.shanghai, {}

        async def present() -> None:
            first, second = await federation.holder(WUHAN), await federation.holder(WUHAN, "李示范")
            revoked = await second.present(profile=2)
            request = basev1.RevokeCodeRequest(biz_serial=serial("revoke"), code_id=revoked.code.code_id, reason="test")
            await federation.wuhan.operator.base.RevokeCode(request)
            codes["revoked"] = revoked.code.code_text
            codes["one-time"] = await signed(second, one_time=True)
            codes["MAC"] = (await first.present()).code.code_text
            codes["signed"] = await signed(first)

        await fetch_lists(federation, present)
        assert await _outcome(shanghai, codes["signed"], TOLERANT) == (VALID, verdict_pb2.DECISION_ACCEPT)
        await federation.stop(WUHAN)
        assert await _outcome(shanghai, codes["MAC"], STRICT) == (UNREACHABLE, ASK)
        assert await _outcome(shanghai, codes["MAC"], TOLERANT) == (UNREACHABLE, ASK)
        assert await _outcome(shanghai, codes["signed"], STRICT) == (UNREACHABLE, ASK)
        assert await _outcome(shanghai, codes["one-time"], TOLERANT) == (UNREACHABLE, ASK)
        assert await _outcome(shanghai, codes["revoked"], TOLERANT) == (
            verdict_pb2.OUTCOME_REVOKED,
            verdict_pb2.DECISION_REJECT,
        )
        forged = _with_the_seal_of(codes["signed"], codes["one-time"])
        assert (await _outcome(shanghai, forged, TOLERANT))[0] == verdict_pb2.OUTCOME_SEAL_INVALID
        answer = await shanghai.counter.scan(codes["signed"], scene_no=TOLERANT)
        assert (answer.verdict.outcome, answer.verdict.decision) == (OFFLINE_VALID, ASK)
        assert answer.answer.decided_by_node_id == SHANGHAI
        assert not answer.HasField("home_evidence")
        assert not answer.answer.pairwise_id
        assert not answer.answer.fields
        # It says how old both of its foundations are.
        assert answer.answer.freshness.HasField("bundle_age_seconds")
        assert answer.answer.freshness.HasField("revocation_list_age_seconds")
        assert answer.answer.freshness.revocation_list_age_seconds < 60
        # Codes of Shanghai itself do not care.
        local = await (await federation.holder(SHANGHAI)).present()
        assert (await _outcome(shanghai, local.code.code_text, STRICT))[0] == VALID


@pytest.mark.req("6.2-11", "N-48")
async def test_a_list_of_more_than_four_hours_vouches_for_nothing(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:

        async def nothing() -> None:
            """Only time passes."""

        await fetch_lists(federation, nothing)
        held = federation.shanghai.app.trust.revocation_list(WUHAN)
        assert held is not None
        here, there = federation.clocks[SHANGHAI], federation.clocks[WUHAN]
        edge = held.list_time + timedelta(hours=4)
        # Wuhan issues shortly before the four hours are over, and goes away.
        there.advance(edge - timedelta(seconds=40) - there.now())
        code_text = await signed(await federation.holder(WUHAN))
        await federation.stop(WUHAN)
        here.advance(edge - timedelta(seconds=10) - here.now())
        answer = await federation.shanghai.counter.scan(code_text, scene_no=TOLERANT)
        assert answer.verdict.outcome == OFFLINE_VALID
        assert 4 * 3600 - 10 <= answer.answer.freshness.revocation_list_age_seconds <= 4 * 3600
        here.advance(timedelta(seconds=12))
        assert await _outcome(federation.shanghai, code_text, TOLERANT) == (UNREACHABLE, ASK)


@pytest.mark.req("6.2-11", "6.2-10")
async def test_the_breaker_opens_for_a_home_that_is_away_and_closes_when_it_is_back(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        holder = await federation.holder(WUHAN)
        code_text = (await holder.present()).code.code_text
        assert (await _outcome(federation.shanghai, code_text, STRICT))[0] == VALID
        assert [(peer.node_id, peer.available) for peer in (await status_of(federation.shanghai)).peers] == [
            (WUHAN, True)
        ]
        await federation.stop(WUHAN)
        for _ in range(5):
            assert (await _outcome(federation.shanghai, code_text, STRICT))[0] == UNREACHABLE
        status = await status_of(federation.shanghai)
        assert [(peer.node_id, peer.available) for peer in status.peers] == [(WUHAN, False)]
        assert "PEER" in status.impairments
        await federation.start_again(WUHAN)
        # It is not asked while the breaker is open, though it is back.
        assert (await _outcome(federation.shanghai, code_text, STRICT))[0] == UNREACHABLE
        for clock in federation.clocks.values():
            clock.advance(timedelta(seconds=61))
        async with asyncio.timeout(20):
            outcome = UNREACHABLE
            while outcome != VALID:
                code_text = (await holder.present()).code.code_text
                outcome = (await _outcome(federation.shanghai, code_text, STRICT))[0]
                for clock in federation.clocks.values():
                    clock.advance(timedelta(seconds=1))
        assert [peer.available for peer in (await status_of(federation.shanghai)).peers] == [True]


async def _outcome(
    node: RunningNode, code_text: str, scene_no: int
) -> tuple[verdict_pb2.Outcome.ValueType, verdict_pb2.Decision.ValueType]:
    verdict = (await node.counter.scan(code_text, scene_no=scene_no)).verdict
    return verdict.outcome, verdict.decision


def _with_the_seal_of(code_text: str, other: str) -> str:
    codec = Zwm1Codec()
    return codec.assemble(codec.parse(code_text).sealed_bytes, codec.parse(other).seal, Carrier.SCREEN, None)
