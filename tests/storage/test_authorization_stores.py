"""Authorizations and uses: each store does what its port says, on each kind of database."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import AuthorizationState, LegalBasis, UseState
from govcode_node.ports.stores import Database, Transaction
from storage import authorization_samples as samples
from storage.conftest import OpenDatabase
from storage.samples import LATER, NOW, new_account_id

SECOND = timedelta(seconds=1)


async def add(database: Database, *many: Any) -> None:
    await database.run(lambda tx: [tx.authorizations.add(one) for one in many])


async def get(database: Database, authorization_id: str) -> Any:
    return await database.read(lambda tx: tx.authorizations.get(authorization_id))


async def test_an_authorization_comes_back_whole(database: Database) -> None:
    waiting, granted = samples.authorization(), samples.granted()
    mirror = samples.authorization(
        account_id=None, subject_kind=None, holder_app_id="", presenter_account_id=None, state=AuthorizationState.DENIED
    )
    withdrawn = samples.granted(state=AuthorizationState.WITHDRAWN, withdrawal=b"withdrawal", withdrawn_at=LATER)
    for one in (waiting, granted, mirror, withdrawn):
        assert await database.run(lambda tx, one=one: tx.authorizations.add(one))
        assert await get(database, one.authorization_id) == one


@pytest.mark.parametrize("authorization_id", ["", "au_none", "sc_" + "0" * 32, "au_" + "A" * 32, "au_" + "0" * 32])
async def test_what_is_not_there_is_not_found(database: Database, authorization_id: str) -> None:
    def act(tx: Transaction) -> list[object]:
        store, use = tx.authorizations, replace(samples.use(samples.granted()), authorization_id=authorization_id)
        return [
            store.get(authorization_id),
            store.decide(authorization_id, **samples.decision()),
            store.time_out(authorization_id, at=NOW),
            store.withdraw(authorization_id, at=NOW, withdrawal=b""),
            store.begin_use(use, limit=1),
            store.end_use("us" + authorization_id[2:], state=UseState.FAILED, at=NOW),
            store.get_use("us" + authorization_id[2:]),
            store.find_use(authorization_id=authorization_id, caller="app:none", biz_serial="none"),
            *store.uses_of(authorization_id),
            *store.list_of(AccountId("none"), before="", limit=5),
            *store.list_of(new_account_id(), before=authorization_id, limit=5),
            *store.list_uses(new_account_id(), authorization_id=authorization_id, before="", limit=5),
            store.find_request(app_id="none", biz_serial="none"),
        ]

    assert not any(await database.run(act))


async def test_an_id_is_given_once(database: Database) -> None:
    first = samples.authorization()
    other = replace(samples.granted(), authorization_id=first.authorization_id)
    await add(database, first)
    assert not await database.run(lambda tx: tx.authorizations.add(other))
    assert await get(database, first.authorization_id) == first


async def test_a_request_is_found_by_the_serial_of_an_application_of_this_node(database: Database) -> None:
    older, newer = (samples.authorization(biz_serial="same") for _ in range(2))
    mirror = samples.authorization(biz_serial="elsewhere at home", visited_node="310000", account_id=None)
    foreign = samples.authorization(biz_serial="asked by another node", visited_node="310000")
    other = samples.authorization(biz_serial="same", app_id="other-app")
    await add(database, newer, older, mirror, foreign, other)

    async def find(app_id: str, biz_serial: str) -> Any:
        return await database.read(lambda tx: tx.authorizations.find_request(app_id=app_id, biz_serial=biz_serial))

    assert await find("counter-app", "same") == newer
    assert await find("other-app", "same") == other
    assert await find("counter-app", "elsewhere at home") == mirror
    assert await find("counter-app", "asked by another node") is None
    assert await find("counter-app", "none") is None


async def test_authorizations_of_an_account_are_paged_newest_first_with_their_counts(database: Database) -> None:
    account_id = new_account_id()
    first, second, third = (samples.granted(account_id=account_id) for _ in range(3))
    await add(database, second, first, third, samples.granted())

    def use(tx: Transaction) -> list[bool]:
        return [tx.authorizations.begin_use(samples.use(of), limit=3) for of in (first, third, third)]

    assert all(await database.run(use))
    first, third = replace(first, uses={1: 1}), replace(third, uses={1: 2})

    async def page(before: str, limit: int = 2) -> Any:
        return await database.read(lambda tx: tx.authorizations.list_of(account_id, before=before, limit=limit))

    assert await page("") == [third, second]
    assert await page(second.authorization_id) == [first]
    assert await page(first.authorization_id) == []
    assert await page("none") == []


async def test_open_authorizations_of_an_account_are_those_pending_or_granted(database: Database) -> None:
    account_id = new_account_id()
    states = [state for state in AuthorizationState if state is not AuthorizationState.GRANTED]
    closed = [samples.authorization(account_id=account_id, state=state, decided_at=NOW) for state in states]
    granted = samples.granted(account_id=account_id)
    await add(database, *closed, granted, samples.authorization())
    assert await database.run(lambda tx: tx.authorizations.begin_use(samples.use(granted), limit=1))
    found = await database.read(lambda tx: tx.authorizations.open_of(account_id))
    assert found == [closed[0], replace(granted, uses={1: 1})]
    assert closed[0].state is AuthorizationState.PENDING


async def test_a_decision_is_written_once(database: Database) -> None:
    waiting = samples.authorization()
    await add(database, waiting)
    decision = samples.decision()
    assert await database.run(lambda tx: tx.authorizations.decide(waiting.authorization_id, **decision))
    again = samples.decision(state=AuthorizationState.DENIED, ends_at=None, grant=b"")
    assert not await database.run(lambda tx: tx.authorizations.decide(waiting.authorization_id, **again))
    assert not await database.run(lambda tx: tx.authorizations.time_out(waiting.authorization_id, at=LATER))
    decided = replace(waiting, **decision)
    assert await get(database, waiting.authorization_id) == decided
    assert await database.run(lambda tx: tx.authorizations.begin_use(samples.use(waiting), limit=1))
    assert await get(database, waiting.authorization_id) == replace(decided, uses={1: 1})


async def test_an_item_that_was_not_granted_has_no_uses(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    assert granted.items[1].granted is False
    assert not await database.run(lambda tx: tx.authorizations.begin_use(samples.use(granted, item_no=2), limit=9))
    assert await get(database, granted.authorization_id) == granted


@pytest.mark.parametrize("state", [AuthorizationState.PENDING, AuthorizationState.DENIED])
async def test_a_use_begins_only_of_what_was_granted(database: Database, state: AuthorizationState) -> None:
    refused = samples.authorization()
    await add(database, refused)
    if state is AuthorizationState.DENIED:
        decision = samples.decision(state=state, ends_at=None, grant=b"")
        assert await database.run(lambda tx: tx.authorizations.decide(refused.authorization_id, **decision))
    assert not await database.run(lambda tx: tx.authorizations.begin_use(samples.use(refused), limit=9))


async def test_who_does_not_decide_in_time_is_timed_out_once(database: Database) -> None:
    waiting = [samples.authorization(decide_before=NOW + number * SECOND) for number in range(3)]
    mirror = samples.authorization(account_id=None, decide_before=NOW)
    await add(database, *reversed(waiting), samples.granted(decide_before=NOW), mirror)

    async def undecided(limit: int = 9) -> Any:
        return await database.read(lambda tx: tx.authorizations.undecided(now=NOW + SECOND, limit=limit))

    async def time_out() -> bool:
        return await database.run(lambda tx: tx.authorizations.time_out(waiting[0].authorization_id, at=LATER))

    assert await undecided() == waiting[:2]
    assert await undecided(limit=1) == waiting[:1]
    assert await time_out()
    assert not await time_out()
    assert await undecided() == waiting[1:2]
    found = await get(database, waiting[0].authorization_id)
    assert found == replace(waiting[0], state=AuthorizationState.TIMED_OUT)
    late = samples.decision()
    assert not await database.run(lambda tx: tx.authorizations.decide(waiting[0].authorization_id, **late))


@pytest.mark.req("6.3-13")
async def test_a_withdrawal_that_was_heard_of_takes_its_evidence_later_and_keeps_it(database: Database) -> None:
    heard = samples.granted(state=AuthorizationState.WITHDRAWN, withdrawal=b"", withdrawn_at=NOW)
    await add(database, heard)
    for evidence, kept in ((b"", b""), (b"withdrawal", b"withdrawal"), (b"another", b"withdrawal")):

        def withdraw(tx: Transaction, evidence: bytes = evidence) -> bool:
            return tx.authorizations.withdraw(heard.authorization_id, at=LATER, withdrawal=evidence)

        assert not await database.run(withdraw)
        assert (await get(database, heard.authorization_id)).withdrawal == kept
    assert (await get(database, heard.authorization_id)).withdrawn_at == LATER


@pytest.mark.req("6.3-13")
async def test_no_use_begins_after_a_withdrawal(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    before = samples.use(granted)

    async def withdraw() -> bool:
        return await database.run(
            lambda tx: tx.authorizations.withdraw(granted.authorization_id, at=LATER, withdrawal=b"withdrawal")
        )

    assert await database.run(lambda tx: tx.authorizations.begin_use(before, limit=3))
    assert await withdraw()
    assert not await withdraw()
    assert not await database.run(lambda tx: tx.authorizations.begin_use(samples.use(granted), limit=3))
    withdrawn = replace(granted, state=AuthorizationState.WITHDRAWN, withdrawal=b"withdrawal", withdrawn_at=LATER)
    assert await get(database, granted.authorization_id) == replace(withdrawn, uses={1: 1})
    assert await database.read(lambda tx: tx.authorizations.uses_of(granted.authorization_id)) == [before]


@pytest.mark.req("6.3-12")
async def test_uses_that_begin_at_once_are_never_more_than_the_limit(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    uses = [samples.use(granted) for _ in range(20)]

    def begin(use: Any) -> Callable[[Transaction], bool]:
        return lambda tx: tx.authorizations.begin_use(use, limit=3)

    begun = await asyncio.gather(*(database.run(begin(use)) for use in uses))
    assert sum(begun) == 3
    kept = await database.read(lambda tx: tx.authorizations.uses_of(granted.authorization_id))
    assert sorted(use.use_id for use in kept) == sorted(
        use.use_id for use, counts in zip(uses, begun, strict=True) if counts
    )
    assert (await get(database, granted.authorization_id)).uses == {1: 3}


@pytest.mark.req("6.3-12")
async def test_uses_that_begin_in_several_processes_are_never_more_than_the_limit(
    url: str, open_database: OpenDatabase
) -> None:
    """Each process has its own committer; batches of one unit make their transactions meet as often as they can."""
    databases = [await open_database(url, batch_limit=1) for _ in range(4)]
    granted = samples.granted()
    await add(databases[0], granted)
    uses = [samples.use(granted) for _ in range(20)]

    def begin(use: Any) -> Callable[[Transaction], bool]:
        return lambda tx: tx.authorizations.begin_use(use, limit=3)

    calls = (databases[number % 4].run(begin(use)) for number, use in enumerate(uses))
    assert sum(await asyncio.gather(*calls)) == 3
    assert (await get(databases[0], granted.authorization_id)).uses == {1: 3}
    assert len(await databases[1].read(lambda tx: tx.authorizations.uses_of(granted.authorization_id))) == 3


async def test_a_withdrawal_in_another_process_comes_before_or_after_each_use(
    url: str, open_database: OpenDatabase
) -> None:
    """A unit tells what it saw: no use was begun by a transaction that came after the withdrawal's."""
    counters = [await open_database(url, batch_limit=1) for _ in range(2)]
    holder = await open_database(url)
    granted = samples.granted()
    await add(holder, granted)
    uses = [samples.use(granted) for _ in range(20)]

    def begin(use: Any) -> Callable[[Transaction], bool]:
        return lambda tx: tx.authorizations.begin_use(use, limit=100)

    def withdraw(tx: Transaction) -> int:
        assert tx.authorizations.withdraw(granted.authorization_id, at=LATER, withdrawal=b"withdrawal")
        return len(tx.authorizations.uses_of(granted.authorization_id))

    begun = [asyncio.ensure_future(counters[number % 2].run(begin(use))) for number, use in enumerate(uses)]
    seen = await holder.run(withdraw)
    assert sum(await asyncio.gather(*begun)) == seen
    assert (await get(holder, granted.authorization_id)).uses.get(1, 0) == seen


