"""The route book: questions about routes, answered from the bundle that is held."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from govcode_node.domain.errors import CursorInvalidError, InvalidFieldError
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import NoRouteError, RouteEntry, TrustBundleMissingError
from govcode_node.usecases.routing import RouteBook
from kit.hub_fakes import HubKit, NodeKit


@pytest.fixture
def hub() -> Iterator[HubKit]:
    kit = HubKit()
    yield kit
    kit.close()


@pytest.fixture
def book(hub: HubKit) -> RouteBook:
    return RouteBook(hub.held)


@pytest.mark.req("7.3-02")
async def test_county_city_and_province_are_routed_by_the_longest_prefix(hub: HubKit, book: RouteBook) -> None:
    for node_id, prefix in (("420000", "42"), ("420100", "4201"), ("420106", "420106")):
        await hub.join(NodeKit(node_id, hub.clock, prefixes=(prefix,), endpoints=(f"{node_id}.example:7443",)))
    hub.clock.advance(90)
    for region, prefix, node_id in (
        ("420106", "420106", "420106"),
        ("420107", "4201", "420100"),
        ("420500", "42", "420000"),
        ("420000", "42", "420000"),
    ):
        found = book.resolve(RegionCode(region))
        assert found.route == RouteEntry(prefix, node_id)
        assert found.node.endpoints == (f"{node_id}.example:7443",)
        assert found.node.keys == ()
        assert found.bundle_age == timedelta(seconds=90)
    with pytest.raises(NoRouteError):
        book.resolve(RegionCode("430000"))


async def test_without_a_bundle_every_question_says_so(book: RouteBook) -> None:
    for ask in (lambda: book.resolve(RegionCode("420106")), book.routes, book.trust_bundle):
        with pytest.raises(TrustBundleMissingError):
            ask()


async def test_routes_come_page_by_page_in_order_of_prefixes(hub: HubKit, book: RouteBook) -> None:
    await hub.join(NodeKit("420000", hub.clock, prefixes=("42", "4205", "420501", "4203")))
    await hub.join(NodeKit("110000", hub.clock, prefixes=("11",)))
    found: list[str] = []
    token = ""
    while True:
        page, version = book.routes(page_size=2, page_token=token)
        assert version == hub.registry.bundle_version
        found += [route.prefix for route in page.items]
        token = page.next_page_token
        if not token:
            break
    assert found == ["11", "42", "4203", "4205", "420501"]
    with pytest.raises(CursorInvalidError):
        book.routes(page_token="x")
    with pytest.raises(InvalidFieldError):
        book.routes(page_size=-1)


async def test_bundle_is_given_as_the_hub_signed_it_unless_the_caller_has_it(hub: HubKit, book: RouteBook) -> None:
    await hub.join(NodeKit("110000", hub.clock))
    version = hub.registry.bundle_version
    assert book.trust_bundle() == await hub.registry.newest_bundle()
    assert book.trust_bundle(version) is None
