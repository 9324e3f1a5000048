"""Deliveries in pieces, and what is sealed for one reader."""

from datetime import UTC, datetime

import pytest
from govcode.authorization.v1 import license_pb2 as licensev1
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode.common.v1 import evidence_pb2 as evidencev1
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_node.domain.licenses import (
    CHUNK_SIZE,
    DeliveryChunk,
    DeliveryEnd,
    DeliveryHeader,
    DeliveryPiece,
    LicenseContent,
    LicenseDocument,
    LicenseStatus,
    Locator,
    LocatorSource,
)
from govcode_node.domain.recognition import EvidenceRefusedError, PeerAnswerRefusedError
from govcode_node.wire.licenses import (
    WireLicenseCodec,
    fetched_piece_to_proto,
    forwarded_piece_from_proto,
    forwarded_piece_to_proto,
)
from hypothesis import given
from hypothesis import strategies as st
from kit.authorization_strategies import FIELD_NAMES, IDS, SHOWN, made

CODEC = WireLicenseCodec()
EVIDENCE = evidencev1.Evidence(payload=b"p", payload_type="t", node_id="310000", key_id="0" * 16).SerializeToString()
USE = "us_" + "0f" * 16

PIECES: st.SearchStrategy[DeliveryPiece] = st.one_of(
    st.builds(
        DeliveryHeader,
        use_id=made("us"),
        sealed_content=st.binary(min_size=1, max_size=100),
        chunk_count=st.integers(0, 256),
        from_chunk=st.integers(0, 256),
        remaining_uses=st.integers(0, 2**32 - 1),
        replayed=st.booleans(),
    ),
    st.builds(DeliveryChunk, chunk_no=st.integers(0, 256), data=st.binary(min_size=1, max_size=100)),
    st.just(DeliveryEnd(evidence=EVIDENCE)),
)
LOCATORS = st.builds(Locator, name=SHOWN, number=IDS, source=st.sampled_from(LocatorSource))


@given(PIECES)
def test_a_piece_reaches_the_next_node_and_the_application_alike(piece: DeliveryPiece) -> None:
    forwarded = forwarded_piece_to_proto(piece)
    assert forwarded_piece_from_proto(forwarded, node_id="310000") == piece
    # The visited node hands on what it was given; the two messages have one form.
    assert fetched_piece_to_proto(piece).SerializeToString() == forwarded.SerializeToString()


def piece(**fields: object) -> federationv1.ForwardLicenseFetchResponse:
    return federationv1.ForwardLicenseFetchResponse(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        piece(),
        piece(header=licensev1.LicenseHeader(use_id="us_1", sealed_content=b"x")),
        piece(header=licensev1.LicenseHeader(use_id=USE)),
        piece(header=licensev1.LicenseHeader(use_id=USE, sealed_content=bytes(128 * 1024 + 1))),
        piece(header=licensev1.LicenseHeader(use_id=USE, sealed_content=b"x", chunk_count=257)),
        piece(chunk=licensev1.LicenseChunk(chunk_no=1)),
        piece(chunk=licensev1.LicenseChunk(chunk_no=257, data=b"x")),
        piece(chunk=licensev1.LicenseChunk(chunk_no=1, data=bytes(CHUNK_SIZE + 17))),
    ],
)
def test_a_piece_that_can_be_none_is_refused_in_the_name_of_its_node(
    message: federationv1.ForwardLicenseFetchResponse,
) -> None:
    with pytest.raises(PeerAnswerRefusedError) as caught:
        forwarded_piece_from_proto(message, node_id="310000")
    assert caught.value.node_id == "310000"


def test_a_full_chunk_with_its_tag_is_a_piece() -> None:
    message = piece(chunk=licensev1.LicenseChunk(chunk_no=255, data=bytes(CHUNK_SIZE + 16)))
    assert isinstance(forwarded_piece_from_proto(message, node_id="310000"), DeliveryChunk)


@given(LOCATORS)
def test_a_locator_comes_back_as_it_was_sealed(locator: Locator) -> None:
    assert CODEC.load_locator(CODEC.dump_locator(locator)) == locator


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"",
        recordv1.SealedLocator(name="张三", number="420106199001011234", source="HEARSAY").SerializeToString(),
        recordv1.SealedLocator(name="张三", source="CASE").SerializeToString(),
        recordv1.SealedLocator(name="张\u202e三", number="420106199001011234", source="CASE").SerializeToString(),
    ],
)
def test_what_is_no_locator_is_refused_without_a_word_of_it(data: bytes) -> None:
    with pytest.raises(EvidenceRefusedError) as caught:
        CODEC.load_locator(data)
    assert "张" not in str(caught.value)
    assert "4201" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(
    st.dictionaries(FIELD_NAMES, SHOWN, max_size=4),
    st.none()
    | st.builds(
        LicenseDocument,
        format=st.sampled_from(["OFD", "PDF"]),
        size=st.integers(1, 2**26),
        digest=st.binary(min_size=32, max_size=32),
    ),
)
def test_content_says_what_was_granted_and_how_to_open_the_document(
    fields: dict[str, str], document: LicenseDocument | None
) -> None:
    content = LicenseContent(
        license_id="L-1",
        license_type="business-licence",
        status=LicenseStatus.VALID,
        issuer_name="上海市市场监督管理局",
        fields=fields,
        document=document,
        content_key=b"k" * 16 if document else b"",
        mark="仅供企业开办使用",
        fetched_at=datetime(2026, 12, 1, 8, tzinfo=UTC),
    )
    message = licensev1.LicenseContent.FromString(CODEC.dump_content(content))
    assert [(field.name, field.value) for field in message.fields] == list(fields.items())
    assert (message.license_id, message.license_type, message.mark) == ("L-1", "business-licence", "仅供企业开办使用")
    assert message.status == licensev1.LICENSE_STATUS_VALID
    assert message.fetch_time.ToDatetime(UTC) == content.fetched_at
    stated = (message.document_format, message.document_size, message.document_digest, message.content_key)
    assert stated == ((document.format, document.size, document.digest, b"k" * 16) if document else ("", 0, b"", b""))
