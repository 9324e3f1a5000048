"""Mandates, the catalogue, and events of authorizations: each store does what its port says, on each database."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import AuthorizationState, LegalBasis, UseState
from govcode_node.domain.events import AuthorizationChanged, AuthorizationRequested, LicenseUsed
from govcode_node.ports.authorization_stores import SceneOffer
from govcode_node.ports.stores import Database, Transaction
from storage import authorization_samples as samples
from storage.samples import LATER, NOW, event, new_account_id, new_id

SECOND = timedelta(seconds=1)


async def test_a_mandate_comes_back_whole_and_is_cancelled_once(database: Database) -> None:
    mandate = samples.mandate()
    await database.run(lambda tx: tx.mandates.add(mandate))
    assert await database.read(lambda tx: tx.mandates.get(mandate.mandate_id)) == mandate
    assert await database.read(lambda tx: tx.mandates.get("none")) is None
    assert await database.run(lambda tx: tx.mandates.cancel(mandate.mandate_id, at=LATER))
    assert not await database.run(lambda tx: tx.mandates.cancel(mandate.mandate_id, at=NOW))
    assert not await database.run(lambda tx: tx.mandates.cancel("none", at=NOW))
    cancelled = await database.read(lambda tx: tx.mandates.get(mandate.mandate_id))
    assert cancelled == replace(mandate, cancelled_at=LATER)


async def test_mandates_are_listed_for_both_sides_newest_first(database: Database) -> None:
    entity, agent = new_account_id(), new_account_id()
    given = samples.mandate(entity_account_id=entity, agent_account_id=agent)
    newer = samples.mandate(entity_account_id=entity, given_at=LATER)
    held = samples.mandate(agent_account_id=entity, given_at=LATER + SECOND)

    def add(tx: Transaction) -> None:
        for mandate in (newer, held, given, samples.mandate()):
            tx.mandates.add(mandate)

    async def list_of(account_id: str, limit: int = 9) -> Any:
        return await database.read(lambda tx: tx.mandates.list_of(AccountId(account_id), limit=limit))

    await database.run(add)
    assert await list_of(entity) == [held, newer, given]
    assert await list_of(entity, limit=1) == [held]
    assert await list_of(agent) == [given]
    assert await list_of("none") == []


async def test_license_types_get_the_next_version_and_the_newest_counts(database: Database) -> None:
    first = await database.run(lambda tx: tx.catalogue.add_license_type(samples.license_type()))
    wanted = samples.license_type(name="营业执照(新)", fields=(), document_sensitive=False)
    second = await database.run(lambda tx: tx.catalogue.add_license_type(wanted))
    other = await database.run(
        lambda tx: tx.catalogue.add_license_type(samples.license_type(license_type="food-permit"))
    )
    assert (first, second) == (samples.license_type(version=1), replace(wanted, version=2))
    assert other.version == 1
    assert await database.read(lambda tx: tx.catalogue.license_type("business-licence")) == second
    assert await database.read(lambda tx: tx.catalogue.license_type("none")) is None
    assert await database.read(lambda tx: tx.catalogue.license_types(after="", limit=1)) == [second]
    assert await database.read(lambda tx: tx.catalogue.license_types(after="", limit=9)) == [second, other]
    assert await database.read(lambda tx: tx.catalogue.license_types(after="business-licence", limit=9)) == [other]


async def test_matters_get_the_next_version_for_each_application(database: Database) -> None:
    async def add(**changes: Any) -> Any:
        return await database.run(lambda tx: tx.catalogue.add_matter(samples.matter(**changes)))

    first = await add()
    second = await add(statutory_basis=None, items=(), max_retention=timedelta(), registered_at=LATER)
    open_duty = await add(app_id="other-app", statutory_basis=replace(first.statutory_basis, holder_untold=False))
    later_code = await add(matter_code="42-0999")
    assert first == samples.matter(version=1)
    assert second.version == 2
    assert second.statutory_basis is None
    assert (open_duty.version, later_code.version) == (1, 1)

    async def find(app_id: str, matter_code: str) -> Any:
        return await database.read(lambda tx: tx.catalogue.matter(app_id=app_id, matter_code=matter_code))

    async def page(after: tuple[str, str], limit: int = 9) -> Any:
        return await database.read(lambda tx: tx.catalogue.matters(after=after, limit=limit))

    assert await find("counter-app", "42-0131") == second
    assert await find("other-app", "42-0131") == open_duty
    assert await find("other-app", "42-0999") is None
    assert await page(("", "")) == [second, later_code, open_duty]
    assert await page(("", ""), limit=1) == [second]
    assert await page(("counter-app", "42-0131")) == [later_code, open_duty]
    assert await page(("counter-app", "42-0999")) == [open_duty]


async def test_the_newest_key_of_an_application_counts(database: Database) -> None:
    old, new = samples.application_key(), samples.application_key(registered_at=LATER)

    async def newest() -> Any:
        return await database.read(lambda tx: tx.catalogue.key("counter-app"))

    assert await newest() is None
    for key in (new, old, samples.application_key(app_id="other-app", registered_at=LATER + SECOND)):
        await database.run(lambda tx, key=key: tx.catalogue.add_key(key))
    assert await newest() == new
    again = replace(old, registered_at=LATER + SECOND)
    await database.run(lambda tx: tx.catalogue.add_key(again))
    assert await newest() == again


async def test_what_a_scene_code_asks_for_is_replaced(database: Database) -> None:
    offer = SceneOffer(account_id=new_account_id(), app_id="counter-app", matter_code="42-0131")
    newer = replace(offer, matter_code="42-0999")

    async def found(account_id: str) -> Any:
        return await database.read(lambda tx: tx.catalogue.offer(AccountId(account_id)))

    assert await found(offer.account_id) is None
    await database.run(lambda tx: tx.catalogue.put_offer(offer))
    assert await found(offer.account_id) == offer
    await database.run(lambda tx: tx.catalogue.put_offer(newer))
    assert await found(offer.account_id) == newer
    assert await found("none") is None


async def test_events_of_authorizations_come_back_whole(database: Database) -> None:
    authorization_id = new_id("au")
    kinds = [
        AuthorizationRequested(
            authorization_id=authorization_id,
            relying_party_name="江岸区政务服务中心",
            matter_code="42-0131",
            decide_before=LATER,
        ),
        *(
            AuthorizationChanged(authorization_id=authorization_id, state=state, legal_basis=basis)
            for state in AuthorizationState
            for basis in LegalBasis
        ),
        *(
            LicenseUsed(
                authorization_id=authorization_id,
                use_id=new_id("us"),
                license_type="business-licence",
                relying_party_name="江岸区政务服务中心",
                state=state,
            )
            for state in UseState
        ),
    ]
    nobody = event(kind=kinds[1], account_id=AccountId(""))
    events = [nobody, *(event(kind=kind) for kind in kinds)]

    def add(tx: Transaction) -> None:
        for each in events:
            tx.events.add(each)

    await database.run(add)
    found = await database.read(lambda tx: tx.events.after("citizen-app", position=0, limit=99))
    assert [replace(each, position=0) for each in found] == events
