"""What dashboards and alert rules show of our metrics, said once for Prometheus, Grafana and Datadog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PANELS", "RULES", "AlertRule", "Panel"]


@dataclass(frozen=True)
class Panel:
    """``query`` is PromQL with ``$SELECT`` for the choice of environment and pipeline, ``$ENV`` for the
    environment alone; ``unit`` is Grafana's. ``datadog`` are queries that are called a, b, … in ``formula``,
    with the same two; none where Datadog can't ask for it."""

    title: str
    kind: Literal["line", "number"]
    unit: str
    query: str
    legend: str
    datadog: tuple[str, ...]
    help: str
    formula: str = "a"


PANELS = (
    Panel("Runs that failed or were blocked", "number", "short",
          'sum(increase(sluiceway_runs_total{$SELECT, status=~"failed|blocked"}[$__range])) or vector(0)', "",
          ("sum:sluiceway.runs.count{$SELECT,status:failed}.as_count()",
           "sum:sluiceway.runs.count{$SELECT,status:blocked}.as_count()"),
          "In the time that is shown.", "default_zero(a) + default_zero(b)"),
    Panel("Health", "number", "short", "min(sluiceway_health_score{$SELECT})", "",
          ("min:sluiceway.health_score{$SELECT}",), "The least of all pipelines, 0 to 100."),
    Panel("Jobs that wait", "number", "short",
          'sum(sluiceway_queue_jobs{$ENV, status="queued"}) or vector(0)', "",
          ("sum:sluiceway.queue_jobs{$ENV,status:queued}",), "In the queue, due or not.", "default_zero(a)"),
    Panel("Workers", "number", "short", 'sum(sluiceway_workers{$ENV, kind="worker"}) or vector(0)', "",
          ("sum:sluiceway.workers{$ENV,kind:worker}",), "That were heard of lately.", "default_zero(a)"),
    Panel("Runs by status", "line", "short",
          "sum by (status) (increase(sluiceway_runs_total{$SELECT}[$__rate_interval]))", "{{status}}",
          ("sum:sluiceway.runs.count{$SELECT} by {status}.as_count()",), "Runs that ended."),
    Panel("Seconds of a run", "line", "s",
          "sum by (pipeline) (rate(sluiceway_run_duration_seconds_sum{$SELECT}[$__rate_interval])) / "
          "sum by (pipeline) (rate(sluiceway_run_duration_seconds_count{$SELECT}[$__rate_interval]) > 0)",
          "{{pipeline}}",
          ("sum:sluiceway.run_duration_seconds.sum{$SELECT} by {pipeline}.as_count()",
           "sum:sluiceway.run_duration_seconds.count{$SELECT} by {pipeline}.as_count()"),
          "The mean of the runs that ended in each interval.", "a / b"),
    Panel("Seconds of the slowest runs", "line", "s",
          "histogram_quantile(0.95, sum by (pipeline, le) "
          "(increase(sluiceway_run_duration_seconds_bucket{$SELECT}[$__range])))", "{{pipeline}}",
          (),
          "95 of 100 took no longer, in the time that is shown; out of a histogram."),
    Panel("Start behind the schedule", "line", "s", "sluiceway_schedule_lag_seconds{$SELECT}", "{{pipeline}}",
          ("max:sluiceway.schedule_lag_seconds{$SELECT} by {pipeline}",),
          "How long after its moment a worker took the last run."),
    Panel("Rows published", "line", "short",
          "sum by (pipeline) (increase(sluiceway_rows_published_total{$SELECT}[$__rate_interval]))",
          "{{pipeline}}",
          ("sum:sluiceway.rows_published.count{$SELECT} by {pipeline}.as_count()",), ""),
    Panel("Rows quarantined", "line", "short",
          "sum by (pipeline) (increase(sluiceway_rows_quarantined_total{$SELECT}[$__rate_interval]))",
          "{{pipeline}}",
          ("sum:sluiceway.rows_quarantined.count{$SELECT} by {pipeline}.as_count()",),
          "Rows that the gate turned away and kept."),
    Panel("Quality score", "line", "percentunit", "sluiceway_quality_score_ratio{$SELECT}", "{{pipeline}}",
          ("avg:sluiceway.quality_score_ratio{$SELECT} by {pipeline}",), "Of the last run."),
    Panel("Rows that fail a check", "line", "short",
          "topk(20, sluiceway_check_failing_rows{$SELECT} > 0)", "{{pipeline}} {{check}}",
          ("sum:sluiceway.check_failing_rows{$SELECT} by {pipeline,check}",),
          "In the last run; the twenty worst.", "top(a, 20, 'last', 'desc')"),
    Panel("Age of datasets", "line", "s", "sluiceway_dataset_age_seconds{$ENV}", "{{dataset}}",
          ("max:sluiceway.dataset_age_seconds{$ENV} by {dataset}",), "Since they were published."),
    Panel("Age of the queue", "line", "s", "sluiceway_queue_age_seconds{$ENV}", "{{pool}}",
          ("max:sluiceway.queue_age_seconds{$ENV} by {pool}",), "Of the job that is due longest."),
)  # fmt: skip


@dataclass(frozen=True)
class AlertRule:
    """A rule of Prometheus. ``since`` is how long it must hold."""

    name: str
    query: str
    since: str
    severity: Literal["warning", "error", "critical"]
    summary: str


RULES = (
    AlertRule("SluicewayRunFailed", 'sluiceway_last_run_timestamp_seconds{status="failed"} > 0', "0m",
              "error",
              "{{ $labels.pipeline }}: its last run failed"),
    AlertRule("SluicewayGateBlocked", 'sluiceway_last_run_timestamp_seconds{status="blocked"} > 0', "0m",
              "error", "{{ $labels.pipeline }}: the gate blocked its last run"),
    AlertRule("SluicewayHealthLow", "sluiceway_health_score < 70", "5m", "error",
              "{{ $labels.pipeline }}: its health is {{ $value }} of 100"),
    AlertRule("SluicewayQualityLow", "sluiceway_quality_score_ratio < 0.9", "0m", "warning",
              "{{ $labels.pipeline }}: the quality score of its last run is {{ $value }}"),
    AlertRule("SluicewayQueueOld", "sluiceway_queue_age_seconds > 900", "5m", "warning",
              "a run of pool {{ $labels.pool }} has been due for {{ $value | humanizeDuration }}"),
    AlertRule("SluicewayNobodyWorks",
              'sum by (environment) (sluiceway_queue_jobs{status="queued"}) > 0 unless on (environment) '
              'sluiceway_workers{kind="worker"}', "5m", "critical",
              "{{ $labels.environment }}: runs wait, and no worker was heard of"),
    AlertRule("SluicewayStoreAway", "sluiceway_store_up == 0", "5m", "critical",
              "{{ $labels.instance }}: the metadata store can't be read"),
)  # fmt: skip
