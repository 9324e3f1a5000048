"""The runner of the samples: what it does where a tool is absent, a build fails, or a step comes out wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parents[2] / "clients" / "run_samples.py"
PYTHON = sys.executable


def sample(
    clients: Path, key: str, *, run: str = "", build: str = "", tool: str = PYTHON, at_least: str = "3.8"
) -> None:
    """It registers a sample that consists of two lines of Python."""
    folder = clients / key
    folder.mkdir(parents=True)
    (folder / "sample.toml").write_text(
        f"""name = "{key}"
build = [["{PYTHON}", "-c", '''{build}''']]
run = ["{PYTHON}", "-c", '''{run}''']

[[tool]]
command = ["{tool}", "--version"]
pattern = 'Python ([0-9.]+)'
at_least = "{at_least}"
install = "get it"
""",
        encoding="utf-8",
    )


def run(clients: Path, *arguments: str, ci: bool = False) -> tuple[int, str]:
    """It runs a copy of the runner among other samples, against a sandbox that is up already."""
    (clients / "run_samples.py").write_bytes(RUNNER.read_bytes())
    sandbox = clients / "sandbox.json"
    sandbox.write_text("{}", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
    done = subprocess.run(
        [PYTHON, str(clients / "run_samples.py"), "--sandbox", str(sandbox), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.req("N-49")
def test_a_sample_whose_tool_is_absent_is_named_and_skipped(tmp_path: Path) -> None:
    sample(tmp_path, "absent", tool="no-such-tool")
    sample(tmp_path, "present", run="import json, os; json.load(open(os.environ['GOVCODE_SANDBOX']))")
    code, printed = run(tmp_path)
    assert code == 0
    assert "absent skipped: no-such-tool is not installed (get it)" in printed
    assert printed.splitlines()[-1] == "samples: 1 passed, 0 failed, 1 skipped"


@pytest.mark.req("N-49")
def test_in_ci_a_skipped_sample_is_a_failure(tmp_path: Path) -> None:
    sample(tmp_path, "absent", tool="no-such-tool")
    assert run(tmp_path, ci=True)[0] == 1


def test_a_tool_that_is_too_old_is_told(tmp_path: Path) -> None:
    sample(tmp_path, "old", at_least="99.1")
    code, printed = run(tmp_path)
    assert (code, "and 99.1 or later is needed" in printed) == (0, True)


@pytest.mark.parametrize("part", ["build", "run"])
def test_a_sample_that_fails_fails_the_run_and_the_others_are_still_played(tmp_path: Path, part: str) -> None:
    sample(tmp_path, "bad", **{part: "raise SystemExit(3)"})
    sample(tmp_path, "good")
    code, printed = run(tmp_path)
    assert code == 1
    assert "✗ bad" in printed
    assert printed.splitlines()[-1] == "samples: 1 passed, 1 failed, 0 skipped"


def test_only_those_that_are_asked_for_are_played(tmp_path: Path) -> None:
    sample(tmp_path, "one")
    sample(tmp_path, "two", build="raise SystemExit(3)")
    assert run(tmp_path, "--only", "one")[0] == 0
    assert run(tmp_path, "--only", "three")[0] == 2


def test_what_a_build_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    left = tmp_path / "pid"
    child = f"import subprocess; open({str(left)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid))"
    sample(tmp_path, "daemon", build=child)
    assert run(tmp_path)[0] == 0
    state = Path(f"/proc/{left.read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"
