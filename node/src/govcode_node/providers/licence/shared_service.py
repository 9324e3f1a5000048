"""A client of licence-sharing services of the GB/T 36906 family: token, signed requests, answers inside a 200.

What these services have in common, and what a caller must bear: a token that runs out, sometimes before its time; an
application's signature on every request; a status inside the body of a good HTTP answer; pages; a quota for the day;
answers after eight seconds; "try again later". Paths and codes differ from site to site and stand in a `Dialect`.

Every answer is bounded in size and time, nothing is unpacked, no redirect is followed. What a service says about time
is obeyed: while it asks to wait or its quota is used up, it is not called at all. A service that does not answer is
left alone for a while by the circuit breaker.
"""

import asyncio
import base64
import hmac
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

import aiohttp

from govcode_node.domain.breakers import BreakerState, CircuitBreaker, Pass
from govcode_node.domain.licenses import LicenseServiceQuotaError, LicenseServiceUnavailableError
from govcode_node.ports.clock import Clock
from govcode_node.providers.licence.shared_service_settings import (
    Dialect,
    SharedServiceSettings,
    request_to_sign,
    sign_request,
)

PIECE_BYTES: Final = 256 * 1024
MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_WAIT: Final = 24 * 3600.0
"""Longest time for which a service's word to wait is obeyed, in seconds."""

_CONNECTIONS: Final = 32
_MIN_TOKEN_LIFETIME: Final = 5.0


@dataclass(eq=False)
class SharedServiceRefusalError(Exception):
    """The service refused with a code that the caller must judge.

    Attributes:
        not_found: Whether there is no such licence.
        code: The code.
    """

    not_found: bool
    code: str


@dataclass(slots=True)
class _Token:
    value: str = field(repr=False)
    good_until: float


