"""Bodies for the loader, and runs of it."""

import json
import struct
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.processes import LOADER_CORE, BenchError, Server

_LOADER: Final = Path(__file__).with_name("load.mjs")
CONNECTIONS: Final = 4
STREAMS: Final = 32
WARMUP_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A method under load.

    Attributes:
        server: Its process.
        address: Where it listens.
        path: The method.
        connections: Headers of each connection.
        judged: What makes an answer right, in the loader's words.
        tls: Its files for mutual TLS; none for plaintext.
    """

    server: Server
    address: str
    path: str
    connections: Sequence[Mapping[str, str]]
    judged: Mapping[str, Any]
    tls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the loader.

    Attributes:
        rate: Right answers a second inside the window.
        seconds: How long the window was; shorter than asked for where the bodies ran out.
        right: Right answers of the whole run, warm-up and end included.
        used: Bodies that are used up.
        p50: Median time of an answer, in milliseconds.
        p99: 99th percentile.
        cpu: Processor time of the server for one answer, in microseconds.
        answer_bytes: Mean size of an answer.
    """

    rate: float
    seconds: float
    right: int
    used: int
    p50: float
    p99: float
    cpu: float
    answer_bytes: float


def write_bodies(path: Path, messages: Iterable[bytes]) -> int:
    """It writes messages as the frames that the loader sends, and returns how many."""
    frames = [struct.pack(">BI", 0, len(message)) + message for message in messages]
    path.write_bytes(b"".join(frames))
    return len(frames)


def read_answers(path: Path) -> Iterator[bytes]:
    """It reads the answers that a run has saved."""
    content = path.read_bytes()
    at = 0
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at)
        yield content[at + 4 : at + 4 + size]
        at += 4 + size


def load(
    target: Target, bodies: Path, *, seconds: float, first: int = 0, cycle: bool = False, save: Path | None = None
) -> Run:
    """It puts a method under load for so many seconds after the warm-up.

    Raises:
        BenchError: An answer was wrong or an error, or a call was left without one.
    """
    wanted = {
        "url": f"{'https' if target.tls else 'http'}://{target.address}",
        "path": target.path,
        "bodies": str(bodies),
        "first": first,
        "cycle": cycle,
        "warmup": WARMUP_SECONDS,
        "seconds": seconds,
        "connections": [{"grpc-timeout": "10S", **headers} for headers in target.connections],
        "streams": STREAMS,
        **target.judged,
        **target.tls,
    }
    if save is not None:
        wanted["save"] = str(save)
    before = target.server.usage()
    done = subprocess.run(
        ["taskset", "-c", str(LOADER_CORE), "node", str(_LOADER), json.dumps(wanted)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"the loader failed at {target.path}: {done.stderr.strip() or done.stdout.strip()}")
    told = json.loads(done.stdout)
    after = target.server.usage()
    if told["wrong"] or told["failed"] or told["right"] != told["sent"]:
        raise BenchError(
            f"{target.path}: of {told['sent']} calls {told['right']} were answered right, {told['wrong']} wrong "
            f"{told['examples']}, {told['failed']} with grpc-status {told['statuses']}"
        )
    return Run(
        rate=told["rate"],
        seconds=told["seconds"],
        right=told["right"],
        used=told["next"],
        p50=told["p50"],
        p99=told["p99"],
        cpu=(after.cpu_seconds - before.cpu_seconds) / max(1, told["right"]) * 1e6,
        answer_bytes=told["answer_bytes"],
    )
