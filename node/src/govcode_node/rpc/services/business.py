"""The code business management service (码业务管理服务, 7.4)."""

from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1.business_management_service_pb2_grpc import BusinessManagementServiceServicer
from typing_extensions import override

from govcode_node.ports.clock import Clock
from govcode_node.rpc.call import current_call
from govcode_node.usecases.catalogue_keeping import CatalogueKeeping
from govcode_node.usecases.registry import Registry
from govcode_node.wire import catalogue, checks, registry
from govcode_node.wire.registry_pages import page_of, requested_page, scene_number


class BusinessManagementServicer(BusinessManagementServiceServicer):
    """It takes what operators register, and lists it."""

    def __init__(self, *, registrations: Registry, keeping: CatalogueKeeping, clock: Clock) -> None:
        """It serves these steps; the clock says what is in force at once and what is over."""
        self._registrations = registrations
        self._keeping = keeping
        self._clock = clock

    @override
    async def RegisterRelyingParty(
        self, request: businessv1.RegisterRelyingPartyRequest, context: object
    ) -> businessv1.RegisterRelyingPartyResponse:
        party, replayed = await self._registrations.register_relying_party(
            current_call(),
            checks.biz_serial(request.biz_serial),
            registry.relying_party_from_proto(request.relying_party),
        )
        return businessv1.RegisterRelyingPartyResponse(
            relying_party=registry.relying_party_to_proto(party), replayed=replayed
        )

    @override
    async def ChangeRelyingPartyState(
        self, request: businessv1.ChangeRelyingPartyStateRequest, context: object
    ) -> businessv1.ChangeRelyingPartyStateResponse:
        party, replayed = await self._registrations.move_relying_party(
            current_call(),
            checks.biz_serial(request.biz_serial),
            checks.printable(request.relying_party_id, "relying_party_id"),
            target=registry.REGISTRATION_STATES.require(request.state, "state"),
            reason=checks.text(request.reason, "reason", longest=registry.MAX_TEXT),
        )
        return businessv1.ChangeRelyingPartyStateResponse(
            relying_party=registry.relying_party_to_proto(party), replayed=replayed
        )

    @override
    async def ListRelyingParties(
        self, request: businessv1.ListRelyingPartiesRequest, context: object
    ) -> businessv1.ListRelyingPartiesResponse:
        size, after = requested_page(request.page_size, request.page_token)
        rows = await self._registrations.relying_parties(after=after, limit=size + 1)
        page, token = page_of(rows, size, key=lambda party: party.relying_party_id)
        return businessv1.ListRelyingPartiesResponse(
            relying_parties=[registry.relying_party_to_proto(party) for party in page], next_page_token=token
        )

    @override
    async def RegisterApplication(
        self, request: businessv1.RegisterApplicationRequest, context: object
    ) -> businessv1.RegisterApplicationResponse:
        application, replayed = await self._registrations.register_application(
            current_call(),
            checks.biz_serial(request.biz_serial),
            registry.application_from_proto(request.application),
        )
        return businessv1.RegisterApplicationResponse(
            application=registry.application_to_proto(application), replayed=replayed
        )

    @override
    async def ChangeApplicationState(
        self, request: businessv1.ChangeApplicationStateRequest, context: object
    ) -> businessv1.ChangeApplicationStateResponse:
        application, replayed = await self._registrations.move_application(
            current_call(),
            checks.biz_serial(request.biz_serial),
            checks.registered_name(request.app_id, "app_id"),
            target=registry.REGISTRATION_STATES.require(request.state, "state"),
            reason=checks.text(request.reason, "reason", longest=registry.MAX_TEXT),
        )
        return businessv1.ChangeApplicationStateResponse(
            application=registry.application_to_proto(application), replayed=replayed
        )

    @override
    async def ListApplications(
        self, request: businessv1.ListApplicationsRequest, context: object
    ) -> businessv1.ListApplicationsResponse:
        size, after = requested_page(request.page_size, request.page_token)
        rows = await self._registrations.applications(after=after, limit=size + 1)
        page, token = page_of(rows, size, key=lambda application: application.app_id)
        return businessv1.ListApplicationsResponse(
            applications=[registry.application_to_proto(application) for application in page], next_page_token=token
        )

    @override
    async def RegisterScanner(
        self, request: businessv1.RegisterScannerRequest, context: object
    ) -> businessv1.RegisterScannerResponse:
        scanner, replayed = await self._registrations.register_scanner(
            current_call(), checks.biz_serial(request.biz_serial), registry.scanner_from_proto(request.scanner)
        )
        return businessv1.RegisterScannerResponse(scanner=registry.scanner_to_proto(scanner), replayed=replayed)

    @override
    async def ChangeScannerState(
        self, request: businessv1.ChangeScannerStateRequest, context: object
    ) -> businessv1.ChangeScannerStateResponse:
        scanner, replayed = await self._registrations.move_scanner(
            current_call(),
            checks.biz_serial(request.biz_serial),
            checks.registered_name(request.device_id, "device_id"),
            target=registry.REGISTRATION_STATES.require(request.state, "state"),
            reason=checks.text(request.reason, "reason", longest=registry.MAX_TEXT),
        )
        return businessv1.ChangeScannerStateResponse(scanner=registry.scanner_to_proto(scanner), replayed=replayed)

    @override
    async def ListScanners(
        self, request: businessv1.ListScannersRequest, context: object
    ) -> businessv1.ListScannersResponse:
        size, after = requested_page(request.page_size, request.page_token)
        rows = await self._registrations.scanners(after=after, limit=size + 1)
        page, token = page_of(rows, size, key=lambda scanner: scanner.device_id)
        return businessv1.ListScannersResponse(
            scanners=[registry.scanner_to_proto(scanner) for scanner in page], next_page_token=token
        )

    @override
    async def RegisterScene(
        self, request: businessv1.RegisterSceneRequest, context: object
    ) -> businessv1.RegisterSceneResponse:
        scene, replayed = await self._registrations.register_scene(
            current_call(),
            checks.biz_serial(request.biz_serial),
            registry.scene_from_proto(request.scene, now=self._clock.now()),
        )
        return businessv1.RegisterSceneResponse(scene=registry.scene_to_proto(scene), replayed=replayed)

    @override
    async def ListScenes(self, request: businessv1.ListScenesRequest, context: object) -> businessv1.ListScenesResponse:
        size, after = requested_page(request.page_size, request.page_token)
        rows = await self._registrations.scenes(after=scene_number(after), limit=size + 1)
        page, token = page_of(rows, size, key=lambda scene: str(scene.scene_no))
        return businessv1.ListScenesResponse(
            scenes=[registry.scene_to_proto(scene) for scene in page], next_page_token=token
        )

    @override
    async def RegisterRelation(
        self, request: businessv1.RegisterRelationRequest, context: object
    ) -> businessv1.RegisterRelationResponse:
        relation, replayed = await self._registrations.register_relation(
            current_call(),
            checks.biz_serial(request.biz_serial),
            registry.relation_from_proto(request.relation, now=self._clock.now()),
        )
        return businessv1.RegisterRelationResponse(relation=registry.relation_to_proto(relation), replayed=replayed)

    @override
    async def CancelRelation(
        self, request: businessv1.CancelRelationRequest, context: object
    ) -> businessv1.CancelRelationResponse:
        relation, replayed = await self._registrations.cancel_relation(
            current_call(),
            checks.biz_serial(request.biz_serial),
            checks.printable(request.relation_id, "relation_id"),
            reason=checks.text(request.reason, "reason", longest=registry.MAX_TEXT),
        )
        return businessv1.CancelRelationResponse(relation=registry.relation_to_proto(relation), replayed=replayed)

    @override
    async def RegisterPlacedSubject(
        self, request: businessv1.RegisterPlacedSubjectRequest, context: object
    ) -> businessv1.RegisterPlacedSubjectResponse:
        wanted = registry.placed_subject_from_proto(request.subject)
        placed, replayed = await self._registrations.register_placed_subject(
            current_call(),
            checks.biz_serial(request.biz_serial),
            subject_kind=wanted.subject_kind,
            name=wanted.name,
            app_id=wanted.app_id,
            matter_code=wanted.matter_code,
        )
        return businessv1.RegisterPlacedSubjectResponse(
            subject=registry.placed_subject_to_proto(placed), replayed=replayed
        )

    @override
    async def RegisterLicenseType(
        self, request: businessv1.RegisterLicenseTypeRequest, context: object
    ) -> businessv1.RegisterLicenseTypeResponse:
        kind, replayed = await self._keeping.register_license_type(
            current_call(),
            checks.biz_serial(request.biz_serial),
            catalogue.license_type_from_proto(request.license_type),
        )
        return businessv1.RegisterLicenseTypeResponse(
            license_type=catalogue.license_type_to_proto(kind), replayed=replayed
        )

    @override
    async def ListLicenseTypes(
        self, request: businessv1.ListLicenseTypesRequest, context: object
    ) -> businessv1.ListLicenseTypesResponse:
        size, after = catalogue.license_type_page(request.page_size, request.page_token)
        rows = await self._keeping.license_types(after=after, limit=size + 1)
        page, token = page_of(rows, size, key=lambda kind: kind.license_type)
        return businessv1.ListLicenseTypesResponse(
            license_types=[catalogue.license_type_to_proto(kind) for kind in page], next_page_token=token
        )

    @override
    async def RegisterMatter(
        self, request: businessv1.RegisterMatterRequest, context: object
    ) -> businessv1.RegisterMatterResponse:
        matter, replayed = await self._keeping.register_matter(
            current_call(), checks.biz_serial(request.biz_serial), catalogue.matter_from_proto(request.matter)
        )
        return businessv1.RegisterMatterResponse(matter=catalogue.matter_to_proto(matter), replayed=replayed)

    @override
    async def ListMatters(
        self, request: businessv1.ListMattersRequest, context: object
    ) -> businessv1.ListMattersResponse:
        size, after = catalogue.matter_page(request.page_size, request.page_token)
        rows = await self._keeping.matters(after=after, limit=size + 1)
        page, token = page_of(rows, size, key=catalogue.matter_token)
        return businessv1.ListMattersResponse(
            matters=[catalogue.matter_to_proto(matter) for matter in page], next_page_token=token
        )

    @override
    async def RegisterApplicationKey(
        self, request: businessv1.RegisterApplicationKeyRequest, context: object
    ) -> businessv1.RegisterApplicationKeyResponse:
        key, replayed = await self._keeping.register_key(
            current_call(), checks.biz_serial(request.biz_serial), catalogue.application_key_from_proto(request.key)
        )
        return businessv1.RegisterApplicationKeyResponse(key=catalogue.application_key_to_proto(key), replayed=replayed)
