"""What came of a step, held against what was expected of it."""

from dataclasses import dataclass, field
from typing import Any

from govcode_node.demo.steps import Expectation, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a step, in the words of `Expectation`.

    Attributes:
        code_text: A code to be kept.
        kept_id: Id of a scan or an authorization to be kept.
        note: Something to be shown below the step.
        views: The hub's views of nodes, to be shown as a table.
    """

    outcome: str
    decided_by: str = ""
    decision: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    proxy: bool = False
    visited: str = ""
    relying_party: str = ""
    conditions: dict[str, str] = field(default_factory=dict)
    text: str = ""
    code_text: str = ""
    kept_id: str = ""
    note: str = ""
    views: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One step that was played.

    Attributes:
        step: The step.
        finding: What came of it.
        faults: Where that differs from what was expected.
        milliseconds: How long the call took, from the caller's side.
    """

    step: Step
    finding: Finding
    faults: tuple[str, ...]
    milliseconds: float

    @property
    def ok(self) -> bool:
        """Whether it came out as expected."""
        return not self.faults

    def summary(self) -> dict[str, object]:
        """It gives the line of `summary.json`."""
        return {
            "clause": self.step.clause,
            "step": self.step.title,
            "outcome": self.finding.outcome,
            "decided_by": self.finding.decided_by,
            "ok": self.ok,
            "ms": round(self.milliseconds, 1),
        }


def faults_of(expected: Expectation, found: Finding) -> tuple[str, ...]:
    """It says where a finding differs from what was expected."""
    faults = []
    for name in ("outcome", "decided_by", "decision", "fields", "proxy", "visited", "relying_party"):
        wanted, present = getattr(expected, name), getattr(found, name)
        if wanted is not None and wanted != present:
            faults.append(f"{name} is {present!r}, expected {wanted!r}")
    for node_id, condition in (expected.conditions or {}).items():
        present = found.conditions.get(node_id, "absent")
        if present != condition:
            faults.append(f"{node_id} is {present}, expected {condition}")
    faults += [f"the text does not say {part!r}" for part in expected.text or () if part not in found.text]
    return tuple(faults)
