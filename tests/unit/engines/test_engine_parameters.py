"""What is staged with values beside the SQL has the types of these values."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.engines.base import EngineSettings
from sluiceway.engines.duckdb import DuckDBEngine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("EU", "VARCHAR"), ("5", "VARCHAR"), (1, "INTEGER"), (2**40, "BIGINT"), (1.5, "DOUBLE"),
        (True, "BOOLEAN"), (Decimal("1.20"), "DECIMAL(3,2)"), (date(2026, 1, 1), "DATE"),
        (datetime.fromisoformat("2026-01-01T00:00:00"), "TIMESTAMP"),
    ],
)  # fmt: skip
def test_a_column_made_of_a_value_has_its_type(tmp_path: Path, value: Any, type_: str) -> None:
    engine = DuckDBEngine()
    engine.connect(EngineSettings(), tmp_path / "staging")
    try:
        sql = "SELECT range AS n, $given AS v, '$given' AS t FROM range(3)"
        stage = engine.stage("x", sql, parameters={"given": value, "other": 1}, bad="n > 1")
        assert {c.name: c.type for c in stage.schema} == {"n": "BIGINT", "v": type_, "t": "VARCHAR"}
        rows = engine.query(f"SELECT v, t FROM {stage.relation} ORDER BY n")
        assert rows == [(value, "$given")] * 3
        assert (stage.rows, stage.bad_rows) == (3, 1)
    finally:
        engine.close()
