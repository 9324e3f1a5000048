"""What a trust decision can say (VerifyOutcome, 核验结果), what the counter does about it, and the words shown for it.

    >>> describe("VALID").decision
    <Decision.ACCEPT: 'ACCEPT'>
    >>> describe("AN_OUTCOME_OF_NEXT_YEAR").decision
    <Decision.REJECT: 'REJECT'>

An outcome is an answer, not an error. It is listed once, in `_NOTES`; the decision follows from the outcome, so no
caller can pair a bad outcome with ACCEPT. An unknown outcome, from a newer peer, is refused.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """Result of a verification or scan."""

    VALID = "VALID"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    REVOKED = "REVOKED"
    SUPERSEDED = "SUPERSEDED"
    CONSUMED = "CONSUMED"
    FROZEN = "FROZEN"
    SEAL_INVALID = "SEAL_INVALID"
    MALFORMED = "MALFORMED"
    VERSION_UNSUPPORTED = "VERSION_UNSUPPORTED"
    ISSUER_UNKNOWN = "ISSUER_UNKNOWN"
    ISSUER_SUSPENDED = "ISSUER_SUSPENDED"
    KEY_REVOKED = "KEY_REVOKED"
    SCENE_MISMATCH = "SCENE_MISMATCH"
    SUBJECT_SUSPENDED = "SUBJECT_SUSPENDED"
    HOME_NODE_UNREACHABLE = "HOME_NODE_UNREACHABLE"
    HOME_NODE_TIMEOUT = "HOME_NODE_TIMEOUT"
    OFFLINE_VALID = "OFFLINE_VALID"
    LOOP_DETECTED = "LOOP_DETECTED"
    TEST_CODE = "TEST_CODE"
    MOVED = "MOVED"
    NEED_SECOND_FACTOR = "NEED_SECOND_FACTOR"
    RISK_BLOCKED = "RISK_BLOCKED"
    TRUST_DATA_STALE = "TRUST_DATA_STALE"


class Decision(StrEnum):
    """What the operator or gate does. REJECT stands first so that a default never opens a door."""

    REJECT = "REJECT"
    ASK_OPERATOR = "ASK_OPERATOR"
    ACCEPT = "ACCEPT"


class Advice(StrEnum):
    """The next step, for a machine to branch on; the texts are for eyes."""

    PROCEED = "PROCEED"
    REFRESH_CODE = "REFRESH_CODE"
    SCAN_AGAIN = "SCAN_AGAIN"
    CHECK_CLOCK = "CHECK_CLOCK"
    APPLY_FOR_NEW_CODE = "APPLY_FOR_NEW_CODE"
    CONTACT_ISSUER = "CONTACT_ISSUER"
    REFUSE_AND_REPORT = "REFUSE_AND_REPORT"
    UPDATE_SOFTWARE = "UPDATE_SOFTWARE"
    USE_CODE_OF_THIS_SCENE = "USE_CODE_OF_THIS_SCENE"
    CHECK_DOCUMENT = "CHECK_DOCUMENT"
    RETRY_OR_CHECK_DOCUMENT = "RETRY_OR_CHECK_DOCUMENT"
    ASK_SECOND_FACTOR = "ASK_SECOND_FACTOR"
    CALL_OPERATIONS = "CALL_OPERATIONS"


@dataclass(frozen=True, slots=True)
class OutcomeNote:
    """Everything that a screen needs about one outcome (N-20).

    Attributes:
        outcome: The outcome as received; a plain text where it is unknown to this release.
        decision: What follows from it.
        advice: The next step.
        text_zh: At most 20 characters of Chinese.
        text_en: At most 20 characters of English.
    """

    outcome: str
    decision: Decision
    advice: Advice
    text_zh: str
    text_en: str


_REJECT, _ASK, _ACCEPT = Decision.REJECT, Decision.ASK_OPERATOR, Decision.ACCEPT

_NOTES = MappingProxyType(
    {
        note.outcome: note
        for note in (
            OutcomeNote(Outcome.VALID, _ACCEPT, Advice.PROCEED, "核验通过", "Valid"),
            OutcomeNote(Outcome.EXPIRED, _REJECT, Advice.REFRESH_CODE, "码已过期，请刷新", "Code expired"),
            OutcomeNote(Outcome.NOT_YET_VALID, _REJECT, Advice.CHECK_CLOCK, "码尚未生效", "Not yet valid"),
            OutcomeNote(Outcome.REVOKED, _REJECT, Advice.APPLY_FOR_NEW_CODE, "码已注销", "Code revoked"),
            OutcomeNote(Outcome.SUPERSEDED, _REJECT, Advice.REFRESH_CODE, "码已更换，请出示新码", "Newer code exists"),
            OutcomeNote(Outcome.CONSUMED, _REJECT, Advice.REFRESH_CODE, "码已使用，请刷新", "Code already used"),
            OutcomeNote(Outcome.FROZEN, _REJECT, Advice.CONTACT_ISSUER, "码已冻结", "Code frozen"),
            OutcomeNote(Outcome.SEAL_INVALID, _REJECT, Advice.REFUSE_AND_REPORT, "码校验不符", "Seal invalid"),
            OutcomeNote(Outcome.MALFORMED, _REJECT, Advice.SCAN_AGAIN, "无法识别，请重扫", "Not a service code"),
            OutcomeNote(
                Outcome.VERSION_UNSUPPORTED, _REJECT, Advice.UPDATE_SOFTWARE, "码版本不支持", "Version unsupported"
            ),
            OutcomeNote(Outcome.ISSUER_UNKNOWN, _REJECT, Advice.REFUSE_AND_REPORT, "发码方未登记", "Issuer unknown"),
            OutcomeNote(Outcome.ISSUER_SUSPENDED, _REJECT, Advice.CONTACT_ISSUER, "发码方已停用", "Issuer suspended"),
            OutcomeNote(Outcome.KEY_REVOKED, _REJECT, Advice.REFRESH_CODE, "发码密钥已撤销", "Seal key revoked"),
            OutcomeNote(
                Outcome.SCENE_MISMATCH, _REJECT, Advice.USE_CODE_OF_THIS_SCENE, "码不适用本场景", "Wrong scene"
            ),
            OutcomeNote(
                Outcome.SUBJECT_SUSPENDED, _REJECT, Advice.CONTACT_ISSUER, "持码主体已停用", "Subject suspended"
            ),
            OutcomeNote(
                Outcome.HOME_NODE_UNREACHABLE,
                _ASK,
                Advice.CHECK_DOCUMENT,
                "归属地不可达，请人工核验",
                "Home unreachable",
            ),
            OutcomeNote(
                Outcome.HOME_NODE_TIMEOUT,
                _ASK,
                Advice.RETRY_OR_CHECK_DOCUMENT,
                "归属地超时，请重试",
                "Home node timeout",
            ),
            OutcomeNote(Outcome.OFFLINE_VALID, _ASK, Advice.CHECK_DOCUMENT, "离线通过，状态未核", "Offline, not final"),
            OutcomeNote(Outcome.LOOP_DETECTED, _REJECT, Advice.CALL_OPERATIONS, "路由成环", "Routing loop"),
            OutcomeNote(Outcome.TEST_CODE, _REJECT, Advice.REFRESH_CODE, "测试码，不可使用", "Test code"),
            OutcomeNote(Outcome.MOVED, _ASK, Advice.RETRY_OR_CHECK_DOCUMENT, "归属地已变更", "Home node moved"),
            OutcomeNote(
                Outcome.NEED_SECOND_FACTOR, _ASK, Advice.ASK_SECOND_FACTOR, "需二次核验", "Second check needed"
            ),
            OutcomeNote(Outcome.RISK_BLOCKED, _REJECT, Advice.REFUSE_AND_REPORT, "风险拦截", "Blocked for risk"),
            OutcomeNote(Outcome.TRUST_DATA_STALE, _ASK, Advice.CALL_OPERATIONS, "信任数据过期", "Trust data stale"),
        )
    }
)


def describe(outcome: str) -> OutcomeNote:
    """It gives decision, advice and texts of an outcome; an unknown one is a REJECT with the advice to update."""
    note = _NOTES.get(outcome)
    if note is None:
        return OutcomeNote(outcome, Decision.REJECT, Advice.UPDATE_SOFTWARE, "未知结果，不予通过", "Unknown result")
    return note


def decision_of(outcome: str) -> Decision:
    """It gives what follows from an outcome; anything unknown is a REJECT."""
    return describe(outcome).decision
