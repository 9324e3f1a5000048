"""Seals of rows for tests: HMAC under a key that everybody knows, so that a store without a keyring seals too."""

import hmac

from govcode_node.domain.keys import SealBrokenError
from govcode_node.ports.row_sealing import RowSealer
from typing_extensions import override


class HmacRowSealer(RowSealer):
    """`ports.row_sealing.RowSealer` without keys that could be lost.

    Args:
        key: Another node has another one.
    """

    def __init__(self, key: bytes = b"rows of a test") -> None:
        self._key = key

    @override
    def seal_row(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")

    @override
    def check_row(self, data: bytes, seal: bytes) -> None:
        if not hmac.compare_digest(self.seal_row(data), seal):
            raise SealBrokenError("the row is not as it was written")
