"""What a profile says of one column, against references."""

from __future__ import annotations

import itertools
import math
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from sluiceway.quality.profile import profile

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.quality.model import ColumnProfile, Profile


def of_sql(tmp_path: Path, sql: str, **how: Any) -> Profile:
    """The profile of what DuckDB writes to a Parquet file."""
    file = tmp_path / "t.parquet"
    duckdb.sql(f"COPY ({sql}) TO '{file}' (FORMAT parquet)")
    return profile(file, **how)


def of(values: list[Any], type_: pa.DataType | None = None, **how: Any) -> ColumnProfile:
    return profile(pa.table({"v": pa.array(values, type_)}), **how)["v"]


@pytest.mark.parametrize("shift", [0, 1e9, -1e12])
@pytest.mark.parametrize("shape", ["normal", "skewed", "few"])
def test_moments_are_those_of_scipy_wherever_the_values_lie(shift: float, shape: str) -> None:
    import numpy as np
    from scipy import stats

    draw = np.random.default_rng(7)
    raw = {"normal": draw.normal(5, 3, 4000), "skewed": draw.exponential(2, 4000),
           "few": draw.integers(0, 3, 4000).astype(float)}[shape]  # fmt: skip
    values = raw + shift
    found = of(values.tolist())
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.stddev == pytest.approx(values.std(ddof=1), rel=1e-6)
    assert found.skewness == pytest.approx(stats.skew(values, bias=False), abs=1e-3)


def test_quantiles_and_fences_of_what_fits_the_sample_are_exact() -> None:
    import numpy as np
    from scipy import stats

    draw = np.random.default_rng(3)
    values = np.concatenate([draw.normal(100, 10, 5000), [500.0, 501.0, -400.0]])
    found = of(values.tolist())
    for name, value in found.quantiles.items():
        assert value == pytest.approx(np.quantile(values, int(name[1:]) / 100), rel=1e-12)
    low, high = np.quantile(values, [0.25, 0.75])
    outside = (values < low - 1.5 * (high - low)) | (values > high + 1.5 * (high - low))
    z = np.abs(0.6744897501960817 * (values - np.median(values)) / stats.median_abs_deviation(values))
    assert {o.method: o.count for o in found.outliers} == {"iqr": outside.sum(), "robust_z": (z > 3.5).sum()}
    assert not any("sample" in note for note in found.notes)


def test_a_histogram_holds_every_value_once_in_the_bin_that_it_says() -> None:
    draw = random.Random(5)
    values = [draw.choice([-3.0, 0.0, 1.25, 7.5, draw.uniform(-3, 10), 10.0]) for _ in range(3000)]
    bins = of(values).histogram
    assert (len(bins), bins[0].lower, bins[-1].upper) == (20, -3.0, 10.0)
    for i, b in enumerate(bins):
        last = i == len(bins) - 1
        there = sum(b.lower <= v < b.upper or (last and v == b.upper) for v in values)
        assert b.count == there, b
    assert all(a.upper == b.lower for a, b in itertools.pairwise(bins))


def test_whole_numbers_get_bins_of_whole_width() -> None:
    bins = of([1, 1, 2, 3, 3, 3]).histogram
    assert [(b.lower, b.upper, b.count) for b in bins] == [(1.0, 2.0, 2), (2.0, 3.0, 4)]


def test_nan_and_infinity_are_counted_apart_and_in_no_moment() -> None:
    found = of([1.0, 2.0, 3.0, math.nan, math.inf, -math.inf, None])
    assert (found.count, found.nulls, found.nan, found.infinite) == (7, 1, 1, 2)
    assert (found.minimum, found.maximum, found.mean, found.stddev) == (1.0, 3.0, 2.0, 1.0)
    assert sum(b.count for b in found.histogram) == 3
    assert found.distinct == 6


def test_only_nan_has_no_extremes_and_no_mean() -> None:
    found = of([math.nan, math.nan])
    assert (found.nan, found.minimum, found.maximum, found.mean, found.histogram) == (2, None, None, None, ())


