"""Engines and links: how each of the two databases is opened, and what makes a commit durable there.

SQLite runs in WAL mode with `synchronous=FULL`: each commit waits for an fdatasync. Its driver's own BEGIN is switched
off, because a deferred BEGIN that turns into a write fails when another process wrote in between, whatever the timeout.
PostgreSQL runs with `synchronous_commit=on`, which is set and read back.
"""

import contextlib
import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool, StaticPool

from govcode_node.domain.errors import FactsError
from govcode_node.storage.statements import Parameters, Statement

_BUSY_TIMEOUT_MS: Final = 5000
_PRIVATE_MODE: Final = 0o600
_CHECKPOINT_PAGES: Final = 4000
"""Pages in the log before they are moved to the database file: few enough to move in some 20 ms."""

_POSTGRES_SETTINGS: Final = {
    # A dead peer is noticed within about ten seconds, so a commit never hangs for the kernel's quarter of an hour.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "autocommit": True,
}


def make_engine(url: str) -> Engine:
    """It makes the engine of an address `sqlite:///…` or `postgresql+psycopg://…`; nothing is opened yet.

    Raises:
        ValueError: Another kind of address.
    """
    address = make_url(url)
    backend = address.get_backend_name()
    if backend == "sqlite" and address.get_driver_name() == "pysqlite":
        in_memory = not address.database or address.database == ":memory:"
        engine = create_engine(
            address,
            poolclass=StaticPool if in_memory else NullPool,
            connect_args={"isolation_level": None, "check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
        )
        if not in_memory:
            event.listen(engine, "do_connect", _make_private_file)
        event.listen(engine, "connect", _prepare_sqlite)
        _begin_with(engine, "BEGIN IMMEDIATE")
        return engine
    if backend == "postgresql" and address.get_driver_name() == "psycopg":
        engine = create_engine(address, poolclass=NullPool, connect_args=_POSTGRES_SETTINGS)
        _begin_with(engine, "BEGIN")
        return engine
    raise ValueError('the address must be "sqlite:///<file>" or "postgresql+psycopg://…"')


def _begin_with(engine: Engine, command: str) -> None:
    """It makes SQLAlchemy say BEGIN itself where it drives a connection (migrations), as the drivers do not."""
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(command))


