"""A withdrawal at the holder's home is known at once to who asks there, and within a minute at the other nodes."""

import asyncio
import time

import pytest
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode_client import AsyncClient, NodeError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import AuthorizationState, UseState
from govcode_node.domain.identities import CallerClass
from kit.federation import BEIJING, SHANGHAI, WUHAN, audit_of, rows_of
from kit.licence_players import ARCHIVE, Consent, LicenceLand
from kit.nodes import RunningNode, until
from kit.players import serial

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOUND = 60.0
"""Seconds within which a node that can be reached has heard."""

WITHDRAWN = authorizationv1.AUTHORIZATION_STATE_WITHDRAWN
BEGUN = authorizationv1.LICENSE_USE_STATE_BEGUN
DELIVERED = authorizationv1.LICENSE_USE_STATE_DELIVERED
FAILED = authorizationv1.LICENSE_USE_STATE_FAILED


async def heard(node: RunningNode, consent: Consent) -> bool:
    """Whether the notice of a withdrawal stands in a node's audit trail."""
    records = await audit_of(node, action=AuditAction.WITHDRAWAL_RECEIVED)
    return any(record.entry.object == consent.authorization_id for record in records)


def waiting(node: RunningNode) -> list[int]:
    """How often a node has tried to tell what others have not heard yet."""
    return [attempts for (attempts,) in rows_of(node, "SELECT attempts FROM withdrawal_notices")]


async def seconds_until_heard(node: RunningNode, consent: Consent, *, since: float) -> float:
    async with asyncio.timeout(BOUND):
        while not await heard(node, consent):
            await asyncio.sleep(0.02)
    return time.monotonic() - since


def archive(land: LicenceLand, node_id: str = SHANGHAI) -> AsyncClient:
    """A licence system that delivers by a channel of its own."""
    return land.client(node_id, ARCHIVE, of=CallerClass.LICENCE)


@pytest.mark.req("6.3-13")
async def test_the_other_nodes_hear_of_a_withdrawal_within_seconds(licence_land: LicenceLand) -> None:
    land = licence_land
    beijing, wuhan, shanghai = land.federation.beijing, land.federation.wuhan, land.federation.shanghai
    consent = await land.asked(max_uses=3)
    await consent.grant((1,), places={1: SHANGHAI})
    before = await consent.fetch()
    await consent.withdraw()
    answered = time.monotonic()
    # At once at home: whoever asks the home node hears it, and no use begins.
    with pytest.raises(NodeError, match="GRANT_WITHDRAWN"):
        await consent.fetch()
    for node in (beijing, shanghai):
        took = await seconds_until_heard(node, consent, since=answered)
        assert took < BOUND, (node.node_id, took)
    # The counter's node keeps it, signed by the home node, and refuses without asking.
    row, own = await consent.row_at(beijing), await consent.row_at(wuhan)
    assert row is not None
    assert own is not None
    assert row.state is own.state is AuthorizationState.WITHDRAWN
    assert row.withdrawal == own.withdrawal != b""
    assert row.withdrawn_at == own.withdrawn_at
    assert (await consent.seen_by_counter()).authorization.state == WITHDRAWN
    await until(lambda: not waiting(wuhan))
    # What was done before stays lawful, and stays in the holder's list.
    listed = consent.holders.authorizations.list_license_uses(
        session_token=consent.holder.token, authorization_id=consent.authorization_id
    )
    assert [(use.use_id, use.state) async for use in listed] == [(before.use_id, DELIVERED)]
    assert [use.state for use in await consent.uses_at(beijing)] == [UseState.DELIVERED]


@pytest.mark.req("6.3-13")
async def test_a_node_that_was_away_hears_within_a_minute_of_its_return(licence_land: LicenceLand) -> None:
    land = licence_land
    wuhan = land.federation.wuhan
    consent = await land.granted(max_uses=3)
    async with land.away(BEIJING):
        await consent.withdraw()
        # The first try has failed, and what waits is in the store: a restart of the home node forgets it neither.
        await until(lambda: max(waiting(wuhan), default=0) > 0)
    back = time.monotonic()
    took = await seconds_until_heard(land.federation.beijing, consent, since=back)
    assert took < BOUND, took
    row = await consent.row_at(land.federation.beijing)
    assert row is not None
    assert row.state is AuthorizationState.WITHDRAWN
    await until(lambda: not waiting(wuhan))


