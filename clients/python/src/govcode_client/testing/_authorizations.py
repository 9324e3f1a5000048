"""The fake node's authorization service: requests, decisions, withdrawal, and sealed licences in chunks."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from govcode.authorization.v1 import authorization_pb2, license_pb2, record_pb2, statement_pb2
from govcode.authorization.v1 import authorization_service_pb2 as authv1
from govcode.authorization.v1 import authorization_service_pb2_grpc as authv1_grpc
from govcode.code.v1 import event_pb2
from govcode.common.v1 import evidence_pb2, verdict_pb2

from govcode_client._sm4 import KEY_SIZE, NONCE_SIZE, gcm_seal
from govcode_client.sm2 import Sm2PublicKey, key_id_of, sm3
from govcode_client.testing._refusals import RefusedError
from govcode_client.testing._world import FakeWorld, digest, stamp

CHUNK: Final = 256 * 1024
DECIDE_WITHIN: Final = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeLicense:
    """A licence that the fake node can deliver.

    Attributes:
        fields: All fields of it, by name; those that were granted are delivered.
        document: The document; empty without one.
        document_format: `OFD` or `PDF`.
        place: Node that holds it.
    """

    fields: Mapping[str, str]
    document: bytes = field(default=b"", repr=False)
    document_format: str = "OFD"
    place: str = "310000"


@dataclass(slots=True)
class Asked:
    """One authorization, as the fake node keeps it."""

    authorization: authorization_pb2.Authorization
    account_id: str
    page: authorization_pb2.ConsentPage
    granted: dict[int, int] = field(default_factory=dict)
    grant: evidence_pb2.Evidence | None = None
    uses: dict[str, authorization_pb2.LicenseUse] = field(default_factory=dict)


class FakeAuthorizationServicer(authv1_grpc.AuthorizationServiceServicer):
    """授权 of the fake node."""

    def __init__(self, world: FakeWorld) -> None:
        """It works on a world."""
        self._world = world
        self.asked: dict[str, Asked] = {}
        self.licenses: dict[tuple[str, str], FakeLicense] = {}
        self.sensitive: set[str] = set()
        self.recipient: bytes = b""
        self.break_after: list[int] = []
        self._step_ups: dict[str, bytes] = {}
        self._mandates: dict[str, authorization_pb2.Mandate] = {}

    def RequestAuthorization(self, request: Any, context: Any) -> Any:
        """It asks the holder of a scanned code."""
        answer, account_id = self._world.scans.get(request.scan_id, (None, ""))
        if answer is None or answer.outcome != verdict_pb2.OUTCOME_VALID:
            raise RefusedError("SCAN_NOT_FOUND")
        for name in ("matter_code", "purpose", "handling_means", "max_uses", "items"):
            if not getattr(request, name):
                raise RefusedError("INVALID_FIELD", fields={name: "is required"})
        return authv1.RequestAuthorizationResponse(authorization=self.ask(account_id, request).authorization)

    def ask(self, account_id: str, request: Any, *, holder_scanned: bool = False) -> Asked:
        """It makes a pending authorization and tells the holder."""
        world, now = self._world, self._world.now()
        statutory = request.legal_basis == authorization_pb2.LEGAL_BASIS_STATUTORY_DUTY
        text = f"模拟用码方因「{request.purpose}」申请使用您的证照；{request.handling_means}。"
        authorization = authorization_pb2.Authorization(
            authorization_id=f"au_{uuid.uuid4().hex}",
            state=authorization_pb2.AUTHORIZATION_STATE_PENDING,
            legal_basis=request.legal_basis or authorization_pb2.LEGAL_BASIS_CONSENT,
            entry=authorization_pb2.AUTHORIZATION_ENTRY_HOLDER_SCANNED
            if holder_scanned
            else authorization_pb2.AUTHORIZATION_ENTRY_RELYING_PARTY_SCANNED,
            relying_party_name="模拟用码方",
            app_id="fake-app",
            matter_code=request.matter_code,
            purpose=request.purpose,
            items=request.items,
            max_uses=request.max_uses,
            request_time=stamp(now),
            decide_before_time=stamp(now + DECIDE_WITHIN),
            end_time=stamp(now + request.period.ToTimedelta()),
            home_node_id=world.node_id,
            visited_node_id=world.node_id,
            subject_kind=world.accounts[account_id].account.subject_kind,
        )
        for number, item in enumerate(authorization.items, start=1):
            item.item_no, item.license_type_name = number, item.license_type
            item.sensitive = item.license_type in self.sensitive
        page = authorization_pb2.ConsentPage(
            notice_version="fake-1", notice_text=text, notice_hash=digest(text), handling_means=request.handling_means
        )
        asked = self.asked[authorization.authorization_id] = Asked(authorization, account_id, page)
        if statutory:
            self.grant(asked, [item.item_no for item in authorization.items])
        else:
            requested = event_pb2.AuthorizationRequested(
                authorization_id=authorization.authorization_id,
                relying_party_name="模拟用码方",
                matter_code=request.matter_code,
                decide_before_time=authorization.decide_before_time,
            )
            world.tell(account_id, authorization_requested=requested)
        return asked

    def grant(self, asked: Asked, numbers: list[int]) -> None:
        """It grants items, or, with none, denies all."""
        authorization = asked.authorization
        authorization.decide_time.CopyFrom(stamp(self._world.now()))
        if not numbers:
            self._move(asked, authorization_pb2.AUTHORIZATION_STATE_DENIED)
            return
        asked.granted = dict.fromkeys(numbers, authorization.max_uses)
        grant = record_pb2.Grant(
            authorization_id=authorization.authorization_id,
            home_node_id=self._world.node_id,
            app_id=authorization.app_id,
            matter_code=authorization.matter_code,
            items=[
                record_pb2.DecidedItem(item=item, granted=True)
                for item in authorization.items
                if item.item_no in asked.granted
            ],
            max_uses=authorization.max_uses,
            end_time=authorization.end_time,
        )
        asked.grant = self._world.sign("GRANT", grant)
        for number in numbers:
            authorization.remaining_uses[number] = authorization.max_uses
        self._move(asked, authorization_pb2.AUTHORIZATION_STATE_GRANTED)

    def GetAuthorization(self, request: Any, context: Any) -> Any:
        """It gives an authorization, to the holder with its page."""
        asked = self._of_holder(request) if request.session_token else self._found(request.authorization_id)
        if request.session_token:
            return authv1.GetAuthorizationResponse(authorization=asked.authorization, page=asked.page)
        return authv1.GetAuthorizationResponse(authorization=self._for_party(asked), grant=asked.grant)

    def WaitAuthorization(self, request: Any, context: Any) -> Any:
        """It waits for a decision."""
        asked = self._found(request.authorization_id)
        pending = authorization_pb2.AUTHORIZATION_STATE_PENDING
        with self._world.changed:
            self._world.changed.wait_for(
                lambda: asked.authorization.state != pending or self._world.closed,
                timeout=min(request.wait.ToTimedelta().total_seconds(), 30.0),
            )
        self._refresh(asked)
        return authv1.WaitAuthorizationResponse(authorization=self._for_party(asked), grant=asked.grant)

    def LocateLicenses(self, request: Any, context: Any) -> Any:
        """It finds the places of what was asked for."""
        asked = self._of_holder(request)
        name = self._world.accounts[asked.account_id].name
        places = []
        for item in asked.authorization.items:
            held = self.licenses.get((name, item.license_type))
            if held is not None:
                places.append(
                    license_pb2.LicensePlace(
                        item_no=item.item_no,
                        license_type=item.license_type,
                        license_node_id=held.place,
                        issuer_name="模拟发证机关",
                        masked_number="****",
                        status=license_pb2.LICENSE_STATUS_VALID,
                    )
                )
        return authv1.LocateLicensesResponse(places=places)

    def BeginStepUp(self, request: Any, context: Any) -> Any:
        """It begins a stronger check, bound to the items."""
        self._world.session(request.session_token)
        identification_id = uuid.uuid4().hex
        bound = b""
        if request.authorization_id:
            self._of_holder(request)
            bound = digest(f"{request.authorization_id}:{sorted(request.item_nos)}")
        self._world.identified[identification_id] = "1"
        self._step_ups[identification_id] = bound
        return authv1.BeginStepUpResponse(
            identification_id=identification_id,
            provider="fake",
            challenge=b"fake",
            expire_time=stamp(self._world.now() + timedelta(minutes=5)),
            step_up_digest=bound,
        )

    def DecideAuthorization(self, request: Any, context: Any) -> Any:
        """It takes a signed decision."""
        world = self._world
        account, session = world.session(request.session_token)
        statement = world.proved(request.proof, statement_pb2.DecideAuthorizationStatement, account.device_point)
        asked = self._found(statement.authorization_id)
        if asked.account_id != account.account.account_id or statement.session_id != session.session_id:
            raise RefusedError("NOT_OWNER")
        self._refresh(asked)
        if asked.authorization.state == authorization_pb2.AUTHORIZATION_STATE_TIMED_OUT:
            raise RefusedError("AUTHORIZATION_TIMED_OUT")
        if asked.authorization.state != authorization_pb2.AUTHORIZATION_STATE_PENDING:
            raise RefusedError("AUTHORIZATION_STATE_CONFLICT")
        if statement.notice_hash != asked.page.notice_hash:
            raise RefusedError("NOTICE_CHANGED")
        self._check_sensitive(asked, statement, request)
        self.grant(asked, [item.item_no for item in statement.items if item.granted])
        consent = record_pb2.ConsentRecord(
            authorization_id=statement.authorization_id,
            home_node_id=world.node_id,
            account_id=asked.account_id,
            decision=asked.authorization.state,
            notice_hash=statement.notice_hash,
            holder_proof=request.proof,
            device_public_key=account.device_point,
        )
        return authv1.DecideAuthorizationResponse(
            authorization=asked.authorization, consent=world.sign("CONSENT", consent)
        )

    def WithdrawAuthorization(self, request: Any, context: Any) -> Any:
        """It takes a grant back."""
        account, _ = self._world.session(request.session_token)
        statement = self._world.proved(
            request.proof, statement_pb2.WithdrawAuthorizationStatement, account.device_point
        )
        asked = self._found(statement.authorization_id)
        if asked.account_id != account.account.account_id:
            raise RefusedError("NOT_OWNER")
        if asked.authorization.state == authorization_pb2.AUTHORIZATION_STATE_PENDING:
            self.grant(asked, [])
        elif asked.authorization.state == authorization_pb2.AUTHORIZATION_STATE_GRANTED:
            asked.authorization.withdraw_time.CopyFrom(stamp(self._world.now()))
            self._move(asked, authorization_pb2.AUTHORIZATION_STATE_WITHDRAWN)
        else:
            raise RefusedError("AUTHORIZATION_STATE_CONFLICT")
        return authv1.WithdrawAuthorizationResponse(authorization=asked.authorization)

    def ListAuthorizations(self, request: Any, context: Any) -> Any:
        """It lists the authorizations of the account, newest first, in pages."""
        account, _ = self._world.session(request.session_token)
        newest = [
            asked.authorization
            for asked in reversed(self.asked.values())
            if asked.account_id == account.account.account_id
        ]
        begin, size = int(request.page_token or "0"), request.page_size or 50
        more = str(begin + size) if begin + size < len(newest) else ""
        return authv1.ListAuthorizationsResponse(authorizations=newest[begin : begin + size], next_page_token=more)

    def ListLicenseUses(self, request: Any, context: Any) -> Any:
        """It lists the uses of the account's licences."""
        account, _ = self._world.session(request.session_token)
        uses = [
            use
            for asked in self.asked.values()
            for use in asked.uses.values()
            if asked.account_id == account.account.account_id and request.authorization_id in ("", use.authorization_id)
        ]
        return authv1.ListLicenseUsesResponse(uses=uses[::-1])

    def ExportAuthorization(self, request: Any, context: Any) -> Any:
        """It gives the grant."""
        asked = self._of_holder(request) if request.session_token else self._found(request.authorization_id)
        return authv1.ExportAuthorizationResponse(grant=asked.grant)

    def IntrospectGrant(self, request: Any, context: Any) -> Any:
        """It tells whether a grant of its own may be used now."""
        asked = self._shown(request.grant)
        authorization = asked.authorization
        if authorization.state != authorization_pb2.AUTHORIZATION_STATE_GRANTED:
            return authv1.IntrospectGrantResponse(state=authorization.state)
        return authv1.IntrospectGrantResponse(
            active=True,
            state=authorization.state,
            items=self._for_party(asked).items,
            remaining_uses=authorization.remaining_uses,
            matter_code=authorization.matter_code,
            end_time=authorization.end_time,
        )

    def ReportGrantUse(self, request: Any, context: Any) -> Any:
        """It counts a use of a grant; a failed one is given back."""
        asked = self._shown(request.grant)
        use = asked.uses.get(request.biz_serial)
        if use is None:
            if request.use_state != authorization_pb2.LICENSE_USE_STATE_BEGUN:
                raise RefusedError("AUTHORIZATION_STATE_CONFLICT")
            if asked.authorization.state == authorization_pb2.AUTHORIZATION_STATE_WITHDRAWN:
                raise RefusedError("GRANT_WITHDRAWN")
            if request.item_no not in asked.granted:
                raise RefusedError("ITEM_NOT_GRANTED")
            if not asked.granted[request.item_no]:
                raise RefusedError("GRANT_EXHAUSTED")
            item = asked.authorization.items[request.item_no - 1]
            use = self._begin_use(asked, request.biz_serial, item)
        elif use.state == authorization_pb2.LICENSE_USE_STATE_BEGUN:
            use.state = request.use_state
            if use.state == authorization_pb2.LICENSE_USE_STATE_FAILED:
                self._count(asked, use.item_no, 1)
        return authv1.ReportGrantUseResponse(use_id=use.use_id, remaining_uses=asked.granted[use.item_no])

    def GiveMandate(self, request: Any, context: Any) -> Any:
        """It notes a mandate."""
        world = self._world
        account, _ = world.session(request.session_token)
        statement = world.proved(request.proof, statement_pb2.GiveMandateStatement, account.device_point)
        if self._step_ups.pop(request.identification.identification_id, None) is None:
            raise RefusedError("STEP_UP_REQUIRED")
        world.identify(request.identification)
        if statement.agent_account_id not in world.accounts:
            raise RefusedError("ACCOUNT_NOT_FOUND")
        mandate = authorization_pb2.Mandate(
            mandate_id=f"ma_{uuid.uuid4().hex}",
            entity_account_id=account.account.account_id,
            agent_account_id=statement.agent_account_id,
            matter_codes=statement.matter_codes,
            license_types=statement.license_types,
            start_time=statement.start_time,
            end_time=statement.end_time,
        )
        self._mandates[mandate.mandate_id] = mandate
        return authv1.GiveMandateResponse(mandate=mandate)

    def CancelMandate(self, request: Any, context: Any) -> Any:
        """It cancels a mandate."""
        account, _ = self._world.session(request.session_token)
        statement = self._world.proved(request.proof, statement_pb2.CancelMandateStatement, account.device_point)
        mandate = self._mandates.get(statement.mandate_id)
        if mandate is None or mandate.entity_account_id != account.account.account_id:
            raise RefusedError("MANDATE_INVALID")
        mandate.cancel_time.CopyFrom(stamp(self._world.now()))
        return authv1.CancelMandateResponse(mandate=mandate)

    def ListMandates(self, request: Any, context: Any) -> Any:
        """It lists the mandates that the account gave or holds."""
        account, _ = self._world.session(request.session_token)
        own = account.account.account_id
        listed = [
            mandate
            for mandate in reversed(self._mandates.values())
            if own in (mandate.entity_account_id, mandate.agent_account_id)
        ]
        return authv1.ListMandatesResponse(mandates=listed)

    def FetchLicense(self, request: Any, context: Any) -> Iterator[Any]:
        """It delivers a licence in chunks, sealed to the key of `FakeNode.register_key`."""
        asked = self._found(request.authorization_id)
        item, held = self._deliverable(asked, request)
        use = asked.uses.get(request.biz_serial)
        replayed = use is not None
        if use is None:
            use = self._begin_use(asked, request.biz_serial, item)
        stop_after = self.break_after.pop(0) if self.break_after else None
        delivery = Delivery(self._world, held, item, use, recipient=self.recipient)
        header = delivery.header(
            from_chunk=request.from_chunk, remaining=asked.granted[item.item_no], replayed=replayed
        )
        yield authv1.FetchLicenseResponse(header=header)
        for sent, chunk in enumerate(delivery.chunks(request.from_chunk)):
            if stop_after is not None and sent >= stop_after:
                raise RefusedError("DRAINING", retry_after=0.01)
            yield authv1.FetchLicenseResponse(chunk=chunk)
        use.state = authorization_pb2.LICENSE_USE_STATE_DELIVERED
        use.end_time.CopyFrom(stamp(self._world.now()))
        yield authv1.FetchLicenseResponse(delivery=delivery.record())

    def _deliverable(self, asked: Asked, request: Any) -> tuple[Any, FakeLicense]:
        self._refresh(asked)
        state = asked.authorization.state
        by_state = {
            authorization_pb2.AUTHORIZATION_STATE_WITHDRAWN: "GRANT_WITHDRAWN",
            authorization_pb2.AUTHORIZATION_STATE_EXPIRED: "GRANT_EXPIRED",
        }
        if state in by_state:
            raise RefusedError(by_state[state])
        if asked.grant is None:
            raise RefusedError("AUTHORIZATION_STATE_CONFLICT")
        if request.matter_code != asked.authorization.matter_code:
            raise RefusedError("MATTER_MISMATCH")
        if request.item_no not in asked.granted:
            raise RefusedError("ITEM_NOT_GRANTED")
        if not self.recipient:
            raise RefusedError("ENCRYPTION_KEY_MISSING")
        item = asked.authorization.items[request.item_no - 1]
        held = self.licenses.get((self._world.accounts[asked.account_id].name, item.license_type))
        if held is None:
            raise RefusedError("LICENSE_NOT_FOUND")
        if request.biz_serial not in asked.uses and not asked.granted[request.item_no]:
            raise RefusedError("GRANT_EXHAUSTED")
        return item, held

    def _count(self, asked: Asked, item_no: int, change: int) -> None:
        asked.granted[item_no] += change
        asked.authorization.remaining_uses[item_no] = asked.granted[item_no]

    def _begin_use(self, asked: Asked, biz_serial: str, item: Any) -> authorization_pb2.LicenseUse:
        self._count(asked, item.item_no, -1)
        use = asked.uses[biz_serial] = authorization_pb2.LicenseUse(
            use_id=f"us_{uuid.uuid4().hex}",
            authorization_id=asked.authorization.authorization_id,
            item_no=item.item_no,
            license_type=item.license_type,
            relying_party_name="模拟用码方",
            matter_code=asked.authorization.matter_code,
            begin_time=stamp(self._world.now()),
            state=authorization_pb2.LICENSE_USE_STATE_BEGUN,
        )
        return use

    def _check_sensitive(self, asked: Asked, statement: Any, request: Any) -> None:
        sensitive = {item.item_no for item in asked.authorization.items if item.sensitive}
        granted = [item for item in statement.items if item.granted]
        touched = [item for item in granted if item.item_no in sensitive]
        if not touched:
            return
        if not all(item.sensitive_confirmed for item in touched):
            raise RefusedError("SENSITIVE_NOT_CONFIRMED")
        bound = self._step_ups.pop(request.identification.identification_id, None)
        if bound is None:
            raise RefusedError("STEP_UP_REQUIRED")
        wanted = digest(f"{statement.authorization_id}:{sorted(item.item_no for item in granted)}")
        if bound != statement.step_up_digest or bound != wanted:
            raise RefusedError("STEP_UP_MISMATCH")
        self._world.identify(request.identification)

    def _shown(self, grant: evidence_pb2.Evidence) -> Asked:
        """It finds the authorization of a grant that was shown to it."""
        for asked in self.asked.values():
            if asked.grant is not None and asked.grant == grant:
                self._refresh(asked)
                return asked
        raise RefusedError("EVIDENCE_INVALID")

    def _of_holder(self, request: Any) -> Asked:
        account, _ = self._world.session(request.session_token)
        asked = self._found(request.authorization_id)
        if asked.account_id != account.account.account_id:
            raise RefusedError("NOT_OWNER")
        return asked

    def _found(self, authorization_id: str) -> Asked:
        asked = self.asked.get(authorization_id)
        if asked is None:
            raise RefusedError("AUTHORIZATION_NOT_FOUND", facts={"authorization_id": authorization_id})
        self._refresh(asked)
        return asked

    def _refresh(self, asked: Asked) -> None:
        authorization, now = asked.authorization, self._world.now()
        pending = authorization.state == authorization_pb2.AUTHORIZATION_STATE_PENDING
        if pending and now > _moment(authorization.decide_before_time):
            self._move(asked, authorization_pb2.AUTHORIZATION_STATE_TIMED_OUT)
        granted = authorization.state == authorization_pb2.AUTHORIZATION_STATE_GRANTED
        if granted and now > _moment(authorization.end_time):
            self._move(asked, authorization_pb2.AUTHORIZATION_STATE_EXPIRED)

    def _move(self, asked: Asked, state: authorization_pb2.AuthorizationState.ValueType) -> None:
        asked.authorization.state = state
        changed = event_pb2.AuthorizationChanged(
            authorization_id=asked.authorization.authorization_id,
            state=state,
            legal_basis=asked.authorization.legal_basis,
        )
        self._world.tell(asked.account_id, authorization_changed=changed)

    def _for_party(self, asked: Asked) -> authorization_pb2.Authorization:
        """What the relying party sees: once granted, the granted items alone."""
        shown = authorization_pb2.Authorization()
        shown.CopyFrom(asked.authorization)
        if asked.granted:
            kept = [item for item in asked.authorization.items if item.item_no in asked.granted]
            del shown.items[:]
            shown.items.extend(kept)
        return shown


