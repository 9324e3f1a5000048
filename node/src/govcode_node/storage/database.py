"""The database: units through the committer, queries beside it, and what start-up and a watchdog need to know."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Self, TypeVar

from sqlalchemy import Engine

from govcode_node.domain.digests import sm3
from govcode_node.ports.row_sealing import RowSealer
from govcode_node.ports.stores import Transaction
from govcode_node.storage.committer import Committer
from govcode_node.storage.engine import Durability, Link, NotDurableError, make_engine, open_writer
from govcode_node.storage.errors import DRIVER_ERRORS, translate
from govcode_node.storage.readers import Readers
from govcode_node.storage.runner import BatchRunner
from govcode_node.storage.schema import check_version
from govcode_node.storage.statements import Statement, put
from govcode_node.storage.stores.audit import ADD_WRITER, WRITER_NO, Chain
from govcode_node.storage.tables import heartbeats
from govcode_node.storage.transaction import SqlTransaction

T = TypeVar("T")

DEFAULT_QUEUE_LIMIT: Final = 10_000
DEFAULT_BATCH_LIMIT: Final = 512

_BEAT: Final[Statement] = put(heartbeats, "beat_no")


class SqlDatabase:
    """`ports.stores.Database` over SQLite or PostgreSQL; made with `SqlDatabase.open`."""

    def __init__(self, engine: Engine, committer: Committer, readers: Readers, writers: "_Writers") -> None:
        self._engine = engine
        self._committer = committer
        self._readers = readers
        self._writers = writers

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        writer_id: str,
        sealer: RowSealer | None = None,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
        batch_limit: int = DEFAULT_BATCH_LIMIT,
        sm3: Callable[[bytes], bytes] = sm3,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Self:
        """It opens a database whose schema is this program's.

        Args:
            url: `sqlite:///<file>` or `postgresql+psycopg://…`.
            writer_id: Name of the audit chain; `writer_name` makes one.
            sealer: Seals the rows of control; without one they are written bare and believed as they are.
            queue_limit: Units that may wait.
            batch_limit: Units of one transaction.
            sm3: The hash of the audit chain.
            monotonic: Seconds that only grow, for the pauses between attempts and for `age`.

        Raises:
            SchemaVersionError: The schema is older or newer; `govcode migrate` brings an older one up.
            NotDurableError: The engine does not wait for the disk at commits.
            StoreUnavailableError: The database does not answer.
        """
        engine = make_engine(url)
        try:
            chain = await asyncio.to_thread(_prepare, engine, writer_id, sm3)
        except DRIVER_ERRORS as error:
            engine.dispose()
            raise translate(error) from error
        writers = _Writers(engine, chain, sealer)
        committer = Committer(
            writers.open,
            queue_limit=queue_limit,
            batch_limit=batch_limit,
            monotonic=monotonic,
        )
        await committer.start()
        return cls(engine, committer, Readers(engine, chain, sealer=sealer), writers)

    async def aclose(self) -> None:
        """It finishes what waits and closes every connection."""
        await self._committer.aclose()
        await self._readers.aclose()
        self._engine.dispose()

    async def run(self, unit: Callable[[Transaction], T]) -> T:
        """See the port."""
        value: T = await self._committer.run(unit)
        return value

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """See the port."""
        return await self._readers.run(query)

    async def check(self) -> None:
        """See the port. It goes through the queue like everybody, but is not refused where that is full."""
        await self._committer.run(_beat, beyond_limit=True)

    def queue_length(self) -> int:
        """See the port."""
        return self._committer.length()

    def age(self) -> float:
        """It returns the seconds since the committer's last progress; 0 while nothing waits. For the watchdog."""
        return self._committer.age()

    @property
    def durability(self) -> Durability:
        """What the committer's own connection said about its commits when it was opened, the last time that it was."""
        return self._writers.durability


def writer_name(*, node_id: str, worker: int, started_at: datetime) -> str:
    """It names an audit chain: node, worker and start in milliseconds, so that no two processes write the same one."""
    return f"{node_id}/{worker}/{round(started_at.timestamp() * 1000)}"


def _beat(transaction: SqlTransaction) -> None:
    """It writes the one row that nobody reads: whether that is durable is what is asked."""
    transaction.link.write(_BEAT, (1, round(datetime.now(UTC).timestamp() * 1000)))


class _Writers:
    """It opens the connections that commit: the first, and another whenever one broke.

    Each is asked itself what its commits are worth; that an earlier one was durable says nothing about the next.
    """

    def __init__(self, engine: Engine, chain: Chain, sealer: RowSealer | None) -> None:
        self._engine = engine
        self._chain = chain
        self._sealer = sealer
        self.durability = Durability(engine=engine.dialect.name, settings={})

    def open(self) -> BatchRunner:
        """It opens a connection.

        Raises:
            NotDurableError: It does not wait for the disk.
        """
        link = open_writer(self._engine)
        try:
            self.durability = _durability_of(link)
        except BaseException:
            link.close()
            raise
        return BatchRunner(link, self._chain, self._sealer)


def _durability_of(link: Link) -> Durability:
    durability = link.durability()
    if not durability.holds:
        raise NotDurableError(durability.settings)
    return durability


def _prepare(engine: Engine, writer_id: str, sm3: Callable[[bytes], bytes]) -> Chain:
    """It checks the schema and the settings and enters the writer of the audit chain."""
    check_version(engine)
    with open_writer(engine) as link:
        _durability_of(link)
        writer_no = _enter_writer(link, writer_id)
    return Chain(writer_id=writer_id, writer_no=writer_no, sm3=sm3)


def _enter_writer(link: Link, writer_id: str) -> int:
    link.begin_write()
    link.write(ADD_WRITER, (writer_id,))
    row = link.one(WRITER_NO, (writer_id,))
    link.commit()
    if row is None:
        raise AssertionError("a row that was written can be read")
    number: int = row[0]
    return number
