"""The committed messages and stubs are what the pinned generator makes of the protos."""

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "clients" / "python" / "src" / "govcode"
GENERATOR = ROOT / ".venv-protoc" / "bin" / "python"


def differences(one: Path, other: Path) -> list[str]:
    """Every file that only one of two trees has, or that differs between them byte for byte."""
    names = {
        path.relative_to(folder).as_posix()
        for folder in (one, other)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    _, mismatches, missing = filecmp.cmpfiles(one, other, sorted(names), shallow=False)
    return sorted([*mismatches, *missing])


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the generator makes now."""
    if not GENERATOR.exists():
        if os.environ.get("CI"):
            pytest.fail("the generator's environment is missing; make it by: make proto")
        pytest.skip("the generator's environment is missing; make it by: make proto")
    out = tmp_path_factory.mktemp("generated")
    command = [str(GENERATOR), str(ROOT / "protos" / "generate.py"), "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return out / "govcode"


def test_committed_code_is_what_the_protos_say(generated: Path) -> None:
    assert differences(generated, COMMITTED) == [], "run: make proto"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("code/v1/scan_pb2.py", "# edited by hand\n"),
        ("code/v1/forgotten_pb2.py", "# its proto is gone\n"),
        ("py.typed", None),
    ],
)
def test_planted_drift_is_seen(generated: Path, tmp_path: Path, name: str, content: str | None) -> None:
    drifted = tmp_path / "govcode"
    shutil.copytree(generated, drifted)
    if content is None:
        (drifted / name).unlink()
    else:
        with (drifted / name).open("a", encoding="utf-8") as file:
            file.write(content)
    assert differences(generated, drifted) == [name]
