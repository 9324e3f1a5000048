"""Those who call a node's steps direct, as tests play them: operators, holders with a back end, counters."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import timedelta
from typing import Any

from govcode_client.device import HolderDevice
from govcode_node.domain.accounts import Account, AccountId, Relation, RelationKind, Session
from govcode_node.domain.audit import AuditAction, AuditRecord
from govcode_node.domain.callers import Call, Caller, OperatorRole
from govcode_node.domain.codes import CodeMode, CodeProfile, SubjectKind, TerminalType
from govcode_node.domain.digests import sm3
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.issued_codes import CodeWish, IssuedCode, StoredCode
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.scans import ScanAct, ScanRow
from govcode_node.domain.scenes import Scene, SceneClass
from govcode_node.ports.security import HolderProof
from govcode_node.providers.identity.local_kit import device_kit_blob
from govcode_node.usecases.accounts import ClosedAccount, IdentifiedCommand, OpenedSession
from govcode_node.usecases.code_lifecycle import CodeCommand
from govcode_node.usecases.making import AppliedTicket, ApplyCommand, MakeCommand
from govcode_node.usecases.presentation import PresentCommand, Presented
from govcode_node.usecases.resolving import Resolved
from govcode_node.usecases.scanning import ScanCommand, ScanResult
from govcode_node.wire.holders import holder_proof_from_proto
from kit.federation_in_memory import NodeInMemory
from kit.players import SyntheticPerson, synthetic_people

TERMS = "2026-01"
PERSON, ENTITY, THING, MATTER = SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY, SubjectKind.THING, SubjectKind.MATTER
TRACE = "0af7651916cd43dd8448eb211c80319c"

_serials = itertools.count(1)


def serial(prefix: str = "S") -> str:
    """A serial that was never used before."""
    return f"{prefix}-{next(_serials)}"


def _content(part: object) -> object:
    """All of a part, also what its repr keeps to itself."""
    return asdict(part) if is_dataclass(part) and not isinstance(part, type) else part


def call_of(caller: Caller, method: str, *parts: object, device_id: str = "", trace_id: str = TRACE) -> Call:
    """A call whose request is what the parts say."""
    return Call(
        caller=caller,
        method=f"/govcode.test.v1.Test/{method}",
        request_id=f"request-{next(_serials)}",
        device_id=device_id,
        trace_id=trace_id,
        request_digest=sm3(repr([_content(part) for part in parts]).encode()),
    )


OPERATOR = Caller(caller_class=CallerClass.OPERATOR, name="op-1", roles=frozenset({OperatorRole.BUSINESS}))
AUDITOR = Caller(caller_class=CallerClass.OPERATOR, name="op-2", roles=frozenset({OperatorRole.AUDIT}))


def person(name: str = "张样例") -> SyntheticPerson:
    return synthetic_people()[name]


class OperatorDesk:
    """A business operator of a node."""

    def __init__(self, node: NodeInMemory) -> None:
        self.node = node
        self.registry = node.steps.registry

    def call(self, method: str, *parts: object) -> Call:
        return call_of(OPERATOR, method, *parts)

    async def scene(self, scene_no: int, **rules: Any) -> Scene:
        """Register a scene in force at once, open to every kind of subject."""
        rules.setdefault("scene_class", SceneClass.COUNTER)
        rules.setdefault("subject_kinds", frozenset(SubjectKind))
        rules.setdefault("effective_at", self.node.clock.now())
        scene = Scene(scene_no=scene_no, version=1, name=f"场景{scene_no}", **rules)
        number = serial("scene")
        return (await self.registry.register_scene(self.call("RegisterScene", number), number, scene))[0]

    async def relying_party(self, uscc: str, *, name: str = "政务服务中心") -> str:
        """Register and enable an organisation; its id."""
        number = serial("rp")
        party = RelyingParty(
            relying_party_id="",
            name=name,
            uscc=uscc,
            purpose="政务服务事项办理",
            contact="office@example.invalid",
            state=RegistrationState.APPLIED,
            registered_at=self.node.clock.now(),
        )
        kept, _ = await self.registry.register_relying_party(self.call("RegisterRp", number), number, party)
        for state in (RegistrationState.APPROVED, RegistrationState.ENABLED):
            await self.move_relying_party(kept.relying_party_id, state)
        return kept.relying_party_id

    async def move_relying_party(self, party_id: str, state: RegistrationState) -> RelyingParty:
        number = serial("move")
        call = self.call("MoveRp", number)
        return (await self.registry.move_relying_party(call, number, party_id, target=state, reason="test"))[0]

    async def application(
        self,
        app_id: str,
        *,
        party_id: str,
        kind: ApplicationKind = ApplicationKind.RELYING_PARTY,
        scene_nos: tuple[int, ...] = (1,),
    ) -> Application:
        """Register and enable an application."""
        number = serial("app")
        application = Application(
            app_id=app_id,
            relying_party_id=party_id,
            kind=kind,
            name=app_id,
            scene_nos=scene_nos,
            state=RegistrationState.APPLIED,
            registered_at=self.node.clock.now(),
        )
        await self.registry.register_application(self.call("RegisterApp", number), number, application)
        await self.move_application(app_id, RegistrationState.APPROVED)
        return await self.move_application(app_id, RegistrationState.ENABLED)

    async def move_application(self, app_id: str, state: RegistrationState) -> Application:
        number = serial("move")
        call = self.call("MoveApp", number)
        return (await self.registry.move_application(call, number, app_id, target=state, reason="test"))[0]

    async def scanner(self, device_id: str, *, app_id: str, place: str = "1 号窗口") -> None:
        """Register and enable a reading device."""
        number = serial("scanner")
        scanner = Scanner(
            device_id=device_id,
            app_id=app_id,
            place=place,
            state=RegistrationState.APPLIED,
            registered_at=self.node.clock.now(),
        )
        await self.registry.register_scanner(self.call("RegisterScanner", number), number, scanner)
        await self.move_scanner(device_id, RegistrationState.APPROVED)
        await self.move_scanner(device_id, RegistrationState.ENABLED)

    async def move_scanner(self, device_id: str, state: RegistrationState) -> Scanner:
        number = serial("move")
        call = self.call("MoveScanner", number)
        return (await self.registry.move_scanner(call, number, device_id, target=state, reason="test"))[0]

    async def relation(
        self, presenter: Account, dependant: Account, *, lasts: timedelta = timedelta(days=365)
    ) -> Relation:
        """Register that one presents for the other."""
        number = serial("relation")
        now = self.node.clock.now()
        relation = Relation(
            relation_id="",
            presenter_account_id=presenter.account_id,
            dependant_account_id=dependant.account_id,
            kind=RelationKind.GUARDIAN,
            proof_reference="户口簿 7 号",
            registered_at=now,
            ends_at=now + lasts,
        )
        return (await self.registry.register_relation(self.call("Relate", number), number, relation))[0]

    async def cancel_relation(self, relation: Relation) -> None:
        number = serial("relation")
        call = self.call("CancelRelation", number)
        await self.registry.cancel_relation(call, number, relation.relation_id, reason="test")

    async def place(self, name: str = "江岸区政务大厅", *, kind: SubjectKind = THING) -> AccountId:
        """Register a thing or matter; its account."""
        number = serial("place")
        placed, _ = await self.registry.register_placed_subject(
            self.call("RegisterPlaced", number), number, subject_kind=kind, name=name
        )
        return placed.account_id

    async def place_code(self, account_id: AccountId) -> IssuedCode:
        """Make the static code of a thing or matter."""
        making = self.node.steps.making
        wish = CodeWish(mode=CodeMode.STATIC, terminal_type=TerminalType.PRINTED)
        command = ApplyCommand(biz_serial=serial("apply"), session_token="", account_id=account_id, wish=wish)
        applied, _ = await making.apply(self.call("ApplyCode", command), command)
        make = MakeCommand(
            biz_serial=serial("make"), ticket=applied.ticket, proof=None, carrier=None, profile=None, extension=()
        )
        return (await making.make(self.call("MakeCode", make), make))[0]

    async def audit(self, action: AuditAction | None = None) -> list[AuditRecord]:
        """The audit trail of the node, without recording that it was read."""
        return list(
            await self.node.database.read(
                lambda tx: tx.audit.list_records(
                    start=None,
                    end=None,
                    action=action.value if action is not None else "",
                    biz_serial="",
                    after=None,
                    limit=10_000,
                )
            )
        )


@dataclass
class Holder:
    """A holder with one device and one session at one node."""

    app: "MobileApp"
    device: HolderDevice
    token: str
    session: Session
    account: Account

    @property
    def node(self) -> NodeInMemory:
        return self.app.node

    def present_call(self, **fields: Any) -> tuple[Call, PresentCommand]:
        """The call and command of a presentation; by default of a multi-use MAC code in the APP."""
        number = fields.pop("biz_serial", None) or serial("present")
        token = fields.pop("token", self.token)
        on_behalf_of = fields.pop("on_behalf_of", None)
        fields.setdefault("terminal_type", TerminalType.APP)
        command = PresentCommand(
            biz_serial=number, session_token=token, wish=CodeWish(**fields), on_behalf_of=on_behalf_of
        )
        return call_of(self.app.caller, "PresentCode", command), command

    async def present_fully(self, **fields: Any) -> tuple[Presented, bool]:
        call, command = self.present_call(**fields)
        return await self.node.steps.presentation.present(call, command)

    async def present(self, **fields: Any) -> IssuedCode:
        return (await self.present_fully(**fields))[0].issued

    async def apply(self, **fields: Any) -> AppliedTicket:
        """Ask for a ticket; by default for a printed static code."""
        number = fields.pop("biz_serial", None) or serial("apply")
        fields.setdefault("mode", CodeMode.STATIC)
        fields.setdefault("terminal_type", TerminalType.PRINTED)
        command = ApplyCommand(biz_serial=number, session_token=self.token, account_id=None, wish=CodeWish(**fields))
        return (await self.node.steps.making.apply(call_of(self.app.caller, "ApplyCode", command), command))[0]

    def make_call(self, applied: AppliedTicket, **fields: Any) -> tuple[Call, MakeCommand]:
        """The call and command by which a ticket is redeemed, with the device's proof."""
        number = fields.pop("biz_serial", None) or serial("make")
        device = fields.pop("device", self.device)
        proof: HolderProof | None = self.proof(
            device.prove_make_code(ticket=applied.ticket, nonce=applied.nonce, biz_serial=number)
        )
        proof = fields.pop("proof", proof)
        app = fields.pop("app", self.app)
        command = MakeCommand(
            biz_serial=number,
            ticket=applied.ticket,
            proof=proof,
            carrier=fields.pop("carrier", None),
            profile=fields.pop("profile", None),
            extension=fields.pop("extension", ()),
        )
        return call_of(app.caller, "MakeCode", command), command

    async def redeem(self, applied: AppliedTicket, **fields: Any) -> IssuedCode:
        call, command = self.make_call(applied, **fields)
        return (await self.node.steps.making.make(call, command))[0]

    async def make_static(self, **fields: Any) -> IssuedCode:
        """A printed static code, in the two steps."""
        profile: CodeProfile | None = fields.pop("profile", None)
        return await self.redeem(await self.apply(**fields), profile=profile)

    async def change(self, act: str, code: StoredCode, *, biz_serial: str = "") -> Any:
        """Freeze, unfreeze, replace or revoke a code."""
        command = CodeCommand(
            biz_serial=biz_serial or serial(act), code_id=code.code_id, session_token=self.token, reason="test"
        )
        result, _ = await getattr(self.node.steps.lifecycle, act)(call_of(self.app.caller, act, command), command)
        return result

    async def code(self, code: StoredCode) -> StoredCode:
        call = call_of(self.app.caller, "GetCode", code.code_id)
        return await self.node.steps.lifecycle.get(call, code_id=code.code_id, session_token=self.token)

    async def records(self, *, page_size: int = 100, page_token: str = "") -> Sequence[ScanRow]:
        call = call_of(self.app.caller, "ListRecords")
        page = await self.node.steps.records.list_records(
            call, session_token=self.token, start=None, page_size=page_size, page_token=page_token
        )
        return page.records

    def close_call(self, *, biz_serial: str = "") -> tuple[Call, str, HolderProof]:
        """The call by which the account is closed, its serial, and the device's proof."""
        number = biz_serial or serial("close")
        proof = self.proof(self.device.prove_close_account(session_id=self.session.session_id, biz_serial=number))
        return call_of(self.app.caller, "CloseAccount", number, proof), number, proof

    async def close(self) -> tuple[ClosedAccount, bool]:
        """Close the account."""
        return await self.close_by(*self.close_call())

    async def close_by(self, call: Call, number: str, proof: HolderProof) -> tuple[ClosedAccount, bool]:
        """Close the account by a call made before."""
        return await self.node.steps.accounts.close_account(
            call, biz_serial=number, session_token=self.token, proof=proof
        )

    @staticmethod
    def proof(message: Any) -> HolderProof:
        return holder_proof_from_proto(message)


