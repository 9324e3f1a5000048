"""Group commit over real databases: who is refused, who is not, and what is kept."""

import asyncio
import multiprocessing
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from govcode_node.domain.errors import OverloadedError, SerialConflictError, StoreUnavailableError
from govcode_node.domain.parties import DuplicateError, RegistrationState
from govcode_node.ports.stores import Act, Database, Transaction
from govcode_node.storage import SqlDatabase, migrate
from govcode_node.storage.readers import QueryWroteError
from storage import samples
from storage.conftest import MakeUrl, OpenDatabase


async def gather(database: Database, units: list[Any]) -> list[Any]:
    """It hands over all units before the committer can take one, so that they meet in as few batches as possible."""
    return await asyncio.gather(*(database.run(unit) for unit in units), return_exceptions=True)


class CountingUnits:
    """Units that add an application each, and how often each was run."""

    def __init__(self, number: int) -> None:
        self.applications = [samples.application() for _ in range(number)]
        self.runs: Counter[int] = Counter()

    def unit(self, number: int) -> Any:
        def run(tx: Transaction) -> int:
            self.runs[number] += 1
            assert tx.parties.add_application(self.applications[number])
            tx.audit.add(samples.entry(object=str(number)))
            return number

        return run

    def all(self) -> list[Any]:
        return [self.unit(number) for number in range(len(self.applications))]


async def kept(database: Database, units: CountingUnits) -> set[str]:
    found = await database.read(lambda tx: tx.parties.applications(after="", limit=10_000))
    assert {application.app_id for application in found} <= {each.app_id for each in units.applications}
    return {application.app_id for application in found}


async def audited(database: Database) -> list[str]:
    records = await database.read(
        lambda tx: tx.audit.list_records(start=None, end=None, action="", biz_serial="", after=None, limit=10_000)
    )
    return [record.entry.object for record in records]


async def test_one_bad_unit_among_five_hundred_is_refused_alone(database: Database) -> None:
    units = CountingUnits(500)
    handed = units.all()

    def bad(tx: Transaction) -> None:
        tx.parties.add_application(samples.application(app_id="bad"))
        tx.audit.add(samples.entry(object="bad"))
        raise SerialConflictError("s")

    handed[250] = bad
    results = await gather(database, handed)
    assert isinstance(results.pop(250), SerialConflictError)
    good = [number for number in range(500) if number != 250]
    assert results == good
    assert await kept(database, units) == {units.applications[number].app_id for number in good}
    assert await audited(database) == [str(number) for number in good]


async def test_a_refusal_before_any_write_does_not_make_the_others_run_again(
    url: str, open_database: OpenDatabase
) -> None:
    database = await open_database(url)
    units = CountingUnits(20)
    handed = units.all()

    def refuses(tx: Transaction) -> None:
        tx.audit.add(samples.entry(object="refused"))
        assert not tx.parties.move_scanner("none", present=RegistrationState.APPLIED, target=RegistrationState.APPROVED)
        raise DuplicateError("scanner", "none")

    handed[10] = refuses
    results = await gather(database, handed)
    assert isinstance(results[10], DuplicateError)
    assert set(units.runs.values()) == {1}
    assert len(await kept(database, units)) == 19
    assert "refused" not in await audited(database)


async def test_a_fault_of_the_program_in_one_unit_reaches_its_caller_alone(database: Database) -> None:
    units = CountingUnits(3)
    handed = units.all()

    def broken(tx: Transaction) -> None:
        tx.parties.add_application(samples.application(app_id="broken"))
        raise ZeroDivisionError

    handed.insert(1, broken)
    results = await gather(database, handed)
    assert isinstance(results.pop(1), ZeroDivisionError)
    assert results == [0, 1, 2]
    assert len(await kept(database, units)) == 3


