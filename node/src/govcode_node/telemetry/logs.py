"""Log lines as JSON for machines or text for eyes, with the `extra` fields of each event, redacted.

The redaction is in the formatter and not in a filter, because only there do the message, its arguments, the fields and
the text of the exception exist as what will be written; a filter sees the record before that, and of its own logger
only.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from typing_extensions import override

from govcode_node.telemetry.redaction import redact, redact_field

_OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BREAKS: Final = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\u2028"): "\\u2028", ord("\u2029"): "\\u2029"}


class RedactingFormatter(logging.Formatter):
    """Takes a record apart into redacted pieces; the subclasses write them."""

    def pieces(self, record: logging.LogRecord) -> dict[str, object]:
        """It gives the time, level, logger and message of a record, its fields, and its exception, all redacted."""
        moment = datetime.fromtimestamp(record.created, UTC)
        pieces: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(_message_of(record)),
        }
        pieces |= {f"_{key}" if key in pieces else key: value for key, value in self._fields(record).items()}
        if record.exc_info:
            pieces["exception"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            pieces["stack"] = redact(record.stack_info)
        return pieces

    @staticmethod
    def _fields(record: logging.LogRecord) -> Mapping[str, object]:
        return {key: redact_field(key, value) for key, value in vars(record).items() if key not in _OWN_ATTRIBUTES}


class JsonFormatter(RedactingFormatter):
    """One JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """It writes the record."""
        return json.dumps(self.pieces(record), ensure_ascii=False, default=str)


class TextFormatter(RedactingFormatter):
    """One line for eyes, followed by the exception where there is one."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """It writes the record; a line break inside a value does not begin a line of its own."""
        pieces = self.pieces(record)
        tails = [str(pieces.pop(key)) for key in ("exception", "stack") if key in pieces]
        head = (
            f"{pieces.pop('time')} {str(pieces.pop('level')).upper():7} {pieces.pop('logger')}: {pieces.pop('message')}"
        )
        fields = "".join(f" {key}={value}" for key, value in pieces.items())
        return "\n".join([(head + fields).translate(_BREAKS), *tails])


def setup_logging(level: str, log_format: str, *, stream: TextIO | None = None) -> logging.Handler:
    """It makes the root logger write to one place in one form, in place of what it had before.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        log_format: `json` or `text`.
        stream: Where to; standard error unless told otherwise.

    Returns:
        The handler, by which a test takes it away again.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # On a fault while writing, the library would print the raw message and its arguments, past the redaction.
    logging.raiseExceptions = False
    return handler


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return f"{record.msg} [arguments do not fit]"
