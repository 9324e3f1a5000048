"""No answer leaves a node before the disk has what it rests on: seen from outside, in the node's system calls."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from kit.node_process import SERVE, NodeProcess
from kit.players import CounterDesk, HolderBackend, serial, synthetic_people
from kit.syscall_trace import COMMAND, Exchange, Fault, fault_of, read_trace

CALLS = 20
LAX = (sys.executable, str(Path(__file__).with_name("lax_node.py")))


@pytest.fixture(autouse=True)
def strace() -> None:
    if shutil.which("strace") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is needed in CI")
        pytest.skip("strace is not installed")


async def traced(tmp_path: Path, program: tuple[str, ...]) -> tuple[list[Exchange], list[str]]:
    """It has a node present and scan under strace, one call at a time; returns the calls and the trace."""
    config = NodeProcess.write(tmp_path / "node")
    trace = tmp_path / "trace.txt"
    node = await NodeProcess.start(config, command=(*COMMAND, "-o", str(trace), *program))
    try:
        await node.register_parties()
        exchanges = await present_and_scan(node)
    finally:
        await node.stop()
    return exchanges, trace.read_text().splitlines()


async def present_and_scan(node: NodeProcess) -> list[Exchange]:
    exchanges: list[Exchange] = []
    async with node.dial("holder-app") as presenting, node.dial("counter-app") as scanning:
        backend, counter = HolderBackend(presenting), CounterDesk(scanning)
        holder = await backend.open_account(next(iter(synthetic_people().values())))
        await scanning.channel_ready()
        for _ in range(CALLS):
            sent = time.time()
            code = await holder.present(one_time=True)
            exchanges.append(Exchange(sent=sent, received=time.time(), answer_bytes=code.ByteSize()))
            question = appv1.ScanCodeRequest(biz_serial=serial("scan"), code_text=code.code.code_text, scene_no=1)
            sent = time.time()
            answer = await counter.stub.ScanCode(question)
            exchanges.append(Exchange(sent=sent, received=time.time(), answer_bytes=answer.ByteSize()))
    return exchanges


async def test_no_answer_leaves_before_its_records_are_on_the_disk(tmp_path: Path) -> None:
    exchanges, trace = await traced(tmp_path, SERVE)
    calls = read_trace(trace)
    assert [fault_of(exchange, calls) for exchange in exchanges] == [None] * (2 * CALLS)


async def test_a_node_that_does_not_wait_for_the_disk_is_found_out(tmp_path: Path) -> None:
    exchanges, trace = await traced(tmp_path, LAX)
    calls = read_trace(trace)
    assert [fault_of(exchange, calls) for exchange in exchanges] == [Fault.NOT_SYNCED] * (2 * CALLS)


REQUEST = Exchange(sent=10.0, received=11.0, answer_bytes=600)
EARLIER = "7  9.5 fdatasync(7</n/store.db-wal>) = 0"
LOG = '7  10.1 pwrite64(7</n/store.db-wal>, ""..., 4096, 32) = 4096'
SYNC = "7  10.2 fdatasync(7</n/store.db-wal>) = 0"
SYNC_BEGINS = "7  10.2 fdatasync(7</n/store.db-wal> <unfinished ...>"
SYNC_ENDS = "7  10.3 <... fdatasync resumed>) = 0"
ANSWER = "8  10.3 sendmsg(20<socket:[1]>, {msg_name=NULL, msg_iovlen=1}, MSG_NOSIGNAL) = 846"
PING = "8  10.05 sendmsg(20<socket:[1]>, {msg_name=NULL, msg_iovlen=1}, MSG_NOSIGNAL) = 39"
LATER = "7  12.2 fdatasync(7</n/store.db-wal>) = 0"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ((PING, LOG, SYNC, ANSWER), None),
        ((LOG, ANSWER, LATER), Fault.NOT_SYNCED),
        ((EARLIER, LOG, ANSWER), Fault.NOT_SYNCED),
        ((LOG, ANSWER, SYNC), Fault.NOT_SYNCED),
        ((SYNC, LOG, ANSWER), Fault.NOT_SYNCED),
        ((LOG, SYNC, LOG, ANSWER), Fault.NOT_SYNCED),
        ((LOG, SYNC.replace("= 0", "= 0 (INJECTED)"), ANSWER), Fault.NOT_SYNCED),
        ((LOG, SYNC.replace("= 0", "= -1 EIO (Input/output error)"), ANSWER), Fault.NOT_SYNCED),
        ((LOG, SYNC.replace("-wal", ""), ANSWER), Fault.NOT_SYNCED),
        (
            (LOG, SYNC_BEGINS, ANSWER, SYNC_ENDS),
            Fault.NOT_SYNCED,
        ),
        (
            (LOG, SYNC_BEGINS, PING, SYNC_ENDS, ANSWER),
            None,
        ),
        ((SYNC, ANSWER), Fault.NOTHING_LOGGED),
        ((LOG, SYNC, PING), Fault.NO_ANSWER_SEEN),
        ((LOG, SYNC, ANSWER, ANSWER), Fault.NO_ANSWER_SEEN),
    ],
)
def test_the_reading_of_a_trace_finds_every_order_that_is_wrong(lines: tuple[str, ...], fault: Fault | None) -> None:
    assert fault_of(REQUEST, read_trace(lines)) is fault
