"""The health of a pipeline: a score of 0 to 100 out of five parts, each shown with its numbers.

| part | is 1 when | is 0 when | weight |
| --- | --- | --- | --- |
| success_rate | every run succeeded | none did | 0.3 |
| data_quality | the mean quality score is 1 | it is 0 | 0.25 |
| execution_time | the last runs took no longer than usual | three times as long, or longer | 0.2 |
| resource_usage | memory stays below half of its limit | it reaches the limit | 0.15 |
| error_rate | no try ended with an error | every one did | 0.1 |

A run that the gate blocked did what it should: for success it counts as half, for errors not at all. What is
not known is left out, and the weights of the rest are scaled up, as the quality score does it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.errors import ConfigError, SluicewayError, did_you_mean
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import pipeline_files
from sluiceway.store.store import Store
from sluiceway.units import size, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sluiceway.spec.health import HealthSpec
    from sluiceway.spec.model import Project

__all__ = ["HealthIssue", "HealthResult", "Part", "health_of", "monitor_pipeline_health", "reckon"]

MOST_RUNS = 500
LAST = 3
"""Runs that are "the last ones" when time is looked at."""
FEW = 5
"""With fewer runs than this what is usual is not known."""
DROP = 15.0
"""Points that a score falls below the median of its history before that is told."""
_ENDED = ("succeeded", "blocked", "failed", "cancelled")


@dataclass(frozen=True)
class Part:
    """One part: ``value`` 0..1, None where it is not known; ``why`` says its numbers in words."""

    name: str
    value: float | None
    weight: float
    why: str


@dataclass(frozen=True)
class HealthIssue:
    """``kind`` is low_success_rate, high_execution_time, low_data_quality, high_resource_usage,
    high_error_rate, or health_drop."""

    kind: str
    severity: Literal["warning", "error"]
    message: str


@dataclass(frozen=True)
class HealthResult:
    """``score`` 0..100, None where nothing ran. ``status``: healthy, degraded, unhealthy, unknown."""

    pipeline: str
    environment: str
    at: str
    runs: int
    score: float | None
    status: Literal["healthy", "degraded", "unhealthy", "unknown"]
    parts: tuple[Part, ...]
    issues: tuple[HealthIssue, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def monitor_pipeline_health(
    pipeline: str,
    project: Project,
    environment: str | None = None,
    *,
    window: timedelta | None = None,
    now: datetime | None = None,
    keep: bool = True,
) -> HealthResult:
    """Look at the runs of a pipeline in ``window`` and say how it is; the score is kept as history.

    Raises:
        ConfigError: there is no such pipeline. StoreError: the store can't be read.
    """
    known = pipeline_files(project)
    if pipeline not in known:
        raise ConfigError(f"there is no pipeline '{pipeline}'", hint=did_you_mean(pipeline, known))
    at, name = now or datetime.now(UTC), environment or project.environments[0].name
    try:
        declared = PipelineConfig.load(known[pipeline]).memory_limit
    except SluicewayError:
        declared = None  # a file that can't be read has no limit; its runs say what is wrong with it
    with Store.open(project.metadata) as store:
        return reckon(
            store, project.orchestrate.health, pipeline, name, at, declared, window=window, keep=keep
        )


def reckon(
    store: Store,
    spec: HealthSpec,
    pipeline: str,
    environment: str,
    at: datetime,
    memory_limit: str | int | None = None,
    *,
    window: timedelta | None = None,
    keep: bool = True,
) -> HealthResult:
    """``monitor_pipeline_health`` for whoever has the store open and the pipeline's file read."""
    since = at - (window or timedelta(seconds=spec.window))
    runs = [
        run
        for run in store.runs(limit=MOST_RUNS, pipeline=pipeline, environment=environment, kind="run")
        if run["status"] in _ENDED and datetime.fromisoformat(run["started_at"]) >= since
    ]
    usage = store.health.memory([run["run_id"] for run in runs])
    past = store.health.scores(environment, pipeline, limit=30)
    found = health_of(pipeline, environment, at, runs, usage, past, spec, _bytes(memory_limit))
    if keep and found.score is not None:
        store.health.keep(
            environment, pipeline, at, found.score, [asdict(p) for p in found.parts],
            [asdict(i) for i in found.issues],
        )  # fmt: skip
    return found


def _bytes(declared: str | int | None) -> int | None:
    try:
        return None if declared is None else size(declared)
    except ValueError:
        return None  # as above


