"""The sample in Go: its README as a newcomer follows it, its own tests, its programs against a sandbox."""

import base64
import json
import os
import re
import subprocess
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kit.readmes import blocks_of, follow

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "clients" / "go"
README = SAMPLE / "README.md"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def _built(runner: ModuleType) -> None:
    if lacks := runner.Sample.read(SAMPLE / "sample.toml").lacks():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("; ".join(lacks))
    for command in (["go", "run", "./generate"], ["go", "build", "-o", "bin/", "./cmd/..."]):
        subprocess.run(command, cwd=SAMPLE, check=True, timeout=500)


@pytest.fixture(scope="module")
def played(sandbox_file: Path) -> tuple[str, Path]:
    """What the sample printed, and the folder with the authorizations that it exported."""
    exports = sandbox_file.with_name("exports")
    exports.mkdir()
    return run("bin/sample", "-sandbox", str(sandbox_file), "-export", str(exports)), exports


@pytest.fixture(scope="module")
def hub_key(sandbox_file: Path) -> str:
    key: str = json.loads(sandbox_file.read_text(encoding="utf-8"))["hub"]["public_key_hex"]
    return key


def run(*command: str, code: int = 0) -> str:
    """It runs a program of the sample and gives what that printed."""
    done = subprocess.run(command, cwd=SAMPLE, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def passed(*packages: str) -> set[str]:
    """It runs Go's own tests anew and gives the names of those that passed."""
    lines = run("go", "test", "-count=1", "-json", *packages).splitlines()
    events = [json.loads(line) for line in lines]
    return {event["Test"] for event in events if event["Action"] == "pass" and "Test" in event}


@pytest.fixture(scope="module")
def followed(sandbox_file: Path) -> tuple[str, float]:
    """What the README as it stands printed, and the seconds that this took."""
    began = time.monotonic()
    printed = follow(README, sandbox_file.parents[1], os.environ | {"GOVCODE": str(ROOT)}, seconds=600)
    return printed, time.monotonic() - began


@pytest.mark.req("N-49")
def test_the_readme_as_it_stands_leads_to_a_valid_scan(followed: tuple[str, float]) -> None:
    printed, seconds = followed
    assert "OUTCOME_VALID" in printed
    assert seconds < 600
    assert sum(block.own_lines for block in list(blocks_of(README))[:3]) <= 40


@pytest.mark.req("N-49")
def test_the_readme_goes_on_to_the_fields_of_a_licence(followed: tuple[str, float]) -> None:
    _, granted, fields = followed[0].partition("AUTHORIZATION_STATE_GRANTED\n")
    assert granted
    assert len(fields.splitlines()) >= 2
    assert all(re.fullmatch(r"[a-z_]+ \S.*", line) for line in fields.splitlines())


@pytest.mark.req("N-41")
def test_the_vectors_of_evidence_hold_in_go() -> None:
    names = passed("./evidence", "./sm")
    assert names >= {
        "TestGoldenEvidenceGivesItsPayload",
        "TestEvidenceThatProvesNothingIsRefused",
        "TestFieldsThatANewerNodeAddedChangeNothing",
        "TestSm2VectorsHold",
        "TestAKeyFileOfMakeKeyIsRead",
        "TestSm3VectorsHold",
        "TestSm4GcmVectorHolds",
    }


@pytest.mark.req("N-53")
def test_the_channel_stays_without_calls_and_sees_a_dead_path_in_time() -> None:
    assert passed("./channel") >= {
        "TestAConnectionStaysThroughTenMinutesWithoutCalls",
        "TestADeadPathIsSeenWithinFortySecondsWithoutCalls",
    }


def test_an_export_with_anything_amiss_is_not_proved() -> None:
    assert "TestAnythingAmissIsFound" in passed("./consent")


@pytest.mark.req("N-49")
def test_the_three_flows_are_played(played: tuple[str, Path]) -> None:
    assert [line[:3] for line in played[0].splitlines() if line[0] != " "] == ["6.1", "6.2", "6.3"]
    assert "✗" not in played[0]


@pytest.mark.req("6.3-06", "8.1-06")
def test_a_third_party_proves_the_exported_consent(played: tuple[str, Path], hub_key: str) -> None:
    printed = run("bin/verify-consent", "-hub-key", hub_key, str(played[1] / "SB-RESIDENCE.json"))
    assert "PROVED 已证明" in printed
    assert "✓ the decision is signed by the holder's device" in printed
    assert "✓ the withdrawal is signed by the holder's device" in printed


@pytest.mark.req("N-30")
def test_the_stronger_check_of_a_sensitive_item_is_proved_to_be_bound_to_it(
    played: tuple[str, Path], hub_key: str
) -> None:
    printed = run("bin/verify-consent", "-hub-key", hub_key, str(played[1] / "SB-SENSITIVE.json"))
    assert (
        "✓ sensitive items were confirmed one by one, with a stronger identity check bound to this decision" in printed
    )


@pytest.mark.req("8.1-06")
@pytest.mark.parametrize(
    "part", ["consentRequest", "consentRecord", "grant", "withdrawal", "useRequests", "deliveries", "trustBundle"]
)
def test_one_bit_changed_in_an_exported_piece_is_found(
    played: tuple[str, Path], hub_key: str, tmp_path: Path, part: str
) -> None:
    export = json.loads((played[1] / "SB-RESIDENCE.json").read_text(encoding="utf-8"))
    spoil(export[part][0] if isinstance(export[part], list) else export[part])
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(export), encoding="utf-8")
    assert "NOT PROVED" in run("bin/verify-consent", "-hub-key", hub_key, str(changed), code=1)


def spoil(evidence: dict[str, Any]) -> None:
    payload = bytearray(base64.b64decode(evidence["payload"]))
    payload[-1] ^= 1
    evidence["payload"] = base64.b64encode(payload).decode()


def test_the_key_of_another_hub_proves_nothing(played: tuple[str, Path]) -> None:
    vectors = json.loads((ROOT / "tests" / "vectors" / "evidence" / "evidence-v1.json").read_text(encoding="utf-8"))
    run("bin/verify-consent", "-hub-key", vectors["public_point"], str(played[1] / "SB-RESIDENCE.json"), code=1)


def test_without_anything_to_believe_nothing_is_checked(played: tuple[str, Path]) -> None:
    run("bin/verify-consent", str(played[1] / "SB-RESIDENCE.json"), code=2)
