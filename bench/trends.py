"""Trends: how long 10,000 points take, and how much of what was planted is found.

``python -m bench.trends PART`` prints one JSON document: ``points``, ``found 60``, ``found 30``, ``quiet``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bench.histories import ODD, RISE, STEP, planted, quiet, scored
from bench.measure import Contender, contest, last_json
from bench.report import Table

if TYPE_CHECKING:
    from bench.peering import Peers
    from bench.workloads import Sizes

__all__ = ["TRENDS"]

KINDS = ("trend", "change", "anomaly", "quiet")
POINTS = 10_000
LEAST = {60: 0.9, 30: 0.85}
"""Precision and recall at least: a month of daily runs is short, a step in it looks much like a slope."""
RATE = 0.06
"""Quiet histories in which anything is reported: at most so many."""


def _points() -> dict[str, Any]:
    """10,000 points as a month leaves them, and as one long history."""
    from sluiceway.quality.analytics import analyze_series

    out: dict[str, Any] = {}
    for runs in (30, 100, POINTS):
        made = [planted(seed, KINDS[seed % 4], runs).series for seed in range(POINTS // runs + 1)]
        begun = time.perf_counter(), time.process_time()
        analyze_series(made)
        out[f"{len(made)} of {runs}"] = [time.perf_counter() - begun[0], time.process_time() - begun[1]]
    return {"points": POINTS, "seconds": out}


def _found(runs: int) -> dict[str, Any]:
    metrics = ("completeness", "row_count")
    made = [planted(seed, kind, runs, metric) for seed in range(60) for kind in KINDS for metric in metrics]
    return {"runs": runs, "histories": len(made), **scored(made)}


def _fast(said: str) -> str:
    seconds = last_json(said)["seconds"]
    shown = "; ".join(f"{name} runs {wall:.2f} s, CPU {cpu:.2f} s" for name, (wall, cpu) in seconds.items())
    return f"ok analysis alone: {shown}"


def _right(said: str) -> str:
    found = last_json(said)
    whats = ("trend", "change", "anomaly")
    shown = "; ".join(f"{w} P {found[w]['precision']:.3f} R {found[w]['recall']:.3f}" for w in whats)
    least = LEAST[found["runs"]]
    poor = [w for w in whats if min(found[w].values()) < least]
    return (
        f"below {least}: {', '.join(poor)}: {shown}"
        if poor
        else f"ok {found['histories']} histories: {shown}"
    )


def _still(said: str) -> str:
    alarms = last_json(said)["alarms"]
    text = f"{alarms['alarmed']} of {alarms['histories']} alarmed"
    return f"ok {text}" if alarms["rate"] <= RATE else f"{text}, at most {RATE:.0%} are stated"


def trends(_: Sizes, __: Peers) -> Iterator[Table]:
    """Our statistics against what was planted; no tool at hand analyses metric histories."""

    def part(name: str, what: str, truth: Callable[[str], str]) -> Contender:
        return Contender(name, "ours", [sys.executable, "-m", "bench.trends", what], rounds=1, truth=truth)

    found = contest(
        [
            part("10,000 points, three ways", "points", _fast),
            part("planted in 60 runs", "found 60", _right),
            part("planted in 30 runs", "found 30", _right),
            part("100 quiet seasonal histories", "quiet", _still),
        ],
        1,
    )
    note = (
        f"Planted: trends of {RISE:g} deviations from end to end, steps of {STEP:g}, odd runs of {ODD:g}; "
        f"half of the histories have a week's season. Wall is of the whole process; the goal, "
        "10,000 points in a second, is of the analysis alone."
    )
    yield Table("trends", found, (), [note])


TRENDS: dict[str, Callable[[Sizes, Peers], Iterator[Table]]] = {"trends": trends}


def main() -> None:
    what, _, number = sys.argv[1].partition(" ")
    document = {"points": _points, "found": lambda: _found(int(number)), "quiet": lambda: scored(quiet(100))}[
        what
    ]()
    print(json.dumps(document))


if __name__ == "__main__":
    main()
