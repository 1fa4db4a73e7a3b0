"""A project on disk, and what its warehouse holds, for tests that run pipelines whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import empty_mariadb
from tests.integration.jdbc_child import Child

from sluiceway.duck import ident, open_duckdb
from sluiceway.run.runner import run
from sluiceway.run.warehouse import sink_of
from sluiceway.schema import TableName
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import environment_of, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scripts.servers import Server

    from sluiceway.run.result import RunResult


@dataclass(frozen=True)
class LocalEngine:
    """The reading side of a warehouse, outside any run."""

    connection: Any
    name: str = "duckdb"


@cache
def _reader() -> Any:
    con = open_duckdb()
    con.execute("SET enable_external_file_cache = false")  # tests write files anew under their names
    return con


@dataclass
class ProjectOnDisk:
    folder: Path

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def resolve(self, name: str, environment: str | None = None, **variables: Any) -> Any:
        project = load_project(self.folder)
        config = PipelineConfig.load(find_pipeline(project, name))
        return resolve(config, project, environment, variables)

    def run(self, name: str, **options: Any) -> RunResult:
        return run(self.resolve(name), **options)

    def sink(self) -> Any:
        project = load_project(self.folder)
        return sink_of(project, environment_of(project, None))

    @contextmanager
    def opened(self) -> Iterator[tuple[Any, Any]]:
        """The warehouse and a connection that reads it.

        The connection is kept, empty, for the next time: checking the signatures of a lake's extensions
        takes longer than most tests read.
        """
        sink, con = self.sink(), _reader()
        try:
            sink.open(LocalEngine(con))
            yield sink, con
        finally:
            sink.close()
            attached = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
            for (name,) in con.execute(attached).fetchall():
                if name != "memory" and not name.startswith("__"):  # a lake's catalog goes with the lake
                    con.execute(f"DETACH {ident(name)}")

    def query(self, sql: str, table: str | None = None) -> list[tuple[Any, ...]]:
        """Ask the warehouse; ``{t}`` in the SQL stands for the table's rows.

        Without an ORDER BY the rows come sorted by how they look: no order is promised.
        """
        with self.opened() as (sink, con):
            if table is not None:
                if sink.columns(TableName.parse(table)) is None:
                    raise LookupError(table)
                sql = sql.replace("{t}", f"({sink.scan(TableName.parse(table))}) AS _t")
            if "{q}" in sql:
                sql = sql.replace("{q}", f"({sink.quarantine()}) AS _q")
            rows = con.execute(sql).fetchall()
            return rows if "ORDER BY" in sql else sorted(rows, key=repr)

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.query(f"SELECT {columns} FROM {{t}} ORDER BY ALL", table)

    def exists(self, table: str) -> bool:
        with self.opened() as (sink, _):
            return sink.columns(TableName.parse(table)) is not None


DRIVERS = ("org.postgresql:postgresql:42.7.8", "org.mariadb.jdbc:mariadb-java-client:3.5.6")


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The jars of PostgreSQL's and MariaDB's JDBC drivers, by Maven's own client."""
    if os.environ.get("SLUICEWAY_SERVERS") == "off" or not shutil.which("mvn"):
        pytest.skip("no JDBC drivers: there is no mvn to fetch them")
    folder = tmp_path_factory.mktemp("jars")
    for artifact in DRIVERS:
        done = subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"],
            capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"no JDBC driver {artifact}: {done.stdout[-300:]}")
    return sorted(folder.glob("*.jar"), reverse=True)


@pytest.fixture(scope="session")
def jdbc_child(drivers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A Spark with those drivers, in a process of its own."""
    pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")
    child = Child(drivers, tmp_path_factory.mktemp("child"))
    yield child
    child.close()


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., ProjectOnDisk]:
    def make(files: dict[str, str], *, settings: str = "project: test\n") -> ProjectOnDisk:
        project = ProjectOnDisk(tmp_path)
        project.write("sluiceway.yml", settings)
        for path, text in files.items():
            project.write(path, text)
        return project

    return make


@pytest.fixture
def pg(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of the test's own, as ``${DB_URL}``."""
    name = postgres.create_database()
    monkeypatch.setenv("DB_URL", postgres.url_of(name))
    return name


@pytest.fixture
def maria(mariadb: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same in a MariaDB that holds nothing else."""
    empty_mariadb(mariadb)
    name = mariadb.create_database()
    monkeypatch.setenv("DB_URL", mariadb.url_of(name))
    return name
