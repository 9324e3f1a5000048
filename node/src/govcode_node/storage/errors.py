"""What the drivers raise, as the one error that callers know."""

import sqlite3

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from govcode_node.domain.errors import GovcodeError, StoreUnavailableError

DRIVER_ERRORS = (sqlite3.Error, psycopg.Error, SQLAlchemyError, OSError)
"""OSError is among them for the lock file and the socket."""

_TRY_AGAIN_STATES = frozenset({"40001", "40P01"})


def translate(error: Exception) -> Exception:
    """It turns a driver's error into a domain error; other errors pass as they are.

    The driver's text is cut off: it can hold values of a row, and the text reaches callers and logs.
    """
    if isinstance(error, GovcodeError) or not isinstance(error, DRIVER_ERRORS):
        return error
    return StoreUnavailableError(why=_why(error))


def _why(error: Exception) -> str:
    """It names the fault by the driver's class and code alone."""
    name = type(error).__name__
    if isinstance(error, psycopg.Error):
        code = error.sqlstate
    elif isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorname", None)
    else:
        code = None
    detail = f"{name} {code}" if code else name
    if isinstance(error, (sqlite3.IntegrityError, psycopg.IntegrityError)):
        return f"a row contradicts another one ({detail})"
    return f"the database refused or did not answer ({detail})"


def is_retryable(error: Exception) -> bool:
    """Whether two writers met (deadlock, serialization) and the same unit may succeed when it runs again."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _TRY_AGAIN_STATES
