"""What a hostile or broken caller sends is answered clearly, leaves nothing in the store, and disturbs nobody."""

import asyncio
import hashlib
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.common.v1 import verdict_pb2
from grpc import aio
from kit.nodes import RunningNode, running_node, until
from kit.players import Holder, serial, synthetic_people
from kit.serving import details_of, reason_of

LIMIT = 64 * 1024
FACTS = frozenset({"field", "limit_bytes", "scene_no"})
USUAL = {
    verdict_pb2.OUTCOME_MALFORMED,
    verdict_pb2.OUTCOME_VERSION_UNSUPPORTED,
    verdict_pb2.OUTCOME_SEAL_INVALID,
}
CORE_LIMIT = 1024 * 1024
SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"
GOOD = {verdict_pb2.OUTCOME_UNSPECIFIED, verdict_pb2.OUTCOME_VALID, verdict_pb2.OUTCOME_OFFLINE_VALID}
VERDICT_ONLY = (
    "ZWM1",
    "ZWM1:",
    "ZWM1.",
    "ZWM1:" + "A" * 1_000,
    "ZWM1." + "7" * 1_000,
    "ZWM2:ABCDEF",
    "zwm1:abcdef",
    "HTTPS://EVIL.EXAMPLE/C/AAAA",
    "420100198802149916",
    "' OR 1=1 --",
    "{{7*7}}${jndi:ldap://example.invalid}",
    "\x00\x01\x02",
    "\u202e\u2066码",
    "💥" * 256,
    "\n" * 1_024,
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path / "node") as node:
        await node.register_parties()
        yield node


async def a_holder(node: RunningNode) -> Holder:
    return await node.holders.open_account(next(iter(synthetic_people().values())))


def kept(node: RunningNode) -> str:
    """A digest of everything in the store but the node's own sign of life."""
    with closing(sqlite3.connect(f"file:{node.folder / 'store.db'}?mode=ro", uri=True)) as store:
        lines = [line for line in store.iterdump() if '"heartbeats"' not in line]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


async def refusal_of(call: Awaitable[Any]) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value


def raw_scan(channel: aio.Channel, message: bytes) -> Awaitable[bytes]:
    """A call of ScanCode with bytes in place of its request."""
    call: Any = channel.unary_unary(SCAN)
    answer: Awaitable[bytes] = call(message)
    return answer


def scan_of(**fields: Any) -> appv1.ScanCodeRequest:
    usual: dict[str, Any] = {"biz_serial": serial("hostile"), "code_text": "ZWM1:A", "scene_no": 1}
    return appv1.ScanCodeRequest(**(usual | fields))


def too_large(size: int) -> bytes:
    request = scan_of(place="x").SerializeToString()
    # Of an unknown field, so that nothing but the size is wrong.
    return request + b"\xfa\x3f" + bytes([0x80 | size & 0x7F, 0x80 | size >> 7 & 0x7F, size >> 14]) + bytes(size)


INVALID, LIMITED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
REFUSED: dict[str, tuple[appv1.ScanCodeRequest | bytes, grpc.StatusCode, str, str, str]] = {
    "no text": (scan_of(code_text=""), INVALID, "INVALID_FIELD", "field", "code_text"),
    "a text over the limit": (scan_of(code_text="A" * 1_025), INVALID, "INVALID_FIELD", "field", "code_text"),
    "a text far over the limit": (scan_of(code_text="A" * 60_000), INVALID, "INVALID_FIELD", "field", "code_text"),
    "no serial": (scan_of(biz_serial=""), INVALID, "INVALID_FIELD", "field", "biz_serial"),
    "a long serial": (scan_of(biz_serial="S" * 65), INVALID, "INVALID_FIELD", "field", "biz_serial"),
    "a serial that is not ASCII": (scan_of(biz_serial="流水号"), INVALID, "INVALID_FIELD", "field", "biz_serial"),
    "a long place": (scan_of(place="p" * 65), INVALID, "INVALID_FIELD", "field", "place"),
    "a NUL in a place": (scan_of(place="a\x00b"), INVALID, "INVALID_FIELD", "field", "place"),
    "a scene out of range": (scan_of(scene_no=2**32 - 1), INVALID, "INVALID_FIELD", "field", "scene_no"),
    "a scene that nobody has": (scan_of(scene_no=999), grpc.StatusCode.NOT_FOUND, "SCENE_UNKNOWN", "scene_no", "999"),
    "no message at all": (b"\xff" * 100, INVALID, "INVALID_FIELD", "field", "request"),
    "a length that lies": (b"\x0a\xff\xff\xff\xff\x0f", INVALID, "INVALID_FIELD", "field", "request"),
    "a text that is not UTF-8": (b"\x12\x02\xc3\x28", INVALID, "INVALID_FIELD", "field", "request"),
    "a message over 64 KiB": (too_large(LIMIT), LIMITED, "MESSAGE_TOO_LARGE", "limit_bytes", str(LIMIT)),
}


