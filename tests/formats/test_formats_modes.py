"""What each load mode leaves in a Delta and in an Iceberg table."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.databases import MODES, into
from tests.integration.test_run_databases import loads

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.mark.parametrize("mode", MODES)
def test_two_loads_in_each_mode(tables: Any, mode: str) -> None:
    loads(tables({"pipelines/a.yml": into(mode)}), mode)
