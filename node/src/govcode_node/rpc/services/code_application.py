"""The code application service (码应用服务, 7.1)."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1.code_application_service_pb2_grpc import CodeApplicationServiceServicer
from typing_extensions import override

from govcode_node.ports.clock import Clock
from govcode_node.rpc.call import current_call
from govcode_node.usecases.accounts import Accounts
from govcode_node.usecases.event_feed import EventFeed
from govcode_node.usecases.presentation import Presentation
from govcode_node.usecases.records import HolderRecords
from govcode_node.usecases.scanning import Scanning
from govcode_node.usecases.scene_scanning import SceneScanning
from govcode_node.wire import checks, events, scans
from govcode_node.wire.accounts import (
    begun_to_proto,
    closed_account_to_proto,
    identified_command_from_proto,
    identified_kind_from_proto,
    opened_account_to_proto,
    session_to_proto,
    session_token_from_proto,
)
from govcode_node.wire.authorizations import authorization_to_holder
from govcode_node.wire.code_requests import present_command_from_proto
from govcode_node.wire.codes import issued_code_to_proto
from govcode_node.wire.holders import holder_proof_from_proto


class CodeApplicationServicer(CodeApplicationServiceServicer):
    """It opens accounts, presents and scans codes, and tells of their uses."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        presentation: Presentation,
        scanning: Scanning,
        scene_scanning: SceneScanning,
        records: HolderRecords,
        feed: EventFeed,
        clock: Clock,
    ) -> None:
        """It serves these steps; the clock says where the authorization of a scene code stands."""
        self._accounts = accounts
        self._presentation = presentation
        self._scanning = scanning
        self._scene_scanning = scene_scanning
        self._records = records
        self._feed = feed
        self._clock = clock

    @override
    async def BeginIdentification(
        self, request: applicationv1.BeginIdentificationRequest, context: object
    ) -> applicationv1.BeginIdentificationResponse:
        subject_kind = identified_kind_from_proto(request.subject_kind)
        return begun_to_proto(await self._accounts.begin_identification(subject_kind))

    @override
    async def OpenAccount(
        self, request: applicationv1.OpenAccountRequest, context: object
    ) -> applicationv1.OpenAccountResponse:
        command = identified_command_from_proto(request)
        opened, replayed = await self._accounts.open_account(current_call(), command)
        return opened_account_to_proto(opened, replayed=replayed)

    @override
    async def CloseAccount(
        self, request: applicationv1.CloseAccountRequest, context: object
    ) -> applicationv1.CloseAccountResponse:
        closed, replayed = await self._accounts.close_account(
            current_call(),
            biz_serial=checks.biz_serial(request.biz_serial),
            session_token=session_token_from_proto(request.session_token),
            proof=holder_proof_from_proto(request.proof),
        )
        return closed_account_to_proto(closed, replayed=replayed)

    @override
    async def OpenSession(
        self, request: applicationv1.OpenSessionRequest, context: object
    ) -> applicationv1.OpenSessionResponse:
        command = identified_command_from_proto(request)
        opened, replayed = await self._accounts.open_session(current_call(), command)
        session = session_to_proto(opened.session, token=opened.token)
        return applicationv1.OpenSessionResponse(session=session, replayed=replayed)

    @override
    async def ListSessions(
        self, request: applicationv1.ListSessionsRequest, context: object
    ) -> applicationv1.ListSessionsResponse:
        token = session_token_from_proto(request.session_token)
        sessions = await self._accounts.list_sessions(current_call(), session_token=token)
        return applicationv1.ListSessionsResponse(sessions=[session_to_proto(session) for session in sessions])

    @override
    async def CloseSession(
        self, request: applicationv1.CloseSessionRequest, context: object
    ) -> applicationv1.CloseSessionResponse:
        session = await self._accounts.close_session(
            current_call(),
            session_token=session_token_from_proto(request.session_token),
            session_id=checks.printable(request.session_id, "session_id", shortest=0),
        )
        return applicationv1.CloseSessionResponse(session=session_to_proto(session))

    @override
    async def BindDevice(
        self, request: applicationv1.BindDeviceRequest, context: object
    ) -> applicationv1.BindDeviceResponse:
        command = identified_command_from_proto(request)
        opened, replayed = await self._accounts.bind_device(current_call(), command)
        return applicationv1.BindDeviceResponse(
            session=session_to_proto(opened.session, token=opened.token),
            ended_sessions=opened.ended_sessions,
            replayed=replayed,
        )

    @override
    async def PresentCode(
        self, request: applicationv1.PresentCodeRequest, context: object
    ) -> applicationv1.PresentCodeResponse:
        command = present_command_from_proto(request)
        presented, replayed = await self._presentation.present(current_call(), command)
        return applicationv1.PresentCodeResponse(
            code=issued_code_to_proto(presented.issued), reused=presented.reused, replayed=replayed
        )

    @override
    async def ScanCode(self, request: applicationv1.ScanCodeRequest, context: object) -> applicationv1.ScanCodeResponse:
        command = scans.scan_command_from_proto(request)
        return scans.scan_result_to_proto(await self._scanning.scan(current_call(), command))

    @override
    async def ScanSceneCode(
        self, request: applicationv1.ScanSceneCodeRequest, context: object
    ) -> applicationv1.ScanSceneCodeResponse:
        asked, replayed = await self._scene_scanning.scan(
            current_call(),
            biz_serial=checks.biz_serial(request.biz_serial),
            session_token=session_token_from_proto(request.session_token),
            code_text=checks.code_text(request.code_text),
        )
        return applicationv1.ScanSceneCodeResponse(
            authorization=authorization_to_holder(asked, now=self._clock.now()), replayed=replayed
        )

    @override
    async def ListRecords(
        self, request: applicationv1.ListRecordsRequest, context: object
    ) -> applicationv1.ListRecordsResponse:
        page = await self._records.list_records(
            current_call(),
            session_token=session_token_from_proto(request.session_token),
            start=scans.record_start_from_proto(request),
            page_size=checks.page_size(request.page_size, default=scans.DEFAULT_RECORDS, most=scans.MAX_RECORDS),
            page_token=checks.page_token(request.page_token),
        )
        return scans.record_page_to_proto(page)

    @override
    async def WatchEvents(
        self, request: applicationv1.WatchEventsRequest, context: object
    ) -> AsyncIterator[applicationv1.WatchEventsResponse]:
        cursor = events.event_cursor_from_proto(request.cursor)
        async with aclosing(self._feed.watch(current_call(), cursor=cursor)) as pages:
            async for page in pages:
                for message in events.event_messages_to_proto(page):
                    yield message

    @override
    async def ListEvents(
        self, request: applicationv1.ListEventsRequest, context: object
    ) -> applicationv1.ListEventsResponse:
        page = await self._feed.list_events(
            current_call(),
            cursor=events.event_cursor_from_proto(request.cursor),
            page_size=checks.page_size(request.page_size, default=events.DEFAULT_EVENTS, most=events.MAX_EVENTS),
            wait=events.event_wait_from_proto(request),
        )
        return events.event_page_to_proto(page)
