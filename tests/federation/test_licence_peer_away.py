"""A node on the way is away, or goes amid a document: an honest answer, nothing lost, nothing counted twice."""

import asyncio
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from govcode_client import License, NodeBusyError, NodeError
from govcode_client.sm2 import sm3
from govcode_node.domain.authorizations import UseState
from kit.cut_paths import frail_path
from kit.federation import SHANGHAI, WUHAN, rows_of
from kit.licence_players import PERMIT, PERMIT_FIELDS, Consent, Counter, LicenceLand
from kit.players import serial

pytestmark = pytest.mark.asyncio(loop_scope="session")

A_MEGABYTE = 1024 * 1024
DELIVERED_HERE = "SELECT use_id FROM license_uses ORDER BY use_id"
DOCUMENT = {PERMIT: PERMIT_FIELDS}


async def let_breakers_close(land: LicenceLand) -> None:
    """Let the nodes try each other anew, as they would in a second."""
    for clock in land.federation.clocks.values():
        clock.advance(timedelta(seconds=2))


async def fetch_when_back(consent: Consent) -> License:
    """The counter fetches as soon as the nodes have found each other again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await consent.fetch()
            except NodeError as refusal:
                if refusal.reason != "HOME_NODE_UNREACHABLE":
                    raise
                await asyncio.sleep(0.1)


@pytest.mark.req("6.3-12", "6.3-16")
@pytest.mark.parametrize("away", [WUHAN, SHANGHAI], ids=["home", "licence"])
async def test_a_node_on_the_way_that_is_away_is_told_and_nothing_counts(licence_land: LicenceLand, away: str) -> None:
    land = licence_land
    consent = await land.granted(max_uses=2)
    async with land.away(away):
        with pytest.raises(NodeBusyError) as refused:
            await consent.fetch(timeout=3)
        assert refused.value.reason == "HOME_NODE_UNREACHABLE"
        assert refused.value.facts["node_id"] == away
    await let_breakers_close(land)
    licence = await fetch_when_back(consent)
    assert licence.fields == {"degree": "金丝雀学学士-7720"}
    assert licence.remaining_uses == 1, "what failed was given back"
    states = [use.state for use in await consent.uses_at(land.federation.wuhan)]
    assert states.count(UseState.DELIVERED) == 1
    assert set(states) <= {UseState.DELIVERED, UseState.FAILED}


async def whole_document(land: LicenceLand) -> Consent:
    """A grant of a document of some megabytes, for three uses."""
    holder = await land.federation.holder(WUHAN, "李示范")
    consent = await land.counter().ask(land.holders, holder, DOCUMENT, documents=[PERMIT], max_uses=3)
    await consent.grant((1,), places={1: SHANGHAI})
    return consent


async def check_one_use(land: LicenceLand, consent: Consent, licence: License, document: bytes) -> None:
    """It came whole, is the very copy that an unbroken delivery gives, and is one use everywhere."""
    again = await consent.fetch(biz_serial=licence.biz_serial)
    assert again.document is not None
    assert sm3(document) == sm3(again.document)
    assert zipfile.ZipFile(BytesIO(document)).testzip() is None
    assert len(document) == licence.document_size > 3 * A_MEGABYTE
    assert (licence.remaining_uses, again.remaining_uses, again.use_id) == (2, 2, licence.use_id)
    for node in (land.federation.beijing, land.federation.wuhan, land.federation.shanghai):
        uses = await consent.uses_at(node)
        assert [(use.use_id, use.state) for use in uses] == [(licence.use_id, UseState.DELIVERED)], node.node_id


@pytest.mark.req("N-25", "6.3-12")
async def test_a_connection_that_breaks_in_the_midst_of_a_document_goes_on_under_its_serial(
    licence_land: LicenceLand, tmp_path: Path
) -> None:
    land = licence_land
    consent = await whole_document(land)
    async with frail_path(land.federation.beijing.app.address) as path:
        path.hold_after(A_MEGABYTE)
        counter = land.counter(address=path.address)
        fetching = asyncio.create_task(
            consent.fetch(by=counter, biz_serial=serial("broken"), into=tmp_path / "permit.ofd")
        )
        await asyncio.wait_for(path.reached.wait(), 20)
        path.cut()
        licence = await asyncio.wait_for(fetching, 30)
        assert path.connections == 2
        # It went on where it was: the document did not come twice.
        assert path.carried < 2 * licence.document_size
        await counter.client.close()
    document = (tmp_path / "permit.ofd").read_bytes()
    await check_one_use(land, consent, licence, document)


@pytest.mark.req("N-25", "6.3-12")
async def test_the_node_of_the_licence_goes_in_the_midst_of_a_document_and_the_rest_comes_when_it_is_back(
    licence_land: LicenceLand,
) -> None:
    land = licence_land
    consent = await whole_document(land)
    delivered = rows_of(land.federation.shanghai, DELIVERED_HERE)
    async with frail_path(land.federation.beijing.app.address) as path:
        path.hold_after(A_MEGABYTE)
        counter: Counter = land.counter(address=path.address)
        fetching = asyncio.create_task(consent.fetch(by=counter, biz_serial=serial("gone"), timeout=60))
        await asyncio.wait_for(path.reached.wait(), 20)
        async with land.away(SHANGHAI):
            assert rows_of(land.federation.shanghai, DELIVERED_HERE) == delivered, "it went before it had sent all"
            # What had left it still comes; then the counter waits, and asks again.
            path.let_go()
        await let_breakers_close(land)
        licence = await asyncio.wait_for(fetching, 40)
        await counter.client.close()
    assert licence.document is not None
    await check_one_use(land, consent, licence, licence.document)


@pytest.mark.req("6.3-16")
async def test_a_counter_hears_at_once_that_the_home_node_cannot_be_asked(licence_land: LicenceLand) -> None:
    land = licence_land
    consent = await land.asked()
    async with land.away(WUHAN):
        with pytest.raises(NodeBusyError) as refused:
            await consent.counter.client.authorizations.get(authorization_id=consent.authorization_id, timeout=3)
        assert refused.value.reason == "HOME_NODE_UNREACHABLE"
    await let_breakers_close(land)
    async with asyncio.timeout(20):
        while True:
            try:
                await consent.seen_by_counter()
            except NodeBusyError:
                await asyncio.sleep(0.1)
            else:
                break
    await consent.grant()
    assert (await fetch_when_back(consent)).fields
