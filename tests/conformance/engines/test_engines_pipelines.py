"""The same pipeline file gives the same rows, quarantine and counts on every engine, cell for cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.engines.pipelines import PIPELINES, SAMPLE, write_sources

from sluiceway.duck import ident, load_extension, open_duckdb
from sluiceway.run.runner import run
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from scripts.servers import Server

    from sluiceway.run.result import RunResult

SETTINGS = """\
project: test
environments:
  embedded:
    warehouse: {type: duckdb, path: embedded.duckdb}
  spark:
    engine: {type: spark, master: "local[2]"}
    warehouse: {type: duckdb, path: spark.duckdb}
  filled:
    warehouse: {type: postgres, url: "${FILLED_URL:-postgresql://nowhere}"}
  inside:
    engine: warehouse
    warehouse: {type: postgres, url: "${INSIDE_URL:-postgresql://nowhere}"}
"""


def _run(folder: Path, name: str, environment: str) -> RunResult:
    project = load_project(folder)
    config = PipelineConfig.load(find_pipeline(project, name))
    return run(resolve(config, project, environment, {}))


def _facts(result: RunResult) -> dict[str, Any]:
    """What the run says of itself, but for times and ids."""
    assert result.error is None, result.error
    return {
        "records": {**result.records.as_dict(), "read": None},  # an engine may count what another need not
        "checks": [(c.check.id, c.failing, c.total, c.passed, str(c.observed)) for c in result.checks],
        "score": result.quality_score,
        "samples": {id_: len(rows) for id_, rows in result.samples.items()},
    }


def _contents(con: Any, catalog: str, table: str) -> tuple[Any, ...]:
    """Columns with their types, rows as text, and the quarantine without what names the run."""
    of = f"{catalog}.mart.{ident(table)}"
    shape = con.execute(f"DESCRIBE SELECT * FROM {of}").fetchall()
    rows = con.execute(f"SELECT t::VARCHAR FROM {of} AS t ORDER BY 1").fetchall()
    turned = con.execute(
        f'SELECT reasons, "row", types, phase, source FROM {catalog}._sluiceway.quarantine '
        f"WHERE pipeline = '{table}' ORDER BY ALL"
    ).fetchall()
    return [(row[0], row[1]) for row in shape], rows, turned


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parity")
    (folder / "pipelines").mkdir()
    (folder / "sluiceway.yml").write_text(SETTINGS, encoding="utf-8")
    for name, text in PIPELINES.items():
        (folder / "pipelines" / f"{name}.yml").write_text(text, encoding="utf-8")
    write_sources(folder)
    return folder


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    "name", [n if n in SAMPLE else pytest.param(n, marks=pytest.mark.slow) for n in PIPELINES]
)
def test_spark_gives_what_duckdb_gives(project: Path, name: str) -> None:
    wanted, found = (_facts(_run(project, name, engine)) for engine in ("embedded", "spark"))
    assert found == wanted
    with open_duckdb() as con:
        for engine in ("embedded", "spark"):
            con.execute(f"ATTACH '{project}/{engine}.duckdb' AS {engine} (READ_ONLY)")
        assert _contents(con, "spark", name) == _contents(con, "embedded", name)


@pytest.fixture(scope="module")
def databases(postgres: Server) -> tuple[str, str]:
    """One that DuckDB's runs fill, and one that runs work inside of."""
    return postgres.create_database(), postgres.create_database()


@pytest.mark.postgres
@pytest.mark.parametrize("name", PIPELINES)
def test_postgres_pushed_down_gives_what_duckdb_gives(
    project: Path, postgres: Server, databases: tuple[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled, inside = (postgres.url_of(database) for database in databases)
    monkeypatch.setenv("FILLED_URL", filled)
    monkeypatch.setenv("INSIDE_URL", inside)
    wanted, found = (_facts(_run(project, name, place)) for place in ("filled", "inside"))
    assert found == wanted
    with open_duckdb() as con:
        load_extension(con, "postgres_scanner")
        for alias, url in (("filled", filled), ("inside", inside)):
            con.execute(f"ATTACH '{url}' AS {alias} (TYPE postgres, READ_ONLY)")
        assert _contents(con, "inside", name) == _contents(con, "filled", name)
    left = postgres.execute(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = to_regnamespace('_sluiceway_work')",
        database=databases[1],
    )
    assert left == [(0,)]
