"""`client.codes`: presenting, scanning, verifying and ending codes, and their events (码应用服务, 码基础服务)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import event_pb2, scan_pb2, service_code_pb2, statement_pb2
from govcode.common.v1 import holder_pb2, verdict_pb2

from govcode_client._core import (
    BlockingArea,
    blocking,
    blocking_iterator,
    duration,
    enum_value,
    pages,
    timestamp,
)
from govcode_client.areas.accounts import AccountActs
from govcode_client.areas.names import APPLICATION, BASE
from govcode_client.areas.watching import resumed
from govcode_client.serials import given_or_new


def accepted(answer: appv1.ScanCodeResponse | basev1.VerifyCodeResponse) -> bool:
    """It tells whether somebody may be let in: only ACCEPT says so, a value from a newer node never does."""
    return answer.verdict.decision == verdict_pb2.DECISION_ACCEPT


class AsyncCodes(AccountActs):
    """Codes: from the holder's phone to the counter. Answers are the messages of the contract."""

    service = BASE

    async def present(
        self,
        *,
        session_token: str,
        scene_no: int = 0,
        terminal_type: int | str = "APP",
        carrier: int | str = "UNSPECIFIED",
        profile: int | str = "UNSPECIFIED",
        one_time: bool = False,
        on_behalf_of_account_id: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> appv1.PresentCodeResponse:
        """It gives the code that a holder shows (亮码), for a holders' back end.

        Call it again when `code.refresh_after` has passed, counted from this answer: until then an unscanned code is
        returned again, and after it a new one takes its place.

        Args:
            session_token: The holder's session.
            scene_no: Scene that the code is for; 0 for any.
            terminal_type: Display: `APP`, `MINI_PROGRAM`, `WEB`, `KIOSK` (one-time only) or `WEARABLE`.
            carrier: `SCREEN`, `PRINTED` or `GUIDE`; by the display where UNSPECIFIED.
            profile: `MAC` (smallest symbol) or `SIGNED` (may be checked while its home is away); by the scene where
                UNSPECIFIED.
            one_time: Good for one use only.
            on_behalf_of_account_id: Account of the dependant for whom it is shown (代亮).
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Returns:
            `code.code_text` is what to draw, `code.expire_time` its end.

        Raises:
            NodeError: SESSION_INVALID, SUBJECT_SUSPENDED, SCENE_UNKNOWN, SCENE_NOT_ALLOWED, TERMINAL_RULE_VIOLATED,
                RELATION_NOT_PROVEN, ASSURANCE_TOO_LOW or another.
            NodeBusyError: RATE_LIMITED or KEY_UNAVAILABLE.
            ClientError: The call failed otherwise; ask again with its `biz_serial`.
        """
        request = appv1.PresentCodeRequest(
            biz_serial=given_or_new(biz_serial, "PRESENT"),
            session_token=session_token,
            scene_no=scene_no,
            terminal_type=_terminal(terminal_type),
            carrier=_carrier(carrier),
            profile=_profile(profile),
            one_time=one_time,
            on_behalf_of_account_id=on_behalf_of_account_id,
        )
        return await self._ask("PresentCode", request, appv1.PresentCodeResponse, timeout=timeout, service=APPLICATION)

    async def scan(
        self,
        *,
        code_text: str,
        scene_no: int,
        place: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> appv1.ScanCodeResponse:
        """It scans a code (扫码) for a relying party (用码方): judges it, consumes a one-time code, tells the holder.

        A code of another region is judged by the node that issued it. The judgement is in the answer and no error: let
        somebody in only where `accepted(answer)` is true. The client's `device_id` names the reading device.

        Args:
            code_text: The text as it was read, 1 to 1,024 characters.
            scene_no: The scene; one that is registered for the application.
            place: Where it was read, for the holder's records, at most 64 characters.
            biz_serial: Serial of the act; made where None. The same serial gives the same answer, with one use.
            timeout: Seconds; the client's where None.

        Returns:
            `verdict` with decision, outcome, advice and texts; `answer` with the disclosed fields and the `scan_id`;
            `evidence`, signed by the node, for the record.

        Raises:
            NodeError: SCENE_UNKNOWN, SCENE_NOT_ALLOWED, DEVICE_UNKNOWN, DEVICE_DISABLED, APP_DISABLED or another.
            NodeBusyError: RATE_LIMITED, STORE_UNAVAILABLE or KEY_UNAVAILABLE; nothing was consumed.
            NodeSilentError: No answer in time; ask again with `error.biz_serial`.
            ClientError: The call failed otherwise.
        """
        request = appv1.ScanCodeRequest(
            biz_serial=given_or_new(biz_serial, "SCAN"), code_text=code_text, scene_no=scene_no, place=place
        )
        return await self._ask("ScanCode", request, appv1.ScanCodeResponse, timeout=timeout, service=APPLICATION)

    async def scan_scene_code(
        self, *, session_token: str, code_text: str, biz_serial: str | None = None, timeout: float | None = None
    ) -> appv1.ScanSceneCodeResponse:
        """It reads a scene or matter code that the holder scanned (主扫): its relying party now asks for licences.

        Args:
            session_token: The holder's session.
            code_text: The text as the phone read it.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Returns:
            The pending authorization; go on with `client.authorizations.get`.

        Raises:
            NodeError: SCENE_CODE_INVALID, CODE_MALFORMED, SCOPE_NOT_REGISTERED, NO_ROUTE, SESSION_INVALID or another.
            NodeBusyError: HOME_NODE_UNREACHABLE: the code's region does not answer.
            ClientError: The call failed otherwise.
        """
        request = appv1.ScanSceneCodeRequest(
            biz_serial=given_or_new(biz_serial, "SCENE"), session_token=session_token, code_text=code_text
        )
        return await self._ask(
            "ScanSceneCode", request, appv1.ScanSceneCodeResponse, timeout=timeout, service=APPLICATION
        )

    async def verify(
        self, *, code_text: str, scene_no: int, biz_serial: str | None = None, timeout: float | None = None
    ) -> basev1.VerifyCodeResponse:
        """It judges a code (验码) without consuming it and without learning anything of its holder.

        Args:
            code_text: The text as it was read, 1 to 1,024 characters.
            scene_no: The scene; one that is registered for the application.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: SCENE_UNKNOWN, SCENE_NOT_ALLOWED, DEVICE_UNKNOWN, APP_DISABLED or another.
            ClientError: The call failed otherwise; ask again with its `biz_serial`.
        """
        request = basev1.VerifyCodeRequest(
            biz_serial=given_or_new(biz_serial, "VERIFY"), code_text=code_text, scene_no=scene_no
        )
        return await self._ask("VerifyCode", request, basev1.VerifyCodeResponse, timeout=timeout)

    async def resolve(
        self,
        *,
        scan_id: str,
        field_names: Sequence[str],
        whole: bool = False,
        authorization_id: str = "",
        timeout: float | None = None,
    ) -> basev1.ResolveCodeResponse:
        """It exchanges an own VALID scan of the last ten minutes for fields of the subject (安全解析).

        Args:
            scan_id: `answer.scan_id` of the scan.
            field_names: Fields within the scene's scope. Example: `["name", "id_number"]`.
            whole: Whether masked ones are of no use.
            authorization_id: A granted authorization for the `subject` that lets the fields come whole.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: SCAN_NOT_FOUND, SCAN_TOO_OLD, SCOPE_DENIED, CONSENT_REQUIRED, CROSS_REGION_UNSUPPORTED or more.
            ClientError: The call failed otherwise.
        """
        request = basev1.ResolveCodeRequest(
            scan_id=scan_id, field_names=field_names, whole=whole, authorization_id=authorization_id
        )
        return await self._ask("ResolveCode", request, basev1.ResolveCodeResponse, timeout=timeout)

    async def decode(self, *, code_text: str, timeout: float | None = None) -> basev1.DecodeCodeResponse:
        """It reads the fields of a code text (解码) and judges nothing: no trust follows from it.

        Args:
            code_text: The text, 1 to 1,024 characters.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: CODE_MALFORMED or CODE_VERSION_UNSUPPORTED.
            ClientError: The call failed otherwise.
        """
        request = basev1.DecodeCodeRequest(code_text=code_text)
        return await self._ask("DecodeCode", request, basev1.DecodeCodeResponse, timeout=timeout)

    async def render(
        self,
        *,
        code_text: str,
        image_format: int | str = "PNG",
        symbology: int | str = "QR",
        error_level: str = "",
        scale: int = 0,
        timeout: float | None = None,
    ) -> basev1.RenderCodeResponse:
        """It draws the symbol of a code text.

        Args:
            code_text: A well-formed text, at most 1,024 characters.
            image_format: `PNG`, `SVG` or `TERMINAL` (text).
            symbology: `QR`.
            error_level: `L`, `M`, `Q` or `H`; `M` where empty.
            scale: Pixels a module, 1 to 32; 8 where 0.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: CODE_MALFORMED, SYMBOLOGY_UNSUPPORTED, DATA_TOO_LONG or another.
            ClientError: The call failed otherwise.
        """
        request = basev1.RenderCodeRequest(
            code_text=code_text,
            symbology=service_code_pb2.Symbology.ValueType(
                enum_value(service_code_pb2.Symbology, symbology, "SYMBOLOGY_")
            ),
            format=service_code_pb2.ImageFormat.ValueType(
                enum_value(service_code_pb2.ImageFormat, image_format, "IMAGE_FORMAT_")
            ),
            error_level=error_level,
            scale=scale,
        )
        return await self._ask("RenderCode", request, basev1.RenderCodeResponse, timeout=timeout)

    async def apply(
        self,
        *,
        session_token: str = "",
        account_id: str = "",
        code_mode: int | str = "UNSPECIFIED",
        scene_no: int = 0,
        terminal_type: int | str = "APP",
        one_time: bool = False,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> basev1.ApplyCodeResponse:
        """It asks for a ticket to make one code (码调用申请): single use, 60 s.

        Args:
            session_token: The holder's session, for a holder's code; or
            account_id: the account of a thing or matter, for an operator.
            code_mode: `DYNAMIC` or `STATIC`; dynamic where UNSPECIFIED.
            scene_no: Scene that the code is for; 0 for any.
            terminal_type: Display; `PRINTED` for static codes.
            one_time: Good for one use only.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            ValueError: Neither or both of session and account are named.
            NodeError: SESSION_INVALID, ACCOUNT_NOT_FOUND, SCENE_UNKNOWN, TERMINAL_RULE_VIOLATED or another.
            ClientError: The call failed otherwise.
        """
        if bool(session_token) == bool(account_id):
            raise ValueError("name a session_token or an account_id, and not both")
        request = basev1.ApplyCodeRequest(
            biz_serial=given_or_new(biz_serial, "APPLY"),
            code_mode=service_code_pb2.CodeMode.ValueType(
                enum_value(service_code_pb2.CodeMode, code_mode, "CODE_MODE_")
            ),
            scene_no=scene_no,
            terminal_type=_terminal(terminal_type),
            one_time=one_time,
        )
        if session_token:
            request.session_token = session_token
        else:
            request.account_id = account_id
        return await self._ask("ApplyCode", request, basev1.ApplyCodeResponse, timeout=timeout)

    async def make(
        self,
        *,
        ticket: str,
        proof: holder_pb2.HolderProof | None = None,
        carrier: int | str = "UNSPECIFIED",
        profile: int | str = "UNSPECIFIED",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> basev1.MakeCodeResponse:
        """It makes the code of a ticket (制码).

        Args:
            ticket: From `apply`.
            proof: `HolderDevice.prove_make_code`, for a holder's code; the serial of the act is the signed one.
            carrier: `SCREEN`, `PRINTED` or `GUIDE`; by the display where UNSPECIFIED.
            profile: `MAC` or `SIGNED`; MAC where UNSPECIFIED.
            biz_serial: Serial of the act, without a proof; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: TICKET_INVALID, TICKET_EXPIRED, TICKET_USED, HOLDER_PROOF_INVALID or another.
            ClientError: The call failed otherwise.
        """
        if proof is not None:
            biz_serial = statement_pb2.MakeCodeStatement.FromString(proof.statement).biz_serial
        request = basev1.MakeCodeRequest(
            biz_serial=given_or_new(biz_serial, "MAKE"),
            ticket=ticket,
            proof=proof,
            carrier=_carrier(carrier),
            profile=_profile(profile),
        )
        return await self._ask("MakeCode", request, basev1.MakeCodeResponse, timeout=timeout)

    async def get(
        self, *, code_id: bytes, session_token: str = "", timeout: float | None = None
    ) -> service_code_pb2.ServiceCode:
        """It returns state and times of a code.

        Args:
            code_id: 16 bytes.
            session_token: For a holders' back end: a session of the code's account.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: CODE_NOT_FOUND, SESSION_INVALID or SUBJECT_SUSPENDED.
            ClientError: The call failed otherwise.
        """
        request = basev1.GetCodeRequest(code_id=code_id, session_token=session_token)
        return (await self._ask("GetCode", request, basev1.GetCodeResponse, timeout=timeout)).code

    async def freeze(
        self,
        *,
        code_id: bytes,
        reason: str,
        session_token: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> basev1.FreezeCodeResponse:
        """It stops a static code for now (冻结).

        Args:
            code_id: 16 bytes.
            reason: Why, at most 200 characters, no personal data.
            session_token: For a holders' back end: a session of the code's account.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: CODE_NOT_FOUND, CODE_STATE_CONFLICT, SESSION_INVALID or another.
            ClientError: The call failed otherwise.
        """
        request = basev1.FreezeCodeRequest(
            biz_serial=given_or_new(biz_serial, "FREEZE"), code_id=code_id, session_token=session_token, reason=reason
        )
        return await self._ask("FreezeCode", request, basev1.FreezeCodeResponse, timeout=timeout)

    async def unfreeze(
        self,
        *,
        code_id: bytes,
        reason: str,
        session_token: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> basev1.UnfreezeCodeResponse:
        """It lets a frozen static code go on (解冻); arguments and errors as those of `freeze`."""
        request = basev1.UnfreezeCodeRequest(
            biz_serial=given_or_new(biz_serial, "UNFREEZE"), code_id=code_id, session_token=session_token, reason=reason
        )
        return await self._ask("UnfreezeCode", request, basev1.UnfreezeCodeResponse, timeout=timeout)

    async def replace(
        self,
        *,
        code_id: bytes,
        reason: str,
        session_token: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> basev1.ReplaceCodeResponse:
        """It replaces a static code by a new one; the old one is revoked at once. Arguments and errors as `freeze`."""
        request = basev1.ReplaceCodeRequest(
            biz_serial=given_or_new(biz_serial, "REPLACE"), code_id=code_id, session_token=session_token, reason=reason
        )
        return await self._ask("ReplaceCode", request, basev1.ReplaceCodeResponse, timeout=timeout)

    async def revoke(
        self,
        *,
        code_id: bytes,
        reason: str,
        session_token: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> basev1.RevokeCodeResponse:
        """It ends a code at once and for good (撤销); arguments and errors as those of `freeze`."""
        request = basev1.RevokeCodeRequest(
            biz_serial=given_or_new(biz_serial, "REVOKE"), code_id=code_id, session_token=session_token, reason=reason
        )
        return await self._ask("RevokeCode", request, basev1.RevokeCodeResponse, timeout=timeout)

    async def list_records(
        self,
        *,
        session_token: str,
        from_time: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[scan_pb2.ScanRecord, None]:
        """It goes through the uses of the account's codes (用码记录), newest first, over as many pages as there are.

        Args:
            session_token: The holder's session.
            from_time: Only uses at or after this moment; all where None.
            page_size: Records a call, 1 to 200; 50 where 0.
            timeout: Seconds for each call; the client's where None.

        Raises:
            NodeError: SESSION_INVALID or SUBJECT_SUSPENDED.
            ClientError: A call failed otherwise.
        """

        async def turn(token: str) -> tuple[object, str]:
            request = appv1.ListRecordsRequest(
                session_token=session_token, from_time=timestamp(from_time), page_size=page_size, page_token=token
            )
            page = await self._ask(
                "ListRecords", request, appv1.ListRecordsResponse, timeout=timeout, service=APPLICATION
            )
            return page.records, page.next_page_token

        async for record in pages(turn):
            yield record

    async def list_events(
        self, *, cursor: str = "", wait: float = 0.0, page_size: int = 0, timeout: float | None = None
    ) -> appv1.ListEventsResponse:
        """It returns the events of the application from a cursor on: the long poll beside `watch_events`.

        Args:
            cursor: Of the last event that was handled; from now on where empty.
            wait: Seconds to wait for the first event, at most 30.
            page_size: Events a call, 1 to 500; 100 where 0.
            timeout: Seconds; where None, the client's and the wait together.

        Returns:
            Events in order, and the cursor to go on from, also where there are none.

        Raises:
            NodeError: CURSOR_INVALID: begin without one and read `list_records` for what was missed.
            ClientError: The call failed otherwise.
        """
        request = appv1.ListEventsRequest(cursor=cursor, page_size=page_size, wait=duration(wait) if wait else None)
        limit = self._wire.timeout + wait if timeout is None else timeout
        return await self._ask("ListEvents", request, appv1.ListEventsResponse, timeout=limit, service=APPLICATION)

    async def watch_events(
        self, *, cursor: str = "", heartbeats: bool = False
    ) -> AsyncGenerator[event_pb2.Event, None]:
        """It yields the events of the application without end, over as many connections as that takes.

        Keep `event.cursor` once an event is handled, and hand it in after a restart: nothing is missed, and an event
        may come twice with the same `event_id`. A stream that breaks is opened again from the last cursor.

        Args:
            cursor: Of the last event that was handled; from now on where empty.
            heartbeats: Whether signs of life, at least every 20 s, are yielded too.

        Raises:
            NodeError: CURSOR_INVALID, STREAM_LIMIT_REACHED, or the caller may not do this.
            NodeUnreachableError: Nobody answers at the first try; later the stream waits for the node to come back.
            ClientClosedError: The client was closed.
        """

        def listen(at: str) -> AsyncGenerator[appv1.WatchEventsResponse, None]:
            request = appv1.WatchEventsRequest(cursor=at)
            return self._listen("WatchEvents", request, appv1.WatchEventsResponse, service=APPLICATION)

        async for answer in resumed(listen, lambda answer: answer.event.cursor, start=cursor, pause=self._wire.pause):
            if heartbeats or answer.event.WhichOneof("kind") != "heartbeat":
                yield answer.event


def _terminal(given: int | str) -> service_code_pb2.TerminalType.ValueType:
    value = enum_value(service_code_pb2.TerminalType, given, "TERMINAL_TYPE_")
    return service_code_pb2.TerminalType.ValueType(value)


def _carrier(given: int | str) -> service_code_pb2.Carrier.ValueType:
    return service_code_pb2.Carrier.ValueType(enum_value(service_code_pb2.Carrier, given, "CARRIER_"))


def _profile(given: int | str) -> service_code_pb2.CodeProfile.ValueType:
    return service_code_pb2.CodeProfile.ValueType(enum_value(service_code_pb2.CodeProfile, given, "CODE_PROFILE_"))


class Codes(BlockingArea[AsyncCodes]):
    """Codes: from the holder's phone to the counter. Answers are the messages of the contract."""

    begin_identification = blocking(AsyncCodes.begin_identification)
    open_account = blocking(AsyncCodes.open_account)
    open_session = blocking(AsyncCodes.open_session)
    bind_device = blocking(AsyncCodes.bind_device)
    sign_in = blocking(AsyncCodes.sign_in)
    close_account = blocking(AsyncCodes.close_account)
    list_sessions = blocking(AsyncCodes.list_sessions)
    close_session = blocking(AsyncCodes.close_session)
    present = blocking(AsyncCodes.present)
    scan = blocking(AsyncCodes.scan)
    scan_scene_code = blocking(AsyncCodes.scan_scene_code)
    verify = blocking(AsyncCodes.verify)
    resolve = blocking(AsyncCodes.resolve)
    decode = blocking(AsyncCodes.decode)
    render = blocking(AsyncCodes.render)
    apply = blocking(AsyncCodes.apply)
    make = blocking(AsyncCodes.make)
    get = blocking(AsyncCodes.get)
    freeze = blocking(AsyncCodes.freeze)
    unfreeze = blocking(AsyncCodes.unfreeze)
    replace = blocking(AsyncCodes.replace)
    revoke = blocking(AsyncCodes.revoke)
    list_records = blocking_iterator(AsyncCodes.list_records)
    list_events = blocking(AsyncCodes.list_events)
    watch_events = blocking_iterator(AsyncCodes.watch_events)
