"""The demo as a newcomer runs it: real processes, and nothing of them left afterwards."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from govcode_node.demo.plan import CHECKOUT

pytestmark = [pytest.mark.federation, pytest.mark.slow]

SPOILED = """
[[step]]
clause = "6.1"
title = "a good step"
who = "holder-app@420100"
act = "present"
holder = "张样例"
keep = "code"
expect = { outcome = "ISSUED" }

[[step]]
clause = "6.1"
title = "a caller of another region's authority"
who = "counter-app@420100"
certificates_of = "310000"
act = "scan"
code = "code"
scene = 1
expect = { outcome = "VALID" }

[[step]]
clause = "6.1"
title = "revoked"
who = "holder-app@420100"
act = "revoke"
holder = "张样例"
code = "code"
expect = { outcome = "REVOKED" }

[[step]]
clause = "6.1"
title = "a revoked code expected to be good"
who = "counter-app@420100"
act = "scan"
code = "code"
scene = 1
expect = { outcome = "VALID" }

[[step]]
clause = "6.1"
title = "another good step"
who = "counter-app@420100"
act = "scan"
code = "code"
scene = 1
expect = { outcome = "REVOKED", decision = "REJECT", decided_by = "420100" }

[[step]]
clause = "6.3"
title = "another code"
who = "holder-app@420100"
act = "present"
holder = "张样例"
keep = "second"
expect = { outcome = "ISSUED" }

[[step]]
clause = "6.3"
title = "scanned"
who = "counter-app@110000"
act = "scan"
code = "second"
scene = 1
keep = "scan"
expect = { outcome = "VALID" }

[[step]]
clause = "6.3"
title = "asked for a licence"
who = "counter-app@110000"
act = "ask"
scan = "scan"
matter = "HOUSING-01"
items = { marriage-certificate = ["name"] }
keep = "asked"
expect = { outcome = "PENDING" }

[[step]]
clause = "6.3"
title = "a licence that nobody granted"
who = "counter-app@110000"
act = "fetch"
authorization = "asked"
item = "marriage-certificate"
expect = { outcome = "DELIVERED" }
"""


@dataclass(frozen=True, slots=True)
class Run:
    code: int
    output: str
    folder: Path

    @property
    def summary(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))
        return steps

    def addresses(self) -> list[tuple[str, int]]:
        """Where the nodes of a kept run were listening."""
        texts = [path.read_text(encoding="ascii").strip() for path in self.folder.glob("run-*/*/address")]
        return [(host, int(port)) for host, _, port in (text.rpartition(":") for text in texts)]


def play(folder: Path, *options: str) -> Run:
    command = [sys.executable, "-m", "govcode_node.demo", "play", "--keep", "--folder", str(folder), *options]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=150, check=False)
    return Run(done.returncode, done.stdout + done.stderr, folder)


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and "serve" in line:
            found.append(line)
    return found


def answers(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


def assert_nothing_left(run: Run) -> None:
    assert processes_of(run.folder) == []
    addresses = run.addresses()
    assert len(addresses) == 4
    assert not any(answers(address) for address in addresses)


@pytest.mark.req("5-02", "6.2-01", "6.2-11")
def test_every_step_of_the_demo_comes_out_as_expected_and_nothing_is_left(tmp_path: Path) -> None:
    run = play(tmp_path / "demo")
    assert run.code == 0, run.output
    assert all(step["ok"] for step in run.summary)
    assert {"clause", "step", "outcome", "decided_by", "ok", "ms"} == set(run.summary[0])
    by_title = {step["step"]: step for step in run.summary}
    abroad = by_title["a counter in Shanghai scans it; Wuhan decides 跨区域互认"]
    assert (abroad["outcome"], abroad["decided_by"]) == ("VALID", "420100")
    fetched = [step for step in run.summary if step["outcome"] == "DELIVERED" and step["decided_by"]]
    assert [step["decided_by"] for step in fetched] == ["310000", "420100"]
    # One program, four roles: what differs between the nodes stands in their configurations alone.
    configs = [tomllib.loads(path.read_text(encoding="utf-8")) for path in run.folder.glob("run-*/*/node.toml")]
    assert {config["node"]["node_id"] for config in configs} == {"000000", "110000", "310000", "420100"}
    assert_nothing_left(run)


def test_a_step_that_comes_out_otherwise_fails_the_demo(tmp_path: Path) -> None:
    steps = tmp_path / "steps.toml"
    steps.write_text(SPOILED, encoding="utf-8")
    run = play(tmp_path / "demo", "--steps", str(steps))
    assert run.code == 1, run.output
    assert [step["ok"] for step in run.summary] == [True, False, True, False, True, True, True, True, False]
    assert run.summary[1]["outcome"] == "CERTIFICATE_UNTRUSTED"
    assert run.summary[3]["outcome"] == "REVOKED"
    assert run.summary[8]["outcome"] == "AUTHORIZATION_STATE_CONFLICT"
    assert "outcome is 'REVOKED', expected 'VALID'" in run.output
    assert_nothing_left(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "govcode_node.demo", "run", "--folder", str(folder)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "In another terminal" in line:
                break
        assert len(processes_of(folder)) == 4
        running.send_signal(number)
        running.wait(30)
    # Nodes whose starter was killed notice by themselves, a moment later.
    deadline = time.monotonic() + 15
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(folder) == []
