"""What a caller sees of an error: one table from domain errors to status code, reason and facts.

The answer to a failed call is a `google.rpc.Status` with `ErrorInfo`, `RequestInfo`, `LocalizedMessage`, where a field
is wrong `BadRequest`, and where waiting helps `RetryInfo`; all of it takes at most 4 KB (N-55). An error that is not in
the table is a fault of this program: the caller gets its request id and nothing else.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from govcode_node.domain import (
    accounts,
    callers,
    code_rules,
    codecs,
    codes,
    disclosure,
    errors,
    evidence,
    identification,
    issued_codes,
    keys,
    nodes,
    numbers,
    parties,
    recognition,
    regions,
    routes,
    scans,
    scenes,
)
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.identities import CertificateFault, UntrustedCertificateError
from govcode_node.rpc.error_texts import ERROR_TEXTS

ERROR_DOMAIN: Final = "govcode"
INTERNAL_FAULT: Final = "INTERNAL_FAULT"
MAX_STATUS_BYTES: Final = 4096

# Bounds of the parts, so that the whole stays under the maximum whatever an error or a peer brings.
_MAX_MESSAGE: Final = 256
_MAX_FACT: Final = 200
_MAX_FACTS_BYTES: Final = 1600
_MAX_FACT_NAME: Final = 64

_CODES_BY_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_ABSENT = grpc.StatusCode.NOT_FOUND
_EXISTS = grpc.StatusCode.ALREADY_EXISTS
_DENIED = grpc.StatusCode.PERMISSION_DENIED
_UNKNOWN_CALLER = grpc.StatusCode.UNAUTHENTICATED
_STATE = grpc.StatusCode.FAILED_PRECONDITION
_LIMIT = grpc.StatusCode.RESOURCE_EXHAUSTED
_DOWN = grpc.StatusCode.UNAVAILABLE
_LATE = grpc.StatusCode.DEADLINE_EXCEEDED


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of one class of errors.

    Attributes:
        code: Status code.
        reason: Reason.
        facts: Name of each fact and the attribute that it comes from; all public attributes where None.
        retry: Gives the seconds after which trying again may help; None where it does not.
        field: Gives field and fault for `BadRequest`; None where no field is to blame.
        quiet: Whether the error's own sentence is for the log only, since it may name hosts, files, key slots or what
            the caller sent; the caller gets the sentence of the reason.
    """

    code: grpc.StatusCode
    reason: str
    facts: Mapping[str, str] | None = None
    # Any: each function belongs to the class in its row, which a table cannot say in types.
    retry: Callable[[Any], float] | None = None
    field: Callable[[Any], tuple[str, str]] | None = None
    quiet: bool = False


def _stated(error: Any) -> float:
    """It takes the delay from the error itself."""
    return float(error.retry_after_seconds)


def _after(seconds: float) -> Callable[[Any], float]:
    return lambda _: seconds


_REQUESTS: Final[Mapping[type[GovcodeError], Row]] = {
    errors.InvalidFieldError: Row(_INVALID, "INVALID_FIELD", field=lambda error: (error.field, error.why)),
    errors.SerialConflictError: Row(_EXISTS, "SERIAL_CONFLICT"),
    errors.CursorInvalidError: Row(_INVALID, "CURSOR_INVALID"),
    errors.MessageTooLargeError: Row(_LIMIT, "MESSAGE_TOO_LARGE"),
    regions.InvalidRegionCodeError: Row(
        _INVALID,
        "INVALID_FIELD",
        facts={},
        field=lambda _: ("region_code", "is not a region code of six digits"),
        quiet=True,
    ),
    numbers.InvalidNumberError: Row(
        _INVALID, "INVALID_FIELD", field=lambda error: (error.kind.value.lower(), error.fault.value.lower())
    ),
    codes.SymbolScaleError: Row(
        _INVALID, "INVALID_FIELD", field=lambda error: ("scale", f"is not between 1 and {error.limit}")
    ),
    codes.InvalidCodeContentError: Row(
        _INVALID, "INVALID_FIELD", field=lambda error: (error.field, error.fault.value.lower())
    ),
    codes.ExtensionTooLongError: Row(_INVALID, "EXTENSION_TOO_LONG", facts={"length": "length"}),
    codes.SymbologyUnsupportedError: Row(_INVALID, "SYMBOLOGY_UNSUPPORTED"),
    codes.SymbolDataTooLongError: Row(_INVALID, "DATA_TOO_LONG"),
    codecs.MalformedCodeError: Row(_INVALID, "CODE_MALFORMED", facts={"why": "reason"}),
    codecs.UnsupportedVersionError: Row(_INVALID, "CODE_VERSION_UNSUPPORTED"),
}

