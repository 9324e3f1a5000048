"""Records of consent and use are kept for three years at least, and undecided requests are swept (6.3-17, 6.3-09)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from govcode_node.authorization_steps import LicenceRules
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationState,
    AuthorizationStateConflictError,
    AuthorizationTimedOutError,
)
from govcode_node.domain.events import AuthorizationChanged
from govcode_node.ports.stores import Transaction
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    LICENCES_FILE,
    NAME_AND_BORN,
    AskingCounter,
    DecidingHolder,
    Regions,
    asking_counter,
    deciding_holder,
    replace,
    told,
)
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import OperatorDesk

PERIOD = timedelta(minutes=10)
NEARLY = timedelta(days=2 * 365 + 364)
THREE_YEARS = timedelta(days=3 * 365)


async def used(counter: AskingCounter, holder: DecidingHolder) -> str:
    asked = await counter.ask(holder.holder, NAME_AND_BORN, period=PERIOD)
    await holder.decide(asked.authorization_id, places={1: "310000"})
    await counter.fetch(asked.authorization_id)
    return asked.authorization_id


async def kept(node: NodeInMemory, authorization_id: str) -> tuple[bool, int]:
    """Whether the authorization is there, and how many of its uses are."""
    found = await node.database.read(lambda tx: tx.authorizations.get(authorization_id))
    uses = await node.database.read(lambda tx: tx.authorizations.uses_of(authorization_id))
    return found is not None, len(uses)


@pytest.mark.req("6.3-17")
async def test_consent_and_use_are_kept_for_three_years_and_go_together_afterwards(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    authorization_id = await used(licensed_counter, asked_holder)
    records = licensed.steps.authorizations.records
    clock.advance(PERIOD + NEARLY)
    await records.step()
    assert await kept(licensed, authorization_id) == (True, 1)
    found = await licensed.database.read(lambda tx: tx.authorizations.get(authorization_id))
    assert found is not None
    assert found.consent
    assert found.grant
    assert await OperatorDesk(licensed).audit(AuditAction.RECORDS_PURGED) == []

    clock.advance(timedelta(days=1, seconds=1))
    await records.step()

    assert await kept(licensed, authorization_id) == (False, 0)
    desk = OperatorDesk(licensed)
    (record,) = await desk.audit(AuditAction.RECORDS_PURGED)
    assert record.entry.details == {"count": "1"}
    # The trail itself stays.
    assert len(await desk.audit(AuditAction.CONSENT_GRANTED)) == 1
    assert len(await desk.audit(AuditAction.LICENSE_USED)) == 1


@pytest.mark.req("6.3-17")
async def test_no_configuration_goes_below_three_years_and_a_longer_one_holds(
    federation: FederationInMemory, clock: MovableClock
) -> None:
    nodes = {
        years: federation.add(
            node_id,
            prefixes=(node_id[:2],),
            licences=LICENCES_FILE,
            licence_rules=LicenceRules(retention=timedelta(days=365 * years)),
        )
        for years, node_id in ((1, "310000"), (5, "420100"))
    }
    federation.publish()
    asked = {}
    for years, node in nodes.items():
        counter, holder = await asking_counter(node), await deciding_holder(node)
        one = await counter.ask(holder.holder, NAME_AND_BORN, period=PERIOD)
        await holder.decide(one.authorization_id)
        asked[years] = one.authorization_id
    clock.advance(PERIOD + NEARLY)
    for node in nodes.values():
        await node.steps.authorizations.records.step()
    assert [await kept(nodes[years], asked[years]) for years in (1, 5)] == [(True, 0), (True, 0)]

    clock.advance(timedelta(days=2))
    for node in nodes.values():
        await node.steps.authorizations.records.step()

    assert [await kept(nodes[years], asked[years]) for years in (1, 5)] == [(False, 0), (True, 0)]


async def _deny(holder: DecidingHolder, authorization_id: str) -> None:
    await holder.deny(authorization_id)


async def _withdraw(holder: DecidingHolder, authorization_id: str) -> None:
    await holder.decide(authorization_id)
    await holder.withdraw(authorization_id)


@pytest.mark.req("6.3-17", "6.3-10")
@pytest.mark.parametrize("end", [_deny, _withdraw])
async def test_refusals_and_withdrawals_are_kept_as_long(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    clock: MovableClock,
    end: Callable[[DecidingHolder, str], Awaitable[None]],
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    await end(asked_holder, asked.authorization_id)
    records = licensed.steps.authorizations.records
    clock.advance(NEARLY)
    await records.step()
    assert (await kept(licensed, asked.authorization_id))[0]

    clock.advance(timedelta(days=1, seconds=1))
    await records.step()

    assert not (await kept(licensed, asked.authorization_id))[0]


@pytest.mark.req("6.3-17", "6.3-16")
async def test_every_node_that_takes_part_keeps_its_record_as_long(regions: Regions, clock: MovableClock) -> None:
    authorization_id = await used(regions.counter, regions.holder)
    await regions.counter.get(authorization_id)
    nodes = (regions.home, regions.visited, regions.licensing)
    clock.advance(PERIOD + NEARLY)
    for node in nodes:
        await node.steps.authorizations.records.step()
    assert [await kept(node, authorization_id) for node in nodes] == [(True, 1), (True, 1), (False, 1)]

    clock.advance(timedelta(days=1, seconds=1))
    for node in nodes:
        await node.steps.authorizations.records.step()

    assert [await kept(node, authorization_id) for node in nodes] == [(False, 0)] * 3


@pytest.mark.req("6.3-17")
async def test_more_than_one_batch_goes_in_one_step(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    denied = await asked_holder.deny(asked.authorization_id)

    def copies(tx: Transaction) -> None:
        for number in range(450):
            tx.authorizations.add(with_id(denied, f"au_{number:032x}"))

    await licensed.database.run(copies)
    clock.advance(THREE_YEARS + timedelta(seconds=1))

    await licensed.steps.authorizations.records.step()

    counts = [
        int(record.entry.details["count"]) for record in await OperatorDesk(licensed).audit(AuditAction.RECORDS_PURGED)
    ]
    assert sorted(counts) == [51, 200, 200]


def with_id(one: Authorization, authorization_id: str) -> Authorization:
    request = replace(one.request, authorization_id=authorization_id)
    return replace(one, authorization_id=authorization_id, request=request)


@pytest.mark.req("6.3-09")
async def test_a_sweep_writes_down_what_nobody_decided_and_tells_both(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    sweep = licensed.steps.authorizations.sweep
    clock.advance(119)
    await sweep.step()
    assert (await licensed_counter.get(asked.authorization_id)).state is AuthorizationState.PENDING
    clock.advance(2)

    await sweep.step()
    await sweep.step()

    assert (await licensed_counter.get(asked.authorization_id)).state is AuthorizationState.TIMED_OUT
    for app_id in (licensed_counter.counter.app_id, "mobile-app"):
        (event,) = await told(licensed, app_id, AuthorizationChanged)
        assert event.state is AuthorizationState.TIMED_OUT
    (record,) = await OperatorDesk(licensed).audit(AuditAction.AUTHORIZATION_TIMED_OUT)
    assert record.entry.object == asked.authorization_id
    with pytest.raises((AuthorizationTimedOutError, AuthorizationStateConflictError)):
        await asked_holder.decide(asked.authorization_id)


@pytest.mark.req("6.3-09")
async def test_a_decision_that_was_quicker_than_the_sweep_stays(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    await asked_holder.decide(asked.authorization_id)
    clock.advance(121)

    await licensed.steps.authorizations.sweep.step()

    assert (await licensed_counter.get(asked.authorization_id)).state is AuthorizationState.GRANTED
    assert await OperatorDesk(licensed).audit(AuditAction.AUTHORIZATION_TIMED_OUT) == []


@pytest.mark.req("6.3-09")
async def test_the_visited_node_leaves_it_to_the_home_node_to_say_that_time_is_over(
    regions: Regions, clock: MovableClock
) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    clock.advance(121)

    await regions.visited.steps.authorizations.sweep.step()

    copy = await regions.visited.database.read(lambda tx: tx.authorizations.get(asked.authorization_id))
    assert copy is not None
    assert copy.state is AuthorizationState.PENDING
    await regions.home.steps.authorizations.sweep.step()
    assert (await regions.counter.get(asked.authorization_id)).state is AuthorizationState.TIMED_OUT
