"""What callers ask for about codes, as the commands of the steps, and the answers that are theirs alone."""

from typing import Final

from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1

from govcode_node.domain.codes import CodeMode, ErrorLevel, Symbology
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.issued_codes import CodeWish
from govcode_node.ports.symbols import ImageFormat
from govcode_node.usecases.code_lifecycle import CodeCommand
from govcode_node.usecases.code_texts import DrawnSymbol
from govcode_node.usecases.making import AppliedTicket, ApplyCommand, MakeCommand
from govcode_node.usecases.presentation import PresentCommand
from govcode_node.wire import checks
from govcode_node.wire.accounts import account_id_from_proto, session_token_from_proto
from govcode_node.wire.codes import (
    CARRIERS,
    CODE_MODES,
    CODE_PROFILES,
    SYMBOLOGIES,
    TERMINAL_TYPES,
    error_level_from_proto,
    extension_from_proto,
)
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.holders import holder_proof_from_proto
from govcode_node.wire.times import moment_to_proto

IMAGE_FORMATS: Final = EnumPair(ImageFormat, codev1.ImageFormat.Value, prefix="IMAGE_FORMAT")
MAX_REASON: Final = 200

_DEFAULT_SCALE: Final = 8
_MAX_SCALE: Final = 32
_CodeActRequest = (
    basev1.FreezeCodeRequest | basev1.UnfreezeCodeRequest | basev1.ReplaceCodeRequest | basev1.RevokeCodeRequest
)


def present_command_from_proto(request: applicationv1.PresentCodeRequest) -> PresentCommand:
    """It reads the wish for a code to show.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    dependant = request.on_behalf_of_account_id
    return PresentCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        session_token=session_token_from_proto(request.session_token),
        wish=CodeWish(
            scene_no=checks.scene_no(request.scene_no),
            terminal_type=TERMINAL_TYPES.require(request.terminal_type, "terminal_type"),
            one_time=request.one_time,
            carrier=CARRIERS.choose(request.carrier, "carrier"),
            profile=CODE_PROFILES.choose(request.profile, "profile"),
        ),
        on_behalf_of=account_id_from_proto(dependant, "on_behalf_of_account_id") if dependant else None,
    )


def apply_command_from_proto(request: basev1.ApplyCodeRequest, *, by_operator: bool) -> ApplyCommand:
    """It reads the wish for a ticket.

    A holder's application names a session, an operator an account; neither may name what is the other's.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    subject = "account_id" if by_operator else "session_token"
    if request.WhichOneof("subject") != subject:
        raise InvalidFieldError(subject, "is required")
    return ApplyCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        session_token="" if by_operator else session_token_from_proto(request.session_token),
        account_id=account_id_from_proto(request.account_id, "account_id") if by_operator else None,
        wish=CodeWish(
            mode=CODE_MODES.pick(request.code_mode, "code_mode", default=CodeMode.DYNAMIC),
            scene_no=checks.scene_no(request.scene_no),
            terminal_type=TERMINAL_TYPES.require(request.terminal_type, "terminal_type"),
            one_time=request.one_time,
        ),
    )


def applied_ticket_to_proto(applied: AppliedTicket, *, replayed: bool) -> basev1.ApplyCodeResponse:
    """It gives a ticket."""
    return basev1.ApplyCodeResponse(
        ticket=applied.ticket,
        nonce=applied.nonce,
        expire_time=moment_to_proto(applied.expires_at),
        replayed=replayed,
    )


def make_command_from_proto(request: basev1.MakeCodeRequest) -> MakeCommand:
    """It reads how a ticket is redeemed.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
        ExtensionTooLongError: A field of the extension is too long.
    """
    return MakeCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        ticket=checks.printable(request.ticket, "ticket"),
        proof=holder_proof_from_proto(request.proof) if request.HasField("proof") else None,
        carrier=CARRIERS.choose(request.carrier, "carrier"),
        profile=CODE_PROFILES.choose(request.profile, "profile"),
        extension=extension_from_proto(request.extension),
    )


def code_command_from_proto(request: _CodeActRequest) -> CodeCommand:
    """It reads an act on one code.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    return CodeCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        code_id=checks.code_id(request.code_id),
        session_token=checks.printable(request.session_token, "session_token", shortest=0),
        reason=checks.text(request.reason, "reason", longest=MAX_REASON),
    )


def symbology_from_proto(request: basev1.RenderCodeRequest) -> Symbology:
    """It reads the symbology; QR where none is named.

    Raises:
        InvalidFieldError: It is unknown.
    """
    return SYMBOLOGIES.pick(request.symbology, "symbology", default=Symbology.QR)


def drawing_level_from_proto(request: basev1.RenderCodeRequest) -> ErrorLevel:
    """It reads the level of error correction; M where none is named.

    Raises:
        InvalidFieldError: It is unknown.
    """
    return error_level_from_proto(request.error_level) or ErrorLevel.M


def image_format_from_proto(request: basev1.RenderCodeRequest) -> ImageFormat:
    """It reads the form of the image; PNG where none is named.

    Raises:
        InvalidFieldError: It is unknown.
    """
    return IMAGE_FORMATS.pick(request.format, "format", default=ImageFormat.PNG)


def scale_from_proto(request: basev1.RenderCodeRequest) -> int:
    """It reads the pixels per module.

    Raises:
        InvalidFieldError: There are more than 32.
    """
    return checks.number(request.scale or _DEFAULT_SCALE, "scale", least=1, most=_MAX_SCALE)


def symbol_to_proto(drawn: DrawnSymbol) -> basev1.RenderCodeResponse:
    """It gives a drawn symbol."""
    return basev1.RenderCodeResponse(
        image=drawn.image, media_type=drawn.media_type, symbol_version=drawn.symbol_version
    )
