"""The schema's version: migrations forward, and the refusal to serve on any other version than this program's."""

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from govcode_node.domain.errors import FactsError
from govcode_node.storage.engine import make_engine
from govcode_node.storage.errors import DRIVER_ERRORS, translate

_MIGRATION_LOCK: Final = 0x676F_7663_6F64_66
_MIGRATIONS: Final = files("govcode_node.storage") / "migrations"


@dataclass(eq=False)
class SchemaVersionError(FactsError):
    """The schema of the database is not that of this program.

    Attributes:
        found: Its version; `none` for an empty database.
        wanted: The version that this program needs.
        remedy: What to do.
    """

    found: str
    wanted: str
    remedy: str
    says = "the database has schema {found} and this program needs {wanted}; {remedy}"


def migrate(url: str) -> str:
    """It brings a database up to this program's schema and returns the version.

    Raises:
        SchemaVersionError: The schema is newer than this program.
        StoreUnavailableError: The database does not answer.
    """
    engine = make_engine(url)
    try:
        with as_file(_MIGRATIONS) as folder, engine.connect() as connection:
            script = ScriptDirectory(str(folder))
            _refuse_newer(connection, script)
            connection.rollback()
            if connection.dialect.name == "postgresql":
                # Two replicas that start together: the second waits, and finds nothing left to do.
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({_MIGRATION_LOCK})")
                connection.commit()
            config = Config()
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return _found(connection)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    finally:
        engine.dispose()


def check_version(engine: Engine) -> None:
    """It raises unless the database has this program's schema.

    Raises:
        SchemaVersionError: It has another.
    """
    with as_file(_MIGRATIONS) as folder, engine.connect() as connection:
        script = ScriptDirectory(str(folder))
        _refuse_newer(connection, script)
        found, wanted = _found(connection), script.get_current_head() or "none"
    if found != wanted:
        raise SchemaVersionError(found, wanted, "run `govcode migrate`")


def _found(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or "none"


def _refuse_newer(connection: Connection, script: ScriptDirectory) -> None:
    found = _found(connection)
    known = {revision.revision for revision in script.walk_revisions()}
    if found != "none" and found not in known:
        raise SchemaVersionError(found, script.get_current_head() or "none", "it is newer: install that release")
