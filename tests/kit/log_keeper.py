"""The whole log of a test's process, kept to be searched."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from govcode_node.telemetry.logs import JsonFormatter


class LogKeeper(logging.Handler):
    """It keeps every record twice: as the node would write it, and raw with all fields, before any redaction."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.pieces: list[bytes] = []
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        raw = (record.getMessage(), repr(vars(record)), self.format(record))
        self.pieces += [piece.encode("utf-8", "backslashreplace") for piece in raw]


@contextmanager
def keeping_logs() -> Iterator[LogKeeper]:
    """The log of everything in the process at its most talkative, for the length of a block."""
    keeper, root = LogKeeper(), logging.getLogger()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    try:
        yield keeper
    finally:
        root.setLevel(level)
        root.removeHandler(keeper)
