"""Reading the audit trail: only by auditors, and each reading is itself recorded (7.6-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from govcode_node.domain.audit import AuditAction, AuditRecord
from govcode_node.domain.callers import Call
from govcode_node.domain.errors import CursorInvalidError
from govcode_node.ports.clock import Clock
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.trail import record

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which records are wanted; empty parts match all."""

    start: datetime | None = None
    end: datetime | None = None
    action: str = ""
    biz_serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Records, oldest first, and where to go on; empty on the last page."""

    records: Sequence[AuditRecord]
    next_page_token: str


class AuditReading:
    """It lists audit records."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        """It reads the node's store."""
        self._database = database
        self._clock = clock

    async def list_records(self, call: Call, wanted: AuditFilter, *, page_size: int, page_token: str) -> AuditPage:
        """It returns a page of records and records the reading.

        Raises:
            CursorInvalidError: The page token was not made here.
        """
        after = _key_of(page_token) if page_token else None
        now = self._clock.now()

        def search(tx: Transaction) -> Sequence[AuditRecord]:
            return tx.audit.list_records(
                start=wanted.start,
                end=wanted.end,
                action=wanted.action,
                biz_serial=wanted.biz_serial,
                after=after,
                limit=page_size + 1,
            )

        # Beside the units: a serial has no index, and a search through the whole trail would hold up every commit.
        rows = await self._database.read(search)
        page = rows[:page_size]
        await self._database.run(
            lambda tx: record(tx, call, AuditAction.AUDIT_READ, at=now, object_id="audit", records=str(len(page)))
        )
        return AuditPage(records=page, next_page_token=_token_of(page[-1]) if len(rows) > page_size else "")


def _token_of(last: AuditRecord) -> str:
    milliseconds = (last.entry.happened_at - _EPOCH) // timedelta(milliseconds=1)
    return f"{milliseconds}.{last.seq}.{last.writer_id}"


def _key_of(token: str) -> tuple[datetime, str, int]:
    milliseconds, _, rest = token.partition(".")
    seq, _, writer_id = rest.partition(".")
    # 14 digits of milliseconds reach the year 5138; longer numbers are no time that can be computed with.
    numbers = token.isascii() and milliseconds.isdigit() and seq.isdigit()
    if not (numbers and len(milliseconds) <= 14 and len(seq) <= 18 and writer_id):
        raise CursorInvalidError(token)
    return _EPOCH + timedelta(milliseconds=int(milliseconds)), writer_id, int(seq)
