"""The notice of use (domain 3.1 step 8): the holder's back end learns of each scan that was VALID."""

from govcode_node.domain.events import CodeScanned, Event
from govcode_node.domain.issued_codes import StoredCode
from govcode_node.domain.scans import ScanRow
from govcode_node.ports.stores import Transaction


def notify_scan(tx: Transaction, row: ScanRow, *, code: StoredCode) -> str:
    """It adds the event for the application that asked for the code, and returns that application's id.

    A scan is told of once, so the event has the digits of the scan's id: as unique, and in the order of time as well.
    """
    tx.events.add(
        Event(
            app_id=code.app_id,
            account_id=code.account_id,
            happened_at=row.decided_at,
            kind=CodeScanned(
                code_id=bytes(row.code_id),
                scan_id=row.scan_id,
                outcome=row.outcome.value,
                relying_party_name=row.relying_party_name,
                place=row.place,
                scene_class=row.scene_class,
                visited_node=row.visited_node,
            ),
            event_id="ev" + row.scan_id.removeprefix("sc"),
        )
    )
    return code.app_id
