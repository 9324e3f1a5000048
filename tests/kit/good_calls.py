"""For each method of the contract a call that would succeed, made anew each time.

A story takes a good call and changes one thing, so that the reason with which it is then refused has no other cause.
"""

import dataclasses
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import evidence_pb2, holder_pb2, scene_pb2, subject_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.operations.v1 import operations_service_pb2 as operationsv1
from govcode.routing.v1 import code_routing_service_pb2 as routingv1
from govcode.security.v1 import audit_service_pb2 as auditv1
from govcode_client.device import HolderDevice
from govcode_node.domain.numbers import complete_citizen_id, complete_uscc
from govcode_node.wire.status import node_status_to_proto
from grpc import aio
from kit.federation import SHANGHAI, WUHAN, Federation, hub_of
from kit.hub_fakes import NodeKit
from kit.nodes import RunningNode
from kit.players import TERMS, Holder, SyntheticPerson, serial
from kit.questions import question

APP: Final = "/govcode.code.v1.CodeApplicationService/"
BASE: Final = "/govcode.code.v1.CodeBaseService/"
ROUTING: Final = "/govcode.routing.v1.CodeRoutingService/"
FEDERATION: Final = "/govcode.federation.v1.FederationService/"
HUB_SERVICE: Final = "/govcode.hub.v1.HubService/"
BUSINESS: Final = "/govcode.business.v1.BusinessManagementService/"
AUDIT: Final = "/govcode.security.v1.AuditService/"
OPERATIONS: Final = "/govcode.operations.v1.OperationsService/"

WEAK: Final = 1
MARKED: Final = 0
"""Stands for people whom the provider names by an opaque mark alone."""
_PEOPLE: Final = 900
_COMPANIES: Final = 60
_WEAK_COMPANIES: Final = 3
Switch = Callable[[], AbstractAsyncContextManager[None]]


@dataclass
class Attempt:
    """A call that is about to be made.

    Attributes:
        node: The node that is called.
        channel: As whom.
        request: What is asked.
        metadata: What goes with it.
        holder: Whose act it is, if it is a holder's.
        meanwhile: What is out of order while the call runs.
        keeps: Tables in which the call may leave something although it is refused.
        field: The field that is wrong, where one is.
    """

    node: RunningNode
    channel: aio.Channel
    request: Any
    metadata: tuple[tuple[str, str], ...] = ()
    holder: Holder | None = None
    meanwhile: Switch | None = None
    keeps: frozenset[str] = frozenset()
    field: str = ""


Company = tuple[SyntheticPerson, str]
"""The legal representative of a synthetic company, and its number."""


def write_people(path: Path) -> tuple[dict[int, list[SyntheticPerson]], list[Company], Path]:
    """Write a file of many synthetic people and companies; return the people by the strength of their check."""
    people: dict[int, list[SyntheticPerson]] = {3: [], WEAK: [], MARKED: []}
    entries = []
    for number in range(_PEOPLE):
        born = date(1960, 1, 1) + timedelta(days=number)
        level = WEAK if number % 10 == 0 else MARKED if number % 50 == 1 else 3
        person = SyntheticPerson(
            name=f"样例{number}",
            id_number=complete_citizen_id(f"420100{born:%Y%m%d}99{number % 10}"),
            phone=f"100{number:08}",
            secret=f"demo-{number:04}",
        )
        people[level].append(person)
        facts = {**dataclasses.asdict(person), "assurance_level": level or 3}
        lines = [f"{key} = {value if isinstance(value, int) else repr(value)}" for key, value in facts.items()]
        marked = ["mid_only = true"] if level == MARKED else []
        entries.append("\n".join(["[[person]]", "synthetic = true", *marked, *lines]))
    companies = [(people[3][number], complete_uscc(f"91420100MA9TEXT{number:02}")) for number in range(_COMPANIES)]
    # They act for their companies, each for one, and for nobody else.
    del people[3][:_COMPANIES]
    for number, (representative, uscc) in enumerate(companies):
        level = WEAK if number < _WEAK_COMPANIES else 3
        entries.append(
            f"[[company]]\nsynthetic = true\nentity_name = '样例公司{uscc}'\nuscc = {uscc!r}\n"
            f"legal_representative = {representative.id_number!r}\nassurance_level = {level}"
        )
    path.write_text("\n\n".join(entries), encoding="utf-8")
    return people, companies, path


