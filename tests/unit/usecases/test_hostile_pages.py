"""Where the law forbids telling the holder, nothing in a list gives it away: no gap, no page token (N-35)."""

from datetime import timedelta

import pytest
from govcode_node.authorization_steps import LicenceRules
from govcode_node.domain.authorizations import LegalBasis, StatutoryDuty
from govcode_node.domain.catalogue import StatutoryBasis
from kit.consent_in_memory import (
    LICENCES_FILE,
    MATTER,
    NAME_AND_BORN,
    DecidingHolder,
    asking_counter,
    deciding_holder,
)
from kit.federation_in_memory import FederationInMemory
from kit.people_in_memory import call_of

STATUTE = "某法第一条"


@pytest.fixture
async def watched(federation: FederationInMemory) -> tuple[DecidingHolder, list[str]]:
    """A holder with two authorizations of an own word, used once each, and three untold ones around them."""
    rules = LicenceRules(statutory_matters=frozenset({MATTER}))
    node = federation.add("310000", prefixes=("31",), licences=LICENCES_FILE, licence_rules=rules)
    federation.publish()
    counter = await asking_counter(node, statutory_basis=StatutoryBasis(statute=STATUTE, holder_untold=True))
    holder = await deciding_holder(node)
    told = []
    for secret in (True, False, True, False, True):
        wish = {
            "legal_basis": LegalBasis.STATUTORY_DUTY,
            "statutory_duty": StatutoryDuty(statute=STATUTE, approval_reference="1"),
        }
        asked = await counter.ask(holder.holder, NAME_AND_BORN, **(wish if secret else {}))
        if not secret:
            await holder.decide(asked.authorization_id)
            told.append(asked.authorization_id)
        await counter.fetch(asked.authorization_id)
        federation.clock.advance(timedelta(seconds=1))
    return holder, told[::-1]


@pytest.mark.req("N-35")
async def test_pages_of_authorizations_have_no_gaps(watched: tuple[DecidingHolder, list[str]]) -> None:
    holder, told = watched
    reading = holder.node.steps.authorizations.reading
    call = call_of(holder.holder.app.caller, "ListAuthorizations")

    pages, token = [], ""
    while True:
        page = await reading.list_authorizations(call, session_token=holder.holder.token, page_size=1, page_token=token)
        pages.append([one.authorization_id for one in page.authorizations])
        token = page.next_page_token
        assert token in {"", *told}
        if not token:
            break

    assert pages == [[one] for one in told]


@pytest.mark.req("N-35")
async def test_pages_of_uses_have_no_gaps(watched: tuple[DecidingHolder, list[str]]) -> None:
    holder, told = watched
    reading = holder.node.steps.authorizations.reading
    call = call_of(holder.holder.app.caller, "ListLicenseUses")

    pages, token = [], ""
    while True:
        page = await reading.list_uses(
            call, session_token=holder.holder.token, authorization_id="", page_size=1, page_token=token
        )
        pages.append([one.authorization_id for one in page.uses])
        token = page.next_page_token
        if not token:
            break

    assert pages == [[one] for one in told]
