"""Pairs of columns, in the sample alone: correlations, dependencies, keys of two columns.

At most fifty columns and the sample's rows, so the time is bounded whatever the table is. Values become
small integers once; every pair is then counted with NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident
from sluiceway.quality.model import Correlation, Dependency
from sluiceway.quality.profile_sample import kind_of, number_of

if TYPE_CHECKING:
    import numpy as np

    from sluiceway.engines.base import Engine
    from sluiceway.quality.model import ColumnProfile
    from sluiceway.quality.profile_sample import Sample
    from sluiceway.schema import Column, Schema

    Numbers = np.ndarray[Any, np.dtype[Any]]

__all__ = ["COLUMNS", "Coded", "coded", "correlations", "dependencies", "key_pairs"]

COLUMNS = 50
_WEAK = 0.3
_FEW = 50
_SHARE = 0.99
_LAMBDA = 0.9
_TASTE = 4_000
_PAIRS = 20
_TABLE = 4_000_000


@dataclass(frozen=True)
class Coded:
    """The sample's columns as integers 0..size-1 (``codes``; NULL is -1) and the numeric ones as doubles."""

    columns: tuple[Column, ...]
    codes: dict[str, Numbers]
    sizes: dict[str, int]
    numbers: dict[str, Numbers]
    approximate: bool
    left_out: int


def coded(engine: Engine, sample: Sample, schema: Schema) -> Coded | None:
    """None where there is nothing to compare: fewer than two rows or columns with several values."""
    import numpy as np

    able = [c for c, s in zip(schema, sample.columns, strict=True) if s.distinct > 1 and c.family != "nested"]
    chosen = able[:COLUMNS]
    if sample.rows < 2 or len(chosen) < 2:
        return None
    # 0 stands for NULL (0 itself has the hash 0: of every other one bit is set), NaN for no number: NumPy
    # takes what Arrow holds without a copy, and without pandas
    hashes = [f"CASE WHEN {n} IS NULL THEN 0 ELSE hash({n}) | 1 END" for n in (ident(c.name) for c in chosen)]
    numeric = [c for c in chosen if kind_of(c) == "number"]
    values = [f"COALESCE({number_of(c)}, CAST('NaN' AS DOUBLE))" for c in numeric]
    listed = ", ".join(f"{sql} AS v{i}" for i, sql in enumerate((*hashes, *values)))
    table = engine.batches(f"SELECT {listed} FROM {sample.relation}", 100_000).read_all()
    arrays = [np.from_dlpack(column.chunk(0)) for column in table.combine_chunks().columns]
    codes, sizes = {}, {}
    for column, hashed in zip(chosen, arrays, strict=False):
        different, found = np.unique(hashed, return_inverse=True)
        codes[column.name] = np.where(hashed == 0, -1, found.astype(np.int64))
        sizes[column.name] = len(different)
    numbers = {c.name: a for c, a in zip(numeric, arrays[len(chosen) :], strict=True)}
    return Coded(tuple(chosen), codes, sizes, numbers, not sample.whole, len(able) - len(chosen))


def correlations(data: Coded) -> tuple[Correlation, ...]:
    """Pairs of 0.3 and more, strongest first: Pearson's r of numbers, over the rows that have both; else
    Cramér's V with Bergsma's correction for bias (2013), of columns with 2 to 50 values."""
    found = [*_pearson(data), *_cramer(data)]
    return tuple(sorted(found, key=lambda c: (-abs(c.value), c.left, c.right)))


def _pearson(data: Coded) -> list[Correlation]:
    """All pairs at once by products of matrices; each column is centred and scaled first, so that the sums
    do not cancel."""
    import numpy as np

    names = [name for name, values in data.numbers.items() if np.isfinite(values).any()]
    if len(names) < 2:
        return []
    values = np.column_stack([data.numbers[name] for name in names]).astype(float)
    there = np.isfinite(values)
    with np.errstate(all="ignore"):
        centred = values - np.nanmean(np.where(there, values, np.nan), axis=0)
        spread = np.nanmax(np.where(there, np.abs(centred), 0.0), axis=0)
        scaled = np.where(there, centred / np.where(spread > 0, spread, 1.0), 0.0)
        mask = there.astype(float)
        both, total, squares = mask.T @ mask, scaled.T @ mask, (scaled**2).T @ mask
        upper = both * (scaled.T @ scaled) - total * total.T
        lower = (both * squares - total**2) * (both * squares - total**2).T
        # what is left below a double's precision is a column without variance among the common rows
        r = np.where(lower > (1e-12 * both**2) ** 2, upper / np.sqrt(lower), 0.0)
    return [
        Correlation(names[i], names[j], "pearson", float(np.clip(r[i, j], -1, 1)), data.approximate)
        for i in range(len(names)) for j in range(i + 1, len(names))
        if both[i, j] >= 3 and np.isfinite(r[i, j]) and abs(r[i, j]) >= _WEAK
    ]  # fmt: skip


