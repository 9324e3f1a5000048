"""Seals of rows of control, as a port: what another hand than the node's changed in the database is not acted on.

A seal tells that a row stands as the node wrote it. It does not tell that the row is the newest which the node wrote:
whoever can write to the database can put back an older one, with the seal that it had.
"""

from typing import Protocol


class RowSealer(Protocol):
    """It makes and checks seals of rows. It is called from the threads of the store."""

    def seal_row(self, data: bytes) -> bytes:
        """It makes the seal of a row's bytes."""
        ...

    def check_row(self, data: bytes, seal: bytes) -> None:
        """It raises unless the seal belongs to the bytes.

        Raises:
            SealBrokenError: It does not: the row was changed, or put in the place of another one.
        """
        ...
