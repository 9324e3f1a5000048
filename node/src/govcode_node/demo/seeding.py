"""What each node's business operator registers before anybody can use a code (7.4), as `govcode registry apply`."""

from typing import TYPE_CHECKING

from govcode_node.commands.registry_applying import apply_registry

if TYPE_CHECKING:
    from govcode_node.demo.federation import Federation


def seed(federation: "Federation") -> None:
    """It registers, approves and enables what the plan names at every node, and the counters' encryption keys.

    Raises:
        ClientError: A node refuses.
    """
    for node in federation.plan.members:

        def public_key(app_id: str, node_id: str = node.node_id) -> str:
            return federation.application_key(app_id, node_id).public_key.to_point().hex()

        registry = federation.plan.registry(node, encryption_key_of=public_key)
        for _ in apply_registry(federation.client("business", node.node_id), registry, reason="演示环境初始化"):
            pass
