"""A sandbox for samples."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _runner() -> ModuleType:
    name = "govcode_run_samples"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "clients" / "run_samples.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def runner() -> ModuleType:
    """The runner of the samples, `clients/run_samples.py`, as a module."""
    return _runner()


@pytest.fixture(scope="module")
def sandbox_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The credentials file of a sandbox that is up, `sandbox/sandbox.json` in an otherwise empty folder."""
    folder = tmp_path_factory.mktemp("newcomer") / "sandbox"
    folder.mkdir()
    with _runner().running_sandbox(folder) as file:
        yield file
