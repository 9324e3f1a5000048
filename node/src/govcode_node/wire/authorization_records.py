"""What nodes state about authorizations, as payloads of evidence: requests, consents, grants, withdrawals."""

from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode.common.v1 import holder_pb2 as holderv1

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import (
    AuthorizationEntry,
    AuthorizationState,
    ConsentRecord,
    ConsentRequest,
    Grant,
    LegalBasis,
    SignedByHolder,
    StepUp,
    Withdrawal,
    WithdrawalReason,
)
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.wire import checks
from govcode_node.wire.authorization_items import (
    MAX_TEXT,
    authorization_id,
    decided_item_to_proto,
    decided_items_from_proto,
    max_uses_from_proto,
    requested_item_to_proto,
    requested_items_from_proto,
    statutory_duty_from_proto,
    statutory_duty_to_proto,
)
from govcode_node.wire.times import (
    moment_to_proto,
    optional_moment_to_proto,
    span_from_proto,
    span_to_proto,
    stated_moment,
)
from govcode_node.wire.vocabulary import (
    AUTHORIZATION_ENTRIES,
    AUTHORIZATION_STATES,
    LEGAL_BASES,
    SCENE_CLASSES,
    SUBJECT_KINDS,
    stated_scene_class,
)

_MAX_NOTICE: Final = 65_536
_SIGNATURE_SIZE: Final = 64
_DECISIONS: Final = frozenset({AuthorizationState.GRANTED, AuthorizationState.DENIED})
_REASONS: Final = {reason.value: reason for reason in WithdrawalReason}


def consent_request_to_proto(request: ConsentRequest) -> recordv1.ConsentRequest:
    """It gives the payload of CONSENT_REQUEST evidence."""
    return recordv1.ConsentRequest(
        authorization_id=request.authorization_id,
        visited_node_id=request.visited_node,
        home_node_id=request.home_node,
        entry=AUTHORIZATION_ENTRIES.to_proto(request.entry),
        app_id=request.app_id,
        biz_serial=request.biz_serial,
        scan_biz_serial=request.scan_biz_serial,
        relying_party_name=request.relying_party_name,
        relying_party_uscc=request.relying_party_uscc,
        relying_party_contact=request.relying_party_contact,
        matter_code=request.matter_code,
        matter_name=request.matter_name,
        purpose=request.purpose,
        handling_means=request.handling_means,
        items=[requested_item_to_proto(item) for item in request.items],
        retention=span_to_proto(request.retention),
        max_uses=request.max_uses,
        period=span_to_proto(request.period),
        legal_basis=LEGAL_BASES.to_proto(request.legal_basis),
        statutory_duty=statutory_duty_to_proto(request.statutory_duty),
        secret=request.holder_untold,
        request_time=moment_to_proto(request.requested_at),
        scene_class=SCENE_CLASSES.to_proto(request.scene_class),
    )


def consent_request_from_proto(message: recordv1.ConsentRequest) -> ConsentRequest:
    """It reads what another node's relying party asks.

    Raises:
        InvalidFieldError: A field is missing, too long, not of its form, or does not go with another.
    """
    entry = AUTHORIZATION_ENTRIES.require(message.entry, "entry")
    basis = LEGAL_BASES.require(message.legal_basis, "legal_basis")
    statutory = basis is LegalBasis.STATUTORY_DUTY
    if statutory != message.HasField("statutory_duty"):
        raise InvalidFieldError("statutory_duty", "goes with STATUTORY_DUTY and is required there")
    if message.secret and not statutory:
        raise InvalidFieldError("secret", "goes with STATUTORY_DUTY only")
    scanned = entry is AuthorizationEntry.RELYING_PARTY_SCANNED
    if scanned != bool(message.scan_biz_serial):
        raise InvalidFieldError("scan_biz_serial", "goes with the relying party's scan and is required there")
    return ConsentRequest(
        authorization_id=authorization_id(message.authorization_id),
        visited_node=checks.node_id(message.visited_node_id, "visited_node_id"),
        home_node=checks.node_id(message.home_node_id, "home_node_id"),
        entry=entry,
        app_id=checks.registered_name(message.app_id, "app_id"),
        biz_serial=checks.biz_serial(message.biz_serial),
        scan_biz_serial=checks.biz_serial(message.scan_biz_serial, "scan_biz_serial") if scanned else "",
        relying_party_name=checks.text(message.relying_party_name, "relying_party_name", longest=MAX_TEXT),
        relying_party_uscc=checks.printable(message.relying_party_uscc, "relying_party_uscc"),
        relying_party_contact=checks.text(message.relying_party_contact, "relying_party_contact", longest=MAX_TEXT),
        matter_code=checks.matter_code(message.matter_code),
        matter_name=checks.text(message.matter_name, "matter_name", longest=MAX_TEXT),
        purpose=checks.text(message.purpose, "purpose", longest=MAX_TEXT),
        handling_means=checks.text(message.handling_means, "handling_means", longest=MAX_TEXT),
        items=requested_items_from_proto(message.items),
        retention=span_from_proto(message.retention, "retention"),
        max_uses=max_uses_from_proto(message.max_uses),
        period=_lasting(message.period, "period"),
        legal_basis=basis,
        statutory_duty=statutory_duty_from_proto(message.statutory_duty) if statutory else None,
        holder_untold=message.secret,
        requested_at=stated_moment(message, "request_time"),
        scene_class=stated_scene_class(message.scene_class, "scene_class"),
    )


