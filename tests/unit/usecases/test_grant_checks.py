"""Grant-only mode (N-23): a licence system with a channel of its own asks before, and reports after."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    AuthorizationQuestion,
    AuthorizationState,
    AuthorizationStateConflictError,
    GrantExhaustedError,
    GrantExpiredError,
    GrantWithdrawnError,
    ItemNotGrantedError,
    QuestionKind,
    UseState,
)
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.events import LicenseUsed
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.recognition import (
    EvidenceRefusedError,
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    PeerAnswerRefusedError,
    PeerRefusedError,
)
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    MARRIED,
    MATTER,
    NAME_AND_BORN,
    AskingCounter,
    DecidingHolder,
    LicenceSystem,
    Regions,
    told,
)
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import OperatorDesk

BEGUN, DELIVERED, FAILED = UseState.BEGUN, UseState.DELIVERED, UseState.FAILED


@pytest.fixture
def system(licensed: NodeInMemory) -> LicenceSystem:
    licensed.peers.federation.publish()
    return LicenceSystem(licensed)


@pytest.fixture
def app_id(licensed_counter: AskingCounter) -> str:
    return licensed_counter.counter.app_id


async def grant(counter: AskingCounter, holder: DecidingHolder, *, max_uses: int = 1) -> tuple[str, bytes]:
    asked = await counter.ask(holder.holder, NAME_AND_BORN, max_uses=max_uses)
    decided = await holder.decide(asked.authorization_id)
    return asked.authorization_id, decided.grant


@pytest.mark.req("N-23")
async def test_a_grant_is_good_for_its_audience_and_its_count(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    system: LicenceSystem,
    app_id: str,
) -> None:
    authorization_id, token = await grant(licensed_counter, asked_holder)

    before = await system.introspect(token, app_id)
    use_id, left = await system.report(token, app_id, BEGUN, biz_serial="1")
    assert (before.active, before.remaining_uses, before.matter_code) == (True, {1: 1}, MATTER)
    assert [item.asked for item in before.items] == [NAME_AND_BORN]
    assert left == 0
    assert (await system.report(token, app_id, DELIVERED, biz_serial="1"))[0] == use_id
    after = await system.introspect(token, app_id)

    assert (after.active, after.items, after.remaining_uses, after.ends_at) == (False, (), {}, None)
    with pytest.raises(GrantExhaustedError):
        await system.report(token, app_id, BEGUN, biz_serial="2")
    (use,) = await asked_holder.list_uses(authorization_id)
    assert (use.use_id, use.state) == (use_id, DELIVERED)
    (event,) = await told(licensed, "mobile-app", LicenseUsed)
    assert event.use_id == use_id
    results = [one.entry.result for one in await OperatorDesk(licensed).audit(AuditAction.GRANT_INTROSPECTED)]
    assert sorted(results) == ["ACTIVE", "INACTIVE"]


@pytest.mark.req("N-23", "6.3-11")
async def test_another_audience_gets_nothing(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, system: LicenceSystem
) -> None:
    _, token = await grant(licensed_counter, asked_holder)

    seen = await system.introspect(token, "other-app")

    assert (seen.active, seen.items, seen.remaining_uses) == (False, (), {})
    with pytest.raises(AudienceMismatchError):
        await system.report(token, "other-app", BEGUN, biz_serial="1")
    assert await asked_holder.list_uses() == []


@pytest.mark.req("N-23", "6.3-13")
async def test_after_a_withdrawal_the_next_question_says_no(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, system: LicenceSystem, app_id: str
) -> None:
    authorization_id, token = await grant(licensed_counter, asked_holder, max_uses=3)
    await system.report(token, app_id, BEGUN, biz_serial="1")
    await asked_holder.withdraw(authorization_id)

    seen = await system.introspect(token, app_id)

    assert (seen.active, seen.state) == (False, AuthorizationState.WITHDRAWN)
    with pytest.raises(GrantWithdrawnError):
        await system.report(token, app_id, BEGUN, biz_serial="2")
    # What had begun is finished.
    await system.report(token, app_id, DELIVERED, biz_serial="1")


@pytest.mark.req("N-23", "6.3-11")
async def test_a_grant_that_is_over_is_not_active(
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    system: LicenceSystem,
    app_id: str,
    clock: MovableClock,
) -> None:
    _, token = await grant(licensed_counter, asked_holder)
    clock.advance(timedelta(minutes=10))

    seen = await system.introspect(token, app_id)

    assert (seen.active, seen.state) == (False, AuthorizationState.EXPIRED)
    with pytest.raises(GrantExpiredError):
        await system.report(token, app_id, BEGUN, biz_serial="1")


@pytest.mark.req("N-23", "7.1-07")
async def test_the_grants_of_a_suspended_subject_are_not_active(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    system: LicenceSystem,
    app_id: str,
) -> None:
    _, token = await grant(licensed_counter, asked_holder)
    licensed.database.set_account_state(asked_holder.holder.account, AccountState.SUSPENDED)

    assert not (await system.introspect(token, app_id)).active
    with pytest.raises(GrantWithdrawnError):
        await system.report(token, app_id, BEGUN, biz_serial="1")


@pytest.mark.req("N-23", "6.3-12")
async def test_a_failed_use_is_given_back_and_its_serial_may_begin_again(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, system: LicenceSystem, app_id: str
) -> None:
    _, token = await grant(licensed_counter, asked_holder)
    first, _ = await system.report(token, app_id, BEGUN, biz_serial="1")
    _, left = await system.report(token, app_id, FAILED, biz_serial="1")
    assert left == 1

    second, left = await system.report(token, app_id, BEGUN, biz_serial="1")

    assert (second != first, left) == (True, 0)


@pytest.mark.req("N-23", "N-51")
async def test_a_report_told_twice_counts_once(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    system: LicenceSystem,
    app_id: str,
) -> None:
    _, token = await grant(licensed_counter, asked_holder, max_uses=3)

    begun = [await system.report(token, app_id, BEGUN, biz_serial="1") for _ in range(2)]
    ended = [await system.report(token, app_id, DELIVERED, biz_serial="1") for _ in range(2)]

    assert {*begun, *ended} == {(begun[0][0], 2)}
    assert len(await told(licensed, "mobile-app", LicenseUsed)) == 1
    with pytest.raises(AuthorizationStateConflictError) as refused:
        await system.report(token, app_id, FAILED, biz_serial="1")
    assert refused.value.state == "USE_DELIVERED"


@pytest.mark.req("N-23")
async def test_a_use_is_ended_only_after_its_begin_and_for_its_item(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, system: LicenceSystem, app_id: str
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, MARRIED)
    token = (await asked_holder.decide(asked.authorization_id, granted=(1,))).grant

    with pytest.raises(AuthorizationStateConflictError):
        await system.report(token, app_id, DELIVERED, biz_serial="1")
    with pytest.raises(ItemNotGrantedError):
        await system.report(token, app_id, BEGUN, biz_serial="1", item_no=2)
    await system.report(token, app_id, BEGUN, biz_serial="1")
    with pytest.raises(SerialConflictError):
        await system.report(token, app_id, BEGUN, biz_serial="1", item_no=2)


@pytest.mark.req("N-23", "6.3-12")
async def test_the_counter_is_one_for_both_ways_and_for_all_systems(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    system: LicenceSystem,
    app_id: str,
) -> None:
    authorization_id, token = await grant(licensed_counter, asked_holder, max_uses=3)
    other = LicenceSystem(licensed, "other-system")
    await licensed_counter.fetch(authorization_id)

    outcomes = await asyncio.gather(
        *(one.report(token, app_id, BEGUN, biz_serial=str(n)) for n in range(10) for one in (system, other)),
        return_exceptions=True,
    )

    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert {type(one) for one in refused} == {GrantExhaustedError}
    assert len(outcomes) - len(refused) == 2


@pytest.mark.req("N-23")
@pytest.mark.parametrize("broken", ["cut off", "changed", "no grant", "empty"])
async def test_what_is_no_grant_of_a_trusted_node_is_refused(
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    system: LicenceSystem,
    app_id: str,
    broken: str,
) -> None:
    authorization_id, token = await grant(licensed_counter, asked_holder)
    consent = (await asked_holder.view(authorization_id)).authorization.consent
    changed = bytearray(token)
    changed[len(token) // 3] ^= 1
    shown = {"cut off": token[:-1], "changed": bytes(changed), "no grant": consent, "empty": b""}[broken]

    with pytest.raises(EvidenceRefusedError):
        await system.introspect(shown, app_id)
    with pytest.raises(EvidenceRefusedError):
        await system.report(shown, app_id, BEGUN, biz_serial="1")

    assert await asked_holder.list_uses() == []


@pytest.mark.req("N-23", "6.3-16")
async def test_the_home_node_answers_and_counts_for_systems_of_other_regions(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    token = (await regions.holder.decide(asked.authorization_id)).grant
    system, presenter = LicenceSystem(regions.licensing), regions.counter.counter.app_id

    before = await system.introspect(token, presenter)
    use_id, left = await system.report(token, presenter, BEGUN, biz_serial="1")
    await system.report(token, presenter, DELIVERED, biz_serial="1")

    assert (before.active, before.remaining_uses, left) == (True, {1: 1}, 0)
    assert not (await system.introspect(token, presenter)).active
    (use,) = await regions.holder.list_uses()
    assert (use.use_id, use.license_node) == (use_id, "310000")
    with pytest.raises(PeerRefusedError) as refused:
        await system.report(token, presenter, BEGUN, biz_serial="2")
    assert refused.value.reason == "GrantExhaustedError"


@pytest.mark.req("N-23")
@pytest.mark.parametrize(
    ("trouble", "error"), [("unreachable", HomeNodeUnreachableError), ("hanging", HomeNodeTimeoutError)]
)
async def test_without_the_home_nodes_answer_a_grant_is_not_used(
    regions: Regions, trouble: str, error: type[Exception]
) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    token = (await regions.holder.decide(asked.authorization_id)).grant
    getattr(regions.licensing.peers, trouble).add("420100")

    with pytest.raises(error):
        await LicenceSystem(regions.licensing).introspect(token, regions.counter.counter.app_id)


@pytest.mark.req("N-23")
async def test_a_lost_answer_to_a_report_counts_once(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN, max_uses=2)
    token = (await regions.holder.decide(asked.authorization_id)).grant
    system, presenter = LicenceSystem(regions.licensing), regions.counter.counter.app_id
    regions.licensing.peers.losing.add("420100")
    with pytest.raises(HomeNodeTimeoutError):
        await system.report(token, presenter, BEGUN, biz_serial="1")
    regions.licensing.peers.losing.clear()

    _, left = await system.report(token, presenter, BEGUN, biz_serial="1")

    assert left == 1
    assert len(await regions.holder.list_uses()) == 1


@pytest.mark.req("N-23", "6.3-13")
async def test_an_old_yes_is_no_answer_to_a_new_question(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    token = (await regions.holder.decide(asked.authorization_id)).grant
    system, presenter = LicenceSystem(regions.licensing), regions.counter.counter.app_id
    await system.introspect(token, presenter)
    yes = regions.federation.answers[-1]
    await regions.holder.withdraw(asked.authorization_id)
    regions.licensing.clock.advance(1)
    regions.licensing.peers.tamper = lambda answer: yes

    with pytest.raises(PeerAnswerRefusedError):
        await system.introspect(token, presenter)


async def asked_by_shanghai(regions: Regions, authorization_id: str, **changes: Any) -> str:
    """Let Shanghai put a question of its own making to the home node; the name of the refusal."""
    values: dict[str, Any] = {
        "kind": QuestionKind.REPORT_USE,
        "from_node": "310000",
        "to_node": "420100",
        "authorization_id": authorization_id,
        "app_id": regions.counter.counter.app_id,
        "biz_serial": "1",
        "licence_system": "licence-system",
        "item_no": 1,
        "use_state": BEGUN,
        "asked_at": regions.home.clock.now(),
        **changes,
    }
    question = AuthorizationQuestion(**values)
    evidence = await regions.licensing.attestor.attest(EvidencePurpose.AUTHORIZATION_QUESTION, question)
    call = regions.counter.fetch_call(authorization_id)[0]
    with pytest.raises(PeerRefusedError) as refused:
        await regions.licensing.peers.ask_authorization("420100", question=evidence, call=call)
    return refused.value.reason


@pytest.mark.req("N-23", "6.3-11")
async def test_the_home_node_itself_holds_a_report_to_the_audience(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    await regions.holder.decide(asked.authorization_id)

    assert await asked_by_shanghai(regions, asked.authorization_id, app_id="other-app") == "AudienceMismatchError"
    assert await regions.holder.list_uses() == []


async def test_a_node_that_did_not_ask_is_not_told_where_an_authorization_stands(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    state: dict[str, Any] = {"kind": QuestionKind.STATE, "biz_serial": "", "item_no": 0, "use_state": None}
    of_nobody = "au_" + "7" * 32

    why = await asked_by_shanghai(regions, asked.authorization_id, licence_system="", **state)

    assert why == "IdentityMismatchError"
    assert await asked_by_shanghai(regions, of_nobody, licence_system="", **state) == "AuthorizationNotFoundError"
