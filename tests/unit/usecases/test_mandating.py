"""A person decides for an entity only by a mandate that its legal representative gave, and only as far as it goes."""

from datetime import timedelta
from typing import Any

import pytest
from govcode_client.device import HolderDevice
from govcode_node.domain.accounts import AccountNotFoundError, HolderProofInvalidError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AuthorizationState,
    ConsentRecord,
    NotOwnerError,
    StepUpMismatchError,
    StepUpRequiredError,
)
from govcode_node.domain.catalogue import AskedItem
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.identification import IdentityFailedError, IdentityProviderUnavailableError
from govcode_node.domain.mandates import MandateInvalidError
from govcode_node.wire.holders import holder_proof_from_proto
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    DRIVING,
    MARRIAGE,
    MATTER,
    AskingCounter,
    DecidingHolder,
    change_company,
    deciding_entity,
    deciding_holder,
    register_matter,
)
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import OTHER_USCC, OperatorDesk, call_of, person, serial

PAPER = AskedItem(license_type=MARRIAGE, field_names=("name",))
CARD = AskedItem(license_type=DRIVING, field_names=("class",))


@pytest.fixture
async def company(licensed: NodeInMemory) -> DecidingHolder:
    licensed.peers.federation.publish()
    return await deciding_entity(licensed)


@pytest.fixture
async def agent(asked_holder: DecidingHolder) -> DecidingHolder:
    return asked_holder


@pytest.mark.req("6.3-19")
async def test_a_person_without_power_decides_nothing_for_an_entity(
    licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(company.holder, PAPER)
    shown = await company.view(asked.authorization_id)

    with pytest.raises(NotOwnerError):
        await agent.decide(asked.authorization_id, view=shown)
    with pytest.raises(NotOwnerError):
        await agent.view(asked.authorization_id)

    assert (await company.view(asked.authorization_id)).authorization.state is AuthorizationState.PENDING


@pytest.mark.req("6.3-19")
async def test_the_entitys_own_session_needs_the_representative_present(
    licensed_counter: AskingCounter, company: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(company.holder, PAPER)

    with pytest.raises(StepUpRequiredError):
        await company.decide(asked.authorization_id)
    granted = await company.grant_sensitive(asked.authorization_id, 1)

    assert granted.state is AuthorizationState.GRANTED


@pytest.mark.req("6.3-19", "N-07")
async def test_a_former_representative_no_longer_decides(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(company.holder, PAPER)
    change_company(licensed, legal_representative=person("上官测试").id_number)

    with pytest.raises(IdentityFailedError):
        await company.grant_sensitive(asked.authorization_id, 1)


@pytest.mark.req("N-07", "6.3-19", "6.3-08")
async def test_an_agent_decides_by_a_mandate_and_both_stand_in_the_record(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER)

    granted = await agent.decide(asked.authorization_id, mandate_id=mandate.mandate_id)

    assert granted.state is AuthorizationState.GRANTED
    read = await licensed.reader.read(granted.consent, purpose=EvidencePurpose.CONSENT, kind=ConsentRecord)
    record = read.statement
    assert record.account_id == company.holder.account.account_id
    assert record.decider_account_id == agent.holder.account.account_id
    assert (record.mandate_id, record.subject_kind) == (mandate.mandate_id, SubjectKind.LEGAL_ENTITY)
    desk = OperatorDesk(licensed)
    (given,) = await desk.audit(AuditAction.MANDATE_GIVEN)
    assert given.entry.details == {
        "entity": company.holder.account.account_id,
        "agent": agent.holder.account.account_id,
    }
    (decided,) = await desk.audit(AuditAction.CONSENT_GRANTED)
    assert decided.entry.details["mandate"] == mandate.mandate_id
    assert [one.mandate_id for one in await company.list_mandates()] == [mandate.mandate_id]
    assert [one.mandate_id for one in await agent.list_mandates()] == [mandate.mandate_id]


async def refusal(agent: DecidingHolder, authorization_id: str, mandate_id: str, **wish: Any) -> str:
    with pytest.raises(MandateInvalidError) as refused:
        await agent.decide(authorization_id, mandate_id=mandate_id, **wish)
    return refused.value.why


@pytest.mark.req("N-07")
@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"matter_codes": ("M-0002",)}, "MATTER"),
        ({"license_types": (DRIVING,)}, "LICENSE_TYPE"),
        ({"start": timedelta(hours=1)}, "EXPIRED"),
    ],
)
async def test_a_mandate_reaches_no_further_than_its_words(
    licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder, terms: dict[str, Any], why: str
) -> None:
    mandate = await company.give_mandate(agent, **{"license_types": (MARRIAGE,), **terms})
    asked = await licensed_counter.ask(company.holder, PAPER)
    shown = await company.view(asked.authorization_id)

    assert await refusal(agent, asked.authorization_id, mandate.mandate_id, view=shown) == why


