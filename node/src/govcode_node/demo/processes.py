"""Nodes as processes of their own: started, waited for, and gone for certain at the end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from govcode_node.domain.errors import GovcodeError

START_LIMIT: Final = 60.0
"""Seconds that a node may take to serve; a small machine that starts four at once needs several."""

STOP_LIMIT: Final = 10.0
_LOG_TAIL: Final = 12


class NodeStartError(GovcodeError):
    """A node did not come up; the message has the end of its log."""


class NodeProcess:
    """One `govcode serve`, in a process group of its own.

    Its standard input is a pipe of ours: should this process die without a word, the node sees the end of the pipe and
    stops by itself.
    """

    def __init__(self, *, name: str, config: Path, log: Path) -> None:
        """It starts nothing yet.

        Args:
            name: For messages.
            config: The node's configuration.
            log: Where its output goes.
        """
        self.name = name
        self.address = ""
        self._config = config
        self._log = log
        self._ready_file = config.with_name("address")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """It starts the process and returns at once."""
        self._ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "govcode_node.cli", "serve", "--stop-at-eof"]
        command += ["--config", str(self._config), "--ready-file", str(self._ready_file)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file names
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def wait_ready(self, limit: float = START_LIMIT) -> str:
        """It waits until the node serves and returns its address.

        Raises:
            NodeStartError: The process ended, or took too long.
        """
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            try:
                text = self._ready_file.read_text(encoding="ascii")
            except FileNotFoundError:
                text = ""
            if text.endswith("\n"):
                self.address = text.strip()
                return self.address
            if not self.running:
                raise NodeStartError(f"{self.name} ended at its start:\n{self._tail()}")
            time.sleep(0.02)
        raise NodeStartError(f"{self.name} does not serve after {limit:.0f} s:\n{self._tail()}")

    def stop(self, limit: float = STOP_LIMIT) -> None:
        """It ends the process: asked first, forced after the limit."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            # The whole group: a worker that the node started must not outlive it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
        self._process = None

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LOG_TAIL:]) + f"\n  ({self._log})"
