"""Refused access is audited, and a flood of it is not."""

import pytest
from govcode_node.domain.audit import AuditAction, AuditEntry
from govcode_node.domain.callers import Caller
from govcode_node.domain.identities import CallerClass
from govcode_node.rpc.refusals import RefusalLog
from kit.clocks import MovableClock

COUNTER = Caller(caller_class=CallerClass.APP, name="counter-app", kind="relying_party", certificate="ab" * 32)


class Trail:
    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.broken = False

    async def record(self, entry: AuditEntry) -> None:
        if self.broken:
            raise RuntimeError
        self.entries.append(entry)


async def refuse(log: RefusalLog, *, caller: Caller | None = COUNTER, peer: str = "ipv4:10.0.0.9:4711") -> None:
    await log.note(caller=caller, peer=peer, method="/s/m", reason="CALLER_NOT_ALLOWED", why="w" * 500, trace_id="t")


async def test_an_entry_names_who_what_and_why() -> None:
    trail, clock = Trail(), MovableClock()
    await refuse(RefusalLog(trail.record, clock=clock))
    (entry,) = trail.entries
    assert entry == AuditEntry(
        happened_at=clock.now(),
        actor_class="app.relying_party",
        actor="counter-app",
        action=AuditAction.ACCESS_REFUSED,
        object="/s/m",
        result="CALLER_NOT_ALLOWED",
        trace_id="t",
        details={"peer": "ipv4:10.0.0.9", "why": "w" * 200, "certificate": "ab" * 32},
    )


async def test_a_flood_of_one_caller_is_counted_and_told_later() -> None:
    trail, clock = Trail(), MovableClock()
    log = RefusalLog(trail.record, clock=clock)
    for _ in range(100):
        await refuse(log)
    assert len(trail.entries) == 10
    await refuse(log, caller=None)
    assert trail.entries[-1].details["left_out"] == "90"
    assert trail.entries[-1].actor_class == "unidentified"
    clock.advance(60)
    await refuse(log)
    assert "left_out" not in trail.entries[-1].details


async def test_a_flood_from_everywhere_is_bounded_too() -> None:
    trail = Trail()
    log = RefusalLog(trail.record, clock=MovableClock(), per_minute=25)
    for number in range(200):
        await refuse(log, caller=None, peer=f"ipv4:10.0.1.{number}:1")
    assert len(trail.entries) == 25


async def test_a_trail_that_cannot_be_written_is_logged_and_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    trail = Trail()
    trail.broken = True
    await refuse(RefusalLog(trail.record, clock=MovableClock()))
    assert "could not be audited" in caplog.text
