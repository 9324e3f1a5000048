"""Every metric of a node, with its labels: the one place that names them (domain 6.3).

No label holds a code id, a person, or anything a stranger can choose freely: values outside a known set become
``other``, so that nobody can fill the memory with series.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics.export import Metric

from govcode_node.domain.authorizations import AuthorizationState, LegalBasis, UseState
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.outcomes import Outcome
from govcode_node.telemetry.latencies import Latencies

OTHER: Final = "other"
"""Label of values outside the known set."""

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper edges in seconds; the service goals (20, 120, 150, 500, 800 ms) fall between or on them."""

MAX_PEERS: Final = 4096
"""How many peers get a series of their own; a bundle of 3,200 nodes fits."""

_MAX_LOOPS: Final = 64
_OUTCOMES: Final = frozenset(outcome.value for outcome in Outcome)
_DECISIONS: Final = frozenset({*(state.name for state in AuthorizationState), LegalBasis.STATUTORY_DUTY.name})
_USE_STATES: Final = frozenset(state.name for state in UseState)
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


class _Counts:
    """A counter by labels, counted here and read by OpenTelemetry: a sum in a dictionary, a tenth of the SDK's cost."""

    def __init__(self, meter: Meter, name: str, labels: tuple[str, ...], *, description: str) -> None:
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        meter.create_observable_counter(name, [self._observe], description=description)

    def add(self, *values: str) -> None:
        """It counts one; the values are those of the labels, from small fixed sets."""
        self._counts[values] = self._counts.get(values, 0) + 1

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(count, dict(zip(self._labels, values, strict=True)))
            for values, count in tuple(self._counts.items())
        ]


class NodeMetrics:
    """The instruments of one node, told of what happened on the event loop; gauges ask when they are read."""

    def __init__(self, meter: Meter, *, methods: Collection[str] = ()) -> None:
        """It makes the instruments.

        Args:
            meter: Where they are counted; a no-op meter where metrics are off.
            methods: The full names of the RPCs that have a series of their own.
        """
        self._meter = meter
        self._methods = frozenset(methods)
        self._present = _Counts(meter, "code_present_total", ("kind", "reused"), description="Codes presented (亮码)")
        self._verify = _Counts(
            meter, "code_verify_total", ("outcome", "scope"), description="Codes scanned or verified (验码)"
        )
        self._grants = _Counts(meter, "grant_total", ("decision",), description="What became of authorizations (授权)")
        self._uses = _Counts(meter, "license_use_total", ("state",), description="Uses of licences (调用证照)")
        self._shed = _Counts(
            meter, "shed_total", ("queue",), description="Calls refused because a bounded queue was full"
        )
        self._latencies = Latencies(LATENCY_BUCKETS)

    def own(self) -> list[Metric]:
        """It gives the metrics that the meter does not know, to be read beside its own."""
        latency = self._latencies.metric(
            "rpc_duration_seconds", description="Time from the arrival of a call to its answer"
        )
        return [] if latency is None else [latency]

    def code_presented(self, *, kind: SubjectKind, reused: bool) -> None:
        """It counts a presentation; `reused` tells those that showed an earlier code again."""
        self._present.add(kind.name, "true" if reused else "false")

    def code_verified(self, *, outcome: str, cross_region: bool) -> None:
        """It counts a trust decision; `scope` tells codes of this region from those of others."""
        self._verify.add(outcome if outcome in _OUTCOMES else OTHER, "cross" if cross_region else "local")

    def authorization_decided(self, *, decision: str) -> None:
        """It counts what became of an authorization; a statutory duty is never counted as a grant (N-35)."""
        self._grants.add(decision if decision in _DECISIONS else OTHER)

    def license_used(self, *, state: str) -> None:
        """It counts a use of a licence: begun, delivered, or failed."""
        self._uses.add(state if state in _USE_STATES else OTHER)

    def call_shed(self, *, queue: str) -> None:
        """It counts a call that a full queue turned away."""
        self._shed.add(queue if queue in _QUEUES else OTHER)

    def rpc_ended(self, *, method: str, status_code: str, seconds: float) -> None:
        """It counts a call with its time."""
        if self._latencies.note((method, status_code), seconds):
            return
        # The first of its kind, or a value outside the known sets, which never gets a series of its own.
        known = (
            method if method in self._methods else OTHER,
            status_code if status_code in _STATUS_CODES else OTHER,
        )
        self._latencies.open(known)
        self._latencies.note(known, seconds)

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
