"""What Prometheus scrapes: numbers out of the metadata store, the same whichever process is asked.

Counters are sums over runs, which the store never forgets. A scrape costs eight queries; an answer is kept
for some seconds, so that many scrapers cost no more than one. Labels are names that people wrote into files:
their number is theirs, and at most ``MOST`` of one metric are given.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.errors import MissingExtraError, RunError
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from sluiceway.spec.model import Project
    from sluiceway.store.tally import Tally

__all__ = ["METRICS", "MetricsServer", "collect", "text_of"]

MOST = 2_000
KEPT = 5.0
"""Seconds that an answer is good for."""


@dataclass(frozen=True)
class Described:
    """``kind`` is counter or gauge; ``rows`` gives labels and value out of a tally at a moment."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    rows: Callable[[Tally, datetime], Iterable[tuple[tuple[str, ...], float]]]


def _age(now: datetime, then: datetime) -> float:
    return max(0.0, (now - then).total_seconds())


METRICS = (
    Described(
        "sluiceway_runs", "counter", "Runs that ended.", ("pipeline", "status"),
        lambda t, _: (((p, s), n) for p, s, n, *_ in t.runs),
    ),
    Described(
        "sluiceway_run_duration_seconds", "counter", "Seconds that runs took.", ("pipeline", "status"),
        lambda t, _: (((p, s), x) for p, s, _n, x, *_ in t.runs),
    ),
    Described(
        "sluiceway_rows_published", "counter", "Rows that runs published.", ("pipeline",),
        lambda t, _: _summed((p, rows) for p, _s, _n, _x, rows, _q in t.runs),
    ),
    Described(
        "sluiceway_rows_quarantined", "counter", "Rows that runs turned away and kept.", ("pipeline",),
        lambda t, _: _summed((p, rows) for p, _s, _n, _x, _r, rows in t.runs),
    ),
    Described(
        "sluiceway_last_run_timestamp_seconds", "gauge", "When the last run ended, in Unix time.",
        ("pipeline", "status"), lambda t, _: (((p, s), at.timestamp()) for p, s, at, _q in t.last),
    ),
    Described(
        "sluiceway_last_success_timestamp_seconds", "gauge", "When a run last succeeded, in Unix time.",
        ("pipeline",), lambda t, _: (((p,), at.timestamp()) for p, at in t.succeeded),
    ),
    Described(
        "sluiceway_quality_score_ratio", "gauge", "The quality score of the last run, 0 to 1.", ("pipeline",),
        lambda t, _: (((p,), q) for p, _s, _at, q in t.last if q is not None),
    ),
    Described(
        "sluiceway_check_failing_rows", "gauge", "Rows that failed a check in the last run.",
        ("pipeline", "check", "dimension", "severity"),
        lambda t, _: (((p, c, d or "", s), n or 0) for p, c, d, s, n in t.checks),
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
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    found: list[Metric] = []
    for described in METRICS:
        labels = ("environment", *described.labels)
        family = CounterMetricFamily if described.kind == "counter" else GaugeMetricFamily
        metric = family(described.name, described.help, labels=labels)
        for n, (values, number) in enumerate(described.rows(tally, now)):
            if n == MOST:
                break
            metric.add_metric((environment, *values), float(number))
        found.append(metric)
    return found


class _Collector:
    def __init__(self, project: Project, environment: str) -> None:
        self._project, self._environment = project, environment
        self._lock = threading.Lock()
        self._kept: tuple[float, list[Any]] | None = None

    def collect(self) -> list[Any]:
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT:
                now = datetime.now(UTC)
                heard = now - timedelta(seconds=self._project.orchestrate.lost_after)
                with Store.open(self._project.metadata) as store:
                    tally = store.tally.take(self._environment, heard)
                self._kept = (time.monotonic(), collect(tally, self._environment, now))
            return self._kept[1]


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
        MissingExtraError: the library is not installed. StoreError: the store can't be read.
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
                hint="take another port: --metrics-port 0 takes any that is free",
            ) from None
        self.port = int(self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
