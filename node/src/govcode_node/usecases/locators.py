"""Number and name for a licence query (N-21): from where they may come, and for how long they are held.

They come from the sealed store, where the account was opened with them; else from an identity check that the holder
made for this very authorization; else from the relying party's own case. The last two are never written down: what
waits for a use is sealed, in memory only, and goes with the process.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.identification import IdentifiedSubject
from govcode_node.domain.licenses import Locator, LocatorRequiredError, LocatorSource
from govcode_node.ports.security import DataKeys, LicenseCodec
from govcode_node.ports.stores import Transaction
from govcode_node.usecases.subject_fields import SubjectFields

_HELD_FOR: Final = timedelta(minutes=10)
_MOST_HELD: Final = 10_000

_FIELDS: Final = {
    SubjectKind.PERSON: (FieldName.NAME, FieldName.ID_NUMBER),
    SubjectKind.LEGAL_ENTITY: (FieldName.ENTITY_NAME, FieldName.USCC),
}


class Locators:
    """It finds the locator of a subject for one act."""

    def __init__(self, *, fields: SubjectFields, keys: DataKeys, codec: LicenseCodec) -> None:
        """It holds nothing yet."""
        self._fields = fields
        self._keys = keys
        self._codec = codec
        self._held: OrderedDict[str, tuple[datetime, bytes]] = OrderedDict()

    def hold(self, authorization_id: str, subject: IdentifiedSubject, *, now: datetime) -> None:
        """It holds what an identity check for this authorization confirmed, if it named the subject."""
        names = _FIELDS.get(subject.subject_kind)
        if names is None or any(not subject.fields.get(name) for name in names):
            return
        locator = Locator(
            name=subject.fields[names[0]], number=subject.fields[names[1]], source=LocatorSource.IDENTITY_SERVICE
        )
        sealed = self._keys.seal_record(self._codec.dump_locator(locator), authorization_id.encode())
        self._held[authorization_id] = (now + _HELD_FOR, sealed)
        self._held.move_to_end(authorization_id)
        while len(self._held) > _MOST_HELD or next(iter(self._held.values()))[0] <= now:
            self._held.popitem(last=False)

    def forget(self, authorization_id: str) -> None:
        """It forgets what is held for an authorization."""
        self._held.pop(authorization_id, None)

    def stored(self, tx: Transaction, account_id: AccountId, subject_kind: SubjectKind) -> Locator | None:
        """It opens number and name from the sealed store; None where the account was opened without them."""
        names = _FIELDS.get(subject_kind)
        profile = self._fields.open_profile(tx, account_id) if names is not None else {}
        if names is None or any(not profile.get(name) for name in names):
            return None
        return Locator(name=profile[names[0]], number=profile[names[1]], source=LocatorSource.STORE)

    def of(
        self,
        stored: Locator | None,
        *,
        authorization_id: str,
        case: Locator | None,
        now: datetime,
    ) -> Locator:
        """It picks the locator for one act: stored, held, or of the relying party's case, in this order.

        Raises:
            LocatorRequiredError: There is none.
        """
        if stored is not None:
            return stored
        held = self._held.get(authorization_id)
        if held is not None and now < held[0]:
            return self._codec.load_locator(self._keys.open_record(held[1], authorization_id.encode()))
        if case is not None:
            return case
        raise LocatorRequiredError
