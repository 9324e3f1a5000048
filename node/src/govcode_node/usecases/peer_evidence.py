"""The other node's evidence as it is kept beside a scan: sealed.

A request quotes the code text, which is the citizen's to show and, while in force, as good as a credential (8.1-05).
"""

from govcode_node.domain.scans import ScanRow
from govcode_node.ports.security import DataKeys


def seal_peer_evidence(keys: DataKeys, scan_id: str, evidence: bytes) -> bytes:
    """It seals evidence for the row of one scan; none stays none."""
    return keys.seal_record(evidence, _aad(scan_id)) if evidence else b""


def open_peer_evidence(keys: DataKeys, row: ScanRow) -> bytes:
    """It returns the evidence of a row, to the byte as the other node signed it; empty where there is none.

    Raises:
        SealBrokenError: The bytes were changed, or belong to another scan.
    """
    return keys.open_record(row.peer_evidence, _aad(row.scan_id)) if row.peer_evidence else b""


def _aad(scan_id: str) -> bytes:
    return f"peer evidence|{scan_id}".encode()
