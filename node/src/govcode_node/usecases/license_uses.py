"""The home node counts a use and has the licence delivered (domain 3.3 steps 8 to 11; 6.3-12).

A use counts from its begin. If nothing was handed out it is given back; once the header has been handed out it stays
counted, and the same serial takes the rest without counting again.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final

from govcode_node.domain.accounts import AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationNotFoundError,
    DecidedItem,
    Grant,
    GrantExhaustedError,
    GrantWithdrawnError,
    ItemNotGrantedError,
    UseState,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import SUBJECT_TYPE
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import OverloadedError, SerialConflictError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.licenses import (
    Delivery,
    DeliveryEnd,
    DeliveryHeader,
    DeliveryPiece,
    LicenseDelivery,
    LicenseNotFoundError,
    LicenseStatus,
    LicenseUse,
    LicenseUseRequest,
    Locator,
)
from govcode_node.domain.moments import stated
from govcode_node.domain.recognition import HomeNodeUnreachableError, PeerAnswerRefusedError
from govcode_node.domain.routes import TrustBundleMissingError
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers, TrustHolder
from govcode_node.ports.security import Attestor, DataKeys, EvidenceReader, LicenseCodec
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.delivery_order import in_order
from govcode_node.usecases.license_delivery import DeliveryOrder, LicenseDelivering
from govcode_node.usecases.locating import Locating
from govcode_node.usecases.locators import Locators
from govcode_node.usecases.serial_gate import SerialGate
from govcode_node.usecases.trail import record

_log = logging.getLogger(__name__)

_SERIAL_MEMORY: Final = timedelta(hours=24)
"""For how long the serial of a use goes on with the same use (N-51)."""

_BEIJING: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A use that counts, and what is needed to deliver."""

    use: LicenseUse
    authorization: Authorization
    item: DecidedItem
    locator: Locator
    replayed: bool


