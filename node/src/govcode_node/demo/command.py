"""`make demo` and `make run`: a federation that plays its steps, or one that stays up."""

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from govcode_node.commands.screen import explained, forgiving_output
from govcode_node.demo.plan import CHECKOUT, DEMO_DATA, HUB, PlannedNode, load_federation_plan

if TYPE_CHECKING:
    from govcode_node.demo.federation import Federation
    from govcode_node.demo.findings import Played

_RUN_FOLDER = CHECKOUT / ".run" / "demo"

# In full: configurations and profiles elsewhere name the files in it.
_FOLDER = click.Path(path_type=Path, file_okay=False, resolve_path=True)

_INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@click.group()
def demo() -> None:
    """Run a hub and three nodes here, from a checkout (演示)."""


@demo.command()
@click.option(
    "--steps",
    "steps_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=DEMO_DATA / "steps.toml",
    help="The steps to play.",
)
@click.option(
    "--folder", type=_FOLDER, default=_RUN_FOLDER, help="Where the run's files go; .run/demo of the checkout otherwise."
)
@click.option("--keep", is_flag=True, help="Keep certificates, databases and logs afterwards.")
@explained
def play(steps_file: Path, folder: Path, keep: bool) -> None:
    """Start the federation, play the steps, stop everything.

    Exit code 0 if all came out as expected.
    """
    from govcode_node.demo.federation import Federation
    from govcode_node.demo.player import Player
    from govcode_node.demo.screen import Screen
    from govcode_node.demo.seeding import seed
    from govcode_node.demo.steps import load_steps

    steps = load_steps(steps_file)
    _prepare_process()
    screen = Screen()
    began = time.monotonic()
    played: list[Played] = []
    interrupted = False
    folder.mkdir(parents=True, exist_ok=True)
    federation = Federation.make(load_federation_plan(), under=folder, name="run", say=screen.progress)
    try:
        with federation:
            federation.set_up()
            screen.progress("each node's business operator registers scenes, licence types, applications, matters")
            seed(federation)
            player = Player(federation)
            screen.progress(f"{player.open_accounts(steps)} synthetic people and companies open accounts")
            screen.progress("the nodes fetch each other's revocation lists")
            federation.wait_for_lists()
            screen.ready(federation, time.monotonic() - began)
            for step in steps:
                played.append(player.play(step))
                screen.show(played[-1])
            screen.progress("stopping everything")
    except KeyboardInterrupt:
        interrupted = True
    finally:
        summary = folder / "summary.json"
        summary.write_text(
            json.dumps([one.summary() for one in played], ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
    good = len(played) == len(steps) and all(one.ok for one in played)
    if (good or interrupted) and not keep:
        federation.remove()
    else:
        screen.line(f"files and logs of this run: {federation.folder}")
    if interrupted:
        screen.line("stopped before the end; nothing is left running")
        raise SystemExit(_INTERRUPTED)
    screen.end(played, summary, time.monotonic() - began)
    raise SystemExit(0 if good else 1)


@demo.command()
@click.option(
    "--folder", type=_FOLDER, default=_RUN_FOLDER, help="Where the run's files go; .run/demo of the checkout otherwise."
)
@explained
def run(folder: Path) -> None:
    """Keep the same federation up until Ctrl-C.

    It prints commands to paste.
    """
    from govcode_node.demo.federation import Federation
    from govcode_node.demo.screen import Screen
    from govcode_node.demo.seeding import seed

    _prepare_process()
    screen = Screen()
    federation = Federation.make(load_federation_plan(), under=folder, name="up", say=screen.progress)
    ended = threading.Event()
    try:
        with federation:
            federation.set_up()
            screen.progress("each node's business operator registers scenes, licence types, applications, matters")
            seed(federation)
            profiles = {node.node_id: _write_profiles(federation, node) for node in federation.plan.node}
            with _short_path(federation.folder / "profiles", folder / "profiles") as place:
                screen.manual(federation, {node_id: place / path.name for node_id, path in profiles.items()})
                while not ended.wait(1.0):
                    pass
    except KeyboardInterrupt:
        screen.line("stopped")
    finally:
        federation.remove()


@contextmanager
def _short_path(profiles: Path, link: Path) -> Iterator[Path]:
    """It links the profiles to a path that is the same at every run, so that commands can be kept and written down.

    A second federation at the same time gets no link: commands that were printed for the first must not reach it.
    """
    with link.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield profiles
            return
        link.unlink(missing_ok=True)
        link.symlink_to(profiles.relative_to(link.parent))
        try:
            yield link
        finally:
            link.unlink(missing_ok=True)


def _write_profiles(federation: "Federation", node: PlannedNode) -> Path:
    """It writes a profile for each caller of a node and returns their folder."""
    folder = federation.folder / "profiles" / node.en.split()[-1].lower()
    callers = ["business", "security", "audit"]
    if node.node_id != HUB:
        callers += ["holder-app", "counter-app", "clinic-app"]
    for caller in callers:
        federation.profile(caller, node.node_id).write(folder / f"{caller.removesuffix('-app')}.toml")
    return folder


def _prepare_process() -> None:
    """It makes SIGTERM end the play as Ctrl-C does, nodes included; and Ctrl-C where a shell has it ignored."""
    forgiving_output()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # The nodes read no configuration from the environment; a caller's profile there would mislead the commands below.
    os.environ.pop("GOVCODE_PROFILE", None)
