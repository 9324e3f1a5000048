"""Metrics in the text form that Prometheus reads (version 0.0.4)."""

from collections.abc import Iterable, Iterator, Mapping

from opentelemetry.sdk.metrics.export import Gauge, Histogram, HistogramDataPoint, Metric, MetricsData, Sum


def exposition(data: MetricsData) -> str:
    """It writes every metric, in the order of its name."""
    metrics = [
        metric for resource in data.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics
    ]
    return "".join(line + "\n" for metric in sorted(metrics, key=lambda one: one.name) for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    if metric.description:
        yield f"# HELP {metric.name} {_escaped(metric.description)}"
    if isinstance(metric.data, Histogram):
        yield f"# TYPE {metric.name} histogram"
        for histogram in metric.data.data_points:
            yield from _histogram_lines(metric.name, histogram)
    elif isinstance(metric.data, Sum | Gauge):
        yield f"# TYPE {metric.name} {'counter' if isinstance(metric.data, Sum) else 'gauge'}"
        for point in metric.data.data_points:
            yield f"{metric.name}{_labels(point.attributes)} {point.value!r}"


def _histogram_lines(name: str, point: HistogramDataPoint) -> Iterator[str]:
    total = 0
    edges = [f"{edge:g}" for edge in point.explicit_bounds]
    for edge, count in zip([*edges, "+Inf"], point.bucket_counts, strict=True):
        total += count
        yield f"{name}_bucket{_labels(point.attributes, [('le', edge)])} {total}"
    yield f"{name}_sum{_labels(point.attributes)} {point.sum!r}"
    yield f"{name}_count{_labels(point.attributes)} {point.count}"


def _labels(attributes: Mapping[str, object] | None, more: Iterable[tuple[str, str]] = ()) -> str:
    pairs = [(key, str(value)) for key, value in sorted((attributes or {}).items())] + list(more)
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in pairs) + "}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