_CALLERS: Final[Mapping[type[GovcodeError], Row]] = {
    UntrustedCertificateError: Row(_UNKNOWN_CALLER, "CERTIFICATE_UNTRUSTED", facts={"why": "detail"}),
    callers.CallerNotAllowedError: Row(_DENIED, "CALLER_NOT_ALLOWED"),
    callers.MethodNotInPolicyError: Row(_DENIED, "METHOD_NOT_IN_POLICY"),
    callers.AppUnknownError: Row(_DENIED, "APP_UNKNOWN"),
    callers.AppDisabledError: Row(_DENIED, "APP_DISABLED"),
    callers.DeviceUnknownError: Row(_DENIED, "DEVICE_UNKNOWN"),
    callers.DeviceDisabledError: Row(_DENIED, "DEVICE_DISABLED"),
    callers.OperatorUnknownError: Row(_DENIED, "OPERATOR_UNKNOWN"),
    callers.IdentityMismatchError: Row(_DENIED, "IDENTITY_MISMATCH"),
    callers.DeadlineTooShortError: Row(_LATE, "DEADLINE_TOO_SHORT"),
}

_HOLDERS: Final[Mapping[type[GovcodeError], Row]] = {
    identification.IdentityFailedError: Row(_DENIED, "IDENTITY_FAILED"),
    identification.IdentificationExpiredError: Row(_STATE, "IDENTIFICATION_EXPIRED"),
    identification.IdentityProviderUnavailableError: Row(_DOWN, "IDENTITY_PROVIDER_UNAVAILABLE", retry=_after(5)),
    identification.AssuranceTooLowError: Row(_STATE, "ASSURANCE_TOO_LOW"),
    accounts.SessionInvalidError: Row(_STATE, "SESSION_INVALID"),
    accounts.SessionNotFoundError: Row(_ABSENT, "SESSION_NOT_FOUND"),
    accounts.AccountNotFoundError: Row(_ABSENT, "ACCOUNT_NOT_FOUND"),
    accounts.AlreadyOpenError: Row(_EXISTS, "ALREADY_OPEN"),
    accounts.SubjectSuspendedError: Row(_STATE, "SUBJECT_SUSPENDED"),
    accounts.DeviceNotBoundError: Row(_STATE, "DEVICE_NOT_BOUND"),
    accounts.TermsNotAcceptedError: Row(_STATE, "TERMS_NOT_ACCEPTED"),
    accounts.HolderProofInvalidError: Row(_DENIED, "HOLDER_PROOF_INVALID"),
    accounts.RelationNotProvenError: Row(_DENIED, "RELATION_NOT_PROVEN"),
    accounts.RelationUnknownError: Row(_ABSENT, "RELATION_UNKNOWN"),
}

