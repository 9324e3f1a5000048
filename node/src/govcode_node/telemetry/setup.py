"""OpenTelemetry as the configuration wants it: nothing runs that was not asked for.

Without an endpoint no exporter is even imported and no thread exists. Providers are not made global: two nodes in one
process (tests, the demo) keep apart.
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Tracer

from govcode_node.telemetry.exposition import exposition
from govcode_node.telemetry.latencies import ExporterOfAll, OwnMetrics
from govcode_node.telemetry.metrics import NodeMetrics
from govcode_node.telemetry.tracing import RpcTelemetry

_SCOPE: Final = "govcode_node"


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What is wanted.

    Attributes:
        node_id: Named in every span and metric.
        version: Of the program, named likewise.
        otlp_endpoint: `host:port` of a collector; None sends nothing.
        trace_ratio: Share of the traces that are recorded, 0 to 1.
        metrics: Whether anything is counted for scraping.
        methods: Full names of the RPCs, which have a series of their own.
    """

    node_id: str
    version: str
    otlp_endpoint: str | None = None
    trace_ratio: float = 0.01
    metrics: bool = False
    methods: Collection[str] = ()


class Telemetry:
    """The telemetry of one node.

    Attributes:
        metrics: Its instruments.
        observer: What the pipeline tells of calls.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        *,
        span_processors: Collection[SpanProcessor] = (),
        metric_exporters: Collection[MetricExporter] = (),
    ) -> None:
        """It starts what is wanted; use `setup_telemetry`, which chooses the processors and exporters."""
        resource = Resource(
            {
                "service.name": "govcode-node",
                "service.version": settings.version,
                "service.instance.id": settings.node_id,
            }
        )
        self._scraped = InMemoryMetricReader() if settings.metrics else None
        readers: list[MetricReader] = [
            PeriodicExportingMetricReader(ExporterOfAll(exporter, lambda: self._own)) for exporter in metric_exporters
        ]
        if self._scraped is not None:
            readers.append(self._scraped)
        self._meters: MeterProvider | None = None
        if readers:
            self._meters = MeterProvider(
                readers, resource, exemplar_filter=AlwaysOffExemplarFilter(), shutdown_on_exit=False
            )
        meter = (self._meters or NoOpMeterProvider()).get_meter(_SCOPE, settings.version)
        self._tracers: TracerProvider | None = None
        if span_processors:
            # The parent's wish is not asked: an application could have every call of its own recorded. By the trace id
            # alone all nodes with one ratio choose the same traces.
            self._tracers = TracerProvider(TraceIdRatioBased(settings.trace_ratio), resource, shutdown_on_exit=False)
            for processor in span_processors:
                self._tracers.add_span_processor(processor)
        self.metrics = NodeMetrics(meter, methods=settings.methods)
        self._own = OwnMetrics(self.metrics.own, resource, InstrumentationScope(_SCOPE, settings.version))
        self.observer = RpcTelemetry(tracer=self.tracer, metrics=self.metrics)

    @property
    def tracer(self) -> Tracer | None:
        """What makes spans; None where none leave the node."""
        return None if self._tracers is None else self._tracers.get_tracer(_SCOPE)

    def scrape(self) -> str:
        """It gives the metrics in the text form of Prometheus; empty where they are off."""
        return "" if self._scraped is None else exposition(self._own.beside(self._scraped.get_metrics_data()))

    def shutdown(self) -> None:
        """It sends what waits and ends the exporters; it may take seconds, so call it off the event loop."""
        if self._tracers is not None:
            self._tracers.shutdown()
        if self._meters is not None:
            self._meters.shutdown()


def setup_telemetry(settings: TelemetrySettings) -> Telemetry:
    """It starts the telemetry of a node: exporters where an endpoint is set, otherwise none."""
    if settings.otlp_endpoint is None:
        return Telemetry(settings)
    # Imported here, so that a node without a collector loads neither the exporters nor their protobuf.
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - see above
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above

    plain = _is_loopback(settings.otlp_endpoint)
    spans = OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=plain)
    exporters: list[MetricExporter] = []
    if settings.metrics:
        exporters.append(OTLPMetricExporter(endpoint=settings.otlp_endpoint, insecure=plain))
    return Telemetry(settings, span_processors=[BatchSpanProcessor(spans)], metric_exporters=exporters)


def _is_loopback(endpoint: str) -> bool:
    """Whether the collector is on this machine; to any other one the channel is TLS (8.1-03)."""
    host = endpoint.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
