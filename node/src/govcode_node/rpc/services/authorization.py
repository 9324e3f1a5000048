"""The authorization service (授权调用电子证照, 6.3 and 7.1)."""

from collections.abc import AsyncIterator

from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1.authorization_service_pb2_grpc import AuthorizationServiceServicer
from typing_extensions import override

from govcode_node.domain.identities import CallerClass
from govcode_node.domain.parties import ApplicationKind
from govcode_node.ports.clock import Clock
from govcode_node.rpc.call import current_call
from govcode_node.rpc.pieces import closing_pieces
from govcode_node.usecases.authorization_reading import AuthorizationReading
from govcode_node.usecases.deciding import Deciding
from govcode_node.usecases.grant_checks import GrantChecks
from govcode_node.usecases.license_fetching import LicenseFetching
from govcode_node.usecases.locating import Locating
from govcode_node.usecases.mandating import Mandating
from govcode_node.usecases.requesting import AuthorizationRequests
from govcode_node.usecases.withdrawing import Withdrawing
from govcode_node.wire import authorization_requests as requests
from govcode_node.wire import checks
from govcode_node.wire.accounts import session_token_from_proto
from govcode_node.wire.authorization_items import authorization_id, item_no
from govcode_node.wire.authorizations import (
    authorization_to_holder,
    authorization_to_party,
    begun_step_up_to_proto,
    exported_to_proto,
    holder_view_to_proto,
    introspection_to_proto,
    mandate_to_proto,
    party_view_to_proto,
    use_page_to_proto,
)
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.holders import holder_proof_from_proto
from govcode_node.wire.licenses import fetched_piece_to_proto, license_place_to_proto
from govcode_node.wire.vocabulary import USE_STATES


