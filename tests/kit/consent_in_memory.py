"""Those who ask for licences, decide and fetch, at the steps of nodes in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import license_pb2 as licensev1
from govcode_client.sm2 import Sm2PrivateKey
from govcode_node.crypto.envelope import open_envelope
from govcode_node.crypto.sm2 import select_backend
from govcode_node.crypto.sm4 import gcm_open
from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import Authorization, LegalBasis, StatutoryDuty
from govcode_node.domain.callers import Call, Caller
from govcode_node.domain.catalogue import (
    ApplicationKey,
    AskedItem,
    LicenseType,
    LicenseTypeField,
    Matter,
    StatutoryBasis,
)
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.digests import sm3
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.licenses import (
    DeliveryChunk,
    DeliveryEnd,
    DeliveryHeader,
    LicensePlace,
    chunk_aad,
    chunk_nonce,
)
from govcode_node.domain.mandates import Mandate
from govcode_node.ports.authorization_stores import SceneOffer
from govcode_node.providers.identity.local_kit import device_kit_blob
from govcode_node.usecases.authorization_reading import ExportedAuthorization, HolderView
from govcode_node.usecases.deciding import BegunStepUp, DecideCommand
from govcode_node.usecases.grant_checks import Introspection
from govcode_node.usecases.license_fetching import FetchCommand
from govcode_node.usecases.requesting import RequestCommand
from govcode_node.usecases.step_ups import FinishedCheck
from govcode_node.wire.holders import holder_proof_from_proto
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import (
    USCC,
    Counter,
    Holder,
    MobileApp,
    OperatorDesk,
    call_of,
    furnish,
    person,
    serial,
)
from kit.players import SyntheticPerson

K = TypeVar("K")

LICENCES_FILE: Final = Path(__file__).with_name("synthetic_licences.toml")
MATTER: Final = "M-0001"
BIRTH: Final = "birth-certificate"
MARRIAGE: Final = "marriage-certificate"
DRIVING: Final = "driving-licence"
GRADUATION: Final = "graduation-certificate"
SUBJECT_FIELDS: Final = "subject"

TYPES: Final = (
    LicenseType(
        license_type=BIRTH,
        version=1,
        name="出生医学证明",
        fields=(
            LicenseTypeField(name="name", label="姓名"),
            LicenseTypeField(name="born", label="出生日期"),
            LicenseTypeField(name="mother", label="母亲姓名", sensitive=True),
        ),
        subject_kinds=frozenset({SubjectKind.PERSON}),
    ),
    *(
        LicenseType(
            license_type=license_type,
            version=1,
            name=name,
            fields=(LicenseTypeField(name="name", label="姓名"), LicenseTypeField(name="class", label="类别")),
            subject_kinds=frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY}),
        )
        for license_type, name in ((MARRIAGE, "结婚证"), (DRIVING, "机动车驾驶证"), (GRADUATION, "毕业证书"))
    ),
)

NAME_AND_BORN: Final = AskedItem(license_type=BIRTH, field_names=("name", "born"))
WITH_DOCUMENT: Final = AskedItem(license_type=BIRTH, field_names=("name",), document=True)
WITH_MOTHER: Final = AskedItem(license_type=BIRTH, field_names=("name", "mother"))
MARRIED: Final = AskedItem(license_type=MARRIAGE, field_names=("name",), document=True)
WHOLE_SCOPE: Final = (
    AskedItem(license_type=BIRTH, field_names=("name", "born", "mother"), document=True),
    AskedItem(license_type=MARRIAGE, field_names=("name",), document=True),
    AskedItem(license_type=DRIVING, field_names=("class",)),
    AskedItem(license_type=GRADUATION, field_names=("name",)),
    AskedItem(license_type=SUBJECT_FIELDS, field_names=("name", "id_number")),
)


async def stock(node: NodeInMemory) -> None:
    """Give a node's catalogue the licence types of the tests."""
    keeping = node.steps.authorizations.keeping
    for entry in TYPES:
        number = serial("type")
        await keeping.register_license_type(OperatorDesk(node).call("RegisterType", number), number, entry)


def matter(app_id: str, **changes: Any) -> Matter:
    values: dict[str, Any] = {
        "matter_code": MATTER,
        "app_id": app_id,
        "version": 1,
        "name": "新生儿落户",
        "purpose": "核验出生信息",
        "handling_means": "核验后不留存",
        "items": WHOLE_SCOPE,
        "max_retention": timedelta(days=30),
        "max_uses": 30,
        "max_period": timedelta(days=30),
        "subject_kinds": frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY}),
        "registered_at": None,
    }
    return Matter(**{**values, **changes})


