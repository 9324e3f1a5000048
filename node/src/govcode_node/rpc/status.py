"""What a caller sees of an error: an answer made of one row of the table in `status_table`.

The answer to a failed call is a `google.rpc.Status` with `ErrorInfo`, `RequestInfo`, `LocalizedMessage`, where a field
is wrong `BadRequest`, and where waiting helps `RetryInfo`; all of it takes at most 4 KB (N-55). An error that is not in
the table is a fault of this program: the caller gets its request id and nothing else.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from govcode_node.domain import recognition
from govcode_node.rpc.error_texts import ERROR_TEXTS
from govcode_node.rpc.status_table import Row, row_of

ERROR_DOMAIN: Final = "govcode"
INTERNAL_FAULT: Final = "INTERNAL_FAULT"
MAX_STATUS_BYTES: Final = 4096

# Bounds of the parts, so that the whole stays under the maximum whatever an error or a peer brings.
_MAX_MESSAGE: Final = 256
_MAX_FACT: Final = 200
_MAX_FACTS_BYTES: Final = 1600
_MAX_FACT_NAME: Final = 64

_CODES_BY_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}

_FAULT: Final = Row(grpc.StatusCode.INTERNAL, INTERNAL_FAULT, facts={}, quiet=True)


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
        # The table's sentence helps more than the bare reason; what the peer wrote itself is not quoted.
        f"node {error.node_id} answers: {ERROR_TEXTS[error.reason].en}" if known else str(error),
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
