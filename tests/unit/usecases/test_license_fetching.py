"""A licence is delivered under a grant: counted at home, fetched where it is held, opened by the application alone."""

from pathlib import Path

import pytest
from govcode_node.domain.authorizations import AuthorizationState, GrantExhaustedError
from govcode_node.domain.digests import sm3
from kit.consent_in_memory import (
    LICENCES_FILE,
    NAME_AND_BORN,
    WITH_DOCUMENT,
    asking_counter,
    deciding_holder,
)
from kit.federation_in_memory import FederationInMemory

WUHAN, BEIJING, SHANGHAI = "420100", "110000", "310000"


@pytest.fixture
async def federation(tmp_path: Path):
    federation = FederationInMemory(tmp_path)
    federation.add(SHANGHAI, licences=LICENCES_FILE)
    federation.add(WUHAN, licences=LICENCES_FILE)
    federation.add(BEIJING)
    federation.publish()
    yield federation
    for node in federation.nodes.values():
        await node.aclose()


async def test_a_licence_held_here_is_delivered_once_and_no_more(federation) -> None:
    node = federation.nodes[SHANGHAI]
    counter = await asking_counter(node)
    holder = await deciding_holder(node)
    asked = await counter.ask(holder.holder, NAME_AND_BORN)
    assert asked.state is AuthorizationState.PENDING
    granted = await holder.decide(asked.authorization_id)
    assert granted.state is AuthorizationState.GRANTED
    received = await counter.fetch(asked.authorization_id)
    assert received.fields == {"name": "张样例", "born": "1988-02-14"}
    assert received.header.remaining_uses == 0
    with pytest.raises(GrantExhaustedError):
        await counter.fetch(asked.authorization_id)


async def test_code_licence_and_counter_in_three_regions(federation) -> None:
    wuhan, beijing = federation.nodes[WUHAN], federation.nodes[BEIJING]
    counter = await asking_counter(beijing)
    holder = await deciding_holder(wuhan)
    asked = await counter.ask(holder.holder, WITH_DOCUMENT)
    places = await holder.locate(asked.authorization_id)
    assert {place.license_node for _, place in places} == {SHANGHAI}
    await holder.decide(asked.authorization_id, places={1: SHANGHAI})
    received = await counter.fetch(asked.authorization_id)
    assert received.fields == {"name": "张样例"}
    assert sm3(received.document) == received.content.document_digest
    assert received.document[:2] == b"PK"
