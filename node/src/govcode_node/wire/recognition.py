"""What nodes ask each other about codes, what they answer, and their revocation lists."""

from typing import Final

from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1 import recognition_pb2 as recognitionv1

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.recognition import RecognizeAnswer, RecognizeRequest, RevocationList
from govcode_node.wire import checks
from govcode_node.wire.times import moment_from_proto, moment_to_proto
from govcode_node.wire.verdicts import OUTCOMES, outcome_from_proto
from govcode_node.wire.vocabulary import SCAN_ACTS, SCENE_CLASSES, SUBJECT_KINDS, stated_scene_class

_MOST_HOPS: Final = 64
"""More than any path has; how many it may have is for the step to say."""

_LONGEST_NAME: Final = 200
"""Names and places of other regions end up in holders' records; whatever is longer is no name."""


def recognize_request_to_proto(request: RecognizeRequest) -> recognitionv1.RecognizeRequest:
    """It gives the payload of RECOGNIZE_REQUEST evidence."""
    return recognitionv1.RecognizeRequest(
        visited_node_id=request.visited_node,
        home_node_id=request.home_node,
        act=SCAN_ACTS.to_proto(request.act),
        code_text=request.code_text,
        app_id=request.app_id,
        biz_serial=request.biz_serial,
        relying_party_name=request.relying_party_name,
        relying_party_uscc=request.relying_party_uscc,
        scene_class=SCENE_CLASSES.to_proto(request.scene_class),
        place=request.place,
        scan_time=moment_to_proto(request.scanned_at),
    )


def recognize_request_from_proto(message: recognitionv1.RecognizeRequest) -> RecognizeRequest:
    """It reads a request of another node.

    Raises:
        InvalidFieldError: A field is missing, too long or not of its form.
    """
    return RecognizeRequest(
        visited_node=checks.node_id(message.visited_node_id, "visited_node_id"),
        home_node=checks.node_id(message.home_node_id, "home_node_id"),
        act=SCAN_ACTS.require(message.act, "act"),
        code_text=checks.code_text(message.code_text),
        app_id=checks.printable(message.app_id, "app_id"),
        biz_serial=checks.biz_serial(message.biz_serial),
        relying_party_name=checks.text(message.relying_party_name, "relying_party_name", longest=_LONGEST_NAME),
        relying_party_uscc=checks.printable(message.relying_party_uscc, "relying_party_uscc"),
        scene_class=stated_scene_class(message.scene_class, "scene_class"),
        place=checks.text(message.place, "place", longest=_LONGEST_NAME, shortest=0),
        scanned_at=moment_from_proto(message.scan_time, "scan_time"),
    )


def recognize_answer_to_proto(answer: RecognizeAnswer) -> recognitionv1.RecognizeAnswer:
    """It gives the payload of RECOGNIZE_ANSWER evidence."""
    return recognitionv1.RecognizeAnswer(
        request_digest=answer.request_digest,
        visited_node_id=answer.visited_node,
        home_node_id=answer.home_node,
        act=SCAN_ACTS.to_proto(answer.act),
        app_id=answer.app_id,
        biz_serial=answer.biz_serial,
        scan_id=answer.scan_id,
        code_id=answer.code_id,
        outcome=OUTCOMES.to_proto(answer.outcome),
        subject_kind=SUBJECT_KINDS.to_proto(answer.subject_kind),
        proxy=answer.proxy,
        pairwise_id=answer.pairwise_id,
        sealed_fields=answer.sealed_fields,
        decide_time=moment_to_proto(answer.decided_at),
        valid_until_time=moment_to_proto(answer.valid_until),
    )


def recognize_answer_from_proto(message: recognitionv1.RecognizeAnswer) -> RecognizeAnswer:
    """It reads an answer of another node; an outcome that this release does not know is a refusal.

    Raises:
        InvalidFieldError: The act or a time makes no sense.
    """
    return RecognizeAnswer(
        request_digest=message.request_digest,
        visited_node=message.visited_node_id,
        home_node=message.home_node_id,
        act=SCAN_ACTS.require(message.act, "act"),
        app_id=message.app_id,
        biz_serial=message.biz_serial,
        scan_id=message.scan_id,
        code_id=message.code_id,
        outcome=outcome_from_proto(message.outcome),
        subject_kind=SUBJECT_KINDS.from_proto(message.subject_kind),
        proxy=message.proxy,
        pairwise_id=message.pairwise_id,
        sealed_fields=message.sealed_fields,
        decided_at=moment_from_proto(message.decide_time, "decide_time"),
        valid_until=moment_from_proto(message.valid_until_time, "valid_until_time"),
    )


def revocation_list_to_proto(revoked: RevocationList) -> recognitionv1.RevocationList:
    """It gives the payload of REVOCATION_LIST evidence, the ids in order."""
    return recognitionv1.RevocationList(
        node_id=revoked.node_id,
        list_time=moment_to_proto(revoked.list_time),
        code_ids=sorted(revoked.code_ids),
    )


def revocation_list_from_proto(message: recognitionv1.RevocationList) -> RevocationList:
    """It reads a revocation list.

    Raises:
        InvalidFieldError: An id does not have 16 bytes, or a field is not of its form.
    """
    return RevocationList(
        node_id=checks.node_id(message.node_id, "node_id"),
        list_time=moment_from_proto(message.list_time, "list_time"),
        code_ids=frozenset(checks.code_id(code_id, "code_ids") for code_id in message.code_ids),
    )


def recognition_from_proto(request: federationv1.RecognizeCodeRequest) -> tuple[bytes, tuple[str, ...]]:
    """It reads another node's question: the evidence as it came, and the nodes that it has passed.

    Raises:
        InvalidFieldError: There is no evidence, or a hop is no node.
    """
    if not request.HasField("request"):
        raise InvalidFieldError("request", "is required")
    checks.number(len(request.hops), "hops", least=1, most=_MOST_HOPS)
    hops = tuple(checks.node_id(hop, "hops") for hop in request.hops)
    return request.request.SerializeToString(), hops
