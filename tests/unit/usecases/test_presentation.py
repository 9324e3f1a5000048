"""Presenting a code: by a session alone, the same code until it is scanned or old, then a new one."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import (
    AccountState,
    RelationNotProvenError,
    SessionInvalidError,
    SubjectSuspendedError,
)
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.code_rules import TerminalRule, TerminalRuleError
from govcode_node.domain.codes import Carrier, CodeMode, CodeProfile, CodeState, TerminalType
from govcode_node.domain.errors import RateLimitedError, SerialConflictError
from govcode_node.domain.identification import AssuranceTooLowError
from govcode_node.domain.keys import KeyPurpose, KeyState, KeyUnavailableError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scenes import SceneNotAllowedError, SceneUnknownError
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, parse
from kit.people_in_memory import ENTITY, Counter, MobileApp, OperatorDesk, call_of, furnish, person


@pytest.mark.req("6.1-02")
async def test_a_presented_code_comes_with_its_end_and_a_hint_to_refresh_before_it(
    app: MobileApp, clock: MovableClock
) -> None:
    holder = await app.open_account()

    issued = await holder.present()

    content = parse(issued.code_text).content
    assert content.expires_at == issued.code.expires_at == clock.now().replace(microsecond=0) + timedelta(seconds=120)
    assert issued.refresh_after == timedelta(seconds=60)
    assert content.code_id == issued.code.code_id
    assert content.region_code == app.node.profile.region_code


@pytest.mark.req("6.1-02")
@pytest.mark.parametrize(
    ("rules", "wish", "validity", "refresh"),
    [
        ({"validity": timedelta(seconds=15)}, {}, 15, 7.5),
        ({"validity": timedelta(seconds=300), "refresh_after": timedelta(seconds=5)}, {}, 300, 5),
        ({"refresh_after": timedelta(seconds=599)}, {}, 120, 60),
        ({}, {"one_time": True}, 180, 60),
        ({"one_time": True}, {}, 180, 60),
    ],
)
async def test_the_scene_decides_over_times_and_the_hint_never_comes_after_the_end(
    app: MobileApp, desk: OperatorDesk, rules: dict[str, Any], wish: dict[str, Any], validity: int, refresh: float
) -> None:
    await desk.scene(1, **rules)
    holder = await app.open_account()

    issued = await holder.present(scene_no=1, **wish)

    assert issued.code.expires_at == issued.code.issued_at + timedelta(seconds=validity)
    assert issued.refresh_after == timedelta(seconds=refresh)
    assert issued.code.one_time is bool(rules.get("one_time") or wish.get("one_time"))


async def test_an_unscanned_code_is_shown_again_until_its_refresh_time(app: MobileApp, clock: MovableClock) -> None:
    holder = await app.open_account()
    first, _ = await holder.present_fully()
    clock.advance(59.9)
    again, _ = await holder.present_fully()
    clock.advance(0.1)
    fresh, _ = await holder.present_fully()

    assert (first.reused, again.reused, fresh.reused) == (False, True, False)
    assert again.issued.code_text == first.issued.code_text
    assert again.issued.refresh_after == timedelta(seconds=0.1)
    assert fresh.issued.code.code_id != first.issued.code.code_id


async def test_a_scanned_code_is_not_shown_again(app: MobileApp, counter: Counter) -> None:
    holder = await app.open_account()
    first = await holder.present()
    assert (await counter.scan(first)).answer.outcome is Outcome.VALID

    second, _ = await holder.present_fully()

    assert not second.reused
    assert second.issued.code.code_id != first.code.code_id


async def test_a_verification_does_not_use_a_code_up(app: MobileApp, counter: Counter) -> None:
    holder = await app.open_account()
    first = await holder.present()
    await counter.verify(first)

    again, _ = await holder.present_fully()

    assert again.reused


@pytest.mark.parametrize(
    "wish", [{"one_time": True}, {"profile": CodeProfile.SIGNED}, {"carrier": Carrier.PRINTED}, {"scene_no": 1}]
)
async def test_another_wish_gets_another_code(app: MobileApp, desk: OperatorDesk, wish: dict[str, Any]) -> None:
    await desk.scene(1)
    holder = await app.open_account()
    first = await holder.present()

    second, _ = await holder.present_fully(**wish)

    assert not second.reused
    assert second.issued.code.code_id != first.code.code_id


@pytest.mark.req("6.1-04")
@pytest.mark.parametrize(
    ("seconds", "outcome"), [(4.9, Outcome.VALID), (5, Outcome.SUPERSEDED), (6, Outcome.SUPERSEDED)]
)
async def test_a_new_code_supersedes_the_old_one_after_the_grace(
    app: MobileApp, counter: Counter, clock: MovableClock, seconds: float, outcome: Outcome
) -> None:
    holder = await app.open_account()
    old = await holder.present()
    clock.advance(60)
    new = await holder.present()

    clock.advance(seconds)

    assert (await counter.verify(old)).answer.outcome is outcome
    assert (await counter.verify(new)).answer.outcome is Outcome.VALID


@pytest.mark.req("6.1-04")
async def test_a_dynamic_code_made_in_two_steps_supersedes_too(
    app: MobileApp, counter: Counter, clock: MovableClock
) -> None:
    holder = await app.open_account()
    presented = await holder.present()
    made = await holder.make_static(mode=CodeMode.DYNAMIC, terminal_type=TerminalType.APP)
    clock.advance(6)

    assert (await counter.verify(presented)).answer.outcome is Outcome.SUPERSEDED
    assert (await counter.verify(made)).answer.outcome is Outcome.VALID
    again, _ = await holder.present_fully()
    assert again.issued.code.code_id == made.code.code_id


async def test_codes_of_other_displays_live_beside_each_other(
    app: MobileApp, counter: Counter, clock: MovableClock
) -> None:
    holder = await app.open_account()
    phone = await holder.present()
    watch = await holder.present(terminal_type=TerminalType.WEARABLE)
    clock.advance(6)

    assert (await counter.verify(phone)).answer.outcome is Outcome.VALID
    assert (await counter.verify(watch)).answer.outcome is Outcome.VALID


async def test_a_static_code_supersedes_nothing(app: MobileApp, counter: Counter, clock: MovableClock) -> None:
    holder = await app.open_account()
    presented = await holder.present()
    printed = await holder.make_static()
    clock.advance(6)

    assert (await counter.verify(presented)).answer.outcome is Outcome.VALID
    assert (await counter.verify(printed)).answer.outcome is Outcome.VALID


@pytest.mark.req("7.1-02")
@pytest.mark.parametrize(
    ("wish", "rule"),
    [
        ({"terminal_type": TerminalType.PRINTED}, TerminalRule.PRINTED_IS_STATIC),
        ({"terminal_type": TerminalType.KIOSK}, TerminalRule.KIOSK_IS_ONE_TIME),
        ({"terminal_type": TerminalType.WEB, "scene_no": 1}, TerminalRule.WEB_REFRESH_TOO_FAST),
        ({"terminal_type": TerminalType.WEARABLE, "profile": CodeProfile.SIGNED}, TerminalRule.WEARABLE_IS_MAC),
    ],
)
async def test_a_display_that_may_not_show_such_a_code_gets_none(
    app: MobileApp, desk: OperatorDesk, wish: dict[str, Any], rule: TerminalRule
) -> None:
    await desk.scene(1, refresh_after=timedelta(seconds=14))
    holder = await app.open_account()

    with pytest.raises(TerminalRuleError) as refused:
        await holder.present(**wish)

    assert refused.value.rule is rule
    assert await desk.audit(AuditAction.CODE_ISSUED) == []


@pytest.mark.req("7.1-02")
@pytest.mark.parametrize(
    ("wish", "carrier"),
    [
        ({"terminal_type": TerminalType.APP}, Carrier.SCREEN),
        ({"terminal_type": TerminalType.MINI_PROGRAM}, Carrier.SCREEN),
        ({"terminal_type": TerminalType.WEB}, Carrier.SCREEN),
        ({"terminal_type": TerminalType.KIOSK, "one_time": True}, Carrier.SCREEN),
        ({"terminal_type": TerminalType.WEARABLE}, Carrier.SCREEN),
    ],
)
async def test_every_kind_of_display_has_its_code(app: MobileApp, wish: dict[str, Any], carrier: Carrier) -> None:
    holder = await app.open_account()

    parsed = parse((await holder.present(**wish)).code_text)

    assert parsed.carrier is carrier
    assert parsed.content.terminal_type is wish["terminal_type"]


@pytest.mark.req("7.1-02")
async def test_a_printed_code_is_static_and_safe_for_scanners(app: MobileApp) -> None:
    holder = await app.open_account()

    issued = await holder.make_static()

    assert parse(issued.code_text).carrier is Carrier.PRINTED
    assert issued.code.mode is CodeMode.STATIC
    assert issued.refresh_after is None


@pytest.mark.req("7.1-04")
async def test_a_holder_who_presents_too_often_is_told_when_to_come_again(
    federation: FederationInMemory, clock: MovableClock
) -> None:
    node = federation.add("110000", prefixes=("11",), subject_limit=2)
    holder = await MobileApp(node).open_account()
    other = await MobileApp(node).open_account(person("李示范"))
    await holder.present()
    await holder.present()

    with pytest.raises(RateLimitedError) as refused:
        await holder.present()

    assert refused.value.limit == "subject"
    assert refused.value.retry_after_seconds == pytest.approx(0.5)
    await other.present()
    clock.advance(0.5)
    await holder.present()


@pytest.mark.req("N-51")
async def test_a_presentation_with_the_same_serial_gets_the_same_code(app: MobileApp, clock: MovableClock) -> None:
    holder = await app.open_account()
    call, command = holder.present_call()
    first, replayed_first = await app.node.steps.presentation.present(call, command)
    clock.advance(timedelta(hours=23))

    again, replayed = await app.node.steps.presentation.present(call, command)

    assert (replayed_first, replayed) == (False, True)
    assert again == first


@pytest.mark.req("N-51")
@pytest.mark.parametrize("profile", [CodeProfile.MAC, CodeProfile.SIGNED])
async def test_the_answer_to_a_serial_stays_what_it_was_whatever_became_of_the_code(
    app: MobileApp, profile: CodeProfile
) -> None:
    holder = await app.open_account()
    call, command = holder.present_call(profile=profile)
    first, _ = await app.node.steps.presentation.present(call, command)
    await holder.change("revoke", first.issued.code)

    assert await app.node.steps.presentation.present(call, command) == (first, True)
    assert (await holder.code(first.issued.code)).state is CodeState.REVOKED


@pytest.mark.req("8.2-05")
@pytest.mark.parametrize("state", [KeyState.VERIFY_ONLY, KeyState.COMPROMISED])
async def test_a_code_under_a_key_that_was_replaced_is_not_shown_again(
    app: MobileApp, counter: Counter, state: KeyState
) -> None:
    holder = await app.open_account()
    first = await holder.present()
    app.node.lose_keys(KeyPurpose.CODE_MAC, state)
    app.node.key_store.generate(KeyPurpose.CODE_MAC, owner="110000")
    app.node.keyring.reload()

    fresh = await holder.present()

    assert fresh.code.code_id != first.code.code_id
    assert (await counter.scan(fresh.code_text)).answer.outcome is Outcome.VALID


@pytest.mark.req("N-51")
async def test_a_serial_for_another_wish_is_a_conflict(app: MobileApp) -> None:
    holder = await app.open_account()
    await holder.present(biz_serial="one")

    with pytest.raises(SerialConflictError):
        await holder.present(biz_serial="one", one_time=True)


@pytest.mark.req("N-51")
@pytest.mark.parametrize("profile", [CodeProfile.MAC, CodeProfile.SIGNED])
async def test_two_equal_calls_at_once_make_one_code(federation: FederationInMemory, profile: CodeProfile) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    holder = await MobileApp(node).open_account()
    call, command = holder.present_call(profile=profile)

    answers = await asyncio.gather(*(node.steps.presentation.present(call, command) for _ in range(4)))

    assert len({answer.issued.code_text for answer, _ in answers}) == 1
    assert sorted(replayed for _, replayed in answers) == [False, True, True, True]
    assert len(await OperatorDesk(node).audit(AuditAction.CODE_ISSUED)) == 1


async def test_two_presentations_at_once_leave_one_live_code(
    federation: FederationInMemory, clock: MovableClock
) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    counter = await furnish(node)
    holder = await MobileApp(node).open_account()

    codes = await asyncio.gather(*(holder.present(one_time=flag) for flag in (False, True, False)))
    clock.advance(6)

    outcomes = sorted([(await counter.verify(code)).answer.outcome for code in codes])
    assert outcomes == [Outcome.SUPERSEDED, Outcome.SUPERSEDED, Outcome.VALID]


@pytest.mark.req("6.1-11")
async def test_a_dependant_needs_a_proven_relation_and_the_code_says_so(
    app: MobileApp, desk: OperatorDesk, counter: Counter
) -> None:
    guardian, child = await app.open_account(), await app.open_account(person("张小样"))
    with pytest.raises(RelationNotProvenError):
        await guardian.present(on_behalf_of=child.account.account_id)
    await desk.relation(guardian.account, child.account)

    issued = await guardian.present(on_behalf_of=child.account.account_id)

    assert parse(issued.code_text).content.proxy
    assert issued.code.account_id == child.account.account_id
    assert issued.code.presenter_account_id == guardian.account.account_id
    answer = (await counter.scan(issued)).answer
    assert answer.proxy
    assert answer.pairwise_id == (await counter.scan(await child.present())).answer.pairwise_id
    with pytest.raises(RelationNotProvenError):
        await child.present(on_behalf_of=guardian.account.account_id)


@pytest.mark.req("6.1-11")
async def test_an_own_code_is_not_marked_as_shown_by_another(app: MobileApp) -> None:
    holder = await app.open_account()

    issued = await holder.present(on_behalf_of=holder.account.account_id)

    assert not parse(issued.code_text).content.proxy
    assert issued.code.presenter_account_id is None


@pytest.mark.req("6.1-11")
async def test_a_relation_that_is_over_lets_nobody_present(
    app: MobileApp, desk: OperatorDesk, clock: MovableClock
) -> None:
    guardian, child = await app.open_account(), await app.open_account(person("张小样"))
    await desk.relation(guardian.account, child.account, lasts=timedelta(hours=1))
    clock.advance(timedelta(hours=1) - timedelta(milliseconds=1))
    await guardian.present(on_behalf_of=child.account.account_id)
    clock.advance(timedelta(milliseconds=1))

    with pytest.raises(RelationNotProvenError):
        await guardian.present(on_behalf_of=child.account.account_id)


@pytest.mark.req("6.1-11")
async def test_a_cancelled_relation_lets_nobody_present(app: MobileApp, desk: OperatorDesk) -> None:
    guardian, child = await app.open_account(), await app.open_account(person("张小样"))
    relation = await desk.relation(guardian.account, child.account)
    await desk.cancel_relation(relation)

    with pytest.raises(RelationNotProvenError):
        await guardian.present(on_behalf_of=child.account.account_id)


async def test_the_holder_and_the_proxy_have_live_codes_of_their_own(app: MobileApp, desk: OperatorDesk) -> None:
    guardian, child = await app.open_account(), await app.open_account(person("张小样"))
    await desk.relation(guardian.account, child.account)
    own = await child.present()

    shown = await guardian.present(on_behalf_of=child.account.account_id)
    again, _ = await child.present_fully()

    assert again.reused
    assert again.issued.code.code_id == own.code.code_id != shown.code.code_id


async def test_a_suspended_holder_presents_nothing(app: MobileApp) -> None:
    holder = await app.open_account()
    app.node.database.set_account_state(holder.account, AccountState.SUSPENDED)

    with pytest.raises(SubjectSuspendedError):
        await holder.present()


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ({"subject_kinds": frozenset({ENTITY})}, SceneNotAllowedError),
        ({"assurance_level": 2}, AssuranceTooLowError),
    ],
)
async def test_a_scene_that_does_not_take_the_holder_gives_no_code(
    app: MobileApp, desk: OperatorDesk, rules: dict[str, Any], error: type[Exception]
) -> None:
    await desk.scene(1, **rules)
    holder = await app.open_account(person("𬱖㛃样"))

    with pytest.raises(error):
        await holder.present(scene_no=1)
    with pytest.raises(SceneUnknownError):
        await holder.present(scene_no=2)


async def test_a_scene_counts_from_its_effective_time_on(
    app: MobileApp, desk: OperatorDesk, clock: MovableClock
) -> None:
    await desk.scene(1, validity=timedelta(seconds=60))
    await desk.scene(1, validity=timedelta(seconds=30), effective_at=clock.now() + timedelta(hours=1))
    holder = await app.open_account()

    before = await holder.present(scene_no=1)
    clock.advance(timedelta(hours=1))
    after = await holder.present(scene_no=1)

    spans = [code.code.expires_at - code.code.issued_at for code in (before, after) if code.code.expires_at]
    assert spans == [timedelta(seconds=60), timedelta(seconds=30)]


@pytest.mark.req("7.5-09")
@pytest.mark.parametrize(
    ("purpose", "profile"), [(KeyPurpose.CODE_MAC, CodeProfile.MAC), (KeyPurpose.CODE_SEAL, CodeProfile.SIGNED)]
)
async def test_without_a_key_nothing_is_issued_and_nothing_written(
    app: MobileApp, desk: OperatorDesk, purpose: KeyPurpose, profile: CodeProfile
) -> None:
    holder = await app.open_account()
    earlier = await holder.present(profile=profile)
    app.node.lose_keys(purpose)
    before = await desk.audit()

    with pytest.raises(KeyUnavailableError):
        await holder.present(biz_serial="lost", one_time=True, profile=profile)

    assert await desk.audit() == before
    assert (await holder.code(earlier.code)).state is CodeState.ISSUED
    assert (
        await app.node.database.read(
            lambda tx: tx.codes.count_issued(start=earlier.code.issued_at, end=app.node.clock.now() + timedelta(days=1))
        )
        == 1
    )
    call = call_of(app.caller, "PresentCode")
    assert (
        await app.node.database.read(
            lambda tx: tx.acts.find(caller="app:mobile-app", method=call.method, biz_serial="lost")
        )
        is None
    )


async def test_a_signed_code_is_not_issued_to_a_session_that_ended_while_it_was_signed(
    app: MobileApp, desk: OperatorDesk
) -> None:
    holder = await app.open_account()
    call, command = holder.present_call(profile=CodeProfile.SIGNED)
    presenting = asyncio.create_task(app.node.steps.presentation.present(call, command))
    await asyncio.sleep(0)
    await app.node.steps.accounts.close_session(
        call_of(app.caller, "CloseSession"), session_token=holder.token, session_id=""
    )

    with pytest.raises(SessionInvalidError):
        await presenting

    assert await desk.audit(AuditAction.CODE_ISSUED) == []
