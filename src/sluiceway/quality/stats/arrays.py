"""What the methods share: points that can be computed with, ties, and pairs that stand in wrong order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = Sequence[float] | Floats

__all__ = ["NORMAL", "finite", "inversions", "mad", "shrinkage", "tie_sizes"]

NORMAL = 1.4826022185056018
"""The standard deviation of normal values is this often their median absolute deviation."""


def finite(values: Numbers, times: Numbers | None = None) -> tuple[Floats, Floats]:
    """(times, values) without NaN and infinities, ordered by time; positions where there are no times.

    >>> finite([3.0, float("nan"), 1.0], [2.0, 1.0, 0.0])
    (array([0., 2.]), array([1., 3.]))

    Raises:
        ValueError: not as many times as values.
    """
    y = np.asarray(values, dtype=np.float64).ravel()
    x = np.arange(y.size, dtype=np.float64) if times is None else np.asarray(times, dtype=np.float64).ravel()
    if x.size != y.size:
        raise ValueError(f"{x.size} times for {y.size} values")
    kept = np.isfinite(y) & np.isfinite(x)
    x, y = x[kept], y[kept]
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def tie_sizes(values: Floats) -> NDArray[np.int64]:
    """How often each value that is there more than once is there.

    >>> tie_sizes(np.array([1.0, 2.0, 2.0, 3.0, 3.0, 3.0]))
    array([2, 3])
    """
    counts = np.unique(values, return_counts=True)[1]
    return counts[counts > 1].astype(np.int64)


def inversions(values: Floats) -> int:
    """Pairs whose earlier member is the greater one, exactly, in O(n log n).

    Knight, W. R. (1966), "A computer method for calculating Kendall's tau with ungrouped data", JASA 61,
    counts them while merging; here ranks are split bit by bit from the highest, which NumPy does for all
    groups of a bit at once.

    >>> inversions(np.array([3.0, 1.0, 2.0, 2.0]))
    3
    """
    if values.size < 2:
        return 0
    ranks = np.unique(values, return_inverse=True)[1].astype(np.int64)
    total = 0
    for bit in range(int(ranks.max()).bit_length() - 1, -1, -1):
        ones = (ranks >> bit) & 1
        before = np.cumsum(ones) - ones
        prefix = ranks >> (bit + 1)
        starts = np.flatnonzero(np.r_[True, prefix[1:] != prefix[:-1]])
        sizes = np.diff(np.r_[starts, ranks.size])
        before -= np.repeat(before[starts], sizes)
        total += int(before[ones == 0].sum())
        ranks = ranks[np.argsort(ranks >> bit, kind="stable")]
    return total


def mad(values: Floats) -> float:
    """The median absolute deviation from the median, scaled to a normal standard deviation; 0 if empty.

    Hampel, F. R. (1974), "The influence curve and its role in robust estimation", JASA 69.

    >>> round(mad(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), 4)
    1.4826
    """
    if values.size == 0:
        return 0.0
    return float(np.median(np.abs(values - np.median(values)))) * NORMAL


def shrinkage(n: int, parameters: int) -> float:
    """What a spread must be multiplied with after so many medians were taken out of ``n`` values.

    Residuals of least squares shrink by ``sqrt((n - p) / n)``; of medians some more, for one point of
    each group lies on it: by simulation about as if there were half as many parameters again.

    >>> shrinkage(100, 0), round(shrinkage(30, 8), 3)
    (1.0, 1.291)
    """
    fitted = parameters if parameters <= 2 else 1.5 * parameters
    return float(np.sqrt(n / max(n - fitted, 1.0))) if n else 1.0
