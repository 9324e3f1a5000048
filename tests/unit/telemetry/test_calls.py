"""The pipeline's outermost layer: what it measures, and that it fits the seam."""

from govcode_node.rpc.call import RequestMetadata, read_metadata
from govcode_node.rpc.observing import CallTelemetry
from govcode_node.telemetry.calls import CallWatch
from govcode_node.telemetry.setup import Telemetry, TelemetrySettings
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"
WATCH = "/govcode.code.v1.CodeApplicationService/WatchEvents"
HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def metadata(traceparent: str) -> RequestMetadata:
    return read_metadata([("traceparent", traceparent)])


def test_call_is_timed_traced_and_told_of() -> None:
    exporter = InMemorySpanExporter()
    node = Telemetry(
        TelemetrySettings(node_id="310000", version="0.1.0", trace_ratio=1.0, metrics=True, methods={SCAN}),
        span_processors=[SimpleSpanProcessor(exporter)],
    )
    told: list[tuple[str, bool, bool]] = []

    def listen(method: str, seconds: float, fault: bool, *, streaming: bool) -> None:
        assert seconds >= 0
        told.append((method, fault, streaming))

    watch = CallWatch(node.observer, listeners=[listen], streaming_methods={WATCH})
    seam: CallTelemetry = watch
    seam.begin(SCAN, metadata(HEADER))(code="OK", reason="", caller="scanner")
    seam.begin(SCAN, metadata(""))(code="INTERNAL", reason="X", caller="scanner")
    seam.begin(WATCH, metadata(HEADER))(code="CANCELLED", reason="", caller="app.holder")

    assert told == [(SCAN, False, False), (SCAN, True, False), (WATCH, False, True)]
    assert [span.name for span in exporter.get_finished_spans()] == [SCAN[1:], SCAN[1:], WATCH[1:]]
    assert f'rpc_duration_seconds_count{{code="INTERNAL",method="{SCAN}"}} 1' in node.scrape().splitlines()
    node.shutdown()


def test_next_node_gets_the_span_of_this_call() -> None:
    node = Telemetry(
        TelemetrySettings(node_id="310000", version="0.1.0", trace_ratio=1.0),
        span_processors=[SimpleSpanProcessor(InMemorySpanExporter())],
    )
    running = CallWatch(node.observer).begin(SCAN, metadata(HEADER))
    assert running.traceparent.split("-")[1] == HEADER.split("-")[1]
    assert running.traceparent.split("-")[2] != HEADER.split("-")[2]
    running(code="OK", reason="", caller="scanner")
    node.shutdown()
