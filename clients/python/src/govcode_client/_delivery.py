"""A licence on its way in: the sealed header opened, chunks opened in order, and nothing kept that is not whole.

The format stands in the contract, at `LicenseHeader` and `LicenseChunk`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from google.protobuf.message import DecodeError
from govcode.authorization.v1.license_pb2 import LicenseChunk, LicenseContent, LicenseHeader
from govcode.authorization.v1.record_pb2 import LicenseDelivery
from govcode.common.v1.evidence_pb2 import Evidence

from govcode_client._errors import DeliveryError
from govcode_client._sm4 import KEY_SIZE, NONCE_SIZE, TAG_SIZE, Sm4OpenError, gcm_open
from govcode_client.sm2 import Sm2DecryptionError, Sm2PrivateKey, key_id_of

_VERSION: Final = 1
_KEY_ID_SIZE: Final = 8
_WRAPPED_AT: Final = 1 + _KEY_ID_SIZE + 2
_CHUNK_TAG: Final = b"govcode-license-chunk-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A licence as it was delivered (电子证照), opened with the application's own key.

    Attributes:
        license_id: Id at the licence system.
        license_type: Type of the catalogue. Example: `business-licence`.
        issuer_name: Its issuer.
        fields: The granted fields, by name.
        document: The document, where one was granted and no file was named; else None.
        document_path: The file into which the document was written; None without one.
        document_format: `OFD`, `PDF`, or empty without a document.
        document_size: Bytes of the document.
        mark: What this copy is for (加注); must be shown with it.
        fetch_time: When the licence system gave it.
        use_id: Id of the use, the same in the holder's list.
        remaining_uses: Uses of the item that are left after this one.
        delivery: A `LicenseDelivery`, signed by the node that holds the licence: what to keep as a record. Check it by
            `check_evidence`, purpose `LICENSE_DELIVERY`.
        biz_serial: Serial of the use.
    """

    license_id: str
    license_type: str
    issuer_name: str
    fields: Mapping[str, str] = field(repr=False)
    document: bytes | None = field(default=None, repr=False)
    document_path: Path | None = None
    document_format: str = ""
    document_size: int = 0
    mark: str = ""
    fetch_time: datetime
    use_id: str
    remaining_uses: int
    delivery: Evidence = field(repr=False)
    biz_serial: str


def open_envelope(key: Sm2PrivateKey, sealed: bytes, aad: bytes) -> bytes:
    """It opens an envelope (数字信封) with the key that it is meant for.

    Args:
        key: The recipient's.
        sealed: Version, key id, wrapped key, nonce, ciphertext and tag, as `LicenseHeader` describes them.
        aad: What it belongs to.

    Raises:
        DeliveryError: It is meant for another key, was changed, or belongs elsewhere.
    """
    if len(sealed) < _WRAPPED_AT or sealed[0] != _VERSION:
        raise DeliveryError("the sealed content has an unknown form")
    recipient = sealed[1 : 1 + _KEY_ID_SIZE].hex()
    if recipient != key_id_of(key.public_key):
        raise DeliveryError(f"it is sealed for key {recipient}, not for {key_id_of(key.public_key)}")
    end = _WRAPPED_AT + int.from_bytes(sealed[_WRAPPED_AT - 2 : _WRAPPED_AT], "big")
    if len(sealed) < end + NONCE_SIZE + TAG_SIZE:
        raise DeliveryError("the sealed content is cut off")
    try:
        content_key = key.decrypt(sealed[_WRAPPED_AT:end])
        if len(content_key) != KEY_SIZE:
            raise DeliveryError("the envelope wraps no SM4 key")
        nonce, rest = sealed[end : end + NONCE_SIZE], sealed[end + NONCE_SIZE :]
        return gcm_open(content_key, nonce, rest, sealed[:end] + aad)
    except (Sm2DecryptionError, Sm4OpenError) as fault:
        raise DeliveryError("the sealed content was changed, or belongs to another use") from fault


def open_chunk(content_key: bytes, chunk: LicenseChunk, *, use_id: str, chunk_count: int) -> bytes:
    """It opens one chunk of a document.

    Raises:
        DeliveryError: It was changed, or is another chunk than it says.
    """
    number = chunk.chunk_no
    aad = _CHUNK_TAG + use_id.encode() + number.to_bytes(4, "big") + chunk_count.to_bytes(4, "big")
    try:
        return gcm_open(content_key, number.to_bytes(NONCE_SIZE, "big"), chunk.data, aad)
    except (Sm4OpenError, ValueError) as fault:
        raise DeliveryError(f"chunk {number} was changed, or belongs elsewhere") from fault


class Sink(Protocol):
    """Where the bytes of a document go."""

    def write(self, data: bytes) -> None:
        """It takes the next bytes."""
        ...

    def clear(self) -> None:
        """It forgets all bytes so far."""
        ...


class MemorySink:
    """It keeps the document in memory."""

    def __init__(self) -> None:
        """It is empty."""
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        """It takes the next bytes."""
        self.data += data

    def clear(self) -> None:
        """It forgets all bytes so far."""
        self.data.clear()


