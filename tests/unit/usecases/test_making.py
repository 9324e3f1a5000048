"""Making a code in two steps: a ticket for one minute and one use, redeemed by the holder's device."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from govcode_node.domain.accounts import (
    AccountNotFoundError,
    AccountState,
    HolderProofInvalidError,
    SessionEndReason,
    SessionInvalidError,
    SubjectSuspendedError,
)
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.code_rules import TerminalRuleError
from govcode_node.domain.codes import Carrier, CodeMode, CodeProfile, ExtensionField, TerminalType
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.issued_codes import (
    CodeWish,
    TicketExpiredError,
    TicketInvalidError,
    TicketUsedError,
)
from govcode_node.domain.keys import KeyPurpose, KeyUnavailableError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scenes import SceneUnknownError
from govcode_node.ports.stores import Transaction
from govcode_node.usecases.making import AppliedTicket, ApplyCommand, MakeCommand
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, parse
from kit.people_in_memory import MATTER, OPERATOR, Counter, Holder, MobileApp, OperatorDesk, call_of, person, serial


@pytest.mark.req("6.1-03")
async def test_a_ticket_makes_one_code(app: MobileApp, counter: Counter, desk: OperatorDesk) -> None:
    holder = await app.open_account()
    applied = await holder.apply()
    issued = await holder.redeem(applied)

    with pytest.raises(TicketUsedError):
        await holder.redeem(applied)

    assert (await counter.scan(issued)).answer.outcome is Outcome.VALID
    assert len(await desk.audit(AuditAction.CODE_ISSUED)) == 1


@pytest.mark.req("6.1-03")
async def test_a_ticket_redeemed_twice_at_once_makes_one_code(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    holder = await MobileApp(node).open_account()
    applied = await holder.apply()

    answers = await asyncio.gather(*(holder.redeem(applied) for _ in range(5)), return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["IssuedCode"] + ["TicketUsedError"] * 4
    assert len(await OperatorDesk(node).audit(AuditAction.CODE_ISSUED)) == 1


@pytest.mark.req("6.1-03")
@pytest.mark.parametrize(("seconds", "late"), [(59.999, False), (60, True), (3600, True)])
async def test_a_ticket_lives_for_a_minute(app: MobileApp, clock: MovableClock, seconds: float, late: bool) -> None:
    holder = await app.open_account()
    applied = await holder.apply()
    assert applied.expires_at == clock.now() + timedelta(seconds=60)
    clock.advance(seconds)

    if late:
        with pytest.raises(TicketExpiredError):
            await holder.redeem(applied)
    else:
        await holder.redeem(applied)


@pytest.mark.req("6.1-03")
async def test_a_ticket_of_another_application_is_none(app: MobileApp) -> None:
    holder = await app.open_account()
    applied = await holder.apply()

    with pytest.raises(TicketInvalidError):
        await holder.redeem(applied, app=MobileApp(app.node, "other-mobile-app"))
    with pytest.raises(TicketInvalidError):
        await holder.redeem(replace(applied, ticket="0" * 32))

    await holder.redeem(applied)


@pytest.mark.req("6.1-03")
async def test_an_operator_of_the_same_name_and_an_application_do_not_share_tickets(
    app: MobileApp, desk: OperatorDesk
) -> None:
    account_id = await desk.place()
    wish = CodeWish(mode=CodeMode.STATIC, terminal_type=TerminalType.PRINTED)
    apply = ApplyCommand(biz_serial=serial(), session_token="", account_id=account_id, wish=wish)
    applied, _ = await app.node.steps.making.apply(call_of(OPERATOR, "ApplyCode", apply), apply)
    namesake = replace(app.caller, name=OPERATOR.name)
    make = MakeCommand(biz_serial=serial(), ticket=applied.ticket, proof=None, carrier=None, profile=None, extension=())

    with pytest.raises(TicketInvalidError):
        await app.node.steps.making.make(call_of(namesake, "MakeCode", make), make)


async def another_holder(app: MobileApp, holder: Holder, applied: AppliedTicket) -> None:
    other = await app.open_account(person("李示范"))
    await holder.redeem(applied, device=other.device)


async def another_nonce(app: MobileApp, holder: Holder, applied: AppliedTicket) -> None:
    await holder.redeem(replace(applied, nonce=bytes(16)))


async def no_proof(app: MobileApp, holder: Holder, applied: AppliedTicket) -> None:
    await holder.redeem(applied, proof=None)


async def proof_of_another_ticket(app: MobileApp, holder: Holder, applied: AppliedTicket) -> None:
    other = await holder.apply()
    number = serial("make")
    proof = Holder.proof(holder.device.prove_make_code(ticket=other.ticket, nonce=applied.nonce, biz_serial=number))
    await holder.redeem(applied, proof=proof, biz_serial=number)


async def proof_of_another_act(app: MobileApp, holder: Holder, applied: AppliedTicket) -> None:
    number = serial("make")
    proof = Holder.proof(holder.device.prove_close_account(session_id=holder.session.session_id, biz_serial=number))
    await holder.redeem(applied, proof=proof, biz_serial=number)


async def proof_of_another_serial(app: MobileApp, holder: Holder, applied: AppliedTicket) -> None:
    proof = Holder.proof(
        holder.device.prove_make_code(ticket=applied.ticket, nonce=applied.nonce, biz_serial="another")
    )
    await holder.redeem(applied, proof=proof)


async def device_of_before(app: MobileApp, holder: Holder, applied: AppliedTicket) -> None:
    await app.bind_device(person(), app.device())
    await holder.redeem(applied)


@pytest.mark.req("6.1-03", "N-30")
@pytest.mark.parametrize(
    "attempt",
    [
        another_holder,
        another_nonce,
        no_proof,
        proof_of_another_ticket,
        proof_of_another_act,
        proof_of_another_serial,
        device_of_before,
    ],
)
async def test_a_ticket_is_redeemed_only_by_the_device_of_its_subject(
    app: MobileApp,
    desk: OperatorDesk,
    attempt: Callable[[MobileApp, Holder, AppliedTicket], Awaitable[None]],
) -> None:
    holder = await app.open_account()
    applied = await holder.apply()

    with pytest.raises(HolderProofInvalidError):
        await attempt(app, holder, applied)

    assert await desk.audit(AuditAction.CODE_ISSUED) == []


async def test_a_code_made_in_two_steps_is_what_was_asked_for(app: MobileApp, desk: OperatorDesk) -> None:
    await desk.scene(7)
    holder = await app.open_account()
    applied = await holder.apply(mode=CodeMode.DYNAMIC, scene_no=7, terminal_type=TerminalType.APP, one_time=True)
    extension = (ExtensionField(2, b"\x01\x02"),)

    issued = await holder.redeem(applied, profile=CodeProfile.SIGNED, carrier=Carrier.PRINTED, extension=extension)

    parsed = parse(issued.code_text)
    content = parsed.content
    assert (content.mode, content.scene_no, content.one_time) == (CodeMode.DYNAMIC, 7, True)
    assert (content.profile, parsed.carrier, content.extension) == (CodeProfile.SIGNED, Carrier.PRINTED, extension)


@pytest.mark.req("7.1-02")
@pytest.mark.parametrize(
    "wish",
    [
        {"terminal_type": TerminalType.PRINTED, "mode": CodeMode.DYNAMIC},
        {"terminal_type": TerminalType.KIOSK, "mode": CodeMode.STATIC},
        {"terminal_type": TerminalType.KIOSK, "mode": CodeMode.DYNAMIC},
    ],
)
async def test_for_a_display_that_may_never_show_it_there_is_not_even_a_ticket(
    app: MobileApp, wish: dict[str, object]
) -> None:
    holder = await app.open_account()

    with pytest.raises(TerminalRuleError):
        await holder.apply(**wish)


@pytest.mark.req("7.1-02")
@pytest.mark.parametrize(
    ("terminal_type", "mode", "fields"),
    [
        (TerminalType.PRINTED, CodeMode.STATIC, {"carrier": Carrier.SCREEN}),
        (TerminalType.WEARABLE, CodeMode.DYNAMIC, {"profile": CodeProfile.SIGNED}),
    ],
)
async def test_a_display_that_may_not_show_it_gets_no_code_and_keeps_its_ticket(
    app: MobileApp, terminal_type: TerminalType, mode: CodeMode, fields: dict[str, object]
) -> None:
    holder = await app.open_account()
    applied = await holder.apply(terminal_type=terminal_type, mode=mode)

    for _ in range(2):
        with pytest.raises(TerminalRuleError):
            await holder.redeem(applied, **fields)


@pytest.mark.req("N-51")
@pytest.mark.parametrize("profile", [CodeProfile.MAC, CodeProfile.SIGNED])
async def test_ticket_and_code_repeated_by_serial_are_the_same(
    app: MobileApp, clock: MovableClock, profile: CodeProfile
) -> None:
    holder = await app.open_account()
    applied = await holder.apply(biz_serial="apply")
    assert await holder.apply(biz_serial="apply") == applied
    with pytest.raises(SerialConflictError):
        await holder.apply(biz_serial="apply", one_time=True)
    call, command = holder.make_call(applied, profile=profile)
    making = app.node.steps.making
    first, _ = await making.make(call, command)
    clock.advance(timedelta(hours=23))

    again, replayed = await making.make(call, command)

    assert (again, replayed) == (first, True)


@pytest.mark.req("N-51")
@pytest.mark.parametrize("profile", [CodeProfile.MAC, CodeProfile.SIGNED])
async def test_equal_redemptions_at_once_make_one_code_and_all_get_it(
    federation: FederationInMemory, profile: CodeProfile
) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    holder = await MobileApp(node).open_account()
    call, command = holder.make_call(await holder.apply(), profile=profile)

    answers = await asyncio.gather(*(node.steps.making.make(call, command) for _ in range(4)))

    assert len({issued.code_text for issued, _ in answers}) == 1
    assert len(await OperatorDesk(node).audit(AuditAction.CODE_ISSUED)) == 1


async def test_who_has_no_session_gets_no_ticket(app: MobileApp, desk: OperatorDesk) -> None:
    holder = await app.open_account()

    with pytest.raises(SessionInvalidError):
        await replace(holder, token="0" * 32).apply()
    with pytest.raises(SceneUnknownError):
        await holder.apply(scene_no=3)

    assert await desk.audit(AuditAction.TICKET_ISSUED) == []


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda holder: holder.close(), AccountNotFoundError),
        (
            lambda holder: asyncio.sleep(
                0, holder.node.database.set_account_state(holder.account, AccountState.SUSPENDED)
            ),
            SubjectSuspendedError,
        ),
    ],
    ids=["closed", "suspended"],
)
async def test_a_ticket_of_a_subject_that_is_gone_makes_no_code(
    app: MobileApp, end: Callable[[Holder], Awaitable[object]], error: type[Exception]
) -> None:
    holder = await app.open_account()
    applied = await holder.apply()
    await end(holder)

    with pytest.raises(error):
        await holder.redeem(applied)


@pytest.mark.req("6.1-03")
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_a_ticket_ends_with_the_session_that_asked_for_it(
    app: MobileApp, clock: MovableClock, meanwhile: bool
) -> None:
    holder = await app.open_account()
    other = await app.open_session(person(), holder.device)
    applied = await holder.apply()

    def end(tx: Transaction) -> None:
        tx.sessions.end(holder.session.token_hash, at=clock.now(), reason=SessionEndReason.ENDED_BY_HOLDER)

    if meanwhile:
        app.node.database.before_unit = end
    else:
        await app.node.database.run(end)

    with pytest.raises(TicketInvalidError):
        await holder.redeem(applied)
    await other.make_static()


@pytest.mark.req("7.5-09")
@pytest.mark.parametrize("profile", [CodeProfile.MAC, CodeProfile.SIGNED])
async def test_without_a_key_no_code_is_made_and_the_ticket_stays_good(
    app: MobileApp, desk: OperatorDesk, profile: CodeProfile
) -> None:
    holder = await app.open_account()
    applied = await holder.apply()
    purpose = KeyPurpose.CODE_MAC_STATIC if profile is CodeProfile.MAC else KeyPurpose.CODE_SEAL
    app.node.lose_keys(purpose)
    with pytest.raises(KeyUnavailableError):
        await holder.redeem(applied, profile=profile)
    assert await desk.audit(AuditAction.CODE_ISSUED) == []
    app.node.key_store.generate(purpose, owner="110000")
    app.node.keyring.reload()

    assert (await holder.redeem(applied, profile=profile)).code.profile is profile


async def test_only_operators_speak_for_things_and_only_for_things(app: MobileApp, desk: OperatorDesk) -> None:
    holder = await app.open_account()
    thing, matter = await desk.place(), await desk.place("办理身份证", kind=MATTER)
    making = app.node.steps.making
    wish = CodeWish(mode=CodeMode.STATIC, terminal_type=TerminalType.PRINTED)

    by_app = ApplyCommand(biz_serial=serial(), session_token=holder.token, account_id=thing, wish=wish)
    with pytest.raises(AccountNotFoundError):
        await making.apply(call_of(app.caller, "ApplyCode", by_app), by_app)
    for_person = ApplyCommand(biz_serial=serial(), session_token="", account_id=holder.account.account_id, wish=wish)
    with pytest.raises(AccountNotFoundError):
        await making.apply(call_of(OPERATOR, "ApplyCode", for_person), for_person)
    assert (await desk.place_code(matter)).code.subject_kind is MATTER


async def test_two_static_codes_of_one_holder_are_both_good(app: MobileApp, counter: Counter) -> None:
    holder = await app.open_account()
    codes = [await holder.make_static() for _ in range(2)]

    assert [(await counter.scan(code)).answer.outcome for code in codes] == [Outcome.VALID, Outcome.VALID]
    assert [(await counter.scan(code)).answer.outcome for code in codes] == [Outcome.VALID, Outcome.VALID]


async def test_a_static_one_time_code_is_good_once(app: MobileApp, counter: Counter) -> None:
    code = await (await app.open_account()).make_static(one_time=True)

    assert (await counter.scan(code)).answer.outcome is Outcome.VALID
    assert (await counter.scan(code)).answer.outcome is Outcome.CONSUMED
