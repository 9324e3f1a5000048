"""`make bench`: what the node does on one core, against a bare server of the same kind on the same core.

    python tests/bench/run.py --only B1,B2

Runs alternate between the node and the floor. Every answer is judged, the store is read afterwards, and any call that
was answered wrong, or without its row, ends the bench without figures. See docs/performance.md.
"""

import argparse
import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
# The bench is no package of a distribution: it stands with the tests and uses their kit.
sys.path.insert(0, str(ROOT / "tests"))

from bench.figures import Figure, figures_of, machine_facts, table_of, unrest_of, write_json  # noqa: E402
from bench.processes import LOADER_CORE, SERVER_CORE, BenchError  # noqa: E402
from bench.seed import BenchNode, make_node  # noqa: E402
from bench.series import Series, running_series, serve  # noqa: E402
from bench.symbol_sizes import symbol_figures  # noqa: E402

KNOWN: Final = ("B1", "B2", "B16", "B17")
_HOLDERS: Final = 24_000
_MEGABYTE: Final = 1_000_000
_MUST, _GOAL = 0.45, 0.60
_UNREST: Final = 1.25


def _say(text: str) -> None:
    sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ratios against a floor measured in the same run")
    parser.add_argument("--only", default=",".join(KNOWN), help="ids, with commas")
    parser.add_argument("--runs", type=int, default=5, help="alternating runs of each series")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run")
    parser.add_argument("--series", default="plain,tls", help="plain decides the goals, tls stands beside")
    wanted = parser.parse_args()
    wanted.only = wanted.only.split(",")
    unknown = sorted(set(wanted.only) - set(KNOWN))
    if unknown:
        parser.error(f"{', '.join(unknown)}: not there yet; there are {', '.join(KNOWN)}")
    return wanted


def _check_machine() -> None:
    missing = [name for name in ("taskset", "node") if shutil.which(name) is None]
    if missing:
        raise BenchError(f"{' and '.join(missing)} not found: the bench needs taskset (util-linux) and Node.js 20")
    if not {SERVER_CORE, LOADER_CORE} <= os.sched_getaffinity(0):
        raise BenchError("the bench needs two cores: the server has one, the loader the other")
    # What measures stays off the core that is measured.
    os.sched_setaffinity(0, {LOADER_CORE})
    if os.getloadavg()[0] > 0.5:
        _say(f"other programs are running (load average {os.getloadavg()[0]:.1f}): the figures will be noisy")


def _measure(series: Series, wanted: argparse.Namespace) -> None:
    presenting, scanning = "B2" in wanted.only, "B1" in wanted.only
    series.warm_up()
    for _ in range(wanted.runs):
        series.round(wanted.seconds, presenting=presenting, scanning=scanning)
    unrest = unrest_of((series.present, series.scan))
    if unrest > _UNREST:
        _say(
            f"{series.name}: the floor alone varied by a factor of {unrest:.2f}, so others had part of its core; "
            "the ratio of processor times says more than that of the rates"
        )


def _figures(series: Series, *, decides: bool) -> list[Figure]:
    """It gives rate and processor time of what was measured; the rate in plaintext is held against the goals."""
    label = "" if decides else ", mutual TLS"
    must, goal = (_MUST, _GOAL) if decides else (None, None)
    figures: list[Figure] = []
    if series.scan.runs:
        what = f"ScanCode, local, MAC, one-time{label}"
        figures += figures_of("B1", what, series.scan, must=must, wanted=goal)
    if series.present.runs:
        figures += figures_of("B2", f"PresentCode, MAC{label}", series.present, must=must, wanted=goal)
    return figures


def _start_figures(node: BenchNode) -> tuple[list[Figure], list[Figure]]:
    """It starts the product a few times, as an operator does, and looks at its memory before anybody calls."""
    seconds, cpu, resident = [], [], []
    for _ in range(3):
        server = serve(node)
        seconds.append(server.seconds_to_ready)
        cpu.append(server.usage().cpu_seconds)
        time.sleep(1)
        resident.append(server.usage().resident / _MEGABYTE)
        server.stop()
    start, memory = statistics.median(seconds), statistics.median(resident)
    results = [
        Figure(id="B17", what="govcode serve: start to serving", value=start, unit="s", must=3, goal=2),
        Figure(id="B17", what="resident memory, idle", value=memory, unit="MB", must=150, goal=120),
    ]
    what = "govcode serve: start to serving, processor time"
    return results, [Figure(id="B17", what=what, value=statistics.median(cpu), unit="s")]


def _under_load(node: BenchNode, wanted: argparse.Namespace) -> tuple[list[Figure], float]:
    """It measures the product over mutual TLS; returns figures, and the most memory that it had."""
    with running_series("tls", node, _say) as series:
        if {"B1", "B2"} & set(wanted.only) and "tls" in wanted.series:
            _measure(series, wanted)
        else:
            series.warm_up()
            series.round(wanted.seconds, presenting=False, scanning=True)
        peak = series.server.usage().peak / _MEGABYTE
    return _figures(series, decides=False), peak


def _bench(wanted: argparse.Namespace, folder: Path) -> tuple[list[Figure], list[Figure]]:
    results: list[Figure] = []
    beside: list[Figure] = []
    loads = bool({"B1", "B2"} & set(wanted.only))
    if loads or "B17" in wanted.only:
        _say(f"making a node with {_HOLDERS:,} holders")
        node = make_node(folder, holders=_HOLDERS)
    if loads and "plain" in wanted.series:
        with running_series("plain", node, _say) as series:
            _measure(series, wanted)
        rate_and_cpu = _figures(series, decides=True)
        results += rate_and_cpu[0::2]
        beside += rate_and_cpu[1::2]
    if "B16" in wanted.only:
        results += symbol_figures()
    peak = None
    if "B17" in wanted.only or (loads and "tls" in wanted.series):
        if "B17" in wanted.only:
            _say("starting the product")
            started, start_cpu = _start_figures(node)
            results += started
            beside += start_cpu
        figures, peak = _under_load(node, wanted)
        beside += figures
    if "B17" in wanted.only and peak is not None:
        what = "resident memory, the most under B1 load"
        results.append(Figure(id="B17", what=what, value=peak, unit="MB", must=300, goal=220))
    return results, beside


def main() -> int:
    """It measures, prints and writes; 1 where it could not."""
    wanted = _arguments()
    out = ROOT / ".run" / "bench"
    folder = out / "node"
    shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    try:
        _check_machine()
        machine = machine_facts(out)
        results, beside = _bench(wanted, folder)
        machine["load_average_after"] = round(os.getloadavg()[0], 2)
    except BenchError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    sys.stdout.write(f"\n{table_of(results)}\n")
    if beside:
        sys.stdout.write(f"\nbeside the goals:\n{table_of(beside)}\n")
    write_json(out / "latest.json", machine=machine, results=results, beside=beside)
    shutil.rmtree(folder, ignore_errors=True)
    took = time.perf_counter() - began
    sys.stdout.write(f"\n{took:.0f} s; the figures are in {(out / 'latest.json').relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