def test_values_near_the_end_of_a_double_give_no_wrong_figure() -> None:
    found = of([1.7e308, -1.7e308, 1.6e308, 0.0])
    assert (found.minimum, found.maximum) == (-1.7e308, 1.7e308)
    assert found.mean is None or math.isfinite(found.mean)
    assert found.stddev is None or math.isfinite(found.stddev)
    assert sum(b.count for b in found.histogram) == 4


def test_counts_of_zeros_and_negatives() -> None:
    found = of([0, 0, -1, 5, None])
    assert (found.zeros, found.negatives, found.nulls, found.completeness) == (2, 1, 1, 0.8)


def test_text_is_measured() -> None:
    found = of(["", " ", "\t\n", "a ", " b", "c", "é\u00a0", "\u00a0", None, "a\x01"])
    assert (found.blanks, found.whitespace) == (4, 6)
    assert found.length is not None
    assert (found.length.minimum, found.length.maximum, found.length.mean) == (0, 2, pytest.approx(13 / 9))


def test_shapes_tell_letters_digits_and_runs_apart() -> None:
    found = of(["AB-1234", "CD-99", "x-1", "Éa-7", None])
    assert [(s.pattern, s.count) for s in found.shapes] == [("A+-9+", 2), ("Aa-9", 1), ("a-9", 1)]
    assert found.shapes[0].share == 0.5


def test_top_values_are_counted() -> None:
    found = of(["b"] * 3 + ["a"] * 3 + ["c", None])
    assert [(t.value, t.count, round(t.share, 3)) for t in found.top] == [
        ("a", 3, 0.429), ("b", 3, 0.429), ("c", 1, 0.143)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "way"),
    [
        ([1, 2, 3], "strictly increasing"),
        ([1, None, 2, 2], "increasing"),
        ([3, 2, 1], "strictly decreasing"),
        ([3, 3, 1], "decreasing"),
        ([1, 3, 2], None),
        ([3, None, 1, None, 2], None),
        ([1, 1, 1], None),
        ([1], None),
        ([], None),
    ],
)
def test_which_way_a_column_goes(values: list[int | None], way: str | None) -> None:
    assert of(values, pa.int64()).monotonic == way


def test_a_turn_after_the_first_rows_is_seen(tmp_path: Path) -> None:
    sql = "SELECT i, CASE WHEN i = 40000 THEN 1 ELSE i END AS j FROM range(50000) AS t(i) ORDER BY i"
    found = of_sql(tmp_path, sql)
    assert (found["i"].monotonic, found["j"].monotonic) == ("strictly increasing", None)


TYPES: dict[str, tuple[str, Any, Any]] = {
    # expression of i -> (minimum, maximum)
    "TINYINT": ("CAST(i AS TINYINT)", 0, 9),
    "UBIGINT": ("CAST(18446744073709551615 - i AS UBIGINT)", 18446744073709551606, 18446744073709551615),
    "DECIMAL(9,2)": ("CAST(i AS DECIMAL(9,2))", 0.0, 9.0),
    "DECIMAL(38,10)": (
        "CAST(1234567890123456789012345678 + i AS DECIMAL(38,10))",
        "1234567890123456789012345678.0000000000",
        "1234567890123456789012345687.0000000000",
    ),
    "FLOAT": ("CAST(i AS FLOAT)", 0.0, 9.0),
    "BOOLEAN": ("i > 4", False, True),
    "DATE": ("DATE '2024-02-25' + CAST(i AS INTEGER)", "2024-02-25", "2024-03-05"),
    "TIME": ("TIME '10:00:00' + to_minutes(i)", "10:00:00", "10:09:00"),
    "TIMESTAMP": ("TIMESTAMP '2024-01-01' + to_days(i)", "2024-01-01 00:00:00", "2024-01-10 00:00:00"),
    "TIMESTAMP WITH TIME ZONE": (
        "CAST('2024-01-01 01:00:00+01' AS TIMESTAMPTZ) + to_hours(i)",
        "2024-01-01 00:00:00+00",
        "2024-01-01 09:00:00+00",
    ),
    "UUID": (
        "CAST('00000000-0000-0000-0000-00000000000' || i AS UUID)",
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-000000000009",
    ),
    "VARCHAR": ("'x' || i", "x0", "x9"),
    "BLOB": ("CAST('x' || i AS BLOB)", None, None),
    "INTEGER[]": ("[CAST(i AS INTEGER)]", None, None),
    "STRUCT(a BIGINT, b VARCHAR)": ("{'a': i, 'b': 'x'}", None, None),
    "MAP(VARCHAR, BIGINT)": ("MAP {'k': i}", None, None),
}


