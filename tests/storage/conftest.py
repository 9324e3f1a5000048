"""The databases of the storage suite. Each test that asks for `database` runs once for each of the three."""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from govcode_node.storage import SqlDatabase, migrate
from kit.memory_database import InMemoryDatabase
from kit.row_sealing import HmacRowSealer
from storage.postgres_server import NoPostgresError, plain_connection, private_server

WRITER = "420102/0/1700000000000"
_numbers = itertools.count(1)

MakeUrl = Callable[[], str]
OpenDatabase = Callable[..., Awaitable[SqlDatabase]]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a server without a database name. The environment's wins; without any, CI fails and others skip."""
    given = os.environ.get("GOVCODE_TEST_POSTGRES_DSN")
    if given:
        yield given.rstrip("/")
        return
    try:
        with private_server() as address:
            yield address
    except NoPostgresError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must test on PostgreSQL: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """Name of a migrated database from which each test's own is copied."""
    name = f"govcode_template_{os.getpid()}"
    with plain_connection(postgres_server, "postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}")
    migrate(f"{postgres_server}/{name}")
    return name


@pytest.fixture
def new_postgres(postgres_server: str, postgres_template: str) -> Iterator[MakeUrl]:
    """It makes migrated databases, which are dropped after the test."""
    made: list[str] = []

    def make() -> str:
        name = f"govcode_test_{os.getpid()}_{next(_numbers)}"
        with plain_connection(postgres_server, "postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
        made.append(name)
        return f"{postgres_server}/{name}"

    yield make
    with plain_connection(postgres_server, "postgres") as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def new_sqlite(tmp_path: Path) -> MakeUrl:
    """It makes migrated SQLite files."""

    def make() -> str:
        url = f"sqlite:///{tmp_path}/{next(_numbers)}.db"
        migrate(url)
        return url

    return make


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    """Address of a migrated, empty database on each engine."""
    make: MakeUrl = request.getfixturevalue(f"new_{request.param}")
    return make()


@pytest.fixture
async def open_database() -> AsyncIterator[OpenDatabase]:
    """It opens databases that are closed after the test."""
    opened: list[SqlDatabase] = []

    async def open_one(url: str, **settings: Any) -> SqlDatabase:
        settings.setdefault("writer_id", f"{WRITER[:-3]}{next(_numbers):03d}")
        settings.setdefault("sealer", HmacRowSealer())
        database = await SqlDatabase.open(url, **settings)
        opened.append(database)
        return database

    yield open_one
    for database in opened:
        await database.aclose()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def database(
    request: pytest.FixtureRequest, open_database: OpenDatabase
) -> AsyncIterator[SqlDatabase | InMemoryDatabase]:
    """An empty database of each kind."""
    if request.param == "memory":
        memory = InMemoryDatabase(writer_id=WRITER)
        yield memory
        memory.close()
        return
    make: MakeUrl = request.getfixturevalue(f"new_{request.param}")
    yield await open_database(make(), writer_id=WRITER)
