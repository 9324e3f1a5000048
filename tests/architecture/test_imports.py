"""Imports point one way, and every outside technology has its room. The contracts stand in pyproject.toml."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "node" / "src"
CLIENT = ROOT / "clients" / "python" / "src"
STORE = ("govcode_node.storage",)
KEYS = ("govcode_node.crypto", "govcode_node.pki")
SERVED = ("govcode_node.rpc", "govcode_node.edges", "govcode_node.federation", "govcode_client")
SCREENS = ("govcode_node.cli", "govcode_node.commands", "govcode_node.demo", "govcode_node.sandbox")
PROTOBUF = (*SERVED, *SCREENS, "govcode_node.wire", "govcode_node.app")

ROOMS: dict[str, tuple[str, ...]] = {
    "grpc": SERVED,
    "grpc_health": (*SERVED, "govcode_node.app"),
    "grpc_reflection": (*SERVED, "govcode_node.app"),
    "grpc_status": SERVED,
    "google": PROTOBUF,
    "govcode": PROTOBUF,
    "sqlalchemy": STORE,
    "alembic": STORE,
    "psycopg": STORE,
    "cattrs": (*STORE, *SCREENS, "govcode_node.config_reading", "govcode_node.pki"),
    "cryptography": KEYS,
    "gmssl": KEYS,
    "segno": ("govcode_node.symbols",),
    "asn1crypto": ("govcode_node.providers",),
    "aiohttp": ("govcode_node.providers",),
    "opentelemetry": ("govcode_node.telemetry",),
    "click": SCREENS,
    "rich": SCREENS,
}
"""Every distribution that is needed, and the rooms that may know it; what is not named here may be used nowhere."""

FREE = {"typing_extensions", "govcode_node", "govcode_client"}
"""What the layer contracts look after, and the backports of the language itself."""


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """The line and full name of every absolute import of a file, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            yield node.lineno, node.module or ""


def misplaced(source: Path, package: str) -> list[str]:
    """Every import of a technology outside its room."""
    found = []
    for path in sorted((source / package).rglob("*.py")):
        module = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for line, name in imports_of(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top in FREE:
                continue
            if not any(module == room or module.startswith(room + ".") for room in ROOMS.get(top, ())):
                found.append(f"{module}:{line}: {name}")
    return found


def beyond(folder: str, *allowed: str) -> list[str]:
    """Imports of a folder of the node that are neither the standard library nor one of the allowed packages."""
    return [
        f"{path.relative_to(NODE)}:{line}: {name}"
        for path in sorted((NODE / "govcode_node" / folder).rglob("*.py"))
        for line, name in imports_of(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not any(name == package or name.startswith(package + ".") for package in allowed)
    ]


def lint(source: Path, client: Path) -> subprocess.CompletedProcess[str]:
    """It runs the contracts over a tree."""
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{client}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the sources, to plant in."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(NODE, tmp_path / "node", ignore=skip)
    shutil.copytree(CLIENT, tmp_path / "client", ignore=skip)
    return tmp_path / "node", tmp_path / "client"


def test_layers_hold() -> None:
    result = lint(NODE, CLIENT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("domain/planted.py", "from govcode_node.ports.clock import Clock", "point one way"),
        ("usecases/planted.py", "import govcode_node.storage", "point one way"),
        ("storage/planted.py", "import govcode_node.crypto", "point one way"),
        ("rpc/planted.py", "import govcode_node.edges", "point one way"),
        ("planted_room.py", "import json", "point one way"),
        ("edges/planted.py", "import govcode_node.federation", "An edge"),
        ("wire/planted.py", "import grpc", "gRPC stays"),
        ("usecases/planted.py", "from govcode.code.v1 import scan_pb2", "Messages stop"),
    ],
)
def test_planted_import_against_the_layers_is_refused(
    tree: tuple[Path, Path], module: str, statement: str, contract: str
) -> None:
    (tree[0] / "govcode_node" / module).write_text(f"{statement}\n", encoding="utf-8")
    result = lint(*tree)
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert result.returncode == 1, result.stdout + result.stderr
    assert len(broken) == 1
    assert contract in broken[0]


def test_client_that_knows_the_node_is_refused(tree: tuple[Path, Path]) -> None:
    (tree[1] / "govcode_client" / "planted.py").write_text("import govcode_node.domain\n", encoding="utf-8")
    result = lint(*tree)
    assert result.returncode == 1
    assert "The client knows nothing of the node, and the messages nothing of either BROKEN" in result.stdout


def test_every_technology_stays_in_its_room() -> None:
    assert misplaced(NODE, "govcode_node") == []
    assert misplaced(CLIENT, "govcode_client") == []


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("usecases/planted.py", "import sqlalchemy"),
        ("app.py", "import grpc"),
        ("rpc/planted.py", "from cryptography import x509"),
        ("symbols.py", "def draw():\n    import requests"),
        ("wire/planted.py", "from opentelemetry import trace"),
    ],
)
def test_planted_technology_in_another_room_is_seen(tree: tuple[Path, Path], module: str, statement: str) -> None:
    (tree[0] / "govcode_node" / module).write_text(f"{statement}\n", encoding="utf-8")
    assert [line for line in misplaced(tree[0], "govcode_node") if line not in misplaced(NODE, "govcode_node")]


def test_domain_needs_the_standard_library_only() -> None:
    assert beyond("domain", "govcode_node.domain") == []


def test_ports_need_the_domain_only() -> None:
    assert beyond("ports", "govcode_node.domain", "govcode_node.ports") == []


@pytest.mark.req("5-03")
def test_use_cases_need_domain_and_ports_only() -> None:
    assert beyond("usecases", "govcode_node.domain", "govcode_node.ports", "govcode_node.usecases") == []
