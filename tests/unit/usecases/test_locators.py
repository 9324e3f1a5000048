"""Number and name come for one act: from the store, from a check for that act, or from the party's own case (N-21)."""

import logging
from datetime import timedelta

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import NotOwnerError
from govcode_node.domain.licenses import (
    HolderMismatchError,
    LicenseServiceUnavailableError,
    Locator,
    LocatorRequiredError,
    LocatorSource,
)
from govcode_node.domain.recognition import PeerRefusedError
from kit.canaries import Canaries
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    BIRTH,
    LICENCES_FILE,
    NAME_AND_BORN,
    AskedItem,
    AskingCounter,
    DecidingHolder,
    Regions,
    asking_counter,
    bytes_between,
    deciding_holder,
    know_by_mark_alone,
)
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import OperatorDesk, person

HOLDER = person()
NUMBER_AND_NAME = Canaries({"number": HOLDER.id_number, "name": HOLDER.name})
NAME_ONLY = AskedItem(license_type=BIRTH, field_names=("born",))


@pytest.fixture
async def marked(licensed: NodeInMemory) -> DecidingHolder:
    """A holder whom the node knows by an opaque mark alone."""
    know_by_mark_alone(licensed)
    return await deciding_holder(licensed)


@pytest.mark.req("N-21")
async def test_of_a_subject_known_by_a_mark_nothing_is_located_or_fetched(
    licensed_counter: AskingCounter, marked: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(marked.holder)
    with pytest.raises(LocatorRequiredError):
        await marked.locate(asked.authorization_id)
    await marked.decide(asked.authorization_id)

    with pytest.raises(LocatorRequiredError):
        await licensed_counter.fetch(asked.authorization_id)

    assert (await licensed_counter.get(asked.authorization_id)).remaining_uses() == {1: 1}


@pytest.mark.req("N-21")
async def test_a_check_for_the_act_gives_number_and_name_for_ten_minutes_and_leaves_no_trace(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    marked: DecidingHolder,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = await licensed_counter.ask(marked.holder, NAME_ONLY, max_uses=3, period=timedelta(hours=1))
    await marked.grant_sensitive(asked.authorization_id, 1)

    received = await licensed_counter.fetch(asked.authorization_id)

    assert received.fields == {"born": "1988-02-14"}
    assert NUMBER_AND_NAME.in_bytes(licensed.database.image()) == set()
    assert NUMBER_AND_NAME.in_bytes(caplog.text.encode()) == set()
    clock.advance(timedelta(minutes=10))
    with pytest.raises(LocatorRequiredError):
        await licensed_counter.fetch(asked.authorization_id)


@pytest.mark.req("N-21")
async def test_what_a_check_gave_for_one_act_serves_no_other(
    licensed_counter: AskingCounter, marked: DecidingHolder
) -> None:
    first = await licensed_counter.ask(marked.holder)
    await marked.grant_sensitive(first.authorization_id, 1)
    second = await licensed_counter.ask(marked.holder)
    await marked.decide(second.authorization_id)

    with pytest.raises(LocatorRequiredError):
        await licensed_counter.fetch(second.authorization_id)


@pytest.mark.req("N-21")
async def test_a_withdrawal_forgets_what_is_held(
    licensed: NodeInMemory, licensed_counter: AskingCounter, marked: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(marked.holder)
    await marked.grant_sensitive(asked.authorization_id, 1)
    locators = licensed.steps.authorizations.locating._locators
    now = licensed.clock.now()
    assert locators.of(None, authorization_id=asked.authorization_id, case=None, now=now).number == HOLDER.id_number

    await marked.withdraw(asked.authorization_id)

    with pytest.raises(LocatorRequiredError):
        locators.of(None, authorization_id=asked.authorization_id, case=None, now=now)


@pytest.mark.req("N-21")
async def test_the_own_case_of_the_party_gives_number_and_name(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    marked: DecidingHolder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = await licensed_counter.ask(marked.holder, NAME_ONLY)
    await marked.decide(asked.authorization_id)

    received = await licensed_counter.fetch(asked.authorization_id, case_name=HOLDER.name, case_number=HOLDER.id_number)

    assert received.fields == {"born": "1988-02-14"}
    assert NUMBER_AND_NAME.in_bytes(licensed.database.image()) == set()
    assert NUMBER_AND_NAME.in_bytes(caplog.text.encode()) == set()


@pytest.mark.req("N-21")
async def test_half_a_case_is_none(licensed_counter: AskingCounter, marked: DecidingHolder) -> None:
    asked = await licensed_counter.ask(marked.holder)
    await marked.decide(asked.authorization_id)

    for half in ({"case_name": HOLDER.name}, {"case_number": HOLDER.id_number}):
        with pytest.raises(LocatorRequiredError):
            await licensed_counter.fetch(asked.authorization_id, **half)


@pytest.mark.req("N-21", "N-26")
async def test_a_case_with_another_name_finds_nobodys_licence(
    licensed_counter: AskingCounter, marked: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(marked.holder)
    await marked.decide(asked.authorization_id)

    with pytest.raises(HolderMismatchError):
        await licensed_counter.fetch(asked.authorization_id, case_name="李示范", case_number=HOLDER.id_number)


@pytest.mark.req("N-21", "N-26")
async def test_what_the_home_node_knows_goes_before_what_a_party_says(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    await asked_holder.decide(asked.authorization_id)
    other = person("李示范")

    received = await licensed_counter.fetch(asked.authorization_id, case_name=other.name, case_number=other.id_number)

    assert received.fields["name"] == HOLDER.name


@pytest.mark.req("N-21", "6.3-16")
async def test_across_regions_a_case_travels_sealed_and_stays_nowhere(
    federation: FederationInMemory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    federation.add("310000", prefixes=("31",), licences=LICENCES_FILE)
    home = federation.add("420100", prefixes=("42",), licences=LICENCES_FILE)
    visited = federation.add("110000", prefixes=("11",))
    federation.publish()
    know_by_mark_alone(home)
    counter, holder = await asking_counter(visited), await deciding_holder(home)
    asked = await counter.ask(holder.holder, NAME_ONLY)
    await holder.decide(asked.authorization_id, places={1: "310000"})
    with pytest.raises(PeerRefusedError) as refused:
        await counter.fetch(asked.authorization_id)
    assert refused.value.reason == "LocatorRequiredError"

    received = await counter.fetch(asked.authorization_id, case_name=HOLDER.name, case_number=HOLDER.id_number)

    assert received.fields == {"born": "1988-02-14"}
    assert NUMBER_AND_NAME.in_bytes(bytes_between(federation)) == set()
    for node in federation.nodes.values():
        assert NUMBER_AND_NAME.in_bytes(node.database.image()) == set()
    assert NUMBER_AND_NAME.in_bytes(caplog.text.encode()) == set()


@pytest.mark.req("N-22", "7.1-01")
async def test_places_are_told_for_each_item_and_noted(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    driving = AskedItem(license_type="driving-licence", field_names=("class",))
    none = AskedItem(license_type="subject", field_names=("name",))
    asked = await licensed_counter.ask(asked_holder.holder, driving, none, NAME_AND_BORN)

    places = await asked_holder.locate(asked.authorization_id)

    assert {(item_no, place.license_node) for item_no, place in places} == {
        (1, "310000"),
        (1, "110000"),
        (3, "310000"),
    }
    assert not any("SPECIMEN-310000-B1" in place.masked_number for _, place in places)
    (record,) = await OperatorDesk(licensed).audit(AuditAction.LICENSES_LOCATED)
    assert record.entry.object == asked.authorization_id


@pytest.mark.req("N-22", "6.3-08")
async def test_places_are_told_to_nobody_else(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    other = await deciding_holder(licensed, "李示范")
    asked = await licensed_counter.ask(asked_holder.holder)

    with pytest.raises(NotOwnerError):
        await other.locate(asked.authorization_id)


@pytest.mark.req("N-22")
async def test_without_a_licence_system_no_place_is_made_up(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",))
    counter, holder = await asking_counter(node), await deciding_holder(node)
    asked = await counter.ask(holder.holder)

    with pytest.raises(LicenseServiceUnavailableError):
        await holder.locate(asked.authorization_id)
    await holder.decide(asked.authorization_id)
    with pytest.raises(LicenseServiceUnavailableError):
        await counter.fetch(asked.authorization_id)

    assert (await counter.get(asked.authorization_id)).remaining_uses() == {1: 1}


def test_a_locator_does_not_show_whose_it_is() -> None:
    shown = repr(Locator(name=HOLDER.name, number=HOLDER.id_number, source=LocatorSource.STORE))

    assert NUMBER_AND_NAME.in_bytes(shown.encode()) == set()


async def test_the_holder_sees_the_source_of_nothing_in_the_uses(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    await regions.holder.decide(asked.authorization_id)
    await regions.counter.fetch(asked.authorization_id)

    (use,) = await regions.holder.list_uses()

    assert NUMBER_AND_NAME.in_bytes(repr(use).encode()) == set()
