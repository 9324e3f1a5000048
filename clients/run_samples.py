"""It builds and runs the sample applications of the other languages, each against a sandbox of its own: `make samples`.

A folder beside this file takes part by having a `sample.toml`; clients/README.md says what stands in it. A sample whose
tools are absent is named and skipped; where the environment has `CI` set, that is a failure.

Only the standard library is used here, so that any Python 3.11 or later can run the samples against a sandbox that is
up already: `python3 clients/run_samples.py --sandbox sandbox.json`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CLIENTS: Final = Path(__file__).resolve().parent
PROTOS: Final = CLIENTS.parent / "protos"

BUILD_SECONDS: Final = 900
"""How long one step of a build may take; the first one fetches packages."""

RUN_SECONDS: Final = 300
"""How long a sample may take to play its steps."""

SANDBOX_SECONDS: Final = 60
"""How long a sandbox may take to be ready."""

_LOOK_EVERY: Final = 0.05


class SampleError(Exception):
    """A sample, or the sandbox, did not do what it should; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that a sample needs.

    Attributes:
        command: Prints the version.
        pattern: Finds the version in what that prints, on either stream; its first group is numbers with dots.
        at_least: The oldest version that will do.
        install: How one gets it.
    """

    command: tuple[str, ...]
    pattern: str
    at_least: str
    install: str

    def lack(self) -> str:
        """It says what is missing; nothing where the tool is there and new enough."""
        name = self.command[0]
        if shutil.which(name) is None:
            return f"{name} is not installed ({self.install})"
        asked = subprocess.run(self.command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        found = re.search(self.pattern, asked.stdout + asked.stderr)
        if found is None:
            return f"{' '.join(self.command)} tells no version ({self.install})"
        if _numbers(found[1]) < _numbers(self.at_least):
            return f"{name} is {found[1]}, and {self.at_least} or later is needed ({self.install})"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample application.

    Attributes:
        key: Name of its folder.
        name: Name of its language, for people.
        folder: Where it is built and run.
        tools: What must be installed.
        build: Commands that build it from the protos and its own sources.
        run: Command that plays the steps; exit code 0 means that all came out as they should.
    """

    key: str
    name: str
    folder: Path
    tools: tuple[Tool, ...]
    build: tuple[tuple[str, ...], ...]
    run: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Sample:
        """It reads a `sample.toml`.

        Raises:
            SampleError: The file has a fault.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls(
                key=path.parent.name,
                name=content["name"],
                folder=path.parent,
                tools=tuple(_tool(entry) for entry in content["tool"]),
                build=tuple(tuple(command) for command in content["build"]),
                run=tuple(content["run"]),
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise SampleError(f"{path}: {type(fault).__name__} {fault}") from fault

    def lacks(self) -> list[str]:
        """It says which tools are missing."""
        return [lack for tool in self.tools if (lack := tool.lack())]

    def make(self) -> None:
        """It builds the sample.

        Raises:
            SampleError: A command failed or took too long.
        """
        for command in self.build:
            self._do(command, BUILD_SECONDS, {})

    def play(self, sandbox: Path) -> None:
        """It runs the sample against a sandbox.

        Args:
            sandbox: The file with the sandbox's addresses and credentials.

        Raises:
            SampleError: A step did not come out as it should, or it took too long.
        """
        self._do(self.run, RUN_SECONDS, {"GOVCODE_SANDBOX": str(sandbox)})

    def _do(self, command: Sequence[str], seconds: int, extra: dict[str, str]) -> None:
        environment = os.environ | {"GOVCODE_PROTOS": str(PROTOS)} | extra
        # A command with a folder in it is a file of the sample; Popen would look for it from the caller's folder.
        program = str(self.folder / command[0]) if "/" in command[0] else command[0]
        process = subprocess.Popen(  # noqa: S603 - the commands stand in files of this repository
            [program, *command[1:]], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise SampleError(f"{' '.join(command)} took more than {seconds} s") from None
        finally:
            _end_group(process)
        if code != 0:
            raise SampleError(f"{' '.join(command)} ended with {code}")


def _tool(entry: dict[str, Any]) -> Tool:
    return Tool(
        command=tuple(entry["command"]),
        pattern=entry["pattern"],
        at_least=entry["at_least"],
        install=entry["install"],
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """It ends a process and what that started: build tools leave servers of their own behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def read_samples(clients: Path = CLIENTS) -> list[Sample]:
    """It reads all samples, in the order of their folders' names.

    Raises:
        SampleError: One of the files has a fault.
    """
    return [Sample.read(path) for path in sorted(clients.glob("*/sample.toml"))]


@contextmanager
def running_sandbox(folder: Path) -> Iterator[Path]:
    """It runs a sandbox and yields the file with its addresses and credentials.

    Args:
        folder: Where the sandbox's files go.

    Raises:
        SampleError: It did not come to serve in time.
    """
    file, log = folder / "sandbox.json", folder / "sandbox.log"
    with log.open("wb") as output:
        # The sandbox ends with its standard input, so that it does not outlive a runner that is killed.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "govcode_node.cli", "sandbox", "--folder", str(folder), "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + SANDBOX_SECONDS
        while not file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SampleError(f"no sandbox: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
            time.sleep(_LOOK_EVERY)
        yield file
    finally:
        process.terminate()
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(sample: Sample, sandbox: Path | None) -> None:
    """It builds a sample and plays it, against the sandbox given or one started for it.

    Raises:
        SampleError: Something did not come out as it should.
    """
    began = time.monotonic()
    _say(f"== {sample.name}: build")
    sample.make()
    built = time.monotonic()
    _say(f"== {sample.name}: run (built in {built - began:.1f} s)")
    if sandbox is not None:
        sample.play(sandbox)
    else:
        with tempfile.TemporaryDirectory(prefix="govcode-sandbox-") as folder, running_sandbox(Path(folder)) as file:
            sample.play(file)
    _say(f"✓ {sample.name} ({time.monotonic() - built:.1f} s)")


def main(arguments: Sequence[str] | None = None) -> int:
    """It runs the samples and returns the exit code: 1 where one failed or, in CI, was skipped."""
    parser = argparse.ArgumentParser(description="Build and run the sample applications of other languages.")
    parser.add_argument("--only", metavar="FOLDERS", default="", help="folder names with commas between; all otherwise")
    parser.add_argument(
        "--sandbox", type=Path, metavar="FILE", help="file of a sandbox that is up; one of its own else"
    )
    parser.add_argument("--list", action="store_true", help="say which can run here, and run none")
    asked = parser.parse_args(arguments)
    samples = read_samples()
    chosen = set(filter(None, asked.only.split(","))) or {sample.key for sample in samples}
    if unknown := chosen - {sample.key for sample in samples}:
        parser.error(f"no sample {', '.join(sorted(unknown))}; there are {', '.join(sample.key for sample in samples)}")
    passed = failed = skipped = 0
    for sample in samples:
        if sample.key not in chosen:
            continue
        if lacks := sample.lacks():
            _say(f"– {sample.name} skipped: {'; '.join(lacks)}")
            skipped += 1
        elif asked.list:
            _say(f"  {sample.name} can run ({sample.key})")
        else:
            try:
                run(sample, asked.sandbox.resolve() if asked.sandbox else None)
                passed += 1
            except SampleError as error:
                _say(f"✗ {sample.name}: {error}")
                failed += 1
    if asked.list:
        return 0
    _say(f"samples: {passed} passed, {failed} failed, {skipped} skipped")
    if skipped and os.environ.get("CI"):
        _say("in CI a skipped sample is a failure")
        return 1
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
