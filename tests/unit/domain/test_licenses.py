"""How a delivery is cut and bound, and that what holds personal data does not show it."""

from datetime import UTC, datetime

import pytest
from govcode_node.domain.licenses import (
    CHUNK_SIZE,
    License,
    LicenseContent,
    LicenseStatus,
    Locator,
    LocatorSource,
    chunk_aad,
    chunk_count,
    chunk_nonce,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.req("N-25")
@given(st.integers(0, 64 * 1024 * 1024))
def test_chunks_cover_a_document_and_none_is_empty(size: int) -> None:
    count = chunk_count(size)

    assert count * CHUNK_SIZE >= size
    assert (count - 1) * CHUNK_SIZE < size or count == 0
    assert (count == 0) == (size == 0)


@pytest.mark.req("N-25")
@given(
    one=st.tuples(st.sampled_from(("us_1", "us_2")), st.integers(0, 300), st.integers(1, 300)),
    other=st.tuples(st.sampled_from(("us_1", "us_2")), st.integers(0, 300), st.integers(1, 300)),
)
def test_a_chunk_is_bound_to_its_use_its_place_and_their_number(
    one: tuple[str, int, int], other: tuple[str, int, int]
) -> None:
    assert (chunk_aad(*one) == chunk_aad(*other)) == (one == other)


@pytest.mark.req("N-25")
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_each_chunk_has_a_nonce_of_its_own(one: int, other: int) -> None:
    assert len(chunk_nonce(one)) == 12
    assert (chunk_nonce(one) == chunk_nonce(other)) == (one == other)


@pytest.mark.req("N-21", "6.3-18")
def test_what_holds_personal_data_does_not_show_it() -> None:
    locator = Locator(name="张样例", number="420100198802149916", source=LocatorSource.STORE)
    licence = License(
        license_id="1",
        license_type="birth",
        status=LicenseStatus.VALID,
        issuer_name="样例",
        holder_name="张样例",
        holder_number="420100198802149916",
        fields={"born": "1988-02-14"},
    )
    content = LicenseContent(
        license_id="1",
        license_type="birth",
        status=LicenseStatus.VALID,
        issuer_name="样例",
        fields={"born": "1988-02-14"},
        document=None,
        content_key=b"secret-key-16byt",
        mark="x",
        fetched_at=datetime(2026, 12, 1, tzinfo=UTC),
    )

    for shown in map(repr, (locator, licence, content)):
        for secret in ("张样例", "420100198802149916", "1988-02-14", "secret-key"):
            assert secret not in shown
