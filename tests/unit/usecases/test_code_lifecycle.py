"""Freezing, unfreezing, replacing and revoking: each counts from the very next scan on, and is told."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.codes import CodeId, CodeMode, CodeProfile, CodeState
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.events import CodeChange, CodeStateChanged
from govcode_node.domain.issued_codes import CodeNotFoundError, CodeStateConflictError, IssuedCode
from govcode_node.domain.keys import KeyPurpose, KeyUnavailableError
from govcode_node.domain.outcomes import Outcome
from govcode_node.usecases import event_feed
from govcode_node.usecases.code_lifecycle import CodeCommand
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, parse
from kit.people_in_memory import OPERATOR, Counter, MobileApp, OperatorDesk, call_of, furnish, person, serial


async def outcome(counter: Counter, code: IssuedCode) -> Outcome:
    return (await counter.verify(code)).answer.outcome


@pytest.mark.req("7.2-07", "7.2-10")
async def test_a_static_code_is_frozen_and_thawed_from_the_next_scan_on(app: MobileApp, counter: Counter) -> None:
    holder = await app.open_account()
    code = await holder.make_static()
    assert await outcome(counter, code) is Outcome.VALID

    frozen = await holder.change("freeze", code.code)
    assert await outcome(counter, code) is Outcome.FROZEN
    thawed = await holder.change("unfreeze", code.code)

    assert await outcome(counter, code) is Outcome.VALID
    assert (frozen.state, frozen.reason, thawed.state) == (CodeState.FROZEN, "test", CodeState.ISSUED)


@pytest.mark.req("7.2-07", "7.2-10")
@pytest.mark.parametrize("profile", [CodeProfile.MAC, CodeProfile.SIGNED])
@pytest.mark.parametrize("freeze_first", [False, True])
async def test_a_replaced_code_is_revoked_and_the_new_one_takes_its_place(
    app: MobileApp, counter: Counter, profile: CodeProfile, freeze_first: bool
) -> None:
    holder = await app.open_account()
    old = await holder.make_static(profile=profile, scene_no=1)
    if freeze_first:
        await holder.change("freeze", old.code)

    result = await holder.change("replace", old.code)

    assert await outcome(counter, old) is Outcome.REVOKED
    assert await outcome(counter, result.issued) is Outcome.VALID
    before, after = parse(old.code_text).content, parse(result.issued.code_text).content
    same = ("profile", "mode", "scene_no", "terminal_type", "one_time", "subject_kind")
    assert [getattr(before, name) for name in same] == [getattr(after, name) for name in same]
    assert result.replaced.code_id == old.code.code_id
    assert (await holder.code(old.code)).state is CodeState.REVOKED


@pytest.mark.req("7.2-10")
@pytest.mark.parametrize("static", [True, False])
async def test_a_revoked_code_is_refused_at_the_next_scan(app: MobileApp, counter: Counter, static: bool) -> None:
    holder = await app.open_account()
    code = await (holder.make_static() if static else holder.present())
    assert await outcome(counter, code) is Outcome.VALID

    await holder.change("revoke", code.code)

    assert await outcome(counter, code) is Outcome.REVOKED
    if not static:
        assert (await holder.present()).code.code_id != code.code.code_id


@pytest.mark.req("7.2-10")
async def test_a_code_within_its_grace_can_be_revoked(app: MobileApp, counter: Counter) -> None:
    holder = await app.open_account()
    old = await holder.present()
    await holder.present(one_time=True)
    assert await outcome(counter, old) is Outcome.VALID

    await holder.change("revoke", old.code)

    assert await outcome(counter, old) is Outcome.REVOKED


@pytest.mark.req("7.2-07")
@pytest.mark.parametrize("act", ["freeze", "unfreeze", "replace"])
async def test_a_dynamic_code_is_not_frozen_or_replaced(app: MobileApp, act: str) -> None:
    holder = await app.open_account()
    code = await holder.present()

    with pytest.raises(CodeStateConflictError):
        await holder.change(act, code.code)

    assert (await holder.code(code.code)).state is CodeState.ISSUED


@pytest.mark.req("7.2-07")
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("revoke", "freeze"),
        ("revoke", "unfreeze"),
        ("revoke", "replace"),
        ("revoke", "revoke"),
        ("freeze", "freeze"),
        ("replace", "unfreeze"),
    ],
)
async def test_a_state_leads_only_where_the_life_cycle_says(app: MobileApp, first: str, then: str) -> None:
    holder = await app.open_account()
    code = await holder.make_static()
    await holder.change(first, code.code)
    before = await holder.code(code.code)

    with pytest.raises(CodeStateConflictError):
        await holder.change(then, code.code)

    assert await holder.code(code.code) == before


async def test_a_code_that_was_never_frozen_is_not_thawed(app: MobileApp) -> None:
    holder = await app.open_account()
    code = await holder.make_static()

    with pytest.raises(CodeStateConflictError):
        await holder.change("unfreeze", code.code)


@pytest.mark.parametrize("act", ["freeze", "unfreeze", "replace", "revoke"])
async def test_the_code_of_another_holder_looks_as_if_it_were_not_there(app: MobileApp, act: str) -> None:
    holder, stranger = await app.open_account(), await app.open_account(person("李示范"))
    code = await holder.make_static()

    with pytest.raises(CodeNotFoundError):
        await stranger.change(act, code.code)
    with pytest.raises(CodeNotFoundError):
        await stranger.code(code.code)
    with pytest.raises(CodeNotFoundError):
        await holder.change(act, replace(code.code, code_id=CodeId(bytes(16))))


async def test_an_operator_revokes_any_code_and_the_application_of_the_code_is_told_at_once(
    app: MobileApp, counter: Counter, desk: OperatorDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LOOK", timedelta(minutes=5))
    code = await (await app.open_account()).make_static()
    waiting = asyncio.create_task(
        app.node.steps.feed.list_events(
            call_of(app.caller, "ListEvents"), cursor="", page_size=10, wait=timedelta(minutes=10)
        )
    )
    await asyncio.sleep(0)
    command = CodeCommand(biz_serial="one", code_id=code.code.code_id, session_token="", reason="court order")

    await app.node.steps.lifecycle.revoke(call_of(OPERATOR, "RevokeCode", command), command)

    (event,) = (await asyncio.wait_for(waiting, 10)).events
    assert event.kind == CodeStateChanged(code_id=code.code.code_id, state=CodeChange.REVOKED)
    assert await outcome(counter, code) is Outcome.REVOKED
    (record,) = await desk.audit(AuditAction.CODE_REVOKED)
    assert (record.entry.actor, record.entry.object) == ("op-1", code.code.code_id.hex())


@pytest.mark.req("N-51")
@pytest.mark.parametrize("act", ["freeze", "replace", "revoke"])
async def test_a_change_repeated_by_its_serial_has_the_same_answer(
    app: MobileApp, clock: MovableClock, desk: OperatorDesk, act: str
) -> None:
    holder = await app.open_account()
    code, other = await holder.make_static(), await holder.make_static()
    first = await holder.change(act, code.code, biz_serial="one")
    issued = len(await desk.audit(AuditAction.CODE_ISSUED))
    clock.advance(timedelta(hours=23))

    assert await holder.change(act, code.code, biz_serial="one") == first
    with pytest.raises(SerialConflictError):
        await holder.change(act, other.code, biz_serial="one")
    assert len(await desk.audit(AuditAction.CODE_ISSUED)) == issued


@pytest.mark.req("N-51")
@pytest.mark.parametrize("act", ["freeze", "replace", "revoke"])
async def test_equal_changes_at_once_are_one_change(federation: FederationInMemory, act: str) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    holder = await MobileApp(node).open_account()
    code = await holder.make_static()

    answers = await asyncio.gather(*(holder.change(act, code.code, biz_serial="one") for _ in range(4)))

    assert all(answer == answers[0] for answer in answers)


@pytest.mark.req("7.5-09")
async def test_a_replacement_that_cannot_be_sealed_leaves_the_old_code_good(app: MobileApp) -> None:
    counter = await furnish(app.node)
    holder = await app.open_account()
    code = await holder.make_static(profile=CodeProfile.SIGNED)
    app.node.lose_keys(KeyPurpose.CODE_SEAL, state=_retired())

    with pytest.raises(KeyUnavailableError):
        await holder.change("replace", code.code)

    assert await outcome(counter, code) is Outcome.VALID


def _retired() -> Any:
    from govcode_node.domain.keys import KeyState

    return KeyState.VERIFY_ONLY


async def test_a_code_shows_its_use_and_its_end(app: MobileApp, counter: Counter, clock: MovableClock) -> None:
    holder = await app.open_account()
    once, plain = await holder.present(one_time=True), await holder.make_static(mode=CodeMode.STATIC)
    assert (await holder.code(once.code)).state is CodeState.ISSUED
    await counter.scan(once)
    await counter.scan(plain)

    assert (await holder.code(once.code)).state is CodeState.CONSUMED
    assert (await holder.code(plain.code)).state is CodeState.ISSUED
    clock.advance(timedelta(days=29))
    shown = await holder.present()
    clock.advance(120)
    assert (await holder.code(shown.code)).state is CodeState.EXPIRED


async def test_an_operator_gets_a_new_code_of_a_thing_and_of_no_person(
    app: MobileApp, counter: Counter, desk: OperatorDesk
) -> None:
    of_person = await (await app.open_account()).make_static()
    of_place = await desk.place_code(await desk.place())

    async def replaced(code: IssuedCode) -> IssuedCode:
        command = CodeCommand(biz_serial=serial(), code_id=code.code.code_id, session_token="", reason="worn")
        result, _ = await app.node.steps.lifecycle.replace(call_of(OPERATOR, "ReplaceCode", command), command)
        return result.issued

    with pytest.raises(CodeNotFoundError):
        await replaced(of_person)
    assert await outcome(counter, of_person) is Outcome.VALID
    assert await outcome(counter, await replaced(of_place)) is Outcome.VALID
    assert await outcome(counter, of_place) is Outcome.REVOKED


async def test_an_operator_may_look_at_any_code(app: MobileApp) -> None:
    code = await (await app.open_account()).present()
    call = call_of(OPERATOR, serial())

    found = await app.node.steps.lifecycle.get(call, code_id=code.code.code_id, session_token="")

    assert found.code_id == code.code.code_id
