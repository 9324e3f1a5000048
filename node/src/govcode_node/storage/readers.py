"""Queries beside the batches: a few threads, each query in a read transaction that sees one state."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TypeVar

from sqlalchemy import Engine

from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.ports.row_sealing import RowSealer
from govcode_node.storage.batches import Batch
from govcode_node.storage.engine import Link, open_reader
from govcode_node.storage.errors import DRIVER_ERRORS, translate
from govcode_node.storage.stores.audit import Chain
from govcode_node.storage.transaction import SqlTransaction

T = TypeVar("T")


class QueryWroteError(Exception):
    """A query handed over rows to be written: a mistake of the program, which `run` is for."""


class Reader:
    """One link for reading and the stores over it."""

    __slots__ = ("_batch", "_link", "_transaction")

    def __init__(self, link: Link, chain: Chain, sealer: RowSealer | None = None) -> None:
        self._link = link
        self._batch = Batch(link, sealer)
        self._transaction = SqlTransaction(self._batch, chain)

    def run(self, query: Callable[[SqlTransaction], T]) -> T:
        """It runs a query in a transaction that is always given up at the end."""
        self._link.begin_read()
        try:
            value = query(self._transaction)
            if any(self._batch.marks()):
                raise QueryWroteError
        finally:
            self._batch.clear()
            self._link.rollback()
        return value

    def close(self) -> None:
        """It closes the link."""
        self._link.close()


class Readers:
    """It runs queries on threads of its own.

    Args:
        engine: The database.
        chain: Handed to the stores; nothing is written to it.
        sealer: Checks the rows of control.
        threads: How many queries run at once.
    """

    def __init__(self, engine: Engine, chain: Chain, *, sealer: RowSealer | None = None, threads: int = 2) -> None:
        self._engine = engine
        self._chain = chain
        self._sealer = sealer
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="read")
        self._idle: SimpleQueue[Reader] = SimpleQueue()
        self._closed = False

    async def run(self, query: Callable[[SqlTransaction], T]) -> T:
        """It runs a query and returns its value.

        Raises:
            StoreUnavailableError: The store does not work.
        """
        if self._closed:
            raise StoreUnavailableError(why="the store is being closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, query)

    async def aclose(self) -> None:
        """It finishes the queries that wait and closes the links."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _run(self, query: Callable[[SqlTransaction], T]) -> T:
        reader: Reader | None = None
        try:
            reader = self._take()
            value = reader.run(query)
        except DRIVER_ERRORS as error:
            # The link may be the reason; the next query opens another.
            if reader is not None:
                reader.close()
            raise translate(error) from error
        except BaseException:
            if reader is not None:
                self._idle.put(reader)
            raise
        self._idle.put(reader)
        return value

    def _take(self) -> Reader:
        try:
            return self._idle.get_nowait()
        except Empty:
            return Reader(open_reader(self._engine), self._chain, self._sealer)
