"""Fixes on random tables: a value that passes is never touched, what came is kept, no row is lost, and fixing
what was fixed changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.rules.fixing import planned

from sluiceway.duck import open_duckdb
from sluiceway.plan.fixing import WAS, Fixing, fixing_of
from sluiceway.rules.fuse import Check, assign, number_checks
from sluiceway.schema import Schema
from sluiceway.sql.primitives import render

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = Schema.of({"k": "INTEGER", "s": "VARCHAR", "n": "INTEGER", "d": "VARCHAR", "c": "VARCHAR"})
RULES: tuple[dict[str, Any], ...] = (
    {"accepted_values": {"column": "s", "values": ["paid", "shipped", "in-transit"]}, "on_fail": "fix"},
    {"range": {"column": "n", "min": -1, "max": 2, "where": "s <> 'paid'"}, "on_fail": "fix"},
    {"type": {"column": "d", "type": "date"}, "on_fail": "fix"},
    {"pattern": {"column": "c", "format": "iso_country"}, "on_fail": "fix"},
    {"not_null": "n", "on_fail": "fix", "fix": {"default": 0}},
)
row = st.tuples(
    st.integers(0, 3),
    st.none()
    | st.sampled_from(["paid", "PAID", " shiped", "in_transit", "lost", "", "\u00a0paid"])
    | st.text(max_size=6),
    st.none() | st.integers(-5, 5),
    st.none()
    | st.sampled_from(["2024-02-03", "2024/2/3", "20240231", "3 feb 2024", "x"])
    | st.text(max_size=8),
    st.none() | st.sampled_from(["NL", "nld", "Netherlands", "u.s.a.", "XX"]) | st.text(max_size=4),
)


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    found = open_duckdb(threads=1)
    yield found
    found.close()


def plan() -> tuple[tuple[Check, ...], Fixing]:
    checks = assign(number_checks([c for rule in RULES for c in planned(rule, schema=SCHEMA)]))
    fixing = fixing_of(checks, SCHEMA, "rows")
    assert fixing is not None
    return checks, fixing


CHECKS, FIXING = plan()
QUERY = render(FIXING.query, "duckdb")


def load(con: Any, rows: list[tuple[Any, ...]]) -> None:
    con.execute("CREATE OR REPLACE TEMP TABLE rows (k INTEGER, s VARCHAR, n INTEGER, d VARCHAR, c VARCHAR)")
    if rows:
        con.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)


def wrong(check: Check) -> str:
    blame = check.blame()
    assert blame is not None
    return render(blame, "duckdb")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, max_size=12))
def test_fixes_touch_failing_values_alone_and_are_idempotent(con: Any, rows: list[tuple[Any, ...]]) -> None:
    load(con, [r for r in rows if not any("\x00" in v for v in r if isinstance(v, str))])
    con.execute(f"CREATE OR REPLACE TEMP TABLE fixed AS {QUERY}")
    names = {c.rule.columns_used[0] for c in FIXING.checks}
    for name in names:
        flags = " OR ".join(FIXING.flags[c.id] for c in FIXING.checks if c.rule.columns_used[0] == name)
        moved = f"{name} IS DISTINCT FROM {WAS}{name} AND NOT ({flags})"
        assert con.execute(f"SELECT * FROM fixed WHERE {moved}").fetchall() == []
    # the values as they came are all there, and no row was lost or doubled
    came = ", ".join(f"{WAS}{c.name}" if c.name in names else c.name for c in SCHEMA)
    given_rows = con.execute("SELECT * FROM rows ORDER BY ALL").fetchall()
    assert con.execute(f"SELECT {came} FROM fixed ORDER BY ALL").fetchall() == given_rows
    # what passes after the fixes passes them again untouched
    bad = " OR ".join(f"({wrong(c)})" for c in CHECKS)
    good = con.execute(f"SELECT k, s, n, d, c FROM fixed WHERE NOT ({bad}) ORDER BY ALL").fetchall()
    load(con, good)
    assert con.execute(f"SELECT k, s, n, d, c FROM ({QUERY}) ORDER BY ALL").fetchall() == good
    assert con.execute(
        f"SELECT count(*) FROM ({QUERY}) WHERE {' OR '.join(FIXING.flags.values())}"
    ).fetchone() == (0,)
