"""The blocks of clients/python/README.md and the examples, run as they stand, by somebody who has the wheel alone."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "clients" / "python" / "README.md"
EXAMPLES = ROOT / "clients" / "python" / "examples"
FIRST_SCAN = 4
"""So many blocks lead to the first scan."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of the page."""

    language: str
    text: str

    @property
    def file_name(self) -> str:
        """The file that a block of Python names in its first line."""
        return self.text.splitlines()[0].removeprefix("# ")


def blocks() -> list[Block]:
    """All fenced blocks of the page, in order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(language, text) for language, text in found]


def lines_of(found: list[Block]) -> int:
    """How many lines there are to type."""
    return sum(bool(line.strip()) for block in found for line in block.text.splitlines())


class Workplace:
    """An empty folder with the wheel in it, in which somebody follows the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output: dict[str, str] = {}
        self.seconds = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """What a shell has: the node's command on its path, and nothing of this checkout."""
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PYTHONUNBUFFERED": "1"}

    def run(self, *command: str, timeout: float = 300) -> str:
        """It runs a command to its end and gives what it says."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def follow(self, block: Block) -> None:
        """It does what a block says."""
        if block.language == "sh":
            self.output[block.text] = self.run("bash", "-euc", block.text)
        else:
            (self.folder / block.file_name).write_text(block.text, encoding="utf-8")

    def python(self, *arguments: str) -> str:
        """It runs Python of the folder's own environment."""
        return self.run(".venv/bin/python", *arguments, timeout=120)


def start_sandbox(place: Workplace, block: Block) -> subprocess.Popen[str]:
    """It follows the block that starts the sandbox, as in a terminal of its own."""
    process = subprocess.Popen(
        ["bash", "-euc", f"exec {block.text}"],
        cwd=place.folder, env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    late = threading.Timer(180, process.kill)
    late.start()
    assert process.stdout is not None
    said = process.stdout.readline()
    late.cancel()
    if not said.startswith("ready "):
        process.kill()
        pytest.fail(f"the sandbox does not come up: {process.communicate()[1][-2000:]}")
    return process


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """The page was followed up to the first scan; the sandbox runs."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("empty")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels)]
    subprocess.run([*command, str(ROOT / "clients" / "python")], check=True, timeout=240)
    shutil.copy(next(wheels.glob("govcode_client-*.whl")), folder)
    made, begun = Workplace(folder), time.monotonic()
    sandbox, *others = blocks()[:FIRST_SCAN]
    process = start_sandbox(made, sandbox)
    try:
        for block in others:
            made.follow(block)
        made.seconds = time.monotonic() - begun
        yield made
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_the_page_leads_to_a_first_scan_in_forty_lines() -> None:
    first = blocks()[:FIRST_SCAN]
    assert [block.language for block in first] == ["sh", "sh", "python", "sh"]
    assert lines_of(first) <= 40


def test_every_block_of_python_names_its_file() -> None:
    assert all(block.file_name.endswith(".py") for block in blocks() if block.language == "python")


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_the_blocks_as_they_stand_reach_a_valid_scan(place: Workplace) -> None:
    said = place.output[blocks()[FIRST_SCAN - 1].text]
    assert "let in: True 核验通过 Valid" in said
    assert "the holder sees:" in said
    assert "3 号窗口" in said
    assert place.seconds <= 600


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_other_blocks_run_too(place: Workplace) -> None:
    for block in blocks()[FIRST_SCAN:]:
        assert block.language == "python"
        place.follow(block)
        assert place.python(block.file_name)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("counter.py", "valid\n  核验通过  Valid  (PROCEED)"),
        ("holder_backend.py", "to the holder's phone:"),
        ("licence.py", "the counter opens:"),
        ("own_tests.py", "ok test_a_one_time_code_passes_once"),
    ],
)
def test_an_example_runs_against_the_sandbox(place: Workplace, name: str, said: str) -> None:
    arguments = [] if name == "own_tests.py" else ["sandbox/sandbox.json"]
    assert said in place.python(str(EXAMPLES / name), *arguments)


@pytest.mark.slow
def test_the_wheel_needs_three_packages_and_brings_nothing_of_the_node(place: Workplace) -> None:
    listed = place.python("-m", "pip", "list", "--format=freeze")
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines()} - {"pip", "setuptools"}
    assert names == {
        "govcode-client", "protobuf", "grpcio", "grpcio-status", "googleapis-common-protos", "typing-extensions",
    }  # fmt: skip
    home = place.python("-c", "import govcode_client; print(govcode_client.__file__)")
    assert str(place.folder) in home


def test_every_example_is_run() -> None:
    listed = {path.name for path in EXAMPLES.glob("*.py")}
    assert listed == {"counter.py", "holder_backend.py", "licence.py", "own_tests.py"}
    assert all(f"[{name}]({name})" in (EXAMPLES / "README.md").read_text(encoding="utf-8") for name in listed)
