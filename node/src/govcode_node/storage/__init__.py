"""The storage room: SQL, and the group commit in front of it. The only room that imports SQLAlchemy."""

from govcode_node.storage.database import SqlDatabase, writer_name
from govcode_node.storage.engine import Durability, NotDurableError
from govcode_node.storage.schema import SchemaVersionError, migrate

__all__ = ["Durability", "NotDurableError", "SchemaVersionError", "SqlDatabase", "migrate", "writer_name"]
