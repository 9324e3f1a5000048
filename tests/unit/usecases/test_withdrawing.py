"""A grant is taken back: at once at home, at the other nodes as soon as they hear, and no use begins afterwards."""

import asyncio
from datetime import timedelta

import pytest
from govcode_client.device import HolderDevice
from govcode_node.authorization_steps import LicenceRules
from govcode_node.domain.accounts import HolderProofInvalidError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AuthorizationState,
    AuthorizationStateConflictError,
    GrantWithdrawnError,
    LegalBasis,
    NotOwnerError,
    StatutoryDuty,
    UseState,
    Withdrawal,
    WithdrawalReason,
)
from govcode_node.domain.callers import Call, Caller, IdentityMismatchError
from govcode_node.domain.catalogue import StatutoryBasis
from govcode_node.domain.events import AuthorizationChanged
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.recognition import EvidenceRefusedError, PeerRefusedError
from govcode_node.wire.holders import holder_proof_from_proto
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    LICENCES_FILE,
    MATTER,
    NAME_AND_BORN,
    WITH_MOTHER,
    AskingCounter,
    DecidingHolder,
    Regions,
    asking_counter,
    deciding_holder,
    outbox,
    told,
)
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import OperatorDesk, call_of, serial

NODE_CALLER = "/govcode.federation.v1.FederationService/NotifyWithdrawal"


async def granted(counter: AskingCounter, holder: DecidingHolder, *, max_uses: int = 3, place: str = "310000") -> str:
    """An authorization of one item, granted."""
    asked = await counter.ask(holder.holder, NAME_AND_BORN, max_uses=max_uses)
    await holder.decide(asked.authorization_id, places={1: place})
    return asked.authorization_id


