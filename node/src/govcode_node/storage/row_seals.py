"""Seals of rows of control: grants, mandates, and what may be asked for at all.

The last column of such a table holds the seal over all others and the name of the table.
"""

from typing import Any, Final

from sqlalchemy import Table

from govcode_node.ports.row_sealing import RowSealer
from govcode_node.storage.statements import Parameters

_TAG: Final = b"govcode-row-v1"
_LENGTH: Final = 4


class RowSeals:
    """It seals rows as they are written and checks them as they are read.

    Args:
        sealer: Makes and checks seals; None for tools that read a store without its keys.
    """

    __slots__ = ("_sealer",)

    def __init__(self, sealer: RowSealer | None) -> None:
        self._sealer = sealer

    def sealed(self, table: Table, row: Parameters) -> Parameters:
        """It returns a row with its seal behind it."""
        return (*row, b"" if self._sealer is None else self._sealer.seal_row(_row_bytes(table, row)))

    def checked(self, table: Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """It returns a row without its seal.

        Raises:
            SealBrokenError: The row is not as it was written.
        """
        content = tuple(row[:-1])
        if self._sealer is not None:
            self._sealer.check_row(_row_bytes(table, content), row[-1])
        return content


def _row_bytes(table: Table, row: Parameters) -> bytes:
    """It gives the bytes of a row: each value with its kind and length, so that no two rows share them."""
    return b"".join([_TAG, _part(table.name), *map(_part, row)])


def _part(value: object) -> bytes:
    match value:
        case None:
            return b"n"
        case int():
            kind, content = b"i", str(value).encode()
        case str():
            kind, content = b"s", value.encode()
        case bytes():
            kind, content = b"b", value
        case _:
            raise TypeError(f"a sealed row holds no {type(value).__name__}")
    return kind + len(content).to_bytes(_LENGTH, "big") + content
