"""A database in memory that does to a use case what a real one may do: run a unit again, or several units in one batch.

What a use case leaves behind must not depend on either. `rerun` runs each unit once for nothing before it counts, as a
spoiled batch does; `gather` runs units handed over at the same time in one transaction, as the committer does.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from govcode_node.domain.accounts import Account, AccountState
from govcode_node.ports.stores import Transaction
from govcode_node.storage.columns import ACCOUNT_STATES, pack_account
from kit.memory_database import InMemoryDatabase
from typing_extensions import override

T = TypeVar("T")


class _DiscardedError(Exception):
    """The rehearsal of a unit is over; nothing of it is kept."""


class RestlessDatabase(InMemoryDatabase):
    """`ports.stores.Database` in memory, with ways to make trouble.

    Attributes:
        rerun: Whether each unit is run once for nothing before.
        gather: Whether units handed over at the same time share a batch.
        batches: Sizes of the batches that were gathered.
        before_unit: What happens just before the next unit runs, once: another caller that was quicker.
    """

    def __init__(self, *, writer_id: str = "110000/0/1700000000000", rerun: bool = False, gather: bool = False) -> None:
        super().__init__(writer_id=writer_id)
        self.rerun = rerun
        self.gather = gather
        self.batches: list[int] = []
        self.before_unit: Callable[[Transaction], object] | None = None
        self._waiting: list[tuple[Callable[[Transaction], Any], asyncio.Future[Any]]] = []

    @override
    async def run(self, unit: Callable[[Transaction], T]) -> T:
        if not self.gather:
            return self.run_now(unit)
        if self.fault is not None:
            raise self.fault
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((unit, done))
        if len(self._waiting) == 1:
            await self._run_waiting()
        return await done

    async def _run_waiting(self) -> None:
        """It lets everybody who is ready hand over a unit, then runs all in one batch."""
        for _ in range(5):
            await asyncio.sleep(0)
        waiting, self._waiting = self._waiting, []
        self.batches.append(len(waiting))
        self.units += len(waiting)
        results = self._runner.run([unit for unit, _ in waiting])
        for (_, done), (error, value) in zip(waiting, results, strict=True):
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(value)

    @override
    def _run(self, unit: Callable[[Transaction], T]) -> T:
        interruption, self.before_unit = self.before_unit, None
        if interruption is not None:
            super()._run(interruption)
        if self.rerun:
            self._rehearse(unit)
        return super()._run(unit)

    def set_account_state(self, account: Account, state: AccountState) -> None:
        """It moves an account to a state that no step of this release leads to, but that a store may hold."""
        number, key = ACCOUNT_STATES.number[state], pack_account(account.account_id).hex()
        self._link.command("BEGIN")
        self._link.command(f"UPDATE accounts SET state = {number} WHERE account_id = x'{key}'")  # noqa: S608
        self._link.command("COMMIT")

    def set_sealed_profile(self, account: Account, sealed: bytes) -> None:
        """It replaces what is kept of a subject, as a later release might have written it."""
        key = pack_account(account.account_id).hex()
        self._link.command("BEGIN")
        self._link.command(f"UPDATE accounts SET sealed_profile = x'{sealed.hex()}' WHERE account_id = x'{key}'")  # noqa: S608
        self._link.command("COMMIT")

    def image(self) -> bytes:
        """All bytes that the store holds."""
        raw: Any = self._engine.raw_connection().dbapi_connection
        image: bytes = raw.serialize()
        return image

    def _rehearse(self, unit: Callable[[Transaction], object]) -> None:
        def rehearsal(transaction: Transaction) -> None:
            unit(transaction)
            raise _DiscardedError

        self._runner.run([rehearsal])
