"""How long calls took: a histogram that is counted here and only read through OpenTelemetry.

Recording one value in a histogram of the SDK takes 10 µs, most of it for looking up the series of its labels: as much
as a tenth of all that a presentation needs on the event loop. Here it is a look-up and an addition. OpenTelemetry has
no histogram that is observed when it is read, so the finished metric is put beside what the SDK has collected.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_NO_URL: Final = ""


@dataclass(slots=True)
class _Series:
    """The calls of one method that ended with one code."""

    counts: list[int]
    total: float = 0.0
    least: float = field(default=float("inf"))
    most: float = 0.0


class Latencies:
    """A histogram by method and code. It is written on one thread; what is read on another is at most a call behind."""

    def __init__(self, edges: Sequence[float]) -> None:
        """It takes the upper edges of the buckets in seconds, ascending; each belongs to its bucket."""
        self._edges = tuple(edges)
        self._series: dict[tuple[str, str], _Series] = {}
        self._since = time.time_ns()

    def note(self, key: tuple[str, str], seconds: float) -> bool:
        """It counts a call where its series is there already, and returns whether it was."""
        series = self._series.get(key)
        if series is None:
            return False
        series.counts[bisect_left(self._edges, seconds)] += 1
        series.total += seconds
        series.least = min(series.least, seconds)
        series.most = max(series.most, seconds)
        return True

    def open(self, key: tuple[str, str]) -> None:
        """It begins the series of a method and a code, where there is none yet."""
        self._series.setdefault(key, _Series([0] * (len(self._edges) + 1)))

    def metric(self, name: str, *, description: str) -> Metric | None:
        """It gives the metric as the SDK would; None where nothing was counted."""
        now = time.time_ns()
        points = [self._point(key, series, now) for key, series in tuple(self._series.items())]
        if not points:
            return None
        return Metric(
            name=name,
            description=description,
            unit="s",
            data=Histogram(data_points=points, aggregation_temporality=AggregationTemporality.CUMULATIVE),
        )

    def _point(self, key: tuple[str, str], series: _Series, now: int) -> HistogramDataPoint:
        counts = tuple(series.counts)
        return HistogramDataPoint(
            attributes={"method": key[0], "code": key[1]},
            start_time_unix_nano=self._since,
            time_unix_nano=now,
            count=sum(counts),
            sum=series.total,
            bucket_counts=counts,
            explicit_bounds=self._edges,
            min=series.least,
            max=series.most,
        )


@dataclass(frozen=True, slots=True)
class OwnMetrics:
    """Metrics that stand beside those of the SDK.

    Attributes:
        metrics: Gives them as they are now.
        resource: The node.
        scope: Who counts.
    """

    metrics: Callable[[], Sequence[Metric]]
    resource: Resource
    scope: InstrumentationScope

    def beside(self, data: MetricsData | None) -> MetricsData:
        """It adds them to what the SDK has collected."""
        collected = [] if data is None else list(data.resource_metrics)
        own = list(self.metrics())
        if own:
            scope = ScopeMetrics(scope=self.scope, metrics=own, schema_url=_NO_URL)
            collected.append(ResourceMetrics(resource=self.resource, scope_metrics=[scope], schema_url=_NO_URL))
        return MetricsData(resource_metrics=collected)


class ExporterOfAll(MetricExporter):
    """It sends the node's own metrics with those of the SDK."""

    def __init__(self, exporter: MetricExporter, own: Callable[[], OwnMetrics]) -> None:
        """It takes who sends, and the metrics that are added; they are asked for at every export."""
        super().__init__()
        self._exporter = exporter
        self._own = own

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        """It sends both."""
        return self._exporter.export(self._own().beside(metrics_data), timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """It sends what waits."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        """It ends the exporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)
