"""Codes for tests: contents with sensible defaults, sealed with a real SM3-HMAC, and Hypothesis strategies for them."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

from govcode_node.domain.codes import (
    MAX_UNIX_SECONDS,
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
from govcode_node.domain.zwm1 import Zwm1Codec
from hypothesis import strategies as st

SEAL_KEY = b"a test key of thirty-two bytes!!"
ISSUED_AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CODE_ID = CodeId(bytes.fromhex("019f0000000070008000000000000001"))


def code_content(**overrides: Any) -> CodeContent:
    """A dynamic personal code of 武汉市江岸区 in force for two minutes; any field may be given instead."""
    fields: dict[str, Any] = {
        "profile": CodeProfile.MAC,
        "subject_kind": SubjectKind.PERSON,
        "mode": CodeMode.DYNAMIC,
        "terminal_type": TerminalType.APP,
        "algorithm": SealAlgorithm.SM3_HMAC_128,
        "region_code": RegionCode("420102"),
        "issuer_no": 1,
        "key_no": 1,
        "issued_at": ISSUED_AT,
        "expires_at": ISSUED_AT + timedelta(seconds=120),
        "code_id": CODE_ID,
    }
    return CodeContent(**fields | overrides)


def hmac_seal(sealed_bytes: bytes, key: bytes = SEAL_KEY) -> bytes:
    """SM3-HMAC-128 over the bytes."""
    return hmac.new(key, sealed_bytes, "sm3").digest()[:16]


def seal_holds(parsed: ParsedCode, key: bytes = SEAL_KEY) -> bool:
    """Whether the seal of a MAC code is right."""
    return hmac.compare_digest(parsed.seal, hmac_seal(parsed.sealed_bytes, key))


def code_text(content: CodeContent, carrier: Carrier = Carrier.SCREEN, host: str = "code.hb.gov.cn") -> str:
    """The text of a content, sealed: SM3-HMAC for MAC codes, 64 arbitrary bytes for signed ones."""
    codec = Zwm1Codec()
    sealed = codec.encode(content)
    seal = hmac_seal(sealed) if content.profile is CodeProfile.MAC else bytes(range(64))
    return codec.assemble(sealed, seal, carrier, host if carrier is Carrier.GUIDE else None)


@st.composite
def extensions(draw: st.DrawFn) -> tuple[ExtensionField, ...]:
    """Extensions of at most 200 bytes with even tags, each once."""
    tags = draw(st.lists(st.integers(0, 127).map(lambda half: half * 2), unique=True, max_size=6))
    values = [draw(st.binary(max_size=200 // len(tags) - 2)) for _ in tags]
    return tuple(ExtensionField(tag, value) for tag, value in zip(tags, values, strict=True))


def regions() -> st.SearchStrategy[RegionCode]:
    """Region codes of every level, the hub included."""
    two = st.integers(1, 99).map("{:02d}".format)
    counties = st.tuples(two, two, two)
    shapes = st.one_of(
        counties, counties.map(lambda c: (c[0], c[1], "00")), two.map(lambda p: (p, "00", "00")), st.just(("00",) * 3)
    )
    return shapes.map(lambda pairs: RegionCode("".join(pairs)))


@st.composite
def contents(draw: st.DrawFn) -> CodeContent:
    """Every kind of content that this version of the codec can write."""
    algorithm = draw(st.sampled_from(SealAlgorithm))
    mode = draw(st.sampled_from(CodeMode))
    issued = draw(st.integers(0, MAX_UNIX_SECONDS - 1))
    expires = draw(st.integers(issued + 1, MAX_UNIX_SECONDS))
    open_end = mode is CodeMode.STATIC and draw(st.booleans())
    numbers = st.integers(0, 0xFFFF)
    return CodeContent(
        profile=CodeProfile.SIGNED if algorithm is SealAlgorithm.SM2_SM3 else CodeProfile.MAC,
        subject_kind=draw(st.sampled_from(SubjectKind)),
        mode=mode,
        one_time=draw(st.booleans()),
        proxy=draw(st.booleans()),
        consent_required=draw(st.booleans()),
        test_environment=draw(st.booleans()),
        terminal_type=draw(st.sampled_from(TerminalType)),
        algorithm=algorithm,
        region_code=draw(regions()),
        issuer_no=draw(numbers),
        key_no=draw(numbers),
        scene_no=draw(numbers),
        issued_at=datetime.fromtimestamp(issued, UTC),
        expires_at=None if open_end else datetime.fromtimestamp(expires, UTC),
        code_id=CodeId(draw(st.binary(min_size=16, max_size=16))),
        extension=draw(extensions()),
    )
