"""The steps of a demo, read from a file such as ``deploy/demo/steps.toml``.

They are data, so that a reader can follow and change them, and a test can spoil one and see the demo fail.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from govcode_node.commands.plans import PlanError, read_plan


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
    ASK = "ask"
    PRINT = "print"
    SCAN_SCENE = "scan-scene"
    READ = "read"
    LOCATE = "locate"
    DECIDE = "decide"
    WAIT = "wait"
    FETCH = "fetch"
    WITHDRAW = "withdraw"
    USES = "uses"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must come of a step; what is None is not looked at.

    Attributes:
        outcome: A verdict's outcome, a word for other acts, or the reason of a refusal.
        decided_by: Node that decided, or delivered a licence.
        decision: What the counter is to do.
        fields: Exactly the fields that were disclosed; for licences their places or the uses that are left, by type.
        proxy: Whether the code was shown on behalf of somebody else.
        visited: For records, the node of the newest use.
        relying_party: For records, the organisation of the newest use.
        conditions: For the hub's view, nodes with their conditions.
        text: Words that must stand in the consent page, or the format of the document.
    """

    outcome: str
    decided_by: str | None = None
    decision: str | None = None
    fields: dict[str, str] | None = None
    proxy: bool | None = None
    visited: str | None = None
    relying_party: str | None = None
    conditions: dict[str, str] | None = None
    text: tuple[str, ...] | None = None


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
        keep: Name under which the code, scan or authorization is kept.
        scan: Name of a kept scan.
        authorization: Name of a kept authorization.
        matter: Code of the matter.
        app: Application that asks whoever scans a printed code.
        items: Field names by licence type.
        documents: Licence types of which the document is asked for.
        max_uses: How many uses are asked for.
        grant: Licence types that the holder grants; all others are refused.
        step_up: Whether the holder makes the stronger identity check.
        item: Licence type that is fetched.
        scene: Number of the scene.
        place: Where a code is scanned, or what a printed code is for.
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
    scan: str = ""
    authorization: str = ""
    matter: str = ""
    app: str = ""
    items: dict[str, tuple[str, ...]] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    max_uses: int = 1
    grant: tuple[str, ...] = ()
    step_up: bool = False
    item: str = ""
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
    Act.ASK: ("scan", "matter", "items"),
    Act.PRINT: ("matter", "app", "place", "keep"),
    Act.SCAN_SCENE: ("holder", "code", "keep"),
    Act.READ: ("holder", "authorization"),
    Act.LOCATE: ("holder", "authorization"),
    Act.DECIDE: ("holder", "authorization"),
    Act.WAIT: ("authorization",),
    Act.FETCH: ("authorization", "item"),
    Act.WITHDRAW: ("holder", "authorization"),
    Act.USES: ("holder", "authorization"),
    Act.EXPORT: ("authorization",),
}


def load_steps(path: Path) -> tuple[Step, ...]:
    """It reads and checks steps.

    Raises:
        PlanError: The file cannot be read, a step lacks what its act needs, or uses what no step kept.
    """
    steps: tuple[Step, ...] = read_plan(path, _File).step
    if not steps:
        raise PlanError(f"{path} has no steps")
    kept: set[str] = set()
    for number, step in enumerate(steps, start=1):
        if not (step.caller and step.node_id):
            raise PlanError(f"{path}: step {number}: who must be caller@node")
        missing = [name for name in _NEEDED.get(step.act, ()) if not getattr(step, name)]
        if missing:
            raise PlanError(f"{path}: step {number}: {step.act} needs {', '.join(missing)}")
        for kind in ("code", "scan", "authorization"):
            name = getattr(step, kind)
            if name and name not in kept:
                raise PlanError(f"{path}: step {number}: no earlier step keeps the {kind} {name!r}")
        if step.keep:
            kept.add(step.keep)
    return steps
