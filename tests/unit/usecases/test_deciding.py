"""The holder decides: item by item, by the own device, on the text that was shown, in time, and once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from govcode_client.device import HolderDevice
from govcode_node.domain.accounts import (
    AccountState,
    HolderProofInvalidError,
    SessionInvalidError,
    SubjectSuspendedError,
)
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AuthorizationNotFoundError,
    AuthorizationState,
    AuthorizationStateConflictError,
    AuthorizationTimedOutError,
    ConsentRecord,
    Grant,
    LegalBasis,
    NoticeChangedError,
    NotOwnerError,
    SensitiveNotConfirmedError,
    StepUpMismatchError,
    StepUpRequiredError,
)
from govcode_node.domain.callers import Caller
from govcode_node.domain.catalogue import LicenseTypeField
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import InvalidFieldError, SerialConflictError
from govcode_node.domain.events import AuthorizationChanged
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.identification import (
    AssuranceTooLowError,
    IdentificationExpiredError,
    IdentityFailedError,
    IdentityProviderUnavailableError,
)
from govcode_node.domain.identities import CallerClass
from govcode_node.wire.holders import holder_proof_from_proto
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    BIRTH,
    MARRIED,
    MATTER,
    NAME_AND_BORN,
    TYPES,
    WITH_MOTHER,
    AskingCounter,
    DecidingHolder,
    Regions,
    deciding_holder,
    replace,
    told,
)
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import MobileApp, OperatorDesk, call_of, person, serial


async def consent_of(node: NodeInMemory, authorization_id: str) -> ConsentRecord:
    """The record as anybody reads it from its evidence alone."""
    kept = await node.database.read(lambda tx: tx.authorizations.get(authorization_id))
    assert kept is not None
    read = await node.reader.read(kept.consent, purpose=EvidencePurpose.CONSENT, kind=ConsentRecord)
    return read.statement


@pytest.fixture
def published(licensed: NodeInMemory) -> NodeInMemory:
    licensed.peers.federation.publish()
    return licensed


@pytest.mark.req("6.3-05", "6.3-06", "6.3-11", "8.1-06", "7.1-01")
async def test_a_decision_is_kept_with_what_was_shown_and_the_holders_own_signature(
    published: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, MARRIED, max_uses=3)
    shown = await asked_holder.view(asked.authorization_id)

    granted = await asked_holder.decide(asked.authorization_id, granted=(1,))

    now, holder = published.clock.now(), asked_holder.holder
    assert (granted.state, granted.decided_at, granted.ends_at) == (
        AuthorizationState.GRANTED,
        now,
        now + timedelta(minutes=10),
    )
    assert granted.remaining_uses() == {1: 3}
    record = await consent_of(published, asked.authorization_id)
    assert record.decision is AuthorizationState.GRANTED
    assert [(item.item_no, item.granted, item.sensitive) for item in record.items] == [
        (1, True, False),
        (2, False, False),
    ]
    assert (record.notice_version, record.notice_text) == (shown.page.version, shown.page.text)
    assert record.notice_hash == sm3(record.notice_text.encode())
    assert record.request_digest == sm3(published.attestor.payload_of(asked.request))
    assert record.account_id == record.decider_account_id == holder.account.account_id
    assert record.holder.device_public_key == holder.device.public_key
    assert record.step_up is None
    read = await published.reader.read(granted.grant, purpose=EvidencePurpose.GRANT, kind=Grant)
    grant = read.statement
    assert (grant.app_id, grant.matter_code, grant.max_uses) == (licensed_counter.counter.app_id, MATTER, 3)
    assert (grant.starts_at, grant.ends_at) == (now, now + timedelta(minutes=10))
    assert [item.item_no for item in grant.items] == [1]
    assert grant.legal_basis is LegalBasis.CONSENT
    assert grant.consent_digest == sm3(published.attestor.payload_of(record))
    (event,) = await told(published, licensed_counter.counter.app_id, AuthorizationChanged)
    assert event.state is AuthorizationState.GRANTED
    (audit,) = await OperatorDesk(published).audit(AuditAction.CONSENT_GRANTED)
    assert (audit.entry.object, audit.entry.result) == (asked.authorization_id, "GRANTED")


@pytest.mark.req("6.3-05")
async def test_a_blanket_acceptance_leaves_the_sensitive_item_ungranted(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, WITH_MOTHER)
    begun, check = await asked_holder.step_up(asked.authorization_id, 1, 2)

    with pytest.raises(SensitiveNotConfirmedError) as refused:
        await asked_holder.decide(
            asked.authorization_id, granted=(1, 2), confirmed=(1,), digest=begun.digest, check=check
        )

    assert refused.value.item_no == 2
    present = (await asked_holder.view(asked.authorization_id)).authorization
    assert (present.state, present.items, present.grant) == (AuthorizationState.PENDING, (), b"")


@pytest.mark.req("6.3-07")
async def test_a_sensitive_item_needs_a_stronger_check(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)

    with pytest.raises(StepUpRequiredError):
        await asked_holder.decide(asked.authorization_id, granted=(1,), confirmed=(1,))

    assert (await asked_holder.view(asked.authorization_id)).authorization.state is AuthorizationState.PENDING


@pytest.mark.req("6.3-05", "6.3-07", "N-30")
async def test_a_sensitive_item_is_granted_by_a_word_of_its_own_and_a_check_for_it(
    published: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)

    granted = await asked_holder.grant_sensitive(asked.authorization_id, 1)

    assert granted.state is AuthorizationState.GRANTED
    record = await consent_of(published, asked.authorization_id)
    assert record.step_up is not None
    assert (record.step_up.provider, record.step_up.assurance_level) == ("local", 3)
    assert record.items[0].sensitive
    assert (await licensed_counter.fetch(asked.authorization_id)).fields["mother"] == "王样例"


@pytest.mark.req("N-30", "6.3-07")
async def test_a_check_that_was_begun_for_another_request_is_refused(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    first = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)
    second = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)
    _, moved = await asked_holder.step_up(first.authorization_id, 1)
    right, _ = await asked_holder.step_up(second.authorization_id, 1)

    with pytest.raises(StepUpMismatchError) as refused:
        await asked_holder.decide(
            second.authorization_id, granted=(1,), confirmed=(1,), digest=right.digest, check=moved
        )

    assert refused.value.why == "OTHER_REQUEST"
    assert (await asked_holder.view(second.authorization_id)).authorization.state is AuthorizationState.PENDING


@pytest.mark.req("N-30")
async def test_a_check_for_fewer_items_does_not_carry_more(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, WITH_MOTHER)
    begun, check = await asked_holder.step_up(asked.authorization_id, 1)

    with pytest.raises(StepUpMismatchError) as refused:
        await asked_holder.decide(
            asked.authorization_id, granted=(1, 2), confirmed=(2,), digest=begun.digest, check=check
        )

    assert refused.value.why == "DIGEST"


@pytest.mark.req("N-30")
async def test_the_check_of_another_person_is_refused(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    other = await deciding_holder(licensed, "李示范")
    asked = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)
    begun, _ = await asked_holder.step_up(asked.authorization_id, 1)
    of_other = replace(other, holder=asked_holder.holder)

    with pytest.raises(StepUpMismatchError) as refused:
        await asked_holder.decide(
            asked.authorization_id, granted=(1,), confirmed=(1,), digest=begun.digest, check=of_other.finish(begun)
        )

    assert refused.value.why == "OTHER_PERSON"


@pytest.mark.req("6.3-07")
async def test_a_check_of_the_lowest_level_is_not_stronger(
    licensed: NodeInMemory, licensed_counter: AskingCounter
) -> None:
    holder = await deciding_holder(licensed, "𬱖㛃样")
    asked = await licensed_counter.ask(holder.holder, WITH_MOTHER)

    with pytest.raises(AssuranceTooLowError):
        await holder.grant_sensitive(asked.authorization_id, 1)


@pytest.mark.req("6.3-07")
async def test_a_check_counts_once_within_its_time_and_with_its_secret(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)
    begun, check = await asked_holder.step_up(asked.authorization_id, 1)
    wish: dict[str, Any] = {"granted": (1,), "confirmed": (1,), "digest": begun.digest}

    licensed.provider.available = False
    with pytest.raises(IdentityProviderUnavailableError):
        await asked_holder.decide(asked.authorization_id, check=check, **wish)
    licensed.provider.available = True
    with pytest.raises(IdentityFailedError):
        await asked_holder.decide(asked.authorization_id, check=replace(check, provider_blob=b"{}"), **wish)
    with pytest.raises(IdentificationExpiredError):
        await asked_holder.decide(asked.authorization_id, check=check, **wish)

    assert (await asked_holder.grant_sensitive(asked.authorization_id, 1)).state is AuthorizationState.GRANTED


@pytest.mark.req("6.3-06")
async def test_another_text_than_that_of_the_request_is_refused(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    shown = await asked_holder.view(asked.authorization_id)
    kinder = shown.page.text.replace("每项不超过 1 次", "每项不超过 0 次")
    assert kinder != shown.page.text
    false = replace(shown, page=replace(shown.page, text=kinder, text_hash=sm3(kinder.encode())))

    with pytest.raises(NoticeChangedError) as refused:
        await asked_holder.decide(asked.authorization_id, view=false)

    assert refused.value.notice_version == shown.page.version


@pytest.mark.req("6.3-06")
async def test_another_version_than_that_of_the_request_is_refused(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    shown = await asked_holder.view(asked.authorization_id)

    with pytest.raises(NoticeChangedError):
        await asked_holder.decide(
            asked.authorization_id, view=replace(shown, page=replace(shown.page, version="2025-01"))
        )


@pytest.mark.req("6.3-06")
async def test_a_changed_text_asks_for_a_new_reading_and_leaves_kept_records_as_they_are(
    published: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    decided = await licensed_counter.ask(asked_holder.holder)
    await asked_holder.decide(decided.authorization_id)
    before = await consent_of(published, decided.authorization_id)
    pending = await licensed_counter.ask(asked_holder.holder)
    shown = await asked_holder.view(pending.authorization_id)
    renamed = replace(TYPES[0], name="出生医学证明（新）")
    keeping = published.steps.authorizations.keeping
    number = serial("type")
    await keeping.register_license_type(OperatorDesk(published).call("RegisterType", number), number, renamed)

    with pytest.raises(NoticeChangedError):
        await asked_holder.decide(pending.authorization_id, view=shown)

    assert await consent_of(published, decided.authorization_id) == before
    assert before.notice_hash == sm3(before.notice_text.encode())
    anew = await asked_holder.view(pending.authorization_id)
    assert anew.page.text_hash != before.notice_hash
    assert (await asked_holder.decide(pending.authorization_id, view=anew)).state is AuthorizationState.GRANTED


@pytest.mark.req("6.3-05")
async def test_an_item_that_becomes_sensitive_while_the_holder_reads_is_not_granted_by_the_old_text(
    published: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    shown = await asked_holder.view(asked.authorization_id)
    fields = tuple(
        LicenseTypeField(name=field.name, label=field.label, sensitive=True) if field.name == "born" else field
        for field in TYPES[0].fields
    )
    number = serial("type")
    await published.steps.authorizations.keeping.register_license_type(
        OperatorDesk(published).call("RegisterType", number), number, replace(TYPES[0], fields=fields)
    )

    with pytest.raises(NoticeChangedError):
        await asked_holder.decide(asked.authorization_id, view=shown)
    with pytest.raises(SensitiveNotConfirmedError):
        await asked_holder.decide(asked.authorization_id)


@pytest.mark.req("6.3-08")
async def test_the_session_of_another_person_decides_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    other = await deciding_holder(licensed, "李示范")
    asked = await licensed_counter.ask(asked_holder.holder)
    shown = await asked_holder.view(asked.authorization_id)

    with pytest.raises(NotOwnerError):
        await other.decide(asked.authorization_id, view=shown)
    with pytest.raises(NotOwnerError):
        await other.view(asked.authorization_id)
    with pytest.raises(NotOwnerError):
        await other.step_up(asked.authorization_id, 1)

    assert (await asked_holder.view(asked.authorization_id)).authorization.state is AuthorizationState.PENDING


@pytest.mark.req("6.3-08")
async def test_a_guardian_decides_for_the_child_and_is_in_the_record(
    published: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    child = await deciding_holder(published, "张小样")
    desk = OperatorDesk(published)
    relation = await desk.relation(asked_holder.holder.account, child.holder.account)
    asked = await licensed_counter.ask(child.holder)

    granted = await asked_holder.decide(asked.authorization_id)

    assert granted.state is AuthorizationState.GRANTED
    record = await consent_of(published, asked.authorization_id)
    assert record.account_id == child.holder.account.account_id
    assert record.decider_account_id == asked_holder.holder.account.account_id
    assert record.relation_id == relation.relation_id


@pytest.mark.req("6.3-08")
@pytest.mark.parametrize("end", ["cancelled", "over"])
async def test_a_guardianship_that_is_over_decides_nothing(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    clock: MovableClock,
    end: str,
) -> None:
    child = await deciding_holder(licensed, "张小样")
    desk = OperatorDesk(licensed)
    relation = await desk.relation(asked_holder.holder.account, child.holder.account, lasts=timedelta(seconds=30))
    asked = await licensed_counter.ask(child.holder)
    shown = await child.view(asked.authorization_id)
    if end == "cancelled":
        await desk.cancel_relation(relation)
    else:
        clock.advance(31)

    with pytest.raises(NotOwnerError):
        await asked_holder.decide(asked.authorization_id, view=shown)


@pytest.mark.req("6.3-08")
async def test_the_ward_does_not_decide_for_the_guardian(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    child = await deciding_holder(licensed, "张小样")
    await OperatorDesk(licensed).relation(asked_holder.holder.account, child.holder.account)
    asked = await licensed_counter.ask(asked_holder.holder)

    with pytest.raises(NotOwnerError):
        await child.view(asked.authorization_id)


@pytest.mark.req("6.3-09")
@pytest.mark.parametrize(("late", "held"), [(119.999, True), (120, False), (121, False)])
async def test_a_request_can_be_decided_for_two_minutes(
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    clock: MovableClock,
    late: float,
    held: bool,
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    clock.advance(late)

    if held:
        assert (await asked_holder.decide(asked.authorization_id)).state is AuthorizationState.GRANTED
        return
    with pytest.raises(AuthorizationTimedOutError):
        await asked_holder.decide(asked.authorization_id)
    with pytest.raises(AuthorizationTimedOutError):
        await asked_holder.step_up(asked.authorization_id, 1)
    present = await licensed_counter.get(asked.authorization_id)
    assert (present.state_at(clock.now()), present.grant) == (AuthorizationState.TIMED_OUT, b"")


@pytest.mark.req("6.3-09")
async def test_at_the_visited_node_too_a_late_decision_is_timed_out(regions: Regions, clock: MovableClock) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    clock.advance(121)

    with pytest.raises(AuthorizationTimedOutError):
        await regions.holder.decide(asked.authorization_id)

    seen = await regions.counter.get(asked.authorization_id)
    assert seen.state_at(clock.now()) is AuthorizationState.TIMED_OUT


@pytest.mark.req("6.3-10")
async def test_a_refusal_is_recorded_and_tells_the_relying_party_no_more_than_that(
    published: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, MARRIED)

    denied = await asked_holder.deny(asked.authorization_id)

    assert denied.state is AuthorizationState.DENIED
    seen = await licensed_counter.get(asked.authorization_id)
    assert (seen.state, seen.items, seen.grant, seen.ends_at) == (AuthorizationState.DENIED, (), b"", None)
    record = await consent_of(published, asked.authorization_id)
    assert (record.decision, record.ends_at) == (AuthorizationState.DENIED, None)
    assert not any(item.granted for item in record.items)
    (event,) = await told(published, licensed_counter.counter.app_id, AuthorizationChanged)
    assert event == AuthorizationChanged(
        authorization_id=asked.authorization_id, state=AuthorizationState.DENIED, legal_basis=LegalBasis.CONSENT
    )
    (audit,) = await OperatorDesk(published).audit(AuditAction.CONSENT_DENIED)
    assert audit.entry.object == asked.authorization_id
    with pytest.raises(AuthorizationStateConflictError):
        await licensed_counter.fetch(asked.authorization_id)


@pytest.mark.req("6.3-10")
async def test_across_regions_a_refusal_carries_neither_record_nor_reason(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    await regions.holder.deny(asked.authorization_id)

    seen = await regions.counter.get(asked.authorization_id)

    assert (seen.state, seen.items, seen.grant, seen.consent) == (AuthorizationState.DENIED, (), b"", b"")


@pytest.mark.req("6.3-05")
async def test_what_the_holder_does_not_name_is_refused(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, MARRIED)

    granted = await asked_holder.decide(asked.authorization_id, granted=(2,))

    assert [(item.item_no, item.granted) for item in granted.items] == [(1, False), (2, True)]
    assert granted.remaining_uses() == {2: 1}


async def test_an_item_that_was_not_asked_for_cannot_be_granted(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)

    with pytest.raises(InvalidFieldError):
        await asked_holder.decide(asked.authorization_id, granted=(1, 2))
    with pytest.raises(InvalidFieldError):
        await asked_holder.step_up(asked.authorization_id, 2)


@pytest.mark.req("N-30", "6.3-08")
async def test_a_stolen_application_certificate_decides_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    own_device = HolderDevice.generate(now=licensed.clock.now)

    with pytest.raises(HolderProofInvalidError):
        await asked_holder.decide(asked.authorization_id, device=own_device)

    assert (await asked_holder.view(asked.authorization_id)).authorization.state is AuthorizationState.PENDING


@pytest.mark.req("N-30")
async def test_a_signature_for_one_act_decides_no_other(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, licensed: NodeInMemory, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    call, command = await asked_holder.decide_call(asked.authorization_id)
    deciding = licensed.steps.authorizations.deciding

    with pytest.raises(HolderProofInvalidError) as other_serial:
        await deciding.decide(call, replace(command, biz_serial="another"))
    altered = replace(command, proof=replace(command.proof, statement=command.proof.statement + b"\x10\x01"))
    with pytest.raises(HolderProofInvalidError):
        await deciding.decide(call, altered)
    clock.advance(301)
    with pytest.raises(HolderProofInvalidError) as late:
        await deciding.decide(call, command)

    assert (other_serial.value.why, late.value.why) == ("OTHER_ACT", "TIME")


@pytest.mark.req("N-30")
async def test_the_signature_for_withdrawing_does_not_decide(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, licensed: NodeInMemory
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    call, command = await asked_holder.decide_call(asked.authorization_id)
    other = asked_holder.holder.device.prove_withdraw(
        session_token=asked_holder.holder.token,
        authorization_id=asked.authorization_id,
        biz_serial=command.biz_serial,
    )

    with pytest.raises(HolderProofInvalidError):
        await licensed.steps.authorizations.deciding.decide(
            call, replace(command, proof=holder_proof_from_proto(other))
        )


@pytest.mark.req("N-30")
async def test_another_application_cannot_use_the_session(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    _, command = await asked_holder.decide_call(asked.authorization_id)
    thief = Caller(caller_class=CallerClass.APP, name="thief-app", kind="holder")

    with pytest.raises(SessionInvalidError):
        await licensed.steps.authorizations.deciding.decide(call_of(thief, "DecideAuthorization", command), command)


@pytest.mark.req("N-30")
async def test_the_device_that_was_left_behind_meanwhile_decides_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    call, command = await asked_holder.decide_call(asked.authorization_id)
    account = asked_holder.holder.account
    moved = MobileApp(licensed).device()
    licensed.database.before_unit = lambda tx: tx.accounts.bind_device(
        account.account_id, device_key_id=moved.key_id, device_public_key=moved.public_key
    )

    with pytest.raises(HolderProofInvalidError) as refused:
        await licensed.steps.authorizations.deciding.decide(call, command)

    assert refused.value.why == "KEY"
    kept = await licensed.database.read(lambda tx: tx.authorizations.get(asked.authorization_id))
    assert kept is not None
    assert kept.state is AuthorizationState.PENDING


async def test_a_suspended_subject_decides_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    call, command = await asked_holder.decide_call(asked.authorization_id)
    licensed.database.set_account_state(asked_holder.holder.account, AccountState.SUSPENDED)

    with pytest.raises(SubjectSuspendedError):
        await licensed.steps.authorizations.deciding.decide(call, command)


@pytest.mark.req("N-51")
async def test_the_same_decision_again_is_answered_again_and_another_one_is_a_conflict(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, MARRIED)
    call, command = await asked_holder.decide_call(asked.authorization_id)
    deciding = licensed.steps.authorizations.deciding

    (first, replayed), (second, replayed_second) = await asyncio.gather(
        deciding.decide(call, command), deciding.decide(call, command)
    )
    clock.advance(timedelta(minutes=6))
    third, replayed_third = await deciding.decide(call, command)

    assert [replayed, replayed_second, replayed_third] == [False, True, True]
    assert first == second == third
    other_call, other = await asked_holder.decide_call(
        asked.authorization_id, granted=(2,), biz_serial=command.biz_serial
    )
    with pytest.raises(SerialConflictError):
        await deciding.decide(other_call, other)
    with pytest.raises(AuthorizationStateConflictError):
        await asked_holder.decide(asked.authorization_id, granted=(2,))


async def test_of_two_decisions_at_once_one_counts(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    yes = await asked_holder.decide_call(asked.authorization_id)
    no = await asked_holder.decide_call(asked.authorization_id, granted=())
    deciding = licensed.steps.authorizations.deciding

    outcomes = await asyncio.gather(deciding.decide(*yes), deciding.decide(*no), return_exceptions=True)

    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert [type(one) for one in refused] == [AuthorizationStateConflictError]
    desk = OperatorDesk(licensed)
    decided = [
        *await desk.audit(AuditAction.CONSENT_GRANTED),
        *await desk.audit(AuditAction.CONSENT_DENIED),
    ]
    assert len(decided) == 1


@pytest.mark.req("6.3-09")
async def test_a_request_that_is_timed_out_while_the_decision_is_signed_stays_so(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    call, command = await asked_holder.decide_call(asked.authorization_id)
    licensed.database.before_unit = lambda tx: tx.authorizations.time_out(asked.authorization_id, at=clock.now())

    with pytest.raises(AuthorizationTimedOutError):
        await licensed.steps.authorizations.deciding.decide(call, command)


async def test_nobody_decides_at_a_node_that_is_not_the_holders_home(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    at_visited = await deciding_holder(regions.visited)
    shown = await regions.holder.view(asked.authorization_id)

    with pytest.raises(AuthorizationNotFoundError):
        await at_visited.decide(asked.authorization_id, view=shown)


@pytest.mark.req("6.3-03", "6.3-06")
async def test_the_page_names_what_the_law_wants_named(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER, MARRIED, retention=timedelta(days=7))

    text = (await asked_holder.view(asked.authorization_id)).page.text

    for part in (
        "政务服务中心",
        licensed_counter.counter.uscc,
        "office@example.invalid",
        "新生儿落户",
        "核验出生信息",
        "核验后不留存",
        "母亲姓名",
        "敏感个人信息",
        "结婚证",
        "7 天",
        "撤回",
        "拒绝",
    ):
        assert part in text
    assert person().id_number not in text
    assert asked.request.items[0].asked.license_type == BIRTH
