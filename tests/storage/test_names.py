"""Names kept once: what a failed unit entered is not remembered under a number that another name may get."""

import asyncio
from typing import Any

from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.ports.stores import Act, Database, Transaction
from storage import samples
from storage.conftest import OpenDatabase


def acts_of(number: int, *callers: str) -> list[Act]:
    return [samples.act(caller=caller, method=f"/method/{number}/{caller}", biz_serial="s") for caller in callers]


async def found(database: Database, act: Act) -> Act | None:
    return await database.read(lambda tx: tx.acts.find(caller=act.caller, method=act.method, biz_serial=act.biz_serial))


async def test_names_of_a_refused_unit_are_not_mixed_up_with_those_of_the_others(database: Database) -> None:
    before, refused, after = acts_of(1, "app:before", "app:refused", "app:after")

    def twice(tx: Transaction) -> None:
        tx.acts.add(refused)
        tx.acts.add(refused)

    units: list[Any] = [lambda tx: tx.acts.add(before), twice, lambda tx: tx.acts.add(after)]
    results = await asyncio.gather(*(database.run(unit) for unit in units), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StoreUnavailableError, type(None)]
    assert [await found(database, act) for act in (before, refused, after)] == [before, None, after]
    later = acts_of(2, "app:refused", "app:another")
    for act in [refused, *later]:
        await database.run(lambda tx, act=act: tx.acts.add(act))
    assert [await found(database, act) for act in [before, refused, after, *later]] == [before, refused, after, *later]


async def test_two_workers_that_enter_the_same_names_agree_on_them(url: str, open_database: OpenDatabase) -> None:
    workers = [await open_database(url, batch_limit=3) for _ in range(2)]
    callers = [f"app:{number}" for number in range(20)]
    acts = [acts_of(1, *callers), acts_of(2, *reversed(callers))]
    await asyncio.gather(
        *(
            worker.run(lambda tx, act=act: tx.acts.add(act))
            for worker, mine in zip(workers, acts, strict=True)
            for act in mine
        )
    )
    for worker in workers:
        for act in [*acts[0], *acts[1]]:
            assert await found(worker, act) == act
