"""The node registers at the hub until the bundle has it as it is (路由接入, 7.3-01)."""

import logging
from collections.abc import Callable

from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import NodeRegistration, NodeState
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.hub_link import Registrar
from govcode_node.ports.security import Attestor

log = logging.getLogger(__name__)


class NodeRegistrar:
    """It hands in the node's registration. `step` is the step of a loop of about 30 s."""

    def __init__(
        self,
        *,
        registration: Callable[[], NodeRegistration],
        held: HeldTrust,
        hub: Registrar,
        attestor: Attestor,
    ) -> None:
        """It takes what it works with.

        Args:
            registration: Gives what the node says of itself now: keys and endpoints may change while it runs.
            held: The bundle.
            hub: The hub.
            attestor: Signs the registration.
        """
        self._registration = registration
        self._held = held
        self._hub = hub
        self._attestor = attestor
        self._listeners: list[Callable[[], None]] = []
        self._state: NodeState | None = None

    def on_approval(self, listener: Callable[[], None]) -> None:
        """It calls the listener when the hub says that the node is active and the bundle held does not say so yet."""
        self._listeners.append(listener)

    @property
    def state(self) -> NodeState | None:
        """Where the node stands by the hub's last word; None before it."""
        return self._state

    async def step(self) -> None:
        """It registers, once after each start and then whenever the bundle does not have the node as it is.

        Raises:
            GovcodeError: The hub refuses, or does not answer.
        """
        registration = self._registration()
        if self._state is not None and self._bundle_has(registration):
            self._note(NodeState.ACTIVE)
            return
        evidence = await self._attestor.attest(EvidencePurpose.NODE_REGISTRATION, registration)
        self._note(await self._hub.register(evidence))
        if self._state is NodeState.ACTIVE and not self._bundle_has(registration):
            for listener in self._listeners:
                listener()

    def _bundle_has(self, registration: NodeRegistration) -> bool:
        bundle = self._held.bundle()
        node = None if bundle is None else bundle.node(registration.node_id)
        return (
            node is not None
            and node.state is NodeState.ACTIVE
            and node.endpoints == registration.endpoints
            and {key.key_id for key in node.keys} == {key.key_id for key in registration.keys}
        )

    def _note(self, state: NodeState) -> None:
        if state is not self._state:
            log.info("registration", extra={"state": state.value})
            self._state = state