class SharedServiceClient:
    """Calls one service; safe for any number of tasks of one event loop. Personal data travel in bodies only."""

    def __init__(
        self,
        settings: SharedServiceSettings,
        *,
        node_id: str,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """It makes no connection yet.

        Args:
            settings: Which service, and with what patience.
            node_id: This node, for errors.
            clock: The node's clock.
            tls: Whom to believe and what to show on https; the system's roots where None.
            random_bytes: Source of nonces.
        """
        self._settings = settings
        self._node_id = node_id
        self._clock = clock
        self._tls = tls
        self._random_bytes = random_bytes
        self._session: aiohttp.ClientSession | None = None
        self._token: _Token | None = None
        self._token_lock = asyncio.Lock()
        self._wait_until = 0.0
        self._quota_until = 0.0
        self._breaker = CircuitBreaker(
            failures=settings.breaker_failures,
            open_for=settings.breaker_open,
            max_open_for=12 * settings.breaker_open,
            monotonic=clock.monotonic,
        )

    @property
    def dialect(self) -> Dialect:
        """Paths and codes of the service."""
        return self._settings.dialect

    @property
    def breaker_state(self) -> BreakerState:
        """Whether the service is called at all, for the node's status."""
        return self._breaker.state

    async def call(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """It asks the service and gives the data of its answer; it gets a token, or a new one, where needed.

        Raises:
            SharedServiceRefusalError: The service refuses; `not_found` says whether for want of the licence.
            LicenseServiceUnavailableError: It does not answer, answers nonsense, or asks to come later.
            LicenseServiceQuotaError: Its quota is used up.
        """
        for last in (False, True):
            token = await self._good_token()
            async with self._ask(path, body, token, self._answer_time()) as answer:
                code, table = await self._read_answer(answer)
            if code in self._settings.dialect.token_expired and not last:
                self._forget(token)
                continue
            return self._judge(code, table)
        raise AssertionError("the loop returns or raises")

    async def stream(self, path: str, body: Mapping[str, Any], *, size: int) -> AsyncIterator[bytes]:
        """It reads a file in pieces of at most 256 KiB, and not a byte more than its size.

        Raises:
            SharedServiceRefusalError: The service refuses.
            LicenseServiceUnavailableError: It does not answer, breaks off, or gives a file of another size.
            LicenseServiceQuotaError: Its quota is used up.
        """
        settings = self._settings
        patience = aiohttp.ClientTimeout(
            total=settings.file_timeout, sock_connect=settings.connect_timeout, sock_read=settings.file_idle_timeout
        )
        for last in (False, True):
            token = await self._good_token()
            async with self._ask(path, body, token, patience) as answer:
                # A refusal comes with the same HTTP status as a file does; only its type tells them apart.
                if answer.status == 200 and answer.content_type != "application/json":
                    async for piece in self._file_pieces(answer, size):
                        yield piece
                    return
                code, table = await self._read_answer(answer)
            if code in settings.dialect.token_expired and not last:
                self._forget(token)
                continue
            self._judge(code, table)
            raise self._unavailable()

    async def close(self) -> None:
        """It closes all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _answer_time(self) -> aiohttp.ClientTimeout:
        settings = self._settings
        return aiohttp.ClientTimeout(total=settings.answer_timeout, sock_connect=settings.connect_timeout)

    def _ask(self, path: str, body: Mapping[str, Any], token: str, patience: aiohttp.ClientTimeout) -> "_Exchange":
        content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        leave = self._admit()
        return _Exchange(self._request(path, content, token, patience), self._breaker, leave, self._unavailable)

    def _request(
        self, path: str, content: bytes, token: str, patience: aiohttp.ClientTimeout
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._tls or True),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Accept-Encoding": "identity",
            **self._signature(path, content),
        }
        if token:
            headers["X-Access-Token"] = token
        return self._session.post(
            self._settings.base_url.rstrip("/") + path,
            data=content,
            headers=headers,
            timeout=patience,
            allow_redirects=False,
        )

    def _signature(self, path: str, content: bytes) -> dict[str, str]:
        """The application's signature (应用签名): over path, time, a nonce and the body."""
        time = str(int(self._clock.now().timestamp() * 1000))
        nonce = self._random_bytes(16).hex()
        signed = request_to_sign(self._settings.app_id, path, time, nonce, content)
        return {
            "X-App-Id": self._settings.app_id,
            "X-Timestamp": time,
            "X-Nonce": nonce,
            "X-Signature": base64.b64encode(sign_request(self._settings.secret, signed)).decode(),
        }

    def _admit(self) -> Pass:
        """It gives leave for one request, or says why there is none."""
        now = self._clock.monotonic()
        if now < self._quota_until:
            raise LicenseServiceQuotaError(self._node_id, self._quota_until - now)
        if now < self._wait_until:
            raise LicenseServiceUnavailableError(self._node_id, self._wait_until - now)
        leave = self._breaker.admit()
        if leave is None:
            raise LicenseServiceUnavailableError(self._node_id, self._settings.breaker_open)
        return leave

    async def _good_token(self) -> str:
        """The token in hand, or a new one; many calls that need one at once cause one request."""
        async with self._token_lock:
            if self._token is None or self._clock.monotonic() >= self._token.good_until:
                self._token = await self._new_token()
            return self._token.value

    async def _new_token(self) -> _Token:
        body = {"appId": self._settings.app_id}
        asked_at = self._clock.monotonic()
        async with self._ask(self._settings.dialect.token_path, body, "", self._answer_time()) as answer:
            code, table = await self._read_answer(answer)
        data = self._judge(code, table)
        value, lifetime = data.get("accessToken"), data.get("expiresIn")
        if not isinstance(value, str) or not 1 <= len(value) <= 4096 or not value.isascii() or not value.isprintable():
            raise self._unavailable()
        seconds = float(lifetime) if isinstance(lifetime, int | float) else 0.0
        # A tenth is kept back, so that a token does not run out on its way.
        return _Token(value, asked_at + max(_MIN_TOKEN_LIFETIME, min(seconds, MAX_WAIT) * 0.9))

    def _forget(self, token: str) -> None:
        """It drops a token that the service takes no longer, unless another call has got a new one meanwhile."""
        if self._token is not None and hmac.compare_digest(self._token.value.encode(), token.encode()):
            self._token = None

    async def _file_pieces(self, answer: aiohttp.ClientResponse, size: int) -> AsyncIterator[bytes]:
        left = size
        async for piece in answer.content.iter_chunked(PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise self._unavailable()
            yield piece
        if left:
            raise self._unavailable()

    async def _read_answer(self, answer: aiohttp.ClientResponse) -> tuple[str, Mapping[str, Any]]:
        """The code and the whole table of an answer."""
        if answer.status == 401:
            return next(iter(self._settings.dialect.token_expired)), {}
        if answer.status == 429:
            return next(iter(self._settings.dialect.later)), {"retryAfter": _seconds(answer.headers.get("Retry-After"))}
        if answer.status != 200:
            raise self._unavailable()
        content = bytearray()
        async for piece in answer.content.iter_chunked(PIECE_BYTES):
            content += piece
            if len(content) > MAX_ANSWER_BYTES:
                raise self._unavailable()
        try:
            table = json.loads(content)
        except (ValueError, RecursionError):
            raise self._unavailable() from None
        if not isinstance(table, dict) or not isinstance(table.get("code"), str | int):
            raise self._unavailable()
        return str(table["code"]), table

    def _judge(self, code: str, table: Mapping[str, Any]) -> Mapping[str, Any]:
        """The data of a good answer; any other is raised, and its word about time is kept."""
        dialect = self._settings.dialect
        now = self._clock.monotonic()
        if code in dialect.good:
            data = table.get("data")
            if not isinstance(data, dict):
                raise self._unavailable()
            return data
        wait = min(max(_seconds(table.get("retryAfter")), 0.0), MAX_WAIT)
        if code in dialect.quota:
            self._quota_until = now + (wait or 3600.0)
            raise LicenseServiceQuotaError(self._node_id, self._quota_until - now)
        if code in dialect.later:
            self._wait_until = now + (wait or 5.0)
            raise LicenseServiceUnavailableError(self._node_id, self._wait_until - now)
        if code in dialect.token_expired:
            raise self._unavailable()
        raise SharedServiceRefusalError(code in dialect.not_found, code)

    def _unavailable(self) -> LicenseServiceUnavailableError:
        return LicenseServiceUnavailableError(self._node_id, self._settings.breaker_open)


class _Exchange:
    """One request: what becomes of it is told to the breaker, and failures of the network become the domain's."""

    def __init__(
        self,
        request: AbstractAsyncContextManager[aiohttp.ClientResponse],
        breaker: CircuitBreaker,
        leave: Pass,
        unavailable: Callable[[], LicenseServiceUnavailableError],
    ) -> None:
        self._request = request
        self._breaker = breaker
        self._leave = leave
        self._unavailable = unavailable

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            answer = await self._request.__aenter__()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._breaker.failed(self._leave)
            raise self._unavailable() from error
        except BaseException:
            self._breaker.abandoned(self._leave)
            raise
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._request.__aexit__(kind, error, trace)
        if error is None:
            self._breaker.succeeded(self._leave)
        elif isinstance(error, aiohttp.ClientError | TimeoutError | OSError):
            self._breaker.failed(self._leave)
            raise self._unavailable() from error
        elif isinstance(error, LicenseServiceUnavailableError):
            self._breaker.failed(self._leave)
        elif isinstance(error, Exception):
            self._breaker.succeeded(self._leave)
        else:
            self._breaker.abandoned(self._leave)


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        return 0.0
    return seconds if seconds == seconds else 0.0  # noqa: PLR0124 - not a number is no time
