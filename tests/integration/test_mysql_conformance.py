"""The suite of sinks on a real MariaDB."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import TABLE, Warehouse
from tests.conformance.sinks import SinkSuite
from tests.integration.databases import empty_mariadb

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.servers import Server

pytestmark = pytest.mark.mysql


class TestMariaDB(SinkSuite):
    kill_points = 0  # its statements are not DuckDB's: test_mysql_faults kills it

    @pytest.fixture
    def warehouse(self, tmp_path: Path, mariadb: Server) -> Warehouse:
        empty_mariadb(mariadb)
        return Warehouse("mysql", {"type": "mysql", "url": mariadb.url}, tmp_path)

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
