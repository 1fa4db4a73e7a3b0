"""``engine: warehouse``: the same pipelines worked out inside PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import MODES, TO_POSTGRES, into
from tests.integration.test_run_databases import loads

from sluiceway.duck import open_duckdb

if TYPE_CHECKING:
    from scripts.servers import Server

pytestmark = pytest.mark.postgres

INSIDE = TO_POSTGRES.replace("    warehouse:", "    engine: warehouse\n    warehouse:")


@pytest.mark.parametrize("mode", MODES)
def test_parquet_by_the_bulk_path_into_each_mode(pg: str, make_project: Any, mode: str) -> None:
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=INSIDE), mode)


def test_lines_that_can_t_be_read_lie_in_its_quarantine(pg: str, make_project: Any) -> None:
    source = "{type: csv, path: data/a.csv, columns: {id: BIGINT, v: BIGINT}, on_bad_row: quarantine}"
    files = {
        "pipelines/a.yml": f"pipeline: a\nsources: {{a: {source}}}\ndestination: {{table: mart.a}}\n",
        "data/a.csv": "id,v\n1,2\n3,four\n",
    }
    project = make_project(files, settings=INSIDE)
    result = project.run("a")
    assert result.error is None
    assert (result.records.read, result.records.rejected, result.records.published) == (2, 1, 1)
    ((row, phase),) = project.query('SELECT "row", phase FROM {q}')
    assert (json.loads(row)["text"], phase) == ("3,four", "source")


def left_over(server: Server, database: str) -> list[tuple[Any, ...]]:
    return server.execute(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE nspname = '_sluiceway_work' AND relkind = 'r'",
        database=database,
    )


EVERY_TYPE = """\
pipeline: PIPE
sources:
  a: {type: parquet, path: a.parquet}
rules:
  - range: {column: id, min: 0}
    on_fail: quarantine
destination: {table: mart.PIPE, mode: MODE}
"""


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_new_table_is_made_as_any_engine_makes_it(
    postgres: Server, pg: str, make_project: Any, mode: str
) -> None:
    """Rows and table come by one statement there; its columns are what CREATE TABLE would have made."""
    text = EVERY_TYPE.replace("MODE", mode)
    project = make_project(
        {"pipelines/x.yml": text.replace("PIPE", "x"), "pipelines/y.yml": text.replace("PIPE", "y")},
        settings=INSIDE,
    )
    with open_duckdb() as con:
        con.execute(
            "COPY (SELECT range - 1 AS id, range::SMALLINT AS small, 'é' || range AS text, "
            "1.5::DECIMAL(18,2) AS money, TRUE AS flag, DATE '2026-01-02' AS day, "
            "TIMESTAMP '2026-01-02 03:04:05.000006' AS at, "
            "TIMESTAMPTZ '2026-01-02 03:04:05+00' AS zoned, range::DOUBLE / 3 AS ratio, "
            "'\\x00a'::BLOB AS bytes, uuid() AS u FROM range(4)) "
            f"TO '{project.folder / 'a.parquet'}' (FORMAT parquet)"
        )
    first = project.run("x")
    assert first.error is None
    assert (first.records.staged, first.records.published, first.records.quarantined) == (4, 3, 1)
    (project.folder / "sluiceway.yml").write_text(TO_POSTGRES)
    assert project.run("y").error is None
    assert columns(postgres, pg, "x") == columns(postgres, pg, "y") != []
    assert project.rows("mart.x") == project.rows("mart.y")
    (project.folder / "sluiceway.yml").write_text(INSIDE)
    again = project.run("x")
    assert (again.error, again.records.published) == (None, 3)
    assert len(project.rows("mart.x")) == (6 if mode == "append" else 3)


def columns(server: Server, database: str, table: str) -> list[tuple[Any, ...]]:
    return server.execute(
        "SELECT column_name, data_type, numeric_precision, numeric_scale, is_nullable, datetime_precision "
        f"FROM information_schema.columns WHERE table_schema = 'mart' AND table_name = '{table}' "
        "ORDER BY ordinal_position",
        database=database,
    )


SWALLOW = (
    "CREATE FUNCTION mart.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$"
)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_table_that_swallows_a_row_is_left_as_it_was(
    postgres: Server, pg: str, make_project: Any, mode: str
) -> None:
    """The rows are counted by the statement that writes them, inside the transaction."""
    project = make_project(
        {"pipelines/x.yml": EVERY_TYPE.replace("PIPE", "x").replace("MODE", mode)}, settings=INSIDE
    )
    with open_duckdb() as con:
        con.execute(f"COPY (SELECT range AS id FROM range(4)) TO '{project.folder / 'a.parquet'}'")
    assert project.run("x").error is None
    before = project.rows("mart.x")
    trigger = "CREATE TRIGGER swallow BEFORE INSERT ON mart.x FOR EACH ROW EXECUTE FUNCTION mart.swallow()"
    postgres.execute(SWALLOW, trigger, database=pg)
    result = project.run("x")
    assert result.status == "failed"
    assert "4 rows were to be published, PostgreSQL took 3" in str(result.error)
    assert project.rows("mart.x") == before
    assert left_over(postgres, pg) == []
