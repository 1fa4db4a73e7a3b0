"""What an analysis of a dataset's history says: plain frozen values, JSON-ready through ``as_dict``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["ChangePoint", "Insight", "MetricAnomaly", "Recommendation", "Trend", "TrendAnalysis", "called"]

Direction = Literal["rising", "falling", "stable", "unknown"]
Meaning = Literal["better", "worse", "neutral"]
InsightType = Literal["quality_degradation", "quality_improvement", "quality_anomaly"]


def called(metric: str, column: str | None, check: str | None = None) -> str:
    """A history's name in sentences.

    >>> called("null_share", "email"), called("failing_share", "email", "pattern:email"), called("row_count", None)
    ('null_share of email', 'failing_share of check pattern:email', 'row_count')
    """  # noqa: E501
    if check is not None:
        return f"{metric} of check {check}"
    return metric if column is None else f"{metric} of {column}"


@dataclass(frozen=True)
class ChangePoint:
    """A level that lasted gives way to another. ``at``, ISO 8601 in UTC, and ``run_id`` are of the first
    run of the new level; ``effect`` is the step in standard deviations of the noise, None without noise."""

    at: str
    run_id: str
    before: float
    after: float
    effect: float | None


@dataclass(frozen=True)
class MetricAnomaly:
    """A run whose value is unlike the others: ``score`` robust standard deviations from ``expected``,
    where ``threshold`` were allowed."""

    metric: str
    column: str | None
    check: str | None
    at: str
    run_id: str
    value: float
    expected: float
    score: float
    threshold: float


@dataclass(frozen=True)
class Trend:
    """One metric's history. ``slope`` and its band ``low..high`` are in the metric's units a day.

    ``p`` is Mann and Kendall's with Hamed and Rao's correction, ``p_adjusted`` Benjamini and Hochberg's
    over all metrics of the analysis; ``significant`` asks for it and for an effect beyond the noise.
    ``direction`` is ``unknown`` where there are too few points. ``exact``: all pairs gave the slope.
    ``shape`` says what describes the history best: ``flat``, ``line`` or ``steps``.
    """

    metric: str
    column: str | None
    check: str | None
    points: int
    first: float
    last: float
    direction: Direction
    meaning: Meaning
    significant: bool = False
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    tau: float | None = None
    season: str = "none"
    shape: Literal["flat", "line", "steps"] = "flat"
    exact: bool = True
    change_points: tuple[ChangePoint, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return called(self.metric, self.column, self.check)


@dataclass(frozen=True)
class Insight:
    """What happened, in one sentence. ``evidence`` holds the figures that the sentence rests on."""

    type: InsightType
    severity: Literal["info", "warning", "error", "critical"]
    metric: str
    column: str | None
    check: str | None
    message: str
    at: str | None = None
    run_id: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recommendation:
    """What to do: ``command`` is to be typed. ``upstream`` is the dataset, or DATASET.COLUMN, that the
    column comes from by lineage."""

    message: str
    command: str
    column: str | None = None
    upstream: str | None = None


@dataclass(frozen=True)
class TrendAnalysis:
    """``analyze_quality_trends``'s answer. ``start`` and ``end`` are ISO 8601 in UTC; ``points`` counts the
    values that were looked at; ``notes`` says what could not be."""

    dataset: str
    start: str
    end: str
    points: int
    trends: tuple[Trend, ...] = ()
    anomalies: tuple[MetricAnomaly, ...] = ()
    insights: tuple[Insight, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The document of ``quality trends --json``; what is no finite number is null.

        >>> TrendAnalysis("mart.orders", "2026-01-01", "2026-01-31", 0).as_dict()["trends"]
        []
        """
        document: dict[str, Any] = _plain(asdict(self))
        return document


def _plain(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
