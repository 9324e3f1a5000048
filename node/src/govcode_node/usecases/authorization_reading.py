"""Reading authorizations: the holder sees all of them, the relying party its own, an auditor what may go to court."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationNotFoundError,
    AuthorizationState,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import LicenseType
from govcode_node.domain.consent_pages import ConsentPage, consent_page
from govcode_node.domain.errors import CursorInvalidError
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.licenses import LicenseUse
from govcode_node.domain.routes import TrustBundleMissingError
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import TrustHolder
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.authorization_mirror import AuthorizationMirror
from govcode_node.usecases.deciders import decider_of
from govcode_node.usecases.event_feed import EventBell
from govcode_node.usecases.license_types import types_of
from govcode_node.usecases.sessions import holder_of
from govcode_node.usecases.trail import record

_LOOK: Final = timedelta(seconds=1)
"""How often a waiting call looks again, here or at the home node."""

T = TypeVar("T")

_OVER: Final = frozenset(AuthorizationState) - {AuthorizationState.PENDING, AuthorizationState.GRANTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderView:
    """What a holder sees of one authorization.

    Attributes:
        authorization: The authorization.
        page: The text to show.
        types: The catalogue's entry of each type in it, for names and sensitivity.
    """

    authorization: Authorization
    page: ConsentPage
    types: Mapping[str, LicenseType]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationPage:
    """Authorizations, newest first, and where to go on; empty on the last page."""

    authorizations: Sequence[Authorization]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePage:
    """Uses, newest first, and where to go on; empty on the last page."""

    uses: Sequence[LicenseUse]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedAuthorization:
    """All evidence of one authorization; what there is not is empty."""

    consent_request: bytes
    consent_record: bytes
    grant: bytes
    withdrawal: bytes
    use_requests: tuple[bytes, ...]
    deliveries: tuple[bytes, ...]
    trust_bundle: bytes


class AuthorizationReading:
    """It shows authorizations to those whom they concern."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        mirror: AuthorizationMirror,
        trust: TrustHolder,
        bell: EventBell,
        clock: Clock,
    ) -> None:
        """It reads the node's store, and asks home nodes for what is decided elsewhere."""
        self._node = node
        self._database = database
        self._mirror = mirror
        self._trust = trust
        self._bell = bell
        self._clock = clock

    async def get_for_holder(self, call: Call, *, session_token: str, authorization_id: str) -> HolderView:
        """It shows an authorization to its holder, with the text to show.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            AuthorizationNotFoundError, NotOwnerError, MandateInvalidError: It is not the holder's to see.
        """
        now = self._clock.now()

        def query(tx: Transaction) -> HolderView:
            found = decider_of(tx, call, session_token, authorization_id, now=now).authorization
            types = types_of(tx, [item.asked for item in found.request.items])
            return HolderView(authorization=found, page=consent_page(found.request, types), types=types)

        return await self._database.read(query)

    async def get_for_party(self, call: Call, authorization_id: str) -> Authorization:
        """It shows an authorization to the application that asked, as its home node has it now.

        Raises:
            AuthorizationNotFoundError: It did not ask for any such.
            HomeNodeUnreachableError, HomeNodeTimeoutError: The home node gave no answer.
        """
        found = await self._database.read(lambda tx: self._asked_by(tx, call, authorization_id))
        elsewhere = found.request.home_node != self._node.node_id
        if not elsewhere or found.state in _OVER:
            return found
        # Whatever the clock says here: the home node may have had the decision in time.
        return await self._mirror.ask(call, found)

    def _asked_by(self, tx: Transaction, call: Call, authorization_id: str) -> Authorization:
        found = tx.authorizations.get(authorization_id)
        if found is None or not found.asked_by(node_id=self._node.node_id, app_id=call.caller.name):
            raise AuthorizationNotFoundError(authorization_id)
        return found

    async def wait(self, call: Call, authorization_id: str, *, wait: timedelta) -> Authorization:
        """It waits until an authorization is no longer pending, at most so long, and shows it.

        Raises:
            AuthorizationNotFoundError: The application did not ask for any such.
            HomeNodeUnreachableError, HomeNodeTimeoutError: The home node gave no answer.
        """
        waited = timedelta()
        while True:
            bell = self._bell.listen(call.caller.name)
            found = await self.get_for_party(call, authorization_id)
            if found.state_at(self._clock.now()) is not AuthorizationState.PENDING or waited >= wait:
                return found
            step = min(_LOOK, wait - waited)
            await self._bell.heard(bell, at_most=step)
            waited += step

    async def list_authorizations(
        self, call: Call, *, session_token: str, page_size: int, page_token: str
    ) -> AuthorizationPage:
        """It lists the account's authorizations, those by statutory duty included unless the law forbids it.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            CursorInvalidError: The page token was not made here.
        """
        _check_token(page_token, "au_")
        now = self._clock.now()

        def query(tx: Transaction) -> Sequence[Authorization]:
            account_id = holder_of(tx, call, session_token, now=now).account.account_id
            return _visible(
                lambda before, limit: tx.authorizations.list_of(account_id, before=before, limit=limit),
                key=lambda one: one.authorization_id,
                untold=lambda one: one.request.holder_untold,
                before=page_token,
                limit=page_size + 1,
            )

        rows = await self._database.read(query)
        page = rows[:page_size]
        more = page[-1].authorization_id if len(rows) > page_size else ""
        return AuthorizationPage(authorizations=page, next_page_token=more)

    async def list_uses(
        self, call: Call, *, session_token: str, authorization_id: str, page_size: int, page_token: str
    ) -> UsePage:
        """It lists the uses of the account's licences, of one authorization where one is named.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            CursorInvalidError: The page token was not made here.
        """
        _check_token(page_token, "us_")
        now = self._clock.now()

        def query(tx: Transaction) -> Sequence[LicenseUse]:
            account_id = holder_of(tx, call, session_token, now=now).account.account_id

            def untold(use: LicenseUse) -> bool:
                found = tx.authorizations.get(use.authorization_id)
                return found is not None and found.request.holder_untold

            return _visible(
                lambda before, limit: tx.authorizations.list_uses(
                    account_id, authorization_id=authorization_id, before=before, limit=limit
                ),
                key=lambda use: use.use_id,
                untold=untold,
                before=page_token,
                limit=page_size + 1,
            )

        rows = await self._database.read(query)
        page = rows[:page_size]
        return UsePage(uses=page, next_page_token=page[-1].use_id if len(rows) > page_size else "")

    async def export(self, call: Call, *, authorization_id: str, session_token: str) -> ExportedAuthorization:
        """It hands out all evidence of an authorization: to its holder by session, to an auditor by id.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            AuthorizationNotFoundError, NotOwnerError, MandateInvalidError: It is not the caller's to see.
            TrustBundleMissingError: There is no bundle to check it by.
        """
        bundle = self._trust.evidence()
        if bundle is None:
            raise TrustBundleMissingError
        now = self._clock.now()

        def hand_out(tx: Transaction) -> ExportedAuthorization:
            if call.caller.caller_class is CallerClass.OPERATOR:
                found = tx.authorizations.get(authorization_id)
                if found is None:
                    raise AuthorizationNotFoundError(authorization_id)
            else:
                found = decider_of(tx, call, session_token, authorization_id, now=now).authorization
            uses = tx.authorizations.uses_of(authorization_id)
            record(tx, call, AuditAction.AUTHORIZATION_EXPORTED, at=now, object_id=authorization_id)
            return ExportedAuthorization(
                consent_request=found.request_evidence,
                consent_record=found.consent,
                grant=found.grant,
                withdrawal=found.withdrawal,
                use_requests=tuple(use.request for use in uses if use.request),
                deliveries=tuple(use.delivery for use in uses if use.delivery),
                trust_bundle=bundle,
            )

        return await self._database.run(hand_out)


def _visible(
    fetch: Callable[[str, int], Sequence[T]],
    *,
    key: Callable[[T], str],
    untold: Callable[[T], bool],
    before: str,
    limit: int,
) -> Sequence[T]:
    """It reads on until it has so many rows that may be told, so that neither a gap nor a token gives others away."""
    found: list[T] = []
    while True:
        rows = fetch(before, limit)
        found += [row for row in rows if not untold(row)]
        if len(rows) < limit or len(found) >= limit:
            return found[:limit]
        before = key(rows[-1])


def _check_token(page_token: str, prefix: str) -> None:
    if page_token and not page_token.startswith(prefix):
        raise CursorInvalidError(page_token)