@pytest.mark.postgres
async def test_a_use_waits_for_a_withdrawal_that_is_not_committed(
    new_postgres: Callable[[], str], open_database: OpenDatabase
) -> None:
    """With READ COMMITTED a plain condition would look at the old row and let the use begin."""
    url = new_postgres()
    holder, counter = await open_database(url), await open_database(url)
    granted = samples.granted()
    await add(holder, granted)
    loop = asyncio.get_running_loop()
    withdrawn, waiting = asyncio.Event(), asyncio.Event()

    def withdraw(tx: Any) -> bool:
        done = tx.authorizations.withdraw(granted.authorization_id, at=LATER, withdrawal=b"withdrawal")
        loop.call_soon_threadsafe(withdrawn.set)
        asyncio.run_coroutine_threadsafe(waiting.wait(), loop).result(timeout=20)
        return bool(done)

    holding = asyncio.ensure_future(holder.run(withdraw))
    await withdrawn.wait()
    beginning = asyncio.ensure_future(
        counter.run(lambda tx: tx.authorizations.begin_use(samples.use(granted), limit=3))
    )
    while not await counter.read(
        lambda tx: int(tx.link.ask("SELECT count(*) FROM pg_locks WHERE NOT granted"))  # type: ignore[attr-defined]
    ):
        await asyncio.sleep(0.01)
    waiting.set()
    assert await holding
    assert not await beginning
    assert (await get(holder, granted.authorization_id)).uses == {}