@pytest.mark.req("6.3-13")
async def test_a_home_node_that_starts_again_tells_what_it_has_not_told(licence_land: LicenceLand) -> None:
    land = licence_land
    consent = await land.granted()
    async with land.away(BEIJING):
        await consent.withdraw()
        async with land.away(WUHAN):
            pass
    back = time.monotonic()
    took = await seconds_until_heard(land.federation.beijing, consent, since=back)
    assert took < BOUND, took


@pytest.mark.req("N-23", "6.3-13")
async def test_a_licence_system_sees_a_withdrawal_at_once_at_its_own_node_and_at_home(
    licence_land: LicenceLand,
) -> None:
    land = licence_land
    consent = await land.granted(max_uses=3)
    grant = await consent.token()
    for node_id in (SHANGHAI, WUHAN):
        answer = await archive(land, node_id).authorizations.introspect_grant(
            grant=grant, presenter_app_id="counter-app"
        )
        assert (answer.active, dict(answer.remaining_uses)) == (True, {1: 3}), node_id
        assert [item.license_type for item in answer.items] == ["degree-certificate"]
    await consent.withdraw()
    for node_id in (SHANGHAI, WUHAN):
        answer = await archive(land, node_id).authorizations.introspect_grant(
            grant=grant, presenter_app_id="counter-app"
        )
        assert (answer.active, answer.state) == (False, WITHDRAWN), node_id
        assert not answer.items
        assert not answer.remaining_uses
        with pytest.raises(NodeError, match="GRANT_WITHDRAWN"):
            await archive(land, node_id).authorizations.report_grant_use(
                grant=grant, presenter_app_id="counter-app", item_no=1, use_state=BEGUN, biz_serial=serial("report")
            )


@pytest.mark.req("N-23")
async def test_uses_that_a_licence_system_reports_elsewhere_count_like_those_through_nodes(
    licence_land: LicenceLand,
) -> None:
    land = licence_land
    system = archive(land).authorizations
    consent = await land.granted(max_uses=2)
    grant = await consent.token()

    async def report(use_state: int, biz_serial: str, app_id: str = "counter-app") -> int:
        answer = await system.report_grant_use(
            grant=grant, presenter_app_id=app_id, item_no=1, use_state=use_state, biz_serial=biz_serial
        )
        return answer.remaining_uses

    # Another application shows what was given to this one.
    shown = await system.introspect_grant(grant=grant, presenter_app_id="clinic-app")
    assert not shown.active
    with pytest.raises(NodeError, match="AUDIENCE_MISMATCH"):
        await report(BEGUN, serial("report"), "clinic-app")
    # Begun and ended, told twice; a failed one is given back.
    first, failed = serial("report"), serial("report")
    assert await report(BEGUN, first) == 1
    assert await report(BEGUN, first) == 1
    assert await report(DELIVERED, first) == 1
    assert await report(BEGUN, failed) == 0
    assert await report(FAILED, failed) == 1
    # One more through nodes, and there is none left for anybody.
    assert (await consent.fetch()).remaining_uses == 0
    with pytest.raises(NodeError, match="GRANT_EXHAUSTED"):
        await report(BEGUN, serial("report"))
    with pytest.raises(NodeError, match="GRANT_EXHAUSTED"):
        await consent.fetch()
    used_up = await system.introspect_grant(grant=grant, presenter_app_id="counter-app")
    assert not used_up.active
    introspected = await audit_of(land.federation.wuhan, action=AuditAction.GRANT_INTROSPECTED)
    results = [record.entry.result for record in introspected if record.entry.object == consent.authorization_id]
    assert sorted(results) == ["INACTIVE", "INACTIVE"]
