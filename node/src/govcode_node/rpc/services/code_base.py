"""The code base service (码基础服务, 7.2)."""

import asyncio

from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1.code_base_service_pb2_grpc import CodeBaseServiceServicer
from typing_extensions import override

from govcode_node.domain.identities import CallerClass
from govcode_node.rpc.call import current_call
from govcode_node.usecases.code_lifecycle import CodeLifecycle
from govcode_node.usecases.code_texts import CodeTexts
from govcode_node.usecases.making import Making
from govcode_node.usecases.resolving import Resolving
from govcode_node.usecases.scanning import Scanning
from govcode_node.wire import checks, code_requests, scans
from govcode_node.wire.codes import (
    CARRIERS,
    code_content_to_proto,
    issued_code_to_proto,
    service_code_to_proto,
)


class CodeBaseServicer(CodeBaseServiceServicer):
    """It makes, draws, reads, judges, resolves and ends codes."""

    def __init__(
        self,
        *,
        making: Making,
        texts: CodeTexts,
        scanning: Scanning,
        resolving: Resolving,
        lifecycle: CodeLifecycle,
    ) -> None:
        """It serves these steps."""
        self._making = making
        self._texts = texts
        self._scanning = scanning
        self._resolving = resolving
        self._lifecycle = lifecycle

    @override
    async def ApplyCode(self, request: basev1.ApplyCodeRequest, context: object) -> basev1.ApplyCodeResponse:
        call = current_call()
        by_operator = call.caller.caller_class is CallerClass.OPERATOR
        command = code_requests.apply_command_from_proto(request, by_operator=by_operator)
        applied, replayed = await self._making.apply(call, command)
        return code_requests.applied_ticket_to_proto(applied, replayed=replayed)

    @override
    async def MakeCode(self, request: basev1.MakeCodeRequest, context: object) -> basev1.MakeCodeResponse:
        command = code_requests.make_command_from_proto(request)
        issued, replayed = await self._making.make(current_call(), command)
        return basev1.MakeCodeResponse(code=issued_code_to_proto(issued), replayed=replayed)

    @override
    async def RenderCode(self, request: basev1.RenderCodeRequest, context: object) -> basev1.RenderCodeResponse:
        # Drawing a large symbol takes longer than the event loop may be held up.
        drawn = await asyncio.to_thread(
            self._texts.draw,
            checks.code_text(request.code_text),
            symbology=code_requests.symbology_from_proto(request),
            error_level=code_requests.drawing_level_from_proto(request),
            image_format=code_requests.image_format_from_proto(request),
            scale=code_requests.scale_from_proto(request),
        )
        return code_requests.symbol_to_proto(drawn)

    @override
    async def DecodeCode(self, request: basev1.DecodeCodeRequest, context: object) -> basev1.DecodeCodeResponse:
        parsed = self._texts.decode(checks.code_text(request.code_text))
        return basev1.DecodeCodeResponse(
            content=code_content_to_proto(parsed.content), carrier=CARRIERS.to_proto(parsed.carrier)
        )

    @override
    async def VerifyCode(self, request: basev1.VerifyCodeRequest, context: object) -> basev1.VerifyCodeResponse:
        command = scans.verify_command_from_proto(request)
        return scans.verify_result_to_proto(await self._scanning.scan(current_call(), command))

    @override
    async def ResolveCode(self, request: basev1.ResolveCodeRequest, context: object) -> basev1.ResolveCodeResponse:
        resolved = await self._resolving.resolve(
            current_call(),
            scan_id=checks.printable(request.scan_id, "scan_id"),
            field_names=scans.field_names_from_proto(request),
            authorization_id=scans.consent_from_proto(request),
            whole=request.whole,
        )
        return scans.resolved_to_proto(resolved)

    @override
    async def FreezeCode(self, request: basev1.FreezeCodeRequest, context: object) -> basev1.FreezeCodeResponse:
        command = code_requests.code_command_from_proto(request)
        code, replayed = await self._lifecycle.freeze(current_call(), command)
        return basev1.FreezeCodeResponse(code=service_code_to_proto(code), replayed=replayed)

    @override
    async def UnfreezeCode(self, request: basev1.UnfreezeCodeRequest, context: object) -> basev1.UnfreezeCodeResponse:
        command = code_requests.code_command_from_proto(request)
        code, replayed = await self._lifecycle.unfreeze(current_call(), command)
        return basev1.UnfreezeCodeResponse(code=service_code_to_proto(code), replayed=replayed)

    @override
    async def ReplaceCode(self, request: basev1.ReplaceCodeRequest, context: object) -> basev1.ReplaceCodeResponse:
        command = code_requests.code_command_from_proto(request)
        result, replayed = await self._lifecycle.replace(current_call(), command)
        return basev1.ReplaceCodeResponse(
            code=issued_code_to_proto(result.issued),
            replaced=service_code_to_proto(result.replaced),
            replayed=replayed,
        )

    @override
    async def RevokeCode(self, request: basev1.RevokeCodeRequest, context: object) -> basev1.RevokeCodeResponse:
        command = code_requests.code_command_from_proto(request)
        code, replayed = await self._lifecycle.revoke(current_call(), command)
        return basev1.RevokeCodeResponse(code=service_code_to_proto(code), replayed=replayed)

    @override
    async def GetCode(self, request: basev1.GetCodeRequest, context: object) -> basev1.GetCodeResponse:
        code = await self._lifecycle.get(
            current_call(),
            code_id=checks.code_id(request.code_id),
            session_token=checks.printable(request.session_token, "session_token", shortest=0),
        )
        return basev1.GetCodeResponse(code=service_code_to_proto(code))
