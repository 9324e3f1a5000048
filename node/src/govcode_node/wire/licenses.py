"""Licences on their way: requests for uses, records of deliveries, pieces of a delivery, and what is sealed in it."""

from typing import Final

from google.protobuf.message import DecodeError
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1 import license_pb2 as licensev1
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode.federation.v1 import federation_service_pb2 as federationv1

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.licenses import (
    CHUNK_SIZE,
    MAX_DOCUMENT,
    DeliveryChunk,
    DeliveryEnd,
    DeliveryHeader,
    DeliveryPiece,
    LicenseContent,
    LicenseDelivery,
    LicensePlace,
    LicenseUse,
    LicenseUseRequest,
    Locator,
    LocatorSource,
    chunk_count,
)
from govcode_node.domain.recognition import EvidenceRefusedError, PeerAnswerRefusedError
from govcode_node.wire import checks
from govcode_node.wire.authorization_items import (
    MAX_FIELDS,
    MAX_TEXT,
    authorization_id,
    decided_item_from_proto,
    decided_item_to_proto,
    item_no,
    use_id,
)
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.times import moment_to_proto, optional_moment_to_proto, stated_moment
from govcode_node.wire.vocabulary import LEGAL_BASES, LICENSE_STATUSES, USE_STATES

MAX_SEALED_CONTENT: Final = 128 * 1024
"""Longest sealed content of a licence, in bytes."""

MAX_LOCATOR: Final = 4096
"""Longest sealed locator, in bytes."""

_MAX_MARK: Final = 500
_TAG_SIZE: Final = 16
_REF_SIZE: Final = 16
_MOST_CHUNKS: Final = chunk_count(MAX_DOCUMENT)
_UINT32_MAX: Final = 0xFFFF_FFFF
_SOURCES: Final = {source.value: source for source in LocatorSource}


def license_use_request_to_proto(request: LicenseUseRequest) -> recordv1.LicenseUseRequest:
    """It gives the payload of LICENSE_USE evidence."""
    return recordv1.LicenseUseRequest(
        authorization_id=request.authorization_id,
        use_id=request.use_id,
        from_node_id=request.from_node,
        to_node_id=request.to_node,
        app_id=request.app_id,
        biz_serial=request.biz_serial,
        matter_code=request.matter_code,
        item_no=request.item_no,
        recipient_key=request.recipient_key,
        item=None if request.item is None else decided_item_to_proto(request.item),
        sealed_locator=request.sealed_locator,
        request_time=moment_to_proto(request.requested_at),
        mark=request.mark,
        from_chunk=request.from_chunk,
        case_locator=request.case_locator,
    )


def license_use_request_from_proto(message: recordv1.LicenseUseRequest) -> LicenseUseRequest:
    """It reads a request of another node: the visited node's, or the home node's, which alone brings use and item.

    Raises:
        InvalidFieldError: A field is missing, too long, not of its form, or belongs to the other node's request.
    """
    counted = bool(message.use_id)
    if counted != message.HasField("item"):
        raise InvalidFieldError("item", "goes with use_id and is required there")
    if message.case_locator and counted:
        raise InvalidFieldError("case_locator", "belongs to the visited node's request")
    if (message.sealed_locator or message.mark) and not counted:
        raise InvalidFieldError("sealed_locator", "belongs to the home node's request, and mark with it")
    item = decided_item_from_proto(message.item, "item") if counted else None
    number = item_no(message.item_no)
    if item is not None and (item.item_no != number or not item.granted):
        raise InvalidFieldError("item", "is not the granted item of that number")
    return LicenseUseRequest(
        authorization_id=authorization_id(message.authorization_id),
        use_id=use_id(message.use_id) if counted else "",
        from_node=checks.node_id(message.from_node_id, "from_node_id"),
        to_node=checks.node_id(message.to_node_id, "to_node_id"),
        app_id=checks.registered_name(message.app_id, "app_id"),
        biz_serial=checks.biz_serial(message.biz_serial),
        matter_code=checks.matter_code(message.matter_code),
        item_no=number,
        recipient_key=checks.point(message.recipient_key, "recipient_key"),
        item=item,
        sealed_locator=checks.blob(message.sealed_locator, "sealed_locator", longest=MAX_LOCATOR, shortest=0),
        requested_at=stated_moment(message, "request_time"),
        mark=checks.text(message.mark, "mark", longest=_MAX_MARK, shortest=0),
        from_chunk=from_chunk(message.from_chunk),
        case_locator=checks.blob(message.case_locator, "case_locator", longest=MAX_LOCATOR, shortest=0),
    )