async def test_a_row_that_no_column_can_hold_is_refused_alone_and_the_link_stands(database: Database) -> None:
    units = CountingUnits(3)
    too_great = samples.code(key_no=2**63)
    unwritable = samples.entry(object="\ud800")
    handed = [*units.all(), lambda tx: tx.codes.add(too_great), lambda tx: tx.audit.add(unwritable)]
    results = await gather(database, handed)
    assert results[:3] == [0, 1, 2]
    assert all(isinstance(result, Exception) for result in results[3:])
    assert len(await kept(database, units)) == 3
    assert await audited(database) == ["0", "1", "2"]
    # Had the link been given up for such a row, the next callers would be refused until the pause is over.
    assert await database.run(lambda tx: tx.parties.application("none")) is None


async def test_a_row_that_contradicts_another_is_refused_alone(database: Database) -> None:
    units = CountingUnits(3)
    act = samples.act()
    handed = [*units.all(), lambda tx: tx.acts.add(act), lambda tx: tx.acts.add(act)]
    results = await gather(database, handed)
    assert results[:4] == [0, 1, 2, None]
    assert isinstance(results[4], StoreUnavailableError)
    assert "contradicts" in str(results[4])
    assert act.biz_serial not in str(results[4])
    assert len(await kept(database, units)) == 3


async def test_two_equal_acts_in_one_batch_are_one_act_and_its_repetition(database: Database) -> None:
    act = samples.act()

    def once(answer: bytes) -> Any:
        def unit(tx: Transaction) -> tuple[bool, Act]:
            found = tx.acts.find(caller=act.caller, method=act.method, biz_serial=act.biz_serial)
            if found is not None:
                return True, found
            mine = replace(act, answer=answer)
            tx.acts.add(mine)
            return False, mine

        return unit

    results = await gather(database, [once(b"first"), once(b"second")])
    first = replace(act, answer=b"first")
    assert results == [(False, first), (True, first)]


@pytest.mark.req("6.1-06")
async def test_of_a_hundred_uses_of_a_one_time_code_one_wins(database: Database) -> None:
    code = samples.code()
    await database.run(lambda tx: tx.codes.add(code))
    scan_ids = [samples.new_id("sc") for _ in range(100)]
    uses = [
        lambda tx, scan_id=scan_id: tx.codes.consume(code.code_id, scan_id=scan_id, at=samples.NOW)
        for scan_id in scan_ids
    ]
    won = await gather(database, uses)
    assert Counter(won) == {True: 1, False: 99}
    winner = scan_ids[won.index(True)]
    assert await database.read(lambda tx: tx.codes.consumed_by(code.code_id)) == winner


@pytest.mark.req("6.1-06")
async def test_of_two_workers_that_use_a_one_time_code_one_wins(url: str, open_database: OpenDatabase) -> None:
    workers = [await open_database(url) for _ in range(2)]
    codes = [samples.code() for _ in range(50)]
    await workers[0].run(lambda tx: [tx.codes.add(code) for code in codes])

    def uses(worker: SqlDatabase) -> list[Any]:
        return [
            worker.run(
                lambda tx, code=code: tx.codes.consume(code.code_id, scan_id=samples.new_id("sc"), at=samples.NOW)
            )
            for code in codes
        ]

    results = await asyncio.gather(*uses(workers[0]), *uses(workers[1]))
    assert [one + other for one, other in zip(results[:50], results[50:], strict=True)] == [1] * 50


async def test_callers_that_go_away_disturb_nobody(url: str, open_database: OpenDatabase) -> None:
    database = await open_database(url)
    units = CountingUnits(40)
    tasks = [asyncio.create_task(database.run(unit)) for unit in units.all()]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[1::2] == list(range(1, 40, 2))
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert await database.run(lambda tx: "still alive") == "still alive"


async def test_a_caller_that_goes_away_while_its_batch_runs_disturbs_nobody(
    url: str, open_database: OpenDatabase
) -> None:
    database = await open_database(url)
    loop = asyncio.get_running_loop()

    def gone(tx: Transaction) -> None:
        # The caller is cancelled on the loop while this unit is still running on the commit thread.
        async def cancel() -> None:
            tasks[0].cancel()

        asyncio.run_coroutine_threadsafe(cancel(), loop).result()

    tasks = [asyncio.create_task(database.run(unit)) for unit in (gone, lambda tx: 1)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] == 1
    assert await database.run(lambda tx: 2) == 2


