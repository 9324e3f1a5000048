"""A node registers until the bundle has it as it is."""

from collections.abc import AsyncIterator

import pytest
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.nodes import NodeState
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.federation.registration import NodeRegistrar
from kit.hub_fakes import HUB, HubKit, NodeKit, operator_call


class Door:
    """The hub's door; it may be shut."""

    def __init__(self, hub: HubKit, node: NodeKit) -> None:
        self.hub = hub
        self.node = node
        self.shut = False
        self.knocks = 0

    async def register(self, evidence: bytes) -> NodeState:
        self.knocks += 1
        if self.shut:
            raise HomeNodeUnreachableError(HUB)
        return (await self.hub.registry.register(self.node.call, evidence)).trust.state


class Joining:
    def __init__(self) -> None:
        self.hub = HubKit()
        self.node = NodeKit("420100", self.hub.clock)
        self.door = Door(self.hub, self.node)
        self.approvals = 0
        self.registrar = NodeRegistrar(
            registration=self.node.registration, held=self.hub.held, hub=self.door, attestor=self.node.attestor
        )
        self.registrar.on_approval(self._approved)

    def _approved(self) -> None:
        self.approvals += 1


@pytest.fixture
async def joining() -> AsyncIterator[Joining]:
    joining = Joining()
    yield joining
    joining.hub.close()


@pytest.mark.req("7.3-01")
async def test_node_knocks_until_it_is_approved_and_stands_in_the_bundle(joining: Joining) -> None:
    joining.door.shut = True
    with pytest.raises(GovcodeError):
        await joining.registrar.step()
    joining.door.shut = False
    for _ in range(2):
        await joining.registrar.step()
        assert joining.registrar.state is NodeState.JOINING
    await joining.hub.registry.approve(
        operator_call(), node_id="420100", key_id=joining.node.sign_key_id, prefixes=("4201",)
    )
    await joining.registrar.step()
    assert joining.registrar.state is NodeState.ACTIVE
    assert joining.approvals == 1
    await joining.hub.follow()
    knocks = joining.door.knocks
    await joining.registrar.step()
    assert joining.door.knocks == knocks


async def test_node_registers_after_each_start_even_if_the_bundle_has_it(joining: Joining) -> None:
    await joining.hub.join(joining.node)
    await joining.registrar.step()
    await joining.registrar.step()
    assert joining.door.knocks == 1


async def test_node_that_moved_registers_again(joining: Joining) -> None:
    await joining.hub.join(joining.node)
    await joining.registrar.step()
    joining.node.endpoints = ("elsewhere:7443",)
    await joining.registrar.step()
    await joining.hub.follow()
    bundle = joining.hub.held.bundle()
    assert bundle is not None
    node = bundle.node("420100")
    assert node is not None
    assert node.endpoints == ("elsewhere:7443",)
    await joining.registrar.step()
    assert joining.door.knocks == 2


async def test_suspended_node_hears_no(joining: Joining) -> None:
    await joining.hub.join(joining.node)
    await joining.hub.registry.suspend(operator_call(), node_id="420100", reason="drill")
    await joining.hub.follow()
    with pytest.raises(GovcodeError, match="suspended"):
        await joining.registrar.step()