class LicenseUses:
    """It counts uses of this node's holders' licences and passes the deliveries on."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        locators: Locators,
        locating: Locating,
        delivering: LicenseDelivering,
        peers: Peers,
        trust: TrustHolder,
        codec: LicenseCodec,
        keys: DataKeys,
        attestor: Attestor,
        reader: EvidenceReader,
        teller: AuthorizationTeller,
        clock: Clock,
    ) -> None:
        """It works over the node's store, its own licence system and the channels to others."""
        self._node = node
        self._database = database
        self._locators = locators
        self._locating = locating
        self._delivering = delivering
        self._peers = peers
        self._trust = trust
        self._codec = codec
        self._keys = keys
        self._attestor = attestor
        self._reader = reader
        self._teller = teller
        self._clock = clock
        self._gate = SerialGate()

    @asynccontextmanager
    async def open(
        self, call: Call, request: LicenseUseRequest, *, evidence: bytes, caller: str, case: Locator | None
    ) -> AsyncIterator[Delivery]:
        """It begins a use, or goes on with one, and gives the pieces of the delivery.

        Args:
            call: The call.
            request: The visited node's request, checked to be its own.
            evidence: The request as it was signed.
            caller: Under whose name the serial is kept.
            case: Locator of the relying party's own case; usually None.

        Raises:
            AuthorizationNotFoundError, AudienceMismatchError, AuthorizationStateConflictError: There is nothing to use.
            GrantExhaustedError, GrantExpiredError, GrantWithdrawnError: It is over.
            ItemNotGrantedError, MatterMismatchError: It is for something else.
            LocatorRequiredError: Neither number nor name of the subject are at hand.
            SerialConflictError: The serial was used for another item.
            GovcodeError: As `LicenseDelivering.deliver`, here or at the node that holds the licence.
        """
        key = (request.authorization_id, caller, request.biz_serial)
        async with AsyncExitStack() as alone:
            # Nobody else gets to this use before it is clear whether it counts: a second call with the serial would
            # otherwise take the delivery, and the first one give the use back.
            await alone.enter_async_context(self._gate.passing(key))
            begun = await self._begin(call, request, evidence=evidence, caller=caller, case=case)
            handed_out = False
            try:
                async with self._source(call, request, begun) as pieces:
                    first = await anext(pieces)
                    if not isinstance(first, DeliveryHeader):
                        raise PeerAnswerRefusedError(node_id=begun.use.license_node, why="it begins without a header")
                    handed_out = True
                    await alone.aclose()
                    yield self._passing(call, begun, first, pieces)
            finally:
                if not handed_out and not begun.replayed:
                    await self._give_back(call, begun)

    async def _begin(
        self, call: Call, request: LicenseUseRequest, *, evidence: bytes, caller: str, case: Locator | None
    ) -> _Begun:
        now = self._now()

        def look(tx: Transaction) -> tuple[Authorization, DecidedItem, Locator | None, LicenseUse | None]:
            authorization = usable_authorization(tx, request.authorization_id)
            before = tx.authorizations.find_use(
                authorization_id=request.authorization_id, caller=caller, biz_serial=request.biz_serial
            )
            if before is not None and before.item_no != request.item_no:
                raise SerialConflictError(request.biz_serial)
            item = authorization.check_usable(
                request.item_no, app_id=request.app_id, matter_code=request.matter_code, now=now
            )
            if item.asked.license_type == SUBJECT_TYPE or authorization.account_id is None:
                raise ItemNotGrantedError(authorization_id=request.authorization_id, item_no=request.item_no)
            kind = authorization.subject_kind
            stored = self._locators.stored(tx, authorization.account_id, kind) if kind is not None else None
            return authorization, item, stored, before

        authorization, item, stored, before = await self._database.read(look)
        locator = self._locators.of(stored, authorization_id=request.authorization_id, case=case, now=now)
        if before is not None and before.state is not UseState.FAILED:
            if now - before.begun_at > _SERIAL_MEMORY:
                raise SerialConflictError(request.biz_serial)
            return _Begun(use=before, authorization=authorization, item=item, locator=locator, replayed=True)
        license_node = item.license_node or await self._pick_place(locator, item)
        use = LicenseUse(
            use_id=new_time_ordered_id("us", now=now, random_bytes=self._keys.random_bytes),
            authorization_id=request.authorization_id,
            item_no=request.item_no,
            caller=caller,
            biz_serial=request.biz_serial,
            account_id=authorization.account_id,
            license_type=item.asked.license_type,
            relying_party_name=authorization.request.relying_party_name,
            matter_code=authorization.request.matter_code,
            license_node=license_node,
            legal_basis=authorization.request.legal_basis,
            state=UseState.BEGUN,
            begun_at=now,
            request=evidence,
        )
        counted = await self._database.run(lambda tx: begin_use(tx, call, use, app_id=request.app_id, now=now))
        return _Begun(use=use, authorization=counted, item=item, locator=locator, replayed=False)

    async def _pick_place(self, locator: Locator, item: DecidedItem) -> str:
        """It takes the place that is known, where the holder picked none; of several, one where it is in force."""
        places = await self._locating.places_of(locator, [item.asked.license_type])
        valid = [place for place in places if place.status is LicenseStatus.VALID]
        for place in (*valid, *places):
            return place.license_node
        raise LicenseNotFoundError(license_type=item.asked.license_type, node_id=self._node.node_id)

    def _source(self, call: Call, asked: LicenseUseRequest, begun: _Begun) -> AbstractAsyncContextManager[Delivery]:
        if begun.use.license_node == self._node.node_id:
            return self._from_here(call, asked, begun)
        return self._from_elsewhere(call, asked, begun)

    @asynccontextmanager
    async def _from_here(self, call: Call, asked: LicenseUseRequest, begun: _Begun) -> AsyncIterator[Delivery]:
        request = self._request(asked, begun, sealed_locator=b"")
        order = DeliveryOrder(
            request=request,
            request_digest=sm3(self._attestor.payload_of(request)),
            grant=own_grant(begun.authorization),
            locator=begun.locator,
            record_leg=False,
        )
        async with self._delivering.deliver(call, order) as pieces:
            yield self._checked(begun, order.request_digest, pieces, own=True)

    @asynccontextmanager
    async def _from_elsewhere(self, call: Call, asked: LicenseUseRequest, begun: _Begun) -> AsyncIterator[Delivery]:
        bundle = self._trust.bundle()
        if bundle is None:
            raise TrustBundleMissingError
        key = bundle.encryption_key(begun.use.license_node, at=self._now())
        if key is None:
            raise HomeNodeUnreachableError(begun.use.license_node)
        use_id = begun.use.use_id.encode()
        sealed = await self._keys.seal_to_public(key.public_key, self._codec.dump_locator(begun.locator), use_id)
        request = self._request(asked, begun, sealed_locator=sealed)
        evidence = await self._attestor.attest(EvidencePurpose.LICENSE_USE, request)
        digest = sm3(self._attestor.payload_of(request))
        async with self._peers.forward_license_fetch(
            begun.use.license_node, request=evidence, grant=begun.authorization.grant, call=call
        ) as pieces:
            ordered = in_order(pieces, node_id=begun.use.license_node)
            yield self._checked(begun, digest, ordered, own=False)

    def _request(self, asked: LicenseUseRequest, begun: _Begun, *, sealed_locator: bytes) -> LicenseUseRequest:
        """It makes the home node's request; the same use has the same mark, so that a copy can go on (N-25)."""
        shown = begun.use.begun_at.astimezone(_BEIJING).strftime("%Y-%m-%d %H:%M")
        request = begun.authorization.request
        return replace(
            asked,
            use_id=begun.use.use_id,
            from_node=self._node.node_id,
            to_node=begun.use.license_node,
            item=begun.item,
            sealed_locator=sealed_locator,
            requested_at=self._now(),
            mark=f"仅限{request.relying_party_name}用于{request.matter_name}，{shown}",
            case_locator=b"",
        )

    async def _checked(
        self, begun: _Begun, request_digest: bytes, pieces: Delivery, *, own: bool
    ) -> AsyncIterator[DeliveryPiece]:
        """It passes pieces through and believes an end only if it is the delivering node's own about this request."""
        async for piece in pieces:
            if isinstance(piece, DeliveryEnd) and not own:
                read = await self._reader.read(
                    piece.evidence,
                    purpose=EvidencePurpose.LICENSE_DELIVERY,
                    kind=LicenseDelivery,
                    signer=begun.use.license_node,
                )
                if read.statement.request_digest != request_digest or read.statement.use_id != begun.use.use_id:
                    raise PeerAnswerRefusedError(node_id=begun.use.license_node, why="it delivered something else")
            yield piece

    async def _passing(
        self, call: Call, begun: _Begun, first: DeliveryHeader, pieces: Delivery
    ) -> AsyncIterator[DeliveryPiece]:
        remaining = begun.authorization.remaining_uses().get(begun.use.item_no, 0)
        yield replace(first, use_id=begun.use.use_id, remaining_uses=remaining, replayed=begun.replayed)
        async for piece in pieces:
            if isinstance(piece, DeliveryEnd):
                await self._finish(call, begun, piece.evidence)
            yield piece

    async def _finish(self, call: Call, begun: _Begun, evidence: bytes) -> None:
        now = self._now()

        def finish(tx: Transaction) -> None:
            if tx.authorizations.end_use(begun.use.use_id, state=UseState.DELIVERED, at=now, delivery=evidence):
                note_use(tx, call, begun.use, AuditAction.LICENSE_USED, now=now)
                self._teller.used(tx, begun.authorization, replace(begun.use, state=UseState.DELIVERED), now=now)

        await self._database.run(finish)
        self._teller.counters.license_used(state=UseState.DELIVERED.name)
        self._teller.ring(begun.authorization)

    async def _give_back(self, call: Call, begun: _Begun) -> None:
        now = self._now()

        def give_back(tx: Transaction) -> None:
            if tx.authorizations.end_use(begun.use.use_id, state=UseState.FAILED, at=now):
                note_use(tx, call, begun.use, AuditAction.LICENSE_USE_FAILED, now=now)

        await self._database.run(give_back)
        self._teller.counters.license_used(state=UseState.FAILED.name)

    def _now(self) -> datetime:
        return stated(self._clock.now())


