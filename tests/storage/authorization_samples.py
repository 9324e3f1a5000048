"""Authorizations, uses, mandates and what the catalogue holds, sensible by default; any field may be given instead."""

import itertools
from datetime import timedelta
from typing import Any

from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationEntry,
    AuthorizationState,
    ConsentRequest,
    DecidedItem,
    LegalBasis,
    RequestedItem,
    StatutoryDuty,
    UseState,
)
from govcode_node.domain.catalogue import (
    ApplicationKey,
    AskedItem,
    LicenseType,
    LicenseTypeField,
    Matter,
    StatutoryBasis,
)
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.licenses import LicenseUse
from govcode_node.domain.mandates import Mandate
from govcode_node.domain.scenes import SceneClass
from govcode_node.ports.authorization_stores import WithdrawalNotice
from storage.samples import NOW, new_account_id, new_id

_numbers = itertools.count(1)

LICENCE = AskedItem(license_type="business-licence", field_names=("name", "uscc"), document=True)
PERMIT = AskedItem(license_type="food-permit", field_names=("scope",))
ITEMS = (RequestedItem(item_no=1, asked=LICENCE), RequestedItem(item_no=2, asked=PERMIT))
DECIDED = (
    DecidedItem(item_no=1, asked=LICENCE, sensitive=True, granted=True, license_node="310000"),
    DecidedItem(item_no=2, asked=PERMIT, sensitive=False, granted=False),
)


def request(**changes: Any) -> ConsentRequest:
    fields: dict[str, Any] = {
        "authorization_id": new_id("au"),
        "visited_node": "420102",
        "home_node": "420102",
        "entry": AuthorizationEntry.RELYING_PARTY_SCANNED,
        "app_id": "counter-app",
        "biz_serial": f"serial-{next(_numbers)}",
        "scan_biz_serial": "scan-7",
        "relying_party_name": "江岸区政务服务中心",
        "relying_party_uscc": "91420100MA9TEXT198",
        "relying_party_contact": "027-0000",
        "matter_code": "42-0131",
        "matter_name": "食品经营许可",
        "purpose": "办理许可",
        "handling_means": "窗口核验",
        "items": ITEMS,
        "retention": timedelta(days=30),
        "max_uses": 3,
        "period": timedelta(hours=2),
        "legal_basis": LegalBasis.STATUTORY_DUTY,
        "statutory_duty": StatutoryDuty(statute="食品安全法 110 条", approval_reference="江岸 2026-7"),
        "holder_untold": True,
        "requested_at": NOW,
        "scene_class": SceneClass.COUNTER,
    }
    return ConsentRequest(**fields | changes)


def authorization(**changes: Any) -> Authorization:
    """One that waits for its holder, at the node that is both home and visited."""
    asked = changes.pop("request", None) or request(
        **{name: changes.pop(name) for name in ("app_id", "biz_serial", "visited_node") if name in changes},
        **({"authorization_id": changes["authorization_id"]} if "authorization_id" in changes else {}),
    )
    fields: dict[str, Any] = {
        "authorization_id": asked.authorization_id,
        "request": asked,
        "request_evidence": b"request evidence",
        "account_id": new_account_id(),
        "subject_kind": SubjectKind.LEGAL_ENTITY,
        "holder_app_id": "citizen-app",
        "presenter_account_id": new_account_id(),
        "state": AuthorizationState.PENDING,
        "decide_before": NOW + timedelta(seconds=120),
    }
    return Authorization(**fields | changes)


def granted(**changes: Any) -> Authorization:
    """One that was granted when it was added."""
    fields: dict[str, Any] = {
        "state": AuthorizationState.GRANTED,
        "items": DECIDED,
        "decided_at": NOW,
        "ends_at": NOW + timedelta(hours=2),
        "grant": b"grant evidence",
        "consent": b"consent evidence",
    }
    return authorization(**fields | changes)


def decision(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "state": AuthorizationState.GRANTED,
        "items": DECIDED,
        "decided_at": NOW,
        "ends_at": NOW + timedelta(hours=2),
        "consent": b"consent evidence",
        "grant": b"grant evidence",
    }
    return fields | changes


def use(of: Authorization, **changes: Any) -> LicenseUse:
    fields: dict[str, Any] = {
        "use_id": new_id("us"),
        "authorization_id": of.authorization_id,
        "item_no": 1,
        "caller": "app:counter-app",
        "biz_serial": f"serial-{next(_numbers)}",
        "account_id": of.account_id,
        "license_type": "business-licence",
        "relying_party_name": "江岸区政务服务中心",
        "matter_code": "42-0131",
        "license_node": "310000",
        "legal_basis": LegalBasis.CONSENT,
        "state": UseState.BEGUN,
        "begun_at": NOW,
        "request": b"use evidence",
    }
    return LicenseUse(**fields | changes)


def notice(**changes: Any) -> WithdrawalNotice:
    fields: dict[str, Any] = {
        "authorization_id": new_id("au"),
        "node_id": "310000",
        "withdrawal": b"withdrawal evidence",
        "due_at": NOW,
        "gives_up_at": NOW + timedelta(days=1),
    }
    return WithdrawalNotice(**fields | changes)


def mandate(**changes: Any) -> Mandate:
    fields: dict[str, Any] = {
        "mandate_id": new_id("ma"),
        "entity_account_id": new_account_id(),
        "agent_account_id": new_account_id(),
        "matter_codes": ("42-0131", '事项,"7"'),
        "license_types": ("business-licence",),
        "starts_at": NOW,
        "ends_at": NOW + timedelta(days=30),
        "representative_index": bytes(range(16)),
        "given_at": NOW,
    }
    return Mandate(**fields | changes)


def license_type(**changes: Any) -> LicenseType:
    fields: dict[str, Any] = {
        "license_type": "business-licence",
        "version": 0,
        "name": "营业执照",
        "fields": (
            LicenseTypeField(name="name", label="名称"),
            LicenseTypeField(name="owner", label="经营者", sensitive=True),
        ),
        "document_sensitive": True,
        "subject_kinds": frozenset({SubjectKind.LEGAL_ENTITY}),
    }
    return LicenseType(**fields | changes)


def matter(**changes: Any) -> Matter:
    fields: dict[str, Any] = {
        "matter_code": "42-0131",
        "app_id": "counter-app",
        "version": 0,
        "name": "食品经营许可",
        "purpose": "办理许可",
        "handling_means": "窗口核验",
        "items": (LICENCE, PERMIT),
        "max_retention": timedelta(days=30),
        "max_uses": 5,
        "max_period": timedelta(days=90),
        "subject_kinds": frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY}),
        "statutory_basis": StatutoryBasis(statute="食品安全法 110 条", holder_untold=True),
        "registered_at": NOW,
    }
    return Matter(**fields | changes)


def application_key(**changes: Any) -> ApplicationKey:
    fields: dict[str, Any] = {
        "app_id": "counter-app",
        "key_id": f"{next(_numbers):016x}",
        "public_key": b"\x04" + bytes(64),
        "registered_at": NOW,
    }
    return ApplicationKey(**fields | changes)
