"""What all tables are made of: their common metadata, and the kinds of columns.

Times are Unix milliseconds where nothing else is said.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, SmallInteger, Text

metadata: Final = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})


def time_column(name: str, *, nullable: bool = False) -> Column[int]:
    """A moment, in Unix milliseconds."""
    return Column(name, BigInteger, nullable=nullable)


def small_column(name: str, *, nullable: bool = False) -> Column[int]:
    """A small number: a member of an enum, a yes or no."""
    return Column(name, SmallInteger, nullable=nullable)


def bytes_column(name: str, *, nullable: bool = False) -> Column[bytes]:
    """Bytes."""
    return Column(name, LargeBinary, nullable=nullable)


def text_column(name: str, *, nullable: bool = False) -> Column[str]:
    """A text."""
    return Column(name, Text, nullable=nullable)


def name_column(name: str) -> Column[int]:
    """A text of a register (a caller, a method, an organisation, a node), by its number in `names`."""
    return Column(name, Integer, nullable=False)
