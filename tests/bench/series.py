"""One series: the node and the floor on the same core, presenting and scanning in turns, and a look into the store.

A run of presentations makes the codes that the next run of scans reads, so both are measured with codes that nobody has
seen before, and the store can be asked for every single one of them afterwards.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.floor import method_of
from bench.loading import CONNECTIONS, Run, Target, load, read_answers, write_bodies
from bench.processes import BenchError, Server, program
from bench.seed import COUNTER_APP, HOLDER_APP, SCANNERS, SCENE_NO, BenchNode, token_of
from bench.serve_plain import CALLER
from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode_node.domain.outcomes import Outcome
from govcode_node.ports.stores import Transaction
from govcode_node.storage.database import SqlDatabase

_SERVICE: Final = "/govcode.code.v1.CodeApplicationService/"
_BODIES: Final = 20_000
"""Bodies of one run of presentations: more than any run can use."""

_SHORTEST: Final = 1.0
"""Seconds that a run must last. Scans end early where they are faster than the presentations that they need."""

# A right answer to PresentCode is a new code with its id of 16 bytes, neither shown again (`reused`) nor `replayed`. A
# right answer to ScanCode begins with decision ACCEPT and outcome VALID.
_NEW_CODE: Final = {"fieldOne": "0a10", "alone": True}
_VALID: Final = {"fieldOne": "08011001"}


@dataclass(slots=True)
class Measured:
    """The runs of one method, and those of the floor between them."""

    runs: list[Run] = field(default_factory=list)
    floors: list[Run] = field(default_factory=list)


class Series:
    """Node and floor under load, in plaintext or over mutual TLS.

    Attributes:
        name: `plain` or `tls`.
        present: What was measured of PresentCode.
        scan: What was measured of ScanCode.
    """

    def __init__(
        self, name: str, *, node: BenchNode, server: Server, floor: Server, say: Callable[[str], None]
    ) -> None:
        """It takes two servers that run; see `running_series`."""
        self.name: Final = name
        self.present = Measured()
        self.scan = Measured()
        self.server: Final = server
        self._node = node
        self._floor = floor
        self._say = say
        self._holder = 0
        self._round = 0
        self._fresh: list[codev1.IssuedCode] = []
        self._codes: list[bytes] = []
        self._scans: list[tuple[bytes, str]] = []
        self._sizes: dict[str, int] = {}

    def warm_up(self) -> None:
        """It runs both methods for a moment, which also tells how large their answers are."""
        self._say(f"{self.name}: warming up")
        self._sizes["present"] = round(self._run_present(1.0).answer_bytes)
        self._sizes["scan"] = round(self._run_scan(1.0).answer_bytes)

    def round(self, seconds: float, *, presenting: bool, scanning: bool) -> None:
        """It measures once: presentations, floor, scans of what was presented, floor.

        Args:
            seconds: Length of a run.
            presenting: Whether presentations are a figure and not only the source of codes.
            scanning: Whether scans are measured.
        """
        run = self._run_present(seconds)
        if presenting:
            self._note("PresentCode", self.present, run, self._run_floor("present", seconds))
        if scanning:
            self._note("ScanCode", self.scan, self._run_scan(seconds), self._run_floor("scan", seconds))

    def check_store(self) -> None:
        """It looks for every answered code and scan in the store, after the node has ended.

        Raises:
            BenchError: Something was answered and is not there.
        """
        missing = asyncio.run(self._missing())
        if missing:
            raise BenchError(f"{self.name}: {missing} answers have no row in the store, or another one")
        self._say(f"{self.name}: the store has all {len(self._codes)} codes and {len(self._scans)} scans answered")

    async def _missing(self) -> int:
        """It counts answers without their row: a code that is kept, a VALID scan that is kept and has used its code."""

        def look(tx: Transaction) -> int:
            missing = sum(tx.codes.get(code_id) is None for code_id in self._codes)
            for code_id, scan_id in self._scans:
                row = tx.scans.get(scan_id)
                good = row is not None and row.outcome is Outcome.VALID and row.code_id == code_id
                missing += not good or tx.codes.consumed_by(code_id) != scan_id
            return missing

        database = await SqlDatabase.open(f"sqlite:///{self._node.store}", writer_id=f"bench/{self.name}")
        try:
            return await database.read(look)
        finally:
            await database.aclose()

    def _note(self, method: str, measured: Measured, run: Run, floor: Run) -> None:
        if run.seconds < _SHORTEST:
            raise BenchError(f"{self.name}: {method} had too few bodies, the run was over after {run.seconds:.1f} s")
        measured.runs.append(run)
        measured.floors.append(floor)
        self._say(
            f"{self.name}: {method} {run.rate:,.0f}/s, floor {floor.rate:,.0f}/s, ratio {run.rate / floor.rate:.3f}; "
            f"CPU {run.cpu:,.0f} and {floor.cpu:,.0f} us a call; p50 {run.p50:.0f} ms, p99 {run.p99:.0f} ms"
        )

    def _run_present(self, seconds: float) -> Run:
        self._round += 1
        bodies = self._node.folder / "present.bin"
        write_bodies(bodies, map(self._present_request, range(_BODIES)))
        saved = self._node.folder / "presented.bin"
        run = load(self._target("PresentCode", HOLDER_APP, _NEW_CODE), bodies, seconds=seconds, save=saved)
        self._holder += run.used
        self._fresh = [applicationv1.PresentCodeResponse.FromString(answer).code for answer in read_answers(saved)]
        self._codes += [code.code_id for code in self._fresh]
        return run

    def _present_request(self, number: int) -> bytes:
        return applicationv1.PresentCodeRequest(
            biz_serial=f"P-{self.name}-{self._round}-{number:06d}",
            session_token=token_of((self._holder + number) % self._node.holders),
            terminal_type=codev1.TERMINAL_TYPE_APP,
            one_time=True,
        ).SerializeToString()

    def _run_scan(self, seconds: float) -> Run:
        bodies = self._node.folder / "scan.bin"
        write_bodies(
            bodies,
            (
                applicationv1.ScanCodeRequest(
                    biz_serial=f"S-{self.name}-{self._round}-{number:06d}", code_text=code.code_text, scene_no=SCENE_NO
                ).SerializeToString()
                for number, code in enumerate(self._fresh)
            ),
        )
        saved = self._node.folder / "scanned.bin"
        run = load(self._target("ScanCode", COUNTER_APP, _VALID), bodies, seconds=seconds, save=saved)
        for answer in read_answers(saved):
            said = applicationv1.ScanCodeResponse.FromString(answer)
            if said.replayed:
                raise BenchError(f"{self.name}: a scan was answered from memory")
            self._scans.append((said.answer.code_id, said.answer.scan_id))
        return run

    def _run_floor(self, like: str, seconds: float) -> Run:
        size = self._sizes[like]
        target = Target(
            server=self._floor,
            address=self._floor.ready.strip(),
            path=method_of(size),
            connections=self._connections(HOLDER_APP if like == "present" else COUNTER_APP),
            judged={"length": size},
            tls=self._tls(HOLDER_APP),
        )
        return load(target, self._node.folder / f"{like}.bin", seconds=seconds, cycle=True)

    def _target(self, method: str, caller: str, judged: Mapping[str, object]) -> Target:
        return Target(
            server=self.server,
            address=address_of(self.server),
            path=_SERVICE + method,
            connections=self._connections(caller),
            judged=judged,
            tls=self._tls(caller),
        )

    def _connections(self, caller: str) -> list[dict[str, str]]:
        """It gives the headers of each connection; counters name one scanner each."""
        named = {CALLER: caller} if self.name == "plain" else {}
        devices = SCANNERS[:CONNECTIONS] if caller == COUNTER_APP else ("",) * CONNECTIONS
        return [named | ({"govcode-device-id": device} if device else {}) for device in devices]

    def _tls(self, caller: str) -> dict[str, str]:
        if self.name == "plain":
            return {}
        return {
            "ca": str(self._node.folder / "federation.pem"),
            "cert": str(self._node.callers / f"{caller}.pem"),
            "key": str(self._node.callers / f"{caller}.key"),
        }


def address_of(server: Server) -> str:
    """It reads where a node listens: the bench's launcher writes JSON, the product the address alone."""
    told = server.ready.strip()
    return str(json.loads(told)["address"]) if told.startswith("{") else told


