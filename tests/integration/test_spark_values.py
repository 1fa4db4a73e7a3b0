"""Names and values that engines disagree about: on Spark they are the same, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.spark_parity import SETTINGS, located, on_both, table

from sluiceway.duck import ident, open_duckdb
from sluiceway.engines.spark_types import crossing
from sluiceway.errors import EngineError, PlanError
from sluiceway.run.runner import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

PARQUET = """\
pipeline: a
sources: {a: {type: parquet, path: a.parquet}}
destination: {table: mart.a, mode: replace}
"""
DUCKDB = PARQUET.replace("type: parquet, path: a.parquet", "type: duckdb, path: a.duckdb, table: t")
RULES = """\
rules:
  - not_null: k
  - unique: k
"""


def _parquet(folder: Path, select: str) -> None:
    with open_duckdb() as con:
        con.execute(f"COPY ({select}) TO '{folder / 'a.parquet'}'")


def _duckdb(folder: Path, select: str) -> None:
    with open_duckdb() as con:
        con.execute(f"ATTACH '{folder / 'a.duckdb'}' AS a; CREATE TABLE a.t AS {select}")


NAMES = [
    "a.b",
    "two words",
    "back`tick",
    'quo"te',
    "it's",
    "größe",
    "列",
    "select",
    "a{b}",
    "a;b",
    "a,b=c",
    "%41",
]


@pytest.mark.parametrize("source", [PARQUET, DUCKDB], ids=["located", "adopted"])
def test_columns_of_any_name(make_project: Any, source: str) -> None:
    rules = "".join(
        f"  - range: {{column: {_yaml(name)}, min: 3}}\n    on_fail: quarantine\n" for name in NAMES[:5]
    )
    project = make_project({"pipelines/a.yml": f"{source}rules:\n{rules}"}, settings=SETTINGS)
    select = ", ".join(f"range + {n} AS {ident(name)}" for n, name in enumerate(NAMES))
    (_parquet if source is PARQUET else _duckdb)(project.folder, f"SELECT {select} FROM range(10)")
    both = on_both(project)
    assert len(both.same()) == 7
    assert both.spark.records.quarantined == 3


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


TYPES = {
    "uint64": "unnest([0::UBIGINT, 18446744073709551615, NULL])",
    "uint32": "unnest([0::UINTEGER, 4294967295])",
    "uint8": "unnest([0::UTINYINT, 255])",
    "int8": "unnest([-128, 127]::TINYINT[])",
    "decimal": "unnest([12345678901234567890123456789012345.678::DECIMAL(38,3), -0.001])",
    "uuid": "unnest(['00000000-0000-0000-0000-000000000001'::UUID, NULL])",
    "time": "unnest([TIME '00:00:00', TIME '23:59:59.999999'])",
    "timestamp": "unnest([TIMESTAMP '1600-01-01 00:00:00.000001', TIMESTAMP '9999-12-31 23:59:59.999999'])",
    "timestamptz": "unnest([TIMESTAMPTZ '1969-12-31 23:59:59.9+00', TIMESTAMPTZ '2026-03-29 02:30:00+01'])",
    "timestamp_s": "unnest([TIMESTAMP_S '2026-01-01 10:00:00'])",
    "timestamp_ms": "unnest([TIMESTAMP_MS '2026-01-01 10:00:00.123'])",
    "date": "unnest([DATE '0001-01-01', DATE '1582-10-04', DATE '1582-10-15', DATE '9999-12-31'])",
    "enum": "unnest(['x', 'y', NULL]::ENUM('x', 'y')[])",
    "float": "unnest(['NaN'::FLOAT, 'inf', '-inf', -0.0, 0.1, 3.4e38, NULL])",
    "double": "unnest(['NaN'::DOUBLE, 'inf', '-inf', -0.0, 0.1, 1e-310, NULL])",
    "blob": r"unnest(['\x00\xFF'::BLOB, ''::BLOB, NULL])",
    "text": "unnest(['', ' ', 'a' || chr(0) || 'b', '😀', chr(10), NULL])",
    "list": "unnest([[1, NULL, 3], [], NULL])",
    "list_of_text": "unnest([['a', ''], [NULL]])",
    "struct": "unnest([{'a b': 1, 'c.d': {'e': 'x'}}, {'a b': NULL, 'c.d': NULL}, NULL])",
    "map": "unnest([MAP {'a': 1, 'b': NULL}, MAP {}, NULL])",
    "list_of_struct": "[{'n': 1::UTINYINT, 't': TIMESTAMP '2026-01-01'}]",
    "json": """unnest(['{"a": [1, 2.50, null], "b": NaN}', '"x"', 'null', NULL])""".replace("NaN", '"NaN"')
    + "::JSON",
    "boolean": "unnest([true, false, NULL])",
    "null": "NULL::INTEGER",
}
CAST = (
    "uint64", "uint32", "uint8", "uuid", "time", "timestamp_s", "timestamp_ms", "enum", "json",
    "list_of_struct",
)  # fmt: skip
REFUSED = {
    "timestamp_ns": "unnest([TIMESTAMP_NS '2026-01-01 10:00:00.123456789'])",
    "interval": "unnest([INTERVAL 1 MONTH, INTERVAL 1 DAY])",
    "timetz": "unnest([TIMETZ '10:00:00+02'])",
    "bit": "unnest(['101'::BIT])",
    "nested_interval": "[INTERVAL 1 DAY]",
    "nested_ns": "{'t': TIMESTAMP_NS '2026-01-01 10:00:00.123456789'}",
}


@pytest.mark.parametrize("source", [PARQUET, DUCKDB], ids=["parquet", "adopted"])
def test_a_value_that_spark_holds_is_the_same(make_project: Any, source: str) -> None:
    """All types in one table: no run for each, which would take minutes."""
    project = make_project({"pipelines/a.yml": source + RULES}, settings=SETTINGS)
    columns = ", ".join(f"{value} AS {name}" for name, value in TYPES.items())
    make = _parquet if source is PARQUET else _duckdb
    make(project.folder, f"SELECT row_number() OVER () AS k, * FROM (SELECT {columns})")
    assert len(on_both(project).same()) == 7


def test_what_spark_holds_it_reads_itself(make_project: Any) -> None:
    """Values of Spark's own reader, not of what the embedded engine hands over."""
    project = make_project({"pipelines/a.yml": PARQUET + RULES}, settings=SETTINGS)
    own = {name: value for name, value in TYPES.items() if name not in CAST}
    columns = ", ".join(f"{value} AS {name}" for name, value in own.items())
    _parquet(project.folder, f"SELECT row_number() OVER () AS k, * FROM (SELECT {columns})")
    assert len(on_both(project).same()) == 7
    location = located(project)
    assert location is not None
    assert not crossing(location.schema)


