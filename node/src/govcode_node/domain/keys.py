"""Keys by purpose and state (密钥管理, clause 8.2): one key, one purpose, checked at every use.

Nothing here holds secret material; a `KeyInfo` is what may be shown to an operator or written to a log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from govcode_node.domain.errors import GovcodeError

MAX_KEY_NO: Final = 0xFFFF
_PUBLIC_POINT_SIZE: Final = 65


class KeyAlgorithm(StrEnum):
    """What a key computes with."""

    SM2 = "SM2"
    HMAC_SM3 = "HMAC_SM3"
    SM4 = "SM4"


class KeyPurpose(StrEnum):
    """What a key is for; a key never serves two purposes."""

    CODE_SEAL = "CODE_SEAL"
    """Seals codes of the signed profile."""
    CODE_MAC = "CODE_MAC"
    """Seals dynamic codes of the MAC profile; a cohort of keys, each with its key_no."""
    CODE_MAC_STATIC = "CODE_MAC_STATIC"
    """Seals static codes of the MAC profile, a bounded number of codes a key."""
    NODE_SIGN = "NODE_SIGN"
    """Signs evidence."""
    NODE_ENC = "NODE_ENC"
    """Opens what others sealed to this node; signing keys never decrypt."""
    BLIND_INDEX = "BLIND_INDEX"
    """Derives the look-up values of sealed fields."""
    PSEUDONYM = "PSEUDONYM"
    """Derives the pairwise ids that organisations see."""
    FIELD_SEAL = "FIELD_SEAL"
    """Encrypts personal fields at rest."""
    RECORD_SEAL = "RECORD_SEAL"
    """Encrypts stored answers at rest."""
    AUDIT_CHECKPOINT = "AUDIT_CHECKPOINT"
    """Signs checkpoints of the audit chains."""
    GRANT_TOKEN = "GRANT_TOKEN"  # noqa: S105 - the name of a purpose, no secret
    """Signs grant tokens."""
    LICENSE_CONTENT = "LICENSE_CONTENT"
    """Derives the content keys of licence deliveries, one for each use."""

    @property
    def algorithm(self) -> KeyAlgorithm:
        """The one algorithm that keys of this purpose use."""
        return _ALGORITHMS[self]

    @property
    def numbered(self) -> bool:
        """Whether keys of this purpose are named by a key_no inside codes."""
        return self in _NUMBERED


_ALGORITHMS: Final = {
    KeyPurpose.CODE_SEAL: KeyAlgorithm.SM2,
    KeyPurpose.CODE_MAC: KeyAlgorithm.HMAC_SM3,
    KeyPurpose.CODE_MAC_STATIC: KeyAlgorithm.HMAC_SM3,
    KeyPurpose.NODE_SIGN: KeyAlgorithm.SM2,
    KeyPurpose.NODE_ENC: KeyAlgorithm.SM2,
    KeyPurpose.BLIND_INDEX: KeyAlgorithm.HMAC_SM3,
    KeyPurpose.PSEUDONYM: KeyAlgorithm.HMAC_SM3,
    KeyPurpose.FIELD_SEAL: KeyAlgorithm.SM4,
    KeyPurpose.RECORD_SEAL: KeyAlgorithm.SM4,
    KeyPurpose.AUDIT_CHECKPOINT: KeyAlgorithm.SM2,
    KeyPurpose.GRANT_TOKEN: KeyAlgorithm.SM2,
    KeyPurpose.LICENSE_CONTENT: KeyAlgorithm.HMAC_SM3,
}
_NUMBERED: Final = frozenset({KeyPurpose.CODE_SEAL, KeyPurpose.CODE_MAC, KeyPurpose.CODE_MAC_STATIC})


class KeyState(StrEnum):
    """Where a key stands in its life cycle."""

    PRE_ACTIVE = "PRE_ACTIVE"
    ACTIVE = "ACTIVE"
    VERIFY_ONLY = "VERIFY_ONLY"
    ARCHIVED = "ARCHIVED"
    DESTROYED = "DESTROYED"
    COMPROMISED = "COMPROMISED"

    def may_become(self, later: KeyState) -> bool:
        """Tell whether the life cycle leads from this state to the later one in one step."""
        return later in _NEXT[self]


_NEXT: Final = {
    KeyState.PRE_ACTIVE: frozenset({KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.ACTIVE: frozenset({KeyState.VERIFY_ONLY, KeyState.COMPROMISED}),
    KeyState.VERIFY_ONLY: frozenset({KeyState.ARCHIVED, KeyState.COMPROMISED}),
    KeyState.ARCHIVED: frozenset({KeyState.DESTROYED, KeyState.COMPROMISED}),
    KeyState.COMPROMISED: frozenset({KeyState.DESTROYED}),
    KeyState.DESTROYED: frozenset[KeyState](),
}


class KeyUse(StrEnum):
    """What a caller is about to do with a key."""

    PROTECT = "PROTECT"
    """Sign, seal or encrypt something new."""
    CHECK = "CHECK"
    """Verify or open something made during the key's active time."""
    RECOVER = "RECOVER"
    """Open old data with an approval: archived and compromised keys included."""


