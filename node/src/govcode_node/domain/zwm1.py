"""The codec of the code profile ZWM1: 40 bytes of header, an extension, a seal, in three text forms.

    >>> Zwm1Codec().parse("ZWM1:")
    Traceback (most recent call last):
    ...
    govcode_node.domain.codecs.MalformedCodeError: not a well-formed code: TOO_SHORT

The decoder is strict, so that one code has one text: a second text for the same bytes would be a second way to pass a
replay check keyed by text. It looks at the size first, then carrier, alphabet, version, fields; what costs more comes
later. The host of a guide text is outside the seal: it helps a general scanner and decides nothing.

Layout (big-endian): magic 0x5A, version and profile, kind and mode, flags, terminal type, algorithm, region (3), issuer
(2), key (2), scene (2), issued (4), expires (4), code id (16), extension length, extension, seal (16 or 64).
"""

import re
import struct
from datetime import UTC, datetime
from typing import Final

from govcode_node.domain.codecs import (
    MAX_CODE_TEXT,
    CodeCodec,
    CodecSet,
    InvalidGuideHostError,
    Malformation,
    MalformedCodeError,
    UnsupportedVersionError,
)
from govcode_node.domain.codes import (
    MAX_EXTENSION_BYTES,
    Carrier,
    CodeContent,
    CodeId,
    CodeMode,
    CodeProfile,
    ContentFault,
    ExtensionField,
    InvalidCodeContentError,
    ParsedCode,
    SealAlgorithm,
    SubjectKind,
    TerminalType,
)
from govcode_node.domain.regions import InvalidRegionCodeError, RegionCode
from govcode_node.domain.text_encodings import (
    InvalidTextEncodingError,
    base32_decode,
    base32_encode,
    base45_decode,
    base45_encode,
)

__all__ = ["CodeCodec", "CodecSet", "MalformedCodeError", "UnsupportedVersionError", "Zwm1Codec"]

_MAGIC: Final = 0x5A
_VERSION: Final = 1
_OPEN_END: Final = 0xFFFF_FFFF

_ONE_TIME, _EXTENSION, _PROXY, _CONSENT, _TEST = (1 << bit for bit in range(5))
_RESERVED_FLAGS: Final = 0xE0

# The region's 24 bits are read as 8 + 16, because struct has no three-byte integer.
_HEADER = struct.Struct(">BBBBBBBHHHHII16sB")
_HEADER_BYTES: Final = 40
_SEAL_BYTES = {CodeProfile.MAC: 16, CodeProfile.SIGNED: 64}

# Tables instead of Enum calls: this is the hot path, and a missing key is the reserved value.
_PROFILES = {_VERSION << 4 | profile: profile for profile in _SEAL_BYTES}
_KINDS_AND_MODES = {kind << 4 | mode: (kind, mode) for kind in SubjectKind for mode in CodeMode}
_TERMINALS = {terminal.value: terminal for terminal in TerminalType}
_ALGORITHMS = {algorithm.value: algorithm for algorithm in SealAlgorithm}

_HOST = r"(?:[A-Z0-9](?:[A-Z0-9-]{0,61}[A-Z0-9])?\.)*[A-Z0-9](?:[A-Z0-9-]{0,61}[A-Z0-9])?(?::[0-9]{1,5})?"
_HOST_PATTERN = re.compile(_HOST, re.ASCII)
_GUIDE_PATTERN = re.compile(rf"HTTPS://({_HOST})/C/", re.ASCII)
_MAX_HOST: Final = 253


