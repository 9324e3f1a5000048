"""What the fake node remembers: accounts, sessions, codes, scans, events, and the answers to serials."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.authorization.v1.authorization_pb2 import Authorization
from govcode.code.v1 import account_pb2, event_pb2, scan_pb2, service_code_pb2
from govcode.common.v1 import evidence_pb2, holder_pb2, subject_pb2, verdict_pb2

from govcode_client.device import session_id_of
from govcode_client.evidence_rules import holder_bytes, signed_bytes
from govcode_client.sm2 import Sm2PrivateKey, Sm2PublicKey, Sm2VerificationError, key_id_of, sm3
from govcode_client.testing._people import FakePerson
from govcode_client.testing._refusals import RefusedError

VALIDITY: Final = timedelta(seconds=90)
REFRESH: Final = timedelta(seconds=60)

S = TypeVar("S", bound=Message)


@dataclass(slots=True)
class Code:
    """A code that the node has issued."""

    code: service_code_pb2.IssuedCode
    account_id: str
    state: service_code_pb2.CodeState.ValueType = service_code_pb2.CODE_STATE_ISSUED
    ends_at: datetime | None = None
    outcome: str = ""


@dataclass(slots=True)
class Account:
    """An account with its sessions."""

    account: account_pb2.Account
    name: str
    device_point: bytes
    sessions: dict[str, account_pb2.Session] = field(default_factory=dict)
    records: list[scan_pb2.ScanRecord] = field(default_factory=list)


class FakeWorld:
    """The state behind the servicers; one lock guards all of it."""

    def __init__(self, node_id: str, now: Callable[[], datetime] | None = None) -> None:
        """It is empty."""
        self.node_id = node_id
        self.changed = threading.Condition(threading.RLock())
        self.key = Sm2PrivateKey.generate()
        self.offset = timedelta(0)
        self.stream_breaks = 0
        self.closed = False
        self.people: dict[str, FakePerson] = {}
        self.accounts: dict[str, Account] = {}
        self.identified: dict[str, str] = {}
        self.codes: dict[str, Code] = {}
        self.scans: dict[str, tuple[scan_pb2.ScanAnswer, str]] = {}
        self.events: list[event_pb2.Event] = []
        self.scene_codes: dict[str, Callable[[str], Authorization]] = {}
        self.remembered: dict[tuple[str, str], tuple[bytes, Message]] = {}
        self._now = now or (lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """It gives the node's time, to the millisecond."""
        moment = self._now() + self.offset
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def sign(self, purpose: str, payload: Message) -> evidence_pb2.Evidence:
        """It signs a statement of the node."""
        data, name, signed = payload.SerializeToString(), payload.DESCRIPTOR.full_name, self.now()
        key_id = key_id_of(self.key.public_key)
        covered = signed_bytes(
            purpose=purpose,
            payload_type=name,
            node_id=self.node_id,
            key_id=key_id,
            signed_time_ms=round(signed.timestamp() * 1000),
            payload=data,
        )
        return evidence_pb2.Evidence(
            payload=data,
            payload_type=name,
            node_id=self.node_id,
            key_id=key_id,
            signed_time=stamp(signed),
            sm2_signature=self.key.sign(covered),
        )

    def proved(self, proof: holder_pb2.HolderProof, kind: type[S], point: bytes | None = None) -> S:
        """It checks a holder's proof and gives the statement.

        Raises:
            RefusedError: HOLDER_PROOF_INVALID.
        """
        statement = kind()
        try:
            statement.ParseFromString(proof.statement)
            key = point if point is not None else getattr(statement, "device_public_key", b"")
            signed = holder_bytes(kind.DESCRIPTOR.full_name, proof.statement)
            Sm2PublicKey.from_point(key).verify(proof.sm2_signature, signed)
        except (ValueError, Sm2VerificationError) as fault:
            raise RefusedError("HOLDER_PROOF_INVALID", str(fault)) from fault
        return statement

    def identify(self, identification: holder_pb2.Identification) -> str:
        """It believes a device kit and gives the person's name.

        Raises:
            RefusedError: IDENTIFICATION_EXPIRED or IDENTITY_FAILED.
        """
        if self.identified.pop(identification.identification_id, None) is None:
            raise RefusedError("IDENTIFICATION_EXPIRED")
        name, _, bound = identification.provider_blob.decode(errors="replace").partition("\n")
        if bound != identification.identification_id or name not in self.people:
            raise RefusedError("IDENTITY_FAILED")
        return name

    def account_of(self, name: str) -> Account | None:
        """It finds the open account of a person."""
        return next(
            (
                account
                for account in self.accounts.values()
                if account.name == name and account.account.state == account_pb2.ACCOUNT_STATE_ACTIVE
            ),
            None,
        )

    def session(self, token: str) -> tuple[Account, account_pb2.Session]:
        """It finds a live session.

        Raises:
            RefusedError: SESSION_INVALID.
        """
        for account in self.accounts.values():
            found = account.sessions.get(token)
            if found is not None and not found.HasField("end_time"):
                return account, found
        raise RefusedError("SESSION_INVALID")

    def open_session(self, account: Account) -> account_pb2.Session:
        """It opens a session for the account's device."""
        token = secrets.token_hex(16)
        session = account_pb2.Session(
            session_token=token,
            session_id=session_id_of(token),
            account_id=account.account.account_id,
            device_key_id=key_id_of(account.device_point),
            create_time=stamp(self.now()),
            expire_time=stamp(self.now() + timedelta(days=90)),
        )
        account.sessions[token] = session
        return session

    def open_account(self, name: str, point: bytes, *, kind: int, terms_version: str) -> Account:
        """It opens an account."""
        account = Account(
            account=account_pb2.Account(
                account_id=f"ac_{uuid.uuid4().hex}",
                subject_kind=subject_pb2.SubjectKind.ValueType(kind),
                state=account_pb2.ACCOUNT_STATE_ACTIVE,
                assurance_level=3,
                terms_version=terms_version,
                open_time=stamp(self.now()),
            ),
            name=name,
            device_point=point,
        )
        self.accounts[account.account.account_id] = account
        return account

    def issue(self, account: Account, *, one_time: bool = False, static: bool = False, proxy: bool = False) -> Code:
        """It issues a code."""
        code_id, now = uuid.uuid4().bytes, self.now()
        issued = service_code_pb2.IssuedCode(
            code_id=code_id,
            code_text=f"ZWM1:FAKE{code_id.hex().upper()}",
            code_mode=service_code_pb2.CODE_MODE_STATIC if static else service_code_pb2.CODE_MODE_DYNAMIC,
            issue_time=stamp(now),
            one_time=one_time,
            proxy=proxy,
        )
        code = Code(code=issued, account_id=account.account.account_id)
        if not static:
            code.ends_at = now + VALIDITY
            issued.expire_time.CopyFrom(stamp(code.ends_at))
            issued.refresh_after.FromTimedelta(REFRESH)
        self.codes[issued.code_text] = code
        return code

    def judge(self, code_text: str) -> tuple[str, Code | None]:
        """It judges a code by what it remembers."""
        code = self.codes.get(code_text)
        if code is None:
            return ("SEAL_INVALID" if code_text.startswith("ZWM1") else "MALFORMED"), None
        state = service_code_pb2.CodeState.Name(code.state).removeprefix("CODE_STATE_")
        if code.outcome:
            return code.outcome, code
        if state != "ISSUED":
            return state, code
        if code.ends_at is not None and self.now() > code.ends_at:
            return "EXPIRED", code
        return "VALID", code

    def tell(self, account_id: str, **kind: Any) -> None:
        """It adds an event to the stream."""
        with self.changed:
            number = len(self.events) + 1
            event = event_pb2.Event(
                event_id=f"ev_{number:08d}",
                cursor=f"c{number}",
                create_time=stamp(self.now()),
                account_id=account_id,
                **kind,
            )
            self.events.append(event)
            self.changed.notify_all()


def stamp(moment: datetime) -> Timestamp:
    """It gives a moment as the messages have it."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


_ASK: Final = frozenset(
    {"OFFLINE_VALID", "HOME_NODE_UNREACHABLE", "HOME_NODE_TIMEOUT", "MOVED", "NEED_SECOND_FACTOR", "TRUST_DATA_STALE"}
)


def verdict_of(outcome: str) -> verdict_pb2.Verdict:
    """It gives the verdict of an outcome: only VALID is accepted."""
    decision = verdict_pb2.DECISION_ACCEPT if outcome == "VALID" else verdict_pb2.DECISION_REJECT
    if outcome in _ASK:
        decision = verdict_pb2.DECISION_ASK_OPERATOR
    return verdict_pb2.Verdict(
        decision=decision,
        outcome=verdict_pb2.Outcome.Value(f"OUTCOME_{outcome}"),
        advice="PROCEED" if outcome == "VALID" else "CHECK_DOCUMENT",
        text_zh="核验通过" if outcome == "VALID" else f"模拟{outcome}"[:20],
        text_en=outcome.replace("_", " ").capitalize()[:20],
    )


def digest(text: str) -> bytes:
    """It gives the SM3 of a text."""
    return sm3(text.encode())