def test_a_file_of_arrow_s_views_and_unsigned_integers(make_project: Any) -> None:
    """As Polars writes them: what Spark has no type for comes back as what it was."""
    import pyarrow as pa
    from pyarrow import parquet

    project = make_project({"pipelines/a.yml": PARQUET + RULES}, settings=SETTINGS)
    given = {
        "k": pa.array([1, 2, 3], pa.int64()),
        "s": pa.array(["x" * 40, "", None], pa.string_view()),
        "u": pa.array([0, 2**64 - 1, None], pa.uint64()),
    }
    parquet.write_table(pa.table(given), project.folder / "a.parquet")
    both = on_both(project)
    both.same()
    columns, rows = table(project.folder / "spark.duckdb")
    assert "UBIGINT" in str(columns)
    assert str(2**64 - 1) in str(rows)


@pytest.mark.parametrize("make", [_parquet, _duckdb])
@pytest.mark.parametrize("type_", ["hugeint", "uhugeint"])
def test_integers_of_128_bits(make_project: Any, type_: str, make: Any) -> None:
    """38 digits cross, more are refused; DuckDB's own Parquet makes DOUBLE of them."""
    text = DUCKDB if make is _duckdb else PARQUET
    project = make_project({"pipelines/a.yml": text}, settings=SETTINGS)
    make(project.folder, f"SELECT 1 AS k, 99999999999999999999999999999999999999::{type_} AS v")
    outcome = run(project.resolve("a", "spark"))
    assert outcome.error is None
    _, rows = table(project.folder / "spark.duckdb")
    assert ("1e+38" if make is _parquet else "9" * 38) in rows[0][1]


