"""Accounts and sessions: only after an identity check, only by the holder's own device, one device at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from govcode_client.device import HolderDevice
from govcode_node.domain.accounts import (
    AccountNotFoundError,
    AccountState,
    AlreadyOpenError,
    DeviceNotBoundError,
    HolderProofInvalidError,
    Session,
    SessionEndReason,
    SessionInvalidError,
    SessionNotFoundError,
    SubjectSuspendedError,
    TermsNotAcceptedError,
)
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import AuthorizationState, DecidedItem, GrantWithdrawnError, UseState
from govcode_node.domain.codes import CodeProfile
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.events import AccountClosed, SessionEnded
from govcode_node.domain.identification import (
    IdentificationExpiredError,
    IdentityFailedError,
    IdentityProviderUnavailableError,
)
from govcode_node.domain.outcomes import Outcome
from govcode_node.ports.security import HolderProof
from govcode_node.ports.stores import Transaction
from govcode_node.usecases.accounts import IdentifiedCommand, OpenedSession
from kit.clocks import MovableClock
from kit.consent_in_memory import AskingCounter, DecidingHolder
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import (
    PERSON,
    Counter,
    Holder,
    MobileApp,
    OperatorDesk,
    call_of,
    person,
    serial,
)

ZHANG, LI = "张样例", "李示范"


async def accounts_of(node: NodeInMemory) -> int:
    """How many accounts the node keeps."""
    return await node.database.read(lambda tx: tx.link.one(_COUNT, ())[0])  # type: ignore[attr-defined]


def _count_statement() -> object:
    from govcode_node.storage.statements import Statement
    from govcode_node.storage.tables import accounts
    from sqlalchemy import func, select

    return Statement(select(func.count()).select_from(accounts))


_COUNT = _count_statement()


async def opening(app: MobileApp, command: IdentifiedCommand) -> tuple[OpenedSession, bool]:
    return await app.node.steps.accounts.open_account(app.command_call("OpenAccount", command), command)


@pytest.mark.req("6.1-01")
async def test_an_account_keeps_when_and_how_surely_its_holder_was_identified(
    app: MobileApp, desk: OperatorDesk, clock: MovableClock
) -> None:
    holder = await app.open_account(person("张小样"))

    kept = await app.node.database.read(lambda tx: tx.accounts.get(holder.account.account_id))

    assert kept == holder.account
    assert (kept.assurance_level, kept.opened_at, kept.subject_kind) == (2, clock.now(), PERSON)
    assert kept.device_key_id == holder.device.key_id
    (record,) = await desk.audit(AuditAction.ACCOUNT_OPENED)
    assert (record.entry.object, record.entry.actor) == (holder.account.account_id, "mobile-app")


async def wrong_secret(app: MobileApp, device: HolderDevice) -> IdentifiedCommand:
    return await app.open_command(person(), device, secret="wrong-secret")


async def suspended_by_the_provider(app: MobileApp, device: HolderDevice) -> IdentifiedCommand:
    return await app.open_command(person("停用样"), device)


async def never_begun(app: MobileApp, device: HolderDevice) -> IdentifiedCommand:
    command = await app.open_command(person(), device)
    proof = device.prove_open_account(
        identification_id="0" * 32, biz_serial=command.biz_serial, terms_version="2026-01"
    )
    return replace(command, identification_id="0" * 32, proof=Holder.proof(proof))


async def begun_too_long_ago(app: MobileApp, device: HolderDevice) -> IdentifiedCommand:
    identification_id, blob = await app.identified(person())
    app.node.clock.advance(timedelta(minutes=5))
    number = serial("open")
    proof = device.prove_open_account(identification_id=identification_id, biz_serial=number, terms_version="2026-01")
    return IdentifiedCommand(
        biz_serial=number, identification_id=identification_id, provider_blob=blob, proof=Holder.proof(proof)
    )


async def provider_away(app: MobileApp, device: HolderDevice) -> IdentifiedCommand:
    command = await app.open_command(person(), device)
    app.node.provider.available = False
    return command


Making = Callable[[MobileApp, HolderDevice], Awaitable[IdentifiedCommand]]


@pytest.mark.req("6.1-01")
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (wrong_secret, IdentityFailedError),
        (suspended_by_the_provider, IdentityFailedError),
        (never_begun, IdentificationExpiredError),
        (begun_too_long_ago, IdentificationExpiredError),
        (provider_away, IdentityProviderUnavailableError),
    ],
)
async def test_without_a_confirmed_identity_there_is_no_account(
    app: MobileApp, desk: OperatorDesk, make: Making, error: type[Exception]
) -> None:
    command = await make(app, app.device())

    with pytest.raises(error):
        await opening(app, command)

    assert await accounts_of(app.node) == 0
    assert await desk.audit() == []


async def stolen(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    """Another device's key id over this device's statement."""
    return replace(command.proof, device_key_id=app.device().key_id)


async def unsigned(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    return replace(command.proof, signature=bytes(64))


async def signed_by_another(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    other = app.device().prove_open_account(
        identification_id=command.identification_id, biz_serial=command.biz_serial, terms_version="2026-01"
    )
    return replace(command.proof, signature=other.sm2_signature)


async def for_another_identification(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    return Holder.proof(
        device.prove_open_account(identification_id="1" * 32, biz_serial=command.biz_serial, terms_version="2026-01")
    )


async def for_another_serial(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    return Holder.proof(
        device.prove_open_account(
            identification_id=command.identification_id, biz_serial="another", terms_version="2026-01"
        )
    )


async def for_another_act(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    return Holder.proof(device.prove_close_account(session_id=command.identification_id, biz_serial=command.biz_serial))


async def signed_long_ago(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    app.node.clock.advance(-301)
    proof = Holder.proof(
        device.prove_open_account(
            identification_id=command.identification_id, biz_serial=command.biz_serial, terms_version="2026-01"
        )
    )
    app.node.clock.advance(301)
    return proof


async def signed_in_the_future(app: MobileApp, device: HolderDevice, command: IdentifiedCommand) -> HolderProof:
    app.node.clock.advance(301)
    proof = Holder.proof(
        device.prove_open_account(
            identification_id=command.identification_id, biz_serial=command.biz_serial, terms_version="2026-01"
        )
    )
    app.node.clock.advance(-301)
    return proof


Spoiling = Callable[[MobileApp, HolderDevice, IdentifiedCommand], Awaitable[HolderProof]]


@pytest.mark.req("N-30")
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (stolen, "KEY"),
        (unsigned, "SIGNATURE"),
        (signed_by_another, "SIGNATURE"),
        (for_another_identification, "OTHER_ACT"),
        (for_another_serial, "OTHER_ACT"),
        (for_another_act, None),
        (signed_long_ago, "TIME"),
        (signed_in_the_future, "TIME"),
    ],
)
async def test_an_account_is_not_opened_without_the_devices_proof_of_this_act(
    app: MobileApp, spoil: Spoiling, why: str | None
) -> None:
    device = app.device()
    command = await app.open_command(person(), device)
    spoiled = replace(command, proof=await spoil(app, device, command))

    with pytest.raises(HolderProofInvalidError) as refused:
        await opening(app, spoiled)

    assert refused.value.why == (why or refused.value.why)
    assert await accounts_of(app.node) == 0
    # The identification was not used up by somebody who could not prove the act.
    assert (await opening(app, command))[0].account.device_key_id == device.key_id


async def test_other_terms_than_those_in_force_open_no_account(app: MobileApp) -> None:
    command = await app.open_command(person(), app.device(), terms="2025-01")

    with pytest.raises(TermsNotAcceptedError):
        await opening(app, command)

    assert await accounts_of(app.node) == 0


@pytest.mark.req("N-29")
async def test_a_person_has_one_account_and_a_new_one_after_closing(app: MobileApp) -> None:
    holder = await app.open_account()
    with pytest.raises(AlreadyOpenError):
        await app.open_account()
    company = await app.open_account(person(LI), uscc="91420100MA9TEXT198")
    await app.open_account(person(LI))
    await holder.close()

    again = await app.open_account()

    assert again.account.account_id not in {holder.account.account_id, company.account.account_id}


@pytest.mark.req("N-51")
async def test_an_account_opened_twice_by_one_serial_is_one_account_with_one_session(
    app: MobileApp, clock: MovableClock
) -> None:
    command = await app.open_command(person(), app.device())
    first, _ = await opening(app, command)
    clock.advance(timedelta(hours=23))

    again, replayed = await opening(app, command)

    assert (again, replayed) == (first, True)
    with pytest.raises(SerialConflictError):
        await opening(app, replace(command, provider_blob=b"other"))


@pytest.mark.req("N-51")
async def test_equal_calls_at_once_open_one_account_and_all_get_its_session(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    app = MobileApp(node)
    command = await app.open_command(person(), app.device())

    answers = await asyncio.gather(*(opening(app, command) for _ in range(4)))

    assert len({opened.token for opened, _ in answers}) == 1
    assert [replayed for _, replayed in answers].count(False) == 1
    assert await accounts_of(node) == 1


async def test_two_calls_at_once_for_one_person_open_one_account(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    app = MobileApp(node)
    commands = [await app.open_command(person(), app.device()) for _ in range(2)]

    answers = await asyncio.gather(*(opening(app, command) for command in commands), return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyOpenError", "tuple"]


@pytest.mark.req("N-05")
async def test_a_session_belongs_to_one_application_and_one_device(app: MobileApp) -> None:
    holder = await app.open_account()
    other = MobileApp(app.node, "other-mobile-app")

    with pytest.raises(SessionInvalidError) as refused:
        await replace(holder, app=other).present()
    assert refused.value.why == "OTHER_APPLICATION"

    with pytest.raises(DeviceNotBoundError):
        await app.open_session(person(), app.device())
    second = await other.open_session(person(), holder.device)
    assert second.session.device_key_id == holder.device.key_id
    await second.present()


@pytest.mark.req("N-05")
async def test_a_session_that_nobody_knows_is_refused(app: MobileApp) -> None:
    holder = await app.open_account()

    with pytest.raises(SessionInvalidError) as refused:
        await holder.present(token="0" * 32)

    assert refused.value.why == "UNKNOWN"


@pytest.mark.req("N-05")
async def test_a_session_ends_after_its_lifetime(app: MobileApp, clock: MovableClock) -> None:
    holder = await app.open_account()
    clock.advance(timedelta(days=30) - timedelta(milliseconds=1))
    await holder.present()
    clock.advance(timedelta(milliseconds=1))

    with pytest.raises(SessionInvalidError) as refused:
        await holder.present()

    assert refused.value.why == "EXPIRED"


async def end_session(holder: Holder, session_id: str = "") -> None:
    await holder.node.steps.accounts.close_session(
        call_of(holder.app.caller, "CloseSession"), session_token=holder.token, session_id=session_id
    )


@pytest.mark.req("N-05")
async def test_a_session_that_was_ended_is_refused_with_its_reason(app: MobileApp, desk: OperatorDesk) -> None:
    holder = await app.open_account()
    await end_session(holder)

    with pytest.raises(SessionInvalidError) as refused:
        await holder.present()

    assert refused.value.why == "ENDED_BY_HOLDER"
    assert len(await desk.audit(AuditAction.SESSION_CLOSED)) == 1


@pytest.mark.req("N-05")
async def test_the_holder_lists_sessions_and_ends_another_one_whose_application_is_told(app: MobileApp) -> None:
    holder = await app.open_account()
    other_app = MobileApp(app.node, "other-mobile-app")
    app.node.clock.advance(1)
    other = await other_app.open_session(person(), holder.device)
    listed = await app.node.steps.accounts.list_sessions(
        call_of(app.caller, "ListSessions"), session_token=holder.token
    )

    await end_session(holder, other.session.session_id)

    assert [session.session_id for session in listed] == [other.session.session_id, holder.session.session_id]
    with pytest.raises(SessionInvalidError):
        await other.present()
    await holder.present()
    assert await told(other_app) == [SessionEnded(session_id=other.session.session_id, reason="ENDED_BY_HOLDER")]
    assert await told(app) == []


async def test_a_session_of_another_account_cannot_be_ended(app: MobileApp) -> None:
    holder, stranger = await app.open_account(), await app.open_account(person(LI))

    with pytest.raises(SessionNotFoundError):
        await end_session(holder, stranger.session.session_id)

    await stranger.present()


async def test_the_own_session_can_be_ended_however_many_came_after_it(app: MobileApp) -> None:
    holder = await app.open_account()
    for number in range(101):
        app.node.clock.advance(1)
        later = replace(holder.session, token_hash=number.to_bytes(32, "big"), created_at=app.node.clock.now())
        app.node.database.run_now(partial(_add_session, session=later))

    await end_session(holder)

    with pytest.raises(SessionInvalidError):
        await holder.present()


def _add_session(transaction: Transaction, *, session: Session) -> None:
    transaction.sessions.add(session)


async def told(app: MobileApp) -> list[object]:
    """What an application was told so far."""
    page = await app.node.steps.feed.list_events(
        call_of(app.caller, "ListEvents"), cursor="e0", page_size=100, wait=timedelta()
    )
    return [event.kind for event in page.events]


@pytest.mark.req("N-05")
async def test_a_move_to_a_new_device_ends_the_sessions_of_the_old_and_tells_their_applications(
    app: MobileApp, desk: OperatorDesk
) -> None:
    holder = await app.open_account()
    other_app = MobileApp(app.node, "other-mobile-app")
    other = await other_app.open_session(person(), holder.device)
    fresh = app.device()

    moved, opened = await app.bind_device(person(), fresh)

    assert opened.ended_sessions == 2
    for old in (holder, other):
        with pytest.raises(SessionInvalidError) as refused:
            await old.present()
        assert refused.value.why == "MOVED_TO_OTHER_DEVICE"
    await moved.present()
    assert moved.account.account_id == holder.account.account_id
    assert await told(other_app) == [SessionEnded(session_id=other.session.session_id, reason="MOVED_TO_OTHER_DEVICE")]
    assert len(await desk.audit(AuditAction.DEVICE_BOUND)) == 1
    with pytest.raises(DeviceNotBoundError):
        await app.open_session(person(), holder.device)
    await app.open_session(person(), fresh)


@pytest.mark.req("N-05", "N-30")
async def test_nobody_moves_an_account_without_its_holders_identity(app: MobileApp) -> None:
    holder = await app.open_account()
    command = await app.bind_command(person(), app.device())

    with pytest.raises(IdentityFailedError):
        await app.node.steps.accounts.bind_device(
            app.command_call("BindDevice", command), replace(command, provider_blob=b"{}")
        )
    with pytest.raises(AccountNotFoundError):
        await app.bind_device(person(LI), app.device())

    await holder.present()


@pytest.mark.req("N-05")
async def test_a_session_is_not_opened_for_a_device_that_was_replaced_meanwhile(app: MobileApp) -> None:
    holder = await app.open_account()
    fresh = app.device()
    command = await app.session_command(person(), holder.device)
    app.node.database.before_unit = lambda tx: tx.accounts.bind_device(
        holder.account.account_id, device_key_id=fresh.key_id, device_public_key=fresh.public_key
    )

    with pytest.raises(DeviceNotBoundError):
        await app.node.steps.accounts.open_session(app.command_call("OpenSession", command), command)

    assert len(await app.node.database.read(lambda tx: tx.sessions.list_of(holder.account.account_id, limit=10))) == 1


@pytest.mark.parametrize("act", ["open_session", "bind_device"])
async def test_no_session_is_opened_for_an_account_that_was_closed_meanwhile(app: MobileApp, act: str) -> None:
    holder = await app.open_account()
    if act == "open_session":
        command = await app.session_command(person(), holder.device)
    else:
        command = await app.bind_command(person(), app.device())
    app.node.database.before_unit = lambda tx: tx.accounts.close(holder.account.account_id, at=app.node.clock.now())

    with pytest.raises(AccountNotFoundError):
        await getattr(app.node.steps.accounts, act)(app.command_call(act, command), command)

    assert len(await app.node.database.read(lambda tx: tx.sessions.list_of(holder.account.account_id, limit=10))) == 1


async def test_a_suspended_account_gets_no_session_and_no_device(app: MobileApp) -> None:
    holder = await app.open_account()
    app.node.database.set_account_state(holder.account, AccountState.SUSPENDED)

    with pytest.raises(SubjectSuspendedError):
        await app.open_session(person(), holder.device)
    with pytest.raises(SubjectSuspendedError):
        await app.bind_device(person(), app.device())
    with pytest.raises(SubjectSuspendedError):
        await holder.close()


@pytest.mark.req("N-51")
async def test_a_session_and_a_move_repeated_by_serial_have_the_same_answer(app: MobileApp) -> None:
    holder = await app.open_account()
    accounts = app.node.steps.accounts
    session = await app.session_command(person(), holder.device)
    bind = await app.bind_command(person(), app.device())

    one, _ = await accounts.open_session(app.command_call("OpenSession", session), session)
    again, replayed = await accounts.open_session(app.command_call("OpenSession", session), session)
    moved, _ = await accounts.bind_device(app.command_call("BindDevice", bind), bind)
    moved_again, moved_replayed = await accounts.bind_device(app.command_call("BindDevice", bind), bind)

    assert (again, replayed) == (one, True)
    assert (moved_again, moved_replayed) == (moved, True)
    assert moved.ended_sessions == 2


@pytest.mark.req("7.1-07")
async def test_closing_revokes_every_code_erases_the_profile_and_ends_every_session(
    app: MobileApp, counter: Counter, desk: OperatorDesk, clock: MovableClock
) -> None:
    holder = await app.open_account()
    other_app = MobileApp(app.node, "other-mobile-app")
    other = await other_app.open_session(person(), holder.device)
    shown, printed = await holder.present(), await holder.make_static()
    frozen = await holder.make_static(profile=CodeProfile.SIGNED)
    await holder.change("freeze", frozen.code)

    closed, _ = await holder.close()

    assert (closed.account.state, closed.account.closed_at, closed.revoked_codes) == (
        AccountState.CLOSED,
        clock.now(),
        3,
    )
    for code in (shown, printed, frozen):
        assert (await counter.scan(code)).answer.outcome is Outcome.REVOKED
    for session in (holder, other):
        with pytest.raises(SessionInvalidError) as refused:
            await session.present()
        assert refused.value.why == "ACCOUNT_CLOSED"
    account_id = holder.account.account_id
    assert await app.node.database.read(lambda tx: tx.accounts.sealed_profile(account_id)) is None
    index = app.node.keyring.blind_index("PERSON", person().id_number)
    assert await app.node.database.read(lambda tx: tx.accounts.find_open(index)) is None
    assert AccountClosed() in await told(other_app)
    assert len(await desk.audit(AuditAction.ACCOUNT_CLOSED)) == 1


@pytest.mark.req("N-05", "7.1-07")
async def test_a_device_that_was_replaced_meanwhile_closes_no_account(app: MobileApp) -> None:
    holder = await app.open_account()
    closing = holder.close_call()
    account_id, fresh = holder.account.account_id, app.device()

    def moved(tx: Transaction) -> None:
        tx.accounts.bind_device(account_id, device_key_id=fresh.key_id, device_public_key=fresh.public_key)
        tx.sessions.end_all(account_id, at=app.node.clock.now(), reason=SessionEndReason.MOVED_TO_OTHER_DEVICE)

    app.node.database.before_unit = moved
    with pytest.raises(SessionInvalidError):
        await holder.close_by(*closing)

    kept = await app.node.database.read(lambda tx: tx.accounts.get(account_id))
    assert kept is not None
    assert kept.state is AccountState.ACTIVE


@pytest.mark.req("N-51", "7.1-07")
async def test_closing_repeated_by_its_serial_has_the_same_answer(app: MobileApp) -> None:
    holder = await app.open_account()
    closing = holder.close_call()
    first, _ = await holder.close_by(*closing)

    again, replayed = await holder.close_by(*closing)

    assert (again, replayed) == (first, True)


@pytest.mark.req("N-51")
async def test_equal_calls_at_once_close_once_and_all_get_the_answer(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    holder = await MobileApp(node).open_account()
    closing = holder.close_call()

    answers = await asyncio.gather(*(holder.close_by(*closing) for _ in range(4)))

    assert sorted(replayed for _, replayed in answers) == [False, True, True, True]
    assert len(await OperatorDesk(node).audit(AuditAction.ACCOUNT_CLOSED)) == 1


async def no_proof_of_the_holder(holder: Holder, number: str) -> HolderProof:
    device = holder.app.device()
    return Holder.proof(device.prove_close_account(session_id=holder.session.session_id, biz_serial=number))


async def other_session(holder: Holder, number: str) -> HolderProof:
    return Holder.proof(holder.device.prove_close_account(session_id="0" * 16, biz_serial=number))


async def other_serial(holder: Holder, number: str) -> HolderProof:
    return Holder.proof(holder.device.prove_close_account(session_id=holder.session.session_id, biz_serial="another"))


async def other_act(holder: Holder, number: str) -> HolderProof:
    return Holder.proof(
        holder.device.prove_make_code(ticket=holder.session.session_id, nonce=b"n" * 16, biz_serial=number)
    )


async def old_proof(holder: Holder, number: str) -> HolderProof:
    proof = Holder.proof(holder.device.prove_close_account(session_id=holder.session.session_id, biz_serial=number))
    holder.node.clock.advance(timedelta(minutes=5, milliseconds=1))
    return proof


async def no_signature(holder: Holder, number: str) -> HolderProof:
    proof = Holder.proof(holder.device.prove_close_account(session_id=holder.session.session_id, biz_serial=number))
    return replace(proof, signature=b"")


@pytest.mark.req("N-30")
@pytest.mark.parametrize(
    "make", [no_proof_of_the_holder, other_session, other_serial, other_act, old_proof, no_signature]
)
async def test_a_stolen_application_certificate_and_token_close_no_account(
    app: MobileApp, make: Callable[[Holder, str], Awaitable[HolderProof]]
) -> None:
    holder = await app.open_account()
    proof = await make(holder, "close")

    with pytest.raises(HolderProofInvalidError):
        await app.node.steps.accounts.close_account(
            call_of(app.caller, "CloseAccount", proof), biz_serial="close", session_token=holder.token, proof=proof
        )

    await holder.present()


async def test_what_is_kept_of_a_holder_is_sealed(app: MobileApp) -> None:
    who = person()
    holder = await app.open_account(who)

    kept = app.node.database.image()

    for secret in (who.name, who.id_number, who.phone, who.secret, holder.token):
        assert secret.encode() not in kept


@pytest.mark.req("7.1-07", "6.3-13")
async def test_a_closed_account_has_no_grant_and_its_uses_stay_on_record(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    used = await licensed_counter.ask(asked_holder.holder, max_uses=3)
    await asked_holder.decide(used.authorization_id)
    await licensed_counter.fetch(used.authorization_id)
    pending = await licensed_counter.ask(asked_holder.holder)

    await asked_holder.holder.close()

    seen = [(await licensed_counter.get(one.authorization_id)).state for one in (used, pending)]
    assert seen == [AuthorizationState.WITHDRAWN, AuthorizationState.DENIED]
    with pytest.raises(GrantWithdrawnError):
        await licensed_counter.fetch(used.authorization_id)
    uses = await licensed.database.read(lambda tx: tx.authorizations.uses_of(used.authorization_id))
    assert [use.state for use in uses] == [UseState.DELIVERED]
    assert len(await OperatorDesk(licensed).audit(AuditAction.AUTHORIZATION_WITHDRAWN)) == 2


@pytest.mark.req("7.1-07", "6.3-13")
async def test_what_is_granted_while_the_account_closes_is_withdrawn_with_it(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    now = licensed.clock.now()
    item = DecidedItem(item_no=1, asked=asked.request.items[0].asked, sensitive=False, granted=True)
    licensed.database.before_unit = lambda tx: tx.authorizations.decide(
        asked.authorization_id,
        state=AuthorizationState.GRANTED,
        items=(item,),
        decided_at=now,
        ends_at=now + timedelta(minutes=10),
        consent=b"consent",
        grant=b"grant",
    )

    await asked_holder.holder.close()

    assert (await licensed_counter.get(asked.authorization_id)).state is AuthorizationState.WITHDRAWN


@pytest.mark.req("7.1-07", "6.3-12")
async def test_what_ended_while_the_account_closes_does_not_stand_in_the_way(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    now = licensed.clock.now()
    licensed.database.before_unit = lambda tx: tx.authorizations.time_out(asked.authorization_id, at=now)

    await asked_holder.holder.close()

    assert (await licensed_counter.get(asked.authorization_id)).state is AuthorizationState.TIMED_OUT
