"""Pipelines worked out inside Snowflake, on its emulator, against the same beside it on DuckDB.

fakesnow turns Snowflake's SQL into DuckDB's and runs that, so equal answers show that the statements are
understood and put together rightly, not that Snowflake rounds or orders as DuckDB does (docs/snowflake.md).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.engines.emulated import PIPELINES, facts, run_in, write_sources
from tests.integration.conftest import LocalEngine
from tests.integration.snowflakes import PASSWORD, new_database

from sluiceway.duck import open_duckdb
from sluiceway.errors import PlanError
from sluiceway.run.warehouse import sink_of
from sluiceway.schema import TableName
from sluiceway.spec.project import load_project
from sluiceway.spec.resolve import environment_of

if TYPE_CHECKING:
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
REFUSED = {
    "cast": "a cast of VARCHAR to INT",
    "judged": "sw_matches",
    "merged": "sw_matches",
}
"""Pipeline -> what it is refused for."""
WITHOUT_PATTERNS = {
    name: re.sub(r"  - pattern:.*\n(    .*\n)*", "", PIPELINES[name]) for name in ("judged", "merged")
}


@pytest.fixture(scope="module")
def project(snowflake: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("parity")
    (folder / "pipelines").mkdir()
    (folder / "sluiceway.yml").write_text(SETTINGS, encoding="utf-8")
    for name, text in PIPELINES.items():
        (folder / "pipelines" / f"{name}.yml").write_text(text, encoding="utf-8")
    for name, text in WITHOUT_PATTERNS.items():
        file = folder / "pipelines" / f"{name}_without.yml"
        file.write_text(text.replace(f"pipeline: {name}", f"pipeline: {name}_without").replace(
            f"mart.{name}", f"mart.{name}_without"), encoding="utf-8")  # fmt: skip
    write_sources(folder)
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "PORT": str(snowflake.port), "PASSWORD": PASSWORD, "BESIDE": new_database(),
            "INSIDE": new_database(),
        }.items():  # fmt: skip
            patch.setenv(f"SF_{key}", value)
        yield folder


def _contents(folder: Path, environment: str, table: str) -> Any:
    """Columns, rows as text, and the quarantine without what names the run."""
    loaded, con = load_project(folder), open_duckdb(threads=1)
    sink = sink_of(loaded, environment_of(loaded, environment))
    sink.open(LocalEngine(con))
    try:
        of = f"({sink.scan(TableName('mart', table))}) AS t"
        turned = f"({sink.quarantine()}) AS q WHERE pipeline = '{table}' ORDER BY ALL"
        return (
            sink.columns(TableName("mart", table)),
            con.execute(f"SELECT t::VARCHAR FROM {of} ORDER BY 1").fetchall(),
            con.execute(f'SELECT reasons, "row", types, phase, source FROM {turned}').fetchall(),
        )
    finally:
        sink.close()
        con.close()


EQUAL = (*(n for n in PIPELINES if n not in REFUSED), *(f"{n}_without" for n in WITHOUT_PATTERNS))


@pytest.mark.parametrize("name", EQUAL)
def test_snowflake_pushed_down_gives_what_duckdb_gives(project: Path, name: str) -> None:
    wanted, found = (facts(run_in(project, name, place)) for place in ("beside", "inside"))
    assert found == wanted
    assert _contents(project, "inside", name) == _contents(project, "beside", name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_sure_there_is_refused_before_anything_is_read(project: Path, name: str) -> None:
    with pytest.raises(PlanError, match=REFUSED[name]):
        run_in(project, name, "inside")
