"""OpenTelemetry: a run is a trace, its nodes are spans, its numbers are metrics; over OTLP by HTTP.

All is sent when the run is over, in two requests, so that a collector that hangs holds up no run while it has
locks. One that fails is counted and shown, as every listener is. What is counted is sent as a difference
(delta temporality): each run is a process of its own, so a sum since its start would be one for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.errors import MissingExtraError, RunError
from sluiceway.events import Event, NodeFinished, RunFinished, RunStarted
from sluiceway.integrations.base import Integration
from sluiceway.secrets import redact
from sluiceway.store.tally import BUCKETS
from sluiceway.units import duration

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["INTEGRATION", "Tracer", "listener"]


class Tracer:
    """Remembers a run's events, and sends them when it is over."""

    def __init__(self, config: Mapping[str, Any], project: Project) -> None:
        self._config, self._project = config, project
        self._started: RunStarted | None = None
        self._nodes: list[NodeFinished] = []
        self._finished: RunFinished | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._started, self._nodes = event, []
            case NodeFinished():
                self._nodes.append(event)
            case RunFinished():
                self._finished = event

    def over(self, _failures: Mapping[str, int]) -> tuple[str, ...]:
        """Send the trace and the numbers.

        Raises:
            RunError: the collector did not take them.
        """
        if self._finished is None:
            return ()
        run, self._finished = self._finished, None
        self._send_trace(run)
        if run.kind == "run":
            self._send_metrics(run)
        return ()

    def _resource(self) -> Any:
        from opentelemetry.sdk.resources import Resource

        named = {
            "service.name": self._config.get("service", "sluiceway"),
            "sluiceway.project": self._project.name,
        }
        return Resource(named)

    def _to(self, path: str) -> dict[str, Any]:
        return {
            "endpoint": f"{str(self._config['endpoint']).rstrip('/')}/v1/{path}",
            "headers": dict(self._config.get("headers", {})),
            "timeout": duration(self._config.get("timeout", "5s")),
        }

    def _send_trace(self, run: RunFinished) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        kept = InMemorySpanExporter()
        provider = TracerProvider(resource=self._resource(), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        tracer = provider.get_tracer("sluiceway")
        begun = run.at - timedelta(seconds=run.seconds)
        root = tracer.start_span(
            f"{run.kind} {run.pipeline}", start_time=_nanoseconds(begun), attributes=_attributes(run)
        )
        for node in self._nodes:
            span = tracer.start_span(
                node.node, context=set_span_in_context(root),
                start_time=_nanoseconds(node.at - timedelta(seconds=node.seconds)),
                attributes={} if node.rows is None else {"sluiceway.rows": node.rows},
            )  # fmt: skip
            if node.error is not None:
                span.set_status(Status(StatusCode.ERROR, redact(node.error)))
            span.end(_nanoseconds(node.at))
        if run.status != "succeeded":
            message = (run.error or {}).get("message") or run.status
            root.set_status(Status(StatusCode.ERROR, redact(str(message))))
        root.end(_nanoseconds(run.at))
        exporter = OTLPSpanExporter(**self._to("traces"))
        if exporter.export(kept.get_finished_spans()) is not SpanExportResult.SUCCESS:
            raise RunError(f"the collector at {self._config['endpoint']} took no trace")

    def _send_metrics(self, run: RunFinished) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
        from opentelemetry.sdk.metrics.export import (
            AggregationTemporality,
            InMemoryMetricReader,
            MetricExportResult,
        )

        delta = AggregationTemporality.DELTA
        reader = InMemoryMetricReader(preferred_temporality={Counter: delta, Histogram: delta})
        provider = MeterProvider([reader], resource=self._resource(), shutdown_on_exit=False)
        meter = provider.get_meter("sluiceway")
        labels = {"pipeline": run.pipeline, "environment": run.environment}
        meter.create_counter("sluiceway.runs").add(1, {**labels, "status": run.status})
        duration_of = meter.create_histogram(
            "sluiceway.run.duration", unit="s", explicit_bucket_boundaries_advisory=BUCKETS
        )
        duration_of.record(run.seconds, {**labels, "status": run.status})
        for of in ("published", "quarantined"):
            meter.create_counter(f"sluiceway.rows.{of}").add(run.records.get(of) or 0, labels)
        if run.quality_score is not None:
            meter.create_gauge("sluiceway.quality_score").set(run.quality_score, labels)
        exporter = OTLPMetricExporter(**self._to("metrics"))
        data = reader.get_metrics_data()
        if data is not None and exporter.export(data) is not MetricExportResult.SUCCESS:
            raise RunError(f"the collector at {self._config['endpoint']} took no metrics")


def _attributes(run: RunFinished) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sluiceway.run_id": run.run_id, "sluiceway.pipeline": run.pipeline, "sluiceway.status": run.status,
        "sluiceway.environment": run.environment, "sluiceway.kind": run.kind, "sluiceway.table": run.table,
    }  # fmt: skip
    found |= {f"sluiceway.rows.{of}": n for of, n in run.records.items() if n is not None}
    if run.quality_score is not None:
        found["sluiceway.quality_score"] = run.quality_score
    return found


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000


def listener(config: Mapping[str, Any], project: Project) -> Tracer:
    """Raises MissingExtraError where the SDK is not installed."""
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError.of("otel", "Sending traces to OpenTelemetry") from None
    return Tracer(config, project)


INTEGRATION = Integration(
    name="otel",
    doc=__doc__,
    listener=listener,
    examples=("observe: {otel: {endpoint: 'http://127.0.0.1:4318'}}",),
)
