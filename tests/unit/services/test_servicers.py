"""The servicers: every method of the contract is there, the caller decides what may be named, streams let go."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from govcode.authorization.v1 import authorization_service_pb2_grpc as authorization_grpc
from govcode.business.v1 import business_management_service_pb2_grpc as businessv1
from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1 import code_application_service_pb2_grpc as application_grpc
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import code_base_service_pb2_grpc as base_grpc
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.federation.v1 import federation_service_pb2_grpc as federationv1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import hub_service_pb2_grpc as hub_grpc
from govcode.operations.v1 import node_status_pb2 as statusv1
from govcode.operations.v1 import operations_service_pb2_grpc as operationsv1
from govcode.routing.v1 import code_routing_service_pb2_grpc as routingv1
from govcode.security.v1 import audit_service_pb2_grpc as auditv1
from govcode_node.domain.callers import Call, Caller, OperatorRole
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.nodes import NodeCondition, NodeStatus, NodeView
from govcode_node.rpc.call import set_current_call
from govcode_node.rpc.methods import MethodTable
from govcode_node.rpc.services.audit import AuditServicer
from govcode_node.rpc.services.authorization import AuthorizationServicer
from govcode_node.rpc.services.business import BusinessManagementServicer
from govcode_node.rpc.services.code_application import CodeApplicationServicer
from govcode_node.rpc.services.code_base import CodeBaseServicer
from govcode_node.rpc.services.code_routing import CodeRoutingServicer
from govcode_node.rpc.services.federation import FederationServicer
from govcode_node.rpc.services.hub import HubServicer
from govcode_node.rpc.services.operations import OperationsServicer
from govcode_node.usecases.event_feed import EventPage
from govcode_node.usecases.making import AppliedTicket, ApplyCommand
from govcode_node.usecases.pages import Page
from kit.clocks import MovableClock
from kit.hub_fakes import NodeKit

NOTHING: Any = SimpleNamespace()


def call_of(caller_class: CallerClass, **facts: Any) -> Call:
    return Call(caller=Caller(caller_class=caller_class, name="caller", **facts), method="/m", request_id="r")


def test_every_method_of_every_service_is_implemented_asynchronously() -> None:
    table: Any = MethodTable()
    application_grpc.add_CodeApplicationServiceServicer_to_server(
        CodeApplicationServicer(
            accounts=NOTHING,
            presentation=NOTHING,
            scanning=NOTHING,
            scene_scanning=NOTHING,
            records=NOTHING,
            feed=NOTHING,
            clock=NOTHING,
        ),
        table,
    )
    base_grpc.add_CodeBaseServiceServicer_to_server(
        CodeBaseServicer(making=NOTHING, texts=NOTHING, scanning=NOTHING, resolving=NOTHING, lifecycle=NOTHING), table
    )
    routingv1.add_CodeRoutingServiceServicer_to_server(CodeRoutingServicer(routes=NOTHING), table)
    federationv1.add_FederationServiceServicer_to_server(
        FederationServicer(
            node=NOTHING,
            code_schemes=("ZWM1",),
            trust=NOTHING,
            recognition=NOTHING,
            lists=NOTHING,
            requesting=NOTHING,
            questions=NOTHING,
            fetching=NOTHING,
            withdrawing=NOTHING,
            clock=NOTHING,
        ),
        table,
    )
    hub_grpc.add_HubServiceServicer_to_server(HubServicer(registry=NOTHING, board=NOTHING), table)
    businessv1.add_BusinessManagementServiceServicer_to_server(
        BusinessManagementServicer(registrations=NOTHING, keeping=NOTHING, clock=NOTHING), table
    )
    auditv1.add_AuditServiceServicer_to_server(AuditServicer(reading=NOTHING), table)
    operationsv1.add_OperationsServiceServicer_to_server(OperationsServicer(status=NOTHING), table)
    authorization_grpc.add_AuthorizationServiceServicer_to_server(
        AuthorizationServicer(
            requesting=NOTHING,
            reading=NOTHING,
            deciding=NOTHING,
            withdrawing=NOTHING,
            locating=NOTHING,
            fetching=NOTHING,
            checking=NOTHING,
            mandating=NOTHING,
            clock=NOTHING,
        ),
        table,
    )
    assert len(table.services) == 9
    assert len(table.handlers) == 80


@dataclass
class FakeMaking:
    """It hands out a ticket and keeps what was asked."""

    asked: list[ApplyCommand] = field(default_factory=list)

    async def apply(self, call: Call, command: ApplyCommand) -> tuple[AppliedTicket, bool]:
        from datetime import UTC, datetime

        self.asked.append(command)
        return AppliedTicket(ticket="t", nonce=bytes(16), expires_at=datetime(2026, 12, 1, tzinfo=UTC)), False


async def test_an_application_cannot_ask_for_a_ticket_of_a_thing() -> None:
    making = FakeMaking()
    fake: Any = making
    servicer = CodeBaseServicer(making=fake, texts=NOTHING, scanning=NOTHING, resolving=NOTHING, lifecycle=NOTHING)
    request = basev1.ApplyCodeRequest(biz_serial="S-1", account_id="ac_9", terminal_type=codev1.TERMINAL_TYPE_PRINTED)
    set_current_call(call_of(CallerClass.APP, kind="holder"))
    with pytest.raises(InvalidFieldError):
        await servicer.ApplyCode(request, None)
    assert making.asked == []
    set_current_call(call_of(CallerClass.OPERATOR, roles=frozenset({OperatorRole.BUSINESS})))
    assert (await servicer.ApplyCode(request, None)).ticket == "t"
    assert making.asked[0].account_id == "ac_9"


@dataclass
class FakeFeed:
    """It yields pages and tells when its watcher has gone."""

    pages: list[EventPage]
    gone: bool = False

    async def watch(self, call: Call, *, cursor: str) -> AsyncGenerator[EventPage, None]:
        try:
            for page in self.pages:
                yield page
            await asyncio.Event().wait()
        finally:
            self.gone = True


async def test_a_watcher_that_goes_away_gives_its_stream_back() -> None:
    feed = FakeFeed([EventPage(events=(), cursor="e4"), EventPage(events=(), cursor="e5")])
    fake: Any = feed
    servicer = CodeApplicationServicer(
        accounts=NOTHING,
        presentation=NOTHING,
        scanning=NOTHING,
        scene_scanning=NOTHING,
        records=NOTHING,
        feed=fake,
        clock=NOTHING,
    )
    set_current_call(call_of(CallerClass.APP, kind="holder"))
    stream: Any = servicer.WatchEvents(applicationv1.WatchEventsRequest(cursor="e3"), None)
    assert (await anext(stream)).event.cursor == "e4"
    await stream.aclose()
    assert feed.gone


@dataclass
class FakeBoard:
    """It keeps reports; a summary of `bad` is refused."""

    kept: list[NodeStatus | bytes] = field(default_factory=list)

    async def take_report(self, call: Call, report: NodeStatus | bytes) -> None:
        self.kept.append(report)


async def reports(seqs: Iterable[int]) -> AsyncIterator[hubv1.ReportNodeStatusRequest]:
    for seq in seqs:
        yield hubv1.ReportNodeStatusRequest(seq=seq, status=statusv1.NodeStatus(node_id="420100", region_code="420100"))


async def test_each_report_is_acknowledged_after_it_was_kept() -> None:
    board = FakeBoard()
    fake: Any = board
    servicer = HubServicer(registry=SimpleNamespace(bundle_version=7), board=fake)  # type: ignore[arg-type]
    set_current_call(call_of(CallerClass.NODE))
    stream: Any = servicer.ReportNodeStatus(reports([1, 2, 5]), None)
    answers = []
    async for answer in stream:
        answers.append((answer.acknowledged_seq, answer.bundle_version))
        assert len(board.kept) == len(answers)
    assert answers == [(1, 7), (2, 7), (5, 7)]


@pytest.mark.parametrize("act", ["ListNodeStatuses", "WatchNodeStatuses"])
async def test_a_fleet_is_written_in_pieces_between_which_others_get_their_turn(act: str) -> None:
    node = NodeKit("420100", MovableClock()).registered()
    views = [
        NodeView(
            node=node,
            condition=NodeCondition.DOWN,
            last_report_at=None,
            status=None,
            codes_issued=0,
            scans=0,
            cross_region_scans=0,
        )
    ] * 2_000

    async def watch() -> AsyncIterator[Any]:
        yield views

    board: Any = SimpleNamespace(views=lambda **page: Page(items=views), watch=watch)
    servicer = HubServicer(registry=NOTHING, board=board)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    if act == "ListNodeStatuses":
        answer = await servicer.ListNodeStatuses(hubv1.ListNodeStatusesRequest(), None)
    else:
        stream: Any = servicer.WatchNodeStatuses(hubv1.WatchNodeStatusesRequest(), None)
        answer = await anext(stream)
        await stream.aclose()
    task.cancel()
    assert len(answer.nodes) == 2_000
    assert turns >= 20


async def test_a_report_whose_number_does_not_grow_ends_the_stream() -> None:
    board = FakeBoard()
    fake: Any = board
    servicer = HubServicer(registry=SimpleNamespace(bundle_version=7), board=fake)  # type: ignore[arg-type]
    set_current_call(call_of(CallerClass.NODE))
    stream: Any = servicer.ReportNodeStatus(reports([2, 2]), None)
    assert (await anext(stream)).acknowledged_seq == 2
    with pytest.raises(InvalidFieldError):
        await anext(stream)
    assert len(board.kept) == 1
