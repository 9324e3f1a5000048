"""What nodes state, as payloads of evidence: for each kind of statement its purpose, its message and its codec."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

from google.protobuf.message import DecodeError, Message
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode.code.v1 import scan_pb2 as scanv1
from govcode.federation.v1 import recognition_pb2 as recognitionv1
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.operations.v1 import node_status_pb2 as statusv1
from govcode.routing.v1 import trust_bundle_pb2 as trustv1

from govcode_node.domain.authorizations import (
    AuthorizationAnswer,
    AuthorizationQuestion,
    ConsentRecord,
    ConsentRequest,
    Grant,
    Withdrawal,
)
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.licenses import LicenseDelivery, LicenseUseRequest
from govcode_node.domain.nodes import NodeRegistration, StatusSummary
from govcode_node.domain.recognition import RecognizeAnswer, RecognizeRequest, RevocationList
from govcode_node.domain.routes import TrustBundle
from govcode_node.domain.scans import ScanAnswer
from govcode_node.ports.security import S
from govcode_node.wire.authorization_questions import (
    authorization_answer_from_proto,
    authorization_answer_to_proto,
    authorization_question_from_proto,
    authorization_question_to_proto,
)
from govcode_node.wire.authorization_records import (
    consent_record_from_proto,
    consent_record_to_proto,
    consent_request_from_proto,
    consent_request_to_proto,
    grant_from_proto,
    grant_to_proto,
    withdrawal_from_proto,
    withdrawal_to_proto,
)
from govcode_node.wire.licenses import (
    license_delivery_from_proto,
    license_delivery_to_proto,
    license_use_request_from_proto,
    license_use_request_to_proto,
)
from govcode_node.wire.recognition import (
    recognize_answer_from_proto,
    recognize_answer_to_proto,
    recognize_request_from_proto,
    recognize_request_to_proto,
    revocation_list_from_proto,
    revocation_list_to_proto,
)
from govcode_node.wire.scans import scan_answer_from_proto, scan_answer_to_proto
from govcode_node.wire.status import status_summary_from_proto, status_summary_to_proto
from govcode_node.wire.trust import (
    registration_from_proto,
    registration_to_proto,
    trust_bundle_from_proto,
    trust_bundle_to_proto,
)

M = TypeVar("M", bound=Message)


class UnreadableStatementError(ValueError):
    """A payload is not the statement that it is said to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCodec(Generic[S]):
    """How one kind of statement travels.

    Attributes:
        purpose: The one purpose for which it is signed.
        payload_type: Full name of its message.
        encode: It gives the payload.
        decode: It reads a payload, passing over unknown fields; raises `UnreadableStatementError`.
        speaker: The node that must have signed by what the statement says; None where the step compares the names
            itself, the certificate's among them, and tells the caller which differ.
    """

    purpose: EvidencePurpose
    payload_type: str
    encode: Callable[[S], bytes]
    decode: Callable[[bytes], S]
    speaker: Callable[[S], str | None]


def codec_of(kind: type[S]) -> StatementCodec[S]:
    """It finds the codec of a kind of statement."""
    return cast(StatementCodec[S], _CODECS[kind])


def _codec(
    message: type[M],
    purpose: EvidencePurpose,
    *,
    to_proto: Callable[[S], M],
    from_proto: Callable[[M], S],
    speaker: Callable[[S], str | None],
) -> StatementCodec[S]:
    def encode(statement: S) -> bytes:
        return to_proto(statement).SerializeToString(deterministic=True)

    def decode(payload: bytes) -> S:
        try:
            return from_proto(message.FromString(payload))
        except (DecodeError, InvalidFieldError) as fault:
            raise UnreadableStatementError(f"the payload is no {message.DESCRIPTOR.name}: {fault}") from fault

    return StatementCodec(
        purpose=purpose,
        payload_type=message.DESCRIPTOR.full_name,
        encode=encode,
        decode=decode,
        speaker=speaker,
    )


def _compared_by_the_step(_: object) -> None:
    return None