def _make_private_file(_dialect: object, _record: object, arguments: Sequence[Any], _options: object) -> None:
    """It makes a database file that is absent, its owner's alone; the log and the index beside it get the same mode.

    SQLite itself would make it as the umask of the process says, usually for everybody to read. The mode of a file that
    is there is left as somebody set it.
    """
    path = str(arguments[0])
    # An address with options of SQLite's own begins so, and is for SQLite to read. Other faults are SQLite's to name.
    if not path.startswith("file:"):
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_MODE))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """It gives each connection its settings; `journal_mode` stays in the file, the others are the connection's."""
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
        "cache_size=-32000",
        "temp_store=MEMORY",
        "trusted_schema=OFF",
    ):
        cursor.execute("PRAGMA " + pragma)
        cursor.fetchall()
    cursor.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """What a connection itself says about its commits.

    Attributes:
        engine: `sqlite` or `postgresql`.
        settings: The engine's names of its settings and their values.
    """

    engine: str
    settings: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether a commit that returned is on the disk."""
        if self.engine == "sqlite":
            return self.settings.get("journal_mode") == "wal" and self.settings.get("synchronous") in {"2", "3"}
        return self.settings.get("fsync") == "on" and self.settings.get("synchronous_commit") in {
            "on",
            "remote_apply",
        }


@dataclass(eq=False)
class NotDurableError(FactsError):
    """The database is set up so that a commit that returned may be lost; nothing is served from such a one."""

    settings: Mapping[str, str]
    says = "commits of this database do not wait for the disk: {settings}"


class Link:
    """One driver connection, used by one thread at a time.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        dirty: Whether a statement changed a row since it was last set to False.
    """

    __slots__ = ("_connection", "_cursor", "_fairy", "_lock", "dialect", "dirty")

    def __init__(self, engine: Engine) -> None:
        self.dialect: Final = engine.dialect.name
        self.dirty = False
        self._lock: IO[bytes] | None = None
        self._fairy = engine.raw_connection()
        connection: Any = self._fairy.dbapi_connection
        self._connection = connection
        self._cursor = connection.cursor()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """It closes the connection and gives back the lock; a broken one is closed without complaint."""
        try:
            self._fairy.invalidate()
        finally:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    # Statements

    def one(self, statement: Statement, parameters: Parameters = ()) -> tuple[Any, ...] | None:
        """It returns the first row."""
        text, arrange = statement.texts[self.dialect]
        cursor = self._cursor
        cursor.execute(text, parameters if arrange is None else arrange(parameters))
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row

    def all(self, statement: Statement, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """It returns all rows."""
        text, arrange = statement.texts[self.dialect]
        cursor = self._cursor
        cursor.execute(text, parameters if arrange is None else arrange(parameters))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def write(self, statement: Statement, parameters: Parameters) -> int:
        """It runs a statement that may change rows and returns how many it changed."""
        text, arrange = statement.texts[self.dialect]
        cursor = self._cursor
        cursor.execute(text, parameters if arrange is None else arrange(parameters))
        changed: int = cursor.rowcount
        if changed:
            self.dirty = True
        return changed

    def write_returning(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        """It runs a statement that changes rows and returns what it returns of them."""
        rows = self.all(statement, parameters)
        if rows:
            self.dirty = True
        return rows

    def write_many(self, statement: Statement, rows: list[Parameters]) -> None:
        """It runs a statement for each row; on PostgreSQL in one round trip."""
        text, arrange = statement.texts[self.dialect]
        self._cursor.executemany(text, rows if arrange is None else [arrange(row) for row in rows])
        self.dirty = True

    def command(self, text: str) -> None:
        """It runs a command of the engine without values."""
        self._cursor.execute(text)

    def ask(self, text: str) -> str:
        """It returns the first value of a question of the engine without values."""
        return str(self._cursor.execute(text).fetchone()[0])

    # Transactions

    def use_lock(self, path: Path) -> None:
        """It makes each write transaction wait for an exclusive lock on that file first.

        SQLite's own waiting polls and is unfair: of three writing processes one can stand still for 180 ms. The
        kernel's queue for a lock is fair.
        """
        # Nobody else may hold it: to open a file for reading is enough to lock it.
        self._lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_MODE), "r+b")

    def begin_write(self) -> None:
        """It begins a transaction that writes."""
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._cursor.execute("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN")
        except BaseException:
            self._unlock()
            raise

    def commit(self) -> None:
        """It commits; when it returns, the transaction is durable."""
        self._cursor.execute("COMMIT")
        self._unlock()

    def rollback(self) -> None:
        """It rolls back; SQLite may have done so itself, on a full disk for one."""
        try:
            if self.dialect != "sqlite" or self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def begin_read(self) -> None:
        """It begins a transaction that sees one state of the database."""
        sqlite = self.dialect == "sqlite"
        self._cursor.execute("BEGIN" if sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def forbid_writes(self) -> None:
        """It makes SQLite refuse writes on this connection; on PostgreSQL each transaction says so."""
        if self.dialect == "sqlite":
            self._cursor.execute("PRAGMA query_only=ON")

    def durability(self) -> Durability:
        """It reads from this very connection what its commits are worth."""
        if self.dialect == "sqlite":
            settings = {name: self.ask(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")}
        else:
            settings = {name: self.ask(f"SHOW {name}") for name in ("synchronous_commit", "fsync")}
        return Durability(engine=self.dialect, settings=settings)


def open_writer(engine: Engine) -> Link:
    """It opens a link for writing: on SQLite under a lock file, on PostgreSQL with durable commits."""
    link = Link(engine)
    try:
        if link.dialect == "sqlite":
            database = engine.url.database
            if database and database != ":memory:":
                link.use_lock(Path(database + ".lock"))
        else:
            link.command("SET synchronous_commit = on")
    except BaseException:
        link.close()
        raise
    return link


def open_reader(engine: Engine) -> Link:
    """It opens a link that cannot write."""
    link = Link(engine)
    try:
        link.forbid_writes()
    except BaseException:
        link.close()
        raise
    return link
