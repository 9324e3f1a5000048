"""Values for the storage tests, sensible by default; any field may be given instead."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from govcode_node.domain.accounts import Account, AccountId, AccountState, Relation, RelationKind, Session
from govcode_node.domain.audit import AuditAction, AuditEntry
from govcode_node.domain.codes import CodeMode, CodeProfile, SubjectKind, TerminalType
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.events import CodeScanned, Event
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.issued_codes import LiveCode, StoredCode, Ticket
from govcode_node.domain.nodes import (
    NodeKey,
    NodeKeyPurpose,
    NodeState,
    NodeTrust,
    RegisteredNode,
    RevocationListDigest,
)
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.scans import ScanAct, ScanRow
from govcode_node.domain.scenes import Scene, SceneClass
from govcode_node.ports.stores import Act

NOW = datetime(2026, 11, 24, 9, 30, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=7, milliseconds=123)
METHOD = "/govcode.code.v1.CodeApplicationService/PresentCode"

_numbers = itertools.count(1)


def number_bytes(length: int) -> bytes:
    """Bytes that are never given twice."""
    return next(_numbers).to_bytes(length, "big")


def new_id(prefix: str, at: datetime = NOW) -> str:
    return new_time_ordered_id(prefix, now=at, random_bytes=number_bytes)


def new_account_id() -> AccountId:
    return AccountId(new_id("ac"))


def code_id_at(at: datetime = NOW) -> bytes:
    return bytes.fromhex(new_id("xx", at)[3:])


def account(**changes: Any) -> Account:
    fields: dict[str, Any] = {
        "account_id": new_account_id(),
        "subject_kind": SubjectKind.PERSON,
        "state": AccountState.ACTIVE,
        "assurance_level": 3,
        "terms_version": "2026-10",
        "device_key_id": "0123456789abcdef",
        "device_public_key": b"\x04" + bytes(64),
        "opened_at": NOW,
    }
    return Account(**fields | changes)


def session(**changes: Any) -> Session:
    fields: dict[str, Any] = {
        "token_hash": number_bytes(32),
        "account_id": new_account_id(),
        "app_id": "citizen-app",
        "device_key_id": "0123456789abcdef",
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=12),
    }
    return Session(**fields | changes)


def relation(**changes: Any) -> Relation:
    fields: dict[str, Any] = {
        "relation_id": new_id("re"),
        "presenter_account_id": new_account_id(),
        "dependant_account_id": new_account_id(),
        "kind": RelationKind.GUARDIAN,
        "proof_reference": "户口簿 12",
        "registered_at": NOW,
        "ends_at": NOW + timedelta(days=365),
    }
    return Relation(**fields | changes)


def ticket(**changes: Any) -> Ticket:
    fields: dict[str, Any] = {
        "ticket_hash": number_bytes(32),
        "caller": "app:citizen-app",
        "account_id": new_account_id(),
        "session_token_hash": bytes(range(32)),
        "nonce": bytes(16),
        "mode": CodeMode.DYNAMIC,
        "scene_no": 7,
        "terminal_type": TerminalType.APP,
        "one_time": True,
        "expires_at": NOW + timedelta(seconds=60),
    }
    return Ticket(**fields | changes)


def code(**changes: Any) -> StoredCode:
    fields: dict[str, Any] = {
        "code_id": code_id_at(changes.get("issued_at", NOW)),
        "account_id": new_account_id(),
        "presenter_account_id": None,
        "subject_kind": SubjectKind.PERSON,
        "mode": CodeMode.DYNAMIC,
        "profile": CodeProfile.MAC,
        "terminal_type": TerminalType.APP,
        "scene_no": 7,
        "one_time": True,
        "key_no": 40_000,
        "issued_at": NOW,
        "expires_at": NOW + timedelta(seconds=60),
        "app_id": "citizen-app",
    }
    return StoredCode(**fields | changes)


def live_code(**changes: Any) -> LiveCode:
    account_id = new_account_id()
    fields: dict[str, Any] = {
        "account_id": account_id,
        "presenter": changes.get("account_id", account_id),
        "terminal_type": TerminalType.APP,
        "code_id": code_id_at(),
        "shape": bytes(8),
        "refresh_at": NOW + timedelta(seconds=30),
        "expires_at": NOW + timedelta(seconds=60),
        "sealed_text": b"sealed",
    }
    return LiveCode(**fields | changes)


def scan(**changes: Any) -> ScanRow:
    decided_at = changes.get("decided_at", NOW)
    fields: dict[str, Any] = {
        "scan_id": new_id("sc", decided_at),
        "caller": "app:counter-app",
        "biz_serial": f"serial-{next(_numbers)}",
        "request_digest": bytes(range(32)),
        "act": ScanAct.SCAN,
        "outcome": Outcome.VALID,
        "code_id": code_id_at(),
        "account_id": new_account_id(),
        "home_node": "420102",
        "visited_node": "420102",
        "relying_party_name": "江岸区政务服务中心",
        "scene_no": 7,
        "scene_class": SceneClass.COUNTER,
        "place": "三号窗口",
        "device_id": "gate-01",
        "disclosed_fields": ("name", "id_number"),
        "decided_at": decided_at,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "answer": b"sealed answer",
        "peer_evidence": b"evidence",
    }
    return ScanRow(**fields | changes)


def act(**changes: Any) -> Act:
    fields: dict[str, Any] = {
        "caller": "app:citizen-app",
        "method": METHOD,
        "biz_serial": f"serial-{next(_numbers)}",
        "request_digest": bytes(range(32)),
        "answer": b"sealed answer",
        "acted_at": NOW,
    }
    return Act(**fields | changes)


def relying_party(**changes: Any) -> RelyingParty:
    fields: dict[str, Any] = {
        "relying_party_id": new_id("rp"),
        "name": "江岸区政务服务中心",
        "uscc": f"91350100M{next(_numbers):09d}",
        "purpose": "窗口办事",
        "contact": "027-0000",
        "state": RegistrationState.APPLIED,
        "registered_at": NOW,
    }
    return RelyingParty(**fields | changes)


def application(**changes: Any) -> Application:
    fields: dict[str, Any] = {
        "app_id": f"app-{next(_numbers):06d}",
        "relying_party_id": "rp",
        "kind": ApplicationKind.RELYING_PARTY,
        "name": "窗口系统",
        "scene_nos": (7, 65_535),
        "state": RegistrationState.APPLIED,
        "registered_at": NOW,
    }
    return Application(**fields | changes)


def scanner(**changes: Any) -> Scanner:
    fields: dict[str, Any] = {
        "device_id": f"gate-{next(_numbers):06d}",
        "app_id": "counter-app",
        "place": "三号窗口",
        "state": RegistrationState.APPLIED,
        "registered_at": NOW,
    }
    return Scanner(**fields | changes)


def scene(**changes: Any) -> Scene:
    fields: dict[str, Any] = {
        "scene_no": 7,
        "version": 0,
        "name": "办事大厅",
        "scene_class": SceneClass.COUNTER,
        "subject_kinds": frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY}),
        "validity": timedelta(seconds=90),
        "refresh_after": timedelta(seconds=30),
        "profile": CodeProfile.SIGNED,
        "one_time": True,
        "offline_allowed": True,
        "fields": (FieldRule(FieldName.NAME), FieldRule(FieldName.ID_NUMBER, unmasked=True)),
        "assurance_level": 2,
        "effective_at": NOW,
    }
    return Scene(**fields | changes)


def event(**changes: Any) -> Event:
    kind = CodeScanned(
        code_id=code_id_at(),
        scan_id=new_id("sc"),
        outcome="VALID",
        relying_party_name="江岸区政务服务中心",
        place="三号窗口",
        scene_class=SceneClass.COUNTER,
        visited_node="420102",
    )
    fields: dict[str, Any] = {
        "app_id": "citizen-app",
        "account_id": new_account_id(),
        "happened_at": NOW,
        "kind": kind,
        "event_id": new_id("ev"),
    }
    return Event(**fields | changes)


def entry(**changes: Any) -> AuditEntry:
    fields: dict[str, Any] = {
        "happened_at": NOW,
        "actor_class": "app.relying_party",
        "actor": "counter-app",
        "action": AuditAction.CODE_SCANNED,
        "object": new_id("sc"),
        "result": "VALID",
        "biz_serial": f"serial-{next(_numbers)}",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "details": {"scene": "7", "窗口": "三"},
    }
    return AuditEntry(**fields | changes)


def registered_node(**changes: Any) -> RegisteredNode:
    key = NodeKey(
        key_id="00112233445566aa",
        purpose=NodeKeyPurpose.CODE_SEAL,
        public_key=b"\x04" + bytes(64),
        key_no=3,
        starts_at=NOW,
        ends_at=NOW + timedelta(days=365),
    )
    trust: dict[str, Any] = {
        "node_id": "420102",
        "region_code": RegionCode("420102"),
        "name_zh": "江岸区",
        "name_en": "Jiang'an",
        "state": NodeState.JOINING,
        "endpoints": ("127.0.0.1:1", "127.0.0.1:2"),
        "certificate_name": "spiffe://federation.govcode/node/420102",
        "keys": (key,),
        "revocation_list": RevocationListDigest(list_time=NOW, digest=bytes(range(32))),
    }
    fields: dict[str, Any] = {
        "trust": NodeTrust(**trust | {name: changes.pop(name) for name in list(changes) if name in trust}),
        "prefixes": ("4201", "4202"),
        "software_version": "0.1.0",
        "registered_at": NOW,
        "state_at": NOW,
        "state_operator": "zhang",
    }
    return RegisteredNode(**fields | changes)