@pytest.mark.req("6.3-12")
async def test_a_use_that_failed_gives_its_count_back_once(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    first, second = samples.use(granted), samples.use(granted)

    async def begin(use: Any) -> bool:
        return await database.run(lambda tx: tx.authorizations.begin_use(use, limit=2))

    async def fail(use: Any) -> bool:
        return await database.run(lambda tx: tx.authorizations.end_use(use.use_id, state=UseState.FAILED, at=LATER))

    assert [await begin(first), await begin(second), await begin(samples.use(granted))] == [True, True, False]
    assert [await fail(first), await fail(first)] == [True, False]
    assert (await get(database, granted.authorization_id)).uses == {1: 1}
    assert [await begin(samples.use(granted)), await begin(samples.use(granted))] == [True, False]
    ended = await database.read(lambda tx: tx.authorizations.get_use(first.use_id))
    assert ended == replace(first, state=UseState.FAILED, ended_at=LATER)


async def test_a_use_that_was_delivered_keeps_its_count(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    use = samples.use(granted)

    def deliver(tx: Transaction) -> list[bool]:
        store = tx.authorizations
        return [
            store.begin_use(use, limit=1),
            store.end_use(use.use_id, state=UseState.DELIVERED, at=LATER, delivery=b"delivery"),
            store.end_use(use.use_id, state=UseState.FAILED, at=LATER),
        ]

    assert await database.run(deliver) == [True, True, False]
    delivered = replace(use, state=UseState.DELIVERED, ended_at=LATER, delivery=b"delivery")
    assert await database.read(lambda tx: tx.authorizations.get_use(use.use_id)) == delivered
    assert (await get(database, granted.authorization_id)).uses == {1: 1}


async def test_a_serial_is_used_once_by_each_caller(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    use = samples.use(granted, biz_serial="same")
    other = samples.use(granted, biz_serial="same", caller="licence:shanghai", request=b"")

    def begin(tx: Transaction) -> list[bool]:
        again = samples.use(granted, biz_serial="same")
        return [tx.authorizations.begin_use(each, limit=9) for each in (use, again, other)]

    assert await database.run(begin) == [True, False, True]
    assert (await get(database, granted.authorization_id)).uses == {1: 2}

    async def find(caller: str) -> Any:
        return await database.read(
            lambda tx: tx.authorizations.find_use(
                authorization_id=granted.authorization_id, caller=caller, biz_serial="same"
            )
        )

    assert [await find("app:counter-app"), await find("licence:shanghai")] == [use, other]
    assert await find("app:nobody") is None


async def test_a_serial_whose_use_failed_may_try_again(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    failed, again, third = (samples.use(granted, biz_serial="same") for _ in range(3))

    def act(tx: Transaction) -> list[bool]:
        store = tx.authorizations
        return [
            store.begin_use(failed, limit=1),
            store.begin_use(again, limit=2),
            store.end_use(failed.use_id, state=UseState.FAILED, at=LATER),
            store.begin_use(again, limit=1),
            store.end_use(again.use_id, state=UseState.DELIVERED, at=LATER),
            store.begin_use(third, limit=9),
        ]

    assert await database.run(act) == [True, False, True, True, True, False]
    found = await database.read(
        lambda tx: tx.authorizations.find_use(
            authorization_id=granted.authorization_id, caller=again.caller, biz_serial="same"
        )
    )
    assert found == replace(again, state=UseState.DELIVERED, ended_at=LATER)
    assert (await get(database, granted.authorization_id)).uses == {1: 1}
    kept = await database.read(lambda tx: tx.authorizations.uses_of(granted.authorization_id))
    assert [use.state for use in kept] == [UseState.FAILED, UseState.DELIVERED]


async def test_a_use_that_is_counted_elsewhere_is_recorded_and_counts_nothing_here(database: Database) -> None:
    mirror = samples.granted(account_id=None, subject_kind=None)
    await add(database, mirror)
    here, unknown = samples.use(mirror), samples.use(samples.granted(account_id=None))

    def record(tx: Transaction) -> list[bool]:
        store = tx.authorizations
        counted = samples.use(mirror)
        return [
            store.begin_use(counted, limit=9),
            store.record_use(here),
            store.record_use(replace(here, item_no=2)),
            store.record_use(unknown),
            store.end_use(here.use_id, state=UseState.FAILED, at=LATER),
        ]

    assert await database.run(record) == [True, True, False, True, True]
    assert (await get(database, mirror.authorization_id)).uses == {1: 1}
    assert await database.read(lambda tx: tx.authorizations.get_use(unknown.use_id)) == unknown


async def test_uses_are_listed_of_an_account_or_of_one_authorization(database: Database) -> None:
    account_id = new_account_id()
    one, other = (samples.granted(account_id=account_id) for _ in range(2))
    await add(database, one, other)
    uses = [samples.use(of, begun_at=NOW + SECOND) for of in (one, other, one)]
    stranger = samples.use(samples.granted())

    def begin(tx: Transaction) -> None:
        for use in reversed(uses):
            tx.authorizations.begin_use(use, limit=9)
        tx.authorizations.record_use(stranger)

    await database.run(begin)

    async def page(before: str = "", of: str = "", limit: int = 2) -> Any:
        return await database.read(
            lambda tx: tx.authorizations.list_uses(account_id, authorization_id=of, before=before, limit=limit)
        )

    assert await page() == [uses[2], uses[1]]
    assert await page(before=uses[1].use_id) == [uses[0]]
    assert await page(of=one.authorization_id) == [uses[2], uses[0]]
    assert await page(of=one.authorization_id, before=uses[2].use_id) == [uses[0]]
    assert await page(before="none") == []
    found = await database.read(lambda tx: tx.authorizations.uses_of(one.authorization_id))
    assert found == [uses[0], uses[2]]


async def test_notices_are_kept_until_they_are_delivered(database: Database) -> None:
    first, second = samples.notice(), samples.notice(due_at=NOW + SECOND)
    later = samples.notice(due_at=LATER)

    async def due() -> Any:
        return await database.read(lambda tx: tx.authorizations.due_notices(now=NOW + SECOND, limit=2))

    def add_all(tx: Transaction) -> None:
        for notice in (later, second, first, replace(first, withdrawal=b"other")):
            tx.authorizations.add_notice(notice)

    await database.run(add_all)
    assert await due() == [first, second]
    other = samples.notice(authorization_id=first.authorization_id, node_id="440000", due_at=NOW - SECOND)
    await database.run(lambda tx: tx.authorizations.add_notice(other))
    assert await due() == [other, first]
    await database.run(
        lambda tx: tx.authorizations.postpone_notice(first.authorization_id, "310000", due_at=NOW + SECOND / 2)
    )
    await database.run(lambda tx: tx.authorizations.drop_notice(first.authorization_id, "440000"))
    await database.run(lambda tx: tx.authorizations.drop_notice("none", "440000"))
    await database.run(lambda tx: tx.authorizations.postpone_notice("none", "440000", due_at=NOW))
    assert await due() == [replace(first, attempts=1, due_at=NOW + SECOND / 2), second]


@pytest.mark.req("6.3-17")
async def test_what_is_over_is_purged_with_its_uses_and_notices(database: Database) -> None:
    waiting = samples.authorization(decide_before=NOW - timedelta(days=9))
    granted = samples.granted(ends_at=NOW - 2 * SECOND)
    timed_out, denied, withdrawn = samples.authorization(), samples.authorization(), samples.granted()
    lasting = samples.granted(ends_at=NOW)
    use, kept = samples.use(granted), samples.use(lasting)
    stray = samples.use(samples.granted(), begun_at=NOW - SECOND)
    fresh = samples.use(samples.granted(), begun_at=NOW)

    def prepare(tx: Transaction) -> None:
        store = tx.authorizations
        for each in (waiting, granted, timed_out, denied, withdrawn, lasting):
            store.add(each)
        store.begin_use(use, limit=1)
        store.begin_use(kept, limit=1)
        store.record_use(stray)
        store.record_use(fresh)
        store.add_notice(samples.notice(authorization_id=granted.authorization_id))
        store.add_notice(samples.notice(authorization_id=lasting.authorization_id))
        store.time_out(timed_out.authorization_id, at=NOW - SECOND)
        refusal = samples.decision(
            state=AuthorizationState.DENIED, decided_at=NOW - SECOND, ends_at=None, consent=b"", grant=b""
        )
        store.decide(denied.authorization_id, **refusal)
        store.withdraw(withdrawn.authorization_id, at=NOW - SECOND, withdrawal=b"withdrawal")

    await database.run(prepare)

    async def purge() -> int:
        return await database.run(lambda tx: tx.authorizations.purge(ended_before=NOW, limit=3))

    assert [await purge(), await purge(), await purge()] == [3, 1, 0]
    for gone in (granted, timed_out, denied, withdrawn):
        assert await get(database, gone.authorization_id) is None
    assert await get(database, waiting.authorization_id) == waiting
    assert await get(database, lasting.authorization_id) == replace(lasting, uses={1: 1})

    async def get_use(each: Any) -> Any:
        return await database.read(lambda tx: tx.authorizations.get_use(each.use_id))

    assert [await get_use(each) for each in (use, stray)] == [None, None]
    assert [await get_use(each) for each in (kept, fresh)] == [kept, fresh]
    left = await database.read(lambda tx: tx.authorizations.due_notices(now=LATER, limit=9))
    assert [notice.authorization_id for notice in left] == [lasting.authorization_id]
    # The id may come again as that of another one, whose uses are counted from nothing.
    assert await database.run(lambda tx: tx.authorizations.add(granted))
    assert await get(database, granted.authorization_id) == granted


async def test_a_copy_that_never_hears_of_the_decision_is_purged(database: Database) -> None:
    mirror = samples.authorization(account_id=None, subject_kind=None)
    await add(database, mirror)
    over = mirror.decide_before + mirror.request.period

    async def purge(ended_before: Any) -> int:
        return await database.run(lambda tx: tx.authorizations.purge(ended_before=ended_before, limit=3))

    assert [await purge(over), await purge(over + SECOND)] == [0, 1]


async def test_legal_bases_are_kept_with_the_use(database: Database) -> None:
    granted = samples.granted()
    await add(database, granted)
    uses = [samples.use(granted, legal_basis=basis) for basis in LegalBasis]
    await database.run(lambda tx: [tx.authorizations.begin_use(use, limit=9) for use in uses])
    assert await database.read(lambda tx: tx.authorizations.uses_of(granted.authorization_id)) == uses