def _moment(given: Timestamp) -> Any:
    return given.ToDatetime(tzinfo=UTC)


class Delivery:
    """One licence, sealed as the contract says at `LicenseHeader` and `LicenseChunk`."""

    def __init__(
        self,
        world: FakeWorld,
        held: FakeLicense,
        item: authorization_pb2.AuthorizationItem,
        use: authorization_pb2.LicenseUse,
        *,
        recipient: bytes,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """It prepares the delivery of a use."""
        self._world = world
        self._held = held
        self._item = item
        self._use = use
        self._recipient = recipient
        self._random = random
        self._document = held.document if item.document else b""
        self._content_key = random(KEY_SIZE)
        self._digest = hashlib.new("sm3")

    def header(self, *, from_chunk: int, remaining: int, replayed: bool) -> license_pb2.LicenseHeader:
        """It makes the first piece."""
        content = license_pb2.LicenseContent(
            license_id="fake-licence",
            license_type=self._item.license_type,
            status=license_pb2.LICENSE_STATUS_VALID,
            issuer_name="模拟发证机关",
            fields=[
                license_pb2.LicenseField(name=name, value=self._held.fields[name])
                for name in self._item.field_names
                if name in self._held.fields
            ],
            document_format=self._held.document_format if self._document else "",
            document_size=len(self._document),
            document_digest=sm3(self._document) if self._document else b"",
            content_key=self._content_key if self._document else b"",
            mark="仅用于模拟",
            fetch_time=stamp(self._world.now()),
        )
        return license_pb2.LicenseHeader(
            use_id=self._use.use_id,
            sealed_content=self._envelope(content.SerializeToString()),
            chunk_count=self._count,
            from_chunk=from_chunk,
            remaining_uses=remaining,
            replayed=replayed,
        )

    def chunks(self, from_chunk: int) -> Iterator[license_pb2.LicenseChunk]:
        """It makes the chunks from one on."""
        for number in range(from_chunk, self._count):
            aad = b"govcode-license-chunk-v1" + self._use.use_id.encode()
            aad += number.to_bytes(4, "big") + self._count.to_bytes(4, "big")
            plain = self._document[number * CHUNK : (number + 1) * CHUNK]
            data = gcm_seal(self._content_key, number.to_bytes(NONCE_SIZE, "big"), plain, aad)
            self._digest.update(data)
            yield license_pb2.LicenseChunk(chunk_no=number, data=data)

    def record(self) -> evidence_pb2.Evidence:
        """It makes the last piece."""
        record = record_pb2.LicenseDelivery(
            use_id=self._use.use_id,
            authorization_id=self._use.authorization_id,
            license_node_id=self._held.place,
            field_names=self._item.field_names,
            document=bool(self._document),
            chunks_digest=self._digest.digest() if self._document else b"",
            chunk_count=self._count,
            status=license_pb2.LICENSE_STATUS_VALID,
            fetch_time=stamp(self._world.now()),
        )
        return self._world.sign("LICENSE_DELIVERY", record)

    @property
    def _count(self) -> int:
        return -(-len(self._document) // CHUNK)

    def _envelope(self, plaintext: bytes) -> bytes:
        key, nonce = self._random(KEY_SIZE), self._random(NONCE_SIZE)
        wrapped = Sm2PublicKey.from_point(self._recipient).encrypt(key)
        header = b"\x01" + bytes.fromhex(key_id_of(self._recipient)) + len(wrapped).to_bytes(2, "big") + wrapped
        return header + nonce + gcm_seal(key, nonce, plaintext, header + self._use.use_id.encode())