def _cramer(data: Coded) -> list[Correlation]:
    import numpy as np

    few = [c for c in data.columns if data.sizes[c.name] <= _FEW]
    found = []
    for i, left in enumerate(few):
        for right in few[i + 1 :]:
            if kind_of(left) == kind_of(right) == "number":
                continue  # Pearson's
            a, b = data.codes[left.name], data.codes[right.name]
            both = (a >= 0) & (b >= 0)
            wide = data.sizes[right.name]
            counts = np.bincount(a[both] * wide + b[both], minlength=data.sizes[left.name] * wide)
            value = cramers_v(counts.reshape(data.sizes[left.name], wide))
            if value >= _WEAK:
                found.append(Correlation(left.name, right.name, "cramers_v", value, data.approximate))
    return found


def cramers_v(counts: Numbers) -> float:
    """Cramér's V of a table of counts, corrected for bias: W. Bergsma, "A bias-correction for Cramér's V and
    Tschuprow's T", Journal of the Korean Statistical Society 42 (2013). 0 where it is not defined.

    >>> import numpy as np
    >>> round(cramers_v(np.array([[50, 0], [0, 50]])), 3), cramers_v(np.array([[25, 25], [25, 25]]))
    (1.0, 0.0)
    """
    import numpy as np

    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    n, (rows, columns) = float(counts.sum()), counts.shape
    if n < 2 or rows < 2 or columns < 2:
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi = float(((counts - expected) ** 2 / expected).sum()) / n
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    shorter = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return min(1.0, float(np.sqrt(phi / shorter))) if shorter > 0 else 0.0


def dependencies(data: Coded) -> tuple[Dependency, ...]:
    """Determinants of which one value nearly always goes with one value of the dependent.

    ``share`` is that of the rows whose dependent is the most frequent one for their determinant (1 - g3 of
    Kivinen and Mannila, 1995); listed from 0.99 on, where knowing the determinant also takes away nine tenths
    of the errors of guessing (Goodman and Kruskal's lambda): a nearly constant column depends on nothing. A
    determinant repeats: two rows a value at least. NULL counts as a value of the dependent.
    """
    import numpy as np

    found = []
    for left in data.columns:
        a = data.codes[left.name]
        order = np.argsort(a, kind="stable")
        order = order[a[order] >= 0]
        if len(order) < 4 or 2 * data.sizes[left.name] > len(order):
            continue
        taste = order[:_TASTE]
        for right in data.columns:
            if right.name == left.name:
                continue
            b = data.codes[right.name] + 1
            wide = data.sizes[right.name] + 1
            if len(order) > _TASTE and _most(a[taste], b[taste], wide).sum() < 0.9 * len(taste):
                continue
            share = _most(a[order], b[order], wide).sum() / len(order)
            base = np.bincount(b[order]).max() / len(order)
            if share >= _SHARE and base < 1 and (share - base) / (1 - base) >= _LAMBDA:
                found.append(Dependency(left.name, right.name, float(share), data.approximate))
    return tuple(found)


def _most(a: Numbers, b: Numbers, wide: int) -> Numbers:
    """For each value of ``a`` the rows of its most frequent ``b``."""
    import numpy as np

    keys, counts = _counted(a * wide + b, (int(a.max()) + 1) * wide)
    starts = np.flatnonzero(np.diff(keys // wide, prepend=-1))
    return np.maximum.reduceat(counts, starts)


def _counted(keys: Numbers, size: int) -> tuple[Numbers, Numbers]:
    import numpy as np

    if size > max(_TABLE, 0) or size > 40 * len(keys):
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys, minlength=size)
    there = np.flatnonzero(counts)
    return there, counts[there]


def key_pairs(
    data: Coded, rows: int, profiles: Sequence[ColumnProfile], single: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs without a repeated value in the sample, of columns that are no key by themselves and have no
    NULL; at most twenty, those with the fewest values first. The whole table is to be asked of them."""
    import numpy as np

    told = {p.name: p for p in profiles}
    able = [
        c for c in data.columns
        if c.family in ("integer", "text", "date", "timestamp", "timestamptz", "uuid")
        and c.name not in single and told[c.name].nulls == 0 and (told[c.name].distinct or 0) <= 0.9 * rows
    ]  # fmt: skip
    found = []
    for i, left in enumerate(able):
        a = data.codes[left.name]
        order = np.argsort(a, kind="stable")
        taste = order[:_TASTE]
        for right in able[i + 1 :]:
            size = (told[left.name].distinct or 0) * (told[right.name].distinct or 0)
            if size < rows:
                continue
            keys = a * data.sizes[right.name] + data.codes[right.name]
            if len(np.unique(keys[taste])) == len(taste) and len(np.unique(keys)) == len(keys):
                found.append((size, left.name, right.name))
    return [(left, right) for _, left, right in sorted(found)[:_PAIRS]]
