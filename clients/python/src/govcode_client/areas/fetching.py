"""Fetching a licence: collected, checked, opened with the application's key, and gone on with where a stream broke."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path
from typing import Final

from govcode.authorization.v1 import authorization_service_pb2 as authv1
from govcode.authorization.v1 import license_pb2

from govcode_client._core import AsyncArea
from govcode_client._delivery import Collector, FileSink, License, MemorySink
from govcode_client._errors import ClientError, DeliveryError, NodeBusyError, NodeFaultError, NodeUnreachableError
from govcode_client.areas.names import AUTHORIZATION
from govcode_client.serials import given_or_new
from govcode_client.sm2 import Sm2PrivateKey

_BARREN_STREAMS: Final = 5
"""So many streams may break one after the other without a new chunk."""

_PAUSE: Final = 0.3


class FetchActs(AsyncArea):
    """The delivery of licences."""

    async def fetch_license(
        self,
        *,
        authorization_id: str,
        item_no: int,
        matter_code: str,
        key: Sm2PrivateKey,
        into: Path | str | None = None,
        case_name: str = "",
        case_number: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> License:
        """It fetches one granted licence, opened with the application's own SM2 key: one use of the grant.

        A stream that breaks is gone on with under the same serial, which is not counted again. What comes is checked
        piece by piece; a document has its SM3 checked before it is handed out, and a file gets its name only then.

        Args:
            authorization_id: The authorization, GRANTED.
            item_no: Number of the granted item.
            matter_code: The matter for which it is used: the granted one.
            key: Private half of the encryption key that an operator registered for this application.
            into: File for the document, replaced where there is one; memory stays flat then. Where None the document is
                returned in memory.
            case_name: Name from the own case (在办业务), after LOCATOR_REQUIRED; with `case_number`.
            case_number: Citizen id or unified social credit code from the own case.
            biz_serial: Serial of the use; made where None. After an error the same serial resumes it.
            timeout: Seconds for the whole delivery; twelve times the client's where None.

        Raises:
            NodeError: GRANT_EXHAUSTED, GRANT_EXPIRED, GRANT_WITHDRAWN, ITEM_NOT_GRANTED, MATTER_MISMATCH,
                ENCRYPTION_KEY_MISSING, LOCATOR_REQUIRED, LICENSE_NOT_FOUND, LICENSE_NOT_VALID, LICENSE_SEAL_INVALID,
                HOLDER_MISMATCH or another; nothing was delivered and nothing counts.
            NodeBusyError: LICENSE_SERVICE_UNAVAILABLE, LICENSE_SERVICE_QUOTA or HOME_NODE_UNREACHABLE.
            DeliveryError: What came is not whole, was altered, or is sealed for another key.
            OSError: The file cannot be written.
            ClientError: It failed otherwise; ask again with its `biz_serial`.
        """
        serial = given_or_new(biz_serial, "FETCH")
        request = authv1.FetchLicenseRequest(
            biz_serial=serial, authorization_id=authorization_id, item_no=item_no, matter_code=matter_code
        )
        if case_name or case_number:
            request.case_locator.CopyFrom(license_pb2.CaseLocator(name=case_name, number=case_number))
        sink = MemorySink() if into is None else FileSink(Path(into))
        collector = Collector(key, sink, authorization_id=authorization_id)
        try:
            await self._collect(request, collector, limit=12 * self._wire.timeout if timeout is None else timeout)
        except BaseException as error:
            if isinstance(error, ClientError):
                error.biz_serial = serial
            if isinstance(sink, FileSink):
                sink.discard()
            raise
        if isinstance(sink, FileSink):
            empty = collector.header is not None and not collector.header.chunk_count
            sink.discard() if empty else sink.finish()
            return collector.license(biz_serial=serial, document=None, path=None if empty else sink.path)
        return collector.license(biz_serial=serial, document=bytes(sink.data), path=None)

    async def _collect(self, request: authv1.FetchLicenseRequest, collector: Collector, *, limit: float) -> None:
        deadline, barren = time.monotonic() + limit, 0
        while True:
            before, pause = collector.next_chunk, 0.0
            request.from_chunk = before
            broken: ClientError = DeliveryError("the streams end without the last piece")
            try:
                await self._one_stream(request, collector, left=deadline - time.monotonic())
            except NodeBusyError as busy:
                if busy.retry_after is None:
                    raise
                broken, pause = busy, busy.retry_after.total_seconds()
            except NodeUnreachableError as error:
                broken = error
            except NodeFaultError as fault:
                # With a reason it is a node's own word; without one the connection broke on the way.
                if fault.reason:
                    raise
                broken = fault
            if collector.delivery is not None:
                return
            barren = 0 if collector.next_chunk > before else barren + 1
            pause = max(pause, _PAUSE * barren * random.uniform(0.5, 1.5))  # noqa: S311 - spreads callers
            if barren > _BARREN_STREAMS or time.monotonic() + pause >= deadline:
                raise broken
            await self._wire.pause(pause)

    async def _one_stream(self, request: authv1.FetchLicenseRequest, collector: Collector, *, left: float) -> None:
        pieces = self._listen(
            "FetchLicense", request, authv1.FetchLicenseResponse, timeout=max(left, 0.0), service=AUTHORIZATION
        )
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                match piece.WhichOneof("piece"):
                    case "header":
                        collector.begin(piece.header)
                    case "chunk":
                        collector.add(piece.chunk)
                    case "delivery":
                        collector.end(piece.delivery)
                        return
