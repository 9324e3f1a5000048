"""The steps of a demo, read from a file such as ``deploy/demo/steps.toml``.

They are data, so that a reader can follow and change them, and a test can spoil one and see the demo fail.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from govcode_node.demo.plan import PlanError, structure


class Act(StrEnum):
    """What a step does."""

    PRESENT = "present"
    SCAN = "scan"
    VERIFY = "verify"
    RECORDS = "records"
    REVOKE = "revoke"
    RELATE = "relate"
    ALTER = "alter"
    STOP = "stop"
    START = "start"
    NODES = "nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must come of a step; what is None is not looked at.

    Attributes:
        outcome: A verdict's outcome, a word for other acts, or the reason of a refusal.
        decided_by: Node that decided.
        decision: What the counter is to do.
        fields: Exactly the fields that were disclosed.
        proxy: Whether the code was shown on behalf of somebody else.
        visited: For records, the node of the newest use.
        relying_party: For records, the organisation of the newest use.
        conditions: For the hub's view, nodes with their conditions.
    """

    outcome: str
    decided_by: str | None = None
    decision: str | None = None
    fields: dict[str, str] | None = None
    proxy: bool | None = None
    visited: str | None = None
    relying_party: str | None = None
    conditions: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        clause: Clause of the standard that it shows.
        title: One line for the reader.
        who: `caller@node`; `supervisor` where a process is stopped or started.
        act: What is done.
        expect: What must come of it.
        holder: Synthetic subject who acts.
        on_behalf_of: Subject whose code is shown.
        dependant: Subject of a relation.
        kind: Kind of the relation.
        code: Name of a kept code.
        keep: Name under which the code is kept.
        scene: Number of the scene.
        place: Where a code is scanned.
        one_time: Whether the code is good for one use.
        draw: Whether the symbol is drawn.
        within: Seconds for which the expectation may take to come true; only for looking.
        certificates_of: Region whose certificate the caller shows; that of the node where None.
    """

    clause: str
    title: str
    who: str
    act: Act
    expect: Expectation
    holder: str = ""
    on_behalf_of: str | None = None
    dependant: str = ""
    kind: str = ""
    code: str = ""
    keep: str = ""
    scene: int = 0
    place: str = ""
    one_time: bool = False
    draw: bool = False
    within: float = 0.0
    certificates_of: str | None = None

    @property
    def caller(self) -> str:
        """Who asks."""
        return self.who.partition("@")[0]

    @property
    def node_id(self) -> str:
        """Who is asked."""
        return self.who.partition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    step: tuple[Step, ...] = field(default=())


_NEEDED: dict[Act, tuple[str, ...]] = {
    Act.PRESENT: ("holder",),
    Act.SCAN: ("code", "scene"),
    Act.VERIFY: ("code", "scene"),
    Act.RECORDS: ("holder",),
    Act.REVOKE: ("holder", "code"),
    Act.RELATE: ("holder", "dependant", "kind"),
    Act.ALTER: ("code", "keep"),
}


def load_steps(path: Path) -> tuple[Step, ...]:
    """It reads and checks steps.

    Raises:
        PlanError: The file cannot be read, a step lacks what its act needs, or uses a code that no step kept.
    """
    steps: tuple[Step, ...] = structure(path, _File).step
    if not steps:
        raise PlanError(f"{path} has no steps")
    kept: set[str] = set()
    for number, step in enumerate(steps, start=1):
        if not (step.caller and step.node_id):
            raise PlanError(f"{path}: step {number}: who must be caller@node")
        missing = [name for name in _NEEDED.get(step.act, ()) if not getattr(step, name)]
        if missing:
            raise PlanError(f"{path}: step {number}: {step.act} needs {', '.join(missing)}")
        if step.code and step.code not in kept:
            raise PlanError(f"{path}: step {number}: no earlier step keeps the code {step.code!r}")
        if step.keep:
            kept.add(step.keep)
    return steps
