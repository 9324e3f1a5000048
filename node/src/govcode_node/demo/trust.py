"""Evidence checked as a third party checks it: by the trust bundle, under the hub's key that came by another way."""

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from govcode.common.v1.evidence_pb2 import Evidence

M = TypeVar("M", bound="Payload")


class Payload(Protocol):
    """A generated message."""

    DESCRIPTOR: Any

    @classmethod
    def FromString(cls, s: bytes, /) -> Any:  # noqa: N802 - protobuf's name
        """It reads a message."""


class EvidenceChecker:
    """It checks evidence of any node of the federation and hands out what stands in it."""

    def __init__(self, bundle: "Evidence", *, hub_public_key: bytes) -> None:
        """It checks the bundle first.

        Args:
            bundle: A TrustBundle as the hub signed it.
            hub_public_key: The hub's public point.

        Raises:
            EvidenceError: The hub did not sign it.
        """
        from govcode.routing.v1.trust_bundle_pb2 import TrustBundle
        from govcode_client.sm2 import key_id_of

        pinned = {("000000", key_id_of(hub_public_key)): hub_public_key}
        self._keys: dict[tuple[str, str], bytes] = pinned
        content = self.read(bundle, "TRUST_BUNDLE", TrustBundle)
        revoked = {(key.node_id, key.key_id) for key in content.revoked_keys}
        self._keys = {
            (node.node_id, key.key_id): key.public_key
            for node in content.nodes
            for key in node.keys
            if (node.node_id, key.key_id) not in revoked
        }

    def read(self, evidence: "Evidence", purpose: str, kind: type[M]) -> Any:
        """It gives the message that a piece of evidence proves.

        Raises:
            EvidenceError: It proves nothing for that purpose.
        """
        from govcode_client.evidence import check_evidence

        payload = check_evidence(
            evidence,
            purpose=purpose,
            payload_type=kind.DESCRIPTOR.full_name,
            public_key_of=lambda node_id, key_id: self._keys.get((node_id, key_id)),
        )
        return kind.FromString(payload)
