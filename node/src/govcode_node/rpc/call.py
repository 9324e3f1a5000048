"""What comes around a message: the edge's view of one call, the request's metadata, and the current `Call`."""

import os
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final, NoReturn, Protocol

import grpc

from govcode_node.domain.callers import Call
from govcode_node.domain.errors import InvalidFieldError

REQUEST_ID: Final = "govcode-request-id"
DEVICE_ID: Final = "govcode-device-id"
PROTOCOL: Final = "govcode-protocol"
NODE_ID: Final = "govcode-node-id"
SERVER_TIME: Final = "govcode-server-time"
ACCEPT_LANGUAGE: Final = "accept-language"
TRACEPARENT: Final = "traceparent"

_MAX_NAME: Final = 64
_DRAWN: Final = 16 + 12
"""Random bytes of a trace id and a request id."""
_DRAWS_AT_A_TIME: Final = 128
_MAX_LANGUAGE: Final = 128
_READ: Final = frozenset({REQUEST_ID, DEVICE_ID, PROTOCOL, ACCEPT_LANGUAGE, TRACEPARENT})
# W3C Trace Context, version 00; a trace id of zeros is invalid there.
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)

Metadata = tuple[tuple[str, str | bytes], ...]

_CURRENT: ContextVar[Call] = ContextVar("govcode_current_call")


class RpcContext(Protocol):
    """What an edge tells of a call, and what it lets us answer besides messages.

    It is the part of grpcio's asyncio `ServicerContext` that the way in uses, so that another edge has little to offer.
    """

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """It gives facts of the connection; `x509_pem_cert` is the peer's leaf certificate."""
        ...

    def peer(self) -> str:
        """It names the peer's address."""
        ...

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """It gives the request's metadata."""
        ...

    def time_remaining(self) -> float | None:
        """It gives the seconds until the caller gives up; None where it said nothing."""
        ...

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """It sets what is sent at the end."""
        ...

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """It sends metadata now, before any message."""
        ...

    async def write(self, message: bytes) -> None:
        """It sends one message of a streamed answer and waits until there is room for the next."""
        ...

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Metadata) -> NoReturn:
        """It ends the call with a status by raising."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMetadata:
    """The request's metadata, read and bounded.

    Attributes:
        request_id: The caller's, or one that was made here.
        device_id: The reading device; empty where none is named.
        accept_language: Wish for the language of texts.
        protocol: Version of the protocol that the caller speaks; empty where it does not say.
        traceparent: Place in the caller's trace; a new trace where it has none.
        trace_id: The trace.
    """

    request_id: str
    device_id: str
    accept_language: str
    protocol: str
    traceparent: str
    trace_id: str

    def continued_at(self, traceparent: str) -> "RequestMetadata":
        """It gives the same metadata at another place of the trace."""
        return self if traceparent == self.traceparent else replace(self, traceparent=traceparent)

    def onward(self) -> dict[str, str]:
        """It gives what travels on to the next node."""
        onward = {REQUEST_ID: self.request_id, TRACEPARENT: self.traceparent}
        if self.accept_language:
            onward[ACCEPT_LANGUAGE] = self.accept_language
        return onward

    def check(self) -> None:
        """It raises where the device is named in a way that no device can be.

        Raises:
            InvalidFieldError: It is too long, or holds something else than printable ASCII.
        """
        if self.device_id and not _is_name(self.device_id):
            raise InvalidFieldError(f"metadata {DEVICE_ID}", f"is not 1 to {_MAX_NAME} printable ASCII characters")


class _Draws:
    """Random bytes for ids, fetched for many calls at a time.

    Each fetch is a call of the kernel, during which the thread that commits takes the interpreter, and the event loop
    must wait for it. The ids are no secrets; they must only differ. Belongs to the thread of the event loop.
    """

    def __init__(self) -> None:
        self._left: list[bytes] = []

    def next(self) -> bytes:
        """It gives bytes that were not given before."""
        if not self._left:
            fetched = os.urandom(_DRAWN * _DRAWS_AT_A_TIME)
            self._left = [fetched[at : at + _DRAWN] for at in range(0, len(fetched), _DRAWN)]
        return self._left.pop()


_DRAWS: Final = _Draws()


def read_metadata(pairs: Iterable[tuple[str, str | bytes]] | None) -> RequestMetadata:
    """It reads the metadata of a request; the first of several values counts.

    A request id that cannot be repeated in an answer, and a malformed trace, are replaced rather than refused: a call
    must not fail for what only helps to find it again.
    """
    found: dict[str, str] = {}
    for key, value in pairs or ():
        if key in _READ and key not in found:
            found[key] = value if isinstance(value, str) else value.decode("ascii", "replace")
    request_id = found.get(REQUEST_ID, "")
    traceparent = found.get(TRACEPARENT, "")
    named, traced = _is_name(request_id), _TRACEPARENT.fullmatch(traceparent) is not None
    if not named or not traced:
        drawn = _DRAWS.next().hex()
        if not named:
            request_id = drawn[32:]
        if not traced:
            traceparent = f"00-{drawn[:32]}-{drawn[:15]}1-00"
    return RequestMetadata(
        request_id=request_id,
        device_id=found.get(DEVICE_ID, ""),
        accept_language=_language(found.get(ACCEPT_LANGUAGE, "")),
        protocol=found.get(PROTOCOL, "")[:_MAX_NAME],
        traceparent=traceparent,
        trace_id=traceparent[3:35],
    )


def _language(text: str) -> str:
    """It leaves out what could not travel on to another node, where it would make the call fail: it is but a wish."""
    return text[:_MAX_LANGUAGE] if text.isascii() and text.isprintable() else ""


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MAX_NAME and text.isascii() and text.isprintable()


def current_call() -> Call:
    """It gives the call that the running servicer method serves.

    Raises:
        LookupError: No call is being served.
    """
    return _CURRENT.get()


def set_current_call(call: Call) -> None:
    """It makes a call the current one, for the rest of this task: every call has a task of its own."""
    _CURRENT.set(call)
