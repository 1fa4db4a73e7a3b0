"""What Prometheus scrapes: numbers out of the metadata store, the same whichever process is asked.

Counters are sums over runs that ended for good, which the store never forgets. A scrape costs seven queries;
an answer is kept for some seconds, and for twenty times as long as it took, so that scrapers never cost more
than a twentieth of the store's time. Labels are names that people wrote into files: their number is theirs,
and at most ``MOST`` of one metric are given; what is left out is told.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.errors import MissingExtraError, RunError, SluicewayError
from sluiceway.store.store import Store
from sluiceway.store.tally import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from sluiceway.spec.model import Project
    from sluiceway.store.tally import Runs, Tally

__all__ = ["LEFT_OUT", "METRICS", "UP", "MetricsServer", "collect", "served", "text_of"]

log = logging.getLogger("sluiceway.metrics")
MOST = 2_000
KEPT = 5.0
"""Seconds that an answer is good for."""
SHARE = 20.0
UP = (
    "sluiceway_store_up",
    "1 where the metadata store could be read; 0, and nothing else, where it could not.",
)
LEFT_OUT = ("sluiceway_series_left_out", f"Series beyond the {MOST:,} of one metric that are given.")


@dataclass(frozen=True)
class Described:
    """``kind`` is counter, gauge or histogram; ``rows`` gives labels and value out of a tally at a moment.
    A histogram's value is ``Runs``."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    rows: Callable[[Tally, datetime], Iterable[tuple[tuple[str, ...], Any]]]

    @property
    def shown(self) -> str:
        """Its name as it is scraped."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _age(now: datetime, then: datetime) -> float:
    return max(0.0, (now - then).total_seconds())


METRICS = (
    Described(
        "sluiceway_runs", "counter", "Runs that ended.", ("pipeline", "status"),
        lambda t, _: (((r.pipeline, r.status), r.runs) for r in t.runs),
    ),
    Described(
        "sluiceway_run_duration_seconds", "histogram", "How long runs took.", ("pipeline", "status"),
        lambda t, _: (((r.pipeline, r.status), r) for r in t.runs if r.timed),
    ),
    Described(
        "sluiceway_rows_published", "counter", "Rows that runs published.", ("pipeline",),
        lambda t, _: _summed((r.pipeline, r.published) for r in t.runs),
    ),
    Described(
        "sluiceway_rows_quarantined", "counter", "Rows that runs turned away and kept.", ("pipeline",),
        lambda t, _: _summed((r.pipeline, r.quarantined) for r in t.runs),
    ),
    Described(
        "sluiceway_last_run_timestamp_seconds", "gauge", "When the last run ended, in Unix time.",
        ("pipeline", "status"), lambda t, _: (((r.pipeline, r.status), r.ended.timestamp()) for r in t.last),
    ),
    Described(
        "sluiceway_last_success_timestamp_seconds", "gauge", "When a run last succeeded, in Unix time.",
        ("pipeline",),
        lambda t, _: (((r.pipeline,), r.ended.timestamp()) for r in t.runs if r.status == "succeeded"),
    ),
    Described(
        "sluiceway_schedule_lag_seconds", "gauge",
        "How long after its moment a worker took the last run, if a schedule started it.",
        ("pipeline",), lambda t, _: (((r.pipeline,), max(0.0, r.lag)) for r in t.last if r.lag is not None),
    ),
    Described(
        "sluiceway_quality_score_ratio", "gauge", "The quality score of the last run, 0 to 1.", ("pipeline",),
        lambda t, _: (((r.pipeline,), r.quality_score) for r in t.last if r.quality_score is not None),
    ),
    Described(
        "sluiceway_check_failing_rows", "gauge", "Rows that failed a check in the last run.",
        ("pipeline", "check", "dimension", "severity"), lambda t, _: ((row[:4], row[4]) for row in t.checks),
    ),
    Described(
        "sluiceway_queue_jobs", "gauge", "Jobs that wait or run.", ("pool", "status"),
        lambda t, _: (((p, s), n) for p, s, n, _at in t.queue),
    ),
    Described(
        "sluiceway_queue_age_seconds", "gauge", "How long the job that is due longest has waited.", ("pool",),
        lambda t, now: (((p,), _age(now, at)) for p, s, _n, at in t.queue if s == "queued" and at),
    ),
    Described(
        "sluiceway_workers", "gauge", "Workers and schedulers that live.", ("kind",),
        lambda t, _: (((k,), n) for k, n in t.workers),
    ),
    Described(
        "sluiceway_dataset_age_seconds", "gauge", "How long ago a dataset was published.", ("dataset",),
        lambda t, now: (((d,), _age(now, at)) for d, at in t.published),
    ),
    Described(
        "sluiceway_health_score", "gauge", "The health of a pipeline, 0 to 100.", ("pipeline",),
        lambda t, _: (((p,), score) for p, score in t.health),
    ),
)  # fmt: skip
"""Every metric there is. A counter's name gets ``_total`` from Prometheus' own library."""


def _summed(pairs: Iterable[tuple[str, int]]) -> Iterator[tuple[tuple[str, ...], float]]:
    sums: dict[str, float] = {}
    for name, number in pairs:
        sums[name] = sums.get(name, 0) + number
    return (((name,), total) for name, total in sums.items())


def collect(tally: Tally, environment: str, now: datetime) -> list[Metric]:
    """The metrics as Prometheus' library has them; each has the label ``environment`` too."""
    from prometheus_client.core import GaugeMetricFamily

    found: list[Metric] = []
    left_out = GaugeMetricFamily(*LEFT_OUT, labels=("environment", "metric"))
    for described in METRICS:
        rows = list(described.rows(tally, now))
        metric = _family(described)
        for values, value in rows[:MOST]:
            labels = (environment, *values)
            if described.kind == "histogram":
                metric.add_metric(labels, _buckets(value), float(value.seconds))
            else:
                metric.add_metric(labels, float(value))
        if len(rows) > MOST:
            left_out.add_metric((environment, described.shown), len(rows) - MOST)
        found.append(metric)
    return [*found, left_out, GaugeMetricFamily(*UP, value=1)]