@dataclass
class MobileApp:
    """A citizen-facing back end of a node."""

    node: NodeInMemory
    app_id: str = "mobile-app"

    @property
    def caller(self) -> Caller:
        return Caller(caller_class=CallerClass.APP, name=self.app_id, kind="holder")

    def device(self) -> HolderDevice:
        return HolderDevice.generate(now=self.node.clock.now)

    async def identified(
        self, who: SyntheticPerson, *, uscc: str | None = None, secret: str | None = None
    ) -> tuple[str, bytes]:
        """Begin an identification and let the device kit finish its part."""
        begun = await self.node.steps.accounts.begin_identification(ENTITY if uscc else PERSON)
        blob = device_kit_blob(
            identification_id=begun.identification_id,
            id_number=who.id_number,
            secret=who.secret if secret is None else secret,
            uscc=uscc,
        )
        return begun.identification_id, blob

    def command_call(self, act: str, command: IdentifiedCommand) -> Call:
        parts = (command.biz_serial, command.identification_id, command.provider_blob, command.proof)
        return call_of(self.caller, act, *parts)

    async def open_command(
        self,
        who: SyntheticPerson,
        device: HolderDevice,
        *,
        uscc: str | None = None,
        secret: str | None = None,
        terms: str = TERMS,
    ) -> IdentifiedCommand:
        identification_id, blob = await self.identified(who, uscc=uscc, secret=secret)
        number = serial("open")
        proof = device.prove_open_account(identification_id=identification_id, biz_serial=number, terms_version=terms)
        return IdentifiedCommand(
            biz_serial=number,
            identification_id=identification_id,
            provider_blob=blob,
            proof=holder_proof_from_proto(proof),
        )

    async def open_account(self, who: SyntheticPerson | None = None, *, uscc: str | None = None) -> Holder:
        """Open the account of a person, or that of the company for which the person acts."""
        device = self.device()
        command = await self.open_command(who or person(), device, uscc=uscc)
        opened, _ = await self.node.steps.accounts.open_account(self.command_call("OpenAccount", command), command)
        return self.holder(device, opened)

    def holder(self, device: HolderDevice, opened: OpenedSession) -> Holder:
        return Holder(self, device, opened.token, opened.session, opened.account)

    async def session_command(self, who: SyntheticPerson, device: HolderDevice) -> IdentifiedCommand:
        identification_id, blob = await self.identified(who)
        number = serial("session")
        proof = device.prove_open_session(identification_id=identification_id, biz_serial=number)
        return IdentifiedCommand(
            biz_serial=number,
            identification_id=identification_id,
            provider_blob=blob,
            proof=holder_proof_from_proto(proof),
        )

    async def open_session(self, who: SyntheticPerson, device: HolderDevice) -> Holder:
        """Open a further session on the bound device, through this application."""
        command = await self.session_command(who, device)
        opened, _ = await self.node.steps.accounts.open_session(self.command_call("OpenSession", command), command)
        return self.holder(device, opened)

    async def bind_command(self, who: SyntheticPerson, device: HolderDevice) -> IdentifiedCommand:
        identification_id, blob = await self.identified(who)
        number = serial("bind")
        proof = device.prove_bind_device(identification_id=identification_id, biz_serial=number)
        return IdentifiedCommand(
            biz_serial=number,
            identification_id=identification_id,
            provider_blob=blob,
            proof=holder_proof_from_proto(proof),
        )

    async def bind_device(self, who: SyntheticPerson, device: HolderDevice) -> tuple[Holder, OpenedSession]:
        """Move the account to a new device."""
        command = await self.bind_command(who, device)
        opened, _ = await self.node.steps.accounts.bind_device(self.command_call("BindDevice", command), command)
        return self.holder(device, opened), opened