_CODES: Final[Mapping[type[GovcodeError], Row]] = {
    scenes.SceneUnknownError: Row(_ABSENT, "SCENE_UNKNOWN"),
    scenes.SceneNotAllowedError: Row(_DENIED, "SCENE_NOT_ALLOWED"),
    scenes.SceneRuleOutOfBoundsError: Row(_INVALID, "SCENE_RULE_OUT_OF_BOUNDS"),
    code_rules.TerminalRuleError: Row(_INVALID, "TERMINAL_RULE_VIOLATED"),
    code_rules.CodeTransitionError: Row(_STATE, "CODE_STATE_CONFLICT"),
    issued_codes.TicketInvalidError: Row(_STATE, "TICKET_INVALID"),
    issued_codes.TicketExpiredError: Row(_STATE, "TICKET_EXPIRED"),
    issued_codes.TicketUsedError: Row(_STATE, "TICKET_USED"),
    issued_codes.CodeNotFoundError: Row(_ABSENT, "CODE_NOT_FOUND"),
    issued_codes.CodeStateConflictError: Row(_STATE, "CODE_STATE_CONFLICT"),
    scans.ScanNotFoundError: Row(_ABSENT, "SCAN_NOT_FOUND"),
    scans.ScanTooOldError: Row(_STATE, "SCAN_TOO_OLD"),
    scans.CrossRegionUnsupportedError: Row(_STATE, "CROSS_REGION_UNSUPPORTED"),
    disclosure.ScopeDeniedError: Row(_DENIED, "SCOPE_DENIED"),
    parties.DuplicateError: Row(_EXISTS, "DUPLICATE"),
    parties.PartyUnknownError: Row(_ABSENT, "PARTY_UNKNOWN"),
    parties.RegistrationStateConflictError: Row(
        _STATE, "REGISTRATION_STATE_CONFLICT", facts={"from": "present", "to": "target"}
    ),
}

_FEDERATION: Final[Mapping[type[GovcodeError], Row]] = {
    routes.NoRouteError: Row(_ABSENT, "NO_ROUTE"),
    routes.TrustBundleMissingError: Row(_DOWN, "TRUST_BUNDLE_MISSING", retry=_after(5)),
    routes.TrustBundleStaleError: Row(_STATE, "TRUST_BUNDLE_STALE"),
    nodes.NodeUnknownError: Row(_ABSENT, "NODE_UNKNOWN"),
    nodes.NodeNotApprovedError: Row(_DENIED, "NODE_NOT_APPROVED"),
    nodes.NodeSuspendedError: Row(_DENIED, "NODE_SUSPENDED"),
    nodes.NodeStateConflictError: Row(_STATE, "NODE_STATE_CONFLICT"),
    nodes.PrefixConflictError: Row(_EXISTS, "PREFIX_CONFLICT"),
    nodes.HubNotHereError: Row(grpc.StatusCode.UNIMPLEMENTED, "HUB_NOT_HERE"),
    evidence.InvalidEvidenceError: Row(_DENIED, "EVIDENCE_INVALID", facts={"why": "reason"}),
    recognition.EvidenceRefusedError: Row(_DENIED, "EVIDENCE_INVALID"),
    recognition.EvidenceStaleError: Row(_STATE, "EVIDENCE_STALE"),
    recognition.LoopDetectedError: Row(_STATE, "LOOP_DETECTED"),
    recognition.HopLimitError: Row(_STATE, "HOP_LIMIT"),
    # An answer that may not be believed counts as none; what was wrong with it is in the audit trail.
    recognition.PeerAnswerRefusedError: Row(
        _DOWN, "HOME_NODE_UNREACHABLE", facts={"node_id": "node_id"}, retry=_after(2)
    ),
    recognition.HomeNodeUnreachableError: Row(_DOWN, "HOME_NODE_UNREACHABLE", retry=_after(2)),
    recognition.HomeNodeTimeoutError: Row(_LATE, "HOME_NODE_UNREACHABLE", retry=_after(2)),
}

