"""What operators register of licences: types and matters in versions, and the keys to which licences are sealed."""

from datetime import timedelta

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.catalogue import (
    SUBJECT_LICENSE_TYPE,
    ApplicationKey,
    AskedItem,
    AuthorizationOutOfPolicyError,
    ExcessiveScopeError,
    LicenseTypeUnknownError,
)
from govcode_node.domain.errors import InvalidFieldError, SerialConflictError
from govcode_node.domain.parties import ApplicationKind, PartyUnknownError
from kit.consent_in_memory import (
    BIRTH,
    MATTER,
    NAME_AND_BORN,
    TYPES,
    WITH_MOTHER,
    AskingCounter,
    DecidingHolder,
    asking_counter,
    matter,
    register_matter,
    replace,
    stock,
)
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import OperatorDesk, serial


@pytest.mark.req("6.3-04")
async def test_types_and_matters_come_in_versions_and_the_newest_counts(node: NodeInMemory, desk: OperatorDesk) -> None:
    counter = await asking_counter(node)
    app_id, keeping = counter.counter.app_id, node.steps.authorizations.keeping
    number = serial("type")
    renamed = replace(TYPES[0], name="出生证明")
    again, _ = await keeping.register_license_type(desk.call("RegisterType", number), number, renamed)
    narrower = await register_matter(node, app_id, items=(NAME_AND_BORN,))

    types = await keeping.license_types(after="", limit=10)
    matters = await keeping.matters(after=("", ""), limit=10)

    assert (again.version, narrower.version) == (2, 2)
    assert next(one for one in types if one.license_type == BIRTH).name == "出生证明"
    assert [one.license_type for one in types] == sorted(one.license_type for one in TYPES)
    assert [(one.matter_code, one.version, one.items) for one in matters] == [(MATTER, 2, (NAME_AND_BORN,))]
    assert await keeping.license_types(after="marriage-certificate", limit=10) == []
    assert await keeping.matters(after=(app_id, MATTER), limit=10) == []
    registered = [record.entry.object for record in await desk.audit(AuditAction.REGISTERED)]
    assert registered.count(f"matter {app_id}/{MATTER}") == 2


@pytest.mark.req("6.3-04")
async def test_a_narrower_scope_holds_from_the_next_request_on(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    before = await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)
    await register_matter(licensed, licensed_counter.counter.app_id, items=(NAME_AND_BORN,))

    with pytest.raises(ExcessiveScopeError):
        await licensed_counter.ask(asked_holder.holder, WITH_MOTHER)

    assert (await licensed_counter.get(before.authorization_id)).request.items[0].asked == WITH_MOTHER


@pytest.mark.req("6.3-04")
@pytest.mark.parametrize(
    "item",
    [
        AskedItem(license_type="unheard-of", field_names=("name",)),
        AskedItem(license_type=BIRTH, field_names=("name", "father")),
        AskedItem(license_type="subject", field_names=("name", "wealth")),
    ],
)
async def test_a_matter_names_only_types_and_fields_of_the_catalogue(node: NodeInMemory, item: AskedItem) -> None:
    counter = await asking_counter(node)

    with pytest.raises(LicenseTypeUnknownError):
        await register_matter(node, counter.counter.app_id, matter_code="M-0002", items=(item,))

    assert len(await node.steps.authorizations.keeping.matters(after=("", ""), limit=10)) == 1


async def test_the_type_of_the_subject_itself_is_nobodys_to_change(node: NodeInMemory, desk: OperatorDesk) -> None:
    number = serial("type")

    with pytest.raises(InvalidFieldError):
        await node.steps.authorizations.keeping.register_license_type(
            desk.call("RegisterType", number), number, SUBJECT_LICENSE_TYPE
        )


@pytest.mark.req("6.3-04")
async def test_matters_and_keys_are_for_applications_of_relying_parties(node: NodeInMemory, desk: OperatorDesk) -> None:
    counter = await asking_counter(node)
    await desk.application("holder-app", party_id=counter.counter.party_id, kind=ApplicationKind.HOLDER)
    point = counter.key.public_key.to_point()

    for app_id in ("holder-app", "nobody"):
        with pytest.raises(PartyUnknownError):
            await register_matter(node, app_id)
        key = ApplicationKey(app_id=app_id, key_id="1", public_key=point, registered_at=node.clock.now())
        number = serial("key")
        with pytest.raises(PartyUnknownError):
            await node.steps.authorizations.keeping.register_key(desk.call("RegisterKey", number), number, key)


@pytest.mark.req("6.3-16")
async def test_from_its_registration_on_deliveries_are_sealed_to_the_new_key(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, max_uses=2)
    await asked_holder.decide(asked.authorization_id)
    await licensed_counter.fetch(asked.authorization_id)
    licensed.clock.advance(1)
    renewed = AskingCounter(licensed_counter.counter)
    await renewed.register_key()

    assert (await renewed.fetch(asked.authorization_id)).fields["born"] == "1988-02-14"


@pytest.mark.req("N-51")
async def test_each_registration_is_one_act_by_its_serial(node: NodeInMemory, desk: OperatorDesk) -> None:
    await stock(node)
    counter = await asking_counter(node)
    keeping, number = node.steps.authorizations.keeping, serial("matter")
    wanted = matter(counter.counter.app_id, matter_code="M-0002", registered_at=node.clock.now())
    call = desk.call("RegisterMatter", number, wanted)

    first, replayed = await keeping.register_matter(call, number, wanted)
    again, replayed_again = await keeping.register_matter(call, number, wanted)

    assert (first, replayed, replayed_again) == (again, False, True)
    assert first.version == 1
    other = replace(wanted, max_uses=2)
    with pytest.raises(SerialConflictError):
        await keeping.register_matter(desk.call("RegisterMatter", number, other), number, other)


@pytest.mark.req("6.3-04")
async def test_no_matter_allows_more_than_a_node_allows_at_all(node: NodeInMemory) -> None:
    counter = await asking_counter(node)

    for changes in ({"max_uses": 1001}, {"max_period": timedelta(days=90, seconds=1)}, {"max_uses": 0}):
        with pytest.raises(AuthorizationOutOfPolicyError):
            await register_matter(node, counter.counter.app_id, **changes)
