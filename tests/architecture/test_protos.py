"""The contract keeps its form: lint, layout, options, and three lines above every RPC."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from govcode.error.v1.error_reason_pb2 import ErrorReason

ROOT = Path(__file__).resolve().parents[2]
PROTOS = sorted((ROOT / "protos" / "govcode").rglob("*.proto"))
BUF = Path(sys.executable).parent / "buf"
RPC = re.compile(r"((?:^  //.*\n)*)^  rpc (\w+)\(", re.MULTILINE)
REASONS = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}
NO_ERRORS = "none of its own"
CALLERS = {
    "authenticated",
    "app.holder",
    "app.relying_party",
    "licence",
    "scanner",
    "node",
    "candidate",
    "hub",
    "operator",
    "operator.business",
    "operator.security",
    "operator.audit",
}


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC with its comment.

    Attributes:
        name: Its name.
        comment: The lines above it, without slashes.
    """

    name: str
    comment: tuple[str, ...]


def rpcs_of(text: str) -> Iterator[Rpc]:
    """Every RPC of a proto file."""
    for match in RPC.finditer(text):
        lines = tuple(line.strip().removeprefix("//").strip() for line in match[1].splitlines())
        yield Rpc(match[2], lines)


def faults_of(rpc: Rpc) -> list[str]:
    """What is wrong with the comment of an RPC."""
    if len(rpc.comment) < 3:
        return ["three lines are needed: what it does, Callers, Errors"]
    *does, callers, errors = rpc.comment
    faults = []
    if not does[-1].endswith(".") or does[0].startswith(("Callers:", "Errors:")):
        faults.append("the first lines say in sentences what it does")
    if not callers.startswith("Callers: "):
        return [*faults, "the last line but one begins with Callers:"]
    if not errors.startswith("Errors: "):
        return [*faults, "the last line begins with Errors:"]
    faults += [f"unknown caller {one}" for one in listed(callers) if one not in CALLERS]
    faults += [f"unknown reason {one}" for one in listed(errors) if one not in REASONS and one != NO_ERRORS]
    return faults


def listed(line: str) -> list[str]:
    """The items behind the colon."""
    return [item.strip().rstrip(".") for item in line.partition(":")[2].split(",")]


@pytest.mark.parametrize("command", [["lint"], ["format", "--diff", "--exit-code"]], ids=lambda command: command[0])
def test_buf_is_content(command: list[str]) -> None:
    result = subprocess.run([BUF, *command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_file_says_its_package_as_its_folder_and_its_options(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    package = ".".join(path.parent.relative_to(ROOT / "protos").parts)
    area = package.split(".")[1]
    assert f"\npackage {package};\n" in text
    assert f'\noption go_package = "govcode.cn/go/govcode/{area}/v1;{area}v1";\n' in text
    assert f'\noption java_package = "cn.{package}";\n' in text
    assert "\noption java_multiple_files = true;\n" in text


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_protos_import_only_what_needs_no_registry(path: Path) -> None:
    imported = re.findall(r'^import (?:public |weak )?"([^"]+)";', path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in imported if not name.startswith(("google/protobuf/", "govcode/"))] == []


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_every_rpc_says_what_it_does_who_calls_and_which_errors(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = list(rpcs_of(text))
    assert len(found) == len(re.findall(r"^\s*rpc ", text, re.MULTILINE))
    assert {rpc.name: faults_of(rpc) for rpc in found if faults_of(rpc)} == {}


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "  // Does it.\n",
        "  // Does it.\n  // Callers: scanner\n",
        "  // Does it.\n  // Errors: INVALID_FIELD\n  // Callers: scanner\n",
        "  // Callers: scanner\n  // Callers: scanner\n  // Errors: INVALID_FIELD\n",
        "  // Does it.\n  // Callers: everybody\n  // Errors: INVALID_FIELD\n",
        "  // Does it.\n  // Callers: scanner\n  // Errors: NO_SUCH_REASON\n",
        "  // does\n  // Callers: scanner\n  // Errors: INVALID_FIELD\n",
    ],
)
def test_planted_comment_with_a_fault_is_seen(comment: str) -> None:
    (rpc,) = rpcs_of(f"service S {{\n{comment}  rpc Do(DoRequest) returns (DoResponse);\n}}\n")
    assert faults_of(rpc)


def test_good_comment_has_no_fault() -> None:
    comment = "  // Does it.\n  // Callers: app.holder, scanner\n  // Errors: INVALID_FIELD, RATE_LIMITED\n"
    (rpc,) = rpcs_of(f"service S {{\n{comment}  rpc Do(DoRequest) returns (DoResponse);\n}}\n")
    assert faults_of(rpc) == []
