"""The fake node's code services."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from govcode.code.v1 import account_pb2, event_pb2, scan_pb2, service_code_pb2, statement_pb2
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_application_service_pb2_grpc as appv1_grpc
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import code_base_service_pb2_grpc as basev1_grpc
from govcode.common.v1 import subject_pb2

from govcode_client.sm2 import key_id_of
from govcode_client.testing._refusals import RefusedError
from govcode_client.testing._world import Code, FakeWorld, digest, stamp, verdict_of

_IDENTIFICATION_LIFE = timedelta(minutes=5)
_HEARTBEAT = 10.0


class FakeApplicationServicer(appv1_grpc.CodeApplicationServiceServicer):
    """码应用服务 of the fake node."""

    def __init__(self, world: FakeWorld) -> None:
        """It works on a world."""
        self._world = world

    def BeginIdentification(self, request: Any, context: Any) -> Any:
        """It begins an identification."""
        identification_id = uuid.uuid4().hex
        self._world.identified[identification_id] = str(request.subject_kind)
        return appv1.BeginIdentificationResponse(
            identification_id=identification_id,
            provider_challenge=b"fake",
            provider="fake",
            expire_time=stamp(self._world.now() + _IDENTIFICATION_LIFE),
        )

    def OpenAccount(self, request: Any, context: Any) -> Any:
        """It opens an account for a person of the fake node."""
        world = self._world
        statement = world.proved(request.proof, statement_pb2.OpenAccountStatement)
        kind = int(world.identified.get(request.identification.identification_id, "0"))
        name = world.identify(request.identification)
        if world.account_of(name) is not None:
            raise RefusedError("ALREADY_OPEN")
        if not statement.terms_version:
            raise RefusedError("TERMS_NOT_ACCEPTED")
        account = world.open_account(
            name, statement.device_public_key, kind=kind, terms_version=statement.terms_version
        )
        return appv1.OpenAccountResponse(account=account.account, session=world.open_session(account))

    def OpenSession(self, request: Any, context: Any) -> Any:
        """It opens a session on the bound device."""
        world = self._world
        account = world.account_of(world.identify(request.identification))
        if account is None:
            raise RefusedError("ACCOUNT_NOT_FOUND")
        if request.proof.device_key_id != key_id_of(account.device_point):
            raise RefusedError("DEVICE_NOT_BOUND")
        world.proved(request.proof, statement_pb2.OpenSessionStatement, account.device_point)
        return appv1.OpenSessionResponse(session=world.open_session(account))

    def BindDevice(self, request: Any, context: Any) -> Any:
        """It moves an account to another device."""
        world = self._world
        statement = world.proved(request.proof, statement_pb2.BindDeviceStatement)
        account = world.account_of(world.identify(request.identification))
        if account is None:
            raise RefusedError("ACCOUNT_NOT_FOUND")
        ended = [session for session in account.sessions.values() if not session.HasField("end_time")]
        for session in ended:
            session.end_time.CopyFrom(stamp(world.now()))
        account.device_point = statement.device_public_key
        return appv1.BindDeviceResponse(session=world.open_session(account), ended_sessions=len(ended))

    def CloseAccount(self, request: Any, context: Any) -> Any:
        """It closes an account; its codes are revoked."""
        world = self._world
        account, _ = world.session(request.session_token)
        world.proved(request.proof, statement_pb2.CloseAccountStatement, account.device_point)
        codes = [code for code in world.codes.values() if code.account_id == account.account.account_id]
        for code in codes:
            code.state = service_code_pb2.CODE_STATE_REVOKED
        for session in account.sessions.values():
            session.end_time.CopyFrom(stamp(world.now()))
        account.account.state = account_pb2.ACCOUNT_STATE_CLOSED
        world.tell(account.account.account_id, account_closed=event_pb2.AccountClosed())
        return appv1.CloseAccountResponse(account=account.account, revoked_codes=len(codes))

    def ListSessions(self, request: Any, context: Any) -> Any:
        """It lists the sessions of the account."""
        account, _ = self._world.session(request.session_token)
        listed = []
        for session in reversed(account.sessions.values()):
            shown = account_pb2.Session()
            shown.CopyFrom(session)
            shown.ClearField("session_token")
            listed.append(shown)
        return appv1.ListSessionsResponse(sessions=listed)

    def CloseSession(self, request: Any, context: Any) -> Any:
        """It ends a session."""
        account, own = self._world.session(request.session_token)
        wanted = request.session_id or own.session_id
        for session in account.sessions.values():
            if session.session_id == wanted:
                session.end_time.CopyFrom(stamp(self._world.now()))
                return appv1.CloseSessionResponse(session=session)
        raise RefusedError("SESSION_NOT_FOUND")

    def PresentCode(self, request: Any, context: Any) -> Any:
        """It presents a code; one that was not scanned yet is shown again."""
        world = self._world
        account, _ = world.session(request.session_token)
        if request.terminal_type == service_code_pb2.TERMINAL_TYPE_UNSPECIFIED:
            raise RefusedError("INVALID_FIELD", fields={"terminal_type": "is required"})
        if request.on_behalf_of_account_id and request.on_behalf_of_account_id not in world.accounts:
            raise RefusedError("RELATION_NOT_PROVEN")
        subject = world.accounts.get(request.on_behalf_of_account_id, account)
        code = world.issue(subject, one_time=request.one_time, proxy=subject is not account)
        return appv1.PresentCodeResponse(code=code.code)

    def ScanCode(self, request: Any, context: Any) -> Any:
        """It judges a code, consumes it, and tells its holder."""
        world = self._world
        outcome, code = world.judge(request.code_text)
        answer = self._answer(request, outcome, code, act=scan_pb2.SCAN_ACT_SCAN)
        if code is not None:
            account = world.accounts[code.account_id]
            if outcome == "VALID":
                name = subject_pb2.DisclosedField(name="name", value=account.name[:1] + "*", masked=True)
                answer.fields.append(name)
                if code.code.one_time:
                    code.state = service_code_pb2.CODE_STATE_CONSUMED
            self._record(account, answer, place=request.place)
        return appv1.ScanCodeResponse(
            verdict=verdict_of(outcome),
            answer=answer,
            evidence=world.sign("SCAN_ANSWER", answer),
            home_region_name="模拟市",
        )

    def ScanSceneCode(self, request: Any, context: Any) -> Any:
        """It asks for what a scene code of `FakeNode.scene_code` is for."""
        account, _ = self._world.session(request.session_token)
        if not request.code_text.startswith("ZWM1"):
            raise RefusedError("CODE_MALFORMED")
        asked = self._world.scene_codes.get(request.code_text)
        if asked is None:
            raise RefusedError("SCENE_CODE_INVALID")
        return appv1.ScanSceneCodeResponse(authorization=asked(account.account.account_id))

    def ListRecords(self, request: Any, context: Any) -> Any:
        """It lists the uses, newest first, in pages."""
        account, _ = self._world.session(request.session_token)
        begin, size = int(request.page_token or "0"), request.page_size or 50
        newest = account.records[::-1]
        more = begin + size < len(newest)
        return appv1.ListRecordsResponse(
            records=newest[begin : begin + size], next_page_token=str(begin + size) if more else ""
        )

    def WatchEvents(self, request: Any, context: Any) -> Iterator[Any]:
        """It streams events from a cursor on."""
        world = self._world
        with world.changed:
            at, breaks = _position(world, request.cursor), world.stream_breaks
        yield appv1.WatchEventsResponse(event=event_pb2.Event(cursor=f"c{at}", heartbeat=event_pb2.Heartbeat()))
        while context.is_active():
            with world.changed:
                fresh = world.events[at:]
                if not fresh and world.stream_breaks == breaks and not world.closed:
                    world.changed.wait(_HEARTBEAT)
                    fresh = world.events[at:]
                broken = world.closed or world.stream_breaks != breaks
            # What happened before the break is still told, as far as the network would let it.
            if broken:
                raise RefusedError("DRAINING", retry_after=0.05)
            for event in fresh:
                at += 1
                yield appv1.WatchEventsResponse(event=event)
            if not fresh:
                yield appv1.WatchEventsResponse(event=event_pb2.Event(cursor=f"c{at}", heartbeat=event_pb2.Heartbeat()))

    def ListEvents(self, request: Any, context: Any) -> Any:
        """It returns events from a cursor on, waiting for the first."""
        world = self._world
        with world.changed:
            at = _position(world, request.cursor)
            if len(world.events) <= at and request.HasField("wait"):
                world.changed.wait(min(request.wait.ToTimedelta().total_seconds(), 30.0))
            events = world.events[at : at + (request.page_size or 100)]
        return appv1.ListEventsResponse(events=events, cursor=f"c{at + len(events)}")

    def _answer(self, request: Any, outcome: str, code: Code | None, *, act: Any) -> scan_pb2.ScanAnswer:
        return make_answer(self._world, request, outcome, code, act=act)

    def _record(self, account: Any, answer: scan_pb2.ScanAnswer, *, place: str) -> None:
        account.records.append(
            scan_pb2.ScanRecord(
                scan_id=answer.scan_id,
                act=answer.act,
                relying_party_name="模拟用码方",
                place=place,
                visited_node_id=self._world.node_id,
                decide_time=answer.decide_time,
                outcome=answer.outcome,
                disclosed_fields=[item.name for item in answer.fields],
                code_id=answer.code_id,
            )
        )
        self._world.tell(
            account.account.account_id,
            code_scanned=event_pb2.CodeScanned(
                code_id=answer.code_id,
                scan_id=answer.scan_id,
                outcome=answer.outcome,
                relying_party_name="模拟用码方",
                place=place,
                visited_node_id=self._world.node_id,
            ),
        )


def _position(world: FakeWorld, cursor: str) -> int:
    if not cursor:
        return len(world.events)
    if not cursor.startswith("c") or not cursor[1:].isdecimal() or int(cursor[1:]) > len(world.events):
        raise RefusedError("CURSOR_INVALID")
    return int(cursor[1:])


def make_answer(world: FakeWorld, request: Any, outcome: str, code: Code | None, *, act: Any) -> scan_pb2.ScanAnswer:
    """It makes the answer to a scan or verification, and remembers it."""
    verdict, now = verdict_of(outcome), world.now()
    answer = scan_pb2.ScanAnswer(
        scan_id=f"sc_{uuid.uuid4().hex}",
        act=act,
        biz_serial=request.biz_serial,
        app_id="fake-app",
        outcome=verdict.outcome,
        decision=verdict.decision,
        decided_by_node_id=world.node_id,
        decide_time=stamp(now),
        valid_until_time=stamp(now + timedelta(seconds=30)),
        scene_no=request.scene_no,
        code_text_digest=digest(request.code_text),
    )
    if code is not None:
        answer.code_id = code.code.code_id
        answer.home_region_code = world.node_id
        answer.proxy = code.code.proxy
        if outcome in {"VALID", "OFFLINE_VALID"}:
            answer.subject_kind = world.accounts[code.account_id].account.subject_kind
        if outcome == "VALID":
            answer.pairwise_id = digest(code.account_id)[:16].hex()
    world.scans[answer.scan_id] = (answer, code.account_id if code is not None else "")
    return answer


class FakeBaseServicer(basev1_grpc.CodeBaseServiceServicer):
    """码基础服务 of the fake node."""

    def __init__(self, world: FakeWorld) -> None:
        """It works on a world."""
        self._world = world
        self._tickets: dict[str, tuple[Any, str, bytes]] = {}

    def ApplyCode(self, request: Any, context: Any) -> Any:
        """It gives a ticket."""
        account, _ = self._world.session(request.session_token)
        ticket, nonce = uuid.uuid4().hex, uuid.uuid4().bytes
        self._tickets[ticket] = (request, account.account.account_id, nonce)
        expire_time = stamp(self._world.now() + timedelta(seconds=60))
        return basev1.ApplyCodeResponse(ticket=ticket, nonce=nonce, expire_time=expire_time)

    def MakeCode(self, request: Any, context: Any) -> Any:
        """It makes the code of a ticket."""
        asked, account_id, nonce = self._tickets.pop(request.ticket, (None, "", b""))
        if asked is None:
            raise RefusedError("TICKET_INVALID")
        account = self._world.accounts[account_id]
        statement = self._world.proved(request.proof, statement_pb2.MakeCodeStatement, account.device_point)
        if (statement.ticket, statement.nonce) != (request.ticket, nonce):
            raise RefusedError("HOLDER_PROOF_INVALID")
        static = asked.code_mode == service_code_pb2.CODE_MODE_STATIC
        return basev1.MakeCodeResponse(code=self._world.issue(account, one_time=asked.one_time, static=static).code)

    def DecodeCode(self, request: Any, context: Any) -> Any:
        """It reads a code of its own."""
        code = self._world.codes.get(request.code_text)
        if code is None:
            raise RefusedError("CODE_MALFORMED")
        content = service_code_pb2.CodeContent(
            version=1,
            profile=service_code_pb2.CODE_PROFILE_MAC,
            code_mode=code.code.code_mode,
            one_time=code.code.one_time,
            test_environment=True,
            region_code=self._world.node_id,
            issue_time=code.code.issue_time,
            code_id=code.code.code_id,
        )
        return basev1.DecodeCodeResponse(content=content, carrier=service_code_pb2.CARRIER_SCREEN)

    def RenderCode(self, request: Any, context: Any) -> Any:
        """It draws nothing: the image is the text."""
        return basev1.RenderCodeResponse(
            image=request.code_text.encode(), media_type="text/plain", symbol_version="fake"
        )

    def VerifyCode(self, request: Any, context: Any) -> Any:
        """It judges a code and consumes nothing."""
        outcome, code = self._world.judge(request.code_text)
        answer = make_answer(self._world, request, outcome, code, act=scan_pb2.SCAN_ACT_VERIFY)
        return basev1.VerifyCodeResponse(
            verdict=verdict_of(outcome), answer=answer, evidence=self._world.sign("SCAN_ANSWER", answer)
        )

    def ResolveCode(self, request: Any, context: Any) -> Any:
        """It gives the name of the subject of a scan."""
        answer, account_id = self._world.scans.get(request.scan_id, (None, ""))
        if answer is None or not account_id:
            raise RefusedError("SCAN_NOT_FOUND")
        if set(request.field_names) - {"name"}:
            raise RefusedError("SCOPE_DENIED")
        name = self._world.accounts[account_id].name
        return basev1.ResolveCodeResponse(
            fields=[subject_pb2.DisclosedField(name="name", value=name)], pairwise_id=answer.pairwise_id
        )

    def GetCode(self, request: Any, context: Any) -> Any:
        """It gives the state of a code."""
        return basev1.GetCodeResponse(code=self._shown(self._code(request)))

    def RevokeCode(self, request: Any, context: Any) -> Any:
        """It revokes a code."""
        code = self._moved(request, service_code_pb2.CODE_STATE_REVOKED)
        return basev1.RevokeCodeResponse(code=self._shown(code, request.reason))

    def FreezeCode(self, request: Any, context: Any) -> Any:
        """It freezes a code."""
        code = self._moved(request, service_code_pb2.CODE_STATE_FROZEN)
        return basev1.FreezeCodeResponse(code=self._shown(code, request.reason))

    def UnfreezeCode(self, request: Any, context: Any) -> Any:
        """It lets a frozen code go on."""
        code = self._moved(request, service_code_pb2.CODE_STATE_ISSUED, before=service_code_pb2.CODE_STATE_FROZEN)
        return basev1.UnfreezeCodeResponse(code=self._shown(code, request.reason))

    def ReplaceCode(self, request: Any, context: Any) -> Any:
        """It replaces a code."""
        old = self._moved(request, service_code_pb2.CODE_STATE_REVOKED)
        made = self._world.issue(self._world.accounts[old.account_id], static=True)
        return basev1.ReplaceCodeResponse(code=made.code, replaced=self._shown(old, request.reason))

    def _code(self, request: Any) -> Code:
        if request.session_token:
            self._world.session(request.session_token)
        for code in self._world.codes.values():
            if code.code.code_id == request.code_id:
                return code
        raise RefusedError("CODE_NOT_FOUND")

    def _moved(self, request: Any, state: Any, *, before: Any = service_code_pb2.CODE_STATE_ISSUED) -> Code:
        code = self._code(request)
        if code.state != before:
            raise RefusedError("CODE_STATE_CONFLICT")
        code.state = state
        return code

    def _shown(self, code: Code, reason: str = "") -> service_code_pb2.ServiceCode:
        return service_code_pb2.ServiceCode(
            code_id=code.code.code_id,
            state=code.state,
            code_mode=code.code.code_mode,
            issue_time=code.code.issue_time,
            reason=reason,
        )
