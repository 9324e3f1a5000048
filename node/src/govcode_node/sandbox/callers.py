"""Who may call the sandbox, and as whom: certificates, and what each caller is registered as at a node."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from govcode.business.v1 import business_management_service_pb2 as pb
from govcode.business.v1 import catalogue_pb2, registry_pb2
from govcode.code.v1.service_code_pb2 import CodeProfile
from govcode.common.v1.scene_pb2 import SceneClass
from govcode.common.v1.subject_pb2 import SubjectKind
from govcode_client import AsyncClient, Client, ClientIdentity

from govcode_node.commands.holders import new_serial
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.numbers import complete_uscc
from govcode_node.pki import DevelopmentPki
from govcode_node.sandbox.licences import (
    LICENCE_TYPES,
    MATTERS,
    MAX_USES,
    SandboxLicenceType,
    SandboxMatter,
)
from govcode_node.sandbox.nodes import SandboxNodes
from govcode_node.sandbox.plan import (
    CLINIC_APP,
    CLINIC_SCENE,
    COUNTER_APP,
    HOLDER_APP,
    LICENCE_SYSTEM,
    SCANNER,
    SCENES,
    SUSPENDED_APP,
    SUSPENDED_SCANNER,
    VIRTUAL_APP,
    SandboxScene,
)

_TIMEOUT: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerCertificate:
    """A certificate with its key, PEM, and the name that it carries."""

    name: str
    certificate_pem: str
    private_key_pem: str = field(repr=False)

    def entry(self, name_key: str = "name") -> dict[str, Any]:
        """It gives what stands in the credentials file."""
        return {
            name_key: self.name,
            "certificate_pem": self.certificate_pem,
            "private_key_pem": self.private_key_pem,
        }


def issue_caller(pki: DevelopmentPki, caller_class: CallerClass, name: str, *, region: str) -> CallerCertificate:
    """It gives the certificate of a caller of a region."""
    issued = pki.issue(caller_class, name, region=region)
    return CallerCertificate(
        name=name, certificate_pem=issued.certificate_pem.decode(), private_key_pem=issued.key_pem.decode()
    )


class NodeCallers:
    """The callers of one node, as clients."""

    def __init__(self, nodes: SandboxNodes, node_id: str) -> None:
        """It connects at the first call of each."""
        self._nodes = nodes
        self._node_id = node_id
        self._clients: list[Client] = []

    def close(self) -> None:
        """It ends all connections."""
        for client in self._clients:
            client.close()
        self._clients.clear()

    @cached_property
    def business(self) -> Client:
        """The business operator."""
        return self._client(CallerClass.OPERATOR, "business")

    @cached_property
    def security(self) -> Client:
        """The security operator."""
        return self._client(CallerClass.OPERATOR, "security")

    @cached_property
    def holder_app(self) -> Client:
        """The citizens' back end."""
        return self._client(CallerClass.APP, HOLDER_APP)

    @cached_property
    def virtual_app(self) -> Client:
        """The back end of the holders that answer by themselves."""
        return self._client(CallerClass.APP, VIRTUAL_APP)

    def virtual_app_async(self) -> AsyncClient:
        """The same, for the event loop; its caller closes it."""
        address, identity, server_name = self._line(CallerClass.APP, VIRTUAL_APP)
        return AsyncClient(address, identity, server_name=server_name, timeout=_TIMEOUT)

    @cached_property
    def counter_app(self) -> Client:
        """The counters' application."""
        return self._client(CallerClass.APP, COUNTER_APP)

    def _client(self, caller_class: CallerClass, name: str) -> Client:
        address, identity, server_name = self._line(caller_class, name)
        client = Client(address, identity, server_name=server_name, timeout=_TIMEOUT)
        self._clients.append(client)
        return client

    def _line(self, caller_class: CallerClass, name: str) -> tuple[str, ClientIdentity, str]:
        issued = self._nodes.pki.issue(caller_class, name, region=self._node_id)
        identity = ClientIdentity(
            certificate=issued.certificate_pem,
            key=issued.key_pem,
            roots=self._nodes.pki.roots_path.read_bytes(),
        )
        return self._nodes.address(self._node_id), identity, self._nodes.server_name(self._node_id)


