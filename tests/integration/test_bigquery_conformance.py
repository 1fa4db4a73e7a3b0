"""The suite of sinks on an emulator of BigQuery. It shows what our statements do to rows there, and nothing
about BigQuery itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conformance.harness import TABLE, Warehouse
from tests.conformance.sinks import SinkSuite

pytestmark = pytest.mark.bigquery


class TestBigQuery(SinkSuite):
    kill_points = 0  # a publish is one script, which goes on when its sender is killed

    @pytest.fixture
    def warehouse(self, tmp_path: Path, bigquery_keys: dict[str, str]) -> Warehouse:
        return Warehouse("bigquery", {"type": "bigquery", "lock_lease": 3, **bigquery_keys}, tmp_path)

    def test_nested_values(self, warehouse: Warehouse) -> None:
        struct_sql = "{'a b': DATE '2026-01-01', 'c': ['x']}"
        sql = f"SELECT 1 AS id, [1, NULL] AS l, {struct_sql} AS st, MAP {{'k': 1.5}} AS m"
        with warehouse.session() as s:
            s.publish(sql, "r1")
            s.publish(sql, "r2", "merge", key=("id",))
            ((_, numbers, struct, mapping),) = s.engine.query(s.sink.scan(TABLE))
            assert json.loads(numbers) == [1, None]
            assert json.loads(struct) == {"a b": "2026-01-01", "c": ["x"]}
            assert json.loads(mapping) == {"k": 1.5}
