"""The processes of the bench: servers on one core, the loader on another, and what the kernel says about them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
LOADER_CORE: Final = 1

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """The bench cannot give a figure that means something."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used.

    Attributes:
        cpu_seconds: Processor time of all its threads.
        resident: Memory now, in bytes.
        peak: The most memory that it ever had.
    """

    cpu_seconds: float
    resident: int
    peak: int


class Server:
    """A server process, alone on its core, that writes a file once it serves.

    Attributes:
        seconds_to_ready: From its start to that file.
        ready: What it wrote.
    """

    def __init__(self, command: Sequence[str], *, ready_file: Path, log: Path, core: int | None = SERVER_CORE) -> None:
        """It starts the process and waits for the file.

        Raises:
            BenchError: The process ended, or did not serve within 30 s.
        """
        ready_file.unlink(missing_ok=True)
        pinned = command if core is None else ("taskset", "-c", str(core), *command)
        self._log = log
        began = time.perf_counter()
        with log.open("ab") as sink:
            self._process = subprocess.Popen(pinned, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL)
        while not (ready_file.exists() and ready_file.stat().st_size):
            if self._process.poll() is not None or time.perf_counter() - began > 30:
                self.stop()
                raise BenchError(f"{Path(command[1]).name} does not serve; see {log}")
            time.sleep(0.005)
        self.seconds_to_ready = time.perf_counter() - began
        self.ready = ready_file.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """Its process; taskset turns into what it starts."""
        return self._process.pid

    def usage(self) -> Usage:
        """It reads what the process has used.

        Raises:
            BenchError: The process has ended.
        """
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        except OSError as error:
            raise BenchError(f"a server ended; see {self._log}") from error
        kilobytes = {
            line.split(":")[0]: int(line.split()[1])
            for line in status.splitlines()
            if line.startswith(("VmRSS", "VmHWM"))
        }
        return Usage(
            cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
            resident=kilobytes["VmRSS"] * 1024,
            peak=kilobytes["VmHWM"] * 1024,
        )

    def stop(self) -> None:
        """It ends the process."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def program(name: str) -> Path:
    """It finds a program of the virtual environment that runs the bench."""
    return Path(sys.executable).parent / name
