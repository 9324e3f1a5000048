"""Accounts, sessions, codes, scans and acts: each store does what its port says, on each kind of database."""

from dataclasses import replace
from datetime import timedelta

import pytest
from govcode_node.domain.accounts import AccountId, AccountState, SessionEndReason
from govcode_node.domain.codes import CodeMode, CodeProfile, CodeState, TerminalType
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.domain.nodes import OutcomeCount
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import ScanAct
from govcode_node.ports.stores import Database, Transaction
from storage import samples
from storage.samples import LATER, NOW

SECOND = timedelta(seconds=1)


async def test_an_account_comes_back_whole(database: Database) -> None:
    account = samples.account()
    added = await database.run(lambda tx: tx.accounts.add(account, subject_index=b"i" * 32, sealed_profile=b"p"))
    assert added
    assert await database.read(lambda tx: tx.accounts.get(account.account_id)) == account
    assert await database.read(lambda tx: tx.accounts.find_open(b"i" * 32)) == account
    assert await database.read(lambda tx: tx.accounts.sealed_profile(account.account_id)) == b"p"


async def test_a_subject_has_one_open_account(database: Database) -> None:
    first, second = samples.account(), samples.account()
    assert await database.run(lambda tx: tx.accounts.add(first, subject_index=b"i" * 32, sealed_profile=b"1"))
    assert not await database.run(lambda tx: tx.accounts.add(second, subject_index=b"i" * 32, sealed_profile=b"2"))
    assert await database.read(lambda tx: tx.accounts.get(second.account_id)) is None


async def test_a_closed_account_keeps_no_personal_data_and_makes_room(database: Database) -> None:
    first, second = samples.account(), samples.account()

    def close(tx: Transaction) -> tuple[bool, bool]:
        tx.accounts.add(first, subject_index=b"i" * 32, sealed_profile=b"1")
        return tx.accounts.close(first.account_id, at=LATER), tx.accounts.close(first.account_id, at=LATER)

    assert await database.run(close) == (True, False)
    closed = await database.read(lambda tx: tx.accounts.get(first.account_id))
    assert closed == replace(first, state=AccountState.CLOSED, closed_at=LATER)
    assert await database.read(lambda tx: tx.accounts.sealed_profile(first.account_id)) is None
    assert await database.read(lambda tx: tx.accounts.find_open(b"i" * 32)) is None
    assert await database.run(lambda tx: tx.accounts.add(second, subject_index=b"i" * 32, sealed_profile=b"2"))


async def test_a_device_is_replaced(database: Database) -> None:
    account = samples.account()

    def bind(tx: Transaction) -> None:
        tx.accounts.add(account, subject_index=b"i", sealed_profile=b"")
        tx.accounts.bind_device(account.account_id, device_key_id="new", device_public_key=b"\x04new")

    await database.run(bind)
    bound = await database.read(lambda tx: tx.accounts.get(account.account_id))
    assert bound == replace(account, device_key_id="new", device_public_key=b"\x04new")


@pytest.mark.parametrize(
    "text", ["", "ac_", "ac_" + "A" * 32, "ac_ " + "0" * 31, "sc_" + "0" * 32, "账户", "ac_" + "0" * 33]
)
async def test_an_id_of_another_form_names_nothing(database: Database, text: str) -> None:
    account = samples.account(account_id=AccountId("ac_" + "a" * 32))
    await database.run(lambda tx: tx.accounts.add(account, subject_index=b"i", sealed_profile=b""))
    account_id = AccountId(text)
    assert await database.read(lambda tx: tx.accounts.get(account_id)) is None
    assert await database.read(lambda tx: tx.sessions.list_of(account_id, limit=5)) == []
    assert await database.read(lambda tx: tx.scans.get(text)) is None


