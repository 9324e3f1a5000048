"""Where Prometheus reads the metrics: plain HTTP, one path, on loopback unless told otherwise.

The standard library's server is enough: one reader, every few seconds, on a thread of its own so that a slow reader
holds up nobody.
"""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

PATH: Final = "/metrics"
_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_TIMEOUT_SECONDS: Final = 5.0


class MetricsServer:
    """It answers `GET /metrics` until it is closed."""

    def __init__(self, host: str, port: int, *, scrape: Callable[[], str]) -> None:
        """It listens at once.

        Args:
            host: Address to listen on.
            port: Port; 0 takes a free one.
            scrape: Gives the text.

        Raises:
            OSError: The address is taken.
        """

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_SECONDS

            def do_GET(self) -> None:
                found = self.path.partition("?")[0] == PATH
                body = scrape().encode() if found else b""
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", _CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
                """A reader that comes every few seconds is not worth a line."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """It stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
