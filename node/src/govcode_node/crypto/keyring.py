"""The keys at work: every cryptographic act of the node goes through here, by purpose and never by raw key.

MACs and SM4 take microseconds and run where they are called; SM2 takes a third of a millisecond and runs on a small
pool of threads, so the event loop never waits for it. Purpose and state are checked on every call (8.2-05). A change
of keys takes effect with `reload`, without a restart and without a moment in which no key is active.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, ParamSpec, TypeVar

from govcode_node.crypto.envelope import open_envelope, recipient_of, seal_envelope
from govcode_node.crypto.keyfiles import StoredKey
from govcode_node.crypto.keyprovider import SoftwareKeyStore
from govcode_node.crypto.randomness import RandomPool, RandomSource
from govcode_node.crypto.sm2 import Sm2Backend, Sm2Error, select_backend
from govcode_node.crypto.sm3 import MAC_128_SIZE, Sm3Mac
from govcode_node.crypto.sm4 import KEY_SIZE, MAX_USES, Sm4Sealer, UseBudget, key_id_of_blob
from govcode_node.domain.keys import (
    InvalidMacError,
    KeyAlgorithm,
    KeyInfo,
    KeyPurpose,
    KeyState,
    KeyUnavailableError,
    KeyUse,
    UnknownKeyError,
)
from govcode_node.ports.clock import Clock

STATIC_CODES_PER_KEY: Final = 100_000
"""A compromised static key must not cost more printed codes than can be replaced."""

_SEAL_BLOCK: Final = 2**20
_STATIC_BLOCK: Final = 1000
_BLIND_INDEX_TAG: Final = b"govcode-blind-index-v1"
_PSEUDONYM_TAG: Final = b"govcode-pseudonym-v1"
_PSEUDONYM_SIZE: Final = 16
_LICENSE_CONTENT_TAG: Final = b"govcode-license-content-v1"
_PROBE: Final = b"govcode-health-probe"
_SIGNING: Final = frozenset({KeyPurpose.NODE_SIGN, KeyPurpose.AUDIT_CHECKPOINT, KeyPurpose.GRANT_TOKEN})

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class _Working:
    """One key, ready to compute; only what its algorithm needs is set."""

    info: KeyInfo
    scalar: bytes = field(default=b"", repr=False)
    mac: Sm3Mac | None = field(default=None, repr=False)
    sealer: Sm4Sealer | None = field(default=None, repr=False)
    uses: UseBudget | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Table:
    """All keys at one moment; replaced whole, never changed."""

    by_id: Mapping[str, _Working]
    by_no: Mapping[tuple[KeyPurpose, int], _Working]
    active: Mapping[KeyPurpose, tuple[_Working, ...]]
    """Numbered keys in order of key_no, others newest last."""


class Keyring:
    """The node's keys, in memory and at work."""

    def __init__(
        self,
        store: SoftwareKeyStore,
        *,
        clock: Clock,
        backend: Sm2Backend | None = None,
        random: Callable[[int], bytes] | None = None,
        seal_uses_limit: int = MAX_USES,
        sm2_threads: int = 2,
    ) -> None:
        """Load all keys; those of purposes that are newer than the keystore are made first.

        Args:
            store: Where the keys live.
            clock: Holds the end of each key's time against now.
            backend: Computes SM2; the best of this machine unless told otherwise.
            random: The approved random source; the operating system's unless told otherwise.
            seal_uses_limit: Sealings allowed under one SM4 key, over all processes together.
            sm2_threads: Threads that compute SM2.

        Raises:
            KeystoreError: The store cannot be read, was changed, or lacks a key and cannot be written.
        """
        self._store = store
        self._clock = clock
        self._backend = backend or select_backend()
        self._random = random or RandomSource()
        self._pooled = random or RandomPool(self._random)
        self._seal_uses_limit = seal_uses_limit
        self._executor = ThreadPoolExecutor(max_workers=sm2_threads, thread_name_prefix="sm2")
        self._table = _Table({}, {}, {})
        store.complete()
        self.reload()

    # Keys as such

    def reload(self) -> None:
        """Take the keystore's present keys and states into use, all at once."""
        known = self._table.by_id
        loaded = [
            self._working(key, known.get(key.info.key_id))
            for key in self._store.load()
            if key.info.state is not KeyState.DESTROYED
        ]
        active: dict[KeyPurpose, list[_Working]] = {}
        for key in loaded:
            if key.info.state is KeyState.ACTIVE:
                active.setdefault(key.info.purpose, []).append(key)
        self._table = _Table(
            by_id={key.info.key_id: key for key in loaded},
            by_no={(key.info.purpose, key.info.key_no): key for key in loaded if key.info.key_no is not None},
            active={purpose: tuple(keys) for purpose, keys in active.items()},
        )

    def infos(self) -> tuple[KeyInfo, ...]:
        """Return the descriptions of all keys at work, for the trust bundle and for operators."""
        return tuple(key.info for key in self._table.by_id.values())

    def keystore_kind(self) -> str:
        """Return what keeps the keys; SOFTWARE is not for production."""
        return self._store.kind

    def random_bytes(self, size: int) -> bytes:
        """Return bytes of the approved random source.

        Raises:
            RandomSourceError: The source failed or is stuck; nothing may be made.
        """
        return self._pooled(size)

    async def check(self) -> None:
        """Prove that evidence can be signed at this moment, by signing and verifying.

        Raises:
            KeyUnavailableError: It cannot.
            KeyStateError: The signing key has run out.
        """
        key = self._newest(KeyPurpose.NODE_SIGN)
        signature = await self.sign_with(key.info.key_id, KeyPurpose.NODE_SIGN, _PROBE)
        await self.verify_with_public(_point(key), signature, _PROBE)

    def close(self) -> None:
        """Let the threads end; running signatures are finished."""
        self._executor.shutdown(wait=False)

    # Codes

    def active_mac_key_no(self, static: bool, shard: int) -> int:
        """Return the number of the MAC key that seals this shard's new codes.

        Args:
            static: Whether the codes are static ones, which have keys of their own.
            shard: Any number; spread evenly over the cohort.

        Raises:
            KeyUnavailableError: No MAC key is active.
        """
        keys = self._actives(_mac_purpose(static))
        key_no = keys[shard % len(keys)].info.key_no
        if key_no is None:  # KeyInfo refuses this at birth
            raise KeyUnavailableError(_mac_purpose(static), "the key has no number")
        return key_no

    def mac_code(self, key_no: int, data: bytes, static: bool) -> bytes:
        """Seal a code of the MAC profile.

        Args:
            key_no: From `active_mac_key_no`; already part of the data.
            data: The code's bytes before the seal.
            static: Whether it is a static code.

        Returns:
            HMAC-SM3-128, 16 bytes.

        Raises:
            UnknownKeyError: There is no such key.
            KeyStateError: The key is not active or has run out.
            KeyExhaustedError: The static key has sealed its 100,000 codes.
        """
        purpose = _mac_purpose(static)
        key = self._numbered(purpose, key_no)
        key.info.require(KeyUse.PROTECT, purpose=purpose, now=self._clock.now())
        if key.uses is not None:
            key.uses.take()
        return _mac(key).mac_128(data)

    def check_code_mac(self, key_no: int, data: bytes, mac: bytes, *, static: bool) -> None:
        """Return quietly when a code's MAC is good; compared in constant time.

        Raises:
            UnknownKeyError: There is no such key.
            KeyStateError: The key is compromised, archived or not yet active.
            InvalidMacError: The MAC does not match.
        """
        purpose = _mac_purpose(static)
        key = self._numbered(purpose, key_no)
        key.info.require(KeyUse.CHECK, purpose=purpose)
        if len(mac) != MAC_128_SIZE or not _mac(key).matches_128(data, mac):
            raise InvalidMacError(key_no)

    def active_seal_key_no(self) -> int:
        """Return the number of the key that seals new codes of the signed profile; it belongs into the signed data.

        Raises:
            KeyUnavailableError: No seal key is active.
        """
        key_no = self._newest(KeyPurpose.CODE_SEAL).info.key_no
        if key_no is None:  # KeyInfo refuses this at birth
            raise KeyUnavailableError(KeyPurpose.CODE_SEAL, "the key has no number")
        return key_no

    async def sign_code(self, data: bytes, *, key_no: int | None = None) -> tuple[int, bytes]:
        """Seal a code of the signed profile.

        Args:
            data: The code's bytes before the seal.
            key_no: The key named in the data; the active one when None.

        Returns:
            The key's number, and the raw signature of 64 bytes.

        Raises:
            UnknownKeyError: There is no such key.
            KeyUnavailableError: No seal key is active, or signing failed.
            KeyStateError: The key is not active or has run out.
        """
        number = self.active_seal_key_no() if key_no is None else key_no
        return number, await self._sign(self._numbered(KeyPurpose.CODE_SEAL, number), KeyPurpose.CODE_SEAL, data)

    def seal_public(self, key_no: int) -> bytes:
        """Return the public point, 65 bytes, that checks codes sealed under a number.

        Raises:
            UnknownKeyError: There is no such key.
            KeyStateError: Codes under this key are not to be believed.
        """
        key = self._numbered(KeyPurpose.CODE_SEAL, key_no)
        key.info.require(KeyUse.CHECK, purpose=KeyPurpose.CODE_SEAL)
        return _point(key)

    # Signatures

    def current_key_id(self, purpose: KeyPurpose) -> str:
        """Return the id of the key that would sign now; it belongs into the signed bytes of evidence.

        Raises:
            KeyUnavailableError: No key of this purpose is active.
        """
        return self._newest(purpose).info.key_id

    async def sign(self, purpose: KeyPurpose, data: bytes) -> tuple[str, bytes]:
        """Sign with the purpose's active key.

        Returns:
            The key's id, and the raw signature of 64 bytes.

        Raises:
            KeyUnavailableError: Keys of this purpose do not sign, none is active, or signing failed.
            KeyStateError: The key has run out.
        """
        key_id = self.current_key_id(purpose)
        return key_id, await self.sign_with(key_id, purpose, data)

    async def sign_with(self, key_id: str, purpose: KeyPurpose, data: bytes) -> bytes:
        """Sign with one key, which must be of the purpose and active.

        Raises:
            UnknownKeyError: There is no such key.
            KeyPurposeError: The key is for something else.
            KeyStateError: The key is not active or has run out.
            KeyUnavailableError: Keys of this purpose do not sign, or signing failed.
        """
        if purpose not in _SIGNING:
            raise KeyUnavailableError(purpose, "keys of this purpose do not sign statements")
        return await self._sign(self._by_id(key_id), purpose, data)

    async def verify_with_public(self, point: bytes, signature: bytes, data: bytes) -> None:
        """Return quietly when a signature is good under someone's public point.

        Raises:
            InvalidSignatureError: In every other case.
        """
        await self._in_thread(self._backend.verify, point, signature, data)

    # Derived values

    def blind_index(self, kind: str, value: str) -> bytes:
        """Return the look-up value, 16 bytes, of a sealed field.

        Args:
            kind: What the value is, for example ``id_number``; equal values of two kinds do not meet.
            value: The normalized plain value.

        Raises:
            KeyUnavailableError: The key is missing.
        """
        return self._derive(KeyPurpose.BLIND_INDEX, _BLIND_INDEX_TAG, kind.encode(), value.encode())[:MAC_128_SIZE]

    def pseudonym(self, account_id: bytes | str, organisation_uscc: str) -> str:
        """Return the pairwise id under which one organisation knows one subject (7.5-03).

        The same pair gives the same id for ever; ids of two organisations cannot be linked without the key.

        Args:
            account_id: The subject's account.
            organisation_uscc: Unified social credit code of the 用码方, wherever its counters are.

        Raises:
            KeyUnavailableError: The key is missing.
        """
        account = account_id.encode() if isinstance(account_id, str) else account_id
        derived = self._derive(KeyPurpose.PSEUDONYM, _PSEUDONYM_TAG, account, organisation_uscc.encode())
        return f"ps_{derived[:_PSEUDONYM_SIZE].hex()}"

    def license_content_key(self, use_id: str, document_digest: bytes) -> bytes:
        """Return the SM4 key, 16 bytes, that seals one document for one use.

        The same use of the same document gives the same key, so that a broken delivery can go on; another document
        has another key, so that no two of them are ever sealed under one key and nonce.

        Args:
            use_id: The use.
            document_digest: SM3 of exactly what is sealed.

        Raises:
            KeyUnavailableError: The key is missing.
            KeyStateError: It has run out.
        """
        derived = self._derive(KeyPurpose.LICENSE_CONTENT, _LICENSE_CONTENT_TAG, use_id.encode(), document_digest)
        return derived[:KEY_SIZE]

    # Data at rest

    def seal_field(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt a personal field; see `Sm4Sealer.seal` for the AAD and the errors."""
        return self._seal(KeyPurpose.FIELD_SEAL, plaintext, aad)

    def open_field(self, blob: bytes, aad: bytes, *, recovering: bool = False) -> bytes:
        """Decrypt a personal field.

        Args:
            blob: From `seal_field`.
            aad: As it was given then.
            recovering: Also use archived and compromised keys; the caller holds an approval.

        Raises:
            SealBrokenError: The blob was changed or belongs elsewhere.
            UnknownKeyError: Its key is gone.
            KeyPurposeError: It was sealed for another purpose.
            KeyStateError: The state of its key forbids this.
        """
        return self._open(KeyPurpose.FIELD_SEAL, blob, aad, recovering=recovering)

    def seal_record(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt a stored answer; see `Sm4Sealer.seal` for the AAD and the errors."""
        return self._seal(KeyPurpose.RECORD_SEAL, plaintext, aad)

    def open_record(self, blob: bytes, aad: bytes, *, recovering: bool = False) -> bytes:
        """Decrypt a stored answer; see `open_field`."""
        return self._open(KeyPurpose.RECORD_SEAL, blob, aad, recovering=recovering)

    # Envelopes

    async def seal_to_public(self, point: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt for the holder of an SM2 encryption key.

        Raises:
            ValueError: The AAD is empty, or the point is not on the curve.
            RandomSourceError: Nothing can be drawn.
        """
        seal = partial(seal_envelope, self._backend, random=self._random)
        return await self._in_thread(seal, point, plaintext, aad)

    async def open_for_node(self, blob: bytes, aad: bytes, *, recovering: bool = False) -> bytes:
        """Decrypt what was sealed to this node; see `open_field` for the errors."""
        key = self._by_id(recipient_of(blob))
        use = KeyUse.RECOVER if recovering else KeyUse.CHECK
        key.info.require(use, purpose=KeyPurpose.NODE_ENC)
        return await self._in_thread(open_envelope, self._backend, key.scalar, blob, aad)

    # Inside

    def _working(self, key: StoredKey, known: _Working | None) -> _Working:
        info = key.info
        if known is not None:
            # Keep what was computed and the uses that were set aside; only the description may have changed.
            return _Working(info, known.scalar, known.mac, known.sealer, known.uses)
        if info.algorithm is KeyAlgorithm.SM2:
            return _Working(info, scalar=key.secret)
        if info.algorithm is KeyAlgorithm.SM4:
            uses = self._budget(info.key_id, limit=self._seal_uses_limit, block=_SEAL_BLOCK)
            return _Working(info, sealer=Sm4Sealer(info.key_id, key.secret, random=self._pooled, uses=uses))
        counted = info.purpose is KeyPurpose.CODE_MAC_STATIC
        budget = self._budget(info.key_id, limit=STATIC_CODES_PER_KEY, block=_STATIC_BLOCK) if counted else None
        return _Working(info, mac=Sm3Mac(key.secret), uses=budget)

    def _budget(self, key_id: str, *, limit: int, block: int) -> UseBudget:
        return UseBudget(partial(self._store.reserve_uses, key_id, limit=limit), block=block)

    def _actives(self, purpose: KeyPurpose) -> tuple[_Working, ...]:
        try:
            return self._table.active[purpose]
        except KeyError:
            raise KeyUnavailableError(purpose, "none is active") from None

    def _newest(self, purpose: KeyPurpose) -> _Working:
        return self._actives(purpose)[-1]

    def _numbered(self, purpose: KeyPurpose, key_no: int) -> _Working:
        try:
            return self._table.by_no[purpose, key_no]
        except KeyError:
            raise UnknownKeyError(f"{purpose} {key_no}") from None

    def _by_id(self, key_id: str) -> _Working:
        try:
            return self._table.by_id[key_id]
        except KeyError:
            raise UnknownKeyError(key_id) from None

    def _derive(self, purpose: KeyPurpose, tag: bytes, *parts: bytes) -> bytes:
        key = self._newest(purpose)
        key.info.require(KeyUse.PROTECT, purpose=purpose, now=self._clock.now())
        # Each part carries its length, so that no two lists of parts share their bytes.
        return _mac(key).mac(tag + b"".join(len(part).to_bytes(4, "big") + part for part in parts))

    def _seal(self, purpose: KeyPurpose, plaintext: bytes, aad: bytes) -> bytes:
        key = self._newest(purpose)
        key.info.require(KeyUse.PROTECT, purpose=purpose, now=self._clock.now())
        return _sealer(key).seal(plaintext, aad)

    def _open(self, purpose: KeyPurpose, blob: bytes, aad: bytes, *, recovering: bool) -> bytes:
        key = self._by_id(key_id_of_blob(blob))
        key.info.require(KeyUse.RECOVER if recovering else KeyUse.CHECK, purpose=purpose)
        return _sealer(key).open(blob, aad)

    async def _sign(self, key: _Working, purpose: KeyPurpose, data: bytes) -> bytes:
        key.info.require(KeyUse.PROTECT, purpose=purpose, now=self._clock.now())
        try:
            return await self._in_thread(self._backend.sign, key.scalar, data)
        except Sm2Error as fault:
            raise KeyUnavailableError(purpose, f"signing failed: {fault}") from fault

    async def _in_thread(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(function, *args, **kwargs))


def _mac_purpose(static: bool) -> KeyPurpose:
    return KeyPurpose.CODE_MAC_STATIC if static else KeyPurpose.CODE_MAC


def _mac(key: _Working) -> Sm3Mac:
    if key.mac is None:
        raise KeyUnavailableError(key.info.purpose, "it is no MAC key")
    return key.mac


def _sealer(key: _Working) -> Sm4Sealer:
    if key.sealer is None:
        raise KeyUnavailableError(key.info.purpose, "it is no sealing key")
    return key.sealer


def _point(key: _Working) -> bytes:
    if key.info.public_point is None:
        raise KeyUnavailableError(key.info.purpose, "it has no public point")
    return key.info.public_point
