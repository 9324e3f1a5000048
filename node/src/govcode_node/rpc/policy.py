"""Who may call what: the table of `policy.toml`, and the one place where it is asked.

A method that the table does not name may be called by nobody, so a new method cannot be left open by forgetting it.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from govcode_node.domain.callers import Caller, CallerNotAllowedError, MethodNotInPolicyError
from govcode_node.domain.nodes import NodeNotApprovedError

AUTHENTICATED: Final = "authenticated"
"""The label of methods that every authenticated caller may use: health and reflection."""

LABELS: Final = frozenset(
    {
        "app.holder",
        "app.relying_party",
        "scanner",
        "licence",
        "node",
        "candidate",
        "hub",
        "operator.business",
        "operator.security",
        "operator.audit",
        AUTHENTICATED,
    }
)


class Policy:
    """The labels that each method is open to.

    Args:
        methods: Full method names with their labels.

    Raises:
        ValueError: A label does not exist, or a method is open to nobody.
    """

    def __init__(self, methods: Mapping[str, frozenset[str]]) -> None:
        for method, labels in methods.items():
            if not labels or not labels <= LABELS:
                raise ValueError(f"{method}: the policy knows the labels {', '.join(sorted(LABELS))}")
        self.methods = dict(methods)

    @classmethod
    def load(cls) -> "Policy":
        """It reads the table that this program ships with."""
        return cls.parse(files(__package__).joinpath("policy.toml").read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """It reads a table in TOML: one section for each service, one line for each method."""
        services = tomllib.loads(text)
        return cls(
            {
                f"/{service}/{method}": frozenset(labels)
                for service, methods in services.items()
                for method, labels in methods.items()
            }
        )

    def check(self, caller: Caller, method: str) -> None:
        """It raises unless the caller may call the method.

        Raises:
            MethodNotInPolicyError: The table does not name the method.
            NodeNotApprovedError: The method is for nodes, and the caller is one that the hub has not approved.
            CallerNotAllowedError: The method is not for this kind of caller.
        """
        allowed = self.methods.get(method)
        if allowed is None:
            raise MethodNotInPolicyError(method=method)
        labels = caller.labels()
        # An operator without a role has no label, and is still authenticated.
        if AUTHENTICATED in allowed or not allowed.isdisjoint(labels):
            return
        if "candidate" in labels and "node" in allowed:
            raise NodeNotApprovedError(node_id=caller.name)
        raise CallerNotAllowedError(caller=caller.label, method=method)
