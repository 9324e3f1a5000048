"""The sample in Node.js: its README as a newcomer follows it, its own tests, its programs against a sandbox."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from kit.readmes import blocks_of, follow, need_tools

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "clients" / "nodejs"
README = SAMPLE / "README.md"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    need_tools("node", "npm")
    subprocess.run(["npm", "ci", "--silent"], cwd=SAMPLE, check=True, timeout=300)


def run(*command: str, sandbox: Path | None = None, seconds: float = 120) -> str:
    """It runs a program of the sample and gives what that printed."""
    environment = os.environ | ({"GOVCODE_SANDBOX": str(sandbox)} if sandbox is not None else {})
    done = subprocess.run(
        command, cwd=SAMPLE, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
def test_the_vectors_of_evidence_hold_in_node_js() -> None:
    assert "# fail 0" in run("node", "--test", "--test-reporter=tap")


@pytest.mark.req("N-49")
def test_the_three_flows_are_played(sandbox_file: Path) -> None:
    printed = run("node", "sample.js", sandbox=sandbox_file)
    assert [line[:3] for line in printed.splitlines() if line[0] != " "] == ["6.1", "6.2", "6.3"]


@pytest.mark.req("N-54")
def test_every_outcome_and_every_reason_is_reached(sandbox_file: Path) -> None:
    assert "✓ all" in run("node", "sandbox-tour.js", sandbox=sandbox_file)


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (SAMPLE / "package-lock.json").read_text(encoding="utf-8")
