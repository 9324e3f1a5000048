"""The service code (政务服务码) as a value: its vocabulary, its content, and what makes a content impossible.

A code says *which* code it is and *who issued it when*, never who its holder is: no field here can carry a name, a
number or a telephone, and `code_id` is random. How the content becomes text is the codec's affair (`zwm1.py`); whether
a well-formed code is acceptable now is that of `code_rules.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final, NewType

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.regions import RegionCode

MAX_EXTENSION_BYTES: Final = 200
"""Longest extension domain (扩展域), tags and lengths included (7.2-02)."""

MAX_UNIX_SECONDS: Final = 0xFFFF_FFFE
"""Latest moment a code can name; the next value stands for an open end."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = _EPOCH + timedelta(seconds=MAX_UNIX_SECONDS)
_ZERO = timedelta(0)


class SubjectKind(IntEnum):
    """What the code stands for (码属性标识)."""

    PERSON = 1
    LEGAL_ENTITY = 2
    THING = 3
    MATTER = 4


class CodeMode(IntEnum):
    """How the code lives: printed for long, shown for a minute, for emergencies, or to authorise one act."""

    STATIC = 0
    DYNAMIC = 1
    EMERGENCY = 2
    AUTHORISATION = 3


class TerminalType(IntEnum):
    """Class of the terminal that displays the code (展示终端类型)."""

    ANY = 0
    APP = 1
    MINI_PROGRAM = 2
    WEB = 3
    KIOSK = 4
    PRINTED = 5
    WEARABLE = 6


class CodeProfile(IntEnum):
    """How the code is sealed: MAC, signature, or the two-level emergency form."""

    MAC = 0
    SIGNED = 1
    EMERGENCY = 2


class SealAlgorithm(IntEnum):
    """Algorithm of the seal (安全校验域)."""

    SM3_HMAC_128 = 1
    SM4_CMAC_128 = 2
    SM2_SM3 = 3


class CodeState(StrEnum):
    """Stored life state of a code."""

    ISSUED = "ISSUED"
    CONSUMED = "CONSUMED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    SUPERSEDED = "SUPERSEDED"
    FROZEN = "FROZEN"


class Carrier(StrEnum):
    """The three text forms of a code.

    SCREEN (Base45) makes the smallest symbol. PRINTED (Base32) survives keyboard-wedge readers and input methods, which
    mangle the spaces and signs of Base45. GUIDE is a URL for general scanners; its page gives no verdict.
    """

    SCREEN = "SCREEN"
    PRINTED = "PRINTED"
    GUIDE = "GUIDE"


class Symbology(StrEnum):
    """Symbol system (码制): QR (GB/T 18284), Grid Matrix (GB/T 27766), Han Xin (GB/T 21049)."""

    QR = "QR"
    GRID_MATRIX = "GRID_MATRIX"
    HAN_XIN = "HAN_XIN"


class ErrorLevel(StrEnum):
    """Error correction level of a QR symbol; about 7, 15, 25 and 30 % of it may be lost."""

    L = "L"
    M = "M"
    Q = "Q"
    H = "H"


class SymbologyUnsupportedError(GovcodeError):
    """This node cannot draw that symbology (SYMBOLOGY_UNSUPPORTED).

    Attributes:
        symbology: The one asked for.
    """

    def __init__(self, symbology: Symbology) -> None:
        self.symbology = symbology
        super().__init__(f"symbology {symbology.value} cannot be drawn here; QR can")


class SymbolDataTooLongError(GovcodeError):
    """The text does not fit into a symbol at that level (DATA_TOO_LONG).

    Attributes:
        length: Characters of the text.
        error_level: Level asked for.
    """

    def __init__(self, length: int, error_level: ErrorLevel) -> None:
        self.length = length
        self.error_level = error_level
        super().__init__(f"{length} characters do not fit into a QR symbol at level {error_level.value}")


