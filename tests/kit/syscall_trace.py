"""What strace saw of a node: writes to the log of its store, waits for the disk, and answers leaving on the network.

The lines of a trace stand in the order in which strace saw the calls begin and end. Each thread stands still at both
ends of a call until strace has seen it, so a call that another one's end has caused stands below that end.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

COMMAND = ("strace", "-f", "-y", "-ttt", "-s", "0", "-e", "trace=pwrite64,fdatasync,fsync,sendmsg,sendto,write,writev")
"""To be followed by `-o FILE` and the program."""

_WHOLE = re.compile(r"^(?P<thread>\d+)\s+(?P<time>\d+\.\d+) (?P<call>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<thread>\d+)\s+\d+\.\d+ <\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)$")
_RESULT = re.compile(r"\)\s+= (?P<result>-?\d+)(?P<tail>[^)]*)(?P<injected>\(INJECTED\))?\s*$")
_FILE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_UNFINISHED = "<unfinished ...>"


class Act(Enum):
    """What matters of a system call."""

    LOGGED = "wrote to the log of the store"
    SYNCED = "waited until the log was on the disk"
    SENT = "wrote to a socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCall:
    """One call that succeeded.

    Attributes:
        act: What it did.
        time: When it began, in seconds since 1970.
        begun: The line of the trace where it began.
        ended: The line where it ended.
        size: Bytes that it wrote.
    """

    act: Act
    time: float
    begun: int
    ended: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call of a client: when it was sent and when the answer was there, and how large the answer was at least."""

    sent: float
    received: float
    answer_bytes: int


class Fault(Enum):
    """Why an answer is not proved to have waited for the disk."""

    NO_ANSWER_SEEN = "the trace does not show the answer; nothing is proved"
    NOTHING_LOGGED = "nothing was written to the log before the answer"
    NOT_SYNCED = "the answer left before what was logged for it was on the disk"


def read_trace(lines: Iterable[str]) -> list[SystemCall]:
    """It reads what `COMMAND` wrote; what failed, or was only said to have happened (injected), counts for nothing."""
    return sorted(_calls(lines), key=lambda call: call.begun)


def fault_of(exchange: Exchange, calls: Sequence[SystemCall]) -> Fault | None:
    """It returns why an answer is not proved to have been durable when it left; None where it is."""
    during = [call for call in calls if exchange.sent <= call.time <= exchange.received]
    answers = [call for call in during if call.act is Act.SENT and call.size >= exchange.answer_bytes]
    if len(answers) != 1:
        return Fault.NO_ANSWER_SEEN
    before = [call for call in during if call.begun < answers[0].begun]
    logged = [call for call in before if call.act is Act.LOGGED]
    if not logged:
        return Fault.NOTHING_LOGGED
    synced = any(
        call.act is Act.SYNCED and call.begun > logged[-1].begun and call.ended < answers[0].begun for call in before
    )
    return None if synced else Fault.NOT_SYNCED


def _calls(lines: Iterable[str]) -> Iterator[SystemCall]:
    begun: dict[str, tuple[int, float, str, str]] = {}
    for number, line in enumerate(lines):
        if whole := _WHOLE.match(line):
            rest = whole["rest"]
            start = (number, float(whole["time"]), whole["call"], rest)
            if rest.rstrip().endswith(_UNFINISHED):
                begun[whole["thread"]] = start
                continue
        elif resumed := _RESUMED.match(line):
            start, rest = begun.pop(resumed["thread"]), resumed["rest"]
        else:
            continue
        call = _call_of(start, rest, ended=number)
        if call is not None:
            yield call


def _call_of(start: tuple[int, float, str, str], rest: str, *, ended: int) -> SystemCall | None:
    begun, time, name, arguments = start
    result, file = _RESULT.search(rest), _FILE.match(arguments)
    if result is None or file is None or result["injected"] or int(result["result"]) < 0:
        return None
    act = _act_of(name, file["path"])
    if act is None:
        return None
    return SystemCall(act=act, time=time, begun=begun, ended=ended, size=int(result["result"]))


def _act_of(name: str, path: str) -> Act | None:
    if name in {"fdatasync", "fsync"}:
        return Act.SYNCED if path.endswith("-wal") else None
    if path.endswith("-wal"):
        return Act.LOGGED
    return Act.SENT if path.startswith(("socket:", "TCP")) else None
