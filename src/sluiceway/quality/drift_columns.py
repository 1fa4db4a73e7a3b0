"""One column of two sides: its statistics and its verdict, from counts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.quality.drift_model import ColumnDrift, DriftBin, SideValues, Verdict, worst
from sluiceway.quality.drift_scan import Counted, Lens, kind_of
from sluiceway.quality.stats.drift import chi_square, cohen_d, ks_of_counts, psi

if TYPE_CHECKING:
    from sluiceway.schema import Column

__all__ = ["ALPHA", "compared"]

ALPHA = 0.01
"""An effect that chance gives more often than this is none."""
_BINS = 10
_SHOWN = 20
_TOO_MANY = 1000
"""A column with more categories is one of identifiers or free text."""
_PSI, _KS, _V, _SHARE = (0.1, 0.25), (0.1, 0.2), (0.1, 0.3), (0.05, 0.15)
"""Moderate and large. PSI: Siddiqi (2006); V: Cohen (1988) for one degree of freedom."""

Bins = list[tuple[int, int, int, int]]
"""(first bin, bin behind the last, rows before, rows after)"""


def compared(
    column: Column,
    before: tuple[int, Counted],
    after: tuple[int, Counted],
    lens: Lens | None,
    labels: Mapping[int, str],
    *,
    hidden: bool = False,
) -> ColumnDrift:
    """A column by (rows, counts) of each side; ``hidden``: no value of it is shown."""
    kind = kind_of(column)
    sides = _side(column, *before, hidden), _side(column, *after, hidden)
    found = ColumnDrift(column.name, kind, "unknown", sides[0], sides[1])
    if 0 in (before[0], after[0]):
        empty = "before" if before[0] == 0 else "after"
        return _with(found, notes=(f"the side '{empty}' has no rows",))
    verdict, reasons = _missing(sides[0], sides[1])
    if hidden:
        found = _with(found, notes=("values are hidden",))
    if kind == "other":
        said = f"values of type {column.type} are not compared, only how many are missing"
        return _with(found, verdict=verdict, reasons=reasons, notes=(*found.notes, said))
    if kind == "category":
        found, more, why = _categories(found, before[1], after[1], labels, hidden)
    else:
        assert lens is not None
        found, more, why = _numbers(found, column, before[1], after[1], lens, hidden)
    return _with(found, verdict=worst([verdict, more]), reasons=(*reasons, *why))


def _with(found: ColumnDrift, **changes: Any) -> ColumnDrift:
    return replace(found, **changes)


def _side(column: Column, rows: int, counted: Counted, hidden: bool) -> SideValues:
    def shown(value: float | None) -> Any:
        return None if value is None or hidden else _shown(column, value)

    return SideValues(
        rows, counted.nulls, counted.special, shown(counted.mean), None if hidden else counted.deviation,
        shown(counted.least), shown(counted.greatest),
    )  # fmt: skip


def _shown(column: Column, value: float) -> Any:
    """A number as it is; seconds as the date, time or timestamp that they are."""
    if kind_of(column) != "time" or not math.isfinite(value):
        return int(value) if column.family == "integer" and value.is_integer() else value
    try:
        if column.family == "time":
            return str(timedelta(seconds=round(value)))
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    except OverflowError:
        return None
    if column.family == "date":
        return moment.date().isoformat()
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _missing(before: SideValues, after: SideValues) -> tuple[Verdict, tuple[str, ...]]:
    """NULL, NaN and infinities, by how much their share moved."""
    gone = (before.nulls + before.special, after.nulls + after.special)
    shares = gone[0] / before.rows, gone[1] / after.rows
    table = chi_square((gone[0], before.rows - gone[0]), (gone[1], after.rows - gone[1]))
    verdict = _graded(abs(shares[1] - shares[0]), _SHARE, table.p)
    if verdict == "none":
        return verdict, ()
    return verdict, (f"missing values went from {shares[0]:.1%} to {shares[1]:.1%}",)


def _graded(effect: float, bounds: tuple[float, float], p: float) -> Verdict:
    """By effect, where chance is no explanation."""
    if math.isnan(effect) or math.isnan(p):
        return "unknown"
    if p > ALPHA or effect < bounds[0]:
        return "none"
    return "large" if effect >= bounds[1] else "moderate"


def _numbers(
    found: ColumnDrift, column: Column, before: Counted, after: Counted, lens: Lens, hidden: bool
) -> tuple[ColumnDrift, Verdict, tuple[str, ...]]:
    if not before.bins or not after.bins:
        return found, "unknown", ()
    keys = sorted(before.bins.keys() | after.bins.keys())
    fine = [before.bins.get(k, 0) for k in keys], [after.bins.get(k, 0) for k in keys]
    ks = ks_of_counts(*fine)
    bins = _tenths(keys, *fine)
    left, right = [b for _, _, b, _ in bins], [a for _, _, _, a in bins]
    index, table = psi(left, right), chi_square(left, right)
    d = None
    if None not in (before.mean, after.mean):
        means = float(before.mean or 0.0), float(after.mean or 0.0)
        d = cohen_d(means, (before.deviation or 0.0, after.deviation or 0.0))
    assert ks.at is not None
    at = _shown(column, lens.lower(keys[ks.at] + 1))
    found = _with(
        found, psi=index, ks=ks.d, ks_p=ks.p, ks_at=None if hidden else at, chi_square=table.statistic,
        degrees=table.degrees, p=table.p, v=table.v, d=d,
        bins=() if hidden else _ranges(column, bins, lens),
    )  # fmt: skip
    by_psi, by_ks = _graded(index, _PSI, table.p), _graded(ks.d, _KS, ks.p)
    reasons = []
    if by_psi in ("moderate", "large"):
        reasons.append(f"PSI {index:.3f}")
    if by_ks in ("moderate", "large"):
        near = "" if hidden else f", most about {at:.6g}" if isinstance(at, float) else f", most about {at}"
        reasons.append(f"KS {ks.d:.3f}{near}")
    if reasons and d is not None and math.isfinite(d) and abs(d) >= 0.2:
        reasons.append(f"the mean moved by {d:+.2f} deviations")
    return found, worst([by_psi, by_ks]), tuple(reasons)


def _tenths(keys: list[int], before: list[int], after: list[int]) -> Bins:
    """About ten bins with equal shares of the first side, and one each for what lies outside of it."""
    there = [k for k, count in enumerate(before) if count]
    first, last = there[0], there[-1]
    aim = sum(before) / _BINS
    bins: Bins = []
    start, b, a = 0, 0, 0
    for k in range(len(keys)):
        b, a = b + before[k], a + after[k]
        if k == first - 1 or k >= last or b >= aim * (1 - 1e-9):
            if k > last and bins and k < len(keys) - 1:
                continue  # what lies behind the last value is one bin
            behind = keys[k + 1] if k + 1 < len(keys) else keys[k] + 1
            bins.append((keys[start], behind, b, a))
            start, b, a = k + 1, 0, 0
    return bins


def _ranges(column: Column, bins: Bins, lens: Lens) -> tuple[DriftBin, ...]:
    out = []
    for place, (start, behind, before, after) in enumerate(bins):
        lower = None if place == 0 else _shown(column, lens.lower(start))
        upper = None if place == len(bins) - 1 else _shown(column, lens.lower(behind))
        ends = [f"{end:.6g}" if isinstance(end, float) else str(end) for end in (lower, upper)]
        if lower is None and upper is None:
            label = "all"
        elif lower is None:
            label = f"< {ends[1]}"
        else:
            label = f"≥ {ends[0]}" if upper is None else f"{ends[0]} .. {ends[1]}"
        out.append(DriftBin(label, before, after, lower, upper))
    return tuple(out)


def _categories(
    found: ColumnDrift, before: Counted, after: Counted, labels: Mapping[int, str], hidden: bool
) -> tuple[ColumnDrift, Verdict, tuple[str, ...]]:
    if not before.bins or not after.bins:
        return found, "unknown", ()
    keys = sorted(
        before.bins.keys() | after.bins.keys(),
        key=lambda k: (-before.bins.get(k, 0) - after.bins.get(k, 0), labels.get(k, ""), k),
    )
    if len(keys) > _TOO_MANY:
        said = f"more than {_TOO_MANY:,} different values: too many to compare one by one"
        return _with(found, notes=(*found.notes, said)), "unknown", ()
    left, right = [before.bins.get(k, 0) for k in keys], [after.bins.get(k, 0) for k in keys]
    index, table = psi(left, right), chi_square(left, right)
    found = _with(
        found, psi=index, chi_square=table.statistic, degrees=table.degrees, p=table.p, v=table.v,
        bins=() if hidden else _named(keys, left, right, labels),
    )  # fmt: skip
    by_psi, by_v = _graded(index, _PSI, table.p), _graded(table.v, _V, table.p)
    reasons = []
    if by_psi in ("moderate", "large"):
        reasons.append(f"PSI {index:.3f}")
    if by_v in ("moderate", "large"):
        reasons.append(f"Cramér's V {table.v:.3f}")
    if reasons and not hidden:
        reasons.append(_most(keys, left, right, labels))
    return found, worst([by_psi, by_v]), tuple(reasons)


def _named(
    keys: list[int], left: list[int], right: list[int], labels: Mapping[int, str]
) -> tuple[DriftBin, ...]:
    shown = [k for k, key in enumerate(keys) if key in labels][:_SHOWN]
    out = [DriftBin(labels[keys[k]], left[k], right[k]) for k in shown]
    rest = set(range(len(keys))) - set(shown)
    if rest:
        out.append(DriftBin(f"{len(rest)} others", sum(left[k] for k in rest), sum(right[k] for k in rest)))
    return tuple(out)


def _most(keys: list[int], left: list[int], right: list[int], labels: Mapping[int, str]) -> str:
    """The category whose share moved most."""
    shares = [(right[k] / sum(right)) - (left[k] / sum(left)) for k in range(len(keys))]
    k = max(range(len(keys)), key=lambda k: abs(shares[k]))
    name = f"'{labels[keys[k]]}'" if keys[k] in labels else "a rare value"
    return f"{name} went from {left[k] / sum(left):.1%} to {right[k] / sum(right):.1%}"
