import importlib.util
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.cmac import CMAC
from gmssl import sm2
from govcode_node.domain.codecs import (
    CodecSet,
    InvalidGuideHostError,
    Malformation,
    MalformedCodeError,
    UnknownCodecError,
    UnsupportedVersionError,
)
from govcode_node.domain.codes import (
    Carrier,
    CodeContent,
    CodeId,
    CodeMode,
    CodeProfile,
    ExtensionField,
    ParsedCode,
    SealAlgorithm,
    SubjectKind,
    TerminalType,
)
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.text_encodings import base32_encode, base45_decode, base45_encode
from govcode_node.domain.zwm1 import Zwm1Codec
from hypothesis import example, given
from hypothesis import strategies as st
from kit.code_samples import CODE_ID, ISSUED_AT, code_content, code_text, contents, hmac_seal, seal_holds

VECTORS = Path(__file__).parents[2] / "vectors"
GOLDEN: dict[str, Any] = json.loads((VECTORS / "zwm1" / "golden.json").read_text())
REFUSED: list[dict[str, str]] = json.loads((VECTORS / "zwm1" / "refused.json").read_text())["vectors"]
CODEC = Zwm1Codec()
CODECS = CodecSet([CODEC], issuing="ZWM1")


def content_of(fields: dict[str, Any]) -> CodeContent:
    flags = fields["flags"]
    return CodeContent(
        profile=CodeProfile(fields["profile"]),
        subject_kind=SubjectKind(fields["subject_kind"]),
        mode=CodeMode(fields["mode"]),
        one_time=bool(flags & 1),
        proxy=bool(flags & 4),
        consent_required=bool(flags & 8),
        test_environment=bool(flags & 16),
        terminal_type=TerminalType(fields["terminal_type"]),
        algorithm=SealAlgorithm(fields["algorithm"]),
        region_code=RegionCode(str(fields["region"])),
        issuer_no=fields["issuer_no"],
        key_no=fields["key_no"],
        scene_no=fields["scene_no"],
        issued_at=datetime.fromtimestamp(fields["issued"], UTC),
        expires_at=None if fields["expires"] == 0xFFFFFFFF else datetime.fromtimestamp(fields["expires"], UTC),
        code_id=CodeId(bytes.fromhex(fields["code_id"])),
        extension=tuple(ExtensionField(tag, bytes.fromhex(value)) for tag, value in fields["extension"]),
    )


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
@pytest.mark.req("7.2-01", "7.2-02", "7.2-13")
def test_golden_code_is_read_and_written_bit_for_bit(vector: dict[str, Any]) -> None:
    content, sealed, seal = content_of(vector["fields"]), bytes.fromhex(vector["sealed"]), bytes.fromhex(vector["seal"])
    carrier = Carrier(vector["carrier"])
    assert CODECS.parse(vector["text"]) == ParsedCode(content, sealed, seal, carrier)
    assert CODEC.encode(content) == sealed
    assert CODEC.assemble(sealed, seal, carrier, vector["host"]) == vector["text"]


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
@pytest.mark.req("7.2-13")
def test_golden_seal_holds_over_the_bytes_that_were_read(vector: dict[str, Any]) -> None:
    parsed = CODECS.parse(vector["text"])
    match parsed.content.algorithm:
        case SealAlgorithm.SM3_HMAC_128:
            assert seal_holds(parsed, bytes.fromhex(GOLDEN["hmac_sm3_key"]))
        case SealAlgorithm.SM4_CMAC_128:
            mac = CMAC(SM4(bytes.fromhex(GOLDEN["cmac_sm4_key"])))
            mac.update(parsed.sealed_bytes)
            assert mac.finalize() == parsed.seal
        case SealAlgorithm.SM2_SM3:
            verifier = sm2.CryptSM2(private_key="", public_key=GOLDEN["sm2_public_key"])
            assert verifier.verify_with_sm3(parsed.seal.hex(), parsed.sealed_bytes)
            assert not verifier.verify_with_sm3(parsed.seal.hex(), parsed.sealed_bytes + b"\0")


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["name"])
@pytest.mark.req("7.2-01", "7.2-02", "7.2-09")
def test_malformed_code_is_refused_for_its_reason(vector: dict[str, str]) -> None:
    if vector["reason"] == "VERSION_UNSUPPORTED":
        with pytest.raises(UnsupportedVersionError):
            CODECS.parse(vector["text"])
        return
    with pytest.raises(MalformedCodeError) as refusal:
        CODECS.parse(vector["text"])
    assert refusal.value.reason == vector["reason"]
    with pytest.raises(MalformedCodeError) as direct:
        CODEC.parse(vector["text"])
    assert direct.value.reason == vector["reason"]


