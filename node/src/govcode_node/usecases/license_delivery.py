"""The node that holds a licence delivers it (domain 3.3 steps 9 and 10): checked, filtered, sealed to the application.

Everything is looked at before the first byte leaves: the grant, the holder, the state, the issuer's seals, the granted
fields. What leaves is sealed to the application's own key, so neither the nodes on the way nor this node afterwards can
read it; nothing of the licence is kept (6.3-18).
"""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    AuthorizationState,
    DecidedItem,
    Grant,
    GrantExpiredError,
    GrantWithdrawnError,
    ItemNotGrantedError,
    LegalBasis,
    MatterMismatchError,
    UseState,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.errors import GovcodeError, OverloadedError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.licenses import (
    Delivery,
    DeliveryChunk,
    DeliveryEnd,
    DeliveryHeader,
    DeliveryPiece,
    HolderMismatchError,
    License,
    LicenseContent,
    LicenseDelivery,
    LicenseNotValidError,
    LicenseServiceUnavailableError,
    LicenseStatus,
    LicenseUse,
    LicenseUseRequest,
    Locator,
)
from govcode_node.domain.moments import stated
from govcode_node.ports.clock import Clock
from govcode_node.ports.licenses import DocumentPress, LicenseProvider, PressedDocument
from govcode_node.ports.security import Attestor, DataKeys, LicenseCodec
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.trail import record

_log = logging.getLogger(__name__)

MOST_DELIVERIES: Final = 16
"""Deliveries at once; a document takes memory for some pieces and a file of ciphertext while it is sent."""


LONGEST_DELIVERY: Final = 120.0
"""Seconds that one may take. A reader that stands still would else hold its place for good, and a few of them all
places; whoever is merely slow goes on at a chunk, under the same serial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOrder:
    """What is to be delivered, already checked to come from the home node.

    Attributes:
        request: The home node's request.
        request_digest: SM3 of its payload.
        grant: The grant.
        locator: Whose licence; for this act only.
        record_leg: Whether this node keeps a record of its own, because the home node is another.
    """

    request: LicenseUseRequest
    request_digest: bytes
    grant: Grant
    locator: Locator
    record_leg: bool


class LicenseDelivering:
    """It delivers licences that this node's licence system holds."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        provider: LicenseProvider | None,
        press: DocumentPress,
        codec: LicenseCodec,
        keys: DataKeys,
        attestor: Attestor,
        clock: Clock,
    ) -> None:
        """It works with the licence system of this node; None where there is none."""
        self._node = node
        self._database = database
        self._provider = provider
        self._press = press
        self._codec = codec
        self._keys = keys
        self._attestor = attestor
        self._clock = clock
        self._running = 0

    @asynccontextmanager
    async def deliver(self, call: Call, order: DeliveryOrder) -> AsyncIterator[Delivery]:
        """It fetches, checks and seals a licence, and gives the pieces; the first is ready when the context is entered.

        Raises:
            AudienceMismatchError, MatterMismatchError, ItemNotGrantedError: The request goes beyond the grant.
            GrantExpiredError, GrantWithdrawnError: The grant is over.
            LicenseNotFoundError: There is no such licence here.
            HolderMismatchError, LicenseNotValidError, LicenseSealInvalidError: It must not be delivered.
            LicenseServiceUnavailableError, LicenseServiceQuotaError: The licence system gives no answer.
            OverloadedError: Too many deliveries are on their way, or this one has taken too long.
        """
        if self._running >= MOST_DELIVERIES:
            raise OverloadedError("deliveries")
        self._running += 1
        try:
            async with asyncio.timeout(LONGEST_DELIVERY), AsyncExitStack() as stack:
                try:
                    delivery = await self._prepare(call, order, stack)
                except GovcodeError as error:
                    await self._refused(call, order, error)
                    raise
                yield delivery
        except TimeoutError:
            raise OverloadedError("deliveries") from None
        finally:
            self._running -= 1

    async def _prepare(self, call: Call, order: DeliveryOrder, stack: AsyncExitStack) -> Delivery:
        now = stated(self._clock.now())
        item = check_order(order, now=now)
        await self._database.read(lambda tx: _check_not_withdrawn(tx, order.grant))
        if self._provider is None:
            raise LicenseServiceUnavailableError(self._node.node_id)
        licence = await self._provider.fetch(
            order.locator, item.asked.license_type, field_names=item.asked.field_names, document=item.asked.document
        )
        _check_licence(licence, order.locator)
        fields = await self._granted_fields(call, order, licence, item)
        pressed: PressedDocument | None = None
        if item.asked.document and licence.document is not None:
            pressed = await stack.enter_async_context(
                self._press.press(self._provider, licence, use_id=order.request.use_id, mark=order.request.mark)
            )
        content = LicenseContent(
            license_id=licence.license_id,
            license_type=licence.license_type,
            status=licence.status,
            issuer_name=licence.issuer_name,
            fields=fields,
            document=pressed.sealed.document if pressed is not None else None,
            content_key=pressed.sealed.content_key if pressed is not None else b"",
            mark=order.request.mark,
            fetched_at=now,
        )
        sealed = await self._keys.seal_to_public(
            order.request.recipient_key, self._codec.dump_content(content), order.request.use_id.encode()
        )
        statement = self._statement(order, licence, tuple(fields), pressed, now)
        return self._pieces(call, order, sealed, statement, pressed)

    async def _pieces(
        self,
        call: Call,
        order: DeliveryOrder,
        sealed: bytes,
        statement: LicenseDelivery,
        pressed: PressedDocument | None,
    ) -> AsyncIterator[DeliveryPiece]:
        from_chunk = order.request.from_chunk
        yield DeliveryHeader(
            use_id=order.request.use_id,
            sealed_content=sealed,
            chunk_count=statement.chunk_count,
            from_chunk=from_chunk,
        )
        if pressed is not None:
            number = from_chunk
            async for data in pressed.chunks(from_chunk=from_chunk):
                yield DeliveryChunk(chunk_no=number, data=data)
                number += 1
        evidence = await self._attestor.attest(EvidencePurpose.LICENSE_DELIVERY, statement)
        await self._delivered(call, order, evidence)
        yield DeliveryEnd(evidence=evidence)

    async def _granted_fields(
        self, call: Call, order: DeliveryOrder, licence: License, item: DecidedItem
    ) -> dict[str, str]:
        """It leaves out all that was not granted, and reports a licence system that gave more than it was asked for."""
        granted = {name: licence.fields[name] for name in item.asked.field_names if name in licence.fields}
        extra = len(licence.fields) - len(granted)
        if extra:
            _log.error(
                "licence system gave fields that were not granted",
                extra={"use": order.request.use_id, "license_type": licence.license_type, "fields": extra},
            )

            def note(tx: Transaction) -> None:
                record(
                    tx,
                    call,
                    AuditAction.LICENSE_FIELDS_FILTERED,
                    at=self._clock.now(),
                    object_id=order.request.use_id,
                    biz_serial=order.request.biz_serial,
                    fields=str(extra),
                )

            await self._database.run(note)
        return granted

    def _statement(
        self,
        order: DeliveryOrder,
        licence: License,
        field_names: tuple[str, ...],
        pressed: PressedDocument | None,
        now: datetime,
    ) -> LicenseDelivery:
        provider = self._provider.name if self._provider is not None else ""
        return LicenseDelivery(
            use_id=order.request.use_id,
            authorization_id=order.request.authorization_id,
            license_node=self._node.node_id,
            request_digest=order.request_digest,
            field_names=field_names,
            document=pressed is not None,
            chunks_digest=pressed.sealed.chunks_digest if pressed is not None else b"",
            chunk_count=pressed.sealed.chunk_count if pressed is not None else 0,
            status=licence.status,
            fetched_at=now,
            license_ref=self._keys.blind_index("license", f"{provider}|{licence.license_id}"),
        )

    async def _delivered(self, call: Call, order: DeliveryOrder, evidence: bytes) -> None:
        """It keeps the record of this leg; the home node keeps its own."""
        if not order.record_leg:
            return
        now, request = self._clock.now(), order.request
        use = LicenseUse(
            use_id=request.use_id,
            authorization_id=request.authorization_id,
            item_no=request.item_no,
            caller=f"node:{request.from_node}/{request.app_id}",
            biz_serial=request.biz_serial,
            account_id=None,
            license_type=order.grant.item(request.item_no).asked.license_type,
            relying_party_name="",
            matter_code=request.matter_code,
            license_node=self._node.node_id,
            legal_basis=LegalBasis(order.grant.legal_basis),
            state=UseState.DELIVERED,
            begun_at=request.requested_at,
            ended_at=now,
            delivery=evidence,
        )

        def keep(tx: Transaction) -> None:
            tx.authorizations.record_use(use)
            record(
                tx,
                call,
                AuditAction.LICENSE_USED,
                at=now,
                object_id=use.use_id,
                biz_serial=use.biz_serial,
                authorization=use.authorization_id,
            )

        await self._database.run(keep)

    async def _refused(self, call: Call, order: DeliveryOrder, error: GovcodeError) -> None:
        if isinstance(error, HolderMismatchError):
            _log.error("licence of somebody else", extra={"use": order.request.use_id})

        def note(tx: Transaction) -> None:
            record(
                tx,
                call,
                AuditAction.LICENSE_REFUSED,
                at=self._clock.now(),
                object_id=order.request.use_id,
                result=type(error).__name__,
                biz_serial=order.request.biz_serial,
                authorization=order.request.authorization_id,
            )

        await self._database.run(note)


