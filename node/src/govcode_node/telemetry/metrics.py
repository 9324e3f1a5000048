"""Every metric of a node, with its labels: the one place that names them (domain 6.3).

No label holds a code id, a person, or anything a stranger can choose freely: values outside a known set become
``other``, so that nobody can fill the memory with series.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.outcomes import Outcome

OTHER: Final = "other"
"""Label of values outside the known set."""

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper edges in seconds; the service goals (20, 120, 150, 500, 800 ms) fall between or on them."""

MAX_PEERS: Final = 4096
"""How many peers get a series of their own; a bundle of 3,200 nodes fits."""

_MAX_LOOPS: Final = 64
_OUTCOMES: Final = frozenset(outcome.value for outcome in Outcome)
_STATUS_CODES: Final = frozenset(
    {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    }
)
_QUEUES: Final = frozenset({"commit", "attest", "events", "forward", "scan"})

Values = Callable[[], Mapping[str, float]]


class NodeMetrics:
    """The instruments of one node. Counters are told of what happened, gauges ask when they are read."""

    def __init__(self, meter: Meter, *, methods: Collection[str] = ()) -> None:
        """It makes the instruments.

        Args:
            meter: Where they are counted; a no-op meter where metrics are off.
            methods: The full names of the RPCs that have a series of their own.
        """
        self._meter = meter
        self._methods = frozenset(methods)
        self._present = meter.create_counter("code_present_total", description="Codes presented (亮码)")
        self._verify = meter.create_counter("code_verify_total", description="Codes scanned or verified (验码)")
        self._shed = meter.create_counter("shed_total", description="Calls refused because a bounded queue was full")
        self._latency = meter.create_histogram(
            "rpc_duration_seconds",
            unit="s",
            description="Time from the arrival of a call to its answer",
            explicit_bucket_boundaries_advisory=LATENCY_BUCKETS,
        )

    def code_presented(self, *, kind: SubjectKind, reused: bool) -> None:
        """It counts a presentation; `reused` tells those that showed an earlier code again."""
        self._present.add(1, {"kind": kind.name, "reused": str(reused).lower()})

    def code_verified(self, *, outcome: str, cross_region: bool) -> None:
        """It counts a trust decision; `scope` tells codes of this region from those of others."""
        scope = "cross" if cross_region else "local"
        self._verify.add(1, {"outcome": outcome if outcome in _OUTCOMES else OTHER, "scope": scope})

    def call_shed(self, *, queue: str) -> None:
        """It counts a call that a full queue turned away."""
        self._shed.add(1, {"queue": queue if queue in _QUEUES else OTHER})

    def rpc_ended(self, *, method: str, status_code: str, seconds: float) -> None:
        """It counts a call with its time."""
        known_method = method if method in self._methods else OTHER
        known_code = status_code if status_code in _STATUS_CODES else OTHER
        self._latency.record(seconds, {"method": known_method, "code": known_code})

    def watch_peers(self, up_by_peer: Callable[[], Mapping[str, bool]]) -> None:
        """It shows which peer nodes answer: 1 up, 0 down."""
        self._gauge("peer_up", "peer", MAX_PEERS, lambda: {name: float(up) for name, up in up_by_peer().items()})

    def watch_trust_bundle_age(self, age_seconds: Callable[[], float | None]) -> None:
        """It shows the age of the trust bundle; nothing while there is none."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            age = age_seconds()
            return [] if age is None else [Observation(age)]

        self._meter.create_observable_gauge("trust_bundle_age_seconds", [observe], unit="s")

    def watch_loops(self, age_by_loop: Values) -> None:
        """It shows how long ago each background loop last succeeded."""
        self._gauge("loop_age_seconds", "loop", _MAX_LOOPS, age_by_loop, unit="s")

    def watch_certificates(self, seconds_by_name: Values) -> None:
        """It shows how long each certificate of this node still holds."""
        self._gauge("cert_expiry_seconds", "certificate", _MAX_LOOPS, seconds_by_name, unit="s")

    def _gauge(self, name: str, label: str, most: int, values: Values, unit: str = "") -> None:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, {label: key}) for key, value in sorted(values().items())[:most]]

        self._meter.create_observable_gauge(name, [observe], unit=unit)
