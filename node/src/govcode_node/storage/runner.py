"""How a batch of units becomes one durable transaction, or is taken apart when one of them spoils it.

This part knows neither threads nor futures: it is given units and gives back what became of each.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.ports.row_sealing import RowSealer
from govcode_node.storage.batches import Batch
from govcode_node.storage.engine import Link
from govcode_node.storage.errors import DRIVER_ERRORS, is_retryable, translate
from govcode_node.storage.stores.audit import Chain
from govcode_node.storage.transaction import SqlTransaction

Unit = Callable[[SqlTransaction], Any]
Result = tuple[Exception | None, Any]
"""Why a unit was refused, or None and its value."""

_MAX_TRIES: Final = 3


class BrokenLinkError(Exception):
    """The link cannot be used any more; nothing is known of what it did last."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(str(cause))


class _SpoiledError(Exception):
    """The batch cannot be committed as it is."""


class BatchRunner:
    """It runs batches over one link, on whichever thread calls it, one at a time."""

    __slots__ = ("_batch", "_chain", "_link", "_transaction")

    def __init__(self, link: Link, chain: Chain, sealer: RowSealer | None = None) -> None:
        self._link = link
        self._chain = chain
        self._batch = Batch(link, sealer)
        self._transaction = SqlTransaction(self._batch, chain)

    def run(self, units: Sequence[Unit]) -> list[Result]:
        """It runs the units in one transaction and returns, once that is durable, what became of each.

        Raises:
            BrokenLinkError: The link failed; whether the batch was committed is not known.
        """
        try:
            try:
                results = self._run_together(units)
            except _SpoiledError:
                self._forget()
                self._link.rollback()
                results = self._run_apart(units)
        except BrokenLinkError:
            self._forget()
            raise
        except DRIVER_ERRORS as error:
            self._forget()
            raise BrokenLinkError(error) from error
        return results

    def close(self) -> None:
        """It closes the link."""
        self._link.close()

    def _forget(self) -> None:
        """It empties the buffers and takes the chain back to what is committed."""
        self._batch.clear()
        self._chain.ahead = self._chain.head

    def _run_together(self, units: Sequence[Unit]) -> list[Result]:
        """It runs the units without savepoints.

        A unit that refuses before it has written costs its own rows in the buffers and nothing else: refusals are
        ordinary traffic.

        Raises:
            _SpoiledError: A unit failed after it had written, or a statement failed.
        """
        link, batch, transaction = self._link, self._batch, self._transaction
        results: list[Result] = []
        link.begin_write()
        for unit in units:
            marks = batch.marks()
            link.dirty = False
            try:
                results.append((None, unit(transaction)))
            except DRIVER_ERRORS as error:
                raise _SpoiledError from error
            except Exception as error:
                if link.dirty:
                    raise _SpoiledError from error
                batch.cut(marks)
                results.append((error, None))
        try:
            batch.flush()
        except Exception as error:
            # Not the driver's errors alone: a number that no column holds, or a text that cannot be encoded, comes as
            # another one, and must be refused alone like them.
            raise _SpoiledError from error
        self._commit()
        return results

    def _run_apart(self, units: Sequence[Unit]) -> list[Result]:
        """It runs each unit behind a savepoint, its buffered rows included, and refuses only those that fail."""
        self._link.begin_write()
        results = [self._run_behind_savepoint(unit) for unit in units]
        self._commit()
        return results

    def _run_behind_savepoint(self, unit: Unit) -> Result:
        link, chain = self._link, self._chain
        for attempt in range(1, _MAX_TRIES + 1):
            link.command("SAVEPOINT unit")
            place = chain.ahead
            try:
                value = unit(self._transaction)
                self._batch.flush()
            except Exception as error:
                self._batch.clear()
                chain.ahead = place
                link.command("ROLLBACK TO SAVEPOINT unit")
                link.command("RELEASE SAVEPOINT unit")
                if is_retryable(error) and attempt < _MAX_TRIES:
                    continue
                return translate(error), None
            link.command("RELEASE SAVEPOINT unit")
            return None, value
        raise AssertionError("the last attempt returns")

    def _commit(self) -> None:
        try:
            self._link.commit()
        except DRIVER_ERRORS as error:
            raise BrokenLinkError(error) from error
        self._chain.head = self._chain.ahead
        self._batch.committed()


def unavailable(error: BrokenLinkError) -> StoreUnavailableError:
    """It says of a broken link what callers may know."""
    translated = translate(error.cause)
    return translated if isinstance(translated, StoreUnavailableError) else StoreUnavailableError(why="the link broke")
