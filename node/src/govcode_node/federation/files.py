"""Small files that are replaced whole or not at all; what a crash leaves is the old one or the new one."""

import asyncio
import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """It replaces a file, durably.

    Raises:
        OSError: The disk is full, read-only or broken; the old file stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_file(path: Path) -> bytes | None:
    """It reads a file; None where there is none.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


async def replace_file_aside(path: Path, content: bytes) -> None:
    """It replaces a file on a thread, since a flush takes longer than the event loop may wait.

    Raises:
        OSError: See `replace_file`.
    """
    await asyncio.to_thread(replace_file, path, content)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
