import base64

import pytest
from govcode_node.domain.text_encodings import (
    InvalidTextEncodingError,
    base32_decode,
    base32_encode,
    base45_decode,
    base45_encode,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0"), (b"", "")],
)
def test_base45_agrees_with_the_examples_of_rfc_9285(data: bytes, text: str) -> None:
    assert base45_encode(data) == text
    assert base45_decode(text) == data


@given(st.binary(max_size=300))
def test_text_encodings_are_lossless_and_base32_agrees_with_the_standard_library(data: bytes) -> None:
    assert base45_decode(base45_encode(data)) == data
    assert base32_decode(base32_encode(data)) == data
    assert base32_encode(data) == base64.b32encode(data).decode().rstrip("=")


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:_=\n\tab\u00e9\uff11", max_size=12))
def test_text_that_decodes_is_the_one_text_of_its_bytes(text: str) -> None:
    for decode, encode in ((base45_decode, base45_encode), (base32_decode, base32_encode)):
        try:
            data = decode(text)
        except InvalidTextEncodingError:
            continue
        assert encode(data) == text
