"""Tickets."""

from datetime import datetime

from sqlalchemy import select, update

from govcode_node.domain.codes import CodeMode, TerminalType
from govcode_node.domain.issued_codes import Ticket
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import from_ms, pack_account, to_ms, unpack_account
from govcode_node.storage.statements import Statement, row_insert, value
from govcode_node.storage.tables import tickets

_c = tickets.c
_ADD = row_insert(tickets)
_GET = Statement(select(tickets).where(_c.ticket_hash == value("hash", _c.ticket_hash)), "hash")
_REDEEM = Statement(
    update(tickets)
    .where(_c.ticket_hash == value("hash", _c.ticket_hash), _c.used_at.is_(None))
    .values(used_at=value("at", _c.used_at)),
    "hash",
    "at",
)


class SqlTicketStore:
    """Tickets. Leans on the primary key."""

    __slots__ = ("_link",)

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link

    def add(self, ticket: Ticket) -> None:
        """See the port."""
        row = (
            ticket.ticket_hash,
            ticket.caller,
            pack_account(ticket.account_id),
            ticket.session_token_hash.hex(),
            ticket.nonce,
            int(ticket.mode),
            ticket.scene_no,
            int(ticket.terminal_type),
            int(ticket.one_time),
            to_ms(ticket.expires_at),
            None,
        )
        self._link.write(_ADD, row)

    def get(self, ticket_hash: bytes) -> Ticket | None:
        """See the port."""
        row = self._link.one(_GET, (ticket_hash,))
        if row is None:
            return None
        return Ticket(
            ticket_hash=row[0],
            caller=row[1],
            account_id=unpack_account(row[2]),
            session_token_hash=bytes.fromhex(row[3]),
            nonce=row[4],
            mode=CodeMode(row[5]),
            scene_no=row[6],
            terminal_type=TerminalType(row[7]),
            one_time=bool(row[8]),
            expires_at=from_ms(row[9]),
        )

    def redeem(self, ticket_hash: bytes, *, at: datetime) -> bool:
        """See the port."""
        return self._link.write(_REDEEM, (ticket_hash, to_ms(at))) == 1
