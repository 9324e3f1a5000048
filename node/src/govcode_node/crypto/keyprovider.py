"""The software keystore: where a node's keys live when there is no device (密钥管理, clause 8.2).

For development, tests and small sites; node status names it SOFTWARE, and a production profile refuses it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from govcode_client.sm2 import key_id_of

from govcode_node.crypto.keyfiles import StoredKey, read_kek, read_key, write_atomically, write_kek, write_key
from govcode_node.crypto.randomness import RandomSource
from govcode_node.crypto.sm2 import Sm2Backend, select_backend
from govcode_node.crypto.sm3 import HMAC_KEY_SIZE
from govcode_node.crypto.sm4 import KEY_SIZE
from govcode_node.domain.keys import (
    MAX_KEY_NO,
    KeyAlgorithm,
    KeyExhaustedError,
    KeyInfo,
    KeyPurpose,
    KeyState,
    KeystoreError,
    KeyTransitionError,
    UnknownKeyError,
)
from govcode_node.ports.clock import Clock

COHORT: Final = 16
"""Code MAC keys that are active at a time, so that a stolen one costs a sixteenth of the live codes."""

_KEY_ID: Final = re.compile("[0-9a-f]{16}")
_LOCK_NAME: Final = ".lock"
_KEY_SUFFIX: Final = ".json"
_USES_SUFFIX: Final = ".uses"

VALIDITY: Final[dict[KeyPurpose, timedelta | None]] = {
    # Seal keys are replaced within 90 days. Look-up values and pairwise ids would change with their keys, so those
    # keys have no end of their own.
    KeyPurpose.CODE_SEAL: timedelta(days=90),
    KeyPurpose.CODE_MAC: timedelta(days=90),
    KeyPurpose.CODE_MAC_STATIC: timedelta(days=90),
    KeyPurpose.NODE_SIGN: timedelta(days=365),
    KeyPurpose.NODE_ENC: timedelta(days=365),
    KeyPurpose.BLIND_INDEX: None,
    KeyPurpose.PSEUDONYM: None,
    KeyPurpose.FIELD_SEAL: timedelta(days=730),
    KeyPurpose.RECORD_SEAL: timedelta(days=730),
    KeyPurpose.AUDIT_CHECKPOINT: timedelta(days=365),
    KeyPurpose.GRANT_TOKEN: timedelta(days=365),
    # A content key is of use for as long as its delivery is: with another key a broken delivery begins anew.
    KeyPurpose.LICENSE_CONTENT: timedelta(days=365),
}

_ADDED_LATER: Final = (KeyPurpose.LICENSE_CONTENT,)
"""Purposes that the first release did not have. What an older purpose lost is never made anew in silence."""


class SoftwareKeyStore:
    """A directory of wrapped keys; several processes of one node may share it."""

    kind: Final = "SOFTWARE"

    def __init__(
        self,
        directory: Path,
        kek_path: Path,
        *,
        clock: Clock,
        backend: Sm2Backend | None = None,
        random: Callable[[int], bytes] | None = None,
    ) -> None:
        """Open the keystore.

        Args:
            directory: Holds one file a key, and must be writable: uses are counted there.
            kek_path: File of the key-encryption key, mode 0600.
            clock: Dates new keys.
            backend: Makes SM2 keys; the best of this machine unless told otherwise.
            random: Draws secret keys and nonces; the operating system's unless told otherwise.

        Raises:
            KeystoreError: The directory is missing, or the key-encryption key cannot be used.
        """
        if not directory.is_dir():
            raise KeystoreError(str(directory), "there is no keystore; make one with `govcode pki init`")
        self._directory = directory
        self._kek = read_kek(kek_path)
        self._clock = clock
        self._backend = backend or select_backend()
        self._random = random or RandomSource()

    def load(self) -> tuple[StoredKey, ...]:
        """Return all keys with their secrets, destroyed ones without, ordered by purpose, key_no and age.

        Raises:
            KeystoreError: A file was changed, is malformed, or is wrapped under another key-encryption key.
        """
        keys = [self._read(path.stem) for path in self._directory.glob(f"*{_KEY_SUFFIX}") if path.name[0] != "."]
        keys.sort(key=lambda key: (key.info.purpose, key.info.key_no or 0, key.info.created_at, key.info.key_id))
        return tuple(keys)

    def infos(self) -> tuple[KeyInfo, ...]:
        """Return the descriptions of all keys, in the same order."""
        return tuple(key.info for key in self.load())

    def generate(
        self,
        purpose: KeyPurpose,
        *,
        owner: str,
        state: KeyState = KeyState.ACTIVE,
        not_after: datetime | None = None,
    ) -> KeyInfo:
        """Make a key inside the store; no operation takes a key from outside (8.2-01).

        Args:
            purpose: Decides the algorithm; a purpose with numbers gets the next unused one.
            owner: Id of the node.
            state: ACTIVE or PRE_ACTIVE.
            not_after: End of its active use; after the purpose's usual time when None.

        Raises:
            KeystoreError: The numbers of the purpose are used up, or the file cannot be written.
            RandomSourceError: Nothing can be drawn.
        """
        if state not in (KeyState.ACTIVE, KeyState.PRE_ACTIVE):
            raise ValueError(f"a new key is not {state}")
        with self._locked():
            return self._generate(purpose, owner=owner, state=state, not_after=not_after)

    def complete(self) -> tuple[KeyInfo, ...]:
        """Make the keys that a keystore of an earlier release lacks; one that ever had such a key is left as it is.

        Returns:
            The keys that were made.

        Raises:
            KeystoreError: The store cannot be read or written.
            RandomSourceError: Nothing can be drawn.
        """
        if not self._lacking():
            return ()
        with self._locked():
            # Looked at again: another process of the node may have been faster.
            owners, lacking = [info.owner for info in self.infos()], self._lacking()
            return tuple(
                self._generate(purpose, owner=owners[0], state=KeyState.ACTIVE, not_after=None) for purpose in lacking
            )

    def _lacking(self) -> list[KeyPurpose]:
        present = {info.purpose for info in self.infos()}
        # A store without any key belongs to nobody yet.
        return [purpose for purpose in _ADDED_LATER if present and purpose not in present]

    def set_state(self, key_id: str, state: KeyState) -> KeyInfo:
        """Move a key along its life cycle; DESTROYED drops the secret for good.

        Raises:
            UnknownKeyError: There is no such key.
            KeyTransitionError: The life cycle does not lead there.
        """
        with self._locked():
            key = self._read(key_id)
            if not key.info.state.may_become(state):
                raise KeyTransitionError(key_id, key.info.state, state)
            secret = b"" if state is KeyState.DESTROYED else key.secret
            changed = StoredKey(replace(key.info, state=state), secret)
            self._write(changed)
            return changed.info

    def rotate(self, key_id: str) -> KeyInfo:
        """Make the successor of an active key and leave the old one for checking (8.2-06).

        The successor is there before the old one steps back, so that at no moment nothing is active.

        Returns:
            The successor.

        Raises:
            UnknownKeyError: There is no such key.
            KeyTransitionError: The key is not active.
        """
        with self._locked():
            old = self._read(key_id)
            if old.info.state is not KeyState.ACTIVE:
                raise KeyTransitionError(key_id, old.info.state, KeyState.VERIFY_ONLY)
            successor = self._generate(old.info.purpose, owner=old.info.owner, state=KeyState.ACTIVE, not_after=None)
            self._write(replace(old, info=replace(old.info, state=KeyState.VERIFY_ONLY)))
            return successor

    def reserve_uses(self, key_id: str, count: int, *, limit: int) -> int:
        """Set uses of a key aside durably, for all processes and restarts together.

        Args:
            key_id: The key.
            count: Uses wanted.
            limit: Uses that the key may have in all.

        Returns:
            Uses granted, at least 1 and at most count.

        Raises:
            KeyExhaustedError: The limit is reached.
            KeystoreError: The counter cannot be read or written.
        """
        path = self._directory / f"{key_id}{_USES_SUFFIX}"
        with self._locked():
            try:
                used = int(path.read_text("ascii"))
            except FileNotFoundError:
                used = 0
            except ValueError as fault:
                raise KeystoreError(str(path), "the count of uses is unreadable") from fault
            granted = min(count, limit - used)
            if granted < 1:
                raise KeyExhaustedError(key_id, limit)
            write_atomically(path, f"{used + granted}\n".encode("ascii"))
            return granted

    def _generate(self, purpose: KeyPurpose, *, owner: str, state: KeyState, not_after: datetime | None) -> KeyInfo:
        key_no = self._next_key_no(purpose) if purpose.numbered else None
        now = self._clock.now()
        usual = VALIDITY[purpose]
        secret, key_id, public_point = self._make(purpose.algorithm)
        info = KeyInfo(
            key_id=key_id,
            purpose=purpose,
            owner=owner,
            key_no=key_no,
            state=state,
            created_at=now,
            not_after=not_after if not_after is not None or usual is None else now + usual,
            public_point=public_point,
        )
        self._write(StoredKey(info, secret))
        return info

    def _make(self, algorithm: KeyAlgorithm) -> tuple[bytes, str, bytes | None]:
        """Return a fresh secret, its key id, and its public point if it has one."""
        if algorithm is KeyAlgorithm.SM2:
            scalar = self._backend.generate()
            point = self._backend.public_point(scalar)
            return scalar, key_id_of(point), point
        # The id of a secret key is drawn, not derived: it says nothing about the key.
        size = HMAC_KEY_SIZE if algorithm is KeyAlgorithm.HMAC_SM3 else KEY_SIZE
        return self._random(size), self._random(8).hex(), None

    def _next_key_no(self, purpose: KeyPurpose) -> int:
        used = [info.key_no for info in self.infos() if info.purpose is purpose and info.key_no is not None]
        key_no = max(used, default=0) + 1
        if key_no > MAX_KEY_NO:
            raise KeystoreError(str(self._directory), f"the key numbers of {purpose} are used up")
        return key_no

    def _read(self, key_id: str) -> StoredKey:
        path = self._directory / f"{key_id}{_KEY_SUFFIX}"
        # Key ids come from operators too: only the shape of an id may become part of a path.
        if _KEY_ID.fullmatch(key_id) is None or not path.is_file():
            raise UnknownKeyError(key_id)
        key = read_key(path, kek=self._kek)
        if key.info.key_id != key_id:
            raise KeystoreError(str(path), f"the file holds key {key.info.key_id}")
        return key

    def _write(self, key: StoredKey) -> None:
        path = self._directory / f"{key.info.key_id}{_KEY_SUFFIX}"
        try:
            write_key(path, key, kek=self._kek, random=self._random)
        except OSError as fault:
            raise KeystoreError(str(path), f"the key cannot be written: {fault.strerror}") from fault

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads and processes from changing the store meanwhile."""
        try:
            descriptor = os.open(self._directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise KeystoreError(str(self._directory), f"the store is not writable: {fault.strerror}") from fault
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def create_node_keys(
    directory: Path,
    kek_path: Path,
    node_id: str,
    clock: Clock,
    *,
    backend: Sm2Backend | None = None,
    random: Callable[[int], bytes] | None = None,
) -> tuple[KeyInfo, ...]:
    """Make all the keys that a new node starts with, and the key-encryption key where there is none yet.

    The keys are made beside their final place and moved there in one step: there is a whole keystore or none.

    Args:
        directory: Where the keystore will be; must not exist yet, or be empty.
        kek_path: File of the key-encryption key.
        node_id: Owner of the keys.
        clock: Dates the keys.
        backend: Makes SM2 keys; the best of this machine unless told otherwise.
        random: Draws secret keys and nonces; the operating system's unless told otherwise.

    Raises:
        KeystoreError: The directory holds something, or a file cannot be written.
        RandomSourceError: Nothing can be drawn.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise KeystoreError(str(directory), "something is there already; keys are never overwritten")
    random = random or RandomSource()
    draft = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    # A key-encryption key inside the keystore's directory moves into place together with the keys.
    draft_kek = draft / kek_path.name if kek_path.parent == directory else kek_path
    try:
        draft.mkdir(parents=True, mode=0o700)
        if not draft_kek.exists():
            write_kek(draft_kek, random=random)
        store = SoftwareKeyStore(draft, draft_kek, clock=clock, backend=backend, random=random)
        for purpose in KeyPurpose:
            cohort = COHORT if purpose in (KeyPurpose.CODE_MAC, KeyPurpose.CODE_MAC_STATIC) else 1
            for _ in range(cohort):
                store.generate(purpose, owner=node_id)
        infos = store.infos()
        draft.rename(directory)
    except OSError as fault:
        raise KeystoreError(str(directory), f"the keystore cannot be written: {fault.strerror}") from fault
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return infos