class Zwm1Codec:
    """Reads and writes ZWM1 codes. Stateless; one instance serves all threads."""

    def __init__(self, *, known_critical_tags: frozenset[int] = frozenset()) -> None:
        """It takes the odd extension tags that this node understands; every other odd tag is refused."""
        self._known_critical_tags = known_critical_tags

    @property
    def scheme(self) -> str:
        """The name of the scheme, ``ZWM1``."""
        return "ZWM1"

    def recognises(self, text: str) -> bool:
        """It tells whether the text begins like one of the three carriers."""
        return text.startswith(("ZWM1:", "ZWM1.")) or _GUIDE_PATTERN.match(text) is not None

    def encode(self, content: CodeContent) -> bytes:
        """It gives the bytes to be sealed: header and extension.

        Raises:
            UnsupportedVersionError: The emergency profile is not part of this version.
            MalformedCodeError: The extension has a critical tag that this codec does not know.
        """
        if content.profile not in _SEAL_BYTES:
            raise UnsupportedVersionError(f"version {_VERSION}, profile {content.profile.value}")
        self._check_critical_tags(content.extension)
        extension = b"".join(bytes((field.tag, len(field.value))) + field.value for field in content.extension)
        region = content.region_code.number
        return (
            _HEADER.pack(
                _MAGIC,
                _VERSION << 4 | content.profile,
                content.subject_kind << 4 | content.mode,
                _flags_of(content),
                content.terminal_type,
                content.algorithm,
                region >> 16,
                region & 0xFFFF,
                content.issuer_no,
                content.key_no,
                content.scene_no,
                int(content.issued_at.timestamp()),
                _OPEN_END if content.expires_at is None else int(content.expires_at.timestamp()),
                content.code_id,
                len(extension),
            )
            + extension
        )

    def assemble(self, sealed_bytes: bytes, seal: bytes, carrier: Carrier, host: str | None = None) -> str:
        """It joins bytes and seal into the text of a symbol; see `CodeCodec.assemble`."""
        profile = _PROFILES.get(sealed_bytes[1]) if len(sealed_bytes) >= _HEADER_BYTES else None
        if profile is None or len(seal) != _SEAL_BYTES[profile]:
            raise MalformedCodeError(Malformation.SEAL_LENGTH)
        data = sealed_bytes + seal
        match carrier:
            case Carrier.SCREEN:
                return "ZWM1:" + base45_encode(data)
            case Carrier.PRINTED:
                return "ZWM1." + base32_encode(data)
            case Carrier.GUIDE:
                return f"HTTPS://{_checked_host(host)}/C/{base32_encode(data)}"

    def parse(self, text: str) -> ParsedCode:
        """It reads a text strictly; see `CodeCodec.parse`.

        Raises:
            MalformedCodeError: With the first rule broken.
            UnsupportedVersionError: Version other than 1, or a profile that is not built.
        """
        if len(text) > MAX_CODE_TEXT:
            raise MalformedCodeError(Malformation.TEXT_TOO_LONG)
        try:
            carrier, data = _unwrap(text)
            content, seal_at = self._read(data)
        except InvalidTextEncodingError as error:
            raise MalformedCodeError(error.fault) from None
        except InvalidRegionCodeError:
            raise MalformedCodeError(Malformation.BAD_REGION) from None
        except InvalidCodeContentError as error:
            raise MalformedCodeError(error.fault) from None
        return ParsedCode(content, data[:seal_at], data[seal_at:], carrier)

    def _read(self, data: bytes) -> tuple[CodeContent, int]:
        """It reads header and extension and returns the content and where the seal begins."""
        profile = _read_profile(data)
        if len(data) < _HEADER_BYTES:
            raise MalformedCodeError(Malformation.TOO_SHORT)
        (
            _, _, kind_and_mode, flags, terminal_type, algorithm, region_high, region_low,
            issuer_no, key_no, scene_no, issued, expires, code_id, extension_length,
        ) = _HEADER.unpack_from(data)  # fmt: skip
        if flags & _RESERVED_FLAGS:
            raise MalformedCodeError(Malformation.RESERVED_FLAG)
        if (extension_length > 0) is not (flags & _EXTENSION > 0):
            raise MalformedCodeError(Malformation.EXTENSION_FLAG)
        seal_at = _HEADER_BYTES + extension_length
        if len(data) - seal_at != _SEAL_BYTES[profile]:
            raise MalformedCodeError(Malformation.SEAL_LENGTH)
        try:
            kind, mode = _KINDS_AND_MODES[kind_and_mode]
            terminal = _TERMINALS[terminal_type]
            seal_algorithm = _ALGORITHMS[algorithm]
        except KeyError:
            raise MalformedCodeError(Malformation.RESERVED_VALUE) from None
        content = CodeContent(
            profile=profile,
            subject_kind=kind,
            mode=mode,
            one_time=flags & _ONE_TIME > 0,
            proxy=flags & _PROXY > 0,
            consent_required=flags & _CONSENT > 0,
            test_environment=flags & _TEST > 0,
            terminal_type=terminal,
            algorithm=seal_algorithm,
            region_code=RegionCode.from_number(region_high << 16 | region_low),
            issuer_no=issuer_no,
            key_no=key_no,
            scene_no=scene_no,
            issued_at=_moment(issued),
            expires_at=None if expires == _OPEN_END else _moment(expires),
            code_id=CodeId(code_id),
            extension=self._read_extension(data[_HEADER_BYTES:seal_at]) if extension_length else (),
        )
        return content, seal_at

    def _read_extension(self, data: bytes) -> tuple[ExtensionField, ...]:
        """It reads tag, length, value triples; unknown even tags are kept, so that they can be passed on."""
        if len(data) > MAX_EXTENSION_BYTES:
            raise MalformedCodeError(ContentFault.EXTENSION_LENGTH)
        fields = []
        position = 0
        while position < len(data):
            value_at = position + 2
            end = value_at + data[position + 1] if value_at <= len(data) else len(data) + 1
            if end > len(data):
                raise MalformedCodeError(Malformation.EXTENSION_CUT)
            fields.append(ExtensionField(data[position], data[value_at:end]))
            position = end
        extension = tuple(fields)
        self._check_critical_tags(extension)
        return extension

    def _check_critical_tags(self, extension: tuple[ExtensionField, ...]) -> None:
        for field in extension:
            if field.is_critical and field.tag not in self._known_critical_tags:
                raise MalformedCodeError(Malformation.UNKNOWN_CRITICAL_TAG)


