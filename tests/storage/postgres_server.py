"""A private PostgreSQL for the tests: the system's binaries, a directory of its own, a free loopback port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

START_LIMIT = 30.0


class NoPostgresError(Exception):
    """The machine has no PostgreSQL binaries that this user can run."""


def find_binaries() -> Path:
    """The newest release's directory of binaries."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise NoPostgresError("there is no /usr/lib/postgresql/*/bin/initdb")
    return found[-1].parent


def _as_somebody() -> list[str]:
    """What goes in front of a command: the server refuses root, and must not outlive the tests."""
    if shutil.which("setpriv") is None:
        raise NoPostgresError("there is no setpriv")
    prefix = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        prefix += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
    return [*prefix, "--"]


@contextmanager
def private_server() -> Iterator[str]:
    """It runs a server and gives its address without a database name; it is stopped and erased at the end."""
    binaries, prefix = find_binaries(), _as_somebody()
    folder = Path(tempfile.mkdtemp(prefix="govcode-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        initdb = [*prefix, str(binaries / "initdb"), "-D", str(data), "-U", "govcode", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd=folder)
        with _run(prefix, binaries, folder) as address:
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _run(prefix: list[str], binaries: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=40", "-c", "shared_buffers=32MB"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*prefix, *command], stdout=log, stderr=log, cwd=folder)
    address = f"postgresql+psycopg://govcode@127.0.0.1:{port}"
    try:
        _wait(server, address, folder / "log")
        yield address
    finally:
        with suppress(ProcessLookupError):
            server.send_signal(signal.SIGINT)
        server.wait(timeout=START_LIMIT)


def _wait(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            with plain_connection(address, "postgres"):
                return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise NoPostgresError(log.read_text()) from None
            time.sleep(0.05)


def plain_connection(address: str, database: str) -> "psycopg.Connection[tuple[object, ...]]":
    """A connection that commits each statement, for making databases."""
    return psycopg.connect(f"{address}/{database}".replace("+psycopg", ""), autocommit=True)
