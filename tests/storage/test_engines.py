"""What a commit is worth, the schema, and a server that goes away."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.storage import Durability, NotDurableError, SchemaVersionError, SqlDatabase, migrate
from govcode_node.storage.engine import make_engine, open_writer
from govcode_node.storage.table_parts import metadata
from sqlalchemy import create_engine, text
from storage import samples
from storage.conftest import MakeUrl, OpenDatabase
from storage.postgres_server import plain_connection


async def test_commits_wait_for_the_disk(url: str, open_database: OpenDatabase) -> None:
    database = await open_database(url)
    expected = (
        {"journal_mode": "wal", "synchronous": "2"}
        if url.startswith("sqlite")
        else {"fsync": "on", "synchronous_commit": "on"}
    )
    assert database.durability.settings == expected
    assert database.durability.holds
    await database.check()


def test_the_link_that_commits_is_asked_itself(new_sqlite: MakeUrl) -> None:
    with open_writer(make_engine(new_sqlite())) as link:
        assert link.durability().holds
        link.command("PRAGMA synchronous=NORMAL")
        assert not link.durability().holds


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.parametrize("how", ["migrated", "opened too early"])
async def test_files_of_a_new_database_are_its_owners_alone(tmp_path: Path, how: str) -> None:
    before = os.umask(0o022)
    try:
        url = f"sqlite:///{tmp_path}/node.db"
        if how == "opened too early":
            with pytest.raises(SchemaVersionError):
                await SqlDatabase.open(url, writer_id="w")
        migrate(url)
        database = await SqlDatabase.open(url, writer_id="w")
        await database.check()
        modes = modes_in(tmp_path)
        await database.aclose()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["node.db", "node.db-wal", "node.db-shm", "node.db.lock"], 0o600)


@pytest.mark.parametrize(
    ("engine", "settings"),
    [
        ("sqlite", {"journal_mode": "wal", "synchronous": "1"}),
        ("sqlite", {"journal_mode": "delete", "synchronous": "2"}),
        ("sqlite", {}),
        ("postgresql", {"fsync": "off", "synchronous_commit": "on"}),
        ("postgresql", {"fsync": "on", "synchronous_commit": "off"}),
        ("postgresql", {"fsync": "on", "synchronous_commit": "local"}),
    ],
)
def test_weaker_settings_are_not_durable(engine: str, settings: dict[str, str]) -> None:
    assert not Durability(engine=engine, settings=settings).holds


async def test_a_database_that_does_not_wait_for_the_disk_is_refused(
    new_sqlite: MakeUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_sqlite()
    weak = Durability(engine="sqlite", settings={"journal_mode": "wal", "synchronous": "0"})
    monkeypatch.setattr("govcode_node.storage.engine.Link.durability", lambda link: weak)
    with pytest.raises(NotDurableError):
        await SqlDatabase.open(url, writer_id="w/0/1")


def test_migrations_make_exactly_the_tables_of_the_program(url: str) -> None:
    engine = make_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrations_make_tables_word_for_word_as_the_program_would(new_sqlite: MakeUrl, tmp_path: Path) -> None:
    """The comparison above does not see WITHOUT ROWID or the conditions of partial indexes; SQLite's own text does."""
    made = create_engine(f"sqlite:///{tmp_path}/made.db")
    metadata.create_all(made)
    migrated = create_engine(new_sqlite())

    def schema(engine: Any) -> dict[str, str]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
            found = {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}
        engine.dispose()
        return found

    assert schema(migrated) == schema(made)


async def test_an_empty_database_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SchemaVersionError, match="govcode migrate"):
        await SqlDatabase.open(f"sqlite:///{tmp_path}/empty.db", writer_id="w/0/1")


async def test_a_newer_schema_is_refused_and_left_alone(new_sqlite: MakeUrl) -> None:
    url = new_sqlite()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SchemaVersionError, match="newer"):
        await SqlDatabase.open(url, writer_id="w/0/1")
    with pytest.raises(SchemaVersionError, match="newer"):
        migrate(url)


async def test_a_server_that_is_not_there_is_said_so() -> None:
    url = "postgresql+psycopg://nobody:secret@127.0.0.1:1/none"
    with pytest.raises(StoreUnavailableError) as refused:
        await SqlDatabase.open(url, writer_id="w/0/1")
    assert "secret" not in str(refused.value)
    with pytest.raises(StoreUnavailableError):
        migrate(url)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "postgresql+asyncpg://localhost/x", "sqlite+aiosqlite:///x"])
def test_another_engine_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        make_engine(url)


class Seconds:
    """A clock that the test moves."""

    value = 0.0

    def __call__(self) -> float:
        return self.value


@pytest.mark.postgres
async def test_a_server_that_goes_away_is_served_again_when_it_is_back(
    postgres_server: str, new_postgres: MakeUrl, open_database: OpenDatabase
) -> None:
    url, seconds = new_postgres(), Seconds()
    name = url.rsplit("/", 1)[1]
    database = await open_database(url, monotonic=seconds)
    await database.run(lambda tx: tx.parties.add_application(samples.application(app_id="before")))
    with plain_connection(postgres_server, "postgres") as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        for _ in range(3):
            seconds.value += 10
            with pytest.raises(StoreUnavailableError):
                await database.run(lambda tx: tx.parties.add_application(samples.application(app_id="during")))
            with pytest.raises(StoreUnavailableError):
                await database.read(lambda tx: tx.parties.application("before"))
            with pytest.raises(StoreUnavailableError):
                await database.check()
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    seconds.value += 10
    await database.check()
    await database.run(lambda tx: tx.parties.add_application(samples.application(app_id="after")))
    found = await database.read(lambda tx: tx.parties.applications(after="", limit=10))
    assert [application.app_id for application in found] == ["after", "before"]


async def test_a_full_or_damaged_disk_is_said_so_and_nothing_is_half_written(
    new_sqlite: MakeUrl, open_database: OpenDatabase
) -> None:
    """SQLite is told that it has no page left; what it raises then is what it raises on a full disk."""
    seconds = Seconds()
    database = await open_database(new_sqlite(), monotonic=seconds)
    big = samples.scene(name="长" * 1_000_000)

    def limit(pages: int) -> Any:
        return lambda tx: tx.link.ask(f"PRAGMA max_page_count={pages}")

    await database.run(limit(1))
    with pytest.raises(StoreUnavailableError):
        await database.run(lambda tx: (tx.audit.add(samples.entry()), tx.scenes.add(big)))
    await database.run(limit(1_000_000))
    seconds.value += 10
    assert await database.read(lambda tx: tx.scenes.all_in_force(now=samples.LATER, after=0, limit=5)) == []
    assert (await database.run(lambda tx: tx.scenes.add(samples.scene()))).version == 1
