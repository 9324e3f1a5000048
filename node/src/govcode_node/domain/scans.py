"""A scan or verification of a code: what is stated to the caller, what the node keeps, what the holder sees."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import DisclosedField
from govcode_node.domain.errors import FactsError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scenes import SceneClass

ANSWER_LIFETIME: Final = timedelta(seconds=60)
"""How long an answer may be relied on (domain 3.2 step 10)."""

RESOLVE_WINDOW: Final = timedelta(minutes=10)
"""How long after its own VALID scan a relying party may ask for fields (architecture 11)."""


UNDECIDED: Final = frozenset({Outcome.HOME_NODE_UNREACHABLE, Outcome.HOME_NODE_TIMEOUT, Outcome.TRUST_DATA_STALE})
"""Findings that say nothing about the code: asked again under the same serial, its home is asked again."""


class ScanAct(IntEnum):
    """What a relying party does with a code. The numbers are those of the contract."""

    SCAN = 1
    VERIFY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """Age of the trust data on which an answer rests.

    Attributes:
        bundle_age: Age of the trust bundle; None where none was needed.
        revocation_list_age: Age of the home node's revocation list; given for OFFLINE_VALID.
    """

    bundle_age: timedelta | None = None
    revocation_list_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanAnswer:
    """What the node states to its caller; the payload of SCAN_ANSWER evidence.

    Attributes:
        scan_id: Id of the scan at this node.
        act: Scan or verification.
        biz_serial: Serial of the act.
        app_id: The application that asked.
        outcome: The finding.
        code_id: The code; empty where the text could not be read.
        subject_kind: Whom it stands for; None unless the outcome is VALID or OFFLINE_VALID.
        proxy: Shown on behalf of the subject.
        pairwise_id: The subject for the caller's organisation; empty unless VALID.
        fields: What is disclosed; empty unless a scan found VALID.
        decided_by: The node that decided.
        home_region: Region of the code; empty where the text could not be read.
        cross_region: Whether it is another region than the answering node's.
        decided_at: When it was decided.
        valid_until: Until when the answer may be relied on.
        freshness: Age of the trust data.
        scene_no: Scene of the scan.
        code_text_digest: SM3 of the text as received.
    """

    scan_id: str
    act: ScanAct
    biz_serial: str
    app_id: str
    outcome: Outcome
    code_id: bytes = b""
    subject_kind: SubjectKind | None = None
    proxy: bool = False
    pairwise_id: str = ""
    fields: tuple[DisclosedField, ...] = ()
    decided_by: str
    home_region: str = ""
    cross_region: bool = False
    decided_at: datetime
    valid_until: datetime
    freshness: Freshness = field(default_factory=Freshness)
    scene_no: int
    code_text_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """A scan as the node keeps it; the memory of its serial (6.1-07) and the holder's record of it (6.1-09).

    Attributes:
        scan_id: Time-ordered id, `sc_` and 32 hexadecimal digits.
        caller: Who asked: `app:<app id>`, or `node:<visited node>/<app id>` for a scan in another region.
        biz_serial: Serial of the act; unique for caller and act.
        request_digest: SM3 of the request, to tell a repetition from another act.
        act: Scan or verification.
        outcome: The finding.
        code_id: The code; empty where unread.
        account_id: Its account; empty where unknown here.
        home_node: Home node of the code; empty where unread.
        visited_node: Node at which it was shown.
        relying_party_name: Organisation that scanned, for the holder's record.
        scene_no: Scene at the visited node; 0 for a scan in another region.
        scene_class: Kind of the scene.
        place: Place as given.
        device_id: Reading device, for a scan of this node.
        disclosed_fields: Names of the fields that were disclosed.
        decided_at: When it was decided.
        trace_id: Trace of the act.
        answer: The sealed payload of the answer, for repetitions.
        peer_evidence: Sealed evidence of the other node: the home node's answer here, the visited node's request there.
    """

    scan_id: str
    caller: str
    biz_serial: str
    request_digest: bytes
    act: ScanAct
    outcome: Outcome
    code_id: bytes
    account_id: AccountId | None
    home_node: str
    visited_node: str
    relying_party_name: str
    scene_no: int
    scene_class: SceneClass
    place: str
    device_id: str
    disclosed_fields: tuple[str, ...]
    decided_at: datetime
    trace_id: str
    answer: bytes
    peer_evidence: bytes = b""


@dataclass(eq=False)
class ScanNotFoundError(FactsError):
    """The caller has no such VALID scan."""

    scan_id: str
    says = "this application has no VALID scan {scan_id}"


@dataclass(eq=False)
class ScanTooOldError(FactsError):
    """The scan is too old to be resolved."""

    scan_id: str
    says = "scan {scan_id} is older than ten minutes; scan again"


@dataclass(eq=False)
class CrossRegionUnsupportedError(FactsError):
    """Fields of another region's subject come with the scan only."""

    home_region: str
    says = "fields of a subject of {home_region} come with the scan and cannot be asked for later"
