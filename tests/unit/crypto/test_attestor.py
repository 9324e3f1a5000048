import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.crypto.attestor import BatchingAttestor
from govcode_node.crypto.evidence import check_evidence
from govcode_node.crypto.keyprovider import SoftwareKeyStore
from govcode_node.crypto.keyring import Keyring
from govcode_node.crypto.sm2 import LibcryptoSm2
from govcode_node.domain.errors import DrainingError, OverloadedError
from govcode_node.domain.evidence import (
    Evidence,
    EvidencePurpose,
    MerkleProof,
    Sm2Proof,
    VerifiedEvidence,
)
from govcode_node.domain.gathering import Gathering
from govcode_node.domain.keys import KeyPurpose, KeyState, KeyStateError, KeyUnavailableError, KeyUse

SCAN = EvidencePurpose.SCAN_ANSWER
TYPE = "govcode.code.v1.ScanAnswer"
BACKEND = LibcryptoSm2()


class GatedSigner:
    """Signs as the keyring does, but only while the gate stands open; may be told to fail."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.signed = 0
        self.faults: list[Exception | None] = []
        self.key_ids: list[str] = []

    def current_key_id(self, purpose: KeyPurpose) -> str:
        return self.key_ids.pop(0) if self.key_ids else self._keyring.current_key_id(purpose)

    async def sign_with(self, key_id: str, purpose: KeyPurpose, data: bytes) -> bytes:
        self.asked.set()
        await self.gate.wait()
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.signed += 1
        return await self._keyring.sign_with(key_id, purpose, data)


def verified(keyring: Keyring, evidence: Evidence, purpose: EvidencePurpose = SCAN) -> VerifiedEvidence:
    points = {key.key_id: key.public_point for key in keyring.infos() if key.purpose is KeyPurpose.NODE_SIGN}

    def public_key_of(node_id: str, key_id: str) -> bytes:
        point = points[key_id]
        assert point is not None
        return point

    return check_evidence(evidence, purpose, public_key_of=public_key_of, verify=BACKEND.verify)


@asynccontextmanager
async def attesting(keyring: Keyring, clock: Any, **limits: Any) -> AsyncIterator[tuple[BatchingAttestor, GatedSigner]]:
    signer = GatedSigner(keyring)
    attestor = BatchingAttestor(signer, node_id="420100", clock=clock, **limits)
    yield attestor, signer
    signer.gate.set()
    await attestor.aclose()


async def hold_one(attestor: BatchingAttestor, signer: GatedSigner) -> "asyncio.Task[Evidence]":
    """Let one statement sit inside a signature that does not end."""
    signer.gate.clear()
    signer.asked.clear()
    held = asyncio.ensure_future(attestor.attest(SCAN, TYPE, b"held"))
    await signer.asked.wait()
    return held


async def queued(attestor: BatchingAttestor, count: int) -> "list[asyncio.Task[Evidence]]":
    waiters = [asyncio.ensure_future(attestor.attest(SCAN, TYPE, b"%d" % number)) for number in range(count)]
    await asyncio.sleep(0)
    return waiters


async def test_a_lonely_statement_gets_a_plain_signature(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock) as (attestor, _):
        evidence = await attestor.attest("CONSENT", TYPE, b"yes")
    assert isinstance(evidence.proof, Sm2Proof)
    assert (evidence.node_id, evidence.payload, evidence.payload_type) == ("420100", b"yes", TYPE)
    assert evidence.key_id == keyring.current_key_id(KeyPurpose.NODE_SIGN)
    assert evidence.signed_time == key_clock.now().replace(microsecond=123_000)
    assert verified(keyring, evidence, EvidencePurpose.CONSENT).payload == b"yes"


@pytest.mark.parametrize("count", [2, 3, 7, 50])
async def test_statements_that_gather_during_a_signature_share_the_next(
    keyring: Keyring, key_clock: Any, count: int
) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, count)
        signer.gate.set()
        evidence = await asyncio.gather(*waiters)
        await held
        assert signer.signed == 2
    for number, each in enumerate(evidence):
        assert isinstance(each.proof, MerkleProof)
        assert (each.proof.leaf_index, each.proof.leaf_count) == (number, count)
        assert verified(keyring, each).payload == b"%d" % number


async def test_after_a_shared_signature_statements_wait_for_more_and_a_lone_one_does_not(
    keyring: Keyring, key_clock: Any
) -> None:
    naps: list[asyncio.Event] = []

    async def nap(seconds: float) -> None:
        naps.append(asyncio.Event())
        await naps[-1].wait()

    gathering = Gathering(most_seconds=0.001, enough=9, sleep=nap, monotonic=key_clock.monotonic)
    async with attesting(keyring, key_clock, gathering=gathering) as (attestor, signer):
        assert isinstance((await attestor.attest(SCAN, TYPE, b"alone")).proof, Sm2Proof)
        assert isinstance((await attestor.attest(SCAN, TYPE, b"alone again")).proof, Sm2Proof)
        await asyncio.gather(*await queued(attestor, 2))
        assert not naps
        first = await queued(attestor, 1)
        await asyncio.sleep(0)
        second = await queued(attestor, 2)
        second[1].cancel()
        assert len(naps) == 1
        naps[0].set()
        evidence = await asyncio.gather(*first, second[0])
        assert [each.proof.leaf_count for each in evidence if isinstance(each.proof, MerkleProof)] == [2, 2]
        assert signer.signed == 4


async def test_a_batch_is_bounded(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock, max_batch=4) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 9)
        signer.gate.set()
        evidence = await asyncio.gather(*waiters)
        await held
        assert signer.signed == 1 + 3
    assert isinstance(evidence[-1].proof, Sm2Proof)
    assert all(verified(keyring, each) for each in evidence)


async def test_one_caller_too_many_is_refused_at_once(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock, max_waiting=3) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 2)
        with pytest.raises(OverloadedError) as caught:
            await attestor.attest(SCAN, TYPE, b"too many")
        assert caught.value.queue == "evidence"
        signer.gate.set()
        assert len(await asyncio.gather(held, *waiters)) == 3
        await attestor.attest(SCAN, TYPE, b"welcome again")


async def test_callers_that_go_away_harm_nobody(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 5)
        held.cancel()
        waiters[1].cancel()
        waiters[4].cancel()
        signer.gate.set()
        answers = await asyncio.gather(*waiters, return_exceptions=True)
        assert [isinstance(answer, Evidence) for answer in answers] == [True, False, True, True, False]
        assert all(verified(keyring, answer) for answer in answers if isinstance(answer, Evidence))
        assert verified(keyring, await attestor.attest(SCAN, TYPE, b"later"))


async def test_a_batch_whose_callers_have_all_gone_costs_no_signature(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        for waiter in await queued(attestor, 3):
            waiter.cancel()
        signer.gate.set()
        await held
        await attestor.attest(SCAN, TYPE, b"later")
        assert signer.signed == 2


@pytest.mark.parametrize("fault", [KeyUnavailableError(KeyPurpose.NODE_SIGN, "gone"), RuntimeError("gone")])
async def test_a_failed_signature_fails_its_own_batch_alone(keyring: Keyring, key_clock: Any, fault: Exception) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 3)
        signer.faults = [fault]
        signer.gate.set()
        with pytest.raises(KeyUnavailableError, match="gone"):
            await held
        assert all(verified(keyring, each) for each in await asyncio.gather(*waiters))


async def test_a_whole_batch_hears_of_its_failed_signature(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 3)
        signer.faults = [None, RuntimeError("gone")]
        signer.gate.set()
        await held
        answers = await asyncio.gather(*waiters, return_exceptions=True)
        assert [type(answer) for answer in answers] == [KeyUnavailableError] * 3
        assert len({id(answer) for answer in answers}) == 3


async def test_a_key_rotated_between_naming_and_signing_is_replaced_by_its_successor(
    keyring: Keyring, key_store: SoftwareKeyStore, key_clock: Any
) -> None:
    old = keyring.current_key_id(KeyPurpose.NODE_SIGN)
    key_store.rotate(old)
    keyring.reload()
    async with attesting(keyring, key_clock) as (attestor, signer):
        signer.key_ids = [old]
        evidence = await attestor.attest(SCAN, TYPE, b"x")
    assert evidence.key_id != old
    assert verified(keyring, evidence)


async def test_a_key_that_may_not_sign_is_reported(keyring: Keyring, key_clock: Any) -> None:
    key_id = keyring.current_key_id(KeyPurpose.NODE_SIGN)
    async with attesting(keyring, key_clock) as (attestor, signer):
        signer.faults = [KeyStateError(key_id, KeyState.ACTIVE, KeyUse.PROTECT, not_after=key_clock.now())]
        with pytest.raises(KeyUnavailableError, match="ran out"):
            await attestor.attest(SCAN, TYPE, b"x")


@pytest.mark.parametrize(
    ("purpose", "payload_type"), [("NONSENSE", TYPE), ("SCAN_ANSWER", ""), ("SCAN_ANSWER", "\udc80")]
)
async def test_a_malformed_statement_fails_its_caller_and_not_the_batch(
    keyring: Keyring, key_clock: Any, purpose: str, payload_type: str
) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 2)
        with pytest.raises(ValueError, match=r"NONSENSE|empty|surrogates"):
            await attestor.attest(purpose, payload_type, b"x")
        signer.gate.set()
        assert all(verified(keyring, each) for each in await asyncio.gather(held, *waiters))


async def test_the_age_is_that_of_the_oldest_unanswered_statement(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        assert attestor.age() == 0.0
        held = await hold_one(attestor, signer)
        key_clock.advance(timedelta(seconds=2))
        waiters = await queued(attestor, 1)
        key_clock.advance(timedelta(seconds=1))
        assert attestor.age() == 3.0
        signer.gate.set()
        await asyncio.gather(held, *waiters)
        await asyncio.sleep(0)
        assert attestor.age() == 0.0


async def test_closing_answers_those_that_wait_and_refuses_the_rest(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 3)
        closing = asyncio.ensure_future(attestor.aclose())
        await asyncio.sleep(0)
        with pytest.raises(DrainingError):
            await attestor.attest(SCAN, TYPE, b"late")
        signer.gate.set()
        await closing
        assert all(verified(keyring, each) for each in await asyncio.gather(held, *waiters))


async def test_nobody_waits_for_ever_when_the_worker_is_torn_down(keyring: Keyring, key_clock: Any) -> None:
    async with attesting(keyring, key_clock) as (attestor, signer):
        held = await hold_one(attestor, signer)
        waiters = await queued(attestor, 2)
        worker = attestor._worker
        assert worker is not None
        worker.cancel()
        answers = await asyncio.gather(held, *waiters, return_exceptions=True)
        assert [type(answer) for answer in answers] == [DrainingError] * 3
