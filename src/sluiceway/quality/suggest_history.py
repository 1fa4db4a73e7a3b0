"""Rules out of a dataset's history in the metadata store: how many rows a run brings, and how often."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from sluiceway.quality.suggest_model import Proposal
from sluiceway.quality.suggest_tables import aged

if TYPE_CHECKING:
    from sluiceway.store.store import Store

__all__ = ["MIN_RUNS", "History", "band", "cadence", "history_of", "history_proposals"]

MIN_RUNS = 8
_MAD = 1.4826
_GROWS = 0.8

History = Sequence[tuple[datetime, float]]
"""When a run published, and how many rows."""


def history_of(store: Store, dataset: str, environment: str | None) -> History:
    """The runs that published ``dataset``, oldest first."""
    points = store.metrics(dataset, "row_count", column="", environment=environment)
    return [(_time(p["at"]), float(p["value"])) for p in points if p["value"] is not None]


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def history_proposals(history: History, freshness: Proposal | None) -> Iterator[Proposal]:
    """A band of rows, and the freshness rule that was proposed with the cadence in the place of a guess."""
    found = band([rows for _, rows in history])
    if found is not None:
        rule, why = found
        yield Proposal({"row_count": rule}, (), "RowCountBand", why, 0.75, proven=True)
    usual = cadence([at for at, _ in history])
    if usual is not None and freshness is not None:
        column = freshness.columns[0]
        yield Proposal(
            {"freshness": {"column": column, "max_age": aged(2 * usual)}},
            (column,),
            "UpdateCadence",
            f"{len(history)} runs published, nine in ten within {aged(usual)} of another; twice is right",
            0.75,
        )


def band(counts: Sequence[float]) -> tuple[dict[str, int], str] | None:
    """The rows of a run: median ± five robust deviations (1.4826 · MAD), a fifth of the median at least.

    Where the table grows from run to run, by a fifth at least, there is a lower bound alone: half of the last
    count. None for fewer than eight runs.

    >>> band([100, 104, 98, 101, 99, 103, 97, 100])[0]
    {'min': 80, 'max': 120}
    >>> band([100, 200, 300, 400, 500, 600, 700, 800])[0]
    {'min': 400}
    """
    if len(counts) < MIN_RUNS:
        return None
    steps = [b - a for a, b in pairwise(counts)]
    if sum(step > 0 for step in steps) >= _GROWS * len(steps) and counts[-1] >= 1.2 * counts[0]:
        least = math.floor(counts[-1] / 2)
        return {"min": max(least, 1)}, f"it grew in most of {len(counts)} runs, to {counts[-1]:,.0f} rows"
    middle = median(counts)
    spread = _MAD * median(abs(n - middle) for n in counts)
    room = max(5 * spread, 0.2 * middle)
    rule = {"min": max(math.floor(middle - room), 1), "max": math.ceil(middle + room)}
    outside = sum(not rule["min"] <= n <= rule["max"] for n in counts)
    said = f"; {outside} of them lay outside" if outside else ""
    return rule, f"{len(counts)} runs had {middle:,.0f} rows, give or take {spread:,.0f} (median, MAD){said}"


def cadence(times: Sequence[datetime]) -> timedelta | None:
    """How long it is, in nine of ten cases, from one publish to the next; None for fewer than eight."""
    if len(times) < MIN_RUNS:
        return None
    gaps = sorted(b - a for a, b in pairwise(sorted(times)))
    return max(gaps[math.ceil(0.9 * len(gaps)) - 1], timedelta(minutes=30))
