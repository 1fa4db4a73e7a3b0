"""What a profile says of a table: keys, pairs of columns, repeated rows, references; and bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from sluiceway.errors import PlanError, SourceError
from sluiceway.quality.profile import profile, profile_of
from sluiceway.run.standing import standing

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.quality.model import Profile


def written(tmp_path: Path, sql: str, name: str = "t.parquet") -> Path:
    file = tmp_path / name
    duckdb.sql(f"COPY ({sql}) TO '{file}' (FORMAT parquet)")
    return file


BIG = """
    SELECT i AS id, 'u' || (i % 9000) AS email, (i % 7) AS few, CAST(i % 1000 AS DOUBLE) / 10 AS amount,
        CASE WHEN i % 5 = 0 THEN NULL ELSE 'x' END AS gap, hash(i) % 500000 AS wide
    FROM range(300000) AS t(i)
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Three hundred thousand rows, of which about three thousand are looked at closely."""
    return profile(written(tmp_path_factory.mktemp("big"), BIG), sample=3000)


def test_counts_are_of_all_rows_however_small_the_sample(big: Profile) -> None:
    assert big.rows == 300_000
    assert big.sampled is not None
    assert 2500 < big.sampled < 3500
    assert big["gap"].nulls == 60_000
    assert (big["id"].minimum, big["id"].maximum) == (0, 299_999)
    assert big["id"].mean == pytest.approx(149_999.5, rel=1e-12)
    assert big["amount"].zeros == 300
    for c in ("id", "amount"):
        assert sum(b.count for b in big[c].histogram) == 300_000
    assert (big["id"].histogram[0].lower, big["id"].histogram[-1].upper) == (0.0, 299_999.0)
    assert {t.value: t.count for t in big["few"].top} == {
        n: 300_000 // 7 + (n < 300_000 % 7) for n in range(7)
    }


def test_what_comes_from_the_sample_is_near_and_says_so(big: Profile) -> None:
    assert big["id"].quantiles["p50"] == pytest.approx(150_000, abs=9_000)
    assert any("sample" in note for note in big["id"].notes)
    assert not any("quantiles" in note for note in big["email"].notes)


def test_distinct_values_are_exact_below_a_bound_and_near_above_it(big: Profile) -> None:
    assert (big["few"].distinct, big["few"].distinct_exact) == (7, True)
    assert (big["email"].distinct, big["email"].distinct_exact) == (9000, True)
    assert (big["id"].distinct, big["id"].distinct_exact) == (300_000, False)
    truth = duckdb.sql(f"SELECT count(DISTINCT wide) FROM ({BIG})").fetchone()
    assert truth is not None
    assert not big["wide"].distinct_exact
    assert big["wide"].distinct == pytest.approx(truth[0], rel=0.02)
    assert any("zero bits" in note for note in big["wide"].notes)


def test_the_same_table_gives_the_same_profile(tmp_path: Path) -> None:
    file = written(tmp_path, BIG)
    first, second = (profile(file, sample=2000, threads=1).as_dict() for _ in range(2))
    assert first.pop("seconds")
    assert second.pop("seconds")
    assert first == second


def test_repeated_rows_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path, "SELECT i % 70 AS a, NULL AS b FROM range(100) AS t(i)")
    found = profile(file)
    assert (found.duplicate_rows, found.duplicates_exact) == (30, True)
    assert found.keys == ()


def test_repeated_rows_of_a_large_table_are_estimated(tmp_path: Path) -> None:
    file = written(tmp_path, "SELECT i // 2 AS a FROM range(1200000) AS t(i)")
    found = profile(file, sample=2000)
    assert not found.duplicates_exact
    assert found.duplicate_rows == pytest.approx(600_000, rel=0.03)


def test_keys_of_one_and_of_two_columns(tmp_path: Path) -> None:
    sql = """
        SELECT i AS id, i // 4 AS order_id, i % 4 AS line, CAST(i AS DOUBLE) AS f,
            CASE WHEN i > 0 THEN i END AS gap, CASE WHEN i = 1 THEN 0 ELSE i END AS nearly
        FROM range(2000) AS t(i)
    """
    found = {k.columns: k for k in profile(written(tmp_path, sql)).keys}
    assert found[("id",)].share == 1
    assert not found[("id",)].approximate
    assert found[("order_id", "line")].share == 1
    assert found[("nearly",)].share == 1999 / 2000
    assert not {("f",), ("gap",)} & set(found)  # no key is a float or has a gap
    assert not any("id" in columns and len(columns) == 2 for columns in found)


def test_a_pair_that_repeats_outside_the_sample_is_no_key(tmp_path: Path) -> None:
    sql = "SELECT hash(i % 100000) % 4000 AS a, (i % 100000) // 3 AS b FROM range(200000) AS t(i)"
    found = profile(written(tmp_path, sql), sample=1000)
    assert [k for k in found.keys if len(k.columns) == 2] == []


def test_correlations_are_those_of_scipy_and_weak_ones_are_left_out() -> None:
    import numpy as np
    from scipy import stats

    draw = np.random.default_rng(2)
    a = draw.normal(1e9, 1, 3000)
    b, noise = a * -2 + draw.normal(0, 1, 3000), draw.normal(0, 1, 3000)
    colour = draw.choice(["red", "green", "blue"], 3000)
    size = np.where(draw.random(3000) < 0.9, np.where(colour == "red", "S", "L"), "M")
    gaps = [None if i % 3 == 0 else float(v) for i, v in enumerate(b)]
    table = pa.table({"a": a, "b": gaps, "noise": noise, "colour": colour.tolist(), "size": size.tolist()})
    found = {(c.left, c.right): c for c in profile(table).correlations}
    both = np.arange(3000) % 3 != 0
    assert set(found) == {("a", "b"), ("colour", "size")}
    assert found["a", "b"].value == pytest.approx(stats.pearsonr(a[both], b[both])[0], rel=1e-6)
    assert found["a", "b"].method == "pearson"
    counts = np.array(
        [[((colour == c) & (size == s)).sum() for s in "SML"] for c in ("red", "green", "blue")]
    )
    plain = stats.contingency.association(counts, method="cramer")
    assert found["colour", "size"].value == pytest.approx(plain, abs=0.01)  # ours is corrected for bias
    assert not found["a", "b"].approximate


def test_dependencies_and_what_only_looks_like_one(tmp_path: Path) -> None:
    sql = """
        SELECT i AS id, i % 20 AS city, (i % 20) // 5 AS country, hash(i) % 3 AS other,
            CASE WHEN i = 7 THEN 'odd' ELSE 'same' END AS constant,
            CASE WHEN i = 40 THEN -1 ELSE i % 20 END AS nearly
        FROM range(2000) AS t(i)
    """
    found = {(d.determinant, d.dependent): d for d in profile(written(tmp_path, sql)).dependencies}
    assert found["city", "country"].share == 1
    assert found["city", "nearly"].share == 1999 / 2000
    assert ("country", "city") not in found
    assert not any("id" in pair or "other" in pair or "constant" in pair for pair in found)


def test_references_to_other_data(tmp_path: Path) -> None:
    customers = written(
        tmp_path, "SELECT i AS id, 'k' || i AS code FROM range(500) AS t(i)", "customers.parquet"
    )
    orders = """
        SELECT i AS order_id, (i * 7) % 400 AS customer_id, 'k' || (i % 300) AS code, i % 5 AS quantity,
            'z' || (i % 300) AS elsewhere
        FROM range(1000) AS t(i)
    """
    found = profile(written(tmp_path, orders), references=[customers]).references
    assert [(r.column, r.to, r.share, r.approximate) for r in found] == [
        ("customer_id", "id", 1.0, True),
        ("code", "code", 1.0, True),
    ]
    assert all(r.dataset == str(customers) for r in found)


def test_a_column_that_is_no_key_there_is_not_referred_to(tmp_path: Path) -> None:
    other = written(tmp_path, "SELECT 'k' || (i % 300) AS code FROM range(900) AS t(i)", "other.parquet")
    mine = written(tmp_path, "SELECT 'k' || (i % 300) AS code FROM range(300) AS t(i)")
    assert profile(mine, references=[other]).references == ()


def test_an_empty_table(tmp_path: Path) -> None:
    found = profile(
        written(
            tmp_path,
            "SELECT 1 AS a, 'x' AS b, 1.5::DOUBLE AS c, DATE '2024-01-01' AS d, [1] AS e WHERE FALSE",
        )
    )
    assert (found.rows, found.duplicate_rows, found.keys, found.correlations) == (0, 0, (), ())
    for c in found.columns:
        assert (c.count, c.nulls, c.distinct, c.completeness) == (0, 0, 0, None)
        assert (c.minimum, c.mean, c.histogram, c.top, dict(c.quantiles)) == (None, None, (), (), {})


def test_one_row() -> None:
    found = profile([{"a": 1, "b": "x", "c": 2.5}])
    assert (found.rows, found.duplicate_rows, found.keys) == (1, 0, ())
    assert (found["a"].mean, found["a"].stddev, found["a"].skewness) == (1.0, None, None)
    assert [(b.lower, b.upper, b.count) for b in found["c"].histogram] == [(2.5, 2.5, 1)]
    assert found["a"].outliers == ()
    assert found["a"].monotonic is None


def test_all_null() -> None:
    table = pa.table({"n": pa.array([None] * 5, pa.float64()), "s": pa.array([None] * 5, pa.string())})
    found = profile(table)
    for name in ("n", "s"):
        c = found[name]
        assert (c.count, c.nulls, c.distinct, c.completeness) == (5, 5, 0, 0.0)
        assert (c.minimum, c.maximum, c.mean, c.length, c.top) == (None, None, None, None, ())
    assert (found.duplicate_rows, found.keys) == (4, ())


def test_constant_columns() -> None:
    found = profile(pa.table({"n": [3] * 50, "s": ["x"] * 50, "i": list(range(50))}))
    n = found["n"]
    assert (n.distinct, n.mean, n.stddev, n.skewness, n.outliers) == (1, 3.0, 0.0, None, ())
    assert [(b.lower, b.upper, b.count) for b in n.histogram] == [(3.0, 3.0, 50)]
    assert found.correlations == ()
    assert found.dependencies == ()


@pytest.mark.parametrize("wide", [120, pytest.param(2000, marks=pytest.mark.slow)])
def test_very_many_columns(tmp_path: Path, wide: int) -> None:
    listed = ", ".join(f"i + {n} AS c{n}" if n % 2 else f"'v' || (i % {n + 2}) AS c{n}" for n in range(wide))
    found = profile(written(tmp_path, f"SELECT {listed} FROM range(20) AS t(i)"))
    assert len(found.columns) == wide
    assert (found[f"c{wide - 1}"].maximum, found[f"c{wide - 2}"].distinct) == (wide + 18, 20)
    assert [s.pattern for s in found["c100"].shapes] == ["a9", "a9+"]
    assert any(f"{wide - 50} were left out" in note for note in found.notes)


def test_texts_of_a_megabyte(tmp_path: Path) -> None:
    sql = "SELECT repeat(CAST(i % 3 AS VARCHAR), 1000000) AS s, i FROM range(12) AS t(i)"
    found = profile(written(tmp_path, sql))
    s = found["s"]
    assert (s.distinct, s.nulls) == (3, 0)
    assert s.length is not None
    assert (s.length.minimum, s.length.maximum) == (1_000_000, 1_000_000)
    assert len(s.minimum) <= 200
    assert all(len(t.value) <= 200 for t in s.top)
    assert [t.count for t in s.top] == [4, 4, 4]
    assert [shape.pattern for shape in s.shapes] == ["9+"]


def test_names_that_need_quotes() -> None:
    found = profile(pa.table({'a "b"': [1, 2], "select": ["x", "y"], "é ü": [1.0, None]}))
    assert [c.name for c in found.columns] == ['a "b"', "select", "é ü"]
    assert found["é ü"].nulls == 1


def test_text_files_are_read_once_and_agree_with_parquet(tmp_path: Path) -> None:
    sql = "SELECT i, 'a' || (i % 9) AS s FROM range(5000) AS t(i) ORDER BY i"
    file = written(tmp_path, sql)
    duckdb.sql(f"COPY ({sql}) TO '{tmp_path}/t.csv'")
    one, other = profile(file), profile(tmp_path / "t.csv")
    for name in ("i", "s"):
        left, right = one[name], other[name]
        assert (left.distinct, left.top, left.histogram, left.monotonic) == (
            right.distinct, right.top, right.histogram, right.monotonic
        )  # fmt: skip
    assert other["i"].monotonic == "strictly increasing"
    assert other.size == (tmp_path / "t.csv").stat().st_size


def test_frames_of_pandas_and_polars() -> None:
    pandas = pytest.importorskip("pandas")
    assert profile(pandas.DataFrame({"a": [1, 2, None]}))["a"].nulls == 1
    polars = pytest.importorskip("polars")
    assert profile(polars.DataFrame({"a": [1, 2, None]}))["a"].nulls == 1


def test_open_data_can_be_profiled_and_is_left_as_it_was(tmp_path: Path) -> None:
    file = written(tmp_path, "SELECT 1 AS a")
    with standing(file) as data:
        found = profile_of(data)
        left = data.engine.query("SELECT count(*) FROM duckdb_tables()")
        assert (found.rows, left) == (1, [(0,)])
        assert profile_of(data).rows == 1


def test_what_can_t_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        profile(tmp_path / "none.parquet")
    with pytest.raises(PlanError, match="no file that Sluiceway knows"):
        profile("nothing")
    broken = tmp_path / "b.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(SourceError):
        profile(broken)


def test_the_document_is_json(tmp_path: Path) -> None:
    import json

    sql = "SELECT DATE '2024-01-01' AS d, 'NaN'::DOUBLE AS n, 1.5::DECIMAL(38,3) AS w, '1'::BLOB AS b"
    text = json.dumps(profile(written(tmp_path, sql)).as_dict(), allow_nan=False)
    assert json.loads(text)["columns"][0]["minimum"] == "2024-01-01"


CONTRACT = """
kind: DataContract
apiVersion: v3.1.0
id: c
version: 1.0.0
status: active
schema:
  - name: people
    properties:
      - {name: Salary, logicalType: integer, classification: restricted}
      - {name: city, logicalType: string}
