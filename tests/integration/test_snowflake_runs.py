"""Whole runs on fakesnow: into it, inside it, out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import MODES, into
from tests.integration.snowflakes import PASSWORD, TO_SNOWFLAKE, new_database
from tests.integration.test_run_databases import loads

if TYPE_CHECKING:
    from scripts.emulators import Emulator

pytestmark = pytest.mark.snowflake

INSIDE = TO_SNOWFLAKE.replace("    warehouse:", "    engine: warehouse\n    warehouse:")


@pytest.fixture
def sf(snowflake: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of the test's own, as ``${SF_DATABASE}``."""
    name = new_database()
    for key, value in {"DATABASE": name, "PORT": str(snowflake.port), "PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(f"SF_{key}", value)
    return name


@pytest.mark.parametrize("settings", [TO_SNOWFLAKE, INSIDE], ids=["beside", "inside"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("sf")
def test_parquet_by_the_bulk_path_into_each_mode(make_project: Any, mode: str, settings: str) -> None:
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=settings), mode)