@dataclass
class World:
    """A hub, Shanghai and Wuhan, and a node that has no hub.

    Attributes:
        federation: The hub and its nodes.
        lone: A node on its own.
        people: Synthetic people of Wuhan by the strength of their check, each used once.
        companies: Synthetic companies with their legal representatives, each used once; the first are checked weakly.
    """

    federation: Federation
    lone: RunningNode
    people: dict[int, list[SyntheticPerson]]
    companies: list[Company] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.uscc_of = {representative.id_number: uscc for representative, uscc in self.companies}

    @property
    def wuhan(self) -> RunningNode:
        return self.federation.wuhan

    @property
    def shanghai(self) -> RunningNode:
        return self.federation.shanghai

    @property
    def hub(self) -> RunningNode:
        return self.federation.hub

    def number(self) -> int:
        """A number that was never used before."""
        return int(next(self._numbers))

    def person(self, level: int = 3) -> SyntheticPerson:
        """Somebody who has no account."""
        return self.people[level].pop()

    async def holder(self, level: int = 3) -> Holder:
        """Somebody who has just opened an account in Wuhan."""
        return await self.wuhan.holders.open_account(self.person(level))

    async def scene(self, **fields: Any) -> int:
        """A new scene of Wuhan."""
        scene_no = 1000 + self.number()
        await self.wuhan.operator.scene(scene_no, **fields)
        return scene_no

    def pass_time(self, span: timedelta) -> None:
        """Let time pass everywhere alike."""
        for clock in self.federation.clocks.values():
            clock.advance(span)

    def in_seconds(self, seconds: int) -> Timestamp:
        stamp = Timestamp()
        stamp.FromDatetime(self.wuhan.clock.now() + timedelta(seconds=seconds))
        return stamp

    def new_node(self, **changes: Any) -> NodeKit:
        """A city's node that nobody knows yet."""
        node_id = f"{50 + self.number() // 90}{10 + self.number() % 90:02}00"
        clock: Any = self.hub.clock
        return NodeKit(node_id, clock, **changes)

    async def registration_of(self, kit: NodeKit, **changes: Any) -> hubv1.RegisterNodeRequest:
        """What a new node says of itself, signed; any field of it may be another."""
        since = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        keys = tuple(replace(key, starts_at=since) for key in kit.keys)
        statement = replace(kit.registration(), **{"keys": keys, **changes})
        evidence = await kit.signed_registration(statement)
        return hubv1.RegisterNodeRequest(registration=evidence_pb2.Evidence.FromString(evidence))

    async def joining(self, kit: NodeKit) -> NodeKit:
        """Register a node, which then waits for approval."""
        await hub_of(self.hub.as_node(kit.node_id)).RegisterNode(await self.registration_of(kit))
        return kit

    async def joined(self, kit: NodeKit) -> NodeKit:
        """Register and approve a node, and wait until everybody knows it."""
        await self.joining(kit)
        approve = hubv1.ApproveNodeRequest(node_id=kit.node_id, signing_key_id=kit.sign_key_id, prefixes=kit.prefixes)
        await self.federation.everywhere((await self.federation.security.ApproveNode(approve)).bundle_version)
        return kit

    async def suspended(self, kit: NodeKit) -> NodeKit:
        """The same, and suspend it."""
        await self.joined(kit)
        await self.federation.everywhere(await self.federation.suspend(kit.node_id))
        return kit


Make = Callable[[World], Awaitable[Attempt]]
GOOD: Final[dict[str, Make]] = {}


def good(method: str) -> Callable[[Make], Make]:
    """It enters a maker of good calls."""

    def enter(make: Make) -> Make:
        assert method not in GOOD
        GOOD[method] = make
        return make

    return enter


def by_holder(w: World, holder: Holder | None, request: Any) -> Attempt:
    return Attempt(w.wuhan, w.wuhan.as_app("holder-app"), request, holder=holder)


def by_counter(w: World, request: Any) -> Attempt:
    return Attempt(w.wuhan, w.wuhan.as_app("counter-app"), request)


def by_operator(w: World, request: Any) -> Attempt:
    return Attempt(w.wuhan, w.wuhan.as_operator("business-1"), request)


def at_hub(w: World, channel: aio.Channel, request: Any) -> Attempt:
    return Attempt(w.hub, channel, request)


# The code application service.


@good(APP + "BeginIdentification")
async def begin_identification(w: World) -> Attempt:
    kind = subject_pb2.SUBJECT_KIND_PERSON
    return by_holder(w, None, appv1.BeginIdentificationRequest(subject_kind=kind))


