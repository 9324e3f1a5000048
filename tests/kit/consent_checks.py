"""An exported authorization checked as a third party would: from the file and a trust bundle, by the client library's
check of evidence alone. No node, and nothing of a node's program, is asked (8.1-06).
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode.authorization.v1 import statement_pb2 as statementv1
from govcode.common.v1 import evidence_pb2, holder_pb2
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode_client.evidence import check_evidence
from govcode_client.evidence_rules import holder_bytes
from govcode_client.sm2 import Sm2PublicKey, key_id_of, sm3

M = TypeVar("M", bound=Message)
HUB = "000000"
KeyOf = Callable[[str, str], bytes | None]


class NotProvedError(Exception):
    """What was exported does not hang together; evidence that does not hold raises an `EvidenceError` of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What an export proves.

    Attributes:
        request: What was asked.
        record: What was decided.
        withdrawal: That it was taken back; None where it was not.
        deliveries: What was delivered.
    """

    request: recordv1.ConsentRequest
    record: recordv1.ConsentRecord
    withdrawal: recordv1.Withdrawal | None
    deliveries: tuple[recordv1.LicenseDelivery, ...]


def keys_of(bundle: trustv1.TrustBundle) -> KeyOf:
    """It finds nodes' signing keys in a bundle."""
    keys = {
        (node.node_id, key.key_id): key.public_key
        for node in bundle.nodes
        for key in node.keys
        if key.purpose == trustv1.NODE_KEY_PURPOSE_SIGN
    }
    return lambda node_id, key_id: keys.get((node_id, key_id))


def open_bundle(evidence: Any, *, hub_key: bytes) -> trustv1.TrustBundle:
    """It opens a bundle that the hub has signed."""
    return _opened(
        evidence, "TRUST_BUNDLE", trustv1.TrustBundle, lambda node_id, _: hub_key if node_id == HUB else None
    )


def prove(text: str, *, hub_key: bytes, bundle: evidence_pb2.Evidence | None = None) -> Proved:
    """It checks an export in the JSON mapping of protobuf.

    Args:
        text: The file.
        hub_key: The hub's public point.
        bundle: A bundle that came by another way; the file's own where None.

    Raises:
        EvidenceError: A piece of evidence does not hold.
        NotProvedError: The pieces do not belong together, or the holder's device did not sign.
    """
    export = json_format.Parse(text, servicev1.ExportAuthorizationResponse())
    keys = keys_of(open_bundle(bundle or export.trust_bundle, hub_key=hub_key))
    request = _opened(export.consent_request, "CONSENT_REQUEST", recordv1.ConsentRequest, keys)
    _demand(export.consent_request.node_id == request.visited_node_id, "the request is not the visited node's")
    record = _opened(export.consent_record, "CONSENT", recordv1.ConsentRecord, keys)
    _demand(export.consent_record.node_id == record.home_node_id == request.home_node_id, "another node decided")
    _demand(same(record.request_digest, sm3(export.consent_request.payload)), "the record is about another request")
    _demand(record.authorization_id == request.authorization_id, "the record has another id")
    _check_holder(record)
    _check_grant(export, record, keys)
    withdrawal = _withdrawal(export, record, keys)
    uses = [_opened(one, "LICENSE_USE", recordv1.LicenseUseRequest, keys) for one in export.use_requests]
    _demand(all(use.authorization_id == record.authorization_id for use in uses), "a use is another's")
    deliveries = []
    for evidence in export.deliveries:
        delivery = _opened(evidence, "LICENSE_DELIVERY", recordv1.LicenseDelivery, keys)
        _demand(evidence.node_id == delivery.license_node_id, "a delivery is another node's")
        _demand(delivery.authorization_id == record.authorization_id, "a delivery is another's")
        deliveries.append(delivery)
    return Proved(request=request, record=record, withdrawal=withdrawal, deliveries=tuple(deliveries))


def same(one: bytes, other: bytes) -> bool:
    """Whether two digests are the same."""
    return hmac.compare_digest(one, other)


def _opened(evidence: Any, purpose: str, message: type[M], keys: KeyOf) -> M:
    payload = check_evidence(evidence, purpose=purpose, payload_type=message.DESCRIPTOR.full_name, public_key_of=keys)
    return message.FromString(payload)


def _check_holder(record: recordv1.ConsentRecord) -> None:
    """The holder's device signed this very decision, on this very text."""
    said = _signed(record.holder_proof, record.device_public_key, statementv1.DecideAuthorizationStatement)
    _demand(said.authorization_id == record.authorization_id, "the holder decided on another request")
    _demand(same(sm3(record.notice_text.encode()), record.notice_hash), "the text is not that of the hash")
    _demand(same(said.notice_hash, record.notice_hash), "the holder was shown another text")
    words = {item.item_no: item.granted for item in said.items}
    for item in record.items:
        _demand(item.granted == words.get(item.item.item_no, False), "the record says something else than the holder")
    granted = any(item.granted for item in record.items)
    expected = authorizationv1.AUTHORIZATION_STATE_GRANTED if granted else authorizationv1.AUTHORIZATION_STATE_DENIED
    _demand(record.decision == expected, "the decision is not that of the items")


def _signed(proof: holder_pb2.HolderProof, point: bytes, statement: type[M]) -> M:
    key = Sm2PublicKey.from_point(point)
    _demand(proof.device_key_id == key_id_of(key), "the key of the device is another")
    key.verify(proof.sm2_signature, holder_bytes(statement.DESCRIPTOR.full_name, proof.statement))
    return statement.FromString(proof.statement)


def _check_grant(export: servicev1.ExportAuthorizationResponse, record: recordv1.ConsentRecord, keys: KeyOf) -> None:
    _demand(export.HasField("grant") == any(item.granted for item in record.items), "grant and record disagree")
    if not export.HasField("grant"):
        return
    grant = _opened(export.grant, "GRANT", recordv1.Grant, keys)
    _demand(export.grant.node_id == record.home_node_id, "another node granted")
    _demand(same(grant.consent_digest, sm3(export.consent_record.payload)), "the grant rests on another record")
    _demand(list(grant.items) == [item for item in record.items if item.granted], "the grant gives something else")


def _withdrawal(
    export: servicev1.ExportAuthorizationResponse, record: recordv1.ConsentRecord, keys: KeyOf
) -> recordv1.Withdrawal | None:
    if not export.HasField("withdrawal"):
        return None
    withdrawal = _opened(export.withdrawal, "WITHDRAWAL", recordv1.Withdrawal, keys)
    _demand(export.withdrawal.node_id == record.home_node_id, "another node withdrew")
    said = _signed(withdrawal.holder_proof, withdrawal.device_public_key, statementv1.WithdrawAuthorizationStatement)
    _demand(said.authorization_id == withdrawal.authorization_id == record.authorization_id, "it takes another back")
    return withdrawal


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotProvedError(otherwise)