class SymbolScaleError(GovcodeError):
    """The scale of a drawing is out of range.

    Attributes:
        scale: Pixels per module asked for.
        limit: Largest scale drawn.
    """

    def __init__(self, scale: int, *, limit: int) -> None:
        self.scale = scale
        self.limit = limit
        super().__init__(f"scale {scale} is not between 1 and {limit}")


CodeId = NewType("CodeId", bytes)
"""16 bytes that name one issued code (码标识)."""


class RandomSourceError(GovcodeError):
    """The random source gave fewer or more bytes than asked for; no id is made from what came.

    Attributes:
        wanted: Bytes asked for.
        received: Bytes received.
    """

    def __init__(self, *, wanted: int, received: int) -> None:
        self.wanted = wanted
        self.received = received
        super().__init__(f"the random source gave {received} bytes instead of {wanted}")


def new_code_id(now_ms: int, random_bytes: Callable[[int], bytes]) -> CodeId:
    """It makes a code id of the UUIDv7 shape (RFC 9562): 48 bits of milliseconds, then 74 random bits (7.2-05).

    The time in front keeps index insertions at the right edge; it tells nothing that the code does not say anyway.

    Args:
        now_ms: Unix time in milliseconds, 0 to 2**48 - 1.
        random_bytes: The approved generator; what it raises passes through, so a failed generator means no code.

    Raises:
        RandomSourceError: The generator gave the wrong number of bytes.
        ValueError: `now_ms` is out of range.
    """
    if not 0 <= now_ms < 1 << 48:
        raise ValueError(f"milliseconds out of range: {now_ms}")
    random = random_bytes(10)
    if len(random) != 10:
        raise RandomSourceError(wanted=10, received=len(random))
    bits = int.from_bytes(random, "big") & ((1 << 74) - 1)
    value = now_ms << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & ((1 << 62) - 1)
    return CodeId(value.to_bytes(16, "big"))


class ContentFault(StrEnum):
    """Which rule a content breaks."""

    NUMBER_RANGE = "NUMBER_RANGE"
    PROFILE_ALGORITHM = "PROFILE_ALGORITHM"
    TIME_FORM = "TIME_FORM"
    TIME_ORDER = "TIME_ORDER"
    OPEN_END = "OPEN_END"
    CODE_ID_LENGTH = "CODE_ID_LENGTH"
    DUPLICATE_TAG = "DUPLICATE_TAG"
    EXTENSION_LENGTH = "EXTENSION_LENGTH"


class InvalidCodeContentError(GovcodeError):
    """A code with this content may not exist.

    Attributes:
        fault: The first rule that it breaks.
        field: The field looked at.
    """

    def __init__(self, fault: ContentFault, field: str) -> None:
        self.fault = fault
        self.field = field
        super().__init__(f"code content refused: {fault.value} at {field}")


class ExtensionTooLongError(InvalidCodeContentError):
    """The extension domain is longer than `MAX_EXTENSION_BYTES` (EXTENSION_TOO_LONG of MakeCode).

    Attributes:
        length: Its encoded length in bytes.
    """

    def __init__(self, length: int) -> None:
        super().__init__(ContentFault.EXTENSION_LENGTH, "extension")
        self.length = length


@dataclass(frozen=True, slots=True)
class ExtensionField:
    """One entry of the extension domain.

    Attributes:
        tag: 0–255. Odd tags are critical: who does not know one must refuse the code. Even ones may be ignored.
        value: At most 198 bytes, never data of a person.
    """

    tag: int
    value: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.tag <= 0xFF:
            raise InvalidCodeContentError(ContentFault.NUMBER_RANGE, "extension.tag")
        if len(self.value) > MAX_EXTENSION_BYTES - 2:
            raise ExtensionTooLongError(len(self.value) + 2)

    @property
    def is_critical(self) -> bool:
        """Whether a reader that does not know the tag must refuse."""
        return self.tag & 1 == 1