@good(APP + "OpenAccount")
async def open_account(w: World) -> Attempt:
    return await opening(w)


async def opening(
    w: World, *, terms: str = TERMS, person: SyntheticPerson | None = None, biz_serial: str = ""
) -> Attempt:
    """Somebody is about to open an account."""
    device = HolderDevice.generate(now=w.wuhan.clock.now)
    identification = await w.wuhan.holders.identify(person or w.person())
    number = biz_serial or serial("open")
    proof = device.prove_open_account(
        identification_id=identification.identification_id, biz_serial=number, terms_version=terms
    )
    request = appv1.OpenAccountRequest(biz_serial=number, identification=identification, proof=proof)
    return by_holder(w, None, request)


@good(APP + "CloseAccount")
async def close_account(w: World) -> Attempt:
    holder, number = await w.holder(), serial("close")
    proof = holder.device.prove_close_account(session_id=holder.session_id, biz_serial=number)
    request = appv1.CloseAccountRequest(biz_serial=number, session_token=holder.token, proof=proof)
    return by_holder(w, holder, request)


@good(APP + "OpenSession")
async def open_session(w: World) -> Attempt:
    holder, number = await w.holder(), serial("session")
    identification = await holder.backend.identify(holder.person)
    return by_holder(w, holder, session_request(holder.device, identification, number))


def session_request(
    device: HolderDevice, identification: holder_pb2.Identification, number: str
) -> appv1.OpenSessionRequest:
    """A device asks for a session."""
    proof = device.prove_open_session(identification_id=identification.identification_id, biz_serial=number)
    return appv1.OpenSessionRequest(biz_serial=number, identification=identification, proof=proof)


@good(APP + "ListSessions")
async def list_sessions(w: World) -> Attempt:
    holder = await w.holder()
    return by_holder(w, holder, appv1.ListSessionsRequest(session_token=holder.token))


@good(APP + "CloseSession")
async def close_session(w: World) -> Attempt:
    holder = await w.holder()
    return by_holder(w, holder, appv1.CloseSessionRequest(session_token=holder.token))


@good(APP + "BindDevice")
async def bind_device(w: World) -> Attempt:
    holder, number = await w.holder(), serial("bind")
    identification = await holder.backend.identify(holder.person)
    device = HolderDevice.generate(now=w.wuhan.clock.now)
    proof = device.prove_bind_device(identification_id=identification.identification_id, biz_serial=number)
    request = appv1.BindDeviceRequest(biz_serial=number, identification=identification, proof=proof)
    return by_holder(w, holder, request)


@good(APP + "PresentCode")
async def present_code(w: World) -> Attempt:
    return presenting(w, await w.holder())


def presenting(w: World, holder: Holder, **fields: Any) -> Attempt:
    """A holder is about to present."""
    fields.setdefault("terminal_type", codev1.TERMINAL_TYPE_APP)
    request = appv1.PresentCodeRequest(biz_serial=serial("present"), session_token=holder.token, **fields)
    return by_holder(w, holder, request)


@good(APP + "ScanCode")
async def scan_code(w: World) -> Attempt:
    return by_counter(w, appv1.ScanCodeRequest(biz_serial=serial("scan"), code_text=await a_code(w), scene_no=1))


async def a_code(w: World) -> str:
    """The text of a fresh code of Wuhan."""
    return str((await (await w.holder()).present()).code.code_text)


@good(APP + "ListRecords")
async def list_records(w: World) -> Attempt:
    holder = await w.holder()
    return by_holder(w, holder, appv1.ListRecordsRequest(session_token=holder.token))


@good(APP + "WatchEvents")
async def watch_events(w: World) -> Attempt:
    return by_holder(w, None, appv1.WatchEventsRequest())


@good(APP + "ListEvents")
async def list_events(w: World) -> Attempt:
    return by_holder(w, None, appv1.ListEventsRequest())


# The code base service.


@good(BASE + "ApplyCode")
async def apply_code(w: World) -> Attempt:
    return applying(w, await w.holder())


def applying(w: World, holder: Holder, **fields: Any) -> Attempt:
    """A holder is about to ask for a ticket, by default for a dynamic code."""
    fields.setdefault("terminal_type", codev1.TERMINAL_TYPE_APP)
    request = basev1.ApplyCodeRequest(biz_serial=serial("apply"), session_token=holder.token, **fields)
    return by_holder(w, holder, request)


