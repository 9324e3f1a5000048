"""Statements: built with SQLAlchemy once, compiled once for each engine, run at driver level.

SQLAlchemy's own `execute` costs ten times what SQLite needs to find a row. So a statement is compiled to text when this
room is imported, and its parameters are handed to the driver as a tuple.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Table, bindparam, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.expression import ClauseElement

Parameters = tuple[Any, ...]

DIALECTS: Final[Mapping[str, DefaultDialect]] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


class Statement:
    """One statement for both engines.

    Attributes:
        texts: Its text and, where the engine wants another order than `names`, what brings the values into it.
    """

    __slots__ = ("texts",)

    def __init__(self, construct: ClauseElement, *names: str) -> None:
        """It compiles the construct.

        Args:
            construct: What SQLAlchemy built; every value in it is a `value(name)`.
            names: Names of its values in the order in which they will be given.
        """
        self.texts: dict[str, tuple[str, Callable[[Parameters], Parameters] | None]] = {
            name: _compile(construct, names, dialect) for name, dialect in DIALECTS.items()
        }


def _compile(
    construct: ClauseElement, names: tuple[str, ...], dialect: DefaultDialect
) -> tuple[str, Callable[[Parameters], Parameters] | None]:
    compiled = construct.compile(dialect=dialect)
    wanted = tuple(getattr(compiled, "positiontup", None) or ())
    if set(wanted) != set(names):
        raise ValueError(f"the statement takes {wanted}, not {names}: {compiled}")
    if wanted == names:
        return str(compiled), None
    places = [names.index(name) for name in wanted]
    if len(places) == 1:
        only = places[0]
        return str(compiled), lambda parameters: (parameters[only],)
    return str(compiled), itemgetter(*places)


def value(name: str, column: ColumnElement[Any] | None = None) -> BindParameter[Any]:
    """It is a place for a value, typed like the column where the engine needs to know."""
    return bindparam(name, type_=column.type if column is not None else None)


def constant(number: int) -> ColumnElement[int]:
    """It is a number in the text itself, so that partial indexes apply."""
    return literal_column(str(int(number)))


def row_insert(table: Table, *names: str) -> Statement:
    """It inserts one row; values in the order of the names, or of all columns."""
    names = names or tuple(column.name for column in table.columns)
    return Statement(insert(table).values({name: value(name, table.c[name]) for name in names}), *names)


def row_values(table: Table, *names: str) -> dict[str, BindParameter[Any]]:
    """It is the VALUES of those columns, or of all, each by a value of its own name."""
    names = names or tuple(column.name for column in table.columns)
    return {name: value(name, table.c[name]) for name in names}


def insert_unless(table: Table, *target: str) -> Statement:
    """It inserts a row unless one with the same target columns is there; the number of rows tells."""
    statement = insert(table).values(row_values(table)).on_conflict_do_nothing(index_elements=list(target))
    return Statement(statement, *(column.name for column in table.columns))


def insert_returning_unless(table: Table, column: str, *, returning: ColumnElement[Any]) -> Statement:
    """It inserts a row of one value unless it is there, and returns a column of the row that it inserted."""
    statement = insert(table).values(row_values(table, column)).on_conflict_do_nothing(index_elements=[column])
    return Statement(statement.returning(returning), column)


def put(table: Table, *target: str) -> Statement:
    """It inserts a row, or replaces what the row with the same target columns says."""
    statement = insert(table).values(row_values(table))
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in target}
    return Statement(
        statement.on_conflict_do_update(index_elements=list(target), set_=changed),
        *(column.name for column in table.columns),
    )