@pytest.mark.req("N-07")
async def test_one_item_beyond_the_mandate_refuses_the_whole_decision(
    licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER, CARD)
    shown = await company.view(asked.authorization_id)

    why = await refusal(agent, asked.authorization_id, mandate.mandate_id, view=shown, granted=(1, 2))

    assert why == "LICENSE_TYPE"


@pytest.mark.req("N-07")
async def test_a_mandate_ends_by_itself(
    licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder, clock: MovableClock
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,), lasts=timedelta(minutes=1))
    asked = await licensed_counter.ask(company.holder, PAPER)
    shown = await company.view(asked.authorization_id)
    clock.advance(60)

    assert await refusal(agent, asked.authorization_id, mandate.mandate_id, view=shown) == "EXPIRED"


@pytest.mark.req("N-07")
async def test_a_cancelled_mandate_carries_nothing_and_is_cancelled_once(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER)
    shown = await company.view(asked.authorization_id)

    cancelled = await company.cancel_mandate(mandate.mandate_id)

    assert cancelled.cancelled_at == licensed.clock.now()
    assert await refusal(agent, asked.authorization_id, mandate.mandate_id, view=shown) == "CANCELLED"
    with pytest.raises(MandateInvalidError):
        await company.cancel_mandate(mandate.mandate_id)
    (record,) = await OperatorDesk(licensed).audit(AuditAction.MANDATE_CANCELLED)
    assert record.entry.object == mandate.mandate_id


@pytest.mark.req("N-07")
async def test_another_representative_suspends_what_the_former_one_gave(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER)
    former = person("李示范").id_number
    change_company(licensed, legal_representative=person("上官测试").id_number)

    assert await refusal(agent, asked.authorization_id, mandate.mandate_id) == "REPRESENTATIVE"

    change_company(licensed, legal_representative=former)
    granted = await agent.decide(asked.authorization_id, mandate_id=mandate.mandate_id)
    assert granted.state is AuthorizationState.GRANTED


@pytest.mark.req("N-07")
async def test_a_cancelled_credit_code_suspends_every_mandate(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER)
    change_company(licensed, suspended=True)

    assert await refusal(agent, asked.authorization_id, mandate.mandate_id) == "ENTITY_INACTIVE"
    with pytest.raises(MandateInvalidError):
        await company.decide(asked.authorization_id)


@pytest.mark.req("N-07")
async def test_while_the_register_does_not_answer_nobody_acts_for_the_entity(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER)
    licensed.provider.available = False

    with pytest.raises(IdentityProviderUnavailableError):
        await agent.decide(asked.authorization_id, mandate_id=mandate.mandate_id)


