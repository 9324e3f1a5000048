"""The condition of nodes: reports, signed minutes, and the hub's view. Counts only, never a code or a person."""

from datetime import timedelta
from typing import Final

from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.operations.v1 import node_status_pb2 as statusv1

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.nodes import (
    Impairment,
    NodeCondition,
    NodeStatus,
    NodeView,
    OutcomeCount,
    PeerCondition,
    StatusSummary,
)
from govcode_node.wire import checks
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.times import moment_from_proto, moment_to_proto, optional_moment_to_proto, whole_seconds
from govcode_node.wire.trust import NODE_STATES

NODE_CONDITIONS: Final = EnumPair(NodeCondition, statusv1.NodeCondition.Value, prefix="NODE_CONDITION")

_IMPAIRMENTS: Final = {impairment.value: impairment for impairment in Impairment}
_UINT32_MAX: Final = 0xFFFF_FFFF
_MAX_PEERS: Final = 5_000
_MAX_OUTCOMES: Final = 100_000
_LONGEST_WORD: Final = 64


def _seconds(age: timedelta) -> int:
    return min(whole_seconds(age), _UINT32_MAX)


def node_status_to_proto(status: NodeStatus) -> statusv1.NodeStatus:
    """It gives a node's condition; ages in whole seconds."""
    return statusv1.NodeStatus(
        node_id=status.node_id,
        region_code=str(status.region_code),
        condition=NODE_CONDITIONS.to_proto(status.condition),
        impairments=[impairment.value for impairment in status.impairments],
        software_version=status.software_version,
        start_time=moment_to_proto(status.started_at),
        status_time=moment_to_proto(status.taken_at),
        keystore=status.keystore,
        bundle_version=status.bundle_version,
        bundle_age_seconds=_seconds(status.bundle_age),
        calls_per_second=status.calls_per_second,
        p99_ms=status.p99_ms,
        fault_ratio=status.fault_ratio,
        store_queue=status.store_queue,
        slowest_loop_age_seconds=_seconds(status.slowest_loop_age),
        peers=[
            statusv1.PeerCondition(node_id=peer.node_id, available=peer.available, answer_ms=peer.answer_ms)
            for peer in status.peers
        ],
    )


def node_status_from_proto(message: statusv1.NodeStatus) -> NodeStatus:
    """It reads a node's report. A condition of a newer release counts as DEGRADED, an unknown impairment is left out.

    Raises:
        InvalidFieldError: A field is not of its form.
    """
    checks.number(len(message.peers), "peers", least=0, most=_MAX_PEERS)
    return NodeStatus(
        node_id=checks.node_id(message.node_id, "node_id"),
        region_code=checks.region_code(message.region_code),
        condition=NODE_CONDITIONS.known(message.condition, default=NodeCondition.DEGRADED),
        impairments=tuple(_IMPAIRMENTS[word] for word in message.impairments if word in _IMPAIRMENTS),
        software_version=checks.printable(message.software_version, "software_version", shortest=0),
        started_at=moment_from_proto(message.start_time, "start_time"),
        taken_at=moment_from_proto(message.status_time, "status_time"),
        keystore=checks.printable(message.keystore, "keystore", shortest=0),
        bundle_version=message.bundle_version,
        bundle_age=timedelta(seconds=message.bundle_age_seconds),
        calls_per_second=message.calls_per_second,
        p99_ms=message.p99_ms,
        fault_ratio=message.fault_ratio,
        store_queue=message.store_queue,
        slowest_loop_age=timedelta(seconds=message.slowest_loop_age_seconds),
        peers=tuple(
            PeerCondition(
                node_id=checks.node_id(peer.node_id, "peers.node_id"),
                available=peer.available,
                answer_ms=peer.answer_ms,
            )
            for peer in message.peers
        ),
    )


def status_summary_to_proto(summary: StatusSummary) -> statusv1.StatusSummary:
    """It gives the payload of STATUS_SUMMARY evidence."""
    return statusv1.StatusSummary(
        node_id=summary.node_id,
        minute=moment_to_proto(summary.minute),
        codes_issued=summary.codes_issued,
        outcomes=[
            statusv1.OutcomeCount(
                visited_node_id=entry.visited_node,
                home_node_id=entry.home_node,
                outcome=entry.outcome,
                count=entry.count,
            )
            for entry in summary.outcomes
        ],
    )


def status_summary_from_proto(message: statusv1.StatusSummary) -> StatusSummary:
    """It reads a node's account of one minute. Outcomes are words here: a newer one is counted like any other.

    Raises:
        InvalidFieldError: A field is not of its form.
    """
    checks.number(len(message.outcomes), "outcomes", least=0, most=_MAX_OUTCOMES)
    return StatusSummary(
        node_id=checks.node_id(message.node_id, "node_id"),
        minute=moment_from_proto(message.minute, "minute"),
        codes_issued=message.codes_issued,
        outcomes=tuple(
            OutcomeCount(
                visited_node=checks.printable(entry.visited_node_id, "outcomes.visited_node_id", shortest=0),
                home_node=checks.printable(entry.home_node_id, "outcomes.home_node_id", shortest=0),
                outcome=checks.printable(entry.outcome, "outcomes.outcome", longest=_LONGEST_WORD),
                count=entry.count,
            )
            for entry in message.outcomes
        ),
    )


def node_view_to_proto(view: NodeView) -> nodev1.NodeView:
    """It gives a node as the hub sees it."""
    trust = view.node.trust
    return nodev1.NodeView(
        node_id=trust.node_id,
        name_zh=trust.name_zh,
        name_en=trust.name_en,
        state=NODE_STATES.to_proto(trust.state),
        condition=NODE_CONDITIONS.to_proto(view.condition),
        last_report_time=optional_moment_to_proto(view.last_report_at),
        status=None if view.status is None else node_status_to_proto(view.status),
        codes_issued=view.codes_issued,
        scans=view.scans,
        cross_region_scans=view.cross_region_scans,
    )


def report_from_proto(request: hubv1.ReportNodeStatusRequest, *, after: int) -> NodeStatus | bytes:
    """It reads one report of a stream: a condition, or a summary as it was signed.

    Args:
        request: The report.
        after: Number of the report before it; 0 for the first.

    Raises:
        InvalidFieldError: It holds neither, its number does not grow, or a field is not of its form.
    """
    if request.seq <= after:
        raise InvalidFieldError("seq", "does not grow")
    match request.WhichOneof("report"):
        case "status":
            return node_status_from_proto(request.status)
        case "summary":
            return request.summary.SerializeToString()
        case _:
            raise InvalidFieldError("report", "is required")
