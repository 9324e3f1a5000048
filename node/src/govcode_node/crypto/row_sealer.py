"""Seals of rows, made with the key that seals records: the tag of SM4-GCM over the row, with nothing encrypted.

So the seal names its key, and keys are renewed as those of records are: old rows stay good under the old key.
"""

from typing_extensions import override

from govcode_node.crypto.keyring import Keyring
from govcode_node.domain.keys import SealBrokenError, UnknownKeyError
from govcode_node.ports.row_sealing import RowSealer


class KeyringRowSealer(RowSealer):
    """It seals rows under the node's record key; safe to share between threads, as the keyring is."""

    def __init__(self, keyring: Keyring) -> None:
        """Take the keys."""
        self._keyring = keyring

    @override
    def seal_row(self, data: bytes) -> bytes:
        """Return the seal; see `Keyring.seal_record` for the errors."""
        return self._keyring.seal_record(b"", data)

    @override
    def check_row(self, data: bytes, seal: bytes) -> None:
        """Return quietly when the seal belongs to the data.

        Raises:
            SealBrokenError: It does not, or it names a key that is not the node's.
            KeyStateError: Seals under its key are not to be believed.
        """
        try:
            content = self._keyring.open_record(seal, data)
        except UnknownKeyError as fault:
            raise SealBrokenError("the row is sealed under a key that is not known") from fault
        if content:
            raise SealBrokenError("what stands in the place of a seal is none")