def _family(described: Described) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    labels = ("environment", *described.labels)
    return kinds[described.kind](described.name, described.help, labels=labels)


def _buckets(runs: Runs) -> list[tuple[str, float]]:
    """As the text format writes them: cumulative, and the last one holds all."""
    bounds = [(str(bound), float(n)) for bound, n in zip(BUCKETS, runs.buckets, strict=True)]
    return [*bounds, ("+Inf", float(runs.timed))]


class _Collector:
    def __init__(self, project: Project, environment: str) -> None:
        self._project, self._environment = project, environment
        self._lock = threading.Lock()
        self._kept: tuple[float, list[Any]] | None = None

    def collect(self) -> list[Any]:
        with self._lock:
            if self._kept is None or time.monotonic() > self._kept[0]:
                begun = time.monotonic()
                found = self._look()
                now = time.monotonic()
                self._kept = (now + max(KEPT, SHARE * (now - begun)), found)
            return self._kept[1]

    def _look(self) -> list[Any]:
        now = datetime.now(UTC)
        heard = now - timedelta(seconds=self._project.orchestrate.lost_after)
        try:
            with Store.open(self._project.metadata) as store:
                tally = store.tally.take(self._environment, heard)
        except SluicewayError as error:
            from prometheus_client.core import GaugeMetricFamily

            log.warning("no metrics: %s", error.message)
            return [GaugeMetricFamily(*UP, value=0)]
        return collect(tally, self._environment, now)


def _registry(project: Project, environment: str) -> Any:
    try:
        from prometheus_client import CollectorRegistry
    except ModuleNotFoundError:
        raise MissingExtraError.of("metrics", "The metrics endpoint") from None
    registry = CollectorRegistry()
    collector: Any = _Collector(project, environment)
    registry.register(collector)
    return registry


def text_of(project: Project, environment: str) -> str:
    """The metrics in Prometheus' text format.

    Raises:
        MissingExtraError: the library is not installed.
    """
    registry = _registry(project, environment)
    from prometheus_client import generate_latest

    return generate_latest(registry).decode()


class MetricsServer:
    """``http://HOST:PORT/metrics`` until ``close()``. Port 0 takes a free one; ``port`` says which.

    Raises:
        MissingExtraError: the library is not installed. RunError: the port is taken.
    """

    def __init__(self, project: Project, environment: str, host: str = "127.0.0.1", port: int = 9464) -> None:
        registry = _registry(project, environment)
        from prometheus_client import start_http_server

        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise RunError(
                f"the metrics endpoint can't listen on {host}:{port}: {error.strerror}",
                hint="take another port; --metrics-port 0 takes any that is free",
            ) from None
        self.host, self.port = host, int(self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def served(
    project: Project, environment: str, host: str, port: int | None, say: Callable[[Mapping[str, Any]], None]
) -> Iterator[None]:
    """A ``MetricsServer`` meanwhile, and where it is said; none if ``port`` is None."""
    if port is None:
        yield
        return
    server = MetricsServer(project, environment, host, port)
    try:
        shown = f"[{host}]" if ":" in host else host
        say({"event": "metrics served", "message": f"http://{shown}:{server.port}/metrics"})
        yield
    finally:
        server.close()
