"""A licence-sharing service on loopback with the quirks of real ones, over a folder of synthetic licences."""

import asyncio
import base64
import hmac
import json
import secrets
from collections import Counter
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from govcode_node.providers.licence.shared_service_settings import request_to_sign, sign_request

APP_ID = "node-310000"
SECRET = b"a secret for tests only"
Handler = Any


class FakeSharedService:
    """It checks signatures, nonces and tokens as a real one does; its moods are attributes that tests set.

    Attributes:
        page_limit: Most licences on a page; smaller than what is asked for is its right.
        quota: Requests that it still answers; None without end.
        later: How many requests it answers with "later".
        retry_after: What it says with "later" and with a used-up quota, in seconds.
        token_uses: How often a token is good; it says nothing of that.
        over_returns: Whether it gives all fields whatever was asked for.
        code: A code with which it answers everything but tokens, inside a 200.
        http_status: An HTTP status with which it answers everything but tokens.
        raw: Bytes with which it answers everything but tokens.
        spoil: Changes the data of a good answer.
        cut_file: Bytes after which a file breaks off.
        gate: While it is cleared, requests wait: a slow or hanging service.
        asked: How often each path was asked for.
        bodies: What was asked, parsed.
    """

    def __init__(self, folder: Path) -> None:
        self._records = [json.loads(path.read_bytes()) for path in sorted((folder / "records").iterdir())]
        self._index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self._documents = folder / "documents"
        self._runner: web.AppRunner | None = None
        self._tokens: Counter[str] = Counter()
        self._nonces: set[str] = set()
        self.page_limit = 100
        self.quota: int | None = None
        self.later = 0
        self.retry_after: float | None = 30
        self.token_uses = 1_000_000
        self.over_returns = False
        self.code: str | None = None
        self.http_status: int | None = None
        self.raw: bytes | None = None
        self.spoil: Any = lambda _path, data: data
        self.cut_file: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_post("/licences/query", self._moody(self._query))
        app.router.add_post("/licences/record", self._moody(self._record))
        app.router.add_post("/licences/file", self._moody(self._file))
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.set()
        await self.stop()

    async def stop(self) -> None:
        """It is gone; connections are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def expire_tokens(self) -> None:
        """Every token is over before its time, and nobody is told."""
        self._tokens.clear()

    def _signed(self, request: web.Request, content: bytes) -> bool:
        """Whether the application's signature is right and its nonce new."""
        nonce = request.headers["X-Nonce"]
        signed = request_to_sign(APP_ID, request.path, request.headers["X-Timestamp"], nonce, content)
        given = base64.b64decode(request.headers["X-Signature"])
        good = nonce not in self._nonces and hmac.compare_digest(given, sign_request(SECRET, signed))
        self._nonces.add(nonce)
        if not good or request.headers["X-App-Id"] != APP_ID:
            self.refused.append(request.path)
            return False
        return True

    async def _token(self, request: web.Request) -> web.Response:
        self.asked["token"] += 1
        if not self._signed(request, await request.read()):
            return _answer("10403")
        token = secrets.token_hex(16)
        self._tokens[token] = self.token_uses
        return _answer("0", {"accessToken": token, "expiresIn": 7200})

    def _moody(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            name = request.path.rsplit("/", 1)[1]
            self.asked[name] += 1
            self.arrived.set()
            await self.gate.wait()
            content = await request.read()
            mood = self._mood(request, content)
            if mood is not None:
                return mood
            body = json.loads(content)
            self.bodies.append(body)
            answered: web.StreamResponse = await handler(request, body)
            return answered

        return handle

    def _mood(self, request: web.Request, content: bytes) -> web.Response | None:
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        if self.http_status is not None:
            return web.Response(status=self.http_status, headers={"Location": self.url, "Retry-After": "7"})
        if not self._signed(request, content):
            return _answer("10403")
        token = request.headers.get("X-Access-Token", "")
        if self._tokens[token] <= 0:
            return _answer("10401")
        self._tokens[token] -= 1
        if self.later > 0:
            self.later -= 1
            return _answer("10503", retry_after=self.retry_after)
        if self.quota is not None:
            self.quota -= 1
            if self.quota < 0:
                return _answer("10429", retry_after=self.retry_after)
        return None if self.code is None else _answer(self.code)

    async def _query(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        found = [
            entry
            for entry in self._index
            if entry["filed_under"] == body["holderNumber"] and entry["license_type"] in body["licenceTypes"]
        ]
        size = min(body["pageSize"], self.page_limit)
        start = (body["pageNo"] - 1) * size
        items = [
            {
                "licenceId": entry["license_id"],
                "licenceType": entry["license_type"],
                "licenceNumber": entry["masked_number"],
                "issuerName": entry["issuer_name"],
                "regionCode": entry["license_node"],
                "status": entry["status"],
                "validFrom": entry["valid_from"],
            }
            for entry in found[start : start + size]
        ]
        return _answer("0", self.spoil("query", {"total": len(found), "items": items}))

    async def _record(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        for held in self._records:
            if held["record"]["license_id"] == body["licenceId"]:
                names = held["fields"] if self.over_returns else body["fields"]
                fields = {name: held["fields"][name] for name in names if name in held["fields"]}
                data = {"record": held["record"], "seal": held["seal"], "fields": fields, "status": held["status"]}
                return _answer("0", self.spoil("record", json.loads(json.dumps(data))))
        return _answer("10404")

    async def _file(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        path = self._documents / f"{body['licenceId']}.{body['format'].lower()}"
        if not path.exists():
            return _answer("10404")
        content = self.spoil("file", path.read_bytes())
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        if self.cut_file is not None:
            # It promises all, and the connection ends in the middle.
            response.content_length = len(content)
            content = content[: self.cut_file]
        await response.prepare(request)
        for start in range(0, len(content), 100_000):
            await response.write(content[start : start + 100_000])
        if self.cut_file is not None and request.transport is not None:
            request.transport.close()
            return response
        await response.write_eof()
        return response


def _answer(code: str, data: object = None, *, retry_after: float | None = None) -> web.Response:
    body = {"code": code, "message": "", "data": data}
    if retry_after is not None:
        body["retryAfter"] = retry_after
    return web.json_response(body)