def consent_record_to_proto(record: ConsentRecord) -> recordv1.ConsentRecord:
    """It gives the payload of CONSENT evidence."""
    return recordv1.ConsentRecord(
        authorization_id=record.authorization_id,
        home_node_id=record.home_node,
        account_id=record.account_id,
        decider_account_id=record.decider_account_id,
        mandate_id=record.mandate_id,
        relation_id=record.relation_id,
        request_digest=record.request_digest,
        relying_party_name=record.relying_party_name,
        relying_party_uscc=record.relying_party_uscc,
        matter_code=record.matter_code,
        purpose=record.purpose,
        items=[decided_item_to_proto(item) for item in record.items],
        decision=AUTHORIZATION_STATES.to_proto(record.decision),
        notice_version=record.notice_version,
        notice_text=record.notice_text,
        notice_hash=record.notice_hash,
        decide_time=moment_to_proto(record.decided_at),
        holder_proof=_proof_to_proto(record.holder),
        device_public_key=record.holder.device_public_key,
        step_up=None if record.step_up is None else _step_up_to_proto(record.step_up),
        subject_kind=SUBJECT_KINDS.to_proto(record.subject_kind),
        max_uses=record.max_uses,
        end_time=optional_moment_to_proto(record.ends_at),
    )


def consent_record_from_proto(message: recordv1.ConsentRecord) -> ConsentRecord:
    """It reads what a holder decided; the text and its hash must belong together.

    Raises:
        InvalidFieldError: A field is missing, too long, not of its form, or does not go with another.
    """
    decision = AUTHORIZATION_STATES.require(message.decision, "decision")
    if decision not in _DECISIONS:
        raise InvalidFieldError("decision", "is neither GRANTED nor DENIED")
    notice_hash = checks.sized(message.notice_hash, "notice_hash", size=checks.DIGEST_SIZE)
    if sm3(message.notice_text.encode()) != notice_hash:
        raise InvalidFieldError("notice_hash", "is not that of notice_text")
    granted = decision is AuthorizationState.GRANTED
    return ConsentRecord(
        authorization_id=authorization_id(message.authorization_id),
        home_node=checks.node_id(message.home_node_id, "home_node_id"),
        account_id=AccountId(checks.printable(message.account_id, "account_id")),
        decider_account_id=AccountId(checks.printable(message.decider_account_id, "decider_account_id")),
        mandate_id=checks.printable(message.mandate_id, "mandate_id", shortest=0),
        relation_id=checks.printable(message.relation_id, "relation_id", shortest=0),
        request_digest=checks.sized(message.request_digest, "request_digest", size=checks.DIGEST_SIZE),
        relying_party_name=checks.text(message.relying_party_name, "relying_party_name", longest=MAX_TEXT),
        relying_party_uscc=checks.printable(message.relying_party_uscc, "relying_party_uscc"),
        matter_code=checks.matter_code(message.matter_code),
        purpose=checks.text(message.purpose, "purpose", longest=MAX_TEXT),
        items=decided_items_from_proto(message.items),
        decision=decision,
        notice_version=checks.printable(message.notice_version, "notice_version"),
        notice_text=checks.lines(message.notice_text, "notice_text", longest=_MAX_NOTICE),
        notice_hash=notice_hash,
        decided_at=stated_moment(message, "decide_time"),
        holder=_signed_from_proto(message.holder_proof, message.device_public_key),
        step_up=_step_up_from_proto(message.step_up) if message.HasField("step_up") else None,
        subject_kind=SUBJECT_KINDS.require(message.subject_kind, "subject_kind"),
        max_uses=max_uses_from_proto(message.max_uses),
        ends_at=stated_moment(message, "end_time") if granted else None,
    )


def grant_to_proto(grant: Grant) -> recordv1.Grant:
    """It gives the payload of GRANT evidence."""
    return recordv1.Grant(
        authorization_id=grant.authorization_id,
        home_node_id=grant.home_node,
        visited_node_id=grant.visited_node,
        app_id=grant.app_id,
        relying_party_uscc=grant.relying_party_uscc,
        matter_code=grant.matter_code,
        items=[decided_item_to_proto(item) for item in grant.items],
        max_uses=grant.max_uses,
        start_time=moment_to_proto(grant.starts_at),
        end_time=moment_to_proto(grant.ends_at),
        legal_basis=LEGAL_BASES.to_proto(grant.legal_basis),
        consent_digest=grant.consent_digest,
    )


