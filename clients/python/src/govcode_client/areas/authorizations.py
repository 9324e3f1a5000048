"""`client.authorizations`: asking a holder for licences, deciding, using, withdrawing (授权调用电子证照, 6.3)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

from govcode.authorization.v1 import authorization_pb2, license_pb2, statement_pb2
from govcode.authorization.v1 import authorization_service_pb2 as authv1
from govcode.common.v1 import evidence_pb2, holder_pb2

from govcode_client._core import BlockingArea, blocking, blocking_iterator, duration, enum_value, pages
from govcode_client.areas.fetching import FetchActs
from govcode_client.areas.names import AUTHORIZATION
from govcode_client.serials import given_or_new

_LONGEST_POLL: Final = 20.0
"""Seconds of one long poll: less than the 30 s of the contract, so that balancers on the way do not cut it."""


class AsyncAuthorizations(FetchActs):
    """Authorizations. A relying party asks, waits and fetches at its node; a holders' back end shows and decides."""

    service = AUTHORIZATION

    async def request(
        self,
        *,
        scan_id: str,
        matter_code: str,
        items: Mapping[str, Sequence[str]],
        purpose: str,
        handling_means: str,
        documents: Collection[str] = (),
        retention: timedelta = timedelta(0),
        max_uses: int = 1,
        period: timedelta = timedelta(hours=1),
        statute: str = "",
        approval_reference: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> authv1.RequestAuthorizationResponse:
        """It asks the holder of a code that was just scanned for the use of licences.

        Args:
            scan_id: `answer.scan_id` of the own VALID scan of the last ten minutes.
            matter_code: The matter (事项), registered for this application.
            items: Field names by licence type, within the registered scope. Example:
                `{"business-licence": ["entity_name", "uscc"]}`. Items are numbered from 1 in this order.
            purpose: What for, at most 200 characters; the holder reads it.
            handling_means: How the data are handled, at most 200 characters. Example: `核验后不留存`.
            documents: Licence types of `items` whose document (OFD or PDF) is asked for as well.
            retention: How long the data are kept; zero for not at all.
            max_uses: How many uses of each item.
            period: For how long it may be used after the decision, at most 90 days.
            statute: The statute and article where a statutory duty (履行法定职责) stands in for consent; with
                `approval_reference`, and only where an operator configured the matter so.
            approval_reference: Office and number of the approval.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Returns:
            The authorization, PENDING; go on with `wait`. GRANTED at once for a statutory duty.

        Raises:
            ValueError: A document is asked for of a licence type that is not among the items.
            NodeError: SCAN_NOT_FOUND, SCAN_TOO_OLD, SCOPE_NOT_REGISTERED, EXCESSIVE_SCOPE, AUTHORIZATION_OUT_OF_POLICY,
                LICENSE_TYPE_UNKNOWN, SUBJECT_UNREACHABLE, STATUTORY_NOT_ALLOWED or another.
            NodeBusyError: HOME_NODE_UNREACHABLE: the holder's region does not answer.
            ClientError: The call failed otherwise; ask again with its `biz_serial`.
        """
        if strangers := set(documents) - items.keys():
            raise ValueError(f"documents of {', '.join(sorted(strangers))} are asked for, but no such item")
        statutory = bool(statute or approval_reference)
        request = authv1.RequestAuthorizationRequest(
            biz_serial=given_or_new(biz_serial, "REQUEST"),
            scan_id=scan_id,
            matter_code=matter_code,
            purpose=purpose,
            handling_means=handling_means,
            items=[
                authorization_pb2.AuthorizationItem(
                    license_type=license_type, field_names=names, document=license_type in documents
                )
                for license_type, names in items.items()
            ],
            retention=duration(retention),
            max_uses=max_uses,
            period=duration(period),
            legal_basis=(
                authorization_pb2.LEGAL_BASIS_STATUTORY_DUTY if statutory else authorization_pb2.LEGAL_BASIS_CONSENT
            ),
            statutory_duty=(
                authorization_pb2.StatutoryDuty(statute=statute, approval_reference=approval_reference)
                if statutory
                else None
            ),
        )
        return await self._ask("RequestAuthorization", request, authv1.RequestAuthorizationResponse, timeout=timeout)

    async def get(
        self, *, authorization_id: str, session_token: str = "", timeout: float | None = None
    ) -> authv1.GetAuthorizationResponse:
        """It returns an authorization: to the holder with the page to show, to the relying party with the grant.

        Args:
            authorization_id: `au_` and 32 hexadecimal digits.
            session_token: For a holders' back end: the holder's session.
            timeout: Seconds; the client's where None.

        Returns:
            `authorization`, and `page` (show `page.notice_text` as it stands) or `grant`.

        Raises:
            NodeError: AUTHORIZATION_NOT_FOUND, NOT_OWNER, SESSION_INVALID or another.
            ClientError: The call failed otherwise.
        """
        request = authv1.GetAuthorizationRequest(authorization_id=authorization_id, session_token=session_token)
        return await self._ask("GetAuthorization", request, authv1.GetAuthorizationResponse, timeout=timeout)

    async def wait(self, *, authorization_id: str, within: float = 120.0) -> authv1.WaitAuthorizationResponse:
        """It waits until the holder has decided, by long polls one after the other.

        Args:
            authorization_id: The authorization that this application asked for.
            within: Seconds to wait at most; holders have two minutes by default.

        Returns:
            The authorization, with the grant once granted; still PENDING if nothing was decided within the time.

        Raises:
            NodeError: AUTHORIZATION_NOT_FOUND.
            NodeBusyError: HOME_NODE_UNREACHABLE.
            ClientError: A call failed otherwise; waiting again is harmless.
        """
        end = time.monotonic() + within
        while True:
            left = max(end - time.monotonic(), 0.0)
            poll = min(left, _LONGEST_POLL)
            request = authv1.WaitAuthorizationRequest(authorization_id=authorization_id, wait=duration(poll))
            answer = await self._ask(
                "WaitAuthorization", request, authv1.WaitAuthorizationResponse, timeout=poll + self._wire.timeout
            )
            pending = answer.authorization.state == authorization_pb2.AUTHORIZATION_STATE_PENDING
            if not pending or left <= _LONGEST_POLL:
                return answer

    async def locate_licenses(
        self, *, session_token: str, authorization_id: str, timeout: float | None = None
    ) -> list[license_pb2.LicensePlace]:
        """It finds where the licences are held that are asked for; the region is often not that of the code.

        Args:
            session_token: The holder's session.
            authorization_id: The pending authorization.
            timeout: Seconds; the client's where None.

        Returns:
            Places by item; an item without one was not found anywhere. The holder's pick goes into the decision.

        Raises:
            NodeError: AUTHORIZATION_NOT_FOUND, NOT_OWNER, LOCATOR_REQUIRED, SESSION_INVALID or another.
            NodeBusyError: LICENSE_SERVICE_UNAVAILABLE or LICENSE_SERVICE_QUOTA.
            ClientError: The call failed otherwise.
        """
        request = authv1.LocateLicensesRequest(session_token=session_token, authorization_id=authorization_id)
        answer = await self._ask("LocateLicenses", request, authv1.LocateLicensesResponse, timeout=timeout)
        return list(answer.places)

    async def begin_step_up(
        self,
        *,
        session_token: str,
        authorization_id: str = "",
        item_nos: Sequence[int] = (),
        timeout: float | None = None,
    ) -> authv1.BeginStepUpResponse:
        """It begins the stronger identity check that sensitive items and mandates need.

        Args:
            session_token: The holder's session.
            authorization_id: The authorization; empty for a mandate.
            item_nos: Items that will be granted; the check holds for exactly these.
            timeout: Seconds; the client's where None.

        Returns:
            What the provider's kit needs, and `step_up_digest`, which the device signs with the decision.

        Raises:
            NodeError: AUTHORIZATION_NOT_FOUND, NOT_OWNER, AUTHORIZATION_TIMED_OUT, SESSION_INVALID or more.
            NodeBusyError: IDENTITY_PROVIDER_UNAVAILABLE.
            ClientError: The call failed otherwise.
        """
        request = authv1.BeginStepUpRequest(
            session_token=session_token, authorization_id=authorization_id, item_nos=item_nos
        )
        return await self._ask("BeginStepUp", request, authv1.BeginStepUpResponse, timeout=timeout)

    async def decide(
        self,
        *,
        session_token: str,
        proof: holder_pb2.HolderProof,
        identification_id: str = "",
        provider_blob: bytes = b"",
        timeout: float | None = None,
    ) -> authv1.DecideAuthorizationResponse:
        """It hands in the holder's decision, which the holder's device has signed item by item.

        Args:
            session_token: The holder's session.
            proof: `HolderDevice.prove_decide`; the serial of the act is the one that was signed.
            identification_id: From `begin_step_up`, where a sensitive item is granted.
            provider_blob: What the provider's kit made for it.
            timeout: Seconds; the client's where None.

        Returns:
            The authorization, GRANTED or DENIED, and the signed ConsentRecord.

        Raises:
            NodeError: NOTICE_CHANGED (read and show it again), SENSITIVE_NOT_CONFIRMED, STEP_UP_REQUIRED,
                STEP_UP_MISMATCH, AUTHORIZATION_TIMED_OUT, AUTHORIZATION_STATE_CONFLICT, NOT_OWNER, MANDATE_INVALID,
                HOLDER_PROOF_INVALID or another.
            ClientError: The call failed otherwise; hand the same proof in again.
        """
        request = authv1.DecideAuthorizationRequest(
            biz_serial=statement_pb2.DecideAuthorizationStatement.FromString(proof.statement).biz_serial,
            session_token=session_token,
            proof=proof,
            identification=_identification(identification_id, provider_blob),
        )
        return await self._ask("DecideAuthorization", request, authv1.DecideAuthorizationResponse, timeout=timeout)

    async def withdraw(
        self, *, session_token: str, proof: holder_pb2.HolderProof, timeout: float | None = None
    ) -> authv1.WithdrawAuthorizationResponse:
        """It takes a grant back (撤回); no use begins after this answer, and earlier ones stay lawful.

        Args:
            session_token: The holder's session.
            proof: `HolderDevice.prove_withdraw`.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: AUTHORIZATION_NOT_FOUND, NOT_OWNER, AUTHORIZATION_STATE_CONFLICT, HOLDER_PROOF_INVALID or more.
            ClientError: The call failed otherwise; hand the same proof in again.
        """
        request = authv1.WithdrawAuthorizationRequest(
            biz_serial=statement_pb2.WithdrawAuthorizationStatement.FromString(proof.statement).biz_serial,
            session_token=session_token,
            proof=proof,
        )
        return await self._ask("WithdrawAuthorization", request, authv1.WithdrawAuthorizationResponse, timeout=timeout)

    async def list(
        self, *, session_token: str, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[authorization_pb2.Authorization, None]:
        """It goes through the authorizations of the account, newest first, those by statutory duty included.

        Args:
            session_token: The holder's session.
            page_size: How many a call, 1 to 200; 50 where 0.
            timeout: Seconds for each call; the client's where None.

        Raises:
            NodeError: SESSION_INVALID or SUBJECT_SUSPENDED.
            ClientError: A call failed otherwise.
        """

        async def turn(token: str) -> tuple[object, str]:
            request = authv1.ListAuthorizationsRequest(
                session_token=session_token, page_size=page_size, page_token=token
            )
            page = await self._ask("ListAuthorizations", request, authv1.ListAuthorizationsResponse, timeout=timeout)
            return page.authorizations, page.next_page_token

        async for item in pages(turn):
            yield item

    async def list_license_uses(
        self, *, session_token: str, authorization_id: str = "", page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[authorization_pb2.LicenseUse, None]:
        """It goes through the uses of the holder's licences (用证记录), newest first.

        Args:
            session_token: The holder's session.
            authorization_id: Uses of this authorization only; all where empty.
            page_size: How many a call, 1 to 200; 50 where 0.
            timeout: Seconds for each call; the client's where None.

        Raises:
            NodeError: SESSION_INVALID or SUBJECT_SUSPENDED.
            ClientError: A call failed otherwise.
        """

        async def turn(token: str) -> tuple[object, str]:
            request = authv1.ListLicenseUsesRequest(
                session_token=session_token, authorization_id=authorization_id, page_size=page_size, page_token=token
            )
            page = await self._ask("ListLicenseUses", request, authv1.ListLicenseUsesResponse, timeout=timeout)
            return page.uses, page.next_page_token

        async for use in pages(turn):
            yield use

    async def export(
        self, *, authorization_id: str, session_token: str = "", timeout: float | None = None
    ) -> authv1.ExportAuthorizationResponse:
        """It returns an authorization with all its evidence and the trust bundle that checks it.

        Args:
            authorization_id: The authorization.
            session_token: For a holders' back end: the holder's session. An auditor needs none.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: AUTHORIZATION_NOT_FOUND, NOT_OWNER, SESSION_INVALID or another.
            ClientError: The call failed otherwise.
        """
        request = authv1.ExportAuthorizationRequest(authorization_id=authorization_id, session_token=session_token)
        return await self._ask("ExportAuthorization", request, authv1.ExportAuthorizationResponse, timeout=timeout)

    async def introspect_grant(
        self, *, grant: evidence_pb2.Evidence, presenter_app_id: str, timeout: float | None = None
    ) -> authv1.IntrospectGrantResponse:
        """It tells a licence system whether a grant that an application showed may be used now. Do not keep the answer.

        Args:
            grant: The grant as the application showed it.
            presenter_app_id: The application as the licence system's own channel identified it.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: EVIDENCE_INVALID.
            NodeBusyError: HOME_NODE_UNREACHABLE.
            ClientError: The call failed otherwise; deliver nothing.
        """
        request = authv1.IntrospectGrantRequest(grant=grant, presenter_app_id=presenter_app_id)
        return await self._ask("IntrospectGrant", request, authv1.IntrospectGrantResponse, timeout=timeout)

    async def report_grant_use(
        self,
        *,
        grant: evidence_pb2.Evidence,
        presenter_app_id: str,
        item_no: int,
        use_state: int | str,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> authv1.ReportGrantUseResponse:
        """It counts a use that a licence system makes of a grant.

        Report `BEGUN` before anything is delivered, then `DELIVERED` or `FAILED` under the same serial.

        Args:
            grant: The grant as the application showed it.
            presenter_app_id: The application as the licence system's own channel identified it.
            item_no: The item.
            use_state: `BEGUN`, `DELIVERED` or `FAILED`.
            biz_serial: Serial of the use; made where None, for `BEGUN`.
            timeout: Seconds; the client's where None.

        Raises:
            ValueError: The end of a use is reported without its serial.
            NodeError: AUDIENCE_MISMATCH, ITEM_NOT_GRANTED, GRANT_EXHAUSTED, GRANT_EXPIRED, GRANT_WITHDRAWN or another.
            ClientError: The call failed otherwise.
        """
        state = enum_value(authorization_pb2.LicenseUseState, use_state, "LICENSE_USE_STATE_")
        if biz_serial is None and state != authorization_pb2.LICENSE_USE_STATE_BEGUN:
            raise ValueError("name the biz_serial under which the use was begun")
        request = authv1.ReportGrantUseRequest(
            biz_serial=given_or_new(biz_serial, "USE"),
            grant=grant,
            presenter_app_id=presenter_app_id,
            item_no=item_no,
            use_state=authorization_pb2.LicenseUseState.ValueType(state),
        )
        return await self._ask("ReportGrantUse", request, authv1.ReportGrantUseResponse, timeout=timeout)

    async def give_mandate(
        self,
        *,
        session_token: str,
        proof: holder_pb2.HolderProof,
        identification_id: str,
        provider_blob: bytes,
        timeout: float | None = None,
    ) -> authv1.GiveMandateResponse:
        """It gives a person a mandate (授权委托) to decide for the entity.

        Args:
            session_token: A session of the entity's account.
            proof: `HolderDevice.prove_give_mandate`, by the legal representative's device.
            identification_id: From `begin_step_up` without an authorization.
            provider_blob: What the provider's kit made for it.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: MANDATE_INVALID, ACCOUNT_NOT_FOUND, STEP_UP_REQUIRED, HOLDER_PROOF_INVALID or another.
            ClientError: The call failed otherwise; hand the same proof in again.
        """
        request = authv1.GiveMandateRequest(
            biz_serial=statement_pb2.GiveMandateStatement.FromString(proof.statement).biz_serial,
            session_token=session_token,
            proof=proof,
            identification=_identification(identification_id, provider_blob),
        )
        return await self._ask("GiveMandate", request, authv1.GiveMandateResponse, timeout=timeout)

    async def cancel_mandate(
        self, *, session_token: str, proof: holder_pb2.HolderProof, timeout: float | None = None
    ) -> authv1.CancelMandateResponse:
        """It cancels a mandate at once.

        Args:
            session_token: A session of the entity's account.
            proof: `HolderDevice.prove_cancel_mandate`.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: MANDATE_INVALID, HOLDER_PROOF_INVALID, SESSION_INVALID or another.
            ClientError: The call failed otherwise.
        """
        request = authv1.CancelMandateRequest(
            biz_serial=statement_pb2.CancelMandateStatement.FromString(proof.statement).biz_serial,
            session_token=session_token,
            proof=proof,
        )
        return await self._ask("CancelMandate", request, authv1.CancelMandateResponse, timeout=timeout)

    async def list_mandates(
        self, *, session_token: str, timeout: float | None = None
    ) -> Sequence[authorization_pb2.Mandate]:
        """It lists the mandates that the account gave or holds, newest first, at most 100.

        Args:
            session_token: A session of the account.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: SESSION_INVALID or SUBJECT_SUSPENDED.
            ClientError: The call failed otherwise.
        """
        request = authv1.ListMandatesRequest(session_token=session_token)
        answer = await self._ask("ListMandates", request, authv1.ListMandatesResponse, timeout=timeout)
        return tuple(answer.mandates)


def _identification(identification_id: str, provider_blob: bytes) -> holder_pb2.Identification | None:
    if not identification_id:
        return None
    return holder_pb2.Identification(identification_id=identification_id, provider_blob=provider_blob)


class Authorizations(BlockingArea[AsyncAuthorizations]):
    """Authorizations. A relying party asks, waits and fetches at its node; a holders' back end shows and decides."""

    request = blocking(AsyncAuthorizations.request)
    get = blocking(AsyncAuthorizations.get)
    wait = blocking(AsyncAuthorizations.wait)
    locate_licenses = blocking(AsyncAuthorizations.locate_licenses)
    begin_step_up = blocking(AsyncAuthorizations.begin_step_up)
    decide = blocking(AsyncAuthorizations.decide)
    withdraw = blocking(AsyncAuthorizations.withdraw)
    list = blocking_iterator(AsyncAuthorizations.list)
    list_license_uses = blocking_iterator(AsyncAuthorizations.list_license_uses)
    export = blocking(AsyncAuthorizations.export)
    fetch_license = blocking(AsyncAuthorizations.fetch_license)
    introspect_grant = blocking(AsyncAuthorizations.introspect_grant)
    report_grant_use = blocking(AsyncAuthorizations.report_grant_use)
    give_mandate = blocking(AsyncAuthorizations.give_mandate)
    cancel_mandate = blocking(AsyncAuthorizations.cancel_mandate)
    list_mandates = blocking(AsyncAuthorizations.list_mandates)
