"""The holder's own view: each use of the account's codes, with organisation, place and time (6.1-09)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.callers import Call
from govcode_node.domain.errors import CursorInvalidError
from govcode_node.domain.scans import ScanRow
from govcode_node.ports.clock import Clock
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.sessions import holder_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """Uses, newest first, and where to go on; empty on the last page."""

    records: Sequence[ScanRow]
    next_page_token: str


class HolderRecords:
    """It lists uses."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        """It reads the node's store."""
        self._database = database
        self._clock = clock

    async def list_records(
        self, call: Call, *, session_token: str, start: datetime | None, page_size: int, page_token: str
    ) -> RecordPage:
        """It returns a page of uses of the account's codes.

        Raises:
            SessionInvalidError: The session cannot be used.
            CursorInvalidError: The page token was not made here.
        """
        if page_token and not page_token.startswith("sc_"):
            raise CursorInvalidError(page_token)
        now = self._clock.now()

        def query(tx: Transaction) -> Sequence[ScanRow]:
            holder = holder_of(tx, call, session_token, now=now)
            return tx.scans.list_of(
                holder.account.account_id, start=start, before_scan_id=page_token, limit=page_size + 1
            )

        rows = await self._database.read(query)
        more = len(rows) > page_size
        return RecordPage(records=rows[:page_size], next_page_token=rows[page_size - 1].scan_id if more else "")
