"""Steps are data: what is wrong with a file is said before anything is started."""

from pathlib import Path

import pytest
from govcode_node.demo.plan import DEMO_DATA, PlanError, load_federation_plan
from govcode_node.demo.player import Finding, faults_of
from govcode_node.demo.steps import Act, Expectation, load_steps
from govcode_node.domain.numbers import parse_uscc

PRESENT = """
[[step]]
clause = "6.1"
title = "present"
who = "holder-app@420100"
act = "present"
holder = "张样例"
keep = "one"
expect = { outcome = "ISSUED" }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "steps.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_demo_of_the_checkout_shows_both_flows_and_both_absences() -> None:
    steps = load_steps(DEMO_DATA / "steps.toml")
    outcomes = {step.expect.outcome for step in steps}
    assert {"VALID", "CONSUMED", "SEAL_INVALID", "REVOKED", "HOME_NODE_UNREACHABLE", "OFFLINE_VALID"} <= outcomes
    assert {step.clause for step in steps} >= {"6.1", "6.2", "7.4", "7.6"}
    assert [step.node_id for step in steps if step.act is Act.STOP] == ["000000", "420100"]


def test_every_organisation_of_the_demo_has_a_right_number_in_every_region() -> None:
    plan = load_federation_plan()
    numbers = [organisation.uscc(node) for node in plan.members for organisation in plan.organisation]
    assert [parse_uscc(number) for number in numbers] == numbers
    assert len(set(numbers)) == len(numbers)


def test_a_step_that_uses_a_code_nobody_kept_is_refused(tmp_path: Path) -> None:
    text = PRESENT + PRESENT.replace("present", "scan").replace('keep = "one"', 'code = "other"\nscene = 1')
    with pytest.raises(PlanError, match="step 2: no earlier step keeps the code 'other'"):
        load_steps(write(tmp_path, text))


@pytest.mark.parametrize(
    ("spoiled", "fault"),
    [
        (PRESENT.replace("holder = ", "holdr = "), "holdr"),
        (PRESENT.replace('act = "present"', 'act = "dance"'), "expected Act"),
        (PRESENT.replace("holder-app@420100", "holder-app"), "caller@node"),
        (PRESENT.replace('holder = "张样例"\n', ""), "present needs holder"),
        (PRESENT.replace('"6.1"', "6.1"), "expected str"),
        ("", "has no steps"),
        ("[[step", "cannot read"),
    ],
)
def test_a_faulty_file_is_refused_with_its_fault(tmp_path: Path, spoiled: str, fault: str) -> None:
    with pytest.raises(PlanError, match=fault):
        load_steps(write(tmp_path, spoiled))


def test_what_is_expected_and_differs_is_a_fault_each() -> None:
    expected = Expectation(
        outcome="VALID", decided_by="420100", decision="ACCEPT", fields={}, proxy=False, conditions={"310000": "UP"}
    )
    found = Finding(
        outcome="EXPIRED",
        decided_by="310000",
        decision="REJECT",
        fields={"name": "张*"},
        proxy=True,
        conditions={"310000": "DOWN"},
    )
    assert len(faults_of(expected, found)) == 6


def test_what_is_not_expected_is_not_looked_at() -> None:
    assert faults_of(Expectation(outcome="VALID"), Finding(outcome="VALID", decided_by="110000", proxy=True)) == ()


def test_a_node_that_the_hub_does_not_know_is_a_fault() -> None:
    expected = Expectation(outcome="SHOWN", conditions={"420100": "UP"})
    assert faults_of(expected, Finding(outcome="SHOWN")) == ("420100 is absent, expected UP",)
