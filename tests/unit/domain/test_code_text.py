import json
from pathlib import Path

import pytest
from govcode_node.domain.code_text import normalise
from govcode_node.domain.codecs import MAX_CODE_TEXT, MalformedCodeError, UnsupportedVersionError
from govcode_node.domain.codes import Carrier, CodeContent, ParsedCode
from govcode_node.domain.zwm1 import Zwm1Codec
from hypothesis import given
from hypothesis import strategies as st
from kit.code_samples import code_content, code_text, contents, seal_holds

VECTORS = Path(__file__).parents[2] / "vectors" / "zwm1"
CASES: list[dict[str, str]] = json.loads((VECTORS / "scanner_corpus.json").read_text())["cases"]
CORPUS_KEY = bytes.fromhex(json.loads((VECTORS / "golden.json").read_text())["hmac_sm3_key"])
CODEC = Zwm1Codec()


def read(text: str) -> ParsedCode | None:
    try:
        return CODEC.parse(normalise(text))
    except (MalformedCodeError, UnsupportedVersionError):
        return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.req("N-14")
def test_corruption_is_repaired_or_refused_as_listed(case: dict[str, str]) -> None:
    text = normalise(case["received"])
    if case["result"] == "REPAIRED":
        assert text == case["sent"]
        assert seal_holds(CODEC.parse(text), CORPUS_KEY)
    elif case["result"] == "SEAL_INVALID":
        # Well-formed, but another text: what tells it is the seal, not a guess.
        assert text != case["sent"]
        assert not seal_holds(CODEC.parse(text), CORPUS_KEY)
    else:
        with pytest.raises(MalformedCodeError) as refusal:
            CODEC.parse(text)
        assert refusal.value.reason == case["result"]


@pytest.mark.req("N-14")
def test_corpus_has_thirty_corruptions_and_both_kinds_of_answer() -> None:
    corrupted = [case for case in CASES if case["received"] != case["sent"]]
    assert len(corrupted) >= 30
    assert len({case["received"] for case in corrupted}) == len(corrupted)
    assert sum(case["result"] == "REPAIRED" for case in corrupted) >= 15
    assert sum(case["result"] != "REPAIRED" for case in corrupted) >= 15


@given(contents(), st.sampled_from(Carrier))
@pytest.mark.req("N-14")
def test_valid_text_is_never_changed(content: CodeContent, carrier: Carrier) -> None:
    text = code_text(content, carrier)
    assert normalise(text) == text


noise = st.one_of(
    st.characters(codec="utf-8"),
    st.sampled_from("\r\n\t\ufeff\u3000 ]Q1oO0lI\uff21\uff41\uff1a\uff0e\u3002\u017f\u0131+%-"),
)


@given(st.sampled_from(Carrier), st.data())
@pytest.mark.req("N-14")
def test_normalising_never_turns_a_code_into_another_valid_code(carrier: Carrier, data: st.DataObject) -> None:
    original = code_text(code_content(), carrier)
    text = list(original)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        new = data.draw(st.lists(noise, max_size=2))
        text[place : place + data.draw(st.integers(0, 2))] = new
    parsed = read("".join(text))
    if parsed is not None and seal_holds(parsed):
        assert parsed.content == code_content()


@given(st.text(noise, max_size=40))
@pytest.mark.req("N-14")
def test_normalising_does_nothing_beyond_the_list(text: str) -> None:
    """A second description of the list, character by character, agrees with the function."""
    kept = "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else " " if c == "\u3000" else c for c in text)
    while kept[:1] in {"\r", "\n", "\t", "\ufeff"}:
        kept = kept[1:]
    while kept[-1:] in {"\r", "\n", "\t", "\ufeff"}:
        kept = kept[:-1]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if len(kept) >= 3 and kept[0] == "]" and kept[1] in letters and kept[2] in letters + "0123456789":
        kept = kept[3:]
    assert normalise(text) == "".join(c.upper() if c in letters else c for c in kept)


@pytest.mark.req("N-14")
def test_oversized_text_is_left_to_the_decoder() -> None:
    text = "\n" * (MAX_CODE_TEXT + 1)
    assert normalise(text) is text
