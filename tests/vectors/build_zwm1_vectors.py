"""Rebuilds tests/vectors/zwm1/*.json: golden codes, refused texts, and what scanners do to codes.

    python tests/vectors/build_zwm1_vectors.py

It shares no line with the codec: bytes are put together here by hand and the text encodings are a second, naive
implementation, so that a mistake in the codec cannot hide in its own vectors. Keys are public test keys; the SM2 pair
is that of the examples in GB/T 32918.5. The SM2 signature is stored, not made: it is randomised, and signing is not the
affair of this script. It was made once with gmssl 3.2.2 over the sealed bytes of `SIGNED`, default user id, and is
checked by the tests with the public key below.
"""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.cmac import CMAC

HERE = Path(__file__).parent / "zwm1"
BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
HMAC_KEY = bytes(range(32))
CMAC_KEY = bytes(range(16))
SM2_PUBLIC_KEY = (
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
SM2_SIGNATURE = (
    "b54cd75f931cff8758dd8b8ff37f63bb84b5cefc5d7796cf99b8747604e360b5"
    "79455c17f0f4f66a1f2b921e824f9ecdd72d2b56a00999e362124996d1d21832"
)
OPEN_END = 0xFFFFFFFF

DYNAMIC = {
    "profile": 0,
    "subject_kind": 1,
    "mode": 1,
    "flags": 0b00001,
    "terminal_type": 1,
    "algorithm": 1,
    "region": 420106,
    "issuer_no": 17,
    "key_no": 3,
    "scene_no": 0,
    "issued": 1793500000,
    "expires": 1793500120,
    "code_id": "01a194ee2f00783c9f8b609de60036a8",
    "extension": [],
}
STATIC = DYNAMIC | {
    "subject_kind": 3,
    "mode": 0,
    "flags": 0,
    "terminal_type": 5,
    "expires": OPEN_END,
    "code_id": "01a194ee2f0070009fffffffffffffff",
}
SIGNED = DYNAMIC | {
    "profile": 1,
    "subject_kind": 2,
    "mode": 3,
    "flags": 0b01100,
    "terminal_type": 2,
    "algorithm": 3,
    "region": 310000,
    "scene_no": 65535,
    "code_id": "01a194ee2f007abcbdef0123456789ab",
}
EXTENDED = DYNAMIC | {
    "subject_kind": 4,
    "flags": 0b10011,
    "extension": [[2, "00" * 96], [254, ""], [4, "5a" * 98]],
}


def header_and_extension(fields: dict[str, Any]) -> bytes:
    extension = b"".join(
        bytes([tag, len(bytes.fromhex(value))]) + bytes.fromhex(value) for tag, value in fields["extension"]
    )
    data: bytes = (
        b"\x5a"
        + bytes([0x10 + fields["profile"]])
        + bytes([fields["subject_kind"] * 16 + fields["mode"]])
        + bytes([fields["flags"], fields["terminal_type"], fields["algorithm"]])
        + fields["region"].to_bytes(3, "big")
        + fields["issuer_no"].to_bytes(2, "big")
        + fields["key_no"].to_bytes(2, "big")
        + fields["scene_no"].to_bytes(2, "big")
        + fields["issued"].to_bytes(4, "big")
        + fields["expires"].to_bytes(4, "big")
        + bytes.fromhex(fields["code_id"])
        + bytes([len(extension)])
        + extension
    )
    return data


def seal_of(fields: dict[str, Any]) -> bytes:
    sealed = header_and_extension(fields)
    if fields["algorithm"] == 1:
        return hmac.new(HMAC_KEY, sealed, hashlib.new("sm3").name).digest()[:16]
    if fields["algorithm"] == 2:
        mac = CMAC(SM4(CMAC_KEY))
        mac.update(sealed)
        return mac.finalize()
    return bytes.fromhex(SM2_SIGNATURE)


def base45(data: bytes) -> str:
    text = ""
    for start in range(0, len(data), 2):
        chunk = data[start : start + 2]
        value = int.from_bytes(chunk, "big")
        for _ in range(len(chunk) + 1):
            text += BASE45[value % 45]
            value //= 45
    return text


def base32(data: bytes) -> str:
    return base64.b32encode(data).decode().replace("=", "")


def text_of(data: bytes, carrier: str) -> str:
    if carrier == "SCREEN":
        return "ZWM1:" + base45(data)
    return ("ZWM1." if carrier == "PRINTED" else "HTTPS://CODE.HB.GOV.CN/C/") + base32(data)


def golden(name: str, fields: dict[str, Any], carrier: str) -> dict[str, Any]:
    sealed, seal = header_and_extension(fields), seal_of(fields)
    return {
        "name": name,
        "carrier": carrier,
        "host": "code.hb.gov.cn" if carrier == "GUIDE" else None,
        "fields": fields,
        "sealed": sealed.hex(),
        "seal": seal.hex(),
        "text": text_of(sealed + seal, carrier),
    }


def golden_vectors() -> dict[str, Any]:
    return {
        "hmac_sm3_key": HMAC_KEY.hex(),
        "cmac_sm4_key": CMAC_KEY.hex(),
        "sm2_public_key": SM2_PUBLIC_KEY,
        "vectors": [
            golden("dynamic person code, MAC, screen", DYNAMIC, "SCREEN"),
            golden("dynamic person code, MAC, printed carrier", DYNAMIC, "PRINTED"),
            golden("dynamic person code, MAC, guide", DYNAMIC, "GUIDE"),
            golden("dynamic person code, SM4-CMAC, screen", DYNAMIC | {"algorithm": 2}, "SCREEN"),
            golden("static venue code without end, MAC, printed carrier", STATIC, "PRINTED"),
            golden("authorisation code of a legal entity, signed, screen", SIGNED, "SCREEN"),
            golden("authorisation code of a legal entity, signed, guide", SIGNED, "GUIDE"),
            golden("matter code with 200 bytes of extension, MAC, screen", EXTENDED, "SCREEN"),
        ],
    }


def refused(name: str, reason: str, text: str) -> dict[str, str]:
    return {"name": name, "reason": reason, "text": text}


def patched(fields: dict[str, Any], position: int, octet: int) -> bytes:
    """The bytes of a code with one octet of the header replaced; the seal is not made anew, parsing comes first."""
    data = bytearray(header_and_extension(fields) + seal_of(fields))
    data[position] = octet
    return bytes(data)


def with_extension(raw: bytes) -> bytes:
    header = bytearray(header_and_extension(DYNAMIC | {"flags": 0b00011}))
    header[39] = len(raw)
    return bytes(header) + raw + bytes(16)


def refused_vectors() -> dict[str, Any]:
    data = header_and_extension(DYNAMIC) + seal_of(DYNAMIC)
    screen, printed = text_of(data, "SCREEN"), text_of(data, "PRINTED")

    def binary(name: str, reason: str, octets: bytes) -> dict[str, str]:
        return refused(name, reason, text_of(octets, "SCREEN"))

    return {
        "vectors": [
            refused("no text", "EMPTY", ""),
            refused("1,025 characters", "TEXT_TOO_LONG", "ZWM1:" + "0" * 1020),
            refused("no known carrier", "UNKNOWN_CARRIER", "HELLO WORLD"),
            refused("lower-case carrier", "UNKNOWN_CARRIER", screen.lower()),
            refused("guide without TLS", "UNKNOWN_CARRIER", "HTTP://A.GOV.CN/C/" + base32(data)),
            refused("guide with user and password", "UNKNOWN_CARRIER", "HTTPS://A@B.GOV.CN/C/" + base32(data)),
            refused("blank before the carrier", "UNKNOWN_CARRIER", " " + screen),
            refused("Base45 with a lower-case character", "BAD_CHARACTER", screen[:-1] + "a"),
            refused("Base45 with a full-width character", "BAD_CHARACTER", screen[:-1] + "\uff21"),
            refused("Base45 of an impossible length", "BAD_LENGTH", screen[:-2]),
            refused("Base45 triple above 65535", "VALUE_OVERFLOW", screen[:-3] + ":::"),
            refused("Base45 pair above 255", "VALUE_OVERFLOW", screen + "::"),
            refused("Base32 with 0", "BAD_CHARACTER", printed[:-1] + "0"),
            refused("Base32 with padding", "BAD_CHARACTER", printed + "======"),
            refused("Base32 with underscore", "BAD_CHARACTER", printed[:-2] + "_" + printed[-1]),
            refused("Base32 of an impossible length", "BAD_LENGTH", printed + "A"),
            refused("Base32 with tail bits set", "TAIL_BITS", printed[:-1] + "B"),
            refused("Base45 carrier with a Base32 payload", "VALUE_OVERFLOW", "ZWM1:" + base32(data)),
            binary("one byte", "TOO_SHORT", data[:1]),
            binary("header cut", "TOO_SHORT", data[:39]),
            binary("wrong magic", "BAD_MAGIC", b"\x5b" + data[1:]),
            binary("version 2", "VERSION_UNSUPPORTED", patched(DYNAMIC, 1, 0x20)),
            binary("version 2, shorter than any version 1 code", "VERSION_UNSUPPORTED", b"\x5a\x20\x00"),
            binary("version 0", "VERSION_UNSUPPORTED", patched(DYNAMIC, 1, 0x00)),
            binary("emergency profile", "VERSION_UNSUPPORTED", patched(DYNAMIC, 1, 0x12)),
            binary("profile that nobody has defined", "VERSION_UNSUPPORTED", patched(DYNAMIC, 1, 0x13)),
            binary("subject kind 0", "RESERVED_VALUE", patched(DYNAMIC, 2, 0x01)),
            binary("subject kind 5", "RESERVED_VALUE", patched(DYNAMIC, 2, 0x51)),
            binary("mode 4", "RESERVED_VALUE", patched(DYNAMIC, 2, 0x14)),
            binary("flag b5", "RESERVED_FLAG", patched(DYNAMIC, 3, 0x20)),
            binary("flag b7", "RESERVED_FLAG", patched(DYNAMIC, 3, 0x80)),
            binary("extension flag without extension", "EXTENSION_FLAG", patched(DYNAMIC, 3, 0x02)),
            binary("extension without its flag", "EXTENSION_FLAG", patched(EXTENDED, 3, 0x01)),
            binary("terminal type 7", "RESERVED_VALUE", patched(DYNAMIC, 4, 7)),
            binary("algorithm 0", "RESERVED_VALUE", patched(DYNAMIC, 5, 0)),
            binary("algorithm 4", "RESERVED_VALUE", patched(DYNAMIC, 5, 4)),
            binary("MAC profile with SM2", "PROFILE_ALGORITHM", patched(DYNAMIC, 5, 3)),
            binary("signed profile with a MAC", "PROFILE_ALGORITHM", patched(SIGNED, 5, 1)),
            binary("region above 999999", "BAD_REGION", patched(DYNAMIC, 6, 0xFF)),
            binary(
                "county without its city", "BAD_REGION", header_and_extension(DYNAMIC | {"region": 420001}) + bytes(16)
            ),
            binary(
                "expiry equal to issue",
                "TIME_ORDER",
                header_and_extension(DYNAMIC | {"expires": 1793500000}) + bytes(16),
            ),
            binary("expiry before issue", "TIME_ORDER", header_and_extension(DYNAMIC | {"expires": 0}) + bytes(16)),
            binary(
                "issue at the open end", "TIME_FORM", header_and_extension(STATIC | {"issued": OPEN_END}) + bytes(16)
            ),
            binary(
                "dynamic without end", "OPEN_END", header_and_extension(DYNAMIC | {"expires": OPEN_END}) + bytes(16)
            ),
            binary(
                "extension of 201 bytes",
                "EXTENSION_LENGTH",
                with_extension(b"\x02\x60" + bytes(96) + b"\x04\x65" + bytes(101)),
            ),
            binary("extension with a tag alone", "EXTENSION_CUT", with_extension(b"\x02\x00\x04")),
            binary("extension value cut", "EXTENSION_CUT", with_extension(b"\x02\x03\x00\x00")),
            binary("extension tag twice", "DUPLICATE_TAG", with_extension(b"\x02\x00\x02\x00")),
            binary("unknown critical tag", "UNKNOWN_CRITICAL_TAG", with_extension(b"\x03\x01\x00")),
            binary("seal one byte short", "SEAL_LENGTH", data[:-1]),
            binary("one byte after the seal", "SEAL_LENGTH", data + b"\x00"),
            binary("no seal", "SEAL_LENGTH", data[:40]),
            binary("MAC code with the seal of a signed one", "SEAL_LENGTH", data[:40] + bytes(64)),
            binary("signed code with a MAC", "SEAL_LENGTH", header_and_extension(SIGNED) + bytes(16)),
        ]
    }


def widened(text: str) -> str:
    return "".join("\u3000" if c == " " else chr(ord(c) + 0xFEE0) for c in text)


def scanner_corpus() -> dict[str, Any]:
    screen = golden("", DYNAMIC, "SCREEN")["text"]
    printed = golden("", STATIC, "PRINTED")["text"]
    dynamic_printed = golden("", DYNAMIC, "PRINTED")["text"]
    guide = golden("", DYNAMIC, "GUIDE")["text"]
    blank = screen.index(" ")
    letter = screen.rindex("O")

    def case(name: str, received: str, expected: str, result: str = "REPAIRED") -> dict[str, str]:
        return {"name": name, "received": received, "sent": expected, "result": result}

    return {
        "cases": [
            case("untouched screen code", screen, screen),
            case("untouched printed code", printed, printed),
            case("untouched guide code", guide, guide),
            case("wedge suffix CR", printed + "\r", printed),
            case("wedge suffix LF", printed + "\n", printed),
            case("wedge suffix CR LF", screen + "\r\n", screen),
            case("wedge suffix TAB", printed + "\t", printed),
            case("wedge prefix TAB", "\t" + printed, printed),
            case("several line ends", "\r\n" + guide + "\r\n\r\n", guide),
            case("byte order mark", "\ufeff" + printed, printed),
            case("byte order mark at both ends", "\ufeff" + screen + "\ufeff", screen),
            case("AIM identifier of QR", "]Q1" + printed, printed),
            case("AIM identifier of QR, model 2 with ECI", "]Q2" + screen, screen),
            case("AIM identifier of Han Xin", "]h1" + printed, printed),
            case("byte order mark, AIM identifier, CR LF", "\ufeff]Q1" + screen + "\r\n", screen),
            case("lower case", printed.lower(), printed),
            case("caps lock inverted", screen.swapcase(), screen),
            case("lower-case guide", guide.lower() + "\n", guide),
            case("AIM identifier in lower case too", "]q1" + printed.lower(), printed),
            case("all full width", widened(printed), printed),
            case("all full width, lower case", widened(printed.lower()), printed),
            case("full width with blanks", widened(screen), screen),
            case("full-width colon only", screen.replace(":", "\uff1a", 1), screen),
            case("full-width point only", printed.replace(".", "\uff0e"), printed),
            case("full-width blank only", screen.replace(" ", "\u3000"), screen),
            case("full-width AIM identifier", widened("]Q1") + printed, printed),
            case("blank lost", screen.replace(" ", "", 1), screen, "VALUE_OVERFLOW"),
            case("blank doubled", screen[:blank] + " " + screen[blank:], screen, "BAD_LENGTH"),
            case("blank to a no-break blank", screen.replace(" ", "\u00a0"), screen, "BAD_CHARACTER"),
            case("blank to +, as forms do", screen.replace(" ", "+"), screen, "SEAL_INVALID"),
            case("blank to %20, as URLs do", screen.replace(" ", "%20", 1), screen, "VALUE_OVERFLOW"),
            case("blank in front", " " + printed, printed, "UNKNOWN_CARRIER"),
            case("blank behind", printed + " ", printed, "BAD_CHARACTER"),
            case("ideographic full stop for the point", printed.replace(".", "\u3002"), printed, "UNKNOWN_CARRIER"),
            case("semicolon for the colon, other keyboard", screen.replace(":", ";", 1), screen, "UNKNOWN_CARRIER"),
            case("line break inside", printed[:40] + "\r\n" + printed[40:], printed, "BAD_CHARACTER"),
            case("TAB inside", screen[:40] + "\t" + screen[40:], screen, "BAD_CHARACTER"),
            case("in quotation marks", f'"{printed}"', printed, "UNKNOWN_CARRIER"),
            case("first character twice", "Z" + printed, printed, "UNKNOWN_CARRIER"),
            case("first character lost", printed[1:], printed, "UNKNOWN_CARRIER"),
            case("last character lost", printed[:-1], printed, "BAD_LENGTH"),
            case("character lost inside", screen[:50] + screen[51:], screen, "VALUE_OVERFLOW"),
            case("0 for O in a printed code", dynamic_printed.replace("O", "0"), dynamic_printed, "BAD_CHARACTER"),
            case("0 for O in a screen code", screen[:letter] + "0" + screen[letter + 1 :], screen, "SEAL_INVALID"),
            case("grouped with hyphens", printed[:20] + "-" + printed[20:], printed, "BAD_CHARACTER"),
            case("two scans in one", printed + printed, printed, "BAD_CHARACTER"),
            case("two scans in two lines", printed + "\n" + printed, printed, "BAD_CHARACTER"),
            case("AIM identifier twice", "]Q1]Q1" + printed, printed, "UNKNOWN_CARRIER"),
            case("AIM identifier behind", printed + "]Q1", printed, "BAD_CHARACTER"),
            case("zero-width blank behind", printed + "\u200b", printed, "BAD_CHARACTER"),
            case("byte order mark read as Latin-1", "\u00ef\u00bb\u00bf" + printed, printed, "UNKNOWN_CARRIER"),
            case("NUL behind", printed + "\x00", printed, "BAD_CHARACTER"),
            case("Cyrillic A", printed[:5] + printed[5:].replace("A", "\u0410"), printed, "BAD_CHARACTER"),
            case("long s, which upper() would turn to S", printed + "\u017f", printed, "BAD_CHARACTER"),
            case("dotless i, which upper() would turn to I", printed[:-1] + "\u0131", printed, "BAD_CHARACTER"),
            case(
                "circled letters, which NFKC would turn to letters", "\u24cf" + printed[1:], printed, "UNKNOWN_CARRIER"
            ),
        ]
    }


def files() -> dict[str, str]:
    """Name and content of each vector file."""
    documents = {
        "golden.json": golden_vectors(),
        "refused.json": refused_vectors(),
        "scanner_corpus.json": scanner_corpus(),
    }
    # ASCII only: the corpus is about characters that an editor does not show.
    return {name: json.dumps(document, indent=1) + "\n" for name, document in documents.items()}


if __name__ == "__main__":
    for file_name, content in files().items():
        (HERE / file_name).write_text(content, encoding="ascii")