def check_order(order: DeliveryOrder, *, now: datetime) -> DecidedItem:
    """It raises unless an order stays within the grant, and returns the granted item (6.3-11, 6.3-16).

    Raises:
        AudienceMismatchError: Another authorization or application.
        MatterMismatchError: Another matter.
        GrantExpiredError: Before or after its time.
        ItemNotGrantedError: The item is not granted, or not so widely.
    """
    request, grant = order.request, order.grant
    if grant.authorization_id != request.authorization_id or grant.app_id != request.app_id:
        raise AudienceMismatchError(request.authorization_id)
    if grant.matter_code != request.matter_code:
        raise MatterMismatchError(granted=grant.matter_code, asked=request.matter_code)
    if not grant.starts_at <= now < grant.ends_at:
        raise GrantExpiredError(grant.authorization_id)
    item = grant.item(request.item_no)
    if request.item is None or request.item.asked != item.asked:
        raise ItemNotGrantedError(authorization_id=grant.authorization_id, item_no=request.item_no)
    return item


def _check_not_withdrawn(tx: Transaction, grant: Grant) -> None:
    copy = tx.authorizations.get(grant.authorization_id)
    if copy is not None and copy.state is AuthorizationState.WITHDRAWN:
        raise GrantWithdrawnError(grant.authorization_id)


def _check_licence(licence: License, locator: Locator) -> None:
    """It raises unless the licence is the subject's own and in force (N-26, 6.3-15)."""
    same_number = hmac.compare_digest(licence.holder_number.encode(), locator.number.encode())
    same_name = hmac.compare_digest(licence.holder_name.encode(), locator.name.encode())
    if not (same_number and same_name):
        raise HolderMismatchError
    if licence.status is not LicenseStatus.VALID:
        raise LicenseNotValidError(licence.status.name)