async def test_sessions_end_once_and_only_while_they_live(database: Database) -> None:
    living, over = samples.session(), samples.session(expires_at=NOW + SECOND)

    def end(tx: Transaction) -> list[bool]:
        tx.sessions.add(living)
        tx.sessions.add(over)
        reason = SessionEndReason.ENDED_BY_HOLDER
        return [tx.sessions.end(each.token_hash, at=LATER, reason=reason) for each in (living, living, over)]

    assert await database.run(end) == [True, False, False]
    ended = replace(living, ended_at=LATER, end_reason=SessionEndReason.ENDED_BY_HOLDER)
    assert await database.read(lambda tx: tx.sessions.get(living.token_hash)) == ended
    assert await database.read(lambda tx: tx.sessions.get(over.token_hash)) == over


async def test_all_sessions_of_an_account_end_together(database: Database) -> None:
    account_id = samples.new_account_id()
    old, new = (samples.session(account_id=account_id, created_at=NOW + SECOND * number) for number in (0, 1))
    other = samples.session()

    def end_all(tx: Transaction) -> object:
        for session in (old, new, other):
            tx.sessions.add(session)
        return tx.sessions.end_all(account_id, at=LATER, reason=SessionEndReason.ACCOUNT_CLOSED)

    ended = [replace(each, ended_at=LATER, end_reason=SessionEndReason.ACCOUNT_CLOSED) for each in (new, old)]
    assert await database.run(end_all) == ended
    assert await database.read(lambda tx: tx.sessions.list_of(account_id, limit=5)) == ended
    assert await database.read(lambda tx: tx.sessions.list_of(account_id, limit=1)) == ended[:1]
    assert await database.read(lambda tx: tx.sessions.get(other.token_hash)) == other


async def test_relations_are_found_by_their_pair_and_cancelled_once(database: Database) -> None:
    relation = samples.relation()

    def cancel(tx: Transaction) -> list[bool]:
        tx.relations.add(relation)
        return [tx.relations.cancel(relation.relation_id, at=LATER) for _ in range(2)]

    assert await database.run(cancel) == [True, False]
    cancelled = replace(relation, cancelled_at=LATER)
    assert await database.read(lambda tx: tx.relations.get(relation.relation_id)) == cancelled
    presenter, dependant = relation.presenter_account_id, relation.dependant_account_id
    assert await database.read(lambda tx: tx.relations.between(presenter=presenter, dependant=dependant)) == [cancelled]
    assert await database.read(lambda tx: tx.relations.between(presenter=dependant, dependant=presenter)) == []


async def test_a_ticket_is_redeemed_once(database: Database) -> None:
    ticket = samples.ticket()

    def redeem(tx: Transaction) -> list[bool]:
        tx.tickets.add(ticket)
        return [tx.tickets.redeem(ticket.ticket_hash, at=LATER) for _ in range(2)]

    assert await database.run(redeem) == [True, False]
    assert await database.read(lambda tx: tx.tickets.get(ticket.ticket_hash)) == ticket


async def test_a_code_comes_back_whole(database: Database) -> None:
    plain = samples.code()
    static = samples.code(
        presenter_account_id=samples.new_account_id(),
        mode=CodeMode.STATIC,
        profile=CodeProfile.SIGNED,
        one_time=False,
        expires_at=None,
        state=CodeState.FROZEN,
        state_at=LATER,
        reason="挂失",
    )

    def add(tx: Transaction) -> None:
        tx.codes.add(plain)
        tx.codes.add(static)

    await database.run(add)
    assert await database.read(lambda tx: tx.codes.get(plain.code_id)) == plain
    assert await database.read(lambda tx: tx.codes.get(static.code_id)) == static
    assert await database.read(lambda tx: tx.codes.get(bytes(16))) is None


async def test_a_code_is_superseded_once_even_in_its_own_batch(database: Database) -> None:
    code = samples.code()

    def supersede(tx: Transaction) -> list[bool]:
        tx.codes.add(code)
        return [tx.codes.supersede(code.code_id, at=LATER) for _ in range(2)]

    assert await database.run(supersede) == [True, False]
    superseded = replace(code, state=CodeState.SUPERSEDED, state_at=LATER)
    assert await database.read(lambda tx: tx.codes.get(code.code_id)) == superseded


