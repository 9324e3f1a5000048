"""What each node's business operator registers before anybody can use a code: clause 7.4, through the client."""

from typing import TYPE_CHECKING, Any

from govcode_node.commands.holders import new_serial
from govcode_node.demo.federation import Federation
from govcode_node.demo.plan import (
    PlannedApplication,
    PlannedNode,
    PlannedOrganisation,
    PlannedScanner,
    PlannedScene,
)

if TYPE_CHECKING:
    from govcode_client import Client


def seed(federation: Federation) -> None:
    """It registers, approves and enables scenes, organisations, applications and scanners at every node.

    Raises:
        ClientError: A node refuses.
    """
    for node in federation.plan.members:
        registrar = _Registrar(federation.client("business", node.node_id), node)
        for scene in federation.plan.scene:
            registrar.scene(scene)
        for organisation in federation.plan.organisation:
            registrar.organisation(organisation)


class _Registrar:
    def __init__(self, client: "Client", node: PlannedNode) -> None:
        from govcode.business.v1 import business_management_service_pb2, registry_pb2

        self._business = client.business
        self._node = node
        self._pb = business_management_service_pb2
        self._registry = registry_pb2

    def scene(self, planned: PlannedScene) -> None:
        from govcode.code.v1.service_code_pb2 import CodeProfile
        from govcode.common.v1.scene_pb2 import SceneClass
        from govcode.common.v1.subject_pb2 import SubjectKind

        scene = self._registry.Scene(
            scene_no=planned.scene_no,
            name=planned.name,
            scene_class=SceneClass.Value(f"SCENE_CLASS_{planned.scene_class}"),
            subject_kinds=[SubjectKind.Value(f"SUBJECT_KIND_{kind}") for kind in planned.subject_kinds],
            profile=CodeProfile.Value(f"CODE_PROFILE_{planned.profile}"),
            one_time=planned.one_time,
            offline_allowed=planned.offline_allowed,
            fields=[self._registry.SceneField(name=name) for name in planned.fields],
        )
        self._business.RegisterScene(self._pb.RegisterSceneRequest(biz_serial=new_serial("SCENE"), scene=scene))

    def organisation(self, planned: PlannedOrganisation) -> None:
        party = self._registry.RelyingParty(
            name=self._node.fill(planned.name),
            uscc=planned.uscc(self._node),
            purpose=planned.purpose,
            contact="010-00000000",
        )
        registered = self._business.RegisterRelyingParty(
            self._pb.RegisterRelyingPartyRequest(biz_serial=new_serial("PARTY"), relying_party=party)
        )
        party_id = registered.relying_party.relying_party_id
        self._enable(
            self._business.ChangeRelyingPartyState,
            self._pb.ChangeRelyingPartyStateRequest(relying_party_id=party_id),
        )
        for application in planned.application:
            self._application(application, party_id)

    def _application(self, planned: PlannedApplication, party_id: str) -> None:
        application = self._registry.Application(
            app_id=planned.app_id,
            relying_party_id=party_id,
            kind=self._registry.ApplicationKind.Value(f"APPLICATION_KIND_{planned.kind}"),
            name=self._node.fill(planned.name),
            scene_nos=planned.scene_nos,
        )
        self._business.RegisterApplication(
            self._pb.RegisterApplicationRequest(biz_serial=new_serial("APP"), application=application)
        )
        self._enable(
            self._business.ChangeApplicationState, self._pb.ChangeApplicationStateRequest(app_id=planned.app_id)
        )
        for scanner in planned.scanner:
            self._scanner(scanner, planned.app_id)

    def _scanner(self, planned: PlannedScanner, app_id: str) -> None:
        scanner = self._registry.Scanner(
            device_id=planned.device_id, app_id=app_id, place=self._node.fill(planned.place)
        )
        self._business.RegisterScanner(
            self._pb.RegisterScannerRequest(biz_serial=new_serial("SCANNER"), scanner=scanner)
        )
        self._enable(self._business.ChangeScannerState, self._pb.ChangeScannerStateRequest(device_id=planned.device_id))

    def _enable(self, change: Any, request: Any) -> None:
        """It moves a registration on as two acts, as the contract wants it: approved first, then enabled."""
        for state in ("APPROVED", "ENABLED"):
            request.biz_serial = new_serial(state)
            request.state = self._registry.RegistrationState.Value(f"REGISTRATION_STATE_{state}")
            request.reason = "演示环境初始化"
            change(request)
