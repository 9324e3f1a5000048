"""What the node answers, the client understands; what a newer node answers survives."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from govcode_client._errors import (
    ClientError,
    NodeBusyError,
    NodeError,
    NodeFaultError,
    NodeSilentError,
    NodeUnreachableError,
    error_of,
)
from govcode_node.domain import errors
from govcode_node.domain.callers import CallerNotAllowedError
from govcode_node.rpc.error_texts import ERROR_TEXTS
from govcode_node.rpc.status import status_of
from govcode_node.rpc.status_table import TABLE

ADDRESS = "localhost:7443"


class Refused(grpc.RpcError, grpc.Call):
    """An error as grpcio raises it: an exception that is a call too."""

    def __init__(self, code: grpc.StatusCode, details: str, trailing: tuple[tuple[str, Any], ...] = ()) -> None:
        self._answer = (code, details, trailing)

    def code(self) -> grpc.StatusCode:
        return self._answer[0]

    def details(self) -> str:
        return self._answer[1]

    def trailing_metadata(self) -> tuple[tuple[str, Any], ...]:
        return self._answer[2]

    def initial_metadata(self) -> tuple[()]:
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> None:
        return None

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback: Any) -> bool:
        return False


def refused_by_node(error: Exception, *, language: str = "") -> ClientError:
    status = status_of(error, request_id="r-1", accept_language=language)
    trailing = (("govcode-request-id", "r-1"), ("grpc-status-details-bin", status.details))
    return error_of(Refused(status.code, status.message, trailing), address=ADDRESS)


def test_everything_that_the_node_says_arrives() -> None:
    error = refused_by_node(errors.InvalidFieldError("biz_serial", "is required"))
    assert isinstance(error, NodeError)
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert error.fields == {"biz_serial": "is required"}
    assert error.facts == {"field": "biz_serial", "why": "is required"}
    assert error.request_id == "r-1"
    assert (error.advice, error.advice_zh) == (ERROR_TEXTS["INVALID_FIELD"].en, ERROR_TEXTS["INVALID_FIELD"].zh)
    assert str(error) == "INVALID_FIELD: biz_serial is required"


@pytest.mark.parametrize("reason", sorted({row.reason for row in TABLE.values()}))
def test_every_reason_arrives_with_its_texts(reason: str) -> None:
    row = next(row for row in TABLE.values() if row.reason == reason)
    status = status_pb2.Status(code=row.code.value[0], message="m")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="govcode"))
    status.details.add().Pack(error_details_pb2.LocalizedMessage(locale="en", message=ERROR_TEXTS[reason].en))
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    error = error_of(Refused(row.code, "m", trailing), address=ADDRESS)
    assert isinstance(error, NodeError)
    assert (error.reason, error.advice) == (reason, ERROR_TEXTS[reason].en)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (errors.SerialConflictError("S-1"), NodeError),
        (CallerNotAllowedError("scanner", "/s/m"), NodeError),
        (errors.RateLimitedError(limit="app", retry_after_seconds=2.5), NodeBusyError),
        (errors.DrainingError(), NodeBusyError),
        (RuntimeError(), NodeFaultError),
    ],
)
def test_the_class_says_what_to_do(raised: Exception, kind: type[ClientError]) -> None:
    assert type(refused_by_node(raised)) is kind


def test_the_delay_arrives() -> None:
    error = refused_by_node(errors.RateLimitedError(limit="app", retry_after_seconds=2.5))
    assert isinstance(error, NodeBusyError)
    assert error.retry_after == timedelta(seconds=2.5)


def test_a_reason_of_a_newer_node_survives_with_its_texts() -> None:
    status = status_pb2.Status(code=9, message="m")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="NEW_REASON", domain="govcode", metadata={"a": "b"}))
    status.details.add().Pack(error_details_pb2.LocalizedMessage(locale="zh-CN", message="新的原因"))
    status.details.append(any_pb2.Any(type_url="type.googleapis.com/govcode.new.v9.Detail", value=b"\xff"))
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    error = error_of(Refused(grpc.StatusCode.FAILED_PRECONDITION, "m", trailing), address=ADDRESS)
    assert isinstance(error, NodeError)
    assert (error.reason, error.facts, error.advice_zh) == ("NEW_REASON", {"a": "b"}, "新的原因")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, NodeUnreachableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, NodeSilentError),
        (grpc.StatusCode.UNIMPLEMENTED, NodeError),
    ],
)
def test_an_answer_without_details_still_says_what_helps(code: grpc.StatusCode, kind: type[ClientError]) -> None:
    assert type(error_of(Refused(code, "connection refused"), address=ADDRESS)) is kind