def _unwrap(text: str) -> tuple[Carrier, bytes]:
    if text.startswith("ZWM1:"):
        return Carrier.SCREEN, base45_decode(text[5:])
    if text.startswith("ZWM1."):
        return Carrier.PRINTED, base32_decode(text[5:])
    guide = _GUIDE_PATTERN.match(text)
    if guide is not None and len(guide[1]) <= _MAX_HOST:
        return Carrier.GUIDE, base32_decode(text[guide.end() :])
    raise MalformedCodeError(Malformation.UNKNOWN_CARRIER if text else Malformation.EMPTY)


def _read_profile(data: bytes) -> CodeProfile:
    """It reads magic, version and profile; before all lengths, because a later version may have other lengths."""
    if len(data) < 2:
        raise MalformedCodeError(Malformation.TOO_SHORT)
    if data[0] != _MAGIC:
        raise MalformedCodeError(Malformation.BAD_MAGIC)
    profile = _PROFILES.get(data[1])
    if profile is None:
        raise UnsupportedVersionError(f"version {data[1] >> 4}, profile {data[1] & 0xF}")
    return profile


def _flags_of(content: CodeContent) -> int:
    return (
        content.one_time * _ONE_TIME
        | bool(content.extension) * _EXTENSION
        | content.proxy * _PROXY
        | content.consent_required * _CONSENT
        | content.test_environment * _TEST
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _checked_host(host: str | None) -> str:
    upper = (host or "").upper()
    if len(upper) > _MAX_HOST or _HOST_PATTERN.fullmatch(upper) is None:
        raise InvalidGuideHostError(host)
    return upper
