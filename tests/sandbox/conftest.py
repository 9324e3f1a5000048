"""One real `govcode sandbox` for all stories of this folder."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.sandbox import SandboxCaller


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxCaller]:
    """The credentials of a running sandbox, and calls by them."""
    folder = tmp_path_factory.mktemp("sandbox")
    process = subprocess.Popen(
        [sys.executable, "-m", "govcode_node.cli", "sandbox", "--folder", folder, "--until-eof", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        with SandboxCaller(json.loads(Path(ready["file"]).read_text(encoding="utf-8")), Path(ready["file"])) as caller:
            yield caller
    finally:
        process.stdin.close()
        assert process.wait(timeout=30) == 0
        process.stdout.close()
    assert not Path(ready["file"]).exists(), "credentials of a sandbox that is gone are no use to anybody"


@pytest.fixture
def clock(sandbox: SandboxCaller) -> Any:
    """The sandbox's clock, called as any program would."""

    def call(body: dict[str, Any] | None = None, *, token: str | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the address is the sandbox's own
            sandbox.facts["clock"]["url"],
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token or sandbox.facts['clock']['token']}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            content: dict[str, Any] = json.loads(answer.read())
        return content

    return call
