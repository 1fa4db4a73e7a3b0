"""Random tables go through rules and steps; DuckDB, Spark and PostgreSQL say and leave the same.

A few examples with `make test`, always the same ones; more and other ones with `make test-all`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.conformance.engines.tables import batches, write_tables

from sluiceway.testing import same_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conformance.engines.tables import Row

SOURCES = """\
sources:
  given: {type: parquet, path: data/given.parquet}
  customers: {type: parquet, path: data/customers.parquet}
"""
RULES = """\
rules:
  - not_null: [s, d]
    on_fail: quarantine
  - accepted_values: {column: s, values: ['', a, é, "it's", 😀]}
    on_fail: warn
  - not_accepted_values: {column: s, values: ['null', '\\']}
    on_fail: quarantine
  - range: {column: d, min: -1.5, max: 1.0e+16}
    on_fail: quarantine
  - range: {column: w, min: 0}
    on_fail: warn
  - range: {column: n, min_exclusive: -2.5, max: 1000}
    on_fail: warn
  - range: {column: dt, min: '1582-10-15', max_exclusive: '2024-03-31'}
    on_fail: warn
  - range: {column: ts, min: '1900-01-01 00:00:00', max: '2024-03-31 02:30:00'}
    on_fail: warn
  - range: {column: tz, max: '2024-03-31T03:00:00+02:00'}
    on_fail: warn
  - length: {column: s, min: 1, max: 3}
    on_fail: warn
  - pattern: {column: s, regex: '[a-zé].*'}
    on_fail: warn
  - pattern: {column: u, regex: '([0-9]+|[a-z]+)'}
    on_fail: warn
FORMATS
TYPES
  - relationships: {column: j, to: customers.customer}
    on_fail: quarantine
  - expression: "i / j < 2 OR regexp_matches(s, '[aé]') OR length(s) > 2"
    on_fail: warn
    name: divided
  - expression: "i::BIGINT * 2 < 5 AND (b OR d > 0.5)"
    on_fail: warn
    where: n IS NOT NULL
    name: where
  - unique: [t, s]
    on_fail: quarantine
    scope: batch
  - unique: [t, d]
    on_fail: warn
  - unique: [w, tz, dt]
    on_fail: warn
  - monotonic: {column: ts, by: k, partition_by: t}
    on_fail: warn
  - monotonic: {column: d, by: [dt, k], direction: strictly_decreasing}
    on_fail: warn
    name: falling floats
  - sql: "SELECT t, count(*) FROM _ GROUP BY t HAVING count(DISTINCT j) > 2"
    on_fail: warn
  - sql: {query: "SELECT count(*) FROM _ WHERE d = 'nan'", must_be: 0}
    on_fail: warn
    name: NaN
  - row_count: {min: 5}
    on_fail: warn
  - aggregate: {measure: sum(i), max: 10}
    on_fail: warn
  - aggregate: {measure: avg(n), max: 10}
    on_fail: warn
  - freshness: {column: ts, max_age: 1d}
    on_fail: warn
"""
_FORMATS = ("email", "url", "uuid", "ipv4", "ipv6", "date", "iso_country", "iban", "phone")
_TYPES = ("integer", "decimal", "boolean", "date", "time", "timestamp", "uuid", "json")
RULES = RULES.replace(
    "FORMATS\n",
    "".join(
        f"  - pattern: {{column: u, format: {f}}}\n    on_fail: warn\n    name: format {f}\n"
        for f in _FORMATS
    ),
).replace(
    "TYPES\n",
    "".join(f"  - type: {{column: u, type: {t}}}\n    on_fail: warn\n    name: type {t}\n" for t in _TYPES),
)
DERIVED = """\
transform:
  - derive:
      # without -0.0: of 0.0 and -0.0 in one column files keep what came first
      quotient: CASE WHEN i = 0 AND j < 0 THEN 0 ELSE i / j END
      whole: j // 2
      rest: j % 4
      product: i::BIGINT * j
      narrow: try_cast(i AS SMALLINT)
      cents: try_cast(n * 100 AS INTEGER)
      tenths: round(n, 1)
      third: n / 3
      floor: floor(d)
      shorter: try_cast(w AS DECIMAL(12,2))
      wide: round(w, 3)
      float: w::DOUBLE
      text_d: d::VARCHAR
      text_w: w::VARCHAR
      text_ts: ts::VARCHAR
      text_tz: tz::VARCHAR
      text_dt: dt::VARCHAR
      text_li: li::VARCHAR
      number: try_cast(u AS BIGINT)
      decimal: try_cast(u AS DECIMAL(12,3))
      double: try_cast(u AS DOUBLE)
      day: try_cast(u AS DATE)
      moment: try_cast(u AS TIMESTAMP)
      truth: try_cast(u AS BOOLEAN)
      letters: length(s)
      first: left(s, 2)
      tail: substring(s, 2)
      joined: concat_ws('-', s, u, j)
      replaced: regexp_replace(s, '[a-zé]', '<\\0>', 'g')
      part: regexp_extract(u, '([0-9]+)-([0-9]+)', 2)
      like: s LIKE '_' OR s LIKE '%a%'
      digest: md5(s)
      week: date_trunc('week', dt)
      quarter: date_trunc('quarter', ts)
      isodow: isodow(dt)
      doy: dayofyear(tz)
      hour: hour(ts)
      days: date_diff('day', DATE '2000-01-01', dt)
      months: date_diff('month', ts, TIMESTAMP '2000-06-15 12:00:00')
      second: li[2]
      has: list_contains(li, 1)
      greatest: greatest(i, j)
      either: b OR d > 0
      same: s = u
      before: s < u
      order_d: CASE WHEN d > n THEN 'more' WHEN d <= n THEN 'less' ELSE 'unknown' END