_ALGORITHMS_OF_PROFILE = {
    CodeProfile.MAC: (SealAlgorithm.SM3_HMAC_128, SealAlgorithm.SM4_CMAC_128),
    CodeProfile.SIGNED: (SealAlgorithm.SM2_SM3,),
    CodeProfile.EMERGENCY: (SealAlgorithm.SM2_SM3,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeContent:
    """Everything that a code says, before its seal: standard domain, extension domain, and the times.

    Attributes:
        profile: How it is sealed; must agree with `algorithm`.
        subject_kind: Person, legal entity, thing or matter.
        mode: Static, dynamic, emergency or authorisation.
        one_time: The first scan consumes it.
        proxy: Presented by one person for another (代亮).
        consent_required: The holder must still agree to the use.
        test_environment: Made by a test node; refused in production.
        terminal_type: Where it is displayed.
        algorithm: Seal algorithm.
        region_code: Region of the home node: the route key.
        issuer_no: Issuer within the region, 0–65535.
        key_no: Seal key of the issuer, 0–65535.
        scene_no: Scene, 0–65535; 0 is general.
        issued_at: Aware UTC, whole seconds.
        expires_at: Aware UTC, whole seconds, later than `issued_at`; None = until revoked, static codes only.
        code_id: 16 bytes. `new_code_id` gives them their shape; readers rely on nothing but the length.
        extension: Fields in the order they are encoded, no tag twice.

    Raises:
        InvalidCodeContentError: A rule above is broken.
        ExtensionTooLongError: The extension would take more than 200 bytes.
    """

    profile: CodeProfile
    subject_kind: SubjectKind
    mode: CodeMode
    one_time: bool = False
    proxy: bool = False
    consent_required: bool = False
    test_environment: bool = False
    terminal_type: TerminalType
    algorithm: SealAlgorithm
    region_code: RegionCode
    issuer_no: int
    key_no: int
    scene_no: int = 0
    issued_at: datetime
    expires_at: datetime | None
    code_id: CodeId
    extension: tuple[ExtensionField, ...] = ()

    def __post_init__(self) -> None:
        if self.algorithm not in _ALGORITHMS_OF_PROFILE[self.profile]:
            raise InvalidCodeContentError(ContentFault.PROFILE_ALGORITHM, "algorithm")
        if not (0 <= self.issuer_no <= 0xFFFF and 0 <= self.key_no <= 0xFFFF and 0 <= self.scene_no <= 0xFFFF):
            raise InvalidCodeContentError(ContentFault.NUMBER_RANGE, "issuer_no, key_no or scene_no")
        if len(self.code_id) != 16:
            raise InvalidCodeContentError(ContentFault.CODE_ID_LENGTH, "code_id")
        _check_time(self.issued_at, "issued_at")
        if self.expires_at is None:
            if self.mode is not CodeMode.STATIC:
                raise InvalidCodeContentError(ContentFault.OPEN_END, "expires_at")
        else:
            _check_time(self.expires_at, "expires_at")
            if self.expires_at <= self.issued_at:
                raise InvalidCodeContentError(ContentFault.TIME_ORDER, "expires_at")
        if self.extension:
            _check_extension(self.extension)


def _check_time(moment: datetime, field: str) -> None:
    if moment.utcoffset() != _ZERO or moment.microsecond or not _EPOCH <= moment <= _LATEST:
        raise InvalidCodeContentError(ContentFault.TIME_FORM, field)


def _check_extension(extension: tuple[ExtensionField, ...]) -> None:
    if len({field.tag for field in extension}) != len(extension):
        raise InvalidCodeContentError(ContentFault.DUPLICATE_TAG, "extension")
    length = sum(2 + len(field.value) for field in extension)
    if length > MAX_EXTENSION_BYTES:
        raise ExtensionTooLongError(length)


@dataclass(frozen=True, slots=True)
class ParsedCode:
    """A well-formed code as read. Nothing in it is trusted before the seal over `sealed_bytes` has been verified.

    Attributes:
        content: The fields.
        sealed_bytes: Exactly the bytes that the seal covers.
        seal: 16-byte MAC or 64-byte SM2 signature r‖s.
        carrier: The text form it came in.
    """

    content: CodeContent
    sealed_bytes: bytes
    seal: bytes
    carrier: Carrier
