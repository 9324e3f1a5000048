"""The list of requirements: every marker names a row, every row is known, and the page tells the truth."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DESIGN = ROOT.parent / "shared" / "design"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_requirements", ROOT / "docs" / "generate_requirements.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by its name
    spec.loader.exec_module(module)
    return module


generator = _load()


def planted(root: Path, text: str) -> dict[str, list[str]]:
    (root / "tests").mkdir()
    (root / "tests" / "test_planted.py").write_text(text, encoding="utf-8")
    proofs: dict[str, list[str]] = generator.find_proofs(root)
    return proofs


def test_every_marker_names_a_requirement() -> None:
    known = {requirement.requirement_id for requirement in generator.load_requirements()}
    assert generator.find_proofs().keys() - known == set()


def test_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "requirements.md"
    expected = generator.render(generator.load_requirements(), generator.find_proofs())
    assert page.exists(), "run: make docs"
    assert page.read_text(encoding="utf-8") == expected, "run: make docs"


@pytest.mark.skipif(not DESIGN.is_dir(), reason="the design documents are not beside this checkout")
def test_list_has_exactly_the_ids_of_the_design() -> None:
    row = re.compile(r"^\| ((?:5|[678]\.\d|P|N)-\d\d) \|", re.MULTILINE)
    designed = {
        requirement_id
        for name in ("requirements.md", "domain.md")
        for requirement_id in row.findall((DESIGN / name).read_text(encoding="utf-8"))
    }
    assert {requirement.requirement_id for requirement in generator.load_requirements()} == designed


def test_markers_are_found_in_all_their_forms(tmp_path: Path) -> None:
    proofs = planted(
        tmp_path,
        """
import pytest
from pytest import mark
pytestmark = [pytest.mark.slow, pytest.mark.req("5-01")]

@pytest.mark.req("6.1-01", "6.1-02")
async def test_one(): ...

@mark.req("6.1-01")
def test_two(): ...

@pytest.mark.req("7.1-01")
class TestGroup:
    pytestmark = mark.req("7.1-02")
    def test_three(self): ...
    def helper(self): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.req("7.1-03"))])
def test_four(x): ...

@pytest.mark.req("7.1-04")
def no_test(): ...
""",
    )
    file = "tests/test_planted.py"
    everything = [f"{file}::TestGroup::test_three", f"{file}::test_four", f"{file}::test_one", f"{file}::test_two"]
    assert proofs == {
        "5-01": everything,
        "6.1-01": [f"{file}::test_one", f"{file}::test_two"],
        "6.1-02": [f"{file}::test_one"],
        "7.1-01": [f"{file}::TestGroup::test_three"],
        "7.1-02": [f"{file}::TestGroup::test_three"],
        "7.1-03": [f"{file}::test_four"],
    }


@pytest.mark.parametrize("arguments", ["", "IDS", "*IDS", 'ids="5-01"'])
def test_marker_that_cannot_be_read_is_refused(tmp_path: Path, arguments: str) -> None:
    with pytest.raises(generator.RequirementListError, match=r"test_planted\.py:2"):
        planted(tmp_path, f"import pytest\n@pytest.mark.req({arguments})\ndef test_one(): ...\n")


@pytest.mark.parametrize(
    "entry",
    [
        'id = "5-01"\nclause = "5"',
        'id = "5-01"\nclause = "5"\nclaim = ""',
        'id = "5-01"\nclause = "5"\nclaim = "x"\nproof = "y"',
        'id = "5-01"\nclause = "5"\nclaim = "x"\n[[requirement]]\nid = "5-01"\nclause = "5"\nclaim = "y"',
    ],
)
def test_list_with_a_fault_is_refused(tmp_path: Path, entry: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "requirements.toml").write_text(f"[[requirement]]\n{entry}\n", encoding="utf-8")
    with pytest.raises(generator.RequirementListError, match="5-01"):
        generator.load_requirements(tmp_path)


def test_page_counts_what_is_proved_and_shows_what_is_not() -> None:
    rows = (generator.Requirement("5-01", "5", "One."), generator.Requirement("5-02", "5", "Two."))
    page = generator.render(rows, {"5-02": ["tests/a.py::test_b"]})
    assert "1 of 2 rows are proved" in page
    assert "| 5-01 | 5 | One. | – |" in page
    assert "| 5-02 | 5 | Two. | `tests/a.py::test_b` |" in page
