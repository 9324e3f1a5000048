"""Which node a code leads to: the one with the longest prefix of its region (6.2-02, 7.3-02)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode.common.v1 import verdict_pb2
from govcode.routing.v1 import code_routing_service_pb2 as routingv1
from govcode.routing.v1 import code_routing_service_pb2_grpc as routingv1_grpc
from kit.federation import BEIJING, SHANGHAI, WUHAN, Federation, open_federation
from kit.players import synthetic_people
from kit.questions import moved
from kit.serving import reason_of

HUBEI = "420000"
JIANGAN = "420102"


@pytest.fixture
async def three_levels(tmp_path: Path) -> AsyncIterator[Federation]:
    """Shanghai, and three nodes one within the other: province, city, county."""
    async with open_federation(tmp_path, SHANGHAI, WUHAN, HUBEI, JIANGAN, parties=False) as federation:
        await federation.shanghai.register_parties()
        await federation.wuhan.register_parties()
        yield federation


def routing(federation: Federation) -> Any:
    return routingv1_grpc.CodeRoutingServiceStub(federation.shanghai.as_app("counter-app"))


@pytest.mark.req("6.2-02", "7.3-02")
async def test_codes_of_province_city_and_county_are_judged_by_the_node_of_the_longest_prefix(
    three_levels: Federation,
) -> None:
    holder = await three_levels.wuhan.holders.open_account(synthetic_people()["张样例"])
    text = (await holder.present()).code.code_text
    homes = {
        "420000": HUBEI,
        "421000": HUBEI,
        "421003": HUBEI,
        "420100": WUHAN,
        "420103": WUHAN,
        JIANGAN: JIANGAN,
    }
    for region, home in homes.items():
        sealed_by = three_levels.wuhan if home == WUHAN else None
        answer = await three_levels.shanghai.counter.scan(moved(text, region, sealed_by=sealed_by))
        assert answer.answer.decided_by_node_id == home
        # The other two nodes have never sealed the code.
        expected = verdict_pb2.OUTCOME_VALID if home == WUHAN else verdict_pb2.OUTCOME_SEAL_INVALID
        assert answer.verdict.outcome == expected
    # The same rule answers whoever asks for the route alone.
    for region, home in homes.items():
        found = await routing(three_levels).ResolveRoute(routingv1.ResolveRouteRequest(region_code=region))
        assert (found.node.node_id, found.route.node_id) == (home, home)
        assert list(found.node.endpoints) == [three_levels[home].app.address]
        assert not found.node.keys


@pytest.mark.asyncio(loop_scope="session")
async def test_codes_of_a_region_without_a_node_are_of_an_unknown_issuer(federation: Federation) -> None:
    holder = await federation.holder(WUHAN)
    text = moved((await holder.present()).code.code_text, "650100")
    answer = await federation.shanghai.counter.scan(text)
    assert answer.verdict.outcome == verdict_pb2.OUTCOME_ISSUER_UNKNOWN
    assert answer.verdict.decision == verdict_pb2.DECISION_REJECT
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await routing(federation).ResolveRoute(routingv1.ResolveRouteRequest(region_code="650100"))
    assert reason_of(refused.value) == "NO_ROUTE"


@pytest.mark.req("7.3-02")
@pytest.mark.asyncio(loop_scope="session")
async def test_every_node_lists_the_same_routes(federation: Federation) -> None:
    listed = await routing(federation).ListRoutes(routingv1.ListRoutesRequest())
    assert [(route.prefix, route.node_id) for route in listed.routes] == [
        ("11", BEIJING),
        ("31", SHANGHAI),
        ("4201", WUHAN),
    ]
