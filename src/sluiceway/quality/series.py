"""Histories of a dataset's metrics and checks, as the metadata store keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.quality.trendmodel import called

if TYPE_CHECKING:
    from sluiceway.quality.ranges import TimeRange
    from sluiceway.store.store import Store

__all__ = ["Series", "meaning_of", "read_series"]

_BETTER_HIGH = frozenset(
    {
        "quality_score",
        "score",
        "completeness",
        "accuracy",
        "consistency",
        "timeliness",
        "uniqueness",
        "validity",
    }
)
_BETTER_LOW = frozenset(
    {
        "null_share", "null_count", "failing_share", "failing", "duplicate_rows", "duplicates", "blanks",
        "freshness", "event_freshness", "quarantined", "rejected", "nan", "infinite", "outliers",
    }
)  # fmt: skip
_SHARES = _BETTER_HIGH | {"null_share", "failing_share"}
_ASKED_FOR = frozenset({"min", "max", "sum", "p05", "p25", "p75", "p95", "row_counts", "schema"})
"""Extremes are single rows, and other quantiles follow the median: looked at where they are named."""
_GREATEST = 1e150
_LEFT_OUT = ("replay", "rollback")
"""Runs that publish a part of another: their counts are no part of a history."""


@dataclass
class Series:
    """One metric's points in order of time: ``times`` in seconds since 1970, UTC."""

    metric: str
    column: str | None
    check: str | None = None
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return called(self.metric, self.column, self.check)

    @property
    def share(self) -> bool:
        """Its values are shares, 0..1."""
        return self.metric in _SHARES

    def add(self, at: float, value: float, run_id: str) -> None:
        self.times.append(at)
        self.values.append(value)
        self.runs.append(run_id)

    def ordered(self) -> Series:
        order = sorted(range(len(self.times)), key=lambda k: (self.times[k], self.runs[k]))
        for name in ("times", "values", "runs"):
            kept = getattr(self, name)
            setattr(self, name, [kept[k] for k in order])
        return self


def meaning_of(metric: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither.

    >>> meaning_of("completeness"), meaning_of("null_share"), meaning_of("row_count")
    (1, -1, 0)
    """
    return 1 if metric in _BETTER_HIGH else (-1 if metric in _BETTER_LOW else 0)


def read_series(
    store: Store,
    dataset: str,
    within: TimeRange,
    environment: str | None,
    metric: str | None = None,
    now: datetime | None = None,
) -> tuple[list[Series], list[str]]:
    """Every history of a dataset that has points in a range, by name; and notes on what was left out.

    Metrics of runs that succeeded or were blocked by the gate, and the share of failing rows of each
    check: all of one pipeline and one kind, as ``Store.measured`` has it, since a run measures the batch
    that it brings and ``check`` the whole table. Counts of nulls become shares of the rows, so that a
    batch's size is no trend. Runs later than ``now`` are of a clock that was wrong.

    Raises:
        StoreError: no run has seen the dataset, or its name is not enough to tell.
    """
    pipeline, kind, others = _whose(store, dataset, environment)
    apart = {
        run["run_id"]
        for other in (*_LEFT_OUT, "check" if kind == "run" else "run")
        for run in store.runs(None, kind=other, pipeline=pipeline, environment=environment)
    }
    start, end = within.start.timestamp(), within.end.timestamp()
    clock = (now or datetime.now(UTC)).timestamp()
    found: dict[tuple[str, str | None, str | None], Series] = {}
    later: set[str] = set()

    def add(key: tuple[str, str | None, str | None], at: str, value: Any, run_id: str) -> None:
        seconds = datetime.fromisoformat(at).timestamp()
        if run_id in apart or seconds < start or not _is_number(value):
            return
        if seconds >= end:
            if seconds > clock:
                later.add(run_id)
            return
        found.setdefault(key, Series(*key)).add(seconds, float(value), run_id)

    for name, column, row in _metrics(store, dataset, within, environment, pipeline):
        if metric == name or (metric is None and name not in _ASKED_FOR):
            add((name, column, None), row["at"], row["value"], row["run_id"])
    if metric in (None, "failing_share"):
        checks = store.checks_history(
            pipeline, dataset=dataset, environment=environment, since=within.start, limit=None
        )
        for row in checks:
            column = ", ".join(row["columns"]) or None
            add(("failing_share", column, row["id"]), row["started_at"], _failing(row), row["run_id"])
    notes = [f"the history is that of '{pipeline}'; apart from it: {', '.join(others)}"] if others else []
    notes += [f"runs whose time lies in the future were left out: {len(later)}"] if later else []
    return sorted((s.ordered() for s in found.values()), key=_by_name), notes


def _whose(
    store: Store, dataset: str, environment: str | None
) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Whose measurements are the history: the pipeline that loads the dataset where its runs measured it,
    else whoever measured it last; of which kind; and who else measured it."""
    known = store.dataset(dataset, environment)  # an unknown one is an error here, not an empty answer
    found = known["pipeline"] and store.measured(
        dataset, pipeline=known["pipeline"], environment=environment, limit=1
    )
    found = found or store.measured(dataset, environment=environment, limit=1)
    if not found:
        return None, None, ()
    pipeline, kind = found[0]["pipeline"], found[0]["kind"]
    others = {
        run["pipeline"]
        for run in known["runs"]
        if run["kind"] in ("run", "check") and run["pipeline"] != pipeline
    }
    return pipeline, kind, tuple(sorted(others))


def _by_name(series: Series) -> tuple[int, str, str, str]:
    """The score first, then the dataset's own, then columns."""
    first = 0 if series.metric == "quality_score" else 1
    return first, series.column or "", series.metric, series.check or ""


def _metrics(
    store: Store, dataset: str, within: TimeRange, environment: str | None, pipeline: str | None
) -> Iterable[tuple[str, str | None, Mapping[str, Any]]]:
    rows = store.metrics(dataset, since=within.start, environment=environment, status=None, pipeline=pipeline)
    counts = {row["run_id"]: row["value"] for row in rows if row["name"] == "row_count" and not row["column"]}
    shared = {(row["run_id"], row["column"]) for row in rows if row["name"] == "null_share"}
    for row in rows:
        if row["status"] not in ("succeeded", "blocked"):
            continue
        if row["name"] == "null_count" and row["column"]:
            count = counts.get(row["run_id"])
            if (row["run_id"], row["column"]) in shared:
                continue  # a rule has recorded the share itself
            if _is_number(count) and count and _is_number(row["value"]):
                yield "null_share", row["column"], {**row, "value": row["value"] / count}
        else:
            yield row["name"], row["column"], row


def _failing(check: Mapping[str, Any]) -> float | None:
    """The share of failing rows; of a rule about the table whether it failed."""
    if check["failing"] is None or not check["total"]:
        return 0.0 if check["passed"] else 1.0
    return float(check["failing"]) / float(check["total"])


def _is_number(value: Any) -> bool:
    """Squares of it must be numbers too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _GREATEST
