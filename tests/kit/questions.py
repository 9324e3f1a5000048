"""What nodes say to each other and to the hub, made by hand, so that a story can say it wrongly or twice."""

import dataclasses
from typing import Any

from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1 import federation_service_pb2_grpc as federationv1_grpc
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode_node.domain.codes import Carrier, CodeMode, CodeProfile
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.recognition import RecognizeRequest
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.scans import ScanAct
from govcode_node.domain.scenes import SceneClass
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.home import registration_of
from grpc import aio
from kit.nodes import HALL_USCC, RunningNode
from kit.players import serial


async def question(
    node: RunningNode, home: str, code_text: str, *, hops: tuple[str, ...] | None = None, **fields: Any
) -> federationv1.RecognizeCodeRequest:
    """A question that a node would ask, signed with its key; any field of it may be another."""
    facts: dict[str, Any] = {
        "visited_node": node.node_id,
        "home_node": home,
        "act": ScanAct.SCAN,
        "code_text": code_text,
        "app_id": "counter-app",
        "biz_serial": serial("asked"),
        "relying_party_name": "政务服务大厅（测试）",
        "relying_party_uscc": HALL_USCC,
        "scene_class": SceneClass.COUNTER,
        "place": "",
        "scanned_at": node.clock.now(),
    }
    statement = RecognizeRequest(**facts | fields)
    evidence = await node.app.ground.attestor.attest(EvidencePurpose.RECOGNIZE_REQUEST, statement)
    return federationv1.RecognizeCodeRequest(
        request=evidence_pb2.Evidence.FromString(evidence), hops=(node.node_id,) if hops is None else hops
    )


async def registration(node: RunningNode, **changes: Any) -> hubv1.RegisterNodeRequest:
    """What a node says of itself to the hub, signed with its key; any field of it may be another."""
    statement = dataclasses.replace(registration_of(node.app.node), **changes)
    evidence = await node.app.ground.attestor.attest(EvidencePurpose.NODE_REGISTRATION, statement)
    return hubv1.RegisterNodeRequest(registration=evidence_pb2.Evidence.FromString(evidence))


def federation_service(channel: aio.Channel) -> Any:
    """What nodes ask each other, over a channel."""
    return federationv1_grpc.FederationServiceStub(channel)


def moved(code_text: str, region: str, *, sealed_by: RunningNode | None = None) -> str:
    """The same MAC code for another region: sealed anew by the node given, else with the old seal, which is wrong."""
    codec = Zwm1Codec()
    parsed = codec.parse(code_text)
    assert parsed.content.profile is CodeProfile.MAC
    content = dataclasses.replace(parsed.content, region_code=RegionCode(region))
    sealed = codec.encode(content)
    seal = parsed.seal
    if sealed_by is not None:
        static = content.mode is CodeMode.STATIC
        seal = sealed_by.app.ground.keyring.mac_code(content.key_no, sealed, static)
    return codec.assemble(sealed, seal, Carrier.SCREEN, None)