async def register_matter(node: NodeInMemory, app_id: str, **changes: Any) -> Matter:
    number = serial("matter")
    registered_at = node.clock.now()
    wanted = matter(app_id, **{"registered_at": registered_at, **changes})
    keeping = node.steps.authorizations.keeping
    return (await keeping.register_matter(OperatorDesk(node).call("RegisterMatter", number), number, wanted))[0]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One delivery as the application has it."""

    header: DeliveryHeader
    content: licensev1.LicenseContent
    chunks: tuple[DeliveryChunk, ...]
    document: bytes
    delivery: bytes

    @property
    def fields(self) -> Mapping[str, str]:
        return {one.name: one.value for one in self.content.fields}


@dataclass
class AskingCounter:
    """A relying party's system that asks for licences: a counter with an encryption key."""

    counter: Counter
    key: Sm2PrivateKey = field(default_factory=Sm2PrivateKey.generate)

    @property
    def node(self) -> NodeInMemory:
        return self.counter.node

    @property
    def caller(self) -> Caller:
        return self.counter.caller

    async def register_key(self) -> ApplicationKey:
        number = serial("key")
        point = self.key.public_key.to_point()
        wanted = ApplicationKey(
            app_id=self.counter.app_id,
            key_id=sm3(point).hex()[:16],
            public_key=point,
            registered_at=self.node.clock.now(),
        )
        keeping = self.node.steps.authorizations.keeping
        return (await keeping.register_key(OperatorDesk(self.node).call("RegisterKey", number), number, wanted))[0]

    def request_call(self, scan_id: str, *items: AskedItem, **changes: Any) -> tuple[Call, RequestCommand]:
        values: dict[str, Any] = {
            "biz_serial": serial("ask"),
            "scan_id": scan_id,
            "matter_code": MATTER,
            "purpose": "核验出生信息",
            "handling_means": "核验后不留存",
            "items": items or (NAME_AND_BORN,),
            "retention": timedelta(),
            "max_uses": 1,
            "period": timedelta(minutes=10),
        }
        command = RequestCommand(**{**values, **changes})
        return call_of(self.caller, "RequestAuthorization", command), command

    async def request(self, scan_id: str, *items: AskedItem, **changes: Any) -> Authorization:
        call, command = self.request_call(scan_id, *items, **changes)
        return (await self.node.steps.authorizations.requesting.request(call, command))[0]

    async def ask(self, holder: Holder, *items: AskedItem, **changes: Any) -> Authorization:
        """Scan a fresh code of a holder and ask."""
        code = await holder.present()
        scanned = await self.counter.scan(code)
        assert scanned.answer.outcome.name == "VALID", scanned.answer.outcome
        return await self.request(scanned.answer.scan_id, *items, **changes)

    async def get(self, authorization_id: str) -> Authorization:
        call = call_of(self.caller, "GetAuthorization", authorization_id)
        return await self.node.steps.authorizations.reading.get_for_party(call, authorization_id)

    def fetch_call(self, authorization_id: str, **changes: Any) -> tuple[Call, FetchCommand]:
        values: dict[str, Any] = {
            "biz_serial": serial("use"),
            "authorization_id": authorization_id,
            "item_no": 1,
            "matter_code": MATTER,
        }
        command = FetchCommand(**{**values, **changes})
        caller = changes.pop("caller", self.caller)
        return call_of(caller, "FetchLicense", command), command

    async def fetch(self, authorization_id: str, **changes: Any) -> Received:
        """Fetch a licence and open it with the application's own key."""
        call, command = self.fetch_call(authorization_id, **changes)
        async with self.node.steps.authorizations.fetching.fetch(call, command) as pieces:
            received = [piece async for piece in pieces]
        return self.open(received)

    def open(self, pieces: Sequence[Any]) -> Received:
        header, *chunks, end = pieces
        assert isinstance(header, DeliveryHeader)
        assert isinstance(end, DeliveryEnd)
        assert all(isinstance(chunk, DeliveryChunk) for chunk in chunks)
        plain = open_envelope(select_backend(), self.key.to_scalar(), header.sealed_content, header.use_id.encode())
        content = licensev1.LicenseContent.FromString(plain)
        document = b"".join(
            gcm_open(
                content.content_key,
                chunk_nonce(chunk.chunk_no),
                chunk.data,
                chunk_aad(header.use_id, chunk.chunk_no, header.chunk_count),
            )
            for chunk in chunks
        )
        return Received(header=header, content=content, chunks=tuple(chunks), document=document, delivery=end.evidence)


