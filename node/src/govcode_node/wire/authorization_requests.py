"""What callers ask about authorizations, as the commands of the steps."""

from datetime import timedelta
from typing import Final

from google.protobuf.message import Message
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.common.v1 import evidence_pb2 as evidencev1
from govcode.common.v1 import holder_pb2 as holderv1
from govcode.federation.v1 import federation_service_pb2 as federationv1

from govcode_node.domain.authorizations import LegalBasis
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.usecases.authorization_questions import AnsweredQuestion
from govcode_node.usecases.deciding import DecideCommand
from govcode_node.usecases.license_fetching import FetchCommand
from govcode_node.usecases.requesting import RequestCommand
from govcode_node.usecases.step_ups import FinishedCheck
from govcode_node.wire import checks
from govcode_node.wire.accounts import session_token_from_proto
from govcode_node.wire.authorization_items import (
    MAX_TEXT,
    asked_items_from_proto,
    authorization_id,
    item_no,
    item_nos_from_proto,
    max_uses_from_proto,
    statutory_duty_from_proto,
)
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.holders import holder_proof_from_proto, identification_from_proto
from govcode_node.wire.licenses import from_chunk
from govcode_node.wire.times import span_from_proto
from govcode_node.wire.vocabulary import LEGAL_BASES

MAX_WAIT: Final = timedelta(seconds=30)
MAX_PAGE: Final = 200
DEFAULT_PAGE: Final = 50

_MAX_NAME: Final = 64


def request_command_from_proto(request: servicev1.RequestAuthorizationRequest) -> RequestCommand:
    """It reads what a relying party asks of a holder (6.3-03).

    Raises:
        InvalidFieldError: A field is missing, too long, not of its form, or does not go with another.
    """
    basis = LEGAL_BASES.pick(request.legal_basis, "legal_basis", default=LegalBasis.CONSENT)
    named = request.HasField("statutory_duty")
    if named and basis is not LegalBasis.STATUTORY_DUTY:
        raise InvalidFieldError("statutory_duty", "goes with STATUTORY_DUTY only")
    period = span_from_proto(request.period, "period")
    if not period:
        raise InvalidFieldError("period", "is required")
    return RequestCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        scan_id=checks.printable(request.scan_id, "scan_id"),
        matter_code=checks.matter_code(request.matter_code),
        purpose=checks.text(request.purpose, "purpose", longest=MAX_TEXT),
        handling_means=checks.text(request.handling_means, "handling_means", longest=MAX_TEXT),
        items=asked_items_from_proto(request.items),
        retention=span_from_proto(request.retention, "retention"),
        max_uses=max_uses_from_proto(request.max_uses),
        period=period,
        legal_basis=basis,
        # A duty that is not named is for the step to refuse, with the reason that says so.
        statutory_duty=statutory_duty_from_proto(request.statutory_duty) if named else None,
    )


def wait_from_proto(request: servicev1.WaitAuthorizationRequest) -> timedelta:
    """It reads how long to wait for a decision; not at all where unset.

    Raises:
        InvalidFieldError: It is longer than 30 s, or no span of time.
    """
    wait = span_from_proto(request.wait, "wait")
    if wait > MAX_WAIT:
        raise InvalidFieldError("wait", "is longer than 30 s")
    return wait


def step_up_target_from_proto(request: servicev1.BeginStepUpRequest) -> tuple[str, tuple[int, ...]]:
    """It reads what a stronger identity check is for: an authorization and the items in it, or neither for a mandate.

    Raises:
        InvalidFieldError: An id or number is not of its form, or one is given without the other.
    """
    numbers = item_nos_from_proto(request.item_nos)
    if not request.authorization_id:
        if numbers:
            raise InvalidFieldError("item_nos", "goes with an authorization only")
        return "", ()
    if not numbers:
        raise InvalidFieldError("item_nos", "is required with an authorization")
    return authorization_id(request.authorization_id), numbers


def decide_command_from_proto(request: servicev1.DecideAuthorizationRequest) -> DecideCommand:
    """It reads a holder's decision, which stands in the proof alone.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
        HolderProofInvalidError: There is no proof.
    """
    return DecideCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        session_token=session_token_from_proto(request.session_token),
        proof=holder_proof_from_proto(request.proof),
        check=finished_check_from_proto(request),
    )


def finished_check_from_proto(
    request: servicev1.DecideAuthorizationRequest | servicev1.GiveMandateRequest,
) -> FinishedCheck | None:
    """It reads the stronger identity check that goes with an act; None where there is none.

    Raises:
        InvalidFieldError: A part of it is missing or too long.
    """
    if not request.HasField("identification"):
        return None
    return _check(request.identification)


def _check(message: holderv1.Identification) -> FinishedCheck:
    read = identification_from_proto(message)
    return FinishedCheck(identification_id=read.identification_id, provider_blob=read.provider_blob)


def fetch_command_from_proto(request: servicev1.FetchLicenseRequest) -> FetchCommand:
    """It reads which item is to be fetched.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    given = request.HasField("case_locator")
    case = request.case_locator
    return FetchCommand(
        biz_serial=checks.biz_serial(request.biz_serial),
        authorization_id=authorization_id(request.authorization_id),
        item_no=item_no(request.item_no),
        matter_code=checks.matter_code(request.matter_code),
        from_chunk=from_chunk(request.from_chunk),
        case_name=checks.text(case.name, "case_locator.name", longest=_MAX_NAME) if given else "",
        case_number=checks.printable(case.number, "case_locator.number") if given else "",
    )


def evidence_bytes_from_proto(request: Message, field: str) -> bytes:
    """It reads a field with evidence as it came, to be checked by a step.

    Raises:
        InvalidFieldError: There is none.
    """
    if not request.HasField(field):
        raise InvalidFieldError(field, "is required")
    evidence: evidencev1.Evidence = getattr(request, field)
    return evidence.SerializeToString()


def forwarded_grant_from_proto(request: federationv1.ForwardLicenseFetchRequest) -> bytes:
    """It reads the grant that the home node sends along; empty in the visited node's request."""
    return request.grant.SerializeToString() if request.HasField("grant") else b""


def forwarded_authorization_from_proto(request: federationv1.ForwardAuthorizationRequest) -> tuple[bytes, bytes]:
    """It reads what another node asks: evidence of a consent request, or of a question; the other is empty.

    Raises:
        InvalidFieldError: It is neither.
    """
    match request.WhichOneof("content"):
        case "consent_request":
            return request.consent_request.SerializeToString(), b""
        case "question":
            return b"", request.question.SerializeToString()
        case _:
            raise InvalidFieldError("content", "is required")


def answered_question_to_proto(answered: AnsweredQuestion) -> federationv1.ForwardAuthorizationResponse:
    """It gives the evidence that answers a question."""
    if answered.consent_request:
        return federationv1.ForwardAuthorizationResponse(
            consent_request=kept_evidence_to_proto(answered.consent_request)
        )
    return federationv1.ForwardAuthorizationResponse(answer=kept_evidence_to_proto(answered.answer))