def register_parties(business: Client, region: str, *, encryption_key: bytes) -> None:
    """It registers, approves and enables what a node of the sandbox knows: scenes, organisations, applications.

    Args:
        business: The node's business operator.
        region: The node's region.
        encryption_key: Public point of the key to which licences are sealed for the counter.

    Raises:
        ClientError: The node refuses.
    """
    registrar = _Registrar(business)
    for scene in SCENES:
        registrar.scene(scene)
    public = [scene.scene_no for scene in SCENES if scene.scene_no != CLINIC_SCENE]
    centre = registrar.organisation("沙箱数据中心", f"11{region}MA9TEXT01")
    registrar.application(HOLDER_APP, centre, kind="HOLDER")
    registrar.application(VIRTUAL_APP, centre, kind="HOLDER")
    registrar.application(LICENCE_SYSTEM, centre, kind="LICENSE_SYSTEM")
    hall = registrar.organisation("沙箱政务服务中心", f"12{region}MA9TEXT02")
    registrar.application(COUNTER_APP, hall, scene_nos=public)
    registrar.scanner(SCANNER, COUNTER_APP)
    registrar.scanner(SUSPENDED_SCANNER, COUNTER_APP, suspended=True)
    registrar.application(SUSPENDED_APP, hall, scene_nos=public, suspended=True)
    clinic = registrar.organisation("沙箱门诊", f"12{region}MA9TEXT03")
    registrar.application(CLINIC_APP, clinic, scene_nos=[CLINIC_SCENE])
    for planned in LICENCE_TYPES:
        registrar.licence_type(planned)
    for matter in MATTERS:
        registrar.matter(matter, COUNTER_APP)
    registrar.encryption_key(COUNTER_APP, encryption_key)


def register_matter_codes(business: Client) -> dict[str, str]:
    """It registers what a holder can scan (主扫) for each matter of persons, and gives the accounts by name.

    Raises:
        ClientError: The node refuses.
    """
    accounts: dict[str, str] = {}
    for matter in MATTERS:
        if matter.subject_kind == "PERSON":
            subject = registry_pb2.PlacedSubject(
                subject_kind=SubjectKind.SUBJECT_KIND_MATTER,
                name=matter.zh,
                app_id=COUNTER_APP,
                matter_code=matter.matter_code,
            )
            request = pb.RegisterPlacedSubjectRequest(biz_serial=new_serial("PLACED"), subject=subject)
            accounts[f"matter_{matter.key}"] = business.business.RegisterPlacedSubject(request).subject.account_id
    return accounts


