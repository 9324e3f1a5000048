"""Names of applications repeat between regions: a namesake at the holder's home node is not who asked (6.3-11)."""

import pytest
from govcode_node.domain.authorizations import AudienceMismatchError, AuthorizationNotFoundError
from govcode_node.domain.disclosure import FieldName
from kit.consent_in_memory import NAME_AND_BORN, SUBJECT_FIELDS, AskedItem, AskingCounter, Regions, asking_counter
from kit.people_in_memory import call_of, furnish, masked


@pytest.fixture
async def namesake(regions: Regions) -> AskingCounter:
    """A counter of the home node with the name of the one in Beijing that asked."""
    counter = await asking_counter(regions.home)
    assert counter.counter.app_id == regions.counter.counter.app_id
    return counter


@pytest.mark.req("6.3-11")
async def test_a_namesake_at_the_home_node_uses_no_grant_of_another_nodes_application(
    regions: Regions, namesake: AskingCounter
) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    await regions.holder.decide(asked.authorization_id)

    with pytest.raises(AuthorizationNotFoundError):
        await namesake.fetch(asked.authorization_id)

    assert (await regions.counter.get(asked.authorization_id)).remaining_uses() == {1: 1}


@pytest.mark.req("6.3-11")
async def test_a_namesake_at_the_home_node_learns_nothing_of_an_authorization(
    regions: Regions, namesake: AskingCounter
) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)

    with pytest.raises(AuthorizationNotFoundError):
        await namesake.get(asked.authorization_id)


@pytest.mark.req("6.3-11", "7.2-11")
async def test_a_namesake_at_the_home_node_resolves_by_no_consent_to_another(
    regions: Regions,
) -> None:
    namesake = await furnish(regions.home, fields=masked(FieldName.NAME))
    fields = AskedItem(license_type=SUBJECT_FIELDS, field_names=("name",))
    asked = await regions.counter.ask(regions.holder.holder, fields)
    await regions.holder.decide(asked.authorization_id, granted=(1,), confirmed=(1,))
    scanned = await namesake.scan(await regions.holder.holder.present())

    with pytest.raises(AudienceMismatchError):
        await regions.home.steps.resolving.resolve(
            call_of(namesake.caller, "ResolveCode", "by consent"),
            scan_id=scanned.answer.scan_id,
            field_names=("name",),
            authorization_id=asked.authorization_id,
            whole=True,
        )
