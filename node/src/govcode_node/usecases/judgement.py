"""The judgement on a code of this node (验码), domain 3.1 step 6: seal, time, state, scene and use in one decision."""

from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.accounts import Account, AccountState
from govcode_node.domain.code_rules import outcome_of_state, time_outcome
from govcode_node.domain.codes import CodeMode, CodeProfile, CodeState, ParsedCode, SealAlgorithm, SubjectKind
from govcode_node.domain.home_rules import IssueRules, NodeProfile
from govcode_node.domain.issued_codes import StoredCode
from govcode_node.domain.keys import InvalidMacError, InvalidSignatureError, KeyStateError, UnknownKeyError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import ScanAct
from govcode_node.domain.scenes import GENERAL_SCENE_NO, SceneClass
from govcode_node.ports.security import CodeSealer
from govcode_node.ports.stores import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about a code.

    Attributes:
        outcome: The finding.
        code: The code as kept; None where it is not authentic or not kept.
        account: Its subject; None likewise.
    """

    outcome: Outcome
    code: StoredCode | None = None
    account: Account | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the code is good."""
        return self.outcome is Outcome.VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneCheck:
    """What the scanning scene asks of a code.

    Attributes:
        scene_class: Its kind, which is what counts for a scan in another region.
        scene_no: Its number, compared with the code's; None for a scan in another region, whose numbers mean nothing
            here.
        subject_kinds: Kinds of subjects that it takes; None for any.
    """

    scene_class: SceneClass
    scene_no: int | None = None
    subject_kinds: frozenset[SubjectKind] | None = None


class CodeJudge:
    """It judges codes that this node has issued."""

    def __init__(self, *, node: NodeProfile, rules: IssueRules, sealer: CodeSealer) -> None:
        """It works with the node's own keys."""
        self._node = node
        self._rules = rules
        self._sealer = sealer

    async def check_seal(self, parsed: ParsedCode) -> Outcome | None:
        """It checks environment and seal, before anything that the code says is believed; None where both are right.

        Returns:
            TEST_CODE, SEAL_INVALID, KEY_REVOKED or ISSUER_UNKNOWN; None where nothing is wrong.
        """
        content = parsed.content
        if content.test_environment is not self._node.test_environment:
            return Outcome.TEST_CODE
        try:
            if content.profile is CodeProfile.SIGNED:
                point = self._sealer.seal_public(content.key_no)
                await self._sealer.verify_with_public(point, parsed.seal, parsed.sealed_bytes)
            elif content.algorithm is SealAlgorithm.SM3_HMAC_128:
                static = content.mode is CodeMode.STATIC
                self._sealer.check_code_mac(content.key_no, parsed.sealed_bytes, parsed.seal, static=static)
            else:
                return Outcome.VERSION_UNSUPPORTED
        except (InvalidMacError, InvalidSignatureError, UnknownKeyError):
            return Outcome.SEAL_INVALID
        except KeyStateError:
            return Outcome.KEY_REVOKED
        return None if content.issuer_no == self._rules.issuer_no else Outcome.ISSUER_UNKNOWN

    def decide(
        self, tx: Transaction, parsed: ParsedCode, *, act: ScanAct, scene: SceneCheck, scan_id: str, now: datetime
    ) -> Finding:
        """It judges a code whose seal is right, and consumes a one-time code that is scanned.

        Args:
            tx: The unit in which the scan is recorded.
            parsed: The code.
            act: A scan consumes, a verification does not.
            scene: What the scene asks.
            scan_id: The scan that would use the code.
            now: The moment of the judgement.
        """
        code = tx.codes.get(parsed.content.code_id)
        account = tx.accounts.get(code.account_id) if code is not None else None
        if code is None or account is None:
            # Sealed by us but not kept: the store was restored from a time before it. It must not be good.
            return Finding(outcome=Outcome.REVOKED)
        outcome = (
            time_outcome(parsed.content, now)
            or _state_outcome(code, account, now)
            or _scene_outcome(tx, code, scene, now)
            or _use_outcome(tx, code, act, scan_id, now)
        )
        return Finding(outcome=outcome or Outcome.VALID, code=code, account=account)


def _state_outcome(code: StoredCode, account: Account, now: datetime) -> Outcome | None:
    if account.state is AccountState.CLOSED or code.state is CodeState.REVOKED:
        return Outcome.REVOKED
    if account.state is AccountState.SUSPENDED:
        return Outcome.SUBJECT_SUSPENDED
    in_grace = code.state is CodeState.SUPERSEDED and code.state_at is not None and now < code.state_at
    # Whatever else the store says, states included to which no step leads, the code is no longer good.
    return None if in_grace else outcome_of_state(code.state)


def _scene_outcome(tx: Transaction, code: StoredCode, check: SceneCheck, now: datetime) -> Outcome | None:
    if check.subject_kinds is not None and code.subject_kind not in check.subject_kinds:
        return Outcome.SCENE_MISMATCH
    if code.scene_no == GENERAL_SCENE_NO:
        return None
    if check.scene_no is not None:
        return None if code.scene_no == check.scene_no else Outcome.SCENE_MISMATCH
    scene = tx.scenes.in_force(code.scene_no, now=now)
    return None if scene is not None and scene.scene_class is check.scene_class else Outcome.SCENE_MISMATCH


def _use_outcome(tx: Transaction, code: StoredCode, act: ScanAct, scan_id: str, now: datetime) -> Outcome | None:
    """It records the first use of a dynamic code, which also ends its being shown again, and refuses a second use."""
    if act is ScanAct.VERIFY:
        return Outcome.CONSUMED if code.one_time and tx.codes.consumed_by(code.code_id) is not None else None
    if code.mode is CodeMode.STATIC and not code.one_time:
        return None
    first = tx.codes.consume(code.code_id, scan_id=scan_id, at=now)
    return Outcome.CONSUMED if code.one_time and not first else None