class _Registrar:
    def __init__(self, client: Client) -> None:
        self._business = client.business

    def scene(self, planned: SandboxScene) -> None:
        scene = registry_pb2.Scene(
            scene_no=planned.scene_no,
            name=planned.name,
            scene_class=SceneClass.Value(f"SCENE_CLASS_{planned.scene_class}"),
            subject_kinds=[SubjectKind.Value(f"SUBJECT_KIND_{kind}") for kind in planned.subject_kinds],
            profile=CodeProfile.Value(f"CODE_PROFILE_{planned.profile}"),
            one_time=planned.one_time,
            offline_allowed=planned.offline_allowed,
            fields=[registry_pb2.SceneField(name=name) for name in planned.fields],
            assurance_level=planned.assurance_level,
        )
        self._business.RegisterScene(pb.RegisterSceneRequest(biz_serial=new_serial("SCENE"), scene=scene))

    def licence_type(self, planned: SandboxLicenceType) -> None:
        licence_type = catalogue_pb2.LicenseType(
            license_type=planned.license_type,
            name=planned.zh,
            fields=[
                catalogue_pb2.LicenseTypeField(name=name, label=label, sensitive=name in planned.sensitive)
                for name, label in planned.fields.items()
            ],
            subject_kinds=[SubjectKind.Value(f"SUBJECT_KIND_{planned.subject_kind}")],
        )
        request = pb.RegisterLicenseTypeRequest(biz_serial=new_serial("TYPE"), license_type=licence_type)
        self._business.RegisterLicenseType(request)

    def matter(self, planned: SandboxMatter, app_id: str) -> None:
        matter = catalogue_pb2.Matter(
            matter_code=planned.matter_code,
            app_id=app_id,
            name=planned.zh,
            purpose="沙箱联调",
            handling_means="核验后不留存",
            items=[
                catalogue_pb2.MatterItem(license_type=kind, field_names=fields, document=kind in planned.documents)
                for kind, fields in planned.items.items()
            ],
            max_retention=Duration(seconds=86_400),
            max_uses=MAX_USES,
            max_period=Duration(seconds=30 * 86_400),
            subject_kinds=[SubjectKind.Value(f"SUBJECT_KIND_{planned.subject_kind}")],
        )
        self._business.RegisterMatter(pb.RegisterMatterRequest(biz_serial=new_serial("MATTER"), matter=matter))

    def encryption_key(self, app_id: str, point: bytes) -> None:
        key = catalogue_pb2.ApplicationKey(app_id=app_id, public_key=point)
        request = pb.RegisterApplicationKeyRequest(biz_serial=new_serial("KEY"), key=key)
        self._business.RegisterApplicationKey(request)

    def organisation(self, name: str, uscc_stem: str) -> str:
        party = registry_pb2.RelyingParty(
            name=name, uscc=complete_uscc(uscc_stem), purpose="沙箱联调", contact="010-00000000"
        )
        registered = self._business.RegisterRelyingParty(
            pb.RegisterRelyingPartyRequest(biz_serial=new_serial("PARTY"), relying_party=party)
        )
        party_id: str = registered.relying_party.relying_party_id
        self._enable(
            self._business.ChangeRelyingPartyState, pb.ChangeRelyingPartyStateRequest(relying_party_id=party_id)
        )
        return party_id

    def application(
        self,
        app_id: str,
        party_id: str,
        *,
        kind: str = "RELYING_PARTY",
        scene_nos: list[int] | None = None,
        suspended: bool = False,
    ) -> None:
        application = registry_pb2.Application(
            app_id=app_id,
            relying_party_id=party_id,
            kind=registry_pb2.ApplicationKind.Value(f"APPLICATION_KIND_{kind}"),
            name=app_id,
            scene_nos=scene_nos or [],
        )
        self._business.RegisterApplication(
            pb.RegisterApplicationRequest(biz_serial=new_serial("APP"), application=application)
        )
        change = pb.ChangeApplicationStateRequest(app_id=app_id)
        self._enable(self._business.ChangeApplicationState, change, suspended=suspended)

    def scanner(self, device_id: str, app_id: str, *, suspended: bool = False) -> None:
        scanner = registry_pb2.Scanner(device_id=device_id, app_id=app_id, place="沙箱 1 号窗口")
        self._business.RegisterScanner(pb.RegisterScannerRequest(biz_serial=new_serial("SCANNER"), scanner=scanner))
        change = pb.ChangeScannerStateRequest(device_id=device_id)
        self._enable(self._business.ChangeScannerState, change, suspended=suspended)

    def _enable(self, change: Any, request: Any, *, suspended: bool = False) -> None:
        states = ("APPROVED", "ENABLED", "SUSPENDED") if suspended else ("APPROVED", "ENABLED")
        for state in states:
            request.biz_serial = new_serial(state)
            request.state = registry_pb2.RegistrationState.Value(f"REGISTRATION_STATE_{state}")
            request.reason = "沙箱初始化"
            change(request)