@pytest.mark.req("N-07")
async def test_an_agent_cannot_hand_the_mandate_on(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    third = await deciding_holder(licensed, "上官测试")
    asked = await licensed_counter.ask(company.holder, PAPER)
    shown = await company.view(asked.authorization_id)

    with pytest.raises(MandateInvalidError) as refused:
        await agent.give_mandate(third, license_types=(MARRIAGE,))
    assert refused.value.why == "NOT_ENTITY"
    assert await refusal(third, asked.authorization_id, mandate.mandate_id, view=shown) == "AGENT"
    with pytest.raises(MandateInvalidError):
        await agent.cancel_mandate(mandate.mandate_id)


@pytest.mark.req("N-07")
async def test_the_mandate_of_one_entity_carries_nothing_for_another(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    other = await deciding_entity(licensed, uscc=OTHER_USCC, representative="上官测试")
    mandate = await other.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER)
    shown = await company.view(asked.authorization_id)

    assert await refusal(agent, asked.authorization_id, mandate.mandate_id, view=shown) == "AGENT"
    assert await refusal(agent, asked.authorization_id, "ma_" + "7" * 32, view=shown) == "UNKNOWN"


@pytest.mark.req("N-07")
async def test_a_mandate_of_an_entity_says_nothing_about_a_person(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    third = await deciding_holder(licensed, "上官测试")
    asked = await licensed_counter.ask(third.holder, PAPER)
    shown = await third.view(asked.authorization_id)

    with pytest.raises(NotOwnerError):
        await agent.decide(asked.authorization_id, view=shown, mandate_id=mandate.mandate_id)


@pytest.mark.req("N-07", "N-30")
async def test_a_mandate_is_given_by_the_representative_present_with_the_entitys_device(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    with pytest.raises(StepUpRequiredError):
        await company.give_mandate(agent, with_check=False)
    with pytest.raises(HolderProofInvalidError):
        await company.give_mandate(agent, device=HolderDevice.generate(now=licensed.clock.now))
    asked = await licensed_counter.ask(company.holder, PAPER)
    _, for_a_request = await company.step_up(asked.authorization_id, 1)
    with pytest.raises(StepUpMismatchError):
        await company.give_mandate(agent, check=for_a_request)

    assert await company.list_mandates() == []
    assert await OperatorDesk(licensed).audit(AuditAction.MANDATE_GIVEN) == []


@pytest.mark.req("N-07", "N-30")
async def test_a_check_for_a_mandate_grants_nothing(licensed_counter: AskingCounter, company: DecidingHolder) -> None:
    asked = await licensed_counter.ask(company.holder, PAPER)
    right, _ = await company.step_up(asked.authorization_id, 1)
    _, for_a_mandate = await company.step_up("")

    with pytest.raises(StepUpMismatchError):
        await company.decide(asked.authorization_id, confirmed=(1,), digest=right.digest, check=for_a_mandate)


@pytest.mark.req("N-07", "N-30")
async def test_a_mandate_is_cancelled_by_the_entitys_device_alone(
    licensed: NodeInMemory, company: DecidingHolder, agent: DecidingHolder
) -> None:
    mandate = await company.give_mandate(agent)

    with pytest.raises(HolderProofInvalidError):
        await company.cancel_mandate(mandate.mandate_id, device=HolderDevice.generate(now=licensed.clock.now))

    (present,) = await company.list_mandates()
    assert present.cancelled_at is None


@pytest.mark.req("N-07")
@pytest.mark.parametrize("lasts", [timedelta(days=366, seconds=1), timedelta(), timedelta(seconds=-1)])
async def test_a_mandate_holds_for_some_time_and_at_most_a_year(
    company: DecidingHolder, agent: DecidingHolder, lasts: timedelta
) -> None:
    with pytest.raises(MandateInvalidError) as refused:
        await company.give_mandate(agent, lasts=lasts)

    assert refused.value.why == "PERIOD"


async def test_an_agent_is_a_person_with_an_account(licensed: NodeInMemory, company: DecidingHolder) -> None:
    other = await deciding_entity(licensed, uscc=OTHER_USCC, representative="上官测试")

    with pytest.raises(AccountNotFoundError):
        await company.give_mandate(other, agent_account_id="ac_" + "7" * 32)
    with pytest.raises(MandateInvalidError) as refused:
        await company.give_mandate(other)

    assert refused.value.why == "AGENT"


@pytest.mark.req("N-51")
async def test_the_same_serial_gives_one_mandate(
    licensed: NodeInMemory, company: DecidingHolder, agent: DecidingHolder
) -> None:
    number, now = serial("mandate"), licensed.clock.now()
    proof = holder_proof_from_proto(
        company.holder.device.prove_give_mandate(
            session_token=company.holder.token,
            agent_account_id=agent.holder.account.account_id,
            matter_codes=(MATTER,),
            license_types=(MARRIAGE,),
            start_time=now,
            end_time=now + timedelta(days=1),
            biz_serial=number,
        )
    )
    _, check = await company.step_up("")
    call = call_of(company.holder.app.caller, "GiveMandate", number, proof)
    give = licensed.steps.authorizations.mandating.give

    first, replayed = await give(call, biz_serial=number, session_token=company.holder.token, proof=proof, check=check)
    again, replayed_again = await give(
        call, biz_serial=number, session_token=company.holder.token, proof=proof, check=check
    )

    assert (first, replayed, replayed_again) == (again, False, True)
    assert len(await company.list_mandates()) == 1


@pytest.mark.req("6.3-13", "N-07")
async def test_an_agent_withdraws_only_while_the_mandate_holds(
    licensed: NodeInMemory, licensed_counter: AskingCounter, company: DecidingHolder, agent: DecidingHolder
) -> None:
    await register_matter(licensed, licensed_counter.counter.app_id, max_uses=3)
    mandate = await company.give_mandate(agent, license_types=(MARRIAGE,))
    asked = await licensed_counter.ask(company.holder, PAPER)
    await agent.decide(asked.authorization_id, mandate_id=mandate.mandate_id)
    await company.cancel_mandate(mandate.mandate_id)

    with pytest.raises(MandateInvalidError):
        await agent.withdraw(asked.authorization_id)

    assert (await company.withdraw(asked.authorization_id)).state is AuthorizationState.WITHDRAWN
