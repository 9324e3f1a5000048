"""The audit trail: one chain for each writer, which shows what was done to it."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.audit import AuditAction, AuditChainBrokenError, AuditRecord, verify_chain
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import SerialConflictError
from govcode_node.ports.stores import Database, Transaction
from storage import samples
from storage.conftest import WRITER, MakeUrl, OpenDatabase
from storage.samples import NOW

SECOND = timedelta(seconds=1)


async def records(database: Database, **filters: Any) -> list[AuditRecord]:
    wanted = {"start": None, "end": None, "action": "", "biz_serial": "", "after": None, "limit": 1000} | filters
    return list(await database.read(lambda tx: tx.audit.list_records(**wanted)))


async def write(database: Database, number: int = 5) -> None:
    for place in range(number):
        moment = NOW + SECOND * place + timedelta(microseconds=999_999)
        await database.run(lambda tx, moment=moment: tx.audit.add(samples.entry(happened_at=moment)))


def whole(database_records: list[AuditRecord]) -> tuple[int, bytes]:
    return verify_chain(database_records, sm3=sm3)


async def test_records_come_back_whole_in_a_chain_that_holds(database: Database) -> None:
    entries = [
        samples.entry(),
        samples.entry(object="", biz_serial="", trace_id="", details={}, action=AuditAction.ACCESS_REFUSED),
        samples.entry(object="任意", trace_id="not hexadecimal"),
    ]
    for entry in entries:
        await database.run(lambda tx, entry=entry: tx.audit.add(entry))
    found = await records(database)
    assert [record.entry for record in found] == entries
    assert {record.writer_id for record in found} == {WRITER}
    assert whole(found) == (3, found[-1].hash)


async def test_the_hash_holds_after_the_store_cut_the_time_to_milliseconds(database: Database) -> None:
    await write(database)
    assert whole(await records(database))[0] == 5


async def test_a_failed_unit_leaves_no_gap(database: Database) -> None:
    def fails(tx: Transaction) -> None:
        tx.audit.add(samples.entry())
        tx.parties.add_application(samples.application())
        raise SerialConflictError("s")

    await write(database, 2)
    with pytest.raises(SerialConflictError):
        await database.run(fails)
    await write(database, 2)
    found = sorted(await records(database), key=lambda record: record.seq)
    assert whole(found)[0] == 4


async def test_a_deleted_a_changed_and_a_moved_record_show(database: Database) -> None:
    await write(database)
    found = await records(database)
    with pytest.raises(AuditChainBrokenError) as deleted:
        whole(found[:2] + found[3:])
    assert (deleted.value.seq, deleted.value.why) == (3, "MISSING")
    changed = replace(found[2], entry=replace(found[2].entry, result="REVOKED"))
    with pytest.raises(AuditChainBrokenError) as altered:
        whole([*found[:2], changed, *found[3:]])
    assert (altered.value.seq, altered.value.why) == (3, "CHANGED")
    with pytest.raises(AuditChainBrokenError) as moved:
        whole([*found[:2], found[3], found[2], found[4]])
    assert (moved.value.seq, moved.value.why) == (3, "MISSING")
    with pytest.raises(AuditChainBrokenError):
        whole(found[1:])


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM audit WHERE seq = 3", "MISSING"),
        ("UPDATE audit SET result = actor WHERE seq = 3", "CHANGED"),
        ("UPDATE audit SET actor = actor_class, actor_class = actor WHERE seq = 3", "CHANGED"),
        ("UPDATE audit SET result = 999 WHERE seq = 3", "CHANGED"),
        ("UPDATE audit SET happened_at = happened_at + 1 WHERE seq = 3", "CHANGED"),
        ("UPDATE audit SET seq = CASE seq WHEN 3 THEN 4 ELSE 3 END WHERE seq IN (3, 4)", "MISSING"),
    ],
)
async def test_what_is_done_to_the_table_itself_shows(
    new_sqlite: MakeUrl, open_database: OpenDatabase, statement: str, why: str
) -> None:
    url = new_sqlite()
    database = await open_database(url)
    await write(database)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    with connection:
        connection.execute(statement)
    connection.close()
    found = sorted(await records(database), key=lambda record: record.seq)
    with pytest.raises(AuditChainBrokenError) as broken:
        whole(found)
    assert (broken.value.seq, broken.value.why) == (3, why)


async def test_each_writer_has_a_chain_of_its_own(url: str, open_database: OpenDatabase) -> None:
    writers = [await open_database(url, writer_id=f"420102/{number}/1") for number in range(2)]
    for writer in writers:
        await write(writer, 3)
    found = await records(writers[0])
    for number in range(2):
        mine = [record for record in found if record.writer_id == f"420102/{number}/1"]
        assert whole(mine)[0] == 3
    again = await open_database(url, writer_id="420102/0/2")
    await write(again, 1)
    assert [record.seq for record in await records(again) if record.writer_id == "420102/0/2"] == [1]


async def test_records_are_paged_in_one_order_without_loss(url: str, open_database: OpenDatabase) -> None:
    for number in range(2):
        await write(await open_database(url, writer_id=f"420102/{number}/1"), 4)
    reader = await open_database(url)
    everything = await records(reader)
    paged: list[AuditRecord] = []
    after = None
    while page := await records(reader, after=after, limit=3):
        paged += page
        after = (page[-1].entry.happened_at, page[-1].writer_id, page[-1].seq)
    assert paged == everything
    assert len(paged) == 8
    times = [record.entry.happened_at for record in paged]
    assert times == sorted(times)


async def test_records_are_filtered(database: Database) -> None:
    entries = [
        samples.entry(happened_at=NOW + SECOND * place, action=action, biz_serial=serial)
        for place, (action, serial) in enumerate(
            [
                (AuditAction.CODE_ISSUED, "a"),
                (AuditAction.CODE_SCANNED, "a"),
                (AuditAction.CODE_SCANNED, "b"),
                (AuditAction.CODE_SCANNED, "0af76519-16cd-43dd-8448-eb211c80319c"),
            ]
        )
    ]
    for entry in entries:
        await database.run(lambda tx, entry=entry: tx.audit.add(entry))

    async def found(**filters: Any) -> list[int]:
        return [entries.index(record.entry) for record in await records(database, **filters)]

    assert await found(action="CODE_SCANNED") == [1, 2, 3]
    assert await found(biz_serial="a") == [0, 1]
    assert await found(action="CODE_SCANNED", biz_serial="a") == [1]
    assert await found(biz_serial="0af76519-16cd-43dd-8448-eb211c80319c") == [3]
    assert await found(start=NOW + SECOND, end=NOW + SECOND * 3) == [1, 2]
    assert await found(action="NO_SUCH_ACTION") == []
    assert await found(after=(NOW, "no such writer", 1)) == []