async def test_a_full_queue_refuses_at_once_and_does_nothing(url: str, open_database: OpenDatabase) -> None:
    database = await open_database(url, queue_limit=10)
    units = CountingUnits(15)
    tasks = [asyncio.create_task(database.run(unit)) for unit in units.all()]
    await asyncio.sleep(0)
    assert database.queue_length() == 10
    assert [task.done() for task in tasks] == [False] * 10 + [True] * 5
    await database.check()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[:10] == list(range(10))
    assert all(isinstance(result, OverloadedError) for result in results[10:])
    assert len(await kept(database, units)) == 10
    assert sorted(units.runs) == list(range(10))


async def test_no_batch_is_larger_than_its_limit(url: str, open_database: OpenDatabase) -> None:
    database = await open_database(url, batch_limit=7)
    units = CountingUnits(20)
    handed = units.all()

    def bad(tx: Transaction) -> None:
        tx.parties.add_application(samples.application(app_id="bad"))
        raise SerialConflictError("s")

    handed.append(bad)
    await gather(database, handed)
    # Only the batch of the bad unit ran again: the third, with the last six good ones.
    assert [units.runs[number] for number in range(20)] == [1] * 14 + [2] * 6


async def test_what_was_accepted_is_finished_before_closing(url: str) -> None:
    database = await SqlDatabase.open(url, writer_id="w/0/1", batch_limit=5)
    units = CountingUnits(30)
    tasks = [asyncio.create_task(database.run(unit)) for unit in units.all()]
    await asyncio.sleep(0)
    await database.aclose()
    assert await asyncio.gather(*tasks) == list(range(30))
    with pytest.raises(StoreUnavailableError):
        await database.run(lambda tx: None)
    with pytest.raises(StoreUnavailableError):
        await database.read(lambda tx: None)


async def test_a_query_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnavailableError):
        await database.read(lambda tx: tx.parties.add_application(samples.application()))
    with pytest.raises(QueryWroteError):
        await database.read(lambda tx: tx.acts.add(samples.act()))
    assert await database.read(lambda tx: tx.parties.applications(after="", limit=1)) == []


async def test_a_query_sees_what_was_answered_before_it(url: str, open_database: OpenDatabase) -> None:
    database = await open_database(url)
    for _ in range(20):
        application = samples.application()
        await database.run(lambda tx, application=application: tx.parties.add_application(application))
        found = await database.read(lambda tx, application=application: tx.parties.application(application.app_id))
        assert found == application


def _write_from_another_process(url: str, name: str, number: int) -> None:
    async def write() -> None:
        database = await SqlDatabase.open(url, writer_id=f"{name}/0/1", batch_limit=5)
        entries = [lambda tx, n=n: tx.events.add(samples.event(event_id=f"{name}-{n}")) for n in range(number)]
        await asyncio.gather(*(database.run(entry) for entry in entries))
        await database.aclose()

    asyncio.run(write())


