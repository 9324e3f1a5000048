"""Registering: each act once, audited, and in force from the next call on."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import AccountNotFoundError, RelationUnknownError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.numbers import InvalidNumberError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.parties import (
    DuplicateError,
    PartyUnknownError,
    RegistrationState,
    RegistrationStateConflictError,
    RelyingParty,
)
from govcode_node.domain.scenes import SceneUnknownError
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import OTHER_USCC, USCC, Counter, MobileApp, OperatorDesk, person

APPLIED, APPROVED, ENABLED = RegistrationState.APPLIED, RegistrationState.APPROVED, RegistrationState.ENABLED
SUSPENDED, CLOSED = RegistrationState.SUSPENDED, RegistrationState.CLOSED


def party(desk: OperatorDesk, uscc: str = USCC) -> RelyingParty:
    return RelyingParty(
        relying_party_id="chosen-by-the-caller",
        name="政务服务中心",
        uscc=uscc,
        purpose="政务服务事项办理",
        contact="office@example.invalid",
        state=ENABLED,
        registered_at=desk.node.clock.now() - timedelta(days=1),
    )


async def test_a_registration_begins_as_applied_whatever_the_caller_says(desk: OperatorDesk) -> None:
    kept, _ = await desk.registry.register_relying_party(desk.call("RegisterRp", 1), "one", party(desk))

    assert (kept.state, kept.registered_at) == (APPLIED, desk.node.clock.now())
    assert kept.relying_party_id.startswith("rp_")
    assert list(await desk.registry.relying_parties(after="", limit=10)) == [kept]


async def test_an_organisation_is_registered_once_and_under_a_real_number(desk: OperatorDesk) -> None:
    await desk.relying_party(USCC)
    before = await desk.audit()

    with pytest.raises(DuplicateError):
        await desk.relying_party(USCC)
    with pytest.raises(InvalidNumberError):
        await desk.relying_party("91420100MA9TEXT199")

    assert await desk.audit() == before


@pytest.mark.parametrize("what", ["relying_party", "application", "scanner"])
@pytest.mark.parametrize(
    ("moves", "refused"),
    [
        ((), ENABLED),
        ((APPROVED,), APPLIED),
        ((APPROVED, ENABLED), APPROVED),
        ((APPROVED, ENABLED, SUSPENDED), APPROVED),
        ((APPROVED, ENABLED, SUSPENDED, ENABLED, CLOSED), ENABLED),
        ((CLOSED,), CLOSED),
    ],
)
async def test_a_registration_moves_only_as_it_may(
    desk: OperatorDesk, what: str, moves: tuple[RegistrationState, ...], refused: RegistrationState
) -> None:
    name, move = await registered(desk, what)
    for state in moves:
        assert (await move(name, state)).state is state
    before = await desk.audit()

    with pytest.raises(RegistrationStateConflictError):
        await move(name, refused)

    assert await desk.audit() == before
    assert [record.entry.result for record in await desk.audit(AuditAction.REGISTRATION_MOVED)][-len(moves) :] == [
        state.value for state in moves
    ] or not moves


async def registered(desk: OperatorDesk, what: str) -> tuple[str, Any]:
    """A new registration of that kind, APPLIED, and how it is moved."""
    from govcode_node.domain.parties import Application, ApplicationKind, Scanner

    now = desk.node.clock.now()
    kept, _ = await desk.registry.register_relying_party(desk.call("RegisterRp", 1), "rp", party(desk))
    if what == "relying_party":
        return kept.relying_party_id, desk.move_relying_party
    application = Application(
        app_id="counter-app",
        relying_party_id=kept.relying_party_id,
        kind=ApplicationKind.RELYING_PARTY,
        name="窗口",
        scene_nos=(),
        state=ENABLED,
        registered_at=now,
    )
    await desk.registry.register_application(desk.call("RegisterApp", 1), "app", application)
    if what == "application":
        return "counter-app", desk.move_application
    scanner = Scanner(device_id="gate-1", app_id="counter-app", place="东门", state=ENABLED, registered_at=now)
    await desk.registry.register_scanner(desk.call("RegisterScanner", 1), "scanner", scanner)
    return "gate-1", desk.move_scanner


async def test_what_is_not_there_is_neither_moved_nor_built_upon(desk: OperatorDesk) -> None:
    for move in (desk.move_relying_party, desk.move_application, desk.move_scanner):
        with pytest.raises(PartyUnknownError):
            await move("nobody", APPROVED)
    with pytest.raises(PartyUnknownError):
        await desk.application("counter-app", party_id="rp_" + "0" * 32, scene_nos=())
    with pytest.raises(PartyUnknownError):
        await desk.scanner("gate-1", app_id="nobody")
    party_id = await desk.relying_party(USCC)
    with pytest.raises(SceneUnknownError):
        await desk.application("counter-app", party_id=party_id, scene_nos=(9,))


async def test_names_are_taken_once(desk: OperatorDesk) -> None:
    party_id = await desk.relying_party(USCC)
    await desk.application("counter-app", party_id=party_id, scene_nos=())
    await desk.scanner("gate-1", app_id="counter-app")

    with pytest.raises(DuplicateError):
        await desk.application("counter-app", party_id=party_id, scene_nos=())
    with pytest.raises(DuplicateError):
        await desk.scanner("gate-1", app_id="counter-app")


@pytest.mark.req("7.4-03")
async def test_a_suspended_registration_counts_from_the_next_scan_on_and_so_does_its_return(
    app: MobileApp, counter: Counter, desk: OperatorDesk
) -> None:
    await desk.scanner("gate-1", app_id="counter-app", place="东门")
    code = await (await app.open_account()).make_static()

    for move, name in (
        (desk.move_scanner, "gate-1"),
        (desk.move_application, "counter-app"),
        (desk.move_relying_party, counter.party_id),
    ):
        assert (await counter.scan(code, device_id="gate-1")).answer.outcome is Outcome.VALID
        await move(name, SUSPENDED)
        with pytest.raises(Exception, match="SUSPENDED"):
            await counter.scan(code, device_id="gate-1")
        await move(name, ENABLED)
    assert (await counter.scan(code, device_id="gate-1")).answer.outcome is Outcome.VALID


@pytest.mark.req("N-51")
async def test_a_registration_repeated_by_its_serial_is_one(desk: OperatorDesk, clock: MovableClock) -> None:
    call = desk.call("RegisterRp", 1)
    first, _ = await desk.registry.register_relying_party(call, "one", party(desk))
    clock.advance(timedelta(hours=23))

    again, replayed = await desk.registry.register_relying_party(call, "one", party(desk))

    assert (again, replayed) == (first, True)
    with pytest.raises(SerialConflictError):
        await desk.registry.register_relying_party(desk.call("RegisterRp", 2), "one", party(desk, OTHER_USCC))
    assert len(await desk.audit(AuditAction.REGISTERED)) == 1


@pytest.mark.req("N-51")
async def test_equal_registrations_at_once_are_one(federation: FederationInMemory) -> None:
    desk = OperatorDesk(federation.add("110000", prefixes=("11",), gather=True))
    call = desk.call("RegisterRp", 1)

    answers = await asyncio.gather(*(desk.registry.register_relying_party(call, "one", party(desk)) for _ in range(4)))

    assert len({kept.relying_party_id for kept, _ in answers}) == 1
    assert sorted(replayed for _, replayed in answers) == [False, True, True, True]


async def test_a_move_that_another_worker_was_quicker_with_is_a_conflict(
    desk: OperatorDesk, node: NodeInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    party_id = await desk.relying_party(USCC)
    stale = (await desk.registry.relying_parties(after="", limit=1))[0]
    await desk.move_relying_party(party_id, SUSPENDED)
    # As on PostgreSQL, where another worker may commit between the look and the move.
    store = type(node.database.run_now(lambda tx: tx.parties))
    monkeypatch.setattr(store, "relying_party", lambda self, wanted: stale)

    with pytest.raises(RegistrationStateConflictError):
        await desk.move_relying_party(party_id, SUSPENDED)


async def test_scenes_have_versions_and_the_newest_in_force_counts(desk: OperatorDesk, clock: MovableClock) -> None:
    first = await desk.scene(1)
    second = await desk.scene(1, one_time=True, effective_at=clock.now() + timedelta(hours=1))

    assert (first.version, second.version) == (1, 2)
    assert list(await desk.registry.scenes(after=0, limit=10)) == [first]
    clock.advance(timedelta(hours=1))
    assert list(await desk.registry.scenes(after=0, limit=10)) == [second]


@pytest.mark.req("6.1-11")
async def test_a_relation_binds_two_open_accounts_and_is_ended_once(app: MobileApp, desk: OperatorDesk) -> None:
    guardian, child = await app.open_account(), await app.open_account(person("张小样"))
    relation = await desk.relation(guardian.account, child.account)
    (record,) = await desk.audit(AuditAction.RELATION_REGISTERED)
    assert (record.entry.object, record.entry.details) == (relation.relation_id, {"proof": "户口簿 7 号"})

    await desk.cancel_relation(relation)

    with pytest.raises(RelationUnknownError):
        await desk.cancel_relation(relation)
    with pytest.raises(RelationUnknownError):
        await desk.cancel_relation(replace(relation, relation_id="re_" + "0" * 32))
    await child.close()
    with pytest.raises(AccountNotFoundError):
        await desk.relation(guardian.account, child.account)


async def test_a_place_gets_an_account_without_identity_and_device(desk: OperatorDesk, node: NodeInMemory) -> None:
    account_id = await desk.place()

    account = await node.database.read(lambda tx: tx.accounts.get(account_id))

    assert account is not None
    assert (account.assurance_level, account.device_key_id, account.device_public_key) == (0, "", b"")


async def test_lists_go_on_after_the_last_one_seen(desk: OperatorDesk) -> None:
    party_id = await desk.relying_party(USCC)
    for name in ("a", "b", "c"):
        await desk.application(name, party_id=party_id, scene_nos=())
        await desk.scanner(f"gate-{name}", app_id=name)

    assert [app.app_id for app in await desk.registry.applications(after="a", limit=1)] == ["b"]
    assert [app.app_id for app in await desk.registry.applications(after="b", limit=5)] == ["c"]
    assert [scanner.device_id for scanner in await desk.registry.scanners(after="", limit=2)] == ["gate-a", "gate-b"]
