"""Make evidence: one SM2 signature for everything that is waiting.

A signature takes longer than everything else in a scan. While one is being computed the next statements gather; they
become the leaves of one Merkle tree, whose root is signed once. A statement that comes alone gets a plain signature, at
once; while many come, a batch waits a little for more of them (`Gathering`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from govcode_client import evidence_rules as rules

from govcode_node.domain.errors import DrainingError, GovcodeError, OverloadedError
from govcode_node.domain.evidence import Evidence, EvidencePurpose, MerkleProof, Sm2Proof
from govcode_node.domain.gathering import Gathering
from govcode_node.domain.keys import KeyPurpose, KeyStateError, KeyUnavailableError, UnknownKeyError
from govcode_node.ports.clock import Clock

_MAX_BATCH: Final = 256
_MAX_WAITING: Final = 4096
_GATHERING_SECONDS: Final = 0.004
"""The longest that a batch waits for more statements: some ten signatures."""


class EvidenceSigner(Protocol):
    """What the attestor needs of the keyring."""

    def current_key_id(self, purpose: KeyPurpose) -> str:
        """Return the id of the key that would sign now."""

    async def sign_with(self, key_id: str, purpose: KeyPurpose, data: bytes) -> bytes:
        """Sign with one key."""


@dataclass(slots=True, kw_only=True)
class _Waiting:
    purpose: EvidencePurpose
    payload_type: str
    payload: bytes
    since: float
    done: asyncio.Future[Evidence]


class BatchingAttestor:
    """Turns statements into evidence, many under one signature; made and used on one event loop."""

    def __init__(
        self,
        signer: EvidenceSigner,
        *,
        node_id: str,
        clock: Clock,
        key_purpose: KeyPurpose = KeyPurpose.NODE_SIGN,
        max_batch: int = _MAX_BATCH,
        max_waiting: int = _MAX_WAITING,
        gathering: Gathering | None = None,
    ) -> None:
        """Take the signer.

        Args:
            signer: Signs with the node's key.
            node_id: Stands in every piece of evidence.
            clock: Dates the evidence.
            key_purpose: Which of the node's keys signs.
            max_batch: Statements under one signature, so that a tree is built in a few hundred microseconds.
            max_waiting: Statements that may wait; the next caller is refused at once.
            gathering: When a batch waits for more statements.
        """
        self._signer = signer
        self._node_id = node_id
        self._clock = clock
        self._key_purpose = key_purpose
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._gathering = gathering or Gathering(
            most_seconds=_GATHERING_SECONDS, enough=max_batch, monotonic=clock.monotonic
        )
        self._queue: deque[_Waiting] = deque()
        self._batch: list[_Waiting] = []
        self._filled = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def attest(self, purpose: EvidencePurpose | str, payload_type: str, payload: bytes) -> Evidence:
        """Return the statement with its proof.

        Args:
            purpose: What the evidence is for.
            payload_type: Full name of the message in the payload.
            payload: The exact bytes that will travel.

        Raises:
            ValueError: The purpose is unknown or the payload type is empty.
            OverloadedError: Too many statements wait already.
            DrainingError: The attestor is closed.
            KeyUnavailableError: No key can sign.
        """
        # What is wrong with one statement is found here, where it cannot spoil the batch of others.
        purpose = EvidencePurpose(purpose)
        if not payload_type.encode():
            raise ValueError("the payload type is empty")
        if self._closed:
            raise DrainingError
        if len(self._queue) + len(self._batch) >= self._max_waiting:
            raise OverloadedError("evidence")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(
            purpose=purpose,
            payload_type=payload_type,
            payload=bytes(payload),
            since=self._clock.monotonic(),
            done=loop.create_future(),
        )
        self._queue.append(waiting)
        self._filled.set()
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work(), name="attestor")
        return await waiting.done

    def age(self) -> float:
        """Return for how many seconds the oldest unanswered statement has waited; 0 when none waits."""
        oldest = self._batch[0] if self._batch else self._queue[0] if self._queue else None
        return 0.0 if oldest is None else self._clock.monotonic() - oldest.since

    async def aclose(self) -> None:
        """Refuse new statements, answer those that wait, and end."""
        self._closed = True
        self._filled.set()
        if self._worker is not None:
            await asyncio.wait({self._worker})

    async def _work(self) -> None:
        try:
            while self._queue or not self._closed:
                await self._filled.wait()
                self._filled.clear()
                while self._queue:
                    if not self._closed:
                        await self._gathering.wait(self._queue.__len__)
                    await self._answer_next_batch()
        finally:
            # Reached early only when the loop is being torn down: nobody may be left waiting for ever.
            _fail([*self._batch, *self._queue], DrainingError)
            self._batch = []
            self._queue.clear()

    async def _answer_next_batch(self) -> None:
        taken = [self._queue.popleft() for _ in range(min(self._max_batch, len(self._queue)))]
        # A caller that has gone away needs no leaf.
        self._batch = [waiting for waiting in taken if not waiting.done.done()]
        self._gathering.note(len(self._batch))
        if not self._batch:
            return
        try:
            evidence = await self._prove(self._batch)
        except KeyUnavailableError as fault:
            _fail(self._batch, partial(KeyUnavailableError, fault.purpose, fault.reason), cause=fault)
        except Exception as fault:
            # Whatever it is, this loop must live on for the next batch.
            reason = f"signing failed: {fault}"
            _fail(self._batch, partial(KeyUnavailableError, self._key_purpose, reason), cause=fault)
        else:
            for waiting, made in zip(self._batch, evidence, strict=True):
                # It may have been cancelled during the signature; completing it then would raise.
                if not waiting.done.done():
                    waiting.done.set_result(made)
        self._batch = []

    async def _prove(self, batch: Sequence[_Waiting]) -> list[Evidence]:
        key_id = self._signer.current_key_id(self._key_purpose)
        try:
            return await self._prove_with(key_id, batch)
        except (KeyStateError, UnknownKeyError):
            # The key may have been rotated between naming and using it; its successor then is there already.
            successor = self._signer.current_key_id(self._key_purpose)
            if successor == key_id:
                raise
            return await self._prove_with(successor, batch)

    async def _prove_with(self, key_id: str, batch: Sequence[_Waiting]) -> list[Evidence]:
        now = self._clock.now()
        signed_time = now.replace(microsecond=now.microsecond // 1000 * 1000)
        signed = [self._signed_bytes(waiting, key_id, signed_time) for waiting in batch]
        proofs = await self._proofs(key_id, signed, signed_time)
        return [
            Evidence(
                payload=waiting.payload,
                payload_type=waiting.payload_type,
                node_id=self._node_id,
                key_id=key_id,
                signed_time=signed_time,
                proof=proof,
            )
            for waiting, proof in zip(batch, proofs, strict=True)
        ]

    def _signed_bytes(self, waiting: _Waiting, key_id: str, signed_time: datetime) -> bytes:
        return rules.signed_bytes(
            purpose=waiting.purpose.value,
            payload_type=waiting.payload_type,
            node_id=self._node_id,
            key_id=key_id,
            signed_time_ms=rules.milliseconds_of(signed_time),
            payload=waiting.payload,
        )

    async def _proofs(
        self, key_id: str, signed: Sequence[bytes], signed_time: datetime
    ) -> Sequence[Sm2Proof | MerkleProof]:
        if len(signed) == 1:
            return [Sm2Proof(await self._signer.sign_with(key_id, self._key_purpose, signed[0]))]
        levels = rules.merkle_levels([rules.leaf_hash(text) for text in signed])
        covered = rules.root_bytes(levels[-1][0], rules.milliseconds_of(signed_time))
        signature = await self._signer.sign_with(key_id, self._key_purpose, covered)
        return [
            MerkleProof(
                leaf_index=index,
                leaf_count=len(signed),
                path=rules.merkle_path(levels, index),
                root_time=signed_time,
                root_signature=signature,
            )
            for index in range(len(signed))
        ]


def _fail(batch: Sequence[_Waiting], make: Callable[[], GovcodeError], *, cause: BaseException | None = None) -> None:
    """Give every waiter an exception of its own: one shared object would gather the traceback of each."""
    for waiting in batch:
        if not waiting.done.done():
            own = make()
            own.__cause__ = cause
            waiting.done.set_exception(own)
