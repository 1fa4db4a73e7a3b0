"""The statements of every load mode on DuckDB against the naive reference."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance import reference

from sluiceway.connectors.loading import DUCKDB, load
from sluiceway.duck import open_duckdb
from sluiceway.errors import DataQualityError
from sluiceway.exchange import PublishOrder, Scd2
from sluiceway.schema import TableName

T0 = datetime(2026, 1, 1)  # noqa: DTZ001 the tables hold naive timestamps in UTC
COLUMNS = {"k": "INTEGER", "g": "VARCHAR", "v": "INTEGER", "at": "TIMESTAMP"}
INTERVALS = {"valid_from": "TIMESTAMP", "valid_to": "TIMESTAMP"}
KEY = ("k", "g")

values = st.one_of(st.none(), st.integers(0, 2))
moments = st.integers(0, 5).map(lambda n: T0 + timedelta(days=n))
rows = st.fixed_dictionaries(
    {"k": st.integers(0, 2), "g": st.sampled_from(["a", "é"]), "v": values, "at": moments}
)


def by(*names: str) -> Any:
    return lambda row: tuple(row[name] for name in names)


@pytest.fixture(scope="module")
def con() -> Any:
    con = open_duckdb(threads=1)
    yield con
    con.close()


def fill(con: Any, table: str, columns: dict[str, str], content: list[dict[str, Any]]) -> None:
    listed = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
    con.execute(f'CREATE OR REPLACE TABLE "{table}" ({listed})')
    if content:
        marks = ", ".join("?" for _ in columns)
        con.executemany(
            f'INSERT INTO "{table}" VALUES ({marks})', [[row[c] for c in columns] for row in content]
        )


def content(con: Any, table: str) -> Counter[tuple[Any, ...]]:
    return Counter(con.execute(f'SELECT * FROM "{table}"').fetchall())


def counted(content: list[dict[str, Any]], columns: dict[str, str]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[c] for c in columns) for row in content)


def run(con: Any, order: PublishOrder) -> int:
    plan = load(DUCKDB, ("main", "target"), '"batch"', tuple(COLUMNS), order)
    for sql in plan.prepare:
        con.execute(sql)
    for check in plan.checks:
        check.enforce(con.execute(check.sql).fetchall()[0][0], "target")
    late = con.execute(plan.late).fetchall()[0][0] if plan.late else 0
    for sql in plan.statements:
        con.execute(sql)
    return late


def order(mode: Any, **options: Any) -> PublishOrder:
    started = options.pop("started_at", T0 + timedelta(days=3))
    return PublishOrder("r", "p", TableName("main", "target"), mode, started, **options)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=6), st.lists(rows, max_size=6))
def test_append_and_replace_are_the_reference(con: Any, table: Any, batch: Any) -> None:
    for mode, expected in (
        ("append", reference.append(table, batch)),
        ("replace", reference.replace(table, batch)),
    ):
        fill(con, "target", COLUMNS, table)
        fill(con, "batch", COLUMNS, batch)
        run(con, order(mode))
        assert content(con, "target") == counted(expected, COLUMNS)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(rows, max_size=8, unique_by=by(*KEY)),
    st.lists(rows, max_size=8, unique_by=by(*KEY)),
    st.sampled_from([None, "v", "at"]),
)
def test_merge_is_the_reference(con: Any, table: Any, batch: Any, version: str | None) -> None:
    fill(con, "target", COLUMNS, table)
    fill(con, "batch", COLUMNS, batch)
    late = run(con, order("merge", key=KEY, version=version))
    expected, expected_late = reference.merge(table, batch, KEY, version)
    assert content(con, "target") == counted(expected, COLUMNS)
    assert late == expected_late


def test_merge_of_the_same_batch_twice_changes_nothing(con: Any) -> None:
    batch = [{"k": 1, "g": "a", "v": 1, "at": T0}, {"k": 2, "g": "a", "v": None, "at": T0}]
    fill(con, "target", COLUMNS, [])
    fill(con, "batch", COLUMNS, batch)
    for _ in range(2):
        assert run(con, order("merge", key=KEY, version="v")) == 0
    assert content(con, "target") == counted(batch, COLUMNS)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(rows, max_size=6, unique_by=by(*KEY, "at")), min_size=1, max_size=4),
    st.booleans(),
)
def test_scd2_by_a_column_is_the_reference(con: Any, batches: Any, close: bool) -> None:
    every = {**COLUMNS, **INTERVALS}
    options = Scd2(effective_at="at", late="split", on_delete="close" if close else "ignore")
    fill(con, "target", every, [])
    expected: list[dict[str, Any]] = []
    for number, batch in enumerate(batches):
        fill(con, "batch", COLUMNS, batch)
        started = T0 + timedelta(days=2 * number)
        run(con, order("scd2", key=KEY, scd2=options, started_at=started))
        expected, _ = reference.scd2(expected, batch, KEY, started, effective_at="at", close=close)
        assert content(con, "target") == counted(expected, every)
    overlaps = con.execute(
        "SELECT count(*) FROM target a JOIN target b ON a.k = b.k AND a.g = b.g AND a.rowid <> b.rowid "
        "AND a.valid_from < COALESCE(b.valid_to, TIMESTAMP '9999-01-01') "
        "AND b.valid_from < COALESCE(a.valid_to, TIMESTAMP '9999-01-01')"
    ).fetchall()[0][0]
    assert overlaps == 0


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(rows, max_size=6, unique_by=by(*KEY)), min_size=1, max_size=4), st.booleans())
def test_scd2_by_the_clock_is_the_reference(con: Any, batches: Any, close: bool) -> None:
    every = {**COLUMNS, **INTERVALS}
    options = Scd2(on_delete="close" if close else "ignore")
    fill(con, "target", every, [])
    expected: list[dict[str, Any]] = []
    for number, batch in enumerate(batches):
        fill(con, "batch", COLUMNS, batch)
        started = T0 + timedelta(days=number)
        run(con, order("scd2", key=KEY, scd2=options, started_at=started))
        expected, _ = reference.scd2(expected, batch, KEY, started, close=close)
        assert content(con, "target") == counted(expected, every)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(rows, max_size=5, unique_by=by(*KEY, "at")),
    st.lists(rows, max_size=5, unique_by=by(*KEY, "at")),
)
def test_scd2_blocks_exactly_the_late(con: Any, first: Any, second: Any) -> None:
    every = {**COLUMNS, **INTERVALS}
    split = order("scd2", key=KEY, scd2=Scd2(effective_at="at", late="split"))
    fill(con, "target", every, [])
    fill(con, "batch", COLUMNS, first)
    run(con, split)
    before = content(con, "target")
    table, _ = reference.scd2([], first, KEY, T0, effective_at="at")
    expected, late = reference.scd2(table, second, KEY, T0, effective_at="at")
    fill(con, "batch", COLUMNS, second)
    block = order("scd2", key=KEY, scd2=Scd2(effective_at="at", late="block"))
    if late:
        with pytest.raises(DataQualityError, match="older than what the table"):
            run(con, block)
        assert content(con, "target") == before
    else:
        run(con, block)
        assert content(con, "target") == counted(expected, every)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([{"k": 1, "g": "a", "v": 1, "at": T0}, {"k": 1, "g": "a", "v": 2, "at": T0}], "several versions"),
        ([{"k": 1, "g": "a", "v": 1, "at": None}], "have no at"),
    ],
)
def test_scd2_blocks_ties_and_facts_without_a_moment(con: Any, batch: Any, message: str) -> None:
    fill(con, "target", {**COLUMNS, **INTERVALS}, [])
    fill(con, "batch", COLUMNS, batch)
    with pytest.raises(DataQualityError, match=message):
        run(con, order("scd2", key=KEY, scd2=Scd2(effective_at="at", late="split")))
    assert not content(con, "target")


def test_a_batch_that_lacks_a_column_writes_null_there(con: Any) -> None:
    con.execute(
        'CREATE OR REPLACE TABLE target (k INTEGER, g VARCHAR, v INTEGER, "at" TIMESTAMP, more INTEGER)'
    )
    con.execute("INSERT INTO target VALUES (1, 'a', 1, '2026-01-01', 7), (2, 'a', 1, '2026-01-01', 8)")
    fill(con, "batch", COLUMNS, [{"k": 1, "g": "a", "v": 2, "at": T0}])
    run(con, order("merge", key=KEY))
    assert content(con, "target") == Counter([(1, "a", 2, T0, None), (2, "a", 1, T0, 8)])