def grant_from_proto(message: recordv1.Grant) -> Grant:
    """It reads a grant. An item in it that is not granted is a contradiction, and so is a consent without its record.

    Raises:
        InvalidFieldError: A field is missing, not of its form, or does not go with another.
    """
    basis = LEGAL_BASES.require(message.legal_basis, "legal_basis")
    consented = basis is LegalBasis.CONSENT
    items = decided_items_from_proto(message.items)
    if not all(item.granted for item in items):
        raise InvalidFieldError("items.granted", "is not set throughout")
    if message.consent_digest and not consented:
        raise InvalidFieldError("consent_digest", "goes with CONSENT only")
    return Grant(
        authorization_id=authorization_id(message.authorization_id),
        home_node=checks.node_id(message.home_node_id, "home_node_id"),
        visited_node=checks.node_id(message.visited_node_id, "visited_node_id"),
        app_id=checks.registered_name(message.app_id, "app_id"),
        relying_party_uscc=checks.printable(message.relying_party_uscc, "relying_party_uscc"),
        matter_code=checks.matter_code(message.matter_code),
        items=items,
        max_uses=max_uses_from_proto(message.max_uses),
        starts_at=stated_moment(message, "start_time"),
        ends_at=stated_moment(message, "end_time"),
        legal_basis=basis,
        consent_digest=checks.sized(message.consent_digest, "consent_digest", size=checks.DIGEST_SIZE)
        if consented
        else b"",
    )


def withdrawal_to_proto(withdrawal: Withdrawal) -> recordv1.Withdrawal:
    """It gives the payload of WITHDRAWAL evidence."""
    holder = withdrawal.holder
    return recordv1.Withdrawal(
        authorization_id=withdrawal.authorization_id,
        home_node_id=withdrawal.home_node,
        withdraw_time=moment_to_proto(withdrawal.withdrawn_at),
        holder_proof=None if holder is None else _proof_to_proto(holder),
        device_public_key=b"" if holder is None else holder.device_public_key,
        reason=withdrawal.reason.value,
    )


def withdrawal_from_proto(message: recordv1.Withdrawal) -> Withdrawal:
    """It reads a withdrawal.

    Raises:
        InvalidFieldError: A field is missing or not of its form, or a holder's withdrawal has no signature.
    """
    reason = _REASONS.get(message.reason)
    if reason is None:
        raise InvalidFieldError("reason", "is none that this release knows" if message.reason else "is required")
    signed = message.HasField("holder_proof")
    if signed != (reason is WithdrawalReason.HOLDER):
        raise InvalidFieldError("holder_proof", "goes with the reason HOLDER and is required there")
    return Withdrawal(
        authorization_id=authorization_id(message.authorization_id),
        home_node=checks.node_id(message.home_node_id, "home_node_id"),
        withdrawn_at=stated_moment(message, "withdraw_time"),
        holder=_signed_from_proto(message.holder_proof, message.device_public_key) if signed else None,
        reason=reason,
    )


def _proof_to_proto(signed: SignedByHolder) -> holderv1.HolderProof:
    return holderv1.HolderProof(
        statement=signed.statement, device_key_id=signed.device_key_id, sm2_signature=signed.signature
    )


def _signed_from_proto(proof: holderv1.HolderProof, device_public_key: bytes) -> SignedByHolder:
    return SignedByHolder(
        statement=checks.blob(proof.statement, "holder_proof.statement", longest=checks.MAX_STATEMENT),
        device_key_id=checks.key_id(proof.device_key_id, "holder_proof.device_key_id"),
        signature=checks.sized(proof.sm2_signature, "holder_proof.sm2_signature", size=_SIGNATURE_SIZE),
        device_public_key=checks.sized(device_public_key, "device_public_key", size=checks.POINT_SIZE),
    )


def _step_up_to_proto(step_up: StepUp) -> recordv1.StepUp:
    return recordv1.StepUp(
        provider=step_up.provider,
        assurance_level=step_up.assurance_level,
        identify_time=moment_to_proto(step_up.identified_at),
        digest=step_up.digest,
    )


def _step_up_from_proto(message: recordv1.StepUp) -> StepUp:
    return StepUp(
        provider=checks.printable(message.provider, "step_up.provider"),
        assurance_level=checks.number(message.assurance_level, "step_up.assurance_level", least=1, most=3),
        identified_at=stated_moment(message, "identify_time"),
        digest=checks.sized(message.digest, "step_up.digest", size=checks.DIGEST_SIZE),
    )


def _lasting(duration: Duration, field: str) -> timedelta:
    span = span_from_proto(duration, field)
    if not span:
        raise InvalidFieldError(field, "is required")
    return span