def license_delivery_to_proto(delivery: LicenseDelivery) -> recordv1.LicenseDelivery:
    """It gives the payload of LICENSE_DELIVERY evidence."""
    return recordv1.LicenseDelivery(
        use_id=delivery.use_id,
        authorization_id=delivery.authorization_id,
        license_node_id=delivery.license_node,
        request_digest=delivery.request_digest,
        field_names=delivery.field_names,
        document=delivery.document,
        chunks_digest=delivery.chunks_digest,
        chunk_count=delivery.chunk_count,
        status=LICENSE_STATUSES.to_proto(delivery.status),
        fetch_time=moment_to_proto(delivery.fetched_at),
        license_ref=delivery.license_ref,
    )


def license_delivery_from_proto(message: recordv1.LicenseDelivery) -> LicenseDelivery:
    """It reads what another node says that it delivered.

    Raises:
        InvalidFieldError: A field is missing, not of its form, or does not go with another.
    """
    checks.number(len(message.field_names), "field_names", least=0, most=MAX_FIELDS)
    document = message.document
    return LicenseDelivery(
        use_id=use_id(message.use_id),
        authorization_id=authorization_id(message.authorization_id),
        license_node=checks.node_id(message.license_node_id, "license_node_id"),
        request_digest=checks.sized(message.request_digest, "request_digest", size=checks.DIGEST_SIZE),
        field_names=tuple(checks.field_name(name, "field_names") for name in message.field_names),
        document=document,
        chunks_digest=checks.sized(message.chunks_digest, "chunks_digest", size=checks.DIGEST_SIZE if document else 0),
        chunk_count=checks.number(
            message.chunk_count, "chunk_count", least=int(document), most=_MOST_CHUNKS if document else 0
        ),
        status=LICENSE_STATUSES.require(message.status, "status"),
        fetched_at=stated_moment(message, "fetch_time"),
        license_ref=checks.sized(message.license_ref, "license_ref", size=_REF_SIZE),
    )


def from_chunk(value: int, field: str = "from_chunk") -> int:
    """It reads the chunk to go on from.

    Raises:
        InvalidFieldError: No document has so many.
    """
    return checks.number(value, field, least=0, most=_MOST_CHUNKS)


def license_place_to_proto(number: int, place: LicensePlace) -> licensev1.LicensePlace:
    """It gives a place where a licence is held that fits an item."""
    return licensev1.LicensePlace(
        item_no=number,
        license_type=place.license_type,
        license_node_id=place.license_node,
        issuer_name=place.issuer_name,
        masked_number=place.masked_number,
        status=LICENSE_STATUSES.to_proto(place.status),
    )


def license_use_to_proto(use: LicenseUse) -> authorizationv1.LicenseUse:
    """It gives one use, as its holder sees it."""
    return authorizationv1.LicenseUse(
        use_id=use.use_id,
        authorization_id=use.authorization_id,
        item_no=use.item_no,
        license_type=use.license_type,
        relying_party_name=use.relying_party_name,
        matter_code=use.matter_code,
        license_node_id=use.license_node,
        begin_time=moment_to_proto(use.begun_at),
        end_time=optional_moment_to_proto(use.ended_at),
        state=USE_STATES.to_proto(use.state),
        legal_basis=LEGAL_BASES.to_proto(use.legal_basis),
    )


def fetched_piece_to_proto(piece: DeliveryPiece) -> servicev1.FetchLicenseResponse:
    """It gives one piece of a delivery to the application."""
    match piece:
        case DeliveryHeader():
            return servicev1.FetchLicenseResponse(header=_header_to_proto(piece))
        case DeliveryChunk():
            return servicev1.FetchLicenseResponse(chunk=_chunk_to_proto(piece))
        case DeliveryEnd():
            return servicev1.FetchLicenseResponse(delivery=kept_evidence_to_proto(piece.evidence))


def forwarded_piece_to_proto(piece: DeliveryPiece) -> federationv1.ForwardLicenseFetchResponse:
    """It gives one piece of a delivery to another node."""
    match piece:
        case DeliveryHeader():
            return federationv1.ForwardLicenseFetchResponse(header=_header_to_proto(piece))
        case DeliveryChunk():
            return federationv1.ForwardLicenseFetchResponse(chunk=_chunk_to_proto(piece))
        case DeliveryEnd():
            return federationv1.ForwardLicenseFetchResponse(delivery=kept_evidence_to_proto(piece.evidence))