@good(BASE + "MakeCode")
async def make_code(w: World) -> Attempt:
    return await making(w, await w.holder())


async def making(w: World, holder: Holder, **fields: Any) -> Attempt:
    """A holder is about to redeem a ticket."""
    ticket = await holder.backend.base.ApplyCode(applying(w, holder, **fields).request)
    return redeeming(w, holder, ticket)


def redeeming(w: World, holder: Holder, ticket: basev1.ApplyCodeResponse) -> Attempt:
    number = serial("make")
    proof = holder.device.prove_make_code(ticket=ticket.ticket, nonce=ticket.nonce, biz_serial=number)
    return by_holder(w, holder, basev1.MakeCodeRequest(biz_serial=number, ticket=ticket.ticket, proof=proof))


@good(BASE + "RenderCode")
async def render_code(w: World) -> Attempt:
    return by_holder(w, None, basev1.RenderCodeRequest(code_text=await a_code(w)))


@good(BASE + "DecodeCode")
async def decode_code(w: World) -> Attempt:
    return by_counter(w, basev1.DecodeCodeRequest(code_text=await a_code(w)))


@good(BASE + "VerifyCode")
async def verify_code(w: World) -> Attempt:
    return by_counter(w, basev1.VerifyCodeRequest(biz_serial=serial("verify"), code_text=await a_code(w), scene_no=1))


@good(BASE + "ResolveCode")
async def resolve_code(w: World) -> Attempt:
    scanned = await w.wuhan.counter.scan(await a_code(w))
    return by_counter(w, basev1.ResolveCodeRequest(scan_id=scanned.answer.scan_id, field_names=["name"]))


async def _on_static(w: World, request: Callable[..., Any]) -> Attempt:
    holder = await w.holder()
    made = await holder.make_static()
    return by_holder(
        w,
        holder,
        request(biz_serial=serial("act"), code_id=made.code.code_id, session_token=holder.token, reason="test"),
    )


@good(BASE + "FreezeCode")
async def freeze_code(w: World) -> Attempt:
    return await _on_static(w, basev1.FreezeCodeRequest)


@good(BASE + "UnfreezeCode")
async def unfreeze_code(w: World) -> Attempt:
    attempt = await _on_static(w, basev1.UnfreezeCodeRequest)
    asked = attempt.request
    freeze = basev1.FreezeCodeRequest(
        biz_serial=serial("act"), code_id=asked.code_id, session_token=asked.session_token, reason="test"
    )
    assert attempt.holder is not None
    await attempt.holder.backend.base.FreezeCode(freeze)
    return attempt


@good(BASE + "ReplaceCode")
async def replace_code(w: World) -> Attempt:
    return await _on_static(w, basev1.ReplaceCodeRequest)


@good(BASE + "RevokeCode")
async def revoke_code(w: World) -> Attempt:
    return await _on_static(w, basev1.RevokeCodeRequest)


@good(BASE + "GetCode")
async def get_code(w: World) -> Attempt:
    holder = await w.holder()
    code = (await holder.present()).code
    return by_holder(w, holder, basev1.GetCodeRequest(code_id=code.code_id, session_token=holder.token))


# Routing, and what nodes ask each other.


@good(ROUTING + "ResolveRoute")
async def resolve_route(w: World) -> Attempt:
    return by_counter(w, routingv1.ResolveRouteRequest(region_code="420106"))


@good(ROUTING + "ListRoutes")
async def list_routes(w: World) -> Attempt:
    return by_counter(w, routingv1.ListRoutesRequest())


@good(ROUTING + "GetTrustBundle")
async def get_trust_bundle(w: World) -> Attempt:
    return by_counter(w, routingv1.GetTrustBundleRequest())


@good(FEDERATION + "GetNode")
async def get_node(w: World) -> Attempt:
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), federationv1.GetNodeRequest())


@good(FEDERATION + "RecognizeCode")
async def recognize_code(w: World) -> Attempt:
    return await asking(w, await a_code(w))


async def asking(w: World, code_text: str, **facts: Any) -> Attempt:
    """Shanghai is about to ask Wuhan."""
    asked = await question(w.shanghai, WUHAN, code_text, **facts)
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), asked)


@good(FEDERATION + "GetRevocationList")
async def get_revocation_list(w: World) -> Attempt:
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), federationv1.GetRevocationListRequest())


# The hub.


