"""Blocks of a README, carried out as they stand: what a newcomer would paste, in an empty folder."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"(?://|#) (\S+\.\w+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        language: What stands behind the fence.
        text: What stands between the fences.
    """

    language: str
    text: str

    @property
    def file_name(self) -> str:
        """The file that a block of code goes into, as the comment in its first line says."""
        first = self.text.split("\n", 1)[0]
        match = _FILE_NAME.match(first)
        assert match is not None, f"the first line names no file: {first}"
        return match[1]

    @property
    def own_lines(self) -> int:
        """Lines that the newcomer writes, empty ones left out."""
        return sum(1 for line in self.text.splitlines() if line.strip())


def blocks_of(readme: Path) -> Iterator[Block]:
    """The fenced blocks with a language, in order."""
    for language, text in _BLOCK.findall(readme.read_text(encoding="utf-8")):
        yield Block(language, text)


def follow(readme: Path, folder: Path, environment: Mapping[str, str], *, seconds: float) -> str:
    """Do what the README says: write its files, run its shell blocks; what the shell printed."""
    printed = ""
    for block in blocks_of(readme):
        if block.language != "sh":
            (folder / block.file_name).write_text(block.text, encoding="utf-8")
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
        printed += done.stdout
    return printed


def need_tools(*tools: str) -> None:
    """Skip where a tool is absent; in CI that is a failure."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} must be installed in CI")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
