"""Rebuild tests/vectors/evidence: golden evidence for everyone who checks it, in whatever language.

Run it from the root of the repository: ``python tests/vectors/build_evidence_vectors.py``. The result depends on
nothing but this file: the key is the one printed in GB/T 32918.5, and the random number of each signature is derived
from what is signed. That is right for vectors and for nothing else. It shares no line with the code under test: texts
are packed here by hand, and the tree is built from the top down, as RFC 6962 defines it, where the code builds it from
the leaves.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from gmssl import sm2 as gmssl_sm2

TARGET = Path(__file__).parent / "evidence" / "evidence-v1.json"

PRIVATE = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
POINT = (
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
NODE_ID = "420100"
KEY_ID = hashlib.new("sm3", bytes.fromhex(POINT)).hexdigest()[:16]
SIGNED_TIME_MS = 1_796_083_200_123
PAYLOAD_TYPE = "govcode.code.v1.ScanAnswer"


def build() -> dict[str, Any]:
    """Return the whole content of the vector file."""
    plain = [
        _plain("SCAN_ANSWER", PAYLOAD_TYPE, b"\x08\x01\x12\x06answer"),
        _plain("CONSENT", "govcode.authorization.v1.ConsentStatement", "同意出示电子证照".encode()),
        _plain("STATUS_SUMMARY", "govcode.hub.v1.StatusSummary", b""),
    ]
    return {
        "about": "Evidence of govcode: signed bytes, plain SM2 proofs and Merkle proofs. Byte strings are hexadecimal.",
        "public_point": POINT,
        "user_id": b"1234567812345678".hex(),
        "plain": plain,
        "batches": [_batch(count) for count in (2, 3, 5, 8)],
        "refused": _refused(plain[1], _batch(5)),
    }


def _sign(data: bytes) -> str:
    crypt = gmssl_sm2.CryptSM2(private_key=PRIVATE, public_key=POINT[2:])
    crypt.public_key = POINT[2:]
    k = _hash(b"govcode vector nonce" + data).hex()
    signature: str = crypt.sign_with_sm3(data, k)
    return signature


def _hash(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


def _split(count: int) -> int:
    """Return the largest power of two below the count."""
    return 1 << ((count - 1).bit_length() - 1)


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    at = _split(len(leaves))
    return _hash(b"\x01" + _root(leaves[:at]) + _root(leaves[at:]))


def _path(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    at = _split(len(leaves))
    if index < at:
        return [*_path(leaves[:at], index), _root(leaves[at:])]
    return [*_path(leaves[at:], index - at), _root(leaves[:at])]


def _statement(purpose: str, payload_type: str, payload: bytes) -> dict[str, Any]:
    signed = b"govcode-evidence-v1"
    for text in (purpose, payload_type, NODE_ID, KEY_ID):
        signed += struct.pack(">I", len(text.encode())) + text.encode()
    signed += struct.pack(">Q", SIGNED_TIME_MS) + payload
    return {
        "purpose": purpose,
        "payload_type": payload_type,
        "node_id": NODE_ID,
        "key_id": KEY_ID,
        "signed_time_ms": SIGNED_TIME_MS,
        "payload": payload.hex(),
        "signed_bytes": signed.hex(),
    }


def _plain(purpose: str, payload_type: str, payload: bytes) -> dict[str, Any]:
    statement = _statement(purpose, payload_type, payload)
    return {**statement, "sm2_signature": _sign(bytes.fromhex(statement["signed_bytes"]))}


def _batch(count: int) -> dict[str, Any]:
    statements = [_statement("RECOGNIZE_ANSWER", PAYLOAD_TYPE, b"answer %d" % number) for number in range(count)]
    leaves = [_hash(b"\x00" + bytes.fromhex(each["signed_bytes"])) for each in statements]
    root = _root(leaves)
    root_time_ms = SIGNED_TIME_MS + 4
    return {
        "root": root.hex(),
        "root_time_ms": root_time_ms,
        "root_signature": _sign(b"govcode-merkle-v1" + root + struct.pack(">Q", root_time_ms)),
        "leaf_count": count,
        "leaves": [
            {
                **statement,
                "leaf_hash": leaves[index].hex(),
                "leaf_index": index,
                "path": [sibling.hex() for sibling in _path(leaves, index)],
            }
            for index, statement in enumerate(statements)
        ],
    }


def _refused(consent: dict[str, Any], batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Return evidence that no checker may accept, each with the reason."""
    member = {
        **batch["leaves"][1],
        "leaf_count": batch["leaf_count"],
        "root_time_ms": batch["root_time_ms"],
        "root_signature": batch["root_signature"],
    }
    flipped = bytearray.fromhex(consent["payload"])
    flipped[0] ^= 1
    return [
        {"why": "a consent signature offered as a trust bundle's", **consent, "purpose": "TRUST_BUNDLE"},
        {"why": "one bit of the payload changed", **consent, "payload": flipped.hex()},
        {"why": "another node's name", **consent, "node_id": "440300"},
        {"why": "another key's name", **consent, "key_id": "0123456789abcdef"},
        {"why": "one millisecond later", **consent, "signed_time_ms": SIGNED_TIME_MS + 1},
        {"why": "another payload type", **consent, "payload_type": PAYLOAD_TYPE},
        {"why": "s is zero", **consent, "sm2_signature": consent["sm2_signature"][:64] + "00" * 32},
        {"why": "signature cut off", **consent, "sm2_signature": consent["sm2_signature"][:-2]},
        {"why": "another leaf index", **member, "leaf_index": 0},
        {"why": "leaf index not below the count", **member, "leaf_index": member["leaf_count"]},
        {"why": "path too short", **member, "path": member["path"][:-1]},
        {"why": "path too long", **member, "path": [*member["path"], "00" * 32]},
        {"why": "another root time", **member, "root_time_ms": member["root_time_ms"] + 1},
        {"why": "the batch's signature offered as a plain one", **consent, "sm2_signature": batch["root_signature"]},
    ]


def render() -> str:
    """Return the text of the vector file."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
