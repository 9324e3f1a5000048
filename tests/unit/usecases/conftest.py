"""A federation in memory for each test, and one furnished node, Beijing, where most steps are tried."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from govcode_node.domain.parties import ApplicationKind
from kit.clocks import MovableClock
from kit.consent_in_memory import LICENCES_FILE, AskingCounter, DecidingHolder, Regions, asking_counter, deciding_holder
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import OTHER_USCC, Counter, MobileApp, OperatorDesk, furnish


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[FederationInMemory]:
    nodes = FederationInMemory(tmp_path)
    yield nodes
    await nodes.aclose()


@pytest.fixture
def clock(federation: FederationInMemory) -> MovableClock:
    return federation.clock


@pytest.fixture(params=["once", "rerun"])
def node(federation: FederationInMemory, request: pytest.FixtureRequest) -> NodeInMemory:
    """A node alone, whose store runs each unit once, or once for nothing before: no step may tell the difference."""
    return federation.add("110000", prefixes=("11",), name_zh="北京市", rerun=request.param == "rerun")


@pytest.fixture
def licensed(federation: FederationInMemory) -> NodeInMemory:
    """Shanghai alone, with a licence system. Its store runs each unit once for nothing before."""
    return federation.add("310000", prefixes=("31",), licences=LICENCES_FILE, rerun=True)


@pytest.fixture
async def licensed_counter(licensed: NodeInMemory) -> AskingCounter:
    return await asking_counter(licensed)


@pytest.fixture
async def asked_holder(licensed: NodeInMemory) -> DecidingHolder:
    return await deciding_holder(licensed)


@pytest.fixture
async def regions(federation: FederationInMemory) -> Regions:
    licensing = federation.add("310000", prefixes=("31",), licences=LICENCES_FILE)
    home = federation.add("420100", prefixes=("42",), licences=LICENCES_FILE)
    visited = federation.add("110000", prefixes=("11",))
    federation.publish()
    return Regions(
        federation=federation,
        home=home,
        visited=visited,
        licensing=licensing,
        counter=await asking_counter(visited),
        holder=await deciding_holder(home),
    )


@pytest.fixture
def app(node: NodeInMemory) -> MobileApp:
    return MobileApp(node)


@pytest.fixture
def desk(node: NodeInMemory) -> OperatorDesk:
    return OperatorDesk(node)


@pytest.fixture
async def counter(node: NodeInMemory) -> Counter:
    """A counter with scene 1 of the kind COUNTER, which discloses nothing."""
    return await furnish(node)


@pytest.fixture
async def other_counter(node: NodeInMemory, counter: Counter, desk: OperatorDesk) -> Counter:
    """A counter of another organisation, for the same scene."""
    party_id = await desk.relying_party(OTHER_USCC, name="示范科技")
    await desk.application("other-app", party_id=party_id, kind=ApplicationKind.RELYING_PARTY)
    return Counter(node, "other-app", party_id, OTHER_USCC)
