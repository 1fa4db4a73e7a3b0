"""The demo and the benchmark's orders: the same checksums on DuckDB, Spark, Spark Connect and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from bench.data import customers_sql, orders_sql
from bench.projects import LAKE_STEPS
from tests.integration.spark_cluster import connect_server, free_port

from sluiceway.cli.demo import BLOCKED, LOADED, data_folder, unpack
from sluiceway.cli.scaffold import write_project
from sluiceway.duck import open_duckdb
from sluiceway.testing import Outcome, checksum, differences, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.servers import Server

pytestmark = pytest.mark.slow

ENGINES = {
    "duckdb": "",
    "spark": 'engine: {type: spark, master: "local[2]"}',
    "connect": 'engine: {type: spark, remote: "${REMOTE}"}',
}


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("grpc", reason="no Spark Connect: pip install 'sluiceway[spark-connect]'")
    port = free_port()
    with connect_server(tmp_path_factory.mktemp("connect"), port):
        yield f"sc://127.0.0.1:{port}"


@pytest.fixture(params=["spark", "connect"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Spark in this process, and one that another process owns."""
    if request.param == "connect":
        monkeypatch.setenv("REMOTE", request.getfixturevalue("remote"))
    else:
        request.getfixturevalue("spark")
    return str(request.param)


# the demo -------------------------------------------------------------------------------------------


def _demo(folder: Path, engine: str) -> Path:
    """A project of its own for each engine: the pipelines read the lake by its path."""
    project = folder / engine
    write_project("project", project, name="flights_demo")
    unpack(data_folder(), project / "data")
    if ENGINES[engine]:
        settings = project / "sluiceway.yml"
        text = settings.read_text("utf-8")
        assert "  dev:\n" in text
        settings.write_text(text.replace("  dev:\n", f"  dev:\n    {ENGINES[engine]}\n"), "utf-8")
    return project


@dataclass(frozen=True)
class _Left:
    facts: dict[str, Any]
    checksum: str
    quarantine: tuple[Any, ...]


def _demo_run(project: Path) -> dict[str, _Left]:
    """Every pipeline's facts and checksum, of the one that is blocked on purpose too."""
    found = {}
    for name in (*LOADED, BLOCKED):
        left = outcome(project, name, "dev", rows=False)
        assert left.error is None, left.error
        found[name] = _Left(left.facts, checksum(project, "dev", left.table), left.quarantine)
    return found


LAST_DIGITS = "check aggregate:mean_dep_delay: observed"
"""An average of floats, which are summed in whatever order they come in (docs/dialects.md)."""


@pytest.fixture(scope="module")
def demo_on_duckdb(tmp_path_factory: pytest.TempPathFactory) -> dict[str, _Left]:
    return _demo_run(_demo(tmp_path_factory.mktemp("demo"), "duckdb"))


@pytest.mark.spark
def test_the_demo_is_the_same_on_spark(demo_on_duckdb: dict[str, _Left], tmp_path: Path, engine: str) -> None:
    found = _demo_run(_demo(tmp_path, engine))
    assert found["flights"].facts["records.published"] > 300_000
    assert found[BLOCKED].facts["status"] == "blocked"
    averages = [float(demo["daily"].facts[LAST_DIGITS]) for demo in (demo_on_duckdb, found)]
    assert averages[1] == pytest.approx(averages[0], rel=1e-13)
    for name, wanted in demo_on_duckdb.items():
        facts = {k: v for k, v in found[name].facts.items() if k != LAST_DIGITS}
        assert facts == {k: v for k, v in wanted.facts.items() if k != LAST_DIGITS}, name
        assert found[name].checksum == wanted.checksum, name
        assert found[name].quarantine == wanted.quarantine, name


# the benchmark's orders -----------------------------------------------------------------------------

ROWS = 20_000
SETTINGS = """\
project: bench
environments:
  duckdb:
    warehouse: {type: ducklake, path: duckdb}
  spark:
    engine: {type: spark, master: "local[2]"}
    warehouse: {type: ducklake, path: spark}
  connect:
    engine: {type: spark, remote: "${REMOTE:-sc://nowhere}"}
    warehouse: {type: ducklake, path: connect}
  filled:
    warehouse: {type: postgres, url: "${FILLED_URL:-postgresql://nowhere}"}
  inside:
    engine: warehouse
    warehouse: {type: postgres, url: "${INSIDE_URL:-postgresql://nowhere}"}
"""
SOURCES = """\
pipeline: orders
sources:
  orders: {type: parquet, path: data/orders.parquet}
  customers: {type: csv, path: data/customers.csv}
"""


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("orders")
    for name in ("data", "pipelines"):
        (folder / name).mkdir()
    (folder / "sluiceway.yml").write_text(SETTINGS, encoding="utf-8")
    (folder / "pipelines" / "orders.yml").write_text(SOURCES + LAKE_STEPS, encoding="utf-8")
    with open_duckdb() as con:
        con.execute(f"COPY ({orders_sql(ROWS)}) TO '{folder}/data/orders.parquet' (FORMAT parquet)")
        con.execute(f"COPY ({customers_sql()}) TO '{folder}/data/customers.csv' (FORMAT csv, HEADER)")
    return folder


@pytest.fixture(scope="module")
def orders_on_duckdb(orders: Path) -> Outcome:
    left = outcome(orders, "orders", "duckdb")
    assert left.error is None, left.error
    assert left.facts["records.quarantined"] > 0
    assert len(left.rows) > ROWS / 2
    return left


def _compared(orders: Path, wanted: Outcome, environment: str) -> None:
    assert differences(wanted, outcome(orders, "orders", environment)) == []
    assert checksum(orders, environment, "mart.orders") == checksum(orders, "duckdb", "mart.orders")


@pytest.mark.spark
def test_the_benchmark_s_orders_are_the_same_on_spark(
    orders: Path, orders_on_duckdb: Outcome, engine: str
) -> None:
    _compared(orders, orders_on_duckdb, engine)


@pytest.mark.postgres
@pytest.mark.parametrize("place", ["filled", "inside"])
def test_the_benchmark_s_orders_are_the_same_in_postgres(
    orders: Path, orders_on_duckdb: Outcome, postgres: Server, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv(f"{place.upper()}_URL", postgres.url_of(postgres.create_database()))
    _compared(orders, orders_on_duckdb, place)
