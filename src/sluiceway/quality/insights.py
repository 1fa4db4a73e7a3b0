"""From figures to sentences: what became better or worse, and what to look at next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.quality.series import meaning_of
from sluiceway.quality.trendmodel import Insight, Recommendation, Trend, called

if TYPE_CHECKING:
    from sluiceway.quality.trendmodel import ChangePoint, InsightType, MetricAnomaly

__all__ = ["insights_of", "recommendations_of"]

Severity = Literal["info", "warning", "error", "critical"]
_ORDER = ("critical", "error", "warning", "info")
_SHOWN = 3
"""Anomalous runs of one metric that a sentence names."""


def insights_of(trends: Iterable[Trend], anomalies: Sequence[MetricAnomaly]) -> tuple[Insight, ...]:
    """Worst first: the last change of level or the slope of each metric, then its odd runs."""
    by_metric: dict[tuple[str, str | None, str | None], list[MetricAnomaly]] = {}
    for anomaly in anomalies:
        by_metric.setdefault((anomaly.metric, anomaly.column, anomaly.check), []).append(anomaly)
    found: list[Insight] = []
    for trend in trends:
        if trend.shape == "steps":
            found.append(_step(trend, trend.change_points[-1]))
        elif trend.significant and meaning_of(trend.metric):
            found.append(_slope(trend))
        odd = by_metric.get((trend.metric, trend.column, trend.check))
        if odd:
            found += _odd(trend, odd)
    return tuple(sorted(found, key=lambda insight: _ORDER.index(insight.severity)))


def _step(trend: Trend, change: ChangePoint) -> Insight:
    kind = _kind(trend.metric, change.after - change.before)
    verb = "rose" if change.after > change.before else "fell"
    message = (
        f"{trend.name} {verb} from {_figure(change.before)} to {_figure(change.after)} with the run of "
        f"{_time(change.at)}"
    )
    if len(trend.change_points) > 1:
        message += f", the last of {len(trend.change_points)} changes of level"
    evidence = {
        "before": change.before,
        "after": change.after,
        "effect": change.effect,
        "points": trend.points,
    }
    severity = _severity(kind, trend.metric, change.after - change.before, change.before)
    return Insight(
        kind, severity, trend.metric, trend.column, trend.check, message, change.at, change.run_id, evidence
    )


def _slope(trend: Trend) -> Insight:
    slope = trend.slope or 0.0
    kind = _kind(trend.metric, slope)
    message = (
        f"{trend.name} is {trend.direction} by {_figure(abs(slope))} a day ({_figure(trend.low or 0.0)} to "
        f"{_figure(trend.high or 0.0)}), from {_figure(trend.first)} to {_figure(trend.last)} over "
        f"{trend.points} runs"
    )
    evidence = {
        "slope_per_day": slope, "low": trend.low, "high": trend.high, "p_adjusted": trend.p_adjusted,
        "tau": trend.tau, "points": trend.points,
    }  # fmt: skip
    severity = _severity(kind, trend.metric, trend.last - trend.first, trend.first)
    return Insight(kind, severity, trend.metric, trend.column, trend.check, message, evidence=evidence)


def _odd(trend: Trend, anomalies: Sequence[MetricAnomaly]) -> list[Insight]:
    """Runs unlike the rest; unusually good ones are no news."""
    sign = meaning_of(trend.metric)
    bad = [a for a in anomalies if sign == 0 or sign * (a.value - a.expected) < 0]
    if not bad:
        return []
    named = "; ".join(
        f"{_figure(a.value)} on {_time(a.at)}, {_figure(a.expected)} expected" for a in bad[-_SHOWN:]
    )
    message = f"{trend.name} was unusual in {len(bad)} of {trend.points} runs: {named}"
    last = bad[-1]
    evidence = {
        "runs": [a.run_id for a in bad], "value": last.value, "expected": last.expected, "score": last.score,
        "threshold": last.threshold,
    }  # fmt: skip
    return [
        Insight(
            "quality_anomaly", "warning", trend.metric, trend.column, trend.check, message, last.at,
            last.run_id, evidence,
        )
    ]  # fmt: skip


def _kind(metric: str, difference: float) -> InsightType:
    sign = meaning_of(metric)
    if sign == 0:
        return "quality_anomaly"
    return "quality_improvement" if sign * difference > 0 else "quality_degradation"


def _severity(kind: InsightType, metric: str, difference: float, before: float) -> Severity:
    """Of a degradation: critical from 0.2 of a share on, an error from 0.05 on; of what is no share by
    the part of what was."""
    if kind != "quality_degradation":
        return "info" if kind == "quality_improvement" else "warning"
    lost = abs(difference)
    if lost > 1 or before > 1:
        lost = lost / abs(before) if before else 1.0
    return "critical" if lost >= 0.2 else ("error" if lost >= 0.05 else "warning")


Upstream = Callable[[str | None], Mapping[str, Any] | None]
Before = Callable[[str], "tuple[str | None, str | None]"]


def recommendations_of(
    dataset: str, insights: Iterable[Insight], upstream: Upstream, snapshots: Before
) -> tuple[Recommendation, ...]:
    """What to do about degradations and anomalies, each command once.

    Args:
        upstream: where the dataset, or a column of it, comes from: ``{dataset, column, pipeline}``.
        snapshots: of a run: its snapshot and the one before, where the warehouse keeps them.
    """
    out: dict[str, Recommendation] = {}

    def add(message: str, command: str, column: str | None, source: str | None = None) -> None:
        out.setdefault(command, Recommendation(message, command, column, source))

    for insight in insights:
        if insight.type == "quality_improvement":
            continue
        column = insight.column
        what = called(insight.metric, column, insight.check)
        if insight.run_id is not None:
            after, before = snapshots(insight.run_id)
            if after is not None and before is not None:
                add(
                    f"compare the data before and after {what} changed",
                    f"sluiceway quality drift {dataset} --from {before} --to {after}",
                    column,
                )
            add(f"look at the run in which {what} changed", f"sluiceway runs show {insight.run_id}", column)
        single = column if column is not None and ", " not in column else None
        origin = upstream(single)
        if origin is not None:
            place = (
                origin["dataset"] if origin["column"] is None else f"{origin['dataset']}.{origin['column']}"
            )
            subject = dataset if single is None else f"column {single}"
            add(
                f"{subject} comes from {place} by pipeline {origin['pipeline']}: look there for the cause of "
                f"{what}",
                f"sluiceway lineage {dataset if single is None else f'{dataset}.{single}'} --up",
                column,
                place,
            )
    return tuple(out.values())


def _figure(value: float) -> str:
    """A figure as a person says it.

    >>> _figure(0.98765), _figure(336776.0), _figure(0.000123), _figure(-0.0)
    ('0.988', '336,776', '0.000123', '0')
    """
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _time(at: str) -> str:
    return at[:16].replace("T", " ")
