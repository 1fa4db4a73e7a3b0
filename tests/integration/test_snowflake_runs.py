"""Whole runs on fakesnow: into it, inside it, out of it."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlglot.errors import OptimizeError
from tests.integration.databases import BEFORE, MODES, into, write_parquet
from tests.integration.snowflake_names import Reader
from tests.integration.snowflakes import PASSWORD, TO_SNOWFLAKE, keys, new_database
from tests.integration.test_run_databases import loads

from sluiceway.connectors.sfclient import SfServer, SnowflakeKeys
from sluiceway.connectors.sfsession import SfSession
from sluiceway.errors import DataQualityError
from sluiceway.run.runner import run

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


@pytest.mark.slow
@pytest.mark.parametrize("settings", [TO_SNOWFLAKE, INSIDE], ids=["beside", "inside"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("sf")
def test_every_name_is_found_where_case_counts(
    make_project: Any, mode: str, settings: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The emulator takes "id" for "ID", Snowflake does not."""
    caplog.set_level(logging.DEBUG, "sluiceway.connectors.snowflake")
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=settings), mode)
    reader = Reader()
    for statement in statements(caplog):
        reader.read(statement)
    assert reader.resolved > 20


def test_a_name_in_the_wrong_case_is_seen() -> None:
    reader = Reader()
    reader.read('CREATE TABLE "MART"."T" ("ID" NUMBER(38,0))')
    reader.read("SELECT id FROM mart.t")
    with pytest.raises(OptimizeError, match="id"):
        reader.read('SELECT "id" FROM "MART"."T"')


@pytest.mark.parametrize("settings", [TO_SNOWFLAKE, INSIDE], ids=["beside", "inside"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("sf")
def test_no_ddl_stands_in_a_transaction(
    make_project: Any, mode: str, settings: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It would commit what was done so far; the emulator lets it pass."""
    caplog.set_level(logging.DEBUG, "sluiceway.connectors.snowflake")
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=settings), mode)
    inside, seen = False, 0
    for statement in statements(caplog):
        word = statement.split()[0]
        if word in ("BEGIN", "COMMIT", "ROLLBACK"):
            inside = word == "BEGIN"
            seen += inside
        elif inside:
            assert word in ("SELECT", "INSERT", "UPDATE", "DELETE", "PUT", "COPY"), statement
    assert seen == 2


FROM_TABLE = """\
pipeline: b
sources: {a: {type: snowflake, connection: wh, table: raw.orders}}
transform:
  - filter: v IS NOT NULL
  - derive: {twice: v * 2}
rules:
  - not_null: id
  - unique: id
  - range: {column: v, min: 0}
    on_fail: quarantine
destination: {table: mart.b, mode: merge, primary_key: id}
"""
ORDERS = (
    "CREATE SCHEMA RAW",
    "CREATE TABLE RAW.ORDERS (ID INTEGER, NAME VARCHAR, V NUMBER(9,2), SEEN TIMESTAMP_NTZ)",
    "INSERT INTO RAW.ORDERS VALUES (1, 'a', 1.5, '2026-01-01'), (2, 'secret row', -1, '2026-01-02')",
    "INSERT INTO RAW.ORDERS VALUES (3, 'c', NULL, NULL), (4, 'd', 4, '2026-01-04 01:02:03.000004')",
)


def filled(emulator: Emulator, database: str, *statements: str) -> None:
    session = SfSession(SfServer.of(SnowflakeKeys.model_validate(keys(emulator, database))), "tests")
    try:
        for statement in statements:
            session.execute(statement)
    finally:
        session.close()


def test_rows_that_lie_in_the_warehouse_never_leave_it(
    sf: str, snowflake: Emulator, make_project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    filled(snowflake, sf, *ORDERS)
    project = make_project({"pipelines/b.yml": FROM_TABLE}, settings=INSIDE)
    caplog.set_level(logging.DEBUG, "sluiceway.connectors.snowflake")
    resolved = project.resolve("b")
    caplog.clear()
    result = run(resolved)
    said = statements(caplog)
    assert result.error is None
    assert (result.records.staged, result.records.published, result.records.quarantined) == (3, 2, 1)
    assert not [s for s in said if s.startswith(("PUT", "COPY", "GET")) or "EPOCH_MICROSECOND" in s]
    made = [s for s in said if s.startswith("CREATE OR REPLACE TRANSIENT TABLE")]
    assert any('"RAW"."ORDERS"' in s for s in made), "the source was read in place"
    # what a SELECT gives back is a count, a cursor, a receipt or a name, or a failing row's sample
    given = [s for s in said if s.startswith(("SELECT", "WITH"))]
    assert not [s for s in given if '"RAW"."ORDERS"' in s and "LIMIT 0" not in s]
    assert project.rows("mart.b", "id, name, twice") == [(1, "a", Decimal("3.00")), (4, "d", Decimal("8.00"))]
    left = [s for s in said if s.startswith("DROP TABLE")]
    assert len(left) >= len(made)


@pytest.mark.usefixtures("sf")
def test_lines_that_can_t_be_read_lie_in_its_quarantine(
    make_project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = "{type: csv, path: data/a.csv, columns: {id: BIGINT, v: BIGINT}, on_bad_row: quarantine}"
    files = {
        "pipelines/a.yml": f"pipeline: a\nsources: {{a: {source}}}\ndestination: {{table: mart.a}}\n",
        "data/a.csv": "id,v\n1,2\n3,four\n",
    }
    caplog.set_level(logging.DEBUG, "sluiceway.connectors.snowflake")
    project = make_project(files, settings=INSIDE)
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.a") == [(1, 2)]
    ((row, phase),) = project.query('SELECT "row", phase FROM {q}')
    assert (json.loads(row)["text"], phase) == ("3,four", "source")
    reader = Reader()
    for statement in statements(caplog):
        reader.read(statement)


@pytest.mark.usefixtures("sf")
def test_a_blocked_run_leaves_the_table_as_it_was(make_project: Any) -> None:
    project = make_project({"pipelines/a.yml": into("append")}, settings=INSIDE)
    write_parquet(project.folder / "data/a.parquet", BEFORE)
    assert project.run("a").error is None
    before = project.rows("mart.a")
    text = into("append").replace("on_fail: quarantine", "on_fail: block")
    project.write("pipelines/a.yml", text)
    result = project.run("a")
    assert isinstance(result.error, DataQualityError)
    assert project.rows("mart.a") == before
    assert len(project.query("SELECT * FROM {q}")) == 1


def statements(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "sluiceway.connectors.snowflake"]
