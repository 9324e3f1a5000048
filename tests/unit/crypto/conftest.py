"""A keystore of a node, made once and copied for each test, and a clock that stands still."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from govcode_node.crypto.keyprovider import SoftwareKeyStore, create_node_keys
from govcode_node.crypto.keyring import Keyring

NODE_ID = "420100"


@dataclass
class SteppedClock:
    """Moves only when told."""

    moment: datetime = datetime(2026, 12, 1, 8, 0, 0, 123456, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def advance(self, span: timedelta) -> None:
        self.moment += span


@dataclass(frozen=True)
class KeyPlace:
    """Where a keystore lies."""

    directory: Path
    kek_path: Path


@pytest.fixture
def key_clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture(scope="session")
def key_template(tmp_path_factory: pytest.TempPathFactory) -> KeyPlace:
    home = tmp_path_factory.mktemp("keys-template")
    create_node_keys(home / "keys", home / "kek", NODE_ID, SteppedClock())
    return KeyPlace(home / "keys", home / "kek")


@pytest.fixture
def key_place(key_template: KeyPlace, tmp_path: Path) -> KeyPlace:
    shutil.copytree(key_template.directory, tmp_path / "keys")
    shutil.copy2(key_template.kek_path, tmp_path / "kek")
    return KeyPlace(tmp_path / "keys", tmp_path / "kek")


@pytest.fixture
def key_store(key_place: KeyPlace, key_clock: SteppedClock) -> SoftwareKeyStore:
    return SoftwareKeyStore(key_place.directory, key_place.kek_path, clock=key_clock)


@pytest.fixture
def keyring(key_store: SoftwareKeyStore, key_clock: SteppedClock) -> Iterator[Keyring]:
    ring = Keyring(key_store, clock=key_clock)
    yield ring
    ring.close()
