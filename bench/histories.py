"""Generated histories of metrics with planted trends, changes of level and odd runs, and none.

Points are a day apart, but for a jitter of an hour and a gap now and then; every other history has a
week's season of three times its noise. Kinds: ``trend``, a line that rises or falls by ``RISE``
deviations of the noise from end to end; ``change``, a level that steps by ``STEP``; ``anomaly``, one or
two points off by ``ODD``; ``quiet``, nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sluiceway.quality.series import Series

__all__ = ["Planted", "planted", "quiet", "scored"]

DAY = 86400.0
BEGIN = 1_767_225_600.0  # 2026-01-01
RISE, STEP, ODD = 8.0, 5.0, 9.0
NEAR = 2
"""A change is found where it is reported at most so many runs beside its place."""


@dataclass
class Planted:
    """A history and what is in it: indices of changes and odd points, and whether it has a trend."""

    series: Series
    kind: str
    trend: bool = False
    changes: list[int] = field(default_factory=list)
    odd: list[int] = field(default_factory=list)


def planted(seed: int, kind: str, points: int = 60, metric: str = "completeness") -> Planted:
    """One history; the same seed gives the same."""
    draw = np.random.default_rng((seed, points, len(kind)))
    days = np.arange(points) + draw.uniform(-1, 1, points) / 24
    if draw.random() < 0.3:  # a silence of some days
        days[draw.integers(5, points - 5) :] += draw.integers(3, 10)
    noise = draw.normal(0, 1, points)
    week = draw.normal(0, 3, 7) if draw.random() < 0.5 else np.zeros(7)
    y = noise + week[np.floor(days).astype(int) % 7]
    made = Planted(Series(metric, None), kind)
    sign = draw.choice([-1.0, 1.0])
    if kind == "trend":
        made.trend = True
        y += sign * RISE * days / days[-1]
    elif kind == "change":
        at = int(draw.integers(8, points - 8))
        made.changes = [at]
        y[at:] += sign * STEP
    elif kind == "anomaly":
        made.odd = sorted(int(k) for k in draw.choice(points, size=int(draw.integers(1, 3)), replace=False))
        y[made.odd] += sign * ODD
    unit, level = (0.002, 0.95) if metric == "completeness" else (200.0, 10_000.0)
    for k, (day, value) in enumerate(zip(days, level + unit * y, strict=True)):
        made.series.add(BEGIN + float(day) * DAY, float(value), f"run-{seed}-{k}")
    return made


def quiet(count: int, points: int = 60) -> list[Planted]:
    """Stationary histories, all with a season: nothing in them is news."""
    found: list[Planted] = []
    seed = 50_000
    while len(found) < count:
        seed += 1
        made = planted(seed, "quiet", points)
        found.append(made)
    return found


def scored(histories: list[Planted]) -> dict[str, dict[str, float]]:
    """Precision and recall by what is looked for, over all histories analysed one by one."""
    from sluiceway.quality.analytics import analyze_series

    hits = {what: [0, 0, 0] for what in ("trend", "change", "anomaly")}  # found rightly, found, planted
    alarmed = 0
    for made in histories:
        trends, anomalies, _ = analyze_series([made.series])
        trend = trends[0]
        sloped = trend.shape == "line" and trend.significant
        hits["trend"] = [
            a + b for a, b in zip(hits["trend"], (sloped and made.trend, sloped, made.trend), strict=True)
        ]
        changes = [made.series.runs.index(c.run_id) for c in trend.change_points]
        right = sum(any(abs(c - at) <= NEAR for c in changes) for at in made.changes)
        hits["change"] = [
            a + b for a, b in zip(hits["change"], (right, len(changes), len(made.changes)), strict=True)
        ]
        odd = {made.series.runs.index(a.run_id) for a in anomalies}
        both = len(odd & set(made.odd))
        hits["anomaly"] = [
            a + b for a, b in zip(hits["anomaly"], (both, len(odd), len(made.odd)), strict=True)
        ]
        alarmed += bool(sloped or changes or odd)
    out = {
        what: {"precision": right / found if found else 1.0, "recall": right / there if there else 1.0}
        for what, (right, found, there) in hits.items()
    }
    return out | {
        "alarms": {"histories": len(histories), "alarmed": alarmed, "rate": alarmed / len(histories)}
    }