@dataclass
class DecidingHolder:
    """A holder who is asked."""

    holder: Holder
    who: SyntheticPerson = field(default_factory=person)
    uscc: str | None = None

    @property
    def node(self) -> NodeInMemory:
        return self.holder.node

    @property
    def _steps(self) -> Any:
        return self.node.steps.authorizations

    async def view(self, authorization_id: str) -> HolderView:
        call = call_of(self.holder.app.caller, "GetAuthorization", authorization_id)
        view: HolderView = await self._steps.reading.get_for_holder(
            call, session_token=self.holder.token, authorization_id=authorization_id
        )
        return view

    async def locate(self, authorization_id: str) -> Sequence[tuple[int, LicensePlace]]:
        call = call_of(self.holder.app.caller, "LocateLicenses", authorization_id)
        places: Sequence[tuple[int, LicensePlace]] = await self._steps.locating.locate(
            call, session_token=self.holder.token, authorization_id=authorization_id
        )
        return places

    async def step_up(self, authorization_id: str, *item_nos: int) -> tuple[BegunStepUp, FinishedCheck]:
        """Begin a stronger check for items and finish it on the device."""
        call = call_of(self.holder.app.caller, "BeginStepUp", authorization_id, item_nos)
        begun: BegunStepUp = await self._steps.deciding.begin_step_up(
            call, session_token=self.holder.token, authorization_id=authorization_id, item_nos=item_nos
        )
        return begun, self.finish(begun)

    def finish(self, begun: BegunStepUp) -> FinishedCheck:
        identification_id = begun.begun.identification_id
        blob = device_kit_blob(
            identification_id=identification_id,
            id_number=self.who.id_number,
            secret=self.who.secret,
            uscc=self.uscc,
        )
        return FinishedCheck(identification_id=identification_id, provider_blob=blob)

    async def decide_call(
        self,
        authorization_id: str,
        *,
        granted: Collection[int] = (1,),
        confirmed: Collection[int] = (),
        places: Mapping[int, str] | None = None,
        digest: bytes = b"",
        check: FinishedCheck | None = None,
        view: HolderView | None = None,
        mandate_id: str = "",
        biz_serial: str = "",
        token: str = "",
        device: Any = None,
    ) -> tuple[Call, DecideCommand]:
        shown = view or await self.view(authorization_id)
        number = biz_serial or serial("decide")
        page = authorizationv1.ConsentPage(
            notice_version=shown.page.version,
            notice_text=shown.page.text,
            notice_hash=shown.page.text_hash,
        )
        proof = (device or self.holder.device).prove_decide(
            session_token=self.holder.token,
            authorization_id=authorization_id,
            page=page,
            granted=granted,
            confirmed=confirmed,
            places=places,
            step_up_digest=digest,
            mandate_id=mandate_id,
            biz_serial=number,
        )
        command = DecideCommand(
            biz_serial=number,
            session_token=token or self.holder.token,
            proof=holder_proof_from_proto(proof),
            check=check,
        )
        return call_of(self.holder.app.caller, "DecideAuthorization", command), command

    async def decide(self, authorization_id: str, **wish: Any) -> Authorization:
        call, command = await self.decide_call(authorization_id, **wish)
        decided: Authorization = (await self._steps.deciding.decide(call, command))[0]
        return decided

    async def grant_sensitive(self, authorization_id: str, *item_nos: int, **wish: Any) -> Authorization:
        """Grant items with a word of their own and a stronger check."""
        begun, check = await self.step_up(authorization_id, *item_nos)
        return await self.decide(
            authorization_id, granted=item_nos, confirmed=item_nos, digest=begun.digest, check=check, **wish
        )

    async def deny(self, authorization_id: str) -> Authorization:
        return await self.decide(authorization_id, granted=())

    async def withdraw(self, authorization_id: str, *, biz_serial: str = "", device: Any = None) -> Authorization:
        number = biz_serial or serial("withdraw")
        proof = (device or self.holder.device).prove_withdraw(
            session_token=self.holder.token, authorization_id=authorization_id, biz_serial=number
        )
        withdrawn: Authorization = (
            await self._steps.withdrawing.withdraw(
                call_of(self.holder.app.caller, "WithdrawAuthorization", number, proof.SerializeToString()),
                biz_serial=number,
                session_token=self.holder.token,
                proof=holder_proof_from_proto(proof),
            )
        )[0]
        return withdrawn

    async def give_mandate(
        self,
        agent: "DecidingHolder",
        *,
        matter_codes: Sequence[str] = (MATTER,),
        license_types: Sequence[str] = (BIRTH,),
        start: timedelta = timedelta(),
        lasts: timedelta = timedelta(days=30),
        biz_serial: str = "",
        check: FinishedCheck | None = None,
        with_check: bool = True,
        device: Any = None,
        agent_account_id: str = "",
    ) -> Mandate:
        """Give a mandate as the entity's representative."""
        number, now = biz_serial or serial("mandate"), self.node.clock.now()
        proof = (device or self.holder.device).prove_give_mandate(
            session_token=self.holder.token,
            agent_account_id=agent_account_id or agent.holder.account.account_id,
            matter_codes=matter_codes,
            license_types=license_types,
            start_time=now + start,
            end_time=now + start + lasts,
            biz_serial=number,
        )
        if check is None and with_check:
            _, check = await self.step_up("")
        given: Mandate = (
            await self._steps.mandating.give(
                call_of(self.holder.app.caller, "GiveMandate", number, proof.SerializeToString()),
                biz_serial=number,
                session_token=self.holder.token,
                proof=holder_proof_from_proto(proof),
                check=check,
            )
        )[0]
        return given

    async def cancel_mandate(self, mandate_id: str, *, device: Any = None) -> Mandate:
        number = serial("mandate-end")
        proof = (device or self.holder.device).prove_cancel_mandate(
            session_token=self.holder.token, mandate_id=mandate_id, biz_serial=number
        )
        cancelled: Mandate = (
            await self._steps.mandating.cancel(
                call_of(self.holder.app.caller, "CancelMandate", number, proof.SerializeToString()),
                biz_serial=number,
                session_token=self.holder.token,
                proof=holder_proof_from_proto(proof),
            )
        )[0]
        return cancelled

    async def list_mandates(self) -> Sequence[Mandate]:
        call = call_of(self.holder.app.caller, "ListMandates")
        mandates: Sequence[Mandate] = await self._steps.mandating.list_mandates(call, session_token=self.holder.token)
        return mandates

    async def scan_scene(self, code_text: str, *, biz_serial: str = "") -> Authorization:
        number = biz_serial or serial("scene")
        call = call_of(self.holder.app.caller, "ScanSceneCode", number, code_text)
        asked: Authorization = (
            await self._steps.scene_scanning.scan(
                call, biz_serial=number, session_token=self.holder.token, code_text=code_text
            )
        )[0]
        return asked

    async def list_authorizations(self) -> Sequence[Authorization]:
        call = call_of(self.holder.app.caller, "ListAuthorizations")
        page = await self._steps.reading.list_authorizations(
            call, session_token=self.holder.token, page_size=50, page_token=""
        )
        found: Sequence[Authorization] = page.authorizations
        return found

    async def list_uses(self, authorization_id: str = "") -> Sequence[Any]:
        call = call_of(self.holder.app.caller, "ListLicenseUses", authorization_id)
        page = await self._steps.reading.list_uses(
            call, session_token=self.holder.token, authorization_id=authorization_id, page_size=50, page_token=""
        )
        uses: Sequence[Any] = page.uses
        return uses

    async def export(self, authorization_id: str) -> ExportedAuthorization:
        call = call_of(self.holder.app.caller, "ExportAuthorization", authorization_id)
        exported: ExportedAuthorization = await self._steps.reading.export(
            call, authorization_id=authorization_id, session_token=self.holder.token
        )
        return exported


