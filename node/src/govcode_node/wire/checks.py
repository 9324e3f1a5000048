"""What conversions demand of single fields. Each check returns the value, so that it cannot be used unchecked."""

import re
from typing import Final

from govcode_node.domain.codecs import MAX_CODE_TEXT
from govcode_node.domain.codes import CodeId
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.regions import InvalidRegionCodeError, RegionCode

CODE_ID_SIZE: Final = 16
DIGEST_SIZE: Final = 32
POINT_SIZE: Final = 65
MAX_SERIAL: Final = 64
MAX_ID: Final = 64
MAX_SCENE_NO: Final = 0xFFFF
MAX_STATEMENT: Final = 8192
"""Longest statement of a holder's device, in bytes; a mandate for 32 matters and 32 licence types is the longest."""

_UNCOMPRESSED: Final = 0x04
# The curve of SM2: y² = x³ - 3x + b over the integers modulo p.
_P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93

_NODE_ID: Final = re.compile(r"[0-9]{6}(?:-[a-z0-9]{1,16})?", re.ASCII)
_KEY_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_PREFIX: Final = re.compile(r"(?:[0-9]{2}){1,3}", re.ASCII)
_REGISTERED_NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_UNSEEN: Final = re.compile(
    # Controls; joiners and marks of direction; ends of lines and of paragraphs; the byte order mark; tags. Not among
    # them is what scripts of China need: the selectors of Mongolian (U+180B to U+180E) and its narrow blank (U+202F).
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_FIELD_NAME: Final = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_MATTER_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_MADE_ID: Final = re.compile(r"[a-z]{2}_[0-9a-f]{32}", re.ASCII)
_ENDPOINT: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}", re.ASCII)


def text(value: str, field: str, *, longest: int, shortest: int = 1) -> str:
    """It takes a text for people: counted in characters, without marks that do not show or that turn others around.

    Holders and operators judge by such texts who scanned a code and whom to approve, so one must not look like another.

    Raises:
        InvalidFieldError: It is missing, too long, or holds something that cannot be shown.
    """
    if len(value) < shortest or (shortest and value.isspace()):
        raise InvalidFieldError(field, "is required")
    if len(value) > longest:
        raise InvalidFieldError(field, f"is longer than {longest} characters")
    # What is printable throughout needs no second look; of the rest, not everything is a control character.
    if not value.isprintable() and _UNSEEN.search(value):
        raise InvalidFieldError(field, "holds a character that cannot be seen")
    return value


def lines(value: str, field: str, *, longest: int) -> str:
    """It takes a text of several lines for people: each like `text`, and not all of them blank.

    Raises:
        InvalidFieldError: It is missing, too long, or holds something that cannot be shown.
    """
    text(value.replace("\n", " "), field, longest=longest)
    return value


def printable(value: str, field: str, *, longest: int = MAX_ID, shortest: int = 1) -> str:
    """It takes an opaque id, token or cursor: printable ASCII.

    Raises:
        InvalidFieldError: It is missing, too long, or holds anything else.
    """
    if len(value) < shortest:
        raise InvalidFieldError(field, "is required")
    if len(value) > longest:
        raise InvalidFieldError(field, f"is longer than {longest} characters")
    if value and not (value.isascii() and value.isprintable()):
        raise InvalidFieldError(field, "holds something else than printable ASCII")
    return value


def biz_serial(value: str, field: str = "biz_serial") -> str:
    """It takes the serial of an act: 1 to 64 printable ASCII characters (N-51).

    Raises:
        InvalidFieldError: It is not.
    """
    return printable(value, field, longest=MAX_SERIAL)


def code_text(value: str, field: str = "code_text") -> str:
    """It takes what a scanner read, 1 to 1,024 characters; whether it is a code at all is for a verdict to say.

    Raises:
        InvalidFieldError: It is empty or longer.
    """
    if not value:
        raise InvalidFieldError(field, "is required")
    if len(value) > MAX_CODE_TEXT:
        raise InvalidFieldError(field, f"is longer than {MAX_CODE_TEXT} characters")
    return value


def code_id(value: bytes, field: str = "code_id") -> CodeId:
    """It takes the id of a code.

    Raises:
        InvalidFieldError: It does not have 16 bytes.
    """
    return CodeId(sized(value, field, size=CODE_ID_SIZE))


def sized(value: bytes, field: str, *, size: int) -> bytes:
    """It takes bytes of one exact length.

    Raises:
        InvalidFieldError: They have another.
    """
    if len(value) != size:
        raise InvalidFieldError(field, f"does not have {size} bytes" if value else "is required")
    return value


def blob(value: bytes, field: str, *, longest: int, shortest: int = 1) -> bytes:
    """It takes opaque bytes up to a length.

    Raises:
        InvalidFieldError: They are missing or too long.
    """
    if len(value) < shortest:
        raise InvalidFieldError(field, "is required")
    if len(value) > longest:
        raise InvalidFieldError(field, f"is longer than {longest} bytes")
    return value