def test_every_reason_of_malformation_has_a_vector() -> None:
    assert set(Malformation) <= {vector["reason"] for vector in REFUSED}


def build_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_zwm1_vectors", VECTORS / "build_zwm1_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_vector_files_are_what_the_build_script_writes() -> None:
    for name, content in build_script().files().items():
        assert (VECTORS / "zwm1" / name).read_text(encoding="ascii") == content


@given(contents(), st.sampled_from(Carrier))
@pytest.mark.req("7.2-01")
def test_every_content_survives_every_carrier(content: CodeContent, carrier: Carrier) -> None:
    parsed = CODEC.parse(code_text(content, carrier))
    assert (parsed.content, parsed.carrier) == (content, carrier)
    assert parsed.sealed_bytes == CODEC.encode(content)


@pytest.mark.parametrize("kind", SubjectKind)
@pytest.mark.req("5-05")
def test_code_of_each_subject_kind_is_made_and_verified(kind: SubjectKind) -> None:
    parsed = CODECS.parse(code_text(code_content(subject_kind=kind)))
    assert parsed.content.subject_kind is kind
    assert seal_holds(parsed)


def test_texts_stay_within_the_alphanumeric_mode_of_qr() -> None:
    alphanumeric = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    for carrier in Carrier:
        assert set(code_text(code_content(), carrier)) <= alphanumeric
    assert set(code_text(code_content(), Carrier.PRINTED)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.")


@pytest.mark.req("7.2-04")
def test_every_one_bit_change_of_a_code_is_noticed() -> None:
    sealed = CODEC.encode(code_content())
    data = sealed + hmac_seal(sealed)
    reached_the_seal = 0
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            parsed = CODEC.parse("ZWM1." + base32_encode(bytes(flipped)))
        except (MalformedCodeError, UnsupportedVersionError):
            continue
        reached_the_seal += 1
        assert not seal_holds(parsed)
    # Were the decoder to refuse everything, the seal would not have been tried at all.
    assert reached_the_seal > 300


@pytest.mark.parametrize("carrier", [Carrier.SCREEN, Carrier.PRINTED])
@pytest.mark.req("7.2-04")
def test_every_one_bit_change_of_a_code_text_is_noticed(carrier: Carrier) -> None:
    text = code_text(code_content(), carrier)
    for place in range(len(text)):
        for bit in range(7):
            flipped = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
            try:
                parsed = CODEC.parse(flipped)
            except (MalformedCodeError, UnsupportedVersionError):
                continue
            assert not seal_holds(parsed)


@pytest.mark.req("7.2-09")
def test_unknown_even_tag_is_ignored_and_kept() -> None:
    field = ExtensionField(250, b"of a later release")
    parsed = CODEC.parse(code_text(code_content(extension=(field,))))
    assert parsed.content.extension == (field,)
    assert seal_holds(parsed)


@pytest.mark.req("7.2-09")
def test_critical_tag_is_read_by_a_codec_that_knows_it_and_refused_by_others() -> None:
    knowing = Zwm1Codec(known_critical_tags=frozenset({7}))
    content = code_content(extension=(ExtensionField(7, b"!"),))
    sealed = knowing.encode(content)
    text = knowing.assemble(sealed, hmac_seal(sealed), Carrier.SCREEN)
    assert knowing.parse(text).content == content
    for refused in (lambda: CODEC.parse(text), lambda: CODEC.encode(content)):
        with pytest.raises(MalformedCodeError) as refusal:
            refused()
        assert refusal.value.reason is Malformation.UNKNOWN_CRITICAL_TAG


@pytest.mark.req("7.2-09")
def test_emergency_profile_is_not_written() -> None:
    content = code_content(profile=CodeProfile.EMERGENCY, algorithm=SealAlgorithm.SM2_SM3)
    with pytest.raises(UnsupportedVersionError):
        CODEC.encode(content)


@pytest.mark.parametrize("length", [0, 15, 17, 64])
def test_seal_of_the_wrong_length_is_not_assembled(length: int) -> None:
    with pytest.raises(MalformedCodeError) as refusal:
        CODEC.assemble(CODEC.encode(code_content()), bytes(length), Carrier.SCREEN)
    assert refusal.value.reason is Malformation.SEAL_LENGTH


@pytest.mark.parametrize(
    "host", [None, "", "a b", "a/b", "-a.cn", "a-.cn", "a..cn", "a.cn.", "用.cn", "a.cn:x", "a@b.cn", "a" * 254]
)
def test_guide_needs_a_proper_host(host: str | None) -> None:
    with pytest.raises(InvalidGuideHostError):
        CODEC.assemble(CODEC.encode(code_content()), bytes(16), Carrier.GUIDE, host)


@pytest.mark.parametrize("host", ["code.hb.gov.cn", "A", "localhost:8443", "a-b.c1.gov.cn"])
def test_guide_host_is_written_in_upper_case(host: str) -> None:
    text = code_text(code_content(), Carrier.GUIDE, host)
    assert text.startswith(f"HTTPS://{host.upper()}/C/")
    assert CODEC.parse(text).content == code_content()


@pytest.mark.req("7.2-03")
def test_no_field_can_carry_an_identity() -> None:
    """All that a code can hold in free form is the id and the extension; neither is made from the subject."""
    planted = ["11010519491231002X", "张三", "13800138000", "MID-42"]
    for carrier in Carrier:
        parsed = CODEC.parse(code_text(code_content(), carrier))
        for word in planted:
            assert word.encode() not in parsed.sealed_bytes + parsed.seal
    free_form = {name for name, hint in CodeContent.__annotations__.items() if hint not in {bool, int}}
    assert free_form - {"profile", "subject_kind", "mode", "terminal_type", "algorithm", "region_code"} == {
        "issued_at",
        "expires_at",
        "code_id",
        "extension",
    }


# --- fuzzing -----------------------------------------------------------------------------------------------------


def mutated(chance: random.Random, texts: list[str]) -> str:
    text = chance.choice(texts)
    kind = chance.randrange(8)
    place = chance.randrange(len(text))
    if kind < 3:
        return text[:place] + chance.choice("0A9Z:. %ZWM1/-+*$\x00a\uff21\U0001f600") + text[place + 1 :]
    if kind == 3:
        return text[:place]
    if kind == 4:
        return text[:place] + text[place + 1 :]
    if kind == 5:
        other = chance.choice(texts)
        return text[:place] + other[chance.randrange(len(other)) :]
    data = bytearray(base45_decode(texts[0][5:]))
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(48)] = chance.randrange(256)
    if kind == 6:
        data += chance.randbytes(chance.randrange(4))
    return "ZWM1:" + base45_encode(bytes(data))