def test_two_processes_write_one_file(new_sqlite: MakeUrl) -> None:
    url = new_sqlite()
    context = multiprocessing.get_context("spawn")
    names = ("a", "b")
    writers = [context.Process(target=_write_from_another_process, args=(url, name, 100)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]

    async def read() -> Any:
        database = await SqlDatabase.open(url, writer_id="reader/0/1")
        events = await database.read(lambda tx: tx.events.after("citizen-app", position=0, limit=1000))
        await database.aclose()
        return events

    events = asyncio.run(read())
    for name in names:
        mine = [event.event_id for event in events if event.event_id.startswith(name)]
        assert mine == [f"{name}-{number}" for number in range(100)]


async def test_events_of_two_writers_never_appear_behind_a_position_that_was_read(
    url: str, open_database: OpenDatabase
) -> None:
    writers = [await open_database(url, batch_limit=3) for _ in range(2)]
    reader = await open_database(url)
    writing = asyncio.gather(
        *(writer.run(lambda tx: tx.events.add(samples.event())) for _ in range(60) for writer in writers)
    )
    seen: list[int] = []
    while True:
        last = writing.done()
        position = seen[-1] if seen else 0
        page = await reader.read(
            lambda tx, position=position: tx.events.after("citizen-app", position=position, limit=50)
        )
        seen += [event.position for event in page]
        if last and not page:
            break
    await writing
    everything = await reader.read(lambda tx: tx.events.after("citizen-app", position=0, limit=1000))
    assert seen == [event.position for event in everything]
    assert len(seen) == 120


async def test_two_workers_that_use_one_serial_make_one_act(url: str, open_database: OpenDatabase) -> None:
    workers = [await open_database(url) for _ in range(2)]
    acts = [samples.act() for _ in range(30)]

    def once(act: Act) -> Any:
        def unit(tx: Transaction) -> bool:
            if tx.acts.find(caller=act.caller, method=act.method, biz_serial=act.biz_serial) is not None:
                return False
            tx.acts.add(act)
            return True

        return unit

    results = await asyncio.gather(*(worker.run(once(act)) for worker in workers for act in acts))
    assert [one + other for one, other in zip(results[:30], results[30:], strict=True)] == [1] * 30


def test_migrations_may_be_run_again(new_sqlite: MakeUrl) -> None:
    url = new_sqlite()
    assert migrate(url) == migrate(url)


async def test_a_registration_that_moved_or_was_undone_is_seen_by_the_next_unit_of_the_batch(
    database: Database,
) -> None:
    application = samples.application(app_id="counter")
    states: list[RegistrationState | None] = []

    def look(tx: Transaction) -> None:
        found = tx.parties.application("counter")
        states.append(None if found is None else found.state)

    def move(tx: Transaction) -> None:
        assert tx.parties.move_application(
            "counter", present=RegistrationState.APPLIED, target=RegistrationState.SUSPENDED
        )

    def move_in_vain(tx: Transaction) -> None:
        move(tx)
        look(tx)
        raise SerialConflictError("s")

    await gather(database, [look, lambda tx: tx.parties.add_application(application), look])
    assert states == [None, RegistrationState.APPLIED]
    states.clear()
    await gather(database, [look, move_in_vain, look, move, look])
    assert states[-3:] == [RegistrationState.SUSPENDED, RegistrationState.APPLIED, RegistrationState.SUSPENDED]


async def test_what_another_process_writes_is_seen_by_the_next_batch(url: str, open_database: OpenDatabase) -> None:
    here, there = await open_database(url), await open_database(url)
    application = samples.application(app_id="counter")
    await here.run(lambda tx: tx.parties.add_application(application))
    assert await here.run(lambda tx: tx.parties.application("counter")) == application
    await there.run(
        lambda tx: tx.parties.move_application(
            "counter", present=RegistrationState.APPLIED, target=RegistrationState.SUSPENDED
        )
    )
    found = await here.run(lambda tx: tx.parties.application("counter"))
    assert found is not None
    assert found.state is RegistrationState.SUSPENDED
    assert await here.read(lambda tx: tx.parties.application("counter")) == found


async def test_a_closed_account_discloses_nothing_in_the_rest_of_its_batch(database: Database) -> None:
    account = samples.account()
    profiles: list[bytes | None] = []

    def look(tx: Transaction) -> None:
        tx.accounts.get(account.account_id)
        profiles.append(tx.accounts.sealed_profile(account.account_id))

    def close(tx: Transaction) -> None:
        tx.accounts.get(account.account_id)
        assert tx.accounts.close(account.account_id, at=samples.LATER)
        profiles.append(tx.accounts.sealed_profile(account.account_id))

    await database.run(lambda tx: tx.accounts.add(account, subject_index=b"i" * 32, sealed_profile=b"p"))
    await gather(database, [look, close, look])
    assert profiles == [b"p", None, None]
