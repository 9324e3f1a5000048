"""What the stores of one link share: the link itself, and the rows that wait for the end of the batch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from govcode_node.storage.engine import Link
from govcode_node.storage.names import Names
from govcode_node.storage.statements import Parameters, Statement

Marks = tuple[int, ...]


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
    """What the stores of one link share: the link, the names and the buffers."""

    __slots__ = ("buffers", "link", "names")

    def __init__(self, link: Link) -> None:
        self.link: Final = link
        self.names: Final = Names(link)
        self.buffers: Final[list[Buffer]] = []

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

    def marks(self) -> Marks:
        """It returns how much each buffer holds."""
        return tuple([len(buffer.rows) for buffer in self.buffers])

    def cut(self, marks: Marks) -> None:
        """It forgets what the buffers got since the marks."""
        for buffer, length in zip(self.buffers, marks, strict=True):
            del buffer.rows[length:]

    def clear(self) -> None:
        """It forgets everything that the buffers hold, and the names that were entered and not committed."""
        for buffer in self.buffers:
            buffer.rows.clear()
        self.names.forget()

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