@pytest.mark.parametrize("type_", TYPES)
def test_each_type_has_an_answer(tmp_path: Path, type_: str) -> None:
    expression, low, high = TYPES[type_]
    found = of_sql(tmp_path, f"SELECT CASE WHEN i < 10 THEN {expression} END AS v FROM range(11) AS t(i)")[
        "v"
    ]
    assert found.type == type_
    assert (found.count, found.nulls) == (11, 1)
    assert (found.distinct, found.distinct_exact) == (2 if type_ == "BOOLEAN" else 10, True)
    assert (found.minimum, found.maximum) == (low, high)
    assert sum(t.count for t in found.top) == 10
    if low is None:
        assert (found.histogram, dict(found.quantiles)) == ((), {})
        assert type_ == "BLOB" or any("no order" in note for note in found.notes)


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("INTERVAL", "INTERVAL 1 DAY * i"),
        ("TIMETZ", "CAST('10:00:0' || i || '+01' AS TIMETZ)"),
        ("BIT", "CAST(i AS BIT)"),
        ("TIMESTAMP_NS", "CAST(TIMESTAMP '2024-01-01' + to_days(i) AS TIMESTAMP_NS)"),
        ("ENUM", "CAST('x' || i AS ENUM('x0', 'x1', 'x2', 'x3', 'x4'))"),
        ("UNION", "union_value(n := i)"),
        ("UHUGEINT", "CAST(i AS UHUGEINT)"),
        ("HUGEINT", "CAST(i AS HUGEINT) * 100000000000000000000"),
    ],
)
def test_types_that_only_databases_have(tmp_path: Path, type_: str, values: str) -> None:
    from sluiceway.spec.project import load_project

    file = tmp_path / "a.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(f"CREATE TABLE t AS SELECT {values} AS v FROM range(5) AS t(i)")
    (tmp_path / "sluiceway.yml").write_text(
        f"project: p\nenvironments: {{dev: {{}}}}\nconnections: {{db: {{type: duckdb, path: {file}}}}}\n"
    )
    found = profile("db:t", project=load_project(tmp_path))["v"]
    assert (found.count, found.nulls, found.distinct) == (5, 0, 5)
    assert found.monotonic is None


def test_dates_and_times_have_quantiles_and_bins_as_text() -> None:
    found = of([date(2024, 1, 1), date(2024, 1, 3), date(2024, 1, 5)])
    assert found.quantiles["p50"] == "2024-01-03"
    assert (found.histogram[0].lower, found.histogram[-1].upper) == ("2024-01-01", "2024-01-05")
    assert (found.mean, found.outliers, found.zeros) == (None, (), None)
    moments = of([datetime(2024, 1, 1, h, tzinfo=UTC) for h in (12, 14)], pa.timestamp("us"))
    assert moments.quantiles["p50"] == "2024-01-01 13:00:00"


def test_decimals_are_numbers_where_a_double_keeps_them() -> None:
    found = of([Decimal("1.10"), Decimal("2.20")], pa.decimal128(9, 2))
    assert (found.minimum, found.maximum, found.top[0].value) == (1.1, 2.2, 1.1)


def test_mixed_json_is_text_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"v": 1}\n{"v": "x"}\n{"v": {"a": 2}}\n{"v": null}\n{"v": [1]}\n')
    found = profile(file)["v"]
    assert (found.count, found.nulls, found.distinct) == (5, 1, 4)


def test_infinite_dates_are_in_no_bin(tmp_path: Path) -> None:
    sql = "SELECT unnest([DATE 'infinity', DATE '2024-01-01', DATE '2024-01-03']) AS d"
    found = of_sql(tmp_path, sql)["d"]
    assert sum(b.count for b in found.histogram) == 2
    assert found.quantiles["p50"] == "2024-01-02"
