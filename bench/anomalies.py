"""Histories with planted spikes, drops, shifts and drifts, and some with nothing: what ``anomaly`` finds.

``python -m bench.anomalies`` prints one JSON document. Every point is judged by the rule itself, at its
defaults, by the points before it. An *event* is found where one of its points is an alarm; an alarm outside
of every event is false. Noise is 5 % of the level; a spike or drop is half of the level for one run, a shift
30 % for a week, a drift 5 % more with each run for twelve.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.measure import Contender, contest, last_json
from bench.report import Table

if TYPE_CHECKING:
    from bench.peering import Peers
    from bench.workloads import Sizes

__all__ = ["RATE", "anomalies", "measure"]

RATE = 0.01
"""The stated rate of false alarms, a judged point, at a sensitivity of 3."""
NOISE = 0.05
TRAINED, JUDGED = 60, 30
START = datetime(2026, 1, 5, 6, tzinfo=UTC)

Shape = Callable[[datetime, int], float]
SHAPES: dict[str, Shape] = {
    "flat": lambda _, __: 1000.0,
    "weekly": lambda at, _: 400.0 if at.weekday() >= 5 else 1000.0,
    "sloped": lambda at, _: 1000.0 + 10.0 * (at - START).days,
    "uneven": lambda at, _: 1000.0 + 500.0 * math.sin(2 * math.pi * at.weekday() / 7),
}
EVENTS: dict[str, tuple[int, Callable[[int], float]]] = {
    "spike": (1, lambda _: 1.5),
    "drop": (1, lambda _: 0.5),
    "shift": (7, lambda _: 1.3),
    "drift": (12, lambda step: 1 + 0.05 * (step + 1)),
}
"""Name -> runs that it lasts, and what the level is multiplied by in each."""


def _series(seed: int, shape: Shape, event: str | None) -> tuple[list[datetime], list[float], range]:
    chance = random.Random(seed)
    times = [START + timedelta(days=day) for day in range(TRAINED + JUDGED)]
    values = [shape(at, day) * (1 + chance.gauss(0, NOISE)) for day, at in enumerate(times)]
    if event is None:
        return times, values, range(0)
    lasts, factor = EVENTS[event]
    first = TRAINED + chance.randrange(JUDGED - lasts)
    for step in range(lasts):
        values[first + step] *= factor(step)
    return times, values, range(first, first + lasts)


def _alarms(times: list[datetime], values: list[float]) -> set[int]:
    from sluiceway.errors import Where
    from sluiceway.rules.anomaly import Anomaly
    from sluiceway.rules.base import RuleContext
    from sluiceway.schema import Schema

    (rule,) = Anomaly.parse({"metric": "row_count"}, {})
    schema, found = Schema.of({"id": "BIGINT"}), set()
    for i in range(TRAINED, TRAINED + JUDGED):
        past = {"row_count": [(times[j].isoformat(), values[j]) for j in range(i)]}
        ctx = RuleContext(schema, Where(), started_at=times[i].isoformat(), past=past)
        if rule.judge({"value": values[i]}, ctx).failing:
            found.add(i)
    return found


def measure(series: int) -> dict[str, float]:
    """``series`` stationary histories, and a fifth as many of each event in each shape."""
    judged = false = 0
    for seed in range(series):
        shape = SHAPES["weekly" if seed % 2 else "uneven"]
        times, values, _ = _series(seed, shape, None)
        judged += JUDGED
        false += len(_alarms(times, values))
    events = found = right = alarms = 0
    for seed in range(series // 20):
        for shape in SHAPES.values():
            for event in EVENTS:
                times, values, planted = _series(10_000 + seed, shape, event)
                raised = _alarms(times, values)
                events, found = events + 1, found + bool(raised & set(planted))
                right, alarms = right + len(raised & set(planted)), alarms + len(raised)
    return {
        "series": series, "judged": judged, "false": false, "rate": false / judged,
        "events": events, "recall": found / events, "precision": right / alarms, "alarms": alarms,
    }  # fmt: skip


def judged_right(said: str) -> str:
    """Precision and recall of at least 0.9, and no more false alarms than stated."""
    answer = last_json(said)
    figures = (
        f"precision {answer['precision']:.3f}, recall {answer['recall']:.3f} of {answer['events']} events; "
        f"{answer['rate']:.2%} false alarms on {answer['series']} stationary series"
    )
    right = answer["precision"] >= 0.9 and answer["recall"] >= 0.9 and answer["rate"] <= RATE
    return f"ok {figures}" if right else figures


def anomalies(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """Planted anomalies that are found, and alarms where there is nothing."""
    series = 100 if sizes.rounds > 2 else 40
    ours = Contender(
        "the anomaly rule, at its defaults", "ours", [sys.executable, "-m", "bench.anomalies", str(series)],
        truth=judged_right,
    )  # fmt: skip
    notes = [f"Asked: precision and recall of at least 0.9, and at most {RATE:.0%} of points false alarms."]
    yield Table("anomalies in histories", contest([ours], 1), (), notes)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100)))
