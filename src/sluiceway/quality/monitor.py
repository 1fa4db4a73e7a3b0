"""Watching a dataset: its newest metrics against thresholds and against its own history, and who is told.

Nothing is read but the metadata store: what each run and each ``check`` measured. A metric is judged by
the statistics of the ``anomaly`` rule (``rules/robust.py``) over the runs before the newest one; while
there are too few of them it is said and nothing is raised. Where many metrics are judged at once, the
limit is widened to ``sqrt(z^2 + 2 ln k)`` for *k* of them, so that together they raise about as many
false alarms as one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.errors import StoreError
from sluiceway.rules.base import Past, Severity
from sluiceway.rules.metrics import finite
from sluiceway.rules.robust import Direction, Finding, judge
from sluiceway.rules.training import moment, train

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = [
    "DIMENSIONS",
    "MonitoringResult",
    "QualityIssue",
    "alert_quality_issues",
    "detect_quality_degradation",
    "monitor_data_quality",
]

DIMENSIONS = ("accuracy", "completeness", "consistency", "timeliness", "uniqueness")
_SCORES = ("quality_score", *DIMENSIONS)
_AT_MOST = ("freshness", "event_freshness", "null_share", "null_count")
"""Metrics whose threshold is the greatest value that is right; of others it is the least."""
_NOT_JUDGED = frozenset(
    {"min", "max", "row_counts", "schema", "p05", "p25", "p75", "p95", "sum", "null_count"}
)
"""Extremes are single rows; the other quantiles follow the median; counts of NULLs are judged as shares."""
_GREAT = 0.05
"""A score that fell by this much is an error, not a warning."""
_LATE = 3.0
_LEAST = 14

Kind = Literal["threshold", "degradation", "anomaly", "silent"]
Alerter = Callable[["QualityIssue", "MonitoringResult"], Any]


@dataclass(frozen=True)
class QualityIssue:
    """One thing that is wrong. ``kind``: ``threshold``, a value beyond what was asked; ``degradation``, a
    score below its history; ``anomaly``, another metric unlike its history; ``silent``, no run for long.
    """

    kind: Kind
    severity: Severity
    metric: str
    column: str | None
    value: float | None
    expected: str
    message: str

    @property
    def key(self) -> str:
        return ":".join(filter(None, (self.metric, self.column)))


@dataclass(frozen=True)
class MonitoringResult:
    """The newest state of a dataset. ``metrics`` are those of the dataset as a whole; ``notes`` say what
    could not be judged yet; ``run_id`` is the run that measured, at ``at``, ISO 8601 in UTC."""

    dataset: str
    environment: str
    run_id: str
    pipeline: str
    at: str
    metrics: Mapping[str, Any]
    issues: tuple[QualityIssue, ...] = ()
    notes: tuple[str, ...] = ()
    runs: int = 0
    alerted: int = 0

    @property
    def healthy(self) -> bool:
        return not self.issues

    @property
    def has_issues(self) -> bool:
        return bool(self.issues)

    @property
    def quality_score(self) -> float | None:
        return finite(self.metrics.get("quality_score"))

    def as_dict(self) -> dict[str, Any]:
        """The document of ``quality monitor --json``."""
        return {**asdict(self), "metrics": dict(self.metrics), "healthy": self.healthy}


def monitor_data_quality(
    dataset: str,
    *,
    project: Project,
    environment: str | None = None,
    pipeline: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    sensitivity: float = 3.0,
    min_training_set_size: int = _LEAST,
    alert: Alerter | None = None,
    now: datetime | None = None,
) -> MonitoringResult:
    """Compare a dataset's newest metrics with thresholds and with its history.

    Args:
        pipeline: whose runs; of whoever measured the dataset last if absent.
        thresholds: ``score``, a dimension or another metric -> the least value that is right; for
            ``freshness`` (seconds) and counts and shares of NULLs the greatest. They join those of the
            pipeline's ``quality.thresholds``.
        alert: called with each issue and the result, for whoever has channels of their own; those of the
            project are told by ``alerting.tell``.
        now: what time it is, UTC.

    Raises:
        StoreError: no such dataset, or nothing was measured of it.
        ConfigError: a threshold names nothing that is measured.
    """
    from sluiceway.store.store import Store

    with Store.open(project.metadata) as store:
        runs = store.measured(dataset, pipeline=pipeline, environment=environment)
        if not runs:
            raise StoreError(
                f"nothing was measured of '{dataset}' yet", hint="sluiceway run PIPELINE, or sluiceway check"
            )
        config = store.run(runs[-1]["run_id"])
    limits = {**_declared(project, runs[-1]["pipeline"], config), **(thresholds or {})}
    issues = _against_thresholds(runs[-1], limits)
    found, notes = detect_quality_degradation(
        runs, sensitivity=sensitivity, min_training_set_size=min_training_set_size
    )
    already = {(issue.metric, issue.column) for issue in issues}
    issues += [issue for issue in found if (issue.metric, issue.column) not in already]
    issues += _silent(runs, now or datetime.now(UTC))
    newest = runs[-1]
    result = MonitoringResult(
        dataset,
        str(config["environment"]),
        newest["run_id"],
        newest["pipeline"],
        newest["at"],
        {name: value for (column, name), value in sorted(newest["metrics"].items()) if not column},
        tuple(issues),
        tuple(notes),
        len(runs),
    )
    told = 0 if alert is None else alert_quality_issues(result, alert)
    return MonitoringResult(**{**vars(result), "alerted": told})


def alert_quality_issues(result: MonitoringResult, alert: Alerter) -> int:
    """Hand each issue to ``alert``; how many were handed over. What it raises goes on to the caller."""
    for issue in result.issues:
        alert(issue, result)
    return len(result.issues)


def detect_quality_degradation(
    runs: Sequence[Mapping[str, Any]],
    *,
    sensitivity: float = 3.0,
    min_training_set_size: int = _LEAST,
) -> tuple[list[QualityIssue], list[str]]:
    """What is worse, or unlike, in the newest of ``runs`` (``Store.measured``) by those before it.

    Returns:
        The issues, scores first, and what could not be judged yet.
    """
    if not runs:
        return [], ["no run has measured anything"]
    newest, at = runs[-1], moment(runs[-1]["at"])
    series = _series(runs)
    wanted = [key for key in series if key[1] not in _NOT_JUDGED]
    issues, few = [], 0
    for key in wanted:
        value = _value(newest, key)
        if value is None:
            continue
        training = train(series[key], at, least=min_training_set_size)
        if training.missing:
            few = max(few, len(training.points))
            continue
        among = 1 if not key[0] else sum(1 for column, _ in wanted if column)
        limit = math.sqrt(sensitivity**2 + 2 * math.log(among))
        found = judge(training.points, at, value, sensitivity=limit, direction=_direction(key[1]))
        if found.anomalous:
            issues.append(_issue(key, value, found))
    issues.sort(key=lambda issue: (issue.kind != "degradation", issue.metric, issue.column or ""))
    before = len(runs) - 1
    quiet = before < min_training_set_size
    notes = [f"training: {min(before, few or before)} of {min_training_set_size} points"] if quiet else []
    return issues, notes


def _series(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[Past]]:
    """(column, metric) -> what was measured before the newest run, shares of NULLs added."""
    runs = list(runs)
    found: dict[tuple[str, str], list[Past]] = {}
    for run in runs[:-1]:
        values = dict(run["metrics"])
        for column, name in list(values):
            if column and name == "null_count":
                values[column, "null_share"] = _share(run, column)
        for key, value in values.items():
            found.setdefault(key, []).append(
                Past(run["at"], value, run["status"] == "blocked", run["run_id"])
            )
    return found


def _share(run: Mapping[str, Any], column: str) -> float | None:
    nulls, rows = (
        finite(run["metrics"].get((column, "null_count"))),
        finite(run["metrics"].get(("", "row_count"))),
    )
    return None if nulls is None or not rows else min(1.0, nulls / rows)


def _value(run: Mapping[str, Any], key: tuple[str, str]) -> float | None:
    if key[1] == "null_share":
        return _share(run, key[0])
    return finite(run["metrics"].get(key))


def _direction(metric: str) -> Direction:
    if metric in _SCORES:
        return "drop"
    return "spike" if metric in _AT_MOST else "both"


def _issue(key: tuple[str, str], value: float, found: Finding) -> QualityIssue:
    column, metric = key
    usual = f"{found.low:.4g} to {found.high:.4g}"
    what = f"{metric} of {column}" if column else metric
    message = f"{what} is {value:.4g}, a {found.direction}: {usual} is usual, by {found.points} earlier runs"
    if metric in _SCORES:
        great = found.expected - value >= _GREAT
        return QualityIssue(
            "degradation", "error" if great else "warning", metric, column or None, value, usual, message
        )
    return QualityIssue("anomaly", "warning", metric, column or None, value, usual, message)


def _against_thresholds(run: Mapping[str, Any], limits: Mapping[str, float]) -> list[QualityIssue]:
    from sluiceway.errors import ConfigError, did_you_mean

    issues = []
    for name, limit in limits.items():
        metric = "quality_score" if name == "score" else name
        if ("", metric) not in run["metrics"] and metric not in (*_SCORES, "row_count", "freshness"):
            known = ["score", *(key[1] for key in run["metrics"] if not key[0])]
            raise ConfigError(
                f"there is no metric '{name}' to have a threshold", hint=did_you_mean(name, known)
            )
        value = finite(run["metrics"].get(("", metric)))
        if value is None:
            continue
        most = metric in _AT_MOST
        if (value > limit) if most else (value < limit):
            asked = f"{'at most' if most else 'at least'} {limit:g}"
            words = f"{name} is {value:.4g}, {'above' if most else 'below'} {limit:g}"
            issues.append(QualityIssue("threshold", "error", metric, None, value, asked, words))
    return issues


def _silent(runs: Sequence[Mapping[str, Any]], now: datetime) -> list[QualityIssue]:
    """Nothing was measured for three times as long as usual: what does not run raises nothing else."""
    times = [moment(run["at"]) for run in runs]
    gaps = [(b - a).total_seconds() for a, b in pairwise(times)]
    if len(gaps) < _LEAST:
        return []
    waited, usual = (now - times[-1]).total_seconds(), median(gaps)
    if waited <= max(_LATE * usual, *gaps):
        return []
    ago, often = (timedelta(seconds=round(s)) for s in (waited, usual))
    message = f"no run has measured it for {ago}; a run every {often} is usual"
    return [QualityIssue("silent", "error", "runs", None, waited, str(often), message)]


def _declared(project: Project, pipeline: str, run: Mapping[str, Any]) -> dict[str, float]:
    """``quality.thresholds`` of the pipeline as it is today; as it was when it ran, if its file is gone."""
    from sluiceway.errors import ConfigError
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline

    if run["kind"] == "check" and pipeline.startswith("check "):
        return {}
    try:
        return dict(PipelineConfig.load(find_pipeline(project, pipeline)).quality.thresholds)
    except ConfigError:
        declared = ((run.get("config") or {}).get("quality") or {}).get("thresholds") or {}
        return {name: float(v) for name, v in declared.items() if isinstance(v, int | float)}
