"""What one node asks another about an authorization, and what the home node answers, as payloads of evidence."""

from typing import Final

from govcode.authorization.v1 import record_pb2 as recordv1

from govcode_node.domain.authorizations import AuthorizationAnswer, AuthorizationQuestion, QuestionKind
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.wire import checks
from govcode_node.wire.authorization_items import authorization_id, item_no, remaining_uses_from_proto, use_id
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.times import moment_from_proto, moment_to_proto, optional_moment_to_proto, stated_moment
from govcode_node.wire.vocabulary import AUTHORIZATION_STATES, USE_STATES

QUESTION_KINDS: Final = EnumPair(QuestionKind, recordv1.QuestionKind.Value, prefix="QUESTION_KIND")
MAX_GRANT: Final = 128 * 1024
"""Longest evidence of a grant within an answer, in bytes."""


def authorization_question_to_proto(question: AuthorizationQuestion) -> recordv1.AuthorizationQuestion:
    """It gives the payload of AUTHORIZATION_QUESTION evidence."""
    return recordv1.AuthorizationQuestion(
        kind=QUESTION_KINDS.to_proto(question.kind),
        from_node_id=question.from_node,
        to_node_id=question.to_node,
        authorization_id=question.authorization_id,
        app_id=question.app_id,
        code_text=question.code_text,
        biz_serial=question.biz_serial,
        licence_system=question.licence_system,
        item_no=question.item_no,
        use_state=USE_STATES.to_proto(question.use_state),
        question_time=moment_to_proto(question.asked_at),
    )


def authorization_question_from_proto(message: recordv1.AuthorizationQuestion) -> AuthorizationQuestion:
    """It reads a question of another node. Each kind brings what it needs, and nothing that belongs to another kind.

    Raises:
        InvalidFieldError: The kind is unknown, or a field is missing, superfluous or not of its form.
    """
    kind = QUESTION_KINDS.require(message.kind, "kind")
    scene, reported = kind is QuestionKind.SCENE, kind is QuestionKind.REPORT_USE
    by_system = kind in {QuestionKind.INTROSPECT, QuestionKind.REPORT_USE}
    _belongs(message, "authorization_id", needed=not scene)
    _belongs(message, "app_id", needed=not scene)
    _belongs(message, "code_text", needed=scene)
    _belongs(message, "biz_serial", needed=scene or reported)
    _belongs(message, "licence_system", needed=by_system)
    _belongs(message, "item_no", needed=reported)
    _belongs(message, "use_state", needed=reported)
    return AuthorizationQuestion(
        kind=kind,
        from_node=checks.node_id(message.from_node_id, "from_node_id"),
        to_node=checks.node_id(message.to_node_id, "to_node_id"),
        authorization_id="" if scene else authorization_id(message.authorization_id),
        app_id="" if scene else checks.registered_name(message.app_id, "app_id"),
        code_text=checks.code_text(message.code_text) if scene else "",
        biz_serial=checks.biz_serial(message.biz_serial) if scene or reported else "",
        licence_system=checks.printable(message.licence_system, "licence_system") if by_system else "",
        item_no=item_no(message.item_no) if reported else 0,
        use_state=USE_STATES.require(message.use_state, "use_state") if reported else None,
        asked_at=stated_moment(message, "question_time"),
    )


def authorization_answer_to_proto(answer: AuthorizationAnswer) -> recordv1.AuthorizationAnswer:
    """It gives the payload of AUTHORIZATION_ANSWER evidence."""
    return recordv1.AuthorizationAnswer(
        request_digest=answer.request_digest,
        authorization_id=answer.authorization_id,
        home_node_id=answer.home_node,
        state=AUTHORIZATION_STATES.to_proto(answer.state),
        decide_before_time=moment_to_proto(answer.decide_before),
        decide_time=optional_moment_to_proto(answer.decided_at),
        grant=answer.grant,
        remaining_uses=answer.remaining_uses,
        use_id=answer.use_id,
        active=answer.active,
    )


def authorization_answer_from_proto(message: recordv1.AuthorizationAnswer) -> AuthorizationAnswer:
    """It reads an answer of a home node. A state that this release does not know makes it none: nothing may follow.

    Raises:
        InvalidFieldError: A field is missing or not of its form.
    """
    return AuthorizationAnswer(
        request_digest=checks.sized(message.request_digest, "request_digest", size=checks.DIGEST_SIZE),
        authorization_id=authorization_id(message.authorization_id),
        home_node=checks.node_id(message.home_node_id, "home_node_id"),
        state=AUTHORIZATION_STATES.require(message.state, "state"),
        decide_before=stated_moment(message, "decide_before_time"),
        decided_at=moment_from_proto(message.decide_time, "decide_time") if message.HasField("decide_time") else None,
        grant=checks.blob(message.grant, "grant", longest=MAX_GRANT, shortest=0),
        remaining_uses=remaining_uses_from_proto(message.remaining_uses),
        use_id=use_id(message.use_id) if message.use_id else "",
        active=message.active,
    )


def _belongs(message: recordv1.AuthorizationQuestion, name: str, *, needed: bool) -> None:
    """It refuses a field of another kind of question; what is needed and missing is found where it is read."""
    if getattr(message, name) and not needed:
        raise InvalidFieldError(name, "does not belong to this kind of question")
