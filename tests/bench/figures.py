"""Figures against their limits, as a table and as JSON."""

import json
import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.series import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        id: The goal's id, B1 to B17.
        what: What was measured.
        value: The value.
        unit: Its unit.
        floor: The floor of the same run; None for absolute figures.
        ratio: Value by floor.
        must: The limit that must hold: at least, for a ratio; at most, for an absolute figure. None beside the goals.
        goal: The limit that is wanted.
    """

    id: str
    what: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    must: float | None = None
    goal: float | None = None

    def meets(self, limit: float | None) -> bool | None:
        """Whether the figure keeps within a limit; None where there is none."""
        if limit is None:
            return None
        return self.ratio >= limit if self.ratio is not None else self.value <= limit

    def to_json(self) -> dict[str, Any]:
        """It gives the figure as it stands in the file."""
        return asdict(self) | {"must_met": self.meets(self.must), "goal_met": self.meets(self.goal)}


def figures_of(
    goal: str, what: str, measured: Measured, *, must: float | None = None, wanted: float | None = None
) -> list[Figure]:
    """It makes the figures of one method: the rate against the floor, and beside it the processor time of a call.

    The rate is what the goals are about. The processor time says the same with less noise where other programs share
    the core, since it leaves out the time in which they had it.
    """
    rate = statistics.median(run.rate for run in measured.runs)
    floor = statistics.median(run.rate for run in measured.floors)
    cpu = statistics.median(run.cpu for run in measured.runs)
    floor_cpu = statistics.median(run.cpu for run in measured.floors)
    return [
        Figure(id=goal, what=what, value=rate, unit="calls/s", floor=floor, ratio=rate / floor, must=must, goal=wanted),
        Figure(
            id=goal,
            what=f"{what}: processor time",
            value=cpu,
            unit="us/call",
            floor=floor_cpu,
            ratio=floor_cpu / cpu,
        ),
    ]


def unrest_of(measured: Iterable[Measured]) -> float:
    """It tells how quiet the machine was: the fastest run of a floor by its slowest, at worst; 1 is perfect."""
    rates = [[run.rate for run in one.floors] for one in measured if one.floors]
    return max((max(runs) / min(runs) for runs in rates), default=1.0)


def table_of(figures: Iterable[Figure]) -> str:
    """It sets figures out, one a line."""
    lines = [f"{'id':4} {'what':58} {'value':>9} {'unit':8} {'floor':>9} {'ratio':>6} {'must':>6} {'goal':>6}  met"]
    for figure in figures:
        limits = [
            "" if limit is None else f"{'>=' if figure.ratio is not None else '<='}{limit:g}"
            for limit in (figure.must, figure.goal)
        ]
        met = {True: "goal", False: "must" if figure.meets(figure.must) else "NO", None: ""}[figure.meets(figure.goal)]
        floor = "" if figure.floor is None else f"{figure.floor:,.0f}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}"
        value = f"{figure.value:,.0f}" if figure.value >= 10 else f"{figure.value:.2f}"
        lines.append(
            f"{figure.id:4} {figure.what:58} {value:>9} {figure.unit:8} {floor:>9} {ratio:>6} "
            f"{limits[0]:>6} {limits[1]:>6}  {met}"
        )
    return "\n".join(lines)


def machine_facts(folder: Path) -> dict[str, Any]:
    """It describes where the figures come from; the time of an fdatasync is that of the folder with the store."""
    models = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "protobuf": version("protobuf"),
        "sqlite": sqlite3.sqlite_version,
        "node": subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip(),
        "fdatasync_ms": round(_fdatasync_ms(folder), 3),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _fdatasync_ms(folder: Path) -> float:
    """It gives the median time in which a page of 4 KiB becomes durable."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def write_json(path: Path, *, machine: dict[str, Any], results: Sequence[Figure], beside: Sequence[Figure]) -> None:
    """It writes the figures: `results` are held against goals, `beside` are for comparison."""
    content = {
        "machine": machine,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "results": [figure.to_json() for figure in results],
        "beside": [figure.to_json() for figure in beside],
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
