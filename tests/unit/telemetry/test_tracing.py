"""Traces go on from node to node, recorded or not, and nothing leaves a node that was not told to send."""

import threading

import pytest
from govcode_node.domain.codes import SubjectKind
from govcode_node.ports.telemetry import RpcObserver
from govcode_node.telemetry.setup import Telemetry, TelemetrySettings, setup_telemetry
from govcode_node.telemetry.tracing import TraceParent, begin_rpc, new_trace, parse_traceparent
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"
RECOGNIZE = "/govcode.federation.v1.FederationService/RecognizeCode"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADER = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def settings(node_id: str, *, trace_ratio: float = 1.0, metrics: bool = False) -> TelemetrySettings:
    return TelemetrySettings(
        node_id=node_id, version="0.1.0", trace_ratio=trace_ratio, metrics=metrics, methods={SCAN, RECOGNIZE}
    )


def recording_node(node_id: str, *, trace_ratio: float = 1.0) -> tuple[Telemetry, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    node = Telemetry(settings(node_id, trace_ratio=trace_ratio), span_processors=[SimpleSpanProcessor(exporter)])
    return node, exporter


@given(
    trace_id=st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}"),
    span_id=st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}"),
    flags=st.sampled_from([0, 1]),
)
def test_traceparent_survives_its_text(trace_id: str, span_id: str, flags: int) -> None:
    parent = TraceParent(trace_id, span_id, flags)
    assert parse_traceparent(str(parent)) == parent


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER.upper(),
        HEADER + "-extra",
        HEADER[:-1],
        " " + HEADER,
        HEADER + "\n",
        "ff" + HEADER[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-00f067aa0ba902b7-0g",
        "x" * 10_000,
    ],
)
def test_broken_traceparent_begins_a_trace_of_its_own(text: str) -> None:
    assert parse_traceparent(text) is None
    trace = begin_rpc(SCAN, {"traceparent": text, "tracestate": "a=b"})
    assert len(trace.trace_id) == 32
    assert trace.trace_id != TRACE_ID
    assert "tracestate" not in trace.outgoing_metadata()


def test_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert parse_traceparent(f"01-{TRACE_ID}-00f067aa0ba902b7-03-more") == TraceParent(TRACE_ID, "00f067aa0ba902b7", 1)


def test_each_new_trace_is_another_one() -> None:
    assert len({new_trace().trace_id for _ in range(100)}) == 100


def test_trace_goes_on_across_two_nodes_that_record_nothing() -> None:
    visited: RpcObserver = setup_telemetry(settings("310000")).observer
    home: RpcObserver = setup_telemetry(settings("420100")).observer
    here = visited.begin(SCAN, {"traceparent": HEADER, "tracestate": "vendor=1"})
    there = home.begin(RECOGNIZE, here.outgoing_metadata())
    assert here.trace_id == there.trace_id == TRACE_ID
    assert there.outgoing_metadata() == {"traceparent": HEADER, "tracestate": "vendor=1"}
    home.end(there, RECOGNIZE, "OK", 0.001)


def test_trace_goes_on_across_two_nodes_with_the_second_span_below_the_first() -> None:
    visited, visited_spans = recording_node("310000")
    home, home_spans = recording_node("420100")
    here = visited.observer.begin(SCAN, {"traceparent": HEADER})
    there = home.observer.begin(RECOGNIZE, here.outgoing_metadata())
    home.observer.end(there, RECOGNIZE, "OK", 0.001)
    visited.observer.end(here, SCAN, "INTERNAL", 0.002)

    (first,) = visited_spans.get_finished_spans()
    (second,) = home_spans.get_finished_spans()
    assert first.parent is not None
    assert second.parent is not None
    assert (first.name, first.kind) == (SCAN[1:], SpanKind.SERVER)
    assert f"{first.context.trace_id:032x}" == f"{second.context.trace_id:032x}" == TRACE_ID
    assert f"{first.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert second.parent.span_id == first.context.span_id
    assert first.status.status_code is StatusCode.ERROR
    assert second.status.status_code is StatusCode.UNSET
    assert second.resource.attributes["service.instance.id"] == "420100"
    assert second.resource.attributes["service.version"] == "0.1.0"
    for node in (visited, home):
        node.shutdown()


def test_caller_cannot_have_its_calls_recorded_beyond_the_ratio() -> None:
    node, spans = recording_node("310000", trace_ratio=0.0)
    trace = node.observer.begin(SCAN, {"traceparent": HEADER})
    node.observer.end(trace, SCAN, "OK", 0.001)
    assert spans.get_finished_spans() == ()
    assert trace.trace_id == TRACE_ID
    assert trace.traceparent.endswith("-00")
    node.shutdown()


def test_nothing_is_sent_and_no_thread_runs_when_telemetry_is_off() -> None:
    before = set(threading.enumerate())
    node = setup_telemetry(settings("310000"))
    trace = node.observer.begin(SCAN, {})
    node.metrics.code_verified(outcome="VALID", cross_region=False)
    node.observer.end(trace, SCAN, "OK", 0.001)
    assert node.tracer is None
    assert trace.handle is None
    assert node.scrape() == ""
    assert set(threading.enumerate()) == before
    node.shutdown()


def test_metrics_are_scraped_without_a_thread_and_with_bounded_labels() -> None:
    before = set(threading.enumerate())
    node = setup_telemetry(settings("310000", metrics=True))
    node.metrics.watch_peers(lambda: {"420100": True, "110000": False})
    node.metrics.watch_trust_bundle_age(lambda: 12.5)
    node.metrics.watch_loops(lambda: {"poll": 1.0})
    node.metrics.code_presented(kind=SubjectKind.PERSON, reused=False)
    node.metrics.code_verified(outcome="VALID", cross_region=True)
    node.metrics.code_verified(outcome="ZWM1:PLANTED", cross_region=False)
    node.metrics.call_shed(queue="commit")
    for method in (SCAN, "/planted.by/AStranger", "/planted.by/Another"):
        node.observer.end(node.observer.begin(method, {}), method, "OK", 0.004)
    lines = node.scrape().splitlines()
    assert set(threading.enumerate()) == before
    assert 'code_present_total{kind="PERSON",reused="false"} 1' in lines
    assert 'code_verify_total{outcome="VALID",scope="cross"} 1' in lines
    assert 'code_verify_total{outcome="other",scope="local"} 1' in lines
    assert 'peer_up{peer="110000"} 0.0' in lines
    assert 'peer_up{peer="420100"} 1.0' in lines
    assert "trust_bundle_age_seconds 12.5" in lines
    assert 'loop_age_seconds{loop="poll"} 1.0' in lines
    assert 'shed_total{queue="commit"} 1' in lines
    assert f'rpc_duration_seconds_count{{code="OK",method="{SCAN}"}} 1' in lines
    assert f'rpc_duration_seconds_bucket{{code="OK",method="{SCAN}",le="0.0025"}} 0' in lines
    assert f'rpc_duration_seconds_bucket{{code="OK",method="{SCAN}",le="0.005"}} 1' in lines
    assert 'rpc_duration_seconds_count{code="OK",method="other"} 2' in lines
    assert not any("PLANTED" in line or "planted" in line for line in lines)
    node.shutdown()


def test_missing_trust_bundle_has_no_age() -> None:
    node = setup_telemetry(settings("310000", metrics=True))
    node.metrics.watch_trust_bundle_age(lambda: None)
    assert "trust_bundle_age_seconds" not in [line.split("{")[0].split(" ")[0] for line in node.scrape().splitlines()]
    node.shutdown()
