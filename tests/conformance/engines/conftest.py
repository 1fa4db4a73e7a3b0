"""A project with an environment for each engine, which the modules of this folder share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from sluiceway.testing import write_project, write_sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripts.servers import Server

SETTINGS = """\
project: parity
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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every pipeline of the suite."""
    folder = tmp_path_factory.mktemp("parity")
    write_project(folder, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def sources(project: Path) -> Callable[[int], None]:
    """What ``same_on`` calls before each run."""

    def write(batch: int) -> None:
        write_sources(project, batch=batch)

    return write


@pytest.fixture(scope="module")
def databases(postgres: Server) -> tuple[str, str]:
    """One that DuckDB's runs fill, and one that runs work inside of."""
    return postgres.create_database(), postgres.create_database()


@pytest.fixture
def postgres_pair(
    postgres: Server, databases: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """The environments ``filled`` and ``inside``."""
    for variable, name in zip(("FILLED_URL", "INSIDE_URL"), databases, strict=True):
        monkeypatch.setenv(variable, postgres.url_of(name))
    return "filled", "inside"


@pytest.fixture
def left_inside(postgres: Server, databases: tuple[str, str]) -> Callable[[], int]:
    """How many tables lie where runs worked."""
    sql = (
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = to_regnamespace('_sluiceway_work')"
    )
    ask = partial(postgres.execute, sql, database=databases[1])
    return lambda: int(ask()[0][0])
