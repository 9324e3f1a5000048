"""Statements into evidence and back: the proof is checked over the bytes as they came, and only then are they parsed.

What computes signatures is handed in, so that this room knows messages and trust but no cryptography.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from google.protobuf.message import DecodeError
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode_client.sm2 import key_id_of

from govcode_node.domain.evidence import Evidence, EvidencePurpose, InvalidEvidenceError
from govcode_node.domain.keys import InvalidSignatureError
from govcode_node.domain.nodes import NodeKeyPurpose, NodeRegistration, NodeState, NodeSuspendedError
from govcode_node.domain.recognition import EvidenceRefusedError, RevocationList
from govcode_node.domain.regions import HUB_REGION
from govcode_node.domain.routes import TrustBundle
from govcode_node.ports.federation import TrustHolder
from govcode_node.ports.security import ReadEvidence, S, Statement
from govcode_node.wire.evidence import evidence_from_bytes, evidence_to_bytes
from govcode_node.wire.statements import StatementCodec, UnreadableStatementError, codec_of
from govcode_node.wire.times import moment_from_proto
from govcode_node.wire.trust import registration_from_proto

_LARGE_PAYLOAD: Final = 64 * 1024
"""From this size on a payload is parsed on a thread: a bundle of thousands of nodes must not hold up the event loop."""

_LONG_STATEMENTS: Final = (TrustBundle, RevocationList)
"""What is written on a thread for the same reason."""

VerifySignature = Callable[[bytes, bytes, bytes], Awaitable[None]]
"""It raises `InvalidSignatureError` unless a signature is right. Arguments: point, signature, data."""

ProvedBytes = Callable[[Evidence, EvidencePurpose], tuple[bytes, bytes]]
"""It gives the bytes that a proof covers for a purpose, and the signature; raises `InvalidEvidenceError`."""


class PayloadAttestor(Protocol):
    """What signs payloads, in batches or one by one."""

    async def attest(self, purpose: EvidencePurpose, payload_type: str, payload: bytes) -> Evidence:
        """It gives the payload with its proof."""
        ...


class WireAttestor:
    """The `Attestor` of the node: it writes a statement as a message and has the message signed."""

    def __init__(self, attestor: PayloadAttestor) -> None:
        """It signs with what is given."""
        self._attestor = attestor

    def payload_of(self, statement: Statement) -> bytes:
        """It gives the bytes of a statement, to be kept or compared."""
        return codec_of(type(statement)).encode(statement)

    def payload_in(self, evidence: bytes) -> bytes:
        """It gives the signed payload of kept evidence, to the byte: another encoder would have written other bytes.

        Raises:
            EvidenceRefusedError: The bytes are no evidence.
        """
        try:
            return evidence_from_bytes(evidence).payload
        except InvalidEvidenceError as fault:
            raise EvidenceRefusedError(fault.reason) from fault

    async def attest(self, purpose: EvidencePurpose, statement: Statement) -> bytes:
        """It signs a statement and returns the evidence as bytes to store and send.

        Raises:
            ValueError: The purpose is not that of such statements.
            KeyUnavailableError: The signing key does not work.
            OverloadedError: Too many statements wait.
        """
        if isinstance(statement, _LONG_STATEMENTS):
            payload = await asyncio.to_thread(self.payload_of, statement)
        else:
            payload = self.payload_of(statement)
        return await self.attest_payload(purpose, type(statement), payload)

    async def attest_payload(self, purpose: EvidencePurpose, kind: type[Statement], payload: bytes) -> bytes:
        """It signs the bytes of a statement that was made before; raises as `attest` does."""
        codec = codec_of(kind)
        if codec.purpose is not purpose:
            raise ValueError(f"a {kind.__name__} is signed for {codec.purpose}, not for {purpose}")
        return evidence_to_bytes(await self._attestor.attest(purpose, codec.payload_type, payload))

    def statement_of(self, kind: type[S], payload: bytes) -> S:
        """It reads a statement of this node from its own stored bytes.

        Raises:
            UnreadableStatementError: The bytes are no such statement.
        """
        return codec_of(kind).decode(payload)


class WireEvidenceReader:
    """The `EvidenceReader` of the node: keys from the trust bundle, the hub's own from the configuration."""

    def __init__(
        self, *, trust: TrustHolder, hub_keys: Iterable[bytes], verify: VerifySignature, proved_bytes: ProvedBytes
    ) -> None:
        """It reads with what is given.

        Args:
            trust: The bundle that is held, and a way to ask for a newer one.
            hub_keys: Pinned public points of the hub: the present key, and its successor.
            verify: Checks signatures.
            proved_bytes: The byte rules of evidence.
        """
        self._trust = trust
        self._hub_keys = {key_id_of(point): point for point in hub_keys}
        self._verify = verify
        self._proved_bytes = proved_bytes

    async def read(
        self, evidence: bytes, *, purpose: EvidencePurpose, kind: type[S], signer: str | None = None
    ) -> ReadEvidence[S]:
        """It checks evidence of a node and returns the statement.

        Raises:
            EvidenceRefusedError: The proof, the signer or the kind is wrong.
            NodeSuspendedError: The hub has suspended the signer.
        """
        codec = codec_of(kind)
        envelope = _envelope(evidence, codec)
        if signer is not None and envelope.node_id != signer:
            raise EvidenceRefusedError(f"it is signed by node {envelope.node_id}, not by {signer}")
        await self._check_proof(envelope, purpose, await self._node_key(envelope))
        return await _parsed(envelope, codec)

    async def read_bundle(self, evidence: bytes) -> ReadEvidence[TrustBundle]:
        """It checks a trust bundle against the hub's pinned keys, whatever the bundle that is held says.

        Raises:
            EvidenceRefusedError: It is not signed by the hub.
            BundleConflictError: It contradicts itself.
        """
        codec = codec_of(TrustBundle)
        envelope = _envelope(evidence, codec)
        point = self._hub_keys.get(envelope.key_id)
        if point is None or not envelope.node_id.startswith(str(HUB_REGION)):
            raise EvidenceRefusedError(f"key {envelope.key_id} of node {envelope.node_id} is not pinned as the hub's")
        await self._check_proof(envelope, EvidencePurpose.TRUST_BUNDLE, point)
        return await _parsed(envelope, codec)

    async def read_registration(self, evidence: bytes) -> ReadEvidence[NodeRegistration]:
        """It checks a registration against the SIGN key that stands in it: proof that the node has the key.

        The key has to be looked up before the proof can be checked; all else is read afterwards.

        Raises:
            EvidenceRefusedError: The proof is wrong.
            InvalidFieldError: The proof is right, but a field is not of its form.
        """
        envelope = _envelope(evidence, codec_of(NodeRegistration))
        try:
            message = nodev1.NodeRegistration.FromString(envelope.payload)
        except DecodeError:
            raise EvidenceRefusedError("the payload is no NodeRegistration") from None
        key = next((key for key in message.keys if key.key_id == envelope.key_id), None)
        if key is None or key.purpose != trustv1.NODE_KEY_PURPOSE_SIGN or key_id_of(key.public_key) != key.key_id:
            raise EvidenceRefusedError(f"key {envelope.key_id} does not stand in it as a SIGN key")
        await self._check_proof(envelope, EvidencePurpose.NODE_REGISTRATION, key.public_key)
        if envelope.signed_time < moment_from_proto(key.start_time, "keys.start_time"):
            raise EvidenceRefusedError(f"key {envelope.key_id} did not hold when it signed")
        return ReadEvidence(
            statement=registration_from_proto(message),
            payload=envelope.payload,
            node_id=envelope.node_id,
            key_id=envelope.key_id,
            signed_at=envelope.signed_time,
        )

    async def _check_proof(self, envelope: Evidence, purpose: EvidencePurpose, point: bytes) -> None:
        try:
            covered, signature = self._proved_bytes(envelope, purpose)
            await self._verify(point, signature, covered)
        except InvalidEvidenceError as fault:
            raise EvidenceRefusedError(fault.reason) from fault
        except InvalidSignatureError as fault:
            raise EvidenceRefusedError(f"the signature does not hold for {purpose}") from fault

    async def _node_key(self, envelope: Evidence) -> bytes:
        """It finds the point of the key named; a key that is not known may stand in a newer bundle."""
        point = self._held_key(envelope)
        if point is None:
            await self._trust.refresh(why=f"key {envelope.key_id} of node {envelope.node_id} is not known")
            point = self._held_key(envelope)
        if point is None:
            raise EvidenceRefusedError(f"key {envelope.key_id} of node {envelope.node_id} is not known")
        return point

    def _held_key(self, envelope: Evidence) -> bytes | None:
        """It looks in the bundle that is held; None where a newer bundle may know more."""
        bundle = self._trust.bundle()
        if bundle is None:
            return None
        node_id, key_id = envelope.node_id, envelope.key_id
        if any(revoked.key_id == key_id and revoked.node_id == node_id for revoked in bundle.revoked_keys):
            raise EvidenceRefusedError(f"key {key_id} of node {node_id} is revoked")
        node = bundle.node(node_id)
        if node is None:
            return None
        if node.state is NodeState.SUSPENDED:
            raise NodeSuspendedError(node_id)
        if node.state is not NodeState.ACTIVE:
            return None
        key = bundle.key(node_id, NodeKeyPurpose.SIGN, key_id=key_id, at=envelope.signed_time)
        if key is not None:
            return key.public_key
        if any(known.key_id == key_id for known in node.keys):
            raise EvidenceRefusedError(f"key {key_id} of node {node_id} is not for evidence, or did not hold then")
        return None


def _envelope(evidence: bytes, codec: StatementCodec[S]) -> Evidence:
    try:
        envelope = evidence_from_bytes(evidence)
    except InvalidEvidenceError as fault:
        raise EvidenceRefusedError(fault.reason) from fault
    if envelope.payload_type != codec.payload_type:
        raise EvidenceRefusedError(f"it does not carry a {codec.payload_type}")
    return envelope


async def _parsed(envelope: Evidence, codec: StatementCodec[S]) -> ReadEvidence[S]:
    try:
        if len(envelope.payload) < _LARGE_PAYLOAD:
            statement = codec.decode(envelope.payload)
        else:
            statement = await asyncio.to_thread(codec.decode, envelope.payload)
    except UnreadableStatementError as fault:
        raise EvidenceRefusedError(str(fault)) from fault
    if codec.speaker(statement) not in {None, envelope.node_id}:
        raise EvidenceRefusedError("it speaks for another node than the one that signed it")
    return ReadEvidence(
        statement=statement,
        payload=envelope.payload,
        node_id=envelope.node_id,
        key_id=envelope.key_id,
        signed_at=envelope.signed_time,
    )