def test_an_integer_of_39_digits_is_refused(make_project: Any) -> None:
    project = make_project({"pipelines/a.yml": DUCKDB}, settings=SETTINGS)
    _duckdb(project.folder, "SELECT 1 AS k, 100000000000000000000000000000000000000::HUGEINT AS v")
    outcome = run(project.resolve("a", "spark"))
    assert isinstance(outcome.error, EngineError)
    assert not (project.folder / "spark.duckdb").exists() or outcome.records.published == 0


@pytest.mark.parametrize("type_", REFUSED)
def test_a_type_that_spark_lacks_is_refused_by_name(make_project: Any, type_: str) -> None:
    project = make_project({"pipelines/a.yml": DUCKDB}, settings=SETTINGS)
    _duckdb(project.folder, f"SELECT 1 AS k, v AS mine FROM (SELECT {REFUSED[type_]} AS v)")
    with pytest.raises(PlanError, match="Spark can't hold column 'mine'") as refused:
        run(project.resolve("a", "spark"))
    assert "mine: VARCHAR" in str(refused.value.hint)


@pytest.mark.parametrize("names", [("a", "A"), ("a", "b", "a")], ids="-".join)
def test_names_of_a_file_that_differ_only_in_case(make_project: Any, names: tuple[str, ...]) -> None:
    """The embedded engine gives the second another name; Spark alone can't read such a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    project = make_project({"pipelines/a.yml": PARQUET}, settings=SETTINGS)
    columns = [pa.array([n]) for n in range(len(names))]
    pq.write_table(pa.Table.from_arrays(columns, names=list(names)), project.folder / "a.parquet")
    on_both(project).same()


def test_an_integer_that_a_double_would_round(make_project: Any) -> None:
    """On the way to Spark it is in a Parquet file, which knows no integer of 128 bits."""
    project = make_project({"pipelines/a.yml": DUCKDB}, settings=SETTINGS)
    _duckdb(project.folder, "SELECT 9007199254740993::HUGEINT AS k, [9007199254740993::HUGEINT] AS l")
    outcome = run(project.resolve("a", "spark"))
    assert outcome.error is None
    _, rows = table(project.folder / "spark.duckdb")
    assert "9007199254740993" in rows[0][1].split(",")[0]
    assert "[9007199254740993]" in rows[0][1]


def test_lists_of_nothing_but_null_and_results_of_nothing(make_project: Any) -> None:
    """Spark's batched reader runs past the end of such a list's dictionary; of an empty result only
    Spark knows the columns, also those with a zone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    steps = "transform:\n  - derive: {text: 'l::VARCHAR'}\n  - filter: k > LEAST\ndestination"
    text = PARQUET.replace("destination", steps).replace("replace}", "replace, allow_empty: true}")
    project = make_project({}, settings=SETTINGS)
    columns = {
        "k": pa.array([1, 2, 3]),
        "l": pa.array([[None], [None, None], None], pa.list_(pa.int32())),
        "at": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
    }
    pq.write_table(pa.table(columns), project.folder / "a.parquet")
    for least, rows in ((0, 3), (3, 0)):
        project.write("pipelines/a.yml", text.replace("LEAST", str(least)))
        assert len(on_both(project).same()) == rows
