"""The suite on the warehouses that need no server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import Warehouse
from tests.conformance.sinks import SinkSuite

if TYPE_CHECKING:
    from pathlib import Path


class TestDuckLake(SinkSuite):
    @pytest.fixture
    def warehouse(self, tmp_path: Path) -> Warehouse:
        return Warehouse("ducklake", {"type": "ducklake", "path": "lake"}, tmp_path)


class TestDuckDB(SinkSuite):
    @pytest.fixture
    def warehouse(self, tmp_path: Path) -> Warehouse:
        return Warehouse("duckdb", {"type": "duckdb", "path": "out.duckdb"}, tmp_path)


class TestSqlite(SinkSuite):
    @pytest.fixture
    def warehouse(self, tmp_path: Path) -> Warehouse:
        return Warehouse("sqlite", {"type": "sqlite", "path": "out.db"}, tmp_path, nested=False)