@good(HUB_SERVICE + "RegisterNode")
async def register_node(w: World) -> Attempt:
    kit = w.new_node()
    return at_hub(w, w.hub.as_node(kit.node_id), await w.registration_of(kit))


@good(HUB_SERVICE + "ApproveNode")
async def approve_node(w: World) -> Attempt:
    kit = await w.joining(w.new_node())
    request = hubv1.ApproveNodeRequest(node_id=kit.node_id, signing_key_id=kit.sign_key_id, prefixes=kit.prefixes)
    return at_hub(w, w.hub.as_operator("security-1"), request)


@good(HUB_SERVICE + "SuspendNode")
async def suspend_node(w: World) -> Attempt:
    kit = await w.joined(w.new_node())
    request = hubv1.SuspendNodeRequest(node_id=kit.node_id, reason="test")
    return at_hub(w, w.hub.as_operator("security-1"), request)


@good(HUB_SERVICE + "ResolveRoute")
async def resolve_route_at_hub(w: World) -> Attempt:
    return at_hub(w, w.hub.as_node(SHANGHAI), hubv1.ResolveRouteRequest(region_code="420106"))


@good(HUB_SERVICE + "GetTrustBundle")
async def get_trust_bundle_at_hub(w: World) -> Attempt:
    return at_hub(w, w.hub.as_node(SHANGHAI), hubv1.GetTrustBundleRequest())


@good(HUB_SERVICE + "WatchTrustBundle")
async def watch_trust_bundle(w: World) -> Attempt:
    return at_hub(w, w.hub.as_node(SHANGHAI), hubv1.WatchTrustBundleRequest())


@good(HUB_SERVICE + "ReportNodeStatus")
async def report_node_status(w: World) -> Attempt:
    clock: Any = w.hub.clock
    status = node_status_to_proto(NodeKit(SHANGHAI, clock).status())
    return at_hub(w, w.hub.as_node(SHANGHAI), hubv1.ReportNodeStatusRequest(seq=1, status=status))


@good(HUB_SERVICE + "GetNodeStatus")
async def get_node_status_at_hub(w: World) -> Attempt:
    return at_hub(w, w.hub.as_operator("audit-1"), hubv1.GetNodeStatusRequest(node_id=WUHAN))


@good(HUB_SERVICE + "ListNodeStatuses")
async def list_node_statuses(w: World) -> Attempt:
    return at_hub(w, w.hub.as_operator("audit-1"), hubv1.ListNodeStatusesRequest())


@good(HUB_SERVICE + "WatchNodeStatuses")
async def watch_node_statuses(w: World) -> Attempt:
    return at_hub(w, w.hub.as_operator("audit-1"), hubv1.WatchNodeStatusesRequest())


# What operators do.


def a_uscc(number: int) -> str:
    """A well-formed number of an organisation that does not exist."""
    return complete_uscc(f"91420100MA9T{number:05}"[:17])


@good(BUSINESS + "RegisterRelyingParty")
async def register_relying_party(w: World) -> Attempt:
    party = registryv1.RelyingParty(
        name="测试单位", uscc=a_uscc(w.number()), purpose="政务服务事项办理", contact="office@example.invalid"
    )
    return by_operator(w, businessv1.RegisterRelyingPartyRequest(biz_serial=serial("rp"), relying_party=party))


async def a_party(w: World) -> str:
    """An organisation as it stands after its registration."""
    registered = await register_relying_party(w)
    answer = await w.wuhan.operator.stub.RegisterRelyingParty(registered.request)
    return str(answer.relying_party.relying_party_id)


@good(BUSINESS + "ChangeRelyingPartyState")
async def change_relying_party_state(w: World) -> Attempt:
    request = businessv1.ChangeRelyingPartyStateRequest(
        biz_serial=serial("rp"),
        relying_party_id=await a_party(w),
        state=registryv1.REGISTRATION_STATE_APPROVED,
        reason="test",
    )
    return by_operator(w, request)


@good(BUSINESS + "ListRelyingParties")
async def list_relying_parties(w: World) -> Attempt:
    return by_operator(w, businessv1.ListRelyingPartiesRequest())


@good(BUSINESS + "RegisterApplication")
async def register_application(w: World) -> Attempt:
    application = registryv1.Application(
        app_id=f"app-{w.number()}",
        relying_party_id=await a_party(w),
        kind=registryv1.APPLICATION_KIND_RELYING_PARTY,
        name="测试应用",
        scene_nos=[1],
    )
    return by_operator(w, businessv1.RegisterApplicationRequest(biz_serial=serial("app"), application=application))


