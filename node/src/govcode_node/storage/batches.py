"""What the stores of one link share: the link itself, and the rows that wait for the end of the batch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from govcode_node.ports.row_sealing import RowSealer
from govcode_node.storage.engine import Link
from govcode_node.storage.names import Names
from govcode_node.storage.row_seals import RowSeals
from govcode_node.storage.statements import Parameters, Statement

Marks = tuple[int, ...]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True, eq=False)
class Buffer:
    """Rows of one table that are written in bulk at the end of the batch.

    Attributes:
        statement: What writes one of them.
        rows: The rows, in the order in which they came.
        finish: What makes the rows of the table of them: it enters names, or gives places in an order.
        in_order: Whether their order must be that of the commits, also between processes.
    """

    statement: Statement
    finish: Callable[[list[Any]], list[Parameters]] | None = None
    in_order: bool = False
    rows: list[Any] = field(default_factory=list)


_ORDER_LOCK: Final = 0x676F_7663_6F64_65
"""Key of the advisory lock of PostgreSQL under which events get their positions."""


class Batch:
    """What the stores of one link share: the link, the names, the seals, the buffers, and what was looked up here."""

    __slots__ = ("_looked_up", "buffers", "link", "names", "seals")

    def __init__(self, link: Link, sealer: RowSealer | None = None) -> None:
        self.link: Final = link
        self.names: Final = Names(link)
        self.seals: Final = RowSeals(sealer)
        self.buffers: Final[list[Buffer]] = []
        self._looked_up: Final[list[dict[Any, Any]]] = []

    def buffer(
        self,
        statement: Statement,
        *,
        finish: Callable[[list[Any]], list[Parameters]] | None = None,
        in_order: bool = False,
    ) -> Buffer:
        """It makes a buffer; buffers are written in the order in which they were made."""
        buffer = Buffer(statement, finish, in_order)
        self.buffers.append(buffer)
        return buffer

    def memory(self) -> dict[K, V]:
        """It makes a place for what a store has looked up: empty again when the batch is over, however it ends.

        A few applications and scenes stand behind all the scans of a batch. A store that writes what it has a memory of
        empties it at the write, so that a registration that is suspended stops the next unit; what another process
        writes stops the next batch, as if its transaction had come just after this one.
        """
        memory: dict[K, V] = {}
        self._looked_up.append(memory)
        return memory

    def marks(self) -> Marks:
        """It returns how much each buffer holds."""
        return tuple([len(buffer.rows) for buffer in self.buffers])

    def cut(self, marks: Marks) -> None:
        """It forgets what the buffers got since the marks."""
        for buffer, length in zip(self.buffers, marks, strict=True):
            del buffer.rows[length:]

    def clear(self) -> None:
        """It forgets what the buffers hold, the names that were entered and not committed, and what was looked up."""
        for buffer in self.buffers:
            buffer.rows.clear()
        self.names.forget()
        self._forget_looked_up()

    def committed(self) -> None:
        """It keeps the names that were entered, and forgets what was looked up."""
        self.names.keep()
        self._forget_looked_up()

    def _forget_looked_up(self) -> None:
        for memory in self._looked_up:
            memory.clear()

    def flush(self) -> None:
        """It writes what the buffers hold."""
        for buffer in self.buffers:
            if buffer.rows:
                self.flush_one(buffer)

    def flush_one(self, buffer: Buffer) -> None:
        """It writes what one buffer holds and empties it; the unit that runs then counts as one that wrote."""
        # Names are entered before the lock is taken: to wait for another process's names under it could be for ever.
        rows = buffer.rows if buffer.finish is None else buffer.finish(buffer.rows)
        if buffer.in_order and self.link.dialect == "postgresql":
            # Numbers of a sequence are given before the commit. Without the lock a reader could see number 8, take it
            # for the newest, and miss number 7, which commits later.
            self.link.command(f"SELECT pg_advisory_xact_lock({_ORDER_LOCK})")
        self.link.write_many(buffer.statement, rows)
        buffer.rows.clear()