"""
GROUPED = """\
transform:
  - sql: >
      SELECT t, k, row_number() OVER (PARTITION BY t ORDER BY d, k) AS by_float,
      row_number() OVER (PARTITION BY t ORDER BY d DESC NULLS FIRST, k) AS by_float_back,
      rank() OVER (PARTITION BY t ORDER BY s) AS by_text,
      dense_rank() OVER (PARTITION BY t ORDER BY w DESC) AS by_wide,
      rank() OVER (ORDER BY tz) AS by_moment, lag(u) OVER (PARTITION BY t ORDER BY k) AS before,
      sum(i) OVER (PARTITION BY t ORDER BY k) AS running, count(j) OVER (PARTITION BY t, j) AS alike
      FROM given
    name: ranked
  - sql: >
      SELECT t, b, count(*) AS rows, count(s) AS texts, count(DISTINCT s) AS different, sum(i) AS total,
      avg(j) AS mean, min(s) AS least, max(s) AS most, min(d) AS low, max(d) AS high, max(w) AS wide,
      min(tz) AS early, max(dt) AS late, bool_and(d > 0) AS every, sum(n) AS money,
      string_agg(s, '|' ORDER BY k) AS texts_in_order
      FROM given GROUP BY t, b
    name: grouped
  - sql: >
      SELECT r.*, g.* EXCLUDE (t, b) FROM ranked AS r
      LEFT JOIN (SELECT * FROM grouped
      QUALIFY row_number() OVER (PARTITION BY t ORDER BY b NULLS FIRST) = 1) AS g ON r.t = g.t
"""
KEPT = "transform:\n  - deduplicate: {key: [t, s], keep: latest, by: [ts, w]}\n"
LISTED = "transform:\n  - select: [t, k, li]\n  - flatten: {column: li, position: at}\n"
NESTED = "transform:\n  - flatten: st\n  - flatten: {column: st_v, to: item}\n"
_NESTED_SOURCE = "sources:\n  nested: {type: parquet, path: data/nested.parquet}\n"


def _pipeline(name: str, body: str, sources: str = SOURCES) -> str:
    destination = f"destination: {{table: mart.{name}, mode: replace, allow_empty: true}}\n"
    return f"pipeline: {name}\n{sources}{body}{destination}"


RANDOM = {
    "random_rules": _pipeline("random_rules", RULES),
    "random_values": _pipeline("random_values", DERIVED),
    "random_groups": _pipeline("random_groups", GROUPED),
    "random_kept": _pipeline("random_kept", KEPT),
    "random_lists": _pipeline("random_lists", LISTED),
    "random_nested": _pipeline("random_nested", NESTED, _NESTED_SOURCE),
}
ON_POSTGRES = [name for name in RANDOM if name != "random_nested"]
"""It holds no struct."""
FEW = ["random_rules", "random_values"]


def _examples(number: int, *, fixed: bool) -> Any:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=fixed,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # to shrink costs hundreds of runs
        suppress_health_check=[*HealthCheck],
    )


@pytest.fixture(scope="module")
def tables(project: Path, sources: Callable[[int], None]) -> Path:
    for name, text in RANDOM.items():
        (project / "pipelines" / f"{name}.yml").write_text(text, encoding="utf-8")
    sources(0)
    return project


def _same(project: Path, given_tables: list[list[Row]], names: list[str], places: tuple[str, str]) -> None:
    write_tables(project / "data" / "given.parquet", given_tables)
    for name in names:
        same_on(project, name, *places)


ON_SPARK = ("embedded", "spark")


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
@_examples(3, fixed=True)
@given(batch=batches)
def test_a_few_random_tables_are_the_same_on_spark(tables: Path, batch: list[list[Row]]) -> None:
    _same(tables, batch, FEW, ON_SPARK)


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.usefixtures("spark")
@_examples(12, fixed=False)
@given(batch=batches)
def test_random_tables_are_the_same_on_spark(tables: Path, batch: list[list[Row]]) -> None:
    _same(tables, batch, list(RANDOM), ON_SPARK)


@pytest.mark.postgres
@_examples(3, fixed=True)
@given(batch=batches)
def test_a_few_random_tables_are_the_same_inside_postgres(
    tables: Path, postgres_pair: tuple[str, str], batch: list[list[Row]]
) -> None:
    _same(tables, batch, FEW, postgres_pair)


@pytest.mark.slow
@pytest.mark.postgres
@_examples(40, fixed=False)
@given(batch=batches)
def test_random_tables_are_the_same_inside_postgres(
    tables: Path, postgres_pair: tuple[str, str], batch: list[list[Row]]
) -> None:
    _same(tables, batch, ON_POSTGRES, postgres_pair)
