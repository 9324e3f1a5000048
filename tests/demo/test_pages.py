"""What a newcomer reads is what the program is."""

import re
import subprocess
import sys

import pytest
from govcode_node.demo.plan import CHECKOUT

PAGES = [
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/tour.md",
    "docs/licences.md",
    "clients/python/README.md",
]


def test_the_page_of_errors_is_up_to_date() -> None:
    command = [sys.executable, "docs/generate_errors.py", "--check"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    path = CHECKOUT / page
    links = re.findall(r"\]\(([^)#:]+)[^)]*\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:node|deploy|docs|protos|tests|clients|certs)/[\w./-]+)`", text)
    assert [name for name in named if not (CHECKOUT / name).exists()] == []


def test_both_readmes_have_the_same_commands_and_map() -> None:
    english, chinese = ((CHECKOUT / page).read_text(encoding="utf-8") for page in PAGES[:2])

    def commands(text: str) -> list[str]:
        lines = [line.partition("#")[0].strip() for line in text.splitlines() if line.startswith("    ")]
        return [line for line in lines if line]

    assert commands(english) == commands(chinese)
    assert english.count("\n| ") == chinese.count("\n| ")


def test_every_verb_of_the_makefile_is_explained() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    done = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make (\w+)", done.stdout, re.MULTILINE)) == set(phony.group(1).split())
