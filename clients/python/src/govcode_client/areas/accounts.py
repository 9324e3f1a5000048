"""Accounts, sessions and devices of holders: what a holders' back end (公众端后端) does before it presents codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from govcode.code.v1 import account_pb2, statement_pb2
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.common.v1 import holder_pb2, subject_pb2

from govcode_client._core import AsyncArea, enum_value
from govcode_client._errors import NodeError
from govcode_client.areas.names import APPLICATION
from govcode_client.device import HolderDevice

_SUBJECT_KIND: Final = "SUBJECT_KIND_"

Identify = Callable[[appv1.BeginIdentificationResponse], bytes]
"""What the provider's device kit (鉴别控件) does: it answers an identification with its opaque blob."""


class Phone(Protocol):
    """A holder's phone, as far as signing in needs it; `govcode_client.sandbox` has one."""

    @property
    def device(self) -> HolderDevice:
        """The device with its SM2 key."""
        ...

    def identify(self, begun: appv1.BeginIdentificationResponse, /) -> bytes:
        """It runs the device kit of the identity provider and gives its blob."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """An account that can be used, with a session on one device.

    Attributes:
        account_id: The account.
        session: The session; `session_token` is its secret.
        moved: Whether the account was open on another device, and moved to this one.
    """

    account_id: str
    session: account_pb2.Session
    moved: bool


class AccountActs(AsyncArea):
    """Acts about accounts."""

    async def begin_identification(
        self, *, subject_kind: int | str = "PERSON", timeout: float | None = None
    ) -> appv1.BeginIdentificationResponse:
        """It begins an identity check (身份鉴别) and returns what the provider's kit on the phone needs.

        Args:
            subject_kind: `PERSON`, or `LEGAL_ENTITY`, which is identified by a person who may act for it.
            timeout: Seconds; the client's where None.

        Returns:
            The id of the identification, valid once and for five minutes, with the provider's challenge.

        Raises:
            NodeBusyError: IDENTITY_PROVIDER_UNAVAILABLE.
            ClientError: The call failed otherwise.
        """
        kind = enum_value(subject_pb2.SubjectKind, subject_kind, _SUBJECT_KIND)
        request = appv1.BeginIdentificationRequest(subject_kind=subject_pb2.SubjectKind.ValueType(kind))
        return await self._ask(
            "BeginIdentification", request, appv1.BeginIdentificationResponse, timeout=timeout, service=APPLICATION
        )

    async def open_account(
        self,
        *,
        identification_id: str,
        provider_blob: bytes,
        proof: holder_pb2.HolderProof,
        timeout: float | None = None,
    ) -> appv1.OpenAccountResponse:
        """It opens an account (开户) with its first session, bound to the device that signed.

        Args:
            identification_id: From `begin_identification`.
            provider_blob: What the provider's kit on the phone made for it; passed on, never kept.
            proof: `HolderDevice.prove_open_account`; the serial of the act is the one that was signed.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: ALREADY_OPEN (use `bind_device`), IDENTITY_FAILED, IDENTIFICATION_EXPIRED, TERMS_NOT_ACCEPTED,
                HOLDER_PROOF_INVALID or SERIAL_CONFLICT.
            ClientError: The call failed otherwise.
        """
        request = appv1.OpenAccountRequest(
            biz_serial=statement_pb2.OpenAccountStatement.FromString(proof.statement).biz_serial,
            identification=_identification(identification_id, provider_blob),
            proof=proof,
        )
        return await self._ask("OpenAccount", request, appv1.OpenAccountResponse, timeout=timeout, service=APPLICATION)

    async def open_session(
        self,
        *,
        identification_id: str,
        provider_blob: bytes,
        proof: holder_pb2.HolderProof,
        timeout: float | None = None,
    ) -> appv1.OpenSessionResponse:
        """It opens a further session for the device that the account is bound to.

        Args:
            identification_id: From `begin_identification`.
            provider_blob: What the provider's kit made for it.
            proof: `HolderDevice.prove_open_session`.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: ACCOUNT_NOT_FOUND, DEVICE_NOT_BOUND, SUBJECT_SUSPENDED, IDENTITY_FAILED or another.
            ClientError: The call failed otherwise.
        """
        request = appv1.OpenSessionRequest(
            biz_serial=statement_pb2.OpenSessionStatement.FromString(proof.statement).biz_serial,
            identification=_identification(identification_id, provider_blob),
            proof=proof,
        )
        return await self._ask("OpenSession", request, appv1.OpenSessionResponse, timeout=timeout, service=APPLICATION)

    async def bind_device(
        self,
        *,
        identification_id: str,
        provider_blob: bytes,
        proof: holder_pb2.HolderProof,
        timeout: float | None = None,
    ) -> appv1.BindDeviceResponse:
        """It moves an account to a new device (换机): sessions of the old device end.

        Args:
            identification_id: From `begin_identification`.
            provider_blob: What the provider's kit made for it.
            proof: `HolderDevice.prove_bind_device`, signed by the new device.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: ACCOUNT_NOT_FOUND, SUBJECT_SUSPENDED, IDENTITY_FAILED, HOLDER_PROOF_INVALID or another.
            ClientError: The call failed otherwise.
        """
        request = appv1.BindDeviceRequest(
            biz_serial=statement_pb2.BindDeviceStatement.FromString(proof.statement).biz_serial,
            identification=_identification(identification_id, provider_blob),
            proof=proof,
        )
        return await self._ask("BindDevice", request, appv1.BindDeviceResponse, timeout=timeout, service=APPLICATION)

    async def sign_in(
        self,
        *,
        phone: Phone,
        terms_version: str,
        subject_kind: int | str = "PERSON",
        timeout: float | None = None,
    ) -> SignedIn:
        """It opens the holder's account on a phone, a further session where it is open there, or moves it there.

        For tests, demonstrations and kiosks, which have phone and back end in one place; a real back end gets the
        pieces from the phone and calls `begin_identification`, `open_account` or `bind_device` itself.

        Args:
            phone: Device key and device kit of the holder.
            terms_version: Version of the terms (服务协议) that the holder agreed to.
            subject_kind: `PERSON` or `LEGAL_ENTITY`.
            timeout: Seconds for each call; the client's where None.

        Raises:
            NodeError: IDENTITY_FAILED, TERMS_NOT_ACCEPTED, SUBJECT_SUSPENDED or another.
            ClientError: The call failed otherwise.
        """
        begun = await self.begin_identification(subject_kind=subject_kind, timeout=timeout)
        try:
            opened = await self.open_account(
                identification_id=begun.identification_id,
                provider_blob=phone.identify(begun),
                proof=phone.device.prove_open_account(
                    identification_id=begun.identification_id, terms_version=terms_version
                ),
                timeout=timeout,
            )
        except NodeError as error:
            if error.reason != "ALREADY_OPEN":
                raise
        else:
            return SignedIn(account_id=opened.account.account_id, session=opened.session, moved=False)
        begun = await self.begin_identification(subject_kind=subject_kind, timeout=timeout)
        try:
            further = await self.open_session(
                identification_id=begun.identification_id,
                provider_blob=phone.identify(begun),
                proof=phone.device.prove_open_session(identification_id=begun.identification_id),
                timeout=timeout,
            )
        except NodeError as error:
            if error.reason != "DEVICE_NOT_BOUND":
                raise
        else:
            return SignedIn(account_id=further.session.account_id, session=further.session, moved=False)
        begun = await self.begin_identification(subject_kind=subject_kind, timeout=timeout)
        bound = await self.bind_device(
            identification_id=begun.identification_id,
            provider_blob=phone.identify(begun),
            proof=phone.device.prove_bind_device(identification_id=begun.identification_id),
            timeout=timeout,
        )
        return SignedIn(account_id=bound.session.account_id, session=bound.session, moved=True)

    async def close_account(
        self, *, session_token: str, proof: holder_pb2.HolderProof, timeout: float | None = None
    ) -> appv1.CloseAccountResponse:
        """It closes an account for good (销户): codes are revoked, sessions end, personal fields are erased.

        Args:
            session_token: Of a live session of the account.
            proof: `HolderDevice.prove_close_account`.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: SESSION_INVALID, SUBJECT_SUSPENDED or HOLDER_PROOF_INVALID.
            ClientError: The call failed otherwise.
        """
        request = appv1.CloseAccountRequest(
            biz_serial=statement_pb2.CloseAccountStatement.FromString(proof.statement).biz_serial,
            session_token=session_token,
            proof=proof,
        )
        return await self._ask(
            "CloseAccount", request, appv1.CloseAccountResponse, timeout=timeout, service=APPLICATION
        )

    async def list_sessions(self, *, session_token: str, timeout: float | None = None) -> list[account_pb2.Session]:
        """It lists the sessions of the account, newest first, at most 100, without their tokens.

        Args:
            session_token: Of a live session of the account.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: SESSION_INVALID or SUBJECT_SUSPENDED.
            ClientError: The call failed otherwise.
        """
        request = appv1.ListSessionsRequest(session_token=session_token)
        answer = await self._ask(
            "ListSessions", request, appv1.ListSessionsResponse, timeout=timeout, service=APPLICATION
        )
        return list(answer.sessions)

    async def close_session(
        self, *, session_token: str, session_id: str = "", timeout: float | None = None
    ) -> account_pb2.Session:
        """It ends a session of the same account.

        Args:
            session_token: Of a live session of the account.
            session_id: The session to end; the one of the token where empty.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: SESSION_INVALID, SUBJECT_SUSPENDED or SESSION_NOT_FOUND.
            ClientError: The call failed otherwise.
        """
        request = appv1.CloseSessionRequest(session_token=session_token, session_id=session_id)
        answer = await self._ask(
            "CloseSession", request, appv1.CloseSessionResponse, timeout=timeout, service=APPLICATION
        )
        return answer.session


def _identification(identification_id: str, provider_blob: bytes) -> holder_pb2.Identification:
    return holder_pb2.Identification(identification_id=identification_id, provider_blob=provider_blob)