@dataclass
class LicenceSystem:
    """A licence system that delivers by a channel of its own, and asks its node (grant-only mode)."""

    node: NodeInMemory
    name: str = "licence-system"

    @property
    def caller(self) -> Caller:
        return Caller(caller_class=CallerClass.LICENCE, name=self.name)

    async def introspect(self, grant: bytes, presenter: str) -> Introspection:
        call = call_of(self.caller, "IntrospectGrant", grant, presenter)
        return await self.node.steps.authorizations.checking.introspect(call, grant=grant, presenter_app_id=presenter)

    async def report(self, grant: bytes, presenter: str, use_state: Any, *, biz_serial: str, item_no: int = 1) -> Any:
        call = call_of(self.caller, "ReportGrantUse", biz_serial, use_state)
        return await self.node.steps.authorizations.checking.report(
            call,
            biz_serial=biz_serial,
            grant=grant,
            presenter_app_id=presenter,
            item_no=item_no,
            use_state=use_state,
        )


@dataclass(frozen=True, kw_only=True)
class Regions:
    """A holder and code of Wuhan, a counter in Beijing, licences in Shanghai (and an index of them in Wuhan)."""

    federation: FederationInMemory
    home: NodeInMemory
    visited: NodeInMemory
    licensing: NodeInMemory
    counter: AskingCounter
    holder: DecidingHolder


