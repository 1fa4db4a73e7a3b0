"""What Prometheus scrapes, its rules and dashboards, by a real Prometheus, Alertmanager and webhook."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from sluiceway import DataPipeline, PipelineConfig
from sluiceway.ids import new_run_id
from sluiceway.integrations.datadog import agent
from sluiceway.integrations.datadog import dashboard as datadog_dashboard
from sluiceway.integrations.grafana import dashboard, query_of
from sluiceway.integrations.panels import PANELS, RULES
from sluiceway.integrations.prometheus import rules
from sluiceway.orchestrate.health import monitor_pipeline_health
from sluiceway.orchestrate.metrics import METRICS, MOST, MetricsServer, collect, text_of
from sluiceway.spec.project import load_project
from sluiceway.store.queue import JobRequest
from sluiceway.store.store import Store
from sluiceway.store.tally import BUCKETS, Runs, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
FILES = {
    "a.csv": "id,v\n1,5\n2,-3\n3,9\n",
    "pipelines/good.yml": """\
pipeline: good
sources: {a: {type: csv, path: a.csv}}
rules: [{range: {column: v, min: 0}, on_fail: quarantine}]
destination: {table: mart.good, mode: replace}
""",
    "pipelines/bad.yml": """\
pipeline: bad
sources: {a: {type: csv, path: a.csv}}
rules: [{range: {column: v, min: 0}}]
destination: {table: mart.bad, mode: replace}
""",
}


@pytest.fixture
def ran(make_project: Any) -> Any:
    project = make_project(FILES)
    assert project.run("good").records.published == 2
    assert project.run("bad").status == "blocked"
    loaded = load_project(project.folder)
    with Store.open(loaded.metadata) as store:
        (run,) = store.runs(pipeline="good")
        job = JobRequest("good", "schedule", nominal_at=MOMENT, run_id=run["run_id"])
        store.queue.put("dev", [job], MOMENT)
        (claim,) = store.queue.claim("dev", "w", {"default": 1}, MOMENT + timedelta(seconds=7))
        store.queue.finish(claim, "succeeded", MOMENT + timedelta(seconds=9))
        store.queue.put("dev", [JobRequest("good")], datetime.now(UTC))
        store.workers.hello("w", "worker", "dev", datetime.now(UTC))
    monitor_pipeline_health("good", loaded)
    return loaded


def values(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


def test_every_metric_says_what_the_store_knows(ran: Any) -> None:
    found = values(text_of(ran, "dev"))
    ours = 'environment="dev",pipeline="{}"'
    assert found[f'sluiceway_runs_total{{{ours.format("good")},status="succeeded"}}'] == 1
    assert found[f'sluiceway_runs_total{{{ours.format("bad")},status="blocked"}}'] == 1
    assert found[f"sluiceway_rows_published_total{{{ours.format('good')}}}"] == 2
    assert found[f"sluiceway_rows_quarantined_total{{{ours.format('good')}}}"] == 1
    assert found['sluiceway_queue_jobs{environment="dev",pool="default",status="queued"}'] == 1
    assert found['sluiceway_workers{environment="dev",kind="worker"}'] == 1
    assert found[f"sluiceway_health_score{{{ours.format('good')}}}"] == pytest.approx(
        monitor_pipeline_health("good", ran, keep=False).score
    )
    assert found[f"sluiceway_schedule_lag_seconds{{{ours.format('good')}}}"] == 7
    ended = f'{ours.format("good")},status="succeeded"'
    assert found[f"sluiceway_run_duration_seconds_count{{{ended}}}"] == 1
    assert 0 < found[f"sluiceway_run_duration_seconds_sum{{{ended}}}"] < 3_600
    assert found[f'sluiceway_run_duration_seconds_bucket{{environment="dev",le="3600.0",{ended[18:]}}}'] == 1
    names = {series.partition("{")[0] for series in found}
    assert {m.shown + ("_count" if m.kind == "histogram" else "") for m in METRICS} <= names
    assert found["sluiceway_store_up"] == 1
    assert not any("last_success" in series and 'pipeline="bad"' in series for series in found)


def test_another_environment_has_none_of_it(ran: Any) -> None:
    assert values(text_of(ran, "prod")) == {"sluiceway_store_up": 1}


def test_counters_never_fall(ran: Any) -> None:
    before = values(text_of(ran, "dev"))
    with Store.open(ran.metadata) as store:
        store.queue.prune(datetime.now(UTC))
    after = values(text_of(ran, "dev"))
    assert all(after.get(series, 0) >= value for series, value in before.items() if "_total{" in series)


def test_a_run_that_will_be_tried_again_is_not_counted_before_it_has_ended(ran: Any) -> None:
    """Its row says failed meanwhile, and running later: a counter that had counted it would fall."""
    run_id, now = new_run_id(), datetime.now(UTC)
    series = 'sluiceway_runs_total{environment="dev",pipeline="good",status="failed"}'
    last = 'sluiceway_last_run_timestamp_seconds{environment="dev",pipeline="good",status="succeeded"}'
    with Store.open(ran.metadata) as store:
        store.queue.put("dev", [JobRequest("good", run_id=run_id, pool="own")], now)
        (claim,) = store.queue.claim("dev", "w", {"own": 1}, now)
        store.begin_run(run_id, "good", "dev", now)
        store.mark(run_id, "failed", error={"message": "no route"})
        store.queue.again(claim, now, now, {"message": "no route"})
        found = values(text_of(ran, "dev"))
        assert series not in found
        assert last in found
        (claim,) = store.queue.claim("dev", "w", {"own": 1}, now)
        store.mark(run_id, "failed", error={"message": "no route"})
        store.queue.finish(claim, "failed", now)
        found = values(text_of(ran, "dev"))
    assert found[series] == 1
    assert last not in found


def test_the_last_run_is_the_one_that_ended_last_whatever_its_id(ran: Any) -> None:
    """Ids are given when a run is queued: one that waited long has a lower id than those that ran before."""
    early, late, now = new_run_id(), new_run_id(), datetime.now(UTC)
    with Store.open(ran.metadata) as store:
        for seconds, run_id, status in ((10, late, "succeeded"), (20, early, "cancelled")):
            store.begin_run(run_id, "good", "dev", now)
            store.mark(run_id, status, finished_at=now + timedelta(seconds=seconds))
        (last,) = [run for run in store.tally.last("dev") if run.pipeline == "good"]
    assert (last.run_id, last.status) == (early, "cancelled")


def test_a_store_that_is_away_is_said_without_a_trace(
    ran: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    gone = replace(ran, metadata="postgresql+psycopg://bob:s3cret-word@127.0.0.1:1/none")
    server = MetricsServer(gone, "dev", port=0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
            found = values(answer.read().decode())
    finally:
        server.close()
    assert found == {"sluiceway_store_up": 0}
    assert [record.levelname for record in caplog.records if record.name == "sluiceway.metrics"] == [
        "WARNING"
    ]
    said = caplog.text + "".join(capfd.readouterr())
    assert "Traceback" not in said
    assert "s3cret-word" not in said


def test_what_is_left_out_of_a_metric_is_told() -> None:
    sums = [Runs(f"p{n:05}", "failed", 1, 0.5, 0, 0, 1, MOMENT, (1,) * len(BUCKETS)) for n in range(MOST + 3)]
    found = collect(Tally(sums, [], [], [], [], [], []), "dev", MOMENT)
    counted = {metric.name: metric.samples for metric in found}
    assert len(counted["sluiceway_runs"]) == MOST
    told = {s.labels["metric"]: s.value for s in counted["sluiceway_series_left_out"]}
    assert told["sluiceway_runs_total"] == 3


def test_the_endpoint_is_served_and_gone_when_closed(ran: Any) -> None:
    server = MetricsServer(ran, "dev", port=0)
    url = f"http://127.0.0.1:{server.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert b"sluiceway_runs_total" in answer.read()
    server.close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=2)


def test_dashboards_are_json_with_every_panel() -> None:
    grafana, datadog = json.loads(dashboard()), json.loads(datadog_dashboard())
    assert [panel["title"] for panel in grafana["panels"]] == [panel.title for panel in PANELS]
    titles = [panel.title for panel in PANELS if panel.datadog]
    assert [w["definition"]["title"] for w in datadog["widgets"]] == titles
    assert [v["name"] for v in grafana["templating"]["list"]] == ["source", "environment", "pipeline"]
    assert all(panel["targets"][0]["expr"] for panel in grafana["panels"])


def test_the_agent_reads_every_metric_and_the_dashboard_asks_for_none_else() -> None:
    (instance,) = YAML(typ="safe").load(agent())["instances"]
    named = {ours: theirs for metric in instance["metrics"] for ours, theirs in metric.items()}
    assert set(named) == {metric.name for metric in METRICS}
    suffixes = {"counter": {".count"}, "gauge": {""}, "histogram": {".sum", ".count", ".bucket"}}
    known = {
        f"sluiceway.{named[metric.name]}{suffix}" for metric in METRICS for suffix in suffixes[metric.kind]
    }
    widgets = json.loads(datadog_dashboard())["widgets"]
    queries = [query for w in widgets for query in w["definition"]["requests"][0]["queries"]]
    asked = {re.fullmatch(r"\w+:([\w.]+)\{(.*)\}.*", query["query"]) for query in queries}
    assert {match and match[1] for match in asked} <= known
    assert all(match and match[2].startswith("$environment") for match in asked)


class Hook(HTTPServer):
    """A webhook that remembers which alerts came."""

    def __init__(self) -> None:
        hook = self
        self.heard: dict[str, dict[str, Any]] = {}
        self.news = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with hook.news:
                    hook.heard |= {alert["labels"]["alertname"]: alert for alert in body["alerts"]}
                    hook.news.notify_all()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_prometheus_scrapes_it_and_an_alert_reaches_a_webhook(ran: Any, hook: Hook, tmp_path: Path) -> None:
    from scripts import prometheus
    from scripts.servers import ServerUnavailableError

    try:
        prometheus.install()
    except ServerUnavailableError as error:
        pytest.skip(str(error))
    file = tmp_path / "rules.yml"
    file.write_text(rules())
    command = ["promtool", "check", "rules", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout
    server = MetricsServer(ran, "dev", port=0)
    try:
        target, url = f"127.0.0.1:{server.port}", f"http://127.0.0.1:{hook.server_port}"
        with prometheus.Prometheus(tmp_path, [target], file, url) as real:
            blocked = real.until('sluiceway_runs_total{status="blocked"}')
            assert blocked[0]["metric"]["pipeline"] == "bad"
            real.until("count_over_time(sluiceway_runs_total[1m]) > 2")
            lag = next(panel for panel in PANELS if panel.title == "Start behind the schedule")
            assert _answer(real, query_of(lag))
            # a rate wants a counter that moves; this run no schedule started
            assert DataPipeline(PipelineConfig.load(ran.folder / "pipelines/good.yml")).run().success
            real.until('sluiceway_runs_total{pipeline="good"} > 1')
            assert [panel.title for panel in PANELS if not _answer(real, query_of(panel))] == [lag.title]
            with hook.news:
                assert hook.news.wait_for(lambda: "SluicewayGateBlocked" in hook.heard, timeout=30)
    finally:
        server.close()
    told = hook.heard["SluicewayGateBlocked"]
    assert told["status"] == "firing"
    assert told["annotations"]["summary"] == "bad: the gate blocked its last run"
    assert "SluicewayRunFailed" not in hook.heard


def _answer(real: Any, query: str) -> Any:
    for name, value in (
        ("$__rate_interval", "1m"),
        ("$__range", "1h"),
        ("$environment", ".*"),
        ("$pipeline", ".*"),
    ):
        query = query.replace(name, value)
    return real.until(query, 0.0) if query.startswith("topk") else real.ask("query", query=query)["result"]
