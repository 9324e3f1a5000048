"""What can go wrong with a call, as exceptions that say what helps.

    ClientError
    ├── NodeError              the node answered with a refusal or fault; `reason` says which
    │   ├── NodeBusyError      try again after `retry_after`
    │   └── NodeFaultError     the node's own fault; tell its operators the request id
    ├── NodeUnreachableError   nobody answers at the address, or not who was meant
    ├── NodeSilentError        no answer in time: repeat with the same serial
    ├── DeliveryError          a licence came, but not whole, or not for this key
    └── ClientClosedError      the client was closed before

A judgement on a code is no error: it is in the answer's verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import grpc
import grpc.aio
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

_BUSY: Final = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE})
_FAULTS: Final = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})


class ClientError(Exception):
    """A call failed.

    Attributes:
        advice: A sentence that says what helps.
        advice_zh: The same in Chinese.
        biz_serial: Serial of the act that failed, also where the client made it: under this one the same act can be
            asked for again, and is done once. Empty for what has no serial.
    """

    advice: str = ""
    advice_zh: str = ""
    biz_serial: str = ""


class ClientClosedError(ClientError):
    """The client was closed before the call."""

    advice = "make a new client; a closed one stays closed"
    advice_zh = "客户端已关闭，请新建客户端"

    def __str__(self) -> str:
        """It reads as one line for a log."""
        return "the client is closed"


@dataclass(eq=False)
class DeliveryError(ClientError):
    """A licence came, but cannot be used: not whole, altered, or not sealed for this key. Nothing of it was kept.

    Attributes:
        why: What is wrong with it.
    """

    why: str
    advice = "fetch it again under the same serial; where that fails too, tell the node's operators"
    advice_zh = "请用同一业务流水号重新获取；仍然失败时请联系节点运维人员"

    def __str__(self) -> str:
        """It reads as one line for a log."""
        return f"the delivery cannot be used: {self.why}"


@dataclass(eq=False)
class NodeError(ClientError):
    """The node answered with an error.

    Attributes:
        reason: Name of `govcode.error.v1.ErrorReason` without its prefix; empty from something that is no node.
        message: What the node says of this case, in English, for developers.
        advice: What to tell people, in English.
        advice_zh: The same in Chinese; empty where the node was asked for English alone.
        facts: Facts of the case, for programs.
        fields: Wrong fields of the request with what is wrong.
        request_id: Names the call in the node's records.
        retry_after: How long to wait before another try; None where waiting does not help.
        code: Name of the gRPC status. Example: `PERMISSION_DENIED`.
    """

    reason: str
    message: str
    advice: str = ""
    advice_zh: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    retry_after: timedelta | None = None
    code: str = ""

    def __str__(self) -> str:
        """It reads as one line for a log."""
        return f"{self.reason or self.code}: {self.message}"


class NodeBusyError(NodeError):
    """The node cannot take the call now; try again after `retry_after`."""


class NodeFaultError(NodeError):
    """The node failed by its own fault."""


@dataclass(eq=False)
class NodeUnreachableError(ClientError):
    """Nobody answers at the address, or the certificates do not fit.

    Attributes:
        address: Where was called.
        detail: What the channel says.
    """

    address: str
    detail: str
    advice = "check that the node runs at this address, and that certificate, key and roots belong together"
    advice_zh = "请确认节点在该地址运行，且证书、私钥与根证书相互匹配"

    def __str__(self) -> str:
        """It reads as one line for a log."""
        return f"no node answers at {self.address}: {self.detail}"


@dataclass(eq=False)
class NodeSilentError(ClientError):
    """The node did not answer in time. Whether it acted is not known.

    Attributes:
        address: Where was called.
    """

    address: str
    advice = "repeat the same request with the same serial: the node acts once and answers the same"
    advice_zh = "请用同一业务流水号重发同一请求：节点只办理一次，应答不变"

    def __str__(self) -> str:
        """It reads as one line for a log."""
        return f"{self.address} did not answer in time"


def error_of(failed: grpc.RpcError, *, address: str) -> ClientError:
    """It turns a failed call into the exception that callers see."""
    if not isinstance(failed, grpc.Call | grpc.aio.AioRpcError):
        return NodeUnreachableError(address, str(failed))
    code, message = failed.code(), failed.details() or ""
    try:
        status = rpc_status.from_call(failed)  # type: ignore[arg-type]  # it reads three methods, which both have
    except ValueError:  # the details speak of another failure than the status: not a node of ours
        status = None
    if status is None:
        # CANCELLED is said by this side: of a call whose connection was replaced or closed.
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return NodeUnreachableError(address, message)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return NodeSilentError(address)
        # A balancer or a reset connection on the way speaks so; `reason` stays empty.
        return (NodeFaultError if code in _FAULTS else NodeError)(reason="", message=message, code=code.name)
    found = _details_of(status.details)
    kind = NodeBusyError if code in _BUSY else NodeFaultError if code in _FAULTS else NodeError
    info: error_details_pb2.ErrorInfo | None = found.info
    return kind(
        reason=info.reason if info is not None else "",
        message=message,
        advice=found.texts.get("en", ""),
        advice_zh=found.texts.get("zh-CN", ""),
        facts=dict(info.metadata) if info is not None else {},
        fields=found.fields,
        request_id=found.request_id,
        retry_after=found.retry_after,
        code=code.name,
    )


@dataclass(slots=True)
class _Details:
    info: error_details_pb2.ErrorInfo | None = None
    texts: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    retry_after: timedelta | None = None


def _details_of(details: object) -> _Details:
    """It reads the details that it knows and skips the rest, which a newer node may have added."""
    found = _Details()
    for packed in details:  # type: ignore[attr-defined]
        if packed.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            packed.Unpack(info)
            found.info = info
        elif packed.Is(error_details_pb2.LocalizedMessage.DESCRIPTOR):
            text = error_details_pb2.LocalizedMessage()
            packed.Unpack(text)
            found.texts[text.locale] = text.message
        elif packed.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            packed.Unpack(bad)
            found.fields |= {violation.field: violation.description for violation in bad.field_violations}
        elif packed.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            request = error_details_pb2.RequestInfo()
            packed.Unpack(request)
            found.request_id = request.request_id
        elif packed.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            packed.Unpack(retry)
            found.retry_after = retry.retry_delay.ToTimedelta()
    return found
