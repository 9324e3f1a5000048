"""Callers who give up leave nothing behind: no task, no waiter, no memory, and nobody is slower for it later."""

import asyncio
import ctypes
import dataclasses
import gc
import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from govcode.code.v1 import service_code_pb2 as codev1
from govcode_node.app import App
from govcode_node.config_sections import LimitsConfig
from govcode_node.config_values import parse_rate
from govcode_node.system_clock import SystemClock
from kit.nodes import RunningNode, until, write_node
from kit.pki import kit_pki
from kit.players import CounterDesk, Holder, synthetic_people

SEED = 20261124
CALLS = 10_000
SHARE_CANCELLED = 1 / 3
AT_ONCE = 48
ROUNDS = 5
CALLS_A_ROUND = 200
AT_ONCE_MEASURED = 8
HOLDERS = ("张样例", "李示范", "上官测试", "阿依样例·买买提示范")

Call = Callable[[], Awaitable[Any]]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    """A node without limits of rate, which are not what is tested here."""
    never = parse_rate("1000000/1s")
    config = dataclasses.replace(
        write_node(tmp_path / "node", "420100"),
        limits=LimitsConfig(per_subject=never, per_app=never, per_device=never),
    )
    clock = SystemClock()
    node = RunningNode(await App.start(config, clock=clock), config, tmp_path / "node", kit_pki(), clock)
    try:
        await node.register_parties()
        yield node
    finally:
        await node.close()


@dataclass
class Traffic:
    """A mix of presentations, scans, verifications and lists, and what became of them."""

    holders: list[Holder]
    codes: list[str]
    counters: list[CounterDesk]
    random: random.Random
    outcomes: Counter[str] = field(default_factory=Counter)

    def call(self) -> Call:
        """It draws the next call."""
        holder, counter = self.random.choice(self.holders), self.random.choice(self.counters)
        code = self.random.choice(self.codes)
        return self.random.choice(
            (
                lambda: holder.present(terminal_type=codev1.TERMINAL_TYPE_MINI_PROGRAM),
                lambda: counter.scan(code),
                lambda: counter.verify(code),
                lambda: holder.records(page_size=20),
            )
        )

    async def run(self, number: int, *, at_once: int, patience: float | None = None) -> list[float]:
        """It makes calls; a third of the callers lose their patience, at a random moment. The seconds of the others."""
        left = iter(range(number))
        seconds: list[float] = []

        async def work() -> None:
            for _ in left:
                gives_up = patience is not None and self.random.random() < SHARE_CANCELLED
                task = asyncio.ensure_future(self.call()())
                if gives_up:
                    asyncio.get_running_loop().call_later(self.random.uniform(0, patience or 0), task.cancel)
                begun = time.perf_counter()
                try:
                    await task
                    self.outcomes["answered"] += 1
                    seconds.append(time.perf_counter() - begun)
                except asyncio.CancelledError:
                    self.outcomes["cancelled"] += 1

        await asyncio.gather(*(work() for _ in range(at_once)))
        return seconds

    async def p99(self) -> float:
        """It measures: the median of the rounds' 99th percentiles."""
        rounds = []
        for _ in range(ROUNDS):
            seconds = await self.run(CALLS_A_ROUND, at_once=AT_ONCE_MEASURED)
            assert len(seconds) == CALLS_A_ROUND
            rounds.append(statistics.quantiles(seconds, n=100)[98])
        return statistics.median(rounds)


def resident_bytes() -> int:
    """The memory of this process once what is free is given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tasks_at_work() -> Counter[str]:
    return Counter(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())


async def make_page_caches_small(node: RunningNode) -> None:
    """It keeps the store's page caches, which fill up as the store grows, from being taken for a leak."""
    await node.app.database.run(_small_cache)
    await asyncio.gather(*(node.app.database.read(_small_cache) for _ in range(8)))


def _small_cache(tx: Any) -> None:
    tx.link.command("PRAGMA cache_size=-500")


@pytest.mark.slow
async def test_ten_thousand_calls_of_which_a_third_is_cancelled_leave_nothing_behind(node: RunningNode) -> None:
    people = synthetic_people()
    holders = [await node.holders.open_account(people[name]) for name in HOLDERS]
    codes = [(await holder.present()).code.code_text for holder in holders]
    traffic = Traffic(holders, codes, [node.counter], random.Random(SEED))
    await make_page_caches_small(node)
    # Warm: what is made once is made, and how long a call takes under this load is known.
    patience = statistics.median(await traffic.run(500, at_once=AT_ONCE))
    await traffic.run(2_500, at_once=AT_ONCE, patience=patience)

    findings: list[str] = []
    for _ in range(2):
        # A busy machine can spoil a measurement of times; nothing but a slow node spoils two.
        findings = await measure(node, traffic, patience)
        if not findings:
            return
    pytest.fail("; ".join(findings))


async def measure(node: RunningNode, traffic: Traffic, patience: float) -> list[str]:
    await settle(node)
    tasks, memory = tasks_at_work(), resident_bytes()
    p99_before = await traffic.p99()

    traffic.outcomes.clear()
    await traffic.run(CALLS, at_once=AT_ONCE, patience=patience)
    assert traffic.outcomes["answered"] + traffic.outcomes["cancelled"] == CALLS
    assert traffic.outcomes["cancelled"] > CALLS * SHARE_CANCELLED / 2, "too few have given up for this to prove much"

    await settle(node)
    await until(lambda: tasks_at_work() <= tasks)
    p99_after = await traffic.p99()
    await settle(node)
    memory_after = resident_bytes()
    findings = []
    if p99_after > 2 * p99_before:
        findings.append(f"p99 was {p99_before * 1000:.1f} ms and is {p99_after * 1000:.1f} ms")
    if memory_after > 1.1 * memory:
        findings.append(f"{memory} bytes of memory became {memory_after}")
    return findings


async def settle(node: RunningNode) -> None:
    """It waits until nothing is under way in the store."""
    await until(lambda: node.app.database.queue_length() == 0 and node.app.database.age() == 0)


async def test_a_cancelled_call_frees_its_place_in_the_queue_of_the_store(node: RunningNode) -> None:
    """One unit holds the committer up; all that queue behind it are cancelled; none of them is run."""
    database = node.app.database
    held, ran = threading.Event(), Counter[str]()

    def count_run(_: object) -> None:
        ran["cancelled"] += 1

    first = asyncio.create_task(database.run(lambda _: held.wait(20)))
    await until(lambda: database.queue_length() == 0 and database.age() > 0)
    waiting = [asyncio.create_task(database.run(count_run)) for _ in range(100)]
    await until(lambda: database.queue_length() == len(waiting))
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    held.set()
    assert await first
    await settle(node)
    assert ran == Counter()
    await database.check()
