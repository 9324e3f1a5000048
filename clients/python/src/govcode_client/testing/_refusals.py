"""Refusals of the fake node, as a real one puts them on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from govcode.error.v1.error_reason_pb2 import ErrorReason

_STATUS: Final = grpc.StatusCode
_CODES: Final[Mapping[grpc.StatusCode, str]] = {
    _STATUS.NOT_FOUND: (
        "ACCOUNT_NOT_FOUND AUTHORIZATION_NOT_FOUND CODE_NOT_FOUND LICENSE_NOT_FOUND LICENSE_TYPE_UNKNOWN "
        "NODE_UNKNOWN NO_ROUTE PARTY_UNKNOWN RELATION_UNKNOWN SCAN_NOT_FOUND SCENE_UNKNOWN SESSION_NOT_FOUND"
    ),
    _STATUS.ALREADY_EXISTS: "ALREADY_OPEN DUPLICATE PREFIX_CONFLICT SERIAL_CONFLICT",
    _STATUS.PERMISSION_DENIED: (
        "APP_DISABLED APP_UNKNOWN AUDIENCE_MISMATCH CALLER_NOT_ALLOWED DEVICE_DISABLED DEVICE_UNKNOWN "
        "EVIDENCE_INVALID EXCESSIVE_SCOPE HOLDER_MISMATCH HOLDER_PROOF_INVALID IDENTITY_FAILED "
        "IDENTITY_MISMATCH ITEM_NOT_GRANTED MANDATE_INVALID MATTER_MISMATCH METHOD_NOT_IN_POLICY "
        "NODE_NOT_APPROVED NODE_SUSPENDED NOT_OWNER OPERATOR_UNKNOWN RELATION_NOT_PROVEN SCENE_NOT_ALLOWED "
        "SCOPE_DENIED SCOPE_NOT_REGISTERED STATUTORY_NOT_ALLOWED"
    ),
    _STATUS.INVALID_ARGUMENT: (
        "AUTHORIZATION_OUT_OF_POLICY CODE_MALFORMED CODE_VERSION_UNSUPPORTED CURSOR_INVALID DATA_TOO_LONG "
        "EXTENSION_TOO_LONG INVALID_FIELD SCENE_RULE_OUT_OF_BOUNDS SYMBOLOGY_UNSUPPORTED "
        "TERMINAL_RULE_VIOLATED USCC_INVALID"
    ),
    _STATUS.UNAUTHENTICATED: "CERTIFICATE_MISSING CERTIFICATE_UNTRUSTED",
    _STATUS.DEADLINE_EXCEEDED: "DEADLINE_TOO_SHORT",
    _STATUS.UNAVAILABLE: (
        "DRAINING HOME_NODE_UNREACHABLE IDENTITY_PROVIDER_UNAVAILABLE KEY_UNAVAILABLE "
        "LICENSE_SERVICE_UNAVAILABLE STORE_UNAVAILABLE TRUST_BUNDLE_MISSING"
    ),
    _STATUS.RESOURCE_EXHAUSTED: (
        "GRANT_EXHAUSTED LICENSE_SERVICE_QUOTA MESSAGE_TOO_LARGE OVERLOADED RATE_LIMITED STREAM_LIMIT_REACHED"
    ),
    _STATUS.UNIMPLEMENTED: "HUB_NOT_HERE",
    _STATUS.INTERNAL: "INTERNAL_FAULT",
}
CODE_OF: Final = {reason: code for code, reasons in _CODES.items() for reason in reasons.split()}
"""Status codes by reason, as nodes give them; FAILED_PRECONDITION for those that are not here."""


def reasons() -> frozenset[str]:
    """It gives the names of all reasons of the contract, without their prefix."""
    names = (name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys())  # noqa: SIM118 - no mapping
    return frozenset(name for name in names if name != "UNSPECIFIED")


@dataclass(eq=False)
class RefusedError(Exception):
    """The fake node refuses a call.

    Attributes:
        reason: Name of an ErrorReason without its prefix.
        message: For developers.
        facts: For programs.
        fields: Wrong fields with what is wrong.
        retry_after: Seconds after which trying again may help.
        code: Status; that of the reason where None.
        pushback_ms: Value of the trailer `grpc-retry-pushback-ms`; none where None.
    """

    reason: str
    message: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    code: grpc.StatusCode | None = None
    pushback_ms: int | None = None

    def status(self, request_id: str) -> FakeStatus:
        """It gives the status with its details, as on the wire."""
        code = self.code or CODE_OF.get(self.reason, _STATUS.FAILED_PRECONDITION)
        message = self.message or f"the fake node was told to answer {self.reason}"
        status = status_pb2.Status(code=code.value[0], message=message)
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain="govcode", metadata=dict(self.facts))
        status.details.add().Pack(info)
        if self.fields:
            bad = error_details_pb2.BadRequest()
            for name, why in self.fields.items():
                bad.field_violations.add(field=name, description=why)
            status.details.add().Pack(bad)
        if self.retry_after is not None:
            delay = Duration()
            delay.FromTimedelta(timedelta(seconds=self.retry_after))
            status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
        for locale, text in (("zh-CN", f"模拟节点：{self.reason}"), ("en", f"fake node: {self.reason}")):
            status.details.add().Pack(error_details_pb2.LocalizedMessage(locale=locale, message=text))
        trailing: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
        # As nodes do: the delay is in RetryInfo, and the channel shall not try again before it.
        pushback = -1 if self.pushback_ms is None and self.retry_after is not None else self.pushback_ms
        if pushback is not None:
            trailing.append(("grpc-retry-pushback-ms", str(pushback)))
        return FakeStatus(code, message, tuple(trailing))


class FakeStatus(grpc.Status):
    """A status as grpcio wants it for `abort_with_status`."""

    def __init__(
        self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, str | bytes], ...]
    ) -> None:
        """It carries code, message and trailers."""
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata
