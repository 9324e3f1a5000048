"""The sandbox's clock from outside: a small HTTP endpoint on loopback, for programs of any language.

    GET  /clock                            {"now": "2026-11-24T15:40:00.000+00:00", "ahead_seconds": 0.0, …}
    POST /clock {"advance_seconds": 121}   the same, afterwards
    POST /clock {"frozen": true}           the same, afterwards

Each request carries `Authorization: Bearer <token>` with the token of the credentials file.
"""

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from typing_extensions import override

from govcode_node.sandbox.clock import ClockRangeError, SandboxClock

_MOST_BYTES: Final = 4096
_PATH: Final = "/clock"


class _BadRequestError(Exception):
    """The request cannot be understood; the text says why."""


class ClockServer:
    """It serves the clock until it is closed.

    Args:
        clock: The clock.
        token: What a caller must know.
        moved: Called after the clock has moved on; returns once the nodes have followed.
    """

    def __init__(self, clock: SandboxClock, *, token: str, moved: Callable[[], None]) -> None:
        """It serves at once."""
        self._clock = clock
        self._token = token
        self._moved = moved
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="sandbox-clock", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the clock is read and moved."""
        return f"http://127.0.0.1:{self._server.server_port}{_PATH}"

    def close(self) -> None:
        """It ends the service."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def state(self) -> dict[str, Any]:
        """It tells the clock's time."""
        return {
            "now": self._clock.now().isoformat(timespec="milliseconds"),
            "ahead_seconds": self._clock.ahead.total_seconds(),
            "frozen": self._clock.frozen,
        }

    def change(self, wish: object) -> None:
        """It moves, stops or releases the clock.

        Raises:
            _BadRequestError: The wish is none of these, or goes too far.
        """
        if not isinstance(wish, Mapping) or not wish or wish.keys() - {"advance_seconds", "frozen"}:
            raise _BadRequestError("give advance_seconds, frozen, or both")
        seconds, frozen = wish.get("advance_seconds", 0), wish.get("frozen", self._clock.frozen)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isinstance(frozen, bool):
            raise _BadRequestError("advance_seconds is a number, frozen is true or false")
        try:
            self._clock.advance(timedelta(seconds=seconds))
        except (ClockRangeError, OverflowError, ValueError) as error:
            raise _BadRequestError(str(error)) from error
        if frozen:
            self._clock.freeze()
        else:
            self._clock.thaw()
        self._moved()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            @override
            def log_message(self, format: str, *args: Any) -> None:
                """It writes no log: a sandbox's clock is nobody's secret and nobody's concern."""

            def do_GET(self) -> None:
                """It answers with the time."""
                if self._admitted():
                    self._answer(HTTPStatus.OK, server.state())

            def do_POST(self) -> None:
                """It changes the clock and answers with the time."""
                if not self._admitted():
                    return
                try:
                    server.change(self._wish())
                except _BadRequestError as error:
                    self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
                else:
                    self._answer(HTTPStatus.OK, server.state())

            def _admitted(self) -> bool:
                shown = self.headers.get("Authorization", "").encode("latin-1", "replace")
                if not hmac.compare_digest(shown, f"Bearer {server._token}".encode()):
                    self._answer(HTTPStatus.UNAUTHORIZED, {"error": "the bearer token is in the credentials file"})
                elif self.path != _PATH:
                    self._answer(HTTPStatus.NOT_FOUND, {"error": f"there is {_PATH} and nothing else"})
                else:
                    return True
                return False

            def _wish(self) -> object:
                length = self.headers.get("Content-Length", "")
                if not length.isascii() or not length.isdecimal() or int(length) > _MOST_BYTES:
                    raise _BadRequestError("a body with its Content-Length is required")
                try:
                    return json.loads(self.rfile.read(int(length)))
                except ValueError as error:
                    raise _BadRequestError("the body is no JSON") from error

            def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