def number(value: int, field: str, *, least: int, most: int) -> int:
    """It takes a number within bounds, both included.

    Raises:
        InvalidFieldError: It is outside.
    """
    if not least <= value <= most:
        raise InvalidFieldError(field, f"is not between {least} and {most}")
    return value


def scene_no(value: int, field: str = "scene_no", *, least: int = 0) -> int:
    """It takes the number of a scene; 0 is any scene, where `least` allows it.

    Raises:
        InvalidFieldError: It is above 65,535, or below `least`.
    """
    return number(value, field, least=least, most=MAX_SCENE_NO)


def page_size(value: int, *, default: int, most: int, field: str = "page_size") -> int:
    """It takes the size of a page; 0 stands for the default.

    Raises:
        InvalidFieldError: It is negative or too large.
    """
    return number(value, field, least=1, most=most) if value else default


def page_token(value: str, field: str = "page_token") -> str:
    """It takes a page token or cursor, which may be empty; whether this node made it is found out where it is used.

    Raises:
        InvalidFieldError: It is longer than any that this node makes.
    """
    return printable(value, field, longest=256, shortest=0)


def region_code(value: str, field: str = "region_code") -> RegionCode:
    """It takes six digits that have the shape of a region.

    Raises:
        InvalidFieldError: They have not.
    """
    try:
        return RegionCode(value)
    except InvalidRegionCodeError:
        raise InvalidFieldError(field, "is not a region code of six digits") from None


def node_id(value: str, field: str) -> str:
    """It takes the id of a node: a region code, with a suffix where the region has several nodes.

    Raises:
        InvalidFieldError: It has another shape.
    """
    return _matching(_NODE_ID, value, field, "is not the id of a node")


def key_id(value: str, field: str) -> str:
    """It takes the id of a public key, 16 lower-case hexadecimal digits.

    Raises:
        InvalidFieldError: It has another shape.
    """
    return _matching(_KEY_ID, value, field, "does not have 16 lower-case hexadecimal digits")


def prefix(value: str, field: str) -> str:
    """It takes a region prefix of 2, 4 or 6 digits.

    Raises:
        InvalidFieldError: It has another shape.
    """
    return _matching(_PREFIX, value, field, "is not a region prefix of 2, 4 or 6 digits")


def registered_name(value: str, field: str) -> str:
    """It takes the id of an application or device as certificates carry it: 1 to 64 of a–z, 0–9 and `-`.

    Raises:
        InvalidFieldError: It has another shape.
    """
    return _matching(_REGISTERED_NAME, value, field, "is not 1 to 64 of a-z, 0-9 and -")


def field_name(value: str, field: str) -> str:
    """It takes the name of a field of a licence type: 1 to 64 of a–z, 0–9 and `_`.

    Raises:
        InvalidFieldError: It has another shape.
    """
    return _matching(_FIELD_NAME, value, field, "is not 1 to 64 of a-z, 0-9 and _")


def matter_code(value: str, field: str = "matter_code") -> str:
    """It takes the code of a matter: 1 to 64 of A–Z, a–z, 0–9 and `-`.

    Raises:
        InvalidFieldError: It has another shape.
    """
    return _matching(_MATTER_CODE, value, field, "is not 1 to 64 of A-Z, a-z, 0-9 and -")


def made_id(value: str, field: str, *, prefix: str) -> str:
    """It takes an id that a node has made: two letters, `_` and 32 lower-case hexadecimal digits.

    Args:
        value: The id.
        field: Path of the field.
        prefix: The two letters. Example: `au`.

    Raises:
        InvalidFieldError: It has another shape.
    """
    fitting = value if value.startswith(f"{prefix}_") else value and "?"
    _matching(_MADE_ID, fitting, field, f"is not {prefix}_ and 32 lower-case hexadecimal digits")
    return value


def point(value: bytes, field: str) -> bytes:
    """It takes the public point of a key: 65 bytes that lie on the curve of SM2 (GB/T 32918.5).

    Raises:
        InvalidFieldError: They do not.
    """
    sized(value, field, size=POINT_SIZE)
    x, y = int.from_bytes(value[1:33], "big"), int.from_bytes(value[33:], "big")
    on_curve = x < _P and y < _P and (y * y - x * x * x + 3 * x - _B) % _P == 0
    if value[0] != _UNCOMPRESSED or not on_curve:
        raise InvalidFieldError(field, "is not a public point of SM2")
    return value


def endpoint(value: str, field: str) -> str:
    """It takes an address `host:port`.

    Raises:
        InvalidFieldError: It has another shape, or the port is not between 1 and 65,535.
    """
    _matching(_ENDPOINT, value, field, "is not an address host:port")
    number(int(value.rpartition(":")[2]), field, least=1, most=0xFFFF)
    return value


def _matching(pattern: re.Pattern[str], value: str, field: str, why: str) -> str:
    if pattern.fullmatch(value) is None:
        raise InvalidFieldError(field, why if value else "is required")
    return value
