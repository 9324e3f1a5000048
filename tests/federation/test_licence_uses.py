"""Uses of a grant that was given in another region: counted exactly, and none begins once the holder took it back."""

import asyncio
from collections import Counter as Tally
from datetime import datetime

import pytest
from govcode_client import License, NodeError
from govcode_node.domain.audit import AuditAction, AuditRecord
from govcode_node.domain.authorizations import UseState
from kit.licence_players import MOST_USES, Consent, LicenceLand
from kit.nodes import RunningNode, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUNDS = 4
FETCHERS = 6


@pytest.mark.req("6.3-12", "6.3-11")
async def test_of_twenty_uses_at_once_of_a_grant_of_three_exactly_three_are_delivered(
    licence_land: LicenceLand,
) -> None:
    land = licence_land
    consent = await land.granted(max_uses=3)
    answers = await asyncio.gather(*(consent.fetch() for _ in range(20)), return_exceptions=True)
    delivered = [answer for answer in answers if isinstance(answer, License)]
    refused = Tally(answer.reason for answer in answers if isinstance(answer, NodeError))
    assert (len(delivered), refused) == (3, {"GRANT_EXHAUSTED": 17}), answers
    assert {licence.fields["degree"] for licence in delivered} == {"金丝雀学学士-7720"}
    ids = {licence.use_id for licence in delivered}
    assert sorted(licence.remaining_uses for licence in delivered) == [0, 1, 2]
    for node in (land.federation.beijing, land.federation.wuhan, land.federation.shanghai):
        uses = await consent.uses_at(node)
        assert {use.use_id: use.state for use in uses} == dict.fromkeys(ids, UseState.DELIVERED), node.node_id
    with pytest.raises(NodeError, match="GRANT_EXHAUSTED"):
        await consent.fetch()


class Fetchers:
    """A counter that fetches without a pause, several at a time, until it is told that the grant is gone.

    Attributes:
        delivered: What came.
        refused: Why it ended, for each of the several.
        begun_late: Fetches that were begun after the withdrawal had been answered.
    """

    def __init__(self, consent: Consent) -> None:
        self.delivered: list[License] = []
        self.refused: list[str] = []
        self.begun_late = 0
        self._consent = consent
        self._answered = asyncio.Event()

    async def run(self) -> None:
        while True:
            late = self._answered.is_set()
            self.begun_late += late
            try:
                licence = await self._consent.fetch()
            except NodeError as refusal:
                self.refused.append(refusal.reason)
                if late:
                    return
            else:
                assert not late, "a use was delivered that was begun after the withdrawal had been answered"
                self.delivered.append(licence)

    async def withdraw_amid(self, after: int) -> None:
        """It fetches, and the holder takes the grant back after so many deliveries."""
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for _ in range(FETCHERS):
                group.create_task(self.run())
            await until(lambda: len(self.delivered) >= after)
            await self._consent.withdraw()
            self._answered.set()


async def trail_since(node: RunningNode, moment: datetime, consent: Consent) -> list[AuditRecord]:
    """Begins of uses and the withdrawal of one authorization, in the order of the chain."""
    records = await node.app.database.read(
        lambda tx: tx.audit.list_records(start=moment, end=None, action="", biz_serial="", after=None, limit=5000)
    )
    about = [
        record
        for record in records
        if (record.entry.action is AuditAction.LICENSE_USE_BEGUN and _about(record, consent))
        or (record.entry.action is AuditAction.AUTHORIZATION_WITHDRAWN and record.entry.object == _id(consent))
    ]
    return sorted(about, key=lambda record: record.seq)


def _id(consent: Consent) -> str:
    return consent.authorization_id


def _about(record: AuditRecord, consent: Consent) -> bool:
    return record.entry.details["authorization"] == _id(consent)


@pytest.mark.req("6.3-13")
async def test_no_use_begins_after_the_withdrawal_was_answered_however_they_race(licence_land: LicenceLand) -> None:
    land = licence_land
    wuhan = land.federation.wuhan
    for round_no in range(ROUNDS):
        since = wuhan.clock.now()
        consent = await land.granted(max_uses=MOST_USES)
        fetchers = Fetchers(consent)
        await fetchers.withdraw_amid(after=1 + 3 * round_no)
        assert fetchers.begun_late >= FETCHERS
        assert set(fetchers.refused) == {"GRANT_WITHDRAWN"}
        *begun, last = await trail_since(wuhan, since, consent)
        assert last.entry.action is AuditAction.AUTHORIZATION_WITHDRAWN, "in the chain, no use begins after it"
        assert len({record.writer_id for record in (*begun, last)}) == 1
        # What had begun before stays lawful and was delivered.
        uses = await consent.uses_at(wuhan)
        assert {use.use_id for use in uses} == {record.entry.object for record in begun}
        assert {use.use_id for use in uses if use.state is UseState.DELIVERED} == {
            licence.use_id for licence in fetchers.delivered
        }
        # One that a refusal on the way has ended was given back.
        assert {use.state for use in uses} <= {UseState.DELIVERED, UseState.FAILED}
