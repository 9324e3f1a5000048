"""Things and matters that have codes of their own (场所码, 事项码)."""

from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.codes import SubjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSubject:
    """A thing or matter.

    Attributes:
        account_id: Its account.
        subject_kind: THING or MATTER.
        name: Name of the place or matter.
        registered_at: When it was registered.
        app_id: Application that asks a holder who scans a code of it; empty for none.
        matter_code: Matter whose scope is asked for then; empty for none.
    """

    account_id: AccountId
    subject_kind: SubjectKind
    name: str
    registered_at: datetime
    app_id: str = ""
    matter_code: str = ""
