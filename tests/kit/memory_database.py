"""A database for tests of use cases: the real stores over SQLite in memory, without threads or a disk.

It keeps the rules that matter to a use case: a unit that raises leaves nothing behind, buffered rows are not seen by
the unit that added them, uniqueness is enforced. A unit takes a fraction of a millisecond, on the caller's thread.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from govcode_node.domain.errors import OverloadedError, StoreUnavailableError
from govcode_node.ports.stores import Transaction
from govcode_node.storage.database import sm3
from govcode_node.storage.engine import Link, make_engine
from govcode_node.storage.errors import DRIVER_ERRORS, translate
from govcode_node.storage.readers import Reader
from govcode_node.storage.runner import BatchRunner
from govcode_node.storage.stores.audit import ADD_WRITER, Chain
from govcode_node.storage.table_parts import metadata
from kit.row_sealing import HmacRowSealer

T = TypeVar("T")


@cache
def _schema() -> bytes:
    """An empty database with all tables, as SQLite's own image of it: faster than creating forty things each time."""
    engine = make_engine("sqlite://")
    metadata.create_all(engine)
    raw: Any = engine.raw_connection().dbapi_connection
    image: bytes = raw.serialize()
    engine.dispose()
    return image


class InMemoryDatabase:
    """`ports.stores.Database` in memory.

    Attributes:
        fault: While it is set, every call raises it, as a store that is down or a queue that is full.
        units: How many units were run.
    """

    def __init__(self, *, writer_id: str = "110000/0/1700000000000") -> None:
        engine = make_engine("sqlite://")
        raw: Any = engine.raw_connection().dbapi_connection
        raw.deserialize(_schema())
        link = Link(engine)
        link.write(ADD_WRITER, (writer_id,))
        self._engine = engine
        self._link = link
        sealer = HmacRowSealer()
        chain = Chain(writer_id=writer_id, writer_no=1, sm3=sm3)
        self._runner = BatchRunner(link, chain, sealer)
        self._reader = Reader(link, chain, sealer)
        self.fault: OverloadedError | StoreUnavailableError | None = None
        self.units = 0

    async def run(self, unit: Callable[[Transaction], T]) -> T:
        return self.run_now(unit)

    async def read(self, query: Callable[[Transaction], T]) -> T:
        if self.fault is not None:
            raise self.fault
        self._link.command("PRAGMA query_only=ON")
        try:
            return self._reader.run(query)
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        finally:
            self._link.command("PRAGMA query_only=OFF")

    async def check(self) -> None:
        self.run_now(lambda transaction: None)

    def queue_length(self) -> int:
        return 0

    def run_now(self, unit: Callable[[Transaction], T]) -> T:
        """The same as `run`, for arranging a test without awaiting."""
        if self.fault is not None:
            raise self.fault
        self.units += 1
        return self._run(unit)

    def _run(self, unit: Callable[[Transaction], T]) -> T:
        error, value = self._runner.run([unit])[0]
        if error is not None:
            raise error
        result: T = value
        return result

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """It gives up the connection, before the garbage collector complains of it."""
        self._runner.close()
        self._engine.dispose()
