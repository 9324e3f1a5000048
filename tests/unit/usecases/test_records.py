"""The holder's own view of the uses of a code."""

from datetime import timedelta

import pytest
from govcode_node.domain.accounts import SessionInvalidError
from govcode_node.domain.errors import CursorInvalidError
from govcode_node.domain.outcomes import Outcome
from kit.clocks import MovableClock
from kit.people_in_memory import Counter, MobileApp, OperatorDesk, call_of, person


@pytest.mark.req("6.1-09")
async def test_the_holder_sees_each_use_with_organisation_place_and_time(
    app: MobileApp, counter: Counter, clock: MovableClock, desk: OperatorDesk
) -> None:
    await desk.scanner("gate-1", app_id="counter-app", place="东门")
    holder = await app.open_account()
    code = await holder.present(one_time=True)
    first = await counter.scan(code, place="2 号窗口")
    used_at = clock.now()
    clock.advance(1)
    await counter.scan(code, device_id="gate-1")

    later, earlier = await holder.records()

    assert (earlier.relying_party_name, earlier.place, earlier.decided_at) == ("政务服务中心", "2 号窗口", used_at)
    assert (earlier.scan_id, earlier.outcome, earlier.scene_no) == (first.answer.scan_id, Outcome.VALID, 1)
    assert (later.outcome, later.place) == (Outcome.CONSUMED, "东门")


@pytest.mark.req("6.1-09")
async def test_the_use_of_a_code_shown_by_a_guardian_is_in_the_childs_records(
    app: MobileApp, counter: Counter, desk: OperatorDesk
) -> None:
    guardian, child = await app.open_account(), await app.open_account(person("张小样"))
    await desk.relation(guardian.account, child.account)
    await counter.scan(await guardian.present(on_behalf_of=child.account.account_id))

    assert len(await child.records()) == 1
    assert await guardian.records() == []


async def test_nobody_sees_the_records_of_another(app: MobileApp, counter: Counter) -> None:
    holder, stranger = await app.open_account(), await app.open_account(person("李示范"))
    await counter.scan(await holder.present())

    assert await stranger.records() == []
    await app.node.steps.accounts.close_session(
        call_of(app.caller, "CloseSession"), session_token=holder.token, session_id=""
    )
    with pytest.raises(SessionInvalidError):
        await holder.records()


async def test_records_come_page_by_page_newest_first_each_once(
    app: MobileApp, counter: Counter, clock: MovableClock
) -> None:
    holder = await app.open_account()
    code = await holder.make_static()
    scans = []
    for _ in range(5):
        clock.advance(1)
        scans.append((await counter.scan(code)).answer.scan_id)
    list_records = app.node.steps.records.list_records
    call, seen, token = call_of(app.caller, "ListRecords"), [], ""
    while True:
        page = await list_records(call, session_token=holder.token, start=None, page_size=2, page_token=token)
        seen.append([row.scan_id for row in page.records])
        token = page.next_page_token
        if not token:
            break

    assert seen == [scans[4:2:-1], scans[2:0:-1], scans[:1]]
    recent = await list_records(
        call, session_token=holder.token, start=clock.now() - timedelta(seconds=1), page_size=10, page_token=""
    )
    assert [row.scan_id for row in recent.records] == scans[4:2:-1]


@pytest.mark.parametrize("token", ["x", "ac_" + "0" * 32])
async def test_a_page_token_of_somebody_else_is_refused(app: MobileApp, token: str) -> None:
    holder = await app.open_account()

    with pytest.raises(CursorInvalidError):
        await holder.records(page_token=token)