async def test_a_code_moves_only_from_the_state_that_was_named(database: Database) -> None:
    code = samples.code()
    await database.run(lambda tx: tx.codes.add(code))

    def freeze(tx: Transaction) -> bool:
        return tx.codes.change_state(
            code.code_id, present=CodeState.ISSUED, target=CodeState.FROZEN, at=LATER, reason="lost"
        )

    assert await database.run(freeze)
    assert not await database.run(freeze)
    frozen = replace(code, state=CodeState.FROZEN, state_at=LATER, reason="lost")
    assert await database.read(lambda tx: tx.codes.get(code.code_id)) == frozen


async def test_every_code_of_an_account_that_is_not_over_is_revoked(database: Database) -> None:
    mine = samples.new_account_id()
    at = NOW + timedelta(minutes=5)
    ended = [
        samples.code(account_id=mine, issued_at=at - SECOND * 599, expires_at=at + SECOND),
        samples.code(account_id=mine, issued_at=at, expires_at=at + SECOND * 60, state=CodeState.FROZEN),
        samples.code(account_id=mine, issued_at=NOW - timedelta(days=90), expires_at=None, mode=CodeMode.STATIC),
        samples.code(account_id=mine, issued_at=NOW, expires_at=at + timedelta(days=9), state=CodeState.SUPERSEDED),
    ]
    untouched = [
        samples.code(account_id=mine, issued_at=at - SECOND * 60, expires_at=at),
        samples.code(account_id=mine, issued_at=NOW - timedelta(days=9), expires_at=at - SECOND),
        samples.code(account_id=mine, issued_at=at, expires_at=at + SECOND * 60, state=CodeState.REVOKED, reason="old"),
        samples.code(issued_at=at, expires_at=at + SECOND * 60),
    ]

    def revoke(tx: Transaction) -> tuple[int, int]:
        for code in ended + untouched:
            tx.codes.add(code)
        return tx.codes.revoke_all(mine, at=at, reason="closed"), tx.codes.revoke_all(mine, at=at, reason="again")

    assert await database.run(revoke) == (len(ended), 0)
    for code in ended:
        revoked = replace(code, state=CodeState.REVOKED, state_at=at, reason="closed")
        assert await database.read(lambda tx, code=code: tx.codes.get(code.code_id)) == revoked
    for code in untouched:
        assert await database.read(lambda tx, code=code: tx.codes.get(code.code_id)) == code


async def test_the_newest_live_code_replaces_the_one_before(database: Database) -> None:
    first = samples.live_code()
    second = replace(first, code_id=samples.code_id_at(LATER), sealed_text=b"newer")
    elsewhere = replace(first, terminal_type=TerminalType.KIOSK)

    def put(tx: Transaction) -> None:
        for live in (first, elsewhere, second):
            tx.codes.put_live(live)

    await database.run(put)
    account_id = first.account_id

    def live(tx: Transaction, terminal_type: TerminalType) -> object:
        return tx.codes.live(account_id, presenter=account_id, terminal_type=terminal_type)

    assert await database.read(lambda tx: live(tx, TerminalType.APP)) == second
    assert await database.read(lambda tx: live(tx, TerminalType.KIOSK)) == elsewhere
    await database.run(lambda tx: tx.codes.drop_live(account_id))
    assert await database.read(lambda tx: live(tx, TerminalType.APP)) is None


async def test_a_one_time_code_is_used_once(database: Database) -> None:
    code, first, second = samples.code(), samples.new_id("sc"), samples.new_id("sc")
    await database.run(lambda tx: tx.codes.add(code))
    assert await database.read(lambda tx: tx.codes.consumed_by(code.code_id)) is None
    assert await database.run(lambda tx: tx.codes.consume(code.code_id, scan_id=first, at=LATER))
    assert not await database.run(lambda tx: tx.codes.consume(code.code_id, scan_id=second, at=LATER))
    assert await database.read(lambda tx: tx.codes.consumed_by(code.code_id)) == first


