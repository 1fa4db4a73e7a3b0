"""A profile of random columns against a naive one in Python."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.quality.profile import profile

whole = st.none() | st.integers(-5, 5) | st.sampled_from([0, 2**62, -(2**63), 10**15])
floats = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf])
texts = st.none() | st.text(st.sampled_from("aB1 \t\u00a0é-"), max_size=4)
rows = st.lists(st.tuples(whole, floats, texts), max_size=40)


def way(values: list[Any]) -> str | None:
    pairs = list(itertools.pairwise(values))
    if len(set(values)) < 2:
        return None
    if all(a < b for a, b in pairs):
        return "strictly increasing"
    if all(a > b for a, b in pairs):
        return "strictly decreasing"
    if all(a <= b for a, b in pairs):
        return "increasing"
    return "decreasing" if all(a >= b for a, b in pairs) else None


@settings(max_examples=15, deadline=None)
@given(rows)
def test_a_profile_agrees_with_a_naive_one(given_rows: list[tuple[Any, Any, Any]]) -> None:
    n, f, s = (list(column) for column in zip(*given_rows, strict=True)) if given_rows else ([], [], [])
    found = profile(pa.table({"n": pa.array(n, pa.int64()), "f": pa.array(f, pa.float64()),
                              "s": pa.array(s, pa.string())}))  # fmt: skip
    there = [v for v in n if v is not None]
    numbers = found["n"]
    assert (numbers.count, numbers.nulls, numbers.distinct) == (len(n), len(n) - len(there), len(set(there)))
    assert (numbers.minimum, numbers.maximum) == (min(there, default=None), max(there, default=None))
    assert numbers.monotonic == way(there)
    assert {t.value: t.count for t in numbers.top}.items() <= Counter(there).items()
    assert sum(b.count for b in numbers.histogram) == len(there)
    if there:
        assert numbers.mean == pytest.approx(
            statistics.fmean(there), rel=1e-9, abs=1e-6 * max(map(abs, there))
        )

    finite = [v for v in f if v is not None and math.isfinite(v)]
    c = found["f"]
    assert (c.nan, c.infinite) == (
        sum(v is not None and v != v for v in f),
        sum(v in (math.inf, -math.inf) for v in f),
    )
    assert (c.minimum, c.maximum) == (min(finite, default=None), max(finite, default=None))
    assert sum(b.count for b in c.histogram) == len(finite)
    if len(finite) > 1:
        assert c.stddev == pytest.approx(statistics.stdev(finite), rel=1e-6, abs=1e-6)

    filled = [v for v in s if v is not None]
    t = found["s"]
    ends = " \t\n\r\v\f\u00a0"
    assert t.blanks == sum(not v.strip(ends) for v in filled)
    assert t.whitespace == sum(v != v.strip(ends) for v in filled)
    assert {top.value: top.count for top in t.top}.items() <= Counter(filled).items()
    if filled:
        assert t.length is not None
        assert (t.length.minimum, t.length.maximum) == (min(map(len, filled)), max(map(len, filled)))
    assert found.rows == len(n)