def usable_authorization(tx: Transaction, authorization_id: str) -> Authorization:
    """It returns an authorization of a subject of this node whose account is in use.

    Raises:
        AuthorizationNotFoundError: There is none, or it is another node's to count.
        GrantWithdrawnError: The account is closed or suspended.
    """
    authorization = tx.authorizations.get(authorization_id)
    if authorization is None or authorization.account_id is None:
        raise AuthorizationNotFoundError(authorization_id)
    account = tx.accounts.get(authorization.account_id)
    if account is None or account.state is not AccountState.ACTIVE:
        raise GrantWithdrawnError(authorization_id)
    return authorization


def begin_use(tx: Transaction, call: Call, use: LicenseUse, *, app_id: str, now: datetime) -> Authorization:
    """It counts a use and returns the authorization as it is then.

    Raises:
        GrantWithdrawnError, GrantExpiredError, AuthorizationStateConflictError: It ended while the use was prepared.
        GrantExhaustedError: As many uses as were granted count already.
        OverloadedError: Another process has begun a use under the serial in this moment.
    """
    authorization = usable_authorization(tx, use.authorization_id)
    authorization.check_usable(use.item_no, app_id=app_id, matter_code=None, now=now)
    if not tx.authorizations.begin_use(use, limit=authorization.request.max_uses):
        usable_authorization(tx, use.authorization_id).check_usable(
            use.item_no, app_id=app_id, matter_code=None, now=now
        )
        begun = tx.authorizations.find_use(
            authorization_id=use.authorization_id, caller=use.caller, biz_serial=use.biz_serial
        )
        if begun is not None and begun.state is not UseState.FAILED:
            # Another process that shares the store has just begun it; asked again, the caller goes on with it.
            raise OverloadedError("uses", retry_after_seconds=0.2)
        raise GrantExhaustedError(authorization_id=use.authorization_id, item_no=use.item_no)
    note_use(tx, call, use, AuditAction.LICENSE_USE_BEGUN, now=now)
    return tx.authorizations.get(use.authorization_id) or authorization


def note_use(tx: Transaction, call: Call, use: LicenseUse, action: AuditAction, *, now: datetime) -> None:
    """It writes what became of a use into the audit trail."""
    record(
        tx,
        call,
        action,
        at=now,
        object_id=use.use_id,
        biz_serial=use.biz_serial,
        authorization=use.authorization_id,
        item=str(use.item_no),
        basis=use.legal_basis.name,
    )


def own_grant(authorization: Authorization) -> Grant:
    """It gives the grant of an authorization that this node granted itself, from its own row."""
    request = authorization.request
    if authorization.decided_at is None or authorization.ends_at is None:
        raise AuthorizationNotFoundError(authorization.authorization_id)
    return Grant(
        authorization_id=authorization.authorization_id,
        home_node=request.home_node,
        visited_node=request.visited_node,
        app_id=request.app_id,
        relying_party_uscc=request.relying_party_uscc,
        matter_code=request.matter_code,
        items=authorization.items,
        max_uses=request.max_uses,
        starts_at=authorization.decided_at,
        ends_at=authorization.ends_at,
        legal_basis=request.legal_basis,
    )