async def asking_counter(node: NodeInMemory, *, uscc: str = USCC, **matter_changes: Any) -> AskingCounter:
    """Furnish a node with a counter that may ask for licences in the usual matter."""
    counter = AskingCounter(await furnish(node, uscc=uscc))
    await stock(node)
    await register_matter(node, counter.counter.app_id, **matter_changes)
    await counter.register_key()
    return counter


async def deciding_holder(node: NodeInMemory, name: str = "张样例") -> DecidingHolder:
    """Open the account of a synthetic person at a node whose catalogue has the types."""
    who = person(name)
    await stock(node)
    return DecidingHolder(await MobileApp(node).open_account(who), who)


async def deciding_entity(node: NodeInMemory, *, uscc: str = USCC, representative: str = "李示范") -> DecidingHolder:
    """Open the account of a synthetic company, on the device of its legal representative."""
    who = person(representative)
    await stock(node)
    return DecidingHolder(await MobileApp(node).open_account(who, uscc=uscc), who, uscc)


def know_by_mark_alone(node: NodeInMemory, name: str = "张样例") -> None:
    """Let a node's identity provider confirm a person by an opaque mark, as a network identity service does."""
    known = node.provider.subjects
    people = {number: replace(one, mid_only=True) if one.name == name else one for number, one in known.people.items()}
    node.provider.subjects = replace(known, people=people)


def change_company(node: NodeInMemory, uscc: str = USCC, **changes: Any) -> None:
    """Change what the register says of a company."""
    known = node.provider.subjects
    companies = {number: replace(one, **changes) if number == uscc else one for number, one in known.companies.items()}
    node.provider.subjects = replace(known, companies=companies)


async def scene_code(counter: AskingCounter, *, matter_code: str = MATTER) -> str:
    """Register a place of a counter, and make the code that hangs there."""
    desk = OperatorDesk(counter.node)
    number = serial("place")
    placed, _ = await desk.registry.register_placed_subject(
        desk.call("RegisterPlaced", number),
        number,
        subject_kind=SubjectKind.THING,
        name="1 号窗口",
        app_id=counter.counter.app_id,
        matter_code=matter_code,
    )
    return (await desk.place_code(placed.account_id)).code_text


async def told(node: NodeInMemory, app_id: str, kind: type[K]) -> list[K]:
    """What an application was told of one kind, in order."""
    events = await node.database.read(lambda tx: tx.events.after(app_id, position=0, limit=1000))
    return [event.kind for event in events if isinstance(event.kind, kind)]


def bytes_between(federation: FederationInMemory) -> bytes:
    """All bytes that passed from node to node."""
    passed = [question.request for question in federation.questions] + federation.answers
    for _, _, piece in federation.pieces:
        match piece:
            case DeliveryHeader():
                passed.append(piece.sealed_content)
            case DeliveryChunk():
                passed.append(piece.data)
            case DeliveryEnd():
                passed.append(piece.evidence)
    return b"\n\x1f\n".join(passed)


async def outbox(federation: FederationInMemory) -> None:
    """Let every node send the withdrawals that wait."""
    for node in federation.nodes.values():
        await node.steps.authorizations.outbox.step()


__all__ = [
    "BIRTH",
    "DRIVING",
    "GRADUATION",
    "LICENCES_FILE",
    "MARRIAGE",
    "MARRIED",
    "MATTER",
    "NAME_AND_BORN",
    "WHOLE_SCOPE",
    "WITH_DOCUMENT",
    "WITH_MOTHER",
    "AccountId",
    "AskingCounter",
    "DecidingHolder",
    "LegalBasis",
    "LicenceSystem",
    "Mandate",
    "Received",
    "Regions",
    "SceneOffer",
    "StatutoryBasis",
    "StatutoryDuty",
    "asking_counter",
    "bytes_between",
    "change_company",
    "deciding_entity",
    "deciding_holder",
    "know_by_mark_alone",
    "matter",
    "outbox",
    "register_matter",
    "replace",
    "scene_code",
    "stock",
    "told",
]