def health_of(
    pipeline: str,
    environment: str,
    at: datetime,
    runs: Sequence[Mapping[str, Any]],
    memory: Mapping[str, int],
    past: Sequence[float],
    spec: HealthSpec,
    limit: int | None = None,
) -> HealthResult:
    """Pure: out of runs, the newest first, as ``Store.runs`` gives them; ``memory`` is bytes by run id.

    >>> from sluiceway.spec.health import HealthSpec
    >>> run = {"run_id": "a", "status": "succeeded", "execution_time": 2.0, "quality_score": 1.0}
    >>> run["attempt"] = 1
    >>> health_of("p", "dev", datetime(2026, 1, 1), [run], {}, [], HealthSpec()).score
    100.0
    """
    parts = (
        _success(runs, spec), _quality(runs, spec), _time(runs, spec), _resources(runs, memory, limit, spec),
        _errors(runs, spec),
    )  # fmt: skip
    known = [part for part in parts if part.value is not None and part.weight > 0]
    total = sum(part.weight for part in known)
    score = None
    if runs and total > 0:
        score = round(100 * sum(part.weight * (part.value or 0.0) for part in known) / total, 1)
    issues = [*_issues(parts), *_dropped(score, past)]
    status: Literal["healthy", "degraded", "unhealthy", "unknown"] = "unknown"
    if score is not None:
        status = "healthy" if score >= 90 else ("degraded" if score >= spec.least else "unhealthy")
    return HealthResult(pipeline, environment, at.isoformat(), len(runs), score, status, parts, tuple(issues))


def _success(runs: Sequence[Mapping[str, Any]], spec: HealthSpec) -> Part:
    decided = [run["status"] for run in runs if run["status"] != "cancelled"]
    good, blocked = decided.count("succeeded"), decided.count("blocked")
    value = (good + 0.5 * blocked) / len(decided) if decided else None
    why = f"{good} of {len(decided)} runs succeeded"
    why += f", {blocked} were blocked by the gate" if blocked else ""
    return Part("success_rate", value, spec.weights["success_rate"], why)


def _quality(runs: Sequence[Mapping[str, Any]], spec: HealthSpec) -> Part:
    scores = [run["quality_score"] for run in runs if run["quality_score"] is not None]
    value = sum(scores) / len(scores) if scores else None
    why = "no run was judged" if value is None else f"the mean quality score is {value:.4f}"
    return Part("data_quality", value, spec.weights["data_quality"], why)


def _time(runs: Sequence[Mapping[str, Any]], spec: HealthSpec) -> Part:
    seconds = [
        run["execution_time"] for run in runs if run["status"] == "succeeded" and run["execution_time"]
    ]
    weight = spec.weights["execution_time"]
    if len(seconds) < FEW:
        return Part(
            "execution_time", None, weight, f"{len(seconds)} runs succeeded: too few to say what is usual"
        )
    last, usual = median(seconds[:LAST]), median(seconds[LAST:])
    ratio = last / usual if usual > 0 else 1.0
    why = f"the last ones took {last:.1f} s, usually it is {usual:.1f} s"
    return Part("execution_time", min(1.0, max(0.0, 1 - (ratio - 1) / 2)), weight, why)


def _resources(
    runs: Sequence[Mapping[str, Any]], memory: Mapping[str, int], limit: int | None, spec: HealthSpec
) -> Part:
    weight = spec.weights["resource_usage"]
    seen = [memory[run["run_id"]] for run in runs if run["run_id"] in memory]
    if not seen or limit is None:
        what = "no worker measured its memory" if not seen else "it has no memory_limit:"
        return Part("resource_usage", None, weight, what)
    most = max(seen[: 10 * LAST])
    share = most / limit
    why = f"it used {spoken(most)} of the {spoken(limit)} that it may have"
    return Part("resource_usage", min(1.0, max(0.0, 2 * (1 - share))), weight, why)


def _errors(runs: Sequence[Mapping[str, Any]], spec: HealthSpec) -> Part:
    tries = sum(max(1, run["attempt"] or 1) for run in runs)
    failed = sum(max(1, run["attempt"] or 1) - (run["status"] != "failed") for run in runs)
    value = 1 - failed / tries if tries else None
    return Part(
        "error_rate", value, spec.weights["error_rate"], f"{failed} of {tries} tries ended with an error"
    )


_LEAST = {
    "success_rate": (0.9, "low_success_rate"), "execution_time": (0.5, "high_execution_time"),
    "data_quality": (0.95, "low_data_quality"), "resource_usage": (0.2, "high_resource_usage"),
    "error_rate": (0.8, "high_error_rate"),
}  # fmt: skip


def _issues(parts: Sequence[Part]) -> list[HealthIssue]:
    found = []
    for part in parts:
        least, kind = _LEAST[part.name]
        if part.value is not None and part.value < least:
            found.append(HealthIssue(kind, "error" if part.value < least / 2 else "warning", part.why))
    return found


def _dropped(score: float | None, past: Sequence[float]) -> list[HealthIssue]:
    if score is None or len(past) < FEW:
        return []
    usual = median(past)
    if usual - score < DROP:
        return []
    return [HealthIssue("health_drop", "error", f"the score is {score:g}, usually it is {usual:g}")]
