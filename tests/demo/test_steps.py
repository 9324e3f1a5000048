"""Steps are data: what is wrong with a file is said before anything is started."""

from pathlib import Path

import pytest
from govcode_node.commands.plans import PlanError
from govcode_node.demo.findings import Finding, faults_of
from govcode_node.demo.plan import DEMO_DATA, load_federation_plan
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
    assert {step.clause for step in steps} >= {"6.1", "6.2", "6.3", "7.4", "7.6"}
    assert [step.node_id for step in steps if step.act is Act.STOP] == ["000000", "420100"]


def test_the_demo_shows_a_licence_granted_used_up_withdrawn_and_denied_over_three_regions() -> None:
    steps = [step for step in load_steps(DEMO_DATA / "steps.toml") if step.clause == "6.3"]
    outcomes = {step.expect.outcome for step in steps}
    assert {"DELIVERED", "GRANT_EXHAUSTED", "GRANT_WITHDRAWN", "DENIED", "STEP_UP_REQUIRED"} <= outcomes
    fetched = next(step for step in steps if step.act is Act.FETCH and step.expect.outcome == "DELIVERED")
    holders_node = next(step.node_id for step in steps if step.act is Act.DECIDE)
    assert (fetched.node_id, holders_node, fetched.expect.decided_by) == ("110000", "420100", "310000")
    assert Act.SCAN_SCENE in {step.act for step in steps}


def test_every_organisation_of_the_demo_has_a_right_number_in_every_region() -> None:
    plan = load_federation_plan()
    registries = [plan.registry(node, encryption_key_of=lambda app_id: app_id) for node in plan.members]
    numbers = [organisation.uscc for registry in registries for organisation in registry.organisation]
    assert [parse_uscc(number) for number in numbers] == numbers
    assert len(set(numbers)) == len(numbers)


def test_each_region_registers_its_own_words_and_keys_for_those_that_fetch() -> None:
    plan = load_federation_plan()
    beijing = next(node for node in plan.members if node.node_id == "110000")
    registry = plan.registry(beijing, encryption_key_of=lambda app_id: f"key of {app_id}")
    applications = {one.app_id: one for party in registry.organisation for one in party.application}
    assert applications["counter-app"].name == "北京市窗口系统"
    assert {one.app_id: one.encryption_key for one in applications.values() if one.encryption_key} == {
        "counter-app": "key of counter-app"
    }


def test_what_the_consent_page_does_not_say_is_a_fault() -> None:
    found = Finding(outcome="PENDING", text="接收方：甲")
    assert faults_of(Expectation(outcome="PENDING", text=("甲", "乙")), found) == ("the text does not say '乙'",)


def test_a_step_that_uses_a_code_nobody_kept_is_refused(tmp_path: Path) -> None:
    text = PRESENT + PRESENT.replace("present", "scan").replace('keep = "one"', 'code = "other"\nscene = 1')
    with pytest.raises(PlanError, match="step 2: no earlier step keeps the code 'other'"):
        load_steps(write(tmp_path, text))
    text = PRESENT + PRESENT.replace("present", "read").replace('keep = "one"', 'authorization = "other"')
    with pytest.raises(PlanError, match="step 2: no earlier step keeps the authorization 'other'"):
        load_steps(write(tmp_path, text))


@pytest.mark.parametrize(
    ("spoiled", "fault"),
    [
        (PRESENT.replace("holder = ", "holdr = "), "holdr"),
        (PRESENT.replace('act = "present"', 'act = "dance"'), "expected one of present, "),
        (PRESENT.replace("holder-app@420100", "holder-app"), "caller@node"),
        (PRESENT.replace('holder = "张样例"\n', ""), "present needs holder"),
        (PRESENT.replace('"6.1"', "6.1"), "expected a text in quotes"),
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
