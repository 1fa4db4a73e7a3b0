"""Delta Lake and Iceberg tables, on a Spark that has jars for them: tests/integration/test_spark_formats.py
runs this folder in the environment of scripts/spark41.py. Elsewhere everything here is skipped."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from scripts import spark41
from tests.integration.conftest import ProjectOnDisk

from sluiceway.duck import open_duckdb
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.spark_session import open_session, stop_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KINDS = ("delta", "iceberg")


def conf() -> dict[str, str]:
    """Spark's settings: both formats, and no more tasks than small tables need."""
    return {
        **spark41.conf(),
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
    }


def settings(kind: str) -> str:
    listed = ", ".join(f'{key}: "{value}"' for key, value in conf().items())
    return f"""\
project: test
environments:
  dev:
    engine: {{type: spark, master: "local[2]", conf: {{{listed}}}}}
    warehouse: {{type: {kind}, path: lake}}
"""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with both formats, which runs then share."""
    pyspark = pytest.importorskip("pyspark", reason="no Spark 4.1: pyspark is not installed")
    if not pyspark.__version__.startswith("4.1.") or not (spark41.VENV / "packages").exists():
        pytest.skip("no Spark 4.1: python scripts/spark41.py makes an environment with it and the jars")
    engine = EngineSettings("spark", memory_limit="1GB", options={"master": "local[2]", "conf": conf()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session, _ = open_session(engine, tmp_path_factory.mktemp("spark") / "spark.log")
    yield session
    stop_session(session)


@dataclass
class TablesOnDisk(ProjectOnDisk):
    """A project whose warehouse holds tables of a format; ``rows`` reads them by the format's own reader,
    from their folder, and by nothing of ours."""

    kind: str = ""
    spark: Any = None

    def table(self, name: str) -> Path:
        return self.folder / "lake" / name.replace(".", "/")

    def frame(self, name: str, **options: Any) -> Any:
        return self.spark.read.format(self.kind).options(**options).load(str(self.table(name)))

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        found = self.frame(table).toArrow()
        with open_duckdb() as con:
            con.register("found", found)
            return con.execute(f"SELECT {columns} FROM found ORDER BY ALL").fetchall()

    def exists(self, table: str) -> bool:
        return self.table(table).exists()

    def commits(self, table: str) -> int:
        """How often the table was changed."""
        log = self.table(table) / {"delta": "_delta_log", "iceberg": "metadata"}[self.kind]
        return len(list(log.glob("*.json")))


@pytest.fixture(params=KINDS)
def tables(request: pytest.FixtureRequest, spark: Any, tmp_path: Path) -> Callable[..., TablesOnDisk]:
    def make(files: dict[str, str]) -> TablesOnDisk:
        project = TablesOnDisk(tmp_path, request.param, spark)
        project.write("sluiceway.yml", settings(request.param))
        for path, text in files.items():
            project.write(path, text)
        return project

    return make