class AuthorizationServicer(AuthorizationServiceServicer):
    """It asks holders, takes their decisions, and delivers what they granted."""

    def __init__(
        self,
        *,
        requesting: AuthorizationRequests,
        reading: AuthorizationReading,
        deciding: Deciding,
        withdrawing: Withdrawing,
        locating: Locating,
        fetching: LicenseFetching,
        checking: GrantChecks,
        mandating: Mandating,
        clock: Clock,
    ) -> None:
        """It serves these steps; the clock says what time alone has done to an authorization."""
        self._requesting = requesting
        self._reading = reading
        self._deciding = deciding
        self._withdrawing = withdrawing
        self._locating = locating
        self._fetching = fetching
        self._checking = checking
        self._mandating = mandating
        self._clock = clock

    @override
    async def RequestAuthorization(
        self, request: servicev1.RequestAuthorizationRequest, context: object
    ) -> servicev1.RequestAuthorizationResponse:
        command = requests.request_command_from_proto(request)
        asked, replayed = await self._requesting.request(current_call(), command)
        return servicev1.RequestAuthorizationResponse(
            authorization=authorization_to_party(asked, now=self._clock.now()), replayed=replayed
        )

    @override
    async def GetAuthorization(
        self, request: servicev1.GetAuthorizationRequest, context: object
    ) -> servicev1.GetAuthorizationResponse:
        call, wanted = current_call(), authorization_id(request.authorization_id)
        if call.caller.kind == ApplicationKind.HOLDER:
            token = session_token_from_proto(request.session_token)
            view = await self._reading.get_for_holder(call, session_token=token, authorization_id=wanted)
            return holder_view_to_proto(view, now=self._clock.now())
        found = await self._reading.get_for_party(call, wanted)
        return party_view_to_proto(found, now=self._clock.now())

    @override
    async def WaitAuthorization(
        self, request: servicev1.WaitAuthorizationRequest, context: object
    ) -> servicev1.WaitAuthorizationResponse:
        wanted, wait = authorization_id(request.authorization_id), requests.wait_from_proto(request)
        found = await self._reading.wait(current_call(), wanted, wait=wait)
        return servicev1.WaitAuthorizationResponse(
            authorization=authorization_to_party(found, now=self._clock.now()),
            grant=kept_evidence_to_proto(found.grant),
        )

    @override
    async def LocateLicenses(
        self, request: servicev1.LocateLicensesRequest, context: object
    ) -> servicev1.LocateLicensesResponse:
        places = await self._locating.locate(
            current_call(),
            session_token=session_token_from_proto(request.session_token),
            authorization_id=authorization_id(request.authorization_id),
        )
        return servicev1.LocateLicensesResponse(
            places=[license_place_to_proto(number, place) for number, place in places]
        )

    @override
    async def BeginStepUp(
        self, request: servicev1.BeginStepUpRequest, context: object
    ) -> servicev1.BeginStepUpResponse:
        wanted, item_nos = requests.step_up_target_from_proto(request)
        begun = await self._deciding.begin_step_up(
            current_call(),
            session_token=session_token_from_proto(request.session_token),
            authorization_id=wanted,
            item_nos=item_nos,
        )
        return begun_step_up_to_proto(begun)

    @override
    async def DecideAuthorization(
        self, request: servicev1.DecideAuthorizationRequest, context: object
    ) -> servicev1.DecideAuthorizationResponse:
        command = requests.decide_command_from_proto(request)
        decided, replayed = await self._deciding.decide(current_call(), command)
        return servicev1.DecideAuthorizationResponse(
            authorization=authorization_to_holder(decided, now=self._clock.now()),
            consent=kept_evidence_to_proto(decided.consent),
            replayed=replayed,
        )

    @override
    async def WithdrawAuthorization(
        self, request: servicev1.WithdrawAuthorizationRequest, context: object
    ) -> servicev1.WithdrawAuthorizationResponse:
        withdrawn, replayed = await self._withdrawing.withdraw(
            current_call(),
            biz_serial=checks.biz_serial(request.biz_serial),
            session_token=session_token_from_proto(request.session_token),
            proof=holder_proof_from_proto(request.proof),
        )
        return servicev1.WithdrawAuthorizationResponse(
            authorization=authorization_to_holder(withdrawn, now=self._clock.now()), replayed=replayed
        )

    @override
    async def ListAuthorizations(
        self, request: servicev1.ListAuthorizationsRequest, context: object
    ) -> servicev1.ListAuthorizationsResponse:
        page = await self._reading.list_authorizations(
            current_call(),
            session_token=session_token_from_proto(request.session_token),
            page_size=checks.page_size(request.page_size, default=requests.DEFAULT_PAGE, most=requests.MAX_PAGE),
            page_token=checks.page_token(request.page_token),
        )
        now = self._clock.now()
        return servicev1.ListAuthorizationsResponse(
            authorizations=[authorization_to_holder(one, now=now) for one in page.authorizations],
            next_page_token=page.next_page_token,
        )

    @override
    async def ListLicenseUses(
        self, request: servicev1.ListLicenseUsesRequest, context: object
    ) -> servicev1.ListLicenseUsesResponse:
        wanted = request.authorization_id
        page = await self._reading.list_uses(
            current_call(),
            session_token=session_token_from_proto(request.session_token),
            authorization_id=authorization_id(wanted) if wanted else "",
            page_size=checks.page_size(request.page_size, default=requests.DEFAULT_PAGE, most=requests.MAX_PAGE),
            page_token=checks.page_token(request.page_token),
        )
        return use_page_to_proto(page)

    @override
    async def ExportAuthorization(
        self, request: servicev1.ExportAuthorizationRequest, context: object
    ) -> servicev1.ExportAuthorizationResponse:
        call = current_call()
        by_auditor = call.caller.caller_class is CallerClass.OPERATOR
        exported = await self._reading.export(
            call,
            authorization_id=authorization_id(request.authorization_id),
            session_token="" if by_auditor else session_token_from_proto(request.session_token),
        )
        return exported_to_proto(exported)

    @override
    async def FetchLicense(
        self, request: servicev1.FetchLicenseRequest, context: object
    ) -> AsyncIterator[servicev1.FetchLicenseResponse]:
        command = requests.fetch_command_from_proto(request)
        async with self._fetching.fetch(current_call(), command) as delivery, closing_pieces(delivery) as pieces:
            async for piece in pieces:
                yield fetched_piece_to_proto(piece)

    @override
    async def IntrospectGrant(
        self, request: servicev1.IntrospectGrantRequest, context: object
    ) -> servicev1.IntrospectGrantResponse:
        found = await self._checking.introspect(
            current_call(),
            grant=requests.evidence_bytes_from_proto(request, "grant"),
            presenter_app_id=checks.registered_name(request.presenter_app_id, "presenter_app_id"),
        )
        return introspection_to_proto(found)

    @override
    async def ReportGrantUse(
        self, request: servicev1.ReportGrantUseRequest, context: object
    ) -> servicev1.ReportGrantUseResponse:
        use_id, remaining = await self._checking.report(
            current_call(),
            biz_serial=checks.biz_serial(request.biz_serial),
            grant=requests.evidence_bytes_from_proto(request, "grant"),
            presenter_app_id=checks.registered_name(request.presenter_app_id, "presenter_app_id"),
            item_no=item_no(request.item_no),
            use_state=USE_STATES.require(request.use_state, "use_state"),
        )
        return servicev1.ReportGrantUseResponse(use_id=use_id, remaining_uses=remaining)

    @override
    async def GiveMandate(
        self, request: servicev1.GiveMandateRequest, context: object
    ) -> servicev1.GiveMandateResponse:
        mandate, replayed = await self._mandating.give(
            current_call(),
            biz_serial=checks.biz_serial(request.biz_serial),
            session_token=session_token_from_proto(request.session_token),
            proof=holder_proof_from_proto(request.proof),
            check=requests.finished_check_from_proto(request),
        )
        return servicev1.GiveMandateResponse(mandate=mandate_to_proto(mandate), replayed=replayed)

    @override
    async def CancelMandate(
        self, request: servicev1.CancelMandateRequest, context: object
    ) -> servicev1.CancelMandateResponse:
        mandate, replayed = await self._mandating.cancel(
            current_call(),
            biz_serial=checks.biz_serial(request.biz_serial),
            session_token=session_token_from_proto(request.session_token),
            proof=holder_proof_from_proto(request.proof),
        )
        return servicev1.CancelMandateResponse(mandate=mandate_to_proto(mandate), replayed=replayed)

    @override
    async def ListMandates(
        self, request: servicev1.ListMandatesRequest, context: object
    ) -> servicev1.ListMandatesResponse:
        token = session_token_from_proto(request.session_token)
        mandates = await self._mandating.list_mandates(current_call(), session_token=token)
        return servicev1.ListMandatesResponse(mandates=[mandate_to_proto(mandate) for mandate in mandates])