async def test_what_cannot_be_taken_is_refused_with_its_reason_and_leaves_nothing(node: RunningNode) -> None:
    channel = node.as_app("counter-app")
    before = await asyncio.to_thread(kept, node)
    answers = {}
    for name, (message, *_) in REFUSED.items():
        raw = message if isinstance(message, bytes) else message.SerializeToString()
        refused = await refusal_of(raw_scan(channel, raw))
        facts = details_of(refused)["ErrorInfo"].metadata
        answers[name] = (refused.code(), reason_of(refused), *(pair for pair in facts.items() if pair[0] in FACTS))
    # The core of gRPC itself ends a message that no method may have, before there is a caller to give a reason to.
    far_too_large = await refusal_of(raw_scan(channel, too_large(CORE_LIMIT)))

    assert answers == {name: (code, reason, (fact, value)) for name, (_, code, reason, fact, value) in REFUSED.items()}
    assert far_too_large.code() is LIMITED
    assert await asyncio.to_thread(kept, node) == before


async def test_every_text_within_the_limit_gets_an_outcome_and_none_of_them_is_good(node: RunningNode) -> None:
    holder = await a_holder(node)
    real = (await holder.present()).code.code_text
    drawn = random.Random(20261124)
    texts = [*VERDICT_ONLY, *(spoilt(real, drawn) for _ in range(150))]
    answers = await asyncio.gather(*(node.counter.scan(text) for text in texts))
    for text, answer in zip(texts, answers, strict=True):
        # A text that happens to name another region may be one to ask about; none is one to accept.
        assert answer.verdict.decision in {verdict_pb2.DECISION_REJECT, verdict_pb2.DECISION_ASK_OPERATOR}, text
        assert answer.verdict.outcome not in GOOD, text
        assert not answer.answer.fields, text
    assert {answer.verdict.outcome for answer in answers} >= USUAL
    assert (await node.counter.scan(real)).verdict.outcome == verdict_pb2.OUTCOME_VALID


def spoilt(text: str, drawn: random.Random) -> str:
    """A real code with one character changed, doubled or taken out; never the code itself."""
    while True:
        place = drawn.randrange(len(text))
        new = text[:place] + drawn.choice(("", text[place] * 2, drawn.choice("ABCXYZ0189.:%/ ")))
        new += text[place + 1 :]
        if new.strip() != text:
            return new


async def test_a_good_caller_is_not_disturbed_by_a_hostile_one(node: RunningNode) -> None:
    holder = await a_holder(node)
    code = (await holder.present()).code.code_text
    hostile, good = node.as_app("clinic-app"), node.counter
    stop = asyncio.Event()
    refused: Counter[grpc.StatusCode] = Counter()
    messages = [too_large(CORE_LIMIT), *(message for message, *_ in REFUSED.values())]

    async def attack(number: int) -> None:
        while not stop.is_set():
            message = messages[number % len(messages)]
            raw = message if isinstance(message, bytes) else message.SerializeToString()
            refused[(await refusal_of(raw_scan(hostile, raw))).code()] += 1
            number += 1

    attackers = [asyncio.create_task(attack(number)) for number in range(8)]
    answers = []
    for number in range(100):
        answers.append(await good.scan(code, biz_serial=f"good-{number}", timeout=5))
        # Each waits for a new wave, so that none slips through between two of them.
        seen = refused.total()
        await until(partial(more_than, refused, seen))
    stop.set()
    await asyncio.gather(*attackers)

    assert {answer.verdict.outcome for answer in answers} == {verdict_pb2.OUTCOME_VALID}
    assert set(refused) == {INVALID, LIMITED, grpc.StatusCode.NOT_FOUND}
    by_record = Counter(record.relying_party_name for record in await holder.records(page_size=100))
    assert by_record == {"政务服务大厅（测试）": 100}, "the good caller's scans, and none of the other's"


def more_than(counted: Counter[grpc.StatusCode], number: int) -> bool:
    return counted.total() > number