_LOAD: Final[Mapping[type[GovcodeError], Row]] = {
    errors.RateLimitedError: Row(_LIMIT, "RATE_LIMITED", retry=_stated),
    errors.OverloadedError: Row(_LIMIT, "OVERLOADED", retry=_stated),
    errors.StreamLimitError: Row(_LIMIT, "STREAM_LIMIT_REACHED"),
    errors.DrainingError: Row(_DOWN, "DRAINING", retry=_after(1)),
    errors.StoreUnavailableError: Row(_DOWN, "STORE_UNAVAILABLE", facts={}, retry=_after(1), quiet=True),
    keys.KeyUnavailableError: Row(_DOWN, "KEY_UNAVAILABLE", facts={"purpose": "purpose"}, retry=_after(5), quiet=True),
    keys.KeyStateError: Row(_DOWN, "KEY_UNAVAILABLE", facts={"state": "state"}, retry=_after(5), quiet=True),
    keys.KeyExhaustedError: Row(_DOWN, "KEY_UNAVAILABLE", facts={}, retry=_after(5), quiet=True),
    keys.RandomSourceError: Row(_DOWN, "KEY_UNAVAILABLE", facts={}, retry=_after(5), quiet=True),
    codes.RandomSourceError: Row(_DOWN, "KEY_UNAVAILABLE", facts={}, retry=_after(5), quiet=True),
}

TABLE: Final[Mapping[type[GovcodeError], Row]] = {
    **_REQUESTS,
    **_CALLERS,
    **_HOLDERS,
    **_CODES,
    **_FEDERATION,
    **_LOAD,
}
"""What becomes of each domain error; a subclass that is not named goes with its parent."""

_FAULT: Final = Row(grpc.StatusCode.INTERNAL, INTERNAL_FAULT, facts={}, quiet=True)