async def test_the_first_use_of_a_code_for_many_uses_is_known_too(database: Database) -> None:
    code, first, second = samples.code(one_time=False), samples.new_id("sc"), samples.new_id("sc")
    await database.run(lambda tx: tx.codes.add(code))
    assert await database.run(lambda tx: tx.codes.consume(code.code_id, scan_id=first, at=LATER))
    assert not await database.run(lambda tx: tx.codes.consume(code.code_id, scan_id=second, at=LATER))
    assert await database.read(lambda tx: tx.codes.consumed_by(code.code_id)) == first
    assert await database.read(lambda tx: tx.codes.get(code.code_id)) == code


async def test_a_code_that_was_never_issued_here_is_not_used(database: Database) -> None:
    assert not await database.run(lambda tx: tx.codes.consume(bytes(16), scan_id=samples.new_id("sc"), at=LATER))


async def test_signed_codes_that_ended_early_are_listed(database: Database) -> None:
    signed = {"profile": CodeProfile.SIGNED, "expires_at": NOW + timedelta(hours=1)}
    revoked = samples.code(**signed, state=CodeState.REVOKED, state_at=NOW)
    frozen = samples.code(**signed, state=CodeState.FROZEN, state_at=NOW)
    superseded = samples.code(**signed, state=CodeState.SUPERSEDED, state_at=NOW)
    used = samples.code(**signed)
    endless = samples.code(**signed | {"expires_at": None}, state=CodeState.REVOKED, state_at=NOW)
    not_listed = [
        samples.code(**signed),
        samples.code(**signed, state=CodeState.SUPERSEDED, state_at=LATER + SECOND),
        samples.code(**signed | {"expires_at": NOW + SECOND}, state=CodeState.REVOKED, state_at=NOW),
        samples.code(state=CodeState.REVOKED, state_at=NOW, expires_at=NOW + timedelta(hours=1)),
    ]
    listed = [revoked, frozen, superseded, used, endless]

    def add(tx: Transaction) -> None:
        for code in listed + not_listed:
            tx.codes.add(code)

    await database.run(add)
    await database.run(lambda tx: tx.codes.consume(used.code_id, scan_id=samples.new_id("sc"), at=NOW))
    found = await database.read(lambda tx: tx.codes.ended_signed(now=LATER))
    assert found == sorted(code.code_id for code in listed)


async def test_issued_codes_are_counted_by_time(database: Database) -> None:
    def add(tx: Transaction) -> None:
        for seconds in (-1, 0, 59, 60):
            tx.codes.add(samples.code(issued_at=NOW + SECOND * seconds, expires_at=NOW + timedelta(hours=1)))

    await database.run(add)
    counted = await database.read(lambda tx: tx.codes.count_issued(start=NOW, end=NOW + timedelta(minutes=1)))
    assert counted == 2


async def test_a_scan_comes_back_whole(database: Database) -> None:
    row = samples.scan()
    unread = samples.scan(
        outcome=Outcome.MALFORMED,
        code_id=b"",
        account_id=None,
        home_node="",
        disclosed_fields=(),
        trace_id="",
        device_id="",
        peer_evidence=b"",
    )

    def add(tx: Transaction) -> None:
        tx.scans.add(row)
        tx.scans.add(unread)

    await database.run(add)
    for each in (row, unread):
        found = await database.read(
            lambda tx, each=each: tx.scans.find(caller=each.caller, act=each.act, biz_serial=each.biz_serial)
        )
        assert found == each
        assert await database.read(lambda tx, each=each: tx.scans.get(each.scan_id)) == each
    assert (
        await database.read(lambda tx: tx.scans.find(caller=row.caller, act=ScanAct.VERIFY, biz_serial=row.biz_serial))
        is None
    )


