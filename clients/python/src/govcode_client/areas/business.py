"""`client.business`: what operators register (码业务管理服务, 7.4). Each registered thing begins as APPLIED."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import catalogue_pb2, registry_pb2
from govcode.code.v1 import service_code_pb2
from govcode.common.v1 import scene_pb2, subject_pb2

from govcode_client._core import (
    blocking,
    blocking_iterator,
    duration,
    enum_value,
    pages,
    timestamp,
)
from govcode_client.areas.names import BUSINESS
from govcode_client.areas.stubs import AsyncStubbed, BlockingStubbed
from govcode_client.serials import given_or_new


class AsyncBusiness(AsyncStubbed[Any]):
    """The registry of a node. All but lists need a business operator's certificate; every act may be repeated."""

    service = BUSINESS

    async def register_relying_party(
        self,
        *,
        name: str,
        uscc: str,
        purpose: str,
        contact: str,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.RelyingParty:
        """It registers a relying party (用码方).

        Args:
            name: As holders will see it, at most 64 characters.
            uscc: Unified social credit code (统一社会信用代码), 18 characters with a right check digit.
            purpose: What it reads codes for, at most 200 characters.
            contact: An office's mail address or telephone, not a person's.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: DUPLICATE, USCC_INVALID or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        request = businessv1.RegisterRelyingPartyRequest(
            biz_serial=given_or_new(biz_serial, "PARTY"),
            relying_party=registry_pb2.RelyingParty(name=name, uscc=uscc, purpose=purpose, contact=contact),
        )
        answer = await self._ask(
            "RegisterRelyingParty", request, businessv1.RegisterRelyingPartyResponse, timeout=timeout
        )
        return answer.relying_party

    async def change_relying_party_state(
        self,
        *,
        relying_party_id: str,
        state: int | str,
        reason: str,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.RelyingParty:
        """It moves a relying party to another state, at once.

        Args:
            relying_party_id: Which one.
            state: `APPROVED`, `ENABLED`, `SUSPENDED` or `CLOSED` (final). Moves: APPLIED → APPROVED →
                ENABLED ↔ SUSPENDED.
            reason: Why, at most 200 characters.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: PARTY_UNKNOWN or REGISTRATION_STATE_CONFLICT.
            ClientError: The call failed otherwise.
        """
        request = businessv1.ChangeRelyingPartyStateRequest(
            biz_serial=given_or_new(biz_serial, "PARTY-STATE"),
            relying_party_id=relying_party_id,
            state=_state(state),
            reason=reason,
        )
        answer = await self._ask(
            "ChangeRelyingPartyState", request, businessv1.ChangeRelyingPartyStateResponse, timeout=timeout
        )
        return answer.relying_party

    async def list_relying_parties(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[registry_pb2.RelyingParty, None]:
        """It goes through the relying parties, by id.

        Args:
            page_size: How many a call, 1 to 1,000; 200 where 0.
            timeout: Seconds for each call; the client's where None.

        Raises:
            ClientError: A call failed.
        """

        async def turn(token: str) -> tuple[object, str]:
            request = businessv1.ListRelyingPartiesRequest(page_size=page_size, page_token=token)
            page = await self._ask(
                "ListRelyingParties", request, businessv1.ListRelyingPartiesResponse, timeout=timeout
            )
            return page.relying_parties, page.next_page_token

        async for party in pages(turn):
            yield party

    async def register_application(
        self,
        *,
        app_id: str,
        relying_party_id: str,
        kind: int | str,
        name: str,
        scene_nos: Sequence[int] = (),
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.Application:
        """It registers an application (用码应用).

        Args:
            app_id: The name in its certificate: 1 to 64 of a–z, 0–9 and `-`.
            relying_party_id: Organisation that runs it.
            kind: `HOLDER` (presents codes, decides), `RELYING_PARTY` (scans, fetches) or `LICENSE_SYSTEM`; never two.
            name: At most 64 characters.
            scene_nos: Scenes that it may use, for RELYING_PARTY.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: DUPLICATE, PARTY_UNKNOWN, SCENE_UNKNOWN or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        value = enum_value(registry_pb2.ApplicationKind, kind, "APPLICATION_KIND_")
        request = businessv1.RegisterApplicationRequest(
            biz_serial=given_or_new(biz_serial, "APP"),
            application=registry_pb2.Application(
                app_id=app_id,
                relying_party_id=relying_party_id,
                kind=registry_pb2.ApplicationKind.ValueType(value),
                name=name,
                scene_nos=scene_nos,
            ),
        )
        answer = await self._ask(
            "RegisterApplication", request, businessv1.RegisterApplicationResponse, timeout=timeout
        )
        return answer.application

    async def change_application_state(
        self,
        *,
        app_id: str,
        state: int | str,
        reason: str,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.Application:
        """It moves an application to another state, at once; states and errors as for relying parties."""
        request = businessv1.ChangeApplicationStateRequest(
            biz_serial=given_or_new(biz_serial, "APP-STATE"), app_id=app_id, state=_state(state), reason=reason
        )
        answer = await self._ask(
            "ChangeApplicationState", request, businessv1.ChangeApplicationStateResponse, timeout=timeout
        )
        return answer.application

    async def list_applications(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[registry_pb2.Application, None]:
        """It goes through the applications, by id; as `list_relying_parties`."""

        async def turn(token: str) -> tuple[object, str]:
            request = businessv1.ListApplicationsRequest(page_size=page_size, page_token=token)
            page = await self._ask("ListApplications", request, businessv1.ListApplicationsResponse, timeout=timeout)
            return page.applications, page.next_page_token

        async for application in pages(turn):
            yield application

    async def register_application_key(
        self, *, app_id: str, public_key: bytes, biz_serial: str | None = None, timeout: float | None = None
    ) -> catalogue_pb2.ApplicationKey:
        """It registers the SM2 key to which licences are sealed for an application, from the next delivery on.

        Args:
            app_id: The application.
            public_key: Public point, 65 bytes: `Sm2PrivateKey.public_key.to_point()`.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: PARTY_UNKNOWN or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        request = businessv1.RegisterApplicationKeyRequest(
            biz_serial=given_or_new(biz_serial, "APP-KEY"),
            key=catalogue_pb2.ApplicationKey(app_id=app_id, public_key=public_key),
        )
        answer = await self._ask(
            "RegisterApplicationKey", request, businessv1.RegisterApplicationKeyResponse, timeout=timeout
        )
        return answer.key

    async def register_scanner(
        self, *, device_id: str, app_id: str, place: str, biz_serial: str | None = None, timeout: float | None = None
    ) -> registry_pb2.Scanner:
        """It registers a scanner (识读终端).

        Args:
            device_id: 1 to 64 of a–z, 0–9 and `-`; what `Client(device_id=…)` names.
            app_id: Application that it belongs to.
            place: Where it stands, at most 64 characters.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: DUPLICATE, PARTY_UNKNOWN or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        request = businessv1.RegisterScannerRequest(
            biz_serial=given_or_new(biz_serial, "SCANNER"),
            scanner=registry_pb2.Scanner(device_id=device_id, app_id=app_id, place=place),
        )
        return (
            await self._ask("RegisterScanner", request, businessv1.RegisterScannerResponse, timeout=timeout)
        ).scanner

    async def change_scanner_state(
        self,
        *,
        device_id: str,
        state: int | str,
        reason: str,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.Scanner:
        """It moves a scanner to another state, at once; states and errors as for relying parties."""
        request = businessv1.ChangeScannerStateRequest(
            biz_serial=given_or_new(biz_serial, "SCANNER-STATE"),
            device_id=device_id,
            state=_state(state),
            reason=reason,
        )
        answer = await self._ask("ChangeScannerState", request, businessv1.ChangeScannerStateResponse, timeout=timeout)
        return answer.scanner

    async def list_scanners(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[registry_pb2.Scanner, None]:
        """It goes through the scanners, by id; as `list_relying_parties`."""

        async def turn(token: str) -> tuple[object, str]:
            request = businessv1.ListScannersRequest(page_size=page_size, page_token=token)
            page = await self._ask("ListScanners", request, businessv1.ListScannersResponse, timeout=timeout)
            return page.scanners, page.next_page_token

        async for scanner in pages(turn):
            yield scanner

    async def register_scene(
        self,
        *,
        scene_no: int,
        name: str,
        scene_class: int | str,
        subject_kinds: Sequence[int | str] = ("PERSON",),
        fields: Mapping[str, bool] | None = None,
        validity: timedelta | None = None,
        refresh_after: timedelta | None = None,
        profile: int | str = "UNSPECIFIED",
        one_time: bool = False,
        offline_allowed: bool = False,
        assurance_level: int = 1,
        effective_time: datetime | None = None,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.Scene:
        """It registers a scene (场景), or a new version of it.

        Args:
            scene_no: Number in this region, 1 to 65,535.
            name: At most 64 characters.
            scene_class: `GENERAL`, `COUNTER`, `GATE`, `TRANSPORT`, `MEDICAL`, `LODGING` or `ENTERPRISE`.
            subject_kinds: Who may present here: `PERSON`, `LEGAL_ENTITY`, `THING`, `MATTER`.
            fields: Fields that a VALID scan discloses, and whether each may be seen whole. Example: `{"name": False}`.
            validity: How long a dynamic code is valid: 15 s to 600 s; the node's default where None.
            refresh_after: When to refresh: at least 5 s and less than validity; the node's default where None.
            profile: `MAC` or `SIGNED`; MAC where UNSPECIFIED.
            one_time: Whether codes for it are always good for one use only.
            offline_allowed: Whether a signed code may be taken here while its home node is away.
            assurance_level: Lowest level of the account's identity check, 1 to 3.
            effective_time: From when on; at once where None.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: SCENE_RULE_OUT_OF_BOUNDS or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        scene = registry_pb2.Scene(
            scene_no=scene_no,
            name=name,
            scene_class=scene_pb2.SceneClass.ValueType(enum_value(scene_pb2.SceneClass, scene_class, "SCENE_CLASS_")),
            subject_kinds=_kinds(subject_kinds),
            validity=duration(validity),
            refresh_after=duration(refresh_after),
            profile=service_code_pb2.CodeProfile.ValueType(
                enum_value(service_code_pb2.CodeProfile, profile, "CODE_PROFILE_")
            ),
            one_time=one_time,
            offline_allowed=offline_allowed,
            fields=[registry_pb2.SceneField(name=key, unmasked=whole) for key, whole in (fields or {}).items()],
            assurance_level=assurance_level,
            effective_time=timestamp(effective_time),
        )
        request = businessv1.RegisterSceneRequest(biz_serial=given_or_new(biz_serial, "SCENE"), scene=scene)
        return (await self._ask("RegisterScene", request, businessv1.RegisterSceneResponse, timeout=timeout)).scene

    async def list_scenes(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[registry_pb2.Scene, None]:
        """It goes through the scenes by number, each in the version that holds now; applications may ask too."""

        async def turn(token: str) -> tuple[object, str]:
            request = businessv1.ListScenesRequest(page_size=page_size, page_token=token)
            page = await self._ask("ListScenes", request, businessv1.ListScenesResponse, timeout=timeout)
            return page.scenes, page.next_page_token

        async for scene in pages(turn):
            yield scene

    async def register_relation(
        self,
        *,
        presenter_account_id: str,
        dependant_account_id: str,
        kind: int | str,
        proof_reference: str,
        end_time: datetime,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.Relation:
        """It registers a proven relation, so that one account may present for another (代亮关系).

        Args:
            presenter_account_id: Who presents.
            dependant_account_id: For whom.
            kind: `GUARDIAN` (监护) or `FAMILY` (亲属).
            proof_reference: Reference of the proof that the operator has seen; no personal data.
            end_time: Until when it holds.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: ACCOUNT_NOT_FOUND or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        value = enum_value(registry_pb2.RelationKind, kind, "RELATION_KIND_")
        request = businessv1.RegisterRelationRequest(
            biz_serial=given_or_new(biz_serial, "RELATION"),
            relation=registry_pb2.Relation(
                presenter_account_id=presenter_account_id,
                dependant_account_id=dependant_account_id,
                kind=registry_pb2.RelationKind.ValueType(value),
                proof_reference=proof_reference,
                end_time=timestamp(end_time),
            ),
        )
        answer = await self._ask("RegisterRelation", request, businessv1.RegisterRelationResponse, timeout=timeout)
        return answer.relation

    async def cancel_relation(
        self, *, relation_id: str, reason: str, biz_serial: str | None = None, timeout: float | None = None
    ) -> registry_pb2.Relation:
        """It ends a relation at once.

        Args:
            relation_id: Which one.
            reason: Why, at most 200 characters.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: RELATION_UNKNOWN.
            ClientError: The call failed otherwise.
        """
        request = businessv1.CancelRelationRequest(
            biz_serial=given_or_new(biz_serial, "RELATION-END"), relation_id=relation_id, reason=reason
        )
        return (await self._ask("CancelRelation", request, businessv1.CancelRelationResponse, timeout=timeout)).relation

    async def register_placed_subject(
        self,
        *,
        subject_kind: int | str,
        name: str,
        app_id: str = "",
        matter_code: str = "",
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> registry_pb2.PlacedSubject:
        """It registers a thing or matter that has codes of its own (场所码, 事项码).

        Args:
            subject_kind: `THING` or `MATTER`.
            name: Of the place or matter, at most 64 characters.
            app_id: Application that asks a holder who scans a code of it (主扫); with `matter_code`.
            matter_code: Matter whose whole scope is asked for then.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Returns:
            The subject with its account, to be named in `client.codes.apply`.

        Raises:
            NodeError: SCOPE_NOT_REGISTERED or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        request = businessv1.RegisterPlacedSubjectRequest(
            biz_serial=given_or_new(biz_serial, "PLACED"),
            subject=registry_pb2.PlacedSubject(
                subject_kind=_kinds([subject_kind])[0], name=name, app_id=app_id, matter_code=matter_code
            ),
        )
        answer = await self._ask(
            "RegisterPlacedSubject", request, businessv1.RegisterPlacedSubjectResponse, timeout=timeout
        )
        return answer.subject

    async def register_license_type(
        self,
        *,
        license_type: str,
        name: str,
        fields: Mapping[str, str],
        sensitive_fields: Collection[str] = (),
        document_sensitive: bool = False,
        subject_kinds: Sequence[int | str] = ("PERSON",),
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> catalogue_pb2.LicenseType:
        """It registers a licence type (证照类型), or a new version of it.

        Args:
            license_type: 1 to 64 of a–z, 0–9 and `-`. Example: `business-licence`.
            name: For people, in Chinese, at most 64 characters.
            fields: Labels for people by field name, 1 to 64. Example: `{"entity_name": "名称"}`.
            sensitive_fields: Those of them that are sensitive personal information (敏感个人信息).
            document_sensitive: Whether the document as a whole is.
            subject_kinds: Who can hold it.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            ValueError: A sensitive field is not among the fields.
            NodeError: INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        if strangers := set(sensitive_fields) - fields.keys():
            raise ValueError(f"{', '.join(sorted(strangers))} is sensitive, but no such field")
        request = businessv1.RegisterLicenseTypeRequest(
            biz_serial=given_or_new(biz_serial, "LICENSE-TYPE"),
            license_type=catalogue_pb2.LicenseType(
                license_type=license_type,
                name=name,
                fields=[
                    catalogue_pb2.LicenseTypeField(name=key, label=label, sensitive=key in sensitive_fields)
                    for key, label in fields.items()
                ],
                document_sensitive=document_sensitive,
                subject_kinds=_kinds(subject_kinds),
            ),
        )
        answer = await self._ask(
            "RegisterLicenseType", request, businessv1.RegisterLicenseTypeResponse, timeout=timeout
        )
        return answer.license_type

    async def list_license_types(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[catalogue_pb2.LicenseType, None]:
        """It goes through the licence types by name, each in its newest version; applications may ask too."""

        async def turn(token: str) -> tuple[object, str]:
            request = businessv1.ListLicenseTypesRequest(page_size=page_size, page_token=token)
            page = await self._ask("ListLicenseTypes", request, businessv1.ListLicenseTypesResponse, timeout=timeout)
            return page.license_types, page.next_page_token

        async for license_type in pages(turn):
            yield license_type

    async def register_matter(
        self,
        *,
        matter_code: str,
        app_id: str,
        name: str,
        purpose: str,
        handling_means: str,
        items: Mapping[str, Sequence[str]],
        documents: Collection[str] = (),
        max_retention: timedelta | None = None,
        max_uses: int = 1,
        max_period: timedelta = timedelta(days=1),
        subject_kinds: Sequence[int | str] = ("PERSON",),
        statute: str = "",
        secret: bool = False,
        biz_serial: str | None = None,
        timeout: float | None = None,
    ) -> catalogue_pb2.Matter:
        """It registers what an application may ask for in a matter (事项): no more than it needs (最小必要).

        Args:
            matter_code: 1 to 64 of A–Z, a–z, 0–9 and `-`.
            app_id: The application.
            name: At most 64 characters. Example: `企业开办`.
            purpose: What for, at most 200 characters.
            handling_means: How data are handled, at most 200 characters.
            items: Field names by licence type, 1 to 16 types.
            documents: Licence types of `items` whose document may be asked for.
            max_retention: Longest time that data may be kept; not at all where None.
            max_uses: Most uses of each item, 1 to 1,000.
            max_period: Longest time after the decision, at most 90 days.
            subject_kinds: Who may be asked.
            statute: Statute and article that let it be handled without consent; consent is needed where empty.
            secret: Whether that statute forbids telling the holder.
            biz_serial: Serial of the act; made where None.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: PARTY_UNKNOWN, LICENSE_TYPE_UNKNOWN, AUTHORIZATION_OUT_OF_POLICY or INVALID_FIELD.
            ClientError: The call failed otherwise.
        """
        matter = catalogue_pb2.Matter(
            matter_code=matter_code,
            app_id=app_id,
            name=name,
            purpose=purpose,
            handling_means=handling_means,
            items=[
                catalogue_pb2.MatterItem(license_type=kind, field_names=names, document=kind in documents)
                for kind, names in items.items()
            ],
            max_retention=duration(max_retention),
            max_uses=max_uses,
            max_period=duration(max_period),
            subject_kinds=_kinds(subject_kinds),
            statutory_basis=catalogue_pb2.StatutoryBasis(statute=statute, secret=secret) if statute else None,
        )
        request = businessv1.RegisterMatterRequest(biz_serial=given_or_new(biz_serial, "MATTER"), matter=matter)
        return (await self._ask("RegisterMatter", request, businessv1.RegisterMatterResponse, timeout=timeout)).matter

    async def list_matters(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[catalogue_pb2.Matter, None]:
        """It goes through the matters by application and code, each in its newest version."""

        async def turn(token: str) -> tuple[object, str]:
            request = businessv1.ListMattersRequest(page_size=page_size, page_token=token)
            page = await self._ask("ListMatters", request, businessv1.ListMattersResponse, timeout=timeout)
            return page.matters, page.next_page_token

        async for matter in pages(turn):
            yield matter


def _state(given: int | str) -> registry_pb2.RegistrationState.ValueType:
    value = enum_value(registry_pb2.RegistrationState, given, "REGISTRATION_STATE_")
    return registry_pb2.RegistrationState.ValueType(value)


def _kinds(given: Sequence[int | str]) -> list[subject_pb2.SubjectKind.ValueType]:
    values = [enum_value(subject_pb2.SubjectKind, kind, "SUBJECT_KIND_") for kind in given]
    return [subject_pb2.SubjectKind.ValueType(value) for value in values]


class Business(BlockingStubbed[AsyncBusiness]):
    """The registry of a node. All but lists need a business operator's certificate; every act may be repeated."""

    register_relying_party = blocking(AsyncBusiness.register_relying_party)
    change_relying_party_state = blocking(AsyncBusiness.change_relying_party_state)
    list_relying_parties = blocking_iterator(AsyncBusiness.list_relying_parties)
    register_application = blocking(AsyncBusiness.register_application)
    change_application_state = blocking(AsyncBusiness.change_application_state)
    list_applications = blocking_iterator(AsyncBusiness.list_applications)
    register_application_key = blocking(AsyncBusiness.register_application_key)
    register_scanner = blocking(AsyncBusiness.register_scanner)
    change_scanner_state = blocking(AsyncBusiness.change_scanner_state)
    list_scanners = blocking_iterator(AsyncBusiness.list_scanners)
    register_scene = blocking(AsyncBusiness.register_scene)
    list_scenes = blocking_iterator(AsyncBusiness.list_scenes)
    register_relation = blocking(AsyncBusiness.register_relation)
    cancel_relation = blocking(AsyncBusiness.cancel_relation)
    register_placed_subject = blocking(AsyncBusiness.register_placed_subject)
    register_license_type = blocking(AsyncBusiness.register_license_type)
    list_license_types = blocking_iterator(AsyncBusiness.list_license_types)
    register_matter = blocking(AsyncBusiness.register_matter)
    list_matters = blocking_iterator(AsyncBusiness.list_matters)