# Two classes mean one thing or another by an attribute of theirs.
_CERTIFICATE_MISSING: Final = Row(_UNKNOWN_CALLER, "CERTIFICATE_MISSING", facts={})
_USCC_INVALID: Final = Row(_INVALID, "USCC_INVALID", facts={}, field=lambda error: ("uscc", error.fault.value.lower()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorStatus:
    """A refusal as it goes on the wire.

    Attributes:
        code: Status code.
        reason: Reason in `ErrorInfo`.
        message: English sentence with the facts, for developers.
        facts: Metadata in `ErrorInfo`.
        details: The `google.rpc.Status`, for the trailer `grpc-status-details-bin`.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    facts: Mapping[str, str]
    details: bytes


def row_of(error: BaseException) -> Row | None:
    """It finds what becomes of an error; None for one that no caller should ever have met."""
    if isinstance(error, UntrustedCertificateError) and error.reason is CertificateFault.NO_IDENTITY:
        return _CERTIFICATE_MISSING
    if isinstance(error, numbers.InvalidNumberError) and error.kind is numbers.NumberKind.USCC:
        return _USCC_INVALID
    for kind in type(error).__mro__:
        row = TABLE.get(kind)
        if row is not None:
            return row
    return None


def status_of(error: BaseException, *, request_id: str, accept_language: str = "") -> ErrorStatus:
    """It makes the status of an error.

    Args:
        error: What was raised.
        request_id: Id of the request, for `RequestInfo`.
        accept_language: The caller's wish: the text comes in Chinese or English after it, in both where it is empty.
    """
    if isinstance(error, recognition.PeerRefusedError):
        return _status_of_peer(error, request_id, accept_language)
    row = row_of(error) or _FAULT
    message = ERROR_TEXTS[row.reason].en if row.quiet else str(error)
    extras: list[Message] = []
    if row.field is not None:
        name, why = row.field(error)
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(name, _MAX_FACT), description=_cut(why, _MAX_FACT), reason=row.reason
        )
        extras.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if row.retry is not None:
        extras.append(_retry_info(row.retry(error)))
    return _assemble(
        row.code, row.reason, message, _facts_of(error, row), extras, request_id=request_id, language=accept_language
    )


def _status_of_peer(error: recognition.PeerRefusedError, request_id: str, language: str) -> ErrorStatus:
    """It passes on what another node answered, and adds the way that the answer took."""
    facts = dict(error.facts)
    facts["via"] = f"{error.node_id},{facts['via']}" if facts.get("via") else error.node_id
    code = _CODES_BY_NUMBER.get(error.status_code, grpc.StatusCode.OK)
    # A peer that answers something that is no error of the contract is at fault, and is not quoted.
    known = error.reason in ERROR_TEXTS and code is not grpc.StatusCode.OK
    extras: list[Message] = []
    # The peer may have named no delay, or none that can be understood.
    with contextlib.suppress(KeyError, ValueError, OverflowError):
        extras.append(_retry_info(float(facts["retry_after_seconds"])))
    return _assemble(
        code if known else grpc.StatusCode.INTERNAL,
        error.reason if known else INTERNAL_FAULT,
        str(error),
        facts if known else {"via": facts["via"]},
        extras,
        request_id=request_id,
        language=language,
    )


def _assemble(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    facts: Mapping[str, str],
    extras: list[Message],
    *,
    request_id: str,
    language: str,
) -> ErrorStatus:
    bounded = _bounded(facts)
    message = _cut(message, _MAX_MESSAGE)
    status = status_pb2.Status(code=code.value[0], message=message)
    parts: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=bounded),
        *extras,
        error_details_pb2.RequestInfo(request_id=request_id),
        *_localized(reason, language),
    ]
    for part in parts:
        status.details.add().Pack(part)
    return ErrorStatus(code=code, reason=reason, message=message, facts=bounded, details=status.SerializeToString())


def _localized(reason: str, language: str) -> list[error_details_pb2.LocalizedMessage]:
    text = ERROR_TEXTS[reason]
    zh = error_details_pb2.LocalizedMessage(locale="zh-CN", message=text.zh)
    en = error_details_pb2.LocalizedMessage(locale="en", message=text.en)
    wish = preferred_language(language)
    if wish == "zh":
        return [zh]
    return [en] if wish == "en" else [zh, en]


def preferred_language(accept_language: str) -> str:
    """It reads an `accept-language` value and gives `zh` or `en`, whichever is wished for more; empty for neither.

    >>> preferred_language("fr, en-GB;q=0.4, zh-CN;q=0.9")
    'zh'
    """
    best, best_weight = "", 0.0
    for entry in accept_language.split(",")[:8]:
        tag, _, parameter = entry.strip().lower().partition(";")
        language = tag.strip().split("-")[0]
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if language in {"zh", "en"} and weight > best_weight:
            best, best_weight = language, weight
    return best


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromTimedelta(timedelta(seconds=min(max(seconds, 0.0), 3600.0)))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def _facts_of(error: BaseException, row: Row) -> dict[str, str]:
    attributes = vars(error)
    if row.facts is None:
        return {name: _text_of(value) for name, value in attributes.items() if not name.startswith("_")}
    return {name: _text_of(attributes[source]) for name, source in row.facts.items() if source in attributes}


def _text_of(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value) if isinstance(value.value, str) else value.name
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.3f}"
    return value.hex() if isinstance(value, bytes) else str(value)


def _bounded(facts: Mapping[str, str]) -> dict[str, str]:
    """It cuts long facts, and leaves out those that no longer fit."""
    kept: dict[str, str] = {}
    room = _MAX_FACTS_BYTES
    for name, value in facts.items():
        cut = _cut(value, _MAX_FACT)
        size = len(name.encode()) + len(cut.encode()) + 8
        if len(name) > _MAX_FACT_NAME or size > room:
            continue
        kept[name] = cut
        room -= size
    return kept


def _cut(text: str, most: int) -> str:
    """It shortens a text to a number of UTF-8 bytes without breaking a character."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    return data[: most - 3].decode("utf-8", "ignore") + "…"
