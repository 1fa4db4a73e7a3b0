"""Numbers and traces of runs, heard by real sockets; a server that fails or hangs fails no run."""

from __future__ import annotations

import gzip
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import SpecError
from sluiceway.spec.project import load_project

if TYPE_CHECKING:
    from collections.abc import Iterator

PIPELINE = """\
pipeline: p
sources: {a: {type: csv, path: a.csv}}
rules: [{range: {column: v, min: 0}, on_fail: quarantine}]
destination: {table: mart.p, mode: replace}
"""


def project(make_project: Any, observe: str) -> Any:
    files = {"a.csv": "id,v\n1,5\n2,-3\n", "pipelines/p.yml": PIPELINE}
    return make_project(files, settings=f"project: test\nobserve: {observe}\n")


def test_statsd_hears_of_each_run(make_project: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        made = project(make_project, f"{{statsd: {{port: {server.getsockname()[1]}, prefix: shop}}}}")
        assert made.run("p").success
        said = server.recv(65_536).decode().splitlines()
    tags = "|#pipeline:p,environment:dev"
    assert f"shop.runs:1|c{tags},status:succeeded" in said
    assert f"shop.rows_published:1|c{tags}" in said
    assert f"shop.rows_quarantined:1|c{tags}" in said
    assert f"shop.checks_failed:1|g{tags}" in said


def test_a_statsd_server_that_is_not_there_is_not_noticed(make_project: Any) -> None:
    result = project(make_project, "{statsd: {port: 9}}").run("p")
    assert result.success
    assert result.notes == ()


class Collector(HTTPServer):
    """Takes OTLP and keeps the bodies by path; ``status`` is what it answers."""

    def __init__(self, status: int) -> None:
        collector = self
        self.heard: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                collector.heard[self.path] = gzip.decompress(body) if packed else body
                collector.headers = {k.lower(): v for k, v in self.headers.items()}
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    with Collector(getattr(request, "param", 200)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_run_is_a_trace_and_its_nodes_are_spans(make_project: Any, collector: Collector) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="no OpenTelemetry: pip install 'sluiceway[otel]'")
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA

    made = project(make_project, f"{{otel: {{endpoint: '{collector.url}', headers: {{X-Key: s3cret-key}}}}}}")
    result = made.run("p")
    assert result.success
    assert collector.headers["x-key"] == "s3cret-key"
    trace = ExportTraceServiceRequest.FromString(collector.heard["/v1/traces"])
    spans = trace.resource_spans[0].scope_spans[0].spans
    (root,) = [span for span in spans if span.name == "run p"]
    said = {a.key: a.value for a in root.attributes}
    assert said["sluiceway.run_id"].string_value == result.run_id
    assert said["sluiceway.rows.published"].int_value == 1
    children = [span for span in spans if span is not root]
    assert {span.name for span in children} == {node.name for node in result.nodes}
    assert all(span.parent_span_id == root.span_id and span.trace_id == root.trace_id for span in children)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    metrics = ExportMetricsServiceRequest.FromString(collector.heard["/v1/metrics"])
    names = {m.name for m in metrics.resource_metrics[0].scope_metrics[0].metrics}
    assert names == {
        "sluiceway.runs", "sluiceway.run.duration", "sluiceway.rows.published", "sluiceway.rows.quarantined",
        "sluiceway.quality_score",
    }  # fmt: skip
    # each run is a process of its own: sums since its start would be the same number for ever
    metrics = {m.name: m for m in metrics.resource_metrics[0].scope_metrics[0].metrics}
    assert metrics["sluiceway.runs"].sum.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA
    duration = metrics["sluiceway.run.duration"].histogram
    assert duration.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA
    assert duration.data_points[0].count == 1


def test_a_check_is_a_trace_and_counts_as_no_run(make_project: Any, collector: Collector) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="no OpenTelemetry: pip install 'sluiceway[otel]'")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    made = project(make_project, f"{{otel: {{endpoint: '{collector.url}'}}}}")
    made.run("p", dry_run=True)
    trace = ExportTraceServiceRequest.FromString(collector.heard["/v1/traces"])
    names = {span.name for span in trace.resource_spans[0].scope_spans[0].spans}
    assert "check p" in names
    assert "/v1/metrics" not in collector.heard


def test_a_statsd_server_whose_name_is_not_known_fails_no_run_and_is_shown(make_project: Any) -> None:
    result = project(make_project, "{statsd: {host: nowhere.invalid}}").run("p")
    assert result.success
    assert any("statsd" in note for note in result.notes)


@pytest.mark.parametrize("collector", [400], indirect=True)
def test_a_collector_that_refuses_is_shown_and_fails_no_run(make_project: Any, collector: Collector) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="no OpenTelemetry: pip install 'sluiceway[otel]'")
    result = project(make_project, f"{{otel: {{endpoint: '{collector.url}'}}}}").run("p")
    assert result.success
    assert any("otel" in note for note in result.notes)


def test_a_collector_that_hangs_holds_up_no_run_for_long(make_project: Any) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="no OpenTelemetry: pip install 'sluiceway[otel]'")
    with socket.socket() as silent:  # takes connections, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = project(make_project, f"{{otel: {{endpoint: '{url}', timeout: 500ms}}}}").run("p")
    assert result.success
    assert any("otel" in note for note in result.notes)


@pytest.mark.parametrize("observe", ["{statsd: {prot: 1}}", "{otel: {}}", "{datadog: {}}"])
def test_what_is_no_setting_is_told_with_its_place(make_project: Any, observe: str) -> None:
    made = project(make_project, observe)
    with pytest.raises(SpecError) as caught:
        load_project(made.folder)
    assert caught.value.where is not None
    assert caught.value.where.line == 2
