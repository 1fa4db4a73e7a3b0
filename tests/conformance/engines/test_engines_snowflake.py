"""Pipelines worked out inside Snowflake, on its emulator, against the same beside it on DuckDB.

fakesnow turns Snowflake's SQL into DuckDB's and runs that, so equal answers show that the statements are
understood and put together rightly, not that Snowflake rounds or orders as DuckDB does (docs/snowflake.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.engines.variants import runs_of, write_without
from tests.integration.snowflakes import PASSWORD, new_database

from sluiceway.duck import literal, open_duckdb
from sluiceway.errors import PlanError
from sluiceway.testing import outcome, same_on, write_project, write_sources

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.emulators import Emulator

pytestmark = [pytest.mark.slow, pytest.mark.snowflake]

_KEYS = (
    'account: fakesnow, user: fake, password: "${SF_PASSWORD}", host: 127.0.0.1, port: "${SF_PORT}", '
    "protocol: http, network_timeout: 10"
)
SETTINGS = f"""\
project: test
environments:
  beside:
    warehouse: {{type: snowflake, database: "${{SF_BESIDE}}", {_KEYS}}}
  inside:
    engine: warehouse
    warehouse: {{type: snowflake, database: "${{SF_INSIDE}}", {_KEYS}}}
"""
EQUAL = (
    "filtered", "selected", "derived_without", "deduplicated", "joined", "anti", "aggregated", "masked",
    "windowed", "judged_without", "merged_without",
)  # fmt: skip
"""Of the suite's pipelines: a publish takes the emulator seconds."""
REFUSED = {
    "cast": "a cast of VARCHAR to INT",
    "derived": "regexp_extract",
    "judged": "sw_matches",
    "merged": "sw_matches",
}
"""Pipeline -> what it is refused for."""


@pytest.fixture(scope="module")
def project(snowflake: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("parity")
    write_project(folder, SETTINGS)
    for name in ("judged", "merged"):
        write_without(folder, name, "- pattern:", "- type:")
    write_without(folder, "derived", "(digits|masked|found|number|small|least|whole_ratio):")
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "PORT": str(snowflake.port), "PASSWORD": PASSWORD, "BESIDE": new_database(),
            "INSIDE": new_database(),
        }.items():  # fmt: skip
            patch.setenv(f"SF_{key}", value)
        yield folder


def _sources(project: Path, batch: int, *, floats: bool) -> None:
    """``floats``: else the column of them holds decimals, since what is quarantined is kept as a text, and
    that of a float is not known to be the same there."""
    write_sources(project, batch=batch)
    if floats:
        return
    file = literal(str(project / "data" / "orders.parquet"))
    exact = "CASE WHEN abs(ratio) < 1e9 THEN CAST(ratio AS DECIMAL(18,6)) END AS ratio"
    with open_duckdb(threads=1) as con:
        con.execute(f"CREATE TABLE exact AS SELECT * REPLACE ({exact}) FROM {file}")
        con.execute(f"COPY exact TO {file} (FORMAT parquet)")


@pytest.mark.parametrize("name", EQUAL)
def test_snowflake_pushed_down_gives_what_duckdb_gives(project: Path, name: str) -> None:
    same_on(
        project, name, "beside", "inside", runs=runs_of(name),
        before=lambda batch: _sources(project, batch, floats=not name.startswith(("judged", "merged"))),
    )  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_sure_there_is_refused_before_anything_is_read(project: Path, name: str) -> None:
    write_sources(project)
    with pytest.raises(PlanError, match=REFUSED[name]):
        outcome(project, name, "inside")