@pytest.mark.req("6.3-13", "7.1-01")
async def test_no_use_begins_after_a_withdrawal_and_earlier_ones_stay(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    await licensed_counter.fetch(authorization_id)

    withdrawn = await asked_holder.withdraw(authorization_id)

    assert (withdrawn.state, withdrawn.withdrawn_at) == (AuthorizationState.WITHDRAWN, licensed.clock.now())
    with pytest.raises(GrantWithdrawnError):
        await licensed_counter.fetch(authorization_id)
    (use,) = await asked_holder.list_uses(authorization_id)
    assert use.state is UseState.DELIVERED
    events = await told(licensed, licensed_counter.counter.app_id, AuthorizationChanged)
    assert [event.state for event in events] == [AuthorizationState.GRANTED, AuthorizationState.WITHDRAWN]
    (record,) = await OperatorDesk(licensed).audit(AuditAction.AUTHORIZATION_WITHDRAWN)
    assert (record.entry.object, record.entry.result) == (authorization_id, "WITHDRAWN")


@pytest.mark.req("6.3-13", "8.1-06")
async def test_the_withdrawal_is_kept_with_the_holders_own_signature(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    licensed.peers.federation.publish()
    withdrawn = await asked_holder.withdraw(await granted(licensed_counter, asked_holder))

    read = await licensed.reader.read(withdrawn.withdrawal, purpose=EvidencePurpose.WITHDRAWAL, kind=Withdrawal)

    assert read.statement.reason is WithdrawalReason.HOLDER
    assert read.statement.holder is not None
    assert read.statement.holder.device_public_key == asked_holder.holder.device.public_key


@pytest.mark.req("6.3-13")
async def test_a_use_that_was_prepared_when_the_withdrawal_came_does_not_begin(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    now = licensed.clock.now()
    licensed.database.before_unit = lambda tx: tx.authorizations.withdraw(authorization_id, at=now, withdrawal=b"x")

    with pytest.raises(GrantWithdrawnError):
        await licensed_counter.fetch(authorization_id)

    assert await asked_holder.list_uses(authorization_id) == []


@pytest.mark.req("6.3-13")
async def test_a_use_that_had_begun_is_finished(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    assert licensed.licences is not None
    reached, go_on, fetch = asyncio.Event(), asyncio.Event(), licensed.licences.fetch

    async def slow(*args: object, **wish: object) -> object:
        reached.set()
        await go_on.wait()
        return await fetch(*args, **wish)  # type: ignore[arg-type]

    monkeypatch.setattr(licensed.licences, "fetch", slow)
    fetching = asyncio.ensure_future(licensed_counter.fetch(authorization_id))
    await asyncio.wait_for(reached.wait(), 10)
    await asked_holder.withdraw(authorization_id)
    with pytest.raises(GrantWithdrawnError):
        await licensed_counter.fetch(authorization_id)
    go_on.set()

    # The delivery itself looks at the withdrawal before it asks the licence system, and had done so.
    assert (await fetching).fields["name"] == "张样例"
    (use,) = await asked_holder.list_uses(authorization_id)
    assert use.state is UseState.DELIVERED


@pytest.mark.req("6.3-13")
async def test_withdrawal_racing_with_uses_lets_none_begin_after_its_answer(federation: FederationInMemory) -> None:
    node = federation.add("310000", prefixes=("31",), licences=LICENCES_FILE, gather=True)
    counter, holder = await asking_counter(node), await deciding_holder(node)
    authorization_id = await granted(counter, holder, max_uses=30)
    order: list[str] = []

    async def use() -> None:
        try:
            await counter.fetch(authorization_id)
        except GrantWithdrawnError:
            order.append("refused")

    async def withdraw() -> None:
        await holder.withdraw(authorization_id)
        begun = await node.database.read(lambda tx: tx.authorizations.uses_of(authorization_id))
        order.append(f"withdrawn after {len(begun)}")

    await asyncio.gather(*(use() for _ in range(8)), withdraw(), *(use() for _ in range(8)))

    begun = await node.database.read(lambda tx: tx.authorizations.uses_of(authorization_id))
    assert f"withdrawn after {len(begun)}" in order
    assert len(begun) + order.count("refused") == 16
    with pytest.raises(GrantWithdrawnError):
        await counter.fetch(authorization_id)


@pytest.mark.req("6.3-13")
async def test_the_home_node_refuses_at_once_though_no_other_node_has_heard(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.holder.withdraw(authorization_id)

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(authorization_id)

    assert refused.value.reason == "GrantWithdrawnError"


@pytest.mark.req("6.3-13")
async def test_every_node_that_takes_part_hears_of_it_from_the_outbox(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.counter.fetch(authorization_id)
    # The copy of the visited node follows when it is asked; a node that delivers keeps a note of the withdrawal.
    await regions.counter.get(authorization_id)
    await regions.holder.withdraw(authorization_id)

    await outbox(regions.federation)

    with pytest.raises(GrantWithdrawnError):
        await regions.counter.fetch(authorization_id)
    events = await told(regions.visited, regions.counter.counter.app_id, AuthorizationChanged)
    assert [event.state for event in events] == [AuthorizationState.GRANTED, AuthorizationState.WITHDRAWN]
    for node, known in ((regions.visited, "KNOWN"), (regions.licensing, "UNKNOWN")):
        (record,) = await OperatorDesk(node).audit(AuditAction.WITHDRAWAL_RECEIVED)
        assert (record.entry.object, record.entry.result) == (authorization_id, known)
    questions = len(regions.federation.questions)
    await outbox(regions.federation)
    assert len(regions.federation.questions) == questions


@pytest.mark.req("6.3-13")
async def test_a_copy_that_never_heard_of_the_grant_hears_of_the_withdrawal(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.holder.withdraw(authorization_id)

    await outbox(regions.federation)

    copy = await regions.counter.get(authorization_id)
    own = await regions.home.database.read(lambda tx: tx.authorizations.get(authorization_id))
    assert own is not None
    assert (copy.state, copy.withdrawal) == (AuthorizationState.WITHDRAWN, own.withdrawal)


@pytest.mark.req("6.3-13")
async def test_a_copy_that_heard_of_the_withdrawal_by_asking_keeps_the_evidence_that_comes_later(
    regions: Regions,
) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.counter.get(authorization_id)
    await regions.holder.withdraw(authorization_id)
    asked = await regions.counter.get(authorization_id)
    assert (asked.state, asked.withdrawal) == (AuthorizationState.WITHDRAWN, b"")

    await outbox(regions.federation)

    copy = await regions.counter.get(authorization_id)
    own = await regions.home.database.read(lambda tx: tx.authorizations.get(authorization_id))
    assert own is not None
    assert (copy.withdrawal, copy.withdrawn_at) == (own.withdrawal, own.withdrawn_at)
    events = await told(regions.visited, regions.counter.counter.app_id, AuthorizationChanged)
    assert [event.state for event in events].count(AuthorizationState.WITHDRAWN) == 1


@pytest.mark.req("6.3-13")
@pytest.mark.parametrize("trouble", ["unreachable", "hanging"])
async def test_a_node_that_was_away_hears_within_sixty_seconds_of_its_return(
    regions: Regions, clock: MovableClock, trouble: str
) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.counter.get(authorization_id)
    away: set[str] = getattr(regions.home.peers, trouble)
    away.add("110000")
    await regions.holder.withdraw(authorization_id)
    for _ in range(300):
        await regions.home.steps.authorizations.outbox.step()
        clock.advance(1)
    copy = await regions.visited.database.read(lambda tx: tx.authorizations.get(authorization_id))
    assert copy is not None
    assert copy.state is AuthorizationState.GRANTED
    away.clear()

    seconds = 0
    while seconds < 60:
        await regions.home.steps.authorizations.outbox.step()
        copy = await regions.visited.database.read(lambda tx: tx.authorizations.get(authorization_id))
        assert copy is not None
        if copy.state is AuthorizationState.WITHDRAWN:
            break
        clock.advance(1)
        seconds += 1

    assert copy.state is AuthorizationState.WITHDRAWN
    assert seconds <= 15


async def test_a_notice_is_given_up_when_the_grant_would_be_over(regions: Regions, clock: MovableClock) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    regions.home.peers.unreachable.add("110000")
    await regions.holder.withdraw(authorization_id)
    clock.advance(timedelta(minutes=10))

    await regions.home.steps.authorizations.outbox.step()

    later = clock.now() + timedelta(days=1)
    due = await regions.home.database.read(lambda tx: tx.authorizations.due_notices(now=later, limit=10))
    assert due == []


@pytest.mark.req("6.3-13")
async def test_a_lost_answer_to_a_notice_tells_it_twice_to_the_same_effect(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.counter.get(authorization_id)
    await regions.holder.withdraw(authorization_id)
    kept = await regions.home.database.read(lambda tx: tx.authorizations.get(authorization_id))
    assert kept is not None

    for _ in range(2):
        await regions.home.peers.notify_withdrawal("110000", withdrawal=kept.withdrawal)

    events = await told(regions.visited, regions.counter.counter.app_id, AuthorizationChanged)
    assert [event.state for event in events].count(AuthorizationState.WITHDRAWN) == 1


def from_node(name: str) -> Call:
    caller = Caller(caller_class=CallerClass.NODE, name=name)
    return Call(caller=caller, method=NODE_CALLER, request_id="request-1")


async def test_only_the_home_node_tells_of_a_withdrawal(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.counter.get(authorization_id)
    take_notice = regions.visited.steps.authorizations.withdrawing.take_notice
    false = Withdrawal(
        authorization_id=authorization_id,
        home_node="310000",
        withdrawn_at=regions.home.clock.now(),
        reason=WithdrawalReason.ACCOUNT_CLOSED,
    )
    own_name = await regions.licensing.attestor.attest(EvidencePurpose.WITHDRAWAL, false)
    in_the_homes_name = await regions.licensing.attestor.attest(
        EvidencePurpose.WITHDRAWAL,
        Withdrawal(
            authorization_id=authorization_id,
            home_node="420100",
            withdrawn_at=regions.home.clock.now(),
            reason=WithdrawalReason.ACCOUNT_CLOSED,
        ),
    )

    with pytest.raises(IdentityMismatchError):
        await take_notice(from_node("310000"), withdrawal=own_name)
    with pytest.raises((IdentityMismatchError, EvidenceRefusedError)):
        await take_notice(from_node("420100"), withdrawal=in_the_homes_name)
    with pytest.raises(IdentityMismatchError):
        await take_notice(from_node("420100"), withdrawal=own_name)

    copy = await regions.visited.database.read(lambda tx: tx.authorizations.get(authorization_id))
    assert copy is not None
    assert copy.state is AuthorizationState.GRANTED


@pytest.mark.req("6.3-10")
async def test_withdrawing_what_is_pending_denies_it(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)

    withdrawn = await asked_holder.withdraw(asked.authorization_id)

    assert withdrawn.state is AuthorizationState.DENIED
    with pytest.raises(AuthorizationStateConflictError):
        await asked_holder.decide(asked.authorization_id)


@pytest.mark.req("6.3-13")
@pytest.mark.parametrize("end", ["withdrawn", "expired", "denied", "timed out"])
async def test_what_is_over_is_not_withdrawn(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock, end: str
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    if end == "denied":
        await asked_holder.deny(asked.authorization_id)
    elif end == "timed out":
        clock.advance(121)
    else:
        await asked_holder.decide(asked.authorization_id)
    if end == "withdrawn":
        await asked_holder.withdraw(asked.authorization_id)
    if end == "expired":
        clock.advance(timedelta(minutes=10))

    with pytest.raises(AuthorizationStateConflictError):
        await asked_holder.withdraw(asked.authorization_id)


async def test_what_is_used_up_can_still_be_withdrawn(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, max_uses=1)
    await licensed_counter.fetch(authorization_id)

    assert (await asked_holder.withdraw(authorization_id)).state is AuthorizationState.WITHDRAWN


@pytest.mark.req("N-30", "6.3-08")
async def test_a_stolen_application_certificate_withdraws_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)

    with pytest.raises(HolderProofInvalidError):
        await asked_holder.withdraw(authorization_id, device=HolderDevice.generate(now=licensed.clock.now))

    assert (await licensed_counter.get(authorization_id)).state is AuthorizationState.GRANTED


@pytest.mark.req("6.3-08")
async def test_another_person_withdraws_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    other = await deciding_holder(licensed, "李示范")
    authorization_id = await granted(licensed_counter, asked_holder)

    with pytest.raises(NotOwnerError):
        await other.withdraw(authorization_id)

    assert (await licensed_counter.get(authorization_id)).state is AuthorizationState.GRANTED


@pytest.mark.req("N-51")
async def test_the_same_withdrawal_again_is_answered_again(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id, number = await granted(licensed_counter, asked_holder), serial("withdraw")
    holder = asked_holder.holder
    proof = holder_proof_from_proto(
        holder.device.prove_withdraw(session_token=holder.token, authorization_id=authorization_id, biz_serial=number)
    )
    call = call_of(holder.app.caller, "WithdrawAuthorization", number, proof)
    withdraw = licensed.steps.authorizations.withdrawing.withdraw

    (first, replayed), (again, replayed_again) = await asyncio.gather(
        *(withdraw(call, biz_serial=number, session_token=holder.token, proof=proof) for _ in range(2))
    )

    assert (first, replayed, replayed_again) == (again, False, True)
    assert len(await OperatorDesk(licensed).audit(AuditAction.AUTHORIZATION_WITHDRAWN)) == 1


@pytest.mark.req("N-35")
async def test_a_statutory_duty_has_no_consent_to_take_back(federation: FederationInMemory) -> None:
    rules = LicenceRules(statutory_matters=frozenset({MATTER}))
    node = federation.add("310000", prefixes=("31",), licences=LICENCES_FILE, licence_rules=rules)
    counter = await asking_counter(node, statutory_basis=StatutoryBasis(statute="某法第一条"))
    holder = await deciding_holder(node)
    opened = await counter.ask(
        holder.holder,
        NAME_AND_BORN,
        legal_basis=LegalBasis.STATUTORY_DUTY,
        statutory_duty=StatutoryDuty(statute="某法第一条", approval_reference="1 号"),
    )

    with pytest.raises(AuthorizationStateConflictError) as refused:
        await holder.withdraw(opened.authorization_id)

    assert refused.value.state == "STATUTORY_DUTY"


@pytest.mark.req("7.1-07", "6.3-13")
async def test_closing_the_account_withdraws_all_that_it_granted_here_and_elsewhere(regions: Regions) -> None:
    used = await granted(regions.counter, regions.holder)
    await regions.counter.fetch(used)
    await regions.counter.get(used)
    pending = await regions.counter.ask(regions.holder.holder, WITH_MOTHER)

    await regions.holder.holder.close()
    await outbox(regions.federation)

    kept = {
        authorization_id: await regions.home.database.read(
            lambda tx, wanted=authorization_id: tx.authorizations.get(wanted)  # type: ignore[misc]
        )
        for authorization_id in (used, pending.authorization_id)
    }
    assert kept[used].state is AuthorizationState.WITHDRAWN
    assert kept[pending.authorization_id].state is AuthorizationState.DENIED
    read = await regions.home.reader.read(kept[used].withdrawal, purpose=EvidencePurpose.WITHDRAWAL, kind=Withdrawal)
    assert (read.statement.reason, read.statement.holder) == (WithdrawalReason.ACCOUNT_CLOSED, None)
    with pytest.raises(GrantWithdrawnError):
        await regions.counter.fetch(used)
    assert kept[used].consent
    uses = await regions.home.database.read(lambda tx: tx.authorizations.uses_of(used))
    assert [use.state for use in uses] == [UseState.DELIVERED]