_USABLE: Final = {
    KeyUse.PROTECT: frozenset({KeyState.ACTIVE}),
    KeyUse.CHECK: frozenset({KeyState.ACTIVE, KeyState.VERIFY_ONLY}),
    KeyUse.RECOVER: frozenset({KeyState.ACTIVE, KeyState.VERIFY_ONLY, KeyState.ARCHIVED, KeyState.COMPROMISED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """Everything about a key but its secret."""

    key_id: str
    """16 hexadecimal digits: of the SM3 of the public point, or random for a secret key."""
    purpose: KeyPurpose
    owner: str
    """Id of the node that the key belongs to."""
    key_no: int | None
    """The number that codes carry; None for purposes without one."""
    state: KeyState
    created_at: datetime
    not_after: datetime | None
    """From then on the key protects nothing new; None means until it is rotated."""
    public_point: bytes | None = None
    """Uncompressed SM2 point, 65 bytes; None for secret keys."""

    def __post_init__(self) -> None:
        if len(self.key_id) != 16 or self.key_id != f"{int(self.key_id, 16):016x}":
            raise ValueError(f"a key id has 16 lower-case hexadecimal digits, not {self.key_id!r}")
        if (self.key_no is not None) != self.purpose.numbered:
            raise ValueError(f"purpose {self.purpose} and key_no {self.key_no} do not fit together")
        if self.key_no is not None and not 1 <= self.key_no <= MAX_KEY_NO:
            raise ValueError(f"a key_no lies between 1 and {MAX_KEY_NO}, not {self.key_no}")
        point_size = 0 if self.public_point is None else len(self.public_point)
        if point_size != (_PUBLIC_POINT_SIZE if self.purpose.algorithm is KeyAlgorithm.SM2 else 0):
            raise ValueError(f"a {self.purpose.algorithm} key does not have a public point of {point_size} bytes")
        if self.created_at.tzinfo is None or (self.not_after is not None and self.not_after.tzinfo is None):
            raise ValueError("key times carry a time zone")

    @property
    def algorithm(self) -> KeyAlgorithm:
        """What the key computes with."""
        return self.purpose.algorithm

    def require(self, use: KeyUse, *, purpose: KeyPurpose, now: datetime | None = None) -> None:
        """Return quietly when the key may be used so.

        Args:
            use: What is about to be done.
            purpose: The purpose that the caller needs.
            now: The time that not_after is held against; needed for PROTECT.

        Raises:
            KeyPurposeError: The key is for something else.
            KeyStateError: Its state forbids the use, or it has run out.
        """
        if self.purpose is not purpose:
            raise KeyPurposeError(self.key_id, self.purpose, purpose)
        if self.state not in _USABLE[use]:
            raise KeyStateError(self.key_id, self.state, use)
        if use is KeyUse.PROTECT and self.not_after is not None and (now is None or now >= self.not_after):
            raise KeyStateError(self.key_id, self.state, use, not_after=self.not_after)


class KeyPurposeError(GovcodeError):
    """A key was asked to serve a purpose that is not its own."""

    def __init__(self, key_id: str, purpose: KeyPurpose, wanted: KeyPurpose) -> None:
        super().__init__(f"key {key_id} is for {purpose}, not for {wanted}")
        self.key_id = key_id
        self.purpose = purpose
        self.wanted = wanted


class KeyStateError(GovcodeError):
    """A key's state, or the end of its time, forbids what was asked of it."""

    def __init__(self, key_id: str, state: KeyState, use: KeyUse, *, not_after: datetime | None = None) -> None:
        ended = "" if not_after is None else f" and ran out at {not_after.isoformat()}"
        super().__init__(f"key {key_id} is {state}{ended}; it may not be used to {use}")
        self.key_id = key_id
        self.state = state
        self.use = use
        self.not_after = not_after


class KeyTransitionError(GovcodeError):
    """The life cycle does not lead from one state to the other."""

    def __init__(self, key_id: str, state: KeyState, wanted: KeyState) -> None:
        super().__init__(f"key {key_id} is {state} and cannot become {wanted}")
        self.key_id = key_id
        self.state = state
        self.wanted = wanted


class UnknownKeyError(GovcodeError):
    """No key of that name is known here."""

    def __init__(self, key: str, *, node_id: str | None = None) -> None:
        super().__init__(f"no key {key} is known" + ("" if node_id is None else f" of node {node_id}"))
        self.key = key
        self.node_id = node_id


class KeyUnavailableError(GovcodeError):
    """There is no key that could do the work now, or the work failed inside the key's keeper."""

    def __init__(self, purpose: KeyPurpose, reason: str) -> None:
        super().__init__(f"no {purpose} key can be used: {reason}")
        self.purpose = purpose
        self.reason = reason


class KeyExhaustedError(GovcodeError):
    """A key has been used as often as is safe; it must be rotated."""

    def __init__(self, key_id: str, limit: int) -> None:
        super().__init__(f"key {key_id} has been used {limit} times and must be rotated")
        self.key_id = key_id
        self.limit = limit


class KeystoreError(GovcodeError):
    """The keystore, or the file of its key-encryption key, cannot be trusted or read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class InvalidSignatureError(GovcodeError):
    """A signature does not belong to these bytes and this key."""


class InvalidMacError(GovcodeError):
    """A code's MAC does not belong to its bytes under the key that it names."""

    def __init__(self, key_no: int) -> None:
        super().__init__(f"the MAC does not match under key_no {key_no}")
        self.key_no = key_no


class SealBrokenError(GovcodeError):
    """Sealed data cannot be opened: it was changed, belongs elsewhere, or was sealed under another key."""


class RandomSourceError(GovcodeError):
    """The random number source failed or repeats itself; nothing may be made from it."""