@good(BUSINESS + "ChangeApplicationState")
async def change_application_state(w: World) -> Attempt:
    registered = (await register_application(w)).request
    await w.wuhan.operator.stub.RegisterApplication(registered)
    request = businessv1.ChangeApplicationStateRequest(
        biz_serial=serial("app"),
        app_id=registered.application.app_id,
        state=registryv1.REGISTRATION_STATE_APPROVED,
        reason="test",
    )
    return by_operator(w, request)


@good(BUSINESS + "ListApplications")
async def list_applications(w: World) -> Attempt:
    return by_operator(w, businessv1.ListApplicationsRequest())


@good(BUSINESS + "RegisterScanner")
async def register_scanner(w: World) -> Attempt:
    scanner = registryv1.Scanner(device_id=f"scanner-{w.number()}", app_id="counter-app", place="1 号窗口")
    return by_operator(w, businessv1.RegisterScannerRequest(biz_serial=serial("scanner"), scanner=scanner))


@good(BUSINESS + "ChangeScannerState")
async def change_scanner_state(w: World) -> Attempt:
    registered = (await register_scanner(w)).request
    await w.wuhan.operator.stub.RegisterScanner(registered)
    request = businessv1.ChangeScannerStateRequest(
        biz_serial=serial("scanner"),
        device_id=registered.scanner.device_id,
        state=registryv1.REGISTRATION_STATE_APPROVED,
        reason="test",
    )
    return by_operator(w, request)


@good(BUSINESS + "ListScanners")
async def list_scanners(w: World) -> Attempt:
    return by_operator(w, businessv1.ListScannersRequest())


@good(BUSINESS + "RegisterScene")
async def register_scene(w: World) -> Attempt:
    scene = registryv1.Scene(
        scene_no=1000 + w.number(),
        name="测试场景",
        scene_class=scene_pb2.SCENE_CLASS_COUNTER,
        subject_kinds=[subject_pb2.SUBJECT_KIND_PERSON],
    )
    return by_operator(w, businessv1.RegisterSceneRequest(biz_serial=serial("scene"), scene=scene))


@good(BUSINESS + "ListScenes")
async def list_scenes(w: World) -> Attempt:
    return by_operator(w, businessv1.ListScenesRequest())


@good(BUSINESS + "RegisterRelation")
async def register_relation(w: World) -> Attempt:
    return relating(w, await w.holder(), await w.holder())


def relating(w: World, presenter: Holder, dependant: Holder) -> Attempt:
    """An operator is about to enter a proven relation."""
    relation = registryv1.Relation(
        presenter_account_id=presenter.account.account_id,
        dependant_account_id=dependant.account.account_id,
        kind=registryv1.RELATION_KIND_FAMILY,
        proof_reference="test",
        end_time=w.in_seconds(86_400),
    )
    return by_operator(w, businessv1.RegisterRelationRequest(biz_serial=serial("relation"), relation=relation))


@good(BUSINESS + "CancelRelation")
async def cancel_relation(w: World) -> Attempt:
    registered = await w.wuhan.operator.stub.RegisterRelation((await register_relation(w)).request)
    relation_id = registered.relation.relation_id
    request = businessv1.CancelRelationRequest(biz_serial=serial("relation"), relation_id=relation_id, reason="test")
    return by_operator(w, request)


@good(BUSINESS + "RegisterPlacedSubject")
async def register_placed_subject(w: World) -> Attempt:
    subject = registryv1.PlacedSubject(subject_kind=subject_pb2.SUBJECT_KIND_THING, name="1 号窗口")
    return by_operator(w, businessv1.RegisterPlacedSubjectRequest(biz_serial=serial("placed"), subject=subject))


@good(AUDIT + "ListAuditEvents")
async def list_audit_events(w: World) -> Attempt:
    return Attempt(w.wuhan, w.wuhan.as_operator("audit-1"), auditv1.ListAuditEventsRequest())


@good(OPERATIONS + "GetNodeStatus")
async def get_node_status(w: World) -> Attempt:
    return Attempt(w.wuhan, w.wuhan.as_operator("audit-1"), operationsv1.GetNodeStatusRequest())


@asynccontextmanager
async def in_order() -> AsyncIterator[None]:
    """Nothing is out of order."""
    yield
