"""All ways to deduplicate keep the same rows, on any table; and they are the right ones."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from step_bench import Bench, parse

from sluiceway.transforms import deduplicate

TYPES = {"a": "INTEGER", "b": "VARCHAR", "v": "DOUBLE", "w": "VARCHAR"}
ROW = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)),
    st.one_of(st.none(), st.sampled_from(["", "x", "é"])),
    st.one_of(st.none(), st.sampled_from([0.0, -1.0, 2.5, float("nan"), float("inf")])),
    st.one_of(st.none(), st.sampled_from(["p", "q"])),
)
KEY = st.sampled_from([["a"], ["b"], ["a", "b"]])
BY = st.sampled_from([None, [], ["v"], ["w", "v"], ["a", "v"]])
KEEP = st.sampled_from(["latest", "earliest"])

_bench = Bench()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ROW, max_size=14), key=KEY, by=BY, keep=KEEP)
def test_antijoin_and_losers_keep_what_the_window_keeps(
    rows: list[Any], key: list[str], by: Any, keep: str
) -> None:
    _bench.con.execute("DROP VIEW IF EXISTS rows_of_t; DROP TABLE IF EXISTS t")
    _bench.table("t", TYPES, rows)
    _bench.con.execute(f"CREATE VIEW rows_of_t AS SELECT *, rowid AS {deduplicate.ROW} FROM t")
    step: Any = parse("deduplicate", {"key": key, "by": by, "keep": keep})
    context = _bench.context()
    window = sorted(map(repr, _bench.rows(step.compile(context))))
    antijoin = sorted(map(repr, _bench.rows(step.compile_antijoin(context))))
    losers = sorted(map(repr, _bench.rows(step.compile_losers(context, "rows_of_t"))))
    assert window == antijoin == losers
    assert window == sorted(map(repr, reference(rows, key, by, keep)))


def reference(rows: list[Any], key: list[str], by: Any, keep: str) -> list[Any]:
    """Keys compared in Python; a key with NULL is not compared."""
    names = list(TYPES)
    order = [*(by or []), *[n for n in names if n not in key and n not in (by or [])]]
    kept: dict[Any, Any] = {}
    loose = []
    for row in rows:
        values = tuple(row[names.index(k)] for k in key)
        if None in values:
            loose.append(row)
        elif values not in kept or better(row, kept[values], order, keep):
            kept[values] = row
    return [*loose, *kept.values()]


def better(row: Any, old: Any, order: list[str], keep: str) -> bool:
    """NULL loses both ways; NaN is the largest number, as DuckDB has it."""
    for name in order:
        a, b = (r[list(TYPES).index(name)] for r in (row, old))
        if a is None or b is None:
            if (a is None) != (b is None):
                return b is None
            continue
        x, y = (((v != v), 0.0 if v != v else v) if isinstance(v, float) else v for v in (a, b))
        if x != y:
            return (x > y) if keep == "latest" else (x < y)
    return False


def test_a_rerun_in_another_order_keeps_the_same_rows() -> None:
    rows = [(1, "x", 1.0, w) for w in ("p", "q", None)] * 2
    found = []
    for ordered in (rows, rows[::-1], sorted(rows, key=repr)):
        _bench.con.execute("DROP VIEW IF EXISTS rows_of_t; DROP TABLE IF EXISTS t")
        _bench.table("t", TYPES, ordered)
        found.append(_bench.run("deduplicate", {"key": "a", "by": "v"})[1])
    assert found[0] == found[1] == found[2] == [(1, "x", 1.0, "q")]