def fuzz(count: int, seed: int) -> tuple[int, int]:
    """It feeds the decoder and returns how many texts were read and how many refused; anything else is an exception."""
    chance = random.Random(seed)
    extension = (ExtensionField(2, b"abc"), ExtensionField(4, b""))
    static = code_content(mode=CodeMode.STATIC, expires_at=None)
    texts = [
        code_text(c, carrier)
        for carrier in Carrier
        for c in (code_content(), code_content(extension=extension), static)
    ]
    read = refused = 0
    for _ in range(count):
        text = mutated(chance, texts)
        try:
            parsed = CODEC.parse(text)
        except (MalformedCodeError, UnsupportedVersionError):
            refused += 1
            continue
        read += 1
        host = text[8 : text.index("/C/", 8)] if parsed.carrier is Carrier.GUIDE else None
        # Strictness: what was read has exactly one text, and it is the one that was given.
        assert CODEC.assemble(CODEC.encode(parsed.content), parsed.seal, parsed.carrier, host) == text
    return read, refused


@pytest.mark.req("7.2-01")
def test_twenty_thousand_mutated_texts_are_read_exactly_or_refused() -> None:
    read, refused = fuzz(20_000, seed=1)
    assert read > 1_000
    assert refused > 10_000


@pytest.mark.slow
@pytest.mark.req("7.2-01")
def test_million_mutated_texts_are_read_exactly_or_refused() -> None:
    read, refused = fuzz(1_000_000, seed=2)
    assert read + refused == 1_000_000