"""
PEOPLE: list[dict[str, Any]] = [
    {"salary": 4000 + i, "city": f"city {i % 3}", "email": f"ada{i}@example.org"} for i in range(40)
]


def _said(found: Profile) -> str:
    return str(found.as_dict())


def test_classified_columns_show_no_value(tmp_path: Path) -> None:
    contract = tmp_path / "c.odcs.yaml"
    contract.write_text(CONTRACT)
    shown = profile(PEOPLE)
    assert "4039" in _said(shown)
    hidden = profile(PEOPLE, contract=contract)
    assert not any(str(4000 + i) in _said(hidden) for i in range(40))
    assert (hidden["salary"].minimum, hidden["salary"].distinct, hidden["salary"].mean) == ("***", 40, None)
    assert hidden["city"].top[0].value.startswith("city")
    assert profile(PEOPLE, contract=contract, hide="nothing")["salary"].minimum == 4000


def test_personal_columns_are_hidden_when_asked() -> None:
    assert profile(PEOPLE)["email"].pii is not None
    assert "ada7@" in _said(profile(PEOPLE))
    assert "ada" not in _said(profile(PEOPLE, hide="pii"))


def test_detection_is_part_of_it() -> None:
    found = profile(PEOPLE)["email"]
    assert found.semantic is not None
    assert found.semantic.type == "email"
