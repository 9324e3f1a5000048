"""A node as a process of its own, which tests may kill, trace and start again on the same files."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from govcode.business.v1 import registry_pb2 as registryv1
from govcode_node.domain.identities import CallerClass
from grpc import aio
from kit.nodes import HALL_USCC, write_node
from kit.pki import KitPki, kit_pki
from kit.players import OperatorDesk, dial

SERVE = (sys.executable, "-m", "govcode_node.cli")
_LIMITS = '\n[limits]\nper_subject = "100000/1s"\nper_app = "100000/1s"\nper_device = "100000/1s"\n'


class NodeDiedError(Exception):
    """The process ended before it served; what it wrote on standard error follows."""


@dataclass
class NodeProcess:
    """One start of a node; `write` makes its files, `start` starts it on them any number of times.

    Attributes:
        process: What was started: the node itself, or that which starts it.
        pid: The node.
        address: Where it listens.
        node_id: Who it is.
        pki: The certificates of the test.
    """

    process: asyncio.subprocess.Process
    pid: int
    address: str
    node_id: str
    pki: KitPki

    @staticmethod
    def write(folder: Path, node_id: str = "420100") -> Path:
        """It writes the node's files and returns its configuration, in which no caller is ever too fast."""
        write_node(folder, node_id)
        (folder / "node.key").chmod(0o600)
        path = folder / "node.toml"
        with path.open("a", encoding="utf-8") as file:
            file.write(_LIMITS)
        return path

    @classmethod
    async def start(
        cls,
        config: Path,
        node_id: str = "420100",
        *,
        command: Sequence[str] = SERVE,
        within: timedelta = timedelta(seconds=40),
    ) -> "NodeProcess":
        """It starts a node and returns once it serves.

        Args:
            config: Its configuration, as `write` returns it.
            node_id: Who it is.
            command: What to start in place of the command line of the node; it gets that one's arguments.
            within: How long it may take.

        Raises:
            NodeDiedError: It did not come to serve.
        """
        ready = config.with_name("ready")
        ready.unlink(missing_ok=True)
        errors = config.with_name("stderr.log")
        with errors.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, "serve", "--config", str(config), "--ready-file", str(ready), stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not (ready.exists() and ready.read_text().endswith("\n")):
                    _check_alive(process, errors)
                    await asyncio.sleep(0.02)
        except BaseException:
            await _end(process)
            raise
        return cls(process, _serving_pid(process.pid), ready.read_text().strip(), node_id, kit_pki())

    def dial(self, app_id: str) -> aio.Channel:
        """It makes a connection of its own for an application."""
        return dial(self.address, self.pki.app(app_id, region=self.node_id), pki=self.pki)

    async def register_parties(self) -> None:
        """It registers a hall with a back end for holders and a counter, and scene 1, in which names are shown."""
        business = self.pki.issue(CallerClass.OPERATOR, "business-1", region=self.node_id)
        async with dial(self.address, business, pki=self.pki) as channel:
            desk = OperatorDesk(channel)
            await desk.scene(1, fields=[registryv1.SceneField(name="name")])
            hall = await desk.relying_party(name="政务服务大厅（测试）", uscc=HALL_USCC)
            await desk.application("holder-app", relying_party_id=hall, kind=registryv1.APPLICATION_KIND_HOLDER)
            await desk.application(
                "counter-app", relying_party_id=hall, kind=registryv1.APPLICATION_KIND_RELYING_PARTY, scene_nos=(1,)
            )

    async def kill(self) -> None:
        """It takes the node away in the middle of whatever it does, as `kill -9` and a loss of power do."""
        os.kill(self.pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        """It asks the node to end, and waits for that."""
        if self.process.returncode is None:
            os.kill(self.pid, signal.SIGTERM)
            await _end(self.process)


def _check_alive(process: asyncio.subprocess.Process, errors: Path) -> None:
    if process.returncode is not None:
        raise NodeDiedError(errors.read_text(errors="replace")[-4000:])


async def _end(process: asyncio.subprocess.Process) -> None:
    """It waits a little for the end of a process, then brings it about."""
    if process.returncode is not None:
        return
    try:
        await asyncio.wait_for(process.wait(), timeout=10)
    except TimeoutError:
        process.kill()
        await process.wait()


def _serving_pid(pid: int) -> int:
    """It finds the node where something else, such as strace, has started it: the last of the only children."""
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid
