"""What one node asks another about a code, and when an answer may be believed (6.2, domain 3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import FactsError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import ScanAct
from govcode_node.domain.scenes import SceneClass

REQUEST_WINDOW: Final = timedelta(minutes=5)
"""How old a signed request may be when it arrives (domain 4.2)."""

ANSWER_WINDOW: Final = timedelta(seconds=60)
"""How old a signed answer may be when it arrives."""

CLOCK_TOLERANCE: Final = timedelta(seconds=30)
"""How far ahead the other node's clock may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizeRequest:
    """What the visited node asks; the payload of RECOGNIZE_REQUEST evidence. Fields as in the contract."""

    visited_node: str
    home_node: str
    act: ScanAct
    code_text: str = field(repr=False)
    app_id: str
    biz_serial: str
    relying_party_name: str
    relying_party_uscc: str
    scene_class: SceneClass
    place: str
    scanned_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizeAnswer:
    """What the home node answers; the payload of RECOGNIZE_ANSWER evidence. Fields as in the contract."""

    request_digest: bytes
    visited_node: str
    home_node: str
    act: ScanAct
    app_id: str
    biz_serial: str
    scan_id: str
    code_id: bytes
    outcome: Outcome
    subject_kind: SubjectKind | None = None
    proxy: bool = False
    pairwise_id: str = ""
    sealed_fields: bytes = b""
    decided_at: datetime
    valid_until: datetime

    def check_answers(
        self, request: RecognizeRequest, *, request_digest: bytes, code_id: bytes, signed_at: datetime, now: datetime
    ) -> None:
        """It raises unless this is a fresh answer to exactly that request (6.2-05).

        Args:
            request: What was asked.
            request_digest: SM3 of the payload that was sent.
            code_id: The code in the text that was sent.
            signed_at: When the answer was signed.
            now: The clock here.

        Raises:
            PeerAnswerRefusedError: It repeats something else, or is too old.
        """
        echoes = (
            self.request_digest == request_digest
            and self.visited_node == request.visited_node
            and self.home_node == request.home_node
            and self.act is request.act
            and self.app_id == request.app_id
            and self.biz_serial == request.biz_serial
        )
        if not echoes:
            raise PeerAnswerRefusedError(node_id=request.home_node, why="it answers another request")
        if self.code_id not in {code_id, b""} or (self.outcome is Outcome.VALID and self.code_id != code_id):
            raise PeerAnswerRefusedError(node_id=request.home_node, why="it is about another code")
        if now - signed_at > ANSWER_WINDOW or signed_at - now > CLOCK_TOLERANCE or now > self.valid_until:
            raise PeerAnswerRefusedError(node_id=request.home_node, why="it is not fresh")
        if self.decided_at - now > CLOCK_TOLERANCE:
            raise PeerAnswerRefusedError(node_id=request.home_node, why="it was decided in the future")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A node's own ended codes of the signed profile; the payload of REVOCATION_LIST evidence.

    Attributes:
        node_id: The node.
        list_time: When it was made.
        code_ids: Ended codes whose validity is not over.
    """

    node_id: str
    list_time: datetime
    code_ids: frozenset[bytes]


@dataclass(eq=False)
class PeerAnswerRefusedError(FactsError):
    """A peer's answer may not be believed; it counts as no answer and as a security event."""

    node_id: str
    why: str
    says = "the answer of node {node_id} is refused: {why}"


@dataclass(eq=False)
class EvidenceRefusedError(FactsError):
    """Evidence of a caller is not signed by a key that is trusted for it. `why` says what is wrong."""

    why: str
    says = "the evidence is refused: {why}"


@dataclass(eq=False)
class EvidenceStaleError(FactsError):
    """Evidence of a caller is too old or from the future."""

    age_seconds: int
    says = "the evidence is {age_seconds} s old; check the clocks"


@dataclass(eq=False)
class LoopDetectedError(FactsError):
    """The request came back to a node that it had passed (6.2-12)."""

    hops: str
    says = "the request came back over {hops}"


@dataclass(eq=False)
class HopLimitError(FactsError):
    """The request has passed as many nodes as it may."""

    hops: str
    says = "the request has passed {hops}, which is as far as it may go"


@dataclass(eq=False)
class HomeNodeUnreachableError(FactsError):
    """The next node towards the code's home does not answer."""

    node_id: str
    says = "node {node_id} does not answer"


@dataclass(eq=False)
class HomeNodeTimeoutError(FactsError):
    """The next node towards the code's home did not answer in time."""

    node_id: str
    says = "node {node_id} did not answer in time"


@dataclass(eq=False)
class PeerRefusedError(FactsError):
    """Another node refused, with an error of its own, which goes on to the caller with `via` added.

    Attributes:
        node_id: The node that was asked.
        status_code: Number of the gRPC status that it answered.
        reason: Its reason; empty where it gave none.
        facts: The facts that came with the reason.
    """

    node_id: str
    status_code: int
    reason: str
    facts: Mapping[str, str] = field(default_factory=dict)
    says = "node {node_id} refuses: {reason}"
