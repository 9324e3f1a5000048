"""The sample in Java: its README as a newcomer follows it, its own tests, its program against a sandbox."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from kit.readmes import blocks_of, follow, need_tools

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "clients" / "java"
README = SAMPLE / "README.md"
MAVEN = ("mvn", "--quiet", "--batch-mode")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    need_tools("javac", "mvn")
    done = subprocess.run([*MAVEN, "package"], cwd=SAMPLE, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def own_tests(name: str) -> int:
    """How many tests of a class were run and held, as the build has written it down."""
    report = (SAMPLE / "target" / "surefire-reports" / f"cn.govcode.sample.{name}.txt").read_text(encoding="utf-8")
    counts = re.search(r"Tests run: (\d+), Failures: 0, Errors: 0, Skipped: 0", report)
    assert counts is not None, report
    return int(counts[1])


@pytest.fixture(scope="module")
def followed(sandbox_file: Path) -> tuple[str, float]:
    """What the README as it stands printed, and the seconds that this took."""
    began = time.monotonic()
    printed = follow(README, sandbox_file.parents[1], os.environ | {"GOVCODE": str(ROOT)}, seconds=600)
    return printed, time.monotonic() - began


@pytest.mark.req("N-49")
def test_the_readme_as_it_stands_leads_to_a_valid_scan(followed: tuple[str, float]) -> None:
    printed, seconds = followed
    assert "DECISION_ACCEPT OUTCOME_VALID" in printed
    assert seconds < 600
    assert sum(block.own_lines for block in list(blocks_of(README))[:3]) <= 40


@pytest.mark.req("N-49")
def test_the_readme_goes_on_to_the_fields_of_a_licence(followed: tuple[str, float]) -> None:
    _, granted, fields = followed[0].partition("AUTHORIZATION_STATE_GRANTED\n")
    assert granted
    assert len(fields.splitlines()) >= 2
    assert all(re.fullmatch(r"[a-z_]+ \S.*", line) for line in fields.splitlines())


@pytest.mark.req("N-41")
def test_the_vectors_of_evidence_hold_in_java() -> None:
    assert own_tests("EvidenceCheckerTest") >= 18
    assert own_tests("SmTest") >= 8
    assert own_tests("DeliveryTest") >= 7


def play(program: str, sandbox: Path) -> str:
    """It runs a program of the sample and gives what that printed."""
    done = subprocess.run(
        ["java", "-cp", "target/govcode-sample.jar:target/lib/*", f"cn.govcode.sample.{program}"],
        cwd=SAMPLE,
        env=os.environ | {"GOVCODE_SANDBOX": str(sandbox)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.req("N-49")
def test_the_three_flows_are_played(sandbox_file: Path) -> None:
    printed = play("Sample", sandbox_file)
    assert [line[:3] for line in printed.splitlines() if line[0] != " "] == ["6.1", "6.2", "6.3"]


@pytest.mark.req("N-54")
def test_every_outcome_and_every_reason_is_reached(sandbox_file: Path) -> None:
    assert "✓ all" in play("SandboxTour", sandbox_file)


@pytest.mark.req("N-49")
def test_what_is_built_runs_on_java_8() -> None:
    classes = sorted((SAMPLE / "target" / "classes").rglob("*.class"))
    assert classes
    # Bytes 6 and 7 of a class file are its version; 52 is that of Java 8.
    assert {int.from_bytes(path.read_bytes()[6:8], "big") for path in classes} == {52}
