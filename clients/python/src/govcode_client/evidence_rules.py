"""The byte rules of evidence: what is signed, and how one signature covers a batch.

They stand here once, for the node that makes evidence and for everyone who checks it, and need only the standard
library.

    >>> leaves = [leaf_hash(text) for text in (b"a", b"b", b"c")]
    >>> levels = merkle_levels(leaves)
    >>> merkle_root_from_path(leaves[2], 2, 3, merkle_path(levels, 2)) == levels[-1][0]
    True
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from govcode_client.sm2 import sm3

EVIDENCE_TAG: Final = b"govcode-evidence-v1"
MERKLE_TAG: Final = b"govcode-merkle-v1"
HOLDER_TAG: Final = b"govcode-holder-v1"
HASH_SIZE: Final = 32
MAX_LEAF_COUNT: Final = 65_536

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class EvidenceShapeError(ValueError):
    """The parts of a piece of evidence do not fit together, whatever the signature says."""


def milliseconds_of(moment: datetime) -> int:
    """Return the milliseconds since 1970 of an aware time that is exact to the millisecond.

    Raises:
        EvidenceShapeError: The time is naive, before 1970, or finer than a millisecond: what lies below would be
            carried beside the signature without being covered by it.
    """
    if moment.tzinfo is None:
        raise EvidenceShapeError("the time has no time zone")
    count, rest = divmod(moment - _EPOCH, _MILLISECOND)
    if rest or count < 0:
        raise EvidenceShapeError("the time is before 1970 or finer than a millisecond")
    return count


def moment_of(milliseconds: int) -> datetime:
    """Return the aware time of a count of milliseconds since 1970."""
    return _EPOCH + milliseconds * _MILLISECOND


def signed_bytes(
    *, purpose: str, payload_type: str, node_id: str, key_id: str, signed_time_ms: int, payload: bytes
) -> bytes:
    """Return the exact bytes that the proof of a piece of evidence covers.

    Every text carries its length, so no two different statements share their bytes; the purpose is part of them, so a
    signature for one purpose is worthless for another.
    """
    parts = [EVIDENCE_TAG]
    for text in (purpose, payload_type, node_id, key_id):
        encoded = text.encode()
        parts.append(len(encoded).to_bytes(4, "big"))
        parts.append(encoded)
    parts.append(signed_time_ms.to_bytes(8, "big"))
    parts.append(payload)
    return b"".join(parts)


def holder_bytes(statement_type: str, statement: bytes) -> bytes:
    """Return the exact bytes that a holder's device signs.

    The name of the message is part of them: statements of different acts look alike on the wire, and what was signed to
    open a session must be worthless for closing the account.

    Args:
        statement_type: Full name of the message. Example: ``govcode.code.v1.CloseAccountStatement``.
        statement: The serialized message.
    """
    name = statement_type.encode()
    return HOLDER_TAG + len(name).to_bytes(4, "big") + name + statement


def root_bytes(root: bytes, root_time_ms: int) -> bytes:
    """Return the exact bytes that the signature of a Merkle root covers."""
    return MERKLE_TAG + root + root_time_ms.to_bytes(8, "big")


def leaf_hash(signed: bytes) -> bytes:
    """Return the leaf of one statement's signed bytes; 0x00 keeps leaves and inner nodes apart."""
    return sm3(b"\x00" + signed)


def _node_hash(left: bytes, right: bytes) -> bytes:
    return sm3(b"\x01" + left + right)


def merkle_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return all levels of the tree, leaves first, root last; an odd node at the end of a level moves up unchanged.

    Raises:
        EvidenceShapeError: There is no leaf, or more than 65,536.
    """
    if not 1 <= len(leaves) <= MAX_LEAF_COUNT:
        raise EvidenceShapeError(f"a tree has 1 to {MAX_LEAF_COUNT} leaves, not {len(leaves)}")
    level = list(leaves)
    levels = [level]
    while len(level) > 1:
        above = [_node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        levels.append(above)
        level = above
    return levels


def merkle_path(levels: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    """Return the sibling hashes from a leaf up to the root; a level without a sibling adds nothing.

    Raises:
        EvidenceShapeError: There is no leaf of that index.
    """
    if not 0 <= index < len(levels[0]):
        raise EvidenceShapeError(f"the tree has no leaf {index}")
    path = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return tuple(path)


def merkle_root_from_path(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """Return the root that a leaf and its path lead to.

    Index and count dictate the exact shape of the path, so an inner node can never be passed off as a leaf and no
    hash can be left over.

    Raises:
        EvidenceShapeError: The index is not below the count, the count is out of bounds, or the path has another
            length than the shape demands or a hash of another size.
    """
    if not 1 <= count <= MAX_LEAF_COUNT or not 0 <= index < count:
        raise EvidenceShapeError(f"leaf {index} of {count} is not possible")
    if any(len(sibling) != HASH_SIZE for sibling in path):
        raise EvidenceShapeError(f"a hash of the path does not have {HASH_SIZE} bytes")
    node, used = leaf, 0
    while count > 1:
        if index ^ 1 < count:
            if used == len(path):
                raise EvidenceShapeError("the path is too short")
            sibling = path[used]
            used += 1
            node = _node_hash(sibling, node) if index & 1 else _node_hash(node, sibling)
        index >>= 1
        count = (count + 1) >> 1
    if used != len(path):
        raise EvidenceShapeError("the path is too long")
    return node
