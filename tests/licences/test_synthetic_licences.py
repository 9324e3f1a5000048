"""Synthetic licences can be nobody's, and their folder appears whole or not at all."""

from pathlib import Path

import pytest
from govcode_node.domain.licenses import LicenseSealInvalidError
from govcode_node.providers.licence.embedded import EmbeddedLicenseProvider
from govcode_node.providers.licence.records import LicenceTrustError, load_licence_trust
from govcode_node.providers.licence.synthetic_licences import (
    SyntheticLicencesError,
    load_synthetic_licences,
    make_folder,
)
from kit.clocks import MovableClock
from kit.licence_files import KitKey, verify_sm2

SOURCE = Path(__file__).resolve().parents[1] / "kit" / "synthetic_licences.toml"
ONE = """[[licence]]
synthetic = true
node = "310000"
license_type = "birth-certificate"
number = "SPECIMEN-1"
issuer_name = "样例市卫生健康委员会"
title = "出生医学证明"
holder_name = "张样例"
holder_number = "420100198802149916"
valid_from = 2020-01-01
"""


def make(source: Path, folder: Path, clock: MovableClock, node_id: str = "310000") -> None:
    make_folder(source, folder, node_id=node_id, make_key=KitKey, now=clock.now())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("synthetic = true\n", "", "synthetic"),
        ("420100198802149916", "420100198802140014", "reserved"),
        ("420100198802149916", "91310000MA1FL00000", "reserved"),
        ("SPECIMEN-1", "310000-1", "number"),
        ("2020-01-01", '"2020-01-01"', "day"),
        ('title = "出生医学证明"', 'titel = "x"', "title"),
        ("valid_from", 'document = "DOC"\nvalid_from', "document"),
        ("valid_from", "document_megabytes = 49\nvalid_from", "document"),
        ("valid_from", 'status = "LOST"\nvalid_from', "LOST"),
        ("valid_from", 'shoe = "x"\nvalid_from', "shoe"),
        ("310000", "../..", "node"),
    ],
)
def test_entry_that_could_be_somebodys_or_has_a_fault_is_refused(tmp_path: Path, old: str, new: str, rule: str) -> None:
    source = tmp_path / "licences.toml"
    source.write_text(ONE.replace(old, new), encoding="utf-8")
    with pytest.raises(SyntheticLicencesError) as caught:
        load_synthetic_licences(source)
    assert rule in str(caught.value)
    assert "420100198802140014" not in str(caught.value)


def test_two_licences_of_one_number_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "licences.toml"
    source.write_text(ONE + ONE, encoding="utf-8")
    with pytest.raises(SyntheticLicencesError):
        load_synthetic_licences(source)


def test_folder_holds_the_own_nodes_licences_and_an_index_of_all(made_folder: Path) -> None:
    assert len(list((made_folder / "records").iterdir())) == 6
    assert {path.suffix for path in (made_folder / "documents").iterdir()} == {".ofd", ".pdf"}
    assert '"110000"' in (made_folder / "index.json").read_text(encoding="utf-8")


def test_folder_is_made_once_and_anew_when_its_source_changes(tmp_path: Path, clock: MovableClock) -> None:
    source, folder = tmp_path / "licences.toml", tmp_path / "held"
    source.write_text(ONE, encoding="utf-8")
    make(source, folder, clock)
    first = files(folder)
    make(source, folder, clock)
    assert files(folder) == first
    source.write_text(ONE.replace("SPECIMEN-1", "SPECIMEN-2"), encoding="utf-8")
    make(source, folder, clock)
    assert files(folder).keys() != first.keys()
    make(source, folder, clock, node_id="110000")
    assert not [name for name in files(folder) if name.startswith("records/")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held", "licences.toml"]


def test_fault_while_it_is_made_leaves_nothing_behind(tmp_path: Path, clock: MovableClock) -> None:
    class Full(Exception):  # noqa: N818 - a test's own
        pass

    def no_key() -> KitKey:
        raise Full

    with pytest.raises(Full):
        make_folder(SOURCE, tmp_path / "held", node_id="310000", make_key=no_key, now=clock.now())
    assert list(tmp_path.iterdir()) == []


def test_folder_without_trust_or_with_a_broken_record_does_not_start(folder: Path, clock: MovableClock) -> None:
    next((folder / "records").iterdir()).write_text("{}", encoding="utf-8")
    with pytest.raises(LicenseSealInvalidError):
        EmbeddedLicenseProvider(folder, node_id="310000", clock=clock, verify_sm2=verify_sm2)
    (folder / "trust.json").write_text('{"issuers": []}', encoding="utf-8")
    with pytest.raises(LicenceTrustError):
        load_licence_trust(folder / "trust.json")
