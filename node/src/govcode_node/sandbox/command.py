"""`govcode sandbox`: one process with everything that a client author needs."""

import asyncio
import fcntl
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from govcode_node.commands.profiles import quiet_grpc
from govcode_node.commands.screen import explained, print_json
from govcode_node.telemetry.logs import setup_logging

_CREDENTIALS_FILE: Final = "sandbox.json"


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    default=Path("sandbox"),
    show_default=True,
    help="Where sandbox.json goes; made where absent.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the home node; a free one otherwise.")
@click.option("--until-eof", is_flag=True, help="Stop when standard input ends too; for programs that start sandboxes.")
@click.option("--json", "as_json", is_flag=True, help="Print the ready line as JSON.")
@explained
def sandbox(folder: Path, port: int, until_eof: bool, as_json: bool) -> None:
    """Run a sandbox for authors of clients (沙箱).

    It runs until SIGTERM or SIGINT (Ctrl-C): one process with a home node, a peer, a hub, synthetic subjects and a
    clock that can be moved. Credentials, codes and how to reach every outcome and error are in sandbox.json of the
    folder, which is removed at the end.
    """
    # Before grpcio is loaded, which looks at the environment then.
    quiet_grpc()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _CREDENTIALS_FILE

    def ready(target: str) -> None:
        if as_json:
            print_json({"ready": True, "file": str(path), "target": target})
        else:
            click.echo(f"ready {path}")
        sys.stdout.flush()

    with _folder_to_itself(folder), tempfile.TemporaryDirectory(prefix="govcode-sandbox-") as state:
        asyncio.run(_serve(Path(state), path, port=port, until_eof=until_eof, ready=ready))


@contextmanager
def _folder_to_itself(folder: Path) -> Iterator[None]:
    """It keeps a second sandbox from replacing the credentials of one that runs, and from removing them at its end."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            says = f"another sandbox runs in {folder}; stop it, or give this one a --folder of its own"
            raise click.ClickException(says) from error
        yield
    finally:
        os.close(descriptor)


async def _serve(state: Path, path: Path, *, port: int, until_eof: bool, ready: Callable[[str], None]) -> None:
    from govcode_node.sandbox.credentials import write_credentials  # noqa: PLC0415 - after quiet_grpc
    from govcode_node.sandbox.world import open_sandbox  # noqa: PLC0415 - likewise

    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    if until_eof:
        threading.Thread(target=_stop_at_eof, name="until-eof", daemon=True).start()
    # A bare text log of faults: what a sandbox does on a wish is no news.
    setup_logging("error", "text")
    async with open_sandbox(state, port=port, say=lambda line: click.echo(line, err=True)) as opened:
        try:
            await asyncio.to_thread(write_credentials, path, opened.credentials)
            ready(opened.target)
            await asked.wait()
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


def _stop_at_eof() -> None:
    """It waits for the end of standard input, which comes also when the program at its other end is killed."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
