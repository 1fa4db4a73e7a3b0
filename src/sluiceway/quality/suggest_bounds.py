"""Bounds of numbers: as wide as the next batch needs, by rules that are stated.

The tail of a side is the way from the median to the extreme. A bound lies half a tail beyond the extreme; on
the long side of a skewed column (skewness from 1.5 on) it is the extreme times the root of extreme by median,
as wide tails grow by factors. Zero is a bound where values crowd against it: the way from the extreme to the
5 % quantile is then under a fifth of that to the median, or a hundred values are 0 and none is below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sluiceway.quality.suggest_model import Proposal

if TYPE_CHECKING:
    from sluiceway.quality.model import ColumnProfile

__all__ = ["bounds_of", "numbers", "rounded", "statistics"]

_SKEWED = 1.5
_WILD = 5.0
_EDGE = 0.2
_ZEROS = 100
_NATURAL = (1.0, 100.0)


def numbers(c: ColumnProfile) -> tuple[float, float, float, float, float] | None:
    """(minimum, 5 %, median, 95 %, maximum) as finite numbers; None where there are none."""
    found = (c.minimum, c.quantiles.get("p05"), c.quantiles.get("p50"), c.quantiles.get("p95"), c.maximum)
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in found):
        return None
    floats = tuple(float(v) for v in found if v is not None)
    if len(floats) != 5 or not all(map(math.isfinite, floats)):
        return None
    return floats


def bounds_of(c: ColumnProfile, family: str, *, only_sign: bool = False) -> Iterator[Proposal]:
    """NonNegativeNumbers, HasMin and HasMax; ``only_sign``: the first alone."""
    found = numbers(c)
    if found is None or c.nan or c.infinite or found[0] == found[4] or (c.distinct or 0) < 5:
        return
    low, p05, middle, p95, high = found
    skew, whole = c.skewness or 0.0, family == "integer"
    there, name = c.count - c.nulls, c.name
    least = _beyond(low, middle, -skew, down=True)
    crowd = p05 - low <= _EDGE * (middle - p05) or (low == 0 and (c.zeros or 0) >= _ZEROS)
    zero = low >= 0 and crowd
    if least > 0 and not zero and not only_sign:
        yield _bound(name, "min", rounded(least, middle - low, whole, up=False), low, there, "HasMin")
    elif low >= 0 and (zero or skew >= 0.5):
        why = f"none of {there:,} values is negative; the least is {low:g}"
        rule = {"range": {"column": name, "min": 0}, "name": f"{name}_min"}
        yield Proposal(rule, (name,), "NonNegativeNumbers", why, 0.93, proven=True)
    elif low < 0 and not only_sign:
        yield _bound(name, "min", rounded(least, middle - low, whole, up=False), low, there, "HasMin")
    if only_sign:
        return
    natural = next((top for top in _NATURAL if high <= top and _crowded(high, p95, middle, top)), None)
    if natural is not None and zero and not whole:
        why = f"{there:,} values fill 0 to {natural:g}: from {low:g} to {high:g}"
        rule = {"range": {"column": name, "max": int(natural)}, "name": f"{name}_max"}
        yield Proposal(rule, (name,), "HasMax", why, 0.85, proven=True)
        return
    most = _beyond(high, middle, skew, down=False)
    if math.isfinite(most) and skew < 100:
        yield _bound(name, "max", rounded(most, high - middle, whole, up=True), high, there, "HasMax")


def _crowded(high: float, p95: float, middle: float, top: float) -> bool:
    return (top - p95) <= _EDGE * (p95 - middle) and high >= 0.98 * top


def _beyond(extreme: float, middle: float, skew: float, *, down: bool) -> float:
    """Where the bound lies, before it is rounded."""
    tail = abs(extreme - middle)
    if not down and skew >= _SKEWED and middle > 0:
        return extreme * math.sqrt(extreme / middle)
    more = tail if skew >= _SKEWED else 0.5 * tail
    return extreme - more if down else extreme + more


def _bound(name: str, side: str, bound: Any, seen: float, there: int, source: str) -> Proposal:
    extreme = "least" if side == "min" else "greatest"
    why = f"the {extreme} of {there:,} values is {seen:g}; beyond it the bound leaves room for a longer tail"
    rule = {"range": {"column": name, side: bound}, "name": f"{name}_{side}"}
    return Proposal(rule, (name,), source, why, 0.7, proven=True)


def rounded(value: float, tail: float, whole: bool, *, up: bool) -> Any:
    """Outwards to the second digit of the tail: nobody promises digits that chance wrote.

    >>> rounded(1234.567, 400, False, up=True), rounded(-7.31, 5, False, up=False)
    (1240, -7.4)
    >>> rounded(17.2, 9, True, up=True)
    18
    """
    step = 10.0 ** (math.floor(math.log10(tail)) - 1) if tail > 0 else 1.0
    if whole:
        step = max(step, 1.0)
    moved = math.ceil(value / step - 1e-9) if up else math.floor(value / step + 1e-9)
    made = float(f"{moved * step:.12g}")
    return int(made) if whole or made.is_integer() else made


def statistics(c: ColumnProfile) -> Iterator[Proposal]:
    """HasMean and HasStandardDeviation.

    The mean may move by four standard errors of the difference between two batches of this size, and by a
    quarter of a deviation at least; the deviation may halve or double. Columns with skewness above 5 have
    neither: single rows decide there.
    """
    there, name = c.count - c.nulls, c.name
    if there < 100 or c.mean is None or not c.stddev or abs(c.skewness or 0.0) > _WILD or c.nan or c.infinite:
        return
    if (c.distinct or 0) < 10:
        return
    room = max(4 * c.stddev * math.sqrt(2 / there), c.stddev / 4)
    low = rounded(c.mean - room, room, False, up=False)
    high = rounded(c.mean + room, room, False, up=True)
    quoted = '"' + name.replace('"', '""') + '"'
    yield Proposal(
        {"aggregate": {"measure": f"avg({quoted})", "min": low, "max": high}, "name": f"{name}_mean"},
        (name,),
        "HasMean",
        f"the mean of {there:,} values is {c.mean:.6g}; a batch of that size moves it less",
        0.5,
        proven=True,
    )
    low = rounded(c.stddev / 2, c.stddev / 2, False, up=False)
    high = rounded(c.stddev * 2, c.stddev / 2, False, up=True)
    yield Proposal(
        {
            "aggregate": {"measure": f"stddev_samp({quoted})", "min": low, "max": high},
            "name": f"{name}_stddev",
        },
        (name,),
        "HasStandardDeviation",
        f"the standard deviation of {there:,} values is {c.stddev:.6g}; it may halve or double",
        0.45,
        proven=True,
    )