@contextmanager
def running_series(name: str, node: BenchNode, say: Callable[[str], None]) -> Iterator[Series]:
    """It runs node and floor for the length of a block, and then compares the store with what was answered.

    Raises:
        BenchError: The node says that its commits are not durable, or rows are missing.
    """
    here = Path(__file__).parent
    ready = node.folder / f"{name}-ready"
    log = node.folder / f"{name}.log"
    if name == "plain":
        launcher = [sys.executable, str(here / "serve_plain.py"), "--certificates", str(node.callers)]
        server = Server(
            [*launcher, "--config", str(node.config), "--ready-file", str(ready)], ready_file=ready, log=log
        )
    else:
        server = serve(node)
    floor_ready = node.folder / f"{name}-floor-ready"
    floor_command = [sys.executable, str(here / "floor.py"), "--ready-file", str(floor_ready)]
    tls = [] if name == "plain" else ["--tls", str(node.folder)]
    try:
        if name == "plain" and not json.loads(server.ready)["durable"]:
            raise BenchError(f"the node's commits are not durable: {json.loads(server.ready)['settings']}")
        floor = Server([*floor_command, *tls], ready_file=floor_ready, log=node.folder / f"{name}-floor.log")
        try:
            series = Series(name, node=node, server=server, floor=floor, say=say)
            yield series
        finally:
            floor.stop()
    finally:
        server.stop()
    series.check_store()


def serve(node: BenchNode) -> Server:
    """It starts the product as an operator does: `govcode serve`."""
    ready = node.folder / "serve-ready"
    command = [str(program("govcode")), "serve", "--config", str(node.config), "--ready-file", str(ready)]
    return Server(command, ready_file=ready, log=node.folder / "serve.log")