@given(st.one_of(st.text(), st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"), st.binary().map(base45_encode)))
@example("")
@example("\ud800")
@pytest.mark.req("7.2-01")
def test_arbitrary_text_gets_a_typed_refusal(tail: str) -> None:
    for head in ("", "ZWM1:", "ZWM1.", "HTTPS://A.CN/C/", "ZWM1:GHB"):
        with pytest.raises((MalformedCodeError, UnsupportedVersionError)):
            CODECS.parse(head + tail)


# --- replaceable codec (5-06) ------------------------------------------------------------------------------------


class LaterCodec:
    """A codec of a scheme to come: the fields of ZWM1 in hexadecimal under another name."""

    scheme = "ZWM9"

    def recognises(self, text: str) -> bool:
        return text.startswith("ZWM9:")

    def encode(self, content: CodeContent) -> bytes:
        return b"\x09" + CODEC.encode(content)

    def assemble(self, sealed_bytes: bytes, seal: bytes, carrier: Carrier, host: str | None = None) -> str:
        return "ZWM9:" + (sealed_bytes + seal).hex().upper()

    def parse(self, text: str) -> ParsedCode:
        data = bytes.fromhex(text[5:])
        inner = CODEC.parse("ZWM1:" + base45_encode(data[1:]))
        return ParsedCode(inner.content, data[:-16], data[-16:], Carrier.SCREEN)


@pytest.mark.req("5-06", "7.2-13")
def test_codec_is_swapped_by_its_name_and_old_codes_are_still_read() -> None:
    def issue(codecs: CodecSet, content: CodeContent) -> str:
        sealed = codecs.issuing.encode(content)
        return codecs.issuing.assemble(sealed, hmac_seal(sealed), Carrier.SCREEN)

    old_node = CodecSet([Zwm1Codec()], issuing="ZWM1")
    new_node = CodecSet([Zwm1Codec(), LaterCodec()], issuing="ZWM9")
    old_text, new_text = issue(old_node, code_content()), issue(new_node, code_content())
    assert new_text.startswith("ZWM9:")
    for text in (old_text, new_text):
        parsed = new_node.parse(text)
        assert parsed.content == code_content()
        assert seal_holds(parsed)
    with pytest.raises(UnsupportedVersionError) as refusal:
        old_node.parse(new_text)
    assert refusal.value.version == "ZWM9"


@pytest.mark.req("5-06")
def test_codec_that_is_missing_or_there_twice_is_refused_at_start() -> None:
    with pytest.raises(UnknownCodecError) as missing:
        CodecSet([Zwm1Codec()], issuing="ZWM9")
    assert missing.value.scheme == "ZWM9"
    with pytest.raises(UnknownCodecError):
        CodecSet([Zwm1Codec(), Zwm1Codec()], issuing="ZWM1")


def test_refusal_does_not_repeat_the_code() -> None:
    text = code_text(code_content(code_id=CODE_ID, issued_at=ISSUED_AT))
    with pytest.raises(MalformedCodeError) as refusal:
        CODEC.parse(text + "0")
    assert text[5:20] not in f"{refusal.value} {refusal.value.__dict__} {refusal.value.__cause__}"