@dataclass
class Counter:
    """A relying party's system at a node."""

    node: NodeInMemory
    app_id: str
    party_id: str
    uscc: str
    caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        self.caller = Caller(caller_class=CallerClass.APP, name=self.app_id, kind="relying_party")

    def scan_call(self, code_text: str, **fields: Any) -> tuple[Call, ScanCommand]:
        device_id = fields.pop("device_id", "")
        caller = fields.pop("caller", self.caller)
        trace_id = fields.pop("trace_id", TRACE)
        fields.setdefault("act", ScanAct.SCAN)
        fields.setdefault("scene_no", 1)
        fields["biz_serial"] = fields.get("biz_serial") or serial("scan")
        command = ScanCommand(code_text=code_text, **fields)
        return call_of(caller, "ScanCode", command, device_id=device_id, trace_id=trace_id), command

    async def scan(self, code: IssuedCode | str, **fields: Any) -> ScanResult:
        call, command = self.scan_call(code if isinstance(code, str) else code.code_text, **fields)
        return await self.node.steps.scanning.scan(call, command)

    async def verify(self, code: IssuedCode | str, **fields: Any) -> ScanResult:
        return await self.scan(code, act=ScanAct.VERIFY, **fields)

    async def resolve(self, scan_id: str, *names: FieldName | str) -> Resolved:
        call = call_of(self.caller, "ResolveCode", scan_id, names)
        return await self.node.steps.resolving.resolve(call, scan_id=scan_id, field_names=names)


USCC = "91420100MA9TEXT198"
OTHER_USCC = "91310000MA9TEXT273"


async def furnish(node: NodeInMemory, *, uscc: str = USCC, app_id: str = "counter-app", **scene: Any) -> Counter:
    """Give a node scene 1 and a relying party with one application for it."""
    desk = OperatorDesk(node)
    await desk.scene(1, **scene)
    party_id = await desk.relying_party(uscc)
    await desk.application(app_id, party_id=party_id)
    return Counter(node, app_id, party_id, uscc)


def masked(*names: FieldName) -> tuple[FieldRule, ...]:
    return tuple(FieldRule(name) for name in names)
