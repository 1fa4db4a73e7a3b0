"""What a staging of the embedded engine gives back, and how its rows are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlglot

from sluiceway.connectors.types import leaves
from sluiceway.engines.base import EngineSettings, Stage
from sluiceway.engines.duckdb import DuckDBEngine, scan_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPOOLS = DuckDBEngine.capabilities.spools
assert SPOOLS is not None
EXACT, RESERVED = SPOOLS.exact, SPOOLS.reserved

VALUES = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["-128", "127"],
    "SMALLINT": ["-32768", "32767"],
    "INTEGER": ["-2147483648", "2147483647"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "UTINYINT": ["0", "255"],
    "USMALLINT": ["0", "65535"],
    "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "18446744073709551615"],
    "FLOAT": ["nan", "-inf", "0.1"],
    "DOUBLE": ["nan", "-inf", "0.1", "1e308"],
    "DECIMAL(4,1)": ["-999.9", "0.1"],
    "DECIMAL(18,3)": ["-999999999999999.999"],
    "DECIMAL(38,10)": ["-9999999999999999999999999999.9999999999", "0.0000000001"],
    "VARCHAR": ["", "é", "x" * 5000],
    "BLOB": [r"\x00\xFF", ""],
    "UUID": ["ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000"],
    "JSON": ['{"a": 1}', "null"],
    "DATE": ["0044-03-15 (BC)", "9999-12-31", "infinity"],
    "TIME": ["00:00:00", "23:59:59.999999"],
    "TIMESTAMP": ["0044-03-15 (BC) 00:00:00", "2026-01-01 00:00:00.000001", "-infinity"],
    "TIMESTAMP_NS": ["2026-01-01 00:00:00.000000001"],
    "TIMESTAMP WITH TIME ZONE": ["2026-01-01 00:00:00.000001+02"],
    "INTEGER[]": ["[1, NULL]", "[]"],
    "STRUCT(a INTEGER, b VARCHAR[])": ["{'a': 1, 'b': [x, NULL]}"],
    "MAP(VARCHAR, DECIMAL(3,1))": ["{a=1.5}", "{}"],
}
CHANGED = {
    "HUGEINT": "170141183460469231731687303715884105727",
    "UHUGEINT": "1",
    "TIME WITH TIME ZONE": "10:00:00+02",
    "TIMESTAMP_S": "2026-01-01 00:00:00",
    "TIMESTAMP_MS": "2026-01-01 00:00:00",
    "BIT": "101",
    "ENUM('a', 'b')": "a",
    "INTEGER[2]": "[1, 2]",
}
MANY = "SELECT range AS id, range % 7 AS k FROM range(600000)"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine()
    engine.connect(EngineSettings(threads=2), tmp_path / "staging")
    yield engine
    engine.close()


def back(engine: DuckDBEngine, type_: str, texts: list[str]) -> tuple[set[object], set[object]]:
    """What went in and what comes out, as type and text."""
    engine.execute(f"CREATE OR REPLACE TEMP TABLE given (v {type_})")
    for text in texts:
        engine.execute("INSERT INTO given VALUES ($v)", {"v": text})
    engine.execute("INSERT INTO given VALUES (NULL)")
    stage = engine.stage("s", "SELECT * FROM given")
    look = "SELECT typeof(v), CAST(v AS VARCHAR) FROM "
    return set(engine.query(f"{look} given")), set(engine.query(look + stage.relation))


@pytest.mark.parametrize("type_", VALUES)
def test_exact_types_come_back_as_they_were(engine: DuckDBEngine, type_: str) -> None:
    given, found = back(engine, type_, VALUES[type_])
    assert found == given


def test_every_exact_type_was_tried() -> None:
    assert {leaf for type_ in VALUES for leaf in leaves(type_)} == EXACT


@pytest.mark.parametrize("type_", CHANGED)
def test_other_types_are_changed_by_a_staging_and_so_are_not_exact(engine: DuckDBEngine, type_: str) -> None:
    given, found = back(engine, type_, [CHANGED[type_]])
    assert found != given
    assert not {*leaves(type_)} <= EXACT


def test_rows_have_numbers_that_are_theirs_in_every_scan(engine: DuckDBEngine) -> None:
    # how many files a staging has depends on how its threads were woken
    stages = [
        engine.stage(f"s{i}", MANY.replace("range AS id", f"range + {i} * 600000 AS id")) for i in (0, 1)
    ]
    relation = scan_files([file for stage in stages for file in stage.files], stages[0].schema)
    numbers = f"SELECT {stages[0].row} AS n, id FROM {relation}"
    count = engine.query(f"SELECT count(DISTINCT n), count(*) FROM ({numbers})")
    assert count == [(1_200_000, 1_200_000)]
    other = f"SELECT {stages[0].row} AS n, id FROM {relation} WHERE k = 3 AND id > 500000"
    moved = f"SELECT count(*), count_if(a.id <> b.id) FROM ({numbers}) a JOIN ({other}) b USING (n)"
    assert engine.query(moved) == [(99_999, 0)]


def test_a_staging_without_rows_has_a_row_expression_too(engine: DuckDBEngine) -> None:
    stage = engine.stage("s", "SELECT 1 AS a WHERE FALSE")
    assert engine.query(f"SELECT a, {stage.row} FROM {stage.relation}") == []


def test_reserved_names_are_those_that_tell_rows_apart(engine: DuckDBEngine) -> None:
    stage = engine.stage("s", "SELECT 1 AS a")
    used = {
        column.name for column in sqlglot.parse_one(stage.row, read="duckdb").find_all(sqlglot.exp.Column)
    }
    assert used == RESERVED


def test_files_that_a_lake_keeps_are_small_and_those_of_a_spool_quick(engine: DuckDBEngine) -> None:
    """Numbers that only grow are kept as differences; without that the file is as large as the numbers."""
    sql = "SELECT range * 1000003 AS id FROM range(200000)"
    kept, spooled = engine.stage("kept", sql, keep=True), engine.stage("spooled", sql)

    def said(stage: Stage) -> set[tuple[str, str]]:
        files = ", ".join(f"'{file}'" for file in stage.files)
        return set(engine.query(f"SELECT compression, encodings FROM parquet_metadata([{files}])"))

    assert said(kept) == {("ZSTD", "DELTA_BINARY_PACKED")}
    assert said(spooled) == {("LZ4_RAW", "DELTA_BINARY_PACKED")}
    assert sum(file.stat().st_size for file in kept.files) < 200_000 * 8 / 4
