"""Reading the audit trail: page by page, and each reading is in the trail."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.audit import AuditAction, AuditRecord
from govcode_node.domain.errors import CursorInvalidError, OverloadedError
from govcode_node.ports.stores import Transaction
from govcode_node.storage.stores.audit import SqlAuditStore
from govcode_node.usecases.audit_reading import AuditFilter, AuditPage
from kit.clocks import MovableClock
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import AUDITOR, Counter, MobileApp, OperatorDesk, call_of


async def read(node: NodeInMemory, wanted: AuditFilter, *, page_size: int = 100, page_token: str = "") -> AuditPage:
    call = call_of(AUDITOR, "ListAuditRecords")
    return await node.steps.audit.list_records(call, wanted, page_size=page_size, page_token=page_token)


async def test_each_reading_is_itself_recorded(node: NodeInMemory, counter: Counter, desk: OperatorDesk) -> None:
    page = await read(node, AuditFilter())
    await read(node, AuditFilter(action="AUDIT_READ"))

    first, second = await desk.audit(AuditAction.AUDIT_READ)
    assert (first.entry.actor, first.entry.details) == ("op-2", {"records": str(len(page.records))})
    assert second.entry.details == {"records": "1"}


async def test_a_long_search_does_not_keep_the_writers_waiting(
    node: NodeInMemory, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = False
    run, search = node.database.run, SqlAuditStore.list_records

    async def run_noted(unit: Callable[[Transaction], object]) -> object:
        nonlocal writing
        writing = True
        try:
            return await run(unit)
        finally:
            writing = False

    def search_noted(store: SqlAuditStore, **wanted: Any) -> Sequence[AuditRecord]:
        assert not writing, "a search of the whole trail is in the way of every commit"
        return search(store, **wanted)

    monkeypatch.setattr(node.database, "run", run_noted)
    monkeypatch.setattr(SqlAuditStore, "list_records", search_noted)
    assert (await read(node, AuditFilter(biz_serial="rare"))).records == []


async def test_a_reading_that_cannot_be_recorded_shows_nothing(
    node: NodeInMemory, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(unit: object) -> object:
        raise OverloadedError("store")

    monkeypatch.setattr(node.database, "run", full)
    with pytest.raises(OverloadedError):
        await read(node, AuditFilter())


async def test_pages_hold_each_record_once_in_order(
    node: NodeInMemory, app: MobileApp, clock: MovableClock, counter: Counter, desk: OperatorDesk
) -> None:
    holder = await app.open_account()
    for _ in range(3):
        clock.advance(1)
        await holder.present(one_time=True, biz_serial=None)
        await holder.make_static()
    wanted = AuditFilter(end=clock.now() + timedelta(milliseconds=1))
    expected = await desk.audit()
    found: list[AuditRecord] = []
    token = ""
    while True:
        page = await read(node, wanted, page_size=4, page_token=token)
        found.extend(page.records)
        token = page.next_page_token
        if not token:
            break

    assert [record for record in found if record.entry.action is not AuditAction.AUDIT_READ] == expected
    assert [record.seq for record in found] == sorted({record.seq for record in found})


async def test_filters_choose_by_action_serial_and_time(
    node: NodeInMemory, app: MobileApp, clock: MovableClock
) -> None:
    holder = await app.open_account()
    await holder.present(biz_serial="one")
    clock.advance(10)
    await holder.present(biz_serial="two", one_time=True)

    def serials(page: AuditPage) -> list[str]:
        return [record.entry.biz_serial for record in page.records]

    issued = AuditFilter(action="CODE_ISSUED")
    assert serials(await read(node, issued)) == ["one", "two"]
    assert serials(await read(node, AuditFilter(action="CODE_ISSUED", start=clock.now()))) == ["two"]
    assert serials(await read(node, AuditFilter(action="CODE_ISSUED", end=clock.now()))) == ["one"]
    assert serials(await read(node, AuditFilter(biz_serial="two"))) == ["two"]
    assert serials(await read(node, AuditFilter(action="NO_SUCH_ACTION"))) == []


@pytest.mark.parametrize(
    "token",
    ["x", "1.2", "1..w", ".1.w", "1.x.w", "²².1.w", "-1.1.w", "9" * 15 + ".1.w", "1." + "9" * 19 + ".w", "1.1."],
)
async def test_a_token_that_was_not_made_here_is_refused(node: NodeInMemory, token: str) -> None:
    with pytest.raises(CursorInvalidError):
        await read(node, AuditFilter(), page_token=token)


async def test_a_token_of_a_writer_that_nobody_knows_finds_nothing(node: NodeInMemory, counter: Counter) -> None:
    assert (await read(node, AuditFilter(), page_token="1." + "9" * 18 + ".nobody")).records == []
