"""Finding where the licences are held that are asked for (N-22): a step of its own, for the holder to pick."""

from collections.abc import Sequence
from datetime import datetime

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import Authorization
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import SUBJECT_TYPE
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.licenses import LicensePlace, LicenseServiceUnavailableError, Locator
from govcode_node.ports.clock import Clock
from govcode_node.ports.licenses import LicenseProvider
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.deciders import decider_of
from govcode_node.usecases.locators import Locators
from govcode_node.usecases.trail import record


class Locating:
    """It asks the node's licence system where a holder's licences are."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        locators: Locators,
        provider: LicenseProvider | None,
        clock: Clock,
    ) -> None:
        """It works with the licence system of this node; None where there is none."""
        self._node = node
        self._database = database
        self._locators = locators
        self._provider = provider
        self._clock = clock

    async def locate(
        self, call: Call, *, session_token: str, authorization_id: str
    ) -> Sequence[tuple[int, LicensePlace]]:
        """It finds the places for each item of an authorization; an item without any is held nowhere.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            AuthorizationNotFoundError, NotOwnerError, MandateInvalidError: The holder may not act on it.
            LocatorRequiredError: This node holds neither number nor name of the subject.
            LicenseServiceUnavailableError, LicenseServiceQuotaError: The licence system gives no answer.
        """
        now = self._clock.now()

        def look(tx: Transaction) -> tuple[Authorization, AccountId, SubjectKind, Locator | None]:
            decider = decider_of(tx, call, session_token, authorization_id, now=now)
            authorization = decider.authorization
            account_id = authorization.account_id or decider.account.account_id
            kind = authorization.subject_kind or decider.account.subject_kind
            return authorization, account_id, kind, self._locators.stored(tx, account_id, kind)

        authorization, _, _, stored = await self._database.read(look)
        locator = self._locators.of(stored, authorization_id=authorization_id, case=None, now=now)
        wanted = {
            item.item_no: item.asked.license_type
            for item in authorization.request.items
            if item.asked.license_type != SUBJECT_TYPE
        }
        places = await self.places_of(locator, sorted(set(wanted.values())))
        await self._note(call, authorization, len(places), now)
        return [
            (item_no, place)
            for item_no, license_type in wanted.items()
            for place in places
            if place.license_type == license_type
        ]

    async def places_of(self, locator: Locator, license_types: Sequence[str]) -> Sequence[LicensePlace]:
        """It asks the licence system for the places of a subject's licences.

        Raises:
            LicenseServiceUnavailableError, LicenseServiceQuotaError: The licence system gives no answer.
        """
        if self._provider is None:
            raise LicenseServiceUnavailableError(self._node.node_id)
        return await self._provider.locate(locator, license_types)

    async def _note(self, call: Call, authorization: Authorization, found: int, now: datetime) -> None:
        def note(tx: Transaction) -> None:
            record(
                tx,
                call,
                AuditAction.LICENSES_LOCATED,
                at=now,
                object_id=authorization.authorization_id,
                places=str(found),
            )

        await self._database.run(note)