def forwarded_piece_from_proto(message: federationv1.ForwardLicenseFetchResponse, *, node_id: str) -> DeliveryPiece:
    """It reads one piece that another node delivers; the order of pieces and their seals are for others to judge.

    Raises:
        PeerAnswerRefusedError: It is none that this release knows, or too large to be one.
    """
    try:
        match message.WhichOneof("piece"):
            case "header":
                return _header_from_proto(message.header)
            case "chunk":
                return DeliveryChunk(
                    chunk_no=checks.number(message.chunk.chunk_no, "chunk_no", least=0, most=_MOST_CHUNKS),
                    data=checks.blob(message.chunk.data, "data", longest=CHUNK_SIZE + _TAG_SIZE),
                )
            case "delivery":
                return DeliveryEnd(evidence=message.delivery.SerializeToString(deterministic=True))
            case _:
                raise PeerAnswerRefusedError(node_id=node_id, why="a piece of its delivery is unknown here")
    except InvalidFieldError as fault:
        raise PeerAnswerRefusedError(node_id=node_id, why=f"a piece of its delivery is wrong: {fault}") from fault


def _header_to_proto(header: DeliveryHeader) -> licensev1.LicenseHeader:
    return licensev1.LicenseHeader(
        use_id=header.use_id,
        sealed_content=header.sealed_content,
        chunk_count=header.chunk_count,
        from_chunk=header.from_chunk,
        remaining_uses=header.remaining_uses,
        replayed=header.replayed,
    )


def _header_from_proto(message: licensev1.LicenseHeader) -> DeliveryHeader:
    return DeliveryHeader(
        use_id=use_id(message.use_id),
        sealed_content=checks.blob(message.sealed_content, "sealed_content", longest=MAX_SEALED_CONTENT),
        chunk_count=checks.number(message.chunk_count, "chunk_count", least=0, most=_MOST_CHUNKS),
        from_chunk=checks.number(message.from_chunk, "from_chunk", least=0, most=_MOST_CHUNKS),
        remaining_uses=checks.number(message.remaining_uses, "remaining_uses", least=0, most=_UINT32_MAX),
        replayed=message.replayed,
    )


def _chunk_to_proto(chunk: DeliveryChunk) -> licensev1.LicenseChunk:
    return licensev1.LicenseChunk(chunk_no=chunk.chunk_no, data=chunk.data)


class WireLicenseCodec:
    """The `LicenseCodec` of the node: the plain bytes that are sealed for one reader, and locators back."""

    def dump_content(self, content: LicenseContent) -> bytes:
        """It gives the bytes of what an application opens; the fields in the order in which they were granted."""
        document = content.document
        message = licensev1.LicenseContent(
            license_id=content.license_id,
            license_type=content.license_type,
            status=LICENSE_STATUSES.to_proto(content.status),
            issuer_name=content.issuer_name,
            fields=[licensev1.LicenseField(name=name, value=value) for name, value in content.fields.items()],
            document_format="" if document is None else document.format,
            document_size=0 if document is None else document.size,
            document_digest=b"" if document is None else document.digest,
            content_key=content.content_key,
            mark=content.mark,
            fetch_time=moment_to_proto(content.fetched_at),
        )
        return message.SerializeToString(deterministic=True)

    def dump_locator(self, locator: Locator) -> bytes:
        """It gives the bytes of a locator."""
        message = recordv1.SealedLocator(name=locator.name, number=locator.number, source=locator.source.value)
        return message.SerializeToString(deterministic=True)

    def load_locator(self, data: bytes) -> Locator:
        """It reads a locator. What is wrong with one is not said: the sentence would travel, and so would a name in it.

        Raises:
            EvidenceRefusedError: The bytes are no locator.
        """
        try:
            message = recordv1.SealedLocator.FromString(data)
            source = _SOURCES.get(message.source)
            if source is None:
                raise EvidenceRefusedError("the locator has no known source")
            return Locator(
                name=checks.text(message.name, "name", longest=MAX_TEXT),
                number=checks.printable(message.number, "number"),
                source=source,
            )
        except (DecodeError, InvalidFieldError):
            raise EvidenceRefusedError("the locator cannot be read") from None
