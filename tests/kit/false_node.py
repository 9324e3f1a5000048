"""A node that the hub has approved and that does not deserve it: it answers real gRPC with whatever a story wants."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1 import recognition_pb2 as recognitionv1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode_node.domain.codes import Carrier, CodeProfile, SealAlgorithm, SubjectKind, new_code_id
from govcode_node.domain.digests import sm3
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.nodes import NodeKeyPurpose
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.recognition import RecognizeAnswer, RecognizeRequest, RevocationList
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.wire.evidence import evidence_to_bytes
from govcode_node.wire.recognition import (
    recognize_answer_to_proto,
    recognize_request_from_proto,
    revocation_list_to_proto,
)
from kit.code_samples import code_content, code_text
from kit.federation import WUHAN, Federation, hub_of
from kit.hub_fakes import NodeKit, NodeSigner, public_key, sm2_key
from kit.peer_servers import PeerServer
from kit.pki import kit_pki

SEAL_KEY_NO: Final = 7
ANSWER: Final = recognitionv1.RecognizeAnswer.DESCRIPTOR.full_name


class FalseNode:
    """It holds its own keys, its certificate and an endpoint; `server.answering` is what it does when asked."""

    def __init__(self, node_id: str = WUHAN) -> None:
        self.node_id = node_id
        self.server = PeerServer(kit_pki().node(node_id), pki=kit_pki())
        self._seal_key = f"{node_id} seal"

    async def join(self, federation: Federation) -> None:
        """Register at the hub, be approved, and be known everywhere."""
        await self.server.start()
        kit = NodeKit(self.node_id, federation.clocks["000000"], endpoints=(self.server.endpoint,))  # type: ignore[arg-type]
        since = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        seal = replace(public_key(self._seal_key, NodeKeyPurpose.CODE_SEAL), key_no=SEAL_KEY_NO)
        keys = tuple(replace(key, starts_at=since) for key in (*kit.keys, seal))
        evidence = await kit.signed_registration(replace(kit.registration(), keys=keys))
        registration = evidence_pb2.Evidence.FromString(evidence)
        await hub_of(federation.hub.as_node(self.node_id)).RegisterNode(
            hubv1.RegisterNodeRequest(registration=registration)
        )
        approve = hubv1.ApproveNodeRequest(node_id=self.node_id, signing_key_id=kit.sign_key_id, prefixes=kit.prefixes)
        await federation.everywhere((await federation.security.ApproveNode(approve)).bundle_version)

    def code(self, *, signed: bool = False) -> str:
        """A fresh code of its region, sealed by MAC, which only it could check, or signed."""
        now = datetime.now(UTC).replace(microsecond=0)
        content = code_content(
            region_code=RegionCode(self.node_id[:6]),
            issued_at=now,
            expires_at=now + timedelta(seconds=120),
            code_id=new_code_id(int(now.timestamp() * 1000), os.urandom),
            key_no=SEAL_KEY_NO,
        )
        if not signed:
            return code_text(content)
        codec = Zwm1Codec()
        content = replace(content, profile=CodeProfile.SIGNED, algorithm=SealAlgorithm.SM2_SM3)
        sealed = codec.encode(content)
        return codec.assemble(sealed, sm2_key(self._seal_key).sign(sealed), Carrier.SCREEN, None)

    async def revokes(self, *code_ids: bytes) -> None:
        """Offer a revocation list."""
        revoked = RevocationList(node_id=self.node_id, list_time=_now(), code_ids=frozenset(code_ids))
        message = revocation_list_to_proto(revoked)
        self.server.revocation_list = await self.sign(
            message.SerializeToString(),
            purpose=EvidencePurpose.REVOCATION_LIST,
            payload_type=message.DESCRIPTOR.full_name,
        )

    def answer_to(self, asked: federationv1.RecognizeCodeRequest, **changes: Any) -> RecognizeAnswer:
        """A good answer to a question; any field of it may be another."""
        request = self.request_in(asked)
        now = _now()
        answer = RecognizeAnswer(
            request_digest=sm3(asked.request.payload),
            visited_node=request.visited_node,
            home_node=self.node_id,
            act=request.act,
            app_id=request.app_id,
            biz_serial=request.biz_serial,
            scan_id="sc_" + "0" * 32,
            code_id=Zwm1Codec().parse(request.code_text).content.code_id,
            outcome=Outcome.VALID,
            subject_kind=SubjectKind.PERSON,
            pairwise_id="ps_" + "1" * 32,
            decided_at=now,
            valid_until=now + timedelta(seconds=60),
        )
        return replace(answer, **changes)

    @staticmethod
    def request_in(asked: federationv1.RecognizeCodeRequest) -> RecognizeRequest:
        """What is asked."""
        return recognize_request_from_proto(recognitionv1.RecognizeRequest.FromString(asked.request.payload))

    async def evidence_of(self, answer: RecognizeAnswer, **options: Any) -> evidence_pb2.Evidence:
        """An answer, signed as a node signs; see `sign`."""
        return await self.sign(recognize_answer_to_proto(answer).SerializeToString(deterministic=True), **options)

    async def sign(
        self,
        payload: bytes,
        *,
        at: timedelta = timedelta(),
        purpose: EvidencePurpose = EvidencePurpose.RECOGNIZE_ANSWER,
        payload_type: str = ANSWER,
        node_id: str = "",
        key: str = "",
    ) -> evidence_pb2.Evidence:
        """Sign bytes as this node, or in another way.

        Args:
            payload: What is signed.
            at: How far from now.
            purpose: For what.
            payload_type: What it is said to be.
            node_id: Who is said to have signed.
            key: Name of the key.
        """
        signer = NodeSigner(node_id or self.node_id, key or f"{self.node_id} sign", lambda: _now() + at)
        evidence = await signer.attest(purpose, payload_type, payload)
        return evidence_pb2.Evidence.FromString(evidence_to_bytes(evidence))

    def tells(
        self, lie: Callable[[federationv1.RecognizeCodeRequest], Awaitable[evidence_pb2.Evidence | None]]
    ) -> None:
        """Answer every question like that; with nothing where it gives None."""

        async def answer(asked: federationv1.RecognizeCodeRequest) -> federationv1.RecognizeCodeResponse:
            return federationv1.RecognizeCodeResponse(answer=await lie(asked))

        self.server.answering = answer


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
