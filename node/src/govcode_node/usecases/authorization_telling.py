"""Events about authorizations: what holders' back ends and relying parties learn of them (N-52)."""

from collections.abc import Callable
from datetime import datetime

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import Authorization, AuthorizationState
from govcode_node.domain.events import AuthorizationChanged, AuthorizationRequested, Event, EventKind, LicenseUsed
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.licenses import LicenseUse
from govcode_node.ports.stores import Transaction
from govcode_node.ports.telemetry import DecisionCounters
from govcode_node.usecases.event_feed import EventBell

_NOBODY = AccountId("")
"""Stands in events to a relying party: which account it is, is nothing that it learns."""


class AuthorizationTeller:
    """It writes events in the unit of the act, and rings once the unit is durable.

    Attributes:
        counters: Counts what is told of, once it is durable.
    """

    def __init__(self, *, bell: EventBell, random_bytes: Callable[[int], bytes], counters: DecisionCounters) -> None:
        """It rings the bell of the node's event feed."""
        self.counters = counters
        self._bell = bell
        self._random_bytes = random_bytes

    def asked(self, tx: Transaction, authorization: Authorization, *, now: datetime) -> None:
        """It tells the holder's application that the holder is asked."""
        kind = _requested(authorization)
        if authorization.account_id is not None:
            self._tell(tx, authorization.holder_app_id, authorization.account_id, kind, now)

    def scene_scanned(self, tx: Transaction, authorization: Authorization, *, now: datetime) -> None:
        """It tells the relying party that a holder has scanned its scene code."""
        self._tell(tx, authorization.request.app_id, _NOBODY, _requested(authorization), now)

    def changed(
        self,
        tx: Transaction,
        authorization: Authorization,
        *,
        state: AuthorizationState,
        now: datetime,
        party: bool = False,
        holder: bool = False,
    ) -> None:
        """It tells the new state to the relying party, where that is an application of this node, or to the holder."""
        kind = AuthorizationChanged(
            authorization_id=authorization.authorization_id,
            state=state,
            legal_basis=authorization.request.legal_basis,
        )
        if party:
            self._tell(tx, authorization.request.app_id, _NOBODY, kind, now)
        if holder and authorization.account_id is not None:
            self._tell(tx, authorization.holder_app_id, authorization.account_id, kind, now)

    def used(self, tx: Transaction, authorization: Authorization, use: LicenseUse, *, now: datetime) -> None:
        """It tells the holder of a use, unless the law forbids it."""
        if authorization.request.holder_untold or authorization.account_id is None:
            return
        kind = LicenseUsed(
            authorization_id=use.authorization_id,
            use_id=use.use_id,
            license_type=use.license_type,
            relying_party_name=use.relying_party_name,
            state=use.state,
        )
        self._tell(tx, authorization.holder_app_id, authorization.account_id, kind, now)

    def ring(self, authorization: Authorization) -> None:
        """It wakes who waits for events of this authorization."""
        self._bell.ring(authorization.request.app_id)
        self._bell.ring(authorization.holder_app_id)

    def _tell(self, tx: Transaction, app_id: str, account_id: AccountId, kind: EventKind, now: datetime) -> None:
        if not app_id:
            return
        event_id = new_time_ordered_id("ev", now=now, random_bytes=self._random_bytes)
        tx.events.add(Event(app_id=app_id, account_id=account_id, happened_at=now, kind=kind, event_id=event_id))


def _requested(authorization: Authorization) -> AuthorizationRequested:
    return AuthorizationRequested(
        authorization_id=authorization.authorization_id,
        relying_party_name=authorization.request.relying_party_name,
        matter_code=authorization.request.matter_code,
        decide_before=authorization.decide_before,
    )
