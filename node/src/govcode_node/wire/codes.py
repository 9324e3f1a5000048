"""Codes: what a caller wishes, what is issued, what a text says, and what the node keeps."""

from collections.abc import Iterable
from typing import Final

from govcode.code.v1 import service_code_pb2 as codev1

from govcode_node.domain.codes import (
    Carrier,
    CodeContent,
    CodeMode,
    CodeProfile,
    CodeState,
    ErrorLevel,
    ExtensionField,
    Symbology,
    TerminalType,
)
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.issued_codes import IssuedCode, StoredCode
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.times import moment_to_proto, optional_moment_to_proto, span_to_proto
from govcode_node.wire.vocabulary import SUBJECT_KINDS

_WRITTEN_MODES: Final[tuple[CodeMode, ...]] = (CodeMode.STATIC, CodeMode.DYNAMIC)
_WRITTEN_PROFILES: Final[tuple[CodeProfile, ...]] = (CodeProfile.MAC, CodeProfile.SIGNED)

CODE_MODES: Final = EnumPair(_WRITTEN_MODES, codev1.CodeMode.Value, prefix="CODE_MODE")
CODE_PROFILES: Final = EnumPair(_WRITTEN_PROFILES, codev1.CodeProfile.Value, prefix="CODE_PROFILE")
_SHOWN_TYPES: Final[tuple[TerminalType, ...]] = tuple(kind for kind in TerminalType if kind is not TerminalType.ANY)
TERMINAL_TYPES: Final = EnumPair(_SHOWN_TYPES, codev1.TerminalType.Value, prefix="TERMINAL_TYPE")
CARRIERS: Final = EnumPair(Carrier, codev1.Carrier.Value, prefix="CARRIER")
SYMBOLOGIES: Final = EnumPair(Symbology, codev1.Symbology.Value, prefix="SYMBOLOGY")
CODE_STATES: Final = EnumPair(CodeState, codev1.CodeState.Value, prefix="CODE_STATE")

_ERROR_LEVELS: Final = {level.value: level for level in ErrorLevel}


def error_level_from_proto(value: str, field: str = "error_level") -> ErrorLevel | None:
    """It reads a level of error correction; None where the caller leaves the choice.

    Raises:
        InvalidFieldError: It is none of `L`, `M`, `Q` and `H`.
    """
    if not value:
        return None
    level = _ERROR_LEVELS.get(value)
    if level is None:
        raise InvalidFieldError(field, "is none of L, M, Q and H")
    return level


def extension_to_proto(extension: Iterable[ExtensionField]) -> list[codev1.ExtensionField]:
    """It gives the fields of an extension, in order."""
    return [codev1.ExtensionField(tag=field.tag, value=field.value) for field in extension]


def extension_from_proto(
    messages: Iterable[codev1.ExtensionField], field: str = "extension"
) -> tuple[ExtensionField, ...]:
    """It reads the fields of an extension, in order.

    Raises:
        InvalidFieldError: A tag is above 255, stands twice, or is odd, which no reader has learnt yet.
        ExtensionTooLongError: A value alone is too long; the whole is measured when the code is made.
    """
    fields: dict[int, ExtensionField] = {}
    for message in messages:
        if message.tag > 0xFF or message.tag & 1:
            raise InvalidFieldError(field, "has a tag that is not an even number up to 254")
        if message.tag in fields:
            raise InvalidFieldError(field, "has a tag twice")
        fields[message.tag] = ExtensionField(message.tag, message.value)
    return tuple(fields.values())


def issued_code_to_proto(issued: IssuedCode) -> codev1.IssuedCode:
    """It gives a code as handed to the holder's back end."""
    code = issued.code
    return codev1.IssuedCode(
        code_id=code.code_id,
        code_text=issued.code_text,
        code_mode=CODE_MODES.to_proto(code.mode),
        issue_time=moment_to_proto(code.issued_at),
        expire_time=optional_moment_to_proto(code.expires_at),
        refresh_after=None if issued.refresh_after is None else span_to_proto(issued.refresh_after),
        one_time=code.one_time,
        proxy=code.presenter_account_id is not None,
    )


def code_content_to_proto(content: CodeContent, *, version: int = 1) -> codev1.CodeContent:
    """It gives what the text of a code says, read without trusting it."""
    return codev1.CodeContent(
        version=version,
        profile=CODE_PROFILES.to_proto(content.profile),
        subject_kind=SUBJECT_KINDS.to_proto(content.subject_kind),
        code_mode=CODE_MODES.to_proto(content.mode),
        one_time=content.one_time,
        proxy=content.proxy,
        test_environment=content.test_environment,
        terminal_type=TERMINAL_TYPES.to_proto(content.terminal_type),
        region_code=str(content.region_code),
        issuer_no=content.issuer_no,
        key_no=content.key_no,
        scene_no=content.scene_no,
        issue_time=moment_to_proto(content.issued_at),
        expire_time=optional_moment_to_proto(content.expires_at),
        code_id=content.code_id,
        extension=extension_to_proto(content.extension),
    )


def service_code_to_proto(code: StoredCode) -> codev1.ServiceCode:
    """It gives a code as the node keeps it: states and times, never the text."""
    return codev1.ServiceCode(
        code_id=code.code_id,
        state=CODE_STATES.to_proto(code.state),
        subject_kind=SUBJECT_KINDS.to_proto(code.subject_kind),
        code_mode=CODE_MODES.to_proto(code.mode),
        scene_no=code.scene_no,
        issue_time=moment_to_proto(code.issued_at),
        expire_time=optional_moment_to_proto(code.expires_at),
        state_time=optional_moment_to_proto(code.state_at),
        reason=code.reason,
    )