class FileSink:
    """It writes beside the wanted file and takes its name when all is whole, so that no half document has that name."""

    def __init__(self, path: Path) -> None:
        """It makes the part file, of mode 0600.

        Raises:
            OSError: It cannot be made; nothing was asked of the node yet.
        """
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._part.unlink(missing_ok=True)
        self._file = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, data: bytes) -> None:
        """It takes the next bytes."""
        self._file.write(data)

    def clear(self) -> None:
        """It forgets all bytes so far."""
        self._file.seek(0)
        self._file.truncate()

    def finish(self) -> None:
        """It gives the file its name; one that was there is replaced."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """It removes what is not whole."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


class Collector:
    """It takes the pieces of a delivery, over several streams where one breaks.

    Args:
        key: The application's key.
        sink: Takes the document.
        authorization_id: The authorization that was asked for.
    """

    def __init__(self, key: Sm2PrivateKey, sink: Sink, *, authorization_id: str) -> None:
        self._key = key
        self._sink = sink
        self._authorization_id = authorization_id
        self._size = 0
        self._next = 0
        self._whole = True
        self._digest = hashlib.new("sm3")
        self._sealed_digest = hashlib.new("sm3")
        self.header: LicenseHeader | None = None
        self.content: LicenseContent | None = None
        self.delivery: Evidence | None = None

    @property
    def next_chunk(self) -> int:
        """The chunk to go on from."""
        return self._next

    def begin(self, header: LicenseHeader) -> None:
        """It takes the header of a stream.

        Raises:
            DeliveryError: It cannot be opened, or is that of another use or place.
        """
        content = LicenseContent()
        sealed = open_envelope(self._key, header.sealed_content, header.use_id.encode())
        try:
            content.ParseFromString(sealed)
        except DecodeError as fault:
            raise DeliveryError("the content is no licence") from fault
        if self.header is not None and header.use_id != self.header.use_id:
            raise DeliveryError("another use was delivered than before")
        if self.content is not None and content.document_digest != self.content.document_digest:
            # The licence was changed between two streams: what came of the old one is of no use.
            self._restart()
        if header.from_chunk != self._next:
            if header.from_chunk:
                raise DeliveryError(f"it goes on from chunk {header.from_chunk}, not from {self._next}")
            self._restart()
        # What is delivered under a digest can only be checked by who has seen all of it.
        self._whole = header.from_chunk == 0
        self._sealed_digest = hashlib.new("sm3")
        self.header, self.content = header, content

    def add(self, chunk: LicenseChunk) -> None:
        """It takes the next chunk.

        Raises:
            DeliveryError: It is not the next one, or was changed.
        """
        if self.header is None or self.content is None:
            raise DeliveryError("a chunk came before the header")
        if chunk.chunk_no != self._next or chunk.chunk_no >= self.header.chunk_count:
            raise DeliveryError(f"chunk {chunk.chunk_no} came in place of {self._next}")
        data = open_chunk(
            self.content.content_key, chunk, use_id=self.header.use_id, chunk_count=self.header.chunk_count
        )
        self._size += len(data)
        if self._size > self.content.document_size:
            raise DeliveryError("the document is longer than it says")
        self._sealed_digest.update(chunk.data)
        self._digest.update(data)
        self._sink.write(data)
        self._next += 1

    def end(self, delivery: Evidence) -> None:
        """It takes the last piece and checks that all is there.

        Raises:
            DeliveryError: Something is missing, or what was delivered is not what the record says.
        """
        if self.header is None or self.content is None:
            raise DeliveryError("the record came before the header")
        record = LicenseDelivery()
        try:
            record.ParseFromString(delivery.payload)
        except DecodeError as fault:
            raise DeliveryError("the last piece is no record of a delivery") from fault
        if (record.use_id, record.authorization_id) != (self.header.use_id, self._authorization_id):
            raise DeliveryError("the record is that of another delivery")
        if self._next != self.header.chunk_count or self._size != self.content.document_size:
            raise DeliveryError(f"{self._next} of {self.header.chunk_count} chunks came")
        if self.header.chunk_count and not hmac.compare_digest(self._digest.digest(), self.content.document_digest):
            raise DeliveryError("the SM3 of the document is another")
        sealed_digest = self._sealed_digest.digest()
        if self._whole and record.chunk_count and not hmac.compare_digest(sealed_digest, record.chunks_digest):
            raise DeliveryError("the record is not that of these chunks")
        self.delivery = delivery

    def license(self, *, biz_serial: str, document: bytes | None, path: Path | None) -> License:
        """It gives the whole licence.

        Raises:
            DeliveryError: It is not whole.
        """
        header, content, delivery = self.header, self.content, self.delivery
        if header is None or content is None or delivery is None:
            raise DeliveryError("it did not come whole")
        return License(
            license_id=content.license_id,
            license_type=content.license_type,
            issuer_name=content.issuer_name,
            fields={item.name: item.value for item in content.fields},
            document=document if content.document_format else None,
            document_path=path if content.document_format else None,
            document_format=content.document_format,
            document_size=content.document_size,
            mark=content.mark,
            fetch_time=content.fetch_time.ToDatetime(tzinfo=UTC),
            use_id=header.use_id,
            remaining_uses=header.remaining_uses,
            delivery=delivery,
            biz_serial=biz_serial,
        )

    def _restart(self) -> None:
        self._sink.clear()
        self._digest = hashlib.new("sm3")
        self._sealed_digest = hashlib.new("sm3")
        self._size = 0
        self._next = 0
        self._whole = True