_CODECS: Final[Mapping[type[Any], StatementCodec[Any]]] = {
    ScanAnswer: _codec(
        scanv1.ScanAnswer,
        EvidencePurpose.SCAN_ANSWER,
        to_proto=scan_answer_to_proto,
        from_proto=scan_answer_from_proto,
        speaker=_compared_by_the_step,
    ),
    RecognizeRequest: _codec(
        recognitionv1.RecognizeRequest,
        EvidencePurpose.RECOGNIZE_REQUEST,
        to_proto=recognize_request_to_proto,
        from_proto=recognize_request_from_proto,
        speaker=_compared_by_the_step,
    ),
    RecognizeAnswer: _codec(
        recognitionv1.RecognizeAnswer,
        EvidencePurpose.RECOGNIZE_ANSWER,
        to_proto=recognize_answer_to_proto,
        from_proto=recognize_answer_from_proto,
        speaker=lambda answer: answer.home_node,
    ),
    TrustBundle: _codec(
        trustv1.TrustBundle,
        EvidencePurpose.TRUST_BUNDLE,
        to_proto=trust_bundle_to_proto,
        from_proto=trust_bundle_from_proto,
        speaker=_compared_by_the_step,
    ),
    NodeRegistration: _codec(
        nodev1.NodeRegistration,
        EvidencePurpose.NODE_REGISTRATION,
        to_proto=registration_to_proto,
        from_proto=registration_from_proto,
        speaker=_compared_by_the_step,
    ),
    StatusSummary: _codec(
        statusv1.StatusSummary,
        EvidencePurpose.STATUS_SUMMARY,
        to_proto=status_summary_to_proto,
        from_proto=status_summary_from_proto,
        speaker=_compared_by_the_step,
    ),
    RevocationList: _codec(
        recognitionv1.RevocationList,
        EvidencePurpose.REVOCATION_LIST,
        to_proto=revocation_list_to_proto,
        from_proto=revocation_list_from_proto,
        speaker=lambda revoked: revoked.node_id,
    ),
    ConsentRequest: _codec(
        recordv1.ConsentRequest,
        EvidencePurpose.CONSENT_REQUEST,
        to_proto=consent_request_to_proto,
        from_proto=consent_request_from_proto,
        speaker=lambda asked: asked.visited_node,
    ),
    ConsentRecord: _codec(
        recordv1.ConsentRecord,
        EvidencePurpose.CONSENT,
        to_proto=consent_record_to_proto,
        from_proto=consent_record_from_proto,
        speaker=lambda stated: stated.home_node,
    ),
    Grant: _codec(
        recordv1.Grant,
        EvidencePurpose.GRANT,
        to_proto=grant_to_proto,
        from_proto=grant_from_proto,
        speaker=lambda stated: stated.home_node,
    ),
    Withdrawal: _codec(
        recordv1.Withdrawal,
        EvidencePurpose.WITHDRAWAL,
        to_proto=withdrawal_to_proto,
        from_proto=withdrawal_from_proto,
        speaker=lambda stated: stated.home_node,
    ),
    AuthorizationQuestion: _codec(
        recordv1.AuthorizationQuestion,
        EvidencePurpose.AUTHORIZATION_QUESTION,
        to_proto=authorization_question_to_proto,
        from_proto=authorization_question_from_proto,
        speaker=lambda asked: asked.from_node,
    ),
    AuthorizationAnswer: _codec(
        recordv1.AuthorizationAnswer,
        EvidencePurpose.AUTHORIZATION_ANSWER,
        to_proto=authorization_answer_to_proto,
        from_proto=authorization_answer_from_proto,
        speaker=lambda stated: stated.home_node,
    ),
    LicenseUseRequest: _codec(
        recordv1.LicenseUseRequest,
        EvidencePurpose.LICENSE_USE,
        to_proto=license_use_request_to_proto,
        from_proto=license_use_request_from_proto,
        speaker=lambda asked: asked.from_node,
    ),
    LicenseDelivery: _codec(
        recordv1.LicenseDelivery,
        EvidencePurpose.LICENSE_DELIVERY,
        to_proto=license_delivery_to_proto,
        from_proto=license_delivery_from_proto,
        speaker=lambda delivered: delivered.license_node,
    ),
}
