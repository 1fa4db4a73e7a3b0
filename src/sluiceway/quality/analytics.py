"""How a dataset's quality develops: trends, changes, odd runs, and what to do about them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, did_you_mean
from sluiceway.quality.history import LEAST_POINTS, Settings, analysed, judged
from sluiceway.quality.insights import insights_of, recommendations_of
from sluiceway.quality.ranges import TimeRange, parse_range
from sluiceway.quality.series import Series, read_series
from sluiceway.quality.trendmodel import MetricAnomaly, Trend, TrendAnalysis
from sluiceway.spec.resolve import environment_of
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["DataQualityAnalytics", "analyze_quality_trends", "analyze_series"]

_MISSED = 3
"""A metric that the last so many runs did not give has vanished."""


def analyze_quality_trends(
    dataset: str,
    time_range: str | TimeRange = "30d",
    *,
    project: Project | Path | str | None = None,
    environment: str | None = None,
    metric: str | None = None,
    min_points: int = LEAST_POINTS,
    sensitivity: float = 3.5,
    alpha: float = 0.01,
    now: datetime | None = None,
) -> TrendAnalysis:
    """Analyse the history that runs and checks of ``dataset`` left in the metadata store.

    Args:
        dataset: ``mart.orders``, or with its namespace in front.
        time_range: ``30d``, ``12w``, ``24h``, dates: see ``parse_range``.
        project: the project or its folder; the one of the working folder if absent.
        metric: only this one, by its name: ``completeness``, ``null_share``, ``failing_share``, …
        min_points: metrics with fewer points are listed, and nothing is said of them.
        sensitivity: robust standard deviations that an anomaly has at least.
        alpha: level of the trend test, over all metrics together.
        now: what ``30d`` counts back from.

    Raises:
        ConfigError: no such range, or no such metric.
        StoreError: no run has seen the dataset, or the store can't be read.
    """
    from sluiceway.spec.project import load_project

    if project is None or isinstance(project, Path | str):
        project = load_project(None if project is None else Path(project))
    env = environment_of(project, environment).name
    within = parse_range(time_range, now) if isinstance(time_range, str) else time_range
    settings = Settings(alpha=alpha, sensitivity=sensitivity, min_points=max(min_points, 4))
    with Store.open(project.metadata) as store:
        series, notes = read_series(store, dataset, within, env, metric, now)
        if not series and metric is not None:
            _known_metric(store, dataset, within, env, metric)
        trends, anomalies, more = analyze_series(series, settings)
        insights = insights_of(trends, anomalies)
        look = _Lineage(store, dataset, env, project.folder)
        advice = recommendations_of(dataset, insights, look.upstream, look.snapshots)
    if not series:
        notes.append(f"no metrics of {dataset} in {within}; wider: --range 90d")
    return TrendAnalysis(
        dataset,
        _iso(within.start),
        _iso(within.end),
        sum(len(s.times) for s in series),
        tuple(trends),
        anomalies,
        insights,
        advice,
        (*notes, *more),
    )


def analyze_series(
    series: Sequence[Series], settings: Settings | None = None
) -> tuple[list[Trend], tuple[MetricAnomaly, ...], list[str]]:
    """Trends and anomalies of histories, wherever they come from, and notes on those that ended.

    >>> flat = Series("row_count", None, times=[86400.0 * d for d in range(12)], values=[7.0] * 12,
    ...               runs=["r"] * 12)
    >>> trends, anomalies, _ = analyze_series([flat])
    >>> trends[0].direction, trends[0].p, anomalies
    ('stable', 1.0, ())
    """
    settings = settings or Settings()
    found = [analysed(one, settings) for one in series]
    trends = judged([trend for trend, _ in found], series, settings)
    return trends, tuple(a for _, odd in found for a in odd), _vanished(series)


def _vanished(series: Sequence[Series]) -> list[str]:
    """Metrics that the newest runs did not give any more."""
    times = {run: at for one in series for run, at in zip(one.runs, one.times, strict=True)}
    newest = sorted(times.values())[-_MISSED:]
    if len(newest) < _MISSED:
        return []
    gone = [one for one in series if one.times[-1] < newest[0]]
    return [f"{one.name} was not recorded since the run of {_iso(_utc(one.times[-1]))[:16]}" for one in gone]


def _known_metric(store: Store, dataset: str, within: TimeRange, env: str, metric: str) -> None:
    """A name that no metric has is a mistake; one without points in the range is not."""
    ever = TimeRange(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), "")
    names = {one.metric for one in read_series(store, dataset, ever, env)[0]}
    if metric not in names and not read_series(store, dataset, ever, env, metric)[0]:
        hint = did_you_mean(metric, sorted(names)) if names else "no run has recorded any metric yet"
        raise ConfigError(f"{dataset} has no metric '{metric}'", hint=hint)


@dataclass
class _Lineage:
    """What the store knows of a dataset's origin and of its runs' snapshots."""

    store: Store
    dataset: str
    environment: str
    folder: Path

    def upstream(self, column: str | None) -> Mapping[str, Any] | None:
        """Where the dataset, or a column, comes from: a direct edge before one that only filters."""
        from sluiceway.errors import StoreError

        try:
            graph = self.store.lineage(self.dataset, column, "up", 1, self.environment)
        except StoreError:  # a column that no run has published: nothing is known
            return None
        names = {node["dataset"]: node["name"] for node in graph["nodes"]}
        edges = sorted(
            graph["column_edges"] if column else graph["edges"], key=lambda e: e.get("type") != "DIRECT"
        )
        if not edges:
            return None
        edge = edges[0]
        name = str(names[edge["from"]]).removeprefix(f"{self.folder.absolute()}/")
        return {"dataset": name, "column": edge.get("from_column"), "pipeline": edge["pipeline"]}

    def snapshots(self, run_id: str) -> tuple[str | None, str | None]:
        """The snapshot that a run made, and the one before it."""
        after = self.store.run(run_id)["snapshot"]
        if after is None or not after.isdigit() or int(after) < 1:
            return None, None
        return after, str(int(after) - 1)


class DataQualityAnalytics:
    """The door: trends of a project's datasets, for those who write Python."""

    def __init__(self, project: Project | Path | str | None = None, environment: str | None = None) -> None:
        self._project, self._environment = project, environment

    async def analyze_quality_trends(
        self, dataset: str, time_range: str = "30d", **options: Any
    ) -> TrendAnalysis:
        """``analyze_quality_trends`` in a thread; raises what it raises."""
        return await asyncio.to_thread(
            analyze_quality_trends,
            dataset,
            time_range,
            project=self._project,
            environment=self._environment,
            **options,
        )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
