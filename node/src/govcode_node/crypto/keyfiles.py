"""Files of the software keystore: one JSON file a key, its secret wrapped with SM4-GCM under the key-encryption key.

The whole description of a key is authenticated with its secret, so that nobody can turn a compromised key active again
or lend it another purpose with a text editor.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from govcode_node.crypto.sm4 import KEY_SIZE, NONCE_SIZE, gcm_open, gcm_seal
from govcode_node.domain.keys import KeyInfo, KeyPurpose, KeyState, KeystoreError, SealBrokenError

_FORMAT: Final = 1
_AAD_TAG: Final = b"govcode-keystore-v1\x00"
_PRIVATE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with its secret: an SM2 scalar, an HMAC key or an SM4 key; empty once the key is destroyed."""

    info: KeyInfo
    secret: bytes = field(repr=False)


def write_kek(path: Path, *, random: Callable[[int], bytes]) -> None:
    """Make a key-encryption key file of mode 0600; an existing file is left alone and refused.

    Raises:
        KeystoreError: The file exists or cannot be written.
        RandomSourceError: Nothing can be drawn.
    """
    key = random(KEY_SIZE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_new(path, key.hex().encode() + b"\n")
    except OSError as fault:
        raise KeystoreError(str(path), f"the key-encryption key cannot be written: {fault.strerror}") from fault


def read_kek(path: Path) -> bytes:
    """Return the key-encryption key.

    Raises:
        KeystoreError: The file is missing, open to other users, or holds no key.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise KeystoreError(str(path), f"the key-encryption key cannot be read: {fault.strerror}") from fault
    with os.fdopen(descriptor, "rb") as file:
        # The opened file is examined, not the path, which could point elsewhere by now.
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeystoreError(str(path), "the key-encryption key is not a regular file")
        if status.st_mode & 0o177:
            mode = stat.S_IMODE(status.st_mode)
            raise KeystoreError(str(path), f"the key-encryption key has mode {mode:04o}; run chmod 0600 on it")
        text = file.read(2 * KEY_SIZE + 2)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError as fault:
        raise KeystoreError(str(path), "the key-encryption key is not written in hexadecimal digits") from fault
    if len(key) != KEY_SIZE:
        raise KeystoreError(str(path), f"the key-encryption key does not have {2 * KEY_SIZE} hexadecimal digits")
    return key


def write_key(path: Path, key: StoredKey, *, kek: bytes, random: Callable[[int], bytes]) -> None:
    """Write a key's file so that a crash leaves either the old or the new one."""
    described = _describe(key.info)
    nonce = random(NONCE_SIZE)
    wrapped = nonce + gcm_seal(kek, nonce, key.secret, _aad(described))
    write_atomically(path, json.dumps({**described, "wrapped": wrapped.hex()}, indent=2).encode() + b"\n")


def read_key(path: Path, *, kek: bytes) -> StoredKey:
    """Return the key of one file.

    Raises:
        KeystoreError: The file is malformed, was changed, or was wrapped under another key-encryption key.
    """
    try:
        described = json.loads(path.read_bytes())
        wrapped = bytes.fromhex(described.pop("wrapped"))
        info = _info(described)
    except OSError as fault:
        raise KeystoreError(str(path), f"the key cannot be read: {fault.strerror}") from fault
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise KeystoreError(str(path), f"the file describes no key: {fault}") from fault
    try:
        secret = gcm_open(kek, wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], _aad(described))
    except (SealBrokenError, ValueError) as fault:
        raise KeystoreError(str(path), "the key was changed or belongs to another key-encryption key") from fault
    if bool(secret) == (info.state is KeyState.DESTROYED):
        raise KeystoreError(str(path), "the secret and the state of the key do not fit together")
    return StoredKey(info, secret)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file durably: new file, fsync, rename, fsync of the directory."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        _write_new(fresh, content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _describe(info: KeyInfo) -> dict[str, str | int | None]:
    return {
        "format": _FORMAT,
        "key_id": info.key_id,
        "purpose": info.purpose.value,
        "algorithm": info.algorithm.value,
        "owner": info.owner,
        "key_no": info.key_no,
        "state": info.state.value,
        "created_at": info.created_at.isoformat(),
        "not_after": None if info.not_after is None else info.not_after.isoformat(),
        "public_point": None if info.public_point is None else info.public_point.hex(),
    }


def _aad(described: Mapping[str, str | int | None]) -> bytes:
    return _AAD_TAG + json.dumps(described, sort_keys=True, separators=(",", ":")).encode()


def _info(described: Mapping[str, str | int | None]) -> KeyInfo:
    if described["format"] != _FORMAT:
        raise ValueError(f"format {described['format']} is not known")
    key_no, not_after, public_point = described["key_no"], described["not_after"], described["public_point"]
    info = KeyInfo(
        key_id=str(described["key_id"]),
        purpose=KeyPurpose(str(described["purpose"])),
        owner=str(described["owner"]),
        key_no=None if key_no is None else int(key_no),
        state=KeyState(str(described["state"])),
        created_at=datetime.fromisoformat(str(described["created_at"])),
        not_after=None if not_after is None else datetime.fromisoformat(str(not_after)),
        public_point=None if public_point is None else bytes.fromhex(str(public_point)),
    )
    if described["algorithm"] != info.algorithm.value:
        raise ValueError(f"purpose {info.purpose} does not use {described['algorithm']}")
    return info
