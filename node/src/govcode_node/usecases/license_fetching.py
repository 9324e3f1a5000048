"""Fetching a licence under a grant (`FetchLicense`), as the visited node sees it, and fetches that other nodes forward.

The visited node asks the holder's home node, which counts, and passes on what comes: sealed pieces that it cannot read.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationNotFoundError,
    AuthorizationState,
    Grant,
    GrantWithdrawnError,
    UseState,
)
from govcode_node.domain.callers import Call, IdentityMismatchError
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.licenses import (
    Delivery,
    DeliveryEnd,
    DeliveryHeader,
    DeliveryPiece,
    EncryptionKeyMissingError,
    LicenseDelivery,
    LicenseUse,
    LicenseUseRequest,
    Locator,
    LocatorSource,
)
from govcode_node.domain.moments import stated
from govcode_node.domain.recognition import HomeNodeUnreachableError, PeerAnswerRefusedError
from govcode_node.domain.routes import TrustBundleMissingError
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import Peers, TrustHolder
from govcode_node.ports.limits import RateLimit
from govcode_node.ports.security import Attestor, DataKeys, EvidenceReader, LicenseCodec, ReadEvidence
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.delivery_order import in_order
from govcode_node.usecases.license_delivery import DeliveryOrder, LicenseDelivering
from govcode_node.usecases.license_uses import LicenseUses, note_use
from govcode_node.usecases.peer_requests import check_peer_request
from govcode_node.usecases.reading_parties import relying_application_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCommand:
    """What a relying party fetches.

    Attributes:
        biz_serial: Serial of the use; the same serial goes on with the same use.
        authorization_id: The authorization.
        item_no: The item.
        matter_code: The matter for which it is used.
        from_chunk: Chunk to go on from.
        case_name: Name from the own case; empty where none is given.
        case_number: Number from the own case; empty where none is given.
    """

    biz_serial: str
    authorization_id: str
    item_no: int
    matter_code: str
    from_chunk: int = 0
    case_name: str = field(default="", repr=False)
    case_number: str = field(default="", repr=False)

    @property
    def case(self) -> Locator | None:
        """The locator of the own case; None where none is given."""
        if not (self.case_name and self.case_number):
            return None
        return Locator(name=self.case_name, number=self.case_number, source=LocatorSource.CASE)


class LicenseFetching:
    """It fetches licences for applications of this node, and answers what other nodes forward."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        uses: LicenseUses,
        delivering: LicenseDelivering,
        peers: Peers,
        trust: TrustHolder,
        codec: LicenseCodec,
        keys: DataKeys,
        attestor: Attestor,
        reader: EvidenceReader,
        clock: Clock,
        peer_limit: RateLimit,
    ) -> None:
        """It works with the counts of this node's holders and the channels to others."""
        self._node = node
        self._database = database
        self._uses = uses
        self._delivering = delivering
        self._peers = peers
        self._trust = trust
        self._codec = codec
        self._keys = keys
        self._attestor = attestor
        self._reader = reader
        self._clock = clock
        self._peer_limit = peer_limit

    @asynccontextmanager
    async def fetch(self, call: Call, command: FetchCommand) -> AsyncIterator[Delivery]:
        """It gives the pieces of one licence for an application of this node.

        Raises:
            AuthorizationNotFoundError: The application did not ask for any such.
            EncryptionKeyMissingError: There is no key to seal to.
            GrantWithdrawnError: The holder has withdrawn it, as this node knows already.
            HomeNodeUnreachableError, HomeNodeTimeoutError: A node on the way gives no answer.
            EvidenceRefusedError, PeerAnswerRefusedError: What comes is not to be believed.
            GovcodeError: As `LicenseUses.open`, here or at the home node.
        """
        authorization, recipient_key = await self._database.read(lambda tx: self._look(tx, call, command))
        home = authorization.request.home_node
        at_home = home == self._node.node_id
        request = LicenseUseRequest(
            authorization_id=command.authorization_id,
            from_node=self._node.node_id,
            to_node=home,
            app_id=authorization.request.app_id,
            biz_serial=command.biz_serial,
            matter_code=command.matter_code,
            item_no=command.item_no,
            recipient_key=recipient_key,
            requested_at=self._now(),
            from_chunk=command.from_chunk,
            case_locator=b"" if at_home else await self._sealed_case(command, home),
        )
        evidence = await self._attestor.attest(EvidencePurpose.LICENSE_USE, request)
        if at_home:
            caller = f"app:{request.app_id}"
            async with self._uses.open(call, request, evidence=evidence, caller=caller, case=command.case) as pieces:
                yield pieces
        else:
            async with self._peers.forward_license_fetch(home, request=evidence, grant=b"", call=call) as pieces:
                ordered = in_order(pieces, node_id=home)
                yield self._recorded(call, authorization, request, evidence, ordered)

    def _look(self, tx: Transaction, call: Call, command: FetchCommand) -> tuple[Authorization, bytes]:
        application, _ = relying_application_of(tx, call.caller.name)
        authorization = tx.authorizations.get(command.authorization_id)
        own = self._node.node_id
        if authorization is None or not authorization.asked_by(node_id=own, app_id=application.app_id):
            raise AuthorizationNotFoundError(command.authorization_id)
        if authorization.state is AuthorizationState.WITHDRAWN:
            raise GrantWithdrawnError(command.authorization_id)
        key = tx.catalogue.key(application.app_id)
        if key is None:
            raise EncryptionKeyMissingError(application.app_id)
        return authorization, key.public_key

    async def _sealed_case(self, command: FetchCommand, home: str) -> bytes:
        if command.case is None:
            return b""
        bundle = self._trust.bundle()
        if bundle is None:
            raise TrustBundleMissingError
        key = bundle.encryption_key(home, at=self._now())
        if key is None:
            raise HomeNodeUnreachableError(home)
        aad = command.authorization_id.encode()
        return await self._keys.seal_to_public(key.public_key, self._codec.dump_locator(command.case), aad)

    async def _recorded(
        self,
        call: Call,
        authorization: Authorization,
        request: LicenseUseRequest,
        evidence: bytes,
        pieces: Delivery,
    ) -> AsyncIterator[DeliveryPiece]:
        """It passes pieces through and keeps the record of this leg."""
        use: LicenseUse | None = None
        async for piece in pieces:
            if isinstance(piece, DeliveryHeader):
                use = self._leg(authorization, request, evidence, piece)
                await self._keep(call, use)
            if isinstance(piece, DeliveryEnd) and use is not None:
                await self._finish(call, use, piece)
            yield piece
        if use is None:
            raise PeerAnswerRefusedError(node_id=request.to_node, why="it delivers nothing")

    def _leg(
        self, authorization: Authorization, request: LicenseUseRequest, evidence: bytes, header: DeliveryHeader
    ) -> LicenseUse:
        item = next((one for one in authorization.items if one.item_no == request.item_no), None)
        asked = next(one for one in authorization.request.items if one.item_no == request.item_no)
        return LicenseUse(
            use_id=header.use_id,
            authorization_id=request.authorization_id,
            item_no=request.item_no,
            caller=f"app:{request.app_id}",
            biz_serial=request.biz_serial,
            account_id=None,
            license_type=asked.asked.license_type,
            relying_party_name=authorization.request.relying_party_name,
            matter_code=request.matter_code,
            license_node=item.license_node if item is not None else "",
            legal_basis=authorization.request.legal_basis,
            state=UseState.BEGUN,
            begun_at=self._now(),
            request=evidence,
        )

    async def _keep(self, call: Call, use: LicenseUse) -> None:
        def keep(tx: Transaction) -> None:
            if tx.authorizations.record_use(use):
                note_use(tx, call, use, AuditAction.LICENSE_USE_BEGUN, now=use.begun_at)

        await self._database.run(keep)

    async def _finish(self, call: Call, use: LicenseUse, end: DeliveryEnd) -> None:
        read = await self._reader.read(end.evidence, purpose=EvidencePurpose.LICENSE_DELIVERY, kind=LicenseDelivery)
        if read.statement.use_id != use.use_id or read.node_id != read.statement.license_node:
            raise PeerAnswerRefusedError(node_id=read.node_id, why="it is about another use")
        now = self._now()

        def finish(tx: Transaction) -> None:
            if tx.authorizations.end_use(use.use_id, state=UseState.DELIVERED, at=now, delivery=end.evidence):
                note_use(tx, call, replace(use, state=UseState.DELIVERED), AuditAction.LICENSE_USED, now=now)

        await self._database.run(finish)

    @asynccontextmanager
    async def answer_forwarded(self, call: Call, *, request: bytes, grant: bytes) -> AsyncIterator[Delivery]:
        """It answers another node: the visited node, as the holder's home; or the home node, as the licence's.

        Args:
            call: The call; the caller is the node that asks.
            request: Evidence of a LicenseUseRequest.
            grant: Evidence of the grant; empty in the visited node's request.

        Raises:
            EvidenceRefusedError, EvidenceStaleError, IdentityMismatchError: The request is not to be believed.
            RateLimitedError: The peer asks too often.
            GovcodeError: As `LicenseUses.open` or `LicenseDelivering.deliver`.
        """
        self._peer_limit.take(call.caller.name)
        read = await self._reader.read(request, purpose=EvidencePurpose.LICENSE_USE, kind=LicenseUseRequest)
        asked = read.statement
        check_peer_request(
            call,
            read,
            from_node=asked.from_node,
            to_node=asked.to_node,
            own_node=self._node.node_id,
            now=self._clock.now(),
        )
        source = self._as_licence_node(call, read, grant) if grant else await self._as_home_node(call, asked, request)
        async with source as pieces:
            yield pieces

    async def _as_home_node(
        self, call: Call, asked: LicenseUseRequest, evidence: bytes
    ) -> AbstractAsyncContextManager[Delivery]:
        authorization = await self._database.read(lambda tx: tx.authorizations.get(asked.authorization_id))
        if authorization is None:
            raise AuthorizationNotFoundError(asked.authorization_id)
        if authorization.request.visited_node != asked.from_node:
            raise IdentityMismatchError(certificate=asked.from_node, message=authorization.request.visited_node)
        case = None
        if asked.case_locator:
            plain = await self._keys.open_for_node(asked.case_locator, asked.authorization_id.encode())
            # Whatever else it says, what a relying party gives is from its own case.
            case = replace(self._codec.load_locator(plain), source=LocatorSource.CASE)
        caller = f"node:{asked.from_node}/{asked.app_id}"
        return self._uses.open(call, asked, evidence=evidence, caller=caller, case=case)

    @asynccontextmanager
    async def _as_licence_node(
        self, call: Call, read: ReadEvidence[LicenseUseRequest], grant: bytes
    ) -> AsyncIterator[Delivery]:
        asked = read.statement
        held = await self._reader.read(grant, purpose=EvidencePurpose.GRANT, kind=Grant, signer=asked.from_node)
        if not asked.use_id or asked.item is None or not asked.sealed_locator:
            raise InvalidFieldError(field="request", why="must name the use, the item and the locator")
        plain = await self._keys.open_for_node(asked.sealed_locator, asked.use_id.encode())
        order = DeliveryOrder(
            request=asked,
            request_digest=sm3(read.payload),
            grant=held.statement,
            locator=self._codec.load_locator(plain),
            record_leg=True,
        )
        async with self._delivering.deliver(call, order) as pieces:
            yield pieces

    def _now(self) -> datetime:
        return stated(self._clock.now())
