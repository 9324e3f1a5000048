"""What no log may hold is taken out of every text on its way there (7.5-07): the last net, not the first rule.

Code that logs a code, a person or a key is wrong; this net keeps the mistake from reaching a disk. It would rather take
out a number too many than leave a citizen's.
"""

import re
from collections.abc import Mapping
from typing import Final

MAX_TEXT: Final = 8192
"""Longest text of one field, in characters; the rest is cut."""

_MAX_DEPTH: Final = 4
_RULES: Final = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), "[pem]"),
    # The Base45 alphabet has blanks, and a wedge may have changed the case, so the words behind a code go with it.
    (re.compile(r"ZWM1(?::|%3A)[0-9A-Z $%*+\-./:]*", re.IGNORECASE), "[code]"),
    (re.compile(r"ZWM1(?:\.|%2E)[0-9A-Z]*", re.IGNORECASE), "[code]"),
    (re.compile(r"/C/[0-9A-Z%._~-]{8,}", re.IGNORECASE), "/C/[code]"),
    (re.compile(r"(?<!\d)[1-9]\d{16}[\dXx](?!\d)", re.ASCII), "[id number]"),
    (re.compile(r"(?<!\d)(?:\+?86[ -]?)?1\d{2}[ -]?\d{4}[ -]?\d{4}(?!\d)", re.ASCII), "[phone]"),
)
_SECRET_KEY: Final = re.compile(
    r"secret|passw|passphrase|token|blob|ticket|private|cookie|authorization$|id_number|phone|code_text", re.IGNORECASE
)


def redact(text: str) -> str:
    """It takes code texts, citizen ids, telephones and PEM blocks out of a text."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text[:MAX_TEXT]


def redact_value(value: object, depth: int = 0) -> object:
    """It makes a value of a log field fit for JSON, redacted all the way down; bytes give their length only."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        redacted = redact(str(int(value)))
        return int(value) if redacted == str(int(value)) else redacted
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {redact(str(key)): redact_field(str(key), item, depth + 1) for key, item in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [redact_value(item, depth + 1) for item in value]
    return redact(str(value))


def redact_field(key: str, value: object, depth: int = 0) -> object:
    """It redacts a named value; what is secret by its name is not looked at."""
    return "[redacted]" if _SECRET_KEY.search(key) else redact_value(value, depth)
