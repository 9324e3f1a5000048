"""Base45 (RFC 9285) and Base32 (RFC 4648, no padding), both directions, strict: one text for one byte string.

    >>> base45_encode(b"Hello!!")
    '%69 VD92EX0'
    >>> base32_decode("NBSWY3DP")
    b'hello'

Own code, because the domain uses the standard library alone and neither library fits. The Base45 package on PyPI
(0.4.4) drops trailing line feeds before decoding, so that several texts would be one code, and decodes more slowly.
`base64.b32decode` ignores the tail bits that belong to no byte, so up to sixteen texts would be one code.
"""

import base64
import struct
from enum import StrEnum

from govcode_node.domain.errors import GovcodeError


class TextFault(StrEnum):
    """Why a text is not an encoding of any byte string."""

    BAD_CHARACTER = "BAD_CHARACTER"
    BAD_LENGTH = "BAD_LENGTH"
    VALUE_OVERFLOW = "VALUE_OVERFLOW"
    TAIL_BITS = "TAIL_BITS"


class InvalidTextEncodingError(GovcodeError):
    """The text is not Base45 or Base32 in its one permitted form.

    Attributes:
        fault: What is wrong.
    """

    def __init__(self, fault: TextFault) -> None:
        self.fault = fault
        super().__init__(f"not a strict encoding: {fault.value}")


_BASE45_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
# The two low digits of a triple at once, low digit first: halves the work of the encoder.
_BASE45_PAIRS = [low + middle for middle in _BASE45_CHARACTERS for low in _BASE45_CHARACTERS]
_INVALID = 0xFF
_BASE45_VALUES = bytes(_BASE45_CHARACTERS.encode("ascii").find(octet) & 0xFF for octet in range(256))

_BASE32_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PYTHON_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUV"
# Base32 digits become those that int() knows; every other octet becomes one that int() refuses. Without this,
# int() would also take signs, blanks, underscores and lower case.
_BASE32_TO_PYTHON = bytes(
    _PYTHON_DIGITS[_BASE32_ALPHABET.index(octet)] if octet in _BASE32_ALPHABET else ord("!") for octet in range(256)
)


def base45_encode(data: bytes) -> str:
    """It encodes bytes as Base45: three characters for two bytes, two for a last single one."""
    pairs = struct.unpack(f">{len(data) // 2}H", data[: len(data) & ~1])
    text = "".join([_BASE45_PAIRS[pair % 2025] + _BASE45_CHARACTERS[pair // 2025] for pair in pairs])
    return text + _BASE45_PAIRS[data[-1]] if len(data) & 1 else text


def base45_decode(text: str) -> bytes:
    """It decodes Base45, refusing every text that `base45_encode` does not write.

    Raises:
        InvalidTextEncodingError: With fault BAD_CHARACTER, BAD_LENGTH or VALUE_OVERFLOW.
    """
    # Latin-1 with replacement: all that is beyond it turns to "?", which is not in the alphabet.
    values = text.encode("latin-1", "replace").translate(_BASE45_VALUES)
    if _INVALID in values:
        raise InvalidTextEncodingError(TextFault.BAD_CHARACTER)
    count, rest = divmod(len(values), 3)
    if rest == 1:
        raise InvalidTextEncodingError(TextFault.BAD_LENGTH)
    tail = b""
    if rest:
        last = values[-2] + 45 * values[-1]
        if last > 0xFF:
            raise InvalidTextEncodingError(TextFault.VALUE_OVERFLOW)
        tail = bytes((last,))
    triples = zip(values[0::3], values[1::3], values[2::3], strict=False)
    try:
        return struct.pack(f">{count}H", *[low + 45 * middle + 2025 * high for low, middle, high in triples]) + tail
    except struct.error:
        raise InvalidTextEncodingError(TextFault.VALUE_OVERFLOW) from None


def base32_encode(data: bytes) -> str:
    """It encodes bytes as Base32 without padding."""
    return base64.b32encode(data).rstrip(b"=").decode("ascii")


def base32_decode(text: str) -> bytes:
    """It decodes unpadded Base32, refusing every text that `base32_encode` does not write.

    Raises:
        InvalidTextEncodingError: With fault BAD_CHARACTER, BAD_LENGTH or TAIL_BITS.
    """
    if not text:
        return b""
    digits = text.encode("latin-1", "replace").translate(_BASE32_TO_PYTHON)
    try:
        number = int(digits, 32)
    except ValueError:
        raise InvalidTextEncodingError(TextFault.BAD_CHARACTER) from None
    length, tail = divmod(5 * len(text), 8)
    if tail >= 5:
        raise InvalidTextEncodingError(TextFault.BAD_LENGTH)
    if number & ((1 << tail) - 1):
        raise InvalidTextEncodingError(TextFault.TAIL_BITS)
    return (number >> tail).to_bytes(length, "big")
