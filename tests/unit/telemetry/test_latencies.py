"""What is counted beside the SDK reads like what the SDK counts."""

import pytest
from govcode_node.telemetry.latencies import Latencies
from govcode_node.telemetry.metrics import LATENCY_BUCKETS
from govcode_node.telemetry.setup import Telemetry, TelemetrySettings
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)

SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"


def point_of(data: object) -> HistogramDataPoint:
    assert isinstance(data, Histogram)
    (point,) = data.data_points
    return point


@given(st.lists(st.floats(0, 20) | st.sampled_from(LATENCY_BUCKETS), min_size=1, max_size=30))
def test_the_histogram_is_that_of_the_sdk(values: list[float]) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    theirs = provider.get_meter("test").create_histogram("h", explicit_bucket_boundaries_advisory=LATENCY_BUCKETS)
    ours = Latencies(LATENCY_BUCKETS)
    ours.open((SCAN, "OK"))
    for value in values:
        theirs.record(value, {"method": SCAN, "code": "OK"})
        assert ours.note((SCAN, "OK"), value)
    collected = reader.get_metrics_data()
    assert collected is not None
    expected = point_of(collected.resource_metrics[0].scope_metrics[0].metrics[0].data)
    metric = ours.metric("h", description="")
    assert metric is not None
    made = point_of(metric.data)
    for name in ("attributes", "count", "bucket_counts", "explicit_bounds", "min", "max"):
        assert list_or_value(getattr(made, name)) == list_or_value(getattr(expected, name)), name
    assert made.sum == pytest.approx(expected.sum)
    provider.shutdown()


def list_or_value(value: object) -> object:
    return list(value) if isinstance(value, tuple | list) else value


def test_a_stranger_cannot_make_series() -> None:
    node = Telemetry(TelemetrySettings(node_id="310000", version="0.1.0", metrics=True, methods={SCAN}))
    for number in range(100):
        node.metrics.rpc_ended(method=f"/stranger/{number}", status_code=f"CODE_{number}", seconds=0.1)
    node.metrics.rpc_ended(method=SCAN, status_code="OK", seconds=0.1)
    counts = [line for line in node.scrape().splitlines() if line.startswith("rpc_duration_seconds_count")]
    assert counts == [
        'rpc_duration_seconds_count{code="other",method="other"} 100',
        f'rpc_duration_seconds_count{{code="OK",method="{SCAN}"}} 1',
    ]
    node.shutdown()


class KeepingExporter(MetricExporter):
    """It keeps what it is to send."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        self.names |= {
            metric.name
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        pass


def test_a_collector_gets_the_latencies_too() -> None:
    exporter = KeepingExporter()
    node = Telemetry(
        TelemetrySettings(node_id="310000", version="0.1.0", metrics=True, methods={SCAN}), metric_exporters=[exporter]
    )
    node.metrics.rpc_ended(method=SCAN, status_code="OK", seconds=0.1)
    node.metrics.code_verified(outcome="VALID", cross_region=False)
    node.shutdown()
    assert {"rpc_duration_seconds", "code_verify_total"} <= exporter.names