async def test_only_an_undecided_scan_is_withdrawn_and_frees_its_serial(database: Database) -> None:
    undecided = samples.scan(outcome=Outcome.HOME_NODE_TIMEOUT)
    decided = samples.scan(outcome=Outcome.VALID)

    def add(tx: Transaction) -> None:
        tx.scans.add(undecided)
        tx.scans.add(decided)

    await database.run(add)
    assert await database.run(lambda tx: tx.scans.withdraw(undecided.scan_id))
    assert not await database.run(lambda tx: tx.scans.withdraw(undecided.scan_id))
    assert not await database.run(lambda tx: tx.scans.withdraw(decided.scan_id))
    assert not await database.run(lambda tx: tx.scans.withdraw("no scan"))
    answered = samples.scan(biz_serial=undecided.biz_serial)
    await database.run(lambda tx: tx.scans.add(answered))
    assert await database.read(lambda tx: tx.scans.get(answered.scan_id)) == answered
    assert await database.read(lambda tx: tx.scans.get(undecided.scan_id)) is None
    assert await database.read(lambda tx: tx.scans.get(decided.scan_id)) == decided


async def test_a_holders_scans_are_paged_newest_first(database: Database) -> None:
    mine = samples.new_account_id()
    rows = [samples.scan(account_id=mine, decided_at=NOW + SECOND * number) for number in range(4)]

    def add(tx: Transaction) -> None:
        for row in [*rows, samples.scan()]:
            tx.scans.add(row)

    await database.run(add)
    newest = list(reversed(rows))

    async def page(before: str, start: object = None) -> object:
        return await database.read(
            lambda tx: tx.scans.list_of(mine, start=start, before_scan_id=before, limit=2)  # type: ignore[arg-type]
        )

    assert await page("") == newest[:2]
    assert await page(newest[1].scan_id) == newest[2:]
    assert await page("", NOW + SECOND * 3) == newest[:1]
    assert await page("not an id") == []


async def test_outcomes_are_counted_by_visited_and_home_node(database: Database) -> None:
    def add(tx: Transaction) -> None:
        for _ in range(2):
            tx.scans.add(samples.scan())
        tx.scans.add(samples.scan(outcome=Outcome.REVOKED))
        tx.scans.add(samples.scan(home_node="310000"))
        tx.scans.add(samples.scan(decided_at=NOW + timedelta(minutes=1)))

    await database.run(add)
    counted = await database.read(lambda tx: tx.scans.count_outcomes(start=NOW, end=NOW + timedelta(minutes=1)))
    assert sorted(counted, key=str) == sorted(
        [
            OutcomeCount(visited_node="420102", home_node="310000", outcome="VALID", count=1),
            OutcomeCount(visited_node="420102", home_node="420102", outcome="VALID", count=2),
            OutcomeCount(visited_node="420102", home_node="420102", outcome="REVOKED", count=1),
        ],
        key=str,
    )


@pytest.mark.parametrize(
    "serial", ["plain", "0af7651916cd43dd8448eb211c80319c", "0af76519-16cd-43dd-8448-eb211c80319c", "0" * 15, "0" * 16]
)
async def test_an_act_is_remembered_by_caller_method_and_serial(database: Database, serial: str) -> None:
    act = samples.act(biz_serial=serial)
    await database.run(lambda tx: tx.acts.add(act))
    key = {"caller": act.caller, "method": act.method, "biz_serial": act.biz_serial}
    assert await database.read(lambda tx: tx.acts.find(**key)) == act
    for name in key:
        assert await database.read(lambda tx, name=name: tx.acts.find(**key | {name: "other"})) is None


@pytest.mark.parametrize("change", [{"biz_serial": "S"}, {"caller": "app:other"}, {"act": ScanAct.VERIFY}])
async def test_a_serial_is_one_scan_for_a_caller_and_act(database: Database, change: dict[str, object]) -> None:
    first = samples.scan(biz_serial="s")
    await database.run(lambda tx: tx.scans.add(first))
    with pytest.raises(StoreUnavailableError, match="contradicts"):
        await database.run(lambda tx: tx.scans.add(samples.scan(biz_serial="s")))
    await database.run(lambda tx: tx.scans.add(samples.scan(**{"biz_serial": "s"} | change)))
