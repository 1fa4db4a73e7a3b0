"""The suite of sinks on fakesnow, an emulator of Snowflake. It is not Snowflake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import TABLE, Warehouse
from tests.conformance.sinks import SinkSuite
from tests.integration.snowflakes import warehouse

if TYPE_CHECKING:
    from scripts.emulators import Emulator

pytestmark = pytest.mark.snowflake


class TestSnowflake(SinkSuite):
    kill_points = 0  # its statements are not DuckDB's: test_snowflake_faults kills it

    @pytest.fixture
    def warehouse(self, tmp_path: Path, snowflake: Emulator) -> Warehouse:
        made: Warehouse = warehouse(snowflake, tmp_path)
        return made
